"""Requests to a reading room: sent again after a break, and errors in the words of the server.

Start at `Link.send`.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from leuknet.errors import (
    AccountError,
    ConflictError,
    DataError,
    LeukNetError,
    MissingExtraError,
    NotFoundError,
    SettingError,
    StoreError,
)
from leuknet.records.whole import whole_file

if TYPE_CHECKING:
    import httpx2

TRIES = 8
"""How often a request is sent before the server counts as gone: about a minute in all."""

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 15.0
_PAGE = 500

_KINDS: Mapping[int, type[LeukNetError]] = {
    401: AccountError,
    403: AccountError,
    404: NotFoundError,
    409: ConflictError,
    413: DataError,
    422: SettingError,
}


class UnreachableError(StoreError):
    """The reading room gave no answer: whether it did what it was asked is not known."""


class Link:
    """The connections to a reading room, which carry the token; see `leuknet.client.Client`."""

    def __init__(self, url: str, token: str, *, allow_insecure: bool, timeout_s: float) -> None:
        address = _checked_address(url, allow_insecure=allow_insecure)
        if not token or not token.isascii() or not token.isprintable():
            raise SettingError(
                "cannot use the token",
                why="it is empty, or holds characters that no token has",
                fix="copy it again from where it is kept, or make a new one on your account's page",
            )
        self.address = address
        self._httpx = httpx = _httpx()
        # Without TLS a proxy would read the token, so none that the environment names is used. Redirects are
        # not followed: they could lead the token elsewhere.
        try:
            self._http: httpx2.Client = httpx.Client(
                base_url=f"{address}/api/v1/",
                headers={"Authorization": f"Bearer {token}", "Accept": "application/json"},
                timeout=timeout_s,
                trust_env=address.startswith("https:"),
            )
        except (ImportError, ValueError, httpx.InvalidURL) as error:
            raise _no_proxy(error, address) from error

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def json(self, method: str, path: str, *, once: bool = False, **options: Any) -> dict[str, Any]:
        """Send a request and return its answer; see `send`."""
        found: dict[str, Any] = self.send(method, path, once=once, **options).json()
        return found

    def pages(self, path: str, asked: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Give the items of a list, page by page."""
        query = {name: value for name, value in asked.items() if value is not None} | {"limit": _PAGE}
        while True:
            page = self.json("GET", path, params=query)
            yield from page["items"]
            if page["next"] is None:
                return
            query["cursor"] = page["next"]

    def send(self, method: str, path: str, *, once: bool = False, **options: Any) -> httpx2.Response:
        """Send a request, again after a break or where the server asks to wait.

        Parameters
        ----------
        method, path, options
            As httpx takes them.
        once
            Whether a request must not be sent again after it may have come.

        Raises
        ------
        UnreachableError
            If no answer comes.
        LeukNetError
            What the reading room tells: AccountError, NotFoundError, ConflictError, DataError, SettingError
            or StoreError.
        """
        pause_s = _FIRST_PAUSE_S
        for left in reversed(range(TRIES)):
            try:
                answer = self._http.request(method, path, **options)
            except self._httpx.TransportError as error:
                never_came = isinstance(error, (self._httpx.ConnectError, self._httpx.ConnectTimeout))
                if not left or (once and not never_came):
                    raise self._unreachable(error) from error
            else:
                if answer.status_code not in (429, 503) or not left:
                    return _checked(answer)
                pause_s = max(pause_s, _asked_pause(answer))
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        raise AssertionError("the last try answers or raises")

    def download(self, path: str, target: Path) -> Path:
        """Save an answer as a file, whole or not at all."""
        try:
            with whole_file(target) as part, self._http.stream("GET", path) as answer:
                if not answer.is_success:
                    answer.read()
                    _checked(answer)
                with part.open("wb") as file:
                    for chunk in answer.iter_bytes():
                        file.write(chunk)
        except self._httpx.TransportError as error:
            raise self._unreachable(error) from error
        except OSError as error:
            raise DataError(
                f"cannot write {target}", why=str(error.strerror), fix="name another file"
            ) from error
        return target

    def _unreachable(self, error: Exception) -> UnreachableError:
        return UnreachableError(
            f"cannot reach the reading room at {self.address}",
            why=str(error) or type(error).__name__,
            fix="look whether `leuknet serve` runs there, then do this again; an upload goes on where it was",
        )


def _checked(answer: httpx2.Response) -> httpx2.Response:
    """Return an answer, or raise the error that it tells in the server's own words."""
    if answer.is_success:
        return answer
    status = answer.status_code
    kind = _KINDS.get(status, StoreError)
    try:
        told = answer.json()
        what, why, fix = str(told["title"]), str(told["detail"]), str(told["fix"])
    except (ValueError, KeyError, TypeError):
        raise StoreError(
            f"the server at {answer.url.host} gave no answer of a reading room",
            why=f"status {status}: {answer.text[:200].strip()!r}",
            fix="check the address: it is the one that a browser shows, without what follows the name",
        ) from None
    raise kind(what, why=why, fix=fix)


def _asked_pause(answer: httpx2.Response) -> float:
    """Return how many seconds the server asks to wait."""
    asked = answer.headers.get("Retry-After", "")
    return min(float(asked), 60.0) if asked.isdecimal() else 0.0


def _checked_address(url: str, *, allow_insecure: bool) -> str:
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        parts, host = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not host or parts.username or parts.query or parts.fragment:
        raise SettingError(
            "cannot use the reading room's address",
            why=f"{url!r} is not of the form https://NAME",
            fix="give it as a browser shows it, such as https://reading.example.org",
        )
    if parts.scheme == "http" and not allow_insecure and not _is_loopback(host):
        raise SettingError(
            f"the token was not sent to {host}",
            why="the address begins with http://: all on the way could read the token, and use it",
            fix="use https://; on a network that you trust, set allow_insecure=True",
        )
    return url.rstrip("/")


def _no_proxy(error: Exception, address: str) -> LeukNetError:
    """Return the error of a proxy that the environment names and that cannot be used."""
    what = "cannot use the proxy that the environment names (HTTPS_PROXY, ALL_PROXY)"
    around = f"go around it: NO_PROXY={urlsplit(address).hostname}"
    if isinstance(error, ImportError):
        why = f"it is a SOCKS proxy, and the package for these is missing: {error}"
        return MissingExtraError(what, why=why, fix=f"pip install socksio, or {around}")
    return SettingError(what, why=str(error), fix=f"name it as http://NAME:PORT, or {around}")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _httpx() -> Any:
    try:
        import httpx2
    except ImportError as error:
        raise MissingExtraError(
            "cannot use the client of the reading room",
            why=f"httpx2 is not installed: {error}",
            fix="pip install 'leuknet[client]'",
        ) from error
    return httpx2
