"""Widths of fc1 are measured here at their smallest, on simulated cells in place of real ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import commands
import real_fc1
from leuknet.inference.model_folder import open_card
from tests.conftest import run_line, simulate_few

SMALL = ("image_size_px=32", "epochs=1", "batch_size=16", "fractions=[0.6,0.2,0.2]")


def test_each_width_is_trained_once_and_judged_by_image_and_on_new_people(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = simulate_few(tmp_path / "cells", seed=0, scale=0.02, parts=("fold_1", "fold_2"))
    monkeypatch.setattr(real_fc1, "BUILD", tmp_path)
    monkeypatch.setattr(real_fc1, "WIDTHS", (4, 8))
    monkeypatch.setattr(real_fc1, "SETTINGS", (*real_fc1.SETTINGS, *SMALL))
    monkeypatch.setattr(real_fc1, "restore", lambda _: (data, "python restore.py build/cnmc2019"))
    monkeypatch.setattr(commands, "run", run_line)

    first = real_fc1.measure_real_fc1(tmp_path)
    monkeypatch.setattr(commands, "run", None)  # nothing is trained or judged twice
    assert real_fc1.measure_real_fc1(tmp_path) == first

    found = json.loads(json.dumps(first))
    assert [command.split()[1] for command in found["commands"][1:4]] == ["train", "evaluate", "evaluate"]
    cards = [open_card(tmp_path / "real-fc1" / width / "model") for width in ("4", "8")]
    assert [card.recipe.network_options["fc1"] for card in cards] == [4, 8]
    assert [row["parameters"] for row in found["rows"]] == sorted(row["parameters"] for row in found["rows"])
    page = "\n".join(real_fc1.real_fc1_lines(found))
    assert all(row["new_people"] in page and row["accuracy"] in page for row in found["rows"])
