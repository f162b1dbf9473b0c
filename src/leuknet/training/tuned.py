"""What a search of settings found, and its tries as a table.

Start at `Tuned`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

from leuknet.recipes.ranges import Choice, Range


@dataclass(frozen=True)
class Tuned:
    """What a search found.

    Attributes
    ----------
    settings
        The best, as `--set` takes them; empty if the recipe's own were.
    loss, own_loss
        Loss by subject of the best and of the recipe's own settings (None where these lie outside of the
        ranges), in nats: a choice among many, hence better than new people will see.
    trials
        Tries that came to an end, given-up ones included.
    protocol, round
        Whose development cells were used; empty for the recipe's own split.
    people, cells
        On whose labels it rests: people by name, and the number of cells. The settings are not to be judged
        on these; see `leuknet.evaluation.searches`.
    """

    settings: tuple[str, ...]
    loss: float
    own_loss: float | None
    trials: int
    protocol: str = ""
    round: str = ""
    people: tuple[str, ...] = ()
    cells: int = 0


def distribution_of(
    bounds: Range | Choice,
) -> CategoricalDistribution | IntDistribution | FloatDistribution:
    """Return the range of a setting as optuna takes it."""
    if isinstance(bounds, Choice):
        return CategoricalDistribution(bounds.values)
    if isinstance(bounds.low, int) and isinstance(bounds.high, int):
        return IntDistribution(bounds.low, bounds.high, log=bounds.log)
    return FloatDistribution(bounds.low, bounds.high, log=bounds.log)


def table_of(ended: Sequence[FrozenTrial], names: Sequence[str]) -> str:
    """Return tries that came to an end as CSV, a column for each of the named settings."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("try", "state", "loss", "error", *names))
    for trial in ended:
        loss = "" if trial.value is None else trial.value
        state = "given up" if trial.state is TrialState.PRUNED else "complete"
        error = trial.user_attrs.get("error", "")
        writer.writerow((trial.number, state, loss, error, *(trial.params.get(name) for name in names)))
    return text.getvalue()
