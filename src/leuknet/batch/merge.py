"""Makes one table of the parts of a batch: each content once, lines sorted by name, a piece at a time.

Two passes over the parts, each in pieces that fit into memory. The first takes the lines by the hash of their
content and notes which names are copies of which. The second takes them by name, leaves the copies out and
writes. The table depends on the lines alone, not on who scored what when. Start at `merge_parts`.
"""

from __future__ import annotations

import csv
import math
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from leuknet.batch.parts import TABLE_COLUMNS
from leuknet.inference.outcome import SEPARATOR, Said
from leuknet.inference.prediction_table import NUMBERS
from leuknet.records.whole import whole_file

PIECE = 500_000
"""Lines in memory at a time, about: some 800 MB in all where names and warnings are short."""

SHOWN = 20
_COPIES = ("path", "sha256", "kept")


@dataclass(frozen=True)
class Merged:
    """What `merge_parts` wrote: lines, copies, lines with an error, and the first 20 names of these.

    `said` counts the outcomes and warnings of the lines.
    """

    written: int
    copies: int
    failed: int
    failed_paths: tuple[str, ...]
    copies_path: Path | None
    said: Said = field(default_factory=Said)


def merge_parts(parts: list[Path], out: Path, *, lines: int, piece: int = PIECE) -> Merged:
    """Write the table, whole or not at all.

    Parameters
    ----------
    parts
        Whole parts, in the order of the plan.
    out
        Ends in `.csv` or `.parquet`. Copies go to `<stem>.copies.csv` beside it, if there are any.
    lines
        About how many lines the parts have.
    piece
        How many of them are in memory at a time.
    """
    n_pieces = max(1, math.ceil(lines / piece))
    scan = pl.scan_parquet(parts, glob=False)
    copies_path = out.with_name(f"{out.stem}.copies.csv")
    written, n_copies, failed, failed_paths, said = 0, 0, 0, list[str](), Said()
    with (
        whole_file(out) as unfinished,
        tempfile.TemporaryDirectory(prefix=".merge-", dir=parts[0].parent) as name,
    ):
        copies = _find_copies(scan, Path(name), n_pieces)
        unfinished_copies = Path(name, copies_path.name)
        with _open_table(unfinished, out.suffix) as write, _open_csv(unfinished_copies, _COPIES) as copied:
            for wanted in _ranges(scan, n_pieces):
                named = copies.filter(wanted).sort(*_COPIES).collect()
                copied.writerows(named.iter_rows())
                found = (
                    scan.filter(wanted)
                    .join(named.lazy(), on=["path", "sha256"], how="anti")
                    # Copies of a line may differ in the last digit.
                    .sort("path", "sha256", "probability", "error")
                    .unique(["path", "sha256"], keep="first", maintain_order=True)
                    .collect()
                )
                write(found)
                _count(found, said)
                broken = found.filter(pl.col("error").is_not_null())["path"]
                failed_paths += broken.head(SHOWN - len(failed_paths)).to_list()
                written, n_copies, failed = written + len(found), n_copies + len(named), failed + len(broken)
        if n_copies:
            unfinished_copies.replace(copies_path)
        else:
            copies_path.unlink(missing_ok=True)  # of an earlier run
    return Merged(written, n_copies, failed, tuple(failed_paths), copies_path if n_copies else None, said)


def _count(lines: pl.DataFrame, said: Said) -> None:
    """Count what lines of the table say."""
    alike = lines.group_by("outcome", "warnings").agg(pl.len())
    for outcome, warnings, number in alike.iter_rows():
        said.add(outcome, warnings.split(SEPARATOR) if warnings else (), number)


def _find_copies(scan: pl.LazyFrame, folder: Path, n_pieces: int) -> pl.LazyFrame:
    """Note each name whose content stands in the table under another, by pieces of the space of hashes."""
    known = scan.select("path", "sha256").filter(pl.col("sha256").is_not_null())
    for number in range(n_pieces):
        mine = known
        if n_pieces > 1:
            mine = known.filter(
                pl.col("sha256").str.slice(0, 8).str.to_integer(base=16, strict=False) % n_pieces == number
            )
        names = mine.unique()
        kept = names.group_by("sha256").agg(pl.col("path").min().alias("kept"), pl.len().alias("n"))
        copies = names.join(kept.filter(pl.col("n") > 1), on="sha256").filter(
            pl.col("path") != pl.col("kept")
        )
        copies.select(*_COPIES).collect().write_parquet(folder / f"{number}.parquet")
    return pl.scan_parquet([folder / f"{number}.parquet" for number in range(n_pieces)], glob=False)


def _ranges(scan: pl.LazyFrame, n_pieces: int) -> Iterator[pl.Expr]:
    """Yield conditions that cut the names, in their order, into pieces of about the same number of lines."""
    path, cuts = pl.col("path"), list[str]()
    if n_pieces > 1:
        sample = scan.select("path").gather_every(1000).collect()["path"].sort()
        cuts = sorted({sample[len(sample) * number // n_pieces] for number in range(1, n_pieces)})
    for low, high in zip([None, *cuts], [*cuts, None], strict=True):
        yield (pl.lit(True) if low is None else path >= low) & (pl.lit(True) if high is None else path < high)


@contextmanager
def _open_csv(path: Path, header: tuple[str, ...]) -> Iterator[Any]:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(header)
        yield writer


@contextmanager
def _open_table(path: Path, suffix: str) -> Iterator[Callable[[pl.DataFrame], None]]:
    """Open a table, and yield what writes lines to it."""
    if suffix.lower() == ".csv":
        with _open_csv(path, TABLE_COLUMNS) as lines:
            yield lambda frame: lines.writerows(frame.select(TABLE_COLUMNS).iter_rows())
    else:
        # As `leuknet predict` writes it: numbers are Float64, all else is String.
        schema = pa.schema(
            [(name, pa.float64() if name in NUMBERS else pa.large_string()) for name in TABLE_COLUMNS]
        )
        with pq.ParquetWriter(path, schema, compression="zstd") as writer:
            yield lambda frame: writer.write_table(
                frame.select(TABLE_COLUMNS).to_arrow().cast(schema), row_group_size=100_000
            )
