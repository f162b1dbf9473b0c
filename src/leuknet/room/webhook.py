"""Tells another program what happened to a case, if the operator named one; off by default.

A POST of JSON goes to the one address of the settings, signed with the secret that both know:

    {"event": "case.scored", "case": "<id>", "at": "<ISO 8601, UTC>", "delivery": 17}
    X-LeukNet-Signature: sha256=<HMAC-SHA256 of the body, in hexadecimal>

It holds no title, name or result: who is told asks the API for these, with a token. An event may come twice,
with one number of `delivery`. Redirects are not followed.

Start at `webhook_of_environment`, then `queue_event`; the worker calls `deliver`.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import os
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from email.message import Message
from typing import IO, Literal
from urllib.parse import urlsplit
from uuid import UUID

from leuknet.errors import SettingError
from leuknet.room.kinds import WEBHOOK
from leuknet.store.database import Store
from leuknet.store.jobs import add_job
from leuknet.store.nouns import CaseJob

URL_VARIABLE = "LEUKNET_WEBHOOK_URL"
SECRET_VARIABLE = "LEUKNET_WEBHOOK_SECRET"  # noqa: S105 - the name of a variable

TRIES = 5
PAUSES_S = (5, 30, 120, 600)
"""Before the second and each later try. They hold for all events: there is one receiver."""

TIMEOUT_S = 10

Event = Literal["case.scored", "case.signed"]


@dataclass(frozen=True)
class Webhook:
    """Who is told, and the secret by which it knows that it is told by this reading room."""

    url: str
    secret: str = field(repr=False)


class DeliveryError(Exception):
    """An event could not be delivered; the text says why."""


def webhook_of_environment() -> Webhook | None:
    """Return who is to be told by `LEUKNET_WEBHOOK_URL` and `LEUKNET_WEBHOOK_SECRET`; None if nobody.

    Raises
    ------
    SettingError
        If the address is none of the web, or the secret is missing or shorter than 16 characters.
    """
    url, secret = os.environ.get(URL_VARIABLE, ""), os.environ.get(SECRET_VARIABLE, "")
    if not url:
        return None
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        why = f"{URL_VARIABLE} is none that begins with http:// or https://"
        raise SettingError("cannot use the webhook", why=why, fix="give the whole address of the receiver")
    if len(secret) < 16:
        raise SettingError(
            "cannot use the webhook",
            why=f"{SECRET_VARIABLE} has {len(secret)} characters",
            fix="give both sides a random secret of 16 or more, such as of `openssl rand -hex 32`",
        )
    return Webhook(url, secret)


def queue_event(store: Store, case_id: UUID, event: Event, *, webhook: Webhook | None, actor: str) -> None:
    """Let the receiver be told of an event; nothing waits where there is none."""
    if webhook is not None:
        add_job(store, case_id, WEBHOOK, actor=actor, detail={"event": event})


def deliver(webhook: Webhook, job: CaseJob) -> None:
    """Tell the receiver; DeliveryError if it does not answer with a status of 200 to 299 in time."""
    told = {
        "event": job.detail.get("event"),
        "case": str(job.case_id),
        "at": job.created_at.isoformat(),
        "delivery": job.id,
    }
    body = json.dumps(told).encode()
    request = urllib.request.Request(webhook.url, data=body, method="POST")  # noqa: S310 - checked above
    request.add_header("Content-Type", "application/json")
    request.add_header("User-Agent", "leuknet")
    request.add_header("X-LeukNet-Signature", f"sha256={sign(body, webhook.secret)}")
    try:
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=TIMEOUT_S):
            pass  # what it answers is of no account
    except urllib.error.HTTPError as error:
        error.close()
        raise DeliveryError(f"the receiver answered with status {error.code}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise DeliveryError(f"the receiver cannot be reached: {error}") from error


def sign(body: bytes, secret: str) -> str:
    """Return the signature of a body in hexadecimal; the receiver computes it too, and compares."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect is an error: the receiver is the address that the operator named, and no other."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> None:
        """Follow none."""
        return
