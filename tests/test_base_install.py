"""The wheel in a new virtual environment, without extras: what works there, and what names its extra."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.test_extras import assert_answer, end_of_all
from tests.conftest import REPOSITORY


@pytest.fixture(scope="session")
def base_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a base install, or a skip that says why there is none."""
    folder = tmp_path_factory.mktemp("base-install")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    _run([*pip, "wheel", "--no-deps", "--wheel-dir", folder, REPOSITORY])
    (wheel,) = folder.glob("*.whl")
    python = folder / "venv" / "bin" / "python"
    tested: list[str | Path] = ["--constraint", REPOSITORY / "constraints.txt"]
    _run([*pip, "--python", python, "install", "--no-compile", *tested, wheel])
    return python


def _run(command: list[str | Path]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode and "NewConnectionError" in done.stderr:
        pytest.skip("PyPI cannot be reached, and a base install takes its libraries from there")
    assert done.returncode == 0, done.stderr


@pytest.mark.timeout(1200)  # it fetches 200 MB of libraries
def test_a_base_install_does_what_needs_no_extra_and_names_the_extra_of_all_else(
    base_python: Path, simulated_fold: Path, tmp_path: Path
) -> None:
    version = subprocess.run([base_python.with_name("leuknet"), "--version"], capture_output=True, text=True)
    answers = end_of_all(base_python, tmp_path, fold=simulated_fold)

    assert version.stdout.startswith("leuknet ")
    for answer in answers.values():
        assert_answer(*answer)
