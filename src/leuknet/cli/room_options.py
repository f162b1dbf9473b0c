"""Arguments that the commands of the reading room share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from leuknet.cli.options import OptionGroup

RoomFolder = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="FOLDER",
        envvar="LEUKNET_DATA",
        help="The reading room's data folder [the user's data folder].",
        show_default=False,
    ),
]
TableImages = Annotated[
    Path | None,
    typer.Option(
        "--images",
        metavar="FOLDER",
        envvar="LEUKNET_IMAGES",
        help="Folder below which finished tables of `leuknet batch` may name images.",
    ),
]
RoomUrl = Annotated[
    str | None,
    typer.Option(
        "--url",
        metavar="URL",
        help="Database: sqlite:///PATH or postgresql+psycopg://USER@HOST/NAME [LEUKNET_DATABASE_URL, or the "
        "file in the folder LEUKNET_DATA or the user's data folder].",
    ),
]


@dataclass(frozen=True)
class RoomOptions(OptionGroup):
    """Where a reading room keeps its files and its database."""

    data: RoomFolder = None
    url: RoomUrl = None

    @property
    def folder(self) -> Path:
        """The data folder."""
        from leuknet.store.database import data_folder

        return self.data or data_folder()

    @property
    def address(self) -> str:
        """The database's address, with its password."""
        from leuknet.store.database import resolve_url

        return resolve_url(self.url, folder=self.data).render_as_string(hide_password=False)
