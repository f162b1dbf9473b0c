"""`leuknet subject`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from leuknet.cli.printing import RESEARCH_ONLY

if TYPE_CHECKING:
    from leuknet.evaluation.share import SubjectShare, SubjectShares
    from leuknet.evaluation.spread import Spread
    from leuknet.types import Interval

_FEW = 20
"""Tested people from which on tau's own uncertainty costs intervals about four points of coverage or less."""


def subject(
    table: Annotated[
        Path, typer.Argument(metavar="TABLE", help="Scored cells, as `leuknet predict` writes them.")
    ],
    evaluation: Annotated[
        Path | None,
        typer.Option(
            "--evaluation",
            metavar="FOLDER",
            help="Evaluation of the same model on other people: used to estimate between-subject error.",
        ),
    ] = None,
    cut_off: Annotated[
        float,
        typer.Option("--cut-off", help="Share to compare with: an arbitrary example, no clinical meaning."),
    ] = 0.5,
    include_unfamiliar: Annotated[
        bool,
        typer.Option(
            "--include-unfamiliar",
            help="Count cells unlike those that trained the model, too, if few are so.",
        ),
    ] = False,
    subject_column: Annotated[
        str, typer.Option("--subject-column", metavar="NAME", help="Column with the subject id.")
    ] = "subject",
    one_subject: Annotated[
        str | None, typer.Option("--one-subject", metavar="NAME", help="All cells are this one person's.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Also write .csv, .parquet or .json.")
    ] = None,
    figure: Annotated[
        Path | None, typer.Option("--figure", metavar="STEM", help="Also draw STEM.png and STEM.svg.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Decides the draws of the intervals.")] = 0,
) -> None:
    """Say what share of each person's cells is leukaemic, and how uncertain that is.

    The expected share is the mean calibrated probability. With --evaluation its interval holds that few cells
    were seen and that the model is off by another amount in each person; without, the number of cells alone.
    Cells without a score and cells unlike those that trained the model are left out, and counted; a person
    most of whose cells are unlike them has no share. Cells on which the model does not decide stay in.

    Example: leuknet subject scores.parquet --evaluation runs/paper/evaluation
    """
    from leuknet.evaluation.locate import open_evaluation
    from leuknet.evaluation.share import subject_shares
    from leuknet.evaluation.share_table import write_shares
    from leuknet.evaluation.spread import fit_spread
    from leuknet.inference.prediction_table import check_table
    from leuknet.inference.scored_table import read_scored

    if out is not None:
        check_table(out, suffixes=(".csv", ".parquet", ".json"))
    shares = subject_shares(
        read_scored(table, subject_column=subject_column, one_subject=one_subject),
        spread=None if evaluation is None else fit_spread(open_evaluation(evaluation)),
        cut_off=cut_off,
        include_unfamiliar=include_unfamiliar,
        seed=seed,
    )
    Console().print(_as_table(shares))
    typer.echo(
        f"model {shares.model_id}, threshold {shares.threshold:.3g}; cut-off {cut_off:.3g}: an arbitrary "
        "example, it has no clinical meaning"
    )
    _tell_of_unfamiliar(shares)
    _tell_of_spread(shares.spread)
    if out is not None:
        write_shares(shares, out)
        typer.echo(f"written: {out}")
    if figure is not None:
        from leuknet.figures.frame import save_figure
        from leuknet.figures.shares import draw_shares

        for path in save_figure(draw_shares(shares), figure):
            typer.echo(f"written: {path}")
    typer.echo(RESEARCH_ONLY)


def _as_table(shares: SubjectShares) -> Table:
    table = Table()
    alone = "CELL COUNT ALONE" if shares.spread is None else "95% interval"
    heads = ("subject", "cells", "left out", "uncertain", "called leukaemic (95% interval)")
    for head in (*heads, f"expected share ({alone})", "cut-off"):
        table.add_column(head, justify="right" if head in ("cells", "uncertain") else "left")
    for row in shares.rows:
        table.add_row(
            Text(row.subject),  # a name may hold what would be markup
            f"{row.cells:,}",
            _left_out(row, shares),
            f"{row.uncertain:,}",
            _percent(row.called, row),
            _percent(row.share, row),
            "no share" if row.share is None else row.outcome,
        )
    return table


def _left_out(row: SubjectShare, shares: SubjectShares) -> str:
    errors = f"{row.errors:,} error{'' if row.errors == 1 else 's'}" if row.errors else ""
    is_out = row.unfamiliar and (not shares.includes_unfamiliar or row.outcome == "unfamiliar")
    unfamiliar = f"{row.unfamiliar:,} unfamiliar" if is_out else ""
    return ", ".join(filter(None, (errors, unfamiliar))) or "none"


def _percent(interval: Interval | None, row: SubjectShare) -> str:
    if interval is None:
        return "most cells unfamiliar" if row.outcome == "unfamiliar" else "no cells"
    return f"{interval.estimate:.1%} ({100 * interval.low:.1f} to {100 * interval.high:.1f})"


def _tell_of_unfamiliar(shares: SubjectShares) -> None:
    """Say how many cells are unlike those that trained the model, and what became of them."""
    foreign = [row.subject for row in shares.rows if row.outcome == "unfamiliar"]
    others = sum(row.unfamiliar for row in shares.rows if row.outcome != "unfamiliar")
    if others:
        cells = "1 unfamiliar cell" if others == 1 else f"{others:,} unfamiliar cells"
        done = "counted" if shares.includes_unfamiliar else "left out; --include-unfamiliar counts such cells"
        typer.echo(f"{cells} {done}")
    if foreign:
        more = f" and {len(foreign) - 6} more" if len(foreign) > 6 else ""
        typer.echo(
            f"no share for {', '.join(foreign[:6])}{more}: most "
            "cells are unlike those that trained the model, and what it says of them means nothing\n"
            "  try: see the column warnings for how they differ; check scale, stain and whether it is blood",
            err=True,
        )


def _tell_of_spread(spread: Spread | None) -> None:
    from scipy.special import expit

    if spread is None:
        typer.echo(
            "INTERVALS ARE TOO NARROW, by how much is not known: they hold the number of cells alone, not "
            "that the model is off by another amount in each person\n  try: --evaluation FOLDER, an "
            "evaluation of this model on labelled cells of other people",
            err=True,
        )
        return
    tau, likely = spread.tau, float(expit(1.96 * spread.tau.estimate))
    typer.echo(
        f"from person to person the model is off by tau = {tau.estimate:.2f} ({tau.low:.2f} to "
        f"{tau.high:.2f}) in log odds, estimated on {tau.cells:,} "
        f"{'SIMULATED ' if spread.simulated else ''}cells of {tau.subjects} people of "
        f"{spread.dataset}, {spread.split_kind}: where it says 50%, the frequency is {1 - likely:.0%} to "
        f"{likely:.0%} in 95% of people"
    )
    if spread.one_class:
        typer.echo(
            f"{spread.one_class} of these {tau.subjects} people have cells of one class only: they make tau "
            "and the intervals larger",
            err=True,
        )
    if tau.subjects is not None and tau.subjects < _FEW:
        typer.echo(
            f"tau rests on {tau.subjects} people: it may be far too small, and the intervals too narrow",
            err=True,
        )
