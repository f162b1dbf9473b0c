"""Prints a page as PDF: the same HTML, the same pictures, with page numbers and tags for screen readers.

WeasyPrint does it, in a process of its own for each page: its import lets Pillow make up the missing pixels
of cut-off images, in the whole process, and our own reading of cells must not. It is an optional part, and it
needs a library of the operating system. It may fetch nothing: a page holds all that it needs, and an address
in it is a mistake that must be seen.

Start at `print_pdf`; `python -m leuknet.report.pdf` is the process.
"""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import cast

from leuknet.errors import MissingExtraError
from leuknet.records import write_whole

_MISSING = 3  # exit status: WeasyPrint or Pango is not there
_LONGEST_S = 900.0  # a report of a thousand cells takes a minute
_WHAT = "cannot write the report as PDF"


def print_pdf(html: bytes) -> bytes:
    """Return a page, as UTF-8, as PDF/UA; title and language are those of the page.

    Raises
    ------
    MissingExtraError
        If WeasyPrint, or the library Pango that it needs, is not installed.
    RuntimeError
        If the page cannot be printed, with what WeasyPrint said: a bug.
    """
    return _in_a_process("print", html)


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


@cache  # what is there stays there; starting a process takes a second
def check_printer() -> None:
    """Raise the `MissingExtraError` of `print_pdf` before any work is done for it."""
    _in_a_process("check", b"")


def _in_a_process(task: str, html: bytes) -> bytes:
    if find_spec("weasyprint") is None:
        fix = "pip install 'leuknet[report]', or leave the PDF out with --no-pdf"
        raise MissingExtraError(_WHAT, why="WeasyPrint is not installed", fix=fix)
    command = [sys.executable, "-m", "leuknet.report.pdf", task]
    ended = subprocess.run(command, input=html, capture_output=True, timeout=_LONGEST_S)  # noqa: S603
    if ended.returncode == _MISSING:
        raise MissingExtraError(_WHAT, **json.loads(ended.stdout))
    if ended.returncode:
        said = ended.stderr.decode(errors="replace")
        raise RuntimeError(f"WeasyPrint ended with status {ended.returncode}: {said[-4000:]}")
    return ended.stdout


def _printed(html: bytes) -> bytes:
    import weasyprint
    from weasyprint.urls import URLFetcher

    fetcher = URLFetcher(allowed_protocols=("data",), fail_on_errors=True)
    page = weasyprint.HTML(string=html.decode("utf-8"), url_fetcher=fetcher)
    return cast(bytes, page.write_pdf(pdf_variant="pdf/ua-1"))


def _main(task: str) -> int:
    """Print the page on standard input to standard output, or only import what is needed."""
    try:
        import weasyprint  # noqa: F401
    except ImportError as error:
        why = f"WeasyPrint is not installed: {error}"
        fix = "pip install 'leuknet[report]', or leave the PDF out with --no-pdf"
    except OSError as error:
        # Raised by its bindings; the list is that of its documentation for Debian and Ubuntu.
        why = f"WeasyPrint does not find the library Pango: {str(error).splitlines()[0]}"
        fix = (
            "on Debian or Ubuntu: apt install libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0; "
            "or leave the PDF out with --no-pdf"
        )
    else:
        if task == "print":
            sys.stdout.buffer.write(_printed(sys.stdin.buffer.read()))
        return 0
    sys.stdout.write(json.dumps({"why": why, "fix": fix}))
    return _MISSING


if __name__ == "__main__":
    raise SystemExit(_main(sys.argv[1]))
