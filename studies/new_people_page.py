"""Says in words what `new_people` measured. Start at `new_people_lines`."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from typing import Any

from leuknet.evaluation.summary import markdown_table

CHOSEN = "chosen in each round"


def new_people_lines(found: dict[str, Any]) -> list[str]:
    """Return the section."""
    n_normal, n_leukaemic = found["cells"]
    people_normal, people_leukaemic = found["people"]
    own = next(row for row in found["rows"] if row["name"] == CHOSEN)
    return [
        f"A linear probe on stages of EfficientNet-Lite0, {n_leukaemic:,} ALL cells of {people_leukaemic} people and "
        f"{n_normal:,} HEM cells of {people_normal}. In each of {len(found['rounds'])} rounds some people are tested; form "
        "of the image, stages, penalty, and whether people or cells of a class count alike are chosen anew among the "
        "others, by the loss by subject. So nobody who tests has chosen or taught. All people together choose "
        f"{_said(found['by_all'])}; what the recipe `probe-stages` does is the first line of the second table.",
        "",
        _rounds(found),
        "",
        f"Over all rounds together the probe has AUROC {own['auroc']}. Against the baselines, paired, over people: "
        + "; ".join(
            f"{name}: {told['difference']}, p = {told['p']:.2g}" for name, told in found["against"].items()
        )
        + ". Intervals that leave people out are wide: so few healthy people decide.",
        "",
        markdown_table(
            ("", "AUROC", "balanced accuracy", "weighted F1"),
            [
                (row["name"], row["auroc"], row["balanced_accuracy"], row["weighted_f1"])
                for row in found["rows"]
            ],
        ),
        "",
        "### Taught by fold_1 alone, tested on people outside it",
        "",
        *_outside(found["outside"]),
        "",
        "### One ingredient at a time",
        "",
        "The same rounds with learners that are fixed, the first of them as `probe-stages`; each other line changes one "
        "thing. They were looked at on the people who test, so the best of them flatters.",
        "",
        _by_rounds("", ((_said(one["learner"]), one["rounds"]) for one in found["fixed"])),
        "",
        "### How many people, how many cells",
        "",
        "AUROC of `probe-stages` taught by so many healthy people and as large a share of the leukaemic ones, and by "
        "so many cells of each person; mean of five draws in each round. Where it still rises at the end, more people "
        "would teach more.",
        "",
        _by_rounds(
            "taught by",
            (
                (f"{one['size']} {'healthy' if kind == 'people' else kind}", one["rounds"])
                for kind, curve in found["curves"].items()
                for one in curve
            ),
        ),
        "",
    ]


def _said(learner: dict[str, Any]) -> str:
    return (
        f"{learner['form']}, stages {learner['stages']}, C = {learner['penalty']:g}, "
        f"{learner['alike']}{' people and cells' if learner['alike'] == 'between' else ''} alike"
    )


def _rounds(found: dict[str, Any]) -> str:
    heads = (
        "healthy people",
        "ALL / HEM cells",
        "people",
        "chosen",
        *("AUROC" if row["name"] == CHOSEN else row["name"] for row in found["rows"]),
    )
    lines = []
    for place, one in enumerate(found["rounds"]):
        chosen = one["chosen"]
        lines.append(
            (
                one["healthy"],
                f"{one['cells'][1]:,} / {one['cells'][0]:,}",
                str(one["people"]),
                _said(chosen),
                *(f"{row['rounds'][place]:.3f}" for row in found["rows"]),
            )
        )
    means = (f"{statistics.fmean(row['rounds']):.3f}" for row in found["rows"])
    return markdown_table(heads, [*lines, ("mean of rounds", "", "", "", *means)])


def _outside(found: dict[str, Any]) -> list[str]:
    n_normal, n_leukaemic = found["cells"]
    chosen = found["chosen"]
    against = "; ".join(
        f"{name}: {told['difference']}, p = {told['p']:.2g}" for name, told in found["against"].items()
    )
    return [
        f"{n_leukaemic:,} ALL cells of {found['people'][1]} people and {n_normal:,} HEM cells of {found['people'][0]}. "
        f"The three healthy people of fold_1 choose {_said(chosen)}.",
        "",
        markdown_table(("", "AUROC"), [(row["name"], row["auroc"]) for row in found["rows"]]),
        "",
        f"`probe-stages` against the baselines, paired, over people: {against}. Its settings were chosen with these "
        "people among others, so this line is no test of them; the rounds above are.",
    ]


def _by_rounds(head: str, lines: Iterable[tuple[str, Sequence[float]]]) -> str:
    """A table of AUROC: mean, lowest and highest round."""
    return markdown_table(
        (head, "mean of rounds", "lowest", "highest"),
        [
            (name, f"{statistics.fmean(rounds):.3f}", f"{min(rounds):.3f}", f"{max(rounds):.3f}")
            for name, rounds in lines
        ],
    )
