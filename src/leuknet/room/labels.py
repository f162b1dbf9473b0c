"""What follows from all that readers say of a case's cells.

The rule, for each cell:

1. A person has one word: what they say now, that is, the latest of their current review and of their
   adjudications of this cell in closed studies. Withdrawn reviews are no words.
2. If a lead has spoken, only the words of leads count; else those of readers. A lead is who is lead or
   admin today; an adjudication is a lead's word whatever became of the account.
3. If all words that count are the same, that is the cell's label. It is `agreed` if nobody says otherwise,
   and `decided` if leads overrule a reader.
4. If they differ, the cell is `disputed` and has no label. If there are none, it is `unreviewed`.

`uncertain` and `not_a_cell` are verdicts like others: two readers who are uncertain agree, and one who is
uncertain where another is not makes a dispute. What a reader says in a study never touches a case's label,
since studies measure readers, and their readers may be asked about cells they would leave to others; only
what a lead then adjudicates does, once the study is closed.

Nothing here asks who may see it: a reader who is still blinded must not.

Start at `case_labels`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Literal, cast, get_args
from uuid import UUID

from leuknet.store.cell_nouns import GivenVerdict, Word
from leuknet.store.database import Store
from leuknet.store.nouns import told
from leuknet.store.verdicts import CellWord, verdicts_of

LabelState = Literal["agreed", "decided", "disputed", "unreviewed"]

LabelOutcome = Literal["leukaemic", "normal", "uncertain", "not_a_cell", "disputed", "unreviewed"]
"""What a count of cells tells apart."""

LABEL_OUTCOMES: tuple[LabelOutcome, ...] = get_args(LabelOutcome)


@dataclass(frozen=True)
class CellLabel:
    """What follows from all that is said of a cell: a word of each person, in the order of their numbers."""

    cell_id: int
    state: LabelState
    label: GivenVerdict | None = field(metadata=told("Null while the cell is disputed or unreviewed."))
    words: tuple[Word, ...]

    @property
    def outcome(self) -> LabelOutcome:
        """The label, or why there is none."""
        return cast(LabelOutcome, self.label or self.state)


def case_labels(store: Store, case_id: UUID) -> tuple[CellLabel, ...]:
    """Return the label of each cell of a case, in the order of their ids."""
    ids, given = verdicts_of(store, case_id)
    said = {cell_id: tuple(words) for cell_id, words in groupby(given, key=lambda word: word.cell_id)}
    return tuple(label_cell(cell_id, said.get(cell_id, ())) for cell_id in ids)


def label_cell(cell_id: int, given: Sequence[CellWord]) -> CellLabel:
    """Return what follows from all that is said of one cell, in any order."""
    latest = {word.user_id: word for word in sorted(given, key=lambda word: word.decided_at)}
    words = tuple(latest[user_id] for user_id in sorted(latest))
    counting = [word for word in words if word.of_lead] or words
    verdicts = {word.verdict for word in counting}
    if len(verdicts) != 1:
        return CellLabel(cell_id, "disputed" if verdicts else "unreviewed", None, words)
    label = cast(GivenVerdict, verdicts.pop())  # withdrawn words are none
    state: LabelState = "agreed" if all(word.verdict == label for word in words) else "decided"
    return CellLabel(cell_id, state, label, words)


def count_labels(labels: Iterable[CellLabel]) -> dict[LabelOutcome, int]:
    """Return how many cells have each outcome, those without one too."""
    counts = Counter(label.outcome for label in labels)
    return {outcome: counts[outcome] for outcome in LABEL_OUTCOMES}
