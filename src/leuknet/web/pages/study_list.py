"""The list of reading studies, and a lead's page of one: planning, opening, progress, closing."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from leuknet.errors import ConflictError, LeukNetError, SettingError
from leuknet.store import studies
from leuknet.store.accounts import list_users, names_of
from leuknet.store.adjudications import disputes
from leuknet.store.cases import cases_of
from leuknet.store.cell_counts import n_cells_of
from leuknet.store.database import Store
from leuknet.store.nouns import User
from leuknet.store.study_nouns import STUDY_MODES, NewStudy, Study, StudyMode, StudyProgress
from leuknet.store.study_order import draw_order
from leuknet.store.study_reads import progress
from leuknet.web.error_answers import not_here
from leuknet.web.pages.study_access import (
    LedStudy,
    is_finished,
    leads,
    progress_of_readers,
    reads_elsewhere,
    reads_in,
)
from leuknet.web.pages.study_reading import own_page, standing
from leuknet.web.permissions import Lead, OpenStore, SignedIn
from leuknet.web.templating import render_page

router = APIRouter()

_BLANK = {"title": "", "instructions": "", "mode": "unaided", "repeat_percent": "10", "washout_days": "14"}


@dataclass(frozen=True)
class Opening:
    """What will happen when a draft is opened.

    Attributes
    ----------
    n_repeats
        How many of the cells each reader sees twice in a phase.
    n_each
        Items of each reader, in all phases.
    """

    n_cases: int
    n_readers: int
    n_cells: int
    n_repeats: int
    n_phases: int

    @property
    def n_each(self) -> int:
        """Readings of each reader, in all phases."""
        return (self.n_cells + self.n_repeats) * self.n_phases


@router.get("/studies")
def all_studies(request: Request, user: SignedIn, store: OpenStore) -> Response:
    """The studies that the user may see; those to read in with what is left."""
    return _list(request, user, store)


@router.post("/studies")
def make_study(
    request: Request,
    lead: Lead,
    store: OpenStore,
    title: Annotated[str, Form(max_length=1000)],
    mode: Annotated[StudyMode, Form()],
    repeat_percent: Annotated[float, Form(allow_inf_nan=False)],
    washout_days: Annotated[int, Form(ge=0, le=3650)],
    instructions: Annotated[str, Form(max_length=10_000)] = "",
) -> Response:
    """Plan a study, a draft."""
    share = round(repeat_percent / 100, 6)
    # Who reads must not be able to foretell the order: the seed is drawn, and stands in the audit log.
    new = NewStudy(title, instructions.strip(), mode, share, washout_days, secrets.randbelow(2**31))
    try:
        study = studies.create_study(store, new, user=lead)
    except SettingError as error:
        given = {
            "title": title,
            "instructions": instructions,
            "mode": mode,
            "repeat_percent": f"{repeat_percent:g}",
            "washout_days": str(washout_days),
        }
        return _list(request, lead, store, given=given, error=error)
    return RedirectResponse(f"/studies/{study.id}", 303)


@router.get("/studies/{study_id}")
def one_study(request: Request, study_id: UUID, user: SignedIn, store: OpenStore) -> Response:
    """A study: to leads its plan, progress and results; to its readers what they are to do."""
    study = studies.find_study(store, study_id, user=user)
    if study is None:
        raise not_here()
    if leads(store, study, user):
        return _lead_page(request, store, study, user)
    return own_page(request, store, study, user)


@router.post("/studies/{study_id}/plan")
def plan(
    request: Request,
    user: SignedIn,
    store: OpenStore,
    study: LedStudy,
    case_id: Annotated[list[UUID] | None, Form()] = None,
    reader_id: Annotated[list[int] | None, Form()] = None,
) -> Response:
    """Choose cases and readers of a draft."""
    visible = {case.id for case in cases_of(store, user)}
    active = {account.id for account in list_users(store) if account.active}
    # Cases that the lead may not see just now were chosen by another: they stay.
    chosen = [*(set(case_id or ()) & visible), *(set(studies.case_ids_of(store, study.id)) - visible)]

    def change() -> None:
        studies.set_study_cases(store, study.id, chosen, user=user)
        studies.set_study_readers(store, study.id, sorted(set(reader_id or ()) & active), user=user)

    return _changed(request, store, study, user, change, place="#open")


@router.post("/studies/{study_id}/open")
def open_study(request: Request, user: SignedIn, store: OpenStore, study: LedStudy) -> Response:
    """Draw the orders and let reading begin."""
    return _changed(request, store, study, user, lambda: studies.open_study(store, study.id, user=user))


@router.post("/studies/{study_id}/close")
def close_study(request: Request, user: SignedIn, store: OpenStore, study: LedStudy) -> Response:
    """End all reading."""
    return _changed(request, store, study, user, lambda: studies.close_study(store, study.id, user=user))


def _changed(
    request: Request, store: Store, study: Study, user: User, change: Callable[[], object], *, place: str = ""
) -> Response:
    """Change a study and lead back to its page; with what is wrong at its head if it cannot be changed."""
    try:
        change()
    except ConflictError as error:
        return _lead_page(request, store, study, user, error=error)
    return RedirectResponse(f"/studies/{study.id}{place}", 303)


def _list(
    request: Request,
    user: User,
    store: Store,
    *,
    given: dict[str, str] | None = None,
    error: SettingError | None = None,
) -> Response:
    rows: list[tuple[Study, StudyProgress | None, str]] = []
    for study in studies.studies_of(store, user):
        own = progress(store, study.id, reader_id=user.id) if reads_in(store, study, user) else None
        rows.append((study, own, "" if own is None else standing(study, own)))
    content = {"rows": rows, "modes": STUDY_MODES, "given": given or _BLANK, "error": error}
    return render_page(request, "studies.html", content, status=200 if error is None else 422)


def _lead_page(
    request: Request, store: Store, study: Study, user: User, *, error: LeukNetError | None = None
) -> Response:
    status = 200 if error is None else 409
    content: dict[str, Any] = {"study": study, "error": error, "reads_too": reads_in(store, study, user)}
    if study.state == "draft":
        content |= _draft(store, study, user)
        return render_page(request, "study_draft.html", content, status=status)
    names = names_of(store)
    states = progress_of_readers(store, study)
    finished = is_finished(study, states)
    elsewhere = finished and reads_elsewhere(store, study, user)
    found = disputes(store, study.id) if finished and not elsewhere else ()
    content |= {
        "readers": [
            (number, names[reader_id], state, standing(study, state))
            for number, (reader_id, state) in enumerate(states.items(), start=1)
        ],
        "finished": finished,
        "elsewhere": elsewhere,
        "n_disputes": len(found),
        "n_decided": sum(dispute.adjudication is not None for dispute in found),
    }
    return render_page(request, "study_lead.html", content, status=status)


def _draft(store: Store, study: Study, user: User) -> dict[str, Any]:
    visible = cases_of(store, user)
    case_ids = set(studies.case_ids_of(store, study.id))
    reader_ids = set(studies.reader_ids_of(store, study.id))
    counts = n_cells_of(store, case_ids | {case.id for case in visible})
    total = sum(counts[case_id] for case_id in case_ids)
    opening = Opening(len(case_ids), len(reader_ids), total, _n_repeats(study, total), len(study.phases))
    return {
        "cases": [(case, counts[case.id], case.id in case_ids) for case in visible],
        "n_hidden": len(case_ids - {case.id for case in visible}),
        "people": [(account, account.id in reader_ids) for account in list_users(store) if account.active],
        "opening": opening,
        "reads_self": user.id in reader_ids,
    }


def _n_repeats(study: Study, n_cells: int) -> int:
    if n_cells == 0:
        return 0
    order = draw_order(
        range(n_cells), repeat_share=study.repeat_share, seed=0, reader_id=0, phase=study.phases[0]
    )
    return len(order) - n_cells
