"""Writes the real images at hand as published, for studies that need them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from commands import BUILD, shown


def restore(data: Path) -> tuple[Path, str]:
    """Write the real images as published, those that lack; return their folder and the command."""
    folder, script = BUILD / "cnmc2019", data / "cnmc2019" / "restore.py"
    subprocess.run([sys.executable, str(script), str(folder)], check=True)  # noqa: S603
    return folder, shown(f"python {script} {folder}")
