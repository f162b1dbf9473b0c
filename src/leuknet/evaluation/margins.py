"""When two models count as different, and when as equal but for a margin that was named beforehand.

That a test finds no difference is no proof that there is none: few people find none either. Whoever wants to
show that a model is as good as another says first how much worse would not matter.

Start at `within_margin`.

References
----------
ICH E9 (1998), "Statistical principles for clinical trials", section 3.3.2: each one-sided test at half of the
two-sided level. Schuirmann (1987), J. Pharmacokinet. Biopharm. 15(6), 657-680: two one-sided tests.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from leuknet.errors import SettingError
from leuknet.evaluation.metrics import METRICS
from leuknet.evaluation.paired import Paired

SIGNIFICANT = 0.05
"""From this p value on, two models count as not told apart."""


@dataclass(frozen=True)
class Margin:
    """Whether a second model is as good as a first one, but for a margin that was named beforehand.

    Attributes
    ----------
    margin
        The largest loss that would not matter, above 0, in the metric's own unit.
    noninferior_p
        One-sided p value against: the second is worse by the margin or more.
    equivalent_p
        The larger of both one-sided p values: against worse, and against better, by the margin or more.
    """

    margin: float
    noninferior_p: float
    equivalent_p: float

    @property
    def verdict(self) -> str:
        """`equivalent`, `not worse` or `not shown`.

        Each one-sided test is at half of `SIGNIFICANT`, so that `equivalent` is where the 95% interval of
        the difference lies within the margin, and `not worse` where its worse end does.
        """
        if self.equivalent_p < SIGNIFICANT / 2:
            return "equivalent"
        return "not worse" if self.noninferior_p < SIGNIFICANT / 2 else "not shown"


def check_margin(margin: float | None) -> None:
    """Raise a SettingError if a margin is named that is none."""
    if margin is not None and not 0 < margin < 1:
        raise SettingError(
            f"{margin:g} is no margin",
            why="a margin is the largest difference that would not matter, above 0 and below 1",
            fix="give it in the metric's own unit: 0.02 is two points of accuracy, or 0.02 of AUROC",
        )


def within_margin(found: Paired, metric: str, margin: float) -> Margin:
    """Return whether the second of two models is as good as the first but for a margin."""
    not_above, not_below = found.p_below(margin), found.p_above(-margin)
    noninferior = not_below if METRICS[metric].higher_is_better else not_above
    return Margin(margin, noninferior, max(not_above, not_below))


def margin_sentence(names: Sequence[str], metric: str, within: Margin) -> str:
    """Return in a sentence what was found with a margin."""
    shown = METRICS[metric]
    size = f"{100 * within.margin:g} points" if shown.is_percent else f"{within.margin:g}"
    worse, equal = f"p = {within.noninferior_p:.2g}", f"p = {within.equivalent_p:.2g}"
    margin = f"a margin of {size} of {shown.title}"
    if within.verdict == "equivalent":
        return f"Within {margin}, {names[1]} and {names[0]} are equivalent; {equal}."
    if within.verdict == "not worse":
        return (
            f"{names[1]} is not worse than {names[0]} by {margin} or more; {worse}. That the two are "
            f"equivalent is not shown; {equal}."
        )
    return (
        f"With {margin}, it is not shown that {names[1]} is not worse than {names[0]} ({worse}), nor that "
        f"they are equivalent ({equal})."
    )
