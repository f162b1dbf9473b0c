"""Gives a file of a signed version, once it is known to be what was signed. Start at `read_signed`."""

from __future__ import annotations

from hashlib import sha256

from leuknet.errors import ConflictError
from leuknet.room.room_files import RoomFiles
from leuknet.room.signing import SUFFIXES, signed_file
from leuknet.store.database import Store
from leuknet.store.logged_rows import REMADE, logged_files
from leuknet.store.nouns import SYSTEM, Signature


def read_signed(store: Store, files: RoomFiles, signature: Signature, suffix: str) -> bytes:
    """Return the content of a file of a signed version, once it is known to be what was signed.

    Raises
    ------
    ConflictError
        If the file is not the one whose hash was logged.
    SettingError, StoreError, MissingExtraError
        As of `signed_file`.
    """
    was_lost = not files.signed(signature.case_id, signature.version, suffix).is_file()
    content = signed_file(files, signature, suffix).read_bytes()
    here, version = signature.case_id, signature.version
    if was_lost:  # another LeukNet, or another library, makes other bytes of the same row
        made = [(each, signed_file(files, signature, each).read_bytes()) for each in SUFFIXES]
        with store.writing(SYSTEM) as change:
            hashes = [f"{each}:{sha256(one).hexdigest()}" for each, one in made]
            change.log(REMADE, f"case:{here}", version=version, files=hashes)
    known = logged_files(store, here, version).get(suffix)
    if known is not None and sha256(content).hexdigest() != known:
        raise ConflictError(
            f"cannot show {version}{suffix} of case {here}",
            why="it is not the file that was signed: its SHA-256 is not the one in the audit log",
            fix="move the file away, and it is made again from what was signed; find out who changed it",
        )
    return content
