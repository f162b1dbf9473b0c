"""Turns templates into pages that need nothing else: what all pages of LeukNet share.

A page can be mailed, archived and opened without a network: pictures are inside it, and a content security
policy forbids it to load anything. All texts are escaped by the template; file names and class names are
whatever a user's disk holds.

Start at `render`; `embedded_file` and `embedded_figure` make the sources of its pictures.
"""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from leuknet.errors import DataError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LISTED = 50
"""Entries of a list that are written out in full; the page says how many more there are."""

SIMULATION_SHOWS = "What is shown here says that the software works, and nothing about leukaemia."

_DPI = 144
"""Dots per inch of figures drawn for a page: sharp on a dense screen and in print, small enough to mail."""

_PNG = b"\x89PNG\r\n\x1a\n"


def render(template: str | Path, **content: Any) -> str:
    """Return a page of a template beside this file, or of one that lies elsewhere and extends `base.html`.

    A name that the template lacks is an error. `simulated` is the sentence of `drawn_text` where the page's
    numbers are about simulated cells, and "" where they are not.
    """
    path = Path(__file__).parent / template
    environment = Environment(
        loader=FileSystemLoader([path.parent, Path(__file__).parent]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(path.name).render(**content)


def drawn_text(cells: str) -> str:
    """Return what a page says of `cells` that a program drew, such as "Every cell of this run"."""
    return f"{cells} was drawn by a program. {SIMULATION_SHOWS}"


def encoded(html: str) -> bytes:
    """Return a page as bytes.

    A file name with undecodable bytes holds surrogates, which UTF-8 cannot write: they are spelled out.
    """
    return html.encode("utf-8", errors="backslashreplace")


def embedded_file(path: Path) -> str:
    """Return a PNG file as a data URI; a DataError if it cannot be read or is none."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise _no_figure(f"{path} cannot be read: {error.strerror}") from error
    if not content.startswith(_PNG):
        raise _no_figure(f"{path} is not a PNG file")
    return _data_uri(content)


def embedded_figure(figure: Figure) -> str:
    """Return a drawn figure as a data URI; the same figure gives the same text."""
    from leuknet.figures.frame import png_of  # loads Matplotlib, which most pages need not wait for

    return _data_uri(png_of(figure, dpi=_DPI))


def _data_uri(content: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(content).decode('ascii')}"


def _no_figure(why: str) -> DataError:
    return DataError(
        "cannot put a figure into the page", why=why, fix="draw the figures again, then build the page"
    )
