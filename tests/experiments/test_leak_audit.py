"""The audit against optimism that is known: enumerated by hand, built into an oracle, or drawn into cells."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from matplotlib.text import Text
from scipy.special import expit, logit
from scipy.stats import norm, t

from leuknet.data import open_dataset
from leuknet.data.published_counts import COUNTS
from leuknet.errors import DataError, SettingError, ShapeError, SplitError
from leuknet.evaluation.evaluate import read_evaluation
from leuknet.evaluation.optimism import KINDS, Kind, Scored, measure_worth
from leuknet.experiments.leak_audit import Audit, Learner, audit, usual_learners
from leuknet.figures.optimism_plot import draw_optimism
from leuknet.recipes import get_recipe
from leuknet.records import read_record
from leuknet.simulation.population import MEANS, SPREAD, draw_population
from leuknet.types import CellImage, Dataset, Interval, IntervalMethod, Label, Probabilities, Split
from tests.conftest import run_cli

RECIPE = replace(get_recipe("leuknet-demo"), parts=(), fractions=(0.6, 0.15, 0.25))

# Two normal cells of N, three leukaemic ones of P, one of Q.
PEOPLE = {"M": (0, 2), "N": (0, 2), "O": (0, 1), "P": (1, 3), "Q": (1, 1), "R": (1, 2)}


def make_cells(people: Mapping[str, tuple[int, int]]) -> tuple[CellImage, ...]:
    """Cells of people, each with a class and a number of cells."""
    return tuple(
        CellImage(f"{name}/{i}", Path(name), f"{name}{i}", Label(label), name)
        for name, (label, n) in people.items()
        for i in range(n)
    )


def make_scored(kind: Kind, seed: int, wrong: str) -> Scored:
    """Answers that are right for all people but those named."""
    test = make_cells(PEOPLE)
    probabilities = [float((cell.label == 1) != (cell.subject in tuple(wrong))) for cell in test]
    return Scored(Split((), (), test, kind, seed, ""), np.array(probabilities))


def optimism_of(people: Sequence[str], wrong: Mapping[tuple[Kind, int], str]) -> list[float]:
    """Return the optimism of accuracy of either seed on these people's cells."""
    right = {
        key: sum(PEOPLE[one][1] for one in people if one not in names) / sum(PEOPLE[one][1] for one in people)
        for key, names in wrong.items()
    }
    return [right["image-level", seed] - right["subject-level", seed] for seed in (0, 1)]


def test_optimism_and_its_interval_agree_with_leaving_out_by_hand() -> None:
    wrong: dict[tuple[Kind, int], str] = {
        ("image-level", 0): "",
        ("image-level", 1): "Q",
        ("subject-level", 0): "P",
        ("subject-level", 1): "NQ",
    }

    worth = measure_worth("one", [make_scored(*key, who) for key, who in wrong.items()], metric="accuracy")

    # Of 11 cells, right by image 11 and 10, by subject 8 and 8.
    assert worth.image_level.estimate == pytest.approx((11 + 10) / 22)
    assert worth.subject_level.estimate == pytest.approx((8 + 8) / 22)
    assert worth.optimism.estimate == pytest.approx(5 / 22)
    without = [np.mean(optimism_of([one for one in PEOPLE if one != left], wrong)) for left in PEOPLE]
    of_people = 5 / 6 * np.sum((np.array(without) - np.mean(without)) ** 2)
    of_seeds = np.var(optimism_of([*PEOPLE], wrong), ddof=1) / 2
    # Kish's number of people: 11^2 / (4 + 4 + 1 + 9 + 1 + 4).
    freedom = (of_people + of_seeds) ** 2 / (of_people**2 / (121 / 23 - 1) + of_seeds**2 / 1)
    estimate = (1 + 5 / 22) / 2
    reach = t.ppf(0.975, freedom) * np.sqrt(of_people + of_seeds) / 2 / (estimate * (1 - estimate))
    low, high = 2 * expit(logit(estimate) + np.array([-reach, reach])) - 1
    assert (worth.optimism.low, worth.optimism.high) == pytest.approx((low, high))
    assert (worth.optimism.cells, worth.optimism.subjects) == (11, 6)


def test_a_class_of_one_person_gives_no_interval_for_auroc(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("M", "O"):
        monkeypatch.setitem(PEOPLE, name, (1, 2))
    scored = [make_scored(kind, seed, "") for kind in KINDS for seed in (0, 1)]

    worth = measure_worth("one", scored, metric="auroc")

    assert not worth.image_level.is_known
    assert (worth.image_level.low, worth.image_level.estimate, worth.image_level.high) == (0, 1, 1)
    assert (worth.optimism.low, worth.optimism.estimate, worth.optimism.high) == (-1, 0, 1)


@pytest.mark.parametrize(
    "pairs",
    [
        [("image-level", 0), ("subject-level", 0)],
        [("image-level", 0), ("image-level", 1), ("subject-level", 0), ("subject-level", 2)],
    ],
)
def test_optimism_needs_the_same_two_seeds_by_image_and_by_subject(pairs: list[tuple[Kind, int]]) -> None:
    with pytest.raises(ShapeError, match="two or more seeds"):
        measure_worth("one", [make_scored(*pair, "") for pair in pairs], metric="auroc")


@functools.cache
def draw_people() -> tuple[Dataset, Mapping[str, float]]:
    """All people of the simulation, ten cells of each or more, and the best answer for each cell."""
    drawn = draw_population(tuple(COUNTS), scale=0.1, seed=0, at_least=10)
    ids = [f"{cell.subject.number}/{cell.place}" for cell in drawn]
    cells = tuple(
        CellImage(name, Path(name), name, cell.subject.label, cell.subject.person, cell.subject.part)
        for name, cell in zip(ids, drawn, strict=True)
    )
    dataset = Dataset("people", "1", "none", "", Path(), cells)
    return dataset, {name: cell.probability for name, cell in zip(ids, drawn, strict=True)}


def answer_best(_dataset: Dataset, split: Split, _out: Path) -> Probabilities:
    """Know the disease as well as anybody can, and nobody by name."""
    known = draw_people()[1]
    return np.array([known[cell.id] for cell in split.test])


def answer_from_memory(dataset: Dataset, split: Split, out: Path) -> Probabilities:
    """As `answer_best`, but look up people who were met in training."""
    met = {cell.subject: float(cell.label or 0) for cell in split.train}
    best = answer_best(dataset, split, out)
    return np.array([met.get(cell.subject, one) for cell, one in zip(split.test, best, strict=True)])


def audit_people(out: Path, learners: Mapping[str, Learner], seeds: Sequence[int] = (0, 1, 2)) -> Audit:
    return audit(draw_people()[0], RECIPE, seeds=seeds, out=out, learners=learners)


class Audited(NamedTuple):
    """A finished audit and its folder."""

    result: Audit
    folder: Path


@pytest.fixture(scope="module")
def oracles(tmp_path_factory: pytest.TempPathFactory) -> Audited:
    """The audit of an oracle that remembers people and of one that does not."""
    folder = tmp_path_factory.mktemp("audit") / "new" / "folder"
    learners: dict[str, Learner] = {"memory": answer_from_memory, "best": answer_best}
    return Audited(audit_people(folder, learners), folder)


def test_the_audit_recovers_the_optimism_that_is_built_in(oracles: Audited) -> None:
    found = oracles.result

    # Both classes are Gaussian, this many spreads apart: the best AUROC on unseen people is 0.942.
    apart = np.linalg.norm((np.array(MEANS[Label.LEUKAEMIC]) - MEANS[Label.NORMAL]) / np.array(SPREAD))
    built_in = 1 - norm.cdf(apart / np.sqrt(2))
    assert built_in == pytest.approx(0.058, abs=0.001)
    memory, best = (row for row in found.rows if row.metric == "auroc")
    assert memory.image_level.estimate == 1
    assert 0 < memory.optimism.low < built_in < memory.optimism.high < 0.12
    assert best.optimism.low < 0 < best.optimism.high
    assert 0.99 < found.met_share <= 1  # a few people have all their cells outside of training
    assert found.verdict.startswith(
        "An image-level split flatters memory: its AUROC is 1.000 by image and 0.9"
    )


def test_without_memory_the_verdict_is_that_the_data_cannot_tell(tmp_path: Path) -> None:
    found = audit_people(tmp_path, {"best": answer_best})

    assert found.verdict.startswith("These data cannot tell whether an image-level split flatters best")


def test_two_seeds_are_too_few_for_a_verdict(tmp_path: Path) -> None:
    found = audit_people(tmp_path, {"memory": answer_from_memory}, seeds=(0, 1))

    assert found.verdict.startswith(
        "No verdict from 2 seeds on whether an image-level split flatters memory: "
    )


def test_audit_files_hold_what_the_call_returned(oracles: Audited) -> None:
    found, folder = oracles

    assert read_record(Audit, folder / "audit.json", error=DataError, fix="audit again") == found
    page = (folder / "audit.md").read_text()
    assert found.verdict in page
    memory = found.rows[0].image_level
    # Nothing was wrong, which bounds what is: by the number of people.
    assert 0.8 < memory.low < 0.99
    assert memory.method == "Clopper-Pearson, subjects counted"
    assert f"| memory | AUROC | 1.000 ({memory.low:.3f} to 1.000) | 0.9" in page
    assert {"optimism.png", "optimism.svg"} <= {path.name for path in folder.iterdir()}


def test_colour_remembers_people_and_knows_nothing_of_the_disease(
    simulated_fold: Path, tmp_path: Path
) -> None:
    dataset = open_dataset(simulated_fold)
    learners = usual_learners(dataset, RECIPE)

    found = audit(dataset, RECIPE, seeds=(0, 1, 2), out=tmp_path, learners={"colour": learners["colour"]})

    by_auroc = found.rows[0]
    # Colour bears no class by construction.
    assert by_auroc.image_level.estimate > 0.7
    assert by_auroc.subject_level.low < 0.5 < by_auroc.subject_level.high
    assert by_auroc.optimism.estimate > 0.2


def test_the_known_answer_is_the_simulations_own(simulated_fold: Path, tmp_path: Path) -> None:
    dataset = open_dataset(simulated_fold)

    known = usual_learners(dataset, RECIPE)["known answer"]
    found = audit(dataset, RECIPE, seeds=(0, 1), out=tmp_path, learners={"known answer": known})

    assert found.rows[0].image_level.estimate > 0.9
    assert "The best that is possible on unseen people here is 0.9" in found.verdict
    assert "known answer" not in usual_learners(replace(dataset, simulated=False), RECIPE)


@pytest.mark.parametrize("seeds", [(0,), (), (3, 3)])
def test_an_audit_needs_two_different_seeds(seeds: tuple[int, ...], tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="cannot audit with these seeds"):
        audit_people(tmp_path, {"best": answer_best}, seeds)


def test_too_few_people_are_noticed_before_anything_is_trained(tmp_path: Path) -> None:
    dataset = replace(
        draw_people()[0], cells=make_cells({"N": (0, 8), "M": (0, 8), "P": (1, 8), "Q": (1, 8)})
    )
    called: list[Split] = []

    def learner(_dataset: Dataset, split: Split, _out: Path) -> Probabilities:
        called.append(split)
        return np.zeros(len(split.test))

    with pytest.raises(SplitError, match="HEM has 2 subjects for 3 sides"):
        audit(dataset, RECIPE, seeds=(0, 1), out=tmp_path / "out", learners={"one": learner})

    assert not called
    assert not (tmp_path / "out").exists()


def test_the_figure_names_learners_scores_and_simulation() -> None:
    one = Interval(0.9, 0.8, 0.95, 0.95, IntervalMethod.CROSSED_SUBJECTS, 40, 9, 2000)
    gap = replace(one, estimate=0.125, low=-0.05, high=0.3)

    figure = draw_optimism(
        {"leuknet": (one, one, gap)}, metric="AUROC", ceiling=0.94, n_seeds=3, simulated=True
    )

    texts = {text.get_text().strip() for text in figure.findobj(Text) if isinstance(text, Text)}
    assert {"leuknet", "+0.125 (-0.050 to +0.300)", "best on unseen people, 0.940"} <= texts
    assert "SIMULATED CELLS" in texts


@pytest.mark.usefixtures("tiny_demo")
def test_the_command_audits_a_network_and_goes_on_from_what_is_there(
    simulated_fold: Path, tmp_path: Path
) -> None:
    command = ("audit", "--data", simulated_fold, "--seeds", "0,1", "--out", tmp_path, "--set", "epochs=1")
    first = run_cli(*command)
    weights = tmp_path / "runs" / "subject-level-1" / "model" / "weights.safetensors"

    assert first.status == 0, first.err
    for text in ("SIMULATED CELLS", "leuknet", "nearest", "known answer", "not a medical device"):
        assert text in first.out
    evaluation = read_evaluation(tmp_path / "evaluations" / "subject-level-1.json")
    assert (evaluation.split_kind, evaluation.seed) == ("subject-level", 1)
    result = read_record(Audit, tmp_path / "audit.json", error=DataError, fix="audit again")
    trained_at = weights.stat().st_mtime_ns

    (tmp_path / "audit.json").unlink()
    again = run_cli(*command)
    other = run_cli(*command, "--set", "learning_rate=0.001")

    assert again.status == 0, again.err
    assert weights.stat().st_mtime_ns == trained_at
    assert read_record(Audit, tmp_path / "audit.json", error=DataError, fix="audit again") == result
    assert other.status == 2
    assert "holds a finished run of another recipe" in other.err


def test_the_command_says_what_seeds_look_like(simulated_fold: Path) -> None:
    ended = run_cli("audit", "--data", simulated_fold, "--seeds", "two")

    assert ended.status == 2
    assert "0,1,2" in ended.err
