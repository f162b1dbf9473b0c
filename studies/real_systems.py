"""Measures the published systems that the paper compares itself with, on real cells: a part of `studies/results.py`.

Each system is a recipe. It is trained once on fold_1 of C-NMC 2019, divided by image as the paper divides, and that
one network is judged twice: on its own test side, whose people it has seen, and on all cells of people outside
fold_1. Sizes are reduced so that all of it takes about an hour on two cores that others use as well; a row says what
was reduced, and which weights could not be had. Runs that are there are kept: the measurement goes on where it was
stopped.

Start at `measure_real_systems`; `real_system_lines` says it in words.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commands import BUILD, restore, run_once
from leuknet.evaluation.evaluate import read_evaluation
from leuknet.evaluation.summary import markdown_table, score_text
from leuknet.recipes import RECIPES
from leuknet.records.history import read_history
from leuknet.report.literature import PUBLISHED

SIDE = "image_size_px=96"
"""Not the paper's 224 pixels: less than a fifth of the work."""

BY_IMAGE = ('parts=["fold_1"]', "split=image-level", "balance=true")
"""The paper's division, on the one fold that is complete here."""

PRECISION = "bf16"

PAPER = "real-paper/run"
"""Below the build folder: the paper's network at full size, seed 0, from the measurement `real-paper`."""


@dataclass(frozen=True)
class System:
    """A row of the table.

    Attributes
    ----------
    recipe
        Its name.
    settings
        What differs from the recipe here, beside the cells.
    said
        What a reader must know of that.
    members
        Networks that are trained, each from another draw, and taken together.
    """

    recipe: str
    settings: tuple[str, ...]
    said: str
    members: int = 1


SYSTEMS = (
    System("clinton-2020", (SIDE, "epochs=10", "rate_drop_epochs=7"), "96 pixels, 10 of 20 epochs"),
    System("bukhari-2022", (SIDE, "epochs=10", "rate_drop_epochs=7"), "96 pixels, 10 of 20 epochs"),
    System(
        "shafique-2018",
        (SIDE, "rate_factors={}", "epochs=5"),
        "96 pixels, 5 of 10 epochs, random weights: ImageNet's are published as a pickle",
    ),
    System(
        "goswami-2020",
        (SIDE, "epochs=3"),
        "96 pixels, 3 of 10 epochs, 3 of its 7 networks; from ImageNet",
        members=3,
    ),
    System(
        "leufeatx-2022",
        (
            "image_size_px=64",
            "network_options.pretrained=false",
            "network_options.frozen=true",
            "rate_factors={}",
            "learning_rate=0.001",
            "epochs=50",
            "rate_drop_epochs=35",
        ),
        "64 pixels; VGG16's random weights stay and one layer learns: the layers untaught, not the system",
    ),
    System(
        "oliveira-2021",
        ("network=timm:legacy_xception", "image_size_px=64", "learning_rate=0.001", "epochs=3"),
        "64 pixels, 3 of 10 epochs, its Xception, random weights: ImageNet's cannot be had offline",
    ),
)
"""Those that take least time first."""

BASELINES = ("texture", "nearest", "area", "colour")

QUOTED = ("1,732 bone-marrow images", "SN-AM")
"""Data, as `leuknet.report.literature` names them, that cannot be had."""


def measure_real_systems(data: Path) -> dict[str, Any]:
    """Train every system by image on fold_1; judge it on its test side and on people outside the fold."""
    cells, restored = restore(data)
    paper = BUILD / PAPER
    commands = [restored]
    rows = [_found("leuknet-paper", "whole, 224 pixels; seed 0 of the section above", paper, (paper,))]
    for system in SYSTEMS:
        folder = BUILD / "real-systems" / system.recipe
        model = _trained(system, folder, cells, commands)
        own, others = folder / "evaluation", folder / "new-people"
        commands.append(run_once(own / "evaluation.json", f"evaluate {model} --data {cells} --out {own}"))
        options = f"--data {cells} --new-people --out {others}"
        commands.append(run_once(others / "evaluation.json", f"evaluate {model} {options}"))
        _check_same_cells(folder, paper)
        rows.append(_found(system.recipe, system.said, folder, _members(system, folder)))
    return {
        "commands": commands,
        "rows": rows,
        "floors": _floors(paper),
        "by_image": _side(paper / "evaluation"),
        "new_people": _side(paper / "new-people"),
    }


def _found(name: str, said: str, folder: Path, members: Sequence[Path]) -> dict[str, Any]:
    return {
        "name": name,
        "claim": RECIPES[name].claim,
        "said": said,
        "train_s": sum(read_history(member)[-1].elapsed_s for member in members),
        "by_image": _scores(folder / "evaluation" / "evaluation.json", "accuracy"),
        "new_people": _scores(folder / "new-people" / "evaluation.json", "balanced_accuracy"),
    }


def _check_same_cells(folder: Path, paper: Path) -> None:
    """Rows of one table must rest on the same cells."""
    for side in ("evaluation", "new-people"):
        ours, theirs = (read_evaluation(one / side / "evaluation.json") for one in (folder, paper))
        if sorted(ours.paths) != sorted(theirs.paths):
            raise SystemExit(f"{folder} and {paper} were judged on different cells: measure both again")


def _trained(system: System, folder: Path, cells: Path, commands: list[str]) -> Path:
    """Train a system's networks, unless they are there; return its model folder."""
    settings = " ".join(f"--set {shlex.quote(one)}" for one in (*system.settings, *BY_IMAGE))
    members = _members(system, folder)
    for draw, member in enumerate(members):
        drawn = f" --set draw={draw}" if draw else ""
        options = f"--data {cells} --out {member} --precision {PRECISION} {settings}{drawn} --resume"
        commands.append(run_once(member / "model", f"train {system.recipe} {options}"))
    if len(members) == 1:
        return folder / "model"
    models = " ".join(str(member / "model") for member in members)
    together = folder / "together"
    commands.append(run_once(together / "model", f"ensemble {models} --data {cells} --out {together}"))
    return together / "model"


def _members(system: System, folder: Path) -> list[Path]:
    if system.members == 1:
        return [folder]
    return [folder / f"draw-{draw}" for draw in range(system.members)]


def _scores(path: Path, called: str) -> list[str]:
    metrics = read_evaluation(path).metrics
    return [score_text(name, metrics[name]) for name in (called, "auroc")]


def _floors(folder: Path) -> list[list[str]]:
    """Return what needs no network, on the same two sides."""
    return [
        [
            f"baseline: {name}",
            *_scores(folder / "evaluation" / "baselines" / f"{name}.json", "accuracy"),
            *_scores(folder / "new-people" / "baselines" / f"{name}.json", "balanced_accuracy"),
        ]
        for name in BASELINES
    ]


def _side(folder: Path) -> dict[str, Any]:
    """Return which cells and people a score rests on."""
    found = read_evaluation(folder / "evaluation.json")
    people = dict(zip(found.subject_ids, found.labels, strict=True))
    return {
        "cells": [found.labels.count(label) for label in (1, 0)],
        "people": [list(people.values()).count(label) for label in (1, 0)],
        "kind": found.split_kind,
    }


def real_system_lines(found: dict[str, Any]) -> list[str]:
    """Write the table and what it means."""
    quoted = [row for row in PUBLISHED if row.data in QUOTED]
    image, new = found["by_image"], found["new_people"]
    heads = (
        "system",
        "accuracy, by image",
        "AUROC, by image",
        "balanced accuracy, new people",
        "AUROC, new people",
        "training",
        "what was reduced",
    )
    rows = [_row(row) for row in found["rows"]]
    rows += [[*floor, "", ""] for floor in found["floors"]]
    return [
        "The systems that the paper compares itself with, each as far as it is known; the modules in `src/leuknet/recipes/`",
        "say what of them was found and what had to be chosen. **These are not reproductions of the published scores**: layers",
        "and rates are mostly our choice, sizes are reduced, and what is fine-tuned from ImageNet elsewhere starts at random where",
        "its weights cannot be had offline. One seed each, in bf16, trained once on fold_1, balanced, 70/20/10 by image; that one",
        f"network is judged on its own test side ({_basis(image)}), whose people it has seen, and on people outside fold_1",
        f"({_basis(new)}). Of so few normal people the intervals on new people are wide, and no order of the rows there is a verdict.",
        "",
        markdown_table(heads, rows),
        "",
        "What each system's source claims, on its own data:",
        "",
        markdown_table(("system", "claim"), [[f"`{row['name']}`", row["claim"]] for row in found["rows"]]),
        "",
        "Two systems stay quoted, since their data cannot be had: "
        + "; ".join(f"{row.score} on {row.data} ({row.source})" for row in quoted)
        + ".",
        "",
    ]


def _row(row: dict[str, Any]) -> Sequence[str]:
    minutes = f"{row['train_s'] / 60:.1f} min"
    return [f"`{row['name']}`", *row["by_image"], *row["new_people"], minutes, row["said"]]


def _basis(side: dict[str, Any]) -> str:
    (sick, well), (ill, healthy) = side["cells"], side["people"]
    return f"{sick} ALL cells of {ill} people, {well} HEM of {healthy}"
