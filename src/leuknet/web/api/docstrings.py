"""Gives what a numpydoc docstring says of attributes to the fields of its shape in the API's description.

Start at `spread_attributes`.
"""

from __future__ import annotations

from collections.abc import Iterator
from inspect import cleandoc
from typing import Any

_HEADING = "\n\nAttributes\n----------\n"


def spread_attributes(description: dict[str, Any]) -> None:
    """Move the section Attributes of each shape's text to the fields that it speaks of."""
    for shape in description["components"]["schemas"].values():
        text, heading, section = shape.get("description", "").partition(_HEADING)
        if heading:
            shape["description"] = text
            for name, meaning in _attributes(section):
                shape["properties"][name]["description"] = meaning


def _attributes(section: str) -> Iterator[tuple[str, str]]:
    """Yield each attribute with what is said of it; `a, b` share a text."""
    names: list[str] = []
    lines: list[str] = []
    for line in [*section.splitlines(), "end"]:
        if line.startswith(" ") or not line:
            lines.append(line)
            continue
        meaning = cleandoc("\n".join(["", *lines]))
        yield from ((name, meaning) for name in names)
        names, lines = line.split(", "), []
