"""The benchmark: its arithmetic, its refusal of unequal answers, its workers, and the page it makes."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import performance
import run
import turns
from alone import ALONE
from arithmetic import executed_gflop, nominal_gflop
from contests import CONTESTS, PLAIN, Contest
from leuknet.errors import ModelError
from leuknet.networks import layer_table
from peers import Setup
from performance_goals import goal_rows


def values(median: float, low: float, high: float) -> dict[str, float]:
    return {"median": median, "min": low, "max": high}


def made_up_results() -> dict[str, Any]:
    """A run with one figure of each form; one peer is missing, one is faster than LeukNet."""
    files = {
        "leuknet (onnx)": values(100, 90, 110) | {"peak_rss_mb": 300, "ours_times_as_fast": values(1, 1, 1)},
        PLAIN: values(12.5, 12, 13) | {"peak_rss_mb": 1234, "ours_times_as_fast": values(8, 7.5, 8.5)},
        "ONNX Runtime": values(80, 78, 81)
        | {"peak_rss_mb": 410, "ours_times_as_fast": values(1.25, 1.1, 1.4)},
        "OpenVINO": values(125, 120, 130) | {"peak_rss_mb": 500, "ours_times_as_fast": values(0.8, 0.7, 0.9)},
        "Keras": {"error": "not installed:\n no | network"},
    }
    step = {
        "leuknet": values(50, 49, 51)
        | {
            "gflop_per_image": 3.1,
            "share_of_peak": 0.61,
            "share_of_peak_if_whole": 2.28,
            "ours_times_as_fast": values(1, 1, 1),
        },
        PLAIN: values(500, 490, 510)
        | {
            "gflop_per_image": 11.6,
            "share_of_peak": 0.23,
            "share_of_peak_if_whole": 0.23,
            "ours_times_as_fast": values(10, 9.8, 10.2),
        },
    }
    growth = [
        {"images": 100, "seconds": 1.5, "peak_rss_mb": 201},
        {"images": 100_000, "seconds": 1500.0, "peak_rss_mb": 230},
    ]
    return {
        "measured_at": "2026-01-02T03:04:05+00:00",
        "commit": "0123abc",
        "machine": "Some CPU, 2 cores",
        "cores": 2,
        "load_average_before": 0.1,
        "versions": {"python": "3.11.7", "torch": "2.14.1"},
        "sizes": {"image_size_px": 224, "rounds": 5, "growth": [100, 100_000]},
        "figures": [
            {
                "name": "training step, 16 images",
                "unit": "ms/image",
                "images": 16,
                "ours": "leuknet",
                "sides": step,
                "peak_gflops": {"float32": values(150, 140, 155), "bfloat16": values(0.3, 0.29, 0.31)},
            },
            {
                "name": "predicting from files",
                "unit": "images/s",
                "images": 64,
                "ours": "leuknet (onnx)",
                "sides": files,
            },
            {"name": "many images", "image_size_px": 64, "rows": growth},
            {"name": "start-up", "unit": "s", "rows": {"import leuknet": values(0.31, 0.3, 0.4)}},
        ],
    }


def test_median_and_range_keep_the_order_of_the_rounds() -> None:
    assert turns.spread([3.0, 1.0, 2.5]) == {"median": 2.5, "min": 1.0, "max": 3.0, "all": [3.0, 1.0, 2.5]}


def test_a_ratio_pairs_the_times_of_one_round_and_is_not_the_ratio_of_medians(
    tmp_path: Path,
) -> None:
    contest = Contest("decoding", "decoding", "leuknet", (PLAIN,), 10)
    sides: dict[str, turns.Side] = {
        "leuknet": {"seconds": [1.0, 2.0, 4.0], "peak_rss_mb": 1},
        PLAIN: {"seconds": [9.0, 6.0, 8.0], "peak_rss_mb": 2},
        "Keras": {"error": "no"},
    }

    figure = turns.figure_of(contest, sides, {}, Setup(tmp_path, "cells", 32, (), (), (0, 0, 0)))

    # 9/1, 6/2 and 8/4 have the median 3; the medians 8 and 2 would give 4.
    assert figure["sides"][PLAIN]["ours_times_as_fast"]["all"] == [9, 3, 2]
    assert figure["sides"][PLAIN]["ours_times_as_fast"]["median"] == 3
    assert figure["sides"]["leuknet"]["median"] == 200  # ms for each of 10 images
    assert figure["sides"]["Keras"] == {"error": "no"}


@pytest.mark.parametrize(
    ("peer", "answer", "refused"),
    [
        ("leuknet", [0.0004, 2.0], False),  # 0.0001 of probability at 0
        ("leuknet", [0.0005, 2.0], True),
        ("ONNX Runtime", [0.004, 2.0], False),  # other kernels: ten times as far
        ("ONNX Runtime", [0.005, 2.0], True),
        ("ONNX Runtime", [float("nan"), 2.0], True),
        ("timm resnet18", [5.0, 2.0], False),  # another network
    ],
)
def test_peers_that_answer_otherwise_end_the_run(peer: str, answer: list[float], refused: bool) -> None:
    contest = Contest("forward", "forward", "leuknet", (PLAIN, peer), 2, tolerance=1.001e-4)
    sides = {PLAIN: {"answer": [0.0, 2.0]}, peer: {"answer": answer}}

    if not refused:
        turns.refuse_unequal(contest, sides, number=0)
        return
    with pytest.raises(ModelError, match="no timing is reported"):
        turns.refuse_unequal(contest, sides, number=0)


def test_operations_of_whole_images_are_those_of_the_layers_and_windows_leave_fewer() -> None:
    # Outputs x inputs of each (9 weights a channel), two operations each: 224, 111 and 55 px wide maps.
    by_hand = 2 * (
        224**2 * 64 * 27 + 111**2 * 128 * 64 * 9 + 55**2 * 256 * 128 * 9 + 27**2 * 256 * 128 + 128 * 2
    )
    assert len(layer_table("leuknet", 224)) == 17
    assert nominal_gflop(1, 224, backward=False) == pytest.approx(by_hand / 1e9)
    # Backward costs twice as much again, but no gradient goes to the image.
    assert nominal_gflop(1, 224, backward=True) == pytest.approx((3 * by_hand - 2 * 224**2 * 64 * 27) / 1e9)

    inputs = np.zeros((8, 224, 224, 3), dtype=np.uint8)
    inputs[:, 100:124, 100:124] = 90
    assert executed_gflop(inputs, chunk_size=2, backward=False) < nominal_gflop(8, 224, backward=False)
    # Without a margin all of them are computed, and the black image too, which has no dense layers.
    frames = executed_gflop(np.full_like(inputs, 90), chunk_size=2, backward=False)
    dense = 2 * (27**2 * 256 * 128 + 128 * 2) / 1e9
    assert frames == pytest.approx(9 * by_hand / 1e9 - dense, rel=0.02)


def test_a_worker_answers_lines_and_says_why_it_cannot(tmp_path: Path) -> None:
    path = tmp_path / "setup.json"
    setup = Setup(tmp_path, "cells", 32, (), (), (0.0, 0.0, 0.0))
    path.write_text(json.dumps(asdict(setup), default=str), encoding="utf-8")
    np.save(tmp_path / "cells.npy", np.zeros((1, 32, 32, 3), dtype=np.uint8))

    worker = turns.Worker("matrix product", path)
    try:
        assert worker.wait() is None
        said = worker.ask("product", n=4, kind="float32")
        assert said["seconds"] > 0
        assert 0 <= said["answer"] <= 4  # four products of numbers in [0, 1)
        assert worker.ask("product", n=4, kind="no such")["error"].startswith("AttributeError")
        assert "error" in worker.ask("no such job")
    finally:
        worker.close()
    broken = turns.Worker("plain PyTorch", path)  # there are no weights in that folder
    why = broken.wait()
    broken.close()
    assert why is not None
    assert why.startswith("FileNotFoundError")


def test_peak_memory_is_the_workers_own_and_not_that_of_its_parent(tmp_path: Path) -> None:
    path = tmp_path / "setup.json"
    setup = Setup(tmp_path, "cells", 32, (), (), (0.0, 0.0, 0.0))
    path.write_text(json.dumps(asdict(setup), default=str), encoding="utf-8")
    large = np.ones(200_000_000)  # 1,600 MB; a process starts as a copy of its parent

    worker = turns.Worker("matrix product", path)
    worker.wait()
    said = worker.ask("product", n=4, kind="float32")
    worker.close()

    assert large.nbytes / 2**20 > said["peak_rss_mb"] > 20


def test_goals_are_met_or_missed_by_the_median() -> None:
    found = {figure["name"]: figure for figure in made_up_results()["figures"]}

    verdicts = [(measured, verdict) for _, measured, verdict in goal_rows(found)]

    assert verdicts == [
        ("not measured", ""),
        ("61%", "met"),
        ("not measured", ""),
        ("8 (7.5 to 8.5) times", "met"),
        # OpenVINO is the better of the two, and LeukNet takes 1 / 0.8 = 1.25 times its time.
        ("0.8 (0.7 to 0.9) times", "**not met**"),
        ("0.31 (0.3 to 0.4) s", "**not met**"),
        ("not measured", ""),
    ]


def test_the_page_holds_every_figure_and_the_reason_where_there_is_none() -> None:
    text = performance.render(made_up_results(), None)

    assert "| LeukNet | 50 (49 to 51) | 1 | 3.1 | 61% | 228% |" in text
    assert "| plain PyTorch | 12.5 (12 to 13) | 8 (7.5 to 8.5) |" in text
    assert r"| Keras | not measured: not installed: no \| network |  |" in text
    assert "| plain PyTorch | 1,234 |" in text
    assert "| 100,000 | 1,500 | 15 | 230 |" in text
    assert "Not measured: `python bench/equivalence.py` trains both ways." in text
    tables = [line for line in text.splitlines() if line.startswith("|")]
    assert len(tables) > 20
    assert all(line.endswith("|") for line in tables)


def test_the_page_is_the_one_that_the_measured_figures_give() -> None:
    results = json.loads(performance.RESULTS.read_text(encoding="utf-8"))

    assert performance.PAGE.read_text(encoding="utf-8") == performance.render(
        results,
        performance.read_if_there(performance.EQUIVALENCE),
        performance.read_if_there(performance.BUSY),
        performance.read_if_there(performance.SMEARS),
    )


def test_the_page_states_the_differences_between_both_trainings() -> None:
    seeds = [
        {"probabilities_apart": 0.002, "test_cells": 22},
        {"probabilities_apart": 0.004, "test_cells": 22},
    ]
    summary = {
        "accuracy_whole": 0.81,
        "accuracy_windowed": 0.8125,
        "difference": 0.0025,
        "interval_95": [-0.01, 0.015],
    }
    gradients = {"float32": {"conv1.weight": 2e-6, "fc1.bias": 1e-7}, "float64": {"conv1.weight": 3e-15}}

    text = performance.render(
        made_up_results(), {"gradients_apart": gradients, "seeds": seeds, "summary": summary}
    )

    assert "2.0e-06 in float32, 3.0e-15 in float64." in text
    assert "difference +0.25 percentage points (95% interval -1.00 to +1.50, over seeds)" in text
    assert "Probabilities lie 0.003 apart on average." in text


def test_pictures_are_drawn_for_what_was_measured() -> None:
    results = made_up_results()

    drawn = performance.pictures(results)

    assert list(drawn) == ["ratios", "growth", "memory"]
    bars = [patch.get_width() for axes in all_axes(drawn["ratios"]) for patch in axes.patches]
    # From 1 to the ratio: plain step; plain, ONNX Runtime and OpenVINO from files. Peers that win go left.
    assert bars == pytest.approx([9, 7, 0.25, -0.2])
    assert [patch.get_width() for patch in all_axes(drawn["memory"])[0].patches] == [300, 1234, 410, 500]
    results["figures"] = []
    assert performance.pictures(results) == {}


def all_axes(figure: Any) -> list[Any]:
    return list(figure.get_axes())


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """The names that a run measures; nothing is measured, and the second figure ends the first run."""
    names: list[str] = []

    def measure(name: str) -> dict[str, Any]:
        names.append(name)
        if len(names) == 2:
            raise KeyboardInterrupt
        return {"name": name, "rows": {}}

    monkeypatch.setenv("LEUKNET_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(run, "BUILD", tmp_path / "build")
    monkeypatch.setattr(run, "make_keras_home", lambda: "not wanted")
    monkeypatch.setattr(run, "prepare", lambda *_: {})
    monkeypatch.setattr(run, "measure", lambda contest, *_: measure(contest.name))
    for name in ALONE:
        monkeypatch.setitem(ALONE, name, lambda *_, name=name: measure(name))
    return names


def test_a_stopped_run_goes_on_and_the_file_is_written_when_all_is_measured(
    measured: list[str], tmp_path: Path
) -> None:
    out = tmp_path / "results.json"
    out.write_text("of before")
    with pytest.raises(KeyboardInterrupt):
        run.run(run.QUICK, out)
    assert out.read_text() == "of before"

    run.run(run.QUICK, out)

    # Only the figure that was stopped is begun a second time.
    assert measured == [run.NAMES[0], *run.NAMES[1:2], *run.NAMES[1:]]
    figures = json.loads(out.read_text())["figures"]
    assert [figure["name"] for figure in figures] == [*(one.name for one in CONTESTS), *ALONE]
    run.run(run.QUICK, out)  # what is finished is not kept: this one measures anew
    assert measured[-len(run.NAMES) :] == [*run.NAMES]


def test_figures_of_other_code_are_not_mixed_in(
    measured: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.run(run.QUICK, tmp_path / "results.json", only=run.NAMES[0])
    monkeypatch.setattr(run, "commit_of_code", lambda: "another")
    measured.append("the one that would be stopped")

    found = run.run(run.QUICK, tmp_path / "results.json", only=run.NAMES[0])

    assert measured.count(run.NAMES[0]) == 2
    assert [figure["name"] for figure in found["figures"]] == [run.NAMES[0]]
    assert not (tmp_path / "results.json").exists()
