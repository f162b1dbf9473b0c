"""`leuknet explain`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from leuknet.cli import options
from leuknet.cli.model_words import ModelFolder
from leuknet.cli.printing import RESEARCH_ONLY, end_with_failed, tell_origin, tell_passed_over, tell_said

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from leuknet.explain.methods import Method
    from leuknet.networks.predictor import TorchPredictor
    from leuknet.types import Prediction

CHECKED = 12
"""Images on which `--check` measures; it takes several times as long as the maps themselves."""


class MethodChoice(StrEnum):
    """How to find what the network looks at."""

    grad_cam = "grad-cam"
    occlusion = "occlusion"
    both = "both"


def explain(
    model: ModelFolder,
    images: options.Images,
    out: Annotated[
        Path, typer.Option("--out", metavar="FOLDER", help="Where sheets and the table of scores go.")
    ],
    method: Annotated[
        MethodChoice,
        typer.Option("--method", help="grad-cam is quick and coarse, occlusion slow and direct."),
    ] = MethodChoice.both,
    check: Annotated[
        bool, typer.Option("--check", help=f"Test the maps themselves, on the first {CHECKED} images.")
    ] = False,
    overwrite: options.Overwrite = False,
) -> None:
    """Show where in images a model sees what it answers.

    Writes sheets of up to 12 images, explained-1.png and so on (SVG too), and predictions.csv with the
    probability and outcome of each image. Orange speaks for the positive class, blue for the negative one. A
    map shows where the network looks, not whether it is right.

    --check asks whether maps say anything of the network: they must change when its weights become random,
    and its answer must change sooner when the pixels they mark are blackened than when any are.

    A broken image is a line with its error; if there is one, the exit status is 2.

    Example: leuknet explain runs/paper/model my-cells/cell-7.bmp --out why --check
    """
    from leuknet.explain.methods import METHODS
    from leuknet.images.clutter import PassedOver, no_image_found
    from leuknet.inference.predict import find_images, predict_files
    from leuknet.inference.prediction_table import write_predictions
    from leuknet.networks.predictor import load_model
    from leuknet.records.results_folder import begin_results, check_free

    check_free(out, overwrite=overwrite, reads=[model, *images])
    predictor = load_model(model)
    methods = {
        name: explainer for name, explainer in METHODS.items() if method in (MethodChoice.both, name.lower())
    }  # their names in figures are those of the choices but for capitals
    over = PassedOver()
    found = find_images(images, over)
    begin_results(out, overwrite=overwrite)
    predictions = list(predict_files(predictor, found, reference=predictor.reference))
    summary = write_predictions(predictions, out / "predictions.csv", class_names=predictor.card.class_names)
    scored = [prediction for prediction in predictions if prediction.error is None]
    sheets = _draw_sheets(predictor, scored, methods, out)
    typer.echo(
        f"written: {out}: sheets of {len(scored):,} explained images (PNG and SVG: {sheets} each) and "
        f"predictions.csv: {summary.written:,} lines, {summary.failed:,} of them without a score"
    )
    tell_said(summary.said, predictor.card.class_names)
    if check and scored:
        _print_checks(predictor, scored[:CHECKED], methods)
    tell_origin(predictor.card)
    typer.echo(RESEARCH_ONLY)
    if not predictions:
        raise no_image_found(over)
    tell_passed_over(over)
    if summary.failed:
        typer.echo(f"the reason of each image without a score is in {out / 'predictions.csv'}", err=True)
    end_with_failed(summary)


def _draw_sheets(
    predictor: TorchPredictor, scored: Sequence[Prediction], methods: Mapping[str, Method], out: Path
) -> int:
    """Draw all images with their maps; return the number of sheets."""
    from tqdm import tqdm

    from leuknet.explain.galleries import SHEET, draw_sheet
    from leuknet.figures.frame import save_figure

    sheets = range(0, len(scored), SHEET)
    for number, start in enumerate(tqdm(sheets, desc="explain", unit="sheet"), start=1):
        shown = scored[start : start + SHEET]
        title = f"Images {start + 1} to {start + len(shown)} of {len(scored)}, explained"
        save_figure(draw_sheet(predictor, shown, methods, title=title), out / f"explained-{number}")
    return len(sheets)


def _print_checks(
    predictor: TorchPredictor, scored: Sequence[Prediction], methods: Mapping[str, Method]
) -> None:
    """Print what both checks of each method find."""
    from leuknet.explain.galleries import read_inputs
    from leuknet.explain.sanity import SAME_ABOVE, deletion_curve, randomisation_check

    inputs = read_inputs(predictor, [Path(prediction.path) for prediction in scored])
    table = Table("check", "result", "found", title=f"Do maps speak of the network? Images: {len(inputs)}")
    for name, method in methods.items():
        sanity = randomisation_check(predictor, inputs, explain=method.explain)
        agreement = (
            f"{sanity.cells} maps agree with those of random weights by "
            f"{sanity.rank_correlation[-1]:.2f} (rank) and {sanity.similarity[-1]:.2f} (structure); "
            f"passes below {SAME_ABOVE:g}"
        )
        deletion = deletion_curve(predictor, inputs, method.explain(predictor, inputs))
        most, chance, least = deletion.areas
        areas = (
            f"area under P(called class): {most:.3f} most important first, {chance:.3f} by chance, "
            f"{least:.3f} least first; faster than chance in {deletion.faster:.0%} of images; "
            f"an all black image has {deletion.random[-1]:.3f}"
        )
        table.add_row(f"{name}: random weights", _word(passes=sanity.passes), agreement)
        table.add_row(f"{name}: deletion", _word(passes=deletion.passes), areas)
    Console().print(table)


def _word(*, passes: bool) -> str:
    return "passes" if passes else "FAILS"
