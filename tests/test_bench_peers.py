"""Every peer of the benchmark does every one of its jobs, at a size that takes seconds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import busy
import run
import smears
from alone import ALONE
from contests import CONTESTS, KERAS, PEAK, PLAIN, TIMM, Contest
from performance_busy import busy_lines
from performance_smears import smear_lines
from preparation import prepare
from tests.conftest import draw_few
from turns import KERAS_PYTHON, Sizes, Worker, measure, refuse_unequal
from worker import PEERS

pytestmark = pytest.mark.timeout(1200)  # each starts processes of its own: minutes on a busy machine

TOY = Sizes(image_size_px=32, scale=0.02, rounds=1, warm_up=False, growth=(2,))

JOBS = ("forward", "predicting", "decoding", "training_step", "training", "training_again")
"""In this order: what trains changes the weights that others answer with."""

LIBRARIES = {
    **dict.fromkeys(TIMM, ("timm",)),
    "ONNX Runtime": ("onnxruntime", "onnxscript"),
    "OpenVINO": ("openvino", "onnxscript"),
}
"""Peer to what must be installed; of those that are not here, LeukNet needs the libraries itself."""


@pytest.fixture(scope="module")
def setups(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    folder = tmp_path_factory.mktemp("bench")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LEUKNET_CACHE", str(folder / "cache"))  # the training from end to end empties it
        draw_few(patch)
        yield prepare(folder, TOY)


@pytest.fixture(scope="module")
def plain(setups: dict[str, Path]) -> dict[str, Any]:
    """What the plain rendering answers to each job."""
    return answers_of(PLAIN, setups)


def contests_of(peer: str) -> dict[str, Contest]:
    """Job to a contest in which the peer does it."""
    found = {contest.job: contest for contest in CONTESTS if peer in (contest.ours, *contest.peers)}
    if peer == "leuknet":
        found["training_again"] = found["training"]
    return {job: found[job] for job in JOBS if job in found}


def answers_of(peer: str, setups: dict[str, Path]) -> dict[str, Any]:
    """Let a peer do each of its jobs on two images; return job to answer."""
    worker = Worker(peer, setups["cells"])
    try:
        assert worker.wait() is None
        said = {
            job: worker.ask(job, **({} if contest.job == "training" else {"n": 2}))
            for job, contest in contests_of(peer).items()
        }
    finally:
        worker.close()
    assert {job: answer["error"] for job, answer in said.items() if "error" in answer} == {}
    return {job: answer["answer"] for job, answer in said.items()}


def test_every_job_is_tried() -> None:
    assert {contest.job for contest in CONTESTS} < set(JOBS)
    assert {peer for contest in CONTESTS for peer in (contest.ours, *contest.peers)} == {*PEERS} - {PEAK}


@pytest.mark.parametrize("peer", [peer for peer in PEERS if peer not in (PLAIN, PEAK)])
def test_a_peer_does_all_its_jobs_and_answers_as_the_plain_rendering(
    peer: str, setups: dict[str, Path], plain: dict[str, Any]
) -> None:
    if peer == KERAS and not KERAS_PYTHON.exists():
        pytest.skip("Keras has no environment: `make bench` makes it")
    missing = [library for library in LIBRARIES.get(peer, ()) if find_spec(library) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}; pip install -r bench/requirements.txt")

    found = answers_of(peer, setups)

    assert len(found) >= 2
    for job, contest in contests_of(peer).items():
        sides = {PLAIN: {"answer": plain.get(job)}, peer: {"answer": found[job]}}
        if job in plain:
            refuse_unequal(contest, sides, number=0)


def test_peers_take_turns_and_the_arithmetic_is_stated(setups: dict[str, Path]) -> None:
    (frames,) = (one for one in CONTESTS if one.name.startswith("training step, frames"))

    figure = measure(frames, setups, TOY)

    assert {*figure["sides"]} == {"leuknet", PLAIN}
    assert all(len(side["all"]) == figure["rounds"] == 1 for side in figure["sides"].values())
    assert all(side["share_of_peak"] > 0 for side in figure["sides"].values())
    assert len(figure["peak_gflops"]["float32"]["all"]) == 1


def test_the_cost_of_other_work_is_measured(
    tmp_path: Path, setups: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "prepare", lambda home, sizes: setups)
    monkeypatch.setattr(busy, "BUSY", busy.BUSY[:1])

    found = run.run_busy(TOY, tmp_path / "busy.json", 1)

    assert [figure["name"] for figure in found["figures"]] == [*busy.BUSY]
    assert {*found["figures"][0]["quiet"]} == {*found["figures"][0]["busy"]} == {"leuknet", PLAIN}
    page = "\n".join(busy_lines(json.loads((tmp_path / "busy.json").read_text(encoding="utf-8"))))
    assert "beside 1 other processes" in page
    assert page.count("| plain PyTorch |") == 1


@pytest.mark.parametrize("name", ALONE)
def test_a_figure_that_is_no_contest_is_measured(name: str, setups: dict[str, Path]) -> None:
    figure = ALONE[name](setups, TOY)

    assert figure["name"] == name
    times = {"start-up": "rows", "intervals": "sides", "many images": "rows"}[name]
    assert len(figure[times]) >= 1


def test_fields_and_slides_are_timed_from_end_to_end() -> None:
    found = smears.measure_smears(smears.SMALL)

    (fields,) = found["fields"]
    assert {*fields["sides"]} == {"leuknet cells", "leuknet cells --workers 1", "plain scikit-image"}
    assert all(side["seconds"] > 0 and side["peak_mb"] > 50 for side in fields["sides"].values())
    assert found["slide"]["cells"] >= 1
    page = "\n".join(smear_lines(json.loads(json.dumps(found))))
    assert "2 fields of 640 x 640 pixels" in page
    assert f"found and scored {found['slide']['cells']} cells" in page
