"""The paper's whole experiment as one function, from a folder of images to a page that explains the result.

`reproduce_paper` reads fold_0, balances it by random deletion, divides it 70/20/10 by image, trains the
17-layer network, judges it, and writes the paper's five figures, the training curve and one page with a
table "paper / this run", beside the full report. Training looks for its own result first, so the same call
goes on after a stop.

Start at `reproduce_paper`; `simulate_demo` makes data for those who have none.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from matplotlib.figure import Figure

from leuknet.data import open_dataset
from leuknet.data.c_nmc import SIMULATED, TOP
from leuknet.data.published_counts import COUNTS
from leuknet.errors import SettingError
from leuknet.evaluation.evaluate import read_evaluation
from leuknet.evaluation.resampling import wilson
from leuknet.evaluation.summary import limits_text
from leuknet.experiments.assess import assess
from leuknet.experiments.illustrate import draw_classified_cells, draw_sample_cells
from leuknet.experiments.paper_content import FigureFile, ReproductionContent
from leuknet.experiments.paper_page import reproduction_page
from leuknet.figures import draw_confusion, draw_framework, draw_history, draw_network, save_figure
from leuknet.inference.model_folder import model_id_of
from leuknet.networks import layer_table
from leuknet.networks.predictor import load_model
from leuknet.recipes import get_recipe
from leuknet.report import write_report
from leuknet.simulation.simulate import simulate
from leuknet.training.runs import trained_run
from leuknet.training.train import Precision, TrainedRun
from leuknet.types import Dataset, Evaluation, Recipe

DEMO_SCALE = 0.25
"""Share of the published images that the demonstration draws."""

PAGE = "index.html"


def reproduce_paper(
    data: Path, *, out: Path, recipe: str = "leuknet-paper", seed: int = 0, precision: Precision = "no"
) -> Path:
    """Run the experiment and return the page.

    Parameters
    ----------
    data
        C-NMC 2019 as published, or simulated.
    out
        Folder for the run, its figures and the page. An earlier stopped or finished call with the same
        data, recipe and seed goes on from what it left.
    recipe
        Name of the recipe.
    seed
        Decides deletion, split, first weights, order and dropout.
    precision
        See `leuknet.training.train.train`.

    Raises
    ------
    LeukNetError
        As reading, splitting, training and evaluating do.
    """
    chosen = replace(get_recipe(recipe), seed=seed)
    dataset = open_dataset(data, name="c-nmc-2019", progress=True)
    out.mkdir(parents=True, exist_ok=True)
    run = trained_run(dataset, chosen, out=out / "run", precision=precision, progress=True)
    evaluation = _judged(run, dataset)
    last = run.history[-1].validation_accuracy
    assert last is not None  # noqa: S101  the last iteration is always validated
    n_validation = len(run.split.validation)
    content = ReproductionContent(
        title="LeukNet: the paper's experiment",
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        dataset=dataset,
        split=run.split,
        recipe=chosen,
        reduced=_reductions(dataset, run, chosen),
        evaluation=evaluation,
        validation_accuracy=wilson(round(last * n_validation), n_validation),
        training_s=run.train_s,
        machine=describe_machine(),
        figures=_draw_figures(dataset, run, evaluation, recipe=chosen, folder=out / "figures"),
        versions={name: version(name) for name in ("leuknet", "torch", "accelerate", "numpy", "pillow")}
        | {"python": platform.python_version()},
        commands=_commands(dataset, recipe, seed=seed, precision=precision),
        files={
            "report.html": "the full report: curves, calibration, baselines, galleries, cards, checklists",
            "run/model": "the trained model: card, weights, split and reference images",
            "run/history.csv": "loss and accuracy of each iteration; run/tensorboard has them too",
            "run/evaluation": "scores with intervals, probabilities, baselines, explanations",
            "figures": "each figure as PNG and SVG",
        },
    )
    write_report([run.folder], out / "report", pdf=False)
    page = out / PAGE
    reproduction_page(content, page)
    return page


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


def _judged(run: TrainedRun, dataset: Dataset) -> Evaluation:
    """Judge the model, or take what an earlier call found: a second look would tell nothing new."""
    model, out = run.folder / "model", run.folder / "evaluation"
    if (out / "evaluation.json").exists():
        found = read_evaluation(out / "evaluation.json")
        if found.model_id == model_id_of(model):
            return found
    return assess(load_model(model), dataset, out=out, galleries=True, progress=True)


def _draw_figures(
    dataset: Dataset, run: TrainedRun, evaluation: Evaluation, *, recipe: Recipe, folder: Path
) -> Mapping[str, FigureFile]:
    """Draw and save all figures; keys are those that the page expects."""
    drawn = {**_figures_before(dataset, run, recipe), **_figures_after(dataset, run, evaluation, recipe)}
    folder.mkdir(exist_ok=True)
    return {
        name: FigureFile(save_figure(figure, folder / name)[0], caption, alt)
        for name, (figure, caption, alt) in drawn.items()
    }


def _figures_before(dataset: Dataset, run: TrainedRun, recipe: Recipe) -> dict[str, tuple[Figure, str, str]]:
    """Return figures of data and network, each with caption and alternative text."""
    rows = layer_table(recipe.network, recipe.image_size_px, recipe.network_options)
    negative, positive = dataset.class_names
    return {
        "framework": (
            draw_framework(dataset, run.split, recipe, n_layers=len(rows), simulated=dataset.simulated),
            "The way from images to a score, with the counts of this run.",
            f"Boxes and arrows: images of {dataset.name}, balancing by random deletion, resizing, the split "
            f"into {len(run.split.train)}, {len(run.split.validation)} and {len(run.split.test)} cells, "
            "training, test, class with probability.",
        ),
        "samples": (
            draw_sample_cells(run.split.cells, dataset, seed=recipe.seed),
            f"Cells that were used, drawn at random (seed {recipe.seed}), one of each of several subjects.",
            f"Two rows of stained cells on black: {positive} above, {negative} below.",
        ),
        "network": (
            draw_network(rows, simulated=dataset.simulated),
            f"The network: {len(rows)} layers, {sum(row.parameters for row in rows):,} parameters, "
            f"{sum(row.gflop for row in rows):.2f} GFLOP forward for one image.",
            "Blocks from left to right: " + ", ".join(f"{row.name} ({row.kind})" for row in rows) + ".",
        ),
    }


def _figures_after(
    dataset: Dataset, run: TrainedRun, evaluation: Evaluation, recipe: Recipe
) -> dict[str, tuple[Figure, str, str]]:
    """Return figures of the training and its result, each with caption and alternative text."""
    classified, how_chosen = draw_classified_cells(evaluation, dataset)
    negative, positive = evaluation.class_names
    accuracy = evaluation.metrics["accuracy"]
    (right_negative, _), (_, right_positive) = evaluation.confusion
    return {
        "classified": (
            classified,
            how_chosen,
            "Test cells, each with the class called, its probability, and a mark for right or wrong.",
        ),
        "confusion": (
            draw_confusion(evaluation, simulated=dataset.simulated),
            "True against called class on the test side.",
            f"Confusion chart of {evaluation.cells} test cells: {right_positive} {positive} and "
            f"{right_negative} {negative} called right; accuracy {accuracy.estimate:.1%} "
            f"({limits_text(accuracy, '.1%')}).",
        ),
        "history": (
            draw_history(run.history, simulated=dataset.simulated),
            f"Accuracy and loss over {len(run.history)} iterations; validated every "
            f"{recipe.validate_every} iterations.",
            "Curves over iterations, accuracy above and loss below, for mini-batches and validation.",
        ),
    }


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


def _commands(dataset: Dataset, recipe: str, *, seed: int, precision: Precision) -> tuple[str, ...]:
    """Command lines that repeat the run."""
    source = "--data C-NMC"
    if dataset.simulated:
        source = "--demo" if recipe == "leuknet-demo" else "--demo --full-size"
    source += "" if seed == 0 else f" --seed {seed}"
    source += "" if precision == "no" else f" --precision {precision}"
    return (f"leuknet reproduce paper {source}",)
