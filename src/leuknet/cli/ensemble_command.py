"""`leuknet ensemble`: one model of several."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from leuknet.cli import options
from leuknet.cli.model_data import open_for_model


@options.expanded
def ensemble(
    models: Annotated[
        list[Path], typer.Argument(metavar="MODEL...", help="Model folders that were trained on one split.")
    ],
    data: options.Data,
    out: Annotated[Path, typer.Option("--out", metavar="RUN", help="Run folder to write.")],
    name: options.RunName = None,
    *,
    dataset: options.DatasetOptions,
) -> None:
    """Make one model of several: the mean of their calibrated log odds, calibrated anew.

    The members must share one split: train them with the same --seed and with --set draw=1, 2 and so on, or
    with other recipes.

    Example: leuknet ensemble runs/a/model runs/b/model --data C-NMC --out runs/both
    """
    from leuknet.evaluation.naming import checked_name
    from leuknet.inference.model_folder import open_card
    from leuknet.training.ensembling import combine

    called = checked_name(name)
    opened = open_for_model(dataset, data, open_card(models[0]).class_names)
    model = combine(models, opened, out=out, name=called, progress=True)
    typer.echo(f"model: {model}")
    typer.echo(f"judge it with: {options.command('evaluate', model, '--data', data, *dataset.words)}")
