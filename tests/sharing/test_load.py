"""What is said of a model that cannot be computed as asked never recommends what cannot work."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import leuknet
from leuknet.errors import ModelError
from tests.conftest import REPOSITORY


@pytest.mark.parametrize("network", ["leuknet", "timm:resnet18"])
def test_a_folder_without_a_graph_cannot_be_computed_by_onnx_runtime(tmp_path: Path, network: str) -> None:
    card = REPOSITORY / "tests" / "golden" / "run" / "model" / "model.json"
    content = json.loads(card.read_text(encoding="utf-8"))
    content["recipe"]["network"] = network
    (tmp_path / "model.json").write_text(json.dumps(content), encoding="utf-8")

    with pytest.raises(ModelError) as caught:
        leuknet.load(tmp_path, engine="onnx")

    assert caught.value.why == "the folder has no graph"
    assert caught.value.fix.startswith(f"`leuknet export {tmp_path}` adds one, or says why it cannot")
