"""What lies among images and is none: files that operating systems and programs leave, and links to folders.

A Mac puts `._cell.bmp` beside `cell.bmp` on a foreign disk and `__MACOSX` into a zip, Jupyter keeps copies in
`.ipynb_checkpoints`, Windows writes `Thumbs.db`. Their names end as images do, and a copy of a cell would be
scored twice or in its place. Every reader of folders and archives asks here, counts what it passes over in
one way, and says so; a file that is named by itself is read whatever it is called.

Start at `is_clutter` and `PassedOver`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from leuknet.errors import SettingError

_NAMES = frozenset(
    {
        "__macosx",
        "thumbs.db",
        "ehthumbs.db",
        "desktop.ini",
        "$recycle.bin",
        "system volume information",
        "@eadir",
        "#recycle",
        "lost+found",
        ".ds_store",
    }
)
_BEGINNINGS = ("._", "~$")


def is_clutter(name: str, *, folder: bool = False) -> bool:
    """Whether a file or folder of this name was left by a system or program, or is a hidden folder.

    A hidden image, `.cell.bmp`, is one that somebody may have named so: it is read.

    Examples
    --------
    >>> is_clutter("._cell.bmp"), is_clutter("Thumbs.db"), is_clutter(".ipynb_checkpoints", folder=True)
    (True, True, True)
    """
    is_hidden = folder and name.startswith(".") and name not in (".", "..")
    return is_hidden or name.casefold() in _NAMES or name.startswith(_BEGINNINGS)


def in_clutter(path: str) -> bool:
    """Whether a path of a file in an archive is clutter or lies in a folder that is."""
    *folders, name = PurePosixPath(path.replace("\\", "/")).parts or ("",)
    return is_clutter(name) or any(is_clutter(part, folder=True) for part in folders)


@dataclass
class PassedOver:
    """What was passed over, counted while folders and archives are read.

    Attributes
    ----------
    clutter
        How many files that would have been read, were they called otherwise.
    first
        The first of them.
    links
        Links to folders, which are not followed.
    """

    clutter: int = 0
    first: str = ""
    links: list[str] = field(default_factory=list)

    def count(self, path: str, number: int = 1) -> None:
        """Count files that are passed over."""
        self.first = self.first if self.clutter or not number else path
        self.clutter += number

    def sort_out(
        self, folder: str, subfolders: list[str], names: list[str], *, wanted: Callable[[str], bool]
    ) -> list[str]:
        """Return the names of the files of a folder that are wanted, sorted, for one step of `os.walk`.

        `subfolders` is left with the folders to go on with, sorted.
        """
        for name in [name for name in subfolders if is_clutter(name, folder=True)]:
            subfolders.remove(name)
            for below, _, files in os.walk(Path(folder, name)):
                for file in filter(wanted, files):
                    self.count(str(Path(below, file)))
        subfolders.sort()
        self.links += [str(Path(folder, name)) for name in subfolders if Path(folder, name).is_symlink()]
        kept = []
        for name in sorted(filter(wanted, names)):
            if is_clutter(name):
                self.count(str(Path(folder, name)))
            else:
                kept.append(name)
        return kept

    @property
    def lines(self) -> tuple[str, ...]:
        """What the user should know, one sentence each."""
        said = []
        if self.clutter:
            files = "1 file" if self.clutter == 1 else f"{self.clutter:,} files"
            said.append(f"passed over: {files} that systems or programs leave, such as {self.first!r}")
        if self.links:
            links = "1 link" if len(self.links) == 1 else f"{len(self.links):,} links"
            said.append(
                f"not followed: {links} to folders, such as {self.links[0]!r}; name them to read them"
            )
        return tuple(said)


def no_image_found(over: PassedOver) -> SettingError:
    """Return the error of a command that was given folders without an image; it says what lies there."""
    why = "the folders named hold no .bmp, .png, .jpg, .tif or .webp file"
    if over.lines:
        why = f"the folders named hold no image file of their own. {'. '.join(over.lines)}"
    fix = "name the folder that the link leads to" if over.links else "name image files, or other folders"
    return SettingError("no image was found", why=why, fix=fix)
