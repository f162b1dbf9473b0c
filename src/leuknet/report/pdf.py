"""Prints a page as PDF: the same HTML, the same pictures, with page numbers and tags for screen readers.

WeasyPrint does it. It is imported when first needed: it is an optional part, and it needs a library of the
operating system. It may fetch nothing: a page holds all that it needs, and an address in it is a mistake
that must be seen.

Start at `print_pdf`.
"""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import cast

from PIL import ImageFile

from leuknet.errors import MissingExtraError
from leuknet.records import write_whole


def print_pdf(html: bytes) -> bytes:
    """Return a page, as UTF-8, as PDF/UA; title and language are those of the page.

    Raises
    ------
    MissingExtraError
        If WeasyPrint, or the library Pango that it needs, is not installed.
    """
    weasyprint = _weasyprint()
    from weasyprint.urls import URLFetcher

    fetcher = URLFetcher(allowed_protocols=("data",), fail_on_errors=True)
    page = weasyprint.HTML(string=html.decode("utf-8"), url_fetcher=fetcher)
    return cast(bytes, page.write_pdf(pdf_variant="pdf/ua-1"))


def write_page(html: bytes, stem: Path, *, pdf: bool) -> tuple[Path, ...]:
    """Write a page as STEM.html and, if wanted, STEM.pdf: neither if it cannot be printed."""
    printed = print_pdf(html) if pdf else b""
    stem.parent.mkdir(parents=True, exist_ok=True)
    page, paper = stem.with_name(f"{stem.name}.html"), stem.with_name(f"{stem.name}.pdf")
    write_whole(page, html)
    if not pdf:
        return (page,)
    write_whole(paper, printed)
    return page, paper


def check_printer() -> None:
    """Raise the `MissingExtraError` of `print_pdf` before any work is done for it."""
    _weasyprint()


def _weasyprint() -> ModuleType:
    truncated = ImageFile.LOAD_TRUNCATED_IMAGES
    try:
        import weasyprint
    except ImportError as error:
        raise MissingExtraError(
            "cannot write the report as PDF",
            why=f"WeasyPrint is not installed: {error}",
            fix="pip install 'leuknet[report]', or leave the PDF out with --no-pdf",
        ) from error
    except OSError as error:
        # Raised by its bindings; the list is that of its documentation for Debian and Ubuntu.
        raise MissingExtraError(
            "cannot write the report as PDF",
            why=f"WeasyPrint does not find the library Pango: {str(error).splitlines()[0]}",
            fix="on Debian or Ubuntu: apt install libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0; "
            "or leave the PDF out with --no-pdf",
        ) from error
    finally:
        # Importing it lets Pillow make up the missing pixels of cut-off images, in the whole process: our own
        # reading of cells must not.
        ImageFile.LOAD_TRUNCATED_IMAGES = truncated
    return cast(ModuleType, weasyprint)
