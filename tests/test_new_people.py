"""The study of few people, at its smallest and on simulated cells: who teaches, who chooses, who tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import new_people
import pretrained
import real_cells
from leuknet.inference.model_folder import FILES
from leuknet.networks.predictor import load_model
from leuknet.types import Label
from new_people import CHUNK, FORMS, Learner, People, choose, deal, read_people, weigh
from tests.conftest import simulate_few

pytestmark = pytest.mark.timeout(1200)  # minutes on a busy machine


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The study with inputs of 32 pixels, fresh weights and few learners; where it builds, and its data."""
    build = tmp_path_factory.mktemp("build")
    data = simulate_few(build / "cells", seed=0, scale=0.01, parts=("fold_0", "fold_1"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(new_people, "BUILD", build)
        patch.setattr(new_people, "PRETRAINED", False)
        patch.setattr(new_people, "FORMS", {name: (crop, 32) for name, (crop, _) in FORMS.items()})
        patch.setattr(new_people, "STAGES", {"1 to 3": (1, 3), "2 to 5": (2, 5)})
        patch.setattr(new_people, "PENALTIES", (0.01,))
        patch.setattr(new_people, "ALIKE", {"people": 1.0, "cells": 0.0})
        patch.setattr(new_people, "MIN_HEALTHY", 3)
        patch.setattr(new_people, "DRAWS", 1)
        patch.setattr(new_people, "PEOPLE", (1,))
        patch.setattr(new_people, "PER_PERSON", (3,))
        patch.setattr(new_people, "restore", lambda _: (data, "python restore.py build/cnmc2019"))
        yield build, data


@pytest.fixture(scope="module")
def people(small: tuple[Path, Path]) -> People:
    build, data = small
    return read_people(data, build / "new-people")


def test_each_person_is_in_one_round_and_people_with_few_cells_share_one(people: People) -> None:
    rows = np.arange(len(people.cells))
    rounds = deal(people, rows)

    assert sorted(np.concatenate(rounds)) == rows.tolist()
    names = [set(people.subjects[test]) for test in rounds]
    assert sum(map(len, names)) == len(set(people.subjects))
    for test in rounds:
        healthy = people.subjects[test][people.labels[test] == Label.NORMAL]
        assert len(set(healthy)) == 1 or max(np.unique(healthy, return_counts=True)[1]) < 3
        assert (people.labels[test] == Label.LEUKAEMIC).any()


def test_people_of_a_class_weigh_alike_and_both_classes_do(people: People) -> None:
    rows = np.arange(len(people.cells))
    weights = weigh(people, rows, "people")

    assert weights.mean() == pytest.approx(1)
    for label in Label:
        own = people.labels == label
        sums = [weights[own & (people.subjects == name)].sum() for name in set(people.subjects[own])]
        assert sums == pytest.approx([len(rows) / 2 / len(sums)] * len(sums))
    cells_alike = weigh(people, rows, "cells")
    assert len(set(cells_alike.round(9))) == 2


def test_features_are_kept_and_differ_between_forms(people: People, small: tuple[Path, Path]) -> None:
    build, _ = small
    kept = sorted((build / "new-people").rglob("*.npy"))
    assert len(kept) == 2 * -(-len(people.cells) // CHUNK)
    one, other = (people.seen(Learner(form, "1 to 3", 0.1, "people")) for form in FORMS)
    assert one.shape == other.shape == (len(people.cells), 24 + 40 + 80)
    assert not np.allclose(one, other)


def test_nobody_who_tests_has_taught_or_chosen(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.arange(len(people.cells))
    test = deal(people, rows)[0]
    seen: list[tuple[NDArray[np.intp], NDArray[np.intp]]] = []
    learn = new_people.learn

    def spy(people: People, learner: Learner, teach: Any, tested: Any, **others: Any) -> Any:
        seen.append((teach, tested))
        return learn(people, learner, teach, tested, **others)

    monkeypatch.setattr(new_people, "learn", spy)
    choose(people, np.setdiff1d(rows, test))

    tested_people = set(people.subjects[test])
    assert seen
    for teach, tested in seen:
        assert tested_people.isdisjoint(people.subjects[teach])
        assert tested_people.isdisjoint(people.subjects[tested])
        assert set(people.subjects[teach]).isdisjoint(people.subjects[tested])


def test_the_study_runs_and_says_what_it_found(small: tuple[Path, Path]) -> None:
    section = next(one for one in real_cells.SECTIONS if one.name == "new-people")
    found = json.loads(json.dumps(section.measure(small[0])))
    text = "\n".join(section.write(found))

    assert 1 < len(found["rounds"]) <= found["people"][0]
    assert {row["name"] for row in found["rows"]} == {
        "chosen in each round", "area", "colour", "nearest", "texture"
    }  # fmt: skip
    assert found["against"].keys() == {"area", "colour", "nearest", "texture"}
    assert all(0 <= value <= 1 for row in found["rows"] for value in row["rounds"])
    assert [one["size"] for one in found["curves"]["people"]] == [1]
    assert found["outside"]["cells"][1] > 0
    assert f"In each of {len(found['rounds'])} rounds" in text


def test_the_model_that_comes_with_leuknet_can_be_made_again(
    small: tuple[Path, Path], tmp_path: Path
) -> None:
    settings = ("network_options.pretrained=false", "image_size_px=32", "epochs=2", "batch_size=16")
    pretrained.ship(small[1], tmp_path / "shipped", *settings, out=tmp_path / "run")

    assert sorted(path.name for path in (tmp_path / "shipped").iterdir()) == sorted(FILES)
    card = load_model(tmp_path / "shipped").card
    assert card.simulated
    found = {
        "rounds": [{}, {}],
        "rows": [{"name": "area", "auroc": "0.780 (no interval)", "balanced_accuracy": "70%"}],
    }
    text = pretrained.describe(tmp_path / "shipped", found)
    assert card.origin in text
    assert "SIMULATED cells" in text
    assert "| area | 0.780 (no interval) | 70% |" in text
    assert "10.7937/tcia.2019.dc64i46r" in text
