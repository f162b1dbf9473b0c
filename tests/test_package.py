"""The package as a whole: what is public, and what importing it costs."""

from __future__ import annotations

import ast
import copy
import importlib
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

import leuknet
from leuknet import errors
from tests.conftest import REPOSITORY, without


def loaded_after(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(*sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(answer.stdout.split())


def test_importing_leuknet_loads_no_large_library() -> None:
    assert not loaded_after("import leuknet; dir(leuknet)") & {
        *("numpy", "scipy", "torch", "matplotlib", "polars", "typer")
    }


@pytest.mark.parametrize("process", ["leuknet.web.app", "leuknet.room.worker"])
def test_the_reading_room_does_not_wait_for_what_few_of_its_pages_need(process: str) -> None:
    assert not loaded_after(f"import {process}") & {
        *("torch", "matplotlib", "sklearn", "pandas", "scipy.stats", "scipy.signal")
    }


def test_importing_leuknet_takes_less_than_three_tenths_of_a_second() -> None:
    code = "import time; start = time.process_time(); import leuknet; print(time.process_time() - start)"
    took_s = [float(subprocess.check_output([sys.executable, "-c", code])) for _ in range(3)]

    assert min(took_s) < 0.3  # of processor time: the tests beside this one cost it none


def test_each_public_name_is_there_and_listed_once() -> None:
    assert sorted(leuknet.__all__) == sorted(["__version__", *leuknet._PLACES]) == dir(leuknet)
    assert len(set(leuknet._PLACES.values())) == len(leuknet._PLACES)
    for name, place in leuknet._PLACES.items():
        module, attribute = place.split(":")
        assert getattr(leuknet, name) is getattr(importlib.import_module(module), attribute)


def test_checkers_see_each_public_name_where_it_is() -> None:
    (checked,) = (
        node
        for node in ast.walk(ast.parse(Path(str(leuknet.__file__)).read_text("utf-8")))
        if isinstance(node, ast.If) and any(isinstance(child, ast.ImportFrom) for child in node.body)
    )
    seen = {
        alias.asname: f"{node.module}:{alias.name}"
        for node in checked.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }

    assert seen == leuknet._PLACES


def test_a_name_that_is_not_public_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'leuknet' has no attribute 'lode'"):
        leuknet.lode  # type: ignore[attr-defined]  # noqa: B018


def test_every_library_of_an_extra_is_known_with_its_extra() -> None:
    content = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
    extras = content["optional-dependencies"]
    modules: dict[str, set[str]] = {}
    for module, names in packages_distributions().items():
        for name in names:
            modules.setdefault(name.lower().replace("_", "-"), set()).add(module)
    of_base = {re.split(r"[^\w.-]", line)[0].lower() for line in content["dependencies"]}

    bringing: dict[str, set[str]] = {}
    for extra in set(extras) - {"dev"}:
        for line in extras[extra]:
            bringing.setdefault(re.split(r"[^\w.-]", line)[0].lower(), set()).add(extra)
    for name in bringing.keys() - of_base - {"openslide-bin"}:  # which is not imported by itself
        known = {errors.EXTRAS.get(module) for module in modules.get(name, ())}
        assert not known or known & bringing[name], name
    assert set(errors.EXTRAS.values()) == set(extras) - {"dev"}


def test_the_command_line_starts_without_torch() -> None:
    assert not loaded_after("import leuknet.cli") & {"torch", "matplotlib", "sklearn"}


def test_judging_and_serving_do_not_load_torch() -> None:
    parts = "leuknet.evaluation.evaluate, leuknet.inference.predict, leuknet.report, leuknet.data.verify"

    assert "torch" not in loaded_after(f"import {parts}")


@pytest.mark.parametrize("use", ["leuknet.load('x')", "leuknet.train", "from leuknet import export_model"])
def test_without_torch_the_error_names_the_extra(use: str) -> None:
    hide = without("torch", "accelerate", "onnx") + f"import leuknet; {use}"
    answer = subprocess.run([sys.executable, "-c", hide], capture_output=True, text=True)

    assert "pip install 'leuknet[train]'" in answer.stderr


@pytest.mark.parametrize(
    "kind",
    [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, errors.LeukNetError)],
)
def test_every_error_says_three_things_and_survives_a_process(kind: type[errors.LeukNetError]) -> None:
    error = kind("cannot do it", why="of a reason", fix="something else")
    again = copy.copy(error)  # takes apart and rebuilds it, as sending it between processes does

    assert str(error) == "cannot do it\n  why: of a reason\n  try: something else"
    assert (type(again), str(again)) == (kind, str(error))
    assert error.exit_status == (130 if kind is errors.StoppedError else 2)
