"""A training that begins with another model's weights keeps them, and keeps in mind who taught that model."""

from __future__ import annotations

import functools
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from leuknet.data import open_dataset
from leuknet.data.unseen import cells_of_parts
from leuknet.errors import LeakError, ModelError, SettingError
from leuknet.inference.model_folder import open_card
from leuknet.networks.predictor import load_model
from leuknet.recipes.leuknet_demo import LEUKNET_DEMO
from leuknet.simulation.simulate import simulate
from leuknet.training.ensembling import combine
from leuknet.training.train import train
from leuknet.types import Dataset
from tests.conftest import run_cli

TINY = replace(
    LEUKNET_DEMO,
    network_options={"filters": [2, 3, 4], "fc1": 4},
    image_size_px=32,
    epochs=2,
    learning_rate=0.05,
    batch_size=8,
    split="subject-level",
    fractions=(0.6, 0.4, 0.0),
)
STILL = replace(TINY, learning_rate=1e-9)
"""Takes steps so small that weights stay where they begin."""


@pytest.fixture(scope="module")
def everybody(simulated_fold: Path) -> Dataset:
    return open_dataset(simulated_fold)


@pytest.fixture(scope="module")
def halves(everybody: Dataset) -> tuple[Dataset, Dataset]:
    """Two data sets of different people, of both classes each."""
    by_label: dict[object, list[str | None]] = {}
    for cell in everybody.cells:
        people = by_label.setdefault(cell.label, [])
        if cell.subject not in people:
            people.append(cell.subject)
    first = {person for people in by_label.values() for person in people[::2]}
    return (
        replace(everybody, cells=tuple(cell for cell in everybody.cells if cell.subject in first)),
        replace(everybody, cells=tuple(cell for cell in everybody.cells if cell.subject not in first)),
    )


@pytest.fixture(scope="module")
def earlier(halves: tuple[Dataset, Dataset], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(halves[0], TINY, out=tmp_path_factory.mktemp("earlier") / "run").folder / "model"


@pytest.fixture(scope="module")
def later(halves: tuple[Dataset, Dataset], earlier: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("later") / "run"
    return train(halves[1], STILL, out=out, start_from=earlier).folder / "model"


def weights_of(model: Path) -> torch.Tensor:
    layers = load_model(model).network.named_parameters()
    return torch.cat([value.flatten() for _, value in layers])


def test_it_begins_with_the_weights_of_the_other_model(
    earlier: Path, later: Path, halves: tuple[Dataset, Dataset], tmp_path: Path
) -> None:
    fresh = train(halves[1], STILL, out=tmp_path / "fresh").folder / "model"

    torch.testing.assert_close(weights_of(later), weights_of(earlier), atol=1e-5, rtol=0)
    assert (weights_of(fresh) - weights_of(earlier)).abs().max() > 0.01


def test_its_card_names_that_model_and_what_it_rests_on(earlier: Path, later: Path) -> None:
    card, theirs = open_card(later), load_model(earlier)

    assert card.started_from == f"{theirs.model_id} (leuknet-demo, {theirs.card.origin})"
    assert card.origin.endswith(f"starting from model {card.started_from}")
    assert open_card(earlier).started_from == ""


def test_cells_and_people_of_that_model_never_judge_the_new_one(
    later: Path, halves: tuple[Dataset, Dataset], everybody: Dataset
) -> None:
    manifest, card = load_model(later).manifest, open_card(later)
    judged_by = functools.partial(
        cells_of_parts, manifest, trained_on=card.dataset, trained_on_simulated=card.simulated
    )

    with pytest.raises(LeakError, match="trained on"):
        judged_by(halves[0])
    new = judged_by(everybody, new_people=True)
    assert {cell.subject for cell in manifest.earlier} > {halves[0].cells[0].subject}
    assert not {cell.subject for cell in new.cells} & {cell.subject for cell in manifest.developed_on}


def test_an_ensemble_remembers_whom_its_members_began_with(
    later: Path, halves: tuple[Dataset, Dataset], tmp_path: Path
) -> None:
    second = train(halves[1], replace(STILL, draw=1), out=tmp_path / "second").folder / "model"

    together = combine([later, second], halves[1], out=tmp_path / "together")

    assert load_model(together).manifest.earlier == load_model(later).manifest.earlier != ()


def test_a_split_that_would_judge_it_by_what_it_has_seen_is_refused(
    earlier: Path, everybody: Dataset, tmp_path: Path
) -> None:
    with pytest.raises(LeakError, match="or their people, developed that model"):
        train(everybody, TINY, out=tmp_path / "by-person", start_from=earlier)
    by_image = replace(TINY, split="image-level")
    with pytest.raises(LeakError, match="would judge the new model"):
        train(everybody, by_image, out=tmp_path / "by-image", start_from=earlier)
    assert not list(tmp_path.iterdir())


def test_the_very_split_of_that_model_may_be_trained_on(
    earlier: Path, halves: tuple[Dataset, Dataset], tmp_path: Path
) -> None:
    again = train(halves[0], replace(STILL, epochs=2), out=tmp_path / "again", start_from=earlier)

    torch.testing.assert_close(weights_of(again.folder / "model"), weights_of(earlier), atol=1e-5, rtol=0)


def test_simulated_people_are_not_the_real_ones_of_the_same_ids(earlier: Path, tmp_path: Path) -> None:
    simulate(tmp_path / "others", seed=5, scale=0.03, parts=("fold_0",))
    taken_as_real = replace(open_dataset(tmp_path / "others"), simulated=False)
    known = {cell.subject for cell in load_model(earlier).manifest.developed_on}
    assert known & {cell.subject for cell in taken_as_real.cells}

    model = train(taken_as_real, STILL, out=tmp_path / "run", start_from=earlier).folder / "model"

    manifest = load_model(model).manifest
    assert len(manifest.earlier) == len(load_model(earlier).manifest.developed_on)
    assert not known & {cell.subject for cell in manifest.earlier}


def test_a_model_of_another_network_or_size_is_refused(
    earlier: Path, halves: tuple[Dataset, Dataset], tmp_path: Path
) -> None:
    wider = replace(TINY, network_options={"filters": [2, 3, 4], "fc1": 5})
    larger = replace(TINY, image_size_px=64)

    with pytest.raises(SettingError, match=r"its network is leuknet with .*'fc1': 4"):
        train(halves[1], wider, out=tmp_path / "wider", start_from=earlier)
    with pytest.raises(SettingError, match="size mismatch"):
        train(halves[1], larger, out=tmp_path / "larger", start_from=earlier)


def test_a_stopped_run_does_not_go_on_from_another_beginning(
    earlier: Path, halves: tuple[Dataset, Dataset], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leuknet.training.train.finish", lambda *_, **__: 1 / 0)
    monkeypatch.setattr("leuknet.training.loop.CHECKPOINT_EVERY_S", 0.0)
    with pytest.raises(ZeroDivisionError):  # killed at the end: the checkpoint is there
        train(halves[1], STILL, out=tmp_path / "run", start_from=earlier)

    with pytest.raises(ModelError, match=r"its beginning was .*, and now it is none"):
        train(halves[1], STILL, out=tmp_path / "run", resume=True)


def test_a_damaged_list_of_earlier_cells_is_an_error(later: Path, tmp_path: Path) -> None:
    copy = tmp_path / "split.json"
    content = json.loads((later / "split.json").read_text())
    content["earlier"][0]["sha256"] = 7
    copy.write_text(json.dumps(content))

    from leuknet.data.split_file import read_manifest
    from leuknet.errors import SplitError

    with pytest.raises(SplitError, match="wrong type"):
        read_manifest(copy)


def test_the_command_says_what_cannot_be_begun_with(
    earlier: Path, simulated_fold: Path, tmp_path: Path
) -> None:
    ended = run_cli(
        "train",
        "probe-lite0",
        "--data",
        simulated_fold,
        "--start-from",
        earlier,
        "--set",
        "batch_size=8",
        "--out",
        tmp_path / "run",
    )

    assert ended.status == 2
    assert "its network is leuknet" in ended.err
    assert "train with the recipe of that model" in ended.err
