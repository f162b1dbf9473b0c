"""What a reading room tells another program by itself, where its operator named one: off by default.

`leuknet.room.webhook` sends it; here it is described.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header

from leuknet.web.api.schemas import CaseEvent

router = APIRouter(tags=["Webhook"])

Signature = Annotated[
    str,
    Header(
        description="`sha256=` and the HMAC-SHA256 of the body in hexadecimal, under the secret that both "
        "sides know: compute it over the bytes as they came, and compare in constant time."
    ),
]


@router.post("case-event")
def case_event(event: CaseEvent, x_leuknet_signature: Signature) -> None:
    """Tell that a case was scored or signed. It is sent only where the server's environment names a receiver,
    LEUKNET_WEBHOOK_URL, and a secret, LEUKNET_WEBHOOK_SECRET; again after 5, 30, 120 and 600 seconds if the
    receiver does not answer with a status of 200 to 299 within 10 seconds.
    """
