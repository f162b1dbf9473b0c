"""How commands take a model: a folder, or the name of one that comes with LeukNet."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def model_folder(text: str) -> Path:
    """Return the folder that the word for a model names; a parser of arguments and options."""
    from leuknet.inference.pretrained import resolve

    return resolve(text)


ModelFolder = Annotated[
    Path,
    typer.Argument(
        metavar="MODEL", parser=model_folder, help="Model folder, such as RUN/model, or pretrained:NAME."
    ),
]
