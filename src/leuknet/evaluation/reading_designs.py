"""Who read which cases: the designs of a reader study that can be analysed.

Start at `blocks_of` and `design_of`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from leuknet.errors import SettingError
from leuknet.evaluation.readings import Readings

Design = Literal["crossed", "split-plot", "unpaired"]
"""All readers read all cases; groups of readers read cases of their own, under all treatments; all readers
read other cases under each treatment."""


class Block(NamedTuple):
    """Treatments and readers, by number, whose readings are of the same cases; others read none of these."""

    treatments: list[int]
    readers: list[int]
    cases: NDArray[np.intp]


def blocks_of(readings: Readings) -> list[Block]:
    """Return which readings are of the same cases; a SettingError if some cases are shared and not all."""
    read = ~np.isnan(readings.ratings)
    places: dict[bytes, list[tuple[int, int]]] = {}
    for t, r in np.ndindex(read.shape[:2]):
        places.setdefault(read[t, r].tobytes(), []).append((t, r))
    blocks = []
    for own in places.values():
        treatments, readers = (list(dict.fromkeys(numbers)) for numbers in zip(*own, strict=True))
        blocks.append(Block(treatments, readers, np.flatnonzero(read[own[0]])))
    why = ""
    if any(
        len(own) != len(one.treatments) * len(one.readers)
        for own, one in zip(places.values(), blocks, strict=True)
    ):
        why = "which cases were read depends on reader and treatment"
    elif sum(one.cases.size for one in blocks) != np.count_nonzero(read.any(axis=(0, 1))):
        why = "readers or treatments share some of their cases and not all"
    elif readings.people is not None and len(blocks) > 1:
        people = [set(readings.people[one.cases]) for one in blocks]
        if sum(map(len, people)) != len(set().union(*people)):
            why = "cases of one person were read by several groups, so that these are not independent"
    if why:
        raise _refused(why)
    return blocks


def design_of(readings: Readings, blocks: Sequence[Block]) -> Design:
    """Return the design, a SettingError if it is none of those."""
    t, r = len(readings.treatments), len(readings.readers)
    if len(blocks) == 1:
        return "crossed"
    if all(len(one.treatments) == t for one in blocks):
        return "split-plot"
    if len(blocks) == t and all(len(one.readers) == r for one in blocks):
        return "unpaired"
    raise _refused(
        "some treatments share their cases and others do not: compare two at a time, such as "
        f"{', '.join(readings.treatments[:2])}"
    )


def _refused(why: str) -> SettingError:
    return SettingError(
        "this design cannot be analysed",
        why=why,
        fix="let all readers read all cases; or let groups of readers read cases of their own under all "
        "treatments; or let all readers read other cases under each treatment. Leave out what only some read",
    )


def groups_of(readings: Readings, blocks: Sequence[Block]) -> NDArray[np.intp]:
    """Return which readers (R,) read the same cases, by number."""
    numbers = np.zeros(len(readings.readers), dtype=np.intp)
    for number, one in enumerate(blocks):
        if 0 in one.treatments:
            numbers[one.readers] = number
    return np.unique(numbers, return_inverse=True)[1].reshape(-1)
