"""LeukNet tells leukaemic B-lymphoblasts (ALL) from normal lymphocytes (HEM) in microscope images.

Research software, not a medical device. `leuknet.load` opens a trained model; its `.predict(pixels)`
gives P(leukaemic) of each image:

    >>> import leuknet
    >>> model = leuknet.load("build/demo/run/model")        # doctest: +SKIP
    >>> model.predict(pixels)                               # doctest: +SKIP
    array([0.93, 0.08])

`dir(leuknet)` lists all that is public, docs/python.md shows it at work. `import leuknet` alone loads none of
the large libraries: each name is imported when it is first used.
"""

from __future__ import annotations

import importlib
import os
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

# Libraries that report to their makers are told not to before any of them is imported: ONNX Runtime from 1.29
# on writes an id of the device at import, and looks up a host of Microsoft's 9 s later. Every part of LeukNet
# imports this module first, and children inherit what it sets. A setting of the user's own stands.
for _variable, _off in {
    "ORT_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
}.items():
    os.environ.setdefault(_variable, _off)

# Threads of PyTorch's operators spin while they wait for each other, and on a machine with other work keep
# the one that they wait for from its core. Read when PyTorch is loaded; measured by `bench/run.py --busy`.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

if TYPE_CHECKING:
    # ruff: noqa: F401
    # The names of `_PLACES` once more, for type checkers and editors; a test holds them against each other.
    from leuknet.batch.run import score_batch as score_batch
    from leuknet.client import Client as Client
    from leuknet.data import open_dataset as open_dataset
    from leuknet.data import read_pixels as read_pixels
    from leuknet.errors import LeukNetError as LeukNetError
    from leuknet.evaluation.compare import compare as compare
    from leuknet.evaluation.details import details_of as details_of
    from leuknet.evaluation.evaluate import read_evaluation as read_evaluation
    from leuknet.evaluation.planning import plan_interval as plan_interval
    from leuknet.evaluation.planning import plan_power as plan_power
    from leuknet.evaluation.share import subject_shares as subject_shares
    from leuknet.evaluation.study_plan import StudySizes as StudySizes
    from leuknet.experiments.assess import assess as evaluate
    from leuknet.inference.predict import find_images as find_images
    from leuknet.inference.predict import predict_files as predict_files
    from leuknet.inference.prediction_table import write_predictions as write_predictions
    from leuknet.inference.scored_table import read_scored as read_scored
    from leuknet.recipes import changed as change_recipe
    from leuknet.recipes import get_recipe as get_recipe
    from leuknet.report.run_report import write_report as write_report
    from leuknet.sharing.export import export_model as export_model
    from leuknet.sharing.load import load as load
    from leuknet.simulation.draw_fields import write_fields as simulate_fields
    from leuknet.simulation.simulate import simulate as simulate_cells
    from leuknet.smears.scoring import find_cells as find_cells
    from leuknet.smears.scoring import score_field as score_field
    from leuknet.training.train import train as train
    from leuknet.types import Dataset as Dataset
    from leuknet.types import Evaluation as Evaluation
    from leuknet.types import Prediction as Prediction
    from leuknet.types import Recipe as Recipe

_PLACES = {
    # data sets, and simulated ones
    "open_dataset": "leuknet.data:open_dataset",
    "read_pixels": "leuknet.data:read_pixels",
    "simulate_cells": "leuknet.simulation.simulate:simulate",
    "simulate_fields": "leuknet.simulation.draw_fields:write_fields",
    # models
    "get_recipe": "leuknet.recipes:get_recipe",
    "change_recipe": "leuknet.recipes:changed",
    "train": "leuknet.training.train:train",
    "load": "leuknet.sharing.load:load",
    "export_model": "leuknet.sharing.export:export_model",
    # scores
    "find_images": "leuknet.inference.predict:find_images",
    "predict_files": "leuknet.inference.predict:predict_files",
    "write_predictions": "leuknet.inference.prediction_table:write_predictions",
    "score_batch": "leuknet.batch.run:score_batch",
    "find_cells": "leuknet.smears.scoring:find_cells",
    "score_field": "leuknet.smears.scoring:score_field",
    # what they are worth
    "evaluate": "leuknet.experiments.assess:assess",
    "read_evaluation": "leuknet.evaluation.evaluate:read_evaluation",
    "details_of": "leuknet.evaluation.details:details_of",
    "compare": "leuknet.evaluation.compare:compare",
    "plan_interval": "leuknet.evaluation.planning:plan_interval",
    "plan_power": "leuknet.evaluation.planning:plan_power",
    "StudySizes": "leuknet.evaluation.study_plan:StudySizes",
    "write_report": "leuknet.report.run_report:write_report",
    "read_scored": "leuknet.inference.scored_table:read_scored",
    "subject_shares": "leuknet.evaluation.share:subject_shares",
    # the reading room
    "Client": "leuknet.client:Client",
    # nouns
    "Dataset": "leuknet.types:Dataset",
    "Evaluation": "leuknet.types:Evaluation",
    "LeukNetError": "leuknet.errors:LeukNetError",
    "Prediction": "leuknet.types:Prediction",
    "Recipe": "leuknet.types:Recipe",
}
"""Public name to where it is: `module:attribute`."""

__all__ = ["__version__", *sorted(_PLACES)]

__version__ = version("leuknet")


def __dir__() -> list[str]:
    return __all__


if not TYPE_CHECKING:  # or checkers would take any name of this package for one that is there

    def __getattr__(name: str) -> Any:
        """Import a public name when it is first asked for.

        Raises
        ------
        MissingExtraError
            If it needs an optional part of LeukNet that is not installed.
        """
        if name not in _PLACES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        module, _, attribute = _PLACES[name].partition(":")
        try:
            found = getattr(importlib.import_module(module), attribute)
        except ModuleNotFoundError as error:
            from leuknet.errors import missing_extra

            raise (missing_extra(error, what=f"cannot use leuknet.{name}") or error) from error
        globals()[name] = found  # asked for once
        return found
