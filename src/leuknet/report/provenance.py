"""The sections of a report that say what was trained, on what, and how the sides were kept apart.

Start at `model_card`, `data_card` and `split`. Each takes the runs and returns blocks.
"""

from __future__ import annotations

from leuknet.data.overlap import overlap_rows
from leuknet.data.protocols import PROTOCOLS
from leuknet.data.split_file import ManifestSide
from leuknet.evaluation.metrics import METRICS
from leuknet.figures.history_plot import draw_history
from leuknet.report import facts
from leuknet.report.blocks import Block, Bullets, Facts, Heading, Picture, Table, Text, counted, shortened
from leuknet.report.facts import Runs, each
from leuknet.report.render import LISTED, embedded_figure
from leuknet.report.run_record import RunRecord
from leuknet.types import DataCard, Overlap

_SUBJECTS = 60
_HISTORIES = 4


def model_card(runs: Runs) -> tuple[Block, ...]:
    """Return a model card under the headings of Mitchell et al. (2019)."""
    names = runs[0].evaluation.class_names
    return (
        Text("Headings after Mitchell et al. (2019), “Model cards for model reporting”, FAT*, 220-229."),
        Heading("Model details"),
        _model_details(runs),
        *_histories(runs),
        Heading("Intended use"),
        Text(
            f"Research on telling {names[1]} from {names[0]} in images of single cells, and on how such "
            "models are judged. Not for any decision about a person. Out of scope: raw smears, other "
            "stains and cameras, cells of other kinds, photographs."
        ),
        Heading("Factors"),
        Text(
            "Scores are given by class and by subject. Age, sex, origin, stain batch and camera are not "
            "part of what LeukNet reads; whether the model does worse for some groups cannot be told from "
            "here."
        ),
        Heading("Metrics"),
        Text(
            f"{metrics_text()} Each has an interval where enough people were tested; see the threshold under "
            "Calibration."
        ),
        Heading("Evaluation data"),
        Text(f"{each(runs, facts.tested_text)}."),
        Heading("Training data"),
        Text(f"{each(runs, training_data_text)}."),
        Heading("Ethical considerations"),
        Text(
            "Cells come from people. Consent, approval and de-identification rest with the publisher of the "
            "data, and are owed by the author of a study. A wrong call could harm someone who trusted it: "
            "nobody should."
        ),
        Heading("Caveats and recommendations"),
        Text(
            "Look at the worst subjects before the mean, at undecided cells before the accuracy, and at the "
            "baselines before both. See Limits."
        ),
    )


def _model_details(runs: Runs) -> Facts:
    return Facts(
        (
            ("Recipe", each(runs, lambda run: f"{run.card.recipe.name}, after {run.card.recipe.source}")),
            ("Network", each(runs, facts.network_text)),
            ("Training", each(runs, lambda run: facts.optimiser_text(run.card.recipe))),
            ("Seed", each(runs, lambda run: str(run.card.recipe.seed))),
            ("Model", each(runs, lambda run: run.evaluation.model_id)),
            ("Trained at", each(runs, lambda run: run.card.created_at)),
            ("Software", each(runs, facts.software_text)),
        )
    )


def metrics_text() -> str:
    """Return the metrics of every report by name."""
    titles = [metric.title for metric in METRICS.values()]
    return f"{', '.join(titles[:-1])} and {titles[-1]}."


def training_data_text(run: RunRecord) -> str:
    """Return the cells that trained a model and chose its settings."""
    train, validation = run.manifest.sides["train"], run.manifest.sides["validation"]
    recipe = run.card.recipe
    balance = ", balanced by deleting cells of the larger class at random" if recipe.balance else ""
    parts = f" ({', '.join(recipe.parts)})" if recipe.parts and not run.card.protocol else ""
    simulated = ", SIMULATED" if run.card.simulated else ""
    return (
        f"{run.card.dataset}{parts}{simulated}: {counted(train.cells, 'cell')} for training and "
        f"{validation.cells:,} for validation{balance}; {run.card.split_kind} split"
    )


def data_card(runs: Runs) -> tuple[Block, ...]:
    """Return what the data sets say of themselves, each once."""
    cards = dict.fromkeys(run.data for run in runs if run.data is not None)
    blocks: list[Block] = []
    for card in cards:
        if len(cards) > 1:
            blocks.append(Heading(f"{card.name} {card.version}"))
        blocks += _data_blocks(card)
    unknown = [run.name for run in runs if run.data is None]
    if unknown:
        blocks.append(Text(f"No data card stands beside {', '.join(unknown)}; evaluate again to have one."))
    return tuple(blocks)


def split(runs: Runs) -> tuple[Block, ...]:
    """Return which cells were on which side, and the proof that sides have nothing in common."""
    blocks: list[Block] = []
    by_split: dict[tuple[str, Overlap | None], list[RunRecord]] = {}
    for run in runs:
        by_split.setdefault((run.manifest.fingerprint, run.overlap), []).append(run)
    for (_, overlap), alike in by_split.items():
        if len(by_split) > 1:
            blocks.append(Heading(", ".join(run.name for run in alike)))
        blocks += [*_manifest_blocks(alike[0]), *_overlap_blocks(overlap)]
    return tuple(blocks)


def _histories(runs: Runs) -> list[Block]:
    """Return training curves."""
    blocks: list[Block] = []
    for run in runs[:_HISTORIES]:
        if run.history is None:
            blocks.append(Text(f"{run.name}: no history of the training was kept beside the model."))
            continue
        last = run.history[-1]
        caption = f"Training of {run.name}: accuracy and loss."
        told = f"{last.iteration:,} iterations in {last.epoch} epochs; loss at the end {last.loss:.3f}"
        if last.validation_accuracy is not None:
            told += f", validation accuracy {last.validation_accuracy:.1%}"
        figure = draw_history(run.history, simulated=run.card.simulated)
        blocks.append(Picture(embedded_figure(figure), caption, f"{caption} {told}."))
    return blocks


def _data_blocks(card: DataCard) -> list[Block]:
    normal, leukaemic = card.class_names
    canvas = "images have no common scale"
    if card.canvas_px is not None:
        canvas = f"{card.canvas_px} pixels, at true scale"
    findings, more = shortened(card.findings, LISTED)
    blocks: list[Block] = [
        Facts(
            (
                ("Data set", f"{card.name} {card.version}{', SIMULATED CELLS' if card.simulated else ''}"),
                ("Source", card.url),
                ("Licence", card.licence),
                ("Canvas", canvas),
            )
        ),
        Table(
            f"Images of {card.name}",
            ("Part", "Images", leukaemic, normal, "No label", "Subjects"),
            tuple(
                (
                    part.part or "all",
                    f"{part.images:,}",
                    f"{part.leukaemic:,}",
                    f"{part.normal:,}",
                    f"{part.unlabelled:,}",
                    "not known" if part.subjects is None else f"{part.subjects:,}",
                )
                for part in card.parts
            ),
        ),
    ]
    if not findings:
        return [*blocks, Text("The reader found nothing to remark.")]
    items = tuple(
        f"{finding.severity}, {finding.kind}: {finding.message}{f' ({finding.path})' if finding.path else ''}"
        for finding in findings
    )
    remarks = Text(f"{counted(len(card.findings), 'remark')} of the reader:")
    return [*blocks, remarks, Bullets(items, more)]


def _manifest_blocks(run: RunRecord) -> list[Block]:
    manifest = run.manifest
    normal, leukaemic = run.card.class_names
    protocol = "none: the recipe's own split"
    if manifest.protocol:
        purpose = PROTOCOLS[manifest.protocol].purpose if manifest.protocol in PROTOCOLS else ""
        protocol = f"{manifest.protocol}, round {manifest.round}. {purpose}"
    rows = [
        ("Protocol", protocol),
        ("Kind and seed", f"{manifest.kind}, seed {manifest.seed}"),
        ("Fingerprint", manifest.fingerprint),
    ]
    if manifest.excluded:
        rows.append(("Left out", f"{counted(manifest.excluded, 'cell')} of people who are on the test side"))
    if run.evaluation.split_fingerprint != manifest.fingerprint:
        rows.append(("Tested", f"other cells than this split's test side: {facts.tested_text(run)}"))
    return [
        Facts(tuple(rows)),
        Table(
            "Sides of the split",
            ("Side", "Cells", leukaemic, normal, "Subjects", "Who"),
            tuple(
                (
                    name,
                    f"{side.cells:,}",
                    f"{side.leukaemic:,}",
                    f"{side.normal:,}",
                    f"{len(side.subjects):,}",
                    _subjects_text(side),
                )
                for name, side in manifest.sides.items()
            ),
        ),
    ]


def _subjects_text(side: ManifestSide) -> str:
    shown, more = shortened(side.subjects, _SUBJECTS)
    parts = [", ".join(shown)] if shown else []
    parts += [f"and {more:,} more"] if more else []
    parts += [f"{counted(side.unnamed, 'cell')} that name nobody"] if side.unnamed else []
    return "; ".join(parts)


def _near_text(overlap: Overlap) -> str:
    near = f"Images whose hashes differ in at most {overlap.near_bits} bits"
    if not overlap.limits:
        return f"{near} count as near-duplicates."
    limits = ", or ".join(f"by {least:g} and at most {most} bits differ" for most, least in overlap.limits)
    return (
        f"{near} were compared by their pixels, and count as near-duplicates where the fine structure of "
        f"both, moved onto each other, correlates {limits}. Where a picture was not at hand, only the hash "
        "could be compared, and very near ones are suspected."
    )


def _overlap_blocks(overlap: Overlap | None) -> list[Block]:
    if overlap is None:
        return [
            Text(
                "No proof stands beside this evaluation that trained and tested cells have nothing in "
                "common. Evaluate the model again to have it.",
                strong="Not proven.",
            )
        ]
    disjoint = "No two sides have anything in common."
    near = [
        f"{pair.first} and {pair.second}: {first} and {second}, {bits} bits{open_}"
        for pair in overlap.pairs
        for found, open_ in ((pair.near, ""), (pair.suspected, ", pictures not compared"))
        for first, second, bits in found
    ]
    blocks: list[Block] = [
        Text(
            "Every cell of a side was compared with every cell of the other: the person, the bytes, and "
            f"the picture by its perceptual hash ({overlap.hash_name}, {overlap.hash_bits} bits). "
            + _near_text(overlap),
            strong=disjoint if overlap.is_disjoint else "Sides have something in common.",
        ),
        Table(
            "What two sides have in common",
            ("Sides (cells)", "People", "Identical images", "Near-duplicates", "Verdict"),
            tuple(tuple(row) for row in overlap_rows(overlap)),
        ),
    ]
    return [*blocks, Bullets(*shortened(near, LISTED))] if near else blocks
