"""What a report says of earlier looks at its test cells.

A test side that is scored, thought about, and scored again is no longer unseen. The ledger of
`leuknet.evaluation.looks` cannot forbid the second look; here it is shown, where nobody can miss it.

Start at `look_notices` and `looks`.
"""

from __future__ import annotations

from collections.abc import Sequence

from leuknet.evaluation.summary import seen_text
from leuknet.report.blocks import Block, Heading, Notice, Table, Text, counted, shortened
from leuknet.report.facts import Runs
from leuknet.report.render import LISTED
from leuknet.report.run_record import RunRecord
from leuknet.types import Look

_RULE = (
    "The test side is locked: each scoring of its cells is written into a ledger before it starts, under "
    "this user's name on this machine or in the file that LEUKNET_LEDGER names. Scoring again is not "
    "forbidden, but it is recorded and shown."
)


def look_notices(runs: Runs) -> list[Block]:
    """Return a box for each run whose recipe and seed had been scored on these cells before."""
    notices: list[Block] = []
    for run in runs:
        again = _again(run)
        if again:
            text = (
                f"This recipe with this seed had been scored on {_which(run, again)} {_times(len(again))} "
                f"before, first at {again[0].at}. A choice made after seeing such a score makes the next one "
                "optimistic; only the first is free of that."
            )
            notices.append(Notice(f"Not the first look: {run.name}", (text,)))
    return notices


def looks(runs: Runs) -> tuple[Block, ...]:
    """Return the earlier scorings of each run's test cells."""
    blocks: list[Block] = [Text(_RULE)]
    for run in runs:
        earlier, again = run.evaluation.looks, _again(run)
        if len(runs) > 1:
            blocks.append(Heading(run.name))
        if run.evaluation.unresolved_looks:
            older = counted(run.evaluation.unresolved_looks, "earlier scoring")
            text = f"{older} by an older LeukNet did not write down which cells: some may have been these."
            blocks.append(Text(text))
        if not earlier:
            blocks.append(Text("No earlier scoring of these cells by any model is recorded."))
            continue
        seen = seen_text(run.evaluation) or "these cells had been scored before"
        counts = (
            f"{seen}. There were {counted(len(earlier), 'earlier scoring')}: {len(again)} by this recipe "
            f"with this seed, {len(earlier) - len(again)} by other models."
        )
        strong = "Not the first look:" if again else "The first look of this recipe with this seed:"
        blocks.append(Text(counts, strong))
        shown, more = shortened(earlier, LISTED)
        rows = tuple(
            (look.at, look.recipe, str(look.seed), look.model_id, _shared_text(look)) for look in shown
        )
        caption = f"Earlier scorings of the test cells of {run.name}, oldest first"
        blocks.append(Table(caption, ("At", "Recipe", "Seed", "Model", "Of these cells"), rows, more))
    return tuple(blocks)


def _shared_text(look: Look) -> str:
    return "all" if look.shared is None else f"{look.shared:,}"


def _which(run: RunRecord, again: Sequence[Look]) -> str:
    most = max((look.shared or 0) for look in again)
    is_all = any(look.shared is None or look.shared >= run.evaluation.cells for look in again)
    return "these cells" if is_all else f"up to {most:,} of these cells"


def _again(run: RunRecord) -> list[Look]:
    """Return the earlier looks of the same recipe and seed."""
    mine = (run.evaluation.recipe, run.evaluation.seed)
    return [look for look in run.evaluation.looks if (look.recipe, look.seed) == mine]


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"
