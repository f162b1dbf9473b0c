"""What a reproduction page is made from, and the checks that its parts belong to one run.

Start at `ReproductionContent`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from leuknet.errors import SettingError
from leuknet.experiments.folds import Fold
from leuknet.types import Dataset, Evaluation, Interval, Recipe, Split

FIGURES = {
    "framework": "Figure 1",
    "samples": "Figure 2",
    "network": "Figure 3",
    "classified": "Figure 4",
    "confusion": "Figure 5",
    "history": "Training curve",
}
"""The figures that every page holds, in this order, and what each is called: the paper's numbers."""

METRICS = ("accuracy", "sensitivity", "specificity", "weighted_f1", "auroc")
"""The metrics that every page states."""


@dataclass(frozen=True)
class FigureFile:
    """One figure of the page.

    Attributes
    ----------
    path
        The PNG file; its bytes go into the page.
    caption
        What the figure shows, and how what it shows was chosen.
    alt
        The same for someone who cannot see it: never empty.
    """

    path: Path
    caption: str
    alt: str


@dataclass(frozen=True)
class SeedRun:
    """What came of one seed.

    Attributes
    ----------
    evaluation
        The test side, scored once.
    validation_accuracy
        After the last iteration.
    training_s
        Seconds of training, validations included.
    precision
        As on the model's card: `no`, `bf16`, or empty where it is not known.
    """

    seed: int
    evaluation: Evaluation
    validation_accuracy: Interval
    training_s: float
    precision: str = ""


@dataclass(frozen=True)
class ReproductionContent:
    """The paper's experiment with one seed or several, complete enough to be judged and repeated.

    Figures, split and recipe are of the first seed.

    Attributes
    ----------
    created_at
        UTC, ISO 8601.
    dataset, split, recipe
        What was read, how it was divided and how the network was trained. `dataset.simulated` decides
        about the page's loudest banner.
    fold
        Which part the cells come from, and why that one.
    reduced
        Each thing made smaller than in the paper, as a short phrase; empty at full size.
    seeds
        What came of each, the first one first.
    machine
        Processor, cores and memory in words.
    figures
        One for each name in `FIGURES`.
    versions
        Software to version, LeukNet's first.
    commands
        Command lines that repeat the run, in order.
    files
        File name to what it holds, for what the run wrote beside the page.
    """

    title: str
    created_at: str
    dataset: Dataset
    fold: Fold
    split: Split
    recipe: Recipe
    reduced: tuple[str, ...]
    seeds: tuple[SeedRun, ...]
    machine: str
    figures: Mapping[str, FigureFile]
    versions: Mapping[str, str]
    commands: tuple[str, ...]
    files: Mapping[str, str]

    @property
    def evaluation(self) -> Evaluation:
        """That of the first seed."""
        return self.seeds[0].evaluation


def check_content(content: ReproductionContent) -> None:
    """Raise `SettingError` if a part is missing or the parts tell of different runs."""
    faults = [f"there is no figure named {name}" for name in FIGURES if name not in content.figures]
    faults += [
        f"figure {name} has no alternative text" for name, figure in content.figures.items() if not figure.alt
    ]
    faults += [
        f"the evaluation of seed {run.seed} holds no {name}"
        for run in content.seeds
        for name in METRICS
        if name not in run.evaluation.metrics
    ]
    if content.evaluation.split_fingerprint != content.split.fingerprint:
        faults.append("the evaluation was made on another split than the one described")
    if content.evaluation.split_kind != content.split.kind:
        faults.append(
            f"the split is {content.split.kind}, the evaluation says {content.evaluation.split_kind}"
        )
    if any(run.evaluation.simulated != content.dataset.simulated for run in content.seeds):
        faults.append("data set and evaluation disagree about whether the cells are simulated")
    if faults:
        raise SettingError(
            "cannot build the page of this run",
            why="; ".join(faults),
            fix="pass split, evaluation and all six figures of one and the same run",
        )
