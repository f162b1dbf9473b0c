"""Writes `docs/performance.md` and its pictures from `bench/results.json` and `bench/equivalence.json`.

`make bench` measures, then runs this. Nothing is measured here, and no number of the page is typed by hand.
Start at `render`; studies/performance_goals.py compares with what was asked, studies/performance_figures.py draws.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from leuknet.evaluation.summary import markdown_table
from leuknet.figures.frame import save_figure
from performance_busy import busy_lines
from performance_figures import compared, draw_growth, draw_memory, draw_ratios, shown
from performance_goals import goal_rows, in_words, number
from performance_smears import smear_lines

REPOSITORY = Path(__file__).resolve().parents[1]
RESULTS = REPOSITORY / "bench" / "results.json"
EQUIVALENCE = REPOSITORY / "bench" / "equivalence.json"
BUSY = REPOSITORY / "bench" / "busy.json"
SMEARS = REPOSITORY / "bench" / "smears.json"
PAGE = REPOSITORY / "docs" / "performance.md"
IMAGES = REPOSITORY / "docs" / "images"

INTRODUCTION = [
    "# Performance",
    "",
    "Written by `make bench` (`studies/performance.py`) from `bench/results.json`; not edited by hand. Research software, not a",
    "medical device.",
    "",
    "Each figure compares LeukNet with named peers in one run: all take turns, each in a process of its own, with the same",
    "files and the same weights, and whoever runs the same network must give the same answers in every round.",
    "[bench/README.md](../bench/README.md) says who the peers are and how it is done.",
    "",
    "**Times LeukNet's time** is the peer's time divided by LeukNet's in the same round: above 1, LeukNet is faster. Tables",
    "give the median of the rounds, then the smallest and the largest; where that range spans 1, the run shows no difference.",
    "Ratios carry over to similar machines, times do not.",
    "",
]

NOT_SAID = [
    "## What this does not say",
    "",
    "- One machine, on one day. Other processors have other ratios, and a GPU is not measured.",
    "- Simulated cells of the publisher's sizes. How much of an image is black decides what LeukNet can leave out; the",
    '  contests named "frames without a black margin" show what remains where nothing is black.',
    "- Nearly fresh weights: fine for timing, and they say nothing about accuracy.",
    "- Files were just written, so all sides read them from memory: this measures decoding, not a disk.",
    "- Networks of timm are other networks, with other accuracy. They stand for what else one might train.",
    "- Peers run with their default settings, OpenVINO in fp32 as all do. A user who tunes them will be faster than they are here.",
]


def main() -> None:
    """Draw the pictures and write the page."""
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    IMAGES.mkdir(exist_ok=True)
    for name, picture in pictures(results).items():
        save_figure(picture, IMAGES / f"performance-{name}")
    besides = map(read_if_there, (EQUIVALENCE, BUSY, SMEARS))
    PAGE.write_text(render(results, *besides), encoding="utf-8")
    sys.stdout.write(f"written: {PAGE}\n")


def read_if_there(path: Path) -> dict[str, Any] | None:
    """Return what a script has measured, or None where it has not run."""
    if not path.exists():
        return None
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def pictures(results: Mapping[str, Any]) -> dict[str, Any]:
    """Return each picture that the measured figures allow, by name."""
    found = {figure["name"]: figure for figure in results["figures"]}
    where = f"{results['machine']}; {results['measured_at'][:10]}. Simulated cells."
    drawn: dict[str, Any] = {}
    contests = [figure for figure in results["figures"] if compared(figure)]
    if contests:
        says = "Bar: median of the rounds; line: smallest to largest. Left of 1 the peer is faster; hollow: another network."
        drawn["ratios"] = draw_ratios(contests, subtitle=f"{says} {where}")
    if "many images" in found:
        side = found["many images"]["image_size_px"]
        drawn["growth"] = draw_growth(
            found["many images"],
            subtitle=f"A network of {side} px input, one process for each number. {where}",
        )
    if "predicting from files" in found:
        drawn["memory"] = draw_memory(
            found["predicting from files"],
            subtitle=f"Largest resident memory of the process, libraries included. {where}",
        )
    return drawn


def render(
    results: Mapping[str, Any],
    equivalence: Mapping[str, Any] | None,
    busy: Mapping[str, Any] | None = None,
    smears: Mapping[str, Any] | None = None,
) -> str:
    """Return the page.

    Parameters
    ----------
    results
        What `bench/run.py` wrote.
    equivalence
        What `bench/equivalence.py` wrote, if it has run.
    busy
        What `bench/run.py --busy` wrote, if it has run.
    smears
        What `bench/smears.py` wrote, if it has run.
    """
    found = {figure["name"]: figure for figure in results["figures"]}
    contests = [figure for figure in results["figures"] if "sides" in figure]
    lines = [
        *INTRODUCTION,
        "## What was asked, and what was measured",
        "",
        markdown_table(("asked", "measured", ""), goal_rows(found)),
        "",
        *(
            ["![Times LeukNet's time](images/performance-ratios.svg)", ""]
            if any(map(compared, contests))
            else []
        ),
        *(line for figure in contests for line in contest_lines(figure)),
        *busy_lines(busy),
        *smear_lines(smears),
        *_memory_lines(found),
        *_growth_lines(found),
        *_start_up_lines(found),
        *_equivalence_lines(equivalence),
        *_machine_lines(results),
        *NOT_SAID,
    ]
    return "\n".join(lines).rstrip() + "\n"


def contest_lines(figure: Mapping[str, Any]) -> list[str]:
    """Return the section of one contest: its table, and the rate that shares refer to."""
    shares = any("share_of_peak" in side for side in figure["sides"].values())
    heads = ["", figure["unit"], "times LeukNet's time"]
    if shares:
        heads += ["GFLOP an image", "share of the peak", "if whole images were computed"]
    rows = [_contest_row(peer, side, figure, shares=shares) for peer, side in figure["sides"].items()]
    lines = [f"## {figure['name'][0].upper()}{figure['name'][1:]}", ""]
    if "validation_cells" in figure:
        lines += [
            f"{figure['images']} images through the optimiser in a round; every five steps {figure['validation_cells']} others are",
            "scored. LeukNet's times hold all that `leuknet train` does: survey of the files, calibration, saving.",
            "",
        ]
    elif "images" in figure:
        lines += [f"{figure['images']} images in a round.", ""]
    lines += [markdown_table(heads, rows), ""]
    if "peak_gflops" in figure:
        rates = {kind: in_words(values) for kind, values in figure["peak_gflops"].items()}
        lines += [
            f"Peak: the fp32 matrix product in the same rounds, {rates['float32']} GFLOP/s. In bfloat16 this processor",
            f"multiplies at {rates['bfloat16']} GFLOP/s.",
            "",
        ]
    return lines


def _contest_row(
    peer: str, side: Mapping[str, Any], figure: Mapping[str, Any], *, shares: bool
) -> tuple[str, ...]:
    rest = ("",) * (3 * shares)
    if "error" in side:
        return (shown(peer, figure), f"not measured: {' '.join(side['error'].split())}", "", *rest)
    is_ours = peer == figure["ours"] or "ours_times_as_fast" not in side
    if "share_of_peak" in side:
        rest = (
            f"{side['gflop_per_image']:.3g}",
            f"{side['share_of_peak']:.0%}",
            f"{side['share_of_peak_if_whole']:.0%}",
        )
    return (
        shown(peer, figure),
        in_words(side),
        "1" if is_ours else in_words(side["ours_times_as_fast"]),
        *rest,
    )


def _memory_lines(found: Mapping[str, Any]) -> list[str]:
    figure = found.get("predicting from files")
    if figure is None:
        return []
    rows = [
        (shown(peer, figure), number(side["peak_rss_mb"]))
        for peer, side in figure["sides"].items()
        if "peak_rss_mb" in side
    ]
    return [
        "## Peak memory of predicting",
        "",
        "Largest resident memory of the process, libraries included; the plain rendering's loader has further processes.",
        "",
        "![Peak memory](images/performance-memory.svg)",
        "",
        markdown_table(("", "MB"), rows),
        "",
    ]


def _growth_lines(found: Mapping[str, Any]) -> list[str]:
    figure = found.get("many images")
    if figure is None:
        return []
    rows = [
        (
            f"{row['images']:,}",
            number(row["seconds"]),
            number(1000 * row["seconds"] / row["images"]),
            number(row["peak_rss_mb"]),
        )
        for row in figure["rows"]
    ]
    return [
        "## Many images",
        "",
        f"`leuknet.inference.predict.predict_files` with a network of {figure['image_size_px']} px input, so that the largest number takes",
        "minutes. The same files are named again and again, and each number has a process of its own.",
        "",
        "![Time and memory over the number of images](images/performance-growth.svg)",
        "",
        markdown_table(("images", "s", "ms/image", "peak memory, MB"), rows),
        "",
    ]


def _start_up_lines(found: Mapping[str, Any]) -> list[str]:
    figure = found.get("start-up")
    if figure is None:
        return []
    rows = [(name, in_words(values)) for name, values in figure["rows"].items()]
    return [
        "## Start-up",
        "",
        "Whole processes, from their start to their end.",
        "",
        markdown_table(("", figure["unit"]), rows),
        "",
    ]


def _equivalence_lines(found: Mapping[str, Any] | None) -> list[str]:
    if found is None:
        return ["## Same results", "", "Not measured: `python bench/equivalence.py` trains both ways.", ""]
    summary, seeds = found["summary"], found["seeds"]
    low, high = summary["interval_95"]
    apart = [
        f"{max(gradients.values()):.1e} in {dtype}" for dtype, gradients in found["gradients_apart"].items()
    ]
    mean_apart = statistics.mean(row["probabilities_apart"] for row in seeds)
    return [
        "## Same results",
        "",
        "Training computes only the part of an image that its cell can reach, which is exact but for rounding. The largest",
        f"distance between its gradients and those of whole images, as a share of their length: {', '.join(apart)}.",
        "",
        f"Trained both ways from {len(seeds)} seeds, at 64 px on simulated cells, each tested on {seeds[0]['test_cells']}: accuracy {summary['accuracy_whole']:.1%} on whole images,",
        f"{summary['accuracy_windowed']:.1%} on windows; difference {100 * summary['difference']:+.2f} percentage points (95% interval {100 * low:+.2f} to {100 * high:+.2f}, over seeds).",
        f"Probabilities lie {mean_apart:.2g} apart on average.",
        "",
    ]


def _machine_lines(results: Mapping[str, Any]) -> list[str]:
    versions = ", ".join(f"{name} {number}" for name, number in results["versions"].items())
    sizes = results["sizes"]
    return [
        "## Machine, versions, and how to repeat",
        "",
        f"{results['machine']}. Measured {results['measured_at']}, commit {results['commit']}; load before the run {results['load_average_before']}.",
        f"Input {sizes['image_size_px']} px, {sizes['rounds']} rounds{_fewer(results)}.",
        "",
        f"{versions}.",
        "",
        "    make bench",
        "",
    ]


def _fewer(results: Mapping[str, Any]) -> str:
    """Name the figures that had fewer rounds than the others."""
    fewer = [
        f"{figure['rounds']} of {figure['name']!r}"
        for figure in results["figures"]
        if figure.get("rounds", results["sizes"]["rounds"]) < results["sizes"]["rounds"]
    ]
    return f" ({'; '.join(fewer)})" if fewer else ""


if __name__ == "__main__":
    main()
