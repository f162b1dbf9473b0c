"""The section of docs/performance.md about a busy machine, from `bench/busy.json`. Start at `busy_lines`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from leuknet.evaluation.summary import markdown_table
from performance_goals import in_words

HEADS = ("", "alone", "busy", "times slower", "times LeukNet's time, alone", "busy")


def busy_lines(found: Mapping[str, Any] | None) -> list[str]:
    """Return the section, nothing where it was not measured."""
    if found is None:
        return []
    lines = [
        "## On a busy machine",
        "",
        f"The same work alone and beside {found['others']} other processes that compute without a pause, on {found['cores']} cores, one after the other",
        f"in one run (`python bench/run.py --busy {found['others']}`, {found['measured_at'][:10]}, {found['machine']}; load before: {found['load_average_before']}).",
        "Medians of the rounds. LeukNet asks the threads of its operators to sleep while they wait for each other",
        "(`OMP_WAIT_POLICY=PASSIVE`, unless it is set); spinning threads take the cores from those that they wait for.",
        "",
    ]
    for figure in found["figures"]:
        name = figure["name"]
        lines += [f"### {name[0].upper()}{name[1:]}, {figure['unit']}", ""]
        lines += [markdown_table(HEADS, [_row(peer, figure) for peer in figure["quiet"]]), ""]
    return lines


def _row(peer: str, figure: Mapping[str, Any]) -> tuple[str, ...]:
    quiet, busy = figure["quiet"][peer], figure["busy"][peer]
    fast = figure["unit"].startswith("images")
    slower = quiet["median"] / busy["median"] if fast else busy["median"] / quiet["median"]
    ratios = [
        in_words(side["ours_times_as_fast"]) if "ours_times_as_fast" in side else "1"
        for side in (quiet, busy)
    ]
    return (peer, in_words(quiet), in_words(busy), f"{slower:.1f}", *ratios)
