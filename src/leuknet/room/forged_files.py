"""Compares the files of a reading room with the hashes in its database and log. Start at `forged_files`."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from leuknet.images.reading import hash_file
from leuknet.room.room_files import RoomFiles
from leuknet.store.database import Store
from leuknet.store.logged_rows import logged_files
from leuknet.store.tables import images, signatures


def forged_files(store: Store, files: RoomFiles) -> tuple[str, ...]:
    """Return a sentence for each kept image and signed file that is gone or not what it was.

    A signed file that is gone is no fault: it is made again from its row. All images are read.
    """
    with store.reading() as connection:
        kept = connection.execute(sa.select(images.c.path, images.c.sha256).distinct()).all()
        signed = connection.execute(sa.select(signatures.c.case_id, signatures.c.version)).all()
    found = []
    for path, sha256 in kept:
        here = files.image(path)
        if not here.is_file():
            found.append(f"{path} is gone")
        elif hash_file(here) != sha256:
            found.append(f"{path} was changed")
    for case_id, version in signed:
        for suffix, sha256 in logged_files(store, case_id, version).items():
            here = files.signed(case_id, version, suffix)
            if here.is_file() and hash_file(here) != sha256:
                found.append(f"{_within(here, files)} was changed")
    return tuple(found)


def _within(path: Path, files: RoomFiles) -> str:
    return path.relative_to(files.folder).as_posix()
