"""`leuknet store ...`: copies of the reading room's database."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from leuknet.cli.audit_log import Url

app = typer.Typer(help="Copy the reading room's database, and put a copy back.", no_args_is_help=True)

_NO_IMAGES = "The images of the cases are not in it: copy the data folder too."


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="New file to write.")], url: Url = None
) -> None:
    """Copy the database into one new file while others write to it. For PostgreSQL use pg_dump.

    Example: leuknet store backup reading-room-backup.db
    """
    from leuknet.store import open_store

    with open_store(url) as store:
        from leuknet.store.backup import back_up

        back_up(store, file)
    typer.echo(f"backup: {file}")
    typer.echo(_NO_IMAGES)


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `leuknet store backup` wrote.")],
    url: Url = None,
) -> None:
    """Make the database of a backup, where there is none. For PostgreSQL use pg_restore.

    Prints the head of its log. Exit status 2 if there is a database already.

    Example: leuknet store restore reading-room-backup.db
    """
    from leuknet.store import require_libraries

    require_libraries()
    from leuknet.store.backup import restore as put_back

    report = put_back(file, url)
    typer.echo(f"restored: {report.lines:,} lines of log")
    typer.echo(f"head: {report.head_seq}:{report.head_hash}")
    if report.broken_at is not None:
        typer.echo(f"its log is broken at line {report.broken_at}: {report.why}", err=True)
    typer.echo(_NO_IMAGES)
