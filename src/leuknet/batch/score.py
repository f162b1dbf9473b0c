"""Scores one chunk of images as `leuknet predict` does, and writes its part. Start at `score_chunk`."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from leuknet.batch.contents import Image, images_of
from leuknet.batch.parts import Counts, JobFolder, as_line
from leuknet.batch.sources import Chunk
from leuknet.images.clutter import PassedOver
from leuknet.images.reading import MAX_FILE_BYTES, ReadImage, decode_pixels
from leuknet.inference.model_folder import FolderPredictor
from leuknet.inference.predict import ImageSource, predict_with_features

READERS = 2
"""Threads of a worker that read ahead of its one core: a store or a disk is waited for, not computed."""


def score_chunk(predictor: FolderPredictor, chunk: Chunk, *, folder: JobFolder, batch_size: int) -> Counts:
    """Score a chunk and write its part; about three batches of images are in memory, however many it has."""
    waiting: deque[_Hashed] = deque()  # in the order of the predictions
    over = PassedOver()

    def sources() -> Iterator[ImageSource]:
        for image in images_of(chunk, over):
            waiting.append(_Hashed(image))
            yield ImageSource(image.name, waiting[-1].load)

    scored = predict_with_features(
        predictor, sources(), batch_size=batch_size, reference=predictor.reference, readers=READERS
    )
    names = predictor.card.class_names
    lines = (as_line(found, waiting.popleft().sha256, class_names=names) for found, _ in scored)
    return folder.write_part(chunk.id, lines, over)


class _Hashed:
    """An image that remembers the hash of its bytes when they have been read; None if they could not be."""

    def __init__(self, image: Image) -> None:
        self._image = image
        self.sha256: str | None = None

    def load(self) -> ReadImage:
        content = self._image.read()
        # A longer file is refused, and was not read to its end.
        if len(content) <= MAX_FILE_BYTES:
            self.sha256 = hashlib.sha256(content).hexdigest()
        return decode_pixels(content, Path(self._image.name))
