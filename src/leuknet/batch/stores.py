"""Reads files by name, be they local paths or addresses such as `s3://bucket/cell.png`.

A local name is opened by Python itself, so that any name works. An address goes through fsspec, whose drivers
for a store are packages of their own. Start at `read_content` and `open_stream`.
"""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any, BinaryIO, cast

from leuknet.errors import LeukNetError, MissingExtraError, SettingError, UnreadableImageError
from leuknet.images import reading as images

_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_PACKAGES = {
    "s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "abfs": "adlfs", "az": "adlfs",
    "http": "aiohttp", "https": "aiohttp", "hf": "huggingface-hub", "oss": "ossfs", "sftp": "paramiko",
}  # fmt: skip
"""What to install for a kind of address; others are named as fsspec names them."""

_WAITS_S = (1.0, 4.0)
"""Waits before an address is tried again: a network fails now and then in a night of reading."""


def protocol_of(name: str) -> str | None:
    """Return what an address begins with, such as `s3`; None for a local path."""
    found = _ADDRESS.match(name)
    return None if found is None else found[1].lower()


def open_store(address: str) -> tuple[Any, str]:
    """Return the fsspec file system of an address, and the address within it.

    Raises
    ------
    MissingExtraError
        If the driver for this kind of address is not installed.
    SettingError
        If there is no such kind.
    """
    import fsspec

    protocol = protocol_of(address)
    try:
        kind = fsspec.get_filesystem_class(protocol)
    except ValueError as error:
        raise SettingError(
            f"cannot read {address!r}",
            why=str(error),
            fix="name a path, or an address such as s3://bucket/folder",
        ) from error
    except ImportError as error:
        named = getattr(error, "name", None) or f"the driver for {protocol}://"
        fix = f"pip install {_PACKAGES.get(str(protocol), named)}"
        raise MissingExtraError(f"cannot read {address!r}", why=str(error), fix=fix) from error
    # Not fsspec's url_to_fs: it would take `::` in a name for a chain of file systems.
    return kind(**kind._get_kwargs_from_urls(address)), kind._strip_protocol(address)


def open_stream(name: str) -> BinaryIO:
    """Open a local file or an address for reading; an OSError if it is no file."""
    if protocol_of(name) is None:
        path = Path(name)
        if path.exists() and not path.is_file():
            raise OSError("it is a folder, a device or a pipe")  # opening a pipe would wait for ever
        return path.open("rb")
    store, path_in_store = open_store(name)
    return cast(BinaryIO, store.open(path_in_store, "rb"))


def read_content(name: str) -> bytes:
    """Return the bytes of an image file, one more than `MAX_FILE_BYTES` at most.

    Raises
    ------
    UnreadableImageError
        If it cannot be read. An address is tried three times.
    """
    if protocol_of(name) is None:
        return images.read_content(Path(name), None)
    for wait in (*_WAITS_S, None):
        try:
            with open_stream(name) as stream:
                return stream.read(images.MAX_FILE_BYTES + 1)
        except LeukNetError:
            raise  # a missing driver is not the image's fault
        except Exception as error:  # of the store's own libraries: they have no common base
            if wait is None or isinstance(error, (FileNotFoundError, PermissionError, IsADirectoryError)):
                raise unreadable(name, error) from error
            time.sleep(wait)
    raise AssertionError("the last try returns or raises")


def unreadable(name: str, why: Exception | str) -> UnreadableImageError:
    """Return the error of an image that cannot be read."""
    reason = why if isinstance(why, str) else (isinstance(why, OSError) and why.strerror) or repr(why)
    return UnreadableImageError(
        f"cannot read the image {name!r}", why=reason, fix="check the name, the permissions and the network"
    )
