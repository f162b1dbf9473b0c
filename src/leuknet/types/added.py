"""Marks fields that records gained after files of them had been written.

Start at `added`; `leuknet.records` reads such files.
"""

from __future__ import annotations

from dataclasses import field
from typing import Any

ADDED = "added"
"""Key in the metadata of such a field."""


def added(default: Any) -> Any:
    """Return a dataclass field that a file may lack; what it then holds is `default`.

    Every other field must be in a file even if it has a default: one that is missing there was lost. A
    default must say that nothing is known, or what was so for every file written before.
    """
    return field(default=default, metadata={ADDED: True})
