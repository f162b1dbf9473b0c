"""The id of a model: no two answers or claims bear one id, and what is no change gives no other."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import leuknet
from leuknet.errors import ModelError
from leuknet.evaluation.evaluate import read_evaluation
from leuknet.inference.model_folder import CARD, FILES, SPLIT, WEIGHTS, open_card
from leuknet.inference.model_id import bears_id, earlier_id_of, model_id_of
from leuknet.inference.pretrained import SHIPPED
from tests.conftest import REPOSITORY

GOLDEN = REPOSITORY / "tests" / "golden" / "run"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(GOLDEN / "model", tmp_path / "model"))


def test_a_byte_of_any_file_gives_another_id(folder: Path) -> None:
    ids = {model_id_of(folder)}
    for name in FILES:
        content = (folder / name).read_bytes()
        for at in (len(content) // 3, len(content) // 2):
            # A digit or letter of the same class, so that JSON stays what it is but for a value.
            other = bytes([content[at] ^ 1])
            (folder / name).write_bytes(content[:at] + other + content[at + 1 :])
            ids.add(model_id_of(folder))
        (folder / name).unlink()
        ids.add(model_id_of(folder))
        (folder / name).write_bytes(content)

    assert len(ids) == 1 + 3 * len(FILES)
    assert all(len(one) == 16 for one in ids)


def numbers_of(content: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where the numbers of a JSON value are."""
    if isinstance(content, dict | list):
        for key, inner in content.items() if isinstance(content, dict) else enumerate(content):
            yield from numbers_of(inner, (*place, key))
    elif type(content) in (int, float):
        yield place


def set_to(value: Any, _: Any) -> Any:
    return value


def put(content: Any, place: tuple[Any, ...], change: Callable[[Any], Any]) -> Any:
    """The JSON value with another number in one place."""
    changed = json.loads(json.dumps(content))
    inner = changed
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = change(inner[place[-1]])
    return changed


@pytest.fixture(params=[GOLDEN / "model", SHIPPED / "probe-stages"], ids=["golden", "shipped"])
def card(request: pytest.FixtureRequest) -> Any:
    return json.loads((request.param / CARD).read_text())


def test_each_number_of_a_card_is_bounded(card: Any, tmp_path: Path) -> None:
    places = list(numbers_of(card))
    assert len(places) > 40
    for place in places:
        for huge in (10**300, -(10**300)):
            number = huge if place[0] == "recipe" else float(huge)
            (tmp_path / CARD).write_text(json.dumps(put(card, place, partial(set_to, number))))
            with pytest.raises(ModelError) as caught:
                open_card(tmp_path)
            assert str(place[-2] if isinstance(place[-1], int) else place[-1]) in caught.value.why
            assert len(caught.value.why) < 150


def test_each_other_number_of_a_card_is_another_id_or_is_refused(card: Any, tmp_path: Path) -> None:
    (tmp_path / CARD).write_text(json.dumps(card))
    before, same = model_id_of(tmp_path), []
    for place in numbers_of(card):
        (tmp_path / CARD).write_text(json.dumps(put(card, place, lambda value: value + 1)))
        if model_id_of(tmp_path) == before:
            same.append(place)

    assert same == []


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("calibration.temperature", 0.0),
        ("calibration.temperature", -1.0),
        ("calibration.undecided", [0.7, 0.3]),
        ("calibration.cells", 0),
        ("calibration.subjects", 17),  # of 16 cells
        ("channel_mean", [0.0, 256.0, 0.0]),
        ("recipe.rotations", 0),
        ("recipe.image_size_px", 100_000),
        ("recipe.network_options", {"filters": [2, 10**9, 4]}),
        ("canvas_px", 10**6),
        ("microns_per_pixel", 0.0),
    ],
)
def test_a_card_of_nonsense_is_refused_and_says_what_may_be(folder: Path, place: str, value: Any) -> None:
    content = json.loads((folder / CARD).read_text())
    (folder / CARD).write_text(json.dumps(put(content, tuple(place.split(".")), partial(set_to, value))))

    with pytest.raises(ModelError, match="must be from") as caught:
        leuknet.load(folder)
    assert place in caught.value.why


def test_another_threshold_on_the_same_weights_is_another_model(folder: Path) -> None:
    before = leuknet.load(folder)
    content = json.loads((folder / CARD).read_text())
    (folder / CARD).write_text(json.dumps({**content, "threshold": content["threshold"] / 2}))

    after = leuknet.load(folder)

    assert earlier_id_of(folder) == earlier_id_of(GOLDEN / "model")
    assert after.model_id != before.model_id


def test_when_it_was_trained_and_names_that_stay_at_home_are_no_other_model(folder: Path) -> None:
    before = model_id_of(folder)
    content = json.loads((folder / CARD).read_text())
    (folder / CARD).write_text(json.dumps({**content, "created_at": "2027-01-01T00:00:00+00:00"}, indent=7))
    split = json.loads((folder / SPLIT).read_text())
    for cell in split["train"]:
        cell["id"], cell["subject"] = cell["sha256"][:16], None
    (folder / SPLIT).write_text(json.dumps(split))

    assert model_id_of(folder) == before

    split["train"][0]["sha256"] = "0" * 64
    (folder / SPLIT).write_text(json.dumps(split))
    assert model_id_of(folder) != before


def test_what_an_earlier_leuknet_recorded_belongs_to_its_weights(folder: Path) -> None:
    recorded = read_evaluation(GOLDEN / "evaluation" / "evaluation.json").model_id
    content = json.loads((folder / CARD).read_text())
    (folder / CARD).write_text(json.dumps({**content, "threshold": 0.123}))

    assert len(recorded) == 12
    assert bears_id(folder, recorded)
    assert bears_id(folder, model_id_of(folder))
    assert not bears_id(folder, model_id_of(GOLDEN / "model"))
    (folder / WEIGHTS).write_bytes(b"others")
    assert not bears_id(folder, recorded)
    (folder / WEIGHTS).unlink()
    assert not bears_id(folder, recorded)


def test_a_file_that_cannot_be_read_is_an_error_in_words(folder: Path) -> None:
    (folder / SPLIT).unlink()
    (folder / SPLIT).mkdir()

    with pytest.raises(ModelError, match="cannot tell the id"):
        model_id_of(folder)
