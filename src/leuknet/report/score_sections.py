"""The sections of a report that hold its scores: the result, runs side by side, what others published.

Start at `result`, then `comparison` and `literature`. Each takes the runs and returns blocks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

from leuknet.errors import DataError, ShapeError
from leuknet.evaluation.compare import compare
from leuknet.evaluation.margins import SIGNIFICANT
from leuknet.evaluation.metrics import METRICS
from leuknet.evaluation.summary import limits_text, score_text, settings_text, split_text
from leuknet.report.blocks import Block, Cell, Heading, Notice, Table, Text, Tiles, counted, shortened
from leuknet.report.facts import Runs, basis_text, methods_text, tested_text
from leuknet.report.literature import AIM, PUBLISHED
from leuknet.report.look_notices import look_notices
from leuknet.report.rounds import pooled_rounds
from leuknet.types import Evaluation, Interval

HEADLINE = ("weighted_f1", "auroc", "ece", "subject_accuracy")
"""What a reader comes for: the official metric, ranking, calibration, and how one person fares."""

BASELINES = {
    "area": "cell area alone",
    "colour": "mean colour alone",
    "nearest": "nearest image by pixel",
    "texture": "colour, texture and shape, boosted trees",
}
"""What the baselines of `leuknet.evaluation.baselines` look at."""

_CALLS = ("accuracy", "balanced_accuracy", "sensitivity", "specificity", "weighted_f1", "mcc")
_RESAMPLES = 2000
_PAIRS = 15
_ROWS = 40


def result(runs: Runs) -> tuple[Block, ...]:
    """Return the headline scores, and all that a reader must know before believing them."""
    blocks: list[Block] = []
    if len(runs) == 1:
        (run,) = runs
        blocks += [Text(f"tested on {tested_text(run)}.", strong=f"{run.name}:"), _tiles(run.evaluation)]
    else:
        shown, more = shortened(runs, _ROWS)
        names = [name for name in HEADLINE if any(name in run.evaluation.metrics for run in runs)]
        rows = tuple(_row(run.name, tested_text(run), run.evaluation.metrics, names) for run in shown)
        caption = f"{counted(len(runs), 'run')}: estimate, interval, and what it rests on"
        blocks.append(Table(caption, ("Run", *_titles(names)), rows, more))
    return (*blocks, *_warnings(runs), *look_notices(runs))


def comparison(runs: Runs) -> tuple[Block, ...]:
    """Return every metric of every run and baseline, and each pair of models on the same cells."""
    judged: list[tuple[str, str, Mapping[str, Interval]]] = [
        (run.name, tested_text(run), run.evaluation.metrics) for run in runs
    ]
    judged += pooled_rounds(runs)
    judged += [
        (name, "a baseline: a network must beat it", baseline.metrics) for name, baseline in _baselines(runs)
    ]
    shown, more = shortened(judged, _ROWS)
    others = [name for name in METRICS if name not in _CALLS]
    blocks: list[Block] = [
        Table(
            f"{caption}: estimate, interval, and what it rests on",
            ("Model", *_titles(names)),
            tuple(_row(*model, names) for model in shown),
            more,
        )
        for caption, names in (
            ("Calls at each model's threshold", _CALLS),
            ("Probabilities and people", others),
        )
    ]
    if not any(run.baselines for run in runs):
        blocks.append(Text("No baselines were scored: the cells that trained the model were not at hand."))
    return (*blocks, *_pairs(runs))


def literature(runs: Runs) -> tuple[Block, ...]:
    """Return one table of these runs and of what others have published, with split kind and source."""
    shown, more = shortened(runs, 6)
    ours: list[tuple[Cell, ...]] = [
        (
            (run.name, "this report"),
            scores_text(run.evaluation, HEADLINE[:3]),
            tested_text(run),
            run.evaluation.split_kind,
            "this report" + (", SIMULATED CELLS: not comparable" if run.evaluation.simulated else ""),
        )
        for run in shown
    ]
    published: list[tuple[Cell, ...]] = [
        ((row.system, row.note) if row.note else row.system, row.score, row.data, row.split, row.source)
        for row in PUBLISHED
    ]
    blocks: list[Block] = [
        Text(
            "Scores rank only within one split kind and one test set. Those of an image-level split are "
            "optimistic: cells of one person may sit on both sides."
        ),
        Text(f"{AIM}, each with an interval over subjects.", strong="The aim:"),
        Table(
            "These runs beside published results. No subject-disjoint score of a small network trained from "
            "scratch was found",
            ("System", "Score", "Test cells", "Split", "Source"),
            (*ours, *published),
        ),
    ]
    if more:
        blocks.insert(2, Text(f"{counted(more, 'run')} of this report left out of this table."))
    return tuple(blocks)


def baseline_title(name: str) -> str:
    """Return what a baseline looks at."""
    return f"baseline: {BASELINES.get(name, name)}"


def _tiles(evaluation: Evaluation) -> Tiles:
    tiles = []
    for name in HEADLINE:
        if name in evaluation.metrics:
            interval = evaluation.metrics[name]
            value, bounds = value_bounds(name, interval)
            basis = f"{basis_text(interval)}; {interval.method}"
            told = f"{interval.level:.0%} interval {bounds}" if interval.is_known else bounds
            tiles.append((METRICS[name].title, value, told, basis))
    return Tiles(tuple(tiles))


def _warnings(runs: Runs) -> list[Block]:
    """Return a box for each thing that makes a score worth less than it looks."""
    boxes: list[Block] = []
    by_image = [run for run in runs if run.evaluation.split_kind == "image-level"]
    if by_image:
        text = (
            f"Image-level split: {_names(by_image)}. Cells of one person may sit on both sides, and cells of "
            "one person look alike: part of the score can be memory of the person. One public ResNet18 had "
            "96.1 to 97.5% on such a split of C-NMC 2019, and 79 to 83% on new people."
        )
        which = "These" if len(by_image) == len(runs) else "Some"
        boxes.append(Notice(f"{which} scores are optimistic", (text,)))
    untold = [run for run in runs if run.evaluation.split_kind in ("unknown", "external")]
    for run in untold:
        if run.evaluation.trained_people is None:
            title = f"{run.name}: whether the model was trained on these people cannot be told"
            boxes.append(Notice(title, (f"Split: {split_text(run.evaluation)}.",)))
    for run in runs:
        if chosen := settings_text(run.evaluation):
            text = f"The settings of this recipe were {chosen}. `leuknet tune` saw their labels."
            boxes.append(Notice(f"{run.name}: settings were chosen on tested people", (text,)))
    proven = [run for run in runs if run.overlap is not None and run.overlap.is_disjoint]
    unproven = [run for run in runs if run not in proven and run not in by_image]
    if unproven:
        title = "That trained and tested cells have nothing in common is not proven"
        boxes.append(Notice(title, (f"{_names(unproven)}: see the section on the split.",)))
    for run in runs:
        evaluation = run.evaluation
        lines = []
        if evaluation.warned:
            lines.append(
                f"{counted(len(evaluation.warned), 'scored cell')} of {evaluation.cells:,} depart from what "
                "the model was trained on. They count in each score."
            )
        if evaluation.unreadable:
            unreadable = counted(len(evaluation.unreadable), "test cell")
            lines.append(f"{unreadable} could not be read, and count in no score.")
        if lines:
            boxes.append(Notice(f"{run.name}: look at the cells", tuple(lines)))
    return boxes[:_PAIRS]


def _names(runs: Runs) -> str:
    shown, more = shortened(runs, 6)
    return ", ".join(run.name for run in shown) + (f" and {more} more" if more else "")


def _pairs(runs: Runs) -> tuple[Block, ...]:
    candidates = [
        (first.name, first.evaluation, second.name, second.evaluation)
        for first, second in combinations(runs, 2)
    ]
    candidates += [
        (baseline_title(name), baseline, run.name, run.evaluation)
        for run in runs
        for name, baseline in run.baselines.items()
    ]
    if not candidates:
        return ()
    shown, more = shortened(candidates, _PAIRS)
    return (
        Heading("Pair by pair"),
        Text(
            "Both models of a pair meet the same cells, so that their difference has an interval of its "
            "own, from leaving out one subject at a time, or one cell where subjects do not count. The p "
            "value is the larger one of two tests, the other of which swaps the answers of whole subjects "
            f"({_RESAMPLES:,} resamples). From p = {SIGNIFICANT} on, the two are not told apart, which does "
            "not make them equal: `leuknet compare --margin` asks that. Many pairs make small p values "
            "likely by chance alone; none here is corrected for that. What is compared are these trained "
            "models: a recipe is judged over several seeds, by `leuknet benchmark --against`."
        ),
        Table(
            "Difference in AUROC, second minus first",
            ("First", "Second", "Difference", "p", "What it says"),
            tuple(_pair(*pair) for pair in shown),
            more,
        ),
    )


def _pair(first_name: str, first: Evaluation, second_name: str, second: Evaluation) -> tuple[Cell, ...]:
    if first.dataset != second.dataset or set(first.paths) != set(second.paths):
        return first_name, second_name, "-", "-", "not comparable: other test cells"
    try:
        found = compare(first, second, resamples=_RESAMPLES)
    except (DataError, ShapeError) as error:
        return first_name, second_name, "-", "-", f"not comparable: {error.why}"
    change = found.difference
    p_value = f"{found.p_value:.3f}" if found.p_value >= 0.001 else "< 0.001"
    return (
        first_name,
        second_name,
        (f"{change.estimate:+.3f}", limits_text(change, "+.3f"), basis_text(change)),
        p_value,
        found.warning or found.verdict or "",
    )


def _baselines(runs: Runs) -> list[tuple[str, Evaluation]]:
    """Return each baseline once, though runs on one split share it; others carry the run's name."""
    found: dict[object, tuple[str, str, Evaluation]] = {}
    for run in runs:
        for name, baseline in run.baselines.items():
            answers = baseline.paths, baseline.probabilities
            found.setdefault(answers, (baseline_title(name), run.name, baseline))
    titles = [title for title, *_ in found.values()]
    return [
        (title if titles.count(title) == 1 else f"{title}, beside {run_name}", baseline)
        for title, run_name, baseline in found.values()
    ]


def _titles(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(METRICS[name].title for name in names)


def _row(name: str, basis: str, metrics: Mapping[str, Interval], names: Sequence[str]) -> tuple[Cell, ...]:
    known = {key: metrics[key] for key in names if key in metrics}
    return (name, basis, methods_text(known)), *(_score(key, metrics.get(key)) for key in names)


def _score(name: str, interval: Interval | None) -> Cell:
    if interval is None:
        return "not known"
    return *value_bounds(name, interval), basis_text(interval)


def scores_text(evaluation: Evaluation, names: Sequence[str]) -> str:
    """Return those of these metrics that are known, in words: `AUROC 0.912 (0.870 to 0.945), ...`."""
    metrics = evaluation.metrics
    return ", ".join(
        f"{METRICS[name].title} {score_text(name, metrics[name])}" for name in names if name in metrics
    )


def value_bounds(name: str, interval: Interval) -> tuple[str, str]:
    """Return `80.4%` and `68.2 to 88.7`, or `no interval`."""
    value, bounds = score_text(name, interval).split(" (")
    return value, bounds.removesuffix(")")
