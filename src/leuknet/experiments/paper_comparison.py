"""What the paper states, beside what a run gave.

The paper gives no intervals. Its counts are known or follow from its percentages (382 of 452 is the only
count that gives 84.51%), so Wilson intervals are computed for it here, at the 95% level of the runs.

Start at `comparison_rows`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from leuknet.evaluation.resampling import wilson
from leuknet.evaluation.summary import limits_text
from leuknet.experiments.paper_content import ReproductionContent
from leuknet.types import Interval, Label, Recipe, Split

PAPER_COUNTS = {
    "validation accuracy": (382, 452),
    "accuracy": (196, 226),
    "sensitivity": (97, 113),
    "specificity": (99, 113),
}
"""Cells called right and cells in all."""

NOT_STATED = "not stated"


@dataclass(frozen=True)
class ComparisonRow:
    """One line of the table "paper / this run"; details are smaller print below the values."""

    quantity: str
    paper: str
    paper_detail: str
    run: str
    run_detail: str


def comparison_rows(content: ReproductionContent) -> tuple[ComparisonRow, ...]:
    """Return the lines of the table "paper / this run": scores first, then what they rest on.

    Raises
    ------
    KeyError
        If the evaluation lacks a metric; `check_content` tells that in words.
    """
    metrics = content.evaluation.metrics
    return (
        _score_row("Test accuracy", "accuracy", metrics["accuracy"]),
        _score_row("Sensitivity", "sensitivity", metrics["sensitivity"]),
        _score_row("Specificity", "specificity", metrics["specificity"]),
        _score_row(
            "Validation accuracy at the end", "validation accuracy", content.seeds[0].validation_accuracy
        ),
        _score_row("Weighted F1", "weighted_f1", metrics["weighted_f1"]),
        _score_row("Area under the ROC curve", "auroc", metrics["auroc"]),
        *_setting_rows(content),
    )


def _score_row(quantity: str, name: str, run: Interval) -> ComparisonRow:
    paper, detail = NOT_STATED, ""
    if name in PAPER_COUNTS:
        right, total = PAPER_COUNTS[name]
        paper = f"{right / total:.2%}"
        detail = f"{right} right; {interval_text(wilson(right, total))}"
    value = f"{run.estimate:.3f}" if name == "auroc" else f"{run.estimate:.2%}"
    return ComparisonRow(quantity, paper, detail, value, interval_text(run, percent=name != "auroc"))


def interval_text(interval: Interval, *, percent: bool = True) -> str:
    """Return the bounds of an interval and what they rest on, in words."""
    style = ".1%" if percent else ".3f"
    method = interval.method.label
    subjects = "" if interval.subjects is None else f" of {interval.subjects:,} subjects"
    rests_on = f"{interval.cells:,} cells{subjects}"
    if not interval.is_known:
        return f"{method}; {rests_on}"
    return f"{interval.level:.0%} interval {limits_text(interval, style)}, {method}; {rests_on}"


def _setting_rows(content: ReproductionContent) -> tuple[ComparisonRow, ...]:
    split, recipe = content.split, content.recipe
    used = split.cells
    leukaemic = sum(cell.label == Label.LEUKAEMIC for cell in used)
    names = content.dataset.class_names
    data = f"{content.dataset.name} {content.dataset.version}"
    data += ", SIMULATED" if content.dataset.simulated else ""
    return (
        ComparisonRow("Data", "C-NMC 2019", "the counts are those of fold_0", data, content.fold.why),
        ComparisonRow(
            "Images used", "2,260", "1,130 ALL and 1,130 HEM, balanced by random deletion",
            f"{len(used):,}", f"{leukaemic:,} {names[1]} and {len(used) - leukaemic:,} {names[0]}",
        ),
        ComparisonRow(
            "Training, validation, test", "1,582 / 452 / 226", "70 / 20 / 10%, at random by image",
            f"{len(split.train):,} / {len(split.validation):,} / {len(split.test):,}", f"{split.kind} split",
        ),
        ComparisonRow(
            "Input", _size_text(224), "RGB", _size_text(recipe.image_size_px), "RGB",
        ),
        ComparisonRow(
            "Training", "10 epochs", "Adam, rate 0.0001, halved after 7 epochs; batch size not stated",
            f"{recipe.epochs} epochs", _training_text(recipe),
        ),
        ComparisonRow(
            "Training time", duration_text(45 * 60 + 34), "one CPU, 12 GB of memory",
            duration_text(content.seeds[0].training_s), content.machine,
        ),
    )  # fmt: skip


def _training_text(recipe: Recipe) -> str:
    drop = f"times {recipe.rate_drop_factor:g} after every {recipe.rate_drop_epochs} epochs"
    return f"Adam, rate {recipe.learning_rate:g}, {drop}; batches of {recipe.batch_size}"


def _size_text(side_px: int) -> str:
    return f"{side_px} by {side_px} pixels"


def duration_text(seconds: float) -> str:
    """Return a duration in words.

    Examples
    --------
    >>> duration_text(2734)
    '45 min 34 s'
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [(hours, "h"), (minutes, "min"), (rest, "s")]
    first = next((place for place, (amount, _) in enumerate(parts) if amount), 2)
    return " ".join(f"{amount} {unit}" for amount, unit in parts[first:])


def side_counts(split: Split) -> tuple[tuple[str, int, int], ...]:
    """Return name, leukaemic cells and normal cells of each side of a split."""
    sides = (("training", split.train), ("validation", split.validation), ("test", split.test))
    counts = {name: Counter(cell.label for cell in cells) for name, cells in sides}
    return tuple((name, n[Label.LEUKAEMIC], n[Label.NORMAL]) for name, n in counts.items())
