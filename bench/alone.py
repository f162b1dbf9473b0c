"""Figures that are no contest of workers: many images, start-up, and intervals. Start at `ALONE`."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from intervals import time_intervals
from peers import Setup
from preparation import GROWTH_PX
from turns import BENCH, Sizes, Worker, spread

PLAIN_PREDICTION = (
    "import sys; from pathlib import Path; from peers import Setup; from peers.plain import open_peer;"
    "print(open_peer(Setup.read(Path(sys.argv[1]))).predicting(1))"
)


def measure_growth(setups: dict[str, Path], sizes: Sizes) -> dict[str, Any]:
    """Predict more and more files, each number in a fresh process."""
    rows = []
    for n in sizes.growth:
        worker = Worker("leuknet (onnx)", setups["growth"])
        worker.wait()
        said = worker.ask("predicting", n=n)
        worker.close()
        rows.append({"images": n, "seconds": said["seconds"], "peak_rss_mb": round(said["peak_rss_mb"])})
    return {"name": "many images", "image_size_px": GROWTH_PX, "rows": rows}


def measure_start_up(setups: dict[str, Path], sizes: Sizes) -> dict[str, Any]:
    """Time whole processes, from their start to their end."""
    setup = Setup.read(setups["cells"])
    image, out = str(setup.paths[0]), str(setup.folder / "scores.csv")
    leuknet = [sys.executable, "-m", "leuknet"]
    predict = [*leuknet, "predict", str(setup.folder / "run" / "model"), image, "--out", out]
    commands: dict[str, list[str]] = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "import leuknet": [sys.executable, "-c", "import leuknet"],
        "leuknet --help": [*leuknet, "--help"],
        "leuknet predict, one image": predict,
        "leuknet predict --engine torch, one image": [*predict, "--engine", "torch"],
        "plain PyTorch, one image": [sys.executable, "-c", PLAIN_PREDICTION, str(setups["cells"])],
    }
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(sizes.rounds + sizes.warm_up):
        for name, command in commands.items():
            started = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True, cwd=BENCH)  # noqa: S603 - our own
            if number >= sizes.warm_up:
                seconds[name].append(time.perf_counter() - started)
    rows = {name: spread(times) for name, times in seconds.items()}
    return {"name": "start-up", "unit": "s", "rounds": sizes.rounds, "rows": rows}


def measure_intervals(_: dict[str, Path], sizes: Sizes) -> dict[str, Any]:
    """Intervals of six scores, against scikit-learn's scores in a loop."""
    ours, theirs = time_intervals(rounds=sizes.rounds)
    ratios = [plain / fast for plain, fast in zip(theirs, ours, strict=True)]
    sides = {
        "leuknet": spread([1000 * seconds for seconds in ours]),
        "scikit-learn in a loop": spread([1000 * seconds for seconds in theirs])
        | {"ours_times_as_fast": spread(ratios)},
    }
    return {
        "name": "intervals",
        "unit": "ms",
        "rounds": sizes.rounds,
        "ours": "leuknet",
        "sides": sides,
    }


ALONE: dict[str, Callable[[dict[str, Path], Sizes], dict[str, Any]]] = {
    "start-up": measure_start_up,
    "intervals": measure_intervals,
    "many images": measure_growth,
}
"""Name to what measures it."""
