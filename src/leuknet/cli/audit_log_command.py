"""`leuknet audit-log ...`: whether the reading room's log is what was written."""

from __future__ import annotations

from typing import Annotated

import typer

from leuknet.cli import room_options
from leuknet.errors import StoreError

app = typer.Typer(help="Check the reading room's log of every write.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    # Without it, Typer would make the only command of this group the group itself.
    pass


@app.command()
def verify(
    url: room_options.RoomUrl = None,
    expect: Annotated[
        str | None,
        typer.Option(
            "--expect",
            metavar="SEQ:HASH",
            help="A head that was printed earlier: that line must still be there. Without it, lines cut off "
            "the end cannot be seen.",
        ),
    ] = None,
) -> None:
    """Check that no line of the log was changed, removed, inserted or moved.

    Prints the head, the number and hash of the last line. Keep it elsewhere, and give it to a later check.
    Exit status 2 if a line is not what was written, with its number.

    Example: leuknet audit-log verify --url sqlite:///room/reading-room.db
    """
    from leuknet.store import open_store

    with open_store(url) as store:
        from leuknet.store import audit_log as audit

        expected = None if expect is None else audit.read_expected(expect)
        report = audit.verify(store, expect=expected)
    if report.broken_at is not None:
        raise StoreError(
            f"the audit log is broken at line {report.broken_at}",
            why=f"{report.why}; the {report.lines:,} lines before the fault follow one another",
            fix="compare it with a backup, and find out who could write to the database",
        )
    typer.echo(f"whole: {report.lines:,} lines")
    typer.echo(f"head: {report.head_seq}:{report.head_hash}")
    if expected is not None:
        typer.echo(f"it holds the expected line {expected[0]}")
    else:
        typer.echo("Lines cut off the end show only with --expect and a head that was kept elsewhere.")
