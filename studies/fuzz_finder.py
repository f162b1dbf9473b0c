"""Sends generated fields through the finder and counts what hangs, crashes or raises: a part of `docs/reliability.md`.

    python studies/fuzz_finder.py            # 2,000 fields; minutes
    python studies/fuzz_finder.py --fields 50

Fields are what no smear is, and what a finder may break on: all stain, clots with holes, stain up to some of the
edges, noise, stripes, dots, gradients, pictures of a few pixels, and simulated fields that were cut, inverted,
brightened or saturated. They are searched in another process, which the system ends where one field takes more than
`DEADLINE_S` of processor time, so that neither a busy computer nor Python's start counts; the next field then goes on in
a new one. Cells are cut out, and every number of theirs must be finite.

Start at `fuzz`; `draw` makes the field of a number.
"""

from __future__ import annotations

import argparse
import json
import math
import queue
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from leuknet.errors import LeukNetError
from leuknet.fields.cut import cut_cell
from leuknet.fields.slides import hold_field
from leuknet.fields.surroundings import surroundings
from leuknet.fields.tiles import find_cells
from leuknet.simulation.draw_fields import draw_field
from leuknet.types import FieldScale, Pixels

DEADLINE_S = 60.0
"""Most processor time for one field of at most a quarter of a million pixels; a usual one takes 0.2 s."""

WAIT_S = 30 * DEADLINE_S
"""Most time by the clock: what waits for ever takes no processor time. Long, since others may use the cores."""

FIELDS = 2000
RESULT = Path(__file__).resolve().parent.parent / "bench" / "reading_room" / "fuzz_finder.json"

_STAIN, _GLASS = np.array((75, 35, 120)), np.array((232, 226, 235))
_SCALES_UM = (0.05, 0.1, 0.2, 0.35, 0.6)


def draw(number: int) -> tuple[Pixels, float]:
    """Return the field of a number, and its scale in µm per pixel."""
    rng = np.random.default_rng((number, 20))
    kind = list(KINDS.values())[number % len(KINDS)]
    pixels = kind(rng)
    # Noise of a camera in two of three: without it many pixels are equal, which is a case of its own.
    noisy = pixels + rng.normal(0, (0, 1, 6)[number // len(KINDS) % 3], pixels.shape)
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8), float(rng.choice(_SCALES_UM))


def look(number: int) -> str:
    """Search the field of a number; return `cells`, `empty`, or the name of a refusal. Anything may be raised."""
    pixels, um = draw(number)
    field, scale = hold_field(pixels), FieldScale(um, "stated")
    found = 0
    try:
        for cell in find_cells(field, scale, tile_px=(256, 4096)[number % 2]):
            measured = (cell.area_um2, cell.nucleus_um2, cell.sharpness)
            if not (all(map(math.isfinite, measured)) and cell.mask.any() and cell.nucleus.any()):
                raise ArithmeticError(f"cell {cell.id}: {measured}")
            cut_cell(cell, microns_per_pixel=um, crop_um=2 * um)
            surroundings(field, cell.box)
            found += 1
    except LeukNetError as error:
        return type(error).__name__
    return "cells" if found else "empty"


def fuzz(numbers: range) -> dict[str, Any]:
    """Search the fields of these numbers in processes that are killed where one takes too long."""
    outcomes: Counter[str] = Counter()
    bad: dict[int, str] = {}
    slowest_s, slowest, at = 0.0, None, numbers.start
    while at < numbers.stop:
        for number, outcome, seconds in _in_a_process(range(at, numbers.stop)):
            outcomes[outcome.split(":")[0]] += 1
            if outcome.startswith(("hang", "crash", "raised")):
                bad[number] = outcome
            if seconds > slowest_s:
                slowest_s, slowest = seconds, number
            at = number + 1
    return {
        "fields": len(numbers),
        "outcomes": dict(sorted(outcomes.items())),
        "bad": bad,
        "slowest_s": round(slowest_s, 2),
        "slowest": slowest,
        "deadline_s": DEADLINE_S,
        "written_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _in_a_process(numbers: range) -> Iterator[tuple[int, str, float]]:
    """Yield number, outcome and seconds of fields up to one that hangs or crashes, which is the last."""
    command = [sys.executable, __file__, "--within", str(numbers.start), str(numbers.stop), str(DEADLINE_S)]
    lines: queue.Queue[str | None] = queue.Queue()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        reader = threading.Thread(target=_drain, args=(process, lines))
        reader.start()
        try:
            yield from _outcomes(process, lines, numbers)
        finally:
            process.kill()
            reader.join()


def _outcomes(
    process: subprocess.Popen[str], lines: queue.Queue[str | None], numbers: range
) -> Iterator[tuple[int, str, float]]:
    for number in numbers:
        try:
            line = lines.get(timeout=WAIT_S)
        except queue.Empty:
            yield number, "hang: it waits", 0.0
            return
        if line is None:
            status = process.wait()
            if status == -signal.SIGPROF:
                yield number, "hang", DEADLINE_S
            else:
                yield number, f"crash: status {status}", 0.0
            return
        seconds, outcome = line.strip().split(" ", 1)
        yield number, outcome, float(seconds)


def _drain(process: subprocess.Popen[str], lines: queue.Queue[str | None]) -> None:
    if process.stdout is not None:
        for line in process.stdout:
            lines.put(line)
    lines.put(None)


def _search_within(numbers: range, deadline_s: float) -> None:
    """Print processor time and outcome of each field; the signal of a timer that nobody handles is the end."""
    for number in numbers:
        began = time.process_time()
        signal.setitimer(signal.ITIMER_PROF, deadline_s)
        try:
            outcome = look(number)
        except Exception as error:
            outcome = f"raised: {error!r}"
        print(f"{time.process_time() - began:.3f}", *outcome.split(), flush=True)  # noqa: T201


Drawn = NDArray[np.float64]
Rng = np.random.Generator


def _painted(stain: NDArray[Any]) -> Drawn:
    """Return stain of this amount, 0 to 1, on glass: (H, W, 3)."""
    return np.asarray(_GLASS + stain[..., None] * (_STAIN - _GLASS), np.float64)


def _size(rng: Rng) -> tuple[int, int]:
    height, width = rng.integers(1, 500, 2) if rng.random() < 0.8 else rng.integers(1, 12, 2)
    return int(height), int(width)


def _all_stain(rng: Rng) -> Drawn:
    return _painted(np.ones(_size(rng))) + rng.integers(-30, 60, 3)


def _holes(rng: Rng) -> Drawn:
    stain = np.ones(_size(rng))
    for _ in range(rng.integers(1, 6)):
        row, column = (rng.integers(0, side) for side in stain.shape)
        stain[row : row + rng.integers(1, 60), column : column + rng.integers(1, 60)] = 0
    return _painted(stain)


def _up_to_edges(rng: Rng) -> Drawn:
    stain = np.ones(_size(rng))
    for turn in range(rng.integers(1, 4)):
        np.rot90(stain, turn)[: rng.integers(1, 40)] = 0
    return _painted(stain)


def _noise(rng: Rng) -> Drawn:
    return rng.integers(0, 256, (*_size(rng), 3)).astype(np.float64)


def _clouds(rng: Rng) -> Drawn:
    cloud = ndimage.gaussian_filter(rng.normal(size=_size(rng)), rng.uniform(0.5, 40))
    return _painted(cloud > np.quantile(cloud, rng.uniform(0, 1)))


def _stripes(rng: Rng) -> Drawn:
    height, width = _size(rng)
    wave = np.sin(np.add.outer(np.arange(height) * rng.uniform(0, 1), np.arange(width) * rng.uniform(0, 1)))
    return _painted(wave > rng.uniform(-1, 1))


def _dots(rng: Rng) -> Drawn:
    height, width = _size(rng)
    seeds = rng.random((height, width)) < rng.uniform(0, 0.02)
    away = ndimage.distance_transform_edt(~seeds) if seeds.any() else np.full((height, width), 99.0)
    return _painted(away < rng.uniform(0.5, 30))


def _gradient(rng: Rng) -> Drawn:
    height, width = _size(rng)
    return _painted(np.outer(np.linspace(0, 1, height), np.linspace(0, 1, width)) * rng.uniform(0.1, 1.5))


def _colours(rng: Rng) -> Drawn:
    palette = rng.integers(0, 256, (rng.integers(2, 6), 3)).astype(np.float64)
    blocks = rng.integers(0, len(palette), rng.integers(1, 9, 2))
    return np.asarray(palette[np.kron(blocks, np.ones(rng.integers(1, 60, 2), int))])


def _simulated(rng: Rng) -> Drawn:
    pixels, _ = draw_field(
        600, 600, cells=int(rng.integers(1, 9)), touching_share=1, seed=int(rng.integers(1, 40))
    )
    top, left = rng.integers(0, 500, 2)
    part = pixels[top : top + rng.integers(20, 500), left : left + rng.integers(20, 500)].astype(np.float64)
    change = int(rng.integers(0, 4))
    return (part, 255 - part, part * rng.uniform(0.1, 3), np.rint(part / 128) * 128)[change]


KINDS: dict[str, Callable[[Rng], Drawn]] = {
    "all stain": _all_stain,
    "clots with holes": _holes,
    "stain up to edges": _up_to_edges,
    "noise": _noise,
    "clouds": _clouds,
    "stripes": _stripes,
    "dots": _dots,
    "gradients": _gradient,
    "few colours": _colours,
    "simulated, changed": _simulated,
}
"""What is drawn, by turns."""


def main() -> None:
    """Search the fields, and keep what came of all of them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--fields", type=int, default=FIELDS)
    parser.add_argument("--within", type=float, nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.within:
        start, stop, deadline_s = given.within
        _search_within(range(int(start), int(stop)), deadline_s)
        return
    measured = fuzz(range(given.fields))
    print(json.dumps(measured, indent=2))  # noqa: T201
    if given.fields == FIELDS:
        RESULT.write_text(f"{json.dumps(measured, indent=2)}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
