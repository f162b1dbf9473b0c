"""Writes what was found in a smear: as a table, and as outlines that QuPath opens.

The table has the columns of `leuknet predict`, so that what reads those reads these, and behind them where
each cell lies and what it is like. Start at `write_cells` and `write_outlines`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl

from leuknet.fields.geojson import OutlinedCell, write_geojson
from leuknet.fields.outline import outline_of
from leuknet.figures.smear_plot import colour_of
from leuknet.inference.outcome import outcome_words
from leuknet.inference.prediction_table import COLUMNS, NUMBERS, check_table, line_of
from leuknet.records.whole import whole_file
from leuknet.smears.smear import SmearCell
from leuknet.types import FoundCell, ModelCard

_PLACE = {
    "cell": pl.String,
    "top_px": pl.Int64,
    "left_px": pl.Int64,
    "bottom_px": pl.Int64,
    "right_px": pl.Int64,
    "area_um2": pl.Float64,
    "nucleus_um2": pl.Float64,
    "sharpness": pl.Float64,
    "flags": pl.String,
}
"""Where a cell lies and what it is like: box, areas in µm², and what may be wrong, joined by `; `."""

_SCORE: dict[str, Any] = {name: pl.Float64 if name in NUMBERS else pl.String for name in COLUMNS}


def write_found(cells: Sequence[tuple[str, FoundCell]], path: Path) -> None:
    """Write cells that were found and not scored, each with the path of its image, to .csv or .parquet."""
    rows = [{"path": image, **_place(cell)} for image, cell in cells]
    _write(pl.DataFrame(rows, schema={"path": pl.String, **_PLACE}), path)


def write_cells(cells: Sequence[SmearCell], path: Path, *, card: ModelCard) -> None:
    """Write scored cells to .csv or .parquet, whole or not at all.

    `outcome` is a class, `uncertain` or `unfamiliar`; `label` is the class at the threshold whatever the
    outcome; `reviewed` is the class that a person gave it in another program. Empty fields are not known.
    """
    rows = []
    for cell in cells:
        score = dict(zip(COLUMNS, line_of(cell.prediction, card.class_names), strict=True))
        rows.append({**score, **_place(cell), "reviewed": cell.reviewed})
    _write(pl.DataFrame(rows, schema={**_SCORE, **_PLACE, "reviewed": pl.String}), path)


def write_outlines(cells: Sequence[SmearCell], path: Path, *, card: ModelCard) -> None:
    """Write scored cells as GeoJSON for QuPath; a cell's class is its outcome, coloured as in the overlay."""
    words = outcome_words(card.class_names)
    colours = {word: colour_of(outcome) for outcome, word in words.items()}
    positive = f"P({card.class_names[1]})"
    outlined = (
        as_outlined(cell, words[cell.outcome], **{positive: float(cell.prediction.probability or 0)})
        for cell in cells
    )
    write_geojson(outlined, path, colours=colours)


def as_outlined(cell: SmearCell | FoundCell, kind: str, **measurements: float) -> OutlinedCell:
    """Return a cell as QuPath has it, of a class, with these measurements before its size and sharpness."""
    if isinstance(cell, SmearCell):
        outline, nucleus = cell.outline, cell.nucleus
    else:
        outline, nucleus = outline_of(cell.mask, cell.box), outline_of(cell.nucleus, cell.box)
    measurements |= {
        "Area µm^2": cell.area_um2,
        "Nucleus area µm^2": cell.nucleus_um2,
        "Sharpness": cell.sharpness,
    }
    return OutlinedCell(cell.id, outline, nucleus, kind, measurements)


def _place(cell: SmearCell | FoundCell) -> dict[str, str | int | float | None]:
    return {
        "cell": cell.id,
        **asdict(cell.box),
        "area_um2": round(cell.area_um2, 3),
        "nucleus_um2": round(cell.nucleus_um2, 3),
        "sharpness": round(cell.sharpness, 4),
        "flags": "; ".join(cell.flags) or None,
    }


def _write(table: pl.DataFrame, path: Path) -> None:
    check_table(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as part:
        if path.suffix.lower() == ".csv":
            table.write_csv(part)
        else:
            table.write_parquet(part)
