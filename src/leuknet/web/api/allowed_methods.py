"""Names all methods of an address where a request came with another one.

Starlette names those of the first route alone, though each method of an address is a route of its own.
Start at `AllMethods`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class AllMethods:
    """Corrects the header `Allow` of answers of status 405 by the description of the API."""

    def __init__(self, app: ASGIApp, *, prefix: str, describe: Callable[[], dict[str, Any]]) -> None:
        self.app = app
        self.prefix = prefix
        self.describe = describe

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and its answer back."""

        async def send_with(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 405:
                MutableHeaders(scope=message)["Allow"] = ", ".join(self._methods(scope["path"]))
            await send(message)

        await self.app(scope, receive, send_with if scope["type"] == "http" else send)

    def _methods(self, path: str) -> list[str]:
        below = path.removeprefix(self.prefix)
        paths = self.describe()["paths"]
        fitting = [methods for known, methods in paths.items() if compile_path(known)[0].match(below)]
        return sorted({method.upper() for methods in fitting for method in methods} or {"GET"})
