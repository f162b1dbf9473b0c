"""Times LeukNet side by side with named peers, and writes `bench/results.json`.

A timing depends on the machine and on what else it does. So each figure is a ratio: LeukNet and its peers,
each in a process of its own, take turns with the same files and the same weights, and the timings of one
round give one ratio. Peers that run the same network must also give the same answers in every round; where
they do not, the run ends with an error, since a wrong answer is easily fast.

`make bench` runs it on simulated cells, on the processor alone; `--quick` is a trial. What is measured goes
to `build/` figure by figure: a run that was stopped goes on there when it is started again, and
`bench/results.json` is written when all is measured. Start at `main`, then bench/contests.py and
bench/turns.py. bench/README.md says how to read the result; studies/performance.py draws it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from alone import ALONE
from busy import measure_busy
from contests import CONTESTS
from leuknet.experiments.reproduce import describe_machine
from leuknet.training.finish import commit_of_code
from preparation import make_keras_home, prepare
from turns import BENCH, BUILD, Sizes, measure

FULL = Sizes(image_size_px=224, scale=0.04, rounds=3, warm_up=True, growth=(300, 3_000, 30_000))
QUICK = Sizes(image_size_px=64, scale=0.04, rounds=2, warm_up=True, growth=(100, 1_000))
NAMES = (*(contest.name for contest in CONTESTS), *ALONE)
console = Console()


def main() -> None:
    """Measure everything, print the tables, write the file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a trial at 64 px; writes below build/")
    parser.add_argument("--only", metavar="TEXT", default="", help="only figures whose name has this in it")
    parser.add_argument(
        "--busy", type=int, metavar="N", help="alone and beside N other processes; writes bench/busy.json"
    )
    wanted = parser.parse_args()
    sizes = QUICK if wanted.quick else FULL
    if wanted.busy:
        run_busy(sizes, (BUILD if wanted.quick else BENCH) / "busy.json", wanted.busy)
        return
    out = BUILD / "bench-quick.json" if wanted.quick else BENCH / "results.json"
    results = run(sizes, out, only=wanted.only)
    for table in tables(results):
        console.print(table)
    console.print(f"{results['machine']}; load before the run: {results['load_average_before']}")


def run(sizes: Sizes, out: Path, *, only: str = "") -> dict[str, Any]:
    """Measure every figure that a stopped run has not measured, and write `out` once there are all.

    Parameters
    ----------
    sizes
        How much is measured.
    out
        The file of a whole run. Until then, figures are kept in a file of this name below `build/`.
    only
        Measure only figures with this in their name.

    Returns
    -------
    dict
        What the file holds, with the figures that are measured so far.
    """
    unfinished = BUILD / f"{out.stem}-unfinished.json"
    results = _begin(sizes, unfinished)
    done = {figure["name"] for figure in results["figures"]}
    wanted = [name for name in NAMES if only in name and name not in done]
    with tempfile.TemporaryDirectory(prefix="leuknet-bench-") as home:
        os.environ["LEUKNET_CACHE"] = str(Path(home, "cache"))
        console.print("preparing: cells, and a model to start from")
        for figure in _measured(wanted, Path(home), sizes):
            results["figures"].append(figure)
            _write(results, unfinished)
    if {figure["name"] for figure in results["figures"]} != set(NAMES):
        console.print(f"some figures are not measured; those that are: {unfinished}")
        return results
    results["figures"].sort(key=lambda figure: NAMES.index(figure["name"]))
    _write(results, out)
    unfinished.unlink()
    console.print(f"written: {out}")
    return results


def run_busy(sizes: Sizes, out: Path, n: int) -> dict[str, Any]:
    """Measure what `n` other processes cost, and write `out`; return what it holds."""
    results = _conditions(sizes, None) | {"others": n}
    with tempfile.TemporaryDirectory(prefix="leuknet-bench-") as home:
        os.environ["LEUKNET_CACHE"] = str(Path(home, "cache"))
        results["figures"] = measure_busy(prepare(Path(home), sizes), sizes, n)
    _write(results, out)
    console.print(f"written: {out}")
    return results


def _begin(sizes: Sizes, unfinished: Path) -> dict[str, Any]:
    """Return what a stopped run of the same code, versions and sizes has measured, else an empty result."""
    results = _conditions(sizes, make_keras_home())
    if not unfinished.exists():
        return results
    kept: dict[str, Any] = json.loads(unfinished.read_text(encoding="utf-8"))
    same = ("commit", "machine", "versions", "sizes")
    if any(kept[key] != results[key] for key in same):
        return results
    console.print(f"going on with {len(kept['figures'])} figures that are measured: {unfinished}")
    return kept


def _measured(names: list[str], home: Path, sizes: Sizes) -> Iterator[dict[str, Any]]:
    """Measure figure by figure."""
    if not names:
        return
    setups = prepare(home, sizes)
    contests = {contest.name: contest for contest in CONTESTS}
    for name in names:
        started = time.monotonic()
        figure = ALONE[name](setups, sizes) if name in ALONE else measure(contests[name], setups, sizes)
        console.print(f"measured: {name}, {time.monotonic() - started:.0f} s")
        yield figure


def _write(results: dict[str, Any], out: Path) -> None:
    """Replace the file in one step: whoever stops the run leaves a whole one."""
    out.parent.mkdir(exist_ok=True)
    fresh = out.with_suffix(".part")
    fresh.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    fresh.replace(out)


def _conditions(sizes: Sizes, keras_missing: str | None) -> dict[str, Any]:
    libraries = (
        "leuknet", "torch", "torchvision", "timm", "onnx", "onnxruntime", "openvino", "numpy", "pillow"
    )  # fmt: skip
    versions = {"python": platform.python_version()} | {name: _version(name) for name in libraries}
    for line in (BENCH / "keras-requirements.txt").read_text(encoding="utf-8").splitlines():
        name, _, number = line.partition("==")
        if name in ("keras", "tensorflow-cpu"):
            versions[name] = keras_missing or number
    return {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit_of_code(),
        "machine": describe_machine(),
        "cores": os.cpu_count(),
        "load_average_before": round(os.getloadavg()[0], 2),
        "versions": versions,
        "sizes": json.loads(json.dumps(asdict(sizes))),
        "figures": [],
    }


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return "not installed"


def tables(results: dict[str, Any]) -> list[Table]:
    """The figures as tables for a terminal."""
    made = []
    for figure in results["figures"]:
        if "sides" not in figure:
            continue
        table = Table(title=f"{figure['name']}: median, smallest to largest")
        for heading in ("", figure["unit"], "times LeukNet's time", "peak RSS, MB", "share of peak"):
            table.add_column(heading, justify="left" if not heading else "right")
        for peer, side in figure["sides"].items():
            if "error" in side:
                table.add_row(peer, side["error"][:60])
                continue
            ratio = side.get("ours_times_as_fast")
            table.add_row(
                peer,
                in_words(side),
                "" if ratio is None else in_words(ratio),
                str(side.get("peak_rss_mb", "")),
                f"{side['share_of_peak']:.0%}" if "share_of_peak" in side else "",
            )
        made.append(table)
    return made


def in_words(values: dict[str, Any]) -> str:
    """Median and range with three digits."""
    return f"{values['median']:.3g} ({values['min']:.3g} to {values['max']:.3g})"


if __name__ == "__main__":
    main()
