"""Scores any number of image files with any model, and keeps the papers of a model folder.

One broken file among a million must not lose the others, and a million images do not fit into memory.
So files are decoded a little ahead of the model, in threads, scored in batches, and become one line
each: a probability, or the reason why there is none. A model answers for any picture; where a picture
is not what the model was trained on (a segmented cell on black), its line says so.

Start at `find_images`, `predict_files`, `write_predictions`: a path becomes a line in this order.
`open_card` and `write_card` are `model.json` of a model folder. Nothing here knows what computes a score.
"""

from __future__ import annotations

import csv
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from leuknet.data.c_nmc_labels import subject_of
from leuknet.data.images import read_pixels
from leuknet.data.transform import N_READERS, prepare
from leuknet.errors import ModelError, SettingError, StoppedError, UnreadableImageError
from leuknet.records import read_record, write_record
from leuknet.types import ModelCard, Pixels, Prediction, Predictor, Probabilities

IMAGE_SUFFIXES = frozenset({".bmp", ".png", ".jpg", ".jpeg", ".tif", ".tiff"})
"""Files with these suffixes, in any case, are found in folders; a file named by itself may have any."""

COLUMNS = ("path", "probability", "label", "threshold", "model_id", "subject", "warnings", "error")
_NUMBERS = ("probability", "threshold")

# JPEG blurs a black canvas by a few grey levels; stained cells are far brighter.
_BLACK_LEVEL = 8
# The published crops have 75% and more, a cell as wide as its canvas about 25%, a raw smear nothing.
_MIN_BLACK_SHARE = 0.2


def find_images(inputs: Iterable[Path]) -> Iterator[Path]:
    """Yield the image files named by `inputs`, one by one.

    A folder is walked as it is needed, in sorted order, its own files before those of its folders.
    Symbolic links to folders are not followed, unless named in `inputs`. A path that does not exist and
    a folder that cannot be listed are yielded too, so that they become a line with an error.
    """
    closed: list[Path] = []
    for path in inputs:
        if not os.path.isdir(path):  # noqa: PTH112 - unlike Path.is_dir, never raises on a forbidden parent
            yield path
            continue
        for folder, subfolders, names in os.walk(path, onerror=lambda e: closed.append(Path(e.filename))):
            subfolders.sort()
            for name in sorted(names):
                if Path(name).suffix.lower() in IMAGE_SUFFIXES:
                    yield Path(folder, name)
        while closed:
            yield closed.pop(0)


class _Input(NamedTuple):
    path: Path
    pixels: Pixels | None  # (S, S, 3), None where there is an error
    warnings: tuple[str, ...] = ()
    error: str | None = None


def predict_files(
    predictor: Predictor, paths: Iterable[Path], *, batch_size: int = 32, root: Path | None = None
) -> Iterator[Prediction]:
    """Score image files, in their order, however many there are.

    Parameters
    ----------
    predictor
        The model.
    paths
        Image files; taken from the iterable as they are needed.
    batch_size
        Images per call of the model, at least 1. At most three times as many are in memory.
    root
        Where given, files that lie outside of it, by way of a symbolic link, are refused.

    Yields
    ------
    Prediction
        One for each path. A file that cannot be read gives an `error` in one line, and no probability.
        `subject` is that of a name as C-NMC publishes it. `warnings` say how a file departs from what
        the model was trained on.

    Raises
    ------
    SettingError
        If the batch size is below 1.
    ModelError
        If the model gives anything else than one probability for each image.
    """
    if batch_size < 1:
        raise SettingError("cannot score images", why=f"batch size {batch_size}", fix="use 1 or more")

    def read(path: Path) -> _Input:
        return _read_input(path, card=predictor.card, root=root)

    inputs = _map_ahead(read, paths, ahead=2 * batch_size)
    batches = iter(lambda: list(islice(inputs, batch_size)), [])  # up to the first empty one
    return (prediction for batch in batches for prediction in _score_batch(predictor, batch))


def score_inputs(predictor: Predictor, inputs: Pixels) -> Probabilities:
    """Score (N, S, S, 3) uint8 inputs; a ModelError unless the answer is one probability for each."""
    probabilities = predictor.score(inputs)
    if probabilities.shape != (len(inputs),) or not ((probabilities >= 0) & (probabilities <= 1)).all():
        raise ModelError(
            f"model {predictor.model_id} does not give probabilities",
            why=f"for {len(inputs)} images it gave {probabilities.shape} values, such as {probabilities[:3]}",
            fix="train the model again; if that does not help, report it as a bug",
        )
    return probabilities


def _score_batch(predictor: Predictor, batch: list[_Input]) -> Iterator[Prediction]:
    readable = [one.pixels for one in batch if one.pixels is not None]
    scores = iter(score_inputs(predictor, np.stack(readable)) if readable else ())
    for one in batch:
        yield Prediction(
            path=str(one.path),
            probability=None if one.pixels is None else float(next(scores)),
            threshold=predictor.card.threshold,
            model_id=predictor.model_id,
            subject=subject_of(one.path.name),
            warnings=one.warnings,
            error=one.error,
        )


def _read_input(path: Path, *, card: ModelCard, root: Path | None) -> _Input:
    try:
        image = read_pixels(path, root=root)
    except UnreadableImageError as error:
        return _Input(path, None, error=" ".join(f"{error.what}: {error.why}".split()))
    inputs = prepare(image.pixels, canvas_px=card.canvas_px, image_size_px=card.recipe.image_size_px)
    return _Input(path, inputs, (*image.warnings, *_contract_warnings(image.pixels, card.canvas_px)))


def _contract_warnings(pixels: Pixels, canvas_px: int | None) -> Iterator[str]:
    """Say how a picture departs from a segmented cell on a black canvas at true scale."""
    height, width = pixels.shape[:2]
    red, green, blue = np.moveaxis(pixels, 2, 0)
    black = (red <= _BLACK_LEVEL) & (green <= _BLACK_LEVEL) & (blue <= _BLACK_LEVEL)
    if black.all():
        yield "the image is all black: there is no cell to score"
    if canvas_px is None:
        return
    done = ["cropped at the centre"] if max(height, width) > canvas_px else []
    done += ["placed on black"] if min(height, width) < canvas_px else []
    if done:
        yield f"{width} x {height} px, not {canvas_px} x {canvas_px}: {' and '.join(done)}"
    if black.mean() < _MIN_BLACK_SHARE:
        yield "not a segmented cell on black: scores are not valid for raw smears"


def _map_ahead(function: Callable[[Path], _Input], paths: Iterable[Path], *, ahead: int) -> Iterator[_Input]:
    """Yield the function of each path, in order, while threads work on the next `ahead` paths."""
    waiting = iter(paths)
    pool = ThreadPoolExecutor(N_READERS, thread_name_prefix="leuknet-read")
    try:
        running: deque[Future[_Input]] = deque(pool.submit(function, path) for path in islice(waiting, ahead))
        while running:
            done = running.popleft().result()
            running.extend(pool.submit(function, path) for path in islice(waiting, 1))
            yield done
    finally:
        pool.shutdown(cancel_futures=True)


@dataclass(frozen=True)
class PredictionSummary:
    """What `write_predictions` wrote: lines in all, lines with an error, and the first 20 of these paths."""

    written: int
    failed: int
    failed_paths: tuple[str, ...]


def write_predictions(
    predictions: Iterable[Prediction], path: Path, *, class_names: tuple[str, str]
) -> PredictionSummary:
    r"""Write one line for each prediction, as they come, to a CSV or Parquet file.

    Lines go to `<name>.partial.csv` beside the file, which takes its place at the end. If anything stops
    the work before, Ctrl-C included, the lines so far are there until the next try. An empty field of the
    CSV stands for what is not known; Parquet has null there. Several warnings are joined by `; `. Bytes of
    a file name that are no UTF-8 are written as `\udc..`; all else, newlines included, as it is.

    Parameters
    ----------
    predictions
        For instance of `predict_files`.
    path
        Ends in `.csv` or `.parquet`; replaced if it exists.
    class_names
        Written as the label of class 0 and of class 1.

    Raises
    ------
    SettingError
        If the file has another suffix or cannot be written there.
    StoppedError
        After Ctrl-C; says where the lines so far are.
    """
    if path.suffix.lower() not in (".csv", ".parquet") or path.is_dir():
        raise SettingError(
            f"cannot write predictions to {path}",
            why="it is a folder" if path.is_dir() else f"its suffix is {path.suffix!r}",
            fix="name a file that ends in .csv or .parquet",
        )
    partial = path.with_name(f"{path.name}.partial.csv")
    summary = _write_csv(predictions, partial, class_names)
    if path.suffix.lower() == ".csv":
        partial.replace(path)
    else:
        _convert_to_parquet(partial, path)
        partial.unlink()
    return summary


def _write_csv(
    predictions: Iterable[Prediction], path: Path, class_names: tuple[str, str]
) -> PredictionSummary:
    try:
        stream = path.open("w", encoding="utf-8", errors="backslashreplace", newline="")
    except OSError as error:
        fix = "choose a folder that exists and that you may write to"
        raise SettingError(f"cannot write predictions to {path}", why=str(error), fix=fix) from error
    written, failed, failed_paths = 0, 0, list[str]()
    try:
        with stream:
            writer = csv.writer(stream)
            writer.writerow(COLUMNS)
            for one in predictions:
                label = None if one.label is None else class_names[one.label]
                known = (one.path, one.probability, label, one.threshold, one.model_id, one.subject)
                writer.writerow((*known, "; ".join(one.warnings), one.error))
                written += 1
                failed += one.error is not None
                failed_paths += [one.path] if one.error is not None and failed <= 20 else []
    except KeyboardInterrupt as stop:
        kept = f"the lines so far are in {path}; predict the remaining files into another file"
        raise StoppedError("predicting was stopped", why=f"Ctrl-C after {written} images", fix=kept) from stop
    except BaseException as error:
        error.add_note(f"the {written} lines written before are in {path}")
        raise
    return PredictionSummary(written, failed, tuple(failed_paths))


def _convert_to_parquet(source: Path, target: Path) -> None:
    import polars as pl  # here, so that those who write CSV need not wait for it to load

    schema = {name: pl.Float64() if name in _NUMBERS else pl.String() for name in COLUMNS}
    finished = target.with_name(f"{target.name}.partial.parquet")
    # glob=False: a name may hold [ or *.
    pl.scan_csv(source, schema=schema, glob=False).sink_parquet(finished)
    finished.replace(target)


def open_card(folder: Path) -> ModelCard:
    """Read `model.json` of a model folder.

    Raises
    ------
    ModelError
        If there is none, or one of its fields is missing, unknown, of another type or out of range.
    """
    path = folder / "model.json"
    card = read_record(ModelCard, path, error=ModelError, fix="use the folder as `leuknet train` wrote it")
    fits = {
        "threshold": 0 <= card.threshold <= 1,
        "canvas_px": card.canvas_px is None or card.canvas_px >= 1,
        "recipe.image_size_px": card.recipe.image_size_px >= 1,
    }
    for name in (name for name, holds in fits.items() if not holds):
        raise ModelError(f"cannot read {path}", why=f"{name} is out of range", fix="train the model again")
    return card


def write_card(card: ModelCard, folder: Path) -> None:
    """Write `model.json` of a model folder, whole or not at all."""
    write_record(card, folder / "model.json")
