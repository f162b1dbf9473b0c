"""Draws the paper's five figures and the training curve, each from the data of a run.

Each `draw_` function takes the nouns of `leuknet.types` and returns a matplotlib `Figure`; nothing here
reads an image, keeps state or touches pyplot, so figures can be drawn in any thread of any program. Each
says "research use only", and with `simulated=True` also "SIMULATED CELLS", in the picture itself: pictures
travel without their captions.

Start at `confusion.draw_confusion`; `frame.py` holds what the figures share.
"""
