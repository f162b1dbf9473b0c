"""Measures on real cells what a split by image flatters, and what LeukNet's recipes are worth for new people.

`measure_real_audit` divides the cells of fold_1 by image and by person in turn. `measure_real_recipes` trains
each recipe on the people of fold_1, with several seeds, and judges it on everybody outside; whoever is tested
has chosen nothing. Networks that are trained whole see small images, so that this ends within a night. Finished
runs are taken as they are. A part of `studies/results.py`.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from commands import BUILD, restore, run, run_once
from leuknet.errors import DataError
from leuknet.evaluation.baselines import BASELINES
from leuknet.evaluation.evaluate import read_evaluation
from leuknet.evaluation.standings import make_row
from leuknet.evaluation.summary import markdown_table, score_text
from leuknet.experiments.leak_audit import Audit, table_rows
from leuknet.records import read_record
from leuknet.types import Evaluation, Label

AUDITED = "probe-stages"
AUDIT_SETTINGS = ("parts=fold_1", "fractions=[0.5,0.2,0.3]")
AUDIT_HEADS = ("learner", "metric", "image-level", "subject-level", "optimism of the image-level split")
SEEDS = (0, 1, 2)

SMALL = ("image_size_px=64",)
"""Of networks that are trained whole: less than a tenth of the work of their 224 pixels."""


class Measured(NamedTuple):
    """A recipe as it is measured here: what differs beside cells and fractions, and in what it is trained."""

    settings: tuple[str, ...] = ()
    precision: str = "bf16"


# Convolutions of one map each, as EfficientNet has them, are no faster in bf16.
RECIPES = {
    "probe-stages": Measured(),
    "probe-lite0": Measured(),
    "leuknet-paper": Measured((*SMALL, "balance=false", "split=subject-level")),
    "leuknet-plus": Measured(SMALL),
    "effnet-lite0": Measured((*SMALL, "epochs=5"), "no"),
    "strong": Measured((*SMALL, "epochs=5"), "no"),
}
"""Those that take least time first."""

SIDES = "fractions=[0.8,0.2,0]"
TAUGHT_BY = ("parts=fold_1", SIDES)

BEGUN = "leuknet-paper"
"""The recipe that is also trained on simulated cells alone, and on real ones with the weights that these gave."""

SIMULATED = "data simulate {folder} --scale 0.15 --part fold_0 --part fold_1 --part fold_2"
SIMULATED_PARTS = "parts=[fold_0,fold_1,fold_2]"
OTHER_PARTS = ("fold_0", "fold_2")
"""Where the people outside fold_1 are."""
SHOWN = ("auroc", "balanced_accuracy", "weighted_f1")


def measure_real_audit(data: Path) -> dict[str, Any]:
    """Divide the cells of fold_1 by image and by person, with each seed."""
    root, restored = restore(data)
    out = BUILD / "real-audit"
    seeds = ",".join(map(str, SEEDS))
    command = run(
        f"audit --data {root} --recipe {AUDITED} --seeds {seeds} --out {out} {_options(AUDIT_SETTINGS)}"
    )
    tested = [
        read_evaluation(path)
        for path in sorted((out / "evaluations").glob("*.json"))
        if "subject-level" in path.name
    ]
    return {
        "commands": [restored, command],
        **audit_numbers(out),
        "healthy": [_healthy(one) for one in tested],
    }


def audit_numbers(out: Path) -> dict[str, Any]:
    """Return what `leuknet audit` left in a folder, as plain numbers and text."""
    found = read_record(Audit, out / "audit.json", error=DataError, fix="measure again")
    return {
        "verdict": found.verdict,
        "cells": found.cells,
        "subjects": found.subjects,
        "met_share": found.met_share,
        "rows": table_rows(found),
    }


def _healthy(evaluation: Evaluation) -> list[str]:
    pairs = zip(evaluation.subject_ids, evaluation.labels, strict=True)
    return sorted({str(who) for who, label in pairs if label == Label.NORMAL})


def measure_real_recipes(data: Path) -> dict[str, Any]:
    """Train each recipe on fold_1 with each seed; judge it, and the baselines, on all other people."""
    root, restored = restore(data)
    commands, rows = [restored], []
    for recipe in RECIPES:
        judged = _train_and_judge(recipe, recipe, root, TAUGHT_BY, judge_on=str(root), commands=commands)
        rows.append(_row(recipe, RECIPES[recipe].settings, judged))
    first = [_place(next(iter(RECIPES)), seed) / "new" / "baselines" for seed in SEEDS]
    rows += [
        _row(f"baseline: {name}", (), [read_evaluation(folder / f"{name}.json") for folder in first])
        for name in BASELINES
    ]
    return {"commands": commands, "rows": rows, **_basis(judged[0])}


def measure_real_begun(data: Path) -> dict[str, Any]:
    """Train a recipe on simulated cells alone, and on fold_1 with the weights that these gave."""
    root, restored = restore(data)
    drawn = BUILD / "real-recipes" / "simulated"
    commands = [restored, run_once(drawn, SIMULATED.format(folder=drawn))]
    # The people on whom all others are judged: a model that knows nobody of fold_1 would be judged on it too.
    others = f"{root}" + "".join(f" --part {part}" for part in OTHER_PARTS)
    alone, first = f"{BEGUN}, simulated cells alone", f"{BEGUN}, simulated cells first"
    judged = [
        _train_and_judge(alone, BEGUN, drawn, (SIMULATED_PARTS, SIDES), judge_on=others, commands=commands),
        _train_and_judge(first, BEGUN, root, TAUGHT_BY, judge_on=str(root), commands=commands, begin=alone),
    ]
    rows = [_row(name, (), one) for name, one in zip((alone, first), judged, strict=True)]
    return {"commands": commands, "rows": rows, "alone": judged[0][0].cells, **_basis(judged[1][0])}


def _train_and_judge(
    name: str,
    recipe: str,
    cells: Path,
    taught_by: Sequence[str],
    *,
    judge_on: str,
    commands: list[str],
    begin: str | None = None,
) -> list[Evaluation]:
    """Train and judge with each seed what is not there; note the commands, and return the evaluations."""
    judged = []
    for seed in SEEDS:
        out = _place(name, seed)
        start = f" --start-from {_place(begin, seed) / 'model'}" if begin else ""
        options = f"--data {cells} {_options((*RECIPES[recipe].settings, *taught_by))} --seed {seed}"
        options += f" --precision {RECIPES[recipe].precision}{start} --out {out} --resume"
        commands.append(run_once(out / "model", f"train {recipe} {options}"))
        judge = f"evaluate {out / 'model'} --data {judge_on} --new-people --out {out / 'new'}"
        commands.append(run_once(out / "new" / "evaluation.json", judge))
        judged.append(read_evaluation(out / "new" / "evaluation.json"))
    return judged


def _place(name: str, seed: int) -> Path:
    return BUILD / "real-recipes" / f"{name.replace(', ', '-').replace(' ', '-')}-{seed}"


def _options(settings: Sequence[str]) -> str:
    return " ".join(f"--set {shlex.quote(one)}" for one in settings)


def _row(name: str, settings: Sequence[str], judged: Sequence[Evaluation]) -> dict[str, Any]:
    found = make_row(judged)
    return {
        "name": name,
        "settings": list(settings),
        "by_seed": found.by_seed["auroc"],
        **{metric: score_text(metric, found.scores[metric]) for metric in SHOWN},
    }


def _basis(evaluation: Evaluation) -> dict[str, Any]:
    """Count tested cells and people: HEM first."""
    people = dict(zip(evaluation.subject_ids, evaluation.labels, strict=True))
    return {
        "cells": [evaluation.labels.count(label) for label in Label],
        "people": [list(people.values()).count(label) for label in Label],
    }


def real_audit_lines(found: dict[str, Any]) -> list[str]:
    """Return the section of the two ways to divide."""
    healthy = "; ".join(", ".join(who) for who in found["healthy"])
    return [
        f"**{found['verdict']}**",
        "",
        f"`{AUDITED}` and the baselines on the {found['cells']:,} cells of fold_1, {found['subjects']} people, divided once by",
        f"image and once by person with each of {len(SEEDS)} seeds; by image, {found['met_share']:.1%} of the tested cells are of people who",
        f"taught too. The healthy people tested by person, seed by seed: {healthy}. fold_1 has three of them, so that each",
        "division by person rests on one healthy person a side.",
        "",
        markdown_table(AUDIT_HEADS, found["rows"]),
        "",
    ]


def real_recipe_lines(found: dict[str, Any]) -> list[str]:
    """Return the section of recipes on new people."""
    (normal, leukaemic), (well, ill) = found["cells"], found["people"]
    return [
        f"Taught by the people of fold_1 ({'; '.join(TAUGHT_BY)}), {len(SEEDS)} seeds; judged on {leukaemic:,} ALL cells of {ill} people and",
        f"{normal:,} HEM cells of {well} people outside it. Networks that are trained whole see 64 pixels and not 224, and some fewer epochs.",
        "Settings of `probe-stages` were chosen with these people among others, so its line is no test of them; those of the others were",
        "not. Intervals leave people out and hold the spread over seeds; with so few healthy people no order here is a verdict.",
        "",
        _table(found),
        "",
    ]


def real_begun_lines(found: dict[str, Any]) -> list[str]:
    """Return the section of simulated cells as a beginning."""
    (normal, leukaemic), (well, ill) = found["cells"], found["people"]
    return [
        f"`{BEGUN}` as in the section above, {len(SEEDS)} seeds: taught by simulated cells alone, and begun with these weights (`--start-from`) and",
        f"taught by fold_1; judged on {leukaemic:,} ALL cells of {ill} people and {normal:,} HEM cells of {well} people outside fold_1. The first knows nobody of",
        f"fold_1 either, and is judged on all {found['alone']:,} cells outside that fold, a few of which are of people who have cells in it too.",
        "The line of the section above is what the same network makes of fold_1 alone.",
        "",
        _table(found),
        "",
    ]


def _table(found: dict[str, Any]) -> str:
    rows = [
        (
            f"`{row['name']}`" if row["name"] in RECIPES else row["name"],
            *(row[metric] for metric in SHOWN),
            ", ".join(f"{value:.3f}" for value in row["by_seed"]),
            ", ".join(row["settings"]) or "none",
        )
        for row in found["rows"]
    ]
    heads = ("learner", "AUROC", "balanced accuracy", "weighted F1", "AUROC, seed by seed", "changed")
    return markdown_table(heads, rows)
