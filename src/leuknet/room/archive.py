"""Takes the images out of a zip archive, one at a time, and believes nothing that the archive says of itself.

| in the archive | outcome |
|---|---|
| more than `MAX_MEMBERS` members, or a directory of more than `MAX_DIRECTORY_BYTES` | refused |
| an encrypted member | refused |
| when inflated, more than an upload may have, or `MAX_RATIO` times the archive | refused when it gets there |
| what systems and programs leave: `leuknet.images.clutter` | passed over and counted |
| folders | passed over |
| a name that leads out, a link, an archive, whatever is no image | told: this member cannot be used |

Bytes are counted as they come out. Names are shown and never become a path: each member goes to one part
file, and is then kept as an image that was uploaded by itself.

Start at `take_archive`. Done again after a kill, it ends with the same images.
"""

from __future__ import annotations

import io
import logging
import os
import re
import stat
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path, PurePosixPath
from zipfile import BadZipFile, ZipFile, ZipInfo

from leuknet.images.clutter import in_clutter
from leuknet.room.faults import is_of_image, told_of
from leuknet.room.intake_checks import Limits, require_room
from leuknet.room.room_files import RoomFiles
from leuknet.room.tally import Tally
from leuknet.room.upload_content import UnusableError, keep_image, kind_of, shown_name
from leuknet.store.database import Store
from leuknet.store.nouns import CaseUpload, NewImage
from leuknet.store.uploads import add_images

MAX_MEMBERS = 20_000

MAX_RATIO = 100
"""Bytes that may come out for each byte of the archive: pictures hardly shrink, a bomb a thousandfold."""

MAX_DIRECTORY_BYTES = 16 * 2**20
"""The list of members is read as a whole."""

_NO_BOMB_BYTES = 64 * 2**20  # less than this harms nobody, however much it was shrunk
_BLOCK_BYTES = 2**20
_UTF8_NAME = 0x800
_ALONE = "upload it by itself"
_TOGETHER = 100  # images that go into the case in one transaction
_log = logging.getLogger(__name__)
# What the libraries raise on damaged members; RuntimeError is a password that is needed.
_DAMAGED = (BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError, struct.error, zlib.error)


def take_archive(
    store: Store, files: RoomFiles, upload: CaseUpload, *, limits: Limits, report: Callable[[float], None]
) -> Tally:
    """Put the images of an uploaded archive into its case, and let them wait to be scored.

    Parameters
    ----------
    store, files, upload
        The upload's part file is the archive; it stays.
    limits
        Of this reading room.
    report
        Is told how much is done, 0 to 1, now and then; what it raises ends the work.

    Returns
    -------
    Tally
        At least one image.

    Raises
    ------
    UnusableError
        If the archive is refused as a whole, or nothing in it can be used. What was taken before stays.
    """
    tally = Tally()
    part = files.part(upload.id)
    allowed = min(limits.max_upload_bytes, max(_NO_BOMB_BYTES, MAX_RATIO * part.stat().st_size))
    with _Bounded(io.FileIO(part)) as file, _open(file, upload.name) as archive:
        members = _wanted(archive, upload.name, tally)
        images = _images(
            archive, members, files=files, upload=upload, allowed=allowed, tally=tally, report=report
        )
        while together := list(islice(images, _TOGETHER)):
            add_images(store, upload.case_id, together, job="score", actor=f"user:{upload.user_id}")
            tally.n_images += len(together)
    if not tally.n_images:
        why = f"it holds no image that can be used. {tally.note or 'It is empty'}"
        raise UnusableError(
            f"cannot use {upload.name!r}", why=why, fix="put PNG, JPEG, BMP, TIFF or WebP images in it"
        )
    return tally


class _Bounded(io.BufferedReader):
    """A file of which no more than `MAX_DIRECTORY_BYTES` are read at once, whatever a header claims."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Read as a file does."""
        if size is not None and size > MAX_DIRECTORY_BYTES:
            raise BadZipFile(f"its list of members has {size:,} bytes")
        return super().read(size)


def _open(file: _Bounded, name: str) -> ZipFile:
    try:
        return ZipFile(file)
    except _DAMAGED as error:
        raise UnusableError(
            f"cannot use {name!r}", why=f"it is no whole zip archive: {error}", fix="make it again"
        ) from error


def _wanted(archive: ZipFile, name: str, tally: Tally) -> list[ZipInfo]:
    """Return the members to be taken; an archive that has too many, or encrypted ones, is refused."""
    members = archive.infolist()
    if len(members) > MAX_MEMBERS:
        why = f"it has {len(members):,} members, and at most {MAX_MEMBERS:,} are taken"
        raise UnusableError(f"cannot use {name!r}", why=why, fix="divide it")
    listed = [member for member in members if not member.is_dir()]
    wanted = [member for member in listed if not in_clutter(member.filename)]
    tally.n_passed_over = len(listed) - len(wanted)
    for member in wanted:
        if member.flag_bits & 1:
            why = f"{shown_name(member_name(member))!r} in it is encrypted"
            raise UnusableError(f"cannot use {name!r}", why=why, fix="make the archive without a password")
    return wanted


def member_name(member: ZipInfo) -> str:
    """Return a member's name as its writer meant it: UTF-8, Japanese or the zip's own code page 437.

    A zip says which names are UTF-8; other programs than Python's leave that mark out, and Windows in Japan
    writes its own code. Two Japanese letters in a row are taken for meant: by accident they are rare.
    """
    if member.flag_bits & _UTF8_NAME:
        return member.filename
    try:
        raw = member.orig_filename.encode("cp437")
    except UnicodeEncodeError:  # Unicode in an extra field, which zipfile has read
        return member.filename
    for encoding, meant in (("utf-8", ""), ("cp932", "[\u3040-\u30ff\u4e00-\u9fff]{2}")):
        with suppress(UnicodeDecodeError):
            name = raw.decode(encoding)
            if re.search(meant, name):
                return name
    return member.filename


def _images(
    archive: ZipFile,
    members: list[ZipInfo],
    *,
    files: RoomFiles,
    upload: CaseUpload,
    allowed: int,
    tally: Tally,
    report: Callable[[float], None],
) -> Iterator[NewImage]:
    """Yield the members that are images, kept; count the others."""
    part = files.part(upload.id).with_name(f"{upload.id}.member")
    came = 0
    try:
        for place, member in enumerate(members):
            if place % _TOGETHER == 0:
                report(place / len(members))
            name = shown_name(member_name(member))
            try:
                _check_member(member, name)
                came += _inflate(archive, member, files, part, allowed=allowed - came)
                if kind_of(part, name=name) != "auto":
                    raise UnusableError(f"cannot use {name!r}", why="it is an archive or a table", fix=_ALONE)
                um = upload.microns_per_pixel
                image = keep_image(files, part, name=name, kind="auto", microns_per_pixel=um)
            except _TooMuchError as error:
                why = (
                    f"more than {allowed:,} bytes come out of it; {tally.n_images:,} images were taken before"
                )
                raise UnusableError(f"cannot use {upload.name!r}", why=why, fix="divide it") from error
            except UnusableError as error:
                tally.refuse(error.told)
            except _DAMAGED as error:
                tally.refuse(f"cannot use {name!r}: damaged: {error}. Make the archive again.")
            except BaseException as error:
                if not is_of_image(error):
                    raise
                _log.exception("a bug in LeukNet")
                tally.refuse(told_of(name, error))
            else:
                yield image
    finally:
        part.unlink(missing_ok=True)


class _TooMuchError(Exception):
    """More comes out of an archive than is allowed."""


def _check_member(member: ZipInfo, name: str) -> None:
    path = PurePosixPath(member.filename.replace("\\", "/"))
    has_drive = len(member.filename) > 1 and member.filename[1] == ":"
    if path.is_absolute() or ".." in path.parts or has_drive:
        why = "its name in the archive leads out of the archive"
        raise UnusableError(f"cannot use {name!r}", why=why, fix=_ALONE)
    if stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG):
        raise UnusableError(f"cannot use {name!r}", why="it is a link or a device, not a file", fix=_ALONE)


def _inflate(archive: ZipFile, member: ZipInfo, files: RoomFiles, part: Path, *, allowed: int) -> int:
    """Write a member to the part file; return its bytes."""
    came = 0
    part.unlink(missing_ok=True)  # the content before may be kept under a second link: it must not be changed
    with archive.open(member) as source, part.open("wb") as target:
        while block := source.read(_BLOCK_BYTES):
            came += len(block)
            if came > allowed:
                raise _TooMuchError
            require_room(files, len(block))
            target.write(block)
        target.flush()
        os.fsync(target.fileno())
    return came
