"""Fills the checklists TRIPOD+AI, CLAIM and STARD-AI from the runs, and lists what the author still owes.

`checklist.json` holds the items: number and topic as in the guidelines, and in our own, shorter words what
each asks for; the published text decides. An item names the fact that answers it, what the author owes, or
both. Ethics, funding, registration, intended clinical use and patient involvement are always owed: no
software knows them.

Start at `checklists`; `answers.py` holds what the runs know.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files

from leuknet.report.answers import ANSWERS
from leuknet.report.blocks import Block, Heading, Table, Text, counted
from leuknet.report.facts import Runs

OWED = "owed by the author"


@dataclass(frozen=True)
class Item:
    """One item of a guideline.

    Attributes
    ----------
    item, topic
        As in the guideline.
    asks
        What it asks for, in our words.
    answer
        A key of `leuknet.report.answers.ANSWERS`, `""` if the runs know nothing about it.
    owed
        What the author must add, `""` if nothing.
    """

    item: str
    topic: str
    asks: str
    answer: str
    owed: str


@dataclass(frozen=True)
class Guideline:
    """A reporting guideline with its items."""

    name: str
    citation: str
    items: tuple[Item, ...]


def read_guidelines() -> tuple[Guideline, ...]:
    """Return all guidelines, as this package holds them."""
    content = json.loads(files("leuknet.report").joinpath("checklist.json").read_text(encoding="utf-8"))
    return tuple(
        Guideline(listed["name"], listed["citation"], tuple(Item(**item) for item in listed["items"]))
        for listed in content
    )


def checklists(runs: Runs) -> tuple[Block, ...]:
    """Return a table for each guideline, and after them what the author still owes."""
    blocks: list[Block] = [
        Text(
            "Numbers and topics are those of the guidelines; what an item asks for is shortened by us, and "
            "the published text decides. All 52 items of TRIPOD+AI, all 44 of CLAIM and all 48 of STARD-AI "
            "(numbers 1 to 40) are here, compared with public transcriptions of each. Only what these runs "
            "know is filled in."
        )
    ]
    owed: list[tuple[str, str, str]] = []
    for guideline in read_guidelines():
        rows = []
        for item in guideline.items:
            answer = ANSWERS[item.answer](runs) if item.answer else None
            debt = item.owed if answer else item.owed or item.asks
            told = [answer] if answer else []
            told += [f"{OWED}: {debt}"] if debt else []
            rows.append((item.item, (item.topic, item.asks), told[0] if len(told) == 1 else (*told,)))
            owed += [(f"{guideline.name} {item.item}", item.topic, debt)] if debt else []
        blocks += [Heading(guideline.name), Text(guideline.citation + ".")]
        blocks.append(
            Table(f"{guideline.name}, filled from these runs", ("Item", "Asks for", "Answer"), tuple(rows))
        )
    blocks += [
        Heading("Owed by the author"),
        Text(f"{counted(len(owed), 'item')} of all lists wait for the author, in whole or in part."),
        Table("What the author still owes", ("Item", "Topic", "Owed"), tuple(owed)),
    ]
    return tuple(blocks)
