"""`leuknet tune`: search the settings of a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from leuknet.cli import options
from leuknet.cli.printing import RESEARCH_ONLY


@options.expanded
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
    *,
    rounds: options.RoundOptions,
    settings: options.Settings = None,
    seed: options.Seed = 0,
    precision: options.PrecisionOption = options.Precision.no,
    dataset: options.DatasetOptions,
) -> None:
    """Search the settings of a recipe by validation on people, without looking at the test side.

    Tries are kept in FOLDER/tune.db. Stop with Ctrl-C: the same command goes on. The best of many tries looks
    better than it is: judge it afterwards on the test side of the same round, once.

    Example: leuknet tune leuknet-plus --data C-NMC --protocol official --trials 30 --out tuned
    """
    from dataclasses import replace

    from leuknet.recipes import changed, get_recipe
    from leuknet.recipes.ranges import RANGES
    from leuknet.training.tune import tune as search

    named = get_recipe(recipe)
    ranges = RANGES.get(recipe, {})
    if unknown := sorted(set(only or ()) - set(ranges)):
        raise typer.BadParameter(f"{unknown[0]} is none of {', '.join(ranges)}", param_hint="--only")
    chosen = replace(changed(named, settings or ()), seed=seed)
    opened = dataset.open(data)
    chosen = options.fitted(chosen, opened) if rounds.protocol is None else chosen
    found = search(
        opened,
        chosen,
        rounds.split(opened, chosen),
        {name: tried for name, tried in ranges.items() if not only or name in only},
        trials=trials,
        divisions=divisions,
        out=out,
        precision=precision.value,
    )
    typer.echo(f"written: {out}: best.json, trials.csv, tune.png and tune.svg, tune.db")
    own = "" if found.own_loss is None else f"; the recipe's own settings: {found.own_loss:.4f}"
    typer.echo(f"best of {found.trials} tries: loss by subject {found.loss:.4f} on validation{own}")
    best = [word for setting in (*(settings or ()), *found.settings) for word in ("--set", setting)]
    words = ("--data", data, *dataset.words, *rounds.words, "--seed", str(seed), *best, "--out", "RUN")
    typer.echo(f"train with it: {options.command('train', recipe, *words)}")
    if found.settings:
        people = f"{len(found.people)} people" if found.people else "people who are not named"
        typer.echo(
            f"chosen by {found.cells:,} labels of {people}: where these are tested, the settings look better "
            "than they are. `leuknet benchmark` refuses that, and `leuknet evaluate` marks it."
        )
    typer.echo(RESEARCH_ONLY)
