"""A command opens a model folder once, and once names it: its card, its weights, its graph and its split."""

from __future__ import annotations

import builtins
import io
import os
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import onnxruntime
import pytest

from leuknet.data import open_dataset
from leuknet.inference.model_folder import FILES
from leuknet.inference.model_id import model_id_of
from tests.conftest import run_cli


@pytest.fixture
def model(mini_reproduction: Path, tmp_path: Path) -> Path:
    """A model folder of its own, so that what others open is not counted."""
    return Path(shutil.copytree(mini_reproduction / "run" / "model", tmp_path / "run" / "model"))


@pytest.fixture
def data(mini_reproduction: Path) -> Path:
    """The cells that it was trained on. Read only."""
    return mini_reproduction / "data"


@pytest.fixture
def opened(model: Path, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each file of the folder was opened by Python, and how many graphs ONNX Runtime was given."""
    counts: Counter[str] = Counter()
    plain, session = io.open, onnxruntime.InferenceSession

    def open_counted(file: Any, *arguments: Any, **options: Any) -> Any:
        if isinstance(file, str | os.PathLike) and Path(os.fspath(file)).parent == model:
            counts[Path(os.fspath(file)).name] += 1
        return plain(file, *arguments, **options)

    def session_counted(*arguments: Any, **options: Any) -> Any:
        counts["session"] += 1
        return session(*arguments, **options)

    monkeypatch.setattr(io, "open", open_counted)
    monkeypatch.setattr(builtins, "open", open_counted)
    monkeypatch.setattr(onnxruntime, "InferenceSession", session_counted)
    return counts


def test_files_are_counted(model: Path, opened: Counter[str]) -> None:
    for _ in range(3):
        model_id_of(model)

    assert opened == Counter(dict.fromkeys(FILES, 3))


NAMED = Counter(dict.fromkeys(FILES, 1))
"""The id is of what all files hold, so that each is read for it, besides being read for what it says."""

ONCE = NAMED + Counter(["model.json", "golden.npz", "reference.npz"])


def test_predict_opens_a_model_once(model: Path, opened: Counter[str], data: Path, tmp_path: Path) -> None:
    cell = open_dataset(data).cells[0].path

    assert run_cli("predict", model, cell, "--out", tmp_path / "scores.csv").status == 0
    assert opened == ONCE + Counter(["session"])


def test_explain_opens_a_model_once(model: Path, opened: Counter[str], data: Path, tmp_path: Path) -> None:
    cell = open_dataset(data).cells[0].path

    assert run_cli("explain", model, cell, "--out", tmp_path / "why", "--method", "grad-cam").status == 0
    assert opened == ONCE + Counter(["weights.safetensors"])


@pytest.mark.parametrize(
    ("more", "computing"),
    [((), "session"), (("--galleries",), "weights.safetensors")],
    ids=["by its graph", "galleries"],
)
def test_evaluate_opens_a_model_once(
    more: tuple[str, ...], computing: str, model: Path, opened: Counter[str], data: Path
) -> None:
    ended = run_cli("evaluate", model, "--data", data, *more)

    assert ended.status == 0, ended.err
    assert opened == ONCE + Counter(["split.json", computing])


def test_export_opens_a_model_once(model: Path, opened: Counter[str], data: Path, tmp_path: Path) -> None:
    options = ("--precision", "int8", "--data", data, "--max-accuracy-loss", 1)

    ended = run_cli("export", model, "--out", tmp_path / "cells.onnx", *options)

    assert ended.status == 0, ended.err
    # The golden images prove the model, then its graph; a session for each of the two graphs, and one that
    # ONNX Runtime's quantisation makes to see the range of each map.
    # The card once more, for the names of the classes by which the data are read.
    again = ["weights.safetensors", "model.json", "golden.npz", "split.json"]
    assert opened == ONCE + Counter(again) + Counter(session=3)
