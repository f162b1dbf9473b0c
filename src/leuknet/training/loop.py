"""The one training loop.

Chance is a function of the recipe's seed and the iteration alone. A run therefore repeats itself, and one
that was stopped and resumed ends where an unbroken one does, on the same machine and number of threads.

Start at `run_loop`, then `_step`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from leuknet.errors import SettingError, StoppedError
from leuknet.evaluation.calibrate import cell_losses, subject_loss
from leuknet.networks.predictor import channels_first
from leuknet.records.history import HistoryFiles
from leuknet.training.batches import LabelledInputs, batches, chance_of, seed_of
from leuknet.training.checkpoint import FILE_NAME as CHECKPOINT
from leuknet.training.checkpoint import read_checkpoint, stop_on_ctrl_c, write_checkpoint
from leuknet.training.losses import Loss
from leuknet.training.optimise import learning_rate
from leuknet.types import HistoryRow, Recipe

CHECKPOINT_EVERY_S = 60.0
"""At most so much work is lost when a run is killed. The paper's checkpoint takes a second to write."""

VALIDATION_BATCH_SIZE = 64


@dataclass(frozen=True)
class Fit:
    """What the loop works with; made once by `leuknet.training.train.train`.

    Attributes
    ----------
    network
        What is trained, and saved at the end.
    training_module
        The module used in training: it shares the weights of `network`, and computes on windows and on the
        devices of accelerate.
    averaged_weights
        A running mean of the weights, if the recipe asks for one.
    validated_module
        The module that is validated: with the network's own weights, or with the averaged ones.
    train, validation, validation_subjects
        The two sides, and whose the cells of the latter are.
    loss
        The training loss.
    accumulate
        Micro-batches into which each batch is split, to save memory; their gradients are accumulated.
    run
        What must be equal for a stopped run to go on.
    progress
        Show a bar; only ever in one process.
    best
        The weights to keep, under `best`, once an epoch has been the best.
    """

    recipe: Recipe
    accelerator: Accelerator
    network: nn.Module
    training_module: nn.Module
    averaged_weights: AveragedModel | None
    validated_module: nn.Module
    optimizer: torch.optim.Optimizer
    train: LabelledInputs
    validation: LabelledInputs
    validation_subjects: tuple[str | None, ...]
    loss: Loss
    accumulate: int
    out: Path
    run: dict[str, str]
    progress: bool
    best: dict[str, dict[str, Tensor]] = field(default_factory=dict)


def run_loop(fit: Fit, *, resume: bool) -> list[HistoryRow]:
    """Go through all epochs, from where a checkpoint stands if one is to be resumed; return the history.

    The network then has the weights that the recipe keeps.
    """
    history = _resume(fit) if resume else []
    recipe, accelerator = fit.recipe, fit.accelerator
    per_epoch = len(fit.train) // recipe.batch_size  # the last partial batch of an epoch is dropped
    total = recipe.epochs * per_epoch
    started = time.monotonic() - (history[-1].elapsed_s if history else 0.0)
    kept_at = time.monotonic()
    with (
        stop_on_ctrl_c() as stop,
        _history_files(fit, history) as files,
        tqdm(total=total, initial=len(history), desc="train", unit="step", disable=not fit.progress) as bar,
    ):
        for epoch in range(len(history) // per_epoch + 1, recipe.epochs + 1):
            loader = accelerator.prepare(batches(fit.train, recipe, epoch))
            loader = accelerator.skip_first_batches(loader, len(history) % per_epoch)
            for batch in loader:
                row = _iterate(fit, batch, len(history) + 1, per_epoch=per_epoch, started=started)
                history.append(row)
                is_end = recipe.keep == "best" and row.iteration % per_epoch == 0
                if is_end and best_epoch(history, per_epoch=per_epoch) == epoch:
                    current = fit.network if fit.averaged_weights is None else fit.averaged_weights.module
                    fit.best["best"] = {key: value.clone() for key, value in current.state_dict().items()}
                if files is not None:
                    files.add(row)
                bar.update()
                if (accuracy := row.validation_accuracy) is not None:
                    bar.set_postfix_str(f"loss={row.loss:.3f}, validation_accuracy={accuracy:.3f}")
                if stop.is_set() or time.monotonic() - kept_at > CHECKPOINT_EVERY_S:
                    _keep(fit, history)
                    kept_at = time.monotonic()
                if stop.is_set():
                    raise StoppedError(
                        f"stopped after iteration {row.iteration} of {total}",
                        why="Ctrl-C; what was done is kept",
                        fix="run the same command again (`leuknet train` with --resume): it goes on in "
                        f"{fit.out}",
                    )
    _put_kept_weights(fit)
    return history


def best_epoch(history: list[HistoryRow], *, per_epoch: int) -> int:
    """Return the epoch, from 1, at whose end the validation side had the lowest loss by subject.

    The first of equals; 0 if no end of an epoch was validated.
    """
    ends = [row for row in history[per_epoch - 1 :: per_epoch] if row.validation_subject_loss is not None]
    return min(ends, key=lambda row: row.validation_subject_loss or 0.0).epoch if ends else 0


def _iterate(fit: Fit, batch: list[Tensor], iteration: int, *, per_epoch: int, started: float) -> HistoryRow:
    """One step, and a validation where it is due."""
    recipe = fit.recipe
    rate = learning_rate(recipe, iteration, per_epoch=per_epoch)
    loss, accuracy = _step(fit, batch, rate=rate, iteration=iteration)
    is_last = iteration == recipe.epochs * per_epoch
    is_due = iteration % recipe.validate_every == 0 or is_last
    if recipe.keep == "best":
        is_due |= iteration % per_epoch == 0
    validation_loss, validation_accuracy, by_subject = _validate(fit) if is_due else (None, None, None)
    return HistoryRow(
        iteration=iteration,
        epoch=(iteration - 1) // per_epoch + 1,
        learning_rate=rate,
        loss=loss,
        accuracy=accuracy,
        validation_loss=validation_loss,
        validation_accuracy=validation_accuracy,
        elapsed_s=time.monotonic() - started,
        validation_subject_loss=by_subject,
    )


def _step(fit: Fit, batch: list[Tensor], *, rate: float, iteration: int) -> tuple[float, float]:
    """One step of the optimiser; return loss and accuracy of the mini-batch before it."""
    for group in fit.optimizer.param_groups:
        group["lr"] = rate * group["factor"]
    # Dropout's chance depends on seed, iteration and process, not on what ran before.
    seed = seed_of(*chance_of(fit.recipe), iteration, fit.accelerator.process_index)
    torch.manual_seed(seed)
    fit.training_module.train()
    fit.optimizer.zero_grad()
    parts = list(zip(*(values.chunk(fit.accumulate) for values in batch), strict=True))
    sums = torch.zeros(2, device=fit.accelerator.device)
    for number, part in enumerate(parts, start=1):
        share = len(part[0]) / len(batch[0])
        # Processes exchange gradients once for a batch, with its last part.
        with nullcontext() if number == len(parts) else fit.accelerator.no_sync(fit.training_module):
            loss, right = _loss_of(fit, *part, chance=(seed, number))
            fit.accelerator.backward(loss * share)
        sums += share * torch.stack([loss.detach(), right])
    found, accuracy = fit.accelerator.reduce(sums, reduction="mean").tolist()
    if not math.isfinite(found):
        raise SettingError(
            f"training broke down at iteration {iteration}",
            why=f"the loss is {found}",
            fix=f"use a lower rate than {fit.recipe.learning_rate:g}, with --set learning_rate=...",
        )
    fit.optimizer.step()
    if fit.averaged_weights is not None:
        fit.averaged_weights.update_parameters(fit.network)
    return found, accuracy


def _loss_of(
    fit: Fit, inputs: Tensor, labels: Tensor, people: Tensor, *, chance: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Return the mean loss of some images, mixed if the recipe says so, and the share that is right."""
    given = channels_first(inputs)
    other, weight = _partners(len(labels), fit.recipe.mixup, chance)
    if other is not None:
        given = weight * given + (1 - weight) * given[other]
    with fit.accelerator.autocast():
        logits = fit.training_module(given).float()
    loss = fit.loss(logits, labels, people)
    if other is not None:
        loss = weight * loss + (1 - weight) * fit.loss(logits, labels[other], people[other])
    return loss, (logits.argmax(dim=1) == labels).float().mean()


def _partners(n: int, mixup: float, chance: tuple[int, int]) -> tuple[Tensor | None, float]:
    """Which image each is mixed with, and its own weight (Zhang et al. 2018, "mixup", ICLR)."""
    if not mixup:
        return None, 1.0
    generator = np.random.default_rng(chance)
    return torch.from_numpy(generator.permutation(n)), float(generator.beta(mixup, mixup))


@torch.no_grad()
def _validate(fit: Fit) -> tuple[float, float, float]:
    """Loss and accuracy over the validation side, without dropout, and the loss by subject."""
    fit.validated_module.eval()
    logits = []
    for inputs, _, _ in DataLoader(fit.validation, VALIDATION_BATCH_SIZE):
        with fit.accelerator.autocast():
            logits.append(
                fit.validated_module(channels_first(inputs.to(fit.accelerator.device))).double().cpu()
            )
    found = torch.cat(logits).numpy()
    log_odds = found[:, 1] - found[:, 0]
    labels = np.array(fit.validation.labels, dtype=np.int64)
    return (
        float(cell_losses(labels, log_odds).mean()),
        float(((log_odds > 0) == labels).mean()),
        subject_loss(labels, log_odds, fit.validation_subjects),
    )


def _put_kept_weights(fit: Fit) -> None:
    """Give the network the weights that the recipe keeps."""
    if fit.recipe.keep == "best":
        fit.network.load_state_dict(fit.best["best"])
    elif fit.averaged_weights is not None:
        fit.network.load_state_dict(fit.averaged_weights.module.state_dict())


def _keep(fit: Fit, history: list[HistoryRow]) -> None:
    if fit.accelerator.is_main_process:
        mean = {} if fit.averaged_weights is None else {"mean": fit.averaged_weights.state_dict()}
        others = fit.best | mean
        write_checkpoint(fit.out, fit.network, fit.optimizer, history=history, run=fit.run, others=others)


def _resume(fit: Fit) -> list[HistoryRow]:
    if not (fit.out / CHECKPOINT).exists():
        return []
    history, others = read_checkpoint(fit.out, fit.network, fit.optimizer, run=fit.run)
    if fit.averaged_weights is not None:
        fit.averaged_weights.load_state_dict(others.pop("mean"))
    fit.best.update(others)
    return history


@contextmanager
def _history_files(fit: Fit, history: list[HistoryRow]) -> Iterator[HistoryFiles | None]:
    """Files that grow with the history; none in processes beside the main one."""
    if not fit.accelerator.is_main_process:
        yield None
        return
    board = SummaryWriter(str(fit.out / "tensorboard"), purge_step=len(history) + 1)
    with HistoryFiles(fit.out, history, board) as files:
        yield files
