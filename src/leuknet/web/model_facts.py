"""What pages say of the model that this room scores with."""

from __future__ import annotations

from leuknet.room.cards import RoomModel, room_model
from leuknet.types import CLASS_NAMES
from leuknet.web.settings import Settings


def model_of(settings: Settings) -> RoomModel | None:
    """Return the room's model; None for a room that only reads."""
    return None if settings.model is None else room_model(settings.model)


def class_names_of(settings: Settings) -> tuple[str, str]:
    """Return what class 0 and class 1 are called here."""
    model = model_of(settings)
    return CLASS_NAMES if model is None else model.card.class_names
