"""Times LeukNet side by side with named peers, and writes `bench/results.json`.

A timing depends on the machine and on what else it does. So each figure is a ratio: LeukNet and its peers,
each in a process of its own, take turns with the same files and the same weights, and the timings of one
round give one ratio. Peers that run the same network must also give the same answers in every round; where
they do not, the run ends with an error, since a wrong answer is easily fast.

`make bench` runs it on simulated cells, on the processor alone; `--quick` is a trial. Start at `main`, then
bench/contests.py. bench/README.md says how to read the result; studies/performance.py draws it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from arithmetic import executed_gflop, nominal_gflop
from contests import CONTESTS, KERAS, PEAK, PLAIN, Contest
from intervals import time_intervals
from peers import BATCH_SIZE, EPOCHS, Setup
from PIL import Image
from rich.console import Console
from rich.table import Table
from scipy.special import expit

from leuknet.data import open_dataset
from leuknet.errors import ModelError
from leuknet.experiments.reproduce import describe_machine
from leuknet.images.transform import load_inputs
from leuknet.inference.onnx_predictor import CHUNK_SIZE
from leuknet.recipes import changed, get_recipe
from leuknet.simulation.simulate import simulate
from leuknet.training.finish import commit_of_code
from leuknet.training.train import train
from leuknet.types import InputForm

BENCH = Path(__file__).resolve().parent
BUILD = BENCH.parent / "build"
KERAS_HOME = BUILD / "bench-keras"
console = Console()


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    image_size_px: int
    rounds: int
    growth: tuple[int, ...]


FULL = Sizes(image_size_px=224, rounds=5, growth=(100, 1_000, 10_000, 100_000))
QUICK = Sizes(image_size_px=64, rounds=2, growth=(100, 1_000))
GROWTH_PX = 32
"""Side of the network for the cost of many images: 100,000 of them then take minutes, not an hour."""

BF16_SIDE, FP32_SIDE = 512, 2048
"""Sides of the matrices that show the peak; a processor without units for bfloat16 takes long for little."""


class Worker:
    """One peer in its process; see bench/worker.py."""

    def __init__(self, peer: str, setup: Path) -> None:
        self.peer = peer
        python = KERAS_HOME / "bin" / "python" if peer == KERAS else Path(sys.executable)
        self.process = subprocess.Popen(  # noqa: S603 - our own program
            [python, BENCH / "worker.py", peer, setup],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.error: str | None = self._read().get("error")

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


def main() -> None:
    """Measure everything, print the tables, write the file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a trial at 64 px; writes below build/")
    parser.add_argument("--resume", action="store_true", help="keep what an unfinished run has measured")
    parser.add_argument("--only", metavar="TEXT", default="", help="only figures whose name has this in it")
    wanted = parser.parse_args()
    sizes, out = (QUICK, BUILD / "bench-quick.json") if wanted.quick else (FULL, BENCH / "results.json")
    keras_missing = _make_keras_home()
    results = _conditions(sizes, keras_missing)
    if wanted.resume and out.exists():
        kept = json.loads(out.read_text(encoding="utf-8"))
        results["figures"] = [one for one in kept["figures"] if kept["commit"] == results["commit"]]
    done = {figure["name"] for figure in results["figures"]}
    with tempfile.TemporaryDirectory(prefix="leuknet-bench-") as home:
        os.environ["LEUKNET_CACHE"] = str(Path(home, "cache"))
        console.print("preparing: cells, and a model to start from")
        setups = _prepare(Path(home), sizes)
        others = {"start-up": _start_up, "intervals": _intervals, "many images": _grow}
        for task in (*CONTESTS, *others):
            name = task if isinstance(task, str) else task.name
            if name in done or wanted.only not in name:
                continue
            console.print(f"measuring: {name}")
            found = others[task](setups, sizes) if isinstance(task, str) else _measure(task, setups, sizes)
            results["figures"].append(found)
            _write(results, out)
    for table in tables(results):
        console.print(table)
    console.print(f"{results['machine']}; load before the run: {results['load_average_before']}")
    console.print(f"written: {out}")


def _write(results: dict[str, Any], out: Path) -> None:
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def _make_keras_home() -> str | None:
    """Make the environment of the Keras peer; return why there is none."""
    if (KERAS_HOME / "ready").exists():
        return None
    console.print("preparing: an environment for Keras, once")
    BUILD.mkdir(exist_ok=True)
    requirements = BENCH / "keras-requirements.txt"
    try:
        for command in (
            [sys.executable, "-m", "venv", KERAS_HOME],
            [KERAS_HOME / "bin" / "python", "-m", "pip", "install", "--quiet", "-r", requirements],
        ):
            subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - our own
    except subprocess.CalledProcessError as error:
        return f"not installed: {error.stderr.strip().splitlines()[-1]}"
    (KERAS_HOME / "ready").touch()
    return None


def _prepare(folder: Path, sizes: Sizes) -> dict[str, Path]:
    """Draw cells and train a model on them; return the setup of each kind of images."""
    simulate(folder / "data", scale=0.04, parts=["fold_0"])
    setups = {}
    for kind, side in (("cells", sizes.image_size_px), ("growth", GROWTH_PX)):
        home = folder if kind == "cells" else folder / "growth"
        settings = [f"image_size_px={side}", "batch_size=16", "epochs=1", "balance=false"]
        home.mkdir(exist_ok=True)
        dataset = open_dataset(folder / "data")
        run = train(dataset, changed(get_recipe("leuknet-paper"), settings), out=home / "run")
        mean = json.loads((run.folder / "model" / "model.json").read_text())["channel_mean"]
        order = np.random.default_rng(0).permutation(len(dataset.cells))
        cells = tuple(dataset.cells[index] for index in order)
        inputs = load_inputs(cells, InputForm(dataset.canvas_px, side), root=dataset.root).inputs
        np.save(home / "cells.npy", inputs)
        np.save(home / "frames.npy", _without_margin(inputs))
        labels = [int(cell.label) for cell in cells if cell.label is not None]
        setup = Setup(home, "cells", side, tuple(cell.path for cell in cells), tuple(labels), tuple(mean))
        for images in ("cells", "frames"):
            name = kind if images == "cells" else images
            if kind == "growth" and images == "frames":
                continue
            setups[name] = home / f"setup-{name}.json"
            content = asdict(replace(setup, images=images))
            setups[name].write_text(json.dumps(content, default=str), encoding="utf-8")
    if not (folder / "growth" / "data").exists():
        (folder / "growth" / "data").symlink_to(folder / "data")
    return setups


def _without_margin(inputs: np.ndarray) -> np.ndarray:
    """The middle of each cell, as wide as the image: no pixel is black."""
    side = inputs.shape[1]
    fifth = side // 5
    middle = [Image.fromarray(one[2 * fifth : 3 * fifth, 2 * fifth : 3 * fifth]) for one in inputs]
    return np.stack([np.maximum(np.asarray(one.resize((side, side))), 1) for one in middle])


def _measure(contest: Contest, setups: dict[str, Path], sizes: Sizes) -> dict[str, Any]:
    """Let all peers take turns; return the figure as `results.json` holds it."""
    setup = setups[contest.images]
    peak = (PEAK,) if contest.flop else ()
    jobs = dict.fromkeys((contest.ours, *contest.peers), contest.job)
    if contest.job == "training":
        jobs["leuknet, again"] = "training_again"
    workers = {peer: Worker(peer.removesuffix(", again"), setup) for peer in (*jobs, *peak)}
    sides: dict[str, dict[str, Any]] = {peer: {"seconds": []} for peer in jobs}
    sides |= {peer: {"error": one.error} for peer, one in workers.items() if one.error is not None}
    peaks: dict[str, list[float]] = {"float32": [], "bfloat16": []}
    try:
        rounds = (contest.rounds or sizes.rounds) + contest.warm_up
        for number in range(rounds):
            counted = number >= contest.warm_up
            running = [peer for peer in workers if "error" not in sides.get(peer, {})]
            # Who goes first changes every round, so that none always finds what another left in the caches.
            for peer in running[number % len(running) :] + running[: number % len(running)]:
                if peer == PEAK:
                    for kind, n in (("float32", FP32_SIDE), ("bfloat16", BF16_SIDE)):
                        took = workers[peer].ask("product", n=n, kind=kind)["seconds"]
                        peaks[kind] += [2 * n**3 / took / 1e9] if counted else []
                    continue
                arguments = {} if contest.job == "training" else {"n": contest.n}
                said = workers[peer].ask(jobs[peer], **arguments)
                if "error" in said:
                    sides[peer] = said
                    continue
                sides[peer]["answer"] = said["answer"]
                sides[peer]["peak_rss_mb"] = round(said["peak_rss_mb"])
                sides[peer]["seconds"] += [said["seconds"]] if counted else []
            _refuse_unequal(contest, sides, number=number)
    finally:
        for worker in workers.values():
            worker.close()
    return _figure(contest, sides, peaks, Setup.read(setup))


def _refuse_unequal(contest: Contest, sides: dict[str, dict[str, Any]], *, number: int) -> None:
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


def _figure(
    contest: Contest, sides: dict[str, dict[str, Any]], peaks: dict[str, list[float]], setup: Setup
) -> dict[str, Any]:
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
        "ours": contest.ours,
        "sides": {},
    }
    if contest.job == "training":
        figure["validation_cells"] = len(setup.paths[validating])
    for peer, side in sides.items():
        if "error" in side:
            figure["sides"][peer] = {"error": side["error"]}
            continue
        values = [_in_unit(one, contest.unit, images=n) for one in side["seconds"]]
        ratios = [theirs / ours for theirs, ours in zip(side["seconds"], mine, strict=True)]
        figure["sides"][peer] = {
            **spread(values),
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


def _grow(setups: dict[str, Path], sizes: Sizes) -> dict[str, Any]:
    """Predict more and more files, each number in a fresh process."""
    rows = []
    for n in sizes.growth:
        worker = Worker("leuknet (onnx)", setups["growth"])
        said = worker.ask("predicting", n=n)
        worker.close()
        rows.append({"images": n, "seconds": said["seconds"], "peak_rss_mb": round(said["peak_rss_mb"])})
        console.print(f"  {n:,} images: {said['seconds']:.1f} s, {said['peak_rss_mb']:.0f} MB")
    return {"name": "many images", "image_size_px": GROWTH_PX, "rows": rows}


PLAIN_PREDICTION = (
    "import sys; from pathlib import Path; from peers import Setup; from peers.plain import open_peer;"
    "print(open_peer(Setup.read(Path(sys.argv[1]))).predicting(1))"
)


def _start_up(setups: dict[str, Path], sizes: Sizes) -> dict[str, Any]:
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
    rows: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(sizes.rounds + 1):
        for name, command in commands.items():
            started = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True, cwd=BENCH)  # noqa: S603 - our own
            if number:
                rows[name].append(time.perf_counter() - started)
    return {"name": "start-up", "unit": "s", "rows": {name: spread(one) for name, one in rows.items()}}


def _intervals(_: dict[str, Path], sizes: Sizes) -> dict[str, Any]:
    """Intervals of six scores, against scikit-learn's scores in a loop."""
    ours, theirs, n = time_intervals(rounds=sizes.rounds)
    ratios = [plain / fast for plain, fast in zip(theirs, ours, strict=True)]
    sides = {
        "leuknet": spread([1000 * one / n for one in ours]),
        "scikit-learn in a loop": spread([1000 * one / n for one in theirs])
        | {"ours_times_as_fast": spread(ratios)},
    }
    return {"name": "intervals", "unit": "ms/resample", "ours": "leuknet", "sides": sides}


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Median and range, with all values in the order of the rounds."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "all": list(values)}


def _in_unit(seconds: float, unit: str, *, images: int) -> float:
    return images / seconds if unit == "images/s" else 1000 * seconds / images


def _conditions(sizes: Sizes, keras_missing: str | None) -> dict[str, Any]:
    libraries = (
        "leuknet", "torch", "torchvision", "timm", "onnx", "onnxruntime", "openvino", "numpy", "pillow"
    )  # fmt: skip
    versions = {"python": platform.python_version()} | {name: version(name) for name in libraries}
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
        "sizes": asdict(sizes),
        "figures": [],
    }


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
