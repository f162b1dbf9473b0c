"""Remembers which published file has the pixels of a copy, so that only the first look decodes the copy.

A line of the file holds the sha256 of a file's bytes, the publisher's header, what
`leuknet.images.published_bmp` found, and a checksum: the bytes decide the answer, so that nothing grows old.
A line that is damaged or cut off is passed over, and its image decoded again. Several processes may add lines
at once. It lies in the cache's folder and holds no picture.

Start at `DigestCache`.
"""

from __future__ import annotations

import os
import warnings
import zlib
from pathlib import Path
from typing import get_args

from leuknet.images.cache import cache_folder
from leuknet.images.published_bmp import Digest, Form, Header, digest_as_published
from leuknet.images.reading import hash_file

NAME = "published-1.tsv"
"""The number is raised when the same bytes would get another answer."""


class DigestCache:
    """Hashes files as `digest_as_published` does; `keep` writes down what was new."""

    def __init__(self) -> None:
        self.path = cache_folder() / NAME
        self._known = _read(self.path)
        self._new: dict[tuple[str, str], Digest] = {}

    def digest(self, path: Path, header: Header) -> Digest:
        """Return what `digest_as_published` returns; safe to call from several threads.

        Raises
        ------
        UnreadableImageError
            If the file is missing or cannot be read.
        """
        key = (hash_file(path), header)
        found = self._known.get(key)
        if found is None:
            found = self._new[key] = digest_as_published(path, header)
        return found

    def keep(self) -> None:
        """Add what was found to the file.

        Warns
        -----
        UserWarning
            Where it cannot be written.
        """
        if not self._new:
            return
        lines = "".join(_line(key, digest) for key, digest in self._new.items())
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(file, lines.encode("ascii"))
            finally:
                os.close(file)
        except OSError as error:
            warnings.warn(f"what copies show is not kept: {error}", stacklevel=2)


def _line(key: tuple[str, str], digest: Digest) -> str:
    text = "\t".join((*key, *digest))
    # A line of its own, even after one that was cut off.
    return f"\n{text}\t{zlib.crc32(text.encode('ascii'))}"


def _read(path: Path) -> dict[tuple[str, str], Digest]:
    known: dict[tuple[str, str], Digest] = {}
    try:
        lines = path.read_bytes().decode("ascii", errors="replace").splitlines()
    except OSError:
        return known
    for line in lines:
        text, _, checksum = line.rpartition("\t")
        if checksum != str(zlib.crc32(text.encode("utf-8"))):
            continue
        own, header, sha256, said, kind = text.split("\t")
        form: Form | None = next((form for form in get_args(Form) if form == said), None)
        if form is not None:
            known[own, header] = Digest(sha256, form, kind)
    return known
