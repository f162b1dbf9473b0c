"""The id of a model: the same for the same answers and claims, another where either was changed.

It covers each file of the model folder: graph, weights, card, what the trained cells look like, golden images
and split. Of the card it leaves out when the model was trained, so that a training that is repeated gives
the same id. Of the split it leaves out the names of files and people, which stay at home when a model is
pushed to the hub.

An id of 12 digits was given by an earlier LeukNet, of the weights alone. What bears one, such as an
evaluation or a cell of the reading room, keeps it, and belongs to every folder with these weights.

Start at `model_id_of`; `bears_id` compares a folder with an id that was recorded.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from leuknet.errors import ModelError, UnreadableImageError
from leuknet.images.reading import hash_file
from leuknet.inference.model_folder import CARD, COPY_AGAIN, FILES, SPLIT, WEIGHTS

_DIGITS, _DIGITS_BEFORE = 16, 12
_NOT_OF_A_CARD = ("created_at", "written_by")
_NAMES_OF_A_CELL = ("id", "subject")


def model_id_of(folder: Path) -> str:
    """Return the id of the model in a folder: 16 hex digits of a sha256 over its files, which are read.

    Raises
    ------
    ModelError
        If a file cannot be read.
    """
    try:
        told = [f"{name} {_digest(folder / name)}\n" for name in FILES if (folder / name).exists()]
    except (OSError, UnreadableImageError) as error:
        why = f"a file cannot be read: {error}"
        raise ModelError(f"cannot tell the id of model folder {folder}", why=why, fix=COPY_AGAIN) from error
    return hashlib.sha256("".join(told).encode("ascii")).hexdigest()[:_DIGITS]


def bears_id(folder: Path, model_id: str) -> bool:
    """Whether a model folder is of a recorded id; one of 12 digits names the weights alone."""
    if not (folder / WEIGHTS).is_file():
        return False
    named = earlier_id_of if len(model_id) == _DIGITS_BEFORE else model_id_of
    return model_id == named(folder)


def earlier_id_of(folder: Path) -> str:
    """Return the id that an earlier LeukNet gave to the model in a folder."""
    return hash_file(folder / WEIGHTS)[:_DIGITS_BEFORE]


def _digest(path: Path) -> str:
    told = {CARD: _told_by_card, SPLIT: _told_by_split}.get(path.name)
    if told is None:
        return hash_file(path)
    content = path.read_bytes()
    with suppress(ValueError, TypeError, KeyError, AttributeError):  # who opens it says what is wrong with it
        content = json.dumps(told(json.loads(content)), sort_keys=True).encode("ascii")
    return hashlib.sha256(content).hexdigest()


def _told_by_card(content: Any) -> Any:
    return {name: value for name, value in content.items() if name not in _NOT_OF_A_CARD}


def _told_by_split(content: Any) -> Any:
    told = {**content, "excluded": len(content["excluded"])}
    for side, cells in content.items():
        if side != "excluded" and isinstance(cells, list):
            told[side] = [
                {name: value for name, value in cell.items() if name not in _NAMES_OF_A_CELL}
                for cell in cells
            ]
    return told
