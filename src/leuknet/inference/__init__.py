"""Scores images with a trained model, without PyTorch.

`model_folder.py` says what a model folder holds and how it proves itself, `onnx_predictor.py` opens one,
`predict.py` scores any number of files, `familiar.py` says which of them the model does not know, and
`outcome.py` what is said of each. `prediction_table.py` writes the scores, `scored_table.py` reads such a
table back.
"""
