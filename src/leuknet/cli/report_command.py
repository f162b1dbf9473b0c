"""`leuknet report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from leuknet.cli.printing import RESEARCH_ONLY


def report(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="Run folders whose models were evaluated.")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="STEM", help="Write STEM.html and STEM.pdf.")] = Path(
        "report"
    ),
    pdf: Annotated[bool, typer.Option("--pdf/--no-pdf", help="Print it as PDF too.")] = True,
) -> None:
    """Write one page about one or more runs: scores with intervals, curves, cards, limits, checklists.

    Each run is a folder with model/ and evaluation/, as `leuknet train` and `leuknet evaluate` leave them, or
    a folder within a run to which `leuknet evaluate --out` wrote. Several runs are shown side by side.

    Example: leuknet report runs/paper runs/other --out report
    """
    from leuknet.report import write_report

    written = write_report(runs, out, pdf=pdf)
    typer.echo(f"written: {', '.join(str(path) for path in written)}")
    typer.echo(RESEARCH_ONLY)
