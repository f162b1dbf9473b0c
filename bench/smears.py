"""Times `leuknet cells` and `smear` from end to end, beside plain scikit-image; writes `bench/smears.json`.

    python bench/smears.py            # about ten minutes on two quiet cores
    python bench/smears.py --small    # a trial of seconds; writes build/smears.json

What a user waits for: the whole command with its start, files read and written, and the overlay drawn. Fields
and slide are simulated; the slide repeats fields, so that it is crowded all over. All take turns.
studies/performance_smears.py writes the section of docs/performance.md. Start at `measure_smears`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tifffile
from PIL import Image

from leuknet.experiments.reproduce import describe_machine
from leuknet.simulation.draw_fields import FIELD_UM, draw_field
from leuknet.training.finish import commit_of_code
from turns import BENCH, BUILD
from worker import peak_kb

PEER = BENCH / "peers" / "plain_fields.py"
MODEL = "pretrained:probe-stages"
LEUKNET = Path(sys.executable).with_name("leuknet")


class Sizes(NamedTuple):
    """How much is measured."""

    fields: tuple[tuple[int, int], ...] = ((1280, 1792), (1944, 2592))
    number: int = 8
    cells_per_megapixel: float = 4.0
    slide_px: int = 16_384
    rounds: int = 3


SMALL = Sizes(fields=((640, 640),), number=2, slide_px=1024, rounds=1)


class Run(NamedTuple):
    """What one command took; its memory is that of its largest process."""

    seconds: float
    core_seconds: float
    peak_mb: float


def main() -> None:
    """Measure, print, write the file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--small", action="store_true", help="a trial; writes below build/")
    small = parser.parse_args().small
    found = measure_smears(SMALL if small else Sizes())
    out = (BUILD if small else BENCH) / "smears.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(f"{json.dumps(found, indent=1)}\nwritten: {out}\n")


def measure_smears(sizes: Sizes) -> dict[str, Any]:
    """Time all commands, in turn, and return medians."""
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="leuknet-bench-") as name:
        folder = Path(name)
        fields = [_measure_fields(folder / f"{w}x{h}", h, w, sizes) for h, w in sizes.fields]
        slide = _measure_slide(folder, sizes)
    return {
        "machine": describe_machine(),
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit_of_code(),
        "load_average_before": round(load, 2),
        "cores": os.cpu_count(),
        "rounds": sizes.rounds,
        "fields": fields,
        "slide": slide,
    }


def _measure_fields(folder: Path, height: int, width: int, sizes: Sizes) -> dict[str, Any]:
    """Time `leuknet cells` on all fields of a folder, on one core and on all, and the peer."""
    folder.mkdir()
    cells = max(1, round(sizes.cells_per_megapixel * height * width / 1e6))
    for number in range(sizes.number):
        pixels, _ = draw_field(height, width, cells=cells, seed=number)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    out = str(folder.with_suffix(".out"))
    cells_of = [LEUKNET, "cells", folder, "--scale", FIELD_UM, "--out", out]
    commands: dict[str, Sequence[Any]] = {
        "leuknet cells": cells_of,
        "leuknet cells --workers 1": [*cells_of, "--workers", 1],
        "plain scikit-image": [sys.executable, PEER, folder, out, FIELD_UM],
    }
    runs: dict[str, list[Run]] = {name: [] for name in commands}
    for _ in range(sizes.rounds):
        for name, command in commands.items():
            shutil.rmtree(out, ignore_errors=True)
            runs[name].append(_timed(command))
    megapixels = sizes.number * height * width / 1e6
    return {
        "height_px": height,
        "width_px": width,
        "number": sizes.number,
        "cells": cells,
        "megapixels": megapixels,
        "sides": {name: _medians(each, megapixels) for name, each in runs.items()},
    }


def _measure_slide(folder: Path, sizes: Sizes) -> dict[str, Any]:
    """Time `leuknet smear` on a slide that repeats four fields."""
    side, (height, width) = sizes.slide_px, sizes.fields[0]
    number = max(1, round(sizes.cells_per_megapixel * height * width / 1e6))
    fields = [draw_field(height, width, cells=number, seed=100 + seed)[0] for seed in range(4)]
    slide = np.empty((side, side, 3), np.uint8)
    for row, top in enumerate(range(0, side, height)):
        for column, left in enumerate(range(0, side, width)):
            room = slide[top : top + height, left : left + width]
            room[:] = fields[(3 * row + column) % 4][: room.shape[0], : room.shape[1]]
    path, out = folder / "slide.tif", folder / "smear"
    with tifffile.TiffWriter(path) as tiff:
        how: dict[str, Any] = {"tile": (512, 512), "compression": "jpeg", "photometric": "rgb"}
        tiff.write(slide, **how)
        tiff.write(slide[::4, ::4], subfiletype=1, **how)
        tiff.write(slide[::16, ::16], subfiletype=1, **how)
    command = [LEUKNET, "smear", path, "--model", MODEL, "--scale", FIELD_UM, "--out", out]
    run = _timed([*command, "--no-pdf"])
    n_cells = len((out / "cells.csv").read_text(encoding="utf-8").splitlines()) - 1
    return {"side_px": side, "cells": n_cells, "model": MODEL, **run._asdict()}


def _timed(command: Sequence[Any]) -> Run:
    """Run a command to its end; what it and its children took."""
    begun = time.perf_counter()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen([*map(str, command)], stdout=said, stderr=said)  # noqa: S603 - our own
        most_kb, ended = 0, 0
        while not ended:  # what the system tells afterwards holds the memory of who started it
            most_kb = max(most_kb, _most_kb(process.pid))
            time.sleep(0.02)
            ended, status, usage = os.wait4(process.pid, os.WNOHANG)
        seconds = time.perf_counter() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            raise RuntimeError(f"{command} ended with {process.returncode}: {said.read()[-2000:]!r}")
    return Run(seconds, usage.ru_utime + usage.ru_stime, most_kb / 1e3)


def _most_kb(pid: int) -> int:
    """The most memory that a process had until now, or one that it started."""
    tasks = Path("/proc", str(pid)).glob("task/*/children")
    try:
        own, children = peak_kb(pid), [child for task in tasks for child in task.read_text().split()]
    except OSError:
        return 0  # it has ended
    return max(own, *(_most_kb(int(child)) for child in children), 0)


def _medians(runs: Sequence[Run], megapixels: float) -> dict[str, float]:
    seconds = [run.seconds for run in runs]
    return {
        "seconds": statistics.median(seconds),
        "least_s": min(seconds),
        "most_s": max(seconds),
        "seconds_per_megapixel": statistics.median(seconds) / megapixels,
        "core_seconds": statistics.median(run.core_seconds for run in runs),
        "peak_mb": max(run.peak_mb for run in runs),
    }


if __name__ == "__main__":
    main()
