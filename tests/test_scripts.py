"""Every script below `bench/` and `studies/` does its work at its smallest; one that none runs fails."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import api_page
import copies
import coverage
import coverage_people
import detail_coverage
import equivalence
import familiarity
import finding
import frames
import fuzz_finder
import load
import performance
import reliability_page
import risk_bound
import scale
import scale_page
import screenshots
import shared_validation
import shares
import verdicts
from leuknet.data import open_dataset
from leuknet.evaluation.metrics import metric_intervals
from tests.browsers import needs_chromium
from tests.conftest import REPOSITORY, draw_few

pytestmark = pytest.mark.timeout(1200)  # minutes on a busy machine

RUN = {
    # By their own tests:
    **dict.fromkeys(
        (
            "run",
            "turns",
            "alone",
            "busy",
            "smears",
            "preparation",
            "arithmetic",
            "contests",
            "intervals",
            "worker",
        ),
        "bench",
    ),
    **dict.fromkeys(("ours", "plain", "in_keras", "others", "gemm", "plain_fields"), "bench/peers"),
    **dict.fromkeys(("architecture_page", "mutants", "results", "evidence"), "studies"),
    **dict.fromkeys(("real_cells", "real_picture", "real_probe", "real_recipes"), "studies"),
    **dict.fromkeys(("real_fc1", "real_systems", "new_people", "new_people_page", "pretrained"), "studies"),
    # As parts of others:
    "made_up": "bench/reading_room",  # of frames
    **dict.fromkeys(
        (
            "commands",
            "performance_figures",
            "performance_goals",
            "performance_busy",
            "performance_smears",
            "simulated_people",
        ),
        "studies",
    ),
}
"""Script to its folder."""


def runs(*scripts: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Say which scripts a test runs, as FOLDER/NAME."""
    RUN.update({Path(script).name: str(Path(script).parent) for script in scripts})
    return lambda test: test


def run_main(script: Any, patch: pytest.MonkeyPatch, *arguments: str | Path) -> None:
    """Run a script as a reader would, but in this process, which has imported all that it needs."""
    patch.setattr(sys, "argv", [script.__name__, *map(str, arguments)])
    script.main()


@runs("studies/api_page", "studies/performance", "studies/reliability_page")
@pytest.mark.parametrize("script", [api_page, performance, reliability_page], ids=lambda one: one.__name__)
def test_a_page_is_written_again_as_it_is(
    script: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = script.PAGE.read_text(encoding="utf-8")
    monkeypatch.setattr(script, "PAGE", tmp_path / "page.md")
    if script is performance:
        monkeypatch.setattr(script, "IMAGES", tmp_path)

    script.main()

    assert (tmp_path / "page.md").read_text(encoding="utf-8") == before


@runs("studies/fuzz_finder")
def test_generated_fields_neither_hang_nor_break_the_finder() -> None:
    found = fuzz_finder.fuzz(range(20))  # two of each kind

    assert found["bad"] == {}
    assert sum(found["outcomes"].values()) == found["fields"] == 20
    assert found["outcomes"]["cells"] > 1


@runs("studies/fuzz_finder")
def test_what_hangs_or_breaks_is_counted_and_the_next_field_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "within.py"
    script.write_text(
        "import os, sys, time\n"
        f"sys.path.insert(0, {str(Path(fuzz_finder.__file__).parent)!r})\n"
        "import fuzz_finder\n"
        "def look(number):\n"
        "    if number == 1: os.abort()\n"
        "    while number == 2: pass\n"
        "    if number == 3: time.sleep(3)\n"  # a computer that is busy: no processor time
        "    if number == 4: time.sleep(600)\n"
        "    return 'empty'\n"
        "fuzz_finder.look = look\n"
        "fuzz_finder.main()\n"
    )
    monkeypatch.setattr(fuzz_finder, "__file__", str(script))
    monkeypatch.setattr(fuzz_finder, "DEADLINE_S", 1.0)
    monkeypatch.setattr(fuzz_finder, "WAIT_S", 15.0)

    found = fuzz_finder.fuzz(range(6))

    assert found["bad"] == {1: "crash: status -6", 2: "hang", 4: "hang: it waits"}
    assert found["outcomes"] == {"crash": 1, "empty": 3, "hang": 2}
    assert (found["slowest"], found["slowest_s"]) == (2, 1.0)


@runs("studies/scale_page")
def test_the_page_of_many_images_is_made_from_its_figures(tmp_path: Path) -> None:
    scale_page.write_page(json.loads(scale.RESULTS.read_text(encoding="utf-8")), tmp_path / "scale.md")

    page = REPOSITORY / "docs" / "scale.md"
    assert (tmp_path / "scale.md").read_text(encoding="utf-8") == page.read_text(encoding="utf-8")


@runs("bench/equivalence")
def test_both_trainings_are_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw_few(monkeypatch)
    out = tmp_path / "equivalence.json"
    monkeypatch.setattr(sys, "argv", ["equivalence", "--small", "--out", str(out)])

    equivalence.main()

    found = json.loads(out.read_text(encoding="utf-8"))
    assert len(found["seeds"]) == equivalence.SMALL.seeds
    assert max(found["gradients_apart"]["float64"].values()) < 1e-9


@runs("bench/scale")
def test_batches_are_measured(tmp_path: Path) -> None:
    scale.measure([2], tmp_path / "home", out=tmp_path / "scale.json", workers=(1,))

    found = json.loads((tmp_path / "scale.json").read_text(encoding="utf-8"))
    assert [row["images"] for row in (*found["in_process"], *found["batch"])] == [2, 2, 2]


@runs("bench/load")
def test_readers_are_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = ["--database", "sqlite", "--no-worker", "--readers", "2", "--cells", "6", "--seconds", "3"]
    run_main(load, monkeypatch, *options, "--out", tmp_path / "load.json")

    found = json.loads((tmp_path / "load.json").read_text(encoding="utf-8"))["databases"]["sqlite"]
    assert found["errors"] == {}
    assert found["requests"] > 10


@needs_chromium
@runs("bench/frames")
def test_frames_are_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = ["--cells", "40", "--slide", "2048", "--seconds", "0.2", "--keys", "5"]
    run_main(frames, monkeypatch, tmp_path / "room", *options, "--out", tmp_path / "f.json")

    found = json.loads((tmp_path / "f.json").read_text(encoding="utf-8"))
    assert found["slide, tiles made now"]["tiles"]["n"] > 0
    assert found["key to next cell"]["n"] == 5
    assert found["key to all of next cell"]["median ms"] > 0


@needs_chromium
@runs("studies/screenshots")
def test_pictures_of_the_reading_room_are_taken(
    mini_reproduction: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(screenshots, "IMAGES", tmp_path)
    monkeypatch.setattr(screenshots, "HASTE", 10)

    screenshots.main(mini_reproduction / "run" / "model")

    assert len(list(tmp_path.glob("room-*.png"))) == 5


@runs("studies/finding")
def test_finders_are_measured_and_drawn(shared_data: Path) -> None:
    found = finding.measure_finding(shared_data, images=2, fields=1, repeats=1)

    assert found["simulated"]["fields"] == 1
    assert finding.finding_lines(found)


@runs("studies/copies")
def test_copies_and_other_cells_are_compared(simulated_fold: Path) -> None:
    dataset = open_dataset(simulated_fold)
    few = replace(dataset, cells=dataset.cells[:12])

    pairs = copies.measure_pairs(few)
    found = copies.measure_copies(few, few.cells[:2], ("PNG", "mirrored"))

    assert not any(pair.is_found for pair in pairs)
    assert [bits for bits, _ in found["PNG"]] == [0, 0]
    assert all(alike == pytest.approx(1, abs=1e-3) for _, alike in found["PNG"])
    assert copies.copy_lines(found)[4:] == [
        "| PNG | 0, 0 | 1.000 | 100.0% |",
        copies.copy_lines({"mirrored": found["mirrored"]})[4],
    ]
    made_up = [copies.Pair(0, 1, 20, False, 0.3), copies.Pair(0, 2, 8, True, 0.9)]
    table = "\n".join(copies.pair_lines(made_up, 3))
    assert "| 8 to 10 | 0 / 0 / 0 / 0 | 0 / 0 / 0 / **1** |" in table
    assert "| 20 to 22 | 1 / 0 / 0 / 0 | 0 / 0 / 0 / 0 |" in table
    assert "Of different people 0 of 1 pairs within 44 bits are taken for one cell" in table


@runs("studies/familiarity")
def test_what_is_familiar_is_measured(shared_data: Path, mini_reproduction: Path) -> None:
    found = familiarity.measure_familiarity(
        shared_data, mini_reproduction / "run" / "model", draws=1, pictures=2
    )

    assert found["draws"] == 1
    assert familiarity.familiarity_lines(found)


@runs("studies/risk_bound")
def test_bounds_on_the_risk_of_new_people_are_measured(tmp_path: Path) -> None:
    found = risk_bound.measure_bounds(tmp_path, draws=2)

    assert len(found["rows"]) == len(risk_bound.CASES) + 3 * (len(risk_bound.WAYS) - 1)
    assert all(0 <= row["called"] <= 1 for row in found["rows"])
    assert risk_bound.bound_lines(found)


@runs("studies/shares")
def test_intervals_of_shares_are_measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(shares, "EVALUATED", (20, 20))

    found = shares.measure_shares(tmp_path, new=2)

    assert len(found["rows"]) == len(shares.CELLS)
    assert shares.share_lines(found)


@runs("studies/verdicts")
def test_wrong_verdicts_are_counted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(verdicts, "PAIRS", verdicts.PAIRS[:1])
    monkeypatch.setattr(verdicts, "GRIDS", ((0.8, 0.25, 1), (0.8, 0.25, 3)))

    found = verdicts.measure_verdicts(tmp_path, draws=2)

    assert 0 <= found["pairs"][0]["after auroc"] <= found["pairs"][0]["before auroc"] <= 1
    table = [line for line in verdicts.verdict_lines(found) if line.startswith("| 0.80 | 0.25")]
    assert ["no verdict" in line for line in table] == [True, False]


@runs("studies/shared_validation")
def test_what_one_validation_side_costs_is_measured(tmp_path: Path) -> None:
    found = shared_validation.measure_shared_validation(tmp_path, draws=2)

    assert [row["people"] for row in found["rows"]] == [10, 20]
    assert all(0 < row[key] <= 1 for row in found["rows"] for key in ("fixed", "shared", "halves"))
    assert shared_validation.shared_validation_lines(found)


@runs("studies/coverage", "studies/coverage_people")
def test_coverage_is_counted_goes_on_and_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    smallest = {
        name: each
        for name, each in coverage.SETTINGS.items()
        if each.options.get("count", 0) <= 10 or "means, 2" in name
    }
    monkeypatch.setattr(coverage, "SETTINGS", smallest)
    monkeypatch.setattr(coverage, "PAGE", tmp_path / "page.md")
    (tmp_path / "page.md").write_text("above\n<!-- coverage -->\nold\n<!-- end of coverage -->\nbelow\n")
    kept = tmp_path / "coverage.json"

    coverage.main(["--draws", "1", "--out", str(kept)])
    coverage.main(["--draws", "2", "--out", str(kept)])

    found = json.loads(kept.read_text(encoding="utf-8"))
    assert {each["draws"] for each in found.values()} == {2}
    assert coverage.run(2, path=tmp_path / "at once.json", settings=smallest) == found
    page = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert page.startswith("above\n<!-- coverage -->\n\nFrom `python studies/coverage.py --draws 2`")
    assert "| 10 people, 0.94 | AUROC |" in page
    assert "old" not in page


@runs("studies/detail_coverage")
def test_coverage_of_details_is_counted() -> None:
    table = detail_coverage.table(2, counts=(10,), areas=(0.94,)).splitlines()

    assert [row.count("|") for row in table] == [9, 9, 9]
    assert table[2].startswith("| 10 people, AUROC 0.94 | ")
    assert all(cell.strip() in ("0%", "50%", "100%", "-") for cell in table[2].split("|")[2:-1])


def test_the_tables_of_coverage_are_those_of_the_draws_that_are_kept() -> None:
    page = coverage.PAGE.read_text(encoding="utf-8")

    found = json.loads(coverage.RESULTS.read_text(encoding="utf-8"))

    assert coverage.rendered(found, page) == page
    assert {*found} == {*coverage.SETTINGS}


def test_from_ten_people_on_intervals_hold_as_often_as_they_say() -> None:
    found = json.loads(coverage.RESULTS.read_text(encoding="utf-8"))

    for count in (10, 28, 60):
        for auroc in coverage.AREAS:
            for score in coverage_people.SCORES:
                counted, held, _ = found[f"scores, {count} people, {auroc:.2f}"]["sums"][f"chosen / {score}"]
                assert counted == 500
                assert 0.915 <= held / counted <= 0.975, (count, auroc, score)


def test_sums_over_people_give_the_scores_of_their_cells() -> None:
    drawn = coverage_people.draw_people(8, 0.8, seed=(1,))
    sums = coverage_people.sums_of(drawn)
    everyone = metric_intervals(
        drawn.labels, drawn.probabilities, threshold=0.5, clusters=drawn.whose,
        metrics=["auroc", "weighted_f1", "balanced_accuracy", "subject_accuracy"],
    )  # fmt: skip

    assert sums.scores(np.ones((1, 8)))[:, 0] == pytest.approx([one.estimate for one in everyone.values()])
    limits = coverage_people.score_limits(drawn, seed=(2,))["chosen"]
    assert limits.tolist() == [pytest.approx([one.low, one.high]) for one in everyone.values()]


def test_every_script_has_a_small_run() -> None:
    scripts = [path for folder in ("bench", "studies") for path in (REPOSITORY / folder).rglob("*.py")]
    names = {path.stem for path in scripts} - {"__init__"}

    assert len(names) > 20
    assert names - {*RUN} == set()
    assert {*RUN} - names == set()
