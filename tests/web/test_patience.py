"""Clients that say nothing, or drip, do not hold the server's connections; others are served meanwhile."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="fastapi is not installed: pip install 'leuknet[web]'")

import uvicorn

from leuknet.web import guard, patience
from leuknet.web.app import create_app
from leuknet.web.settings import Settings
from tests.rooms import free_port


@pytest.fixture
def port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The address of a server whose patience is short."""
    monkeypatch.setattr(patience, "HEAD_S", 0.5)
    monkeypatch.setattr(guard, "SILENCE_S", 0.5)
    monkeypatch.setattr(guard, "REQUEST_S", 1.5)
    port = free_port()
    app = create_app(Settings(folder=tmp_path, port=port))
    config = uvicorn.Config(app, port=port, log_level="critical", http=patience.PatientProtocol)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield port
    server.should_exit = True
    thread.join()


def ended_after(connection: socket.socket, drip: bytes = b"") -> tuple[float, bytes]:
    """Return the seconds until the server ends a connection, and what it said; send a byte now and then."""
    begun, said = time.monotonic(), b""
    connection.settimeout(0.2)
    while time.monotonic() < begun + 10:
        try:
            if drip:
                connection.sendall(drip)
            got = connection.recv(4096)
        except TimeoutError:
            continue
        except OSError:
            return time.monotonic() - begun, said
        if not got:
            return time.monotonic() - begun, said
        said += got
    raise AssertionError("the server waits for ever")


def connected(port: int, sent: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port))
    connection.sendall(sent)
    return connection


HEAD = b"POST /sign-in HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"


@pytest.mark.parametrize(
    ("sent", "drip"),
    [(b"", b""), (b"GET / HT", b""), (b"GET / HTTP/1.1\r\nX: ", b"a")],
    ids=["says nothing", "stops in the head", "drips its head"],
)
def test_a_head_that_does_not_come_ends_the_connection(port: int, sent: bytes, drip: bytes) -> None:
    with connected(port, sent) as connection:
        seconds, _ = ended_after(connection, drip)

    assert seconds < 3


@pytest.mark.parametrize("drip", [b"", b"a"], ids=["stops", "drips"])
def test_a_body_that_does_not_come_ends_the_request(port: int, drip: bytes) -> None:
    with connected(port, HEAD + b"Content-Length: 1000\r\n\r\nname=") as connection:
        seconds, said = ended_after(connection, drip)

    assert seconds < 5
    assert b" 408 " in said


def test_a_second_request_on_a_connection_must_come_in_time_too(port: int) -> None:
    with connected(port, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n") as connection:
        time.sleep(0.3)
        connection.sendall(b"GET /heal")
        seconds, said = ended_after(connection)

    assert said.startswith(b"HTTP/1.1 200")
    assert seconds < 3


def test_others_are_served_while_two_hundred_dawdle(port: int) -> None:
    dawdlers = [connected(port, HEAD) for _ in range(200)]
    try:
        begun = time.monotonic()
        with connected(port, b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n") as connection:
            _, said = ended_after(connection)
        assert said.startswith(b"HTTP/1.1 200")
        assert time.monotonic() - begun < 3
    finally:
        for one in dawdlers:
            one.close()
