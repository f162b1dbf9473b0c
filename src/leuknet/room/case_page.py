"""The page of a signed case: what readers decided, what the model says, and how far that can be trusted.

Start at `case_html`; what it tells is a `CaseRecord`.
"""

from __future__ import annotations

from collections.abc import Sequence

from leuknet.report.blocks import (
    Block,
    Bullets,
    Facts,
    Heading,
    Notice,
    Section,
    Table,
    Text,
    Thumbnails,
    Tiles,
    counted,
    shortened,
)
from leuknet.report.render import LISTED, render
from leuknet.room.case_record import CardFacts, CaseRecord, CellFacts, ExampleCell, ModelFacts, Person

LABEL_NAMES = {
    "leukaemic": "leukaemic",
    "normal": "normal",
    "uncertain": "uncertain",
    "not_a_cell": "not a cell",
    "disputed": "disputed",
    "unreviewed": "unreviewed",
}

_LONGEST_PLACE = 50  # characters below a thumbnail

_SAID = ("leukaemic", "normal", "uncertain", "unfamiliar", "other")


def case_html(record: CaseRecord, *, content_sha256: str) -> str:
    """Return the page as HTML, the same for the same record.

    Parameters
    ----------
    record
        What it tells.
    content_sha256
        Of the record's JSON text, as it is kept with the signature.
    """
    sections = [
        Section("result", "Result", _result(record)),
        Section("cells", "Cells", _cells(record)),
        Section("readers", "Readers", _readers(record)),
        Section("model", "What the model says", _models(record)),
        Section("signature", "Signature and versions", _signature(record, content_sha256)),
        Section("limits", "Limits", (Bullets(record.limits),)),
        Section("images", "Images", _images(record)),
    ]
    return render(
        "report.html",
        title=f"Case report: {record.title}",
        simulated="",
        places=[(section.id, section.title) for section in sections],
        sections=sections,
        runs=1,
        data=f"case {record.case_id}, version {record.version}",
        version=record.leuknet_version,
        created_at=record.signed_at,
    )


def _result(record: CaseRecord) -> tuple[Block, ...]:
    notice = [record.research_only]
    if any(model.card is not None and model.card.simulated for model in record.models):
        notice.append("The model was trained on SIMULATED cells: what it says means nothing for real ones.")
    if record.counts["unreviewed"]:
        notice.append(
            f"{counted(record.counts['unreviewed'], 'cell')} of {record.cells:,} were signed unreviewed. "
            f"The signer's reason: {record.reason}"
        )
    elif record.reason:
        notice.append(f"The signer's reason: {record.reason}")
    rows = tuple(
        (name, f"{record.counts[label]:,}", _percent(record.counts[label], record.cells))
        for label, name in LABEL_NAMES.items()
    )
    return (
        Notice("Research use only", tuple(notice)),
        Tiles(_tiles(record)),
        Table(
            "Cells by the label that follows from all readers' verdicts", ("Label", "Cells", "Share"), rows
        ),
        Text(
            "A cell has the label that all its readers gave it, or that leads gave it where readers differ "
            f"({counted(record.decided_by_lead, 'cell')}). The share counts leukaemic cells among those "
            "labelled leukaemic or normal; its interval is Wilson's, for the number of cells alone."
        ),
    )


def _tiles(record: CaseRecord) -> tuple[tuple[str, str, str, str], ...]:
    share, counts = record.share, record.counts
    tile = ("leukaemic", "none labelled", "no cell is labelled leukaemic or normal", "")
    if share is not None:
        tile = (
            "leukaemic",
            f"{share.estimate:.1%}",
            f"{share.low:.1%} to {share.high:.1%} ({share.level:.0%} interval)",
            f"{share.leukaemic:,} of {counted(share.labelled, 'labelled cell')}",
        )
    return (
        tile,
        (
            "reviewed",
            f"{record.reviewed:,}",
            f"of {counted(record.cells, 'cell')}",
            f"by {counted(len(record.readers), 'person', 'people')}",
        ),
        (
            "without a class",
            f"{counts['uncertain'] + counts['not_a_cell']:,}",
            f"{counts['uncertain']:,} uncertain, {counts['not_a_cell']:,} not a cell",
            f"{counts['unreviewed']:,} unreviewed, {counts['disputed']:,} disputed",
        ),
        (
            "against the model",
            f"{record.n_differing:,}",
            "labelled one class, called the other",
            f"of {counted(_compared(record.models), 'cell')} with both",
        ),
    )


def _cells(record: CaseRecord) -> tuple[Block, ...]:
    if not record.examples:
        return (Text("The case has no cells."),)
    rule = "all cells" if len(record.examples) == record.cells else f"{len(record.examples)} of them"
    caption = (
        f"Of {counted(record.cells, 'cell')}, {rule}: first those where label and model differ, then others "
        "evenly by probability. Below each: its label, what the model says, P(leukaemic)."
    )
    return (Thumbnails(caption, tuple(_picture(example) for example in record.examples)),)


def _picture(example: ExampleCell) -> tuple[str, tuple[str, ...], str]:
    """Return a cell's picture, the lines below it, and what stands for it where it cannot be seen."""
    cell = example.cell
    label = _label(cell)
    lines = (label, f"model: {cell.said}", _probability(cell), _place(cell))
    return example.picture, lines, f"Cell {cell.name} of {cell.image}: {label}; the model says {cell.said}"


def _readers(record: CaseRecord) -> tuple[Block, ...]:
    blocks: list[Block] = []
    if record.readers:
        rows = tuple(
            (
                reader.person.name,
                _called(reader.person),
                f"{reader.verdicts:,}",
                _percent(reader.verdicts, record.cells),
                f"{reader.adjudications:,}",
            )
            for reader in record.readers
        )
        head = ("Reader", "Account and role", "Cells", "Share of all", "Of these adjudicated in a study")
        blocks.append(Table("Cells on which each person has spoken", head, rows))
    else:
        blocks.append(Text("Nobody has reviewed a cell."))
    if record.notes:
        notes = tuple((note.person.name, note.written_at, note.text) for note in record.notes)
        blocks += [Heading("Notes"), Table("Notes on the case", ("By", "At", "Note"), notes)]
    return tuple(blocks)


def _models(record: CaseRecord) -> tuple[Block, ...]:
    if not record.models:
        return (Text("No model has scored a cell of this case."),)
    blocks: list[Block] = []
    for model in record.models:
        blocks += [
            Heading(f"Model {model.model_id}"),
            Facts(_card_rows(model.card)),
            Table(
                "Cells by what the model says",
                ("It says", "Cells"),
                tuple((said, f"{number:,}") for said, number in sorted(model.outcomes.items())),
            ),
            _agreement(model),
        ]
    if record.differing:
        shown, more = shortened(record.differing, LISTED)
        rows = tuple((cell.name, cell.image, _label(cell), cell.said, _probability(cell)) for cell in shown)
        head = ("Cell", "Image", "Label", "Model", "P(leukaemic)")
        caption = "Cells where label and model name different classes, the surest calls first"
        blocks += [
            Heading("Where they differ"),
            Table(caption, head, rows, more + record.n_differing - len(record.differing)),
        ]
    return tuple(blocks)


def _card_rows(card: CardFacts | None) -> tuple[tuple[str, str], ...]:
    if card is None:
        return (("Card", "not on this server when the case was signed"),)
    low, high = card.undecided or (0.0, 0.0)
    return (
        ("Trained on", f"{card.dataset}{' (SIMULATED cells)' if card.simulated else ''}"),
        ("Recipe", card.recipe),
        ("Split", card.split_kind),
        ("Classes", f"0 {card.class_names[0]}, 1 {card.class_names[1]}"),
        ("Called leukaemic from", f"P = {card.threshold:.3g}"),
        ("Called uncertain", "never" if card.undecided is None else f"P from {low:.3g} to {high:.3g}"),
        ("Calibration", "none" if card.temperature is None else f"temperature {card.temperature:.3g}"),
        ("Trained", f"{card.trained_at}, by LeukNet {card.leuknet_version}"),
    )


def _agreement(model: ModelFacts) -> Table:
    shown = [said for said in _SAID if said != "other" or any(row[said] for row in model.agreement.values())]
    rows = tuple(
        (f"labelled {label}", *(f"{row[said]:,}" for said in shown)) for label, row in model.agreement.items()
    )
    compared, alike = _compared([model]), sum(row[label] for label, row in model.agreement.items())
    caption = f"Label and model agree on {alike:,} of {counted(compared, 'cell')} that have a class from both"
    return Table(caption, ("", *(f"model: {said}" for said in shown)), rows)


def _images(record: CaseRecord) -> tuple[Block, ...]:
    rows = tuple(
        (
            (image.name, f"SHA-256 {image.sha256}"),
            image.kind,
            f"{image.width_px:,} x {image.height_px:,} px",
            "not known" if image.microns_per_pixel is None else f"{image.microns_per_pixel:g} µm/px",
            f"{image.cells:,}",
            image.scored,
        )
        for image in record.images[:LISTED]
    )
    more = len(record.images) - len(rows)
    head = ("Image", "Kind", "Size", "Scale", "Cells", "Scoring")
    return (Table(f"{counted(len(record.images), 'image')} of this case", head, rows, more),)


def _signature(record: CaseRecord, content_sha256: str) -> tuple[Block, ...]:
    facts = Facts(
        (
            ("Case", f"{record.case_id}, made at {record.created_at}"),
            ("Version", str(record.version)),
            ("Signed by", f"{record.signer.name} ({_called(record.signer)})"),
            ("Signed at", f"{record.signed_at} (UTC)"),
            ("SHA-256 of the content", content_sha256),
            ("Audit log before signing", record.log_head),
            ("Software", f"LeukNet {record.leuknet_version}"),
        )
    )
    # Not among the facts: WeasyPrint lays long texts of a grid out in minutes, those of a paragraph at once.
    reason = Text(record.reason or "none needed: each cell is reviewed", strong="Reason:")
    if not record.earlier:
        return (facts, reason)
    rows = tuple(
        (
            str(earlier.version),
            (earlier.signed_at, f"{earlier.person.name} ({_called(earlier.person)})"),
            (earlier.reason or "no reason needed", f"SHA-256 {earlier.content_sha256}"),
        )
        for earlier in record.earlier
    )
    head = ("Version", "Signed", "Reason, and hash of its content")
    return (facts, reason, Table("Earlier versions, which this one amends", head, rows))


def _compared(models: Sequence[ModelFacts]) -> int:
    return sum(
        row[said] for model in models for row in model.agreement.values() for said in ("leukaemic", "normal")
    )


def _label(cell: CellFacts) -> str:
    return LABEL_NAMES[cell.label] + (" (decided by a lead)" if cell.decided_by_lead else "")


def _place(cell: CellFacts) -> str:
    place = f"{cell.name}, {cell.image}"
    return place if len(place) <= _LONGEST_PLACE else f"{place[: _LONGEST_PLACE - 1]}…"


def _probability(cell: CellFacts) -> str:
    return "not scored" if cell.probability is None else f"P = {cell.probability:.3f}"


def _called(person: Person) -> str:
    return f"account {person.number}, {person.role}"


def _percent(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "-"
