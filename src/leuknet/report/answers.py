"""What runs can say to the items of a reporting checklist.

Each answer is a function of the runs that returns a text, or None where they do not know. Nothing is said
here that a run does not hold, or that is not true of every model that LeukNet trains.

Start at `ANSWERS`, which names them as `checklist.json` does. To answer another item, write a function, give
it a line there, and name it in the item's `answer`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from leuknet.evaluation.summary import score_text
from leuknet.report import facts
from leuknet.report.blocks import counted
from leuknet.report.closing import limit_texts
from leuknet.report.diagnostic_answers import DIAGNOSTIC_ANSWERS
from leuknet.report.facts import Runs, each
from leuknet.report.provenance import metrics_text, training_data_text
from leuknet.report.run_record import RunRecord
from leuknet.report.score_sections import scores_text

Answer = Callable[[Runs], str | None]


def _of_each(tell: Callable[[RunRecord], str]) -> Callable[[Runs], str]:
    """Turn what is told of a run into what is told of runs."""
    return lambda runs: each(runs, tell)


def _goal(runs: Runs) -> str:
    normal, leukaemic = runs[0].evaluation.class_names
    return (
        f"Development and evaluation of deep learning models (convolutional networks) that tell {leukaemic} "
        f"from {normal} in images of single cells"
    )


def _data(runs: Runs) -> str | None:
    def tell(run: RunRecord) -> str:
        card = run.data
        return f"{card.name} {card.version}, {card.url}, licence {card.licence}" if card else ""

    return each([run for run in runs if run.data is not None], tell) or None


def _outcome(runs: Runs) -> str:
    normal, leukaemic = runs[0].evaluation.class_names
    return f"The class of each cell, {leukaemic} or {normal}, as the data set labels it; no time horizon"


@_of_each
def _sizes(run: RunRecord) -> str:
    cells = ", ".join(
        f"{name} {counted(side.cells, 'cell')} of {len(side.subjects):,} subjects"
        for name, side in run.manifest.sides.items()
    )
    left_out = ""
    if run.manifest.excluded:
        left_out = f"; {run.manifest.excluded:,} left out, their people are on the test side"
    return f"{cells}{left_out}; tested on {facts.tested_text(run)}"


@_of_each
def _sides(run: RunRecord) -> str:
    normal, leukaemic = run.evaluation.class_names
    return ", ".join(
        f"{name} {side.leukaemic:,} {leukaemic} and {side.normal:,} {normal}"
        for name, side in run.manifest.sides.items()
    )


@_of_each
def _missing(run: RunRecord) -> str:
    unreadable = f"{len(run.evaluation.unreadable):,} of the test side"
    return f"Images that cannot be read count in no score ({unreadable}); nothing is imputed"


@_of_each
def _partition(run: RunRecord) -> str:
    manifest = run.manifest
    protocol = "the recipe's own split"
    if manifest.protocol:
        protocol = f"protocol {manifest.protocol}, round {manifest.round}"
    return f"{protocol}, {manifest.kind}, seed {manifest.seed}, fingerprint {manifest.fingerprint[:12]}"


@_of_each
def _disjoint(run: RunRecord) -> str:
    if run.overlap is None:
        return f"{run.evaluation.split_kind}; no proof stands beside the evaluation"
    proof = "with something in common, see the split"
    if run.overlap.is_disjoint:
        proof = "proven to have nothing in common"
    return f"{run.evaluation.split_kind}; sides {proof} by person, bytes and near-duplicate"


@_of_each
def _subsets(run: RunRecord) -> str:
    recipe = run.card.recipe
    parts = ", ".join(recipe.parts) if recipe.parts else "all labelled cells"
    used = f"cells of protocol {run.card.protocol}" if run.card.protocol else f"parts used: {parts}"
    return used + ("; cells of the larger class deleted at random" if recipe.balance else "")


@_of_each
def _imbalance(run: RunRecord) -> str:
    recipe = run.card.recipe
    means = {
        "Cells of the larger class are deleted at random before training": recipe.balance,
        f"sampling {recipe.sampling}": recipe.sampling != "once-each",
        f"loss {recipe.loss}": recipe.loss.endswith("-balanced"),
    }
    return "; ".join(text for text, is_used in means.items() if is_used) or "None used"


@_of_each
def _selection(run: RunRecord) -> str:
    if run.card.recipe.keep == "best":
        return "The weights of the epoch with the lowest loss by subject on the validation side"
    return "The weights after the last iteration; no checkpoint is picked"


@_of_each
def _ensembling(run: RunRecord) -> str:
    recipe = run.card.recipe
    if recipe.network != "ensemble":
        return "None"
    n = len(recipe.network_options["members"])
    return f"The mean of the calibrated log odds of {n} networks, calibrated anew"


def _initialisation(runs: Runs) -> str | None:
    # Others may start from published weights. The network's options say so, and not what trained them.
    if any(run.card.recipe.network != "leuknet" for run in runs):
        return None
    return "Drawn at random from the seed: Glorot uniform weights, zero bias; no weights from elsewhere"


def _clusters(runs: Runs) -> str:
    methods = sorted({run.evaluation.metrics["accuracy"].method for run in runs})
    return f"Cells cluster in people. Intervals: {', '.join(methods)}; each person's accuracy is listed"


def _uncertainty(runs: Runs) -> str:
    levels = {interval.level for run in runs for interval in run.evaluation.metrics.values()}
    return (
        f"{', '.join(sorted(f'{level:.0%}' for level in levels))} intervals by leaving out subjects, or by "
        "Wilson's formula and over cells where subjects do not count, and none where subjects are too few; "
        "pairs of models by the larger p value of two tests: leaving out subjects from both models at once, "
        "and swapping the answers of whole subjects"
    )


@_of_each
def _performance(run: RunRecord) -> str:
    scores = scores_text(run.evaluation, ("auroc", "sensitivity", "specificity", "ece"))
    return f"{scores}; all others under Comparison"


def _heterogeneity(runs: Runs) -> str | None:
    known = [run for run in runs if "subject_accuracy" in run.evaluation.metrics]

    def tell(run: RunRecord) -> str:
        score = score_text("subject_accuracy", run.evaluation.metrics["subject_accuracy"])
        return f"mean over subjects {score}; the worst are listed"

    return each(known, tell) or None


def _internal(runs: Runs) -> str | None:
    inside = [run for run in runs if run.evaluation.split_kind not in ("external", "unknown")]
    return each(inside, facts.tested_text) or None


def _external(runs: Runs) -> str:
    outside = [run for run in runs if run.evaluation.split_kind in ("external", "unknown")]
    return each(outside, facts.tested_text) or "Not done in these runs"


def _robustness(runs: Runs) -> str:
    seeds = counted(len({run.evaluation.seed for run in runs}), "seed")
    rounds = counted(len({run.evaluation.round for run in runs}), "round")
    beside = "with" if any(run.baselines for run in runs) else "without"
    baselines = f"{beside} baselines of cell area, mean colour, texture and nearest image"
    return f"{counted(len(runs), 'run')}, {seeds}, {rounds}, {baselines}"


def _explanation(runs: Runs) -> str:
    if any(run.galleries for run in runs):
        return "Grad-CAM and occlusion maps of chosen cells, in the galleries"
    return "None stands beside these runs"


def _failures(runs: Runs) -> str:
    def tell(run: RunRecord) -> str:
        (_, called_leukaemic), (called_normal, _) = run.evaluation.confusion
        return f"{called_leukaemic + called_normal:,} cells called wrong"

    shown = ", the most certain errors shown" if any(run.galleries for run in runs) else ""
    return f"{each(runs, tell)}; the worst subjects are listed{shown}"


@_of_each
def _training(run: RunRecord) -> str:
    return f"{facts.optimiser_text(run.card.recipe)}. {training_data_text(run)}"


def _measures(_: Runs) -> str:
    curves = "ROC, precision-recall, reliability, decision and risk-coverage curves"
    return f"{metrics_text()} {curves}"


@_of_each
def _prediction(run: RunRecord) -> str:
    holds = "weights, card, calibration and reference images"
    return f"`leuknet predict` on the folder of model {run.evaluation.model_id}: {holds}"


@_of_each
def _output(run: RunRecord) -> str:
    return f"A probability. {facts.threshold_text(run)}. Undecided: {facts.undecided_text(run)}"


@_of_each
def _difference(run: RunRecord) -> str:
    return f"trained on {training_data_text(run)}; tested on {facts.tested_text(run)}"


def _code(runs: Runs) -> str:
    return f"{each(runs, facts.software_text)}, Apache-2.0"


def _sharing(runs: Runs) -> str:
    return "; ".join(filter(None, (_data(runs), _code(runs))))


def _input(_: Runs) -> str:
    return (
        "Images that cannot be read get no score. Images unlike the training cells are flagged, and those on "
        "which the model should not decide are called uncertain"
    )


ANSWERS: Mapping[str, Answer] = {
    "goal": _goal,
    "data": _data,
    "outcome": _outcome,
    "sizes": _sizes,
    "sides": _sides,
    "missing": _missing,
    "partition": _partition,
    "disjoint": _disjoint,
    "subsets": _subsets,
    "imbalance": _imbalance,
    "initialisation": _initialisation,
    "clusters": _clusters,
    "uncertainty": _uncertainty,
    "performance": _performance,
    "heterogeneity": _heterogeneity,
    "internal": _internal,
    "external": _external,
    "robustness": _robustness,
    "explanation": _explanation,
    "failures": _failures,
    "network": _of_each(facts.network_text),
    "preparation": _of_each(facts.input_text),
    "predictors": lambda _: "The pixels of one cell's image; no feature is made or chosen by hand",
    "interpretation": lambda _: "None: nobody interprets the pixels before the model does",
    "training": _training,
    "selection": _selection,
    "ensembling": _ensembling,
    "measures": _measures,
    "updating": lambda _: "None after evaluation; the temperature is fitted on the validation side before it",
    "prediction": _prediction,
    "output": _output,
    "difference": _difference,
    "code": _code,
    "sharing": _sharing,
    "limits": lambda runs: f"{len(limit_texts(runs))} limits are stated under Limits",
    "input": _input,
    **DIAGNOSTIC_ANSWERS,
}
"""What the runs know, by the names that `checklist.json` uses."""
