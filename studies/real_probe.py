"""Trains `probe-stages` as a user would, on fold_1 or on simulated cells alone, and judges it on real new people.

What a user asks beside AUROC: do its probabilities mean what they say, which cells does it leave undecided, how
many cells of new people does it take for something else, and what are simulated cells worth? Start at
`measure_real_probe`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from commands import BUILD, restore, run_once
from leuknet.evaluation.baselines import BASELINES
from leuknet.evaluation.evaluate import read_evaluation
from leuknet.evaluation.reliability import decided
from leuknet.evaluation.summary import markdown_table, score_text, share_text
from leuknet.types import Evaluation

NAME = "probe-stages"
SEEDS = (0, 1, 2)
SIMULATED = "data simulate {folder} --scale 0.15 --part fold_0 --part fold_1 --part fold_2"
SETTINGS: tuple[str, ...] = ()
"""Tests make the network small."""

SHOWN = ("auroc", "balanced_accuracy", "brier", "ece")


def measure_real_probe(data: Path) -> dict[str, Any]:
    """Train three seeds on fold_1 and one on simulated cells; finished runs are taken as they are."""
    root, restored = restore(data)
    drawn = BUILD / "real-probe" / "simulated"
    commands, rows = [restored], []
    for seed in SEEDS:
        out = BUILD / "real-probe" / f"fold_1-{seed}"
        commands += _train_and_judge(root, out, f"--set parts=fold_1 --seed {seed}", root)
        rows.append(_row(f"fold_1, seed {seed}", read_evaluation(out / "new" / "evaluation.json")))
    simulate = SIMULATED.format(folder=drawn)
    commands.append(run_once(drawn, simulate))
    out = BUILD / "real-probe" / "from-simulated"
    commands += _train_and_judge(drawn, out, "", root)
    rows.append(_row("simulated cells alone", read_evaluation(out / "new" / "evaluation.json")))
    first = BUILD / "real-probe" / f"fold_1-{SEEDS[0]}" / "new"
    return {
        "commands": commands,
        "rows": rows,
        "baselines": {
            name: score_text("auroc", read_evaluation(first / "baselines" / f"{name}.json").metrics["auroc"])
            for name in BASELINES
        },
    }


def _train_and_judge(root: Path, out: Path, words: str, judged_on: Path) -> list[str]:
    changed = " ".join(f"--set {setting}" for setting in ("fractions=[0.8,0.2,0]", *SETTINGS))
    name = f"--name {out.name}"
    train = " ".join(f"train {NAME} --data {root} {changed} {words} {name} --out {out}".split())
    judge = f"evaluate {out / 'model'} --data {judged_on} --new-people {name} --out {out / 'new'}"
    return [
        run_once(out / "model", train),
        run_once(out / "new" / "evaluation.json", judge),
    ]


def _row(name: str, evaluation: Evaluation) -> dict[str, Any]:
    called = decided(evaluation)
    labels = list(evaluation.labels)
    return {
        "name": name,
        "cells": [labels.count(0), labels.count(1)],
        "people": evaluation.subjects,
        **{metric: score_text(metric, evaluation.metrics[metric]) for metric in SHOWN},
        "called": None if called is None else share_text(called.coverage),
        "wrong": None if called is None or called.risk is None else share_text(called.risk),
        "unfamiliar": len(evaluation.warned),
    }


def real_probe_lines(found: dict[str, Any]) -> list[str]:
    """Return the section."""
    first, last = found["rows"][0], found["rows"][-1]
    baselines = ", ".join(f"{name} {score}" for name, score in found["baselines"].items())
    return [
        f"Judged on people who neither trained it nor chose its calibration: {first['cells'][1]:,} ALL and "
        f"{first['cells'][0]:,} HEM cells of {first['people']} people outside fold_1; with simulated cells alone as "
        f"teachers, on all {last['cells'][1]:,} ALL and {last['cells'][0]:,} HEM cells of {last['people']} people. The "
        "recipe's settings were chosen with these people among others, see above, so this is no test of the choice; it "
        "says how probabilities, undecided cells and warnings behave.",
        "",
        markdown_table(
            (
                "taught by", "AUROC", "balanced accuracy", "Brier score", "calibration error",
                "cells called", "of these wrong", "taken for unfamiliar",
            ),
            [
                (
                    row["name"], row["auroc"], row["balanced_accuracy"], row["brier"], row["ece"],
                    row["called"] or "all", row["wrong"] or "not known",
                    f"{row['unfamiliar']:,} of {sum(row['cells']):,}",
                )
                for row in found["rows"]
            ],
        ),
        "",
        f"Baselines that fold_1 taught, on the same cells, AUROC: {baselines}.",
        "",
    ]  # fmt: skip
