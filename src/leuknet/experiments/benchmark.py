"""Judges several recipes by one protocol over several seeds, and makes a table and a plot of it.

    evaluations/<recipe>/<seed>-<round>.json             one Evaluation for each cell of the grid
    evaluations/<recipe>/baselines/<name>/...            the same for the baselines on the same cells
    runs/<recipe>/<seed>-<round>/                        the run folder, with the model and its evaluation
    table.md, table.csv, scores.png, scores.svg          made from the evaluations alone

A cell of the grid that has its file is not computed again, and a stopped training goes on. What is below
`evaluations` is small and worth keeping; `runs` can be deleted without losing the table.

Start at `benchmark`; `leuknet.experiments.scoreboard` makes the table and the plot.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tqdm import tqdm

from leuknet.data.protocols import Round, make_rounds
from leuknet.data.recipe_parts import fit_parts
from leuknet.errors import SettingError
from leuknet.evaluation.evaluate import read_evaluation, write_evaluation
from leuknet.evaluation.margins import check_margin
from leuknet.evaluation.searches import check_settings
from leuknet.experiments.assess import assess
from leuknet.experiments.scoreboard import EVALUATIONS, Summary, summarise
from leuknet.images.survey import Survey, cached_survey
from leuknet.networks.predictor import load_model
from leuknet.training.runs import trained_run
from leuknet.training.train import Precision
from leuknet.types import Dataset, Recipe

RUNS = "runs"


@dataclass(frozen=True)
class _Task:
    """One cell of the grid."""

    recipe: Recipe
    round: Round
    file: Path
    run: Path


def benchmark(
    dataset: Dataset,
    recipes: Sequence[Recipe],
    *,
    protocol: str,
    seeds: Sequence[int],
    out: Path,
    nested: bool = False,
    against: str | None = None,
    margin: float | None = None,
    precision: Precision = "no",
) -> Summary:
    """Train and judge each recipe with each seed in each round of a protocol; then summarise.

    Run it again with the same folder to go on after a stop, or to add recipes and seeds.

    Parameters
    ----------
    dataset
        Cells; see the protocol for the parts that it needs.
    recipes
        Their seeds are replaced by each of `seeds`.
    protocol
        A key of `leuknet.data.protocols.PROTOCOLS`.
    seeds
        One or more, all different.
    out
        Results go to `out / protocol`.
    nested
        Add a row that chooses among the recipes by validation, in each round anew; see
        `leuknet.experiments.scoreboard`.
    against
        Name of a recipe: add how each other one differs from it.
    margin
        Also say whether each other one is as good but for so much.
    precision
        See `leuknet.training.train.train`.

    Raises
    ------
    LeakError
        If a recipe's settings are known to be chosen by labels of people whom a round tests.
    SettingError
        If there are no recipes or seeds, one is named twice, or a file or run of the folder is of other
        settings or cells.
    LeukNetError
        As splitting, training and judging do; what was done is kept.
    """
    recipes = [fit_parts(recipe, dataset.cells) for recipe in recipes]
    _check_grid(recipes, seeds)
    check_margin(margin)
    folder = out / protocol
    tasks = [
        _task(folder, replace(recipe, seed=seed), division)
        for recipe in recipes
        for seed in seeds
        for division in make_rounds(dataset.cells, protocol, replace(recipe, seed=seed))
    ]
    for task in tasks:
        check_settings(task.recipe, task.round.split)
    todo = [task for task in tasks if not _is_done(task)]
    # All images of the grid are looked at once, instead of once for each of its cells.
    cells = {cell.id: cell for task in todo for cell in task.round.split.cells}
    surveyed = cached_survey(list(cells.values()), dataset, textures=True, progress=True) if todo else None
    with tqdm(total=len(tasks), initial=len(tasks) - len(todo), desc="benchmark", unit="run") as bar:
        for task in todo:
            bar.set_postfix_str(f"{task.recipe.name}, seed {task.recipe.seed}, {task.round.split.round}")
            _compute(task, dataset, surveyed=surveyed, precision=precision)
            bar.update()
    return summarise(folder, nested=nested, against=against, margin=margin)


def _check_grid(recipes: Sequence[Recipe], seeds: Sequence[int]) -> None:
    grid = {"recipe": [recipe.name for recipe in recipes], "seed": [str(seed) for seed in seeds]}
    for what, values in grid.items():
        if not values or len(set(values)) < len(values):
            raise SettingError(
                "cannot make a grid",
                why=f"the {what}s are {', '.join(values) or 'none'}",
                fix=f"name at least one {what}, each once",
            )


def _task(folder: Path, recipe: Recipe, division: Round) -> _Task:
    place = Path(as_file_name(recipe.name), f"{recipe.seed}-{as_file_name(division.split.round)}")
    return _Task(recipe, division, folder / EVALUATIONS / f"{place}.json", folder / RUNS / place)


def as_file_name(text: str) -> str:
    """Return the name of a recipe or round as it stands in paths."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.")


def _is_done(task: _Task) -> bool:
    """Whether the evaluation is there; a SettingError if the one that is there is another's."""
    if not task.file.exists():
        return False
    found = read_evaluation(task.file)
    wanted = (task.recipe.name, task.recipe.seed, task.round.split.fingerprint)
    if (found.recipe, found.seed, found.split_fingerprint) != wanted:
        raise SettingError(
            f"{task.file} holds the evaluation of another recipe or other cells",
            why=f"it is {found.recipe!r} with seed {found.seed} on split {found.split_fingerprint[:12]}, "
            f"and now {wanted[0]!r} with seed {wanted[1]} on split {wanted[2][:12]} is asked for",
            fix="name another folder with --out",
        )
    return True


def _compute(task: _Task, dataset: Dataset, *, surveyed: Survey | None, precision: Precision) -> None:
    trained_run(
        dataset,
        task.recipe,
        out=task.run,
        split=task.round.split,
        surveyed=surveyed,
        precision=precision,
        progress=True,
    )
    predictor = load_model(task.run / "model")
    evaluation = assess(predictor, dataset, out=task.run / "evaluation", surveyed=surveyed, overwrite=True)
    for path in sorted((task.run / "evaluation" / "baselines").glob("*.json")):
        target = task.file.parent / "baselines" / path.stem / task.file.name
        write_evaluation(read_evaluation(path), target)
    # Last, since it says that this cell of the grid is done.
    write_evaluation(evaluation, task.file)
