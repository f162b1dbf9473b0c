"""Trains the paper's network on real cells with other widths of fc1, its first fully connected layer.

The paper does not publish that width. Start at `measure_real_fc1`; finished runs are taken as they are. A part
of `studies/results.py`.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from commands import BUILD, restore, run_once
from leuknet.evaluation.evaluate import read_evaluation
from leuknet.evaluation.summary import markdown_table, score_text
from leuknet.networks import layer_table
from leuknet.records.history import read_history

WIDTHS = (64, 128, 256)
RECIPE = "leuknet-paper"
SETTINGS: tuple[str, ...] = ("parts=fold_1",)
PRECISION = "bf16"


def measure_real_fc1(data: Path) -> dict[str, Any]:
    """Train one seed of each width on fold_1 by image; judge it there and on all other people."""
    root, restored = restore(data)
    commands, rows = [restored], []
    for width in WIDTHS:
        out = BUILD / "real-fc1" / str(width)
        settings = (*SETTINGS, f"network_options.fc1={width}")
        changed = " ".join(f"--set {shlex.quote(one)}" for one in settings)
        options = f"--data {root} --precision {PRECISION} {changed} --out {out} --resume"
        own, new = out / "evaluation", out / "new"
        commands += [
            run_once(out / "model", f"train {RECIPE} {options}"),
            run_once(own / "evaluation.json", f"evaluate {out / 'model'} --data {root} --out {own}"),
            run_once(
                new / "evaluation.json", f"evaluate {out / 'model'} --data {root} --new-people --out {new}"
            ),
        ]
        here, there = (read_evaluation(one / "evaluation.json") for one in (own, new))
        rows.append(
            {
                "width": width,
                "parameters": sum(row.parameters for row in layer_table("leuknet", 224, {"fc1": width})),
                "validation_accuracy": read_history(out)[-1].validation_accuracy,
                "accuracy": score_text("accuracy", here.metrics["accuracy"]),
                "auroc": score_text("auroc", here.metrics["auroc"]),
                "new_people": score_text("auroc", there.metrics["auroc"]),
            }
        )
    return {"commands": commands, "rows": rows}


def real_fc1_lines(found: dict[str, Any]) -> list[str]:
    """Return the section of the widths of fc1."""
    rows = [
        (
            f"{row['width']}{' (ours)' if row['width'] == 128 else ''}",
            f"{row['parameters']:,}",
            f"{row['validation_accuracy']:.1%}",
            row["accuracy"],
            row["auroc"],
            row["new_people"],
        )
        for row in found["rows"]
    ]
    heads = ("width", "parameters", "validation accuracy", "accuracy, by image", "AUROC, by image")
    return [
        "The paper does not state the width of its first fully connected layer; 128 is our choice. Its network at full size on",
        f"fold_1, seed 0, in {PRECISION}, with other widths, judged on its own test side and on people outside the fold. One seed a",
        "width can show gross effects only: the section above says how far one width spreads over seeds.",
        "",
        markdown_table((*heads, "AUROC, new people"), rows),
        "",
    ]
