"""`leuknet export`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from leuknet.cli import options
from leuknet.cli.model_data import open_for_model
from leuknet.cli.model_words import ModelFolder
from leuknet.cli.printing import RESEARCH_ONLY, print_table


class Precision(StrEnum):
    """How numbers are stored and computed in the file."""

    fp32 = "fp32"
    int8 = "int8"


@options.expanded
def export(
    model: ModelFolder,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE.onnx", help="One file with all that it needs, to write."),
    ] = None,
    precision: Annotated[
        Precision, typer.Option("--precision", help="int8 is a third of the size, and rounds.")
    ] = Precision.fp32,
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="ROOT", help="The data that the model was trained on, for int8."),
    ] = None,
    max_accuracy_loss: Annotated[
        float,
        typer.Option(
            "--max-accuracy-loss", min=0, max=1, help="Share of validation cells that int8 may lose."
        ),
    ] = 0.01,
    *,
    dataset: options.DatasetOptions,
) -> None:
    """Write a model as ONNX, refused unless it gives the answers of PyTorch.

    With --out: one file for other programs. It takes `pixels` (N, S, S, 3) uint8 and gives `probability`,
    `log_odds` and `features`; its metadata say how to prepare pixels and what the answer means.

    Without --out: adds model.onnx to a model folder of an older LeukNet, so that `leuknet predict` needs no
    PyTorch.

    Example: leuknet export runs/paper/model --out cells.onnx

    Example: leuknet export runs/paper/model --out small.onnx --precision int8 --data C-NMC
    """
    from leuknet.inference.model_folder import open_card
    from leuknet.sharing.export import add_graph, export_model

    if out is None:
        if precision is Precision.int8:
            raise typer.BadParameter("int8 goes into a file of its own: name it", param_hint="--out")
        typer.echo(f"written: {add_graph(model)}")
        typer.echo(RESEARCH_ONLY)
        return
    opened = None
    if data is not None:
        opened = open_for_model(dataset, data, open_card(model).class_names)
    done = export_model(
        model, out, precision=precision.value, dataset=opened, max_accuracy_loss=max_accuracy_loss
    )
    typer.echo(f"written: {done.path} ({done.path.stat().st_size / 1e6:.1f} MB)")
    if done.fp32 is None or done.int8 is None:
        typer.echo(f"agrees with PyTorch within {done.largest_difference:.1g} in probability")
    else:
        both = (done.fp32, done.int8)
        rows = (
            ("accuracy", *(f"{side.accuracy:.1%}" for side in both)),
            ("AUROC", *(f"{side.auroc:.3f}" for side in both)),
            ("MB", *(f"{side.size_mb:.1f}" for side in both)),
            ("ms per image", *(f"{side.ms_per_image:.1f}" for side in both)),
        )
        print_table(("", "fp32", "int8"), rows, title=f"{done.cells} validation cells")
        typer.echo(f"accuracy changes by {done.int8.accuracy - done.fp32.accuracy:+.1%}", nl=False)
        typer.echo(f", a probability by at most {done.largest_difference:.2g}")
    typer.echo(RESEARCH_ONLY)
