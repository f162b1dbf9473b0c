"""Says how well a model does, with intervals, and never needs PyTorch.

Start at `evaluate.py`; `formulas.py` computes scores and `metrics.py` names them. `looks.py` keeps the ledger
of looks at test cells.
"""
