"""What the documents say is what the software does."""

from __future__ import annotations

import doctest
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import leuknet
import results
from leuknet.cli import app
from leuknet.data import DATASETS
from leuknet.images import reading as images
from leuknet.recipes import RECIPES
from tests.conftest import REPOSITORY, draw_few, run_cli

DOCS = REPOSITORY / "docs"
PAGES = sorted([*REPOSITORY.glob("*.md"), *DOCS.rglob("*.md")])


def commands_of(page: Path) -> list[str]:
    """The `leuknet ...` lines of a page's code blocks, without comments."""
    lines = re.findall(r"^    (leuknet .+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return [line.split("  #")[0].strip() for line in lines]


def test_the_readmes_first_commands_are_the_two() -> None:
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"(?:^    .+\n)+", text, flags=re.MULTILINE)

    commands = [line.split("#")[0].strip() for line in blocks[0].splitlines()]
    assert commands == ["make demo", "make test"]
    assert text.index("make demo") < text.index("![") < 1500  # on the first screen, with a picture


@pytest.mark.parametrize(
    ("target", "command"),
    [("demo", "leuknet reproduce paper --demo"), ("test", "-m pytest"), ("check", "mypy")],
)
def test_make_does_what_the_readme_says(target: str, command: str) -> None:
    answer = subprocess.run(
        ["make", "--dry-run", target], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert command in answer.stdout


def test_ci_calls_make_test() -> None:
    assert "\nmake test\n" in (REPOSITORY / ".ci" / "run").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))

    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_the_examples_in_python_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    failed, tried = doctest.testfile(str(DOCS / "python.md"), module_relative=False)

    assert (failed, tried > 25) == (0, True)


def test_every_public_name_has_an_example() -> None:
    page = (DOCS / "python.md").read_text(encoding="utf-8")

    assert [name for name in leuknet.__all__ if f"leuknet.{name}" not in page] == ["__version__"]


def test_every_data_set_has_a_heading() -> None:
    headings = re.findall(r"^## (.+)$", (DOCS / "data.md").read_text(encoding="utf-8"), flags=re.MULTILINE)

    assert set(DATASETS) <= set(headings)


def test_the_table_of_bad_images_is_that_of_the_code() -> None:
    assert images.__doc__ is not None
    table = [line for line in images.__doc__.splitlines() if line.startswith("|")]

    assert len(table) > 10
    assert "\n".join(table) in (DOCS / "data.md").read_text(encoding="utf-8")


def test_every_command_and_recipe_is_documented() -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    names = [f"leuknet {command.name}" for command in app.registered_commands]
    for group in app.registered_groups:
        assert group.typer_instance is not None
        for command in group.typer_instance.registered_commands:
            assert command.callback is not None
            names.append(f"leuknet {group.name} {command.name or command.callback.__name__}")

    assert len(names) > 8
    assert [name for name in [*names, *RECIPES] if name not in text] == []


def test_the_results_page_is_made_from_the_result_files() -> None:
    assert results.render() == (DOCS / "results.md").read_text(encoding="utf-8")


def test_no_page_states_a_path_of_one_machine() -> None:
    assert [page for page in PAGES if re.search(r"/(work|home|root|tmp)/", page.read_text("utf-8"))] == []


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, capture_output=True, text=True, timeout=600
    )


SMALLER = {"--scale 0.05": "--scale 0.01", "epochs=5": "epochs=1", "epochs=2": "epochs=1"}
"""What a command of the tutorial says to what the test says instead; recipe and subjects are smaller, too."""


@pytest.mark.usefixtures("tiny_demo")
@pytest.mark.timeout(900)  # minutes on a busy machine
def test_the_tutorial_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = commands_of(DOCS / "tutorial.md")
    assert len(commands) >= 11
    assert [text for text in SMALLER if not any(text in command for command in commands)] == []
    monkeypatch.chdir(tmp_path)
    draw_few(monkeypatch)
    for command in commands:
        if command.startswith("leuknet reproduce"):
            continue  # `make demo` and test_cli run it
        for text, smaller in SMALLER.items():
            command = command.replace(text, smaller)
        ended = run_cli(*shlex.split(command)[1:])
        assert ended.status == 0, f"{command}\n{ended.err}"

    python = re.search(r"```python\n(.+?)```", (DOCS / "tutorial.md").read_text("utf-8"), flags=re.DOTALL)
    assert python is not None
    answer = run(tmp_path, "-c", python[1])
    assert answer.returncode == 0, answer.stderr[-2000:]
    probabilities = [float(number) for number in re.findall(r"\d\.?\d*(?:e-\d+)?", answer.stdout)]
    assert len(probabilities) == 8
    assert all(0 <= probability <= 1 for probability in probabilities)


def test_each_test_that_the_page_about_reliability_names_is_there() -> None:
    named = set(re.findall(r"`(test_\w+\.py)`", (DOCS / "reliability.md").read_text(encoding="utf-8")))

    assert len(named) > 10
    there = {path.name for path in (REPOSITORY / "tests").rglob("test_*.py")}
    assert named - there == set()
