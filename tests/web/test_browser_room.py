"""From the printed link to a signed report, in a real browser: the pages that hold the room together."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="fastapi is not installed: pip install 'leuknet[web]'")

from playwright.sync_api import Browser, ConsoleMessage, Page, expect

from leuknet.room.room_files import RoomFiles
from leuknet.store import open_store
from leuknet.store.accounts import list_users
from leuknet.store.cases import give_access
from leuknet.store.cell_nouns import NewReview
from leuknet.store.cells import cells_of
from leuknet.store.reviews import save_review
from tests.api_rooms import fill_case
from tests.browsers import assert_for_everyone, needs_chromium, running_chromium
from tests.rooms import PASSWORD, RunningRoom, running_room

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with running_chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRoom]:
    with running_room(tmp_path_factory.mktemp("room") / "room") as room:
        yield room


@pytest.fixture(scope="module")
def admin(chromium: Browser, room: RunningRoom) -> Iterator[Page]:
    with _first_admin(chromium, room, complaints=[]) as page:
        yield page


@contextmanager
def _first_admin(chromium: Browser, room: RunningRoom, complaints: list[str]) -> Iterator[Page]:
    """Make the first account by the link that the server printed; note what the browser complains of."""
    page = chromium.new_page(base_url=room.address, viewport={"width": 1280, "height": 844})

    def note(message: ConsoleMessage) -> None:
        if message.type == "error":
            complaints.append(message.text)

    page.on("console", note)
    page.goto(room.first_link)
    assert_for_everyone(page)
    page.get_by_label("Name").fill("Ada")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Make the account").click()
    page.wait_for_url("**/cases")
    yield page
    page.close()


def test_an_empty_room_says_what_to_do_and_offers_a_demonstration(chromium: Browser, tmp_path: Path) -> None:
    complaints: list[str] = []
    # In a room of its own, whatever other tests put into theirs before.
    with running_room(tmp_path / "room") as room, _first_admin(chromium, room, complaints) as admin:
        expect(admin.get_by_role("heading", name="No cases yet")).to_be_visible()
        assert_for_everyone(admin)
        # Its cells are drawn meanwhile: on a busy machine for more than half a minute.
        admin.get_by_role("button", name=re.compile("demonstration")).click(timeout=120_000)
        expect(admin.get_by_role("link", name=re.compile("SIMULATED"))).to_have_count(2)
    assert complaints == []


def test_an_admin_makes_an_account_that_can_sign_in(
    admin: Page, chromium: Browser, room: RunningRoom
) -> None:
    admin.goto("/accounts")
    form = admin.locator("form[action='/accounts']")
    form.get_by_label("Name").fill("Rea")
    form.get_by_label("First password").fill(PASSWORD)
    form.get_by_label("Role").select_option("reader")
    form.get_by_role("button", name="Make the account").click()
    expect(admin.get_by_role("rowheader", name="Rea")).to_be_visible()
    assert_for_everyone(admin)

    page = chromium.new_page(base_url=room.address, viewport={"width": 1280, "height": 844})
    page.goto("/cases")
    assert page.url.endswith("/sign-in?next=/cases")
    page.get_by_label("Name").fill("Rea")
    page.get_by_label("Password").fill("a wrong password")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert").filter(has_text="do not fit")).to_be_visible()
    assert_for_everyone(page)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/cases")
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/sign-in")
    page.close()


def test_a_token_is_shown_once(admin: Page) -> None:
    admin.goto("/account")
    form = admin.locator("form[action='/account/tokens']")
    form.get_by_label("Name").fill("nightly upload")
    form.get_by_role("button", name="Make a token").click()

    token = admin.locator("code.token").inner_text()
    assert len(token) == 43
    assert_for_everyone(admin)
    admin.goto("/account")
    assert token not in admin.content()
    admin.get_by_role("button", name="Revoke nightly upload").click()
    expect(admin.get_by_role("rowheader", name="nightly upload")).to_have_count(0)


def test_the_theme_that_was_chosen_stays(admin: Page) -> None:
    admin.goto("/cases")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = admin.evaluate(ground)

    admin.get_by_role("button", name="Dark or light").click()
    dark = admin.evaluate(ground)
    admin.reload()

    assert light != dark == admin.evaluate(ground)
    admin.get_by_role("button", name="Dark or light").click()


@pytest.mark.skipif(find_spec("weasyprint") is None, reason="WeasyPrint is not installed")
def test_a_case_is_signed_and_its_report_is_read(admin: Page, room: RunningRoom, tmp_path: Path) -> None:
    with open_store(f"sqlite:///{room.folder / 'reading-room.db'}") as store:
        ada = list_users(store)[0]
        case = fill_case(store, RoomFiles(room.folder), ada, n_cells=6, title="P-017 <i>day 15</i>")
        give_access(store, case.id, ada.id, actor=ada.actor)
        for cell in cells_of(store, case.id)[:5]:
            save_review(store, NewReview(cell.id, ada.id, "leukaemic", ""), expected_review_id=None)
    admin.goto(f"/cases/{case.id}/signing")
    assert_for_everyone(admin)

    admin.get_by_label("Reason").fill("the last cell is <b>out of focus</b>")
    admin.get_by_role("button", name="Sign and lock the case").click()

    expect(admin.get_by_text("signed", exact=True)).to_be_visible()
    assert_for_everyone(admin)
    with admin.expect_download() as dicom:
        admin.get_by_role("link", name="DICOM of version 1").click()
    assert dicom.value.path().read_bytes()[128:132] == b"DICM"
    link = admin.get_by_role("link", name="PDF of version 1").get_attribute("href")
    printed = tmp_path / "report.pdf"
    printed.write_bytes(admin.request.get(link or "").body())
    admin.get_by_role("link", name="page of version 1").click()
    expect(admin.get_by_role("heading", name="Case report: P-017 <i>day 15</i>")).to_be_visible()
    expect(admin.get_by_text("the last cell is <b>out of focus</b>").first).to_be_visible()
    assert "Research use only" in admin.inner_text("body")

    if shutil.which("pdftotext"):
        text = subprocess.run(
            ["pdftotext", "-layout", printed, "-"], capture_output=True, text=True, check=True
        )
        assert "the last cell is <b>out of focus</b>" in " ".join(text.stdout.split())
    assert printed.read_bytes().startswith(b"%PDF")


def test_the_page_of_the_api_needs_no_script(admin: Page) -> None:
    admin.goto("/api/v1/docs")

    expect(admin.get_by_role("heading", level=1)).to_be_visible()
    assert admin.locator("script").count() <= 3, "those of every page"
    assert_for_everyone(admin)


def test_a_page_that_is_not_there_says_what_to_do(admin: Page) -> None:
    admin.goto("/cases/00000000-0000-0000-0000-000000000000")

    expect(admin.get_by_role("heading", name="There is no such page")).to_be_visible()
    expect(admin.get_by_text("What to try:")).to_be_visible()
    assert_for_everyone(admin)
