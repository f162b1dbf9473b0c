"""Every measurement of the results page is made at its smallest."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import evidence
import results
from tests.conftest import _shrink_demo, draw_few, draw_nothing, run_line

pytestmark = pytest.mark.timeout(1200)  # minutes on a busy machine


@pytest.fixture(scope="module")
def small_studies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The studies' build folder; recipes and data are as small as can be, commands run in this process."""
    build = tmp_path_factory.mktemp("studies")
    tiny = ("image_size_px=32", "epochs=1", "batch_size=16")

    with pytest.MonkeyPatch.context() as patch:
        _shrink_demo(patch)
        draw_nothing(patch)
        draw_few(patch)
        patch.setattr(results, "_run", run_line)
        patch.setattr(evidence, "run", run_line)
        for script in (results, evidence):
            patch.setattr(script, "BUILD", build)
        patch.setattr(results, "FOLDS_COMMAND", results.FOLDS_COMMAND.replace("0.15", "0.01"))
        patch.setattr(results, "FC1_WIDTHS", (4,))
        patch.setattr(results, "WBC_SETTINGS", (*results.WBC_SETTINGS[:3], "epochs=1"))
        patch.setattr(results, "AUDIT_SEEDS", "0,1")
        patch.setattr(results, "BENCHMARK_SEEDS", "0")
        patch.setattr(evidence, "WBC_EPOCHS", 1)
        patch.setattr(evidence, "SEPARATIONS", {1.0: "usual"})
        patch.setattr(evidence, "SEEDS", {1.0: "0"})
        for name in ("SCALE", "MORE_SCALE", "MORE_CELLS"):
            patch.setattr(evidence, name, 0.01)
        smaller = (*tiny, "network_options.pretrained=false")
        slim = (*tiny, "network_options.filters=[4,6,8]", "network_options.fc1=8")
        sizes = {"leuknet-plus": slim, "strong": smaller}
        patch.setattr(evidence, "SIZES", sizes)
        patch.setattr(evidence, "INGREDIENTS", {"leuknet-plus": {"the best epoch": ("keep=last",)}})
        yield build


MEASURED = ("demo", "fc1-width", "explanations", "audit", "benchmark", "recipes", "ablations")
OF_REAL_IMAGES = ("real-prediction", "wbc-masks", "wbc-recipes")
OTHERWISE = {
    "real-paper": "has a test in test_real_cells",
    "real-fc1": "has a test in test_real_fc1",
    "real-systems": "has a test in test_real_systems",
    "real-audit": "has a test in test_real_recipes",
    "real-recipes": "has a test in test_real_recipes",
    "real-begun": "has a test in test_real_recipes",
    "new-people": "has a test in test_new_people",
    "real-probe": "has a test in test_real_probe",
    "finding": "has a test in test_scripts",
    "shares": "has a test in test_scripts",
    "verdicts": "has a test in test_scripts",
    "shared-validation": "has a test in test_scripts",
    "risk-bound": "has a test in test_scripts",
    "unfamiliar": "is what `familiarity` measures",
    "full-size": "half an hour: the code of `demo` with another option",
    "more-cells": "the code of `recipes` with networks that take minutes",
}


def test_every_measurement_of_the_results_page_has_a_small_run() -> None:
    assert {*results.MEASUREMENTS} == {*MEASURED, *OF_REAL_IMAGES, *OTHERWISE}


@pytest.mark.parametrize("name", MEASURED)
def test_a_measurement_of_the_results_page_runs(
    name: str, small_studies: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name == "demo":  # the others read the shared one
        monkeypatch.setattr(results, "BUILD", small_studies / "apart")
        shutil.copytree(request.getfixturevalue("mini_reproduction"), small_studies / "apart" / "demo")
    else:
        link_demo(small_studies, request)

    assert results.MEASUREMENTS[name](small_studies)


@pytest.mark.parametrize("name", OF_REAL_IMAGES)
def test_a_measurement_of_real_images_runs(
    name: str, small_studies: Path, request: pytest.FixtureRequest, shared_data: Path
) -> None:
    link_demo(small_studies, request)

    assert results.MEASUREMENTS[name](shared_data)["commands"]


def link_demo(build: Path, request: pytest.FixtureRequest) -> None:
    """Let the demonstration be there, as after `make demo`."""
    if not (build / "demo").exists():
        (build / "demo").symlink_to(request.getfixturevalue("mini_reproduction"))
