"""Finds a file by the name that a table has for it, which is often not quite the name on the disk.

A Mac decomposes letters such as ü into two characters, Windows writes backslashes, a spreadsheet leaves
blanks at the end. Each name that is not there as it stands is tried in those forms; which file is meant is
never guessed beyond that.

Start at `find_named`.
"""

from __future__ import annotations

import itertools
import os
import unicodedata
from pathlib import Path, PurePosixPath


def find_named(root: Path, name: str) -> PurePosixPath:
    """Return the path of a file below a folder, with forward slashes, as it is on the disk.

    Parameters
    ----------
    root
        Where the path begins.
    name
        As a table has it.

    Returns
    -------
    PurePosixPath
        That of a file that is there; else the name as it stands. It may lead out of the folder, as the name
        may: that is for the caller to check.
    """
    if "\0" in name or os.path.lexists(root / name):
        return PurePosixPath(name)
    for text, form in itertools.product((name, name.strip()), ("", "NFC", "NFD")):
        spelt = unicodedata.normalize(form, text) if form else text  # type: ignore[arg-type]
        for tried in (spelt, spelt.replace("\\", "/")):
            if tried and os.path.lexists(root / tried):
                return PurePosixPath(tried)
    return PurePosixPath(name)
