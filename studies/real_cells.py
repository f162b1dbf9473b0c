"""Measures on the real cells of C-NMC 2019 that are at hand: the first part of `docs/results.md`.

`SECTIONS` lists what stands there, in order: a name (of the file below `results/`), a heading, a function that
measures, and one that says it in words. To add one, write the two functions and give it a line. The cells lie
under `shared/data/cnmc2019` as lossless copies and are restored as published, byte for byte, below `build/`.

Start at `SECTIONS`.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from commands import BUILD, restore, run, run_once
from leuknet.data import open_dataset
from leuknet.data.split_file import read_manifest
from leuknet.evaluation.evaluate import read_evaluation
from leuknet.evaluation.over_seeds import spread_over_seeds
from leuknet.evaluation.resampling import wilson
from leuknet.evaluation.standings import make_row
from leuknet.evaluation.summary import markdown_table, score_text
from leuknet.experiments.folds import choose_fold
from leuknet.experiments.paper_content import SeedRun
from leuknet.experiments.paper_seeds import seed_table, spread_sentences
from leuknet.inference.model_folder import open_card
from leuknet.recipes import get_recipe
from leuknet.records.history import read_history
from leuknet.types import Evaluation
from new_people import measure_new_people
from new_people_page import new_people_lines
from real_fc1 import measure_real_fc1, real_fc1_lines
from real_probe import measure_real_probe, real_probe_lines
from real_recipes import (
    measure_real_audit,
    measure_real_begun,
    measure_real_recipes,
    real_audit_lines,
    real_begun_lines,
    real_recipe_lines,
)
from real_systems import measure_real_systems, real_system_lines

SEEDS = (0, 1, 2, 3, 4)
"""The first is the one whose page is shown."""

IN_FP32 = True
"""Whether the first seed is trained in 32-bit floats too, to be compared with bf16: another ten minutes."""

NETWORK = "leuknet-paper"
NEW = "new-people"
"""Folder, in that of a run, of its evaluation on people who trained nothing."""

LEARNERS = {
    NETWORK: "the paper's network",
    "texture": "colour, texture and shape (boosted trees)",
    "nearest": "nearest image by pixel",
    "area": "cell area alone",
    "colour": "mean colour alone",
}
"""Name to what tables call it; the baselines are fitted to the cells that trained the network."""


def measure_real_paper(data: Path) -> dict[str, Any]:
    """Run the paper's experiment at full size with several seeds, and judge each network on new people too.

    Finished seeds are taken as they are. Seed 0 is trained in 32-bit floats too, so that bf16 can be compared.
    """
    root, restored = restore(data)
    out, plain = BUILD / "real-paper", BUILD / "real-paper-fp32"
    seeds = ",".join(map(str, SEEDS))
    commands = [
        restored,
        run(f"reproduce paper --data {root} --seeds {seeds} --precision bf16 --out {out}"),
        *([run(f"reproduce paper --data {root} --out {plain}")] if IN_FP32 else []),
    ]
    folders = [out / "run", *(out / "seeds" / str(seed) for seed in SEEDS[1:])]
    commands += [_judge_on_new_people(folder, root) for folder in folders]
    fold = choose_fold(open_dataset(root, name="c-nmc-2019"), get_recipe(NETWORK))
    runs = [_seed_run(folder) for folder in folders]
    table = seed_table(runs)
    return {
        "commands": commands,
        "part": fold.part,
        "why": fold.why,
        "heads": table.heads,
        "rows": [
            [row.name, *(f"{value} ({small})" if small else value for value, small in row.cells)]
            for row in table.rows
        ],
        "sentences": spread_sentences(runs),
        "seeds": [_numbers(one) for one in runs],
        "precision": _compare(_read(plain / "run" / "evaluation"), runs[0].evaluation) if IN_FP32 else None,
        "train_s": {
            "fp32": _train_s(plain / "run") if IN_FP32 else None,
            "bf16": [one.training_s for one in runs],
        },
        "learners": {name: _scores(folders, name) for name in LEARNERS},
        "new": _of_whom(_read(folders[0] / NEW)),
    }


def _judge_on_new_people(run_folder: Path, root: Path) -> str:
    """Judge a network on the people who did not train it, unless that was done: it would only add a look."""
    out = run_folder / NEW
    command = f"evaluate {run_folder / 'model'} --data {root} --new-people --out {out}"
    return run_once(out / "evaluation.json", command)


def _read(folder: Path, name: str = NETWORK) -> Evaluation:
    """Return an evaluation of the network, or of a baseline beside it."""
    return read_evaluation(folder / ("evaluation.json" if name == NETWORK else f"baselines/{name}.json"))


def _train_s(folder: Path) -> float:
    return read_history(folder)[-1].elapsed_s


def _seed_run(folder: Path) -> SeedRun:
    """Read what `leuknet reproduce` left of one seed."""
    card, last = open_card(folder / "model"), read_history(folder)[-1]
    n_validation = len(read_manifest(folder / "model" / "split.json").sides["validation"].hashed)
    assert last.validation_accuracy is not None  # noqa: S101  the last iteration is always validated
    right = wilson(round(last.validation_accuracy * n_validation), n_validation)
    return SeedRun(card.recipe.seed, _read(folder / "evaluation"), right, last.elapsed_s, card.precision)


def _numbers(one: SeedRun) -> dict[str, Any]:
    """Return what other pages need of a seed, as plain numbers."""
    metrics = one.evaluation.metrics
    right = one.evaluation.confusion[0][0] + one.evaluation.confusion[1][1]
    names = ("accuracy", "sensitivity", "specificity", "weighted_f1", "auroc")
    return {
        "seed": one.seed,
        "right": right,
        "cells": one.evaluation.cells,
        "precision": one.precision,
        "validation_accuracy": one.validation_accuracy.estimate,
        **{name: [metrics[name].estimate, metrics[name].low, metrics[name].high] for name in names},
    }


def _compare(plain: Evaluation, rounded: Evaluation) -> dict[str, Any]:
    """Say how far two trainings of one seed on the same cells agree: in 32-bit floats, and in bf16."""
    there = dict(zip(rounded.paths, rounded.probabilities, strict=True))
    pairs = [(p, there[path]) for path, p in zip(plain.paths, plain.probabilities, strict=True)]
    called = [(p >= plain.threshold, q >= rounded.threshold) for p, q in pairs]
    gaps = [abs(p - q) for p, q in pairs]
    return {
        "cells": len(pairs),
        "same_calls": sum(ours == theirs for ours, theirs in called),
        "largest_gap": max(gaps),
        "median_gap": statistics.median(gaps),
        "scores": {
            name: [score_text(name, one.metrics[name]) for one in (plain, rounded)]
            for name in ("accuracy", "auroc")
        },
    }


def _scores(folders: Sequence[Path], name: str) -> dict[str, Any]:
    """Return the AUROC of a learner over seeds, on the test sides by image and on new people."""
    own = spread_over_seeds(
        [_read(folder / "evaluation", name).metrics["auroc"].estimate for folder in folders]
    )
    found = make_row([_read(folder / NEW, name) for folder in folders])
    return {
        "by_image": {"values": own.values, "mean": own.mean},
        "new_people": {
            metric: {
                "values": found.by_seed[metric],
                "mean": found.scores[metric].estimate,
                "limits": [found.scores[metric].low, found.scores[metric].high],
                "text": score_text(metric, found.scores[metric]),
                "how": found.scores[metric].method.label,
            }
            for metric in ("auroc", "balanced_accuracy")
        },
    }


def _of_whom(evaluation: Evaluation) -> dict[str, int]:
    """Count cells and people of each class."""
    pairs = list(zip(evaluation.labels, evaluation.subject_ids, strict=True))
    return {
        **{name: sum(label == number for label, _ in pairs) for number, name in enumerate(("hem", "all"))},
        **{
            f"{name}_people": len({who for label, who in pairs if label == number})
            for number, name in enumerate(("hem", "all"))
        },
    }


def _precision_lines(found: dict[str, Any]) -> list[str]:
    """Say how far bf16 and 32-bit floats agree, and how long training took."""
    gap, took = found["precision"], found["train_s"]
    minutes = ", ".join(f"{seconds / 60:.1f}" for seconds in took["bf16"])
    if gap is None:
        return [
            f"Trained in bf16, {minutes} minutes a seed on one core each, beside other work; not compared with 32-bit floats here."
        ]
    return [
        f"The first seed was trained in 32-bit floats and in bf16, on the same split: {gap['same_calls']} of {gap['cells']} test cells are called alike,",
        f"accuracy {gap['scores']['accuracy'][0]} and {gap['scores']['accuracy'][1]}, AUROC {gap['scores']['auroc'][0]} and {gap['scores']['auroc'][1]}; the",
        f"probability of a cell differs by {gap['median_gap']:.3f} in the median and by {gap['largest_gap']:.3f} at most. Training took {took['fp32'] / 60:.1f} and",
        f"{minutes} minutes, whatever else the machine did.",
    ]


def paper_lines(found: dict[str, Any]) -> list[str]:
    """Return the section of the paper's experiment."""
    new = found["new"]
    network = found["learners"][NETWORK]["new_people"]["auroc"]
    own = found["learners"][NETWORK]["by_image"]
    return [
        "`leuknet reproduce paper`: the paper's network, settings and image-level split at full size. "
        + found["why"],
        "",
        markdown_table(("run", *found["heads"]), found["rows"]),
        "",
        *(line for sentence in found["sentences"] for line in (sentence, "")),
        *_precision_lines(found),
        "",
        "### The same networks on people they have not seen",
        "",
        f"`leuknet evaluate --new-people`: {new['all']} ALL cells of {new['all_people']} people and {new['hem']} HEM cells of {new['hem_people']} people who are not in",
        f"{found['part']}. AUROC falls from {own['mean']:.3f} to {network['text']}. The baselines learned from the very cells that trained the network.",
        "",
        markdown_table(
            (
                "learner",
                "AUROC by image, mean over seeds (range)",
                "AUROC on new people",
                "balanced accuracy on new people",
            ),
            [
                (
                    LEARNERS[name],
                    f"{one['by_image']['mean']:.3f} ({min(one['by_image']['values']):.3f} to {max(one['by_image']['values']):.3f})",
                    one["new_people"]["auroc"]["text"],
                    one["new_people"]["balanced_accuracy"]["text"],
                )
                for name, one in found["learners"].items()
            ],
        ),
        "",
        f"Intervals on new people: {network['how']}. So few normal people decide little: see [limits](limits.md).",
        "",
    ]


class Section(NamedTuple):
    """One measurement on real cells: what it is called, how it is made, and how it is told."""

    name: str
    title: str
    measure: Callable[[Path], dict[str, Any]]
    write: Callable[[dict[str, Any]], list[str]]


SECTIONS = (
    Section("real-paper", "The paper's experiment", measure_real_paper, paper_lines),
    Section("real-fc1", "The width of fc1", measure_real_fc1, real_fc1_lines),
    Section(
        "real-systems",
        "The systems that the paper compares itself with",
        measure_real_systems,
        real_system_lines,
    ),
    Section(
        "real-audit", "The same cells, divided by image and by person", measure_real_audit, real_audit_lines
    ),
    Section("real-recipes", "LeukNet's recipes on new people", measure_real_recipes, real_recipe_lines),
    Section("real-begun", "Simulated cells as a beginning", measure_real_begun, real_begun_lines),
    Section("new-people", "What few people teach about others", measure_new_people, new_people_lines),
    Section(
        "real-probe",
        "Probabilities, undecided cells and warnings on new people",
        measure_real_probe,
        real_probe_lines,
    ),
)
