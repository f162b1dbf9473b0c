"""What several commands print, said once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Protocol

import typer
from rich.console import Console
from rich.table import Table

from leuknet.types import Evaluation, ModelCard

if TYPE_CHECKING:
    from leuknet.images.clutter import PassedOver
    from leuknet.inference.outcome import Said

RESEARCH_ONLY = "Research software, not a medical device."


class Scored(Protocol):
    """What is known of a table of scores: of `leuknet predict` or of `leuknet batch`."""

    @property
    def failed(self) -> int:
        """Lines without a score."""

    @property
    def failed_paths(self) -> tuple[str, ...]:
        """The first of their paths."""


def tell_origin(card: ModelCard) -> None:
    """Say on standard error on how many people a model rests, and whether its cells were simulated."""
    typer.echo(f"the model rests on {card.origin}; it is not validated for any use on patients", err=True)
    if card.simulated:
        typer.echo("trained on SIMULATED cells: its scores mean nothing for real ones", err=True)


def tell_said(said: Said, class_names: tuple[str, str]) -> None:
    """Print how many lines of a table have which outcome and which warning."""
    from leuknet.inference.outcome import UNFAMILIAR, said_lines

    for line in said_lines(said, class_names):
        typer.echo(line)
    scored, unfamiliar = said.outcomes.total(), said.outcomes[UNFAMILIAR]
    if 2 * unfamiliar > scored:
        typer.echo(
            f"{unfamiliar:,} of {scored:,} scored images are unlike those that trained the model: what it "
            "says of them means nothing\n  try: see the warnings for how they differ; for whole fields and "
            "slides use `leuknet smear`, which finds the cells and cuts them out",
            err=True,
        )


def print_table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, title: str | None = None) -> None:
    """Print a table whose cells are broken into lines where they are too long."""
    table = Table(title=title)
    for head in heads:
        table.add_column(head, overflow="fold")  # a number that is cut is another number
    for row in rows:
        table.add_row(*row)
    Console().print(table)


def print_details(evaluation: Evaluation) -> None:
    """Print the tables of an evaluation's details, each with what a reader must know of it."""
    from leuknet.evaluation.detail_tables import detail_tables
    from leuknet.evaluation.details import details_of

    for table in detail_tables(evaluation, evaluation.details or details_of(evaluation)):
        print_table(table.heads, table.rows, title=table.caption)
        typer.echo(table.note)


def end_with_failed(scored: Scored) -> None:
    """Name the images without a score on standard error, and end with status 2, if there are any."""
    if not scored.failed:
        return
    shown = "".join(f"\n  {name!r}" for name in scored.failed_paths)
    more = scored.failed - len(scored.failed_paths)
    typer.echo(f"without a score:{shown}" + (f"\n  and {more} more" if more else ""), err=True)
    raise typer.Exit(2)


def tell_passed_over(over: PassedOver) -> None:
    """Say on standard error what was passed over in folders and archives."""
    for line in over.lines:
        typer.echo(line, err=True)
