"""Says how well a model does, with an interval on every number, and never needs PyTorch.

Start at `evaluate.py`; `formulas.py` computes scores and `metrics.py` names them. `looks.py` keeps the ledger
of looks at test cells.
"""
