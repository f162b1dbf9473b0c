"""Decides what is said of a scored image: one of its two classes, that it is uncertain, or unfamiliar.

Every table, page and picture asks here, so that `predict`, `batch`, `explain`, `smear` and the reading room
say the same of the same image. Start at `outcome_of`; `outcome_words` names outcomes as tables write them,
and `Said` counts what a table says.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from leuknet.inference.familiar import is_unfamiliar
from leuknet.types import Prediction
from leuknet.types.models import NO_CLASS

Outcome = Literal["positive", "negative", "uncertain", "unfamiliar"]
"""What is said of an image: a class, that the model should not decide, or that it has not seen its like."""

OUTCOMES: tuple[Outcome, ...] = ("positive", "negative", "uncertain", "unfamiliar")

UNCERTAIN, UNFAMILIAR = NO_CLASS

SEPARATOR = "; "
"""Between the warnings of one image in a table."""

_SIZE = re.compile(r"^\d+ x \d+ px, not ")


def outcome_of(prediction: Prediction) -> Outcome:
    """Return what is said of an image that has a probability.

    Unfamiliar goes before all else: what a model says of an image unlike those that trained it means nothing,
    and neither does that it would decide.

    Examples
    --------
    >>> one = Prediction("cell.png", 0.99, 0.5, "abc", undecided=(0.4, 0.6))
    >>> outcome_of(one), outcome_of(Prediction("field.png", 0.99, 0.5, "abc", warnings=("blurred",)))
    ('positive', 'unfamiliar')
    """
    if is_unfamiliar(prediction.warnings):
        return UNFAMILIAR
    if prediction.is_uncertain:
        return UNCERTAIN
    return "positive" if prediction.label else "negative"


def outcome_words(class_names: tuple[str, str]) -> dict[str, str]:
    """Return the word of each outcome in a table: the names of class 0 and class 1 stand for the classes."""
    words: dict[str, str] = {outcome: outcome for outcome in OUTCOMES}
    return words | {"negative": class_names[0], "positive": class_names[1]}


def word_of(prediction: Prediction, class_names: tuple[str, str]) -> str | None:
    """Return the outcome of an image as a table writes it; None where it has no probability."""
    return None if prediction.probability is None else outcome_words(class_names)[outcome_of(prediction)]


@dataclass
class Said:
    """What the lines of a table say, counted.

    Attributes
    ----------
    outcomes
        Word of the outcome to lines; a line without a score has none.
    warned
        Lines with a warning.
    warnings
        Kind of warning to lines that have it; sizes of images are one kind.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    warned: int = 0
    warnings: Counter[str] = field(default_factory=Counter)

    def add(self, word: str | None, warnings: Sequence[str], lines: int = 1) -> None:
        """Count lines that have this outcome, in the words of the table, and these warnings."""
        if word is not None:
            self.outcomes[word] += lines
        if warnings:
            self.warned += lines
            self.warnings.update(dict.fromkeys(map(kind_of, warnings), lines))


def kind_of(warning: str) -> str:
    """Return a warning without what differs from image to image of a kind: its size in pixels.

    Examples
    --------
    >>> kind_of("81 x 90 px, not 450 x 450: placed on black"), kind_of("blurred")
    ('another size than 450 x 450: placed on black', 'blurred')
    """
    return _SIZE.sub("another size than ", warning)


def said_lines(said: Said, class_names: tuple[str, str], *, shown: int = 8) -> Iterator[str]:
    """Yield lines that tell the counts: outcomes in one, then the most frequent warnings."""
    counted = ", ".join(f"{said.outcomes[word]:,} {word}" for word in outcome_words(class_names).values())
    yield f"outcomes: {counted}"
    if not said.warned:
        return
    yield f"warnings: on {said.warned:,} line{'' if said.warned == 1 else 's'}"
    for kind, lines in said.warnings.most_common(shown):
        yield f"  {lines:,}: {kind}"
    if (more := len(said.warnings) - shown) > 0:
        yield f"  and {more:,} other kinds: see the column warnings"
