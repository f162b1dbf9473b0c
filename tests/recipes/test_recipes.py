"""Recipes agree with the paper, and only valid settings make one."""

from __future__ import annotations

import json
import math
import re
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

import leuknet
from leuknet.data import open_dataset, read_pixels
from leuknet.data.published_counts import COUNTS
from leuknet.data.split import make_split
from leuknet.errors import SettingError
from leuknet.networks import weights
from leuknet.recipes import RECIPES, about, changed, checked, get_recipe
from leuknet.recipes.leuknet_demo import LEUKNET_DEMO
from leuknet.recipes.leuknet_paper import LEUKNET_PAPER
from leuknet.training.train import train
from leuknet.types import Label
from tests.conftest import run_cli


def test_the_papers_recipe_has_the_papers_numbers() -> None:
    recipe = get_recipe("leuknet-paper")

    assert recipe.parts == ("fold_0",)
    assert recipe.split == "image-level"
    assert recipe.fractions == (0.7, 0.2, 0.1)
    assert (recipe.image_size_px, recipe.batch_size, recipe.epochs) == (224, 128, 10)
    assert (recipe.learning_rate, recipe.rate_drop_factor, recipe.rate_drop_epochs) == (1e-4, 0.5, 7)
    assert (recipe.weight_decay, recipe.shuffle, recipe.validate_every) == (1e-4, "once", 5)


def test_the_demo_differs_from_the_paper_only_where_it_says() -> None:
    assert (
        replace(
            LEUKNET_DEMO,
            name=LEUKNET_PAPER.name,
            claim=LEUKNET_PAPER.claim,
            image_size_px=224,
            batch_size=128,
        )
        == LEUKNET_PAPER
    )


PUBLISHED = (
    "goswami-2020",
    "oliveira-2021",
    "clinton-2020",
    "bukhari-2022",
    "shafique-2018",
    "leufeatx-2022",
)


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_system_says_what_is_known_of_it_and_what_was_chosen(name: str) -> None:
    text = " ".join(about(name).split())

    assert "Known of the original" in text
    assert "not found" in text
    assert re.search("[Cc]hosen|What differs", text)
    claimed = {"goswami": "0.9526", "oliveira": "0.926", "clinton": "91%", "bukhari": "98.3%"}
    claimed |= {"shafique": "96.06%", "leufeatx": "96.15%"}
    assert claimed[name.split("-")[0]] in RECIPES[name].claim


def test_published_systems_differ_from_the_papers_recipe_only_by_what_they_state() -> None:
    same = {
        "fractions",
        "seed",
        "threshold",
        "crop_px",
        "weight_decay",
        "image_size_px",
        "split",
    }

    for name in set(PUBLISHED) - {"goswami-2020"}:  # which was tested on people who trained nothing
        assert all(getattr(RECIPES[name], one) == getattr(LEUKNET_PAPER, one) for one in same), name
    assert RECIPES["goswami-2020"].split == "subject-level"
    assert RECIPES["goswami-2020"].loss == "heterogeneity"


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_names_things_that_exist(name: str) -> None:
    recipe = RECIPES[name]

    assert recipe.name == name
    assert set(recipe.parts) <= set(COUNTS)
    assert checked(asdict(recipe)) == recipe


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_states_claim_source_cost_and_command(name: str) -> None:
    text = about(name)

    for word in ("Claim: ", "Cost: ", "Command: "):
        assert word in text
    assert f"`leuknet train {name}" in text
    assert RECIPES[name].source


def test_the_command_says_all_of_one_recipe() -> None:
    ended = run_cli("recipes", "strong")

    assert ended.status == 0, ended.err
    assert about("strong") in ended.out
    assert '"learning_rate": 0.0002' in ended.out
    assert run_cli("recipes", "strongest").status == 2


def _drawn(name: str, like: Tensor) -> Tensor:
    """Return a weight of a shape, drawn so that values neither grow nor fade from layer to layer."""
    if like.ndim < 2:  # the scale of a normalisation, and what it has seen
        return torch.full_like(like, name.endswith(("weight", "var")), device="cpu")
    return torch.randn(like.shape) * math.sqrt(2 / like[0].numel())


class _FakeHub:
    """Stands for the Hugging Face hub: has whatever repository is asked for, with weights drawn at random."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def download(self, repository: str, file: str, *, revision: str | None = None) -> str:
        path = self.folder / repository / file
        path.parent.mkdir(parents=True, exist_ok=True)
        architecture = repository.split("/")[1].split(".")[0]
        if file == "config.json":
            config = {"mean": [0.5] * 3, "std": [0.25] * 3, "fixed_input_size": True}
            content = {"architecture": "vit_small_patch14_dinov2", "pretrained_cfg": config}
            path.write_text(json.dumps(content))
        else:
            with torch.device("meta"):  # their shapes alone
                if "dinobloom" in repository:
                    network = timm.create_model("vit_small_patch14_dinov2", num_classes=0, img_size=28)
                else:
                    network = timm.create_model(architecture, num_classes=1000)
            if architecture.startswith("vgg"):  # 480 MB that no recipe takes
                network.pre_logits = nn.Identity()
            save_file({name: _drawn(name, like) for name, like in network.state_dict().items()}, path)
        return str(path)


SMALLEST_PX = {"oliveira-2021": 32, "leufeatx-2022": 32, "shafique-2018": 64}
"""What a VGG's five poolings, and AlexNet's first layers, need; 28 is enough for the others."""


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_trains_two_steps(
    name: str, simulated_fold: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "hf_hub_download", _FakeHub(tmp_path / "hub").download)
    dataset = open_dataset(simulated_fold)
    cells = [cell for label in Label for cell in dataset.cells if cell.label is label][::6]
    few = replace(dataset, cells=tuple(cells))
    side = SMALLEST_PX.get(name, 28)
    recipe = replace(RECIPES[name], epochs=1, batch_size=8, image_size_px=side, fractions=(0.6, 0.2, 0.2))
    n_train = len(make_split(few.cells, recipe).train)
    recipe = replace(recipe, batch_size=n_train // 2)

    run = train(few, recipe, out=tmp_path / "run")

    assert [row.iteration for row in run.history] == [1, 2]
    assert all(np.isfinite(row.loss) for row in run.history)
    model = leuknet.load(run.folder / "model")
    assert model.card.recipe.name == name
    assert (model.predict(read_pixels(cells[0].path).pixels[None]) > 0).all()


def test_a_changed_recipe_no_longer_carries_the_name_or_the_claim() -> None:
    recipe = changed(LEUKNET_PAPER, ["epochs=2", "network_options.fc1=64", 'parts=["fold_1"]'])

    assert recipe.epochs == 2
    assert recipe.network_options == {"filters": [64, 128, 256], "fc1": 64}
    assert recipe.parts == ("fold_1",)
    assert "epochs=2" in recipe.name
    assert "86.73" not in recipe.claim


@pytest.mark.parametrize(
    ("setting", "field", "value"),
    [
        ("parts=fold_1", "parts", ("fold_1",)),
        ("parts=[fold_1]", "parts", ("fold_1",)),
        ("parts='fold_1'", "parts", ("fold_1",)),
        ('parts=["fold_0", "fold_1"]', "parts", ("fold_0", "fold_1")),
        ("parts=fold_0,fold_1", "parts", ("fold_0", "fold_1")),
        ("parts = ( fold_0, fold_1, )", "parts", ("fold_0", "fold_1")),
        ("parts=['ward 3, left', b]", "parts", ("ward 3, left", "b")),
        ("parts=1,2", "parts", ("1", "2")),
        ("parts=[]", "parts", ()),
        ("parts=", "parts", ()),
        ("parts=all", "parts", ()),
        ("parts=None", "parts", ()),
        ("fractions=0.6,0.2,0.2", "fractions", (0.6, 0.2, 0.2)),
        ("fractions=[.6, .2, .2]", "fractions", (0.6, 0.2, 0.2)),
        ("flip=True", "flip", True),
        ("flip=yes", "flip", True),
        ("balance=off", "balance", False),
        ("balance=0", "balance", False),
        ("crop_px=none", "crop_px", None),
        ("crop_px=300", "crop_px", 300),
        ("epochs=1e1", "epochs", 10),
        ("learning_rate=.001", "learning_rate", 0.001),
        ("split=Subject_Level", "split", "subject-level"),
        ('network="leuknet"', "network", "leuknet"),
        ("loss='focal'", "loss", "focal"),
        ("network_options.fc1=[4, 8]", "network_options", {"filters": [64, 128, 256], "fc1": [4, 8]}),
        ("network_options.filters=4,6,8", "network_options", {"filters": [4, 6, 8]}),
        ("network_options.frozen=True", "network_options", {"filters": [64, 128, 256], "frozen": True}),
        ("network_options.pool='max'", "network_options", {"filters": [64, 128, 256], "pool": "max"}),
        ("network_options.f=[a, b]", "network_options", {"filters": [64, 128, 256], "f": ["a", "b"]}),
    ],
)
def test_values_are_read_as_people_type_them(setting: str, field: str, value: object) -> None:
    recipe = changed(LEUKNET_PAPER, [setting])

    found = getattr(recipe, field)
    expected = {**LEUKNET_PAPER.network_options, **value} if isinstance(value, dict) else value
    assert found == expected
    assert type(found) is type(expected)


def test_no_change_leaves_a_recipe_as_it_is() -> None:
    assert changed(LEUKNET_PAPER, []) == LEUKNET_PAPER


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("epochs", "cannot set 'epochs'"),
        ("epoch=3", "the fields are"),
        ("claim=99%", "the fields are"),
        ("epochs.x=1", "the fields are"),
        ("epochs=0", "epochs must be a whole number from 1"),
        ("epochs=true", "epochs must be a whole number from 1"),
        ("epochs=ten", "epochs must be a whole number from 1"),
        ("fractions=[0.7, 0.2, 0.2]", "sum to 1"),
        ("fractions=0.7", "sum to 1"),
        ("split=external", "image-level or subject-level"),
        ("learning_rate=-1", "positive"),
        ("shuffle=twice", "once or every-epoch"),
        ("network_options=3", "table"),
        ("balance=maybe", "balance must be true or false"),
        ("learning_rate=NaN", "positive"),
        ("weight_decay=Infinity", "a number from 0"),
        ("epochs=2.5", "epochs must be a whole number from 1"),
    ],
)
def test_a_setting_that_does_not_exist_or_fit_is_an_error(setting: str, message: str) -> None:
    with pytest.raises(SettingError) as caught:
        changed(LEUKNET_PAPER, [setting])

    assert message in str(caught.value)


def test_an_unknown_recipe_is_an_error_that_names_the_nearest() -> None:
    with pytest.raises(SettingError) as caught:
        get_recipe("leuknet-papr")

    assert caught.value.fix == "use 'leuknet-paper'"


def test_values_that_lack_a_field_are_not_a_recipe() -> None:
    values = asdict(LEUKNET_PAPER)
    del values["seed"]

    with pytest.raises(SettingError, match="seed"):
        checked(values)
