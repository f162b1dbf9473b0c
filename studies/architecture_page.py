"""Writes the layer diagram of `docs/architecture.md` and the README's line about it, from the import contract.

The contract in `pyproject.toml` is what `make check` holds the code to, and the purpose of each room is the first sentence of
its docstring: pages that copy either would drift. Everything else on the two pages is written by hand.

    python studies/architecture_page.py
"""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
SOURCE = REPOSITORY / "src" / "leuknet"
ARCHITECTURE = REPOSITORY / "docs" / "architecture.md"
README = REPOSITORY / "README.md"

_DIAGRAM = re.compile(r"(?<=<!-- layers -->\n).*?(?=<!-- end of layers -->)", re.DOTALL)
_LINE = re.compile(r"(?<=^\| \[Architecture\]\(docs/architecture\.md\) \| ).*(?= \|$)", re.MULTILINE)


def layers() -> list[list[str]]:
    """Return the rooms of each layer, the top layer first, as the import contract has them."""
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    (contract,) = (each for each in settings["tool"]["importlinter"]["contracts"] if each["type"] == "layers")
    return [layer.split(" | ") for layer in contract["layers"]]


def purpose(room: str) -> str:
    """Return the first sentence of a room's docstring."""
    path = SOURCE / room
    text = (path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_text(encoding="utf-8")
    docstring = ast.get_docstring(ast.parse(text)) or ""
    return re.split(r"(?<=\.)\s", " ".join(docstring.split()))[0]


def diagram() -> str:
    """Return the layers as a block of text, a room a line."""
    rows = [
        f"    {number if first else '':>2}  {room:<12}{purpose(room)}"
        for number, layer in enumerate(layers(), start=1)
        for first, room in zip([True, *[False] * len(layer)], layer, strict=False)
    ]
    return "\n" + "\n".join(rows) + "\n\n"


def in_one_breath() -> str:
    """Return all rooms in one line; a semicolon parts the layers."""
    named = "; ".join(", ".join(layer) for layer in layers())
    return f"the way from pixels to a score, and the rooms, each of which imports only from those after it: {named}"


def rendered() -> dict[Path, str]:
    """Return both pages as they should be."""
    return {
        ARCHITECTURE: _DIAGRAM.sub(lambda _: diagram(), ARCHITECTURE.read_text(encoding="utf-8")),
        README: _LINE.sub(lambda _: in_one_breath(), README.read_text(encoding="utf-8")),
    }


if __name__ == "__main__":
    for path, text in rendered().items():
        path.write_text(text, encoding="utf-8")
