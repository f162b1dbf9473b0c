"""Arguments that several commands share, described once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[
    Path,
    typer.Option(
        "--data",
        metavar="ROOT",
        help="Folder of images: C-NMC 2019 as published, or your own with a manifest.csv.",
    ),
]
Root = Annotated[
    Path, typer.Argument(metavar="ROOT", help="Folder of images: C-NMC 2019 as published, or your own with a manifest.csv.")
]
DatasetName = Annotated[
    str | None,
    typer.Option("--dataset", metavar="NAME", help="c-nmc-2019 or folder; found from the layout if left out."),
]
Manifest = Annotated[
    Path | None,
    typer.Option("--manifest", metavar="CSV", help="List of your own images, if it is not ROOT/manifest.csv."),
]
PrelimLabels = Annotated[
    Path | None,
    typer.Option("--prelim-labels", metavar="CSV", help="C-NMC's preliminary-phase labels, if not in their place."),
]
ClassNames = Annotated[
    str | None,
    typer.Option(
        "--classes",
        metavar="NEGATIVE,POSITIVE",
        help="Class names in your manifest, if they are not HEM,ALL. The positive class takes the leukaemic place.",
    ),
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Decides all chance; same seed, same result.")]
Precision = Annotated[
    str,
    typer.Option("--precision", metavar="no|bf16", help="bf16 computes faster and rounds differently."),
]


def class_names(text: str | None) -> tuple[str, str] | None:
    """Split `--classes` into (negative, positive)."""
    if text is None:
        return None
    names = tuple(name.strip() for name in text.split(","))
    if len(names) != 2 or not all(names) or names[0] == names[1]:
        raise typer.BadParameter("give two different names, the negative class first: other,lymphocyte")
    return (names[0], names[1])


def precision(text: str) -> str:
    """Check `--precision`."""
    if text not in ("no", "bf16"):
        raise typer.BadParameter(f"{text!r} is not one of no, bf16")
    return text
