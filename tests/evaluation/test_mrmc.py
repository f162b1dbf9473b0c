"""Reader studies against values printed by others, and against the same thing computed in another way."""

from __future__ import annotations

import itertools
from dataclasses import astuple, replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import t as t_distribution
from sklearn.metrics import cohen_kappa_score, roc_auc_score

from leuknet.errors import DataError, SettingError
from leuknet.evaluation.mrmc import Mrmc, analyse_readers
from leuknet.evaluation.mrmc_text import mean_rows, study_lines
from leuknet.evaluation.pseudovalues import pseudovalue_test
from leuknet.evaluation.reader_scores import covariance, score_readers
from leuknet.evaluation.reader_variance import Random
from leuknet.evaluation.readings import Readings, read_readings, write_imrmc, write_table
from leuknet.records import read_record
from tests.conftest import run_cli


def made_up(
    seed: int = 0, *, shape: tuple[int, int, int] = (2, 4, 60), people: int | None = None
) -> Readings:
    """Draw readings in which cases and readers differ; the second treatment is a little better."""
    chance = np.random.default_rng(seed)
    t, r, n = shape
    truth = np.arange(n) % 2
    ratings = chance.normal(size=n) + chance.normal(size=(r, n)) + chance.normal(size=shape)
    ratings += truth * (1.2 + chance.normal(scale=0.3, size=(1, r, 1)) + 0.3 * np.arange(t)[:, None, None])
    names = [[f"{sign}{number}" for number in range(count)] for sign, count in zip("trc", shape, strict=True)]
    whose = None if people is None else np.array([f"p{number % people}" for number in range(n)])
    return Readings(ratings, truth, tuple(names[0]), tuple(names[1]), tuple(names[2]), whose)


@pytest.fixture(scope="module")
def van_dyke(shared_data: Path) -> Readings:
    return read_readings(shared_data / "mrmc" / "vandyke.csv")


@pytest.fixture(scope="module")
def franken(shared_data: Path) -> Readings:
    return read_readings(shared_data / "mrmc" / "franken.csv")


# Printed by RJafroc (The RJafroc book, chapters on the OR method and the quick start) and by MRMCaov 0.1.8
# (its README), which agree. Difference: the second treatment minus the first, RJafroc's with its sign turned.


def test_van_dyke_has_the_printed_scores_and_components(van_dyke: Readings) -> None:
    found = analyse_readers(van_dyke)

    assert np.array(found.scores) == pytest.approx(
        np.array(
            [
                [0.91964573, 0.85877617, 0.90386473, 0.97310789, 0.82979066],
                [0.94782609, 0.90531401, 0.92173913, 0.99935588, 0.92995169],
            ]
        ),
        abs=1e-8,
    )
    assert astuple(found.components) == pytest.approx(
        (0.00080228827, 0.00034661371, 0.00034407483, 0.00023902837), abs=1e-11
    )
    assert found.design == "crossed"


PRINTED = {
    "readers and cases": (
        (4.4563187, 15.259675, 0.051665686),
        (0.043800322, 0.020748618, -0.00035885444, 0.087959499),
        ((0.033173597, 12.744648, 0.82522360, 0.96885048), (0.021566368, 12.710190, 0.89413783, 0.98753689)),
    ),
    "cases": (
        (5.4759532, np.inf, 0.019279843),
        (0.043800322, 0.018717483, 0.0071147303, 0.080485914),
        ((0.024289710, np.inf, 0.84943008, 0.94464399), (0.016776324, np.inf, 0.90795637, 0.97371835)),
    ),
    "readers": (
        (8.704, 4, 0.041958752),
        (0.043800322, 0.014846287, 0.0025804202, 0.085020224),
        ((0.024829936, 4, 0.82809808, 0.96597599), (0.016153030, 4, 0.89598936, 0.98568536)),
    ),
}


def printed_as(*values: float | None) -> tuple[float, ...]:
    """Values as R prints them."""
    return tuple(np.inf if value is None else value for value in values)


@pytest.mark.parametrize("random", PRINTED)
def test_van_dyke_has_the_printed_tests_and_intervals(van_dyke: Readings, random: Random) -> None:
    found = analyse_readers(van_dyke, random=random)

    test, difference, means = PRINTED[random]
    assert printed_as(found.f_value, found.freedom[1], found.p_value) == pytest.approx(test, rel=1e-6)
    (one,) = found.differences
    assert (one.estimate, one.error, one.low, one.high) == pytest.approx(difference, rel=1e-6)
    assert one.p_value == pytest.approx(test[2], rel=1e-6)
    for mean, printed in zip(found.means, means, strict=True):
        assert printed_as(mean.error, mean.freedom, mean.low, mean.high) == pytest.approx(printed, rel=1e-6)
        assert mean.p_value is None


def test_franken_has_the_printed_values(franken: Readings) -> None:
    found, fixed = (analyse_readers(franken, random=random) for random in ("readers and cases", "cases"))

    assert printed_as(found.f_value, *found.freedom, found.p_value) == pytest.approx(
        (4.694058, 1, 3, 0.1188379), rel=1e-6
    )
    (one,) = found.differences
    assert (one.estimate, one.error, one.low, one.high) == pytest.approx(
        (-0.01085482, 0.005010122, -0.02679926, 0.005089627), rel=1e-6
    )
    assert [mean.freedom for mean in found.means] == pytest.approx([70.12179, 253.64403], rel=1e-6)
    # Here the covariance of two readers' scores is larger under two treatments than under one.
    assert fixed.f_value == pytest.approx(0.363956, rel=1e-5)
    assert fixed.differences[0].error == pytest.approx(0.01799277, rel=1e-6)
    assert pseudovalue_test(franken).mean_squares == pytest.approx(
        {
            "T": 0.023565410, "R": 0.068406000, "C": 0.530589886, "TR": 0.005020264, "TC": 0.064747968,
            "RC": 0.132131158, "TRC": 0.076296558,
        },
        rel=1e-6,
    )  # fmt: skip


def test_kundels_hard_copies_are_unpaired_with_its_films_and_soft_copies_paired(shared_data: Path) -> None:
    whole = read_readings(shared_data / "mrmc" / "kundel.csv")
    with pytest.raises(SettingError, match="two at a time"):
        analyse_readers(whole)
    for first, second, design in (("1.0", "2.0", "unpaired"), ("2.0", "3.0", "crossed")):
        found = analyse_readers(whole.under([first, second]), random="cases")
        assert (found.design, found.treatments, found.cases) == (
            design, (first, second), 190 if design == "unpaired" else 95,
        )  # fmt: skip
    paired = whole.under(["2.0", "3.0"])
    assert analyse_readers(paired).p_value == pytest.approx(pseudovalue_test(paired).p_value, rel=1e-6)


@pytest.mark.parametrize("name", ["made up", "iMRMC's", "in people"])
def test_mean_squares_and_pseudovalues_reach_the_same_test(name: str, request: pytest.FixtureRequest) -> None:
    if name == "iMRMC's":
        readings = read_readings(request.getfixturevalue("shared_data") / "mrmc" / "input.imrmc")
    else:
        readings = made_up(people=20 if name == "in people" else None)

    found, other = analyse_readers(readings), pseudovalue_test(readings)

    assert (found.f_value, found.p_value) == pytest.approx((other.f_value, other.p_value), rel=1e-8)
    assert found.freedom == pytest.approx(other.freedom, rel=1e-8)


def delong_by_hand(readings: Readings) -> NDArray[np.float64]:
    """Obuchowski's (1997) covariances, written with loops over people."""
    people = readings.cases if readings.people is None else readings.people
    flat = readings.ratings.reshape(-1, len(readings.cases))
    sick, well = (np.flatnonzero(readings.truth == value).tolist() for value in (1, 0))

    def beats(row: int, one: int, other: int) -> float:
        return float(flat[row, one] > flat[row, other]) + 0.5 * float(flat[row, one] == flat[row, other])

    k = len(flat)
    found = np.zeros((k, k))
    area = [np.mean([beats(row, i, j) for i in sick for j in well]) for row in range(k)]
    of_sick = [{i: np.mean([beats(row, i, j) for j in well]) - area[row] for i in sick} for row in range(k)]
    of_well = [{j: np.mean([beats(row, i, j) for i in sick]) - area[row] for j in well} for row in range(k)]
    everybody = sorted(set(people))
    for one, other in itertools.product(range(k), repeat=2):
        for values, own in ((of_sick, sick), (of_well, well)):
            holders = {people[case] for case in own}
            total = sum(
                sum(values[one][case] for case in own if people[case] == who)
                * sum(values[other][case] for case in own if people[case] == who)
                for who in holders
            )
            found[one, other] += len(holders) / (len(holders) - 1) * total / len(own) ** 2
        for first, second in ((one, other), (other, one)):
            total = sum(
                sum(of_sick[first][case] for case in sick if people[case] == who)
                * sum(of_well[second][case] for case in well if people[case] == who)
                for who in everybody
            )
            if readings.people is not None:
                scale = len(everybody) / (len(everybody) - 1) / (len(sick) * len(well))
                found[one, other] += scale * total
    return found.reshape(*readings.ratings.shape[:2], *readings.ratings.shape[:2])


@pytest.mark.parametrize("people", [None, 5])
def test_delongs_covariances_are_those_of_the_formula(people: int | None) -> None:
    readings = made_up(shape=(2, 2, 16), people=people)
    readings = replace(readings, ratings=np.rint(readings.ratings))  # with ties

    found = covariance(readings, estimator="delong")

    assert found == pytest.approx(delong_by_hand(readings))


@pytest.mark.parametrize("people", [None, 40])
def test_the_estimators_nearly_agree_and_people_widen_them(people: int | None) -> None:
    readings = made_up(shape=(2, 3, 240), people=people)

    jackknife, delong, bootstrap = (
        covariance(readings, estimator=name) for name in ("jackknife", "delong", "bootstrap")
    )

    assert delong == pytest.approx(jackknife, rel=0.05, abs=2e-5)
    assert bootstrap == pytest.approx(jackknife, rel=0.35, abs=1e-4)
    alike = replace(made_up(shape=(1, 1, 80)), people=np.repeat(np.arange(40), 2).astype(str))
    doubled = replace(
        alike, ratings=np.repeat(alike.ratings[..., ::2], 2, axis=-1), truth=np.arange(80) // 2 % 2
    )
    apart = covariance(replace(doubled, people=None), estimator="jackknife")
    assert covariance(doubled, estimator="jackknife") == pytest.approx(2 * apart, rel=0.05)


def test_scores_are_those_of_scikit_learn() -> None:
    readings = made_up()
    categories = np.clip(np.rint(readings.ratings), 0, 4)
    graded = replace(readings, ratings=categories, truth=np.arange(60) % 5)

    area = score_readers(readings)
    called = [score_readers(readings, name, threshold=0.5) for name in ("sensitivity", "specificity")]
    kappa = score_readers(graded, "kappa")

    for t, r in np.ndindex(area.shape):
        rating = readings.ratings[t, r]
        assert area[t, r] == pytest.approx(roc_auc_score(readings.truth, rating))
        for value, found in zip((1, 0), called, strict=True):
            own = readings.truth == value
            assert found[t, r] == pytest.approx(np.mean((rating >= 0.5) == value, where=own))
        expected = cohen_kappa_score(graded.truth, categories[t, r], weights="quadratic", labels=range(5))
        assert kappa[t, r] == pytest.approx(expected)


def halves(readings: Readings) -> tuple[Readings, Readings, Readings]:
    """Two groups of readers with a half of the cases each, and both in one table."""
    t, r, n = readings.ratings.shape
    first, second = (
        readings.take(treatments=range(t), readers=range(*own), cases=np.arange(*cases))
        for own, cases in (((0, r // 2), (0, n // 2)), ((r // 2, r), (n // 2, n)))
    )
    both = readings.ratings.copy()
    both[:, : r // 2, n // 2 :] = np.nan
    both[:, r // 2 :, : n // 2] = np.nan
    return first, second, replace(readings, ratings=both)


def test_a_split_plot_adds_what_its_groups_say() -> None:
    first, second, both = halves(made_up(shape=(2, 6, 120)))

    one, other, found = (analyse_readers(readings, random="cases") for readings in (first, second, both))

    assert found.design == "split-plot"
    (a,), (b,), (mean,) = one.differences, other.differences, found.differences
    assert mean.estimate == pytest.approx((a.estimate + b.estimate) / 2)
    assert mean.error**2 == pytest.approx((a.error**2 + b.error**2) / 4)  # the groups share no case
    assert printed_as(analyse_readers(both).freedom[1])[0] >= 4  # (2 - 1) times (6 readers less 2 groups)


def test_treatments_with_cases_of_their_own_share_no_luck() -> None:
    readings = made_up(shape=(2, 4, 120))
    apart = readings.ratings.copy()
    apart[0, :, 60:], apart[1, :, :60] = np.nan, np.nan

    found = analyse_readers(replace(readings, ratings=apart), random="cases")

    assert found.design == "unpaired"
    assert (found.components.cov1, found.components.cov3) == (0, 0)
    first, second = found.means
    assert found.differences[0].error ** 2 == pytest.approx(first.error**2 + second.error**2)


def test_one_reader_is_judged_over_cases_alone() -> None:
    readings = made_up(shape=(2, 1, 60))

    found = analyse_readers(readings, estimator="delong", random="cases")

    covariances = delong_by_hand(readings)[:, 0, :, 0]
    error = np.sqrt(covariances[0, 0] + covariances[1, 1] - 2 * covariances[0, 1])
    assert found.differences[0].error == pytest.approx(error)
    with pytest.raises(SettingError, match="random='cases'"):
        analyse_readers(readings)


def test_a_margin_is_met_where_the_interval_lies_within_it() -> None:
    (found,) = analyse_readers(made_up(shape=(2, 5, 200))).differences
    reach = t_distribution.ppf(0.975, found.freedom) * found.error
    better = replace(found, estimate=0.5 * reach, low=-0.5 * reach, high=1.5 * reach)

    verdicts = [better.within(share * reach).verdict for share in (1.51, 1.49, 0.51, 0.49)]

    assert verdicts == ["equivalent", "not worse", "not worse", "not shown"]
    assert replace(better, estimate=-better.estimate).within(1.49 * reach).verdict == "not shown"


def test_of_equal_treatments_one_in_twenty_tests_finds_a_difference() -> None:
    def equal(seed: int) -> Readings:
        drawn = made_up(seed, shape=(2, 4, 40))
        return replace(drawn, ratings=drawn.ratings - drawn.truth * 0.3 * np.arange(2)[:, None, None])

    wrong = [analyse_readers(equal(seed), estimator="delong").p_value < 0.05 for seed in range(120)]

    assert 0 < np.mean(wrong) < 0.1  # of 120 at 5%: 98% lie between 0.8% and 9.2%


@pytest.mark.parametrize("write", [write_table, write_imrmc])
def test_what_is_written_is_read_again(write: object, tmp_path: Path) -> None:
    readings = made_up(people=10 if write is write_table else None)
    _, _, readings = halves(readings)

    write(readings, tmp_path / "readings")  # type: ignore[operator]
    found = read_readings(tmp_path / "readings")

    np.testing.assert_array_equal(found.ratings, readings.ratings)
    np.testing.assert_array_equal(found.truth, readings.truth)
    assert (found.treatments, found.readers, found.cases) == (
        readings.treatments, readings.readers, readings.cases,
    )  # fmt: skip
    assert (found.people is None) == (readings.people is None)
    if readings.people is not None:
        assert found.people is not None
        assert found.people.tolist() == readings.people.tolist()


TABLE = "reader,treatment,case,truth,rating\na,x,1,0,2\na,x,2,1,3\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("reader,treatment,case,rating\na,x,1,2\n", "no column truth"),
        (TABLE + "a,x,1,0,4\n", "rated case '1' twice"),
        (TABLE + "b,x,1,1,4\n", "two values of truth"),
        (TABLE.replace("2,1,3", "2,1,three"), "line 3: no reading"),
        (TABLE.replace("2,1,3", "2,1,nan"), "'nan' is no rating"),
        (TABLE.replace("2,1,3", "2,sick,3"), "the truth of case '2' is 'sick'"),
        ("reader,treatment,case,truth,rating,person\na,x,1,0,2,\na,x,2,1,3,p\n", "some cases name a person"),
        ("reader,treatment,case,truth,rating\n", "holds no reading"),
        ("BEGIN DATA:\nr1,c1,x\n", "line 2: no reading"),
        ("BEGIN DATA:\nr1,c1,x,3\n", "nothing says what case 'c1' truly is"),
    ],
)
def test_a_table_that_cannot_be_read_says_why(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "readings.csv").write_text(text, encoding="utf-8")

    with pytest.raises(DataError) as caught:
        read_readings(tmp_path / "readings.csv")

    assert said in str(caught.value)


def some_left_out() -> Readings:
    readings = made_up()
    ratings = readings.ratings.copy()
    ratings[0, 0, :5] = np.nan
    return replace(readings, ratings=ratings)


@pytest.mark.parametrize(
    ("readings", "options", "said"),
    [
        (some_left_out(), {}, "depends on reader and treatment"),
        (made_up(shape=(1, 4, 60)), {}, "one treatment"),
        (made_up(), {"figure": "sensitivity"}, "give a threshold"),
        (made_up(), {"threshold": 1.0}, "give a threshold"),
        (made_up(), {"figure": "kappa"}, "no whole number"),
        (made_up(), {"figure": "sensitivity", "threshold": 0.0, "estimator": "delong"}, "one of the AUROC"),
        (made_up(), {"level": 95}, "0.95 for 95%"),
        (made_up(shape=(2, 4, 3)), {}, "undefined"),
        (halves(made_up(shape=(2, 4, 60), people=60))[2], {"random": "readers"}, "cases cannot be fixed"),
        (halves(made_up(shape=(2, 4, 60), people=7))[2], {}, "one person were read by several groups"),
        (replace(made_up(), truth=np.zeros(60, dtype=np.int64)), {}, "positive and negative cases"),
    ],
)
def test_a_study_that_cannot_be_analysed_says_why(
    readings: Readings, options: dict[str, object], said: str
) -> None:
    with pytest.raises(SettingError) as caught:
        analyse_readers(readings, **options)  # type: ignore[arg-type]

    assert said in str(caught.value)


def test_a_treatment_that_is_not_there_is_named() -> None:
    with pytest.raises(SettingError, match="there are t0, t1"):
        made_up().under(["t0", "t7"])


def test_the_words_state_design_test_and_margin() -> None:
    table = mean_rows(analyse_readers(made_up()))
    crossed, cases = (
        study_lines(analyse_readers(made_up(shape=(3, 4, 60), people=12), random=random, margin=0.9))
        for random in ("readers and cases", "cases")
    )

    assert [row[0] for row in table] == ["t0", "t1"]
    assert [len(row) for row in table] == [7, 7]
    assert crossed[0].startswith("t1 minus t0: +")
    assert "within a margin of 0.9: t1 and t0 are equivalent" in crossed[1]
    assert "F(2, " in crossed[-2]
    assert "4 readers, 60 cases, of 12 people" in crossed[-2]
    assert "not corrected" in crossed[-1]
    assert "chi-squared(2) = " in cases[-2]
    assert "read by these very readers" in cases[-2]


def test_the_command_prints_writes_and_exports(tmp_path: Path) -> None:
    write_table(made_up(), tmp_path / "readings.csv")
    out, exported = tmp_path / "mrmc.json", tmp_path / "readings.imrmc"

    ended = run_cli("mrmc", tmp_path / "readings.csv", "--margin", "0.2", "--out", out, "--imrmc", exported)

    assert ended.status == 0, ended.err
    found = analyse_readers(made_up(), margin=0.2)
    assert all(line in ended.out for line in study_lines(found))
    assert read_record(Mrmc, out, error=DataError, fix="") == found
    np.testing.assert_array_equal(read_readings(exported).ratings, made_up().ratings)
    swapped = run_cli("mrmc", tmp_path / "readings.csv", "--treatments", "t1, t0", "--random", "cases")
    assert "t0 minus t1: " in swapped.out


def test_pseudovalues_want_every_reading() -> None:
    with pytest.raises(SettingError, match="every reader must have read"):
        pseudovalue_test(some_left_out())


def test_the_seed_of_the_bootstrap_is_kept() -> None:
    readings = made_up(shape=(2, 2, 30))

    def found(seed: int) -> Mrmc:
        return analyse_readers(readings, estimator="bootstrap", seed=seed)

    assert found(1).components == found(1).components != found(2).components
