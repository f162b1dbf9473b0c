"""Lets peers take turns at one job, and compares what they answer.

Start at `measure`; `Worker` is a peer in its process.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import expit

from arithmetic import executed_gflop, nominal_gflop
from contests import KERAS, PEAK, PLAIN, Contest
from leuknet.errors import ModelError
from leuknet.inference.onnx_predictor import CHUNK_SIZE
from peers import BATCH_SIZE, EPOCHS, Setup

BENCH = Path(__file__).resolve().parent
BUILD = BENCH.parent / "build"
KERAS_PYTHON = BUILD / "bench-keras" / "bin" / "python"
AGAIN = "leuknet, again"
"""LeukNet's training with the cache that an earlier one left."""

BF16_SIDE, FP32_SIDE = 512, 2048
"""Sides of the matrices that show the peak; a processor without units for bfloat16 takes long for little."""

Side = dict[str, Any]
"""What one peer did in a contest: seconds of each round, answer and memory, or an error."""


@dataclass(frozen=True)
class Sizes:
    """How much is measured.

    Attributes
    ----------
    scale
        Share of the publisher's 3,527 cells of a fold that are drawn.
    rounds
        Counted rounds of each figure, at most.
    warm_up
        Whether a round that is not counted comes first.
    growth
        Numbers of files that are predicted, one after the other.
    """

    image_size_px: int
    scale: float
    rounds: int
    warm_up: bool
    growth: tuple[int, ...]


class Worker:
    """One peer in its process, which starts at once; see bench/worker.py."""

    def __init__(self, peer: str, setup: Path) -> None:
        self.peer = peer
        # Without an environment for Keras its import fails in ours, and the page says so.
        python = KERAS_PYTHON if peer == KERAS and KERAS_PYTHON.exists() else Path(sys.executable)
        # LeukNet sets this for itself when it is imported, and it has been here: peers have their defaults.
        own = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
        self.process = subprocess.Popen(  # noqa: S603 - our own program
            [python, BENCH / "worker.py", peer.removesuffix(", again"), setup],
            env=own,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def wait(self) -> str | None:
        """Wait until it is ready; return why it will never be, if so."""
        return self._read().get("error")

    def ask(self, job: str, **arguments: Any) -> dict[str, Any]:
        """Let it do a job and return what it says."""
        assert self.process.stdin is not None  # noqa: S101
        self.process.stdin.write(json.dumps({"job": job, **arguments}) + "\n")
        self.process.stdin.flush()
        return self._read()

    def close(self) -> None:
        """End the process."""
        self.process.communicate()  # closes both pipes and waits

    def _read(self) -> dict[str, Any]:
        assert self.process.stdout is not None  # noqa: S101
        line = self.process.stdout.readline()
        if not line:
            return {"error": f"its process ended with status {self.process.wait()}"}
        content: dict[str, Any] = json.loads(line)
        return content


def measure(contest: Contest, setups: dict[str, Path], sizes: Sizes) -> dict[str, Any]:
    """Let all peers take turns; return the figure as `results.json` holds it.

    Raises
    ------
    ModelError
        If peers that run the same network give different answers, or LeukNet cannot do the job.
    """
    setup = setups[contest.images]
    again = (AGAIN,) if contest.job == "training" else ()
    peak = (PEAK,) if contest.flop else ()
    workers = {peer: Worker(peer, setup) for peer in (contest.ours, *contest.peers, *again, *peak)}
    sides: dict[str, Side] = {}
    peaks: dict[str, list[float]] = {"float32": [], "bfloat16": []}
    try:
        for peer, worker in workers.items():
            why_not = worker.wait()
            if peer != PEAK:
                sides[peer] = {"seconds": []} if why_not is None else {"error": why_not}
        warm_up = int(sizes.warm_up and contest.warm_up != 0)
        for number in range(min(contest.rounds or sizes.rounds, sizes.rounds) + warm_up):
            counted = number >= warm_up
            n = contest.n if counted or contest.warm_up is None else contest.warm_up
            running = [peer for peer in workers if "error" not in sides.get(peer, {})]
            # Who goes first changes every round, so that none always finds what another left in the caches.
            for peer in running[number % len(running) :] + running[: number % len(running)]:
                if peer == PEAK:
                    _take_peak(workers[peer], peaks if counted else None)
                else:
                    _take_turn(workers[peer], contest, sides, n=n, counted=counted)
            refuse_unequal(contest, sides, number=number)
    finally:
        for worker in workers.values():
            worker.close()
    return figure_of(contest, sides, peaks, Setup.read(setup))


def _take_turn(worker: Worker, contest: Contest, sides: dict[str, Side], *, n: int, counted: bool) -> None:
    """Let a peer do the job once, and note what came of it."""
    job = "training_again" if worker.peer == AGAIN else contest.job
    said = worker.ask(job, **({} if contest.job == "training" else {"n": n}))
    side = sides[worker.peer]
    if "error" in said:
        sides[worker.peer] = said
        return
    side |= {"answer": said["answer"], "peak_rss_mb": round(said["peak_rss_mb"])}
    side["seconds"] += [said["seconds"]] if counted else []


def _take_peak(worker: Worker, peaks: dict[str, list[float]] | None) -> None:
    """Note the rate of matrix products in GFLOP/s, if the round counts."""
    for kind, side in (("float32", FP32_SIDE), ("bfloat16", BF16_SIDE)):
        took = worker.ask("product", n=side, kind=kind)["seconds"]
        if peaks is not None:
            peaks[kind].append(2 * side**3 / took / 1e9)


def refuse_unequal(contest: Contest, sides: dict[str, Side], *, number: int) -> None:
    """Raise a ModelError if a peer with the paper's network answers otherwise than the plain rendering."""
    if contest.tolerance is None or "answer" not in sides[PLAIN]:
        return
    expected = np.asarray(sides[PLAIN]["answer"])
    for peer, side in sides.items():
        if "answer" not in side or peer.startswith("timm"):
            continue  # another network
        if peer == KERAS and contest.job == "training_step":
            continue  # it drops other values
        found = np.asarray(side["answer"])
        if contest.job in ("forward", "predicting"):
            difference = np.abs(expit(found) - expit(expected)).max()
        else:
            difference = abs(found - expected) / max(1.0, abs(expected))
        # Other libraries' kernels round otherwise than PyTorch's.
        tolerance = contest.tolerance * (1 if peer.startswith("leuknet") else 10)
        if not difference <= tolerance:  # also if it is nan
            raise ModelError(
                f"{peer} and {PLAIN} give different answers: no timing is reported",
                why=f"{contest.name}, round {number}: {difference:.2g} apart, over {tolerance:g}",
                fix="compare the layers and the pixels of bench/peers with those of src/leuknet",
            )


def figure_of(
    contest: Contest, sides: dict[str, Side], peaks: dict[str, list[float]], setup: Setup
) -> dict[str, Any]:
    """Return a figure as `results.json` holds it: times, ratios to LeukNet's time, memory, arithmetic."""
    if "error" in sides[contest.ours]:
        raise ModelError(
            f"{contest.ours} cannot do its job: no timing is reported",
            why=f"{contest.name}: {sides[contest.ours]['error']}",
            fix="run bench/worker.py by itself to see more",
        )
    learning, validating = setup.sides()
    mine = sides[contest.ours]["seconds"]
    n = contest.n or EPOCHS * (len(setup.paths[learning]) // BATCH_SIZE) * BATCH_SIZE
    figure: dict[str, Any] = {
        "name": contest.name,
        "unit": contest.unit,
        "images": n,
        "rounds": len(mine),
        "ours": contest.ours,
        "sides": {},
    }
    if contest.job == "training":
        figure["validation_cells"] = len(setup.paths[validating])
    for peer, side in sides.items():
        if "error" in side:
            figure["sides"][peer] = {"error": side["error"]}
            continue
        ratios = [theirs / ours for theirs, ours in zip(side["seconds"], mine, strict=True)]
        figure["sides"][peer] = {
            **spread([_in_unit(seconds, contest.unit, images=n) for seconds in side["seconds"]]),
            "peak_rss_mb": side["peak_rss_mb"],
            "ours_times_as_fast": spread(ratios),
        }
    if contest.flop:
        figure |= _arithmetic(contest, figure, peaks, setup)
    return figure


def _arithmetic(
    contest: Contest, figure: dict[str, Any], peaks: dict[str, list[float]], setup: Setup
) -> dict[str, Any]:
    """Operations, and what share of the rate of matrix products each form of the paper's network reaches."""
    inputs, backward = setup.inputs(contest.n), contest.flop == "training"
    nominal = nominal_gflop(contest.n, setup.image_size_px, backward=backward) / contest.n
    peak = statistics.median(peaks["float32"])
    for peer, side in figure["sides"].items():
        if "error" in side or peer.startswith("timm"):
            continue
        executed = nominal
        if peer.startswith("leuknet"):
            chunk = CHUNK_SIZE if "onnx" in peer else os.cpu_count() or 1
            executed = executed_gflop(inputs, chunk_size=chunk, backward=backward) / contest.n
        rate = 1000 / side["median"]
        side |= {
            "gflop_per_image": executed,
            "share_of_peak": executed * rate / peak,
            "share_of_peak_if_whole": nominal * rate / peak,
        }
    return {"peak_gflops": {kind: spread(values) for kind, values in peaks.items()}}


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Median and range, with all values in the order of the rounds."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "all": list(values)}


def _in_unit(seconds: float, unit: str, *, images: int) -> float:
    return images / seconds if unit == "images/s" else 1000 * seconds / images
