"""What an earlier LeukNet wrote still opens, and says the same: folders, tables and a database."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

import leuknet
from leuknet.batch.parts import Counts, JobFolder
from leuknet.data.split_file import read_manifest
from leuknet.experiments.scoreboard import summarise
from leuknet.images.near_duplicates import HASH_NAME
from leuknet.inference.model_folder import read_golden
from leuknet.inference.onnx_predictor import OnnxPredictor
from leuknet.inference.scored_table import read_scored_images
from leuknet.networks.predictor import load_model
from leuknet.report.run_record import RunRecord, read_run
from leuknet.room.labels import case_labels, count_labels
from leuknet.room.signing import signed_record
from leuknet.room.study_results import study_results
from leuknet.store import audit_log, open_store, study_tables
from leuknet.store.accounts import list_users, verify_password
from leuknet.store.cases import cases_of
from leuknet.store.database import Store
from leuknet.store.jobs import take_job
from leuknet.store.migrate import newest
from leuknet.store.notes import notes_of
from leuknet.store.signatures import signatures_of
from leuknet.store.studies import studies_of
from tests.conftest import REPOSITORY

GOLDEN = REPOSITORY / "tests" / "golden"


@pytest.fixture(scope="module")
def run() -> RunRecord:
    return read_run(GOLDEN / "run")


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Store]:
    """A copy of the database, opened, which brings it up to date."""
    path = tmp_path / "reading-room.db"
    path.write_bytes(gzip.decompress((GOLDEN / "reading-room.db.gz").read_bytes()))
    with open_store(f"sqlite:///{path}") as store:
        yield store


def test_the_model_scores_as_it_did_by_its_graph_and_by_pytorch() -> None:
    folder = GOLDEN / "run" / "model"
    by_graph, by_pytorch = leuknet.load(folder), load_model(folder)
    inputs, expected = read_golden(folder, 16)

    assert isinstance(by_graph, OnnxPredictor)
    assert by_graph.reference is not None
    np.testing.assert_allclose(by_graph.score(inputs), expected, atol=1e-4)
    np.testing.assert_allclose(by_pytorch.score(inputs), expected, atol=1e-4)


def test_the_card_the_settings_and_the_history_say_what_they_said(run: RunRecord) -> None:
    card, calibration = run.card, run.card.calibration

    assert (card.recipe.image_size_px, card.recipe.network_options["filters"]) == (16, [2, 3, 4])
    assert (card.protocol, card.round, card.microns_per_pixel) == ("folds", "fold_0", None)
    assert calibration is not None
    assert (calibration.cells, calibration.subjects) == (16, 8)
    assert run.history is not None
    assert [row.iteration for row in run.history] == [1, 2]
    assert run.history[1].validation_subject_loss == 0.7858586952609234


def test_the_split_holds_the_same_cells_with_their_hashes(run: RunRecord) -> None:
    path = GOLDEN / "run" / "model" / "split.json"
    manifest = read_manifest(path)
    content = json.loads(path.read_text())

    assert content["hash_name"] == HASH_NAME
    assert (manifest.kind, manifest.fingerprint) == ("subject-level", run.card.split_fingerprint)
    assert [cell.id for cell in manifest.sides["train"].hashed] == [cell["id"] for cell in content["train"]]
    assert all(cell.hash for cell in manifest.developed_on)


def test_the_evaluation_and_what_lies_beside_it_say_what_they_said(run: RunRecord) -> None:
    recorded = json.loads((GOLDEN / "run" / "evaluation" / "evaluation.json").read_text())

    assert list(run.evaluation.probabilities) == recorded["probabilities"]
    for name, interval in run.evaluation.metrics.items():
        assert (
            vars(interval).items()
            >= {key: value for key, value in recorded["metrics"][name].items() if key != "method"}.items()
        )
        assert str(interval.method) == recorded["metrics"][name]["method"]
        assert interval.is_known
    # How it was made then, in its own words; today's intervals are made another way.
    assert run.evaluation.metrics["auroc"].method == "bootstrap over subjects"
    assert list(run.baselines) == ["area"]
    assert run.overlap is not None
    assert [len(pair.subjects) for pair in run.overlap.pairs] == [0, 0, 0]
    assert run.data is not None
    assert run.data.simulated


def test_the_benchmark_makes_the_same_table(tmp_path: Path) -> None:
    summary = summarise(Path(shutil.copytree(GOLDEN / "benchmark", tmp_path / "benchmark")))
    with (GOLDEN / "benchmark" / "table.csv").open(newline="") as lines:
        recorded = {row["metric"]: row for row in csv.DictReader(lines) if "baseline" not in row["model"]}

    (row,) = summary.rows
    assert row.scores.keys() == recorded.keys()
    for name, interval in row.scores.items():
        estimate, low, high = (float(recorded[name][bound]) for bound in ("estimate", "low", "high"))
        # Limits are those of today: of so many people near the percentiles of then, and never without width.
        assert interval.low < interval.high
        if low < high:
            assert (interval.low, interval.high) == pytest.approx((low, high), abs=0.06)
        if name != "ece":  # of which chance is now taken out
            assert interval.estimate == pytest.approx(estimate, rel=1e-9)


def test_the_job_of_a_batch_knows_what_is_done_and_its_table_opens() -> None:
    job = JobFolder(GOLDEN / "batch" / "scores.csv.job")

    assert [job.read_counts(chunk.id) for _, chunk in job.read_plan()] == [
        Counts(3, 0),
        Counts(2, 0),
        Counts(3, 0),
    ]
    scored = read_scored_images(GOLDEN / "batch" / "scores.csv")
    assert scored.paths[0] == "cells/UID_11_1_1_all.bmp"
    assert scored.probabilities[0] == pytest.approx(0.444570664533641, abs=1e-9)
    assert scored.probabilities[6] is None


def test_the_database_is_at_the_newest_version_and_its_log_is_whole(room: Store) -> None:
    with room.reading() as connection:
        assert connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar() == newest()
    report = audit_log.verify(room)
    assert report.broken_at is None
    assert report.lines == 40


def test_accounts_sign_in(room: Store) -> None:
    assert [(user.name, user.role) for user in list_users(room)] == [
        ("Anna", "reader"),
        ("Bert", "reader"),
        ("Lena", "lead"),
    ]
    assert verify_password(room, "Anna", "twelve letters and more") is not None
    assert verify_password(room, "Anna", "another twelve letters") is None


def test_the_signed_case_says_what_was_signed(room: Store) -> None:
    anna, _, lena = list_users(room)
    case = next(one for one in cases_of(room, anna) if one.title == "Signed case")
    (signature,) = signatures_of(room, case.id)
    record = signed_record(signature)

    assert (case.state, signature.signed_by) == ("signed", lena.id)
    assert hashlib.sha256(signature.content.encode()).hexdigest() == signature.content_sha256
    assert [note.text for note in notes_of(room, case.id)] == ["Thick on the left"]
    expected = {"leukaemic": 2, "normal": 2, "uncertain": 1, "not_a_cell": 1, "disputed": 0, "unreviewed": 0}
    assert record.counts == expected == count_labels(case_labels(room, case.id))
    assert record.share is not None
    assert record.share.estimate == 0.5


def test_the_closed_study_has_its_reads_its_agreement_and_its_adjudication(room: Store) -> None:
    lena = list_users(room)[2]
    (study,) = studies_of(room, lena)
    results = study_results(room, study.id)

    assert (study.state, results.disputed, results.adjudicated) == ("closed", 1, 1)
    pair = next(one for one in results.phases[0].compared if one.kind == "pair")
    # Of four cells both say the same of three; by chance of 2*3 + 1*0 + 1*1 in 16.
    assert pair.agreement.estimate == 3 / 4
    assert pair.kappa.estimate == pytest.approx((12 - 7) / (16 - 7))
    with room.reading() as connection:
        verdicts = connection.execute(sa.select(study_tables.study_reads.c.verdict)).scalars()
        assert Counter(verdicts) == {"leukaemic": 5, "normal": 1, "uncertain": 2}


def test_the_job_that_waited_is_taken(room: Store) -> None:
    job = take_job(room)

    assert job is not None
    assert (job.kind, job.state, job.attempts) == ("score", "running", 1)
