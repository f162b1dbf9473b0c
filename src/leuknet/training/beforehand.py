"""What can be said before a training begins: whether its folder is free, and its split and batch fit."""

from __future__ import annotations

from pathlib import Path

from leuknet.errors import NoSubjectsError, SettingError
from leuknet.evaluation.abstention import check_bound
from leuknet.records.results_folder import check_free
from leuknet.training.checkpoint import FILE_NAME as CHECKPOINT
from leuknet.training.losses import OF_PEOPLE
from leuknet.types import Recipe, Split


def check_split(split: Split, recipe: Recipe, *, n_processes: int, accumulate: int) -> None:
    """Raise SettingError unless a batch can be filled and shared out, and a bound on the risk has people.

    NoSubjectsError if the recipe counts people alike, and a training cell names nobody.
    """
    _check_people(split, recipe)
    check_bound(recipe.risk, [cell.subject for cell in split.validation], split.kind)
    if len(split.train) < recipe.batch_size:
        raise SettingError(
            "there is not one whole batch to train on",
            why=f"the training side has {len(split.train)} cells, a batch has {recipe.batch_size}",
            fix=f"--set batch_size={max(1, len(split.train) // 4)}, or use more cells",
        )
    if recipe.batch_size % (n_processes * accumulate) or accumulate < 1:
        raise SettingError(
            "cannot share out a batch evenly",
            why=f"{recipe.batch_size} images for {n_processes} processes in {accumulate} parts",
            fix="choose --accumulate so that processes times parts divides the batch size",
        )


def _check_people(split: Split, recipe: Recipe) -> None:
    unnamed = sum(cell.subject is None for cell in split.train)
    counted = {
        "sampling": recipe.sampling if recipe.sampling == "subject-balanced" else "",
        "loss": recipe.loss if recipe.loss in OF_PEOPLE else "",
    }
    changes = [f"--set {name}=class-balanced" for name, value in counted.items() if value]
    if unnamed and changes:
        asked = " and ".join(f"{name} {value!r}" for name, value in counted.items() if value)
        raise NoSubjectsError(
            f"cannot train with {asked}",
            why=f"that counts people, and {unnamed:,} of {len(split.train):,} training cells carry no "
            "subject id",
            fix=f"use {' '.join(changes)}, or data that name people",
        )


def check_folder(out: Path, *, resume: bool) -> None:
    """Raise SettingError if a run folder holds a finished run, or anything that is not to be gone on with."""
    if (out / "model").exists():
        raise SettingError(
            f"{out} holds a finished run",
            why="a run folder is written once, so that a result never changes under its name",
            fix="name another folder with --out, or remove this one",
        )
    if not resume:
        unfinished = (out / CHECKPOINT).exists()
        check_free(
            out, fix="add --resume to go on with it" if unfinished else "name another folder with --out"
        )
