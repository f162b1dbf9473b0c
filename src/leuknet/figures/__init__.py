"""Draws the paper's five figures and the training curve, each from the data of a run.

Each `draw_` function takes the nouns of `leuknet.types` and returns a matplotlib `Figure`; nothing here
reads an image, keeps state or touches pyplot, so figures can be drawn in any thread of any program. Each
says "research use only", and with `simulated=True` also "SIMULATED CELLS", in the picture itself: pictures
travel without their captions.

Start at `draw_confusion`; `frame.py` holds what the figures share.
"""

from leuknet.figures.cells_plot import draw_classified, draw_samples
from leuknet.figures.confusion import draw_confusion
from leuknet.figures.curves_plot import draw_decision, draw_discrimination, draw_risk_coverage
from leuknet.figures.examples import Examples, choose_examples, choose_samples
from leuknet.figures.frame import save_figure
from leuknet.figures.framework import draw_framework
from leuknet.figures.gallery_plot import choose_certain_wrong, choose_typical, choose_uncertain, draw_gallery
from leuknet.figures.history_plot import draw_history
from leuknet.figures.network import draw_network
from leuknet.figures.reliability_plot import draw_reliability
from leuknet.figures.shares import draw_shares
from leuknet.figures.subjects import draw_subjects

__all__ = [
    "Examples",
    "choose_certain_wrong",
    "choose_examples",
    "choose_samples",
    "choose_typical",
    "choose_uncertain",
    "draw_classified",
    "draw_confusion",
    "draw_decision",
    "draw_discrimination",
    "draw_framework",
    "draw_gallery",
    "draw_history",
    "draw_network",
    "draw_reliability",
    "draw_risk_coverage",
    "draw_samples",
    "draw_shares",
    "draw_subjects",
    "save_figure",
]
