"""Names in tables are short, say what they stand for, and no two of a table are alike."""

from __future__ import annotations

import pytest

from leuknet.errors import SettingError
from leuknet.evaluation.naming import checked_name, short_part, short_recipe, short_recipes
from leuknet.recipes import changed, get_recipe


@pytest.mark.parametrize(
    ("settings", "short"),
    [
        ((), "leuknet-paper"),
        (('parts=["fold_1"]',), "leuknet-paper (parts=fold_1)"),
        (("epochs=3", "image_size_px=64"), "leuknet-paper (2 settings changed)"),
        (('parts=["fold_0", "fold_1", "fold_2"]',), "leuknet-paper (parts changed)"),
        (("network_options.fc1=64", "flip=true", "shift=0.1"), "leuknet-paper (3 settings changed)"),
    ],
)
def test_changed_settings_are_shown_where_few_and_counted_where_many(
    settings: tuple[str, ...], short: str
) -> None:
    assert short_recipe(changed(get_recipe("leuknet-paper"), settings).name) == short


def test_what_follows_the_settings_stays() -> None:
    name = 'strong (changed: parts=["fold_1"]) + vote of 5 (transductive)'

    assert short_recipe(name) == "strong (parts=fold_1) + vote of 5 (transductive)"


def test_each_member_of_an_ensemble_is_shortened() -> None:
    name = 'ensemble of 2 x strong (changed: parts=["fold_1"]), leuknet-plus (changed: epochs=5)'

    assert short_recipe(name) == "ensemble of 2 x strong (parts=fold_1), leuknet-plus (epochs=5)"


def test_names_that_would_be_alike_stay_whole() -> None:
    long = [f"strong (changed: epochs={epochs}, image_size_px=224)" for epochs in (10, 20)]

    assert short_recipes([*long, "strong (changed: epochs=5)"]) == {
        long[0]: long[0],
        long[1]: long[1],
        "strong (changed: epochs=5)": "strong (epochs=5)",
    }


def test_parts_without_known_people_are_called_new_people() -> None:
    left_out = " but 12 of people who trained the model or are not named"

    assert short_part("prelim") == "prelim"
    assert short_part("all labelled cells") == "all labelled cells"
    assert short_part(f"all labelled cells{left_out}") == "new people"
    assert short_part(f"prelim{left_out}") == "new people of prelim"


@pytest.mark.parametrize("text", ["", "  ", "x" * 41, "two\nlines", "tab\there"])
def test_a_name_that_no_legend_has_room_for_is_refused(text: str) -> None:
    with pytest.raises(SettingError) as caught:
        checked_name(text)

    assert "1 to 40 characters" in caught.value.why


def test_a_name_is_taken_without_blanks_around_it() -> None:
    assert checked_name("  paper on fold_1 ") == "paper on fold_1"
    assert checked_name(None) == ""
