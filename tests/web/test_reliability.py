"""The real server under what goes wrong: kills, a full disk, a database that goes away, hostile requests.

What readers were told is saved must be there afterwards, and the server must go on.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import struct
import subprocess
import threading
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx2
import pytest

pytest.importorskip("fastapi", reason="fastapi is not installed: pip install 'leuknet[web]'")

from leuknet.room.room_files import RoomFiles
from leuknet.store import audit_log as audit
from leuknet.store import open_store
from leuknet.store.accounts import create_user
from leuknet.store.cases import give_access
from leuknet.store.cells import cells_of
from leuknet.store.database import Store
from leuknet.store.nouns import SYSTEM, Case, User
from leuknet.store.reviews import current_reviews, review_history
from leuknet.store.sign_in import create_api_token
from tests.api_rooms import fill_case
from tests.databases import running_postgresql
from tests.rooms import PASSWORD, RunningRoom, open_room, running_room

BYTES = {"Content-Type": "application/octet-stream"}


class Lab:
    """A data folder with a case, accounts with tokens, and a way to ask the server as one of them."""

    def __init__(self, folder: Path, *, url: str | None = None, n_cells: int = 12) -> None:
        self.folder = folder
        self.url = url or f"sqlite:///{folder / 'reading-room.db'}"
        self.users: dict[str, User] = {}
        self.tokens: dict[str, str] = {}
        folder.mkdir(parents=True, exist_ok=True)
        with open_store(self.url) as store:
            for name, role in (("Lea", "lead"), ("Rea", "reader"), ("Ron", "reader")):
                user = create_user(store, name, password=PASSWORD, role=role, actor=SYSTEM)  # type: ignore[arg-type]
                self.users[name] = user
                self.tokens[name], _ = create_api_token(store, user, "test")
            self.case: Case = fill_case(store, RoomFiles(folder), self.users["Lea"], n_cells=n_cells)
            self.cells = [cell.id for cell in cells_of(store, self.case.id)]
            for name in ("Rea", "Ron"):
                give_access(store, self.case.id, self.users[name].id, actor=SYSTEM)

    def client(self, name: str, address: str) -> httpx2.Client:
        headers = {"Authorization": f"Bearer {self.tokens[name]}"}
        return httpx2.Client(base_url=f"{address}/api/v1/cases/{self.case.id}/", headers=headers, timeout=60)

    def store(self) -> Store:
        return open_store(self.url)


def review(client: httpx2.Client, cell: int, verdict: str, expected: int | None) -> httpx2.Response:
    body = {"verdict": verdict, "note": "", "expected_review_id": expected}
    return client.post(f"cells/{cell}/reviews", json=body)


def upload(client: httpx2.Client, name: str, content: bytes) -> httpx2.Response:
    """Send a file whole; return the answer to the last step that was taken."""
    new = {"name": name, "n_bytes": len(content), "kind": "auto", "key": name}
    begun = client.post("uploads", json=new)
    if begun.status_code != 201:
        return begun
    place = f"uploads/{begun.json()['id']}"
    sent = client.patch(place, content=content, headers=BYTES | {"Upload-Offset": "0"})
    return sent if sent.status_code >= 400 else client.post(f"{place}/finish")


def peak_mib(room: RunningRoom) -> float:
    """Return the most memory that the server's process ever had."""
    status = Path(f"/proc/{room.process.pid}/status").read_text()
    return int(re.findall(r"VmHWM:\s+(\d+)", status)[0]) / 1024


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    return Lab(tmp_path_factory.mktemp("lab") / "room")


@pytest.fixture(scope="module")
def server(lab: Lab) -> Iterator[RunningRoom]:
    with running_room(lab.folder) as room:
        yield room


def is_alive(room: RunningRoom) -> bool:
    return httpx2.get(f"{room.address}/healthz", timeout=60).status_code == 200


# --- readers ---------------------------------------------------------------------------------------------


def test_two_readers_who_save_at_once_are_both_kept(lab: Lab, server: RunningRoom) -> None:
    cell = lab.cells[0]
    start = threading.Barrier(2, timeout=60)

    def save(name: str, verdict: str) -> int:
        with lab.client(name, server.address) as client:
            start.wait()
            return review(client, cell, verdict, None).status_code

    with ThreadPoolExecutor(2) as pool:
        statuses = list(pool.map(save, ("Rea", "Ron"), ("leukaemic", "normal")))

    assert statuses == [201, 201]
    with lab.store() as store:
        said = {
            one.reader_id: one.verdict for one in current_reviews(store, lab.case.id) if one.cell_id == cell
        }
    assert said == {lab.users["Rea"].id: "leukaemic", lab.users["Ron"].id: "normal"}


def test_of_one_reader_s_two_windows_the_second_is_told(lab: Lab, server: RunningRoom) -> None:
    cell = lab.cells[1]
    start = threading.Barrier(2, timeout=60)

    def save(verdict: str) -> httpx2.Response:
        with lab.client("Rea", server.address) as client:
            start.wait()
            return review(client, cell, verdict, None)

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(save, ("leukaemic", "normal")))

    assert sorted(one.status_code for one in answers) == [201, 409]
    with lab.store() as store:
        assert len(review_history(store, cell)) == 1


def test_what_was_acknowledged_survives_kills_of_the_server(tmp_path: Path) -> None:
    lab = Lab(tmp_path / "room", n_cells=60)
    acknowledged: dict[int, int] = {}
    for round_ in range(3):
        with running_room(lab.folder) as room, lab.client("Rea", room.address) as client:
            killer = threading.Timer(0.2, room.kill)
            for cell in lab.cells[round_ * 20 : round_ * 20 + 20]:
                try:
                    answer = review(client, cell, "leukaemic", None)
                except httpx2.TransportError:
                    break
                acknowledged[cell] = answer.json()["id"]
                if cell == lab.cells[round_ * 20 + 1]:
                    killer.start()  # now, or a busy machine kills it before it has done anything
            killer.join()

    assert len(acknowledged) > 3, "the server was killed before it did anything"
    with lab.store() as store:
        kept = {one.cell_id: one.id for one in current_reviews(store, lab.case.id)}
        assert acknowledged.items() <= kept.items()
        assert audit.verify(store).broken_at is None


# --- disk and database -----------------------------------------------------------------------------------


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    """Mount a disk of a few MiB; skip where that is not allowed."""
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], capture_output=True
    )
    if made.returncode != 0:
        pytest.skip(f"a small disk cannot be mounted here: {made.stderr.decode().strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(file: Path, *, leave: int = 0) -> None:
    """Write a file until the disk is full but for so many bytes."""
    with suppress(OSError), file.open("wb", buffering=0) as stream:
        while shutil.disk_usage(file.parent).free > leave:
            stream.write(bytes(4096))


def test_a_full_disk_loses_nothing_and_the_server_goes_on_when_there_is_room(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "6m"):
        lab = Lab(tmp_path / "disk" / "room", n_cells=40)
        with running_room(lab.folder) as room, lab.client("Rea", room.address) as client:
            assert review(client, lab.cells[0], "leukaemic", None).status_code == 201
            filler = tmp_path / "disk" / "filler"
            fill(filler)

            refused = [review(client, cell, "normal", None) for cell in lab.cells[1:]]
            full = [one for one in refused if one.status_code == 503]
            assert full, "the disk was not full"
            assert "make room on the disk" in full[0].json()["fix"]
            assert client.get("cells").status_code == 200, "what is there can still be read"

            filler.unlink()
            saved = [one.status_code for one in refused].count(201)
            again = [
                review(client, cell, "normal", None)
                for cell, before in zip(lab.cells[1:], refused, strict=True)
                if before.status_code == 503
            ]
            assert {one.status_code for one in again} == {201}
        with lab.store() as store:
            assert len(current_reviews(store, lab.case.id)) == 1 + saved + len(again) == len(lab.cells)
            assert audit.verify(store).broken_at is None


def test_uploads_that_fill_the_disk_leave_room_to_sign_in_and_decide(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "16m"), open_room(tmp_path / "disk") as room:
        case = fill_case(room.store, room.files, room.user("Lea", "lead"), n_cells=2)
        lea = room.browser("Lea", "lead")
        new = {"name": "a.tif", "n_bytes": 5 * 2**20, "kind": "slide"}
        begun = [lea.post(f"/cases/{case.id}/uploads", json=new | {"key": key}) for key in "abcd"]
        assert [one.status_code for one in begun] == [200, 200, 422, 422]  # 2 x 5 of less than 0.9 x 16 MiB
        fill(tmp_path / "disk" / "filler", leave=3 * 2**20)  # what others keep on this disk

        path = f"/cases/{case.id}/uploads/{begun[0].json()['id']}"
        for size in (2**20, 2**15):
            headers = BYTES | {"Upload-Offset": str(lea.get(path).json()["offset"])}
            while (sent := lea.patch(path, content=bytes(size), headers=headers)).status_code == 200:
                headers |= {"Upload-Offset": sent.headers["Upload-Offset"]}
            assert sent.status_code == 503

        page = room.visitor.get("/sign-in")
        token = re.findall(r'name="form_token" value="([^"]+)"', page.text)[0]
        form = {"name": "Lea", "password": PASSWORD, "form_token": token}
        assert room.visitor.post("/sign-in", data=form).status_code == 303
        secret, _ = create_api_token(room.store, room.user("Lea"), "test")
        for cell in cells_of(room.store, case.id):
            place = f"/api/v1/cases/{case.id}/cells/{cell.id}/reviews"
            body = {"verdict": "normal", "note": "", "expected_review_id": None}
            told = room.visitor.post(place, json=body, headers={"Authorization": f"Bearer {secret}"})
            assert told.status_code == 201


def test_a_database_that_goes_and_comes_back_is_told_and_used_again(tmp_path: Path) -> None:
    with running_postgresql() as url:
        lab = Lab(tmp_path / "room", url=url)
        environment = {"LEUKNET_DATABASE_URL": url}
        with (
            running_room(lab.folder, environment=environment) as room,
            lab.client("Rea", room.address) as client,
        ):
            assert review(client, lab.cells[0], "leukaemic", None).status_code == 201
            control_postgresql(url, "stop", "--mode", "immediate")
            gone = review(client, lab.cells[1], "normal", None)
            page = httpx2.get(f"{room.address}/sign-in", headers={"Accept": "text/html"})
            control_postgresql(url, "start")
            back = review(client, lab.cells[1], "normal", None)

        assert gone.status_code == 503
        assert gone.headers["retry-after"] == "10"
        assert "check that the database runs" in gone.json()["fix"]
        assert "postgres" not in gone.text, "the address is nobody's business"
        assert page.status_code == 200, "a page that needs no database is there"
        assert back.status_code == 201
        with lab.store() as store:
            assert [one.verdict for one in current_reviews(store, lab.case.id)] == ["leukaemic", "normal"]


def control_postgresql(url: str, *arguments: str) -> None:
    """Stop or start the server of `running_postgresql` with pg_ctl."""
    folder = Path(url.partition("host=")[2])
    binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1]
    command = [
        str(binaries / "pg_ctl"),
        arguments[0],
        "--wait",
        "--pgdata",
        str(folder / "data"),
        *arguments[1:],
    ]
    if arguments[0] == "start":
        command += ["--options", f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"]
    if os.geteuid() == 0:
        command = ["runuser", "-u", "postgres", "--", *command]
    with (folder.parent / f"{folder.name}.log").open("a") as log:
        subprocess.run(command, check=True, stdout=log, stderr=log, cwd=folder, timeout=60)


# --- hostile requests ------------------------------------------------------------------------------------


def png_claiming(width: int, height: int) -> bytes:
    """Return a small PNG whose header claims a size, and whose pixels are zeros that unpack to it."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    rows = zlib.compress(bytes(50 * 2**20), 9)
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def test_a_decompression_bomb_is_refused_in_words_and_takes_no_memory(lab: Lab, server: RunningRoom) -> None:
    before = peak_mib(server)
    with lab.client("Lea", server.address) as client:
        answer = upload(client, "bomb.png", png_claiming(60_000, 60_000))

    assert answer.status_code == 422
    assert "too large" in answer.json()["detail"]
    assert peak_mib(server) < before + 100
    assert is_alive(server)


def test_a_body_of_two_gigabytes_is_refused_at_its_head(lab: Lab, server: RunningRoom) -> None:
    head = (
        f"PATCH /api/v1/cases/{lab.case.id}/uploads/{lab.case.id} HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: Bearer {lab.tokens['Lea']}\r\nContent-Type: application/octet-stream\r\n"
        "Upload-Offset: 0\r\nContent-Length: 2147483648\r\n\r\n"
    )
    host, _, port = server.address.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(head.encode())
        assert b" 413 " in connection.recv(4096)


def test_a_body_without_end_is_cut_off(lab: Lab, server: RunningRoom) -> None:
    before, sent = peak_mib(server), 0
    new = {"name": "endless.png", "n_bytes": 2**30, "kind": "auto", "key": "endless"}

    def endless() -> Iterator[bytes]:
        nonlocal sent
        while sent < 2**31:
            yield bytes(2**20)
            sent += 2**20

    with lab.client("Lea", server.address) as client:
        place = f"uploads/{client.post('uploads', json=new).json()['id']}"
        try:
            headers = BYTES | {"Upload-Offset": "0"}
            status = client.patch(place, content=endless(), headers=headers).status_code
        except httpx2.TransportError:  # the server closed while we were sending
            status = 413
    assert status == 413
    assert sent < 100 * 2**20
    assert peak_mib(server) < before + 100
    assert is_alive(server)


@pytest.mark.parametrize(
    "path",
    [
        "/static/../../../../etc/passwd",
        "/static/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "/static/..%2f..%2f..%2fsettings.py",
        "/static/%00",
        "/cases/../../etc/passwd",
        "/cases/%2e%2e%2fhealthz",
    ],
)
def test_no_path_leads_out(server: RunningRoom, path: str) -> None:
    host, _, port = server.address.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        said = b"".join(iter(lambda: connection.recv(65536), b""))

    status = int(said.split()[1])
    assert status in (303, 400, 401, 404), said[:200]
    assert b"root:" not in said
    assert b"dataclass" not in said


@pytest.mark.parametrize(
    "raw",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"POST /sign-in HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 200_000 + b"\r\n\r\n",
        b"POST /sign-in HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=x\r\n"
        b"Content-Length: 12\r\n\r\n--x\r\nbroken\r\n",
    ],
    ids=["no host", "version", "TLS", "two lengths", "long header", "broken form"],
)
def test_what_is_no_request_is_answered_or_closed_and_the_server_goes_on(
    server: RunningRoom, raw: bytes
) -> None:
    host, _, port = server.address.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        try:
            connection.sendall(raw)
            said = connection.recv(4096)
        except ConnectionError:
            said = b""
    assert not said or said.split()[1][:1] in (b"3", b"4"), said[:200]
    assert b"Traceback" not in said
    assert is_alive(server)


def test_the_log_names_no_case_image_or_token(lab: Lab, server: RunningRoom) -> None:
    with lab.client("Lea", server.address) as client:
        upload(client, "Maria Musterfrau.png", b"no image at all")
        client.get("cells/999999999")
    said = server.log.read_text()

    assert "Musterfrau" not in said
    assert lab.case.title not in said
    assert lab.tokens["Lea"] not in said
