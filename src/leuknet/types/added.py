"""Marks fields that records gained after files of them had been written.

Start at `added`; `leuknet.records` reads such files. `stated` gives a record as it was before.
"""

from __future__ import annotations

from dataclasses import asdict, field, fields
from typing import Any

ADDED = "added"
"""Key in the metadata of such a field."""


def added(default: Any) -> Any:
    """Return a dataclass field that a file may lack; what it then holds is `default`.

    Every other field must be in a file even if it has a default: one that is missing there was lost. A
    default must say that nothing is known, or what was so for every file written before.
    """
    return field(default=default, metadata={ADDED: True})


def stated(record: Any) -> dict[str, Any]:
    """Return a record as plain values, without added fields that hold their default.

    What was written before the field came equals it: a stopped run goes on though recipes have new settings.
    """
    later = {part.name: part.default for part in fields(record) if ADDED in part.metadata}
    silent = {name for name, default in later.items() if getattr(record, name) == default}
    return {name: value for name, value in asdict(record).items() if name not in silent}
