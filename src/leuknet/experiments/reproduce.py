"""The paper's whole experiment as one function, from a folder of images to a page that explains the result.

`reproduce_paper` takes fold_0 or the most complete fold, balances it by random deletion, divides it 70/20/10
by image, trains the 17-layer network and judges it, once for each seed. It writes the paper's five figures
and the training curve of the first seed, and one page with a table "paper / this run" and all seeds beside
each other; the full report lies beside it. Each seed looks for its own result first, so the same call goes on
after a stop, and more seeds can be asked for later.

Start at `reproduce_paper`; `simulate_demo` makes data for those who have none.
"""

from __future__ import annotations

import json
import os
import platform
import shlex
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from leuknet.data import open_dataset
from leuknet.data.c_nmc import SIMULATED, TOP
from leuknet.data.published_counts import COUNTS
from leuknet.errors import SettingError
from leuknet.evaluation.evaluate import read_evaluation
from leuknet.evaluation.resampling import wilson
from leuknet.experiments.assess import assess
from leuknet.experiments.folds import Fold, choose_fold
from leuknet.experiments.paper_content import ReproductionContent, SeedRun
from leuknet.experiments.paper_figures import draw_figures
from leuknet.experiments.paper_page import reproduction_page
from leuknet.inference.model_folder import open_card
from leuknet.inference.model_id import bears_id
from leuknet.networks.predictor import load_model
from leuknet.recipes import changed, get_recipe
from leuknet.report.run_report import write_report
from leuknet.simulation.simulate import simulate
from leuknet.training.runs import trained_run
from leuknet.training.train import Precision, TrainedRun
from leuknet.types import Dataset, Evaluation, Recipe

DEMO_SCALE = 0.25
"""Share of the published images that the demonstration draws."""

PAGE = "index.html"


def reproduce_paper(
    data: Path,
    *,
    out: Path,
    recipe: str = "leuknet-paper",
    part: str | None = None,
    seeds: Sequence[int] = (0,),
    precision: Precision = "no",
) -> Path:
    """Run the experiment and return the page.

    Parameters
    ----------
    data
        C-NMC 2019 as published, whole or in part, or simulated.
    out
        Folder for the runs, the figures and the page: `run` is that of the first seed, `seeds/1` and so on
        those of the others. An earlier stopped or finished call with the same data and recipe goes on from
        what it left, seed by seed.
    recipe
        Name of the recipe.
    part
        Fold to take; None takes fold_0 if it is complete, else the most complete fold.
    seeds
        One training each, at least one. A seed decides deletion, split, first weights, order and dropout.
    precision
        See `leuknet.training.train.train`.

    Raises
    ------
    SettingError
        If the part is not there or too small, `out` holds another experiment, or a seed is named twice.
    LeukNetError
        As reading, splitting, training and evaluating do.
    """
    if not seeds or len(set(seeds)) < len(seeds):
        raise SettingError(
            "cannot run these seeds", why="one is named twice, or none is named", fix="name each seed once"
        )
    dataset = open_dataset(data, name="c-nmc-2019", progress=True)
    plain = get_recipe(recipe)
    fold = choose_fold(dataset, plain, part=part)
    # A fold other than the recipe's own changes its name, as `leuknet train --set` does.
    chosen = plain if plain.parts == (fold.part,) else changed(plain, [f'parts=["{fold.part}"]'])
    out.mkdir(parents=True, exist_ok=True)
    runs, judged = [], []
    for number, seed in enumerate(seeds):
        folder = out / "run" if number == 0 else out / "seeds" / str(seed)
        run = trained_run(dataset, replace(chosen, seed=seed), out=folder, precision=precision, progress=True)
        runs.append(run)
        judged.append(_seed_run(run, _judged(run, dataset, galleries=number == 0), seed=seed))
    commands = _commands(dataset, recipe, part=part, seeds=seeds, precision=precision)
    content = _content(dataset, fold, replace(chosen, seed=seeds[0]), runs[0], judged, commands, out=out)
    write_report([runs[0].folder], out / "report", pdf=False)
    page = out / PAGE
    reproduction_page(content, page)
    return page


def _seed_run(run: TrainedRun, evaluation: Evaluation, *, seed: int) -> SeedRun:
    last = run.history[-1].validation_accuracy
    assert last is not None  # noqa: S101  the last iteration is always validated
    n_validation = len(run.split.validation)
    right = wilson(round(last * n_validation), n_validation)
    return SeedRun(seed, evaluation, right, run.train_s, open_card(run.folder / "model").precision)


def _content(
    dataset: Dataset,
    fold: Fold,
    recipe: Recipe,
    run: TrainedRun,
    seeds: Sequence[SeedRun],
    commands: tuple[str, ...],
    *,
    out: Path,
) -> ReproductionContent:
    first = seeds[0]
    files = {
        "report.html": "the full report: curves, calibration, baselines, galleries, cards, checklists",
        "run/model": "the trained model: card, weights, split and reference images",
        "run/history.csv": "loss and accuracy of each iteration; run/tensorboard has them too",
        "run/evaluation": "scores with intervals, probabilities, baselines, explanations",
        "figures": "each figure as PNG and SVG",
    }
    if len(seeds) > 1:
        files["seeds"] = "model, history and evaluation of each further seed, in a folder named like it"
    return ReproductionContent(
        title="LeukNet: the paper's experiment",
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        dataset=dataset,
        fold=fold,
        split=run.split,
        recipe=recipe,
        reduced=_reductions(dataset, run, recipe),
        seeds=tuple(seeds),
        machine=describe_machine(),
        figures=draw_figures(dataset, run, first.evaluation, recipe=recipe, folder=out / "figures"),
        versions={name: version(name) for name in ("leuknet", "torch", "accelerate", "numpy", "pillow")}
        | {"python": platform.python_version()},
        commands=commands,
        files=files,
    )


def simulate_demo(out: Path, *, seed: int = 0, full_size: bool = False) -> Path:
    """Draw simulated cells for the experiment below `out`, or take those that are there; return their folder.

    Only fold_0, which is all that the paper used; a quarter of it unless `full_size`.

    Raises
    ------
    SettingError
        If other cells are there: of another seed or size.
    """
    folder = out / "data"
    scale = 1.0 if full_size else DEMO_SCALE
    try:
        drawn = json.loads((folder / TOP / SIMULATED).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        drawn = {}
    if drawn and (drawn.get("seed"), drawn.get("scale")) != (seed, scale):
        # Drawing over them would leave a finished run without its cells.
        raise SettingError(
            f"{out} holds simulated cells of another seed or size",
            why=f"they have seed {drawn.get('seed')} and scale {drawn.get('scale')}, "
            f"and now seed {seed} and scale {scale} are asked for",
            fix="name another folder with --out, or remove this one",
        )
    wanted = {"seed": seed, "scale": scale, "leuknet_version": version("leuknet")}
    if {key: drawn.get(key) for key in wanted} != wanted or set(drawn.get("counts", ())) != {"fold_0"}:
        simulate(folder, seed=seed, scale=scale, parts=("fold_0",), progress=True)
    return folder


def describe_machine() -> str:
    """Return processor, cores in use and memory in words."""
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{_processor_name()}, {os.cpu_count()} cores, {memory_gib:.0f} GiB memory, {platform.system()}"


def _processor_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _judged(run: TrainedRun, dataset: Dataset, *, galleries: bool) -> Evaluation:
    """Judge the model, or take what an earlier call found: a second look would tell nothing new."""
    model, out = run.folder / "model", run.folder / "evaluation"
    if (out / "evaluation.json").exists():
        found = read_evaluation(out / "evaluation.json")
        if bears_id(model, found.model_id):
            return found
    return assess(load_model(model), dataset, out=out, galleries=galleries, overwrite=True, progress=True)


def _reductions(dataset: Dataset, run: TrainedRun, recipe: Recipe) -> tuple[str, ...]:
    """List what is smaller than in the paper, in words; nothing at full size."""
    paper = get_recipe("leuknet-paper")
    normal = COUNTS["fold_0"].normal
    assert normal is not None  # noqa: S101  published
    pairs = (
        ("cells", len(run.split.cells), 2 * normal),
        ("pixels along the side of the input", recipe.image_size_px, paper.image_size_px),
        ("images in a batch", recipe.batch_size, paper.batch_size),
        ("epochs", recipe.epochs, paper.epochs),
    )
    return tuple(f"{ours:,} {what} instead of {theirs:,}" for what, ours, theirs in pairs if ours < theirs)


def _commands(
    dataset: Dataset, recipe: str, *, part: str | None, seeds: Sequence[int], precision: Precision
) -> tuple[str, ...]:
    """Command lines that repeat the run."""
    words = ["leuknet", "reproduce", "paper"]
    if dataset.simulated:
        words += ["--demo"] if recipe == "leuknet-demo" else ["--demo", "--full-size"]
    else:
        words += ["--data", "C-NMC"]
    words += [] if part is None else ["--part", part]
    if len(seeds) > 1:
        words += ["--seeds", ",".join(map(str, seeds))]
    elif seeds[0] != 0:
        words += ["--seed", str(seeds[0])]
    words += [] if precision == "no" else ["--precision", precision]
    return (shlex.join(words),)
