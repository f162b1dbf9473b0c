"""Facts about a run in words, as several sections and the checklists need them.

Each function takes the runs of a report and returns a text, or None where the runs do not know. Where runs
differ, the text names each.

Start at `each`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from leuknet.evaluation.metrics import METRICS
from leuknet.evaluation.summary import bound_text, limits_text
from leuknet.report.blocks import counted
from leuknet.report.render import drawn_text
from leuknet.report.run_record import RunRecord
from leuknet.types import Interval, Recipe

Runs = Sequence[RunRecord]

_NAMED = 6
"""Runs that a text names one by one."""


def each(runs: Runs, tell: Callable[[RunRecord], str]) -> str:
    """Return what is told of the runs: once if it is the same of all, else by name."""
    texts: dict[str, list[str]] = {}
    for run in runs:
        texts.setdefault(tell(run), []).append(run.name)
    if len(texts) <= 1:
        return next(iter(texts), "")
    told = [f"{', '.join(names[:_NAMED])}: {text}" for text, names in list(texts.items())[:_NAMED]]
    more = len(texts) - len(told)
    return ". ".join(told) + (f". And {more} more" if more else "")


def basis_text(interval: Interval) -> str:
    """Return what a number rests on: `1,867 cells, 28 subjects`."""
    cells = counted(interval.cells, "cell")
    return cells if interval.subjects is None else f"{cells}, {counted(interval.subjects, 'subject')}"


def share_cell(interval: Interval) -> tuple[str, ...]:
    """Return a share and its limits as the lines of a table's cell: `80.4%`, `68.2% to 88.7%`."""
    return f"{interval.estimate:.1%}", limits_text(interval, ".1%")


def methods_text(metrics: Mapping[str, Interval]) -> str:
    """Return how intervals were made; where that differs between metrics, of which each was made so."""
    names: dict[str, list[str]] = {}
    for name, interval in metrics.items():
        method = interval.method.label
        if interval.is_known:
            method = f"{interval.level:.0%}, {method}"
        names.setdefault(method, []).append(METRICS[name].title)
    if len(names) == 1:
        (method,) = names
        return f"intervals: {method}" if any(each.is_known for each in metrics.values()) else method
    return "intervals: " + "; ".join(f"{method} ({', '.join(titles)})" for method, titles in names.items())


def tested_text(run: RunRecord) -> str:
    """Return on what a model was tested: part, numbers and split kind."""
    evaluation = run.evaluation
    subjects = "subjects not published"
    if evaluation.subjects is not None:
        subjects = f"of {counted(evaluation.subjects, 'subject')}"
    place = f", protocol {evaluation.protocol}" if evaluation.protocol else ""
    place += f", round {evaluation.round}" if evaluation.round else ""
    return (
        f"{evaluation.dataset}, {evaluation.part or 'all cells'}: {counted(evaluation.cells, 'cell')} "
        f"{subjects}, {evaluation.split_kind} split{place}"
    )


def network_text(run: RunRecord) -> str:
    """Return the network with the options that differ from its defaults."""
    recipe = run.card.recipe
    # `config` is the publisher's description of its network: the name says as much in one word.
    shown = {name: value for name, value in recipe.network_options.items() if name != "config"}
    if "members" in shown:  # of an ensemble, each with options of its own
        shown["members"] = " and ".join(member["network"] for member in shown["members"])
    options = ", ".join(f"{name} {value}" for name, value in shown.items())
    return f"network {recipe.network}{f' ({options})' if options else ''}, {input_text(run)}"


def input_text(run: RunRecord) -> str:
    """Return how an image becomes the network's input."""
    card = run.card
    side, crop = card.recipe.image_size_px, card.recipe.crop_px
    steps = []
    if card.canvas_px is not None:
        steps.append(f"placed at true scale on a black canvas of {card.canvas_px} pixels")
    if crop is not None:
        steps.append(f"cut to the middle {crop} pixels at true scale")
    canvas = ", ".join([*steps, "then resized"]) if steps else "resized whole"
    options = card.recipe.network_options
    if options.get("pretrained") or options.get("weights"):
        statistics = (card.channel_mean, card.channel_std)
        mean, std = (", ".join(f"{value:.4g}" for value in values) for values in statistics)
        given = f"less {mean} and divided by {std}, as its published weights want it"
    else:
        scaled = " and divided by its standard deviation" if card.recipe.standardise else ""
        given = f"less its training mean{scaled}"
    turns = card.recipe.rotations
    mean_of = f"; a score is the mean log odds over {turns} turns of the image" if turns > 1 else ""
    return f"RGB images {canvas} to {side} by {side} pixels; each channel {given}{mean_of}"


def optimiser_text(recipe: Recipe) -> str:
    """Return how a network was trained."""
    is_adam = recipe.optimizer == "adam"
    decay = f"L2 {recipe.weight_decay:g}" if is_adam else f"decoupled weight decay {recipe.weight_decay:g}"
    rate = f"rate {recipe.learning_rate:g}"
    if recipe.rate_factors:
        rate += f" ({', '.join(f'{name} times {factor:g}' for name, factor in recipe.rate_factors.items())})"
    if recipe.schedule == "cosine":
        fall = "falling to 0 along a cosine"
    else:
        fall = f"times {recipe.rate_drop_factor:g} after every {recipe.rate_drop_epochs} epochs"
    drawn = {
        "once-each": f"shuffled {recipe.shuffle.replace('-', ' ')}",
        "class-balanced": "both classes drawn equally often",
        "subject-balanced": "people of a class and both classes drawn equally often",
    }[recipe.sampling]
    batches = f"{recipe.epochs} epochs of batches of {recipe.batch_size}"
    parts = {
        f"{'Adam' if is_adam else 'AdamW'}, {rate}, {fall}, {decay} on weights": True,
        f"{batches}, {drawn}, {augmentation_text(recipe)}": True,
        f"loss {recipe.loss}": recipe.loss != "cross-entropy",
        f"running mean of the weights, decay {recipe.ema:g}": recipe.ema,
        "epoch with the lowest validation loss by subject kept": recipe.keep == "best",
    }
    return "; ".join(text for text, is_so in parts.items() if is_so)


def augmentation_text(recipe: Recipe) -> str:
    """Return how training images were changed."""
    changes = {
        f"turned by up to {recipe.rotate_deg:g} degrees": recipe.rotate_deg,
        "mirrored": recipe.flip,
        f"moved by up to {recipe.shift:.0%} of their side": recipe.shift,
        f"brightness changed by up to {recipe.brightness:.0%}": recipe.brightness,
        f"stain of each channel varied (spread {recipe.stain:g})": recipe.stain,
        f"mixed in pairs (mixup {recipe.mixup:g})": recipe.mixup,
    }
    made = ", ".join(text for text, strength in changes.items() if strength)
    return f"images {made}" if made else "no augmentation"


def threshold_text(run: RunRecord) -> str:
    """Return the threshold and how it was chosen."""
    leukaemic, threshold = run.evaluation.class_names[1], run.evaluation.threshold
    rule = {
        "half": "fixed beforehand, the class with the larger probability",
        "youden": "chosen on the validation side, where sensitivity + specificity is largest",
    }[run.evaluation.threshold_rule]
    called = f"P({leukaemic}) at or above {threshold:.3f} is called {leukaemic}"
    return f"{called}; {rule}. No test cell had a part in it"


def undecided_text(run: RunRecord) -> str:
    """Return the rule by which a model leaves a cell undecided."""
    calibration = run.evaluation.calibration
    if calibration is None:
        return "none: the model was saved without a calibration, and decides on every cell"
    low, high = calibration.undecided
    if calibration.bound is not None:
        return bound_text(calibration.bound, calibration.undecided, run.evaluation.class_names[1])
    if low >= high:
        return f"no cell is uncertain: at {calibration.coverage:.0%} coverage every set names one class"
    return (
        f"a cell with {low:.3f} ≤ P({run.evaluation.class_names[1]}) < {min(high, 1):.3f} is called "
        "uncertain: its conformal set does not name one class, or names another than the threshold does. "
        f"Sets are made to hold the true class of {calibration.coverage:.0%} of new cells of the people on "
        "the validation side; for new people there is no such promise"
    )


def simulated_text(runs: Runs) -> str:
    """Return what a page must say on top if the tested cells of its runs were drawn by a program, else ""."""
    if not any(run.evaluation.simulated for run in runs):
        return ""
    if all(run.card.simulated for run in runs):
        return drawn_text(f"Every cell of {'this run' if len(runs) == 1 else 'these runs'}")
    return drawn_text("Every tested cell") + " Not all of the cells that trained were."


def software_text(run: RunRecord) -> str:
    """Return the code that trained a model."""
    commit = f", commit {run.card.commit[:12]}" if run.card.commit else ", not from a git checkout"
    return f"LeukNet {run.card.leuknet_version}{commit}"
