"""Keeps frozen dataclasses as JSON files, and trusts no file that it reads.

A record that comes back has every field, no other, each of the type that its class states; else the error
names the field. Start at `write_record` and `read_record`; `whole.py` is how any file is written that must
never be seen in part.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields, is_dataclass
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from types import UnionType
from typing import Any, Literal, TypeVar, cast, get_args, get_origin, get_type_hints

from leuknet.errors import LeukNetError
from leuknet.records.whole import write_whole
from leuknet.types.added import ADDED

__all__ = ["SCHEMA_VERSION", "parse_record", "read_record", "write_record", "write_whole"]

SCHEMA_VERSION = 4
"""Of the JSON files written here, and the only one that is read; it rises when fields go or change. Fields
that come are marked by `leuknet.types.added`, so that files written before still open."""

Record = TypeVar("Record")


def write_record(record: Any, path: Path) -> None:
    """Write a dataclass as JSON, with the schema's and LeukNet's version, whole or not at all.

    Folders are made where they lack. A NaN or infinity is a ValueError, and writes nothing.
    """
    content = {"schema_version": SCHEMA_VERSION, "written_by": f"leuknet {version('leuknet')}"}
    text = json.dumps(content | asdict(record), indent=2, allow_nan=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, f"{text}\n".encode())


def read_record(kind: type[Record], path: Path, *, error: type[LeukNetError], fix: str) -> Record:
    """Read what `write_record` wrote; lists become the tuples that the dataclass has.

    Anything amiss is an `error` that names the file and the field, with `fix` as its way out.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as caught:
        raise error(f"cannot read {path}", why=str(caught), fix=fix) from caught
    return parse_record(kind, text, name=str(path), error=error, fix=fix)


def parse_record(kind: type[Record], text: str, *, name: str, error: type[LeukNetError], fix: str) -> Record:
    """Read the JSON text of a record, as `read_record` reads a file; `name` is where it came from."""
    try:
        content = json.loads(text)
        if not isinstance(content, dict):
            raise TypeError("it holds no JSON object")
        found = content.pop("schema_version", None)
        if type(found) is not int or found != SCHEMA_VERSION:
            raise ValueError(f"schema_version is {found!r}; this LeukNet reads {SCHEMA_VERSION}")
        content.pop("written_by", None)
        record: Record = _decode(kind, content, "")
    except (ValueError, TypeError) as caught:
        raise error(f"cannot read {name}", why=str(caught), fix=fix) from caught
    return record


def _decode(kind: Any, value: Any, name: str) -> Any:
    """Return a JSON value as an annotation demands; a TypeError that names the field where it cannot."""
    origin, args = get_origin(kind), get_args(kind)
    if origin is UnionType:  # of something and None
        return None if value is None else _decode(args[0], value, name)
    if is_dataclass(kind) and isinstance(value, dict):
        kinds, make = get_type_hints(kind), cast(Callable[..., Any], kind)
        later = {part.name for part in fields(kind) if ADDED in part.metadata}
        for odd in sorted((kinds.keys() ^ value.keys()) - (later - value.keys())):
            raise TypeError(f"field {name}{odd} is {'missing' if odd in kinds else 'unknown'}")
        return make(**{key: _decode(kinds[key], value[key], f"{name}{key}.") for key in value})
    if origin is Mapping and isinstance(value, dict):
        return {key: _decode(args[1], item, f"{name}{key}.") for key, item in value.items()}
    if origin is tuple and isinstance(value, list):
        items = args[:1] * len(value) if args[1:] == (...,) else args
        if len(items) == len(value):
            return tuple(_decode(wanted, item, name) for wanted, item in zip(items, value, strict=True))
    if kind is float and type(value) in (int, float) and math.isfinite(value):
        return float(value)
    if isinstance(kind, type) and issubclass(kind, StrEnum) and value in list(kind):
        return kind(value)
    if kind is Any or (origin is Literal and value in args) or (kind is not float and type(value) is kind):
        return value
    expected = kind.__name__ if isinstance(kind, type) else str(kind)
    raise TypeError(f"field {name.rstrip('.')} is {value!r:.60}, not {expected}")
