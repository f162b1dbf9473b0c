"""`make mutants` tells faults that tests notice from those that they do not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.conftest import REPOSITORY

TINY = '''
def clipped(value, most):
    """Return the value, or the most."""
    if value < 0:
        raise ValueError("a value " + "below 0")
    return value if value < most else most


def unseen(value):
    return value + 1
'''
GOOD = """
import pytest
from leuknet.tiny import clipped


def test_what_is_above_is_cut_off():
    assert (clipped(3, 5), clipped(7, 5), clipped(0, 5)) == (3, 5, 0)


def test_what_is_below_0_is_refused():
    with pytest.raises(ValueError):
        clipped(-1, 5)
"""
BAD = "from leuknet.tiny import clipped\n\ndef test_it_runs():\n    clipped(3, 5)\n"
RUN = """
import json, sys
from pathlib import Path
from mutants import try_module
here = Path(sys.argv[1])
trial = try_module("tiny", ["tests/test_tiny.py"], repository=here, folder=here / "build")
print(json.dumps({"names": trial.names, "lived": [trial.diff(name) for name in trial.lived]}))
"""


def try_tiny(folder: Path, tests: str) -> dict[str, Any]:
    for name, text in {
        "pyproject.toml": "[tool.pytest.ini_options]\n",
        "src/leuknet/__init__.py": "",
        "src/leuknet/tiny.py": TINY,
        "tests/test_tiny.py": tests,
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")
    ended = subprocess.run(
        [sys.executable, "-c", RUN, folder],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY / "studies")},
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode:
        return {"error": ended.stderr}
    found: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return found


def test_faults_that_no_test_notices_are_shown_and_tried_again(tmp_path: Path) -> None:
    weak = try_tiny(tmp_path, BAD)
    good = try_tiny(tmp_path, GOOD)
    again = try_tiny(tmp_path, BAD)

    assert "-    return value if value < most else most" in "\n".join(weak["lived"])
    # What no test reaches, and a bound that makes no difference: both are the most where they are equal.
    assert [diff.splitlines()[-1] for diff in good["lived"]] == [
        "+    return value if value <= most else most",
        "+    return value - 1",
        "+    return value + 2",
    ]
    assert again["lived"] == good["lived"]  # what was caught once is not tried again
    assert len(good["names"]) - len(good["lived"]) >= 4
    # Words of errors are no faults.
    assert not any("+        raise" in diff for diff in weak["lived"])


def test_tests_that_fail_without_a_fault_stop_it(tmp_path: Path) -> None:
    found = try_tiny(tmp_path, BAD + "    assert False\n")

    assert "its tests fail without a fault" in found["error"]
    assert "test_it_runs fails without a fault" in found["error"]
