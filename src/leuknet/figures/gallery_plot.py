"""Chooses telling cells of an evaluation and draws them with maps of what the network saw in them.

Cells that are picked by hand would tell of the picker; each choice here is a rule, and its caption says which
rule and out of how many. The choosers look at numbers alone. Maps come from elsewhere, signed: above 0 speaks
for the leukaemic class, below 0 for the normal one. Their colours are orange and blue, which people with any
common colour blindness tell apart, over the image in grey, so that no stain is taken for a map.

Start at `choose_certain_wrong`, `choose_uncertain` or `choose_typical`, then `draw_gallery`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure, SubFigure
from numpy.typing import NDArray
from PIL import Image

from leuknet.figures.cells_plot import image_axes, write_call, write_truth
from leuknet.figures.evidence_plot import EVIDENCE, OPACITY
from leuknet.figures.frame import (
    GREEN,
    MUTED,
    ORANGE,
    axes_at,
    check_lengths,
    framed,
    house_style,
    shortened,
    write,
)
from leuknet.inference.outcome import UNCERTAIN, UNFAMILIAR, outcome_of
from leuknet.types import Evaluation, Features, Label, Labels, Pixels, Prediction, Probabilities

_COLUMNS = 6
_SIDE_IN, _IMAGE_IN = 1.5, 1.42
"""From one image to the next, and side of an image."""
_LEFT_IN, _RIGHT_IN = 0.5, 1.05
"""Space for the rows' names, and for the colour bars."""
_NAME_IN, _CALL_IN = 0.22, 0.72


@dataclass(frozen=True)
class Choice:
    """Cells chosen by a rule: their positions among the scored cells, and a caption that states the rule."""

    name: str
    title: str
    places: tuple[int, ...]
    caption: str


def choose_certain_wrong(evaluation: Evaluation, n: int = 6) -> Choice:
    """Choose the wrong calls whose class was given the highest probability, highest first; perhaps none."""
    labels, probabilities = _scores(evaluation)
    called = probabilities >= evaluation.threshold
    wrong = np.flatnonzero(called != (labels == Label.LEUKAEMIC))
    certainty = np.where(called, probabilities, 1 - probabilities)[wrong]
    places = wrong[np.argsort(-certainty, kind="stable")[:n]]
    caption = f"None of {labels.size:,} test cells was called wrong, so there is none to show."
    if wrong.size:
        caption = (
            f"The {places.size} most certain of {wrong.size:,} wrong calls among {labels.size:,} test cells, "
            "the most certain first."
        )
    return Choice("certain-wrong", "Most certain wrong calls", tuple(places.tolist()), caption)


def choose_uncertain(evaluation: Evaluation, n: int = 6) -> Choice:
    """Choose the cells whose probability is nearest to the threshold, nearest first."""
    labels, probabilities = _scores(evaluation)
    threshold = evaluation.threshold
    places = np.argsort(np.abs(probabilities - threshold), kind="stable")[:n]
    caption = (
        f"The {places.size} of {labels.size:,} test cells whose probability is nearest to the threshold of "
        f"{threshold:.1%}, the nearest first."
    )
    if evaluation.calibration is not None:
        low, high = evaluation.calibration.undecided
        undecided = int(np.sum((low <= probabilities) & (probabilities < high)))
        caption += f" Uncertain by the model's rule, from {low:.1%} to {high:.1%}: {undecided:,} cells."
    return Choice("uncertain", "Most uncertain cells", tuple(places.tolist()), caption)


def choose_typical(
    labels: Labels,
    probabilities: Probabilities,
    threshold: float,
    features: Features,
    n: int = 6,
    *,
    class_names: tuple[str, str],
) -> Choice:
    """Choose the cells called right that are nearest to the mean of their class, leukaemic cells first.

    Parameters
    ----------
    labels, probabilities : (N,)
        True class and P(leukaemic) of each cell.
    threshold
        Cells at or above it are called leukaemic.
    features : (N, F) float32
        What the network sees in each cell; the distance is Euclidean. The mean is over all cells of a class.
    n
        How many of both classes together; an odd one is leukaemic. A class with fewer right calls gives all.
    class_names
        Meaning of label 0 and label 1.

    Raises
    ------
    ShapeError
        If the arrays are empty or of different lengths.
    """
    check_lengths("typical cells", len(labels), len(probabilities), len(features))
    right = (probabilities >= threshold) == (labels == Label.LEUKAEMIC)
    chosen: list[int] = []
    parts: list[str] = []
    for kind, share in ((Label.LEUKAEMIC, n - n // 2), (Label.NORMAL, n // 2)):
        candidates = np.flatnonzero(right & (labels == kind))
        if candidates.size:
            centre = features[labels == kind].mean(axis=0)
            distances = np.linalg.norm(features[candidates] - centre, axis=1)
            candidates = candidates[np.argsort(distances, kind="stable")]
        chosen += candidates[:share].tolist()
        parts.append(f"{min(share, candidates.size)} of {candidates.size:,} {class_names[kind]}")
    caption = (
        f"{' and '.join(parts)} cells called right, those nearest to the mean of their class in what the "
        "network sees, the nearest first."
    )
    return Choice("typical", "Most typical cells", tuple(chosen), caption)


@house_style()
def draw_gallery(
    images: Sequence[Pixels],
    maps_by_method: Mapping[str, NDArray[np.float32]],
    *,
    labels: Labels | None,
    probabilities: Probabilities,
    threshold: float,
    undecided: tuple[float, float] | None,
    class_names: tuple[str, str],
    title: str,
    caption: str,
    simulated: bool,
    names: Sequence[str] = (),
    warnings: Sequence[tuple[str, ...]] = (),
) -> Figure:
    """Draw cells in columns: the image, the map of each method over it, and below what was called.

    A right call has a green frame and a tick; a wrong one a dashed orange frame and a cross; an uncertain or
    unfamiliar cell a dotted grey frame and a question mark. One colour bar for each row, whose ends are the
    largest value among the cells of the row. No cells at all give a figure with the caption alone.

    Parameters
    ----------
    images
        Each (H, W, 3) uint8; sizes may differ.
    maps_by_method
        Name of a method to its signed maps (N, S, S); a map spans its whole image.
    labels, probabilities : (N,)
        True class, None where it is not known, and P(leukaemic) of each image.
    threshold, undecided
        Cells at or above the threshold are called leukaemic, unless low <= P < high: then they are uncertain.
    class_names
        Meaning of label 0 and label 1.
    title, caption
        What is shown, and how the cells were chosen.
    simulated
        Stamp the picture as made from simulated cells.
    names
        What to write above each image, such as its file name; long ones are cut in the middle.
    warnings
        Of each image: by them `leuknet.inference.outcome.outcome_of` calls an image unfamiliar.

    Raises
    ------
    ShapeError
        If labels, probabilities, maps, names or warnings are not one for each image.
    """
    if not len(images):
        return framed(6.5, 0.05, title=title, subtitle=caption, simulated=simulated)[0]
    given = filter(len, (names, warnings, () if labels is None else labels))
    lists = [probabilities, *maps_by_method.values(), *given]
    check_lengths("a gallery", len(images), *map(len, lists))
    n_columns = min(_COLUMNS, len(images))
    block_in = _NAME_IN + _SIDE_IN * (1 + len(maps_by_method)) + _CALL_IN
    height_in = -(-len(images) // _COLUMNS) * block_in
    width_in = max(6.5, _LEFT_IN + n_columns * _SIDE_IN + _RIGHT_IN)
    figure, body = framed(width_in, height_in, title=title, subtitle=caption, simulated=simulated)
    limits = {name: float(np.abs(maps).max()) or 1.0 for name, maps in maps_by_method.items()}
    for place, pixels in enumerate(images):
        block, column = divmod(place, _COLUMNS)
        left_in, top_in = _LEFT_IN + column * _SIDE_IN, height_in - block * block_in - _NAME_IN
        axes = image_axes(body, left_in, top_in - _IMAGE_IN, _IMAGE_IN)
        axes.imshow(pixels, interpolation="antialiased")
        if len(names):
            axes.set_title(shortened(names[place], 20), fontsize=7.5, pad=4, color=MUTED)
        for row, (name, maps) in enumerate(maps_by_method.items(), start=1):
            axes = image_axes(body, left_in, top_in - row * _SIDE_IN - _IMAGE_IN, _IMAGE_IN)
            _overlay(axes, pixels, maps[place], limit=limits[name])
        called = Prediction("", float(probabilities[place]), threshold, "", undecided=undecided)
        called = replace(called, warnings=tuple(warnings[place])) if len(warnings) else called
        _mark_call(axes, called, None if labels is None else Label(int(labels[place])), names=class_names)
    for block in range(-(-len(images) // _COLUMNS)):
        top_in = height_in - block * block_in - _NAME_IN
        _frame_rows(body, top_in, _LEFT_IN + n_columns * _SIDE_IN, limits=limits, names=class_names)
    return figure


def describe_calls(labels: Labels, probabilities: Probabilities, *, class_names: tuple[str, str]) -> str:
    """Return the cells' true classes and probabilities in words, for those who cannot see the picture."""
    pairs = zip(labels.tolist(), probabilities.tolist(), strict=True)
    return "; ".join(f"truly {class_names[label]}, P({class_names[1]}) {p:.1%}" for label, p in pairs)


def _scores(evaluation: Evaluation) -> tuple[Labels, Probabilities]:
    return np.array(evaluation.labels, dtype=np.int64), np.array(evaluation.probabilities)


def _overlay(axes: Axes, pixels: Pixels, values: NDArray[np.float32], *, limit: float) -> None:
    """Show a map over its image in grey; the further from 0, the less of the image shines through."""
    h, w = pixels.shape[:2]
    grey = np.asarray(Image.fromarray(pixels).convert("L"))
    axes.imshow(grey, cmap="gray", vmin=0, vmax=255, interpolation="antialiased")
    opacity, extent = OPACITY * np.abs(values) / limit, (-0.5, w - 0.5, h - 0.5, -0.5)
    norm = Normalize(-limit, limit)
    axes.imshow(values, cmap=EVIDENCE, norm=norm, alpha=opacity, extent=extent, interpolation="nearest")


def _mark_call(axes: Axes, called: Prediction, truth: Label | None, *, names: tuple[str, str]) -> None:
    """Frame the last image of a column, and write call, probability and truth below."""
    assert called.label is not None and called.probability is not None  # noqa: S101, PT018  it has a score
    call = shortened(names[called.label], 12)
    colour, line, mark = MUTED, "-", call
    outcome = outcome_of(called)
    if outcome in (UNCERTAIN, UNFAMILIAR):
        line, mark = ":", f"? {outcome}"
    elif truth is not None:
        is_right = truth == called.label
        colour, line, mark = (GREEN, "-", f"✓ {call}") if is_right else (ORANGE, "--", f"✗ {call}")
    axes.spines[:].set(visible=True, color=colour, linestyle=line, linewidth=2.5)
    write_call(axes, mark, called.probability, colour=colour, class_names=names)
    if truth is not None:
        write_truth(axes, truth, class_names=names)


def _frame_rows(
    body: SubFigure, top_in: float, right_in: float, *, limits: Mapping[str, float], names: tuple[str, str]
) -> None:
    """Write what each row shows on its left, and draw the colour bars of the maps on its right."""
    for row, name in enumerate(["image", *limits]):
        bottom_in = top_in - row * _SIDE_IN - _IMAGE_IN
        left = axes_at(body, 0.0, bottom_in, _LEFT_IN, _IMAGE_IN)
        left.set_axis_off()
        write(left, 0.7, 0.5, shortened(name, 20), rotation=90, color=MUTED)
        if row == 0:
            continue
        limit = limits[name]
        bar = axes_at(body, right_in + 0.1, bottom_in + 0.3, 0.13, _IMAGE_IN - 0.6)
        body.colorbar(ScalarMappable(Normalize(-limit, limit), EVIDENCE), cax=bar, ticks=[-limit, 0, limit])
        bar.set_yticklabels([f"\N{MINUS SIGN}{limit:.2g}", "0", f"+{limit:.2g}"], fontsize=7.5)
        for y, side, kind in ((1.1, "bottom", Label.LEUKAEMIC), (-0.1, "top", Label.NORMAL)):
            text = f"for {shortened(names[kind], 9)}"
            bar.text(0, y, text, transform=bar.transAxes, ha="left", va=side, fontsize=8)
