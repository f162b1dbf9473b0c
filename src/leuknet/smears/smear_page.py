"""The page of one smear: what was found, what the model says of it, and how far that can be trusted.

Start at `SmearContent`, then `smear_html`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version

import numpy as np
from matplotlib.figure import Figure

from leuknet.figures.gallery_plot import draw_gallery
from leuknet.figures.smear_plot import Outlined, draw_overlay
from leuknet.inference.outcome import outcome_words
from leuknet.report.blocks import (
    Block,
    Code,
    Facts,
    Notice,
    Picture,
    Section,
    Table,
    Text,
    Tiles,
    counted,
    shortened,
)
from leuknet.report.render import LISTED, drawn_text, embedded_figure, render
from leuknet.smears.counts import SHARES_MEAN, Shift, count_outcomes, share_texts, tile_texts
from leuknet.smears.smear import NOT_VALIDATED, SmearCell
from leuknet.types import FLAG_MEANINGS, FieldScale, Interval, ModelCard, Pixels

GALLERY_CELLS = 36
"""Cells that the page shows one by one; with more of them, every so many-th by rank."""

_LARGE = 1.0
"""Deviation from training, in standard deviations, from which on the page speaks of a shift."""


@dataclass(frozen=True, eq=False)
class SmearContent:
    """All that the page tells.

    Attributes
    ----------
    name
        The image's.
    height_px, width_px, scale
        Of the image.
    overview : (H, W, 3) uint8
        The image or the whole of it reduced.
    cells
        In the order of their numbers, from 1.
    crop_of
        Returns a cell as it lies in the image, (H, W, 3) uint8; the gallery shows some.
    shift
        Of the cells as they were scored.
    unnormalised
        The shift before the stain was changed; None where it was not.
    stain_method
        How the stain was changed, None where it was not.
    finder
        What found the cells.
    card, model_id, model_um
        The model, and its scale in µm per pixel as it was used; None where it is not known.
    simulated
        Whether the image was drawn by a program.
    command
        The command line that repeats it.
    notes
        What was odd about the image.
    """

    name: str
    height_px: int
    width_px: int
    scale: FieldScale
    overview: Pixels
    cells: Sequence[SmearCell]
    crop_of: Callable[[SmearCell], Pixels]
    shift: Shift
    unnormalised: Shift | None
    stain_method: str | None
    finder: str
    card: ModelCard
    model_id: str
    model_um: float | None
    simulated: bool
    command: str
    notes: tuple[str, ...] = ()


def smear_html(content: SmearContent) -> str:
    """Return the page as HTML."""
    sections = [
        Section("result", "Result", _result(content)),
        Section("picture", "Where the cells are", _picture(content)),
        Section("gallery", "Cells by probability", _gallery(content)),
        Section("shift", "How unlike the trained cells they are", _shift(content)),
        Section("making", "How it was made", _making(content)),
    ]
    return render(
        "report.html",
        title=f"Leukocytes in {content.name}",
        simulated=drawn_text("Every cell of this image") if content.simulated else "",
        places=[(section.id, section.title) for section in sections],
        sections=sections,
        runs=1,
        data=f"image {content.name}",
        version=version("leuknet"),
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def draw_smear_overlay(content: SmearContent) -> Figure:
    """Return the image with each cell outlined by its outcome."""
    return draw_overlay(
        content.overview,
        [Outlined(cell.outline, cell.outcome, number) for number, cell in enumerate(content.cells, start=1)],
        width_px=content.width_px,
        microns_per_pixel=content.scale.microns_per_pixel,
        names=outcome_words(content.card.class_names),
        title=f"Leukocytes in {content.name}",
        caption=f"{counted(len(content.cells), 'cell')}, model {content.model_id}, not validated on smears",
        simulated=content.simulated,
    )


def draw_smear_gallery(content: SmearContent, *, at_most: int = GALLERY_CELLS) -> Figure:
    """Return the cells as they lie in the image, the most leukaemic ones first."""
    order = sorted(range(len(content.cells)), key=lambda place: -_probability(content.cells[place]))
    chosen = [order[round(rank)] for rank in np.linspace(0, len(order) - 1, min(at_most, len(order)))]
    cells = [content.cells[place] for place in chosen]
    rule = "all of them" if len(chosen) == len(order) else f"{len(chosen)} of {len(order)}, evenly by rank"
    return draw_gallery(
        [content.crop_of(cell) for cell in cells],
        {},
        labels=None,
        probabilities=np.array([_probability(cell) for cell in cells]),
        threshold=cells[0].prediction.threshold,
        undecided=cells[0].prediction.undecided,
        class_names=content.card.class_names,
        title="Cells by probability",
        caption=f"Highest P({content.card.class_names[1]}) first; {rule}. As they lie in the image, numbers "
        "as in the overlay, * marks a cell unlike the trained ones.",
        simulated=content.simulated,
        warnings=[cell.prediction.warnings for cell in cells],
        names=[
            f"{place + 1}{' *' if content.cells[place].outcome == 'unfamiliar' else ''}" for place in chosen
        ],
    )


def _result(content: SmearContent) -> tuple[Block, ...]:
    tiles, rows = [], []
    for outcome, found in count_outcomes(content.cells).items():
        name, number = outcome_words(content.card.class_names)[outcome], f"{found.cells:,}"
        flagged = sum(bool(cell.flags) for cell in content.cells if cell.outcome == outcome)
        tiles.append((name, number, *tile_texts(outcome, found)))
        rows.append((name, number, *share_texts(found.share), str(flagged)))
    return (
        Notice("Not validated on raw smears", _cautions(content)),
        Tiles(tuple(tiles)),
        Table(
            "Cells by outcome; 95% interval by Wilson, for the number of cells alone, taken as independent",
            ("Outcome", "Cells", "Share", "95% interval", "With a flag"),
            tuple(rows),
        ),
        Text(
            "Uncertain: the model should not decide. Unfamiliar: unlike the trained cells, whatever the "
            f"probability. {SHARES_MEAN} The interval says how a share varies by chance among so many cells. "
            "It does not hold errors of the model; those of leuknet subject with an evaluation do."
        ),
    )


def _cautions(content: SmearContent) -> tuple[str, ...]:
    """Return why the result may be wrong, the reason that always holds first."""
    cautions, shift = [NOT_VALIDATED], content.shift.unfamiliar
    if shift.estimate > 0:
        cautions.append(
            f"{_number(shift)} of {counted(shift.cells, 'cell')} ({shift.estimate:.0%}) are unlike the cells "
            "that trained it, by limits that 1 to 3% of its validation cells exceed, and as a rule more of "
            "new people's. See how they differ below."
        )
    if content.card.simulated:
        cautions.append("It was trained on SIMULATED cells: its scores mean nothing for real ones.")
    if content.model_um is None:
        cautions.append(
            "The model does not know its own scale, so that cells were cut out pixel by pixel. If the scales "
            "differ, all sizes are wrong, and size counts more than all else: state it with --model-scale."
        )
    return tuple(cautions)


def _picture(content: SmearContent) -> tuple[Block, ...]:
    flags = [flag for cell in content.cells for flag in cell.flags]
    rows = tuple(
        (flag, str(flags.count(flag)), meaning) for flag, meaning in FLAG_MEANINGS.items() if flag in flags
    )
    said = ", ".join(
        f"{found.cells:,} {outcome_words(content.card.class_names)[outcome]}"
        for outcome, found in count_outcomes(content.cells).items()
    )
    picture = Picture(
        embedded_figure(draw_smear_overlay(content)),
        "Outlines of the cells; line and sign tell the outcome. Numbers go from top to bottom.",
        f"The image with {counted(len(content.cells), 'outlined cell')}: {said}.",
    )
    if not rows:
        return (picture,)
    title = "Flags: cells that may be worth less; they are kept"
    return picture, Table(title, ("Flag", "Cells", "Meaning"), rows)


def _gallery(content: SmearContent) -> tuple[Block, ...]:
    best = max(content.cells, key=_probability)
    return (
        Picture(
            embedded_figure(draw_smear_gallery(content)),
            "Each cell as it lies in the image, with what the model says of it.",
            f"Cells in the order of their probability; the highest is {_probability(best):.1%}.",
        ),
    )


def _shift(content: SmearContent) -> tuple[Block, ...]:
    shift, before = content.shift, content.unnormalised
    blocks: list[Block] = []
    if not shift.deviations:
        return (Text("The model keeps no reference of its training cells: the shift cannot be measured."),)
    if before is not None:
        blocks.append(
            Text(
                f"unfamiliar cells went from {before.unfamiliar.estimate:.0%} to "
                f"{shift.unfamiliar.estimate:.0%} as {content.stain_method} normalisation changed the stain. "
                "That they look familiar does not show that they are called right.",
                strong="Effect of the stain normalisation:",
            )
        )
    columns = [("Mean deviation", dict(shift.deviations))]
    if before is not None:
        columns.append(("Before normalisation", dict(before.deviations)))
    head = ("Measure", *(title for title, _ in columns), "In words")
    rows = tuple(
        (
            name.replace("_", " "),
            *(f"{deviations[name]:+.1f} SD" for _, deviations in columns),
            "as in training"
            if abs(value) < _LARGE
            else ("higher" if value > 0 else "lower") + " than in training",
        )
        for name, value in shift.deviations
    )
    blocks.append(Table("Measures of the crops, in standard deviations of the trained cells", head, rows))
    reasons, more = shortened(shift.reasons, LISTED)
    if reasons:
        shown = tuple((reason, str(number)) for reason, number in reasons)
        blocks.append(Table("Why cells are called unfamiliar", ("Reason", "Cells"), shown, more))
    return tuple(blocks)


def _making(content: SmearContent) -> tuple[Block, ...]:
    card = content.card
    um = content.scale.microns_per_pixel
    model_um = (
        "not known: pixels as they are" if content.model_um is None else f"{content.model_um:g} µm per pixel"
    )
    rows = {
        "Image": f"{content.name}, {content.width_px:,} x {content.height_px:,} pixels",
        "Scale": f"{um:g} µm per pixel ({content.scale.source}): "
        f"{content.width_px * um / 1000:.2f} x {content.height_px * um / 1000:.2f} mm",
        "Scale of the model": model_um,
        "Found by": content.finder,
        "Stain normalisation": content.stain_method or "none",
        "Model": f"{content.model_id}, recipe {card.recipe.name}, trained on {card.origin}"
        f"{' (SIMULATED cells)' if card.simulated else ''}, {card.split_kind} split",
        "Called positive from": f"P({card.class_names[1]}) = {content.cells[0].prediction.threshold:.3g}",
    }
    if content.notes:
        rows["Notes on the image"] = "; ".join(content.notes)
    return (Facts(tuple(rows.items())), Code((content.command,)))


def _number(share: Interval) -> int:
    return round(share.estimate * share.cells)


def _probability(cell: SmearCell) -> float:
    return float(cell.prediction.probability or 0.0)
