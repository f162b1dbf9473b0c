"""Turns image files into pixels, and pixels into what networks and baselines take in.

`reading.py` decodes a file, `transform.py` brings it to a network's input; `cache.py` and `inputs.py` keep
what was prepared. `survey.py` looks at each image of a data set once: perceptual hash
(`near_duplicates.py`), sizes and stain (`measures.py`), thumbnail and `texture.py`. `windows.py` says which
part of each feature map a cell can reach.
"""
