"""Opens data for a model that is there already, with their classes under the model's own names.

A model knows what its two classes are called, and other people's data may call them otherwise. Which of two
names is the leukaemic one no program can tell, so that a person says it: by the order of `--classes`.

Start at `open_for_model`.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from leuknet.errors import SettingError
from leuknet.types import CLASS_NAMES, Dataset, Finding

if TYPE_CHECKING:
    from leuknet.cli.options import DatasetOptions


def open_for_model(dataset: DatasetOptions, root: Path, class_names: tuple[str, str]) -> Dataset:
    """Open data, and call their classes as the model does.

    Parameters
    ----------
    dataset
        How the data are to be read. The order of `--classes` says which class of theirs is which of the
        model's; without it, a manifest is read with the model's names.
    root
        Where the data lie.
    class_names
        What the model calls class 0 and class 1.

    Raises
    ------
    SettingError
        If the names of the data differ from the model's and nobody said which is which, or the order of
        `--classes` turns the model's own names round.
    LeukNetError
        As `leuknet.data.open_dataset` does.
    """
    opened = dataset.open(root, own_names=None if class_names == CLASS_NAMES else class_names)
    theirs = opened.class_names
    if theirs == class_names:
        return opened
    if _folded(theirs) == _folded(class_names)[::-1]:
        raise SettingError(
            f"cannot take {theirs[1]} for the positive class",
            why=f"the model's negative class is {class_names[0]}, its positive one {class_names[1]}",
            fix=f"give the names in the model's order: --classes {','.join(class_names)}",
        )
    if dataset.classes is None:
        raise SettingError(
            f"cannot tell which class of {opened.name} is which of the model's",
            why=f"the model tells {' and '.join(class_names)} apart, the data are {' and '.join(theirs)}",
            fix=f"if {theirs[1]} is what the model calls {class_names[1]}, say so: "
            f"--classes {','.join(theirs)}",
        )
    meant = f"{theirs[0]} counts as the model's {class_names[0]}, {theirs[1]} as its {class_names[1]}"
    typer.echo(f"by the order of --classes {meant}", err=True)
    told = Finding("info", "classes", "", f"{meant}, by the order of --classes")
    return replace(opened, class_names=class_names, findings=(*opened.findings, told))


def _folded(names: tuple[str, str]) -> tuple[str, ...]:
    return tuple(name.casefold() for name in names)
