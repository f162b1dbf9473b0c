"""Measures which recipes and which of their ingredients are worth having, on simulated cells of unseen people.

Four measurements of `studies/results.py`: `recipes` puts all recipes and floors into one table for hard, usual and easy
cells; `more-cells` asks whether a linear probe and a fine-tuned network beat the floors where there are enough
cells; `ablations` leaves out one ingredient at a time; `wbc-recipes` takes real white blood cells.

Sizes are reduced so that all of it takes an hour and a half on one core; every command is kept beside what it
gave. Start at `measure_recipes`; `recipe_lines` and its neighbours write the page.
"""

from __future__ import annotations

import shlex
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from commands import BUILD, run
from leuknet.data import open_dataset
from leuknet.data.unseen import cells_of_parts
from leuknet.evaluation.evaluate import evaluate, read_evaluation, write_evaluation
from leuknet.evaluation.metrics import METRICS
from leuknet.evaluation.standings import find_differences
from leuknet.evaluation.summary import markdown_table, score_text
from leuknet.experiments.benchmark import as_file_name
from leuknet.experiments.scoreboard import (
    SHOWN,
    Summary,
    difference_notes,
    difference_rows,
    summarise,
    table_heads,
    table_rows,
)
from leuknet.networks.predictor import load_model
from leuknet.records.history import read_history
from leuknet.types import Dataset, Evaluation

SEPARATIONS = {1.0: "as C-NMC's areas", 0.6: "hard", 1.4: "easy"}
"""Distance of the classes to a word for it."""

SEEDS = {1.0: "0,1,2", 0.6: "0", 1.4: "0"}
"""Three where ingredients are compared, else one: people, and not seeds, are what intervals are wide by."""

MORE_CELLS = 0.5
"""Share of the preliminary set's 1,867 cells that judges ingredients."""

SCALE, MORE_SCALE = 0.08, 0.3
"""Share of the publisher's cells that is drawn, and the one for `measure_more_cells`."""

SIZES = {
    "leuknet-paper": ("image_size_px=64", "batch_size=32"),
    "leuknet-plus": ("image_size_px=64", "batch_size=32", "epochs=8", "rate_drop_epochs=6"),
    "probe-lite0": ("image_size_px=96",),
    "effnet-lite0": ("image_size_px=96", "epochs=6"),
    "strong": ("image_size_px=96", "epochs=6"),
}
"""Recipe to what differs from its own settings here: smaller images, fewer epochs, smaller batches."""

WBC_EPOCHS = 30
"""Of LeukNet's own networks on real white blood cells, which are few."""

INGREDIENTS: dict[str, dict[str, tuple[str, ...]]] = {
    "leuknet-plus": {
        "true-scale centre crop": ("crop_px=null",),
        "rotation, flips and shifts": ("rotate_deg=0", "flip=false", "shift=0"),
        "balanced sampling": ("sampling=once-each",),
        "stain and brightness jitter": ("brightness=0", "stain=0"),
        "epoch chosen by people": ("keep=last",),
    },
    "strong": {
        "ImageNet weights": ("network_options.pretrained=false",),
        "true-scale centre crop": ("crop_px=null",),
        "rotation, flips and shifts": ("rotate_deg=0", "flip=false", "shift=0"),
        "balanced sampling": ("sampling=once-each",),
        "stain and brightness jitter": ("brightness=0", "stain=0"),
        "epoch chosen by people": ("keep=last",),
    },
}
"""Recipe to ingredient to the settings that leave it out."""

ABLATION_SHOWN = ("auroc", "weighted_f1", "ece")


def measure_recipes(_: Path) -> dict[str, Any]:
    """Judge every recipe on hard, usual and easy cells, by people who trained none of them."""
    commands, tables, differences, notes = [], {}, [], []
    first = next(iter(SEPARATIONS))
    against = _changed_name("strong", SIZES["strong"])
    for separation in SEPARATIONS:
        data, out = _draw(separation, scale=SCALE), BUILD / "evidence" / f"recipes-{separation}"
        commands.append(_draw_command(separation, scale=SCALE))
        for name in SIZES:
            commands.append(_benchmark(data, name, SIZES[name], out, seeds=SEEDS[separation]))
        commands.append(run(f"benchmark --protocol official --out {out} --nested"))
        found = summarise(out / "official", nested=True, against=against)
        tables[str(separation)] = {
            "rows": _short_rows(found, SHOWN),
            "chosen": {_short(name): n for name, n in found.chosen.items()},
        }
        if separation == first:
            differences = _short_differences(found, ABLATION_SHOWN)
            notes = difference_notes(found.differences)
    return {
        "commands": commands,
        "tables": tables,
        "settings": {k: list(v) for k, v in SIZES.items()},
        "against": {
            "separation": first,
            "name": "strong",
            "differences": differences,
            "notes": notes,
        },
        "seeds": len(SEEDS[first].split(",")),
    }


def measure_more_cells(_: Path) -> dict[str, Any]:
    """Judge a linear probe and fine-tuned networks against the floors, with four times as many cells."""
    data, out = _draw(1.4, scale=MORE_SCALE), BUILD / "evidence" / "more-cells"
    commands = [_draw_command(1.4, scale=MORE_SCALE)]
    for name in ("probe-lite0", "effnet-lite0", "strong"):
        commands.append(_benchmark(data, name, SIZES[name], out, seeds="0,1"))
    against = "baseline: texture"
    commands.append(run(f"benchmark --protocol official --out {out} --against {shlex.quote(against)}"))
    found = summarise(out / "official", against=against)
    return {
        "commands": commands,
        "rows": _short_rows(found, SHOWN),
        "against": against,
        "differences": _short_differences(found, ("auroc", "weighted_f1", "subject_accuracy")),
        "notes": difference_notes(found.differences),
    }


def measure_ablations(_: Path) -> dict[str, Any]:
    """Leave out one ingredient at a time of two recipes, over three seeds.

    Trained as in `measure_recipes`, but judged on more cells of the same test people: what tells two models apart
    is many cells of one person as well as many people.
    """
    data = _draw(1.0, scale=SCALE)
    more = f"data simulate build/evidence/data-more-prelim --scale {MORE_CELLS} --part prelim"
    commands = [f"leuknet {more}"]
    if not (BUILD / "evidence" / "data-more-prelim").exists():
        run(more.replace("build/", f"{BUILD}/"))
    tested = open_dataset(BUILD / "evidence" / "data-more-prelim")
    found = {}
    for recipe, ingredients in INGREDIENTS.items():
        behind: dict[str, list[Evaluation]] = {}
        for ingredient, left_out in (("whole", ()), *ingredients.items()):
            out = BUILD / "evidence" / ("recipes-1.0" if not left_out else f"ablation-{recipe}")
            settings = (*SIZES[recipe], *left_out)
            commands.append(_benchmark(data, recipe, settings, out, seeds=SEEDS[1.0]))
            runs = out / "official" / "runs" / as_file_name(_changed_name(recipe, settings))
            for folder in sorted(runs.iterdir()):
                behind.setdefault(ingredient, []).append(_judge_again(folder, tested))
        differences = find_differences(behind, against="whole")
        whole = behind["whole"]
        found[recipe] = {
            "whole": [_mean_text(whole, name) for name in ABLATION_SHOWN],
            "rows": [list(row) for row in difference_rows(differences, ABLATION_SHOWN)],
            "cells": whole[0].cells,
            "subjects": whole[0].subjects,
            "seeds": len(whole),
            "notes": difference_notes(differences),
        }
    return {"commands": commands, "recipes": found}


def _judge_again(run_folder: Path, tested: Dataset) -> Evaluation:
    """Score a trained model on all cells of the preliminary set, unless that was done before."""
    path = run_folder / "more-cells.json"
    if not path.exists():
        predictor = load_model(run_folder / "model")
        side = cells_of_parts(
            predictor.manifest, tested, parts=("prelim",), trained_on=predictor.card.dataset
        )
        write_evaluation(evaluate(predictor, tested, side), path)
    return read_evaluation(path)


def _mean_text(evaluations: Sequence[Evaluation], metric: str) -> str:
    mean = statistics.fmean(one.metrics[metric].estimate for one in evaluations)
    return f"{mean:.3f}"


def measure_wbc_recipes(source: str) -> dict[str, Any]:
    """Train and test each recipe on real white blood cells; `source` is how commands name them."""
    commands: list[str] = []
    rows: list[dict[str, Any]] = []
    for name, sizes in SIZES.items():
        folder = BUILD / "wbc" / name
        settings = (*sizes, "parts=[]", "split=image-level", "fractions=[0.5,0.2,0.3]", "balance=true")
        own = (f"epochs={WBC_EPOCHS}",) if name.startswith("leuknet") else ()
        settings += ("crop_px=null", "batch_size=16", *own)
        options = " ".join(f"--set {shlex.quote(one)}" for one in settings)
        commands += [
            run(f"train {name} {source} --out {folder} {options}"),
            run(f"evaluate {folder / 'model'} {source} --out {folder / 'evaluation'}"),
        ]
        evaluation = read_evaluation(folder / "evaluation" / "evaluation.json")
        if not rows:
            for path in sorted((folder / "evaluation" / "baselines").glob("*.json")):
                rows.append(_wbc_row(f"baseline: {path.stem}", path))
        rows.append(_wbc_row(name, folder / "evaluation" / "evaluation.json"))
        rows[-1]["train_s"] = read_history(folder)[-1].elapsed_s
        cells = evaluation.cells
    return {"commands": commands, "rows": rows, "cells": cells}


def recipe_lines(found: dict[str, Any]) -> list[str]:
    """Write the tables of all recipes."""
    lines = [
        "`leuknet benchmark` by the protocol `official`: developed on simulated training folds, tested on the simulated",
        "preliminary set, whose people trained nothing and chose nothing; intervals resample people, and seeds where there are more.",
        "Sizes are reduced, see the settings below; these rows compare recipes on cells that a program drew, and say nothing",
        "about patients. On C-NMC 2019 nothing of this is measured; [recipes.md](recipes.md) has the command that does it, and how long",
        "it takes. The nested row chooses a recipe in each round by its validation people alone: what a user gets",
        "who chooses without looking at the test side.",
        "",
    ]
    for separation, word in SEPARATIONS.items():
        table = found["tables"][str(separation)]
        lines += [
            f"#### Separation {separation}: {word}",
            "",
            markdown_table(table_heads(SHOWN), table["rows"]),
            "",
            "The nested row took "
            + ", ".join(f"{name} {'once' if n == 1 else f'{n} times'}" for name, n in table["chosen"].items())
            + ".",
            "",
        ]
    against = found["against"]
    lines += [
        f"With {found['seeds']} seeds, separation {against['separation']}, minus `{against['name']}`, paired over people and seeds:",
        "",
        markdown_table(
            ("model", *(METRICS[name].title for name in ABLATION_SHOWN)),
            _judged(against["differences"], against),
        ),
        "",
        *_notes(against),
    ]
    settings = "; ".join(f"`{name}`: {', '.join(each)}" for name, each in found["settings"].items())
    return [*lines, f"Settings that differ from the recipes: {settings}.", ""]


def more_cells_lines(found: dict[str, Any]) -> list[str]:
    """Write whether a probe and a fine-tuned network beat the floors."""
    return [
        f"With four times as many cells ({found['rows'][0][2]}), separation 1.4. 28 people are tested, however many cells each gives,",
        "so that intervals stay wide; whether a model is better than a floor on these very people is not read from them, but from",
        "the paired differences below.",
        "",
        markdown_table(table_heads(SHOWN), found["rows"]),
        "",
        f"Paired over people and seeds, minus {found['against']}:",
        "",
        markdown_table(
            ("model", *(METRICS[name].title for name in ("auroc", "weighted_f1", "subject_accuracy"))),
            _judged(found["differences"], found),
        ),
        "",
        *_notes(found),
    ]


def ablation_lines(found: dict[str, Any]) -> list[str]:
    """Write what each ingredient is worth."""
    lines = [
        "Each row leaves out one ingredient; a negative AUROC is a loss without it. Paired over people and",
        "seeds. Trained as above, and judged on six times as many cells",
        "of the same test people: each run by `leuknet evaluate RUN/model --data build/evidence/data-more-prelim --part prelim`.",
        "",
    ]
    for recipe, one in found["recipes"].items():
        titles = [METRICS[name].title for name in ABLATION_SHOWN]
        whole = ", ".join(f"{title} {text}" for title, text in zip(titles, one["whole"], strict=True))
        lines += [
            f"#### {recipe}",
            "",
            f"Whole, means over {one['seeds']} seeds: {whole}; {one['cells']} cells of {one['subjects']} people.",
            "",
            markdown_table(("left out", *titles), _judged(one["rows"], one)),
            "",
            *_notes(one),
        ]
    return lines


def _judged(rows: Sequence[Sequence[str]], found: dict[str, Any]) -> list[list[str]]:
    """Return recorded differences; without their verdicts where these came of intervals, as they once did."""
    if "notes" in found:
        return [list(row) for row in rows]
    return [[row[0], *(text.partition(": ")[0] for text in row[1:])] for row in rows]


def _notes(found: dict[str, Any]) -> list[str]:
    old = (
        "Measured before verdicts took the number of seeds and of rows into account, so that none is given here; intervals",
        "are not corrected, and that one leaves out 0 is no verdict. See [how often verdicts are wrong](#how-often-verdicts-are-wrong).",
    )
    return [*found.get("notes", old), ""]


def wbc_lines(found: dict[str, Any]) -> list[str]:
    """Write the table of real white blood cells."""
    heads = ("model", "AUROC", "accuracy", "weighted F1")
    return [
        f"The same {found['cells']} test cells as above, lymphocyte against the rest, for every recipe and floor; split by",
        "image, since the set names no people: optimistic. One seed. Images are resized whole.",
        "",
        markdown_table(heads, [[row["name"], *row["scores"]] for row in found["rows"]]),
        "",
    ]


def _draw(separation: float, *, scale: float) -> Path:
    data = BUILD / "evidence" / f"data-{separation}-{scale}"
    if not data.exists():
        run(_draw_command(separation, scale=scale).removeprefix("leuknet ").replace("build/", f"{BUILD}/"))
    return data


def _draw_command(separation: float, *, scale: float) -> str:
    parts = " ".join(f"--part {part}" for part in ("fold_0", "fold_1", "fold_2", "prelim"))
    name = f"build/evidence/data-{separation}-{scale}"
    return f"leuknet data simulate {name} --separation {separation} --scale {scale} {parts}"


def _benchmark(data: Path, recipe: str, settings: Sequence[str], out: Path, *, seeds: str) -> str:
    options = " ".join(f"--set {shlex.quote(one)}" for one in settings)
    started = time.monotonic()
    command = run(
        f"benchmark --data {data} --recipes {recipe} --protocol official --seeds {seeds} --out {out} {options}"
    )
    print(f"{time.monotonic() - started:.0f} s: {command}", flush=True)  # noqa: T201
    return command


def _changed_name(recipe: str, settings: Sequence[str]) -> str:
    return f"{recipe} (changed: {', '.join(settings)})"


def _short(name: str) -> str:
    return name.partition(" (changed")[0]


def _short_rows(found: Summary, metrics: Sequence[str]) -> list[list[str]]:
    return [[_short(row[0]), *row[1:]] for row in table_rows(found.rows, metrics)]


def _short_differences(found: Summary, metrics: Sequence[str]) -> list[list[str]]:
    return [[_short(row[0]), *row[1:]] for row in difference_rows(found.differences, metrics)]


def _wbc_row(name: str, path: Path) -> dict[str, Any]:
    metrics = read_evaluation(path).metrics
    return {
        "name": name,
        "scores": [score_text(one, metrics[one]) for one in ("auroc", "accuracy", "weighted_f1")],
    }
