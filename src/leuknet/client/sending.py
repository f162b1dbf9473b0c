"""Sends a file in parts, and goes on where it stopped after any break. Start at `send_file`."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tqdm import tqdm

from leuknet.client.link import Link, UnreachableError
from leuknet.errors import ConflictError, DataError

PART_BYTES = 4 * 2**20
"""Of a file that is sent: at most 8 MiB are taken at once."""


def send_file(
    link: Link, here: str, path: Path, announced: Mapping[str, Any], *, progress: bool
) -> dict[str, Any]:
    """Send a file, and return what the reading room says of the upload then.

    Parameters
    ----------
    link, here
        The reading room, and the address of the uploads of a case.
    path
        Of the file.
    announced
        What is said of the file beside its name, size and key.
    progress
        Whether to show a bar.

    Raises
    ------
    DataError
        If the file cannot be read, was changed meanwhile, or the reading room cannot use it.
    StoreError
        If the server cannot be reached for about a minute.
    """
    n_bytes, key = _measured(path)
    about = {"name": path.name, "n_bytes": n_bytes, "key": key, **announced}
    found = link.json("POST", here, json=about)
    with tqdm(total=n_bytes, unit="B", unit_scale=True, desc=path.name, disable=not progress) as bar:
        bar.update(found["received"])
        while found["state"] == "receiving" and found["received"] < n_bytes:
            found = _send_part(link, f"{here}/{found['id']}", path, offset=found["received"])
            bar.update(found["received"] - bar.n)
    finished = link.json("POST", f"{here}/{found['id']}/finish")
    if any(image["sha256"] != key for image in finished["images"]):
        raise DataError(
            f"{path} was changed while it was sent", why="what came is another file", fix="send it again"
        )
    upload: dict[str, Any] = finished["upload"]
    return upload


def _send_part(link: Link, address: str, path: Path, *, offset: int) -> dict[str, Any]:
    """Send the next part; after a break, ask how much came."""
    headers = {"Upload-Offset": str(offset), "Content-Type": "application/octet-stream"}
    with path.open("rb") as file:
        file.seek(offset)
        content = file.read(PART_BYTES)
    if not content:
        raise DataError(f"cannot send {path}", why="it became shorter while it was sent", fix="send it again")
    try:
        # Sent once: whether a lost answer was for bytes that came, only the server knows.
        return link.json("PATCH", address, content=content, headers=headers, once=True)
    except UnreachableError:
        return link.json("GET", address)
    except ConflictError:
        now = link.json("GET", address)
        if now["state"] != "receiving" or now["received"] == offset:
            raise
        return now


def _measured(path: Path) -> tuple[int, str]:
    """Return the size of a file and its SHA-256, which is its key: the same file is the same upload."""
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            return file.tell(), digest
    except OSError as error:
        raise DataError(
            f"cannot read {path}", why=str(error.strerror), fix="name a file that you may read"
        ) from error
