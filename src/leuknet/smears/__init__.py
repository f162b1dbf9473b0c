"""Scores whole smears: the cells of one image or slide, counted, drawn and written to files.

Start at `scoring.py` for cells and scores without files, or at `examine.py`, which writes all that there is
to say of one image; `smear.py` scores, `smear_files.py` and `smear_page.py` write; `extract.py` cuts cells
out without a model. `leuknet.fields` finds the cells.
"""
