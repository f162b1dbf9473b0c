"""Audits a recipe for what an image-level split is worth: how much better it looks on people that it has met.

The same cells are divided twice for each seed, once by image and once by subject, in the same shares. A
learner is fitted and scored under both; the difference is the optimism of the image-level score, that is,
what a published figure of that kind promises beyond what holds for the next patient. Baselines that remember
stain or pictures are audited beside the network, and on simulated cells the known answer, which nothing can
beat on people it has not seen.

    audit.json, audit.md     scores and optimism with intervals, and the verdict
    optimism.png, .svg       the same as a picture
    runs/                    one run folder for each kind of split and seed
    evaluations/             the network's evaluation on each test side

Start at `audit`; `usual_learners` says who is audited, `leuknet.evaluation.optimism` holds the statistics.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from leuknet.data.recipe_parts import fit_parts
from leuknet.data.split import make_split
from leuknet.errors import DataError, SettingError
from leuknet.evaluation.baselines import BASELINES, score_baselines
from leuknet.evaluation.evaluate import evaluate, read_evaluation, write_evaluation
from leuknet.evaluation.metrics import METRICS
from leuknet.evaluation.optimism import KINDS, THRESHOLD, Scored, Worth, measure_worth
from leuknet.evaluation.standings import MIN_SEEDS
from leuknet.evaluation.summary import markdown_table, score_text
from leuknet.figures.frame import save_figure
from leuknet.figures.optimism_plot import draw_optimism
from leuknet.images.survey import Survey, cached_survey
from leuknet.inference.model_id import bears_id
from leuknet.networks.predictor import load_model
from leuknet.records import write_record, write_whole
from leuknet.simulation.simulate import read_truth
from leuknet.training.runs import trained_run
from leuknet.training.train import Precision
from leuknet.types import Dataset, Probabilities, Recipe, Split, TestSide

Learner = Callable[[Dataset, Split, Path], Probabilities]
"""Fits on a split's training side, and its validation side if it needs one, and returns P(leukaemic) of each
cell of the test side, in order. What it keeps goes into the folder given, so that a second call is quick."""

METRIC_NAMES = ("auroc", "accuracy")

KNOWN_ANSWER = "known answer"
"""The learner that knows what the simulation knows of a cell, and remembers nobody."""


@dataclass(frozen=True)
class Audit:
    """The result of `audit`; kept as `audit.json`.

    Attributes
    ----------
    recipe
        Its `split` and `seed` were replaced in turn by both kinds and all seeds.
    cells, subjects
        Those that each split divides, by the first seed where the recipe balances the classes.
    met_share
        Share of image-level test cells whose person has cells on the training side too, in 0..1.
    rows
        Each learner by AUROC and by accuracy at `THRESHOLD`; the verdict is about the first learner.
    verdict
        The result in words.
    """

    dataset: str
    simulated: bool
    recipe: Recipe
    seeds: tuple[int, ...]
    cells: int
    subjects: int
    met_share: float
    rows: tuple[Worth, ...]
    verdict: str


def audit(
    dataset: Dataset, recipe: Recipe, *, seeds: Sequence[int], out: Path, learners: Mapping[str, Learner]
) -> Audit:
    """Score each learner under both kinds of split, and write what the difference is.

    All splits are made before the first learner is called. A call that was stopped goes on where it stood.

    Parameters
    ----------
    recipe
        Which cells are used and in which shares; see `leuknet.data.split.make_split`.
    seeds
        Two or more, all different; each makes one split of either kind.
    out
        Folder to write, see the top of this module; made where it lacks.
    learners
        By the names that tables show, such as `usual_learners` returns.

    Raises
    ------
    SettingError
        If there are fewer than two seeds, or one twice.
    SplitError
        If a class has too few subjects for the sides, or cells name nobody.
    LeukNetError
        As a learner does.
    """
    if len(seeds) < 2 or len(set(seeds)) < len(seeds):
        raise SettingError(
            "cannot audit with these seeds",
            why=f"they are {', '.join(map(str, seeds)) or 'none'}; only between seeds does chance show",
            fix="give two or more different ones, such as --seeds 0,1,2",
        )
    recipe = fit_parts(recipe, dataset.cells)
    splits = [
        make_split(dataset.cells, replace(recipe, split=kind, seed=seed)) for seed in seeds for kind in KINDS
    ]
    out.mkdir(parents=True, exist_ok=True)
    rows: list[Worth] = []
    for name, learner in learners.items():
        scored = [Scored(split, learner(dataset, split, out)) for split in splits]
        rows += [measure_worth(name, scored, metric=metric) for metric in METRIC_NAMES]
    cells = splits[0].cells
    result = Audit(
        dataset=dataset.name,
        simulated=dataset.simulated,
        recipe=recipe,
        seeds=tuple(seeds),
        cells=len(cells),
        subjects=len({cell.subject for cell in cells}),
        met_share=_met_share(splits),
        rows=tuple(rows),
        verdict=_verdict(rows, n_seeds=len(seeds)),
    )
    _write(result, out)
    return result


def usual_learners(
    dataset: Dataset, recipe: Recipe, *, precision: Precision = "no", progress: bool = False
) -> dict[str, Learner]:
    """Return the recipe's network, the baselines and, for simulated cells, the known answer.

    Images are surveyed once for all of them, when the first is called.

    Parameters
    ----------
    precision, progress
        As for `leuknet.training.train.train`.
    """
    recipe = fit_parts(recipe, dataset.cells)

    @functools.cache
    def look() -> Survey:
        cells = [cell for cell in dataset.cells if not recipe.parts or cell.part in recipe.parts]
        return cached_survey(cells, dataset, textures=True, progress=progress)

    network = functools.partial(_network, recipe=recipe, look=look, precision=precision, progress=progress)
    learners: dict[str, Learner] = {recipe.network: network}
    learners |= {name: functools.partial(_baseline, name=name, look=look) for name in BASELINES}
    if dataset.simulated:
        learners[KNOWN_ANSWER] = _known_answer
    return learners


def table_rows(result: Audit) -> list[tuple[str, ...]]:
    """Return the table of an audit as texts, a row for each learner and metric; see `COLUMNS`."""
    return [
        (
            row.learner,
            METRICS[row.metric].title,
            *(score_text(row.metric, score) for score in (row.image_level, row.subject_level, row.optimism)),
        )
        for row in result.rows
    ]


COLUMNS = ("learner", "metric", "image-level", "subject-level", "optimism")


def _network(
    dataset: Dataset,
    split: Split,
    out: Path,
    *,
    recipe: Recipe,
    look: Callable[[], Survey],
    precision: Precision,
    progress: bool,
) -> Probabilities:
    """Train on the split, go on with a stopped run, or take a finished one; score the test side."""
    chosen = replace(recipe, split=split.kind, seed=split.seed)
    run = out / "runs" / f"{split.kind}-{split.seed}"
    trained_run(
        dataset, chosen, out=run, split=split, surveyed=look(), precision=precision, progress=progress
    )
    predictor = load_model(run / "model")
    saved = out / "evaluations" / f"{run.name}.json"
    evaluation = read_evaluation(saved) if saved.exists() else None
    if evaluation is None or not bears_id(run / "model", evaluation.model_id):
        side = TestSide(split.test, split.kind, split.fingerprint, "test side")
        evaluation = evaluate(predictor, dataset, side, reference=predictor.reference, progress=progress)
        write_evaluation(evaluation, saved)
    if evaluation.unreadable:
        raise _unreadable(*evaluation.unreadable[0], n=len(evaluation.unreadable))
    return np.array(evaluation.probabilities)


def _baseline(
    _dataset: Dataset, split: Split, _out: Path, *, name: str, look: Callable[[], Survey]
) -> Probabilities:
    """Fit a baseline on the training side alone: it has nothing that a validation side could choose."""
    seen = look()
    if seen.unreadable:
        cell, error = seen.unreadable[0]
        raise _unreadable(cell.id, error.why, n=len(seen.unreadable))
    return score_baselines(seen.take(split.train), seen.take(split.test), names=[name])[name]


def _known_answer(dataset: Dataset, split: Split, _out: Path) -> Probabilities:
    known = dict(read_truth(dataset.root).select("path", "probability").iter_rows())
    return np.array([known[cell.id] for cell in split.test])


def _unreadable(first: str, why: str, *, n: int) -> DataError:
    return DataError(
        f"cannot audit with {n} images that cannot be read",
        why=f"the first is {first!r}: {why}",
        fix="run `leuknet data verify` on the folder, then mend or remove what it lists",
    )


def _met_share(splits: Sequence[Split]) -> float:
    """Return the share of the image-level splits' test cells that are of people met in training."""
    by_image = [split for split in splits if split.kind == "image-level"]
    met = [{cell.subject for cell in split.train} for split in by_image]
    pairs = zip(by_image, met, strict=True)
    return float(np.mean([cell.subject in people for split, people in pairs for cell in split.test]))


def _verdict(rows: Sequence[Worth], *, n_seeds: int) -> str:
    """Say in words what AUROC says of the first learner."""
    of = {row.learner: row for row in rows if row.metric == "auroc"}
    row = next(iter(of.values()))
    optimism = row.optimism
    if n_seeds < MIN_SEEDS:
        found = f"No verdict from {n_seeds} seeds on whether an image-level split flatters {row.learner}"
    elif optimism.low > 0:
        found = f"An image-level split flatters {row.learner}"
    elif optimism.high < 0:
        found = f"An image-level split scores {row.learner} lower than a subject-level one, which is odd"
    else:
        found = f"These data cannot tell whether an image-level split flatters {row.learner}"
    text = (
        f"{found}: its AUROC is {row.image_level.estimate:.3f} by image and {row.subject_level.estimate:.3f} "
        f"by subject, an optimism of {score_text('auroc', optimism)} over {n_seeds} seeds."
    )
    if KNOWN_ANSWER in of:
        best = of[KNOWN_ANSWER].subject_level.estimate
        text += f" The best that is possible on unseen people here is {best:.3f}."
    return text


def _write(result: Audit, out: Path) -> None:
    write_record(result, out / "audit.json")
    write_whole(out / "audit.md", _page(result).encode())
    of = {row.learner: row for row in result.rows if row.metric == "auroc"}
    ceiling = of.get(KNOWN_ANSWER)
    figure = draw_optimism(
        {name: (row.image_level, row.subject_level, row.optimism) for name, row in of.items()},
        metric=METRICS["auroc"].title,
        ceiling=None if ceiling is None else ceiling.subject_level.estimate,
        n_seeds=len(result.seeds),
        simulated=result.simulated,
    )
    save_figure(figure, out / "optimism")


def _page(result: Audit) -> str:
    first = result.rows[0].optimism
    seeds = ", ".join(map(str, result.seeds))
    lines = [
        "# What an image-level split is worth" + (", on simulated cells" if result.simulated else ""),
        f"{result.verdict} Research software, not a medical device.",
        markdown_table(COLUMNS, table_rows(result)),
        f"Recipe {result.recipe.name}; {result.cells:,} cells of {result.subjects} people of "
        f"{result.dataset}, divided by seeds {seeds}. Scores are means over seeds, accuracy at "
        f"{THRESHOLD:g}. Of the image-level test cells, {result.met_share:.1%} are of people who are in "
        "training too; of the subject-level ones, none.",
        f"Intervals are {first.level:.0%}: {first.method}.",
    ]
    return "\n\n".join(lines) + "\n"
