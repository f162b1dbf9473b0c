"""Models that come with LeukNet: found by name, and honest about what they rest on."""

from __future__ import annotations

from pathlib import Path

import pytest

import leuknet
from leuknet.errors import ModelError
from leuknet.inference.pretrained import names, resolve
from leuknet.types import RestsOn
from tests.conftest import run_cli


def test_a_path_stays_as_it_is(tmp_path: Path) -> None:
    assert resolve(tmp_path) == tmp_path
    assert resolve("runs/mine/model") == Path("runs/mine/model")


@pytest.mark.parametrize("model", ["pretrained:", "pretrained:nothing", "pretrained:../..", "pretrained:."])
def test_a_name_that_is_none_is_an_error_that_lists_them(model: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        leuknet.load(model)
    assert caught.value.why == f"it has {', '.join(names())}"

    ended = run_cli("predict", model, tmp_path, "--out", tmp_path / "scores.csv")
    assert ended.status == 2
    assert "LeukNet comes with no model" in ended.err


@pytest.mark.parametrize(
    ("rests_on", "words"),
    [
        (RestsOn((420, 1900), (1, 12)), "1,900 ALL cells of 12 people and 420 HEM cells of 1 person"),
        (RestsOn((2, 3), None), "3 ALL cells and 2 HEM cells, people not named"),
    ],
)
def test_what_a_model_rests_on_is_said_by_class(rests_on: RestsOn, words: str) -> None:
    assert rests_on.in_words(("HEM", "ALL")) == words
