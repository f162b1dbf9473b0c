"""Keeps what a batch has done in a folder, so that whatever is killed, nothing is lost and nothing counted
twice.

    <out>.job/
      job.json               model and settings; another model is refused
      plan.jsonl             the chunks of this run, one a line
      parts/<chunk id>.parquet   the lines of one chunk
      ray.log                what Ray's core wrote to standard error in the last run
      tries/<chunk id>       the process that works on it now, and those before it in this run that died of it

A part appears under its name when all its lines are in it. Whoever does a chunk twice writes the same part
twice. Parts are read through before they are trusted, with the checksums of their pages. Nobody but the file
system is asked what is done. Start at `JobFolder`.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from leuknet.batch.files import JOB_SUFFIX
from leuknet.batch.sources import Chunk
from leuknet.errors import SettingError
from leuknet.images.clutter import PassedOver
from leuknet.inference.prediction_table import COLUMNS, NUMBERS, line_of
from leuknet.records import read_record, write_record
from leuknet.records.whole import whole_file
from leuknet.types import Prediction
from leuknet.types.added import added

TABLE_COLUMNS = (*COLUMNS, "sha256")
PART_SCHEMA = pa.schema([(name, pa.float64() if name in NUMBERS else pa.string()) for name in TABLE_COLUMNS])
_LINES_AT_ONCE = 4096
_UNREAD = b"leuknet.unread"
_PASSED_OVER = b"leuknet.passed_over"


@dataclass(frozen=True)
class Job:
    """What must be the same for parts to belong together.

    `outcomes` are those that a line may have: those of an earlier LeukNet call no image unfamiliar.
    """

    model_id: str
    class_names: tuple[str, str]
    batch_size: int
    chunk_size: int
    columns: tuple[str, ...] = TABLE_COLUMNS
    outcomes: tuple[str, ...] = added(("positive", "negative", "uncertain"))


class Counts(NamedTuple):
    """Lines of a part, how many hold an image whose bytes could not be had, and what was passed over."""

    images: int
    unread: int
    passed_over: int = 0
    first_passed_over: str = ""


class JobFolder:
    """The folder of one batch, opened by `open_job`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.plan = path / "plan.jsonl"

    def part(self, chunk_id: str) -> Path:
        """Return where the lines of a chunk lie when it is done."""
        return self.path / "parts" / f"{chunk_id}.parquet"

    def begin(self, chunk_id: str) -> int:
        """Note that this process begins with a chunk; return how many have begun with it in this run."""
        tries = self.path / "tries" / chunk_id
        with tries.open("a", encoding="ascii") as stream:
            stream.write(f"{os.getpid()}\n")
        return self.count_tries(chunk_id)

    def count_tries(self, chunk_id: str) -> int:
        """Return how many processes have begun with a chunk that is not done."""
        tries = self.path / "tries" / chunk_id
        return len(tries.read_text(encoding="ascii").splitlines()) if tries.exists() else 0

    def write_plan(self, chunks: Iterable[Chunk]) -> None:
        """Write the run's chunks, one a line, as they are listed; the same chunk twice is one."""
        seen: set[bytes] = set()
        with self.plan.open("w", encoding="ascii") as stream:
            for chunk in chunks:
                short = bytes.fromhex(chunk.id[:32])
                if short not in seen:
                    seen.add(short)
                    stream.write(chunk.to_line() + "\n")

    def read_plan(self) -> Iterator[tuple[int, Chunk]]:
        """Yield each chunk of the plan with where its line begins, in bytes."""
        with self.plan.open("rb") as stream:
            at = 0
            for line in stream:
                yield at, Chunk.from_line(line)
                at += len(line)

    def chunk_at(self, at: int) -> Chunk:
        """Return the chunk whose line begins there."""
        with self.plan.open("rb") as stream:
            stream.seek(at)
            return Chunk.from_line(stream.readline())

    def read_counts(self, chunk_id: str) -> Counts | None:
        """Read a part through; None if it is missing, damaged or not what this version writes."""
        try:
            with pq.ParquetFile(self.part(chunk_id), page_checksum_verification=True) as part:
                if not part.schema_arrow.equals(PART_SCHEMA):
                    return None
                lines = sum(len(batch) for batch in part.iter_batches(_LINES_AT_ONCE, use_threads=False))
                said = part.metadata.metadata
                number, _, first = (
                    said.get(_PASSED_OVER, b"0 ").decode("utf-8", "surrogateescape").partition(" ")
                )
                return Counts(lines, int(said[_UNREAD]), int(number), first)
        except (OSError, ValueError, KeyError, TypeError, pa.ArrowException):
            return None

    def write_part(
        self, chunk_id: str, lines: Iterable[tuple[object, ...]], over: PassedOver | None = None
    ) -> Counts:
        """Write the lines of a chunk, as `as_line` makes them; its part is there when all are.

        `over` is what was passed over, as it stands when the last line has come.
        """
        over = PassedOver() if over is None else over
        part = self.part(chunk_id)
        waiting, images, unread = iter(lines), 0, 0
        with (
            whole_file(part) as unfinished,
            pq.ParquetWriter(unfinished, PART_SCHEMA, compression="zstd", write_page_checksum=True) as writer,
        ):
            while some := list(islice(waiting, _LINES_AT_ONCE)):
                columns = [
                    pa.array(column, kind)
                    for column, kind in zip(zip(*some, strict=True), PART_SCHEMA.types, strict=True)
                ]
                writer.write_table(pa.table(columns, schema=PART_SCHEMA))
                images += len(some)
                unread += sum(line[-1] is None for line in some)
            first = over.first.encode("utf-8", "backslashreplace").decode("utf-8")
            said = {_UNREAD.decode(): str(unread), _PASSED_OVER.decode(): f"{over.clutter} {first}"}
            writer.add_key_value_metadata(said)
        (self.path / "tries" / chunk_id).unlink(missing_ok=True)
        return Counts(images, unread, over.clutter, first)


@contextmanager
def open_job(out: Path, job: Job) -> Iterator[JobFolder]:
    """Open the folder `<out>.job`, or make it, and keep others from working in it.

    Raises
    ------
    SettingError
        If it is of another model or other settings, if another process works in it, or `out` cannot be
        written.
    """
    path = out.with_name(f"{out.name}{JOB_SUFFIX}")
    try:
        for name in ("parts", "tries"):
            (path / name).mkdir(parents=True, exist_ok=True)
        lock = (path / "lock").open("w")
    except OSError as error:
        fix = "choose a folder that you may write to"
        raise SettingError(f"cannot write the job folder {path}", why=str(error), fix=fix) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise SettingError(
                f"cannot work in {path}",
                why="another `leuknet batch` works in it",
                fix="wait until it has ended, or name another --out",
            ) from error
        _check_job(path, job)
        # What processes that were killed have left.
        for left in (*(path / "parts").glob(".*.part"), *(path / "tries").iterdir()):
            left.unlink(missing_ok=True)
        yield JobFolder(path)


def as_line(
    prediction: Prediction, sha256: str | None, *, class_names: tuple[str, str]
) -> tuple[str | float | None, ...]:
    r"""Return a prediction as the values of `TABLE_COLUMNS`; bytes that are no UTF-8 become `\udc..`."""
    line = (*line_of(prediction, class_names), sha256)
    return tuple(
        value.encode("utf-8", "backslashreplace").decode("utf-8") if isinstance(value, str) else value
        for value in line
    )


def _check_job(path: Path, job: Job) -> None:
    file, fix = path / "job.json", f"name another --out, or remove the folder {path}"
    if not file.exists():
        if any((path / "parts").iterdir()):
            raise SettingError(f"cannot go on with {path}", why="it holds parts, but no job.json", fix=fix)
        write_record(job, file)
        return
    found = read_record(Job, file, error=SettingError, fix=fix)
    for name, now in vars(job).items():
        if (then := getattr(found, name)) != now:
            is_several = isinstance(now, tuple)
            (before, after) = (", ".join(one) if is_several else one for one in (then, now))
            verb = "are" if is_several else "is"
            why = f"its {name.replace('_', ' ')} {verb} {before}, this run's {verb} {after}"
            raise SettingError(f"cannot go on with {path}", why=why, fix=fix)
