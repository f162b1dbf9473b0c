"""The cells of a case, and the labels that follow from what is said of them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from leuknet.room.labels import case_labels
from leuknet.store.cell_nouns import CellDetail, CellOrder, ReviewedCell
from leuknet.store.cell_pages import cell_page
from leuknet.store.nouns import as_noun
from leuknet.web.api.access import ApiCase, ApiCell, ApiLead, ApiUser
from leuknet.web.api.paging import Cursor, Limit, read_cursor, write_cursor
from leuknet.web.api.problems import problems
from leuknet.web.api.schemas import CellPage, LabelList
from leuknet.web.permissions import OpenStore

router = APIRouter(tags=["Cells"], prefix="/cases/{case_id}")


@router.get("/cells", responses=problems(404, 422))
def list_cells(
    case: ApiCase,
    user: ApiUser,
    store: OpenStore,
    order: Annotated[
        CellOrder,
        Query(description="As found, the most probable first, or those nearest to 0.5 first."),
    ] = "found",
    outcome: Annotated[
        str | None,
        Query(
            max_length=100,
            pattern=r"^[^\u0000]*$",
            description="Only cells of which the model says this: `positive`, `negative`, `uncertain` or "
            "`unfamiliar`.",
        ),
    ] = None,
    reviewed: Annotated[
        bool | None, Query(description="Only cells of which this account says something, or nothing.")
    ] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> CellPage:
    """List the cells of a case with what the model and this account say of them."""
    page = cell_page(
        store,
        case.id,
        reader_id=user.id,
        order=order,
        outcome=outcome,
        reviewed=reviewed,
        after=read_cursor(cursor, order),
        limit=limit,
    )
    items = [as_noun(ReviewedCell, found.cell, review=found.review) for found in page.cells]
    return CellPage(items=items, next=None if page.end is None else write_cursor(order, page.end))


@router.get("/cells/{cell_id}", responses=problems(404))
def one_cell(found: ApiCell) -> CellDetail:
    """Tell all of one cell, its outline too."""
    return as_noun(CellDetail, found.cell, review=found.review)


@router.get("/labels", responses=problems(403, 404))
def labels(case: ApiCase, _lead: ApiLead, store: OpenStore) -> LabelList:
    """Tell the labels of all cells, with the words of all readers; for leads."""
    return LabelList(items=list(case_labels(store, case.id)))
