"""Sizes of reader studies against values of RJafroc's own tests and book, and against drawn studies."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import t as t_distribution

from leuknet.errors import DataError, SettingError
from leuknet.evaluation.mrmc import analyse_readers
from leuknet.evaluation.reader_planning import (
    ReaderPilot,
    ReaderPlan,
    pilot_of,
    plan_readers,
    power_of,
)
from leuknet.evaluation.reader_variance import Components, Random
from leuknet.evaluation.readings import read_readings, write_table
from leuknet.records import read_record
from tests.conftest import run_cli
from tests.evaluation.test_mrmc import made_up

SEEN = 0.043800322
"""The difference in Van Dyke's study, which these values were computed for."""


@pytest.fixture(scope="module")
def van_dyke(shared_data: Path) -> ReaderPilot:
    return pilot_of(analyse_readers(read_readings(shared_data / "mrmc" / "vandyke.csv")))


# RJafroc's own tests (tests/testthat, sample size) and its book's chapter on sizing.
@pytest.mark.parametrize(
    ("readers", "cases", "random", "power"),
    [
        (10, 165, "readers and cases", 0.80541995),
        (6, 111, "readers and cases", 0.5526116),
        (10, 163, "readers and cases", 0.8015625),
        (10, 131, "cases", 0.80091813),
        (10, 53, "readers", 0.80496663),
    ],
)
def test_the_power_of_van_dykes_successors_is_the_printed_one(
    van_dyke: ReaderPilot, readers: int, cases: int, random: Random, power: float
) -> None:
    found = power_of(van_dyke, readers=readers, units=cases, gap=SEEN, random=random)

    assert found == pytest.approx(power, abs=5e-8)


def test_the_fewest_cases_are_the_printed_ones(van_dyke: ReaderPilot, shared_data: Path) -> None:
    franken = pilot_of(analyse_readers(read_readings(shared_data / "mrmc" / "franken.csv")))

    found = plan_readers(van_dyke, gap=SEEN, readers=(6, 10))
    other = plan_readers(franken, gap=0.05, readers=(6,))

    assert [row.units for row in found.rows] == [251, 163]
    assert other.rows[0].power == pytest.approx(0.8004469, abs=5e-8)


def test_planned_power_is_what_drawn_studies_reach() -> None:
    pilot = ReaderPilot(Components(0.0016, 0.0008, 0.0006, 0.0004), 0.0004, 100, nested=False)
    chance = np.random.default_rng(0)
    readers, gap, draws = 5, 0.06, 4000
    # Errors with these covariances: shared by all, by a treatment, by a reader, and of a score alone.
    shape = (draws, 2, readers)
    parts = pilot.components
    scores = (
        chance.normal(scale=np.sqrt(parts.cov2 - parts.cov3), size=(draws, 2, 1))
        + chance.normal(scale=np.sqrt(parts.cov1 - parts.cov3), size=(draws, 1, readers))
        + chance.normal(
            scale=np.sqrt(parts.variance - parts.cov1 - parts.cov2 + parts.cov3 + pilot.treatment_reader),
            size=shape,
        )
        + gap * np.arange(2)[:, None]
    )
    means = scores.mean(axis=2)
    rest = scores - means[..., None] - scores.mean(axis=1, keepdims=True) + means.mean(axis=1)[:, None, None]
    square = (rest**2).sum(axis=(1, 2)) / (readers - 1)
    below = square + readers * (parts.cov2 - parts.cov3)
    freedom = (readers - 1) * (below / square) ** 2
    t_values = (means[:, 1] - means[:, 0]) / np.sqrt(2 * below / readers)
    limit = t_distribution.isf(0.025, freedom)
    found = np.mean(np.abs(t_values) > limit)
    margin = 0.02
    not_worse = np.mean(t_values + margin / np.sqrt(2 * below / readers) > limit)

    asked = {"readers": readers, "units": 100, "gap": gap}
    assert power_of(pilot, **asked) == pytest.approx(found, abs=0.03)  # type: ignore[arg-type]
    assert power_of(pilot, **asked, margin=margin) == pytest.approx(not_worse, abs=0.03)  # type: ignore[arg-type]


def test_more_readers_need_fewer_cases_until_readers_are_too_few() -> None:
    pilot = pilot_of(analyse_readers(made_up(shape=(2, 5, 200), people=40)))
    unsure = replace(pilot, treatment_reader=0.01)

    found, never = plan_readers(pilot, gap=0.04), plan_readers(unsure, gap=0.02, readers=(3,))
    fixed = plan_readers(pilot, gap=0.04, random="cases")

    units = [row.units for row in found.rows if row.units is not None]
    assert units == sorted(units, reverse=True)
    assert len(units) > 3
    assert all(row.power >= 0.8 for row in found.rows if row.units is not None)
    assert pilot.nested
    assert pilot.units == 40
    assert never.rows[0].units is None
    assert never.rows[0].power < 0.8
    assert all(
        a.units is not None and (b.units is None or a.units <= b.units)
        for a, b in zip(fixed.rows, found.rows, strict=True)
    )


@pytest.mark.parametrize(
    "asked",
    [{"gap": 0.0}, {"gap": 0.1, "power": 1.0}, {"gap": 0.1, "readers": (1,)}, {"gap": 0.1, "readers": ()}],
)
def test_what_cannot_be_planned_says_why(asked: dict[str, object]) -> None:
    pilot = pilot_of(analyse_readers(made_up()))

    with pytest.raises(SettingError, match="cannot plan a reader study"):
        plan_readers(pilot, **asked)  # type: ignore[arg-type]


def test_one_reader_is_no_pilot() -> None:
    with pytest.raises(SettingError, match="no pilot"):
        pilot_of(analyse_readers(made_up(shape=(2, 1, 60)), random="cases"))


def test_the_command_plans_from_readings_and_from_published_components(tmp_path: Path) -> None:
    write_table(made_up(), tmp_path / "pilot.csv")
    pilot = pilot_of(analyse_readers(made_up()))
    parts = pilot.components
    published = ",".join(
        f"{value!r}" for value in (parts.variance, parts.cov1, parts.cov2, parts.cov3, pilot.treatment_reader)
    )
    out = tmp_path / "plan.json"
    words = ["--gap", "0.05", "--readers", "4,8", "--power", "0.9"]

    ended = run_cli("plan", "study", tmp_path / "pilot.csv", *words, "--out", out)
    other = run_cli("plan", "study", "--components", published, "--pilot-cases", "60", *words, "--out", out)

    assert (ended.status, other.status) == (0, 0), ended.err + other.err
    assert ended.out == other.out
    expected = plan_readers(pilot, gap=0.05, power=0.9, readers=(4, 8))
    assert read_record(ReaderPlan, out, error=DataError, fix="") == expected
    for row in expected.rows:
        assert f" {'-' if row.units is None else f'{row.units:,}'} " in ended.out
    wrong = run_cli("plan", "study", "--components", "1,2,3", "--pilot-cases", "60", *words)
    assert wrong.status == 2
    assert "give five numbers" in wrong.err
