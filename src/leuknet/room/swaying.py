"""Which reviews of a cell a user is shown: nobody should be swayed before deciding.

A reader sees what others said of a cell only once they have decided it themselves, until they take that back.
Leads and admins, who settle where readers differ, see all.

Start at `reviews_to_show`.
"""

from __future__ import annotations

from collections.abc import Sequence

from leuknet.store.cell_nouns import ReaderReview
from leuknet.store.nouns import User


def may_see_others(history: Sequence[ReaderReview], user: User) -> bool:
    """Tell whether a user may see what others said of a cell, by all that was ever said of it."""
    own = [review for review in history if review.reader_id == user.id]
    return user.role != "reader" or bool(own and own[-1].verdict != "withdrawn")


def reviews_to_show(history: Sequence[ReaderReview], user: User) -> tuple[ReaderReview, ...]:
    """Return what a user may see of all that was ever said of a cell, in the same order."""
    others = may_see_others(history, user)
    return tuple(review for review in history if others or review.reader_id == user.id)
