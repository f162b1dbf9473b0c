"""Arguments that several commands share, described once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from leuknet.types import Dataset

_ROOT_HELP = "Folder of images: C-NMC 2019 as published, or your own with a manifest.csv."

Root = Annotated[Path, typer.Argument(metavar="ROOT", help=_ROOT_HELP)]
Data = Annotated[Path, typer.Option("--data", metavar="ROOT", help=_ROOT_HELP)]
DatasetName = Annotated[
    str | None,
    typer.Option("--dataset", metavar="NAME", help="c-nmc-2019 or folder; told from the layout if left out."),
]
Manifest = Annotated[
    Path | None,
    typer.Option("--manifest", metavar="CSV", help="List of your own images, if not ROOT/manifest.csv."),
]
PrelimLabels = Annotated[
    Path | None,
    typer.Option(
        "--prelim-labels", metavar="CSV", help="C-NMC's preliminary-phase labels, if not in their place."
    ),
]
Classes = Annotated[
    str | None,
    typer.Option(
        "--classes",
        metavar="NEGATIVE,POSITIVE",
        help="Class names in your manifest, if not HEM,ALL; scores are the probability of the second.",
    ),
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Decides all chance: same seed, same result.")]


def class_names(text: str | None) -> tuple[str, str] | None:
    """Split `--classes` into (negative, positive)."""
    if text is None:
        return None
    names = [name.strip() for name in text.split(",")]
    if len(names) != 2 or not all(names) or names[0] == names[1]:
        raise typer.BadParameter("give two different names, the negative class first: other,lymphocyte")
    return (names[0], names[1])


def report_findings(dataset: Dataset) -> None:
    """Say on standard error that the reader noticed something; `data verify` tells what."""
    worth = [finding for finding in dataset.findings if finding.severity != "info"]
    if worth:
        typer.echo(
            f"{len(worth)} findings about the data, the first: {worth[0].message} "
            f"({worth[0].path!r}); run `leuknet data verify {dataset.root}` for all",
            err=True,
        )
