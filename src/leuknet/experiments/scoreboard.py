"""Makes one table and one plot of the evaluations of a benchmark, from their files alone.

Each recipe and baseline is a row: the mean over seeds of its scores, each on the cells of all rounds of the
protocol together, since every round tests other cells. Intervals hold the choice of people and of seeds.

Where it is asked for, one more row is nested: in each round of each seed it takes the recipe with the
lowest loss by subject on its own validation side. That is what a user gets who chooses among the recipes
without looking at the test side, and it does not have the luck of the best row.

Start at `summarise`.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from leuknet.data.protocols import PROTOCOLS
from leuknet.errors import DataError, SettingError
from leuknet.evaluation.by_round import ROUND_NOTE, ByRound, by_round, round_table
from leuknet.evaluation.evaluate import read_evaluation
from leuknet.evaluation.margins import check_margin
from leuknet.evaluation.metrics import METRICS
from leuknet.evaluation.naming import short_recipe, short_recipes
from leuknet.evaluation.standings import (
    MIN_SEEDS,
    Difference,
    Row,
    choose_by_validation,
    complete_seeds,
    find_differences,
    make_row,
    name_of,
)
from leuknet.evaluation.summary import markdown_table, score_text, signed_text
from leuknet.figures.frame import save_figure
from leuknet.figures.scores_plot import draw_scores
from leuknet.records import write_whole
from leuknet.types import Evaluation

EVALUATIONS = "evaluations"
"""Folder, below that of a protocol, with one file for each cell of the grid."""

SHOWN = ("auroc", "weighted_f1", "balanced_accuracy", "subject_accuracy", "ece")
"""Metrics of the table that people read; table.csv has all."""

NESTED = "chosen on validation (nested)"
"""Name of the row that takes another recipe in each round."""

_NUMBERS = ("estimate", "low", "high", "interval")


@dataclass(frozen=True)
class Summary:
    """All rows, recipes before baselines and the best AUROC first; and what was left out, in words.

    Attributes
    ----------
    chosen
        Recipe to how often the nested row took it; empty without such a row.
    differences
        Of each other row from the one that was asked for.
    margin
        The largest loss that would not matter, None where none was named.
    rounds
        Name of a row to its AUROC round by round; empty where the protocol has one round.
    """

    rows: tuple[Row, ...]
    incomplete: tuple[str, ...]
    chosen: Mapping[str, int]
    differences: tuple[Difference, ...] = ()
    margin: float | None = None
    rounds: Mapping[str, ByRound] = field(default_factory=dict)


def summarise(
    folder: Path, *, nested: bool = False, against: str | None = None, margin: float | None = None
) -> Summary:
    """Make table and plot of a protocol's evaluations alone.

    Parameters
    ----------
    folder
        Of the protocol.
    nested
        Add the row that chooses a recipe in each round.
    against
        Name of a row from which the differences of all others are taken; None takes none.
    margin
        Also say of each difference whether the row is as good but for so much, in each metric's own unit.

    Raises
    ------
    SettingError
        If the margin is out of range, or there is nothing that it is of.
    DataError
        If there is no complete evaluation of a recipe by the protocol, or a file is damaged; if `nested`,
        and an evaluation does not state its loss on validation.
    """
    check_margin(margin)
    if margin is not None and against is None:
        raise SettingError(
            "a margin needs two rows", why="no row is named to compare with", fix="name it with --against"
        )
    groups: dict[str, list[Evaluation]] = {}
    for path in sorted((folder / EVALUATIONS).rglob("*.json")):
        place = path.parent.relative_to(folder / EVALUATIONS)
        groups.setdefault(str(place), []).append(read_evaluation(path))
    behind, incomplete = _complete_groups(groups)
    if not behind:
        raise DataError(
            f"cannot make a table of {folder}",
            why=f"below {EVALUATIONS} there is no recipe with all rounds of the protocol for one seed",
            fix="run `leuknet benchmark` with --data, and the same --out and --protocol, to its end",
        )
    chosen = choose_by_validation(groups.values()) if nested else []
    if complete := complete_seeds(chosen):
        behind[NESTED] = complete
    rows = [replace(make_row(members), name=name) for name, members in behind.items()]
    ordered = sorted(rows, key=lambda row: (row.is_baseline, -row.scores["auroc"].estimate))
    differences: tuple[Difference, ...] = ()
    if against is not None:  # by the short name of its row, or by its recipe's whole name
        named = {row.name: behind[row.name] for row in ordered}
        differences = find_differences(named, against=against if against in named else short_recipe(against))
    rounds = {row.name: areas for row in ordered if (areas := by_round(behind[row.name])) is not None}
    often = Counter(short_recipe(evaluation.recipe) for evaluation in chosen)
    found = Summary(tuple(ordered), tuple(incomplete), often, differences, margin, rounds)
    write_whole(folder / "table.md", _markdown(found).encode())
    write_whole(folder / "table.csv", _csv(found).encode())
    first = found.rows[0]
    figure = draw_scores(
        found.rows,
        subtitle=f"Protocol {first.protocol}, {first.split_kind} split, {first.cells:,} cells"
        + ("" if first.subjects is None else f" of {first.subjects} people")
        + f"; dots are means over seeds, lines {_rests_on(first)}, ticks single seeds.",
        simulated=first.simulated,
    )
    save_figure(figure, folder / "scores")
    return found


def table_heads(metrics: Sequence[str]) -> tuple[str, ...]:
    """Return the heads of the columns of `table_rows`."""
    return ("model", "seeds", "cells (people)", *(METRICS[name].title for name in metrics))


def table_rows(rows: Sequence[Row], metrics: Sequence[str]) -> list[tuple[str, ...]]:
    """Return the table as texts: name, seeds, cells with people, then each metric with its interval."""
    return [
        (
            row.name,
            str(len(row.seeds)),
            f"{row.cells:,} ({'?' if row.subjects is None else row.subjects})",
            *(score_text(name, row.scores[name]) if name in row.scores else "not known" for name in metrics),
        )
        for row in rows
    ]


def _complete_groups(
    groups: Mapping[str, Sequence[Evaluation]],
) -> tuple[dict[str, list[Evaluation]], list[str]]:
    """Return the evaluations behind each row by its name, and what is left out, in words.

    Recipes with the same splits have the same baselines: these are shown once. A baseline that was fitted to
    several recipes' cells says whose.
    """
    found: dict[tuple[str, frozenset[str]], tuple[str, list[Evaluation]]] = {}
    incomplete = []
    for place, members in groups.items():
        name, complete = name_of(members[0]), complete_seeds(members)
        if len(complete) < len(members):
            incomplete.append(f"{name}: {len(members) - len(complete)} runs of seeds that lack a round")
        if complete:
            cells = frozenset(evaluation.split_fingerprint for evaluation in complete)
            found.setdefault((name, cells), (place, complete))
    often = Counter(name for name, _ in found)
    short = short_recipes(often)
    behind = {}
    for (name, _), (place, complete) in found.items():
        whose = Path(place).parts[0].partition("-changed")[0]
        behind[f"{short[name]} (cells of {whose})" if often[name] > 1 else short[name]] = complete
    return behind, incomplete


def _markdown(summary: Summary) -> str:
    """Return the table as Markdown, with what its numbers rest on."""
    first = summary.rows[0]
    lines = [
        f"# Protocol {first.protocol}: {first.split_kind} split" + (", simulated cells" * first.simulated),
        PROTOCOLS[first.protocol].purpose,
        markdown_table(table_heads(SHOWN), table_rows(summary.rows, SHOWN)),
        "Scores are means over seeds, each on the cells of all rounds together; in brackets "
        f"{_rests_on(first)}. Baselines should not work as well as they do: what they reach, a network "
        "may owe to size, colour and texture.",
        *(f"Not in the table: {text}." for text in summary.incomplete),
        *_round_lines(summary.rounds),
        *_difference_lines(summary),
        *_nested_lines(summary.chosen),
        "Research software, not a medical device.",
    ]
    return "\n\n".join(lines) + "\n"


def difference_rows(
    differences: Sequence[Difference], metrics: Sequence[str], *, margin: float | None = None
) -> list[tuple[str, ...]]:
    """Return a row of texts for each difference: the name, then each metric with interval and verdict."""
    return [
        (difference.name, *(_difference_text(difference, metric, margin) for metric in metrics))
        for difference in differences
    ]


def _difference_text(difference: Difference, metric: str, margin: float | None) -> str:
    text = f"{signed_text(metric, difference.scores[metric])}: {difference.verdict(metric)}"
    if difference.has_verdict(metric):
        p_value = difference.adjusted[metric]
        text += f", p {'< 0.001' if p_value < 0.001 else f'= {p_value:.2g}'}"
    within = None if margin is None else difference.within(metric, margin)
    return text if within is None else f"{text}; within {within.margin:g}: {within.verdict}"


def difference_notes(differences: Sequence[Difference], *, margin: float | None = None) -> list[str]:
    """Return what verdicts rest on, in sentences; empty without differences."""
    if not differences:
        return []
    notes = [
        "Verdicts come from the paired test alone: people are left out one at a time, and seeds vary. p "
        "values are corrected for the number of recipes, and apart from these for that of baselines (Holm), "
        "not for the number of columns; intervals are not corrected. That two cannot be told apart does not "
        "make them equal: for that, name a margin with --margin."
    ]
    if any(difference.seeds < MIN_SEEDS for difference in differences):
        notes.append(
            f"A verdict on recipes needs {MIN_SEEDS} seeds: with fewer, the luck of one training cannot be "
            "told from the recipe. Intervals of one seed speak of these very models."
        )
    if margin is not None:
        notes.append(
            f"Margin {margin:g} in each column's own unit (one point is 0.01): equivalent where the 95% "
            "interval lies within it on both sides, not worse where it does on the worse side."
        )
    return notes


def _difference_lines(summary: Summary) -> list[str]:
    differences = summary.differences
    if not differences:
        return []
    shown = [name for name in SHOWN if all(name in difference.scores for difference in differences)]
    heads = (f"minus {differences[0].against}", *(METRICS[name].title for name in shown))
    table = markdown_table(heads, difference_rows(differences, shown, margin=summary.margin))
    return [table, " ".join(difference_notes(differences, margin=summary.margin))]


def _round_lines(rounds: Mapping[str, ByRound]) -> list[str]:
    if not rounds:
        return []
    return ["## AUROC round by round", markdown_table(*round_table(rounds)), ROUND_NOTE]


def _nested_lines(chosen: Mapping[str, int]) -> list[str]:
    often = sorted(chosen.items(), key=lambda entry: -entry[1])
    took = ", ".join(f"{name} {'once' if n == 1 else f'{n} times'}" for name, n in often)
    return [f"The nested row took {took}, each time by validation alone."] if chosen else []


def _rests_on(row: Row) -> str:
    interval = row.scores["auroc"]
    if not interval.is_known:
        return str(interval.method)
    return f"the {interval.level:.0%} interval ({interval.method})"


def _csv(summary: Summary) -> str:
    """Return one line for each row and metric, and for its AUROC in each round and as their mean."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("model", "protocol", "split", "metric", "seeds", "cells", "subjects", *_NUMBERS))
    for row in summary.rows:
        about = (row.name, row.protocol, row.split_kind)
        for name, score in row.scores.items():
            numbers = (score.estimate, score.low, score.high, score.method)
            writer.writerow((*about, name, len(row.seeds), row.cells, row.subjects, *numbers))
        if row.name in summary.rounds:
            found = summary.rounds[row.name]
            of_rounds = {f"auroc, round {name}": score for name, score in found.rounds.items()}
            for name, score in {**of_rounds, "auroc, mean of rounds": found.within}.items():
                numbers = (score.estimate, score.low, score.high, score.method)
                writer.writerow((*about, name, len(row.seeds), score.cells, score.subjects, *numbers))
    return text.getvalue()
