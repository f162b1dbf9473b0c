"""Builds the page that shows a whole run of the paper's experiment: one HTML file that needs nothing else.

Start at `reproduction_page`. `content.py` says what a page is made from, `comparison.py` holds what the
paper states, `page.html` is the template.
"""

from leuknet.report.comparison import ComparisonRow, comparison_rows
from leuknet.report.content import FIGURES, FigureFile, ReproductionContent
from leuknet.report.page import reproduction_page

__all__ = [
    "FIGURES",
    "ComparisonRow",
    "FigureFile",
    "ReproductionContent",
    "comparison_rows",
    "reproduction_page",
]
