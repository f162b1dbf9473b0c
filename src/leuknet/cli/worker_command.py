"""`leuknet worker`: the process of the reading room that scores."""

from __future__ import annotations

import logging
import os
import signal
import threading
from pathlib import Path
from typing import Annotated

import typer

from leuknet.cli import options, room_options
from leuknet.cli.model_words import model_folder

_NICENESS = 10
"""Pages come before scores where both want the processor."""


@options.expanded
def worker(
    model: Annotated[
        Path,
        typer.Option(
            "--model",
            metavar="MODEL",
            envvar="LEUKNET_MODEL",
            parser=model_folder,
            help="Model folder, or pretrained:NAME.",
        ),
    ],
    *,
    room: room_options.RoomOptions,
    images: room_options.TableImages = None,
    threads: Annotated[
        int | None, typer.Option("--threads", metavar="N", min=1, help="Cores to compute on [all].")
    ] = None,
    parent: Annotated[
        int | None,
        typer.Option("--parent", metavar="PID", help="Stop once this process, which started it, is gone."),
    ] = None,
) -> None:
    """Score what is uploaded to the reading room, until stopped. `leuknet serve` starts it by itself.

    Several may run at one database. LEUKNET_WEBHOOK_URL and LEUKNET_WEBHOOK_SECRET name a program that is
    told when a case is scored or signed.

    It ends with status 1 when an image takes longer than it may: let a service manager start it again.

    Example: leuknet worker --model build/demo/run/model
    """
    from leuknet.store import require_libraries

    require_libraries()
    from leuknet.room.webhook import webhook_of_environment
    from leuknet.room.worker import WorkerSettings, run_worker

    settings = WorkerSettings(
        database_url=room.address,
        folder=room.folder,
        model=model,
        threads=threads,
        image_root=images,
        webhook=webhook_of_environment(),
        ends=True,
    )
    logging.basicConfig(level=logging.INFO, format="%(asctime)s worker %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    if parent is not None:
        threading.Thread(target=_stop_without, args=(parent, stop), daemon=True).start()
    os.nice(_NICENESS)
    run_worker(settings, stop=stop)


def _stop_without(parent: int, stop: threading.Event) -> None:
    """Stop when the process that started this one is gone, be it by `kill -9`: it would start another."""
    while os.getppid() == parent and not stop.wait(1.0):
        pass
    stop.set()
