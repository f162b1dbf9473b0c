"""Keeps the ledger of looks: each time test cells are scored, a line is added that nothing removes.

A test side that is scored again and again, with a change to the model in between, becomes a second training
side: the best of twenty tries is good by luck. Nobody is stopped from looking twice, but the second look is
written down and every report shows it. The ledger is one file per user, outside of any run, so that deleting
a run does not delete its look.

Start at `record_look`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import platformdirs

from leuknet.data.split import fingerprint
from leuknet.errors import DataError
from leuknet.types import CellImage, Look

VARIABLE = "LEUKNET_LEDGER"
"""Names another file for the ledger, such as one that a whole group shares."""


def ledger_path() -> Path:
    """Return where the ledger lies: what `LEUKNET_LEDGER` says, or the user's folder for such files."""
    named = os.environ.get(VARIABLE)
    return Path(named) if named else platformdirs.user_state_path("leuknet") / "looks.jsonl"


def record_look(cells: Sequence[CellImage], *, recipe: str, seed: int, model_id: str) -> tuple[Look, ...]:
    """Write down that a model is about to be scored on these cells; return all earlier looks at them.

    Written before the first cell is scored: a look that was broken off has shown something too.

    Parameters
    ----------
    cells
        The cells, in any order. Another order, another split or another run does not make them new.
    recipe, seed, model_id
        Which model looks.

    Returns
    -------
    tuple of Look
        Oldest first, by any model; the present one is not among them.

    Raises
    ------
    DataError
        If the ledger cannot be read or written: without it, no test side is scored.
    """
    path = ledger_path()
    look = Look(
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        test_fingerprint=fingerprint((), (), cells),
        recipe=recipe,
        seed=seed,
        model_id=model_id,
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # One short write to a file opened for appending: lines of several processes do not mix.
        with path.open("a+", encoding="utf-8") as ledger:
            ledger.seek(0)
            earlier = [Look(**json.loads(line)) for line in ledger]
            ledger.write(json.dumps(asdict(look)) + "\n")
    except (OSError, ValueError, TypeError) as error:
        raise DataError(
            f"cannot keep the ledger of looks {path}",
            why=str(error),
            fix=f"mend or move the file away, or name another with the variable {VARIABLE}",
        ) from error
    return tuple(known for known in earlier if known.test_fingerprint == look.test_fingerprint)
