"""Training losses, five by name.

    cross-entropy     each cell counts alike
    class-balanced    both classes count alike, however many cells each has
    focal             cells that are called right with confidence count little (Lin et al. 2017, gamma 2)
    subject-balanced  people count alike within a class, and both classes alike
    heterogeneity     cross-entropy, plus the variance of people's mean loss within each class

Weights have a mean of 1 over the training side and are not divided by their sum in a batch, so that a batch
that is shared between processes gives the same gradient. "heterogeneity" asks, as Goswami et al. do of
features, that people of one class be served alike; its form is that of Krueger et al. within a class.

Start at `make_loss`.

References
----------
Lin, Goyal, Girshick, He & Dollar (2017), "Focal loss for dense object detection", ICCV. Goswami, Mehta,
Sahrawat, Gupta & Gupta (2020), "Heterogeneity loss to handle intersubject and intrasubject variability in
cancer", arXiv 2003.03295. Krueger et al. (2021), "Out-of-distribution generalization via risk extrapolation
(REx)", ICML.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional
from torchvision.ops import sigmoid_focal_loss  # type: ignore[import-untyped]

from leuknet.types import CellImage, LossName

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Takes logits (N, 2), labels (N,) and people (N,) as `number_people` counts them; gives the mean, ()."""

OF_PEOPLE = ("subject-balanced", "heterogeneity")
"""Losses that need to know whose each cell is."""

HETEROGENEITY = 1.0
"""Weight of the variance beside the cross-entropy."""


def number_people(cells: Sequence[CellImage]) -> list[int]:
    """Return a number for the person of each cell, from 0; cells of one person and both classes have two.

    A cell that names nobody has -1.
    """
    people = [None if cell.subject is None else (cell.subject, int(cell.label or 0)) for cell in cells]
    numbers = {
        person: number for number, person in enumerate(sorted({person for person in people if person}))
    }
    return [-1 if person is None else numbers[person] for person in people]


def make_loss(name: LossName, labels: Sequence[int], people: Sequence[int]) -> Loss:
    """Return a loss for one training side.

    Parameters
    ----------
    name
        Which one.
    labels, people
        Class and person of each training cell, for the weights; of a loss in `OF_PEOPLE`, all are known.
    """
    of_labels, of_people = torch.tensor(labels), torch.tensor(people)
    if name == "class-balanced":
        by_class = even_weights(of_labels)
        return lambda logits, labels, _: _weighted(logits, labels, by_class.to(labels.device)[labels])
    if name == "subject-balanced":
        by_person = person_weights(of_labels, of_people)
        return lambda logits, labels, people: _weighted(logits, labels, by_person.to(labels.device)[people])
    return {"focal": _focal, "heterogeneity": _heterogeneity}.get(name, _cross_entropy)


def even_weights(groups: Tensor) -> Tensor:
    """Weight of each group, such that all count alike and the mean over cells is 1: (G,) of (N,) numbers."""
    counts = torch.bincount(groups)
    return len(groups) / (len(counts) * counts)


def person_weights(labels: Tensor, people: Tensor) -> Tensor:
    """Weight of each person: alike within a class, both classes alike; mean 1 over cells. (P,) of (N,)."""
    cells = torch.bincount(people)
    label_of = torch.zeros_like(cells).scatter_(0, people, labels)
    people_of_class = torch.bincount(label_of)
    return len(labels) / (2 * people_of_class[label_of] * cells)


def _weighted(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    return (functional.cross_entropy(logits, labels, reduction="none") * weights).mean()


def _cross_entropy(logits: Tensor, labels: Tensor, _: Tensor) -> Tensor:
    return functional.cross_entropy(logits, labels)


def _focal(logits: Tensor, labels: Tensor, _: Tensor) -> Tensor:
    loss: Tensor = sigmoid_focal_loss(
        logits[:, 1] - logits[:, 0], labels.to(logits.dtype), alpha=-1, gamma=2, reduction="mean"
    )
    return loss


def _heterogeneity(logits: Tensor, labels: Tensor, people: Tensor) -> Tensor:
    losses = functional.cross_entropy(logits, labels, reduction="none")
    total = losses.mean()
    for label in (0, 1):
        own = labels == label
        _, person = torch.unique(people[own], return_inverse=True)
        n = int(person.max()) + 1 if len(person) else 0
        if n > 1:
            sums = losses.new_zeros(n).index_add(0, person, losses[own])
            total = total + HETEROGENEITY * (sums / torch.bincount(person)).var(correction=0)
    return total
