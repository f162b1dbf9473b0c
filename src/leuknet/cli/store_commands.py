"""`leuknet store ...`: copies of a reading room, and how they are put back."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from leuknet.cli import options, room_options
from leuknet.errors import StoreError

app = typer.Typer(help="Copy a reading room, and put a copy back.", no_args_is_help=True)

_LISTED = 20


@app.command()
@options.expanded
def backup(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="New, or of earlier backups.")],
    *,
    room: room_options.RoomOptions,
    files_only: Annotated[
        bool, typer.Option("--files-only", help="Images and reports, not the database: for PostgreSQL.")
    ] = False,
) -> None:
    """Copy a reading room into a folder while it is in use: database, images and signed reports.

    The same folder can take many backups: each adds a database and the images that the folder lacks. With
    PostgreSQL run pg_dump first, then this with --files-only. Exit status 2 if an image is damaged.

    Example: leuknet store backup /mnt/backup/reading-room
    """
    from leuknet.store import open_store, require_libraries

    require_libraries()
    from leuknet.room.room_backup import back_up_room
    from leuknet.room.room_files import RoomFiles

    with open_store(room.address) as store:
        done = back_up_room(
            store,
            RoomFiles(room.folder),
            folder,
            now=datetime.now(UTC),
            files_only=files_only,
            progress=sys.stderr.isatty(),
        )
    typer.echo(f"database: {done.database or 'left out, as asked'}")
    typer.echo(f"files: {done.copied:,} copied, {done.present:,} were there")
    if done.damaged:
        raise StoreError(
            f"images are damaged and were not copied: {len(done.damaged)}",
            why=f"their content is not what it was when they came: {', '.join(done.damaged[:_LISTED])}",
            fix="check the disk, and put these files back from an earlier backup",
        )


@app.command()
@options.expanded
def restore(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="What `leuknet store backup` wrote.")],
    *,
    room: room_options.RoomOptions,
    database: Annotated[
        Path | None,
        typer.Option(
            "--database", metavar="FILE", help="Which of its databases [the newest].", show_default=False
        ),
    ] = None,
) -> None:
    """Make a reading room of a backup, where there is none. For PostgreSQL use pg_restore.

    Checks the log and prints its head, and checks each image that the database knows. Exit status 2 if there
    is a database already, or an image is missing.

    Example: leuknet store restore /mnt/backup/reading-room --data new-room
    """
    from leuknet.store import require_libraries

    require_libraries()
    from leuknet.room.room_backup import restore_room
    from leuknet.room.room_files import RoomFiles

    done = restore_room(
        folder, RoomFiles(room.folder), room.address, database=database, progress=sys.stderr.isatty()
    )
    typer.echo(f"restored: {done.database}, {done.log.lines:,} lines of log, {done.copied:,} files")
    typer.echo(f"head: {done.log.head_seq}:{done.log.head_hash}")
    if done.log.broken_at is not None:
        typer.echo(f"its log is broken at line {done.log.broken_at}: {done.log.why}", err=True)
    if done.missing:
        raise StoreError(
            f"images are missing: {len(done.missing)}",
            why=f"the database knows them, the backup has no whole copy: {', '.join(done.missing[:_LISTED])}",
            fix="look for them in other backups, and put them into the data folder; all else is restored",
        )
