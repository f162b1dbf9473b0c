"""`leuknet model ...` and `leuknet recipes`: what a network, a model folder or a recipe is made of."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from leuknet.recipes import RECIPES, about, get_recipe
from leuknet.types import LayerRow

app = typer.Typer(help="Networks and trained models.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keep `show` a subcommand although it is the only one."""


@app.command()
def show(
    name: Annotated[
        str, typer.Argument(metavar="NETWORK|FOLDER", help="A network, such as leuknet, or a model folder.")
    ],
    image_size_px: Annotated[
        int | None, typer.Option("--image-size", min=8, help="Side of a network's input in pixels [224].")
    ] = None,
    figure: Annotated[
        Path | None,
        typer.Option("--figure", metavar="STEM", help="Draw the network as STEM.png and STEM.svg."),
    ] = None,
) -> None:
    """Print the layers, parameters and cost of a network, and the card of a model folder.

    Example: leuknet model show leuknet --figure figure-3
    """
    from leuknet.networks import layer_table
    from leuknet.networks.predictor import load_model

    simulated = False
    if Path(name).is_dir():
        if image_size_px is not None:
            raise typer.BadParameter("the input size of a trained model is fixed", param_hint="--image-size")
        card = load_model(Path(name)).card
        typer.echo(json.dumps(asdict(card), indent=2))
        size, simulated = card.recipe.image_size_px, card.simulated
        rows = layer_table(card.recipe.network, size, card.recipe.network_options)
    else:
        size = image_size_px or 224
        rows = layer_table(name, size)
    _print_layers(rows)
    if figure is not None:
        from leuknet.figures.frame import save_figure
        from leuknet.figures.network import draw_network

        for path in save_figure(draw_network(rows, simulated=simulated), figure):
            typer.echo(path)


def recipes(
    name: Annotated[
        str | None, typer.Argument(metavar="[RECIPE]", help="Say all of this one: cost, command, settings.")
    ] = None,
) -> None:
    """List the recipes: what each claims and where its settings come from.

    Example: leuknet recipes strong
    """
    if name is not None:
        typer.echo(f"{about(name)}\n\n{json.dumps(asdict(get_recipe(name)), indent=2)}")
        return
    table = Table("name", "claim", "source")
    for recipe in RECIPES.values():
        table.add_row(recipe.name, recipe.claim, recipe.source)
    Console().print(table)


def _print_layers(rows: tuple[LayerRow, ...]) -> None:
    table = Table()
    for heading in ("", "name", "kind", "settings", "output", "parameters", "GFLOP"):
        table.add_column(heading, justify="left" if heading in ("name", "kind", "settings") else "right")
    for row in rows:
        table.add_row(
            str(row.number),
            row.name,
            row.kind,
            row.detail,
            " x ".join(str(length) for length in row.output_shape),
            f"{row.parameters:,}" if row.parameters else "",
            f"{row.gflop:.3f}" if row.gflop else "",
        )
    Console(width=110).print(table)
    parameters = sum(row.parameters for row in rows)
    cost = sum(row.gflop for row in rows)
    typer.echo(
        f"{len(rows)} layers, {parameters:,} parameters, {cost:.2f} GFLOP forward for one image "
        "(convolutions and fully connected layers; a multiplication and an addition count as two)"
    )
