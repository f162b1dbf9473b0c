"""Models travel to a hub and back, without names, and still prove themselves."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import ModelCard, constants

import leuknet
from leuknet.data.split_file import read_manifest
from leuknet.errors import ModelError, SettingError
from leuknet.inference.model_folder import is_repository
from leuknet.sharing.hub import pull, push
from tests.conftest import REPOSITORY, run_cli
from tests.fake_hub import TOKEN

NAME = "me/leuknet-tiny"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A real server process that speaks the hub's API; its folder."""
    root = tmp_path / "hub"
    root.mkdir()
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.fake_hub", root], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    monkeypatch.setattr(constants, "ENDPOINT", server.stdout.readline().strip())
    monkeypatch.setattr(
        constants,
        "HUGGINGFACE_CO_URL_TEMPLATE",
        constants.ENDPOINT + "/{repo_id}/resolve/{revision}/{filename}",
    )
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("LEUKNET_CACHE", str(tmp_path / "cache"))
    yield root
    server.kill()
    server.communicate()


@pytest.fixture
def model(mini_reproduction: Path) -> Path:
    return mini_reproduction / "run" / "model"


def pushed(hub: Path) -> Path:
    return hub / NAME / "commits" / (hub / NAME / "head").read_text()


def test_a_model_goes_to_the_hub_and_comes_back_as_it_was(hub: Path, model: Path, tmp_path: Path) -> None:
    ended = run_cli("push", model, NAME, "--licence", "apache-2.0")
    assert ended.status == 0, ended.err
    assert "/commit/" in ended.out

    back = run_cli("pull", NAME, "--out", tmp_path / "back")

    assert back.status == 0, back.err
    assert (tmp_path / "back" / "weights.safetensors").read_bytes() == (
        model / "weights.safetensors"
    ).read_bytes()
    assert sorted(one.name for one in (tmp_path / "back").iterdir()) == sorted(
        one.name for one in model.iterdir()
    )
    pixels = np.zeros((1, 450, 450, 3), np.uint8)
    by_name = leuknet.load(NAME)
    assert by_name.predict(pixels) == pytest.approx(leuknet.load(model).predict(pixels), abs=1e-6)
    assert (hub / NAME / "private").read_text() == "True"


def test_names_of_files_and_people_stay_at_home(hub: Path, mini_reproduction: Path, tmp_path: Path) -> None:
    model = shutil.copytree(mini_reproduction / "run" / "model", tmp_path / "model")
    content = json.loads((model / "split.json").read_text())
    content["earlier"] = [{"id": "UID_1_1_1_all.bmp", "sha256": "ab" * 32, "subject": "1", "hash": None}]
    (model / "split.json").write_text(json.dumps(content))
    push(leuknet.load(model), model, NAME, licence="apache-2.0")

    text = (pushed(hub) / "split.json").read_text(encoding="ascii")
    ours, theirs = (
        read_manifest(model / "split.json").developed_on,
        read_manifest(pushed(hub) / "split.json").developed_on,
    )
    assert "UID_" not in text
    assert ".bmp" not in text
    assert [cell.sha256 for cell in theirs] == [cell.sha256 for cell in ours]  # a leak is still noticed
    assert {cell.subject for cell in theirs} == {None}

    push(leuknet.load(model), model, NAME, licence="apache-2.0", keep_names=True)
    assert read_manifest(pushed(hub) / "split.json").developed_on == ours


def test_the_card_holds_what_programs_and_people_look_for(hub: Path, model: Path) -> None:
    push(leuknet.load(model), model, NAME, licence="cc-by-nc-4.0")

    text = (pushed(hub) / "README.md").read_text(encoding="utf-8")
    head = ModelCard(text).data.to_dict()  # type: ignore[no-untyped-call]
    assert head["license"] == "cc-by-nc-4.0"
    assert head["library_name"] == "leuknet"
    assert "research-only" in head["tags"]
    assert "simulated-cells" in head["tags"]
    metrics = head["model-index"][0]["results"][0]["metrics"]
    assert {one["type"] for one in metrics} == {"roc_auc", "f1", "accuracy"}
    # A score never travels alone.
    assert all("cells of" in one["name"] and "split" in one["name"] and "(" in one["name"] for one in metrics)
    assert "not a medical device" in text
    assert "SIMULATED CELLS" in text


def test_scores_of_another_model_are_refused(hub: Path, model: Path, tmp_path: Path) -> None:
    content = json.loads((model.parent / "evaluation" / "evaluation.json").read_text(encoding="utf-8"))
    other = tmp_path / "other.json"
    other.write_text(json.dumps(content | {"model_id": "0" * 12}), encoding="utf-8")

    with pytest.raises(SettingError, match="not of this model"):
        push(leuknet.load(model), model, NAME, licence="mit", evaluation=other)
    assert not (hub / NAME).exists()


def test_without_leave_nothing_is_pushed(hub: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")

    ended = run_cli("push", model, NAME, "--licence", "mit")

    assert ended.status == 2
    assert "hf auth login" in ended.err
    assert not (hub / NAME).exists()


def test_a_repository_that_is_not_there_or_holds_no_model_is_an_error(
    hub: Path, model: Path, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match="no such repository"):
        pull("nobody/nothing")
    push(leuknet.load(model), model, NAME, licence="mit")
    (pushed(hub) / "model.json").unlink()
    with pytest.raises(ModelError, match=r"no model\.json"):
        leuknet.load(NAME)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    with pytest.raises(SettingError, match=r"holds something already, such as notes\.txt"):
        pull(NAME, out=tmp_path / "full")
    assert (tmp_path / "full" / "notes.txt").read_text() == "mine"


def test_a_pulled_model_whose_weights_were_changed_does_not_prove_itself(hub: Path, model: Path) -> None:
    push(leuknet.load(model), model, NAME, licence="mit")
    weights = pushed(hub) / "weights.safetensors"
    content = bytearray(weights.read_bytes())
    content[-400:] = bytes(400)
    weights.write_bytes(content)

    with pytest.raises(ModelError):
        leuknet.load(NAME)


def test_a_commit_can_be_named_and_is_fetched_once(hub: Path, model: Path, tmp_path: Path) -> None:
    push(leuknet.load(model), model, NAME, licence="mit")
    first = pushed(hub).name
    push(leuknet.load(model), model, NAME, licence="mit", keep_names=True)

    old = pull(NAME, out=tmp_path / "old", revision=first)
    assert "UID_" not in (old / "split.json").read_text(encoding="ascii")
    kept = pull(NAME)
    (pushed(hub) / "weights.safetensors").unlink()  # whoever asks for it again now fails
    assert kept == pull(NAME)
    assert (kept / "weights.safetensors").exists()
    assert "UID_" in (kept / "split.json").read_text(encoding="ascii")


def test_without_a_network_the_error_says_so(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")  # nobody listens there

    with pytest.raises(ModelError, match="cannot pull me/leuknet-tiny") as caught:
        leuknet.load(NAME)
    assert "network" in caught.value.fix


def test_a_folder_is_never_taken_for_a_repository(model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    shutil.copytree(model, folder)

    assert leuknet.load(str(folder)).model_id == leuknet.load(model).model_id
    assert is_repository("me/leuknet.v2")
    assert not is_repository("runs/paper/model")
    assert not is_repository("./model")
    with pytest.raises(SettingError, match="owner/name"):
        pull("model")
