"""Trains a network on a data set.

`train` takes a data set and a recipe and leaves a run folder:

    recipe.json              the settings
    history.csv              loss, accuracy and rate of each iteration; TensorBoard's files in tensorboard/
    checkpoint.safetensors   where an unfinished run stands; removed at the end
    model/                   the trained model; `leuknet.inference.model_folder` says what it holds

Several processes, one for each device, share a training when they are started with `accelerate launch`: each
takes its part of every batch, and the result is that of one process but for rounding and dropout.

Start at `train`; `leuknet.training.loop` is the loop itself.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, is_initialized
from accelerate.utils import DataLoaderConfiguration
from torch import nn

from leuknet.data.recipe_parts import fit_parts
from leuknet.data.split import make_split
from leuknet.images.inputs import MappedInputs
from leuknet.images.survey import Survey
from leuknet.images.transform import channel_statistics
from leuknet.networks import build, describe
from leuknet.networks.stages import StageMeans
from leuknet.networks.windowed import windowed
from leuknet.training.ancestry import Ancestor, begin_with
from leuknet.training.augment import make_augmentation
from leuknet.training.batches import LabelledInputs, Material, chance_of, read_material, seed_of
from leuknet.training.beforehand import check_folder, check_split
from leuknet.training.checkpoint import FILE_NAME as CHECKPOINT
from leuknet.training.finish import Taught, finish
from leuknet.training.frozen import cached_features
from leuknet.training.loop import Fit, run_loop
from leuknet.training.losses import make_loss
from leuknet.training.optimise import average_weights, make_optimizer
from leuknet.types import CellImage, Dataset, HistoryRow, Recipe, Split
from leuknet.types.added import stated

Precision = Literal["no", "bf16"]


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
    start_from: Path | None = None,
    resume: bool = False,
    precision: Precision = "no",
    accumulate: int = 1,
    name: str = "",
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
    start_from
        A model folder whose weights the training begins with, as in fine-tuning; of the same network. The
        cells that trained it are kept in `split.json` as cells that trained this one.
    resume
        Go on where a stopped run in `out` stands, or start if it holds none. A finished run is an error.
    precision
        `bf16` computes in bfloat16 where PyTorch's autocast deems it safe: faster, and rounded differently.
    accumulate
        Parts in which each batch goes through the network, one after the other: less memory, and the same
        gradient but for layers that look at the whole batch, such as batch normalisation.
    name
        What to call the run in tables, legends and reports; empty leaves it to the recipe's name.
    progress
        Show bars with the time left on standard error.

    Raises
    ------
    SettingError
        If the folder is taken, the batch is larger than the training side or cannot be shared out, no
        parameter has a name that `rate_factors` asks for, the validation people are too few for `risk`, or
        the model to start from has another network.
    LeakError
        If cells that trained the model to start from would judge this one.
    ModelError
        If the model to start from cannot be opened.
    NoSubjectsError
        If loss, sampling or `risk` speak of people, and a cell names none; before an image is read.
    DatasetError
        If an image of the training or validation side cannot be read.
    StoppedError
        After Ctrl-C, once the running iteration is kept.
    """
    # Not split further: each step takes what several of the steps before it made.
    out = Path(out)
    accelerator = _accelerator(precision)
    progress = progress and accelerator.is_main_process
    if accelerator.is_main_process:
        check_folder(out, resume=resume)
    recipe = fit_parts(recipe, dataset.cells)
    recipe = replace(recipe, network_options=describe(recipe.network, recipe.network_options))
    split = split or make_split(dataset.cells, recipe)
    check_split(split, recipe, n_processes=accelerator.num_processes, accumulate=accumulate)
    ancestor = None if start_from is None else begin_with(Path(start_from), recipe, dataset, split)
    accelerator.wait_for_everyone()
    out.mkdir(parents=True, exist_ok=True)
    material = read_material(split, dataset, recipe, surveyed=surveyed, progress=progress)
    torch.manual_seed(recipe.seed if not recipe.draw else seed_of(*chance_of(recipe)))
    network = build(recipe.network, recipe.image_size_px, recipe.network_options)
    if ancestor is not None:
        ancestor.put_into(network)
    statistics = _input_statistics(network, recipe, material.train)
    taught = _taught(network, recipe, material, progress=progress)
    fit = _prepare(
        network, recipe, accelerator, material.split, taught, ancestor,
        out=out, accumulate=accumulate, progress=progress,
    )  # fmt: skip
    if accelerator.is_main_process:
        text = json.dumps(asdict(recipe), indent=2) + "\n"
        (out / "recipe.json").write_text(text, encoding="utf-8")
    history = _learn(fit, resume=resume)
    if accelerator.is_main_process:
        finish(
            network, recipe, material, taught=taught, statistics=statistics, folder=out / "model",
            name=name, precision=precision, started_from=ancestor.name if ancestor else "",
            earlier=ancestor.cells if ancestor else (),
        )  # fmt: skip
        (out / CHECKPOINT).unlink(missing_ok=True)
    accelerator.end_training()
    return TrainedRun(out, split, tuple(history), history[-1].elapsed_s)


def _accelerator(precision: Precision) -> Accelerator:
    """Return what spreads a training over devices; a process may train in one precision after the other."""
    if is_initialized() and AcceleratorState().mixed_precision != precision:
        AcceleratorState._reset_state()  # accelerate holds to the first precision; the processes stay joined
    return Accelerator(
        mixed_precision=precision, dataloader_config=DataLoaderConfiguration(split_batches=True)
    )


def _prepare(
    network: nn.Module,
    recipe: Recipe,
    accelerator: Accelerator,
    split: Split,
    taught: Taught,
    ancestor: Ancestor | None,
    **others: Any,
) -> Fit:
    """Bring together what the loop works with."""
    train = LabelledInputs(taught.train, split.train)
    validation = LabelledInputs(taught.validation, split.validation)
    training_module, optimizer = accelerator.prepare(
        _module_for(network, recipe), make_optimizer(network, recipe)
    )
    averaged = average_weights(network, recipe.ema)
    return Fit(
        recipe=recipe,
        accelerator=accelerator,
        network=network,
        training_module=training_module,
        averaged_weights=averaged,
        validated_module=_module_for(network if averaged is None else averaged.module, recipe),
        optimizer=optimizer,
        train=train,
        validation=validation,
        validation_subjects=tuple(cell.subject for cell in split.validation),
        loss=make_loss(recipe.loss, train.labels, train.people),
        run={
            "recipe": json.dumps(stated(recipe)),
            "split": split.fingerprint,
            "precision": accelerator.mixed_precision,
            **({} if ancestor is None else {"beginning": ancestor.name}),
        },
        **others,
    )


def _learn(fit: Fit, *, resume: bool) -> list[HistoryRow]:
    """Run the loop, and leave a network that computes in float32."""
    history = run_loop(fit, resume=resume)
    # A network that is trained as it is was told to compute in bfloat16; whoever opens its folder computes in
    # float32, and so must what is calibrated and recorded.
    fit.accelerator.unwrap_model(fit.training_module, keep_fp32_wrapper=False)
    return history


def _learns_from_features(network: nn.Module, recipe: Recipe) -> bool:
    """Whether only the last layer learns, from images that stay as they are: a linear probe."""
    is_frozen = bool(getattr(network, "frozen", False))
    return is_frozen and make_augmentation(recipe) is None and not recipe.mixup


def _module_for(network: nn.Module, recipe: Recipe) -> nn.Module:
    """Return the module that computes a network in the loop, with the same weights."""
    if _learns_from_features(network, recipe):
        return nn.Sequential(network.get_submodule("dropout"), network.get_submodule("head"))
    return windowed(network)


def _taught(network: nn.Module, recipe: Recipe, material: Material, *, progress: bool) -> Taught:
    """Return images as they are, or of a linear probe their features, which cost one pass in all."""

    def features_of(cells: tuple[CellImage, ...]) -> torch.Tensor:
        found = cached_features(network, recipe, material.dataset, cells, progress=progress)
        return torch.from_numpy(found)

    body, split = getattr(network, "body", None), material.split
    if not _learns_from_features(network, recipe):
        if isinstance(body, StageMeans):
            body.standardise(features_of(split.train))
        return Taught(network, material.train, material.validation)
    # Both before the body scales them: afterwards it would be another network to the cache.
    train, validation = features_of(split.train), features_of(split.validation)
    if isinstance(body, StageMeans):
        body.standardise(train)
        train, validation = body.scaled(train), body.scaled(validation)
    return Taught(_module_for(network, recipe), train.numpy(), validation.numpy())


def _input_statistics(
    network: nn.Module, recipe: Recipe, inputs: MappedInputs
) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Return the mean and deviation for the card; put them into the network unless it brings its own."""
    layer: Any = network.get_submodule("input")
    if layer.is_fixed:
        return tuple(layer.mean.flatten().tolist()), tuple(layer.std.flatten().tolist())
    mean, std = channel_statistics(inputs)
    layer.mean.copy_(torch.tensor(mean).view(3, 1, 1))
    layer.std.copy_(torch.tensor(std if recipe.standardise else (1.0, 1.0, 1.0)).view(3, 1, 1))
    return mean, std
