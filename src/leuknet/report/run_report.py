"""Writes the report of one or more runs: one HTML file that needs nothing else, and the same as PDF.

Start at `write_report`. `sections.py` says what it holds, `run_record.py` what it is made from.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from leuknet.errors import SettingError
from leuknet.report.blocks import counted
from leuknet.report.facts import Runs, simulated_text
from leuknet.report.pdf import check_printer, write_page
from leuknet.report.render import encoded, render
from leuknet.report.run_record import read_runs
from leuknet.report.sections import make_sections


def write_report(
    folders: Sequence[Path], stem: Path, *, models: Sequence[Path] = (), pdf: bool = True
) -> tuple[Path, ...]:
    """Write a report as STEM.html and, unless told not to, as STEM.pdf.

    Parameters
    ----------
    folders
        Run folders that were evaluated, or folders of evaluations, in the order in which the report shows
        them; at least one.
    stem
        Path without extension; its folder is made where it lacks. Files that are there are replaced, whole.
    models
        Folders of the models of those evaluations that were moved away from theirs.
    pdf
        Whether to print it too; that needs the extra `report`.

    Returns
    -------
    tuple of Path
        The files written.

    Raises
    ------
    SettingError
        If no folder is named, one twice, or simulated and real cells come together.
    DataError, ModelError, SplitError
        If a run was not evaluated, or a file of it is damaged.
    MissingExtraError
        If the PDF cannot be printed here; nothing is written then.
    """
    if not folders:
        raise SettingError("cannot write a report", why="no run is named", fix="name a run folder")
    if pdf:
        check_printer()
    return write_page(encoded(report_html(read_runs(folders, models=models))), stem, pdf=pdf)


def report_html(runs: Runs) -> str:
    """Return the report of runs as one HTML page."""
    sections = make_sections(runs)
    evaluations = [run.evaluation for run in runs]
    data = ", ".join(sorted({evaluation.dataset for evaluation in evaluations}))
    title = (
        f"{runs[0].name} on {data}" if len(runs) == 1 else f"{counted(len(runs), 'run')} compared on {data}"
    )
    return render(
        "report.html",
        title=title,
        simulated=simulated_text(runs),
        places=[(section.id, section.title) for section in sections],
        sections=sections,
        runs=len(runs),
        data=f"data {data}",
        version=version("leuknet"),
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
