"""Run folders as `leuknet train` and `leuknet evaluate` leave them, of made-up cells and made-up answers."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from leuknet.data.overlap import find_overlap
from leuknet.data.split import fingerprint
from leuknet.data.split_file import read_manifest, write_split
from leuknet.evaluation.evaluate import Judged, judge, write_evaluation
from leuknet.images.near_duplicates import HASH_BITS
from leuknet.inference.model_folder import write_card
from leuknet.recipes import RECIPES
from leuknet.records import write_record
from leuknet.types import (
    Calibration,
    CellImage,
    DataCard,
    Dataset,
    Evaluation,
    Galleries,
    Gallery,
    Label,
    Look,
    ModelCard,
    PartSummary,
    Split,
    TestSide,
)

CALIBRATION = Calibration(
    temperature=1.6,
    undecided=(0.4, 0.6),
    coverage=0.9,
    cells=120,
    subjects=9,
    ece_before=0.11,
    ece_after=0.03,
)


def cells_of(subjects: int, each: int, *, side: str) -> tuple[CellImage, ...]:
    """Cells of people who are leukaemic and normal in turn."""
    return tuple(
        CellImage(
            id=f"{side}/{'H' if number % 2 else ''}{number}_{cell}.bmp",
            path=Path(f"{side}/{number}_{cell}.bmp"),
            sha256=hashlib.sha256(f"{side} {number} {cell}".encode()).hexdigest(),
            label=Label(1 - number % 2),
            subject=f"{side}{'H' if number % 2 else ''}{number}",
            part="fold_0",
        )
        for number in range(subjects)
        for cell in range(each)
    )


def write_run(
    folder: Path,
    *,
    subjects: int = 8,
    each: int = 5,
    skill: float = 2.0,
    seed: int = 0,
    simulated: bool = False,
    side: str = "test",
    beside: bool = True,
    changes: Any = None,
) -> Path:
    """Write a run: its model card, split and evaluation, and, with `beside`, all that may stand beside it.

    `skill` is how far apart both classes are answered; `changes` are made to the evaluation.
    """
    recipe = replace(RECIPES["leuknet-paper"], seed=seed, split="subject-level")
    test = cells_of(subjects, each, side=side)
    train, validation = cells_of(12, 4, side="train"), cells_of(6, 4, side="validation")
    found = fingerprint(train, validation, test)
    split = Split(train, validation, test, "subject-level", seed, found)
    dataset = Dataset("c-nmc-2019", "1", "CC BY 3.0", "https://doi.org/x", Path(), test, simulated=simulated)
    card = ModelCard(
        recipe=recipe,
        class_names=("HEM", "ALL"),
        canvas_px=450,
        channel_mean=(1.0, 2.0, 3.0),
        channel_std=(4.0, 5.0, 6.0),
        threshold=0.5,
        dataset=dataset.name,
        simulated=simulated,
        split_kind="subject-level",
        split_fingerprint=found,
        leuknet_version="0.2.0",
        commit="c" * 40,
        created_at="2030-01-01T00:00:00+00:00",
        calibration=CALIBRATION,
    )
    (folder / "model").mkdir(parents=True)
    write_card(card, folder / "model")
    hashes = {cell.sha256: cell.sha256[: HASH_BITS // 4] for cell in (*train, *validation, *test)}
    write_split(split, folder / "model" / "split.json", hashes=hashes)
    tested = TestSide(test, "subject-level", found, "test side")
    judged = Judged(f"{seed:012x}", recipe.name, seed, 0.5, "half", CALIBRATION)
    evaluation = _judged(judged, dataset, tested, skill=skill, seed=seed)
    write_evaluation(replace(evaluation, **(changes or {})), folder / "evaluation" / "evaluation.json")
    if beside:
        _write_beside(folder / "evaluation", folder / "model" / "split.json", dataset, tested)
    return folder


def _judged(judged: Judged, dataset: Dataset, side: TestSide, *, skill: float, seed: int) -> Evaluation:
    generator = np.random.default_rng(seed)
    people = {cell.subject: generator.normal(0, 0.8) for cell in side.cells}
    log_odds = [skill * (cell.label - 0.5) + people[cell.subject] + generator.normal() for cell in side.cells]  # type: ignore[operator]
    return judge(judged, dataset, side, cells=side.cells, probabilities=1 / (1 + np.exp(-np.array(log_odds))))


def _write_beside(folder: Path, split: Path, dataset: Dataset, side: TestSide) -> None:
    for number, name in enumerate(("area", "colour", "nearest")):
        judged = Judged(f"baseline: {name}", f"baseline: {name}", 0, 0.5, "half", None)
        one = _judged(judged, dataset, side, skill=0.8, seed=100 + number)
        write_evaluation(one, folder / "baselines" / f"{name}.json")
    sides = {name: one.hashed for name, one in read_manifest(split).sides.items()}
    write_record(find_overlap(sides), folder / "overlap.json")
    labels = [cell.label for cell in dataset.cells]
    part = PartSummary("fold_0", len(labels), sum(map(int, labels)), labels.count(Label.NORMAL), 0, 8)  # type: ignore[arg-type]
    write_record(
        DataCard(
            "c-nmc-2019",
            "1",
            "CC BY 3.0",
            "https://doi.org/x",
            dataset.simulated,
            ("HEM", "ALL"),
            450,
            (part,),
            (),
        ),
        folder / "data.json",
    )
    for name in ("gallery-uncertain", "confusion", "classified"):
        Image.new("RGB", (1600, 900), "#dde6ee").save(folder / f"{name}.png")
    gallery = Gallery(
        "uncertain", "gallery-uncertain.png", "The most uncertain cells", "Twelve cells near 0.5"
    )
    write_record(Galleries((gallery,)), folder / "galleries.json")


LOOKS = (
    Look("2029-01-01T00:00:00+00:00", "f" * 64, "leuknet-paper", 0, "a" * 12),
    Look("2029-06-01T00:00:00+00:00", "f" * 64, "other", 3, "b" * 12),
)
