"""Writes the reproduction page: one HTML file with everything in it.

The file can be mailed, archived and opened without a network: figures are inside it, and a content
security policy forbids it to load anything. All texts are escaped by the template; file names are
whatever a user's disk holds.

Start at `reproduction_page`.
"""

from __future__ import annotations

import base64
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from leuknet.errors import DataError
from leuknet.records import write_whole
from leuknet.report.comparison import (
    PAPER_COUNTS,
    RELATED_RESULTS,
    comparison_rows,
    duration_text,
    interval_text,
    side_counts,
)
from leuknet.report.content import FIGURES, FigureFile, ReproductionContent, check_content

_LISTED = 50
"""Findings and unreadable cells written out in full; the page says how many more there are."""


def reproduction_page(content: ReproductionContent, path: Path) -> None:
    """Write the page of one run as a single self-contained HTML file.

    Parameters
    ----------
    content
        The run.
    path
        The file to write; its folder must exist. A page that is there is replaced, whole.

    Raises
    ------
    SettingError
        If a figure or metric is missing, or the parts tell of different runs.
    DataError
        If a figure's file cannot be read.
    OSError
        If the page cannot be written.
    """
    check_content(content)
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    html = environment.get_template("page.html").render(
        run=content,
        evaluation=content.evaluation,
        rows=comparison_rows(content),
        tiles=_tiles(content),
        related=RELATED_RESULTS,
        sides=side_counts(content.split),
        figures=[
            (name, FIGURES[name], content.figures[name], _embedded(content.figures[name])) for name in FIGURES
        ],
        n_right=content.evaluation.confusion[0][0] + content.evaluation.confusion[1][1],
        accuracy_text=interval_text(content.evaluation.metrics["accuracy"]),
        training_time=duration_text(content.training_s),
        listed=_LISTED,
    )
    # A file name with undecodable bytes holds surrogates, which UTF-8 cannot write.
    write_whole(path, html.encode("utf-8", errors="backslashreplace"))


def _tiles(content: ReproductionContent) -> list[tuple[str, str, str, str]]:
    """Return name, value, bounds and the paper's value of the three scores at the top."""
    tiles = []
    for name in ("accuracy", "sensitivity", "specificity"):
        interval = content.evaluation.metrics[name]
        right, total = PAPER_COUNTS[name]
        bounds = f"{interval.low:.1%} to {interval.high:.1%}"
        tiles.append((name, f"{interval.estimate:.1%}", bounds, f"{right / total:.2%}"))
    return tiles


def _embedded(figure: FigureFile) -> str:
    """Return a PNG file as a data URI."""
    try:
        content = figure.path.read_bytes()
    except OSError as error:
        raise DataError(
            "cannot put a figure into the page",
            why=f"{figure.path} cannot be read: {error.strerror}",
            fix="draw the figures again, then build the page",
        ) from error
    return f"data:image/png;base64,{base64.b64encode(content).decode('ascii')}"
