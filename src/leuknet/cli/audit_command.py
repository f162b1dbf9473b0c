"""`leuknet audit`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from leuknet.cli import options
from leuknet.cli.printing import RESEARCH_ONLY, print_table


@options.expanded
def audit(
    data: options.Data,
    recipe: Annotated[
        str, typer.Option("--recipe", metavar="RECIPE", help="Name of a recipe; see `leuknet recipes`.")
    ] = "leuknet-demo",
    seeds: Annotated[
        str,
        typer.Option(
            "--seeds",
            metavar="N,N,...",
            help="Two or more, three for a verdict; each splits both ways.",
        ),
    ] = "0,1,2",
    out: Annotated[
        Path, typer.Option("--out", metavar="FOLDER", help="Where everything goes; run again to resume.")
    ] = Path("audit"),
    settings: options.Settings = None,
    precision: options.PrecisionOption = options.Precision.no,
    *,
    dataset: options.DatasetOptions,
) -> None:
    """Measure what an image-level split is worth: how much it flatters a recipe on these data.

    For each seed the same cells are divided twice: by image, so that cells of one person are trained on and
    tested, and by subject, so that everybody tested is new. The recipe is trained under both; the optimism is
    the score by image minus the score by subject, with an interval over subjects and seeds.

    Beside it stand baselines that look at cell area alone, mean colour alone, or the nearest image by pixel:
    where colour does well by image and not by subject, a split by image rewards knowing the slide. On
    simulated cells, the best possible score on unseen people is shown too.

    Trains twice as many networks as there are seeds. Stop with Ctrl-C: the same command goes on.

    On all three folds, with a quarter of the cells tested:

    Example: leuknet audit --data C-NMC --set parts=all --set fractions=0.6,0.15,0.25
    """
    from leuknet.experiments.leak_audit import COLUMNS, table_rows, usual_learners
    from leuknet.experiments.leak_audit import audit as run_audit
    from leuknet.recipes import changed, get_recipe

    chosen = changed(get_recipe(recipe), settings or [])
    numbers = options.seed_list(seeds)
    opened = dataset.open(data)
    chosen = options.fitted(chosen, opened)
    learners = usual_learners(opened, chosen, precision=precision.value, progress=True)
    result = run_audit(opened, chosen, seeds=numbers, out=out, learners=learners)
    print_table(COLUMNS, table_rows(result), title="SIMULATED CELLS" if result.simulated else None)
    typer.echo(result.verdict)
    typer.echo(f"written: {out}: audit.json, audit.md, optimism as PNG and SVG, runs and evaluations")
    typer.echo(RESEARCH_ONLY)
