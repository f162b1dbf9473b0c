"""`leuknet reproduce paper` with several seeds goes on where it was stopped, and says which fold it took."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from leuknet.errors import SettingError
from leuknet.evaluation.evaluate import read_evaluation
from leuknet.experiments import reproduce
from leuknet.inference.model_folder import open_card
from leuknet.simulation.simulate import simulate
from leuknet.training import runs
from leuknet.training import train as train_module
from tests.cli.test_cli import assert_error
from tests.conftest import run_cli

pytestmark = [
    pytest.mark.usefixtures("tiny_demo", "blank_figures"),
    pytest.mark.timeout(1200),  # minutes on a busy machine
]


@pytest.fixture
def copy(mini_reproduction: Path, tmp_path: Path) -> Path:
    """A demonstration with one seed that a test may add to."""
    return Path(shutil.copytree(mini_reproduction, tmp_path / "demo"))


def test_more_seeds_are_added_and_finished_ones_stay_as_they_are(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = copy / "run" / "model" / "model.json"
    before = model.stat().st_mtime_ns
    trained: list[int] = []
    train = train_module.train

    def note(dataset, recipe, **others):  # type: ignore[no-untyped-def]
        trained.append(recipe.seed)
        if recipe.seed == 2 and len(trained) == 2:
            raise SettingError("stopped here", why="as by Ctrl-C", fix="go on")
        return train(dataset, recipe, **others)

    monkeypatch.setattr(runs, "train", note)
    command = ("reproduce", "paper", "--demo", "--seeds", "0,1,2", "--out", copy)

    assert run_cli(*command).status == 2
    assert trained == [1, 2]
    assert run_cli(*command).status == 0  # seed 1 was not trained again
    assert trained == [1, 2, 2]
    assert model.stat().st_mtime_ns == before

    page = (copy / "index.html").read_text(encoding="utf-8")
    for seed, folder in ((0, copy / "run"), (1, copy / "seeds" / "1"), (2, copy / "seeds" / "2")):
        found = read_evaluation(folder / "evaluation" / "evaluation.json")
        assert found.seed == seed
        assert f'<tr><th scope="row">Seed {seed}</th><td>{found.metrics["accuracy"].estimate:.2%}' in page
    assert "Test accuracy over 3 seeds: mean " in page
    assert "leuknet reproduce paper --demo --seeds 0,1,2" in page
    assert page.count("<img") == 6
    assert not (copy / "seeds" / "1" / "evaluation" / "galleries.json").exists()


def test_a_seed_that_is_named_twice_is_refused(tmp_path: Path) -> None:
    ended = run_cli("reproduce", "paper", "--demo", "--seeds", "0,1,0", "--out", tmp_path / "out")

    assert_error(ended, what="cannot run these seeds", why="named twice", fix="once")


def test_a_finished_run_of_another_precision_is_not_taken_for_the_one_asked_for(copy: Path) -> None:
    assert open_card(copy / "run" / "model").precision == "no"

    ended = run_cli("reproduce", "paper", "--demo", "--precision", "bf16", "--out", copy)

    assert_error(ended, what="finished run of another precision", why="'no'", fix="--out")


def test_without_fold_0_the_fold_that_is_there_is_taken_and_named(tmp_path: Path) -> None:
    data = simulate(tmp_path / "data", seed=0, scale=0.03, parts=("fold_1",))

    page = reproduce.reproduce_paper(data, out=tmp_path / "out", recipe="leuknet-demo")

    text = page.read_text(encoding="utf-8")
    assert "fold_1, the most complete fold: all " in text
    assert "of fold_0; that is not here." in text
    card = open_card(tmp_path / "out" / "run" / "model")
    assert card.recipe.parts == ("fold_1",)
    assert card.recipe.name == 'leuknet-demo (changed: parts=["fold_1"])'
    assert "leuknet-demo (parts=fold_1)" in text


def test_a_fold_too_small_is_refused_with_what_the_command_has(tmp_path: Path) -> None:
    data = simulate(tmp_path / "data", seed=0, scale=0.03, parts=("fold_1",))

    ended = run_cli("reproduce", "paper", "--data", data, "--out", tmp_path / "out")

    assert_error(ended, what="too few cells of fold_1", why="one batch has 128", fix="--demo")
    assert "--set" not in ended.err
    assert not (tmp_path / "out").exists()


def test_real_images_without_a_whole_fold_recommend_no_option_that_is_not_there(
    shared_data: Path, tmp_path: Path
) -> None:
    # 129 real images of several folds, as published.
    ended = run_cli("reproduce", "paper", "--data", shared_data / "cnmc2019", "--out", tmp_path / "out")

    assert_error(ended, what="too few cells", why="images are here", fix="fetch the whole data set")
    assert "--set" not in ended.err
