"""Measures how well a model tells images that it was not made for: a part of `studies/results.py`.

Real C-NMC cells of some people teach it what is familiar; those of other people shall pass, and smears, other
cells, noise, photographs and blur shall not.

Start at `measure_familiarity`; `familiarity_lines` says it in words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from skimage import data as photographs
from skimage.transform import rescale
from sklearn.metrics import roc_auc_score

from leuknet.data.c_nmc_labels import subject_of
from leuknet.images.measures import measure
from leuknet.images.reading import read_pixels
from leuknet.images.transform import place_on_canvas, prepare
from leuknet.inference.familiar import fit_reference
from leuknet.networks.predictor import load_model
from leuknet.types import Features, InputForm, Pixels

DRAWS = 50
"""Random divisions of the 15 people of the C-NMC sample; five of them fit the reference."""

HELD_OUT_PEOPLE = (2, 5)
"""How many more set its limits; the last of these is shown for all kinds of pictures. It was 2 at first, and
became 5 when 31% of the other people's cells were flagged: both are reported."""

CANVAS_PX = 450
FAMILIAR = "C-NMC crops of other people (false alarms)"
BLURRED = {sigma: f"C-NMC crops of other people, blurred by {sigma} px" for sigma in (1, 2, 3)}
WAYS = {"network": [0], "measures": [1, 2], "all": [0, 1, 2]}
"""Columns of `Reference.distances`."""

Seen = tuple[Features, NDArray[np.float64]]


def measure_familiarity(
    data: Path, model: Path, *, draws: int = DRAWS, pictures: int | None = None
) -> dict[str, Any]:
    """Fit references on real C-NMC cells of some people and show them other people's and what is no such cell.

    At most `pictures` of each person, and of each kind of what is no such cell, are shown, in `draws` draws of people.
    """
    predictor = load_model(model)
    form = InputForm(CANVAS_PX, predictor.card.recipe.image_size_px)

    def look(pictures: Sequence[Pixels]) -> Seen:
        placed = [place_on_canvas(picture, CANVAS_PX) for picture in pictures]
        inputs = np.stack([prepare(picture, form) for picture in placed])
        return predictor.embed(inputs)[1], np.array([measure(picture) for picture in placed])

    shown = Counter[str | None]()
    paths = []
    for path in sorted((data / "cnmc2019" / "C-NMC_Leukemia" / "training_data").rglob("*.bmp")):
        shown[subject_of(path.name)] += 1
        if pictures is None or shown[subject_of(path.name)] <= pictures:
            paths.append(path)
    cells = [read_pixels(path).pixels for path in paths]
    people = np.array([subject_of(path.name) for path in paths])
    own: dict[str, Seen] = {FAMILIAR: look(cells)}
    for sigma, name in BLURRED.items():
        blur = ImageFilter.GaussianBlur(sigma)
        own[name] = look([np.array(Image.fromarray(cell).filter(blur)) for cell in cells])
    strange = {name: look(kind[:pictures]) for name, kind in _strange_pictures(data, pictures)}
    alarms, rows = {}, dict[str, _Row]()
    for n_held_out in HELD_OUT_PEOPLE:
        rows = {name: _Row(len(features)) for name, (features, _) in (own | strange).items()}
        for seed in range(draws):
            order = np.random.default_rng(seed).permutation(np.unique(people))
            fitted = np.isin(people, order[:5])
            held_out = np.isin(people, order[5 : 5 + n_held_out])
            _judge(own, strange, fitted=fitted, held_out=held_out, rows=rows)
        alarms[n_held_out] = rows[FAMILIAR].summary()["flagged"]
    return {
        "commands": [],
        "draws": draws,
        "people": len(set(people)),
        "cells": len(cells),
        "alarms": alarms,
        "rows": [{"images": name} | row.summary() for name, row in rows.items()],
    }


class _Row:
    """What the draws found for one kind of picture."""

    def __init__(self, n: int) -> None:
        self.n = n
        self.flagged: dict[str, list[float]] = {way: [] for way in WAYS}
        self.auroc: dict[str, list[float]] = {way: [] for way in WAYS}
        self.reasons: Counter[str] = Counter()

    def summary(self) -> dict[str, Any]:
        """Return means over the draws, each with the range that holds 95% of them."""

        def spread(found: list[float]) -> list[float] | None:
            return [float(np.mean(found)), *np.quantile(found, [0.025, 0.975]).tolist()] if found else None

        reasons = self.reasons.most_common(1)
        return {
            "n": self.n,
            "flagged": {way: spread(found) for way, found in self.flagged.items()},
            "auroc": {way: spread(found) for way, found in self.auroc.items()},
            "reason": reasons[0][0] if reasons else "",
        }


def _judge(
    own: Mapping[str, Seen],
    strange: Mapping[str, Seen],
    *,
    fitted: NDArray[np.bool_],
    held_out: NDArray[np.bool_],
    rows: Mapping[str, _Row],
) -> None:
    """Fit a reference on some cells, its limits on others, and add what the rest and the strange ones give."""
    tested = ~(fitted | held_out)
    features, measures = own[FAMILIAR]
    reference = fit_reference(
        features[fitted],
        measures[fitted],
        held_out_features=features[held_out],
        held_out_measures=measures[held_out],
    )
    familiar = reference.distances(features[tested], measures[tested])
    shown = {
        name: (its_features[tested], its_measures[tested])
        for name, (its_features, its_measures) in own.items()
    }
    for name, seen in (shown | dict(strange)).items():
        found = reference.distances(*seen)
        rows[name].reasons.update(reason for reasons in reference.check(*seen) for reason in reasons)
        for way, columns in WAYS.items():
            near, far = familiar[:, columns].max(axis=1), found[:, columns].max(axis=1)
            rows[name].flagged[way].append(float((far > 1).mean()))
            if name != FAMILIAR:
                labels = np.repeat([0, 1], [len(near), len(far)])
                rows[name].auroc[way].append(float(roc_auc_score(labels, np.concatenate([near, far]))))


def _strange_pictures(data: Path, most: int | None) -> Iterator[tuple[str, list[Pixels]]]:
    """Yield kinds of pictures that are no segmented, stain-normalised C-NMC cell; `most` of each are needed."""
    fields, crops = _bccd(data / "bccd" / "BCCD", most)
    yield "BCCD leukocytes, raw crops", crops
    yield "BCCD leukocytes, raw crops, twice as large", [_enlarge(one, 2) for one in crops]
    yield "BCCD leukocytes, cut out as ellipses", [one * _ellipse(one.shape) for one in crops]
    yield "BCCD whole fields", fields
    raw, masked = _wbc_masks(data / "wbc_masks", most)
    yield "wbc_masks, raw crops", raw
    yield "wbc_masks, cut out by hand-made masks", masked
    # sqrt(40,900 / 4,900): the median area of both.
    yield "wbc_masks, cut out and enlarged to C-NMC's area", [_enlarge(one, 2.9) for one in masked]
    generator = np.random.default_rng(0)
    whole, cell_shape = (CANVAS_PX, CANVAS_PX, 3), (228, 228, 3)
    yield (
        "uniform noise",
        [generator.integers(0, 256, whole, dtype=np.uint8) for _ in range(50)],
    )
    yield "Gaussian noise", [_bytes(generator.normal(128, 40, whole)) for _ in range(50)]
    stained = [_bytes(generator.normal((70, 30, 80), 10, cell_shape)) for _ in range(50)]
    yield "noise of C-NMC's colour and size, round", [one * _ellipse(one.shape) for one in stained]
    yield "all black", [np.zeros(whole, np.uint8)]
    names = (
        "astronaut",
        "chelsea",
        "coffee",
        "hubble_deep_field",
        "immunohistochemistry",
        "retina",
        "rocket",
    )
    photos = [getattr(photographs, name)()[:, :, :3] for name in names]
    # Four pieces of each, a canvas in size where the photograph allows it.
    pieces = [
        np.roll(one, shift, axis=1)[:CANVAS_PX, :CANVAS_PX] for one in photos for shift in (0, 90, 180, 270)
    ]
    yield "photographs", pieces
    yield (
        "photographs of C-NMC's size, round",
        [one[:228, :228] * _ellipse(cell_shape) for one in pieces],
    )


def _bccd(root: Path, most: int | None) -> tuple[list[Pixels], list[Pixels]]:
    """Return 100 whole fields, and each leukocyte of all fields cut by its box; of the first `most` fields."""
    fields, crops = [], []
    for annotation in sorted((root / "Annotations").glob("*.xml"))[:most]:
        field = read_pixels(root / "JPEGImages" / f"{annotation.stem}.jpg").pixels
        fields.append(field)
        for cell in ElementTree.parse(annotation).iter("object"):  # noqa: S314 - a published file, read here only
            if cell.findtext("name") == "WBC":
                left, top, right, bottom = (
                    int(cell.findtext(f"bndbox/{side}") or 0) for side in ("xmin", "ymin", "xmax", "ymax")
                )
                crops.append(field[max(top, 0) : bottom, max(left, 0) : right])
    return fields[:100], crops


def _wbc_masks(root: Path, most: int | None) -> tuple[list[Pixels], list[Pixels]]:
    """Return each crop, or the first `most`, as it is, and with all but its leukocyte made black."""
    raw, masked = [], []
    for path in sorted(root.glob("Dataset ?/*.bmp"))[:most]:
        pixels = read_pixels(path).pixels
        mask = np.array(Image.open(path.with_suffix(".png")).convert("L")) > 0
        raw.append(pixels)
        masked.append(pixels * mask[:, :, None].astype(np.uint8))
    return raw, masked


def _ellipse(shape: tuple[int, ...]) -> Pixels:
    """1 within the ellipse that fills an image of this shape, else 0: (H, W, 1)."""
    rows, columns = np.mgrid[-1 : 1 : shape[0] * 1j, -1 : 1 : shape[1] * 1j]
    return np.asarray(np.hypot(rows, columns) < 1, dtype=np.uint8)[:, :, None]


def _enlarge(pixels: Pixels, factor: float) -> Pixels:
    return _bytes(rescale(pixels, factor, order=1, channel_axis=2, preserve_range=True))


def _bytes(values: NDArray[np.float64]) -> Pixels:
    return np.clip(np.round(values), 0, 255).astype(np.uint8)


def familiarity_lines(found: dict[str, Any]) -> list[str]:
    """Return the section of the page, as lines of Markdown."""

    def text(values: list[float] | None, form: str) -> str:
        return "" if values is None else "{} ({} to {})".format(*(format(value, form) for value in values))

    (few, alarms_few), (many, alarms_many) = (
        (n, text(one["all"], ".0%")) for n, one in found["alarms"].items()
    )
    return [
        f"The {found['cells']} C-NMC training crops at hand come from {found['people']} people. In each of {found['draws']} random draws, the cells of five",
        f"fit a reference, those of {many} more set its limits, and it is shown those of the remaining people and all that is listed",
        "here. Means over the draws, and in brackets the range of 95% of them. AUROC is against the remaining people's crops as",
        f"published. Limits from so few cells are too tight: {alarms_many} of the other people's cells are flagged with {many} people held",
        f"out, {alarms_few} with {few}. On cells of the people that set it, each of the three limits flags 1%. The network is the",
        "demonstration's, which has seen simulated cells only.",
        "",
        "| images | n | flagged | AUROC | AUROC, network's features alone | AUROC, measures alone | most frequent reason |",
        "|---|---|---|---|---|---|---|",
        *(
            f"| {row['images']} | {row['n']} | {text(row['flagged']['all'], '.0%')} | {text(row['auroc']['all'], '.3f')} "
            f"| {text(row['auroc']['network'], '.3f')} | {text(row['auroc']['measures'], '.3f')} | {row['reason']} |"
            for row in found["rows"]
        ),
        "",
    ]
