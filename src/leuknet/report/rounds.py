"""Takes the rounds of one protocol together, where each cell was tested once by a model that had not seen it.

Each round alone tests a part of the people. Their answers together are one test on all of them, and its
interval leaves these people out in turn; a mean of the rounds' scores has no interval worth the name.

Start at `pooled_rounds`, then `round_blocks`.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from leuknet.evaluation.by_round import ROUND_NOTE, by_round, round_table
from leuknet.evaluation.metrics import METRICS, metric_intervals
from leuknet.report.blocks import Block, Heading, Table, Text, counted
from leuknet.report.facts import Runs
from leuknet.types import Evaluation, Interval


def pooled_rounds(runs: Runs) -> list[tuple[str, str, Mapping[str, Interval]]]:
    """Return name, basis and scores of each recipe and seed whose rounds can be taken together.

    They can if there are two or more rounds of one protocol, and no cell was tested twice. Each cell is
    called at the threshold of the model that scored it. Intervals leave subjects out where whole subjects
    were held out and all are known.
    """
    return [(name, _basis(rounds), _scores(rounds)) for name, rounds in _groups(runs).items()]


def round_blocks(runs: Runs) -> tuple[Block, ...]:
    """Return AUROC round by round beside the pooled one, for the recipes and seeds of `pooled_rounds`."""
    found = {name: by_round(rounds) for name, rounds in _groups(runs).items()}
    known = {name: one for name, one in found.items() if one is not None}
    if not known:
        return ()
    heads, rows = round_table(known)
    return Heading("Round by round"), Table("AUROC of each round", heads, tuple(rows)), Text(ROUND_NOTE)


def _groups(runs: Runs) -> dict[str, list[Evaluation]]:
    """Return the rounds of each recipe and seed that can be taken together, by what the report calls them."""
    groups: dict[tuple[str, int, str, str], list[Evaluation]] = {}
    for run in runs:
        tested = run.evaluation
        if tested.protocol and tested.round:
            key = (tested.recipe, tested.seed, tested.protocol, tested.dataset)
            groups.setdefault(key, []).append(tested)
    return {
        f"{recipe} (seed {seed}, all {len(rounds)} rounds)": rounds
        for (recipe, seed, *_), rounds in groups.items()
        if len(rounds) > 1 and _is_disjoint(rounds)
    }


def _is_disjoint(rounds: list[Evaluation]) -> bool:
    paths = [path for tested in rounds for path in tested.paths]
    return len(set(paths)) == len(paths)


def _basis(rounds: list[Evaluation]) -> str:
    cells = counted(sum(tested.cells for tested in rounds), "cell")
    return f"the answers of rounds {', '.join(tested.round for tested in rounds)} taken together: {cells}"


def _scores(rounds: list[Evaluation]) -> Mapping[str, Interval]:
    subjects = [subject for tested in rounds for subject in tested.subject_ids]
    is_held_out = None not in subjects and all(tested.split_kind != "image-level" for tested in rounds)
    clusters = np.array(subjects) if is_held_out else None
    metrics = [name for name, metric in METRICS.items() if clusters is not None or metric.unit == "cell"]
    return metric_intervals(
        np.concatenate([tested.labels for tested in rounds], dtype=np.int64),
        np.concatenate([tested.probabilities for tested in rounds]),
        threshold=np.concatenate([np.full(tested.cells, tested.threshold) for tested in rounds]),
        clusters=clusters,
        metrics=metrics,
    )
