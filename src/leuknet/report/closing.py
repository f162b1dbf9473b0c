"""The sections that end a report: limits, how to cite it, how to repeat it.

Start at `limits`, `citing` and `repeating`. Each takes the runs and returns blocks.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import fields

from leuknet.evaluation.resampling import clusters_of
from leuknet.recipes import RECIPES
from leuknet.report.blocks import Block, Bullets, Code, Facts, Text, shortened
from leuknet.report.facts import Runs, each, software_text
from leuknet.report.run_record import RunRecord
from leuknet.types import Evaluation, Recipe

_COMMANDS = 6


def limits(runs: Runs) -> tuple[Block, ...]:
    """Return what does not follow from these scores."""
    return (Bullets(limit_texts(runs)),)


def limit_texts(runs: Runs) -> tuple[str, ...]:
    """Return each limit as a sentence or two."""
    evaluations = [run.evaluation for run in runs]
    texts = [
        "For research only. It has not been tested for any use in the care of people, and no authority has "
        "approved it."
    ]
    if any(evaluation.simulated for evaluation in evaluations):
        texts.append("The tested cells are simulated: these scores say nothing about real cells.")
    elif any(run.card.simulated for run in runs):
        texts.append("A model here was trained on simulated cells, though it was tested on real ones.")
    texts += _limits_of_split(evaluations)
    texts += [
        "C-NMC images were segmented and stain-normalised by their publisher. A raw smear, another stain "
        "or another camera is outside what a model trained on them has seen.",
        "In C-NMC 2019 nobody has cells of both classes: what tells people apart can pass for what tells the "
        "classes apart.",
        _covered_text(evaluations),
        "A small p value says that two models differ on such people by more than chance alone would explain. "
        "It does not say that the difference matters.",
    ]
    return tuple(texts)


def _limits_of_split(evaluations: Sequence[Evaluation]) -> list[str]:
    """Return what does not follow because of who was tested, and how many of them."""
    texts = []
    if any(evaluation.split_kind == "image-level" for evaluation in evaluations):
        texts.append(
            "Where the split is image-level, scores hold for new cells of people whose cells were trained "
            "on, not for new people."
        )
    if any(evaluation.split_kind == "unknown" for evaluation in evaluations):
        texts.append(
            "Where the split is unknown, not all tested or trained people are known by name: whether the "
            "model was trained on any of them cannot be told."
        )
    if not any(evaluation.split_kind in ("external", "unknown") for evaluation in evaluations):
        texts.append("No cells of another source were tested: how the model does elsewhere is not known.")
    known = [evaluation.subjects for evaluation in evaluations if evaluation.subjects is not None]
    if len(known) < len(evaluations):
        texts.append(
            "Where subjects are not published, intervals take cells as independent. Cells of one person are "
            "alike, so that they are as a rule too narrow."
        )
    if known and min(known) < 30:
        texts.append(
            f"There are as few as {min(known)} subjects on a test side. Intervals over so few people are "
            "themselves rough, and small differences between models can as a rule not be told from chance."
        )
    return texts


def _covered_text(evaluations: Sequence[Evaluation]) -> str:
    """Return whose choice the intervals of the headline scores cover: that depends on what was resampled."""
    by_subject = [clusters_of(evaluation) is not None for evaluation in evaluations]
    chosen = "test subjects"
    if not all(by_subject):
        chosen = "test cells, taken as independent, or of test subjects for scores over subjects"
    if any(by_subject) and not all(by_subject):
        chosen = "test subjects, or of test cells where subjects are unknown or trained on"
    return f"Intervals, where there are any, cover the choice of {chosen}, not of split, seed or laboratory."


def citing(runs: Runs) -> tuple[Block, ...]:
    """Return what to cite, and what names these very runs."""
    simulated = runs[0].evaluation.simulated
    items = [
        "The method: Anilkumar, Manoj and Sagi, “Classification of B-Lymphoblasts against Normal "
        "Lymphocytes by Deep Convolutional Neural Network”.",
        f"The software: {each(runs, software_text)}; see CITATION.cff in its repository.",
    ]
    urls = {run.evaluation.dataset: "" for run in runs}
    urls |= {run.evaluation.dataset: run.data.url for run in runs if run.data is not None}
    for name, url in sorted(urls.items()):
        if name == "c-nmc-2019":
            cited = (
                "Gupta and Gupta (2019), C-NMC 2019, The Cancer Imaging Archive, "
                "doi 10.7937/tcia.2019.dc64i46r"
            )
            layout = "; these runs used simulated cells in its layout, not its images" if simulated else ""
            items.append(f"The data: {cited}{layout}.")
        else:
            items.append(f"The data: {name}{f', {url}' if url else ''}.")
    rows = tuple(
        (run.name, f"model {run.evaluation.model_id}, split {run.evaluation.split_fingerprint[:12]}")
        for run in runs
    )
    return Bullets(tuple(items)), Text("What names these very runs:"), Facts(rows)


def repeating(runs: Runs) -> tuple[Block, ...]:
    """Return the commands that make such runs and this report again."""
    shown, more = shortened(runs, _COMMANDS)
    lines = []
    for number, run in enumerate(shown, 1):
        out = f"runs/{number}"
        lines += [f"{_train_command(run)} --out {out}", f"leuknet evaluate {out}/model --data DATA"]
    lines.append(
        f"leuknet report {' '.join(f'runs/{number}' for number in range(1, len(shown) + 1))} --out report"
    )
    blocks: list[Block] = [
        Text(
            "DATA is the folder of the data set. With the same data, software and seed the split is the "
            "same to the cell."
        ),
        Code(tuple(lines)),
    ]
    if more:
        blocks.append(Text(f"And {more} more runs likewise."))
    return tuple(blocks)


def _train_command(run: RunRecord) -> str:
    recipe = run.card.recipe
    # Changed settings add to a recipe's name: see `leuknet.recipes.changed`.
    name = recipe.name.partition(" (changed:")[0]
    words = ["leuknet", "train", name, "--data", "DATA", "--seed", str(recipe.seed)]
    if run.card.protocol:
        words += ["--protocol", run.card.protocol, "--round", run.card.round]
    for setting in _changed_settings(recipe, RECIPES.get(name)):
        words += ["--set", setting]
    return shlex.join(words)


def _changed_settings(recipe: Recipe, known: Recipe | None) -> list[str]:
    """Return FIELD=VALUE for each setting that differs from those of the recipe that LeukNet knows."""
    if known is None:
        return []
    names = [field.name for field in fields(Recipe)]
    values = {name: getattr(recipe, name) for name in names if getattr(recipe, name) != getattr(known, name)}
    return [
        f"{name}={value if isinstance(value, str) else json.dumps(value)}"
        for name, value in values.items()
        if name not in ("name", "source", "claim", "seed")
    ]
