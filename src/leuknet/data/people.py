"""Who is who in a list that people typed: ids that mean one person, and words that mean nobody.

A spreadsheet makes `7.0` of `7` and `nan` of an empty field, a copy from a web page adds a character of no
width, two systems write the same accent in two ways, and two people write `P1` and `p1`. Read as they stand,
one person becomes two, who then sit on two sides of a split. So ids that differ by nothing else are one
person here, and a finding says so each time.

Start at `tell_people`; `person_key` compares ids of two data sets.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import replace

from leuknet.data.digests import SHOWN, natural_key, shorten
from leuknet.types import CellImage, Finding, Label

NOBODY = frozenset(
    {
        "nan",
        "na",
        "n/a",
        "n.a.",
        "#n/a",
        "<na>",
        "nat",
        "none",
        "null",
        "nil",
        "unknown",
        "?",
        "??",
        "-",
        "--",
    }
)
"""What stands in a column of ids where none is known, in any case; beside an empty field."""

_NUMBER = re.compile(r"0*([0-9]+)(?:\.0*)?")


def clean_id(text: str) -> str:
    r"""Return an id without what cannot be seen: characters of no width, doubled blanks, split accents.

    Examples
    --------
    >>> clean_id(" P\u200b7  a ")
    'P7 a'
    """
    seen = "".join(char for char in unicodedata.normalize("NFC", text) if unicodedata.category(char) != "Cf")
    return " ".join(seen.split())


def person_key(id_: str) -> str:
    """Return what two ids have in common if they are one person's.

    Examples
    --------
    >>> person_key("P 1") == person_key("p1"), person_key("7.0") == person_key("07")
    (True, True)
    >>> person_key("P1") == person_key("P11")
    False
    """
    key = unicodedata.normalize("NFKC", clean_id(id_)).casefold().replace(" ", "")
    number = _NUMBER.fullmatch(key)
    return number[1] if number else key


def tell_people(
    cells: Sequence[CellImage], class_names: tuple[str, str]
) -> tuple[list[CellImage], list[Finding]]:
    """Give each person one id, and nobody's cells none.

    Parameters
    ----------
    cells
        With the ids of their list.
    class_names
        What the classes are called, for the findings.

    Returns
    -------
    cells
        The same, in the same order; of several ways to write an id the shortest is taken, of these the first.
    findings
        `no-subject`, where a word for nobody stood in place of an id; `alike`, for each person who had
        several; `two-classes`, for people with cells of both: all warnings, but the last is a mere fact
        where the classes are not those of a person, but of cells that everybody has.
    """
    spellings: dict[str, list[str]] = {}
    words: list[str] = []
    for cell in cells:
        if cell.subject is None:
            continue
        if clean_id(cell.subject).casefold() in NOBODY:
            words.append(cell.subject)
        elif cell.subject not in (written := spellings.setdefault(person_key(cell.subject), [])):
            written.append(cell.subject)
    names = {key: min((clean_id(one) for one in written), key=len) for key, written in spellings.items()}
    # What cannot be seen may be all that there is.
    told = [
        replace(cell, subject=names.get(person_key(cell.subject)) or None)
        if cell.subject is not None and clean_id(cell.subject).casefold() not in NOBODY
        else replace(cell, subject=None)
        for cell in cells
    ]
    findings = [_nobody(words)] if words else []
    findings += [_alike(written, names[key]) for key, written in spellings.items() if len(written) > 1]
    return told, findings + _two_classes(told, class_names)


def _nobody(words: Sequence[str]) -> Finding:
    shown = ", ".join(map(repr, dict.fromkeys(words)))
    message = f"{len(words):,} cells have {shown} for a subject: they name nobody"
    return Finding("warning", "no-subject", "", message)


def _alike(written: Sequence[str], name: str) -> Finding:
    # As ASCII, since what tells them apart may not show.
    shown = shorten([ascii(one) for one in written])
    message = (
        f"subject ids {shown} differ by capitals, blanks, accents, invisible characters or the form of a"
        f" number only, and count as one person, {name!r}; if they are several, give ids that differ by more"
    )
    return Finding("warning", "alike", "", message)


def _two_classes(cells: Sequence[CellImage], class_names: tuple[str, str]) -> list[Finding]:
    numbers: dict[str, dict[Label, int]] = {}
    for cell in cells:
        if cell.subject is not None and cell.label is not None:
            own = numbers.setdefault(cell.subject, dict.fromkeys(Label, 0))
            own[cell.label] += 1
    both = sorted((name for name, own in numbers.items() if all(own.values())), key=natural_key)
    if not both:
        return []
    counts = [
        f"{name} ({', '.join(f'{numbers[name][label]:,} {class_names[label]}' for label in Label)})"
        for name in both
    ]
    people = "1 person has" if len(both) == 1 else f"{len(both):,} people have"
    more = f" and {len(both) - SHOWN:,} more" if len(both) > SHOWN else ""
    of_person = class_names == (Label.NORMAL.short, Label.LEUKAEMIC.short)
    message = f"{people} cells of both classes: {'; '.join(counts[:SHOWN])}{more}"
    return [Finding("warning" if of_person else "info", "two-classes", "", message)]
