"""`leuknet benchmark`: recipes, seeds and rounds of a protocol, judged alike."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from leuknet.cli import options
from leuknet.cli.compare_command import Margin
from leuknet.cli.printing import RESEARCH_ONLY, print_table

if TYPE_CHECKING:
    from leuknet.experiments.scoreboard import Summary

ON_SCREEN = ("auroc", "weighted_f1", "subject_accuracy")
"""Metrics that fit into 80 columns; the files have all."""


@options.expanded
def benchmark(
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="ROOT", help="Folder of images; without it, only table and plot."),
    ] = None,
    recipes: Annotated[
        list[str] | None,
        typer.Option("--recipes", metavar="NAME,...", help="Names of recipes; see `leuknet recipes`."),
    ] = None,
    protocol: Annotated[
        str,
        typer.Option(
            "--protocol",
            metavar="NAME",
            help="paper, official, folds, subject-kfold, or image-kfold for data without subjects.",
        ),
    ] = "folds",
    seeds: Annotated[
        str,
        typer.Option(
            "--seeds",
            metavar="N,...",
            help="Each recipe is trained once with each seed; verdicts on recipes need three or more.",
        ),
    ] = "0,1,2",
    out: Annotated[
        Path, typer.Option("--out", metavar="FOLDER", help="Results go to FOLDER/PROTOCOL.")
    ] = Path("results"),
    nested: Annotated[
        bool, typer.Option("--nested", help="Add a row that chooses a recipe by validation in each round.")
    ] = False,
    against: Annotated[
        str | None,
        typer.Option("--against", metavar="NAME", help="Add how each row differs from this one."),
    ] = None,
    margin: Margin = None,
    settings: options.Settings = None,
    precision: options.PrecisionOption = options.Precision.no,
    *,
    dataset: options.DatasetOptions,
) -> None:
    """Judge several recipes by one protocol over several seeds; table and plot with intervals.

    Each cell of the grid becomes one JSON file below FOLDER/PROTOCOL/evaluations. Stop with Ctrl-C: the
    same command goes on, and a larger grid adds to what is there. Without --data, table and plot are made
    again from these files alone.

    Example: leuknet benchmark --data C-NMC --recipes leuknet-paper --protocol folds --seeds 0,1,2
    """
    from leuknet.experiments.scoreboard import summarise

    if data is None:
        if recipes or settings:
            raise typer.BadParameter("recipes and settings need --data", param_hint="--recipes")
        found = summarise(out / protocol, nested=nested, against=against, margin=margin)
    else:
        from leuknet.experiments.benchmark import benchmark as run
        from leuknet.recipes import changed, get_recipe

        names = [name.strip() for text in recipes or () for name in text.split(",")]
        chosen = [changed(get_recipe(name), settings or ()) for name in names]
        opened = dataset.open(data)
        found = run(
            opened,
            chosen,
            protocol=protocol,
            seeds=options.seed_list(seeds),
            out=out,
            nested=nested,
            against=against,
            margin=margin,
            precision=precision.value,
        )
    _print(found)
    typer.echo(f"written: {out / protocol}: table.md, table.csv, scores.png and scores.svg")
    typer.echo(RESEARCH_ONLY)


def _print(found: Summary) -> None:
    """Print rows and differences, in as many columns as fit on a screen."""
    from leuknet.evaluation.by_round import round_table
    from leuknet.evaluation.metrics import METRICS
    from leuknet.experiments.scoreboard import difference_notes, difference_rows, table_heads, table_rows

    first = found.rows[0]
    optimistic = ": optimistic" if first.split_kind == "image-level" else ""
    simulated = " (SIMULATED CELLS)" if first.simulated else ""
    title = f"{first.protocol}, {first.split_kind} split{optimistic}{simulated}"
    print_table(table_heads(ON_SCREEN), table_rows(found.rows, ON_SCREEN), title=title)
    if found.differences:
        heads = ("model", *(METRICS[name].title for name in ON_SCREEN))
        rows = difference_rows(found.differences, ON_SCREEN, margin=found.margin)
        print_table(heads, rows, title=f"minus {found.differences[0].against}")
        for note in difference_notes(found.differences, margin=found.margin):
            typer.echo(note)
    if found.rounds:
        print_table(*round_table(found.rounds), title="AUROC round by round")
    for text in found.incomplete:
        typer.echo(f"not in the table: {text}", err=True)
