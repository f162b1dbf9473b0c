"""Arguments that several commands share, described once."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from leuknet.types import Dataset


class Precision(StrEnum):
    """How numbers are computed while training."""

    no = "no"
    bf16 = "bf16"


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
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="FIELD=VALUE", help="Change a setting of the recipe; repeatable."),
]
PrecisionOption = Annotated[
    Precision,
    typer.Option(
        "--precision",
        help="bf16 rounds more; faster where the processor has units for it, far slower elsewhere.",
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


def seed_list(text: str) -> tuple[int, ...]:
    """Split `--seeds` into numbers."""
    try:
        seeds = tuple(int(one) for one in text.split(","))
    except ValueError:
        seeds = (-1,)
    if min(seeds) < 0:
        raise typer.BadParameter("give whole numbers from 0, such as 0,1,2", param_hint="--seeds")
    return seeds


def open_reported(
    root: Path,
    *,
    name: str | None,
    manifest: Path | None,
    prelim_labels: Path | None,
    classes: tuple[str, str] | None,
) -> Dataset:
    """Open a data set with a bar, and say on standard error if the reader noticed something amiss."""
    from leuknet.data import open_dataset

    dataset = open_dataset(
        root,
        name=name,
        manifest=manifest,
        prelim_labels=prelim_labels,
        class_names=classes,
        progress=True,
    )
    amiss = [finding for finding in dataset.findings if finding.severity != "info"]
    if amiss:
        typer.echo(
            f"{len(amiss)} findings about the data, the first: {amiss[0].message} ({amiss[0].path!r}); "
            f"run `leuknet data verify {root}` for all",
            err=True,
        )
    return dataset


RoomFolder = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="FOLDER",
        envvar="LEUKNET_DATA",
        help="The reading room's data folder [the user's data folder].",
        show_default=False,
    ),
]
TableImages = Annotated[
    Path | None,
    typer.Option(
        "--images",
        metavar="FOLDER",
        envvar="LEUKNET_IMAGES",
        help="Folder below which finished tables of `leuknet batch` may name images.",
    ),
]
RoomUrl = Annotated[
    str | None,
    typer.Option(
        "--url",
        metavar="URL",
        help="Database: sqlite:///PATH or postgresql+psycopg://USER@HOST/NAME [LEUKNET_DATABASE_URL, or the "
        "file in the folder LEUKNET_DATA or the user's data folder].",
    ),
]
