"""Reading rooms for tests: an application in this process, and the real server as a process of its own."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from fastapi.testclient import TestClient

from leuknet.room.room_files import RoomFiles
from leuknet.store import open_store
from leuknet.store.accounts import create_user
from leuknet.store.database import FILE_NAME, Store
from leuknet.store.nouns import SYSTEM, Role, User
from leuknet.store.sign_in import start_session
from leuknet.web.app import create_app
from leuknet.web.cookies import SESSION_COOKIE, form_token
from leuknet.web.settings import Settings
from tests.databases import new_sqlite
from tests.people import quick_hashes

PASSWORD = "twelve letters and more"


@dataclass
class Room:
    """An application in this process, with its store and accounts."""

    settings: Settings
    store: Store
    files: RoomFiles
    visitor: TestClient
    clients: dict[str, TestClient] = field(default_factory=dict)
    users: dict[str, User] = field(default_factory=dict)

    def user(self, name: str, role: Role = "reader") -> User:
        """Return the account of this name, made at the first call."""
        if name not in self.users:
            self.users[name] = create_user(self.store, name, password=PASSWORD, role=role, actor=SYSTEM)
        return self.users[name]

    def browser(self, name: str, role: Role = "reader") -> TestClient:
        """Return a client that is signed in under this name, and sends what our own forms send."""
        if name not in self.clients:
            token, _ = start_session(self.store, self.user(name, role))
            client = TestClient(self.visitor.app, base_url="http://127.0.0.1", follow_redirects=False)
            client.cookies.set(SESSION_COOKIE, token)
            client.headers["X-Form-Token"] = form_token(token)
            client.headers["Accept"] = "text/html"
            self.clients[name] = client
        return self.clients[name]


@contextmanager
def open_room(
    folder: Path, *, database_url: str | None = None, model: Path | None = None, demo: bool = False
) -> Iterator[Room]:
    """Give an application over a folder, in this process; its hashes of passwords take no time."""
    if database_url is None:
        new_sqlite(folder / FILE_NAME)
    settings = Settings(folder=folder, database_url=database_url, model=model, demo=demo)
    app = create_app(settings)
    with (
        quick_hashes(),
        TestClient(app, base_url="http://127.0.0.1", follow_redirects=False) as visitor,
    ):
        yield Room(settings, app.state.store, app.state.files, visitor)


@dataclass
class RunningRoom:
    """The real server, at an address, with its own process and what it said."""

    address: str
    folder: Path
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def first_link(self) -> str:
        """The one-time link that it printed."""
        found = re.search(r"http://\S+/first-account/\S+", self.log.read_text())
        assert found is not None, self.log.read_text()
        return found.group()

    def kill(self) -> None:
        """End it as a power cut would, its worker too."""
        subprocess.run(["pkill", "-9", "-f", f"leuknet worker --data {self.folder} "], check=False)
        self.process.kill()
        self.process.wait()


@contextmanager
def running_room(
    folder: Path,
    *options: str,
    port: int | None = None,
    environment: dict[str, str] | None = None,
    before: Sequence[str] = (),
) -> Iterator[RunningRoom]:
    """Start `leuknet serve` over a folder and wait until it answers; stop it as Ctrl-C does.

    `before` are words of a program that becomes the server's, such as `env`.
    """
    port = port or free_port()
    command = [*before, sys.executable, "-m", "leuknet", "serve"]
    command += ["--data", str(folder), "--port", str(port), *options]
    folder.mkdir(parents=True, exist_ok=True)
    log = folder.parent / f"{folder.name}-{port}.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            command,
            stdout=stream,
            stderr=stream,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **(environment or {})},
        )
    room = RunningRoom(f"http://127.0.0.1:{port}", folder, process, log)
    try:
        _wait_for(room)
        yield room
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait(60)


def make_accounts(folder: Path, accounts: Sequence[tuple[str, Role]]) -> None:
    """Make accounts in a folder's database, with `PASSWORD`."""
    with quick_hashes(), open_store(f"sqlite:///{folder / FILE_NAME}") as store:
        for name, role in accounts:
            create_user(store, name, password=PASSWORD, role=role, actor=SYSTEM)


def free_port() -> int:
    """Return a port on which nobody listens just now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def _wait_for(room: RunningRoom) -> None:
    for _ in range(1200):
        if room.process.poll() is not None:
            raise AssertionError(f"the server ended: {room.log.read_text()}")
        try:
            urllib.request.urlopen(f"{room.address}/healthz", timeout=5)
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"the server does not answer: {room.log.read_text()}")
