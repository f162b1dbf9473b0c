"""Draws the paper's five figures and the training curve, each from the data of a run.

Each `draw_` function takes the nouns of `leuknet.types` and returns a matplotlib `Figure`; nothing here
reads an image, keeps state or touches pyplot, so figures can be drawn in any thread of any program. Each
says "research use only", and with `simulated=True` also "SIMULATED CELLS", in the picture itself: pictures
travel without their captions.

Start at `draw_confusion`; `frame.py` holds what the figures share.
"""

from leuknet.figures.cells import draw_classified, draw_samples
from leuknet.figures.confusion import draw_confusion
from leuknet.figures.examples import Examples, choose_examples, choose_samples
from leuknet.figures.frame import save_figure
from leuknet.figures.framework import draw_framework
from leuknet.figures.history import draw_history
from leuknet.figures.network import draw_network

__all__ = [
    "Examples",
    "choose_examples",
    "choose_samples",
    "draw_classified",
    "draw_confusion",
    "draw_framework",
    "draw_history",
    "draw_network",
    "draw_samples",
    "save_figure",
]
