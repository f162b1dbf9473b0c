"""Times LeukNet side by side with a named peer, and writes `bench/results.json`.

A timing depends on the machine and on what else it does. So each figure is a ratio: LeukNet and the peer of
`bench/plain.py` take turns in one process, with the same weights and the same files, and each pair of
neighbouring timings gives one ratio. In every round both must also give the same answer; where they do
not, the run ends with an error and reports nothing, since a wrong answer is easily fast.

`make bench` runs it on simulated cells, on the processor alone; `--quick` is a trial. Start at `main`, then
`CONTESTS`. bench/README.md says how to read the result.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from plain import plain_intervals, plain_loader, plain_network, plain_probabilities, plain_step
from rich.console import Console
from rich.table import Table
from scipy.special import expit
from torch import Tensor, nn
from torch.nn import functional

from leuknet.data import open_dataset
from leuknet.data.simulate import simulate
from leuknet.data.transform import channel_statistics, load_inputs
from leuknet.errors import ModelError
from leuknet.finish import commit_of_code
from leuknet.metrics import bootstrap
from leuknet.models import build
from leuknet.models.predictor import TorchPredictor, run_network
from leuknet.predict import predict_files
from leuknet.recipes import changed, get_recipe
from leuknet.reproduce import describe_machine

# Private, since the loop has no public step: the benchmark must time the step that ships, not a copy of it.
from leuknet.train import _as_float, _optimizer
from leuknet.types import CellImage, Dataset, ModelCard, Pixels, Recipe

BENCH = Path(__file__).resolve().parent
PEER = "plain PyTorch"
N_CELLS = 80
"""Files that are decoded in one repeat: whole batches, of the 84 cells of the smallest simulated fold_0."""


N_RESAMPLES = 500


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    image_size_px: int
    rounds: int
    n_predicted: int
    batch_size: int = 16


FULL = Sizes(image_size_px=224, rounds=5, n_predicted=48)
QUICK = Sizes(image_size_px=112, rounds=2, n_predicted=32)


@dataclass(frozen=True)
class Bench:
    """What both sides work with: the same cells and, in two renderings, the same weights."""

    sizes: Sizes
    dataset: Dataset
    cells: tuple[CellImage, ...]
    inputs: Pixels  # (N_CELLS, S, S, 3)
    recipe: Recipe
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    ours: nn.Module
    plain: nn.Module


class Contest(NamedTuple):
    """One figure: two callables that do the same work and return its answer.

    `difference` compares the answers, as a share of the values' size; above `tolerance` the run ends.
    """

    name: str
    unit: str
    images: int
    ours: Callable[[], Any]
    plain: Callable[[], Any]
    difference: Callable[[Any, Any], float]
    tolerance: float


def main() -> None:
    """Measure everything, print the table, write the file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer rounds at 112 px; writes below build/")
    sizes, out = FULL, BENCH / "results.json"
    if parser.parse_args().quick:
        sizes, out = QUICK, BENCH.parent / "build" / "bench-quick.json"
    # Both sides on the processor: LeukNet would take a GPU by itself, and the peer has none.
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    console = Console()
    conditions = _conditions(sizes)
    figures = []
    with tempfile.TemporaryDirectory() as folder:
        bench = _prepare(Path(folder), sizes)
        for make in CONTESTS:
            contest = make(bench)
            console.print(f"measuring: {contest.name}")
            figures.append(measure(contest, rounds=sizes.rounds))
    console.print("measuring: start-up")
    figures += [start_up(name, rounds=sizes.rounds) for name in START_UP]

    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(conditions | {"figures": figures}, indent=1) + "\n", encoding="utf-8")
    console.print(_table(figures))
    console.print(f"{conditions['machine']}; load before the run: {conditions['load_average_before']}")
    console.print(f"written: {out}")


def measure(contest: Contest, *, rounds: int) -> dict[str, Any]:
    """Let both sides take turns and return the figure, as `results.json` holds it.

    The first round warms caches and workers and is not counted, but its answers are checked too.

    Raises
    ------
    ModelError
        If the answers differ in any round.
    """
    sides = {"leuknet": contest.ours, "plain": contest.plain}
    seconds: dict[str, list[float]] = {side: [] for side in sides}
    for number in range(rounds + 1):
        answers = {}
        # Who goes first changes every round, so that neither always finds what the other left in the caches.
        for side in sorted(sides, reverse=number % 2 == 1):
            started = time.perf_counter()
            answers[side] = sides[side]()
            seconds[side].append(time.perf_counter() - started)
        _refuse_unequal(contest, answers, number=number)
    counted = {side: times[1:] for side, times in seconds.items()}
    figure: dict[str, Any] = {"name": contest.name, "unit": contest.unit, "images": contest.images}
    figure |= {
        side: _spread([_in_unit(one, contest.unit, images=contest.images) for one in times])
        for side, times in counted.items()
    }
    pairs = zip(counted["plain"], counted["leuknet"], strict=True)
    return figure | {"times_as_fast": _spread([plain / ours for plain, ours in pairs])}


def _refuse_unequal(contest: Contest, answers: dict[str, Any], *, number: int) -> None:
    difference = contest.difference(answers["leuknet"], answers["plain"])
    if not difference <= contest.tolerance:  # also if it is nan
        raise ModelError(
            f"LeukNet and {PEER} give different answers: no timing is reported",
            why=f"{contest.name}, round {number}: {difference:.2g} apart, over {contest.tolerance:g}",
            fix="compare the layers and the pixels of bench/plain.py with those of src/leuknet",
        )


def training_step(bench: Bench) -> Contest:
    """Forward, backward and Adam on one batch of prepared images, dropout included."""
    ours, plain = copy.deepcopy(bench.ours), copy.deepcopy(bench.plain)
    ours_adam = _optimizer(ours, bench.recipe)
    rate, decay = bench.recipe.learning_rate, bench.recipe.weight_decay
    plain_adam = torch.optim.Adam(plain.parameters(), lr=rate, weight_decay=decay)
    n = bench.sizes.batch_size
    pixels, images = torch.from_numpy(bench.inputs[:n]).permute(0, 3, 1, 2), _plain_images(bench, n)
    labels = torch.tensor([int(cell.label) for cell in bench.cells[:n] if cell.label is not None])

    def our_step() -> float:
        torch.manual_seed(0)  # both sides drop the same values
        ours.train()
        loss = functional.cross_entropy(ours(_as_float(pixels)), labels)
        ours_adam.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        ours_adam.step()
        return loss.item()

    def their_step() -> float:
        torch.manual_seed(0)
        return plain_step(plain, plain_adam, images, labels)

    # The loss after k steps also shows whether gradients and updates agree. Rounding adds up on the way,
    # to some 1e-4; a step left out makes 3.
    return Contest(
        "training step", "ms/image", n, our_step, their_step, lambda a, b: abs(a - b) / max(1.0, b), 0.01
    )


def forward(bench: Bench) -> Contest:
    """One batch of prepared images to probabilities."""
    n = bench.sizes.batch_size
    images = _plain_images(bench, n)

    def our_pass() -> Tensor:
        return torch.from_numpy(expit(run_network(bench.ours, bench.inputs[:n])[0]))

    def their_pass() -> Tensor:
        return plain_probabilities(bench.plain, images)

    return Contest("forward", "ms/image", n, our_pass, their_pass, _largest, 1e-4)


def decoding(bench: Bench) -> Contest:
    """BMP files to arrays of the network's input size."""
    paths = [cell.path for cell in bench.cells]
    loader = _plain_loader(bench, paths)

    def our_reading() -> Pixels:
        loaded = load_inputs(
            bench.cells,
            root=bench.dataset.root,
            canvas_px=bench.dataset.canvas_px,
            image_size_px=bench.sizes.image_size_px,
        )
        return loaded.inputs

    def difference(ours: Pixels, plain: list[Tensor]) -> float:
        pixels = torch.cat(plain) + torch.tensor(bench.mean).view(3, 1, 1)
        return _largest(torch.from_numpy(ours).permute(0, 3, 1, 2) / 255, pixels / 255)

    return Contest(
        "decoding and resizing", "ms/image", len(paths), our_reading, lambda: list(loader), difference, 1e-5
    )


def predicting(bench: Bench) -> Contest:
    """BMP files to probabilities, from end to end."""
    paths = [cell.path for cell in bench.cells[: bench.sizes.n_predicted]]
    loader = _plain_loader(bench, paths)
    predictor = TorchPredictor(bench.ours, _card(bench), "benchmark", None)

    def our_files() -> Tensor:
        batch = bench.sizes.batch_size
        lines = predict_files(predictor, paths, batch_size=batch, root=bench.dataset.root)
        # A file without a probability becomes nan, which no tolerance lets pass.
        return torch.tensor([float("nan") if one.probability is None else one.probability for one in lines])

    def their_files() -> Tensor:
        return torch.cat([plain_probabilities(bench.plain, images) for images in loader])

    return Contest("predicting from files", "images/s", len(paths), our_files, their_files, _largest, 1e-4)


def intervals(_: Bench) -> Contest:
    """Intervals of six scores from a bootstrap over people: 2,000 cells of 28, as in the preliminary set."""
    generator = np.random.default_rng(0)
    subjects = generator.integers(28, size=2000)
    labels = subjects % 2
    probabilities = expit(generator.normal(labels - 0.5 + 0.5 * np.sin(subjects), 1))
    names = ("accuracy", "balanced_accuracy", "weighted_f1", "auroc", "auprc", "brier")

    def ours() -> Tensor:
        found = bootstrap(
            labels, probabilities, threshold=0.5, clusters=subjects, metrics=names, resamples=N_RESAMPLES
        )
        return torch.tensor([[one.low, one.high] for one in found.values()])

    def theirs() -> Tensor:
        return torch.from_numpy(plain_intervals(labels, probabilities, subjects, resamples=N_RESAMPLES))

    # Both draw the same people, so that the limits are equal but for rounding.
    return Contest("intervals of six scores", "ms/resample", N_RESAMPLES, ours, theirs, _largest, 1e-6)


CONTESTS: tuple[Callable[[Bench], Contest], ...] = (training_step, forward, decoding, predicting, intervals)

START_UP = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "import leuknet": [sys.executable, "-c", "import leuknet"],
    "leuknet --help": [sys.executable, "-m", "leuknet", "--help"],
}
"""Commands timed from their start to their end. They have no peer; the first is what Python itself takes."""


def start_up(name: str, *, rounds: int) -> dict[str, Any]:
    """Time a command of `START_UP` in fresh processes, after one that is not counted."""
    seconds = []
    for _ in range(rounds + 1):
        started = time.perf_counter()
        subprocess.run(START_UP[name], check=True, capture_output=True)  # noqa: S603 - our own commands
        seconds.append(time.perf_counter() - started)
    return {"name": name, "unit": "s", "leuknet": _spread(seconds[1:])}


def _prepare(folder: Path, sizes: Sizes) -> Bench:
    """Draw the cells, and give both networks the same weights."""
    simulate(folder, scale=0.001, parts=["fold_0"])
    dataset = open_dataset(folder)
    cells = tuple(random.Random(0).sample(dataset.cells, N_CELLS))  # noqa: S311 - mixes classes, no secret
    size = sizes.image_size_px
    inputs = load_inputs(cells, root=dataset.root, canvas_px=dataset.canvas_px, image_size_px=size).inputs
    mean, std = channel_statistics(inputs)
    recipe = changed(get_recipe("leuknet-paper"), [f"image_size_px={size}", f"batch_size={sizes.batch_size}"])
    torch.manual_seed(0)
    ours, plain = build("leuknet", size).eval(), plain_network(size).eval()
    ours.get_buffer("input.mean").copy_(torch.tensor(mean).view(3, 1, 1))
    weights = zip(plain.state_dict(), ours.parameters(), strict=True)
    plain.load_state_dict({name: weight.detach() for name, weight in weights})
    return Bench(sizes, dataset, cells, inputs, recipe, mean, std, ours, plain)


def _card(bench: Bench) -> ModelCard:
    return ModelCard(
        recipe=bench.recipe,
        class_names=bench.dataset.class_names,
        canvas_px=bench.dataset.canvas_px,
        channel_mean=bench.mean,
        channel_std=bench.std,
        threshold=0.5,
        dataset=bench.dataset.name,
        simulated=True,
        split_kind=bench.recipe.split,
        split_fingerprint="none: fresh weights",
        leuknet_version=version("leuknet"),
        commit=None,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _plain_loader(bench: Bench, paths: Sequence[Path]) -> Iterable[Tensor]:
    size, batch = bench.sizes.image_size_px, bench.sizes.batch_size
    return plain_loader(paths, image_size_px=size, channel_mean=bench.mean, batch_size=batch)


def _plain_images(bench: Bench, n: int) -> Tensor:
    """(n, 3, S, S) as the peer's own loader gives them."""
    return torch.cat(list(_plain_loader(bench, [cell.path for cell in bench.cells[:n]])))


def _largest(ours: Tensor, plain: Tensor) -> float:
    """Largest difference between values of size 1, such as probabilities; nan where one is missing."""
    return float((ours.double() - plain.double()).abs().max())


def _in_unit(seconds: float, unit: str, *, images: int) -> float:
    return images / seconds if unit == "images/s" else 1000 * seconds / images


def _spread(values: Sequence[float]) -> dict[str, Any]:
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "all": list(values)}


def _conditions(sizes: Sizes) -> dict[str, Any]:
    libraries = ("leuknet", "torch", "torchvision", "numpy", "pillow")
    return {
        "peer": f"{PEER}: bench/plain.py",
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit_of_code(),
        "machine": describe_machine(),
        "load_average_before": round(os.getloadavg()[0], 2),
        "threads": torch.get_num_threads(),
        "versions": {"python": platform.python_version()} | {name: version(name) for name in libraries},
        "sizes": asdict(sizes),
    }


def _table(figures: Sequence[dict[str, Any]]) -> Table:
    table = Table(title="median, and below it smallest to largest", show_lines=True)
    for column in ("figure", "unit", "LeukNet", PEER, "times as fast"):
        table.add_column(column, justify="left" if column in ("figure", "unit") else "right")
    for figure in figures:
        sides = (figure.get(side) for side in ("leuknet", "plain", "times_as_fast"))
        table.add_row(
            figure["name"], figure["unit"], *("" if one is None else _in_words(one) for one in sides)
        )
    return table


def _in_words(spread: dict[str, Any]) -> str:
    return f"{spread['median']:.3g}\n[dim]{spread['min']:.3g} to {spread['max']:.3g}[/dim]"


# Drawing cells may start processes that import this file.
if __name__ == "__main__":
    main()
