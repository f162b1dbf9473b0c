"""Where a run writes its results: a folder that holds that run only, or files that did not exist before.

What holds something is refused unless overwriting is asked for. Even then a folder is emptied only if an
earlier run of LeukNet made it, which a mark in it says: a wrong --out cannot empty a folder of images.

Start at `check_free`, before the work; `begin_results` follows where the first file is about to be written.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from leuknet.errors import SettingError
from leuknet.records.whole import write_whole

MARK = ".leuknet-results"
"""File in each folder of results."""

_MARK_TEXT = b"Results of one run of LeukNet. --overwrite removes all that is in this folder.\n"


def check_free(
    *paths: Path,
    overwrite: bool = False,
    reads: Iterable[Path] = (),
    fix: str = "name another place with --out, or add --overwrite to replace what is there",
) -> None:
    """Refuse to write where something is already.

    Parameters
    ----------
    paths
        Folders, which may be absent or empty; or files, which must be absent.
    overwrite
        Whether a folder of results or a file may be replaced.
    reads
        What the run reads: it must not lie in a folder that would be emptied.
    fix
        What to try where something is there; a caller that cannot overwrite says so.

    Raises
    ------
    SettingError
        Names what is there. Nothing has been changed.
    """
    inputs = [path.resolve() for path in reads]
    for path in paths:
        held = _held(path)
        if not held:
            continue
        if not overwrite:
            raise SettingError(f"{path} {held}", why="each run has a place of its own", fix=fix)
        if not path.is_dir():
            continue
        if not (path / MARK).is_file():
            raise SettingError(
                f"cannot overwrite {path}",
                why=f"it {held}, and lacks the mark ({MARK}) of a folder that LeukNet made for one run",
                fix="name another folder with --out, or empty this one yourself",
            )
        within = [read for read in inputs if read.is_relative_to(path.resolve())]
        if within:
            raise SettingError(
                f"cannot overwrite {path}",
                why=f"this run reads {within[0]}, which lies in it",
                fix="name another folder with --out",
            )


def begin_results(folder: Path, *, overwrite: bool = False) -> None:
    """Make a folder that holds nothing but the mark; SettingError as `check_free`, with nothing removed."""
    check_free(folder, overwrite=overwrite)
    folder.mkdir(parents=True, exist_ok=True)
    # Its content and not the folder, which may be a mount. The mark goes last: a killed run can be repeated.
    for path in sorted(folder.iterdir(), key=lambda path: path.name == MARK):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    write_whole(folder / MARK, _MARK_TEXT)


def _held(path: Path) -> str:
    """Say what is at a path; empty if nothing is."""
    if not path.is_dir():
        return "exists already" if path.exists() or path.is_symlink() else ""
    first = min((entry.name for entry in path.iterdir() if entry.name != MARK), default=None)
    return "" if first is None else f"holds something already, such as {first}"
