"""Trains a network: from a data set and a recipe to a run folder with a model folder in it.

Start at `train.py`; a gradient step happens in `loop.py`.
"""
