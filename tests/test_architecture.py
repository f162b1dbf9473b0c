"""The pages about the architecture say what the import contract says, and name no file that is not there."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

import pytest

from architecture_page import ARCHITECTURE, README, SOURCE, layers, rendered
from tests.conftest import LONGEST, REPOSITORY

ROOMS = [room for layer in layers() for room in layer]


@pytest.mark.parametrize("page", [ARCHITECTURE, README], ids=lambda page: page.name)
def test_the_pages_show_the_layers_of_the_import_contract(page: Path) -> None:
    assert rendered()[page].splitlines() == page.read_text(encoding="utf-8").splitlines()


def test_the_readme_names_every_room_in_one_line() -> None:
    (line,) = (row for row in README.read_text(encoding="utf-8").splitlines() if "[Architecture]" in row)

    assert set(ROOMS) <= set(re.findall(r"\w+", line))


def test_the_house_has_at_most_24_names_and_16_layers() -> None:
    names = {path.stem for path in SOURCE.iterdir() if not path.name.startswith(("__", "."))} - {"py"}

    assert names == set(ROOMS)
    assert len(names) <= 24
    assert len(layers()) <= 16


def test_every_file_that_the_architecture_page_names_is_there() -> None:
    text = ARCHITECTURE.read_text(encoding="utf-8").split("## The nouns on disk")[0]
    modules = {path.name for path in SOURCE.rglob("*.py")}
    named = set(re.findall(r"`([\w/.]+(?:\.py|\.toml|/))`", text))

    assert {"training/loop.py", "evaluation/evaluate.py"} < named
    places = (SOURCE, SOURCE / "store", REPOSITORY)
    unknown = {name for name in named - modules if not any((place / name).exists() for place in places)}
    assert unknown == set()


def test_tests_mirror_the_rooms() -> None:
    folders = {path.name for path in (REPOSITORY / "tests").iterdir() if (path / "__init__.py").is_file()}

    assert folders <= set(ROOMS)


def test_a_module_name_stands_once_in_the_house() -> None:
    modules = [path for path in SOURCE.rglob("*.py") if not path.name.startswith("__")]
    twice = {name for name, times in Counter(path.stem for path in modules).items() if times > 1}

    assert twice == set()


LONG_MODULES = {
    "images/reading.py": "one decoder for all formats, with every way in which a file can be damaged",
    "networks/published.py": "three sources of networks that share one class",
    "store/migrations/versions/r0002_first_tables.py": "a step that has run on a database is never changed",
}
"""Modules of over 300 lines, each with why it is not split."""

LONG_FUNCTIONS = {
    "examine_smear": "the order in which a smear's files are written",
}
"""Functions of over 40 lines, docstring and migrations left out, each with why it is not split."""


def test_no_module_is_long_without_a_reason() -> None:
    modules = {str(path.relative_to(SOURCE)): path for path in SOURCE.rglob("*.py")}
    long = {name for name, path in modules.items() if len(path.read_text("utf-8").splitlines()) > 300}

    assert long == LONG_MODULES.keys()


def test_no_function_is_long_without_a_reason() -> None:
    long = set()
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and "migrations" not in path.parts:
                body = node.body[1:] if ast.get_docstring(node) and len(node.body) > 1 else node.body
                if (node.end_lineno or 0) - body[0].lineno >= 40:
                    long.add(node.name)

    assert long == LONG_FUNCTIONS.keys()


def test_the_longest_modules_that_come_first_are_there() -> None:
    there = {path.stem for path in (REPOSITORY / "tests").rglob("test_*.py")}

    assert {*LONGEST} - there == set()
