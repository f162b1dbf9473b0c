"""The one training loop.

`train` takes a data set and a recipe and leaves a run folder:

    recipe.json              the settings
    history.csv              loss, accuracy and rate of each iteration; TensorBoard's files in tensorboard/
    checkpoint.safetensors   where an unfinished run stands; removed at the end
    model/                   the trained model; `leuknet.models.predictor` says what it holds

Chance is a function of the recipe's seed and the iteration alone. A run therefore repeats itself, and one
that was stopped and resumed ends where an unbroken one does, on the same machine and number of threads.

Start at `train`, then `_fit`: the loop itself.
"""

from __future__ import annotations

import json
import math
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import DataLoaderConfiguration
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from leuknet.batches import LabelledInputs, as_float, batches, read_inputs
from leuknet.checkpoint import FILE_NAME as CHECKPOINT
from leuknet.checkpoint import read_checkpoint, stop_on_ctrl_c, write_checkpoint
from leuknet.data.split import make_split
from leuknet.data.survey import Survey, cached_survey
from leuknet.data.transform import channel_statistics
from leuknet.errors import SettingError, StoppedError
from leuknet.finish import finish
from leuknet.history import HistoryFiles
from leuknet.models import build, describe
from leuknet.models.windowed import windowed
from leuknet.types import Dataset, HistoryRow, Recipe, Split

Precision = Literal["no", "bf16"]

CHECKPOINT_EVERY_S = 60.0
"""At most so much work is lost when a run is killed. The paper's checkpoint takes a second to write."""

VALIDATION_BATCH_SIZE = 64


@dataclass(frozen=True)
class TrainedRun:
    """A finished run.

    Attributes
    ----------
    folder
        The run folder; the model lies in `folder / "model"`.
    split
        The cells of each side.
    history
        All iterations.
    train_s
        Time spent in the loop, validation included, pauses left out.
    """

    folder: Path
    split: Split
    history: tuple[HistoryRow, ...]
    train_s: float


def train(
    dataset: Dataset,
    recipe: Recipe,
    *,
    out: Path,
    split: Split | None = None,
    surveyed: Survey | None = None,
    resume: bool = False,
    precision: Precision = "no",
    progress: bool = False,
) -> TrainedRun:
    """Train the recipe's network on a data set.

    Parameters
    ----------
    dataset
        Cells to divide; those without a label are left out.
    recipe
        All that decides the result.
    out
        Run folder; new or empty, unless `resume`.
    split
        Which cell plays which role, such as a round of a protocol; None divides them as the recipe says.
    surveyed
        A survey that holds these cells, where one is at hand; None reads the images.
    resume
        Go on where a stopped run in `out` stands, or start if it holds none. A finished run is an error.
    precision
        `bf16` computes in bfloat16 where PyTorch's autocast deems it safe: faster, and rounded differently.
    progress
        Show bars with the time left on standard error.

    Raises
    ------
    SettingError
        If the folder is taken or the batch is larger than the training side.
    DatasetError
        If an image of the training or validation side cannot be read.
    StoppedError
        After Ctrl-C, once the running iteration is kept.
    """
    out = Path(out)
    _check_folder(out, resume=resume)
    recipe = replace(recipe, network_options=describe(recipe.network, recipe.network_options))
    split = split or make_split(dataset.cells, recipe)
    if len(split.train) < recipe.batch_size:
        raise SettingError(
            "there is not one whole batch to train on",
            why=f"the training side has {len(split.train)} cells, a batch has {recipe.batch_size}",
            fix=f"--set batch_size={max(1, len(split.train) // 4)}, or use more cells",
        )
    out.mkdir(parents=True, exist_ok=True)
    size = recipe.image_size_px
    train_inputs = read_inputs(split.train, dataset, size, progress=progress)
    validation_inputs = read_inputs(split.validation, dataset, size, progress=progress)
    surveyed = surveyed or cached_survey(
        [*split.train, *split.validation, *split.test],
        pool=dataset.cells,
        root=dataset.root,
        canvas_px=dataset.canvas_px,
        progress=progress,
    )
    mean, std = channel_statistics(train_inputs)
    accelerator = Accelerator(
        mixed_precision=precision, dataloader_config=DataLoaderConfiguration(split_batches=True)
    )
    torch.manual_seed(recipe.seed)
    network = build(recipe.network, size, recipe.network_options)
    if network.get_submodule("input").is_fixed:  # published weights bring the statistics that they know
        mean, std = _input_statistics(network)
    else:
        _set_input_statistics(network, mean, std if recipe.standardise else (1.0, 1.0, 1.0))
    form, optimizer = accelerator.prepare(windowed(network), _optimizer(network, recipe))
    fit = _Fit(
        recipe=recipe,
        accelerator=accelerator,
        network=network,
        form=form,
        optimizer=optimizer,
        train=LabelledInputs(train_inputs, split.train),
        validation=LabelledInputs(validation_inputs, split.validation),
        out=out,
        run={"recipe": json.dumps(asdict(recipe)), "split": split.fingerprint, "precision": precision},
        progress=progress,
    )
    resumed = resume and (out / CHECKPOINT).exists()
    history = read_checkpoint(out, network, optimizer, run=fit.run) if resumed else []
    (out / "recipe.json").write_text(json.dumps(asdict(recipe), indent=2) + "\n", encoding="utf-8")
    _fit(fit, history)

    if accelerator.is_main_process:
        finish(
            network,
            recipe,
            dataset,
            split,
            train_inputs=train_inputs,
            validation_inputs=validation_inputs,
            statistics=(mean, std),
            surveyed=surveyed,
            folder=out / "model",
        )
        (out / CHECKPOINT).unlink(missing_ok=True)
    return TrainedRun(out, split, tuple(history), history[-1].elapsed_s)


@dataclass(frozen=True)
class _Fit:
    """What the loop works with; made once by `train`.

    `form` computes what `network` stands for: the same weights, on windows, on the devices of accelerate.
    """

    recipe: Recipe
    accelerator: Accelerator
    network: nn.Module
    form: nn.Module
    optimizer: torch.optim.Optimizer
    train: LabelledInputs
    validation: LabelledInputs
    out: Path
    run: dict[str, str]
    progress: bool


def _fit(fit: _Fit, history: list[HistoryRow]) -> None:
    """Go through the epochs, from where `history` ends; append a row to it for each iteration."""
    recipe, accelerator = fit.recipe, fit.accelerator
    per_epoch = len(fit.train) // recipe.batch_size  # the last partial batch of an epoch is dropped
    total = recipe.epochs * per_epoch
    started = time.monotonic() - (history[-1].elapsed_s if history else 0.0)
    kept_at = time.monotonic()
    show = fit.progress and accelerator.is_main_process
    board = SummaryWriter(str(fit.out / "tensorboard"), purge_step=len(history) + 1)
    with (
        stop_on_ctrl_c() as stop,
        HistoryFiles(fit.out, history, board) as files,
        tqdm(total=total, initial=len(history), desc="train", unit="step", disable=not show) as bar,
    ):
        for epoch in range(len(history) // per_epoch + 1, recipe.epochs + 1):
            rate = recipe.learning_rate * recipe.rate_drop_factor ** ((epoch - 1) // recipe.rate_drop_epochs)
            for group in fit.optimizer.param_groups:
                group["lr"] = rate
            loader = accelerator.prepare(batches(fit.train, recipe, epoch))
            loader = accelerator.skip_first_batches(loader, len(history) % per_epoch)
            for pixels, labels in loader:
                iteration = len(history) + 1
                loss, accuracy = _step(fit, pixels, labels, iteration=iteration)
                validated = iteration % recipe.validate_every == 0 or iteration == total
                validation_loss, validation_accuracy = _validate(fit) if validated else (None, None)
                row = HistoryRow(
                    iteration=iteration,
                    epoch=epoch,
                    learning_rate=rate,
                    loss=loss,
                    accuracy=accuracy,
                    validation_loss=validation_loss,
                    validation_accuracy=validation_accuracy,
                    elapsed_s=time.monotonic() - started,
                )
                history.append(row)
                files.add(row)
                bar.update()
                if validation_accuracy is not None:
                    bar.set_postfix(loss=f"{loss:.3f}", validation_accuracy=f"{validation_accuracy:.3f}")
                if stop.is_set() or time.monotonic() - kept_at > CHECKPOINT_EVERY_S:
                    _keep(fit, history)
                    kept_at = time.monotonic()
                if stop.is_set():
                    raise StoppedError(
                        f"stopped after iteration {iteration} of {total}",
                        why="Ctrl-C; what was done is kept",
                        fix="run the same command again (`leuknet train` with --resume): it goes on in "
                        f"{fit.out}",
                    )


def _step(fit: _Fit, pixels: Tensor, labels: Tensor, *, iteration: int) -> tuple[float, float]:
    """One step of the optimiser; return loss and accuracy of the mini-batch before it."""
    # Dropout's chance depends on seed, iteration and process, not on what ran before.
    torch.manual_seed(_seed(fit.recipe.seed, iteration, fit.accelerator.process_index))
    fit.form.train()
    with fit.accelerator.autocast():
        logits = fit.form(as_float(pixels)).float()
    loss = functional.cross_entropy(logits, labels)
    if not math.isfinite(loss.item()):
        raise SettingError(
            f"training broke down at iteration {iteration}",
            why=f"the loss is {loss.item()}",
            fix=f"use a lower rate than {fit.recipe.learning_rate:g}, with --set learning_rate=...",
        )
    fit.optimizer.zero_grad()
    fit.accelerator.backward(loss)
    fit.optimizer.step()
    return loss.item(), (logits.argmax(dim=1) == labels).float().mean().item()


def _keep(fit: _Fit, history: list[HistoryRow]) -> None:
    if fit.accelerator.is_main_process:
        write_checkpoint(fit.out, fit.network, fit.optimizer, history=history, run=fit.run)


@torch.no_grad()
def _validate(fit: _Fit) -> tuple[float, float]:
    """Mean loss and accuracy over the validation side, without dropout."""
    fit.form.eval()
    loss, correct = 0.0, 0
    for pixels, labels in DataLoader(fit.validation, VALIDATION_BATCH_SIZE):
        labels = labels.to(fit.accelerator.device)
        with fit.accelerator.autocast():
            logits = fit.form(as_float(pixels.to(fit.accelerator.device))).float()
        loss += functional.cross_entropy(logits, labels, reduction="sum").item()
        correct += int((logits.argmax(dim=1) == labels).sum())
    return loss / len(fit.validation), correct / len(fit.validation)


def _seed(*numbers: int) -> int:
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])


def _optimizer(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Adam with L2 added to the gradient, on weights and not on biases, as MATLAB does."""
    weights = [value for name, value in network.named_parameters() if not name.endswith("bias")]
    biases = [value for name, value in network.named_parameters() if name.endswith("bias")]
    groups = [
        {"params": weights, "weight_decay": recipe.weight_decay},
        {"params": biases, "weight_decay": 0.0},
    ]
    # One pass over 24 million weights instead of ten: an eighth of the time.
    return torch.optim.Adam(groups, lr=recipe.learning_rate, betas=(0.9, 0.999), eps=1e-8, fused=True)


def _set_input_statistics(network: nn.Module, mean: Any, std: Any) -> None:
    layer: Any = network.get_submodule("input")
    layer.mean.copy_(torch.tensor(mean).view(3, 1, 1))
    layer.std.copy_(torch.tensor(std).view(3, 1, 1))


def _input_statistics(network: nn.Module) -> tuple[Any, Any]:
    layer: Any = network.get_submodule("input")
    return tuple(layer.mean.flatten().tolist()), tuple(layer.std.flatten().tolist())


def _check_folder(out: Path, *, resume: bool) -> None:
    if (out / "model").exists():
        raise SettingError(
            f"{out} holds a finished run",
            why="a run folder is written once, so that a result never changes under its name",
            fix="name another folder with --out, or remove this one",
        )
    if not resume and out.exists() and any(out.iterdir()):
        unfinished = (out / CHECKPOINT).exists()
        raise SettingError(
            f"{out} is not empty",
            why="it holds an unfinished run" if unfinished else "a new run needs a folder of its own",
            fix="add --resume to go on with it" if unfinished else "name another folder with --out",
        )
