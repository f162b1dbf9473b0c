"""The table of a batch, against a plain loop over its lines."""

from __future__ import annotations

import csv
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leuknet.batch.merge import Merged, merge_parts
from leuknet.batch.parts import TABLE_COLUMNS
from leuknet.inference.outcome import Said
from leuknet.inference.prediction_table import NUMBERS

SCHEMA = {name: pl.Float64 if name in NUMBERS else pl.String for name in TABLE_COLUMNS}
HASHES = tuple(f"{number * 2654435761 % 2**32:08x}{number:056}" for number in range(5))

SAYS: dict[float, tuple[str, tuple[str, ...]]] = {
    0.25: ("HEM", ()),
    0.75: ("unfamiliar", ("80 x 90 px, not 450 x 450: placed on black", "blurred")),
}
"""Outcome and warnings of a line by its probability."""

Line = tuple[str, str | None, float | None]
"""Path, hash of the content (None where it could not be read) and probability."""


def write_parts(folder: Path, parts: list[list[Line]]) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, lines in enumerate(parts):
        columns = {
            "path": [path for path, _, _ in lines],
            "sha256": [sha256 for _, sha256, _ in lines],
            "probability": [probability for _, _, probability in lines],
            "error": [None if sha256 else "cannot be read" for _, sha256, _ in lines],
            "threshold": [0.5] * len(lines),
            "outcome": [None if p is None else SAYS[p][0] for _, _, p in lines],
            "warnings": [None if p is None else "; ".join(SAYS[p][1]) or None for _, _, p in lines],
        }
        paths.append(folder / f"{number}.parquet")
        empty = {name: [None] * len(lines) for name in TABLE_COLUMNS}
        pl.DataFrame(empty | columns, schema=SCHEMA).write_parquet(paths[-1])
    return paths


def merged_by_hand(lines: list[Line]) -> tuple[list[Line], list[tuple[str, str, str]]]:
    kept = {sha256: min(path for path, other, _ in lines if other == sha256) for _, sha256, _ in lines}
    table: dict[tuple[str, str | None], float | None] = {}
    copies = set()
    for path, sha256, probability in lines:
        if sha256 is not None and path != kept[sha256]:
            copies.add((path, sha256, kept[sha256]))
        else:
            least = table.get((path, sha256), probability)
            assert (least is None) == (probability is None)
            table[path, sha256] = probability if least is None else min(least, probability or 0)
    ordered = sorted(table, key=lambda key: (key[0], key[1] or ""))  # without a hash comes first
    return [(path, sha256, table[path, sha256]) for path, sha256 in ordered], sorted(copies)


def read_table(path: Path) -> list[Line]:
    frame = pl.read_parquet(path) if path.suffix == ".parquet" else pl.read_csv(path, schema=SCHEMA)
    return list(frame.select("path", "sha256", "probability").iter_rows())


def read_copies(path: Path) -> list[tuple[str, ...]]:
    with path.open(encoding="utf-8", newline="") as stream:
        header, *rows = map(tuple, csv.reader(stream))
    assert header == ("path", "sha256", "kept")
    return rows


known = st.tuples(st.sampled_from("abcdeé"), st.sampled_from(HASHES), st.sampled_from((0.25, 0.75)))
unread = st.tuples(st.sampled_from("abcdeé"), st.none(), st.none())


@given(
    parts=st.lists(st.lists(known | unread, min_size=1, max_size=8), min_size=1, max_size=3),
    piece=st.integers(1, 30),
    suffix=st.sampled_from((".csv", ".parquet")),
)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_table_is_what_a_plain_loop_makes_of_the_lines(
    parts: list[list[Line]], piece: int, suffix: str, tmp_path: Path
) -> None:
    lines = [line for part in parts for line in part]
    out = tmp_path / f"table{suffix}"
    table, copies = merged_by_hand(lines)
    failed = [path for path, sha256, _ in table if sha256 is None]

    merged = merge_parts(write_parts(tmp_path / "parts", parts), out, lines=len(lines), piece=piece)

    assert read_table(out) == table
    copies_path = tmp_path / "table.copies.csv"
    assert (read_copies(copies_path) if copies_path.exists() else []) == copies
    named = copies_path if copies else None
    said = Said()
    for _, _, probability in table:
        if probability is not None:
            said.add(*SAYS[probability])
    assert merged == Merged(len(table), len(copies), len(failed), tuple(failed), named, said)
    assert not [path.name for path in tmp_path.rglob(".*")]


@pytest.mark.parametrize("piece", [1, 1000])
def test_two_contents_of_one_path_are_two_lines_and_no_copy(tmp_path: Path, piece: int) -> None:
    parts: list[list[Line]] = [[("p", HASHES[0], 0.25), ("q", HASHES[2], 0.25)], [("p", HASHES[1], 0.75)]]

    merged = merge_parts(write_parts(tmp_path / "parts", parts), tmp_path / "t.csv", lines=3, piece=piece)

    assert merged.copies == 0
    assert read_table(tmp_path / "t.csv") == sorted(line for part in parts for line in part)


def test_a_path_that_is_a_copy_with_one_content_keeps_its_line_with_another(tmp_path: Path) -> None:
    parts: list[list[Line]] = [[("a", HASHES[0], 0.25), ("p", HASHES[0], 0.25), ("p", HASHES[1], 0.75)]]

    merge_parts(write_parts(tmp_path / "parts", parts), tmp_path / "t.csv", lines=3)

    assert read_table(tmp_path / "t.csv") == [("a", HASHES[0], 0.25), ("p", HASHES[1], 0.75)]
    assert read_copies(tmp_path / "t.copies.csv") == [("p", HASHES[0], "a")]


def test_twenty_names_with_an_error_are_told_over_all_pieces(tmp_path: Path) -> None:
    lines: list[Line] = [(f"gone-{number:04}", None, None) for number in range(3000)]
    parts = write_parts(tmp_path / "parts", [lines[:7], lines[7:]])

    for piece in (1000, 4000):
        merged = merge_parts(parts, tmp_path / "t.csv", lines=3000, piece=piece)

        assert (merged.written, merged.failed) == (3000, 3000)
        assert merged.failed_paths == tuple(path for path, _, _ in lines[:20])


def test_copies_of_an_earlier_run_go_with_its_table(tmp_path: Path) -> None:
    parts = write_parts(tmp_path / "parts", [[("a", HASHES[0], 0.25), ("b", HASHES[0], 0.25)]])
    assert merge_parts(parts, tmp_path / "t.csv", lines=2).copies_path == tmp_path / "t.copies.csv"

    other = write_parts(tmp_path / "parts", [[("a", HASHES[0], 0.25)]])
    assert merge_parts(other, tmp_path / "t.csv", lines=1).copies_path is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["parts", "t.csv"]


def test_a_merge_that_fails_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = write_parts(tmp_path / "parts", [[("a", HASHES[0], 0.25), ("b", HASHES[0], 0.25)]])
    merge_parts(parts, tmp_path / "t.csv", lines=2)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    other = write_parts(tmp_path / "parts", [[("c", HASHES[1], 0.25)]])

    def fail(*_: object, **__: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(pl.DataFrame, "iter_rows", fail)
    with pytest.raises(OSError, match="the disk is full"):
        merge_parts(other, tmp_path / "t.csv", lines=1)

    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before
    assert [path.name for path in (tmp_path / "parts").iterdir()] == ["0.parquet"]


def test_a_parquet_table_has_numbers_as_numbers_and_all_else_as_text(tmp_path: Path) -> None:
    names = "abcde"
    parts = write_parts(tmp_path / "a [b] * c", [[(name, HASHES[0][:-1] + name, 0.25)] for name in names])

    merge_parts(parts, tmp_path / "T.PARQUET", lines=5)

    with pq.ParquetFile(tmp_path / "T.PARQUET") as table:
        types = {field.name: str(field.type) for field in table.schema_arrow}
        assert table.metadata.row_group(0).column(0).compression == "ZSTD"
    assert list(types) == list(TABLE_COLUMNS)
    assert {name for name, kind in types.items() if kind == "double"} == set(NUMBERS)
    assert set(types.values()) <= {"double", "string", "large_string"}


def test_a_csv_table_is_utf_8_with_lines_as_csv_has_them(tmp_path: Path) -> None:
    parts = write_parts(tmp_path / "parts", [[("é\nx", HASHES[0], 0.25), ("é\ny", HASHES[0], 0.25)]])

    merge_parts(parts, tmp_path / "T.CSV", lines=2)

    assert (tmp_path / "T.CSV").read_bytes() == (
        ",".join(TABLE_COLUMNS) + "\r\n" + f'"é\nx",0.25,,HEM,0.5,,,,,{HASHES[0]}\r\n'
    ).encode()
    assert (tmp_path / "T.copies.csv").read_bytes() == (
        f'path,sha256,kept\r\n"é\ny",{HASHES[0]},"é\nx"\r\n'.encode()
    )


def test_of_one_line_scored_twice_the_least_probability_and_the_first_error_stand(tmp_path: Path) -> None:
    twice: list[list[Line]] = [[("p", HASHES[0], 0.75), ("q", None, None)], [("p", HASHES[0], 0.25)]]
    twice[1] += [("q", None, None)]
    paths = write_parts(tmp_path / "parts", twice)
    for path, error in zip(paths, ("z is broken", "a is broken"), strict=True):
        lines = pl.read_parquet(path).with_columns(
            error=pl.when(pl.col("sha256").is_null()).then(pl.lit(error)).otherwise(None)
        )
        lines.write_parquet(path)

    for number, order in enumerate((paths, paths[::-1])):
        out = tmp_path / f"{number}.parquet"
        merged = merge_parts(order, out, lines=4)

        assert read_table(out) == [("p", HASHES[0], 0.25), ("q", None, None)]
        assert pl.read_parquet(out)["error"].to_list() == [None, "a is broken"]
        assert (merged.written, merged.failed, merged.copies) == (2, 1, 0)


def test_what_is_unfinished_lies_in_a_hidden_folder_beside_the_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = write_parts(tmp_path / "parts", [[("a", HASHES[0], 0.25)]])
    write, seen = pl.DataFrame.write_parquet, list[Path]()

    def note(frame: pl.DataFrame, path: Path) -> None:
        seen.append(path)
        write(frame, path)

    monkeypatch.setattr(pl.DataFrame, "write_parquet", note)
    merge_parts(parts, tmp_path / "t.csv", lines=1)

    (copies,) = seen
    assert copies.parent.parent == tmp_path / "parts"
    assert copies.parent.name.startswith(".merge-")


def test_names_and_contents_are_cut_into_pieces_of_about_the_same_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # 6,000 names, the last first: those sampled are 999, 1999, ..., 5999, and the cuts are at 2999 and 4999.
    # Seven contents, 0 to 6, have a copy each. By what their hashes leave when divided by 3, these are
    # 0, 3 and 6, then 1 and 4, then 2 and 5.
    hashes = [f"{0x30000000 + 3 * number:08x}{number:056x}" for number in range(6000)]
    for number in range(7):
        hashes[number] = hashes[10 + number] = f"{0xC0000000 + number:08x}{'f' * 56}"
    lines: list[Line] = [(f"{number:05}", hashes[number], 0.25) for number in reversed(range(6000))]
    parts = write_parts(tmp_path / "parts", [lines])
    write, iterate = pl.DataFrame.write_parquet, pl.DataFrame.iter_rows
    by_content, by_name = list[int](), list[int]()

    def note(frame: pl.DataFrame, path: Path) -> None:
        by_content.append(len(frame))
        write(frame, path)

    def note_rows(frame: pl.DataFrame) -> object:
        if frame.width == len(TABLE_COLUMNS):
            by_name.append(len(frame))
        return iterate(frame)

    monkeypatch.setattr(pl.DataFrame, "write_parquet", note)
    monkeypatch.setattr(pl.DataFrame, "iter_rows", note_rows)
    for piece, of_contents, of_names in (
        (2000, [3, 2, 2], [2999 - 7, 2000, 1001]),
        (3000, [4, 3], [3999 - 7, 2001]),  # even and odd; one cut, at 3999
        (6000, [7], [5993]),
    ):
        by_content.clear()
        by_name.clear()
        merged = merge_parts(parts, tmp_path / "t.csv", lines=6000, piece=piece)

        assert (by_content, by_name) == (of_contents, of_names)
        assert (merged.written, merged.copies) == (5993, 7)
