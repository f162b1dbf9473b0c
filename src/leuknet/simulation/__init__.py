"""Draws cells and fields that never existed, so that everything can be tried without a patient's image.

`simulate.py` writes a data set in C-NMC's layout, `population.py` holds its statistics, `draw.py` its looks;
`draw_fields.py` draws whole camera fields. Start at `leuknet.simulation.simulate.simulate`.
"""
