"""How a model did on cells that are alike: small and large ones, pale and dark ones, those of each part.

A score over all cells can hide that a model fails on some. Groups are thirds of the tested cells by a measure
of the image, or the parts of the data set. Each has its counts of cells and people beside its scores, and a
warning where these are few: many groups are looked at, and one of them is always the worst by chance.

Start at `traits_of`, then `subgroups`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from leuknet.evaluation.formulas import Values, Weights, auroc, checked, require
from leuknet.evaluation.jackknife import score_interval
from leuknet.evaluation.operating_points import class_share
from leuknet.evaluation.resampling import MIN_SUBJECTS, Clusters
from leuknet.images.measures import Measures
from leuknet.images.survey import Survey
from leuknet.types import CellImage, Interval, Labels, Probabilities, Subgroup

FEW_CELLS = 30
"""With fewer cells of a class in a group, its scores carry a warning."""

_THIRDS = {
    "cell size": ("smallest third", "middle third", "largest third"),
    "stain strength": ("palest third", "middle third", "darkest third"),
    "stain colour": ("bluest third", "middle third", "reddest third"),
}


class Trait(NamedTuple):
    """What is known of each tested cell (N,): numbers, which are cut into thirds, or names of groups."""

    attribute: str
    unit: str
    values: NDArray[Any]


def traits_of(surveyed: Survey, cells: Sequence[CellImage]) -> tuple[Trait, ...]:
    """Return what the images and the data set say of these cells.

    Parameters
    ----------
    surveyed
        A survey that holds all of them.
    cells
        N tested cells, in the order of their scores.

    Returns
    -------
    tuple of Trait
        Cell size in pixels of the image; stain strength, the optical density -log10(grey / 255) of the mean
        colour; stain colour, log2(red / blue) of the mean colour; and the part, if there are two.
    """
    measures = surveyed.take(cells).measures
    area, red, green, blue = (
        measures[:, Measures._fields.index(name)] for name in ("area_px", "red", "green", "blue")
    )
    grey = 0.299 * red + 0.587 * green + 0.114 * blue
    numbers = (
        Trait("cell size", "px", area),
        Trait("stain strength", "OD", -np.log10(np.maximum(grey, 1.0) / 255)),
        Trait("stain colour", "log2 red / blue", np.log2(np.maximum(red, 1.0) / np.maximum(blue, 1.0))),
    )
    parts = np.array([cell.part for cell in cells])
    return (*numbers, Trait("part", "", parts)) if np.unique(parts).size > 1 else numbers


def subgroups(
    labels: Labels,
    probabilities: Probabilities,
    threshold: float,
    traits: Sequence[Trait],
    subjects: NDArray[Any] | None,
    *,
    clusters: Clusters,
    class_names: tuple[str, str],
) -> tuple[Subgroup, ...]:
    """Return the scores of each group of tested cells.

    Parameters
    ----------
    labels, probabilities : (N,)
        Of tested cells.
    threshold
        The model's.
    traits
        What is known of them. One that is the same of all cells makes no groups.
    subjects
        Whose each cell is, for the counts; None where that is not known.
    clusters
        Who is left out whole for the intervals; None takes the cells as independent.
    class_names
        For the warnings.

    Raises
    ------
    ShapeError
        If arrays do not fit.
    """
    checked(labels, probabilities, threshold, None)
    found = []
    for trait in traits:
        why = f"{trait.attribute}: {trait.values.size} values for {labels.size} cells"
        require(trait.values.shape == labels.shape, why, fix="give one value for each cell")
        for group, limits, member in _groups(trait):
            scores = _scores(labels, probabilities, threshold, member, clusters)
            people = [_people(subjects, member & (labels == label)) for label in (0, 1)]
            cells = [int(np.sum(member & (labels == label))) for label in (0, 1)]
            warnings = [_warning(class_names[label], cells[label], people[label]) for label in (1, 0)]
            warnings.append(_dominated(subjects, member))
            found.append(
                Subgroup(
                    attribute=trait.attribute,
                    group=group,
                    limits=limits,
                    leukaemic=cells[1],
                    normal=cells[0],
                    leukaemic_subjects=people[1],
                    normal_subjects=people[0],
                    metrics=scores,
                    warning="; ".join(filter(None, warnings)),
                )
            )
    return tuple(found)


def _groups(trait: Trait) -> list[tuple[str, str, NDArray[np.bool_]]]:
    """Return name, limits in words and members (N,) of each group."""
    if trait.values.dtype.kind not in "fiu":
        return [(str(name), "", trait.values == name) for name in np.unique(trait.values)]
    first, second = np.quantile(trait.values, [1 / 3, 2 / 3])
    place = (trait.values > first).astype(int) + (trait.values > second)
    names = _THIRDS.get(trait.attribute, ("lowest third", "middle third", "highest third"))
    if np.unique(place).size < len(names):
        return []
    groups = []
    for number, name in enumerate(names):
        own = trait.values[place == number]
        form = ",.0f" if abs(own).max() >= 100 else ".2f"
        limits = f"{format(own.min(), form)} to {format(own.max(), form)} {trait.unit}"
        groups.append((name, limits, place == number))
    return groups


def _scores(
    labels: Labels,
    probabilities: Probabilities,
    threshold: float,
    member: NDArray[np.bool_],
    clusters: Clusters,
) -> dict[str, Interval]:
    """Return the scores whose classes are there, of one group."""
    own, stated = labels[member], probabilities[member]
    whose = None if clusters is None else clusters[member]
    there = set(own.tolist())
    found = {}
    if 1 in there:
        found["sensitivity"] = class_share(own, stated, threshold, whose, "sensitivity")
    if 0 in there:
        found["specificity"] = class_share(own, stated, threshold, whose, "specificity")
    if len(there) == 2:

        def area(weights: Weights) -> Values:
            return auroc(own, stated, threshold, weights)

        found["auroc"] = score_interval(area, whose, cells=own.size, classes=own)
    return found


def _people(subjects: NDArray[Any] | None, member: NDArray[np.bool_]) -> int | None:
    return None if subjects is None else int(np.unique(subjects[member]).size)


def _warning(name: str, cells: int, people: int | None) -> str:
    """Return why a class says little in a group, empty where it does not."""
    if not cells:
        return f"no {name} cell"
    if people is not None and people < MIN_SUBJECTS:
        return f"{name} cells of only {people} {'person' if people == 1 else 'people'}"
    return f"only {cells} {name} cells" if cells < FEW_CELLS else ""


def _dominated(subjects: NDArray[Any] | None, member: NDArray[np.bool_]) -> str:
    """Return that one person gives most of the cells of a group, empty where nobody does."""
    if subjects is None:
        return ""
    most = float(np.unique(subjects[member], return_counts=True)[1].max() / member.sum())
    return f"one person gives {most:.0%} of the cells" if most > 0.5 else ""
