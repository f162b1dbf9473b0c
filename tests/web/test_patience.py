"""Clients that say nothing, or drip, do not hold the server's connections; others are served meanwhile."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
import pytest

pytest.importorskip("fastapi", reason="fastapi is not installed: pip install 'leuknet[web]'")

import uvicorn

from leuknet.room.room_files import RoomFiles
from leuknet.store import open_store
from leuknet.store.accounts import create_user
from leuknet.store.cases import create_case
from leuknet.store.cell_nouns import CaseCell
from leuknet.store.cells import cells_of
from leuknet.store.database import FILE_NAME, Store
from leuknet.store.nouns import SYSTEM, Announcement, Case
from leuknet.store.sign_in import create_api_token, find_api_user, start_session
from leuknet.store.uploads import open_upload
from leuknet.web import guard, patience
from leuknet.web.api import access
from leuknet.web.app import create_app
from leuknet.web.cookies import SESSION_COOKIE, form_token
from leuknet.web.pages import case_list, case_pictures
from leuknet.web.pools import PICTURES
from leuknet.web.settings import Settings
from tests.api_rooms import fill_case
from tests.people import quick_hashes
from tests.rooms import PASSWORD, free_port

PAGE_THREADS = 40
"""Those that anyio gives."""

SOON_S = 8
"""Within which a server of short patience gives up, on a busy machine too; usually it waits 20 s and more."""


@contextmanager
def served(folder: Path) -> Iterator[int]:
    """Serve a reading room in a folder, and give its port."""
    port = free_port()
    app = create_app(Settings(folder=folder, port=port))
    config = uvicorn.Config(app, port=port, log_level="critical", http=patience.PatientProtocol)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield port
    server.should_exit = True
    thread.join()


@pytest.fixture
def port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The address of a server whose patience is short."""
    monkeypatch.setattr(patience, "HEAD_S", 0.5)
    monkeypatch.setattr(guard, "SILENCE_S", 0.5)
    monkeypatch.setattr(guard, "REQUEST_S", 1.5)
    with served(tmp_path) as port:
        yield port


@pytest.fixture
def usual_port(tmp_path: Path) -> Iterator[int]:
    """The address of a server that waits as long as it does for users."""
    with served(tmp_path) as port:
        yield port


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

    assert seconds < SOON_S


@pytest.mark.parametrize("drip", [b"", b"a"], ids=["stops", "drips"])
def test_a_body_that_does_not_come_ends_the_request(port: int, drip: bytes) -> None:
    with connected(port, HEAD + b"Content-Length: 1000\r\n\r\nname=") as connection:
        seconds, said = ended_after(connection, drip)

    assert seconds < SOON_S
    assert b" 408 " in said


def announced(folder: Path, *, n_bytes: int) -> tuple[str, str, UUID]:
    """Announce a file; return the address that takes it, a token of who may send it, and its id."""
    with quick_hashes(), open_store(f"sqlite:///{folder / FILE_NAME}") as store:
        anna = create_user(store, "Anna", password=PASSWORD, role="reader", actor=SYSTEM)
        token, _ = create_api_token(store, anna, "test")
        case = create_case(store, "slow", user=anna)
        upload = open_upload(store, case.id, Announcement("a.png", n_bytes, "key"), user=anna)
    return f"/api/v1/cases/{case.id}/uploads/{upload.id}", token, upload.id


@pytest.mark.parametrize("drip", [b"", b"a"], ids=["stops", "drips"])
def test_of_a_part_that_is_cut_what_came_is_kept(
    port: int, tmp_path: Path, drip: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "SILENCE_S", 3)  # longer than the pauses of who drips, on a busy machine too
    monkeypatch.setattr(guard, "REQUEST_S", 5)
    place, token, upload_id = announced(tmp_path, n_bytes=1000)
    head = f"PATCH {place} HTTP/1.1\r\nHost: localhost\r\n"
    head += f"Authorization: Bearer {token}\r\nContent-Type: application/octet-stream\r\n"
    with connected(port, f"{head}Upload-Offset: 0\r\nContent-Length: 1000\r\n\r\n12345".encode()) as cut:
        _, said = ended_after(cut, drip)

    assert b" 408 " in said, said
    kept = (tmp_path / "parts" / str(upload_id)).read_bytes()
    assert f"upload-offset: {len(kept)}\r\n".encode() in said.lower()
    assert kept == b"12345" + drip * (len(kept) - 5)
    assert len(kept) > 5 or not drip


def test_a_body_is_not_refused_for_what_the_server_itself_takes(
    port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, token, _ = announced(tmp_path, n_bytes=5)

    def slowly(*of: Any) -> Any:
        time.sleep(guard.REQUEST_S + 0.5)
        return find_api_user(*of)

    monkeypatch.setattr(access, "find_api_user", slowly)
    answer = httpx2.patch(
        f"http://127.0.0.1:{port}{place}",
        content=b"12345",
        headers={
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/octet-stream",
            "Upload-Offset": "0",
        },
        timeout=60,
    )

    assert (answer.status_code, answer.json()["received"]) == (200, 5)


def test_a_second_request_on_a_connection_must_come_in_time_too(port: int) -> None:
    with connected(port, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n") as connection:
        time.sleep(0.3)
        connection.sendall(b"GET /heal")
        seconds, said = ended_after(connection)

    assert said.startswith(b"HTTP/1.1 200")
    assert seconds < SOON_S


def test_others_are_served_while_two_hundred_dawdle(port: int) -> None:
    dawdlers = [connected(port, HEAD) for _ in range(200)]
    try:
        begun = time.monotonic()
        with connected(port, b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n") as connection:
            _, said = ended_after(connection)
        assert said.startswith(b"HTTP/1.1 200")
        assert time.monotonic() - begun < SOON_S
    finally:
        for one in dawdlers:
            one.close()


def case_of_a_lead(store: Store, folder: Path) -> tuple[Case, CaseCell, str, str]:
    """Make a case with one cell; return both, and a token and a session of who may decide on it."""
    lea = create_user(store, "Lea", password=PASSWORD, role="lead", actor=SYSTEM)
    case = fill_case(store, RoomFiles(folder), lea, n_cells=1)
    (cell,) = cells_of(store, case.id)
    (secret, _), (session, _) = create_api_token(store, lea, "test"), start_session(store, lea)
    return case, cell, secret, session


def test_tiles_that_take_long_hold_no_page_and_no_decision(
    usual_port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with quick_hashes(), open_store(f"sqlite:///{tmp_path / FILE_NAME}") as store:
        case, cell, secret, session = case_of_a_lead(store, tmp_path)
    drawn, release = threading.Semaphore(0), threading.Event()

    def slow(*place: object) -> bytes:
        drawn.release()
        assert release.wait(60)
        return b"a tile"

    monkeypatch.setattr(case_pictures, "tile_jpeg", slow)
    tile = f"/cases/{case.id}/images/{cell.image_id}/image_files/6/0_0.jpeg"
    limits = httpx2.Limits(max_connections=100)
    with (
        httpx2.Client(base_url=f"http://127.0.0.1:{usual_port}", limits=limits, timeout=60) as client,
        ThreadPoolExecutor(45) as pool,
    ):
        client.cookies.set(SESSION_COOKIE, session)
        tiles = [pool.submit(client.get, tile) for _ in range(45)]
        try:
            for _ in range(PICTURES.threads):
                assert drawn.acquire(timeout=60)
            assert client.get("/cases", timeout=30).status_code == 200
            body = {"verdict": "normal", "note": "", "expected_review_id": None}
            place, bearer = f"/api/v1/cases/{case.id}/cells/{cell.id}/reviews", f"Bearer {secret}"
            saved = client.post(place, json=body, headers={"Authorization": bearer}, timeout=15)
            assert saved.status_code == 201
            assert not drawn.acquire(blocking=False), "more are drawn at once than there are threads for"
        finally:
            release.set()
        assert {one.result().content for one in tiles} == {b"a tile"}


def test_a_decision_is_saved_while_all_threads_of_pages_pictures_and_uploads_are_busy(
    usual_port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with quick_hashes(), open_store(f"sqlite:///{tmp_path / FILE_NAME}") as store:
        case, cell, secret, session = case_of_a_lead(store, tmp_path)
        busy, release = threading.Semaphore(0), threading.Event()

        def slow(*_: object) -> None:
            busy.release()
            assert release.wait(60)

        def read_slowly(of: Store, *_: object) -> tuple[()]:
            with of.reading():  # holds one of the server's connections
                slow()
            return ()

        monkeypatch.setattr(case_list, "case_summaries", read_slowly)
        monkeypatch.setattr(case_pictures, "tile_jpeg", slow)
        tile = f"/cases/{case.id}/images/{cell.image_id}/image_files/6/0_0.jpeg"
        limits = httpx2.Limits(max_connections=200)
        with (
            httpx2.Client(base_url=f"http://127.0.0.1:{usual_port}", limits=limits, timeout=120) as client,
            ThreadPoolExecutor(120) as pool,
        ):
            client.cookies.set(SESSION_COOKIE, session)
            asked = [pool.submit(client.get, tile) for _ in range(PICTURES.threads)]
            for _ in range(PICTURES.threads):
                assert busy.acquire(timeout=60)
            asked += [pool.submit(client.get, "/cases") for _ in range(100)]
            for _ in range(PAGE_THREADS):
                assert busy.acquire(timeout=60)
            try:
                begun = time.monotonic()
                place, bearer = f"/api/v1/cases/{case.id}/cells/{cell.id}/reviews", f"Bearer {secret}"
                body = {"verdict": "normal", "note": "", "expected_review_id": None}
                by_program = client.post(place, json=body, headers={"Authorization": bearer}, timeout=30)
                by_page = client.post(
                    f"/cases/{case.id}/cells/{cell.id}/review",
                    json={"verdict": "leukaemic", "expected_review_id": by_program.json()["id"]},
                    headers={"X-Form-Token": form_token(session)},
                    timeout=30,
                )
                seconds = time.monotonic() - begun
                assert (by_program.status_code, by_page.status_code) == (201, 200)
                assert seconds < 20  # two; alone on the machine they take some hundredths
                assert not any(one.done() for one in asked)
            finally:
                release.set()
