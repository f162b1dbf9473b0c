"""Published networks: two logits, honest loading of weights, and folders that need no hub."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from pickle import dumps
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import timm
import torch
from huggingface_hub.errors import LocalEntryNotFoundError
from safetensors.torch import save_file

import leuknet
from leuknet.data import open_dataset
from leuknet.errors import MissingExtraError, ModelError, SettingError
from leuknet.networks import build, describe, layer_table
from leuknet.networks import weights as weights_module
from leuknet.networks.published import Published
from leuknet.networks.weights import put_weights
from leuknet.recipes import changed, get_recipe
from leuknet.report.facts import network_text
from leuknet.training.train import train

# timm's own smallest networks, of a few hundred thousand values: one of each kind.
VIT, CNN = "test_vit", "test_efficientnet"


def pixels(side: int = 32, n: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (n, 3, side, side), generator=generator).float()


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that stands for the Hugging Face hub: repositories as folders, files as there."""

    def download(repository: str, file: str, *, revision: str | None = None) -> str:
        path = tmp_path / repository / file
        if not path.exists():
            raise LocalEntryNotFoundError("offline")
        return str(path)

    monkeypatch.setattr(weights_module, "hf_hub_download", download)
    return tmp_path


def publish(hub: Path, repository: str, architecture: str, **options: Any) -> torch.nn.Module:
    """Put a small network of timm with random weights onto the hub, as timm's push does."""
    torch.manual_seed(3)
    network: torch.nn.Module = timm.create_model(architecture, num_classes=0, **options)
    folder = hub / repository
    folder.mkdir(parents=True)
    save_file(network.state_dict(), folder / "model.safetensors")
    config = {
        "architecture": architecture,
        "num_classes": 0,
        "model_args": options,
        "pretrained_cfg": {
            "mean": [0.5, 0.25, 0.125],
            "std": [0.2, 0.3, 0.4],
            "fixed_input_size": architecture == VIT,
            "classifier": "head",
            "num_classes": 0,
        },
    }
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return network


@pytest.mark.parametrize("name", [f"timm:{VIT}", f"timm:{CNN}", "torchvision:resnet18"])
def test_a_published_network_gives_two_logits_and_trains_all_its_values(name: str) -> None:
    network = build(name, 64)

    logits = network(pixels(64))
    logits.square().sum().backward()

    assert logits.shape == (3, 2)
    assert all(value.grad is not None for value in network.parameters())


def test_a_frozen_body_neither_learns_nor_moves_its_batch_statistics() -> None:
    network = build(f"timm:{CNN}", 32, {"frozen": True})
    assert isinstance(network, Published)
    before = {name: value.clone() for name, value in network.body.state_dict().items()}

    network.train()(pixels()).square().sum().backward()

    assert all(value.grad is None for value in network.body.parameters())
    assert network.head.weight.grad is not None
    assert all(torch.equal(value, before[name]) for name, value in network.body.state_dict().items())


def test_weights_of_the_hub_give_the_publishers_features(hub: Path) -> None:
    theirs = publish(hub, "someone/blood", VIT, img_size=32).eval()
    network = build("hf:someone/blood", 32).eval()
    assert isinstance(network, Published)
    images = pixels()
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in ([0.5, 0.25, 0.125], [0.2, 0.3, 0.4]))

    ours = network.body(network.input(images))

    torch.testing.assert_close(ours, theirs((images / 255 - mean) / std), rtol=1e-4, atol=1e-5)


def test_a_transformer_takes_another_size_than_its_publisher_used(hub: Path) -> None:
    publish(hub, "someone/blood", VIT, img_size=32)

    assert build("hf:someone/blood", 64)(pixels(64)).shape == (3, 2)


def test_tagged_weights_of_timm_are_fetched_from_their_repository(hub: Path) -> None:
    tagged = timm.list_pretrained(f"{CNN}.*")[0]
    config = timm.get_pretrained_cfg(tagged)
    assert config is not None
    torch.manual_seed(5)
    theirs = timm.create_model(CNN)
    folder = hub / str(config.hf_hub_id)
    folder.mkdir(parents=True)
    save_file(theirs.state_dict(), folder / "model.safetensors")

    network = build(f"timm:{tagged}", 32, {"pretrained": True}).eval()

    assert isinstance(network, Published)
    own = theirs.state_dict()
    assert all(torch.equal(value, own[name]) for name, value in network.body.state_dict().items())
    assert network.input.is_fixed


def test_a_weight_that_is_missing_is_an_error_and_not_left_as_it_was_drawn(hub: Path) -> None:
    publish(hub, "someone/blood", VIT, img_size=32)
    path = hub / "someone/blood/model.safetensors"
    state = weights_module.read_safetensors(path)
    del state["blocks.0.norm1.weight"]
    save_file(state, path)

    with pytest.raises(ModelError, match="do not fit") as caught:
        build("hf:someone/blood", 32)

    assert "blocks.0.norm1.weight" in caught.value.why


def test_a_weight_of_another_shape_is_an_error(hub: Path) -> None:
    network = timm.create_model(CNN, num_classes=0)
    state = network.state_dict()
    name = next(iter(state))
    state[name] = torch.zeros(1, 2, 3)

    with pytest.raises(ModelError, match="do not fit"):
        put_weights(network, state, source="a file")


@pytest.mark.parametrize("spoil", ["offline", "pickle", "not timm's", "unknown"])
def test_what_the_hub_cannot_give_is_an_error_with_a_way_out(hub: Path, spoil: str) -> None:
    publish(hub, "someone/blood", VIT, img_size=32)
    folder = hub / "someone/blood"
    if spoil == "offline":
        (folder / "model.safetensors").unlink()
    elif spoil == "pickle":
        (folder / "model.safetensors").write_bytes(b"\x80\x04K\x01.")
    elif spoil == "not timm's":
        (folder / "config.json").write_text('{"model_type": "dinov2"}')
    else:
        content = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(content | {"architecture": "vit_of_tomorrow"}))

    with pytest.raises(ModelError) as caught:
        build("hf:someone/blood", 32)

    assert caught.value.fix


def test_unknown_names_are_errors_that_name_a_near_one() -> None:
    with pytest.raises(SettingError, match="timm has no network") as caught:
        build("timm:resnet81", 32)
    assert "timm:resnet" in caught.value.fix
    with pytest.raises(SettingError, match="torchvision has no network"):
        build("torchvision:resnet81", 32)
    with pytest.raises(SettingError, match="no weights called"):
        build("timm:resnet18.nobody", 32)
    with pytest.raises(SettingError, match="does not end in one fully connected layer"):
        build("torchvision:squeezenet1_0", 64)


def test_a_model_folder_of_a_hub_network_opens_where_there_is_no_hub(
    hub: Path, tmp_path: Path, simulated_fold: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(hub, "someone/blood", VIT, img_size=32)
    settings = ["network=hf:someone/blood", "network_options.frozen=true"]
    settings += ["image_size_px=32", "epochs=1", "batch_size=8", "balance=false"]
    recipe = changed(get_recipe("leuknet-demo"), settings)

    run = train(open_dataset(simulated_fold), recipe, out=tmp_path / "run")
    monkeypatch.setattr(weights_module, "hf_hub_download", None)  # whoever calls it now fails

    model = leuknet.load(run.folder / "model", engine="torch")
    assert np.isfinite(model.predict(np.zeros((2, 450, 450, 3), np.uint8))).all()
    assert describe(recipe.network, model.card.recipe.network_options) == model.card.recipe.network_options
    assert model.card.channel_mean == pytest.approx((127.5, 63.75, 31.875))  # the publisher's


def test_a_description_cannot_make_timm_read_a_pickle(hub: Path, tmp_path: Path) -> None:
    canary = tmp_path / "canary"

    class Harm:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (canary,))

    pickle = tmp_path / "weights.pth"
    pickle.write_bytes(dumps({"state_dict": Harm()}))
    described = {"architecture": CNN, "model_args": {"checkpoint_path": str(pickle)}, "pretrained_cfg": {}}

    with pytest.raises(ModelError, match="asks timm for 'checkpoint_path'"):
        build("hf:someone/evil", 32, {"config": described, "pretrained": False})
    elsewhere = described | {"architecture": f"local-dir:{tmp_path}", "model_args": {}}
    with pytest.raises(ModelError, match="has no 'local-dir:"):
        build("hf:someone/evil", 32, {"config": elsewhere, "pretrained": False})
    assert not canary.exists()


@pytest.mark.parametrize("number", [0, 1, 2])
def test_imagenet_weights_of_efficientnet_lite_know_a_cat(number: int) -> None:
    from skimage.data import chelsea

    name = f"efficientnet-lite{number}"
    network = timm.create_model(f"tf_efficientnet_lite{number}", num_classes=1000).eval()
    weights_module.load_lite_weights(network, name)
    image = torch.from_numpy(chelsea()[:, 75:375].copy()).permute(2, 0, 1)[None].float()
    image = torch.nn.functional.interpolate(image, (224, 224), mode="bilinear", antialias=True)

    answer = network((image - 127) / 128).softmax(dim=1)[0]

    assert float(answer[281:286].sum().detach()) > 0.5  # ImageNet's five house cats


def test_weights_of_a_package_that_was_changed_or_lacks_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    network = timm.create_model("tf_efficientnet_lite0", num_classes=1000)
    monkeypatch.setitem(weights_module.LITE_SHA256, "efficientnet-lite0", "0" * 64)
    with pytest.raises(ModelError, match="SHA-256 differs"):
        weights_module.load_lite_weights(network, "efficientnet-lite0")

    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="not installed"):
        weights_module.load_lite_weights(network, "efficientnet-lite0")


def test_the_layer_table_of_a_published_network_counts_its_parameters() -> None:
    rows = {row.name: row for row in layer_table("timm:resnet18", 224)}

    assert (
        rows["body"].parameters == 11_176_512
    )  # torchvision's 11,689,512 less 512 x 1000 + 1000 of its classifier
    assert rows["head"].parameters == 512 * 2 + 2
    assert rows["body"].gflop == pytest.approx(3.63, abs=0.02)  # two for each multiplication


def test_a_recipe_says_whether_its_network_starts_from_published_weights() -> None:
    assert describe("leuknet", {"fc1": 8}) == {"fc1": 8}
    assert describe("timm:resnet18", {}) == {"pretrained": False}
    assert describe("efficientnet-lite0", {"dropout": 0.1}) == {"dropout": 0.1, "pretrained": True}


def test_a_report_states_the_input_that_published_weights_want() -> None:
    card = SimpleNamespace(
        recipe=replace(
            get_recipe("leuknet-paper"),
            network="hf:someone/blood",
            network_options={"pretrained": True, "config": {"architecture": VIT}},
        ),
        canvas_px=450,
        channel_mean=(127.5, 63.75, 31.875),
        channel_std=(51.0, 76.5, 102.0),
    )

    text = network_text(SimpleNamespace(card=card))  # type: ignore[arg-type]

    assert text.startswith("network hf:someone/blood (pretrained True), RGB images")
    assert text.endswith(
        "less 127.5, 63.75, 31.88 and divided by 51, 76.5, 102, as its published weights want it"
    )
