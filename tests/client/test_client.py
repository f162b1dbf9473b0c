"""The Python client against the real server, which is killed while it uploads."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("fastapi", reason="fastapi is not installed: pip install 'leuknet[web]'")
pytest.importorskip("httpx2", reason="httpx2 is not installed: pip install 'leuknet[client]'")

from leuknet.client import Client, link, sending
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
from leuknet.room.intake_checks import Limits
from leuknet.room.room_files import RoomFiles
from leuknet.room.turns import Turn
from leuknet.room.work import Workplace
from leuknet.room.worker import _Worker
from leuknet.store import open_store
from leuknet.store.accounts import create_user
from leuknet.store.jobs import take_job
from leuknet.store.nouns import SYSTEM
from leuknet.store.sign_in import create_api_token
from tests.api_rooms import crop_png, fill_case
from tests.conftest import without
from tests.rooms import PASSWORD, RunningRoom, free_port, running_room


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reading room with a lead, and a case of 1,100 cells: more than two pages."""
    return tmp_path_factory.mktemp("client") / "room"


@pytest.fixture(scope="module")
def token(folder: Path) -> str:
    with open_store(f"sqlite:///{folder / 'reading-room.db'}") as store:
        lead = create_user(store, "Lee", password=PASSWORD, role="lead", actor=SYSTEM)
        fill_case(store, RoomFiles(folder), lead, n_cells=1100)
        fill_case(store, RoomFiles(folder), lead, title="Smear 16", n_cells=4)
        return create_api_token(store, lead, "test")[0]


@pytest.fixture(scope="module")
def server(folder: Path, token: str) -> Iterator[RunningRoom]:
    with running_room(folder) as running:
        yield running


@pytest.fixture
def room(server: RunningRoom, token: str) -> Iterator[Client]:
    with Client(server.address, token) as client:
        yield client


def noise_png(path: Path, side_px: int) -> Path:
    pixels = np.random.default_rng(3).integers(0, 255, (side_px, side_px, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, "PNG", compress_level=0)
    return path


def test_cells_of_all_pages_and_reviews(room: Client) -> None:
    assert (room.me().name, room.me().role) == ("Lee", "lead")
    case = next(one for one in room.cases() if one.title == "Smear 17")
    assert room.wait(case).cells == 1100
    cells = list(room.cells(case, order="probability"))
    assert len({cell.id for cell in cells}) == 1100
    assert cells[0].probability == 1.0
    assert cells[0].box.bottom_px == 64
    assert len(list(room.images(case))) == 1100

    review = room.review(cells[0], "leukaemic", note="large")
    assert (review.verdict, review.note) == ("leukaemic", "large")
    with pytest.raises(ConflictError, match="cannot save the review") as caught:
        room.review(cells[0], "normal")
    assert "nothing was overwritten" in caught.value.fix
    again = room.cell(case, cells[0].id)
    assert again.review == review
    second = room.review(again, "uncertain")
    assert room.undo(again, second).verdict == "leukaemic"
    assert [cell.id for cell in room.cells(case, reviewed=True)] == [again.id]

    labels = room.labels(case)
    assert labels.height == 1100
    assert labels.filter(labels["label"] == "leukaemic")["cell_id"].to_list() == [again.id]
    assert room.picture(again, "thumb")[8:12] == b"WEBP"


def test_a_file_is_sent_once_however_often_it_is_asked(room: Client, tmp_path: Path) -> None:
    path = tmp_path / "cell.png"
    path.write_bytes(crop_png(5))
    case = room.create_case("Smear 18")
    first, second = room.upload(case, path), room.upload(case.id, path)
    assert first == second
    assert (first.state, first.received) == ("done", len(crop_png(5)))
    assert [image.kind for image in room.images(case)] == ["crop"]
    with pytest.raises(StoreError, match="is not scored yet"):
        room.wait(str(case.id), every_s=0.01, timeout_s=0.05)


def worked_off(folder: Path) -> None:
    """Do what waits for a worker, but for scoring, which takes a model."""
    with open_store(f"sqlite:///{folder / 'reading-room.db'}") as store:
        place = Workplace(store, RoomFiles(folder), None, None, None, Limits())  # type: ignore[arg-type]
        while (job := take_job(store, kinds=("archive",))) is not None:
            turn = Turn(("archive", ""), partial(_Worker(place, threading.Event()).do, job))
            while not turn.is_over:
                turn.go_on()


def test_an_archive_of_which_nothing_can_be_used_is_raised_and_a_half_broken_one_counted(
    room: Client, folder: Path, tmp_path: Path
) -> None:
    def zipped(**members: bytes) -> bytes:
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)
        return stream.getvalue()

    whole = zipped(good=crop_png(5), none=b"no picture")
    wrong = {"cut": whole[:-40], "empty": zipped(), "nested": zipped(inner=whole)}
    for name, content in wrong.items():
        case = room.create_case(name)
        (tmp_path / f"{name}.zip").write_bytes(content)
        room.upload(case, tmp_path / f"{name}.zip")
        worked_off(folder)
        with pytest.raises(DataError, match=f"{name}.zip"):
            room.wait(case, timeout_s=5)
        assert room.wait(case).images == 0  # it was told once

    case = room.create_case("half")
    (tmp_path / "half.zip").write_bytes(whole)
    room.upload(case, tmp_path / "half.zip")
    worked_off(folder)
    found = room.case(case)
    assert found.images == 1
    (note,) = found.notes
    assert note.startswith("1 could not be used:\ncannot use 'none'")


@pytest.mark.parametrize(
    ("proxy", "kind", "why"),
    [
        ("socks5://127.0.0.1:9", MissingExtraError, "it is a SOCKS proxy"),
        ("odd://127.0.0.1:9", SettingError, "Unknown scheme"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_an_error_in_words(
    proxy: str, kind: type[LeukNetError], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "socksio", None)
    monkeypatch.setenv("ALL_PROXY", proxy)

    with pytest.raises(kind) as caught:
        Client("https://reading.example.org", "token")

    assert why in caught.value.why
    assert "NO_PROXY=reading.example.org" in caught.value.fix


def test_what_the_server_says_is_what_is_raised(room: Client, tmp_path: Path) -> None:
    case = room.create_case("Smear 19")
    path = tmp_path / "none.png"
    path.write_bytes(b"no picture")
    with pytest.raises(SettingError, match=r"none\.png"):
        room.upload(case, path)
    with pytest.raises(DataError, match="cannot read"):
        room.upload(case, tmp_path / "missing.png")
    with pytest.raises(NotFoundError):
        room.case("00000000-0000-0000-0000-000000000000")
    with pytest.raises(SettingError, match="cannot find the case"):
        room.case("17")
    with pytest.raises(ConflictError, match="cannot make a data set"):
        room.download_labelled([case], tmp_path / "set.zip")
    assert [one.name for one in tmp_path.iterdir()] == ["none.png"], "nothing half is left"


def test_the_data_set_is_saved_as_a_whole(room: Client, tmp_path: Path) -> None:
    case = next(one for one in room.cases() if one.title == "Smear 16")
    for cell in list(room.cells(case))[:2]:
        room.review(cell, "normal" if cell.probability == 0 else "leukaemic")
    assert room.download_labelled([case], tmp_path / "set.zip").read_bytes()[:2] == b"PK"


def test_an_upload_outlives_the_death_of_the_server(
    folder: Path, token: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "PART_BYTES", 2**16)
    path, port = noise_png(tmp_path / "field.png", 1200), free_port()
    uploads: list[str] = []

    def upload(address: str) -> None:
        with Client(address, token) as client:
            case = client.create_case("Smear 20")
            uploads.append(client.upload(case, path, kind="field", microns_per_pixel=0.07).state)

    with running_room(folder, port=port) as first:
        sender = threading.Thread(target=upload, args=[first.address])
        sender.start()
        wait_for_bytes(folder / "parts", 2**20)
        first.kill()
    assert sender.is_alive()
    assert uploads == []
    with running_room(folder, port=port):
        sender.join(60)
    assert uploads == ["done"]
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    kept = folder / "images" / digest[:2] / f"{digest}.png"
    assert kept.read_bytes() == path.read_bytes()


def wait_for_bytes(parts: Path, n_bytes: int) -> None:
    pause = threading.Event()
    for _ in range(3000):
        if any(part.stat().st_size >= n_bytes for part in parts.glob("*")):
            return
        pause.wait(0.005)
    raise AssertionError("the upload does not come")


def test_a_server_that_is_away_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "TRIES", 2)
    monkeypatch.setattr(link, "_FIRST_PAUSE_S", 0.01)
    address = f"http://127.0.0.1:{free_port()}"
    with Client(address, "token") as client, pytest.raises(StoreError, match=f"cannot reach .* {address}"):
        client.me()


def test_a_wrong_token_is_an_account_error(server: RunningRoom) -> None:
    with Client(server.address, "wrong") as client, pytest.raises(AccountError, match="Nobody is signed in"):
        client.me()


def test_another_server_is_told_apart() -> None:
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as other:  # 501 to everything, as a page
        thread = threading.Thread(target=other.serve_forever)
        thread.start()
        try:
            address = f"http://127.0.0.1:{other.server_port}"
            with (
                Client(address, "token") as client,
                pytest.raises(StoreError, match="no answer of a reading"),
            ):
                client.me()
        finally:
            other.shutdown()
            thread.join()


@pytest.mark.parametrize(
    "url", ["http://reading.example.org", "http://10.0.0.7:8000", "http://127.0.0.1.nip.io"]
)
def test_the_token_does_not_travel_readable(url: str) -> None:
    with pytest.raises(SettingError, match="the token was not sent"):
        Client(url, "token")
    Client(url, "token", allow_insecure=True).close()


@pytest.mark.parametrize(
    "url", ["reading.example.org", "ftp://x", "https://a:b@x", "http://[", "https://x?y"]
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(SettingError, match="cannot use the reading room's address"):
        Client(url, "token")


@pytest.mark.parametrize(
    "url", ["http://localhost:8000", "http://[::1]:8000/", "https://reading.example.org"]
)
def test_loopback_and_tls_are_fine(url: str) -> None:
    Client(url, "token").close()


def test_a_token_that_cannot_be_one_is_refused_before_anything_is_sent() -> None:
    for token in ("", "a\nb", "tökén"):
        with pytest.raises(SettingError, match="cannot use the token"):
            Client("https://reading.example.org", token)


def test_without_its_library_it_names_the_extra() -> None:
    code = without("httpx2") + "from leuknet.client import Client\nClient('http://127.0.0.1', 'token')"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert "pip install 'leuknet[client]'" in ended.stderr
    assert "MissingExtraError" in ended.stderr


def test_it_needs_no_library_of_the_server() -> None:
    code = without("sqlalchemy", "fastapi", "pydantic") + "\n".join(
        [
            "from leuknet.client import Client",
            "from leuknet.client.parsing import Cell, read",
            "cell = dict(id=1, image_id=2, name='c', box=dict(top_px=0, left_px=0, bottom_px=2, right_px=3),",
            "    probability=None, outcome='positive', flags=['small'], warnings=[], model_id='m',",
            "    later='new', review=dict(id=5, cell_id=1, verdict='normal', note='', supersedes=None,",
            "        restores=None, decided_at='2026-11-30T10:00:00Z'))",
            "found = read(Cell, cell, case_id='00000000-0000-0000-0000-000000000007')",
            "print(found.case_id.int, found.box.right_px, found.flags, found.review.decided_at.tzinfo)",
            "Client('http://127.0.0.1', 'token').close()",
        ]
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert ended.stdout.strip() == "7 3 ('small',) UTC", ended.stderr
