"""The section of docs/performance.md about fields and slides, from `bench/smears.json`. Start at `smear_lines`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from leuknet.evaluation.summary import markdown_table

HEADS = ("command", "seconds", "seconds a megapixel", "core seconds", "peak memory of a process")
OURS = "leuknet cells"


def smear_lines(found: Mapping[str, Any] | None) -> list[str]:
    """Return the section, nothing where it was not measured."""
    if found is None:
        return []
    slide, rounds = found["slide"], found["rounds"]
    lines = [
        "## Fields and slides",
        "",
        f"Whole commands with their start, files read and written, and the overlay drawn (`python bench/smears.py`, {found['measured_at'][:10]},",
        f"{found['machine']}; load before: {found['load_average_before']}). Simulated fields as PNG; medians of {rounds} rounds, then the least and the most.",
        "The peer does with scikit-image and Matplotlib what their examples show; it finds with Otsu's threshold and misses more",
        "([results](results.md#leukocytes-found-in-smears)).",
        "",
    ]
    for fields in found["fields"]:
        lines += [
            f"### {fields['number']} fields of {fields['width_px']:,} x {fields['height_px']:,} pixels, {fields['cells']} cells each",
            "",
            markdown_table(HEADS, [_row(name, side) for name, side in fields["sides"].items()]),
            "",
            *(_ratio(name, fields["sides"]) for name in fields["sides"] if name != OURS),
            "",
        ]
    lines += [
        f"### A slide of {slide['side_px']:,} x {slide['side_px']:,} pixels",
        "",
        f"`leuknet smear --no-pdf` with `{slide['model']}` found and scored {slide['cells']:,} cells in {slide['seconds']:.0f} s",
        f"({slide['core_seconds']:.0f} core seconds), with {slide['peak_mb'] / 1e3:.2f} GB at most. One run.",
        "",
    ]
    return lines


def _row(name: str, side: Mapping[str, float]) -> tuple[str, ...]:
    seconds = f"{side['seconds']:.1f} ({side['least_s']:.1f} to {side['most_s']:.1f})"
    each, memory = f"{side['seconds_per_megapixel']:.2f}", f"{side['peak_mb']:.0f} MB"
    return (
        f"`{name}`" if name.startswith("leuknet") else name,
        seconds,
        each,
        f"{side['core_seconds']:.1f}",
        memory,
    )


def _ratio(name: str, sides: Mapping[str, Mapping[str, float]]) -> str:
    times = sides[name]["seconds"] / sides[OURS]["seconds"]
    return f"- {name}: {times:.1f} times the time of `{OURS}`, which uses all cores."
