"""What the model says of itself with which a reading room scores; read from its folder, without running it.

Start at `room_model`.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from leuknet.inference.model_folder import open_card
from leuknet.inference.model_id import earlier_id_of, model_id_of
from leuknet.types import CLASS_NAMES, ModelCard


class RoomModel(NamedTuple):
    """A model that this room has; cells that an earlier LeukNet scored with it bear its `earlier_id`."""

    model_id: str
    card: ModelCard
    earlier_id: str

    @property
    def ids(self) -> tuple[str, str]:
        """Those of cells that it scored."""
        return self.model_id, self.earlier_id


@lru_cache(maxsize=4)
def room_model(folder: Path) -> RoomModel:
    """Return the model of a folder; it is read once.

    Raises
    ------
    ModelError
        If the folder is not as `leuknet train` wrote it.
    """
    return RoomModel(model_id_of(folder), open_card(folder), earlier_id_of(folder))


def meaning_of(outcome: str, class_names: tuple[str, str] = CLASS_NAMES) -> str:
    """Return what a model says in the words of verdicts: `leukaemic`, `normal`, `uncertain`, `unfamiliar`.

    The cells of a smear are `positive` or `negative` whatever their classes are called. `other` stands for a
    word that is none of these, nor one of the names of class 0 and 1.
    """
    same = ("leukaemic", "normal", "uncertain", "unfamiliar")
    negative, positive = class_names
    words = dict(zip(same, same, strict=True))
    words |= {"negative": "normal", "positive": "leukaemic"}
    words |= {negative.casefold(): "normal", positive.casefold(): "leukaemic"}
    return words.get(outcome.casefold(), "other")
