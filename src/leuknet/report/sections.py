"""The sections of a report, in their order: one place to see what it holds, and to add to it.

Start at `SECTIONS`. To add a section, write a function of the runs that returns blocks, and give it a line.
"""

from __future__ import annotations

from collections.abc import Callable

from leuknet.report.blocks import Block, Section
from leuknet.report.checklist import checklists
from leuknet.report.closing import citing, limits, repeating
from leuknet.report.detail_sections import people_scores, subgroups, thresholds, weak_calibration
from leuknet.report.evidence_sections import calibration, curves, galleries, people
from leuknet.report.facts import Runs
from leuknet.report.look_notices import looks
from leuknet.report.provenance import data_card, model_card, split
from leuknet.report.rounds import round_blocks
from leuknet.report.score_sections import comparison, literature, result

SECTIONS: tuple[tuple[str, str, Callable[[Runs], tuple[Block, ...]]], ...] = (
    ("result", "Result", result),
    ("comparison", "Comparison", lambda runs: (*comparison(runs), *round_blocks(runs))),
    ("literature", "Published results", literature),
    ("curves", "Curves", curves),
    ("calibration", "Calibration", lambda runs: (*calibration(runs), *weak_calibration(runs))),
    ("thresholds", "Thresholds and predictive values", thresholds),
    ("people", "Subject by subject", lambda runs: (*people_scores(runs), *people(runs))),
    ("subgroups", "Subgroups", subgroups),
    ("galleries", "Galleries", galleries),
    ("model", "Model card", model_card),
    ("data", "Data card", data_card),
    ("split", "Split", split),
    ("looks", "Looks at the test side", looks),
    ("limits", "Limits", limits),
    ("checklist", "Checklists", checklists),
    ("citing", "How to cite", citing),
    ("repeating", "Repeat it", repeating),
)
"""Id, title, and the function that fills it."""


def make_sections(runs: Runs) -> tuple[Section, ...]:
    """Return all sections of a report, filled from the runs."""
    return tuple(Section(name, title, fill(runs)) for name, title, fill in SECTIONS)
