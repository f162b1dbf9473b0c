"""Runs the reading room: the server of its pages in this process, the worker that scores in another.

Start at `serve`.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import IO, cast

import uvicorn

from leuknet.errors import ModelError, SettingError
from leuknet.inference.model_folder import has_graph, open_card
from leuknet.store import open_store
from leuknet.store.accounts import first_account_token, list_users
from leuknet.store.database import DATABASE_VARIABLE
from leuknet.web.app import create_app
from leuknet.web.patience import MAX_CONNECTIONS, PatientProtocol
from leuknet.web.settings import Settings
from leuknet.web.worker_health import STEADY_S, LastLines, WorkerHealth

_log = logging.getLogger("leuknet.web")

RESTART_S = 5
"""How long after a worker's death another is started."""

TLS_ADVICE = """\
Others can reach this address, and what they type travels readable. Put TLS in front; with Caddy, two lines:
    reading.example.org
    reverse_proxy 127.0.0.1:{port}
Then start with --host 127.0.0.1 --public-url https://reading.example.org; see docs/reading-room.md."""


def serve(settings: Settings, *, n_workers: int = 1, say: Callable[[str], None] = print) -> None:
    """Run until SIGINT or SIGTERM.

    Parameters
    ----------
    settings
        Where the data lie and where to listen.
    n_workers
        Processes that score; 0 where `leuknet worker` runs elsewhere, or no model is given.
    say
        Gets the lines that the person at the terminal needs, the one-time link among them.

    Raises
    ------
    SettingError
        If others could reach it before there is an account: whoever comes first would be its admin; or if it
        cannot listen there.
    StoreError
        If the database cannot be used.
    ModelError
        If the model's card or graph is missing, or the card is damaged: its worker would end again and again.
    """
    _check_model(settings)
    settings.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    greeting = _greeting(settings)
    listener = listen(settings)
    for line in greeting:
        say(line)
    application = create_app(settings)
    config = uvicorn.Config(
        application,
        host=settings.host,
        port=settings.port,
        log_level="warning",
        access_log=False,  # addresses hold numbers of cases; who did what is in the audit log
        server_header=False,
        http=PatientProtocol,
        limit_concurrency=MAX_CONNECTIONS,
        proxy_headers=settings.public_url is not None,
        timeout_graceful_shutdown=10,
    )
    stop = threading.Event()
    n_keepers = 0 if settings.model is None else n_workers
    health = application.state.workers
    keepers = [
        threading.Thread(target=_keep_worker, args=(settings, stop, health, number))
        for number in range(n_keepers)
    ]
    for keeper in keepers:
        keeper.start()
    try:
        uvicorn.Server(config).run(sockets=[listener])
    finally:
        stop.set()
        for keeper in keepers:
            keeper.join()


def _check_model(settings: Settings) -> None:
    if settings.model is None:
        return
    open_card(settings.model)
    if not has_graph(settings.model):
        raise ModelError(
            "cannot score with this model",
            why=f"{str(settings.model)!r} holds no graph, with which the reading room scores",
            fix=f"`leuknet export {settings.model}` adds one, or says why it cannot",
        )


def _greeting(settings: Settings) -> list[str]:
    lines = [f"LeukNet reading room: {settings.address}", f"Data folder: {settings.folder}"]
    with open_store(settings.store_url) as store:
        if not list_users(store):
            if not settings.is_loopback:
                raise SettingError(
                    f"cannot listen on {settings.host}",
                    why="there is no account yet, and whoever came first would become its admin",
                    fix="start once on this computer alone (leave --host out), make the first account, then "
                    "start again with --host",
                )
            token = first_account_token(store)
            lines.append(f"Make the first account, within 24 hours: {settings.address}/first-account/{token}")
    if not settings.is_loopback and not settings.is_secure:
        lines.append(TLS_ADVICE.format(port=settings.port))
    lines += ["Research software, not a medical device.", "Stop with Ctrl-C."]
    return lines


def listen(settings: Settings) -> socket.socket:
    """Return the socket on which the server takes connections.

    Raises
    ------
    SettingError
        If host or port cannot be had.
    """
    try:
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        listener = socket.create_server((settings.host, settings.port), family=family, backlog=2048)
        # asyncio sets it for sockets that name their protocol, as this one does not. Without it the body of
        # an answer waits for 40 ms until its head is acknowledged.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listener
    except OSError as error:
        raise SettingError(
            f"cannot listen on {settings.host}, port {settings.port}",
            why=error.strerror or str(error),
            fix="stop the program that listens there, or name another port with --port",
        ) from error


def worker_command(settings: Settings) -> list[str]:
    """Return the command line of a worker for these settings."""
    command = [sys.executable, "-m", "leuknet", "worker", "--data", str(settings.folder)]
    command += ["--model", str(settings.model), "--parent", str(os.getpid())]
    if settings.images is not None:
        command += ["--images", str(settings.images)]
    return command


def _keep_worker(settings: Settings, stop: threading.Event, health: WorkerHealth, number: int) -> None:
    """Run a worker, and another when it ends, until told to stop; tell how they fare."""
    environment = {name: value for name, value in os.environ.items() if name != DATABASE_VARIABLE}
    if settings.database_url is not None:
        environment[DATABASE_VARIABLE] = settings.database_url  # it may hold a password: not in `ps`
    while not stop.is_set():
        # A session of its own: Ctrl-C at the terminal reaches this process, which ends the worker in order.
        worker = subprocess.Popen(  # noqa: S603
            worker_command(settings),
            env=environment,
            start_new_session=True,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        said, steady_from = LastLines(cast("IO[str]", worker.stderr)), time.monotonic() + STEADY_S
        while worker.poll() is None and not stop.wait(0.2):
            if time.monotonic() >= steady_from:
                health.runs(number)
        if worker.poll() is None:
            worker.send_signal(signal.SIGTERM)
            try:
                worker.wait(30)
            except subprocess.TimeoutExpired:
                worker.kill()
            return
        health.ended(number, worker.returncode, said.read())
        _log.warning("a worker ended with status %s; another starts in %s s", worker.returncode, RESTART_S)
        stop.wait(RESTART_S)
