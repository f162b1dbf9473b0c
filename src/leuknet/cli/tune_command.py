"""`leuknet tune`: search the settings of a recipe."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from leuknet.cli import options
from leuknet.cli.run_commands import RESEARCH_ONLY


def tune(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="Name of a recipe; see `leuknet recipes`.")],
    data: options.Data,
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Folder of the search.")],
    trials: Annotated[int, typer.Option("--trials", min=1, help="Tries in all, earlier ones included.")] = 20,
    divisions: Annotated[
        int, typer.Option("--divisions", min=1, help="How often the people are divided anew for each try.")
    ] = 3,
    only: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="SETTING", help="Search this setting only; repeatable."),
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option("--protocol", metavar="NAME", help="Leave the test cells of this protocol alone."),
    ] = None,
    round_name: Annotated[
        str | None, typer.Option("--round", metavar="NAME", help="Which round of the protocol.")
    ] = None,
    settings: options.Settings = None,
    seed: options.Seed = 0,
    precision: options.PrecisionOption = options.Precision.no,
    dataset: options.DatasetName = None,
    manifest: options.Manifest = None,
    prelim_labels: options.PrelimLabels = None,
    classes: options.Classes = None,
) -> None:
    """Search the settings of a recipe by validation on people, without looking at the test side.

    Tries are kept in FOLDER/tune.db. Stop with Ctrl-C: the same command goes on. The best of many tries looks
    better than it is: judge it afterwards on the test side, once.

    Example: leuknet tune leuknet-plus --data C-NMC --protocol official --trials 30 --out tuned
    """
    from dataclasses import replace

    from leuknet.data.protocols import choose_round, make_rounds
    from leuknet.data.split import make_split
    from leuknet.recipes import changed, get_recipe
    from leuknet.recipes.ranges import RANGES
    from leuknet.training.tune import tune as search

    named = get_recipe(recipe)
    ranges = RANGES.get(recipe, {})
    if unknown := sorted(set(only or ()) - set(ranges)):
        raise typer.BadParameter(f"{unknown[0]} is none of {', '.join(ranges)}", param_hint="--only")
    chosen = replace(changed(named, settings or ()), seed=seed)
    opened = options.open_reported(
        data,
        name=dataset,
        manifest=manifest,
        prelim_labels=prelim_labels,
        classes=options.class_names(classes),
    )
    split = (
        make_split(opened.cells, chosen)
        if protocol is None
        else choose_round(make_rounds(opened.cells, protocol, chosen), round_name).split
    )
    found = search(
        opened,
        chosen,
        split,
        {name: one for name, one in ranges.items() if not only or name in only},
        trials=trials,
        divisions=divisions,
        out=out,
        precision=precision.value,
    )
    typer.echo(f"written: {out}: best.json, trials.csv, tune.png and tune.svg, tune.db")
    own = "" if found.own_loss is None else f"; the recipe's own settings: {found.own_loss:.4f}"
    typer.echo(f"best of {found.trials} tries: loss by subject {found.loss:.4f} on validation{own}")
    best = " ".join(f"--set {shlex.quote(one)}" for one in (*(settings or ()), *found.settings))
    rest = "" if protocol is None else f" --protocol {protocol}"
    typer.echo(f"train with it: leuknet train {recipe} --data {data}{rest} --seed {seed} {best} --out RUN")
    typer.echo(RESEARCH_ONLY)
