"""`leuknet audit-log ...`: whether the reading room's log is what was written."""

from __future__ import annotations

from typing import Annotated

import typer

from leuknet.cli import room_options
from leuknet.errors import StoreError

app = typer.Typer(help="Check the reading room's log of every write.", no_args_is_help=True)

_SHOWN = 20
"""Forged rows and files that are named; the others are counted."""


@app.callback()
def _group() -> None:
    # Without it, Typer would make the only command of this group the group itself.
    pass


@app.command()
def verify(
    context: typer.Context,
    data: room_options.RoomFolder = None,
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
    """Check that the log is what was written, and that decisions, signatures and images are as it says.

    With --data, images and signed files are read too and compared with their hashes; a folder that only
    LEUKNET_DATA names is not taken for that of the database of another --url. Prints the head, the
    number and hash of the last line. Keep it elsewhere, and give it to a later check. Exit status 2 if a
    line, row or file is not what was written, with its name.

    Example: leuknet audit-log verify --url sqlite:///room/reading-room.db
    """
    from leuknet.store import open_store

    room = room_options.RoomOptions(data, url)
    source = context.get_parameter_source("data")
    if url is not None and source is not None and source.name == "ENVIRONMENT":
        data = None  # files of one room say nothing of another's log
    with open_store(room.address) as store:
        from leuknet.room.forged_files import forged_files
        from leuknet.room.room_files import RoomFiles
        from leuknet.store import audit_log as audit
        from leuknet.store.logged_rows import forged_rows

        expected = None if expect is None else audit.read_expected(expect)
        report = audit.verify(store, expect=expected)
        forged = forged_rows(store) if report.broken_at is None else ()
        if report.broken_at is None and data is not None:
            forged += forged_files(store, RoomFiles(data))
    if report.broken_at is not None:
        raise StoreError(
            f"the audit log is broken at line {report.broken_at}",
            why=f"{report.why}; the {report.lines:,} lines before the fault follow one another",
            fix="compare it with a backup, and find out who could write to the database",
        )
    if forged:
        more = f"; and {len(forged) - _SHOWN:,} more" if len(forged) > _SHOWN else ""
        raise StoreError(
            f"{len(forged):,} rows or files are not what the audit log says",
            why="; ".join(forged[:_SHOWN]) + more,
            fix="compare them with a backup, and find out who could write to the database and its folder",
        )
    typer.echo(f"whole: {report.lines:,} lines")
    typer.echo(f"head: {report.head_seq}:{report.head_hash}")
    if expected is not None:
        typer.echo(f"it holds the expected line {expected[0]}")
    else:
        typer.echo("Lines cut off the end show only with --expect and a head that was kept elsewhere.")
    typer.echo("Decisions, signatures and images are as the log says.")
    if data is None:
        typer.echo("Files were not read: name their folder with --data.")
