"""Shows where in an image a network finds what it answers, and checks whether the maps mean anything.

`methods.py` lists the maps: `occlusion.py`, which any predictor computes, and `grad_cam.py`, which needs
PyTorch. `sanity.py` tests them, `galleries.py` draws them over cells.
"""
