"""The page of a reading study: how far readers agree, with each other, themselves and the model.

Start at `study_html`. What it tells is in `study_content`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.metadata import version

from leuknet.evaluation.agreement import HEADINGS, Agreement, Compared, kappa_text
from leuknet.evaluation.resampling import MIN_SUBJECTS
from leuknet.report.blocks import Block, Bullets, Facts, Notice, Picture, Section, Table, Text, Tiles, counted
from leuknet.report.render import drawn_text, embedded_figure, render
from leuknet.room.study_content import StudyPhaseResults, StudyResults

WHAT_KAPPA_SAYS = (
    "Kappa is the part of the agreement that is beyond chance: 0 is what readers with these habits would "
    "reach by guessing, 1 is full agreement. It says nothing of who is right: readers can agree and be wrong "
    "together, and a reader who differs from the others may be the one who is right.",
    "It depends on how common each verdict is. Where one is rare, kappa is low although readers agree on "
    "nearly all cells; kappas of studies with other cells cannot be compared. Read it beside the "
    "percent agreement.",
    "Each of the four verdicts counts as a category of its own: leukaemic against uncertain is as much of a "
    "disagreement as leukaemic against normal.",
)
"""Stands on every page that shows a kappa."""


def study_html(results: StudyResults) -> str:
    """Return the page as HTML."""
    sections = [
        Section("result", "Result", _result(results)),
        Section("agreement", "Agreement", _agreement(results)),
        Section("readers", "Readers", _readers(results)),
        Section("making", "How it was made", _making(results)),
        Section("limits", "Limits", _limits(results)),
    ]
    if results.changes:
        change = Section("change", "Change with the model in view", _changes(results))
        sections.insert(2, change)
    return render(
        "report.html",
        title=f"Reading study: {results.title}",
        simulated=drawn_text("Every cell that was read") if results.simulated else "",
        places=[(section.id, section.title) for section in sections],
        sections=sections,
        runs=1,
        data=f"{counted(results.n_cells, 'cell')} of {counted(results.n_cases, 'case')}",
        version=version("leuknet"),
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def left_out_text(results: StudyResults) -> str:
    """Return how many simulated cells were read, and that no number holds them."""
    return (
        f"{counted(results.left_out, 'cell')} of the demonstration, drawn by a program, "
        f"{'was' if results.left_out == 1 else 'were'} read beside real ones. No number here holds them."
    )


def _result(results: StudyResults) -> tuple[Block, ...]:
    tiles = []
    for phase in results.phases:
        among = [compared for compared in phase.compared if compared.kind in ("all", "pair")]
        # Of several readers Fleiss' kappa sums them up; two have Cohen's alone.
        chosen = next((compared for compared in among if compared.kind == "all"), among[0] if among else None)
        if chosen is not None:
            name = "Fleiss' kappa" if chosen.kind == "all" else "Cohen's kappa"
            tiles.append((f"{name}, {phase.phase}", *_tile(chosen.kappa)))
            tiles.append((f"Agreement, {phase.phase}", *_tile(chosen.agreement, is_share=True)))
    tiles.append(
        (
            "Disputed cells",
            f"{results.disputed:,}",
            f"{results.adjudicated:,} decided by a lead",
            f"of {counted(results.n_cells, 'cell')}",
        )
    )
    blocks: list[Block] = [Tiles(tuple(tiles)), Notice("What kappa says, and what not", WHAT_KAPPA_SAYS)]
    if results.left_out:
        blocks.insert(0, Notice("Simulated cells are left out", (left_out_text(results),)))
    if results.state != "closed":
        blocks.insert(0, Notice("The study is not closed", ("These are the results so far.",)))
    return tuple(blocks)


def _agreement(results: StudyResults) -> tuple[Block, ...]:
    phases = {phase.phase: phase.compared for phase in results.phases if phase.compared}
    if not phases:
        return (Text("Nobody was compared."),)
    from leuknet.figures.agreement_plot import draw_agreement  # loads Matplotlib

    figure = draw_agreement(
        phases,
        title="How far readers agree",
        subtitle=f"{counted(results.n_cells, 'cell')} of {counted(results.n_cases, 'case')}. "
        f"{_intervals(results)}",
        simulated=results.simulated,
    )
    blocks: list[Block] = [
        Picture(
            embedded_figure(figure),
            "Kappa with its 95% interval, percent agreement and the number of cells that both or all read.",
            "Kappas as marks with intervals; the table below holds the same numbers.",
        )
    ]
    for phase in results.phases:
        blocks.append(_table(f"Agreement, {phase.phase}", phase.compared))
        blocks += [Text(text) for text in _reasons(phase)]
    return tuple(blocks)


def _changes(results: StudyResults) -> tuple[Block, ...]:
    return (
        Text(
            "Assisted minus unaided, over cells that were read in both phases; each case is left out of "
            "both. That readers agree more once they see the model can mean that it helps them, or that they "
            "follow it.",
        ),
        _table("Change of agreement and kappa, assisted minus unaided", results.changes, is_change=True),
    )


def _readers(results: StudyResults) -> tuple[Block, ...]:
    blocks: list[Block] = []
    for phase in results.phases:
        verdicts = [verdict for verdict, _ in phase.readers[0].counts] if phase.readers else []
        rows = tuple(
            (
                row.reader,
                f"{row.read:,} of {row.total:,}",
                *(f"{number:,}" for _, number in row.counts),
                ""
                if row.seconds is None
                else f"{row.seconds[1]:.1f} ({row.seconds[0]:.1f} to {row.seconds[2]:.1f})",
            )
            for row in phase.readers
        )
        head = (
            "Reader",
            "Items read",
            *(verdict.replace("_", " ") for verdict in verdicts),
            "Seconds per item",
        )
        caption = f"{phase.phase.capitalize()}: verdicts at first showing; seconds as median (quartiles)"
        blocks.append(Table(caption, head, rows))
    blocks.append(
        Text(
            "Items hold the cells that came twice. Seconds count while the cell was in view with the window "
            "in front."
        )
    )
    return tuple(blocks)


def _making(results: StudyResults) -> tuple[Block, ...]:
    modes = {
        "unaided": "unaided: readers did not see the model",
        "assisted": "assisted: readers saw what the model says",
        "both": f"first unaided; then all anew with the model, {counted(results.washout_days, 'day')} later "
        "or more"
        if results.washout_days
        else "first unaided; then all anew with the model, at once",
    }
    rows = (
        ("Mode", modes[results.mode]),
        ("Blinding", "to other readers, names of files and cases, and which cells come twice"),
        ("Order", f"another for each reader and phase, drawn at random (seed {results.seed})"),
        ("Shown twice", f"{results.repeat_share:.0%} of the cells, a third of the list or more apart"),
        ("Opened", results.opened_at or "not yet"),
        ("Closed", results.closed_at or "not yet"),
        ("Models", ", ".join(results.models)),
        (
            "The model's call",
            "positive is leukaemic, negative normal; uncertain and unfamiliar are uncertain",
        ),
        ("Disputed", "verdicts of two readers differ at first showing, in the last phase that all finished"),
    )
    return (Facts(rows),)


def _limits(results: StudyResults) -> tuple[Block, ...]:
    n_readers = len(results.phases[0].readers) if results.phases else 0
    texts = [
        "For research only. It has not been tested for any use in the care of people.",
        "Intervals hold the choice of cases, not that of readers: from "
        f"{counted(n_readers, 'reader')} nothing follows for others.",
        "A verdict is an opinion on a picture of one cell, without the blood count, the other cells or the "
        "person. Agreement with the model is not accuracy.",
    ]
    if results.n_cases < MIN_SUBJECTS:
        texts.append(
            f"There are no intervals: {counted(results.n_cases, 'case')} say too little of how cases differ, "
            f"an interval needs {MIN_SUBJECTS}."
        )
    return (Bullets(tuple(texts)),)


def _table(caption: str, compared: tuple[Compared, ...], *, is_change: bool = False) -> Table:
    rows = tuple(
        (
            (pair.name, HEADINGS[pair.kind].partition(" (")[2].rstrip(")")),
            _share(pair.agreement, is_change=is_change),
            _signed(pair.kappa) if is_change else kappa_text(pair.kappa),
            f"{pair.kappa.cells:,} of {counted(pair.kappa.cases, 'case')}",
            f"{pair.kappa.left_out:,}",
        )
        for pair in compared
    )
    return Table(caption, ("Who", "Agreement", "Kappa", "Cells", "Left out"), rows)


def _reasons(phase: StudyPhaseResults) -> tuple[str, ...]:
    return tuple(f"{pair.name}: {pair.kappa.reason}." for pair in phase.compared if pair.kappa.reason)


def _tile(measured: Agreement, *, is_share: bool = False) -> tuple[str, str, str]:
    basis = f"{counted(measured.cells, 'cell')} of {counted(measured.cases, 'case')}"
    if measured.estimate is None:
        return "undefined", measured.reason, basis
    form = ".0%" if is_share else ".2f"
    bounds = "no interval" if measured.low is None else f"{measured.low:{form}} to {measured.high:{form}}"
    return f"{measured.estimate:{form}}", bounds, basis


def _share(measured: Agreement, *, is_change: bool) -> str:
    if measured.estimate is None:
        return "undefined"
    if is_change:
        text = f"{100 * measured.estimate:+z.0f} points"
        return (
            text
            if measured.low is None or measured.high is None
            else f"{text} ({100 * measured.low:+z.0f} to {100 * measured.high:+z.0f})"
        )
    bounds = (
        ""
        if measured.low is None or measured.high is None
        else f" ({100 * measured.low:.0f} to {100 * measured.high:.0f})"
    )
    return f"{measured.estimate:.0%}{bounds}"


def _signed(measured: Agreement) -> str:
    if measured.estimate is None or measured.low is None or measured.high is None:
        return kappa_text(measured)
    return f"{measured.estimate:+z.2f} ({measured.low:+z.2f} to {measured.high:+z.2f})"


def _intervals(results: StudyResults) -> str:
    if results.n_cases < MIN_SUBJECTS:
        return f"No intervals: fewer than {MIN_SUBJECTS} cases."
    return "95% intervals: jackknife over cases."
