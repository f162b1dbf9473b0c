"""Tables as text, also after a spreadsheet has saved them again.

A spreadsheet in a country with decimal commas writes semicolons between fields and `0,75` for a number;
others put `sep=;` above the header, a byte order mark before it, blank lines below the table, or write tabs
in UTF-16. All of that is the same table, and is read as it. What is no UTF-8 is refused: letters of names
would be guessed.

Start at `read_table`.
"""

from __future__ import annotations

import codecs
import re
from pathlib import Path
from typing import NamedTuple

_SEPARATORS = ",;\t"
_STATED = re.compile(r'"?sep=(.)"?\s*')
_COMMA_NUMBER = re.compile(r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?")
_HEAD_BYTES = 2**16


class TableText(NamedTuple):
    """A table without what a spreadsheet put around it.

    Attributes
    ----------
    text
        From the header on.
    separator
        Between fields.
    skipped
        Lines of the file that came before the header.
    """

    text: str
    separator: str
    skipped: int


def read_table(path: Path) -> TableText:
    """Read a table; an OSError or a ValueError, in words, if it is no text."""
    return table_of(path.read_bytes())


def table_of(content: bytes) -> TableText:
    """Return what `read_table` does of a file's bytes."""
    try:
        if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            text = content.decode("utf-16")
        else:
            text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"it is no UTF-8 text (byte {error.start:,}); save it as `CSV UTF-8` in the spreadsheet"
        ) from error
    first, _, rest = text.partition("\n")
    stated = _STATED.fullmatch(first)
    if stated:
        return TableText(rest, stated[1], 1)
    bare = re.sub(r'"[^"]*"', "", first)
    # The separator of a header is the one that it holds most; of none, one column.
    return TableText(text, max(_SEPARATORS, key=bare.count), 0)


def is_plain(path: Path) -> bool:
    """Whether a file begins as a table that any reader of CSV takes as it is."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES).partition(b"\n")[0]
    try:
        found = table_of(head)
    except ValueError:
        return False
    return found.separator == "," and not found.skipped


def with_point(number: str) -> str:
    """Return a number with a decimal point where it has a decimal comma; other texts as they are.

    Examples
    --------
    >>> with_point("0,75"), with_point("0.75"), with_point("1,2,3")
    ('0.75', '0.75', '1,2,3')
    """
    return number.replace(",", ".") if _COMMA_NUMBER.fullmatch(number) else number
