"""`leuknet compare`: two models on the very same cells."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from leuknet.cli.printing import RESEARCH_ONLY

Margin = Annotated[
    float | None,
    typer.Option(
        "--margin",
        metavar="SIZE",
        help="Largest loss that would not matter, in the metric's own unit (0.02 is two points): also say "
        "whether it is equivalent, or not worse, within it. Choose it before you look.",
    ),
]


def compare(
    first: Annotated[
        Path,
        typer.Argument(
            metavar="FIRST", help="Run, model or evaluation folder, or an evaluation's JSON file."
        ),
    ],
    second: Annotated[Path, typer.Argument(metavar="SECOND", help="The same, of a model on the same cells.")],
    metric: Annotated[
        str, typer.Option("--metric", metavar="NAME", help="Such as auroc, accuracy or subject_accuracy.")
    ] = "auroc",
    margin: Margin = None,
) -> None:
    """Tell whether a second model is better or worse than a first one, on the very same cells.

    Gives the difference with its interval and a p value over subjects. That two models cannot be told apart
    does not make them equal: name a margin with --margin to ask whether they are equivalent, or the second
    is at least not worse. Baselines can be compared too: RUN/evaluation/baselines/texture.json.

    Example: leuknet compare runs/one runs/other --metric auroc --margin 0.02
    """
    from leuknet.evaluation.compare import compare as find_difference
    from leuknet.evaluation.locate import open_evaluation
    from leuknet.evaluation.summary import signed_text

    evaluations = [open_evaluation(path) for path in (first, second)]
    found = find_difference(*evaluations, metric=metric, margin=margin)
    change = found.difference
    typer.echo(found.verdict or found.warning)
    if found.margin_verdict:
        typer.echo(found.margin_verdict)
    people = "" if change.subjects is None else f" of {change.subjects} subjects"
    typer.echo(
        f"second minus first: {signed_text(metric, change)}, {change.level:.0%} interval by {change.method}; "
        f"{change.cells:,} cells{people}"
    )
    if any(evaluation.simulated for evaluation in evaluations):
        typer.echo("SIMULATED cells: this says nothing about patients", err=True)
    typer.echo(
        "This is about these two trained models; recipes need several seeds: leuknet benchmark --against"
    )
    typer.echo(RESEARCH_ONLY)
