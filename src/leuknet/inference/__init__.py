"""Scores images with a trained model, without PyTorch.

`model_folder.py` says what a model folder holds and how it proves itself, `onnx_predictor.py` opens one,
`predict.py` scores any number of files and `familiar.py` says which of them the model does not know.
`prediction_table.py` writes the scores, `scored_table.py` reads such a table back.
"""
