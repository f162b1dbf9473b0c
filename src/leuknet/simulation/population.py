"""Invents people and their cells, with a known answer: the statistical model behind simulated cells.

Each person is leukaemic or normal. A cell's traits are its class's mean, plus a shift of the person,
plus noise of the cell, all Gaussian with one covariance for both classes. For a cell of a person never
seen before, P(leukaemic | traits) is then exactly a logistic function of the traits
(`known_probability`), and no model can do better on such cells. Beside that, each person's slide has a
look of its own (`Nuisance`) that says nothing about the class of a new person, but lets a model that has
seen the person recognise them. That is how a split by image flatters a model, here as on real data.

Start at `draw_population`. Nothing here draws a pixel or touches the disk.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import pairwise, product
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, ndtri

from leuknet.data.published_counts import COUNTS, MERGED_SUBJECTS, PRELIM_SUBJECTS, TRAINING_SUBJECTS
from leuknet.simulation.draw import Nuisance, Traits
from leuknet.types import Label, Probabilities

MEANS = {
    Label.NORMAL: Traits(26_544, 0.6, 0.8712, 0.0450, 0.65),
    Label.LEUKAEMIC: Traits(36_244, -0.6, 0.9000, 0.0560, 0.80),
}
SPREAD = Traits(7_475, 1, 0.032, 0.0157, 0.214)
"""Standard deviation of each trait within a class, persons and cells together.

Means and spread of the area are those of the published images; alone it then has an AUC of 0.82. The
classes lie 1.30, 1.20, 0.90, 0.70 and 0.70 spreads apart, together 2.22: the best possible AUC is 0.942.
"""

PERSON_SHARE = 0.2
"""Share of each trait's variance that lies between persons of one class."""

LIMIT = 3
"""Traits stay within so many spreads of the mean, so that each can be drawn: 1 cell in 370 is moved."""

NUISANCE_WITHIN = 0.2
"""Spread of the nuisance between cells of one person; between persons it is 1."""

COPY_EVERY = 40
"""Of ids that are one person, every so many-th cell is the same image: 0.7% of all, as published."""

STEPS = 1.1347241384015194 ** -np.arange(1.0, 6.0)
"""Steps of a Kronecker sequence in five dimensions, powers of the root of x**6 = x + 1. A subject's cells
walk through the distribution by these from a random start: each cell alone is as random as ever, together
they fill the distribution evenly, so that small data sets have the mean and spread they should have."""

_FINAL_SUBJECTS = tuple(f"{'H' if n > 9 else ''}final{n}" for n in range(1, 18))  # 9 + 8: our choice


class _Person(NamedTuple):
    """Shift of the traits (5,) and look of the slide (9,), in units of their spread between persons."""

    shift: NDArray[np.float64]
    look: NDArray[np.float64]


class Subject(NamedTuple):
    """One subject id of the publisher, with the person behind it and its number of published images."""

    number: int
    id: str
    part: str
    label: Label
    person: str
    images: int


class Cell(NamedTuple):
    """One simulated cell before it is drawn; `place` counts within the subject, `seed` is for drawing."""

    subject: Subject
    place: int
    traits: Traits
    nuisance: Nuisance
    probability: float
    seed: tuple[int, ...]


def draw_population(
    parts: Sequence[str], *, scale: float, seed: int, at_least: int = 3, separation: float = 1.0
) -> list[Cell]:
    """Draw the cells of C-NMC's subjects, in the publisher's proportions.

    Parameters
    ----------
    parts
        Keys of `leuknet.data.published_counts.COUNTS`.
    scale
        Cells per published image, above 0. A cell depends on the seed, its subject and its place alone:
        a larger scale adds cells and changes none.
    at_least
        Cells of each subject, where the scale would give fewer.
    separation
        Distance of the classes as a multiple of that in `MEANS`; see `class_means`.

    Returns
    -------
    list of Cell
        Ordered by part, subject and place.
    """
    subjects = list_subjects()
    people = _draw_people(subjects, seed=seed)
    starts = _draw_starts(subjects, seed=seed)
    first = {subject.person: subject.number for subject in reversed(subjects)}
    means = class_means(separation)
    cells = []
    for subject in (subject for subject in subjects if subject.part in parts):
        person = people[subject.person]
        for place in range(max(at_least, round(scale * subject.images))):
            # Where ids are one person, some images sit under each of them, as published.
            source = first[subject.person] if place % COPY_EVERY == 0 else subject.number
            traits = _traits(means[subject.label], person, (starts[source] + place * STEPS) % 1)
            rng = np.random.default_rng((seed, 1, source, place))
            look = person.look + NUISANCE_WITHIN * rng.standard_normal(len(person.look))
            probability = float(known_probability([traits], separation=separation)[0])
            key = (seed, 2, source, place)
            cells.append(Cell(subject, place, traits, Nuisance(*look.tolist()), probability, key))
    return cells


def class_means(separation: float) -> dict[Label, Traits]:
    """Return the mean traits of each class, moved apart from their middle or towards it.

    Parameters
    ----------
    separation
        1 leaves them as published. The best possible AUC is then 0.942; it is 0.83 at 0.6 and 0.99 at 1.4.
    """
    normal, leukaemic = (np.array(MEANS[label]) for label in Label)
    middle, half = (normal + leukaemic) / 2, separation * (leukaemic - normal) / 2
    return {
        Label.NORMAL: Traits(*(middle - half).tolist()),
        Label.LEUKAEMIC: Traits(*(middle + half).tolist()),
    }


def known_probability(traits: ArrayLike, *, separation: float = 1.0) -> Probabilities:
    """Return P(leukaemic | traits) of cells of unseen persons, at equal numbers of both classes.

    Parameters
    ----------
    traits : (N, 5)
        In the order and units of `Traits`.
    separation
        With which they were drawn.

    Returns
    -------
    (N,) float64
        In [0, 1]. With one covariance for both classes the log odds are linear in the traits, 0 half-way
        between the means. Traits moved to `LIMIT` are off by as much as that move.

    References
    ----------
    Hastie, Tibshirani & Friedman (2009), "The Elements of Statistical Learning", 2nd ed., eq. 4.9.

    Examples
    --------
    >>> halfway = [31_394, 0.0, 0.8856, 0.0505, 0.725]
    >>> known_probability([halfway]).round(6).tolist()
    [0.5]
    """
    middle, weights = _discriminant(separation)
    return np.asarray(expit((np.asarray(traits, float) - middle) @ weights))


@cache
def _discriminant(separation: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the middle between the classes, and what each trait's distance from it adds to the log odds."""
    means = class_means(separation)
    normal, leukaemic = (np.array(means[label]) for label in Label)
    return (normal + leukaemic) / 2, (leukaemic - normal) / np.square(SPREAD)


def list_subjects() -> tuple[Subject, ...]:
    """Return every subject id of C-NMC 2019, in the order of parts.

    Counts by subject are published for training only; the test phases' images are shared out evenly.
    The final phase's ids and labels are not public: we take 9 leukaemic and 8 normal persons.
    """
    images = {part: dict(counts) for part, counts in TRAINING_SUBJECTS.items()}
    normal, leukaemic = (
        [name for name in PRELIM_SUBJECTS if name.startswith("H") == is_normal] for is_normal in (True, False)
    )
    prelim = COUNTS["prelim"]
    images["prelim"] = _share(prelim.normal or 0, normal) | _share(prelim.leukaemic or 0, leukaemic)
    images["final"] = _share(COUNTS["final"].images, _FINAL_SUBJECTS)
    person = {name: "+".join(group) for group in MERGED_SUBJECTS for name in group}
    rows = [(part, name, n) for part, counts in images.items() for name, n in counts.items()]
    return tuple(
        Subject(number, name, part, Label(name[0] not in "Hh"), person.get(name.upper(), name), n)
        for number, (part, name, n) in enumerate(rows)
    )


def _share(n: int, ids: Sequence[str]) -> dict[str, int]:
    """Share out `n` images as evenly as whole numbers allow."""
    ends = np.linspace(0, n, len(ids) + 1).round().astype(int).tolist()
    return {name: end - start for name, (start, end) in zip(ids, pairwise(ends), strict=True)}


def _draw_people(subjects: Sequence[Subject], *, seed: int) -> dict[str, _Person]:
    """Draw each person's shift of the traits and look of the slide.

    Within a class, each is a set of evenly spaced normal quantiles in random order: a class of nine
    persons then has the mean and spread that it should have, and the classes have one distribution.
    """
    rng = np.random.default_rng((seed, 3))
    people: dict[str, _Person] = {}
    for label in Label:
        of_class = [subject for subject in subjects if subject.label == label]
        names = list(dict.fromkeys(subject.person for subject in of_class))
        images = np.zeros((len(COUNTS), len(names)))
        for subject in of_class:
            images[list(COUNTS).index(subject.part), names.index(subject.person)] += subject.images
        quantiles = ndtri((np.arange(len(names)) + 0.5) / len(names))
        quantiles /= quantiles.std()
        shifts = np.column_stack([_balanced_order(quantiles, images, rng) for _ in Traits._fields])
        looks = np.column_stack([rng.permutation(quantiles) for _ in Nuisance._fields])
        people.update({name: _Person(*rows) for name, *rows in zip(names, shifts, looks, strict=True)})
    return people


def _balanced_order(
    values: NDArray[np.float64], images: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Put values in a random order that keeps every part's mean over its images near 0.

    One person gives a third of fold_0's normal images; were that person's cells large by chance, area
    would separate the classes far better or worse there than it should. Of many orders, take the best.
    """
    orders = rng.permuted(np.tile(values, (2000, 1)), axis=1)
    means = orders @ (images / images.sum(1, keepdims=True)).T
    return np.asarray(orders[np.abs(means).max(1).argmin()])


def _draw_starts(subjects: Sequence[Subject], *, seed: int) -> dict[int, NDArray[np.float64]]:
    """Draw where each subject's walk through the distribution of traits begins: (5,), each in [0, 1).

    Within a class of a part they are a Latin hypercube, so that few cells of many subjects are even too.
    """
    rng = np.random.default_rng((seed, 4))
    starts: dict[int, NDArray[np.float64]] = {}
    for group in product(COUNTS, Label):
        numbers = [subject.number for subject in subjects if (subject.part, subject.label) == group]
        strata = rng.permuted(np.tile(np.arange(len(numbers)), (len(STEPS), 1)), axis=1).T
        starts.update(zip(numbers, (strata + rng.random(strata.shape)) / len(numbers), strict=True))
    return starts


def _traits(mean: Traits, person: _Person, quantiles: NDArray[np.float64]) -> Traits:
    noise = np.sqrt(1 - PERSON_SHARE) * ndtri(quantiles)
    spreads = np.clip(np.sqrt(PERSON_SHARE) * person.shift + noise, -LIMIT, LIMIT)
    area_px, *others = (mean + np.array(SPREAD) * spreads).tolist()
    return Traits(round(area_px), *others)
