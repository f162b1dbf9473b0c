"""Tables that a spreadsheet has saved again, and names that are not quite those on the disk."""

from __future__ import annotations

import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
from PIL import Image

from leuknet.data.c_nmc_labels import read_prelim_labels
from leuknet.data.folder import read
from leuknet.errors import DataError, DatasetError
from leuknet.images.file_names import find_named
from leuknet.inference import scored_table
from leuknet.inference.scored_table import read_scored_images
from leuknet.records.spreadsheet import table_of

pl = pytest.importorskip("polars")
pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")


def saved_again(table: str) -> dict[str, bytes]:
    """The same table as spreadsheets of several countries save it."""
    german = table.replace(",", ";").replace(".", ",").replace(",png", ".png").replace(",bmp", ".bmp")
    tabs = table.replace(",", "\t")
    commas = table.splitlines()[0].count(",")
    return {
        "as it was": table.encode(),
        "CRLF": table.replace("\n", "\r\n").encode(),
        "byte order mark": b"\xef\xbb\xbf" + table.encode(),
        "semicolons, decimal commas": german.encode(),
        "and all the rest": b"\xef\xbb\xbf" + german.replace("\n", "\r\n").encode(),
        "sep=;": ("sep=;\r\n" + german).encode(),
        "sep=,": ("sep=,\n" + table).encode(),
        "tabs": tabs.encode(),
        "tabs in UTF-16": tabs.encode("utf-16"),
        "empty lines": (table + "," * commas + "\n" + "," * commas + "\n").encode(),
        "blanks in the header": table.replace("path,", " path ,").encode(),
    }


SCORED = """path,outcome,probability,threshold,model_id,subject,warnings,error
a.png,ALL,0.75,0.5,m1,P1,,
b.png,HEM,0.25,0.5,m1,P2,,
"""
MANIFEST = """path,label,subject,microns_per_pixel
a.png,ALL,P1,0.12
b.png,HEM,P2,0.25
"""
FORMS = tuple(saved_again(SCORED))


@pytest.mark.parametrize("form", FORMS)
def test_scores_are_read_however_a_spreadsheet_saved_them(form: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(saved_again(SCORED)[form])

    scored = read_scored_images(tmp_path / "t.csv")

    assert scored.paths == ("a.png", "b.png")
    assert scored.probabilities == (0.75, 0.25)
    assert scored.threshold == 0.5


@pytest.mark.parametrize("form", FORMS)
def test_a_manifest_is_read_however_a_spreadsheet_saved_it(form: str, tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        Image.new("RGB", (20, 20), (len(form), ord(name[0]), 0)).save(tmp_path / name)
    (tmp_path / "manifest.csv").write_bytes(saved_again(MANIFEST)[form])

    cells = read(tmp_path).cells

    assert [(cell.id, cell.subject, cell.microns_per_pixel) for cell in cells] == [
        ("a.png", "P1", 0.12),
        ("b.png", "P2", 0.25),
    ]


def test_the_preliminary_labels_are_read_with_semicolons(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_bytes(b"\xef\xbb\xbfnew_names;labels\r\n1.bmp;1\r\n2.bmp;0\r\n;\r\n")

    assert [found.label for found in read_prelim_labels(tmp_path / "labels.csv").values()] == [1, 0]


def test_what_is_no_utf_8_says_how_to_save_it(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_bytes("path;label\nä.png;ALL\n".encode("cp1252"))
    with pytest.raises(DatasetError, match=r"no UTF-8 text .byte 11.; save it as `CSV UTF-8`"):
        read(tmp_path)

    (tmp_path / "t.csv").write_bytes(SCORED.replace(",", ";").replace("a.p", "ä.p").encode("cp1252"))
    with pytest.raises(DataError, match="save it as `CSV UTF-8`"):
        read_scored_images(tmp_path / "t.csv")


def test_a_line_is_named_as_the_file_has_it(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text("sep=;\npath;label\na.png;ALL\nb.png;odd\n")

    with pytest.raises(DatasetError, match="line 4"):
        read(tmp_path)


def test_a_quoted_separator_in_the_header_does_not_count() -> None:
    assert table_of(b'path,"a;b;c;d;e",label\n').separator == ","


@pytest.mark.parametrize(
    "name",
    ["sub\\\\ä.png", "sub/ä.png ", " sub/ä.png", unicodedata.normalize("NFD", "sub\\\\ä.png\t")],
)
def test_names_of_other_systems_find_their_file(name: str, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / unicodedata.normalize("NFC", "ä.png")).touch()

    assert find_named(tmp_path, name.replace("\\\\", "\\")).as_posix() == "sub/ä.png"


def test_a_name_that_is_there_is_taken_as_it_stands(tmp_path: Path) -> None:
    for name in ("a.png", "a.png ", "b\\c.png"):
        (tmp_path / name).touch()

    assert find_named(tmp_path, "a.png ").name == "a.png "
    assert find_named(tmp_path, "b\\c.png").name == "b\\c.png"
    assert find_named(tmp_path, "none\\x.png").as_posix() == "none\\x.png"


READ_IN_LITTLE = """
import sys
from pathlib import Path
from leuknet.errors import DataError
from leuknet.inference.scored_table import read_scored_images
try:
    read_scored_images(Path(sys.argv[1]), most_rows=200_000)
except DataError as error:
    print(error.why)
(peak,) = (line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM'))
print(int(peak) / 1e6)
"""


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_of_a_table_of_others_no_more_is_read_than_it_may_have(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = pl.DataFrame(
        {"path": ["a.png"] * 11, "probability": "0.5", "outcome": "normal", "threshold": "0.5"}
    ).with_columns(model_id=pl.lit("m"), warnings=pl.lit(""), error=pl.lit(None, pl.String))
    path = tmp_path / f"t.{kind}"
    table.write_csv(path) if kind == "csv" else table.write_parquet(path)

    assert len(read_scored_images(path, most_rows=11).paths) == 11
    with pytest.raises(DataError, match="more than 10 rows"):
        read_scored_images(path, most_rows=10)
    # Of each row 5 + 3 + 6 + 3 + 1 letters.
    monkeypatch.setattr(scored_table, "MOST_TEXT", 11 * 18 - 1)
    with pytest.raises(DataError, match="198 bytes"):
        read_scored_images(path, most_rows=11)


@pytest.mark.parametrize("crowded", ["path", "warnings", "error"])
def test_texts_that_a_file_holds_once_and_names_in_every_row_fill_no_memory(
    crowded: str, tmp_path: Path
) -> None:
    rows = 21_500
    once = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array(["x" * 200_000]))
    columns = ("path", "probability", "outcome", "threshold", "model_id", "warnings", "error")
    plain = pa.array(["0.5"] * rows)
    table = tmp_path / "t.parquet"
    pq.write_table(pa.table({name: once if name == crowded else plain for name in columns}), table)
    assert table.stat().st_size < 100_000

    told = subprocess.run(
        [sys.executable, "-c", READ_IN_LITTLE, table], capture_output=True, text=True, check=True
    ).stdout.splitlines()

    assert "its texts have 4,300," in told[0]  # million bytes: in 32 bits, as many as nearly none
    assert float(told[1]) < 1.0, "gigabytes"
