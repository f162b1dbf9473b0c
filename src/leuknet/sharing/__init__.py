"""Gives a trained model to others: one ONNX file (`export.py`), or a repository on the hub (`hub.py`)."""
