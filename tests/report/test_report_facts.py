"""What reports say of a training is what the recipe says."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from leuknet.recipes import RECIPES
from leuknet.recipes.leuknet_paper import LEUKNET_PAPER
from leuknet.report.answers import ANSWERS
from leuknet.report.facts import input_text, network_text, optimiser_text
from leuknet.types import Recipe


def text_of(recipe: Recipe, canvas_px: int | None = 450) -> str:
    card = SimpleNamespace(
        recipe=recipe, canvas_px=canvas_px, channel_mean=(127.0,) * 3, channel_std=(128.0,) * 3
    )
    return input_text(SimpleNamespace(card=card))  # type: ignore[arg-type]


def test_the_papers_training_in_words() -> None:
    assert optimiser_text(LEUKNET_PAPER) == (
        "Adam, rate 0.0001, times 0.5 after every 7 epochs, L2 0.0001 on weights; "
        "10 epochs of batches of 128, shuffled once, no augmentation"
    )


def test_a_training_with_everything_in_words() -> None:
    recipe = replace(RECIPES["strong"], loss="focal", ema=0.9, mixup=0.2, rate_factors={"head": 10.0})

    assert optimiser_text(recipe) == (
        "AdamW, rate 0.0002 (head times 10), falling to 0 along a cosine, decoupled weight decay 0.01 on "
        "weights; 10 epochs of batches of 16, both classes drawn equally often, images turned by up to 180 "
        "degrees, mirrored, moved by up to 5% of their side, brightness changed by up to 10%, stain of each "
        "channel varied (spread 0.1), mixed in pairs (mixup 0.2); loss focal; running mean of the weights, "
        "decay 0.9; epoch with the lowest validation loss by subject kept"
    )


@pytest.mark.parametrize(
    ("settings", "canvas_px", "begins"),
    [
        ({}, 450, "placed at true scale on a black canvas of 450 pixels, then resized to 224"),
        (
            {"crop_px": 300},
            450,
            "placed at true scale on a black canvas of 450 pixels, cut to the middle 300 pixels at true "
            "scale, then resized to 224",
        ),
        ({"crop_px": 300}, None, "cut to the middle 300 pixels at true scale, then resized to 224"),
        ({}, None, "resized whole to 224"),
    ],
)
def test_the_way_to_the_input_in_words(settings: dict[str, int], canvas_px: int | None, begins: str) -> None:
    text = text_of(replace(LEUKNET_PAPER, **settings), canvas_px)  # type: ignore[arg-type]

    assert text.startswith(f"RGB images {begins}")
    assert "turns" not in text


def test_turns_at_test_time_are_told() -> None:
    text = text_of(RECIPES["prellberg-2019"])

    assert text.endswith("; a score is the mean log odds over 8 turns of the image")


def answer(name: str, recipe: Recipe) -> str | None:
    return ANSWERS[name]((SimpleNamespace(name="run", card=SimpleNamespace(recipe=recipe)),))  # type: ignore[arg-type]


def test_checklists_say_which_weights_were_kept_and_what_was_done_about_the_larger_class() -> None:
    assert (
        answer("selection", LEUKNET_PAPER) == "The weights after the last iteration; no checkpoint is picked"
    )
    assert "lowest loss by subject" in str(answer("selection", RECIPES["strong"]))
    assert answer("imbalance", LEUKNET_PAPER) == (
        "Cells of the larger class are deleted at random before training"
    )
    assert answer("imbalance", RECIPES["strong"]) == "sampling class-balanced"
    assert answer("imbalance", RECIPES["prellberg-2019"]) == "loss class-balanced"
    assert answer("imbalance", replace(LEUKNET_PAPER, balance=False)) == "None used"


def test_an_ensemble_names_the_networks_of_its_members() -> None:
    members = [
        {"network": name, "network_options": {"dropout": 0.1}} for name in ("leuknet", "timm:resnet18")
    ]
    recipe = replace(LEUKNET_PAPER, network="ensemble", network_options={"members": members})
    card = SimpleNamespace(recipe=recipe, canvas_px=450)

    text = network_text(SimpleNamespace(card=card))  # type: ignore[arg-type]

    assert text.startswith("network ensemble (members leuknet and timm:resnet18), RGB images")


def test_checklists_name_an_ensemble() -> None:
    together = replace(LEUKNET_PAPER, network="ensemble", network_options={"members": [{}, {}]})

    assert answer("ensembling", LEUKNET_PAPER) == "None"
    assert answer("ensembling", together) == (
        "The mean of the calibrated log odds of 2 networks, calibrated anew"
    )
