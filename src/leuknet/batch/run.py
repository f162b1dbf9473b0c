"""Lets Ray Data hand out chunks of images to workers that keep a model each, and makes the table of what they
write.

Only places in the plan travel to the workers, and only counts back. A worker that dies is started again by
Ray and its chunks are done again; if this process dies, the next run does what is missing. Start at
`score_batch`.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import ray
import ray.data
from tqdm import tqdm

import leuknet
from leuknet.batch.merge import merge_parts
from leuknet.batch.parts import Counts, Job, JobFolder, open_job
from leuknet.batch.ray_session import errors_into, open_ray
from leuknet.batch.score import score_chunk
from leuknet.batch.sources import CHUNK_SIZE, list_chunks
from leuknet.batch.stores import protocol_of
from leuknet.errors import LeukNetError, ModelError, SettingError, StoppedError
from leuknet.images.clutter import PassedOver, no_image_found
from leuknet.inference.outcome import OUTCOMES, Said
from leuknet.inference.prediction_table import check_table
from leuknet.types import ModelCard

_TRIES = 5
"""A chunk that has killed so many workers is left out of the run; Ray would else go on with it for ever."""

_BLOCKS = 4000
"""Tasks of Ray in a run at most, since each costs memory here; one takes several chunks if need be."""


@dataclass(frozen=True)
class BatchSummary:
    """What a batch did.

    Attributes
    ----------
    images
        Found in all, copies included; `kept` of them were scored before this run, `over` were passed over.
    written, failed, said
        Lines of the table, those without a score (`failed_paths`: 20 of them), outcomes and warnings.
    copies
        Names whose content stands in the table under another; they are in `copies_path`.
    seconds, start_seconds
        Of the whole run, and from its beginning until the first chunk was done.
    """

    images: int
    kept: int
    written: int
    failed: int
    failed_paths: tuple[str, ...]
    copies: int
    copies_path: Path | None
    said: Said
    over: PassedOver
    seconds: float
    start_seconds: float
    card: ModelCard


def score_batch(
    sources: Sequence[str],
    model: str,
    out: Path,
    *,
    workers: int | None = None,
    address: str | None = None,
    batch_size: int = 32,
    chunk_size: int = CHUNK_SIZE,
    read_again: bool = False,
    progress: bool = False,
) -> BatchSummary:
    """Score all images that `sources` name, and write a table in which each content stands once.

    What is done is kept in `<out>.job`; the same call goes on where another ended, however it did.

    Parameters
    ----------
    sources
        See `leuknet.batch.sources.list_chunks`.
    model
        Model folder, or `owner/name` on the hub; every node must see it.
    out
        `.csv` or `.parquet`, in a folder that every node sees. Copies go to `<stem>.copies.csv` beside it.
    workers
        Processes that score, each on one core; None takes all cores.
    address
        Of a Ray cluster; None starts Ray on this machine, for this run.
    batch_size
        Images per call of the model.
    chunk_size
        Image files that a worker takes at a time, on average.
    read_again
        Do chunks again in which the bytes of an image could not be had: a network may be better now.
    progress
        Show a bar on standard error.

    Raises
    ------
    SettingError
        If no image is found, or the job folder belongs to another model or other settings.
    ModelError
        If a worker cannot open the model, or workers die again and again.
    StoppedError
        After Ctrl-C; says what is kept.
    """
    # Not split further: each step takes what several of the steps before it made.
    started = time.perf_counter()
    _check(sources, out, batch_size=batch_size, chunk_size=chunk_size, workers=workers)
    # Workers may stand in another folder.
    model = str(Path(model).resolve()) if Path(model).exists() else model
    predictor = leuknet.load(model, threads=1)
    job = Job(predictor.model_id, predictor.card.class_names, batch_size, chunk_size, outcomes=OUTCOMES)
    with open_job(out, job) as folder:
        try:
            folder.write_plan(list_chunks(sources, size=chunk_size, over=(over := PassedOver())))
            known, missing, total = _sort_out(folder, read_again=read_again)
            kept = sum(counts.images for counts in known.values())
            scorer = (model, predictor.model_id, str(folder.path.resolve()), batch_size)
            with errors_into(folder.path / "ray.log") as errors:
                bar = tqdm(
                    desc="batch", unit="image", total=total, initial=kept, disable=not progress, file=errors
                )
                first = _score_under(bar, missing, scorer, workers=workers, address=address)
            parts, images = _parts(folder, known, over)
            merged = merge_parts(parts, out, lines=images)
        except KeyboardInterrupt as stop:
            raise StoppedError(
                "scoring was stopped",
                why="Ctrl-C",
                fix=f"give the same command again: it goes on with the chunks that are kept in {folder.path}",
            ) from stop
    ended = time.perf_counter()
    return BatchSummary(
        images=images,
        kept=kept,
        **vars(merged),
        over=over,
        seconds=ended - started,
        start_seconds=(first or ended) - started,
        card=predictor.card,
    )


class Scorer:
    """Keeps a model in a worker, and scores the chunks that it is given; used by Ray Data."""

    def __init__(self, model: str, model_id: str, folder: str, batch_size: int) -> None:
        self._predictor = leuknet.load(model, threads=1)
        if self._predictor.model_id != model_id:
            raise ModelError(
                f"{model} is not the same on every node",
                why=f"a worker found model {self._predictor.model_id}, the run began with {model_id}",
                fix="put the model into a folder that all nodes share",
            )
        self._folder = JobFolder(Path(folder))
        self._batch_size = batch_size

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """Score the chunks at these places of the plan; return how many images each had."""
        images = []
        for at in batch["at"]:
            chunk = self._folder.chunk_at(int(at))
            if self._folder.begin(chunk.id) > _TRIES:
                continue  # `_parts` tells of it, when all others are done
            counts = score_chunk(self._predictor, chunk, folder=self._folder, batch_size=self._batch_size)
            images.append(counts.images)
        return {"images": np.array(images, np.int64)}


def _check(
    sources: Sequence[str], out: Path, *, batch_size: int, chunk_size: int, workers: int | None
) -> None:
    check_table(out)
    for name, value in (("batch size", batch_size), ("chunk size", chunk_size), ("workers", workers)):
        if value is not None and value < 1:
            raise SettingError("cannot score images", why=f"{name} is {value}", fix="use 1 or more")
    for source in sources:
        if protocol_of(source) == "memory":
            raise SettingError(
                f"cannot score {source!r}",
                why="workers are other processes and do not see this one's memory",
                fix="write the images to a folder or to a tar shard",
            )


def _sort_out(folder: JobFolder, *, read_again: bool) -> tuple[dict[str, Counts], list[int], int | None]:
    """Return what is done of the plan, where the rest of it stands, and the images in all if known."""
    done: dict[str, Counts] = {}
    missing: list[int] = []
    total: int | None = 0
    for at, chunk in folder.read_plan():
        counts = folder.read_counts(chunk.id)
        if counts is None or (read_again and counts.unread):
            missing.append(at)
            images = chunk.images
        else:
            done[chunk.id] = counts
            images = counts.images
        total = None if total is None or images is None else total + images
    return done, missing, total


def _parts(folder: JobFolder, known: Mapping[str, Counts], over: PassedOver) -> tuple[list[Path], int]:
    """Return the parts of the plan and their lines in all; read those through that this run wrote."""
    parts, images = [], 0
    for _, chunk in folder.read_plan():
        counts = known.get(chunk.id) or folder.read_counts(chunk.id)
        if counts is None and folder.count_tries(chunk.id) > _TRIES:
            files = f"{len(chunk.files)} files, {chunk.files[0].name!r} to {chunk.files[-1].name!r}"
            raise ModelError(
                "all is scored but a chunk that kills its worker",
                why=f"{_TRIES} workers died of {files}, row group {chunk.row_group}",
                fix="give the same command again: with fewer --workers if memory ran out, or without them",
            )
        if counts is None:
            raise SettingError(
                f"a part of {folder.path} is missing",
                why=f"chunk {chunk.id} was scored, and its part cannot be read",
                fix="check the disk, and that all nodes share this folder; then give the same command again",
            )
        parts.append(folder.part(chunk.id))
        images += counts.images
        over.count(counts.first_passed_over, counts.passed_over)
    if images == 0:
        raise no_image_found(over)
    return parts, images


def _score_under(
    bar: tqdm[Any],
    places: list[int],
    scorer: tuple[str, str, str, int],
    *,
    workers: int | None,
    address: str | None,
) -> float | None:
    """Score the chunks at these places while a bar shows how far it is; return when the first was done."""
    first: float | None = None
    # Closed at once after Ctrl-C, so that Ray's processes end before this one does.
    with bar, closing(_score(places, scorer, workers=workers, address=address)) as done:
        for images in done:
            first = time.perf_counter() if first is None else first
            bar.update(images)
    return first


def _score(
    places: list[int], scorer: tuple[str, str, str, int], *, workers: int | None, address: str | None
) -> Generator[int, None, None]:
    """Let workers score the chunks at these places; yield the images of each that is done."""
    if not places:
        return
    with open_ray(workers, address):
        size = min(workers or int(ray.cluster_resources().get("CPU", 1)), len(places))
        chunks = ray.data.from_items(
            [{"at": at} for at in places], override_num_blocks=min(len(places), _BLOCKS)
        )
        # Ray Data restarts an actor that dies, and gives it its chunks again, without end: its default.
        done = chunks.map_batches(
            Scorer,
            batch_size=1,
            batch_format="numpy",
            fn_constructor_args=scorer,
            compute=ray.data.ActorPoolStrategy(size=size),
            num_cpus=1,
        )
        try:
            for batch in done.iter_batches(batch_size=None, prefetch_batches=0):
                yield from (int(images) for images in batch["images"])
        except Exception as error:
            raise _explain(error) from error


def _explain(error: Exception) -> Exception:
    """Return the error of ours that a worker met, if there is one."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, LeukNetError):
            return seen
        seen = getattr(seen, "cause", None) or seen.__cause__
    if isinstance(error, ray.exceptions.RayError):
        return ModelError(
            "the workers cannot go on",
            why=" ".join(str(error).split())[:500],
            fix="give the same command again, with fewer --workers if memory ran out; what is done is kept",
        )
    return error
