"""Builds pages that need nothing else: the paper's experiment run again, and the report of any runs.

Start at `write_report`: `sections.py` lists what a report holds, `run_record.py` reads runs from disk.
`reproduction_page` makes the page of `leuknet reproduce`: `content.py` says what it is made from,
`comparison.py` holds what the paper states. `base.html` is what both pages share.
"""

from leuknet.experiments.paper_comparison import ComparisonRow, comparison_rows
from leuknet.experiments.paper_content import FIGURES, FigureFile, ReproductionContent
from leuknet.experiments.paper_page import reproduction_page
from leuknet.report.run_report import write_report

__all__ = [
    "FIGURES",
    "ComparisonRow",
    "FigureFile",
    "ReproductionContent",
    "comparison_rows",
    "reproduction_page",
    "write_report",
]
