"""What an uploaded file is, by its content, and how it is kept.

Start at `keep_image`. The name that a user gave is shown. All that it decides is that one file of a slide of
several cannot be used alone, and that a text is a table.
"""

from __future__ import annotations

import codecs
import errno
import hashlib
import os
import re
import shutil
import unicodedata
from pathlib import Path, PurePosixPath
from typing import Literal, NamedTuple

import numpy as np

from leuknet.errors import DataError, MissingExtraError
from leuknet.fields.field import Field
from leuknet.fields.slides import open_field
from leuknet.images.measures import measure
from leuknet.images.reading import MAX_SIDE_PX, hash_file
from leuknet.records.spreadsheet import table_of
from leuknet.records.whole import sync, whole_file, write_whole
from leuknet.room.budget import DECODING, claimed_pixels
from leuknet.room.room_files import RoomFiles, image_path
from leuknet.store.nouns import ImageKind, NewImage
from leuknet.types import Pixels

CROP_SIDE_PX = 600
"""An image with no longer side is one cell: published crops have 450 or 600 pixels, a camera's field more."""

BLACK_CROP_SIDE_PX = 1200
"""A larger one, up to this, is one cell if it is on black. Not above: a camera at an eyepiece shows a field
as a disc on black."""

MAX_NAME = 300
"""Most characters of a name."""

KEY_PART_BYTES = 4 * 2**20
"""As `PART` in `upload.js`."""

_SHA256, _TREE = re.compile("[0-9a-f]{64}"), re.compile("tree-([0-9a-f]{64})-")

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
    pixels_sha256: str


def shown_name(name: str) -> str:
    """Return a file's name as text that is safe to show: without controls and marks of direction.

    Folders of a name that leads nowhere else are kept: they tell files of one name apart. It is no path:
    `CON` and `..` are texts like others.
    """
    parts = [shown for part in name.replace("\\", "/").split("/") if (shown := _shown(part))]
    if not parts:
        return "unnamed"
    leads_out = name.startswith(("/", "\\")) or ".." in parts[:-1] or parts[0].endswith(":")
    whole = "/".join(parts[-1:] if leads_out else parts)
    return whole if len(whole) <= MAX_NAME else parts[-1][:MAX_NAME]


def _shown(text: str) -> str:
    # Cc: controls; Cf: invisible, such as those that turn the direction of what follows; Cs: no characters.
    unseen = ("Cc", "Cf", "Cs", "Zl", "Zp")
    return "".join(letter for letter in text if unicodedata.category(letter) not in unseen).strip()


def is_announced(part: Path, key: str) -> bool:
    """Whether a file is the one that its key stands for.

    A key is its SHA-256, as of our Python client; or `tree-`, the SHA-256 of those of its parts of
    `KEY_PART_BYTES`, and `-`, as of our pages. Any other says nothing of the content.
    """
    if _SHA256.fullmatch(key):
        return hash_file(part) == key
    known = _TREE.match(key)
    if known is None:
        return True
    whole = hashlib.sha256()
    with part.open("rb") as file:
        while piece := file.read(KEY_PART_BYTES):
            whole.update(hashlib.sha256(piece).digest())
    return whole.hexdigest() == known[1]


def kind_of(part: Path, *, name: str) -> Literal["auto", "archive", "table"]:
    """Say by its first bytes whether a file is an archive, a table, or else an image of some kind: `auto`."""
    with part.open("rb") as file:
        head = file.read(4096)
    if head.startswith(_ZIP):
        return "archive"
    is_csv = PurePosixPath(name).suffix.lower() == ".csv" and _is_scored(head)
    return "table" if head.startswith(b"PAR1") or is_csv else "auto"


def _is_scored(head: bytes) -> bool:
    """Whether the beginning of a CSV is that of a table of scored crops, also as a spreadsheet saves it."""
    try:
        is_wide = head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        table = table_of(head if is_wide else head.rpartition(b"\n")[0] or head)
    except ValueError:
        return False
    titles = table.text.partition("\n")[0].split(table.separator)
    return {"path", "probability"} <= {title.strip('"\r ') for title in titles}


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
    BusyError
        If others are read all the while, and together they would take too much memory.
    """
    if PurePosixPath(name).suffix.lower() in _OF_SEVERAL_FILES:
        raise _unusable(name, "a slide of this kind is several files", "export it as a pyramidal TIFF")
    try:
        with DECODING.take(claimed_pixels(part)), open_field(part, alone=True) as field:
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
        pixels_sha256=look.pixels_sha256,
    )


def hash_pixels(corner: Pixels, height_px: int, width_px: int) -> str:
    """Return the hash of an image's size and of its upper left corner: alike for each lossless format of it.

    Parameters
    ----------
    corner
        (h, w, 3) uint8, at least the first `BLACK_CROP_SIDE_PX` rows and columns, or all there are.
    height_px, width_px
        Of the whole image.

    Returns
    -------
    str
        SHA-256 in hexadecimal.
    """
    counts = np.ascontiguousarray(corner[:BLACK_CROP_SIDE_PX, :BLACK_CROP_SIDE_PX])
    return hashlib.sha256(f"{height_px} {width_px} ".encode() + counts.tobytes()).hexdigest()


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
    return _Look(found, h, w, field.microns_per_pixel, hash_pixels(pixels, h, w))


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
