"""What an uploaded file is, by its content, and how it is kept.

Start at `keep_image`. The name that a user gave is shown. All that it decides is that one file of a slide of
several cannot be used alone, and that a text is a table.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import unicodedata
from pathlib import Path, PurePosixPath
from typing import Literal, NamedTuple

from leuknet.errors import DataError, MissingExtraError
from leuknet.fields.field import Field
from leuknet.fields.slides import open_field
from leuknet.images.measures import measure
from leuknet.images.reading import MAX_SIDE_PX, hash_file
from leuknet.records.whole import sync, whole_file, write_whole
from leuknet.room.room_files import RoomFiles, image_path
from leuknet.store.nouns import ImageKind, NewImage

CROP_SIDE_PX = 600
"""An image with no longer side is one cell: published crops have 450 or 600 pixels, a camera's field more."""

BLACK_CROP_SIDE_PX = 1200
"""A larger one, up to this, is one cell if it is on black. Not above: a camera at an eyepiece shows a field
as a disc on black."""

MAX_NAME = 300
"""Most characters of a name."""

_MIN_BLACK_SHARE = 0.2
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_SUFFIXES = {
    b"\x89PNG\r\n\x1a\n": ".png",
    b"\xff\xd8\xff": ".jpg",
    b"BM": ".bmp",
    b"II*\0": ".tif",
    b"MM\0*": ".tif",
    b"II+\0": ".tif",
    b"MM\0+": ".tif",
    b"RIFF": ".webp",
}
_OF_SEVERAL_FILES = {".mrxs", ".vms", ".vmu", ".svslide"}
# A file system without hard links says one of these.
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV}


class UnusableError(DataError):
    """A file cannot be used; `what` names it as the user did."""

    @property
    def told(self) -> str:
        """All three sentences in one line, for the user."""
        return f"{self.what}: {self.why}. {self.fix[:1].upper()}{self.fix[1:]}."


class _Look(NamedTuple):
    kind: ImageKind
    height_px: int
    width_px: int
    microns_per_pixel: float | None


def shown_name(name: str) -> str:
    """Return a file's name as text that is safe to show: without folders, controls and marks of direction.

    It is no path: `CON` and `..` are texts like others.
    """
    base = name.replace("\\", "/").rstrip("/").rpartition("/")[2]
    # Cc: controls; Cf: invisible, such as those that turn the direction of what follows; Cs: no characters.
    shown = "".join(
        letter for letter in base if unicodedata.category(letter) not in ("Cc", "Cf", "Cs", "Zl", "Zp")
    )
    return shown.strip()[:MAX_NAME] or "unnamed"


def kind_of(part: Path, *, name: str) -> Literal["auto", "archive", "table"]:
    """Say by its first bytes whether a file is an archive, a table, or else an image of some kind: `auto`."""
    with part.open("rb") as file:
        head = file.read(4096)
    if head.startswith(_ZIP):
        return "archive"
    first_line = head.partition(b"\n")[0]
    is_csv = PurePosixPath(name).suffix.lower() == ".csv" and {b"path", b"probability"} <= {
        title.strip(b'"\r \xef\xbb\xbf') for title in first_line.split(b",")
    }
    return "table" if head.startswith(b"PAR1") or is_csv else "auto"


def keep_image(
    files: RoomFiles,
    part: Path,
    *,
    name: str,
    kind: ImageKind | Literal["auto"],
    microns_per_pixel: float | None,
) -> NewImage:
    """Check that a file is an image, and link it into its place.

    Parameters
    ----------
    files
        Of the reading room.
    part
        The whole file, on the disk; it stays where it is.
    name
        As it is shown.
    kind
        What the user says it is, or `auto`.
    microns_per_pixel
        As the user states it, else the file's own is taken.

    Raises
    ------
    UnusableError
        If it is not an image that LeukNet reads.
    """
    if PurePosixPath(name).suffix.lower() in _OF_SEVERAL_FILES:
        raise _unusable(name, "a slide of this kind is several files", "export it as a pyramidal TIFF")
    try:
        with open_field(part) as field:
            look = _look(field, kind)
    except (DataError, MissingExtraError) as error:
        raise _unusable(name, error.why, error.fix) from error
    if look.kind == "crop" and max(look.height_px, look.width_px) > MAX_SIDE_PX:
        why = (
            f"{look.width_px} x {look.height_px} pixels, and the image of one cell has at most {MAX_SIDE_PX}"
        )
        raise _unusable(name, why, "upload it as a field")
    sha256 = hash_file(part)
    with part.open("rb") as file:
        relative = image_path(sha256, _suffix(file.read(132)))
    _keep(part, files.image(relative))
    return NewImage(
        sha256=sha256,
        name=name,
        kind=look.kind,
        height_px=look.height_px,
        width_px=look.width_px,
        n_bytes=part.stat().st_size,
        path=relative,
        microns_per_pixel=look.microns_per_pixel if microns_per_pixel is None else microns_per_pixel,
    )


def keep_bytes(files: RoomFiles, content: bytes) -> tuple[str, str]:
    """Keep an image that lies in memory and was checked; return its sha256 and its path within the folder."""
    sha256 = hashlib.sha256(content).hexdigest()
    relative = image_path(sha256, _suffix(content[:132]))
    target = files.image(relative)
    if not target.exists():
        _make_folder(target.parent)
        write_whole(target, content, durable=True)
    return sha256, relative


def _look(field: Field, kind: ImageKind | Literal["auto"]) -> _Look:
    h, w = field.height_px, field.width_px
    pixels = field.read(0, 0, min(h, BLACK_CROP_SIDE_PX), min(w, BLACK_CROP_SIDE_PX))  # damage shows here
    full = field.layout.levels[0]
    is_picture = len(field.layout.levels) == 1 and full.segment_height_px == full.segment_width_px == 1
    on_black = max(h, w) <= BLACK_CROP_SIDE_PX and measure(pixels).black_share >= _MIN_BLACK_SHARE
    found: ImageKind
    if kind == "crop":
        found = "crop"
    elif not is_picture:
        found = "slide"
    elif kind == "auto" and (max(h, w) <= CROP_SIDE_PX or on_black):
        found = "crop"
    else:
        found = "field"
    return _Look(found, h, w, field.microns_per_pixel)


def _suffix(head: bytes) -> str:
    known = (suffix for signature, suffix in _SUFFIXES.items() if head.startswith(signature))
    return next(known, ".dcm")


def _keep(part: Path, target: Path) -> None:
    """Let a content be found at its place, whole and on the disk; one that is there already stays."""
    if target.exists():
        return
    _make_folder(target.parent)
    try:
        os.link(part, target)
    except FileExistsError:
        return
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        with whole_file(target, durable=True) as copy:
            shutil.copyfile(part, copy)
    else:
        sync(target.parent)


def _make_folder(folder: Path) -> None:
    if not folder.is_dir():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        sync(folder.parent)


def _unusable(name: str, why: str, fix: str) -> UnusableError:
    return UnusableError(f"cannot use {name!r}", why=why, fix=fix)
