"""Threads for requests of one kind, apart from those of pages.

A tile of a large picture or the check of an upload may take seconds. Each kind has so many threads; its other
requests wait for these, and not in the threads that pages are answered in. Decisions have threads of their
own, too, so that one is saved while everything else is busy: a route that takes one is marked by `decides`,
and then who is asking and what they may see is looked up in these threads as well.

Start at `in_pool`; `in_thread` is what dependencies call.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, ParamSpec, TypeVar

from anyio import CapacityLimiter
from anyio.lowlevel import RunVar
from anyio.to_thread import run_sync
from fastapi import Request

_P = ParamSpec("_P")
_Result = TypeVar("_Result")
_Endpoint = TypeVar("_Endpoint", bound=Callable[..., Any])

_DECIDING: set[Callable[..., Any]] = set()


class Pool:
    """So many threads, in each event loop."""

    def __init__(self, name: str, threads: int) -> None:
        self.threads = threads
        self._limiter: RunVar[CapacityLimiter] = RunVar(name)

    @property
    def limiter(self) -> CapacityLimiter:
        """What bounds them, in the event loop that runs."""
        try:
            return self._limiter.get()
        except LookupError:
            limiter = CapacityLimiter(self.threads)
            self._limiter.set(limiter)
            return limiter


PICTURES, UPLOADS, CHECKS = Pool("pictures", 8), Pool("uploads", 8), Pool("checks", 4)
"""For pictures, parts of uploads, and the check of uploads that are whole."""

DECISIONS = Pool("decisions", 8)
"""For reviews, study reads and adjudications."""


async def in_pool(
    pool: Pool, function: Callable[_P, _Result], /, *args: _P.args, **kwargs: _P.kwargs
) -> _Result:
    """Call a function in a thread of a pool, when there is one."""
    return await run_sync(partial(function, *args, **kwargs), limiter=pool.limiter)


async def in_thread(
    request: Request, function: Callable[_P, _Result], /, *args: _P.args, **kwargs: _P.kwargs
) -> _Result:
    """Call a function in a thread of decisions if the request's route takes one, else in one of pages."""
    pool = DECISIONS if request.scope.get("endpoint") in _DECIDING else None
    return await run_sync(partial(function, *args, **kwargs), limiter=None if pool is None else pool.limiter)


def decides(endpoint: _Endpoint) -> _Endpoint:
    """Mark what answers a route as taking a decision; below the route's decorator."""
    _DECIDING.add(endpoint)
    return endpoint
