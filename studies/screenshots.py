"""Takes the pictures of docs/reading-room.md: the real server, a real browser, simulated cells.

    make demo && .venv/bin/python studies/screenshots.py

Starts `leuknet serve --demo` over a folder of its own, makes accounts, lets two made-up readers read a study,
signs a case, and writes docs/images/room-*.png. The readers' verdicts are drawn at random around what the
model says: kappas of these pictures mean nothing.
"""

from __future__ import annotations

import random
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

from leuknet.store import open_store
from leuknet.store.accounts import create_user, list_users
from leuknet.store.cases import cases_of
from leuknet.store.cell_nouns import CaseCell, NewReview, Verdict
from leuknet.store.cells import cells_of
from leuknet.store.database import Store
from leuknet.store.nouns import SYSTEM, Case, User
from leuknet.store.reviews import current_review, save_review
from leuknet.store.scorings import count_scored
from leuknet.store.studies import create_study, open_study, set_study_cases, set_study_readers
from leuknet.store.study_nouns import NewStudy, NewStudyRead, Study
from leuknet.store.study_reads import next_item, save_read

IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"
DEMO_MODEL = Path(__file__).resolve().parents[1] / "build" / "demo" / "run" / "model"
PASSWORD = "twelve letters and more"  # noqa: S105 - of made-up accounts
LAPTOP: ViewportSize = {"width": 1440, "height": 900}

HASTE = 1.0
"""What the waiting times below are divided by, for a test of the script that wants no finished pictures."""


def main(model: Path = DEMO_MODEL) -> None:
    """Take all pictures, of a room that scores with this model."""
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(Path(folder) / "room", model) as link,
        sync_playwright() as playwright,
        open_store(f"sqlite:///{folder}/room/reading-room.db") as store,
    ):
        arguments = ["--no-sandbox", "--disable-gpu"]
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=arguments)
        page = browser.new_page(viewport=LAPTOP)
        page.set_default_timeout(120_000)  # a busy machine is no failure
        page.goto(link)
        sign_in(page, "Ada")
        take_all(browser, page, store, link.partition("/first-account")[0])


def take_all(browser: Browser, page: Page, store: Store, address: str) -> None:
    """Take all pictures of a room that has just been made."""
    (ada,) = list_users(store)
    readers = [
        create_user(store, name, password=PASSWORD, role="reader", actor=SYSTEM) for name in ("Rea", "Ron")
    ]
    field, cells = cases_of(store, ada)
    for case in (field, cells):
        while len(set(count_scored(store, case.id))) > 1:
            time.sleep(0.5)

    page.goto(f"{address}/cases/{cells.id}")
    settle(page, 1500)
    for key in (
        "1",
        "ArrowRight",
        "1",
        "ArrowRight",
        "1",
        "ArrowRight",
        "3",
        "ArrowRight",
        "1",
        "ArrowRight",
    ):
        page.keyboard.press(key)
        settle(page, 250)
    take(page, "room-case")
    page.goto(f"{address}/cases/{field.id}/images/{cells_of(store, field.id)[0].image_id}")
    settle(page, 3000)
    take(page, "room-field")

    study = make_study(store, cells, ada, readers)
    reader = browser.new_page(viewport=LAPTOP)
    reader.goto(f"{address}/sign-in")
    sign_in(reader, "Rea")
    reader.goto(f"{address}/studies/{study.id}/read")
    settle(reader, 1500)
    take(reader, "room-study")
    for made_up, error in zip(readers, (0.08, 0.15), strict=True):
        read_all(store, study, made_up, error=error)
    page.goto(f"{address}/studies/{study.id}/results")
    settle(page, 1500)
    take(page, "room-results")

    decide_all(store, field, ada)
    page.goto(f"{address}/cases/{field.id}/signing")
    page.click("form[action$='/sign'] button")
    page.wait_for_selector("a[href*='/signed/1/']")
    page.goto(f"{address}/cases/{field.id}/signed/1/report.html")
    settle(page, 1000)
    take(page, "room-report")


def settle(page: Page, milliseconds: int) -> None:
    """Wait until all has been drawn."""
    page.wait_for_timeout(milliseconds / HASTE)


def take(page: Page, name: str) -> None:
    """Write what the window shows."""
    page.screenshot(path=IMAGES / f"{name}.png")
    print(f"written: {IMAGES / name}.png")  # noqa: T201 - a script


def sign_in(page: Page, name: str) -> None:
    """Fill in name and password and send them."""
    page.fill("[name=name]", name)
    page.fill("[name=password]", PASSWORD)
    page.click("main button")
    page.wait_for_url("**/cases")


def make_study(store: Store, case: Case, lead: User, readers: list[User]) -> Study:
    """Open a study of one case by two readers."""
    new = NewStudy("Do we agree on single cells?", "", mode="both", repeat_share=0.1, washout_days=0, seed=1)
    study = create_study(store, new, user=lead)
    set_study_cases(store, study.id, [case.id], user=lead)
    set_study_readers(store, study.id, [reader.id for reader in readers], user=lead)
    return open_study(store, study.id, user=lead)


def read_all(store: Store, study: Study, reader: User, *, error: float) -> None:
    """Let a made-up reader read to the end, close to what the model says, closer with its help."""
    draw = random.Random(reader.id)  # noqa: S311 - not for secrets
    scores: dict[int, float] = {}
    while (item := next_item(store, study.id, reader_id=reader.id)) is not None:
        if item.cell_id not in scores:
            scores |= {cell.id: cell.probability or 0.5 for cell in all_cells(store)}
        noise = error if item.phase == "unaided" else error / 2
        verdict: Verdict = "leukaemic" if scores[item.cell_id] + draw.gauss(0, 3 * noise) > 0.5 else "normal"
        new = NewStudyRead(item.id, verdict, "", draw.uniform(2, 9))
        save_read(store, new, reader_id=reader.id, expected_read_id=None)


def all_cells(store: Store) -> Iterator[CaseCell]:
    """Yield the cells of all cases."""
    admin = list_users(store)[0]
    for case in cases_of(store, admin):
        yield from cells_of(store, case.id)


def decide_all(store: Store, case: Case, reader: User) -> None:
    """Let a made-up reader decide every cell of a case, by what the model says."""
    for cell in cells_of(store, case.id):
        if current_review(store, cell.id, reader_id=reader.id) is None:
            verdict: Verdict = "leukaemic" if (cell.probability or 0) > 0.3 else "normal"
            save_review(store, NewReview(cell.id, reader.id, verdict, ""), expected_review_id=None)


@contextmanager
def serving(folder: Path, model: Path) -> Iterator[str]:
    """Run the demonstration, and give its one-time link; a RuntimeError says why the server ended."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "leuknet", "serve", "--demo", "--data", str(folder), "--port", str(port)]
    command += ["--model", str(model.resolve())]
    folder.mkdir()
    log = folder / "server.log"
    with (
        log.open("w") as stream,
        subprocess.Popen(command, stdout=stream, stderr=stream) as server,  # noqa: S603 - our own
    ):
        try:
            while not (found := re.search(r"http://\S+/first-account/\S+", log.read_text())):
                if server.poll() is not None:
                    raise RuntimeError(log.read_text())
                time.sleep(0.2)
            while not _answers(port):
                time.sleep(0.1)
            yield found.group()
        finally:
            server.terminate()


def _answers(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


if __name__ == "__main__":
    main()
