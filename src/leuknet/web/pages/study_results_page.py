"""What came out of a reading study: kappas with intervals, consistency, time, and files to take away.

Names of readers stand on the page alone; in files they are `reader 1` and so on.

Start at `results_page`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import APIRouter, Request
from fastapi.responses import Response

from leuknet.evaluation.agreement import Agreement, Compared, ComparedKind
from leuknet.evaluation.resampling import MIN_SUBJECTS
from leuknet.report.pdf import print_pdf
from leuknet.report.render import encoded
from leuknet.room.study_page import WHAT_KAPPA_SAYS, study_html
from leuknet.room.study_results import reads_csv, study_results
from leuknet.store.accounts import names_of
from leuknet.store.database import Store
from leuknet.store.studies import reader_ids_of
from leuknet.store.study_nouns import Study
from leuknet.web.pages.study_access import FinishedStudy
from leuknet.web.permissions import OpenStore
from leuknet.web.templating import render_page

router = APIRouter(prefix="/studies/{study_id}/results")

KINDS: tuple[ComparedKind, ...] = ("all", "pair", "model", "self")
"""What is compared, in the order of the page."""

WIDTH, LEFT = 240.0, -0.4
"""Of a line's drawing: units wide, and the lowest kappa that it shows; the highest is 1."""


@dataclass(frozen=True)
class Mark:
    """A value with its interval as it is drawn, in units from the left; None where there is none."""

    at: float | None
    start: float
    end: float
    zero: float


@router.get("")
def results_page(request: Request, store: OpenStore, study: FinishedStudy) -> Response:
    """The results as a page."""
    results = study_results(store, study.id)
    names = names_of(store)
    readers = {
        f"reader {number}": names[reader_id]
        for number, reader_id in enumerate(reader_ids_of(store, study.id), start=1)
    }
    content = {
        "study": study,
        "results": results,
        "readers": readers,
        "phases": [(phase, _by_kind(phase.compared)) for phase in results.phases],
        "changes": _by_kind(results.changes),
        "mark": mark_of,
        "has_intervals": results.n_cases >= MIN_SUBJECTS,
        "min_cases": MIN_SUBJECTS,
        "kappa_means": WHAT_KAPPA_SAYS,
    }
    return render_page(request, "study_results.html", content)


@router.get("/reads.csv")
def table(store: OpenStore, study: FinishedStudy) -> Response:
    """All readings as a table, under pseudonyms."""
    content = reads_csv(store, study.id).encode("utf-8")
    return Response(content, media_type="text/csv; charset=utf-8", headers=_named(study, "reads.csv"))


@router.get("/report.html")
def report(store: OpenStore, study: FinishedStudy) -> Response:
    """The report as a page that needs nothing else."""
    content = _report(store, study)
    return Response(content, media_type="text/html; charset=utf-8", headers=_named(study, "report.html"))


@router.get("/report.pdf")
def paper(store: OpenStore, study: FinishedStudy) -> Response:
    """The report as PDF; MissingExtraError where nothing here can print one."""
    content = print_pdf(_report(store, study))
    return Response(content, media_type="application/pdf", headers=_named(study, "report.pdf"))


def mark_of(measured: Agreement) -> Mark:
    """Return where a kappa and its interval are drawn; what is below `LEFT` is drawn at the edge.

    Examples
    --------
    >>> mark_of(Agreement(0.3, -0.4, 1.0, 9, 1, 0, "cells", ""))
    Mark(at=120.0, start=0.0, end=240.0, zero=68.6)
    """
    if measured.estimate is None:
        return Mark(None, 0.0, 0.0, _place(0.0))
    low, high = (measured.estimate if bound is None else bound for bound in (measured.low, measured.high))
    return Mark(_place(measured.estimate), _place(low), _place(high), _place(0.0))


def _place(value: float) -> float:
    return round((min(max(value, LEFT), 1.0) - LEFT) / (1.0 - LEFT) * WIDTH, 1)


def _by_kind(compared: Sequence[Compared]) -> list[tuple[ComparedKind, list[Compared]]]:
    groups = [(kind, [pair for pair in compared if pair.kind == kind]) for kind in KINDS]
    return [(kind, found) for kind, found in groups if found]


def _report(store: Store, study: Study) -> bytes:
    return encoded(study_html(study_results(store, study.id)))


def _named(study: Study, name: str) -> dict[str, str]:
    # The title is left out: it is free text, and a file's name travels further than its page.
    return {"Content-Disposition": f'attachment; filename="study-{study.id}-{name}"'}
