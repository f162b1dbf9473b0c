"""The paper's experiment with several seeds: one table, and what its spread can and cannot say.

Start at `seed_table`, then `spread_sentences`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from leuknet.evaluation.over_seeds import SeedSpread, spread_over_seeds
from leuknet.evaluation.resampling import wilson
from leuknet.evaluation.standings import MIN_SEEDS
from leuknet.evaluation.summary import limits_text
from leuknet.experiments.paper_comparison import NOT_STATED, PAPER_COUNTS, duration_text
from leuknet.experiments.paper_content import SeedRun
from leuknet.types import Interval

PAPER_MINUTES = "45 min 34 s"

_COLUMNS = {
    "accuracy": "Test accuracy",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "validation accuracy": "Validation accuracy at the end",
    "weighted_f1": "Weighted F1",
    "auroc": "AUROC",
}
"""Score to its head; the paper's numbers first, in its order."""


@dataclass(frozen=True)
class SeedRow:
    """One line of the table: a name, and for each score its value with smaller print below."""

    name: str
    cells: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class SeedTable:
    """Heads, and the lines: the paper, each seed, and what they have in common."""

    heads: tuple[str, ...]
    rows: tuple[SeedRow, ...]


def seed_table(seeds: Sequence[SeedRun]) -> SeedTable:
    """Return the paper's numbers, those of each seed with their intervals, and mean and spread."""
    rows = [SeedRow("Paper", (*map(_paper_cell, _COLUMNS), (PAPER_MINUTES, "one CPU")))]
    rows += [
        SeedRow(
            f"Seed {run.seed}",
            (*(_cell(name, _score(run, name)) for name in _COLUMNS), (duration_text(run.training_s), "")),
        )
        for run in seeds
    ]
    if len(seeds) > 1:
        spreads = {name: score_spread(seeds, name) for name in _COLUMNS}
        rows.append(
            SeedRow("Mean", (*(_mean_cell(name, found) for name, found in spreads.items()), ("", "")))
        )
        rows.append(
            SeedRow("Spread", (*(_spread_cell(name, found) for name, found in spreads.items()), ("", "")))
        )
    return SeedTable((*_COLUMNS.values(), "Training time"), tuple(rows))


def score_spread(seeds: Sequence[SeedRun], name: str) -> SeedSpread:
    """Return a score over seeds: a metric's name, or `validation accuracy`."""
    return spread_over_seeds([_score(run, name).estimate for run in seeds])


def spread_sentences(seeds: Sequence[SeedRun]) -> tuple[str, ...]:
    """Say what several seeds show of the accuracy, and what no number of seeds can."""
    if len(seeds) == 1:
        return (
            "One seed was run. Another seed deletes other cells, divides the rest otherwise and starts from "
            "other weights, and can differ by more than the interval above suggests: add --seeds 0,1,2,3,4.",
        )
    found = score_spread(seeds, "accuracy")
    assert found.deviation is not None  # noqa: S101  of two seeds and more
    sentences = [
        f"Test accuracy over {len(seeds)} seeds: mean {found.mean:.1%}, standard deviation "
        f"{100 * found.deviation:.1f} points, from {found.low:.1%} to {found.high:.1%}.",
    ]
    if found.of_mean is None or found.of_next is None:
        sentences.append(f"No interval over seeds is given with fewer than {MIN_SEEDS} of them.")
    else:
        said = (
            "What the interval over seeds can say: with ever more seeds on these very images the mean would "
            f"settle between {_limits(found.of_mean)} (95%, Student's t), and one seed more would give "
            f"between {_limits(found.of_next)} if scores are about normal."
        )
        if not seeds[0].evaluation.simulated:  # the paper's cells are real
            right, total = PAPER_COUNTS["accuracy"]
            is_within = found.of_next[0] <= right / total <= found.of_next[1]
            place = "within" if is_within else "outside"
            said += f" The paper's {right / total:.2%}, a single run, lies {place} that."
        sentences.append(said)
    sentences.append(
        "What it cannot say: how the network does on other people or in another laboratory. All seeds "
        "divide the same cells of the same people: more seeds narrow the interval and add no patient. "
        "Each seed's own interval (Wilson) holds the choice of its test cells, taken as independent."
    )
    return tuple(sentences)


def _limits(limits: tuple[float, float]) -> str:
    return f"{limits[0]:.1%} and {limits[1]:.1%}"


def _score(run: SeedRun, name: str) -> Interval:
    return run.validation_accuracy if name == "validation accuracy" else run.evaluation.metrics[name]


def _paper_cell(name: str) -> tuple[str, str]:
    if name not in PAPER_COUNTS:
        return NOT_STATED, ""
    right, total = PAPER_COUNTS[name]
    return f"{right / total:.2%}", f"{right} of {total}; {limits_text(wilson(right, total), '.1%')}"


def _cell(name: str, score: Interval) -> tuple[str, str]:
    limits = limits_text(score, ".3f" if name == "auroc" else ".1%")
    if name in PAPER_COUNTS:  # shares of cells: the count is what the reader can check
        limits = f"{round(score.estimate * score.cells)} of {score.cells}; {limits}"
    return _value(name, score.estimate), limits


def _mean_cell(name: str, found: SeedSpread) -> tuple[str, str]:
    if found.of_mean is None:
        return _value(name, found.mean), "no interval over so few seeds"
    return _value(name, found.mean), f"{_range(name, *found.of_mean)} over seeds"


def _spread_cell(name: str, found: SeedSpread) -> tuple[str, str]:
    assert found.deviation is not None  # noqa: S101  of two seeds and more
    deviation = f"{found.deviation:.3f}" if name == "auroc" else f"{100 * found.deviation:.1f} points"
    return deviation, _range(name, found.low, found.high)


def _value(name: str, value: float) -> str:
    return f"{value:.3f}" if name == "auroc" else f"{value:.2%}"


def _range(name: str, low: float, high: float) -> str:
    return f"{low:.3f} to {high:.3f}" if name == "auroc" else f"{low:.1%} to {high:.1%}"
