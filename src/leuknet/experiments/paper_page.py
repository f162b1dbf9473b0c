"""Writes the reproduction page: one HTML file with everything in it.

The file can be mailed, archived and opened without a network: figures are inside it, and a content
security policy forbids it to load anything. All texts are escaped by the template; file names are
whatever a user's disk holds.

Start at `reproduction_page`.
"""

from __future__ import annotations

from pathlib import Path

from leuknet.evaluation.naming import short_recipe
from leuknet.evaluation.summary import limits_text
from leuknet.experiments.paper_comparison import (
    PAPER_COUNTS,
    comparison_rows,
    duration_text,
    interval_text,
    side_counts,
)
from leuknet.experiments.paper_content import FIGURES, ReproductionContent, check_content
from leuknet.experiments.paper_seeds import seed_table, spread_sentences
from leuknet.experiments.real_figures import real_figures
from leuknet.records import write_whole
from leuknet.report.literature import PUBLISHED
from leuknet.report.render import LISTED, drawn_text, embedded_file, encoded, render

_PLACES = (
    ("result", "Result"),
    ("comparison", "Paper and this run"),
    ("seeds", "Seeds"),
    ("figures", "Figures"),
    ("making", "How it was made"),
    ("limits", "Limits"),
    ("citing", "How to cite"),
)
"""Sections to jump to: id and name."""

PRECISIONS = {
    "": "not kept with the model",
    "no": "32-bit floats",
    "bf16": "bf16 where PyTorch deems it safe",
}
"""What the card says of the arithmetic of training, in words."""


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
    html = render(
        Path(__file__).with_suffix(".html"),
        title=content.title,
        simulated=drawn_text("Every cell of this run") if content.dataset.simulated else "",
        places=_PLACES,
        run=content,
        evaluation=content.evaluation,
        rows=comparison_rows(content),
        tiles=_tiles(content),
        related=[row for row in PUBLISHED if row.cited_by_paper],
        sides=side_counts(content.split),
        figures=[
            (name, FIGURES[name], content.figures[name], embedded_file(content.figures[name].path))
            for name in FIGURES
        ],
        n_right=content.evaluation.confusion[0][0] + content.evaluation.confusion[1][1],
        accuracy_text=interval_text(content.evaluation.metrics["accuracy"]),
        training_time=duration_text(content.seeds[0].training_s),
        precision=PRECISIONS[content.seeds[0].precision],
        recipe_name=short_recipe(content.recipe.name),
        seeds=seed_table(content.seeds),
        spread_sentences=spread_sentences(content.seeds),
        listed=LISTED,
        real=real_figures() if content.dataset.simulated else None,
    )
    write_whole(path, encoded(html))


def _tiles(content: ReproductionContent) -> list[tuple[str, str, str, str]]:
    """Return name, value, bounds and the paper's value of the three scores at the top."""
    tiles = []
    for name in ("accuracy", "sensitivity", "specificity"):
        interval = content.evaluation.metrics[name]
        right, total = PAPER_COUNTS[name]
        bounds = limits_text(interval, ".1%")
        tiles.append((name, f"{interval.estimate:.1%}", bounds, f"{right / total:.2%}"))
    return tiles
