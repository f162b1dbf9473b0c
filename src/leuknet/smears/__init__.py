"""Scores whole smears: the cells of one image or slide, counted, drawn and written to files.

Start at `examine.py`, which does all of it for one image; `smear.py` scores, `smear_files.py` and
`smear_page.py` write. `leuknet.fields` finds the cells.
"""
