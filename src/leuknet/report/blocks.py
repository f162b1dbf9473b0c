"""What sections of a report are made of: plain data, which one template turns into HTML.

Sections say what to show, never how: each text is escaped by the template, so that no name from a user's
disk can become markup.

Start at `Section`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeVar

Cell = str | tuple[str, ...]
"""One cell of a table: a text, or a value followed by lines of smaller print."""

Item = TypeVar("Item")


@dataclass(frozen=True)
class Heading:
    """A heading within a section."""

    text: str
    kind: ClassVar[str] = "heading"


@dataclass(frozen=True)
class Text:
    """A paragraph; `strong` is a sentence in bold type before it."""

    text: str
    strong: str = ""
    kind: ClassVar[str] = "text"


@dataclass(frozen=True)
class Notice:
    """A box that must not be missed."""

    title: str
    lines: tuple[str, ...]
    kind: ClassVar[str] = "notice"


@dataclass(frozen=True)
class Tiles:
    """The few numbers that a reader came for: name, value, bounds, what they rest on."""

    tiles: tuple[tuple[str, str, str, str], ...]
    kind: ClassVar[str] = "tiles"


@dataclass(frozen=True)
class Facts:
    """Pairs of a name and a text."""

    rows: tuple[tuple[str, str], ...]
    kind: ClassVar[str] = "facts"


@dataclass(frozen=True)
class Table:
    """A table; the first cell of each row is its head. `more` counts the rows that were left out."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    more: int = 0
    kind: ClassVar[str] = "table"


@dataclass(frozen=True)
class Bullets:
    """A list; `more` counts the items that were left out."""

    items: tuple[str, ...]
    more: int = 0
    kind: ClassVar[str] = "bullets"


@dataclass(frozen=True)
class Picture:
    """A figure: a data URI, a caption, and the same for someone who cannot see it, never empty."""

    source: str
    caption: str
    alt: str
    narrow: bool = False
    kind: ClassVar[str] = "picture"


@dataclass(frozen=True)
class Thumbnails:
    """Small pictures side by side: each a data URI, the lines below it, and a text for who cannot see it."""

    caption: str
    pictures: tuple[tuple[str, tuple[str, ...], str], ...]
    kind: ClassVar[str] = "thumbnails"


@dataclass(frozen=True)
class Code:
    """Lines to type."""

    lines: tuple[str, ...]
    kind: ClassVar[str] = "code"


Block = Heading | Text | Notice | Tiles | Facts | Table | Bullets | Picture | Thumbnails | Code


@dataclass(frozen=True)
class Section:
    """One section of a report; `id` is what links name."""

    id: str
    title: str
    blocks: tuple[Block, ...]


def shortened(items: Sequence[Item], limit: int) -> tuple[tuple[Item, ...], int]:
    """Return the first items and how many were left out.

    Examples
    --------
    >>> shortened(["a", "b", "c"], 2)
    (('a', 'b'), 1)
    """
    return tuple(items[:limit]), max(0, len(items) - limit)


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun.

    Examples
    --------
    >>> counted(1, "cell"), counted(1867, "cell"), counted(2, "person", "people")
    ('1 cell', '1,867 cells', '2 people')
    """
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
