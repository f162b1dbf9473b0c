"""Losses against values worked out by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
import torch
from torch import Tensor

from leuknet.training.losses import even_weights, make_loss, number_people, person_weights
from leuknet.types import CellImage, Label, LossName

# Log odds of the class 1; probabilities of the true class are 3/4, 1/4, 1/2, 1/2.
LOGITS = torch.tensor([[0.0, -math.log(3)], [0.0, math.log(3)], [0.0, 0.0], [0.0, 0.0]])
LABELS = [0, 0, 0, 1]
# H1 has two cells, H2 and 1 have one each.
PEOPLE = [1, 1, 2, 0]
LOSSES = [math.log(4 / 3), math.log(4), math.log(2), math.log(2)]


def value(name: LossName, logits: Tensor = LOGITS) -> float:
    loss = make_loss(name, LABELS, PEOPLE)
    return float(loss(logits, torch.tensor(LABELS), torch.tensor(PEOPLE)))


def test_cross_entropy_is_the_mean() -> None:
    assert value("cross-entropy") == pytest.approx(sum(LOSSES) / 4)


def test_class_balanced_lets_both_classes_count_alike() -> None:
    assert value("class-balanced") == pytest.approx(sum(LOSSES[:3]) / 6 + LOSSES[3] / 2)


def test_subject_balanced_lets_people_of_a_class_count_alike() -> None:
    by_person = [(LOSSES[0] + LOSSES[1]) / 2, LOSSES[2], LOSSES[3]]
    assert value("subject-balanced") == pytest.approx((by_person[0] + by_person[1]) / 4 + by_person[2] / 2)


def test_focal_loss_weighs_by_the_square_of_what_is_missing() -> None:
    missing = [1 / 4, 3 / 4, 1 / 2, 1 / 2]
    expected = sum(m**2 * one for m, one in zip(missing, LOSSES, strict=True)) / 4
    assert value("focal") == pytest.approx(expected)


def test_heterogeneity_adds_the_variance_of_peoples_losses_within_a_class() -> None:
    h1, h2 = (LOSSES[0] + LOSSES[1]) / 2, LOSSES[2]
    assert value("heterogeneity") == pytest.approx(sum(LOSSES) / 4 + ((h1 - h2) / 2) ** 2)


@pytest.mark.parametrize("name", get_args(LossName))
def test_every_loss_falls_along_its_gradient(name: LossName) -> None:
    logits = LOGITS.clone().requires_grad_()
    loss = make_loss(name, LABELS, PEOPLE)
    before = loss(logits, torch.tensor(LABELS), torch.tensor(PEOPLE))
    before.backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    assert value(name, LOGITS - 0.1 * logits.grad) < before.item()


def test_weights_have_a_mean_of_one_over_the_cells() -> None:
    labels, people = torch.tensor(LABELS), torch.tensor(PEOPLE)

    assert float(even_weights(labels)[labels].mean()) == pytest.approx(1)
    assert float(person_weights(labels, people)[people].mean()) == pytest.approx(1)


def test_people_are_told_apart_by_name_and_class() -> None:
    def cell(subject: str | None, label: Label) -> CellImage:
        return CellImage("a", Path("a"), "0" * 64, label, subject)

    normal, leukaemic = Label.NORMAL, Label.LEUKAEMIC
    cells = [cell("3", leukaemic), cell("3", normal), cell("3", leukaemic), cell(None, normal)]

    first, other, again, unnamed = number_people(cells)
    assert first == again != other
    assert unnamed == -1
    assert number_people([replace(one, subject=None) for one in cells]) == [-1] * 4
