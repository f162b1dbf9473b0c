"""Writes what README and pages show of real cells: tables and a picture of numbers, no patient's cell.

`python studies/real_picture.py` takes `results/real-paper.json`, draws `docs/images/real-auroc.png` and puts
picture and table between their marks in the README. From `results/new-people.json` comes the small table that
pages of simulated cells show (`leuknet.experiments.real_figures`).

Start at `draw_fall`, `readme_block` and `page_table`.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from statistics import fmean
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from commands import REPOSITORY
from leuknet.evaluation.resampling import wilson
from leuknet.evaluation.summary import markdown_table
from leuknet.experiments.paper_comparison import PAPER_COUNTS
from leuknet.experiments.real_figures import FILE
from leuknet.figures.frame import BLUE, INK, MUTED, axes_at, framed, house_style, save_png
from real_cells import LEARNERS, NETWORK

SOURCE = REPOSITORY / "results" / "real-paper.json"
NEW_PEOPLE = REPOSITORY / "results" / "new-people.json"
PICTURE = REPOSITORY / "docs" / "images" / "real-auroc.png"

BEGIN, END = "<!-- real cells -->", "<!-- end of real cells -->"
"""Marks in the README; what lies between them is written here."""

_WIDTH_IN, _NAME_IN, _ROW_IN, _HEAD_IN, _FOOT_IN = 9.6, 2.85, 0.36, 0.42, 0.55
_LIMITS = (0.0, 1.0)


@house_style()
def draw_fall(found: dict[str, Any]) -> Figure:
    """Draw two panels on one scale: the test side by image, and the people who trained nothing."""
    new, seeds = found["new"], len(found["seeds"])
    height_in = _ROW_IN * len(LEARNERS) + _HEAD_IN + _FOOT_IN
    figure, body = framed(
        _WIDTH_IN,
        height_in,
        title="A score by image is not a score for new people",
        subtitle=f"AUROC on real cells of C-NMC 2019, trained on {found['part']}, means over {seeds} seeds "
        "(small ticks). Lines on the right are 95% intervals over people and seeds; on the left there is none, "
        "since cells of one person lie on both sides.",
        simulated=False,
    )
    width = (_WIDTH_IN - _NAME_IN) / 2
    titles = (
        "Tested by image, as in the paper:\npeople who were trained on",
        f"Tested on new people: {new['all']} ALL cells of {new['all_people']},\n"
        f"{new['hem']} HEM cells of {new['hem_people']}",
    )
    for column, title in enumerate(titles):
        axes = axes_at(body, _NAME_IN + column * width, _FOOT_IN - 0.1, width - 0.25, _ROW_IN * len(LEARNERS))
        _draw_panel(axes, found["learners"], is_new=column == 1, title=title)
    return figure


def _draw_panel(axes: Axes, learners: dict[str, Any], *, is_new: bool, title: str) -> None:
    for place, name in enumerate(LEARNERS):
        score = learners[name]["new_people"]["auroc"] if is_new else learners[name]["by_image"]
        colour = BLUE if name == NETWORK else MUTED
        if is_new:
            axes.plot(score["limits"], [place, place], color=colour, linewidth=2, solid_capstyle="butt")
        ticks: dict[str, Any] = {"linestyle": "none", "marker": "|", "markersize": 9, "markeredgewidth": 0.8}
        axes.plot(score["values"], [place] * len(score["values"]), color=INK, **ticks)
        axes.plot(
            score["mean"], place, marker="o" if name == NETWORK else "D", markersize=6.5, color=colour,
            markerfacecolor=colour if name == NETWORK else "white", markeredgewidth=1.4,
        )  # fmt: skip
        shown = f"{score['mean']:.2f}"
        axes.annotate(
            shown, (score["mean"], place), (0, 7), textcoords="offset points", ha="center", fontsize=8
        )
    axes.axvline(0.5, color=MUTED, linewidth=0.8, linestyle=":")
    axes.set_title(title, fontsize=9, color=INK, loc="left", pad=9)
    axes.set_xlabel("AUROC; 0.5 is guessing", fontsize=8, labelpad=2)
    axes.set(xlim=_LIMITS, ylim=(len(LEARNERS) - 0.5, -0.6), yticks=range(len(LEARNERS)))
    axes.set_yticklabels([] if is_new else [*LEARNERS.values()], color=INK, fontsize=8.5)
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", labelsize=8)
    axes.grid(axis="x", linewidth=0.7)
    axes.spines["left"].set_visible(False)


def readme_block(found: dict[str, Any]) -> str:
    """Return what stands between the marks: the picture, then the table."""
    alt = "AUROC on real cells: high on cells of people who trained the network, low on new people"
    return f"![{alt}](docs/images/{PICTURE.name})\n\n{readme_table(found)}"


def readme_table(found: dict[str, Any]) -> str:
    """Return the paper's result, that of this repository on real cells, and the fall on new people."""
    seeds, new = found["seeds"], found["new"]
    first, right = seeds[0], [one["right"] / one["cells"] for one in seeds]
    paper, total = PAPER_COUNTS["accuracy"]
    low, high = (wilson(paper, total).low, wilson(paper, total).high)
    network = found["learners"][NETWORK]
    best = max((name for name in LEARNERS if name != NETWORK), key=lambda name: _by_image(found, name))
    by_image = f"accuracy of {first['cells']} cells, by image"
    heads = ("", by_image, "AUROC, by image", f"AUROC, {new['all_people'] + new['hem_people']} new people")
    rows = [
        (
            "the paper, 226 cells",
            f"{paper / total:.1%} ({100 * low:.1f} to {100 * high:.1f})",
            "not stated",
            "not tested",
        ),
        (
            f"LeukNet, seed {first['seed']}",
            f"{right[0]:.1%} ({100 * first['accuracy'][1]:.1f} to {100 * first['accuracy'][2]:.1f})",
            f"{first['auroc'][0]:.3f}",
            f"{network['new_people']['auroc']['values'][0]:.3f}",
        ),
        (
            f"LeukNet, mean of {len(seeds)} seeds (lowest to highest)",
            f"{fmean(right):.1%} ({100 * min(right):.1f} to {100 * max(right):.1f})",
            f"{network['by_image']['mean']:.3f}",
            network["new_people"]["auroc"]["text"],
        ),
        (
            LEARNERS[best],
            "",
            f"{_by_image(found, best):.3f}",
            found["learners"][best]["new_people"]["auroc"]["text"],
        ),
    ]
    return markdown_table(heads, rows)


def _by_image(found: dict[str, Any], name: str) -> float:
    mean: float = found["learners"][name]["by_image"]["mean"]
    return mean


def with_block(page: str, block: str) -> str:
    """Return the README with something else between its marks."""
    marked = re.compile(f"({re.escape(BEGIN)}\n).*?({re.escape(END)})", re.DOTALL)
    return marked.sub(lambda found: f"{found[1]}{block}\n{found[2]}", page)


def page_table(found: dict[str, Any]) -> str:
    """Return the file that `real_figures` reads."""
    n_normal, n_leukaemic = found["people"]
    names = {"chosen in each round": "the model in the box (pretrained:probe-stages), its kind"}
    content = {
        "heads": ["", "AUROC", "balanced accuracy"],
        "rows": [
            [names.get(row["name"], f"baseline: {row['name']}"), row["auroc"], row["balanced_accuracy"]]
            for row in found["rows"]
        ],
        "note": "The cells above are simulated. These numbers are of real cells of C-NMC 2019, "
        f"{n_leukaemic} leukaemic and {n_normal} normal people, each tested by a model that others taught and "
        "chose; 95% intervals over people. It is not validated for any use on patients.",
    }
    return json.dumps(content, indent=1) + "\n"


def main(readme: Path = REPOSITORY / "README.md", picture: Path = PICTURE, table: Path = FILE) -> None:
    """Write what has been measured."""
    table.write_text(page_table(json.loads(NEW_PEOPLE.read_text(encoding="utf-8"))), encoding="utf-8")
    if not SOURCE.exists():
        sys.stdout.write(f"written: {table}; {SOURCE.name} was not measured yet\n")
        return
    found = json.loads(SOURCE.read_text(encoding="utf-8"))
    save_png(draw_fall(found), picture)
    readme.write_text(with_block(readme.read_text(encoding="utf-8"), readme_block(found)), encoding="utf-8")
    sys.stdout.write(f"written: {table}, {picture}, and the block of {readme}\n")


if __name__ == "__main__":
    main()
