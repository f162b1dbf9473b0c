"""Measures how soon the reading room answers 50 readers at once, while a worker scores; writes `load.json`.

    .venv/bin/python bench/reading_room/load.py                     # five minutes: SQLite, then PostgreSQL
    .venv/bin/python bench/reading_room/load.py --database sqlite --no-worker

A real server, with a data folder of its own, holds a case of 2,000 cells with their pictures. The readers
are one process of their own: each opens the list of cases, the case with its numbers and 60 thumbs, and
then, every 2 to 4 s, looks at a cell (panel and full-resolution view), scrolls on (4 thumbs) and saves a
review; every tenth time the case is opened anew. They come within the first 15 s. Thumbs are kept, as
browsers do, and at most 6 requests of a reader are under way at a time. Meanwhile a worker scores images of
other cases, on the cores that the server and the readers use too. What other processes of the machine take
is noted as the load before.

Start at `main`.
"""

# ruff: noqa: E402, S603, T201 - a script that prints, runs itself, and finds the tests beside it

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
import numpy as np

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))  # its tests start real servers and databases

from tests.api_rooms import fill_case
from tests.databases import new_database, running_postgresql
from tests.rooms import PASSWORD, running_room

from leuknet.room.kinds import SCORE
from leuknet.room.pictures import ensure_cell_pictures
from leuknet.room.room_files import RoomFiles
from leuknet.store import open_store
from leuknet.store.accounts import create_user
from leuknet.store.cases import create_case, give_access, images_of
from leuknet.store.cells import cells_of
from leuknet.store.database import Store
from leuknet.store.nouns import SYSTEM, NewImage, User
from leuknet.store.scorings import count_scored
from leuknet.store.sign_in import start_session
from leuknet.store.uploads import add_images
from leuknet.web.cookies import SESSION_COOKIE, form_token

OUT = Path(__file__).with_name("load.json")
THUMBS_AT_FIRST, THUMBS_A_STEP, STEPS_A_VISIT = 60, 4, 10
START_S = 15
BUSY_CASES = 20
KINDS = ("list of cases", "case page", "cells.json", "panel", "view", "thumb", "review")


def main() -> None:
    """Measure on each database, or be the readers."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="pretrained:probe-stages", help="what the worker scores with")
    parser.add_argument("--readers", type=int, default=50)
    parser.add_argument("--cells", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--database", choices=("both", "sqlite", "postgresql"), default="both")
    parser.add_argument("--no-worker", action="store_true", help="nothing is scored meanwhile")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--as-readers", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.as_readers is not None:
        print(json.dumps(asyncio.run(_read(json.loads(options.as_readers.read_text())))))
        return
    kinds = ("sqlite", "postgresql") if options.database == "both" else (options.database,)
    results = {kind: _measure(kind, options) for kind in kinds}
    head = {
        "written_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": os.cpu_count(),
        "readers": options.readers,
        "cells": options.cells,
        "seconds": options.seconds,
        "worker": not options.no_worker,
    }
    options.out.write_text(json.dumps(head | {"databases": results}, indent=1) + "\n")


@contextmanager
def _database(kind: str, folder: Path) -> Iterator[str]:
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'reading-room.db'}"
        return
    with running_postgresql() as server:
        yield new_database(server)


def _measure(kind: str, options: argparse.Namespace) -> dict[str, Any]:
    load_before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="leuknet-load-") as name, _database(kind, Path(name)) as url:
        folder = Path(name) / "room"
        folder.mkdir()
        if kind == "sqlite":
            url = f"sqlite:///{folder / 'reading-room.db'}"
        with open_store(url) as store:
            plan = _prepare(store, RoomFiles(folder), options)
        arguments = [] if options.no_worker else ["--model", options.model]
        with running_room(folder, *arguments, environment={"LEUKNET_DATABASE_URL": url}) as room:
            spec = Path(name) / "readers.json"
            spec.write_text(json.dumps(plan | {"address": room.address, "seconds": options.seconds}))
            with open_store(url) as store:
                before = _scored(store, plan)
                ended = subprocess.run(
                    [sys.executable, __file__, "--as-readers", str(spec)],
                    stdout=subprocess.PIPE,
                    text=True,
                    check=True,
                )
                scored = _scored(store, plan) - before
            cpu_s = sum(_cpu(room.process.pid))
        found: dict[str, Any] = json.loads(ended.stdout)
    found |= {"images_scored": scored, "server_cpu_s": round(cpu_s, 1), "load_before": round(load_before, 1)}
    _show(kind, found)
    return found


def _prepare(store: Store, files: RoomFiles, options: argparse.Namespace) -> dict[str, Any]:
    lead = create_user(store, "Lee", password=PASSWORD, role="lead", actor=SYSTEM)
    case = fill_case(store, files, lead, n_cells=options.cells, side_px=200)
    images = images_of(store, case.id)
    cells = cells_of(store, case.id, limit=options.cells)
    for image, cell in zip(images, cells, strict=True):
        ensure_cell_pictures(files, image, [cell])
    sessions = []
    for number in range(options.readers):
        reader = create_user(store, f"Reader {number}", password=PASSWORD, role="reader", actor=SYSTEM)
        give_access(store, case.id, reader.id, actor=SYSTEM)
        sessions.append(start_session(store, reader)[0])
    busy = [] if options.no_worker else _unscored(store, lead, [NewImage(**_new(image)) for image in images])
    return {
        "case": str(case.id),
        "cells": [[cell.image_id, cell.id] for cell in cells],
        "sessions": sessions,
        "busy": busy,
    }


def _unscored(store: Store, lead: User, images: list[NewImage]) -> list[str]:
    """Let a worker have enough to do: the same images in cases of their own."""
    cases = [create_case(store, f"Busy {number}", user=lead).id for number in range(BUSY_CASES)]
    for case_id in cases:
        add_images(store, case_id, images, job=SCORE, actor=SYSTEM)
    return [str(case_id) for case_id in cases]


def _new(image: Any) -> dict[str, Any]:
    return {name: value for name, value in vars(image).items() if name not in ("id", "case_id", "created_at")}


def _scored(store: Store, plan: dict[str, Any]) -> int:
    return sum(count_scored(store, UUID(case_id))[0] for case_id in plan["busy"])


def _cpu(pid: int) -> tuple[float, float]:
    parts = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    ticks = os.sysconf("SC_CLK_TCK")
    return int(parts[11]) / ticks, int(parts[12]) / ticks


async def _read(spec: dict[str, Any]) -> dict[str, Any]:
    """Be all readers for some time; return how long their requests took."""
    times: dict[str, list[float]] = defaultdict(list)
    errors: Counter[str] = Counter()
    end = time.monotonic() + spec["seconds"]
    await asyncio.gather(
        *(
            _reader(spec, number, session, end, times, errors)
            for number, session in enumerate(spec["sessions"])
        )
    )
    shares = {kind: np.quantile(times[kind], (0.5, 0.95, 0.99)) for kind in KINDS if times[kind]}
    return {
        "requests": sum(map(len, times.values())),
        "errors": dict(errors),
        "kinds": {
            kind: {
                "n": len(times[kind]),
                **{
                    name: round(1000 * float(value), 1)
                    for name, value in zip(("p50_ms", "p95_ms", "p99_ms"), found, strict=True)
                },
            }
            for kind, found in shares.items()
        },
    }


async def _reader(
    spec: dict[str, Any],
    number: int,
    session: str,
    end: float,
    times: dict[str, list[float]],
    errors: Counter[str],
) -> None:
    chance = random.Random(number)  # noqa: S311 - no secret
    case, cells = f"/cases/{spec['case']}", spec["cells"]
    reviews: dict[int, int] = {}
    kept: set[int] = set()
    headers = {
        "X-Form-Token": form_token(session),
        "Accept": "text/html",
        "Cookie": f"{SESSION_COOKIE}={session}",
    }
    free = asyncio.Semaphore(6)  # connections, as many as browsers take
    async with httpx2.AsyncClient(base_url=spec["address"], headers=headers, timeout=30) as client:

        async def ask(kind: str, path: str, **sent: Any) -> httpx2.Response | None:
            async with free:  # what waits in a browser for one of its own connections is not the server's
                begin = time.perf_counter()
                try:
                    answer = await client.request("POST" if sent else "GET", path, **sent)
                except httpx2.HTTPError as error:
                    errors[f"{kind}: {type(error).__name__}"] += 1
                    return None
                times[kind].append(time.perf_counter() - begin)
            if not answer.is_success:
                errors[f"{kind}: {answer.status_code}"] += 1
            return answer

        async def thumbs(first: int, count: int) -> None:
            shown = [cells[(first + place) % len(cells)] for place in range(count)]
            shown = [(image, cell) for image, cell in shown if cell not in kept]
            kept.update(cell for _, cell in shown)
            await asyncio.gather(
                *(ask("thumb", f"{case}/images/{image}/cells/{cell}/thumb.webp") for image, cell in shown)
            )

        await asyncio.sleep(chance.uniform(0, min(START_S, spec["seconds"] / 4)))
        step = 0
        place = chance.randrange(len(cells))
        while time.monotonic() < end:
            if step % STEPS_A_VISIT == 0:
                await ask("list of cases", "/cases")
                await ask("case page", case)
                await ask("cells.json", f"{case}/cells.json")
                await thumbs(place, THUMBS_AT_FIRST)
            step += 1
            place = (place + 1) % len(cells)
            image, cell = cells[place]
            await asyncio.gather(
                ask("panel", f"{case}/cells/{cell}/panel"),
                ask("view", f"{case}/images/{image}/cells/{cell}/view.png"),
                thumbs(place + THUMBS_AT_FIRST, THUMBS_A_STEP),
            )
            said = {
                "verdict": chance.choice(["leukaemic", "normal"]),
                "expected_review_id": reviews.get(cell),
            }
            saved = await ask("review", f"{case}/cells/{cell}/review", json=said)
            if saved is not None and saved.is_success:
                reviews[cell] = saved.json()["review_id"]
            await asyncio.sleep(chance.uniform(2, 4))


def _show(database: str, found: dict[str, Any]) -> None:
    print(f"{database}: {found['requests']:,} requests, errors {found['errors'] or 'none'}")
    print(f"  {found['images_scored']:,} images scored meanwhile, load before {found['load_before']}")
    print(f"  {'':14} {'n':>7} {'p50 ms':>8} {'p95 ms':>8} {'p99 ms':>8}")
    for kind, row in found["kinds"].items():
        print(f"  {kind:14} {row['n']:7,} {row['p50_ms']:8.1f} {row['p95_ms']:8.1f} {row['p99_ms']:8.1f}")


if __name__ == "__main__":
    main()
