"""Shows where in an image a network finds what it answers, and checks whether the maps mean anything.

`maps.py` computes Grad-CAM and occlusion, `sanity.py` tests them, `galleries.py` draws them over cells.
"""
