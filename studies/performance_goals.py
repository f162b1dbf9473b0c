"""Compares measured figures with what the project asked of its own speed.

The goals were set before anything was measured, and are not changed here: a goal that is missed says so.
Start at `goal_rows`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PLAIN, GRAPHS = "plain PyTorch", ("ONNX Runtime", "OpenVINO")


def goal_rows(found: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return each goal, the measured value, and whether the median meets it.

    Parameters
    ----------
    found
        Figures by name; goals whose figure is missing are "not measured".
    """
    end_to_end = _ratio(found, "training from end to end", PLAIN)
    files = _ratio(found, "predicting from files", PLAIN)
    graphs = [
        one for one in (_ratio(found, "predicting from files", peer) for peer in GRAPHS) if one is not None
    ]
    # The best of them is the one whose time is the smallest share of LeukNet's.
    best = min(graphs, key=lambda one: one["median"]) if graphs else None
    start = found.get("start-up", {}).get("rows", {})
    return [
        _goal("training from end to end, at least 5 times the plain rendering", end_to_end, least=5),
        *(
            _goal(
                f"training step of {n} images, at least 50% of the rate of matrix products",
                _share(found, f"training step, {n} images"),
                least=0.5,
                percent=True,
            )
            for n in (16, 128)
        ),
        _goal("predicting from files, at least 5 times the plain rendering", files, least=5),
        _goal(
            "the same, at most 1.2 times the time of the better of ONNX Runtime and OpenVINO",
            best,
            least=1 / 1.2,
        ),
        _goal("`import leuknet` under 0.3 s", start.get("import leuknet"), below=0.3),
        _goal("first prediction under 2 s", start.get("leuknet predict, one image"), below=2),
    ]


def _ratio(found: Mapping[str, Any], name: str, peer: str) -> Mapping[str, Any] | None:
    side = found.get(name, {}).get("sides", {}).get(peer, {})
    ratio: Mapping[str, Any] | None = side.get("ours_times_as_fast")
    return ratio


def _share(found: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    step = found.get(name, {}).get("sides", {}).get("leuknet", {})
    return {"median": step["share_of_peak"]} if "share_of_peak" in step else None


def _goal(
    text: str,
    values: Mapping[str, Any] | None,
    *,
    least: float | None = None,
    below: float | None = None,
    percent: bool = False,
) -> tuple[str, str, str]:
    if values is None:
        return text, "not measured", ""
    median = values["median"]
    met = median >= least if least is not None else below is not None and median < below
    measured = f"{median:.0%}" if percent else f"{in_words(values)}{' s' if below is not None else ' times'}"
    return text, measured, "met" if met else "**not met**"


def in_words(values: Mapping[str, Any]) -> str:
    """Return median and range, three digits each."""
    return f"{number(values['median'])} ({number(values['min'])} to {number(values['max'])})"


def number(value: float) -> str:
    """Return three digits, or a whole number from a hundred on."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
