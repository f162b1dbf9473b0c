"""Starts Ray for one run, on this machine or in a cluster, without bars, dashboard, reports home or noise.

Start at `open_ray`.
"""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TextIO
from unittest.mock import patch

import ray
import ray.data
from ray._private import ray_constants, services

from leuknet.errors import SettingError

_OBJECT_STORE_BYTES = 100 * 2**20  # counts and places only; Ray's least is 75 MiB
_LONGEST_FOLDER = 40  # Ray's sockets lie below, and the system ends their paths at 107 bytes


@contextmanager
def open_ray(workers: int | None, address: str | None) -> Iterator[None]:
    """Start Ray for this run, or connect to a cluster; a Ray that runs in this process is used as it is."""
    if ray.is_initialized():
        yield
        return
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    quiet["configure_logging"] = True
    temporary = None
    if address is None:
        place = tempfile.gettempdir()
        place = place if len(place) <= _LONGEST_FOLDER else "/tmp"  # noqa: S108
        # Whoever connects to Ray may run code; from 2.60 on only who knows a token. Ray would else keep one
        # in the user's home.
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
        temporary = tempfile.mkdtemp(prefix="ray-", dir=place)
        quiet |= {
            "num_cpus": workers or len(os.sched_getaffinity(0)),
            "include_dashboard": False,
            "object_store_memory": _OBJECT_STORE_BYTES,
            "_temp_dir": temporary,
        }
    try:
        try:
            with ExitStack() as alone:
                if address is None:
                    _keep_to_itself(alone)
                ray.init(address=address or "local", **quiet)
        except Exception as error:  # RuntimeError, ConnectionError, OSError, ValueError, errors of Ray
            what, fix = (
                "cannot start Ray",
                "check the memory, the disk for temporary files and the versions of Ray",
            )
            if address is not None:
                what = f"cannot reach the Ray cluster at {address}"
                fix = "check the address, and that the cluster has this version of Ray and Python"
            raise SettingError(what, why=" ".join(str(error).split())[:500], fix=fix) from error
        _quieten()
        yield
    finally:
        ray.shutdown()
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def errors_into(log: Path) -> Iterator[TextIO]:
    """Keep what Ray's core writes to standard error in a file; yield what still shows text to the user."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with log.open("wb") as stream:
            os.dup2(stream.fileno(), 2)
        if sys.stderr is sys.__stderr__:
            with os.fdopen(os.dup(kept), "w", encoding="utf-8") as shown:
                yield shown
        else:  # a program has put its own in its place
            yield sys.stderr
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)


def _keep_to_itself(stack: ExitStack) -> None:
    """Let a Ray that starts now reach and listen to this machine alone; the stack undoes it.

    By itself it finds its address by way of 8.8.8.8, listens on the network, and starts a server that asks
    the metadata hosts of three clouds where it runs, even where reports of usage are off. Its only setting
    against any of these is one for Windows; `test_no_contact` watches what comes of it.
    """
    alone = ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR
    stack.enter_context(patch.dict(os.environ, {alone: "0"}))  # for the processes that it starts
    stack.enter_context(patch.object(ray_constants, "ENABLE_RAY_CLUSTER", False))
    stack.enter_context(patch.object(services, "start_api_server", lambda *_, **__: ("", None)))


def _quieten() -> None:
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    # A shard may take an hour, in which Ray sees nothing happen: it would end the run after half of one.
    context.execution_no_progress_timeout_s = -1
    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.ERROR)
