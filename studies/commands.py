"""Runs LeukNet's commands as a user would type them, for the pages that say what they gave."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
BUILD = REPOSITORY / "build"


def run(command: str) -> str:
    """Run `leuknet` with these arguments and return the line as a reader would type it."""
    subprocess.run([sys.executable, "-m", "leuknet", *shlex.split(command)], check=True)  # noqa: S603
    return shown(f"leuknet {command}")


def run_once(made: Path, command: str) -> str:
    """Run a command unless what it makes is there; return the line as a reader would type it."""
    return shown(f"leuknet {command}") if made.exists() else run(command)


def shown(command: str) -> str:
    """Return a command line with paths as a reader would type them in the repository."""
    return command.replace(f"{REPOSITORY}/", "").replace(f"{REPOSITORY.parent}/", "../")


def restore(data: Path) -> tuple[Path, str]:
    """Write the real images as published, those that lack; return their folder and the command."""
    folder, script = BUILD / "cnmc2019", data / "cnmc2019" / "restore.py"
    subprocess.run([sys.executable, str(script), str(folder)], check=True)  # noqa: S603
    return folder, shown(f"python {script} {folder}")
