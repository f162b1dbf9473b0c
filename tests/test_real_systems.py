"""The table of published systems is measured here at its smallest, on simulated cells in place of real."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

import commands
import real_systems
from leuknet.evaluation.evaluate import read_evaluation
from leuknet.recipes import RECIPES
from tests.conftest import run_line, simulate_few

pytestmark = pytest.mark.timeout(1200)  # minutes on a busy machine

SMALL = ("image_size_px=32", "epochs=1", "batch_size=16", "rate_drop_epochs=1")
ALL_SYSTEMS = {system.recipe for system in real_systems.SYSTEMS}


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build folder with the paper's network, as the measurement `real-paper` leaves it."""
    build = tmp_path_factory.mktemp("build")
    data = simulate_few(build / "cells", seed=0, scale=0.01, parts=("fold_1", "fold_2"))
    paper = build / real_systems.PAPER
    settings = " ".join(f"--set {shlex.quote(one)}" for one in (*SMALL, *real_systems.BY_IMAGE))
    run_line(f"train leuknet-demo --data {data} --out {paper} {settings}")
    run_line(f"evaluate {paper / 'model'} --data {data} --out {paper / 'evaluation'}")
    run_line(f"evaluate {paper / 'model'} --data {data} --out {paper / 'new-people'} --new-people")
    return build


@pytest.fixture(scope="module")
def found(build: Path) -> dict[str, Any]:
    """What the measurement gave, of one network and of an ensemble of two."""
    systems = (
        real_systems.System("clinton-2020", SMALL, "one"),
        real_systems.System("bukhari-2022", SMALL, "two", members=2),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(real_systems, "BUILD", build)
        patch.setattr(real_systems, "SYSTEMS", systems)
        patch.setattr(commands, "run", run_line)
        patch.setattr(
            real_systems, "restore", lambda _: (build / "cells", "python restore.py build/cnmc2019")
        )
        first = real_systems.measure_real_systems(build)
        patch.setattr(commands, "run", None)  # nothing is trained or judged twice
        assert real_systems.measure_real_systems(build) == first
    written: dict[str, Any] = json.loads(json.dumps(first))
    return written


def test_each_system_is_trained_once_and_judged_on_its_own_people_and_on_new_ones(
    build: Path, found: dict[str, Any]
) -> None:
    assert [row["name"] for row in found["rows"]] == ["leuknet-paper", "clinton-2020", "bukhari-2022"]
    assert found["by_image"]["kind"] == "image-level"
    assert found["new_people"]["kind"] == "subject-level"
    words = [command.split()[1] for command in found["commands"]]
    once = ("train", "evaluate", "evaluate")
    assert words == ["restore.py", *once, "train", "train", "ensemble", "evaluate", "evaluate"]
    assert "--set draw=1" in found["commands"][5]
    own = read_evaluation(build / "real-systems" / "clinton-2020" / "evaluation" / "evaluation.json")
    assert found["rows"][1]["by_image"][1].startswith(f"{own.metrics['auroc'].estimate:.3f} ")
    assert found["by_image"]["cells"] == [own.labels.count(1), own.labels.count(0)]
    tested = {who for who, label in zip(own.subject_ids, own.labels, strict=True) if label == 1}
    assert found["by_image"]["people"][0] == len(tested)


def test_the_page_has_each_system_each_floor_and_what_stays_quoted(found: dict[str, Any]) -> None:
    page = "\n".join(real_systems.real_system_lines(found))

    for row in found["rows"]:
        assert (
            f"| `{row['name']}` | {row['by_image'][0]} | {row['by_image'][1]} | {row['new_people'][0]}"
            in page
        )
        assert f"| `{row['name']}` | {row['claim']} |" in page
    assert [floor[0] for floor in found["floors"]] == [f"baseline: {name}" for name in real_systems.BASELINES]
    assert all(" | ".join(floor) in page for floor in found["floors"])
    assert "89% on 1,732 bone-marrow images" in page
    assert "97.2% on SN-AM" in page


def test_rows_of_other_cells_are_refused(build: Path, tmp_path: Path) -> None:
    paper = build / real_systems.PAPER
    for side, other in (("evaluation", "new-people"), ("new-people", "evaluation")):
        (tmp_path / side).mkdir()
        text = (paper / other / "evaluation.json").read_text(encoding="utf-8")
        (tmp_path / side / "evaluation.json").write_text(text, encoding="utf-8")

    real_systems._check_same_cells(paper, paper)
    with pytest.raises(SystemExit, match="different cells"):
        real_systems._check_same_cells(tmp_path, paper)


def test_every_published_system_that_the_paper_cites_is_measured() -> None:
    published = {name for name in RECIPES if name[-4:].isdigit()}

    assert published - ALL_SYSTEMS == {"prellberg-2019"}
