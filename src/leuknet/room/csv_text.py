"""Text for CSV files that people open in a spreadsheet. Start at `defused`."""

from __future__ import annotations

_STARTERS = ("=", "+", "-", "@", "\t", "\r")


def defused(text: str) -> str:
    """Return text that a spreadsheet shows instead of running it as a formula.

    Names and notes are whatever a user typed. A field that starts with one of `= + - @`, a tab or a carriage
    return gets an apostrophe before it, as OWASP advises under "CSV Injection"; numbers are not text, and are
    not to be passed through here. Quoting of commas and line breaks is the CSV writer's work.

    Examples
    --------
    >>> defused("=1+1"), defused("a=b"), defused("")
    ("'=1+1", 'a=b', '')
    """
    return f"'{text}" if text.startswith(_STARTERS) else text
