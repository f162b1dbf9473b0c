"""The images, cells and uploads that a path names, each only as a part of the case that it names before.

Start at `CellOfCase`.
"""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Path, Request

from leuknet.store.cases import find_image
from leuknet.store.cell_pages import ReadCell, find_case_cell
from leuknet.store.database import Store
from leuknet.store.nouns import Case, CaseImage, CaseUpload, User
from leuknet.store.uploads import find_upload
from leuknet.web.error_answers import not_here
from leuknet.web.permissions import OpenStore, SignedIn, VisibleCase
from leuknet.web.pools import in_thread

Number = Annotated[int, Path(ge=1, le=2**63 - 1)]
"""Of a row; what no database could hold is no number of a row."""


def image_of_case(case: VisibleCase, image_id: Number, store: OpenStore) -> CaseImage:
    """Return the image that a path names; as a missing page if it is none of the case's."""
    image = find_image(store, image_id)
    if image is None or image.case_id != case.id:
        raise not_here()
    return image


def cell_of_case(case: Case, cell_id: int, user: User, store: Store) -> ReadCell:
    """Return a cell of a case, with the user's newest review of it; as a missing page if it is none of it."""
    found = find_case_cell(store, case.id, cell_id, reader_id=user.id)
    if found is None:
        raise not_here()
    return found


def upload_of_case(case: VisibleCase, upload_id: UUID, user: SignedIn, store: OpenStore) -> CaseUpload:
    """Return the upload that a path names; another user's is as missing as another case's."""
    found = find_upload(store, upload_id)
    if found is None or found.case_id != case.id or found.user_id != user.id:
        raise not_here()
    return found


async def cell_of_path(
    request: Request, case: VisibleCase, cell_id: Number, user: SignedIn, store: OpenStore
) -> ReadCell:
    """Return the cell that a path names, as `cell_of_case` does."""
    return await in_thread(request, cell_of_case, case, cell_id, user, store)


ImageOfCase = Annotated[CaseImage, Depends(image_of_case)]
CellOfCase = Annotated[ReadCell, Depends(cell_of_path)]
UploadOfCase = Annotated[CaseUpload, Depends(upload_of_case)]
