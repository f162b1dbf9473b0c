"""Keeps an unfinished training run, so that it can go on to the same result.

One file, `checkpoint.safetensors`: the network's and the optimiser's tensors, and as metadata the
number of finished iterations, the history so far and what the run was started with. No pickle. It is
written beside its place and renamed, so a kill leaves the old one or the new one, never half of one.

Chance needs no place in it: each iteration seeds its own (see `leuknet.training.train`). `stop_on_ctrl_c`
lets an iteration end before a run stops.
"""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from leuknet.errors import ModelError
from leuknet.records import write_whole
from leuknet.types import HistoryRow

FILE_NAME = "checkpoint.safetensors"


def write_checkpoint(
    folder: Path,
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    *,
    history: list[HistoryRow],
    run: dict[str, str],
    others: Mapping[str, Mapping[str, Tensor]],
) -> None:
    """Write the state after the last iteration of `history`.

    Parameters
    ----------
    folder
        The run's folder.
    network, optimizer
        Their tensors are kept.
    history
        All finished iterations.
    run
        What must be equal for the run to go on, such as recipe and split.
    others
        Other sets of weights, by a word without a point.
    """
    tensors = {f"network.{name}": value for name, value in network.state_dict().items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": value for name, value in state.items()}
    for word, state in others.items():
        tensors |= {f"{word}.{name}": value for name, value in state.items()}
    metadata = {"run": json.dumps(run), "history": json.dumps([asdict(row) for row in history])}
    contiguous = {name: value.contiguous() for name, value in tensors.items()}
    write_whole(folder / FILE_NAME, save(contiguous, metadata))


def read_checkpoint(
    folder: Path, network: nn.Module, optimizer: torch.optim.Optimizer, *, run: dict[str, str]
) -> tuple[list[HistoryRow], dict[str, dict[str, Tensor]]]:
    """Put a kept state back into network and optimiser; return its history and the other sets of weights.

    Raises
    ------
    ModelError
        If there is none, it is damaged, or it belongs to another run.
    """
    path = folder / FILE_NAME
    try:
        with safe_open(path, framework="pt") as stored:
            metadata = stored.metadata()
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118  not a dict
        kept_run = json.loads(metadata["run"])
        history = [HistoryRow(**row) for row in json.loads(metadata["history"])]
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ModelError(
            f"cannot resume {folder}", why=f"{path.name}: {error}", fix="start again in another folder"
        ) from error
    # What only one of them states is nothing in the other.
    if changed := [name for name in {**run, **kept_run} if run.get(name, "") != kept_run.get(name, "")]:
        name = changed[0]
        was, now = (stated.get(name) or "none" for stated in (kept_run, run))
        raise ModelError(
            f"cannot resume {folder}",
            why=f"its {name} was {was}, and now it is {now}",
            fix="resume with the settings and data it was started with, or start again in another folder",
        )
    network.load_state_dict(_below(tensors, "network"))
    state = optimizer.state_dict()
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for name, value in _below(tensors, "optimizer").items():
        index, _, field = name.partition(".")
        of = parameters[int(index)]
        # The fused step pairs values by their place in memory, so averages must lie there as the weights do.
        laid_out = torch.empty_like(of).copy_(value) if value.shape == of.shape else value
        state["state"].setdefault(int(index), {})[field] = laid_out
    optimizer.load_state_dict(state)
    words = {name.partition(".")[0] for name in tensors} - {"network", "optimizer"}
    return history, {word: _below(tensors, word) for word in words}


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(f"{prefix}."): value
        for name, value in tensors.items()
        if name.startswith(f"{prefix}.")
    }


@contextmanager
def stop_on_ctrl_c() -> Iterator[threading.Event]:
    """Turn the first Ctrl-C into a wish that the loop reads; a second one stops at once."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop  # signals belong to the main thread
        return
    previous = signal.getsignal(signal.SIGINT)

    def wish(*_: object) -> None:
        stop.set()
        signal.signal(signal.SIGINT, previous)

    signal.signal(signal.SIGINT, wish)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, previous)
