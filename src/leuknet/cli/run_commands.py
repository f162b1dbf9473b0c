"""`leuknet train`, `predict` and `reproduce`."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from leuknet.cli import options
from leuknet.cli.model_words import ModelFolder, model_folder
from leuknet.cli.printing import (
    RESEARCH_ONLY,
    end_with_failed,
    tell_origin,
    tell_passed_over,
    tell_said,
)

if TYPE_CHECKING:
    from leuknet.training.train import TrainedRun


class Engine(StrEnum):
    """What computes a prediction; both agree. ONNX Runtime starts in a tenth of the time."""

    onnx = "onnx"
    torch = "torch"


class Experiment(StrEnum):
    """What can be reproduced."""

    paper = "paper"


class SplitChoice(StrEnum):
    """How cells are divided."""

    image_level = "image-level"
    subject_level = "subject-level"


@options.expanded
def train(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="Name of a recipe; see `leuknet recipes`.")],
    data: options.Data,
    out: Annotated[Path, typer.Option("--out", metavar="RUN", help="Run folder to write.")],
    settings: options.Settings = None,
    risk: Annotated[
        float | None,
        typer.Option(
            "--risk",
            metavar="SHARE",
            help="Leave so many cells undecided that, on average over new people, at most this share of a "
            "person's calls is wrong. 0.05 takes 19 validation people, 0.1 takes 9.",
        ),
    ] = None,
    split: Annotated[
        SplitChoice | None,
        typer.Option("--split", help="image-level scores are optimistic: one person on several sides."),
    ] = None,
    *,
    rounds: options.RoundOptions,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="Random seed; the same seed gives the same result.")
    ] = None,
    name: options.RunName = None,
    start_from: Annotated[
        Path | None,
        typer.Option(
            "--start-from",
            metavar="MODEL",
            parser=model_folder,
            help="Begin with the weights of another model of the same network (fine-tuning). The cells that "
            "trained that model count as cells that trained this one.",
        ),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a stopped run.")] = False,
    precision: options.PrecisionOption = options.Precision.no,
    accumulate: Annotated[
        int,
        typer.Option(
            "--accumulate", min=1, help="Split each batch into this many micro-batches to save memory."
        ),
    ] = 1,
    dataset: options.DatasetOptions,
) -> None:
    """Train a recipe's network and write a model folder.

    Stop with Ctrl-C: what was done is kept, and --resume ends where an unbroken run would have ended. Several
    devices share a training under `accelerate launch -m leuknet train ...`.

    Example: leuknet train leuknet-paper --data C-NMC --out runs/paper
    """
    from accelerate import PartialState

    from leuknet.evaluation.naming import checked_name
    from leuknet.recipes import changed, get_recipe
    from leuknet.training.train import train as run_training

    called = checked_name(name)
    wanted = list(settings or [])
    wanted += [] if split is None else [f"split={split.value}"]
    wanted += [] if risk is None else [f"risk={risk}"]
    chosen = changed(get_recipe(recipe), wanted)
    # Another seed is another try of the same recipe, not another recipe.
    chosen = chosen if seed is None else replace(chosen, seed=seed)
    if split is not None and rounds.protocol is not None:
        raise typer.BadParameter("a protocol has its own kind of split", param_hint="--split")
    opened = dataset.open(data)
    # A protocol has its own parts, and none of the recipe's.
    chosen = options.fitted(chosen, opened) if rounds.protocol is None else chosen
    run = run_training(
        opened,
        chosen,
        out=out,
        split=rounds.split(opened, chosen),
        start_from=start_from,
        resume=resume,
        precision=precision.value,
        accumulate=accumulate,
        name=called,
        progress=True,
    )
    if not PartialState().is_main_process:  # others of the same training would say it again
        return
    whom = () if run.split.test else ("--new-people",)  # without cells of its own it can be judged by others
    judge = options.command("evaluate", run.folder / "model", "--data", data, *dataset.words, *whom)
    _show_training(run, judge=judge)


def _show_training(run: TrainedRun, *, judge: str) -> None:
    """Say what came out, and the command that judges it."""
    from leuknet.evaluation.summary import bound_text
    from leuknet.inference.model_folder import open_card

    last = run.history[-1]
    assert last.validation_accuracy is not None  # noqa: S101  the last iteration is always validated
    model = run.folder / "model"
    typer.echo(f"model: {model}")
    card = open_card(model)
    fit = card.calibration
    if fit is not None and fit.bound is not None:
        typer.echo(f"undecided: {bound_text(fit.bound, fit.undecided, card.class_names[1])}")
    optimistic = " (optimistic)" if run.split.kind == "image-level" else ""
    typer.echo(
        f"validation accuracy {last.validation_accuracy:.1%} on {len(run.split.validation)} cells, "
        f"{run.split.kind} split{optimistic}; judge it with: {judge}"
    )


def predict(
    model: ModelFolder,
    images: options.Images,
    out: Annotated[
        Path, typer.Option("--out", metavar="TABLE", help="Table to write: .csv or .parquet.")
    ] = Path("predictions.csv"),
    batch_size: Annotated[int, typer.Option("--batch-size", min=1, help="Images scored at a time.")] = 32,
    engine: Annotated[
        Engine | None, typer.Option("--engine", help="What computes [onnx if the model has a graph].")
    ] = None,
) -> None:
    """Score images, one line each, and go on past broken ones.

    A broken image is a line with its error; if there is one, the exit status is 2. Images are expected as
    C-NMC has them, one segmented, stain-normalised cell on black. An image unlike those that trained the
    model has the outcome `unfamiliar`, and its line says how it differs; outcomes and warnings are counted.

    Example: leuknet predict runs/paper/model my-cells --out scores.parquet
    """
    from tqdm import tqdm

    import leuknet
    from leuknet.images.clutter import PassedOver, no_image_found
    from leuknet.inference.model_folder import has_graph
    from leuknet.inference.predict import find_images, predict_files
    from leuknet.inference.prediction_table import write_predictions

    predictor = leuknet.load(model, engine=None if engine is None else engine.value)
    if engine is None and not has_graph(model):
        adds = f"`{options.command('export', model)}` adds one, or says why it cannot"
        typer.echo(f"{model} has no graph: PyTorch computes; {adds}", err=True)
    over = PassedOver()
    predictions = predict_files(
        predictor, find_images(images, over), batch_size=batch_size, reference=predictor.reference
    )
    with tqdm(predictions, desc="predict", unit="image") as counted:  # an error must not end the bar's line
        summary = write_predictions(counted, out, class_names=predictor.card.class_names)
    typer.echo(f"written: {out}: {summary.written:,} lines, {summary.failed:,} of them without a score")
    tell_said(summary.said, predictor.card.class_names)
    tell_origin(predictor.card)
    typer.echo(RESEARCH_ONLY)
    if summary.written == 0:
        raise no_image_found(over)
    tell_passed_over(over)
    end_with_failed(summary)


def reproduce(
    experiment: Annotated[Experiment, typer.Argument(help="The paper's whole experiment.")],
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="ROOT", help="C-NMC 2019 as published, all of it or one fold."),
    ] = None,
    part: Annotated[
        str | None,
        typer.Option(
            "--part",
            metavar="FOLD",
            help="Fold to take [fold_0, the paper's, if it is complete; else the most complete one].",
            show_default=False,
        ),
    ] = None,
    seeds: Annotated[
        str | None,
        typer.Option(
            "--seeds",
            metavar="N,...",
            help="Train once with each seed; finished ones are kept, so more can be asked for later [0].",
            show_default=False,
        ),
    ] = None,
    demo: Annotated[
        bool, typer.Option("--demo", help="Draw simulated cells instead; sizes are reduced.")
    ] = False,
    full_size: Annotated[
        bool, typer.Option("--full-size", help="With --demo: the paper's sizes, half an hour on two cores.")
    ] = False,
    out: Annotated[
        Path, typer.Option("--out", metavar="FOLDER", help="Where everything goes; run again to resume.")
    ] = Path("reproduction"),
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="One seed; the same seed gives the same result.")
    ] = None,
    precision: options.PrecisionOption = options.Precision.no,
) -> None:
    """Run the paper's whole experiment and write one page that explains it.

    One fold, balanced by random deletion, 70/20/10 by image, the paper's network and settings, the test. The
    page holds the paper's five figures for the first seed, and the paper's numbers beside each seed's, with
    mean and spread: one seed alone says little, five say how far luck goes. None says anything of new people.

    Stop with Ctrl-C at any time: the same command goes on, and finished seeds are not trained again.

    Example: leuknet reproduce paper --data C-NMC --seeds 0,1,2,3,4 --out paper

    One fold only: leuknet reproduce paper --data C-NMC --part fold_1

    Without C-NMC 2019: leuknet reproduce paper --demo
    """
    from leuknet.experiments.reproduce import reproduce_paper, simulate_demo

    if demo == (data is not None):
        raise typer.BadParameter("give either --data ROOT or --demo")
    if full_size and not demo:
        raise typer.BadParameter("--full-size goes with --demo; --data always runs at full size")
    if seed is not None and seeds is not None:
        raise typer.BadParameter("give either --seed or --seeds")
    wanted = options.seed_list(seeds) if seeds is not None else (seed or 0,)
    if demo:
        data = simulate_demo(out, seed=wanted[0], full_size=full_size)
    assert data is not None  # noqa: S101
    page = reproduce_paper(
        data,
        out=out,
        recipe="leuknet-demo" if demo and not full_size else "leuknet-paper",
        part=part,
        seeds=wanted,
        precision=precision.value,
    )
    typer.echo(f"page: {page.resolve()}")
    typer.echo(f"full report: {page.with_name('report.html').resolve()}")
    typer.echo(RESEARCH_ONLY)
