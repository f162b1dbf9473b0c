"""The probe on new people is measured here at its smallest, on simulated cells in the place of real ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import commands
import real_cells
import real_probe
from leuknet.evaluation.evaluate import read_evaluation
from tests.conftest import run_line, simulate_few

pytestmark = pytest.mark.timeout(1200)  # minutes on a busy machine


def test_the_probe_is_judged_on_people_who_did_not_teach_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = simulate_few(tmp_path / "cells", seed=0, scale=0.01, parts=("fold_1", "fold_2"))
    asked: list[str] = []

    def run(command: str) -> str:
        asked.append(command)
        return run_line(command)

    small = ("network_options.pretrained=false", "image_size_px=32", "epochs=2", "batch_size=16")
    monkeypatch.setattr(real_probe, "SETTINGS", small)
    monkeypatch.setattr(real_probe, "SEEDS", (0,))
    monkeypatch.setattr(real_probe, "SIMULATED", "data simulate {folder} --scale 0.02 --part fold_0")
    monkeypatch.setattr(real_probe, "BUILD", tmp_path)
    monkeypatch.setattr(commands, "run", run)
    monkeypatch.setattr(real_probe, "restore", lambda _: (data, "python restore.py build/cnmc2019"))
    section = next(one for one in real_cells.SECTIONS if one.name == "real-probe")

    found = json.loads(json.dumps(section.measure(tmp_path)))
    n_asked = len(asked)
    again = section.measure(tmp_path)

    assert json.loads(json.dumps(again)) == found
    assert len(asked) == n_asked == 5, "nothing is trained or judged twice"
    taught, simulated = (
        read_evaluation(tmp_path / "real-probe" / name / "new" / "evaluation.json")
        for name in ("fold_1-0", "from-simulated")
    )
    assert [row["cells"] for row in found["rows"]] == [
        [list(one.labels).count(0), list(one.labels).count(1)] for one in (taught, simulated)
    ]
    assert taught.cells < simulated.cells
    text = "\n".join(section.write(found))
    assert "simulated cells alone" in text
    assert found["rows"][0]["auroc"] in text
