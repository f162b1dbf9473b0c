"""The page of a field or slide: pan and zoom through all of it, with its cells drawn over it."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from leuknet.web.model_facts import model_of
from leuknet.web.pages.case_nouns import ImageOfCase
from leuknet.web.permissions import Configured, VisibleCase
from leuknet.web.templating import render_page, script_texts

router = APIRouter(prefix="/cases/{case_id}")


@router.get("/images/{image_id}")
def image_page(request: Request, case: VisibleCase, image: ImageOfCase, settings: Configured) -> Response:
    """One image, whole."""
    content = {
        "case": case,
        "image": image,
        "model": model_of(settings),
        "texts": script_texts("case_script"),
    }
    return render_page(request, "field.html", content)
