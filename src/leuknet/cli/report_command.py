"""`leuknet report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from leuknet.cli import options
from leuknet.cli.printing import RESEARCH_ONLY


def report(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN...", help="Run folders whose models were evaluated, or folders of evaluations."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="STEM", help="Write STEM.html and STEM.pdf.")] = Path(
        "report"
    ),
    model: Annotated[
        list[Path] | None,
        typer.Option("--model", metavar="MODEL", help="Model of an evaluation that was moved; repeatable."),
    ] = None,
    pdf: Annotated[bool, typer.Option("--pdf/--no-pdf", help="Print it as PDF too.")] = True,
    overwrite: options.Overwrite = False,
) -> None:
    """Write one page about one or more runs: scores with intervals, curves, cards, limits, checklists.

    Each run is a folder with model/ and evaluation/, as `leuknet train` and `leuknet evaluate` leave them, or
    any folder to which `leuknet evaluate --out` wrote. Several runs are shown side by side. Where an
    evaluation and its model were moved apart, --model names the model.

    Example: leuknet report runs/paper runs/other --out report
    """
    from leuknet.records.results_folder import check_free
    from leuknet.report.run_report import write_report

    pages = [out.with_name(f"{out.name}{suffix}") for suffix in (".html", ".pdf")]
    check_free(*pages, overwrite=overwrite)
    written = write_report(runs, out, models=model or (), pdf=pdf)
    for page in pages:
        if page not in written:
            page.unlink(missing_ok=True)  # of an earlier run, and would be taken for this one's
    typer.echo(f"written: {', '.join(str(path) for path in written)}")
    typer.echo(RESEARCH_ONLY)
