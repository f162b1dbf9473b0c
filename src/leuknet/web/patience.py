"""A server that does not wait for ever for a client to say what it wants.

uvicorn waits without end for the head of a request; many clients that send a byte a minute would use up what
a process may keep open. Slow bodies are `leuknet.web.guard`'s.

Start at `PatientProtocol`, which `uvicorn.Config` takes as `http`.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_S = 20
"""How long the head of a request may take, from the connection or the answer before it."""

MAX_CONNECTIONS = 1000
"""At once; more are told to come back (503)."""


class PatientProtocol(H11Protocol):
    """uvicorn's protocol; closes a connection on which no request is complete in time."""

    _watch: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._expect_request()

    def data_received(self, data: bytes) -> None:
        """Take bytes; a request's head that is begun must end."""
        super().data_received(data)
        if self._is_idle() and self._watch is None:
            self._expect_request()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        super().connection_lost(exc)
        if self._watch is not None:
            self._watch.cancel()

    def _is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _expect_request(self) -> None:
        self._watch = self.loop.call_later(HEAD_S, self._close_if_idle, self.cycle)

    def _close_if_idle(self, last: object) -> None:
        self._watch = None
        if not self._is_idle():
            return
        if self.cycle is last:
            self.transport.close()
        else:
            self._expect_request()  # there was a request meanwhile, and the next one may have begun
