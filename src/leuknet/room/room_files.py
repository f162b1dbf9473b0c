"""Where the files of the reading room lie within its data folder.

    images/ab/<sha256>.<suffix>                     content of uploads, never changed
    parts/<upload id>                               uploads under way
    at-work/<job id>.json                           images that a worker scores now, see `watch`
    derived/thumbs/<image id>/<cell id>.webp        all under `derived` can be made anew
    derived/views/<image id>/<cell id>.png
    derived/crops/<image id>/<cell id>.png
    derived/maps/<image id>/<cell id>-<model id>.png
    derived/tiles/<image id>/<level>/<column>_<row>.jpeg
    signed/<case id>/<version>.<suffix>             reports as they were signed

The database holds paths relative to the folder, so that it can be moved. No name that a user gave becomes a
path: numbers, ids and hashes do.

Start at `RoomFiles`. Nothing here reads or writes; who writes makes the folders.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from uuid import UUID

from leuknet.errors import SettingError

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class RoomFiles:
    """The files of one reading room.

    Attributes
    ----------
    folder
        The data folder, such as `leuknet.store.database.data_folder()`.
    """

    folder: Path

    def image(self, relative: str) -> Path:
        """Return the full path of a kept file, as the database names it; SettingError if it leads out."""
        path = PurePosixPath(relative)
        leads_out = path.is_absolute() or ".." in path.parts or not path.parts
        if leads_out or "\\" in relative or "\0" in relative:
            raise SettingError(
                "cannot find the image's file",
                why=f"its path {relative!r} leads out of the data folder",
                fix="check the audit log: the database was changed by another program",
            )
        return self.folder.joinpath(*path.parts)

    def part(self, upload_id: UUID) -> Path:
        """Return where an upload's bytes lie while they come."""
        return self.folder / "parts" / str(upload_id)

    def at_work(self, job_id: int) -> Path:
        """Return where a worker notes which images of a job it scores."""
        return self.folder / "at-work" / f"{job_id}.json"

    def thumb(self, image_id: int, cell_id: int) -> Path:
        """Return the small picture of a cell, for the gallery."""
        return self._derived("thumbs", image_id, f"{cell_id}.webp")

    def view(self, image_id: int, cell_id: int) -> Path:
        """Return the cell and what is around it, at full resolution."""
        return self._derived("views", image_id, f"{cell_id}.png")

    def crop(self, image_id: int, cell_id: int) -> Path:
        """Return the cell of a field or slide on black, as the model saw it."""
        return self._derived("crops", image_id, f"{cell_id}.png")

    def map(self, image_id: int, cell_id: int, model_id: str) -> Path:
        """Return the explanation of a cell's score by one model."""
        return self._derived("maps", image_id, f"{cell_id}-{_plain(model_id)}.png")

    def tile(self, image_id: int, level: int, column: int, row: int) -> Path:
        """Return a DeepZoom tile of a field or slide."""
        return self._derived("tiles", image_id, str(level)) / f"{column}_{row}.jpeg"

    def signed(self, case_id: UUID, version: int, suffix: str) -> Path:
        """Return a signed report; `suffix` begins with a dot, such as `.fhir.json`."""
        return self.folder / "signed" / str(case_id) / f"{version}.{_plain(suffix.removeprefix('.'))}"

    def _derived(self, kind: str, image_id: int, name: str) -> Path:
        return self.folder / "derived" / kind / str(image_id) / name


def image_path(sha256: str, suffix: str) -> str:
    """Return the path, within the data folder, of a content; `suffix` begins with a dot."""
    return f"images/{sha256[:2]}/{sha256}{suffix}"


def _plain(text: str) -> str:
    if not _PLAIN.fullmatch(text):
        raise SettingError(
            "cannot name a file",
            why=f"{text!r} has characters other than letters, digits, '.', '_' and '-'",
            fix="use the id as LeukNet made it",
        )
    return text
