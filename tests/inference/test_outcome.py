"""What is said of a scored image, in one place, and how often it is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from leuknet.data.folder import read
from leuknet.errors import SettingError
from leuknet.inference.outcome import OUTCOMES, Said, outcome_of, outcome_words, said_lines, word_of
from leuknet.types import Prediction

NAMES = ("normal", "blast")


def prediction(
    probability: float | None, *warnings: str, undecided: tuple[float, float] | None = (0.4, 0.6)
) -> Prediction:
    error = None if probability is not None else "broken"
    return Prediction("a.png", probability, 0.5, "m", warnings=warnings, error=error, undecided=undecided)


@pytest.mark.parametrize(
    ("one", "outcome", "word"),
    [
        (prediction(0.9), "positive", "blast"),
        (prediction(0.1), "negative", "normal"),
        (prediction(0.5), "uncertain", "uncertain"),
        (prediction(0.5, undecided=None), "positive", "blast"),
        (prediction(0.99996, "blurred"), "unfamiliar", "unfamiliar"),
        (prediction(0.5, "blurred"), "unfamiliar", "unfamiliar"),
        # Notes on how a file was read are no reason.
        (prediction(0.1, "the content is PNG, the extension is '.bmp'"), "negative", "normal"),
        (prediction(0.1, "60 x 60 px, not 450 x 450: placed on black"), "negative", "normal"),
        (prediction(0.1, "600 x 600 px, not 450 x 450: cropped at the centre"), "unfamiliar", "unfamiliar"),
    ],
)
def test_warnings_go_before_doubt_and_doubt_before_a_class(one: Prediction, outcome: str, word: str) -> None:
    assert outcome_of(one) == outcome
    assert word_of(one, NAMES) == word


def test_an_image_without_a_probability_has_no_outcome() -> None:
    assert word_of(prediction(None), NAMES) is None


def test_words_are_those_of_the_classes_for_the_classes_alone() -> None:
    assert outcome_words(NAMES) == {
        "positive": "blast",
        "negative": "normal",
        "uncertain": "uncertain",
        "unfamiliar": "unfamiliar",
    }
    assert tuple(outcome_words(NAMES)) == OUTCOMES


def test_lines_are_counted_by_outcome_and_by_kind_of_warning() -> None:
    said = Said()
    said.add("blast", ())
    said.add("blast", ("blurred",), 3)
    said.add("unfamiliar", ("80 x 90 px, not 450 x 450: placed on black", "blurred"))
    said.add("unfamiliar", ("81 x 90 px, not 450 x 450: placed on black",))
    said.add(None, ())

    # Worked out by hand: 4 + 2 lines with an outcome, 3 + 1 + 1 with a warning.
    assert list(said_lines(said, NAMES)) == [
        "outcomes: 4 blast, 0 normal, 0 uncertain, 2 unfamiliar",
        "warnings: on 5 lines",
        "  4: blurred",
        "  2: another size than 450 x 450: placed on black",
    ]


def test_two_sizes_of_one_image_are_one_line_of_their_kind() -> None:
    said = Said()
    said.add("blast", ("8 x 9 px, not 7 x 7: placed on black", "7 x 9 px, not 7 x 7: placed on black"))

    assert said.warnings.total() == 1


def test_rare_warnings_are_counted_and_not_all_named() -> None:
    said = Said()
    for number in range(11):
        said.add("blast", (f"warning {number}",))

    lines = list(said_lines(said, NAMES))

    assert len(lines) == 2 + 8 + 1
    assert lines[-1] == "  and 3 other kinds: see the column warnings"


def test_without_a_warning_only_outcomes_are_told() -> None:
    assert list(said_lines(Said(), NAMES)) == ["outcomes: 0 blast, 0 normal, 0 uncertain, 0 unfamiliar"]


@pytest.mark.parametrize("name", ["uncertain", "Unfamiliar"])
def test_no_class_may_be_called_as_what_names_no_class(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingError, match="names no class"):
        read(tmp_path, class_names=("other", name))
