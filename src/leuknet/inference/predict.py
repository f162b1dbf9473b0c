"""Scores any number of image files with any model.

One broken file among a million must not lose the others, and a million images do not fit into memory.
So files are decoded a little ahead of the model, in threads, scored in batches, and become one line
each: a probability, or the reason why there is none. A model answers for any picture; where a picture
is not what the model was trained on (a segmented cell on black), its line says so, by the model's
reference where it has one.

Start at `find_images`, then `predict_files`; `leuknet.inference.prediction_table` writes what it yields.
Nothing here knows what computes a score.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path, PurePath
from typing import NamedTuple

import numpy as np

from leuknet.data.c_nmc_labels import subject_of
from leuknet.errors import ModelError, SettingError, UnreadableImageError
from leuknet.images.clutter import PassedOver
from leuknet.images.measures import Measures, measure
from leuknet.images.reading import ReadImage, has_image_suffix, read_pixels
from leuknet.images.transform import N_READERS, place_on_canvas, prepare
from leuknet.inference.familiar import ALL_BLACK, Reference
from leuknet.types import Features, ModelCard, Pixels, Prediction, Predictor

# The published crops have 75% and more, a cell as wide as its canvas about 25%, a raw smear nothing.
_MIN_BLACK_SHARE = 0.2


def find_images(inputs: Iterable[Path], over: PassedOver | None = None) -> Iterator[Path]:
    """Yield the image files named by `inputs`, one by one.

    A folder is walked as it is needed, in sorted order, its own files before those of its folders.
    Symbolic links to folders are not followed, unless named in `inputs`. A path that does not exist and
    a folder that cannot be listed are yielded too, so that they become a line with an error. What systems
    and programs leave, such as `._cell.bmp`, is passed over; `over` counts it, and the links.
    """
    over = PassedOver() if over is None else over
    closed: list[Path] = []
    for path in inputs:
        if not os.path.isdir(path):  # noqa: PTH112 - unlike Path.is_dir, never raises on a forbidden parent
            yield path
            continue
        for folder, subfolders, names in os.walk(path, onerror=lambda e: closed.append(Path(e.filename))):
            yield from (
                Path(folder, name)
                for name in over.sort_out(folder, subfolders, names, wanted=has_image_suffix)
            )
        while closed:
            yield closed.pop(0)


class ImageSource(NamedTuple):
    """An image to be scored: its name, and how its pixels are got when its turn comes.

    `load` may raise `UnreadableImageError`, which becomes the image's line.
    """

    name: str
    load: Callable[[], ReadImage]


class _Input(NamedTuple):
    name: str
    pixels: Pixels | None  # (S, S, 3), None where there is an error
    measures: Measures | None = None  # of the picture on the model's canvas; None where there is an error
    warnings: tuple[str, ...] = ()
    error: str | None = None


def predict_files(
    predictor: Predictor,
    paths: Iterable[Path],
    *,
    batch_size: int = 32,
    root: Path | None = None,
    reference: Reference | None = None,
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
    reference
        The model's own: what its training cells look like. None, as for models that were saved before it
        existed, warns of no more than what `_contract_warnings` sees.

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
    ShapeError
        If the model's features are not those of the reference.
    """
    sources = (ImageSource(str(path), partial(read_pixels, path, root=root)) for path in paths)
    scored = predict_with_features(predictor, sources, batch_size=batch_size, reference=reference)
    return (prediction for prediction, _ in scored)


def predict_with_features(
    predictor: Predictor,
    sources: Iterable[ImageSource],
    *,
    batch_size: int = 32,
    reference: Reference | None = None,
    readers: int = N_READERS,
) -> Iterator[tuple[Prediction, Features | None]]:
    """Score images wherever they come from, as `predict_files` scores files.

    Each comes with its features (F,), None where it has an error. `path` is a source's name; `readers` is the
    number of threads that load at once.
    """
    if batch_size < 1:
        raise SettingError("cannot score images", why=f"batch size {batch_size}", fix="use 1 or more")
    read = partial(_read_input, card=predictor.card)
    inputs = _map_ahead(read, sources, ahead=2 * batch_size, readers=readers)
    batches = iter(lambda: list(islice(inputs, batch_size)), [])  # up to the first empty one
    return (pair for batch in batches for pair in _score_batch(predictor, batch, reference))


def _score_batch(
    predictor: Predictor, batch: list[_Input], reference: Reference | None
) -> Iterator[tuple[Prediction, Features | None]]:
    readable = [(given.pixels, given.measures) for given in batch if given.pixels is not None]
    scores: Iterator[tuple[float, tuple[str, ...], Features]] = iter(())
    if readable:
        probabilities, features = predictor.embed(np.stack([pixels for pixels, _ in readable]))
        is_share = (probabilities >= 0) & (probabilities <= 1)
        if probabilities.shape != (len(readable),) or not is_share.all():
            raise ModelError(
                f"model {predictor.model_id} does not give probabilities",
                why=f"for {len(readable)} images it gave {probabilities.shape} values, such as "
                f"{probabilities[:3]}",
                fix="train the model again; if that does not help, report it as a bug",
            )
        reasons: tuple[tuple[str, ...], ...] = ((),) * len(readable)
        if reference is not None:
            reasons = reference.check(features, np.array([measures for _, measures in readable]))
        scores = zip(probabilities.tolist(), reasons, features, strict=True)
    for given in batch:
        probability, unfamiliar, row = (None, (), None) if given.pixels is None else next(scores)
        prediction = Prediction(
            path=given.name,
            probability=probability,
            threshold=predictor.card.threshold,
            model_id=predictor.model_id,
            subject=subject_of(PurePath(given.name).name),
            warnings=tuple(dict.fromkeys((*given.warnings, *unfamiliar))),
            error=given.error,
            undecided=predictor.card.undecided,
        )
        yield prediction, row


def _read_input(source: ImageSource, *, card: ModelCard) -> _Input:
    try:
        return _prepare(source.name, source.load(), card)
    except UnreadableImageError as error:
        told = f"{error.what}: {error.why}"
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # of this image alone; the panic of a library in Rust is no `Exception`
        told = f"cannot read {source.name!r}: a bug in LeukNet or in a library: {error!r}"
    return _Input(source.name, None, error=" ".join(told.split()))


def _prepare(name: str, image: ReadImage, card: ModelCard) -> _Input:
    placed = image.pixels if card.canvas_px is None else place_on_canvas(image.pixels, card.canvas_px)
    found = measure(image.pixels)
    return _Input(
        name,
        prepare(placed, card.input_form),
        measures=found if placed is image.pixels else measure(placed),
        warnings=(*image.warnings, *_contract_warnings(image.pixels, found, card.canvas_px)),
    )


def _contract_warnings(pixels: Pixels, found: Measures, canvas_px: int | None) -> Iterator[str]:
    """Say how a picture departs from a segmented cell on a black canvas at true scale."""
    height, width = pixels.shape[:2]
    if found.area_px == 0:
        yield ALL_BLACK
    if canvas_px is None:
        return
    done = ["cropped at the centre"] if max(height, width) > canvas_px else []
    done += ["placed on black"] if min(height, width) < canvas_px else []
    if done:
        yield f"{width} x {height} px, not {canvas_px} x {canvas_px}: {' and '.join(done)}"
    if found.black_share < _MIN_BLACK_SHARE:
        yield "not a segmented cell on black: scores are not valid for raw smears"


def _map_ahead(
    function: Callable[[ImageSource], _Input], sources: Iterable[ImageSource], *, ahead: int, readers: int
) -> Iterator[_Input]:
    """Yield the function of each source, in order, while threads work on the next `ahead` of them."""
    waiting = iter(sources)
    pool = ThreadPoolExecutor(readers, thread_name_prefix="leuknet-read")
    try:
        running: deque[Future[_Input]] = deque(
            pool.submit(function, source) for source in islice(waiting, ahead)
        )
        while running:
            done = running.popleft().result()
            running.extend(pool.submit(function, source) for source in islice(waiting, 1))
            yield done
    finally:
        pool.shutdown(cancel_futures=True)
