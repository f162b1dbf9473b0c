"""A batch scores as `predict` does, loses nothing and counts nothing twice, whatever is killed."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import struct
import subprocess
import sys
import tarfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import fsspec
import numpy as np
import polars as pl
import pytest
from PIL import Image

import leuknet
from leuknet.batch import files, list_chunks, stores
from leuknet.batch.contents import images_of
from leuknet.batch.files import File
from leuknet.batch.merge import merge_parts
from leuknet.batch.parts import Counts, Job, JobFolder, as_line, open_job
from leuknet.batch.run import Scorer
from leuknet.batch.sources import Chunk
from leuknet.errors import MissingExtraError, SettingError, UnreadableImageError
from leuknet.inference.outcome import OUTCOMES
from leuknet.inference.predict import find_images, predict_files
from leuknet.inference.prediction_table import write_predictions
from leuknet.types import Prediction
from tests.conftest import REPOSITORY, run_cli, without

N_CELLS = 120
ODD_NAMES = (b"=1+1.bmp", b"new\nline.bmp", b"byte-\xff.bmp", 'übung, "x".bmp'.encode())
JOB = Job("abc", ("HEM", "ALL"), 32, 4)


class Sources(SimpleNamespace):
    """What the runs of these tests read: a folder, shards and tables, all of them on disk."""

    folder: Path
    model: Path
    cells: list[bytes]
    all: list[str]


def png(value: int = 0) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.full((8, 8, 3), value, np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def write_tar(path: Path, members: Sequence[tuple[str, bytes]], *, mode: str = "w") -> Path:
    with tarfile.open(path, cast(Any, mode)) as tar:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def add_odd_members(path: Path) -> None:
    """A name that leads out, links that lead to a file outside, and a device."""
    with tarfile.open(path, "a") as tar:
        member = tarfile.TarInfo("../out.png")
        member.size = len(png())
        tar.addfile(member, io.BytesIO(png()))
        kinds = (("soft.png", tarfile.SYMTYPE), ("hard.png", tarfile.LNKTYPE), ("dev.png", tarfile.CHRTYPE))
        for name, kind in kinds:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "/etc/passwd"
            tar.addfile(member)


@pytest.fixture(scope="session")
def sources(mini_reproduction: Path, tmp_path_factory: pytest.TempPathFactory) -> Sources:
    """120 cells of different bytes in a folder, others in shards and tables, copies, broken and odd ones."""
    home = tmp_path_factory.mktemp("batch")
    drawn = sorted((mini_reproduction / "data").rglob("*.bmp"))
    # Bytes after a BMP's pixels are not read: pictures of the same cell that differ as files.
    cells = [
        drawn[number % len(drawn)].read_bytes() + struct.pack("<I", number) for number in range(N_CELLS + 20)
    ]
    folder = home / "cells"
    for number, cell in enumerate(cells[:N_CELLS]):
        path = folder / f"{number % 3}" / f"UID_{number // 9}_{number}_1_all.bmp"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(cell)
    (folder / "copy-of-0.bmp").write_bytes(cells[0])
    (folder / "broken.png").write_bytes(png()[:40])
    (folder / "scores.parquet").write_bytes(_parquet({"path": ["a"], "probability": [0.5]}))
    for name, cell in zip(ODD_NAMES, cells[N_CELLS:], strict=False):
        Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_bytes(cell)
    rest = cells[N_CELLS + len(ODD_NAMES) :]
    shard = write_tar(
        home / "a.tar", [("x/UID_7_1_1_hem.bmp", rest[0]), ("b.bmp", rest[1]), ("no.txt", b"?")]
    )
    add_odd_members(shard)
    write_tar(home / "b.tar.gz", [("c.bmp", rest[2]), ("again.bmp", rest[1])], mode="w:gz")
    (home / "plain.parquet").write_bytes(_parquet({"bytes": rest[3:8], "id": ["p", "q", None, "s", "t"]}))
    struct_column = [{"bytes": one, "path": f"hf-{i}.bmp"} for i, one in enumerate(rest[8:10])]
    (home / "hf.parquet").write_bytes(_parquet({"image": struct_column, "label": [0, 1]}))
    (home / "far").mkdir()
    (home / "far" / "d.bmp").write_bytes(rest[10])
    (home / "globbed-1.bmp").write_bytes(rest[11])
    named = [folder, home / "globbed-*.bmp", home / "a.tar", home / "b.tar.gz", home / "plain.parquet"]
    named += [home / "hf.parquet", home / "missing.png"]
    everything = [*map(str, named), f"file://{home}/far"]
    return Sources(folder=folder, model=mini_reproduction / "run" / "model", cells=cells, all=everything)


def _parquet(columns: dict[str, Any]) -> bytes:
    stream = io.BytesIO()
    pl.DataFrame(columns).write_parquet(stream, row_group_size=2)
    return stream.getvalue()


def batch_command(sources: Sources, out: Path, *more: str) -> list[str]:
    settings = ["--model", str(sources.model), "--out", str(out), "--workers", "2", "--chunk-size", "4"]
    return [sys.executable, "-m", "leuknet", "batch", *sources.all, *settings, *more]


def batch(sources: Sources, out: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(batch_command(sources, out, *more), capture_output=True, text=True, timeout=600)


@pytest.fixture(scope="session")
def undisturbed(
    sources: Sources, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """The table of a run in which nothing happened, made by the command line."""
    out = tmp_path_factory.mktemp("undisturbed") / "scores.csv"
    return out, batch(sources, out)


class Server:
    """Runs batches in one other process, in which Ray has been started once."""

    program = """
import json, os, sys
from dataclasses import replace, asdict
from pathlib import Path
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
from leuknet.batch import score_batch
from leuknet.batch.ray_session import open_ray
from leuknet.errors import LeukNetError
with open_ray(2, None):
    for line in sys.stdin:
        order = json.loads(line)
        out = Path(order.pop("out"))
        try:
            done = score_batch(out=out, workers=2, chunk_size=4, **order)
            said = {"images": done.images, "kept": done.kept, "written": done.written, "copies": done.copies}
        except LeukNetError as error:
            said = {"error": str(error)}
        answers.write(json.dumps(said) + "\\n")
        answers.flush()
"""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", self.program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def ask(self, sources: Sequence[str], model: Path, out: Path, **options: Any) -> None:
        assert self.process.stdin is not None
        order = {"sources": list(sources), "model": str(model), "out": str(out), **options}
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()

    def answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        content: dict[str, Any] = json.loads(self.process.stdout.readline())
        return content

    def run(self, sources: Sequence[str], model: Path, out: Path, **options: Any) -> dict[str, Any]:
        self.ask(sources, model, out, **options)
        return self.answer()


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.process.communicate(timeout=60)


def read_table(path: Path) -> dict[str, dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return {line["path"]: line for line in csv.DictReader(stream)}


def parts_of(out: Path) -> dict[str, tuple[int, int]]:
    """Each part by its name, and what changes when it is written again."""
    found = (out.parent / f"{out.name}.job" / "parts").glob("*.parquet")
    return {one.name: (one.stat().st_ino, one.stat().st_mtime_ns) for one in found}


def wait_for(what: Callable[[], Any], *, seconds: float = 240) -> Any:
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.002)
    return found


def processes_below(root: int) -> set[int]:
    found = {root}
    for _ in range(6):
        for place in Path("/proc").glob("[0-9]*/stat"):
            try:
                parent = int(place.read_text(errors="replace").rpartition(")")[2].split()[1])
            except OSError:
                continue
            found |= {int(place.parent.name)} if parent in found else set()
    return found - {root}


def is_at_work(pid: int) -> bool:
    """Whether a process is one that scores; two small agents of Ray end a minute after a killed command."""
    try:
        return b"Scorer" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


# Listing, without Ray


def touch(folder: Path, names: Sequence[str]) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")


def test_sources_are_listed_only_as_far_as_chunks_are_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path, [f"{folder}/{number}.png" for folder in range(9) for number in range(9)])
    seen: list[str] = []
    look = files._local

    def watched(path: str) -> File:
        seen.append(path)
        return look(path)

    monkeypatch.setattr(files, "_local", watched)

    first = list(islice(list_chunks([str(tmp_path)], size=1), 2))

    assert [chunk.images for chunk in first] == [1, 1]
    assert len(seen) == 2


def test_a_folder_is_listed_as_predict_does_and_other_tables_are_passed_over(sources: Sources) -> None:
    found = [file.name for chunk in list_chunks([str(sources.folder)], size=4) for file in chunk.files]

    assert found == [str(path) for path in find_images([sources.folder])]
    assert len(found) == N_CELLS + 2 + len(ODD_NAMES)


@pytest.mark.parametrize("neighbour", range(0, 200, 11))
def test_a_file_that_is_added_changes_its_own_chunk_and_no_other(neighbour: int, tmp_path: Path) -> None:
    touch(tmp_path, [f"{number:03}.png" for number in range(200)])
    before = {chunk.id for chunk in list_chunks([str(tmp_path)], size=8)}
    touch(tmp_path, [f"{neighbour:03}-and-a-half.png"])

    after = {chunk.id for chunk in list_chunks([str(tmp_path)], size=8)}

    assert len(before) > 10
    # Where the new name is the last of a chunk, it cuts the old one in two; or it is a chunk alone.
    assert len(before - after) <= 1, "other chunks changed too"
    assert 1 <= len(after - before) <= 2


def test_a_file_that_changes_is_new_work(tmp_path: Path) -> None:
    touch(tmp_path, ["a.png"])
    before = [chunk.id for chunk in list_chunks([str(tmp_path)])]
    os.utime(tmp_path / "a.png", ns=(1, 1))

    assert [chunk.id for chunk in list_chunks([str(tmp_path)])] != before


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.png", ["a.png", "b[1].png"]),
        ("b[1].png", ["b[1].png"]),  # a file of this name, not a pattern
        ("**/*.png", ["a.png", "b[1].png", "c/d.png", "c/e/f.png"]),
        ("c/**", ["c/d.png", "c/e/f.png"]),
        ("?", ["c/d.png", "c/e/f.png"]),  # a folder that matches is searched
        ("none-*.png", ["none-*.png"]),  # becomes a line with an error
    ],
)
def test_a_glob_names_files_and_folders_in_sorted_order(
    tmp_path: Path, pattern: str, expected: list[str]
) -> None:
    touch(tmp_path, ["a.png", "b[1].png", "c/d.png", "c/e/f.png", ".hidden.png"])

    found = [file.name for chunk in list_chunks([f"{tmp_path}/{pattern}"]) for file in chunk.files]

    assert found == [f"{tmp_path}/{name}" for name in expected]


def test_the_job_folder_of_a_table_in_the_source_is_not_searched(tmp_path: Path) -> None:
    touch(tmp_path, ["a.png", "t.csv.job/job.json", "t.csv.job/b.png", "other.job/c.png"])

    found = [file.name for chunk in list_chunks([str(tmp_path)]) for file in chunk.files]

    assert found == [f"{tmp_path}/a.png", f"{tmp_path}/other.job/c.png"]


def test_a_chunk_comes_back_from_its_line_with_any_name() -> None:
    chunk = Chunk("files", (File("a\nb\udcff\U0001f600.png", "1,2"), File("c", None)), 2)

    assert "\n" not in chunk.to_line()
    assert Chunk.from_line(chunk.to_line()) == chunk
    assert Chunk.from_line(chunk.to_line()).id == chunk.id


def test_images_in_another_store_are_listed_and_read() -> None:
    store = fsspec.filesystem("memory")
    for name in ("a.png", "sub/b c#d.png", "sub/notes.txt"):
        store.pipe(f"/batch-test/{name}", name.encode())

    for source in ("memory://batch-test", "memory://batch-test/**/*.png"):
        (chunk,) = list_chunks([source])
        read = {image.name: image.read() for image in images_of(chunk)}
        assert sorted(read.values()) == [b"a.png", b"sub/b c#d.png"], source
        assert [stores.read_content(name) for name in read] == list(read.values())


def test_a_store_that_fails_is_tried_again_and_then_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[str] = []

    def fail(name: str) -> io.BytesIO:
        tries.append(name)
        if len(tries) in (2, 5):
            return io.BytesIO(b"there")
        raise TimeoutError("slow")

    monkeypatch.setattr(stores, "_WAITS_S", (0.0,))
    monkeypatch.setattr(stores, "open_stream", fail)

    assert stores.read_content("s3://bucket/a.png") == b"there"
    with pytest.raises(UnreadableImageError, match="slow"):
        stores.read_content("s3://bucket/b.png")


def test_a_missing_driver_is_named_with_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(protocol: str) -> None:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(fsspec, "get_filesystem_class", missing)

    with pytest.raises(MissingExtraError) as caught:
        list(list_chunks(["s3://bucket/cells"]))

    assert caught.value.fix == "pip install s3fs"


def test_an_unknown_kind_of_address_is_refused() -> None:
    with pytest.raises(SettingError, match="nope"):
        list(list_chunks(["nope://bucket/cells"]))


def test_ray_that_is_not_installed_is_named_with_the_line_that_installs_it() -> None:
    program = f"{without('ray')}\nfrom leuknet.cli import main\nmain()"
    command = [sys.executable, "-c", program, "batch", "x", "--model", "m", "--out", "t.csv"]

    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)

    assert ended.returncode == 2
    assert "pip install 'leuknet[batch]'" in ended.stderr


# Shards and tables, without Ray


def read_all(source: Path) -> dict[str, str | bytes]:
    """Each image of a source by its name in it: its bytes, or why there are none."""
    found: dict[str, str | bytes] = {}
    for chunk in list_chunks([str(source)]):
        for image in images_of(chunk):
            name = image.name.removeprefix(str(source)).lstrip("/")
            try:
                found[name] = image.read()
            except UnreadableImageError as error:
                found[name] = error.why
    return found


def test_links_devices_and_names_that_lead_out_of_a_shard_are_lines_and_never_followed(
    tmp_path: Path,
) -> None:
    shard = write_tar(tmp_path / "a.tar", [("good.png", b"good"), ("/abs.png", b"abs"), ("x/notes.txt", b"")])
    add_odd_members(shard)

    link = "it is a link or a device in its shard, which is not followed"
    out = "its name leads out of its shard"
    assert read_all(shard) == {
        "good.png": b"good",
        "abs.png": out,
        "../out.png": out,
        "soft.png": link,
        "hard.png": link,
        "dev.png": link,
    }
    assert list(tmp_path.iterdir()) == [shard]


@pytest.mark.parametrize("suffix", ["tar", "tar.gz"])
def test_a_shard_that_is_cut_off_gives_what_is_there_and_says_so(tmp_path: Path, suffix: str) -> None:
    random = np.random.default_rng(0).bytes
    members = [(f"{number}.png", random(5000)) for number in range(8)]
    shard = write_tar(tmp_path / f"a.{suffix}", members, mode="w:gz" if suffix == "tar.gz" else "w")
    shard.write_bytes(shard.read_bytes()[:25_000])

    found = read_all(shard)

    assert 3 <= len(found) - 1 < 8
    assert all(found[name] == content for name, content in members if name in found)
    assert "the shard cannot be read to its end" in str(found[""])


@pytest.mark.parametrize("kept", [512 + 512, 2 * (512 + 512)])
def test_a_shard_that_ends_between_two_members_is_noticed(tmp_path: Path, kept: int) -> None:
    shard = write_tar(tmp_path / "a.tar", [("a.png", b"a"), ("b.png", b"b")])
    shard.write_bytes(shard.read_bytes()[:kept])

    assert "end mark" in str(read_all(shard)[""])


def test_a_damaged_header_in_a_shard_is_not_taken_for_its_end(tmp_path: Path) -> None:
    shard = write_tar(tmp_path / "a.tar", [("a.png", b"a"), ("b.png", b"b"), ("c.png", b"c")])
    content = bytearray(shard.read_bytes())
    content[1024 + 10] ^= 1  # within the name of the second, which its checksum covers
    shard.write_bytes(content)

    found = read_all(shard)

    assert found["a.png"] == b"a"
    assert "bad checksum" in str(found[""])


def test_a_row_group_is_a_chunk_and_rows_are_named_by_the_table(tmp_path: Path) -> None:
    table = tmp_path / "t.parquet"
    table.write_bytes(_parquet({"image": [b"a", b"b", None, b"d"], "path": ["x.png", None, "z", "/w.png"]}))

    assert [chunk.images for chunk in list_chunks([str(table)])] == [2, 2]
    assert read_all(table) == {
        "x.png": b"a",
        "row-1": b"b",
        "z": "its row holds no bytes",
        "w.png": b"d",
    }


def test_a_table_without_images_is_an_error_if_it_is_named(tmp_path: Path) -> None:
    table = tmp_path / "t.parquet"
    table.write_bytes(_parquet({"path": ["x.png"]}))

    assert "no column `bytes` or `image`" in str(read_all(table)[""])
    assert read_all(tmp_path) == {}


def test_a_damaged_table_is_a_line(tmp_path: Path) -> None:
    table = tmp_path / "t.parquet"
    table.write_bytes(_parquet({"bytes": [b"a"]})[:-6])

    assert "the Parquet file cannot be read to its end" in str(read_all(tmp_path)["t.parquet"])


# Parts and the table, without Ray


def lines(*named: tuple[str, str | None]) -> list[tuple[object, ...]]:
    """A line for each path and hash; those without a hash are errors."""
    return [
        as_line(
            Prediction(
                path=path,
                probability=None if sha256 is None else 0.75,
                threshold=0.5,
                model_id="abc",
                error="cannot be read" if sha256 is None else None,
            ),
            sha256,
            class_names=("HEM", "ALL"),
        )
        for path, sha256 in named
    ]


def test_a_part_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    def stopped() -> Iterator[tuple[object, ...]]:
        yield from lines(("a", "0"))
        raise KeyboardInterrupt

    with open_job(tmp_path / "t.csv", JOB) as folder:
        with pytest.raises(KeyboardInterrupt):
            folder.write_part("c", stopped())
        assert folder.read_counts("c") is None
        assert list((folder.path / "parts").iterdir()) == []
        folder.write_part("c", lines(("a", "0"), ("b", None)))
        assert folder.read_counts("c") == Counts(2, 1)
        folder.write_part("none", [])
        assert folder.read_counts("none") == Counts(0, 0)


def test_any_damage_to_the_lines_of_a_part_is_noticed(tmp_path: Path) -> None:
    with open_job(tmp_path / "t.csv", JOB) as folder:
        folder.write_part("c", lines(*((f"cell-{i}", f"{i:064}") for i in range(20))))
        whole = folder.part("c").read_bytes()
        start = whole.index(b"(\xb5/\xfd")  # the first page that zstd packed
        noticed = 0
        for at in range(start, start + 60, 3):
            damaged = bytearray(whole)
            damaged[at] ^= 0xFF
            folder.part("c").write_bytes(damaged)
            noticed += folder.read_counts("c") is None
        for length in (0, 4, len(whole) // 2, len(whole) - 1):
            folder.part("c").write_bytes(whole[:length])
            assert folder.read_counts("c") is None
        assert noticed == 20
        folder.part("c").write_bytes(whole)
        assert folder.read_counts("c") == Counts(20, 0)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize("piece", [3, 1000])
def test_each_content_stands_once_by_its_first_name_whatever_the_pieces(
    tmp_path: Path, suffix: str, piece: int
) -> None:
    hashes = [f"{number * 2654435761 % 2**32:08x}{number:056}" for number in range(4)]
    out = tmp_path / f"t.{suffix}"
    with open_job(out, JOB) as folder:
        folder.write_part("1", lines(("d", hashes[0]), ("b", hashes[1]), ("gone", None)))
        folder.write_part("2", lines(("a", hashes[0]), ("z", hashes[2]), ("gone", None), ("c", hashes[0])))
        folder.write_part("3", lines(("z", hashes[2]), ("y", hashes[3]), ("lost", None)))
        parts = [folder.part(name) for name in "321"]

        merged = merge_parts(parts, out, lines=10, piece=piece)

    table = pl.read_csv(out) if suffix == "csv" else pl.read_parquet(out)
    assert table["path"].to_list() == ["a", "b", "gone", "lost", "y", "z"]
    assert (merged.written, merged.copies, merged.failed) == (6, 2, 2)
    assert merged.failed_paths == ("gone", "lost")
    copies = pl.read_csv(tmp_path / "t.copies.csv", infer_schema=False)
    assert copies.rows() == [("c", hashes[0], "a"), ("d", hashes[0], "a")]
    assert sorted(one.name for one in tmp_path.iterdir()) == sorted(
        ["t.copies.csv", out.name, f"{out.name}.job"]
    )


def test_a_job_of_another_model_or_other_settings_is_refused(tmp_path: Path) -> None:
    with open_job(tmp_path / "t.csv", JOB):
        pass

    for other, why in (
        (Job("def", ("HEM", "ALL"), 32, 4), "its model id is abc, this run's is def"),
        (Job("abc", ("HEM", "ALL"), 64, 4), "its batch size is 32, this run's is 64"),
        (
            Job("abc", ("HEM", "ALL"), 32, 4, outcomes=OUTCOMES),
            "its outcomes are positive, negative, uncertain, this run's are positive, negative, uncertain, "
            "unfamiliar",
        ),
    ):
        with pytest.raises(SettingError) as caught, open_job(tmp_path / "t.csv", other):
            pass
        assert caught.value.why == why
        assert "name another --out, or remove the folder" in caught.value.fix


def test_two_runs_do_not_work_in_one_job_folder(tmp_path: Path) -> None:
    with (
        open_job(tmp_path / "t.csv", JOB),
        pytest.raises(SettingError, match="another `leuknet batch` works in it"),
        open_job(tmp_path / "t.csv", JOB),
    ):
        pass


def test_a_chunk_that_has_killed_its_worker_five_times_is_left_out(tmp_path: Path, sources: Sources) -> None:
    model_id = leuknet.load(sources.model).model_id
    with open_job(tmp_path / "t.csv", JOB) as folder:
        # Names decide where a chunk ends: with so large a size none of them does.
        folder.write_plan(list_chunks([str(sources.folder / "0")], size=2**31))
        ((at, chunk),) = folder.read_plan()
        for _ in range(5):
            folder.begin(chunk.id)
        scorer = Scorer(str(sources.model), model_id, str(folder.path), 32)

        assert scorer({"at": [at]})["images"].tolist() == []
        assert folder.read_counts(chunk.id) is None
    with open_job(tmp_path / "t.csv", JOB) as folder:  # the next run tries it again
        assert scorer({"at": [at]})["images"].tolist() == [40]
        assert folder.count_tries(chunk.id) == 0


# With Ray


def test_the_command_line_scores_every_kind_of_source(
    sources: Sources, undisturbed: tuple[Path, subprocess.CompletedProcess[str]]
) -> None:
    out, ended = undisturbed
    table = read_table(out)
    home = sources.folder.parent

    assert ended.returncode == 2, ended.stderr
    names = {name for name in table if not name.startswith(str(sources.folder))}
    assert names == {
        f"{home}/globbed-1.bmp",
        *(f"{home}/a.tar/{one}" for one in ("x/UID_7_1_1_hem.bmp", "b.bmp", "../out.png")),
        *(f"{home}/a.tar/{one}" for one in ("soft.png", "hard.png", "dev.png")),
        f"{home}/b.tar.gz/c.bmp",
        *(f"{home}/plain.parquet/{one}" for one in ("p", "q", "row-2", "s", "t")),
        f"{home}/hf.parquet/hf-0.bmp",
        f"{home}/hf.parquet/hf-1.bmp",
        f"{home}/missing.png",
        f"file://{home}/far/d.bmp",
    }
    assert table[f"{home}/a.tar/x/UID_7_1_1_hem.bmp"]["subject"] == "7"
    assert [line["path"] for line in table.values()] == sorted(table)
    failed = {name for name, line in table.items() if line["error"]}
    assert failed == {
        str(sources.folder / "broken.png"),
        f"{home}/missing.png",
        *(f"{home}/a.tar/{one}" for one in ("../out.png", "soft.png", "hard.png", "dev.png")),
    }
    assert f"{len(table)} lines, 6 of them without a score" in ended.stdout
    assert f"images: {len(table) + 2}, 0 of them from before" in ended.stdout
    counts = Counter(line["outcome"] for line in table.values() if line["outcome"])
    words = ", ".join(f"{counts[word]:,} {word}" for word in ("ALL", "HEM", "uncertain", "unfamiliar"))
    assert f"outcomes: {words}\n" in ended.stdout
    assert f"warnings: on {sum(bool(line['warnings']) for line in table.values())} lines\n" in ended.stdout
    assert "Research software, not a medical device." in ended.stdout
    assert "SIMULATED" in ended.stderr
    assert repr(str(sources.folder / "broken.png")) in ended.stderr
    assert "Warning" not in ended.stderr
    assert "core_worker" not in ended.stderr


def test_scores_and_warnings_are_those_of_predict(
    sources: Sources, undisturbed: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    table = read_table(undisturbed[0])
    # What lies in shards and tables, as files: only names differ.
    rest = sources.cells[N_CELLS + len(ODD_NAMES) :]
    home, unpacked = sources.folder.parent, {}
    places = ["a.tar/x/UID_7_1_1_hem.bmp", "a.tar/b.bmp", "b.tar.gz/c.bmp"]
    places += [f"plain.parquet/{one}" for one in ("p", "q", "row-2", "s", "t")]
    places += ["hf.parquet/hf-0.bmp", "hf.parquet/hf-1.bmp"]
    for place, content in zip(places, rest, strict=False):
        path = tmp_path / "unpacked" / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        unpacked[str(path)] = f"{home}/{place}"
    predictor = leuknet.load(sources.model, threads=1)
    predictions = predict_files(
        predictor, find_images([sources.folder, *map(Path, unpacked)]), reference=predictor.reference
    )
    write_predictions(predictions, tmp_path / "p.csv", class_names=predictor.card.class_names)

    compared = 0
    for name, expected in read_table(tmp_path / "p.csv").items():
        if name == str(sources.folder / "copy-of-0.bmp"):
            continue  # only the first of its names has a line
        found = dict(table[unpacked.get(name, name)])
        assert len(found.pop("sha256")) == 64
        if expected["probability"]:
            assert float(found["probability"]) == pytest.approx(float(expected["probability"]), abs=1e-6)
        for key in set(expected) - {"path", "probability"}:
            assert found[key] == expected[key], (name, key)
        compared += 1
    assert compared == N_CELLS + 1 + len(ODD_NAMES) + len(unpacked)


def test_copies_stand_once_and_are_listed_apart(
    sources: Sources, undisturbed: tuple[Path, subprocess.CompletedProcess[str]]
) -> None:
    table, home = read_table(undisturbed[0]), sources.folder.parent
    copies = read_table(undisturbed[0].with_name("scores.copies.csv"))

    assert {name: line["kept"] for name, line in copies.items()} == {
        f"{home}/b.tar.gz/again.bmp": f"{home}/a.tar/b.bmp",
        f"{sources.folder}/copy-of-0.bmp": f"{sources.folder}/0/UID_0_0_1_all.bmp",
    }
    assert all(table[line["kept"]]["sha256"] == line["sha256"] for line in copies.values())
    assert not copies.keys() & table.keys()


def test_odd_names_survive_as_in_predict(
    sources: Sources, undisturbed: tuple[Path, subprocess.CompletedProcess[str]]
) -> None:
    table = read_table(undisturbed[0])

    for name in ("=1+1.bmp", "new\nline.bmp", "byte-\\udcff.bmp", 'übung, "x".bmp'):
        assert table[f"{sources.folder}/{name}"]["probability"]


def test_a_rerun_scores_nothing_and_gives_the_same_bytes(
    sources: Sources, undisturbed: tuple[Path, subprocess.CompletedProcess[str]], server: Server
) -> None:
    out = undisturbed[0]
    parts, content = parts_of(out), out.read_bytes()
    out.unlink()

    done = server.run(sources.all, sources.model, out)

    assert done["kept"] == done["images"] > 0
    assert parts_of(out) == parts
    assert out.read_bytes() == content


@pytest.mark.timeout(900)  # minutes on a busy machine
def test_ctrl_c_and_kill_9_of_the_driver_lose_nothing_and_count_nothing_twice(
    sources: Sources,
    undisturbed: tuple[Path, subprocess.CompletedProcess[str]],
    server: Server,
    tmp_path: Path,
) -> None:
    out = tmp_path / "scores.csv"
    n_parts = len(parts_of(undisturbed[0]))

    def stop(sign: signal.Signals, *, more: int) -> tuple[int, str]:
        before = len(parts_of(out)) if out.with_name("scores.csv.job").exists() else 0
        process = subprocess.Popen(batch_command(sources, out), stderr=subprocess.PIPE, text=True)
        wait_for(lambda: len(parts_of(out)) >= before + more)
        family = processes_below(process.pid)
        process.send_signal(sign)
        _, said = process.communicate(timeout=240)
        assert 0 < len(parts_of(out)) < n_parts, "stopped too late to show anything"
        assert not out.exists()
        wait_for(lambda: not any(map(is_at_work, family)))
        return process.returncode, said

    status, said = stop(signal.SIGINT, more=2)
    assert status == 130
    assert "scoring was stopped" in said
    assert f"kept in {out}.job" in said
    assert stop(signal.SIGKILL, more=2)[0] == -signal.SIGKILL
    kept = parts_of(out)

    done = server.run(sources.all, sources.model, out)

    assert 0 < done["kept"] < done["images"]
    assert kept.items() <= parts_of(out).items()
    assert out.read_bytes() == undisturbed[0].read_bytes()


def test_kill_9_of_a_worker_loses_nothing_and_counts_nothing_twice(
    sources: Sources,
    undisturbed: tuple[Path, subprocess.CompletedProcess[str]],
    server: Server,
    tmp_path: Path,
) -> None:
    out = tmp_path / "scores.csv"
    tries = tmp_path / "scores.csv.job" / "tries"
    seen: set[int] = set()

    def at_work() -> set[int]:
        found = set()
        for one in tries.glob("*"):
            try:
                found |= {int(line) for line in one.read_text().split()}
            except FileNotFoundError:
                continue
        seen.update(found)
        return found

    server.ask(sources.all, sources.model, out)
    wait_for(lambda: tries.exists() and len(parts_of(out)) >= 3)
    victim = min(wait_for(at_work))
    os.kill(victim, signal.SIGKILL)
    assert len(parts_of(out)) < len(parts_of(undisturbed[0])), "killed too late to show anything"
    wait_for(lambda: (at_work(), out.exists())[1])

    assert "error" not in server.answer()
    assert out.read_bytes() == undisturbed[0].read_bytes()
    assert len(seen) > 2, "no worker took the place of the killed one"


def test_only_what_is_new_damaged_or_incomplete_is_scored(
    sources: Sources, server: Server, tmp_path: Path
) -> None:
    folder, out = tmp_path / "cells", tmp_path / "scores.parquet"
    touch(folder, [])
    folder.mkdir()
    for number, cell in enumerate(sources.cells[:80]):
        (folder / f"{number}.bmp").write_bytes(cell)
    first = server.run([str(folder)], sources.model, out)
    content, before = out.read_bytes(), parts_of(out)
    assert (first["images"], first["kept"], first["written"]) == (80, 0, 80)

    # Nothing new: the same bytes. Damage and a part that was cut off are done again.
    damaged, cut = [out.parent / "scores.parquet.job" / "parts" / name for name in sorted(before)[:2]]
    bad = bytearray(damaged.read_bytes())
    bad[60] ^= 0xFF
    damaged.write_bytes(bad)
    cut.write_bytes(cut.read_bytes()[:100])
    before = parts_of(out)
    again = server.run([str(folder)], sources.model, out)
    changed = {name for name, state in parts_of(out).items() if before[name] != state}
    assert changed == {damaged.name, cut.name}
    assert 0 < again["kept"] < 80
    assert out.read_bytes() == content

    # One more file: its chunk alone is new.
    (folder / "15-and-a-half.bmp").write_bytes(sources.cells[90])
    before = parts_of(out)
    more = server.run([str(folder)], sources.model, out)
    assert more["written"] == 81
    assert all(parts_of(out)[name] == state for name, state in before.items())
    new = [
        out.parent / "scores.parquet.job" / "parts" / name for name in parts_of(out).keys() - before.keys()
    ]
    assert 1 <= len(new) <= 2
    assert more["kept"] == 81 - sum(pl.read_parquet(part).height for part in new)

    # One less: its old part stays in the folder and is not in the table.
    (folder / "3.bmp").unlink()
    assert server.run([str(folder)], sources.model, out)["written"] == 80


def test_a_file_that_could_not_be_read_is_read_again_if_asked(
    sources: Sources, server: Server, tmp_path: Path
) -> None:
    absent, out = tmp_path / "absent.bmp", tmp_path / "scores.csv"
    assert server.run([str(absent)], sources.model, out)["written"] == 1
    before = parts_of(out)

    assert server.run([str(absent)], sources.model, out)["kept"] == 1
    assert parts_of(out) == before
    assert server.run([str(absent)], sources.model, out, read_again=True)["kept"] == 0
    assert parts_of(out) != before


def test_another_model_is_refused_in_three_lines(
    sources: Sources, undisturbed: tuple[Path, subprocess.CompletedProcess[str]]
) -> None:
    ended = run_cli(
        "batch", sources.folder, "--model", sources.model, "--out", undisturbed[0], "--batch-size", 7
    )

    assert ended.status == 2
    assert len(ended.err.strip().splitlines()) == 3
    assert "its batch size is 32, this run's is 7" in ended.err


@pytest.mark.parametrize("content", ["empty folder", "empty shard"])
def test_no_image_at_all_is_an_error(content: str, sources: Sources, server: Server, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    if content == "empty shard":
        write_tar(source / "a.tar", [("notes.txt", b"")])

    said = server.run([str(source)], sources.model, tmp_path / "t.csv")

    assert said["error"].startswith("no image was found")
    assert not (tmp_path / "t.csv").exists()


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("x", "--out", "t.txt"), "its suffix is '.txt'"),
        (("memory://x", "--out", "t.csv"), "workers are other processes"),
    ],
)
def test_what_cannot_work_is_refused_at_once(arguments: tuple[str, ...], why: str, tmp_path: Path) -> None:
    ended = run_cli("batch", *arguments, "--model", tmp_path)

    assert ended.status == 2
    assert why in ended.err


def test_a_plan_holds_the_same_chunk_once(tmp_path: Path) -> None:
    touch(tmp_path, ["cells/a.png"])
    with open_job(tmp_path / "t.csv", JOB) as folder:
        folder.write_plan(list_chunks([str(tmp_path / "cells"), str(tmp_path / "cells")], size=1))
        plan = list(JobFolder(folder.path).read_plan())
        assert len(plan) == 1
        assert folder.chunk_at(plan[0][0]) == plan[0][1]


def test_the_page_about_scale_is_made_from_its_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(REPOSITORY / "studies"))
    from scale_page import render  # type: ignore[import-not-found, unused-ignore]

    found = json.loads((REPOSITORY / "results" / "scale.json").read_text(encoding="utf-8"))
    assert render(found) == (REPOSITORY / "docs" / "scale.md").read_text(encoding="utf-8")
