"""Asks on real cells what a small model learns from few people, and what that is worth for other people.

All people at hand are dealt into rounds, and each round tests people who taught nothing. Which stages of
EfficientNet-Lite0, on which form of the image, with how small weights, and whether people or cells of a class
count alike: in each round that is chosen anew, by the same rounds among the other people. So nobody who tests
has chosen.

Only the last layer learns, by penalised logistic regression; the features of a cell are computed once and kept
below `build/`. Start at `measure_new_people`.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from commands import BUILD, restore
from leuknet.data import open_dataset
from leuknet.evaluation.baselines import BASELINES, score_baselines
from leuknet.evaluation.calibrate import subject_loss
from leuknet.evaluation.compare import compare
from leuknet.evaluation.evaluate import Judged, judge
from leuknet.evaluation.summary import score_text, signed_text
from leuknet.images.survey import Survey, cached_survey
from leuknet.images.transform import load_inputs
from leuknet.networks import build
from leuknet.networks.predictor import run_network
from leuknet.types import CellImage, Dataset, Evaluation, InputForm, Label, TestSide

FORMS = {"middle, not resized": (300, 300), "whole canvas at half size": (None, 224)}
"""Name to side of the crop and of the input, in pixels."""

STAGES = {"1 to 3": (1, 3), "2 to 5": (2, 5), "the last alone": (6, 6)}

PENALTIES = (0.001, 0.01, 0.1, 1.0)
"""scikit-learn's C: the smaller, the smaller the weights."""

ALIKE = {"people": 1.0, "between": 0.05, "cells": 0.0}
"""What counts alike in a class, to the correlation of one person's cells by which n of them count as
n / (1 + (n - 1) * correlation)."""

MIN_HEALTHY = 15
"""Healthy cells of a round; people with fewer share one."""

N_STAGES = 7
CHUNK = 64
DRAWS = 5
PEOPLE, PER_PERSON = (1, 2, 3, 6), (5, 20, 80)
"""Of the learning curves: healthy people (and as large a share of the leukaemic ones), cells of each person."""

PRETRAINED = True
"""Tests take fresh weights."""


class Learner(NamedTuple):
    """What is chosen."""

    form: str
    stages: str
    penalty: float
    alike: str


RECIPE = Learner("middle, not resized", "2 to 5", 0.01, "people")
"""What `probe-stages` does."""


@dataclass(frozen=True)
class People:
    """All cells that can teach or test, by row.

    Attributes
    ----------
    features
        Form to one array (N, F) for each stage.
    """

    dataset: Dataset
    cells: tuple[CellImage, ...]
    labels: NDArray[np.int64]
    subjects: NDArray[np.str_]
    features: dict[str, list[NDArray[np.float32]]]
    surveyed: Survey

    def seen(self, learner: Learner) -> NDArray[np.float32]:
        """Features (N, F) that a learner looks at."""
        first, last = STAGES[learner.stages]
        return np.concatenate(self.features[learner.form][first : last + 1], axis=1)


def read_people(root: Path, keep: Path) -> People:
    """Read all labelled cells of known people, and compute their features unless they are kept."""
    dataset = open_dataset(root, progress=True)
    named = [cell for cell in dataset.cells if cell.label is not None and cell.subject is not None]
    surveyed = cached_survey(named, dataset, textures=True, progress=True)
    cells = surveyed.cells
    return People(
        dataset,
        cells,
        np.array([cell.label for cell in cells], dtype=np.int64),
        np.array([cell.subject for cell in cells]),
        {form: list(_features(cells, dataset, form, keep)) for form in FORMS},
        surveyed,
    )


def _features(
    cells: Sequence[CellImage], dataset: Dataset, form: str, keep: Path
) -> Iterator[NDArray[np.float32]]:
    """Yield the mean answers of the maps of each stage."""
    crop, side = FORMS[form]
    options = {"frozen": True, "stages": [0, N_STAGES - 1], "dropout": 0.0, "pretrained": PRETRAINED}
    network = build("efficientnet-lite0", side, options)
    found: list[NDArray[np.float32]] = []
    for start in range(0, len(cells), CHUNK):
        some = cells[start : start + CHUNK]
        path = keep / f"{side}-{'' if crop is None else crop}" / f"{some[0].sha256[:12]}-{len(some)}.npy"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            given = load_inputs(some, InputForm(dataset.canvas_px, side, crop), root=dataset.root)
            np.save(path, run_network(network, given.inputs)[1])
        found.append(np.load(path, allow_pickle=False))
    whole = np.concatenate(found)
    body: Any = network.get_submodule("body")
    ends = np.cumsum(body.channels)
    yield from np.split(whole, ends[:-1], axis=1)


def deal(people: People, rows: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """Deal people into rounds: a healthy one in each, or some with few cells; then the leukaemic ones.

    All leukaemic people go where the fewest leukaemic cells are, the ones with most cells first.
    """
    subjects = people.subjects[rows]
    n_cells = {str(name): int(n) for name, n in zip(*np.unique(subjects, return_counts=True), strict=True)}
    ordered = sorted(n_cells, key=lambda name: (-n_cells[name], name))
    healthy = {str(name) for name in subjects[people.labels[rows] == Label.NORMAL]}
    small = [name for name in ordered if name in healthy and n_cells[name] < MIN_HEALTHY]
    shared: list[list[str]] = [[] for _ in range(max(1, sum(map(n_cells.get, small)) // MIN_HEALTHY))]  # type: ignore[arg-type]
    _spread(small, shared, n_cells)
    alone = [[name] for name in ordered if name in healthy and name not in small]
    groups = [*alone, *(group for group in shared if group)]
    leukaemic: list[list[str]] = [[] for _ in groups]
    _spread([name for name in ordered if name not in healthy], leukaemic, n_cells)
    return [rows[np.isin(subjects, [*one, *other])] for one, other in zip(groups, leukaemic, strict=True)]


def _spread(names: Sequence[str], groups: list[list[str]], n_cells: Mapping[str, int]) -> None:
    """Put each name into the group that has the fewest cells so far."""
    for name in names:
        min(groups, key=lambda group: sum(n_cells[one] for one in group)).append(name)


def weigh(people: People, rows: NDArray[np.intp], alike: str) -> NDArray[np.float64]:
    """Weights of cells, of mean 1: both classes alike, and in each what `ALIKE` says."""
    weights: NDArray[np.float64] = np.zeros(len(rows))
    labels, subjects = people.labels[rows], people.subjects[rows]
    for label in Label:
        own = labels == label
        _, place, counts = np.unique(subjects[own], return_inverse=True, return_counts=True)
        each = 1 / (1 + (counts[place] - 1) * ALIKE[alike])
        weights[own] = each / each.sum()
    return np.asarray(weights / weights.mean())


def learn(
    people: People, learner: Learner, teach: NDArray[np.intp], test: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Log odds (N,) of tested cells."""
    seen = people.seen(learner)
    scale = StandardScaler().fit(seen[teach])
    model = LogisticRegression(C=learner.penalty, max_iter=500)
    model.fit(
        scale.transform(seen[teach]), people.labels[teach], sample_weight=weigh(people, teach, learner.alike)
    )
    odds: NDArray[np.float64] = model.decision_function(scale.transform(seen[test]))
    return odds


def choose(people: People, rows: NDArray[np.intp]) -> Learner:
    """Return the learner with the lowest loss by subject, on average over rounds among these people."""
    rounds = deal(people, rows)

    def loss(learner: Learner) -> float:
        tests = ((test, learn(people, learner, np.setdiff1d(rows, test), test)) for test in rounds)
        return statistics.fmean(
            subject_loss(people.labels[test], odds, list(people.subjects[test])) for test, odds in tests
        )

    return min((Learner(*one) for one in itertools.product(FORMS, STAGES, PENALTIES, ALIKE)), key=loss)


def measure_new_people(data: Path) -> dict[str, Any]:
    """Choose and test in rounds, beside the baselines; then learners that are fixed, and learning curves."""
    root, restored = restore(data)
    people = read_people(root, BUILD / "new-people")
    rows = np.arange(len(people.cells))
    rounds = deal(people, rows)
    scores: dict[str, NDArray[np.float64]] = {}
    chosen = []
    for test in rounds:
        teach = np.setdiff1d(rows, test)
        chosen.append(choose(people, teach))
        found = {"chosen in each round": expit(learn(people, chosen[-1], teach, test))}
        found |= _baselines(people, teach, test)
        for name, probabilities in found.items():
            scores.setdefault(name, np.full(len(rows), np.nan))[test] = probabilities
    judged = {name: _judge(people, rows, name, values) for name, values in scores.items()}
    own = judged["chosen in each round"]
    return {
        "commands": [restored, "python studies/results.py --only new-people"],
        "cells": [int((people.labels == label).sum()) for label in Label],
        "people": [len(set(people.subjects[people.labels == label])) for label in Label],
        "rounds": [_round(people, test, learner) for test, learner in zip(rounds, chosen, strict=True)],
        "rows": [_row(people, rounds, name, scores[name], judged[name]) for name in scores],
        "against": {name: _difference(judged[name], own) for name in scores if judged[name] is not own},
        "by_all": choose(people, rows)._asdict(),
        "fixed": _fixed(people, rows, rounds),
        "curves": _curves(people, rows, rounds),
        "outside": _outside(people),
    }


def _baselines(
    people: People, teach: NDArray[np.intp], test: NDArray[np.intp]
) -> dict[str, NDArray[np.float64]]:
    sides = (people.surveyed.take([people.cells[row] for row in side]) for side in (teach, test))
    return score_baselines(*sides)


def _judge(
    people: People, rows: NDArray[np.intp], name: str, probabilities: NDArray[np.float64]
) -> Evaluation:
    cells = [people.cells[row] for row in rows]
    model = Judged(name, name, seed=0, threshold=0.5, threshold_rule="half", calibration=None)
    side = TestSide(tuple(cells), "subject-level", "", "all people at hand")
    return judge(model, people.dataset, side, cells=cells, probabilities=probabilities)


def _by_round(people: People, rounds: Sequence[NDArray[np.intp]], values: NDArray[np.float64]) -> list[float]:
    return [float(roc_auc_score(people.labels[test], values[test])) for test in rounds]


def _round(people: People, test: NDArray[np.intp], learner: Learner) -> dict[str, Any]:
    healthy = people.subjects[test][people.labels[test] == Label.NORMAL]
    return {
        "healthy": ", ".join(dict.fromkeys(map(str, healthy))),
        "cells": [int((people.labels[test] == label).sum()) for label in Label],
        "people": len(set(people.subjects[test])),
        "chosen": learner._asdict(),
    }


def _row(
    people: People,
    rounds: Sequence[NDArray[np.intp]],
    name: str,
    values: NDArray[np.float64],
    judged: Evaluation,
) -> dict[str, Any]:
    shown = ("auroc", "balanced_accuracy", "weighted_f1")
    return {
        "name": name,
        "rounds": _by_round(people, rounds, values),
        **{metric: score_text(metric, judged.metrics[metric]) for metric in shown},
    }


def _difference(first: Evaluation, second: Evaluation) -> dict[str, Any]:
    found = compare(first, second)
    return {"difference": signed_text("auroc", found.difference), "p": found.p_value}


def _fixed(
    people: People, rows: NDArray[np.intp], rounds: Sequence[NDArray[np.intp]]
) -> list[dict[str, Any]]:
    """Change one ingredient of the recipe at a time."""
    others = [
        *(RECIPE._replace(form=form) for form in FORMS),
        *(RECIPE._replace(stages=stages) for stages in STAGES),
        *(RECIPE._replace(penalty=penalty) for penalty in PENALTIES),
        *(RECIPE._replace(alike=alike) for alike in ALIKE),
    ]
    return [
        {"learner": learner._asdict(), "rounds": [_auroc(people, rows, test, learner) for test in rounds]}
        for learner in dict.fromkeys([RECIPE, *others])
    ]


def _auroc(people: People, rows: NDArray[np.intp], test: NDArray[np.intp], learner: Learner) -> float:
    """AUROC of a round for a learner taught by those of the rows that are not in it."""
    odds = learn(people, learner, np.setdiff1d(rows, test), test)
    return float(roc_auc_score(people.labels[test], odds))


def _curves(
    people: People, rows: NDArray[np.intp], rounds: Sequence[NDArray[np.intp]]
) -> dict[str, list[dict[str, Any]]]:
    """Teach the recipe with fewer people, and with fewer cells of each; the mean of several draws a round."""
    curves: dict[str, list[dict[str, Any]]] = {"people": [], "cells a person": []}
    for kind, sizes in (("people", PEOPLE), ("cells a person", PER_PERSON)):
        for size in sizes:
            per_round = []
            for test in rounds:
                draws = [
                    _auroc(
                        people,
                        _some(people, np.setdiff1d(rows, test), kind, size, (draw, size)),
                        test,
                        RECIPE,
                    )
                    for draw in range(DRAWS)
                ]
                per_round.append(statistics.fmean(draws))
            curves[kind].append({"size": size, "rounds": per_round})
    return curves


def _some(
    people: People, rows: NDArray[np.intp], kind: str, size: int, seed: tuple[int, int]
) -> NDArray[np.intp]:
    """Draw so many healthy people, and as large a share of the others; or so many cells of each person."""
    generator = np.random.default_rng(seed)
    subjects, healthy = people.subjects[rows], people.labels[rows] == Label.NORMAL
    if kind == "cells a person":
        kept = [generator.permutation(rows[subjects == name])[:size] for name in np.unique(subjects)]
        return np.sort(np.concatenate(kept))
    drawn: list[str] = []
    n_healthy = len(np.unique(subjects[healthy]))
    for own in (healthy, ~healthy):
        names = np.unique(subjects[own])
        n = max(1, round(len(names) * size / n_healthy))
        drawn += [str(name) for name in generator.permutation(names)[:n]]
    return rows[np.isin(subjects, drawn)]


def _outside(people: People) -> dict[str, Any]:
    """Teach with fold_1 alone, choose among its own people, and test on people whom it has not."""
    parts = np.array([cell.part for cell in people.cells])
    inside = np.flatnonzero(parts == "fold_1")
    known = set(people.subjects[inside])
    test = np.flatnonzero([subject not in known for subject in people.subjects])
    chosen = choose(people, inside)
    scores = {
        "chosen within fold_1": expit(learn(people, chosen, inside, test)),
        "as `probe-stages`": expit(learn(people, RECIPE, inside, test)),
        **_baselines(people, inside, test),
    }
    judged = {name: _judge(people, test, name, values) for name, values in scores.items()}
    return {
        "cells": [int((people.labels[test] == label).sum()) for label in Label],
        "people": [len(set(people.subjects[test][people.labels[test] == label])) for label in Label],
        "chosen": chosen._asdict(),
        "rows": [
            {"name": name, "auroc": score_text("auroc", one.metrics["auroc"])} for name, one in judged.items()
        ],
        "against": {
            name: _difference(one, judged["as `probe-stages`"])
            for name, one in judged.items()
            if name in BASELINES
        },
    }
