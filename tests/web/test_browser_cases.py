"""The pages of a case in a real chromium, with the real server and worker: upload, review, zoom, field."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="fastapi is not installed: pip install 'leuknet[web]'")

from PIL import Image
from playwright.sync_api import Browser, ConsoleMessage, Page, Route, expect

from leuknet.simulation.draw_fields import FIELD_UM, draw_field
from leuknet.store import open_store
from leuknet.store.accounts import list_users
from leuknet.store.cases import cases_of, images_of
from leuknet.store.cell_nouns import NewReview, ReaderReview
from leuknet.store.reviews import current_review, current_reviews, save_review, undo_review
from tests.browsers import assert_for_everyone, needs_chromium, running_chromium
from tests.rooms import PASSWORD, RunningRoom, free_port, make_accounts, running_room

pytestmark = needs_chromium

SOON_MS = 60_000
"""A worker starts within seconds; a busy machine takes longer."""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with running_chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory, simulated_fold: Path) -> Path:
    """Six crops and a field, as files."""
    folder = tmp_path_factory.mktemp("images")
    for number, path in enumerate(sorted(simulated_fold.rglob("*.bmp"))[:6]):
        (folder / f"cell <b>{number}.bmp").write_bytes(path.read_bytes())
    pixels, _ = draw_field(700, 900, cells=4, seed=3)
    Image.fromarray(pixels).save(folder / "field.png")
    return folder


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory, mini_reproduction: Path) -> Iterator[RunningRoom]:
    model = mini_reproduction / "run" / "model"
    with running_room(tmp_path_factory.mktemp("cases") / "room", "--model", str(model)) as room:
        make_accounts(room.folder, [("Lea", "lead")])
        yield room


class Visit:
    """A browser in which somebody is signed in, and what it complained of."""

    def __init__(self, chromium: Browser, address: str, *, width: int = 1280) -> None:
        self.context = chromium.new_context(base_url=address, viewport={"width": width, "height": 844})
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(SOON_MS)
        self.complaints: list[str] = []
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto("/sign-in")
        self.page.get_by_label("Name").fill("Lea")
        self.page.get_by_label("Password").fill(PASSWORD)
        self.page.get_by_role("button", name="Sign in").click()
        self.page.wait_for_url("**/cases")

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def make_case(self, title: str) -> None:
        self.page.get_by_label("Title").fill(title)
        self.page.get_by_role("button", name="Make the case").click()
        self.page.wait_for_url(re.compile(r"/cases/[0-9a-f-]{36}$"))


@pytest.fixture(scope="module")
def first(chromium: Browser, room: RunningRoom, images: Path) -> Iterator[Visit]:
    """The first visit, with a case into which crops and a field have been uploaded, and were scored."""
    visit = Visit(chromium, room.address)
    visit.make_case("P-017")
    page = visit.page
    page.get_by_label("µm per pixel").fill(str(FIELD_UM))
    page.locator("#file").set_input_files(sorted(images.glob("*.bmp")))
    # The first that are scored come by themselves, be they all six or fewer.
    expect(page.locator(".tile").first).to_be_visible(timeout=SOON_MS)
    drop(page, images / "field.png")
    expect(page.locator("#uploads-list li").last).to_contain_text("is in the case", timeout=SOON_MS)
    expect(page.locator("#progress-words")).to_contain_text("All 7 images are scored", timeout=SOON_MS)
    page.locator("#new-cells").click()
    expect(page.locator(".fields a")).to_contain_text("field.png")  # without loading the page anew
    assert visit.complaints == []
    yield visit
    visit.context.close()


@pytest.fixture
def page(first: Visit, room: RunningRoom) -> Iterator[Page]:
    """The case, loaded anew, with no cell decided: what an earlier test decided is taken back."""
    with open_store(f"sqlite:///{room.folder / 'reading-room.db'}") as store:
        lea = list_users(store)[0]
        (case,) = (case for case in cases_of(store, lea) if case.title == "P-017")
        for review in current_reviews(store, case.id, reader_id=lea.id):
            while review.verdict != "withdrawn":
                review = undo_review(store, review.cell_id, reader_id=lea.id, expected_review_id=review.id)
    first.page.evaluate("localStorage.removeItem('keys')")  # of the test of other keyboards
    first.page.goto(f"/cases/{case.id}")
    first.page.wait_for_selector(".tile")
    first.complaints.clear()
    yield first.page
    for _ in range(50):  # what some tests decide is never saved
        if not first.page.evaluate("window.leuknet?.cells?.unsaved.size"):
            break
        first.page.wait_for_timeout(100)


def drop(page: Page, path: Path) -> None:
    """Drop a file on the page, as a hand would."""
    data = page.evaluate_handle(
        """([bytes, name]) => {
          const data = new DataTransfer();
          data.items.add(new File([new Uint8Array(bytes)], name, { lastModified: 1 }));
          return data;
        }""",
        [list(path.read_bytes()), path.name],
    )
    page.locator("#drop").dispatch_event("drop", {"dataTransfer": data})


def in_focus(page: Page) -> int:
    """Return the number of the cell in focus, as a screen reader is told it."""
    active = page.locator("#gallery").get_attribute("aria-activedescendant")
    assert active is not None
    return int(active.removeprefix("cell-"))


def mine(room: RunningRoom, cell_id: int) -> ReaderReview | None:
    with open_store(f"sqlite:///{room.folder / 'reading-room.db'}") as store:
        return current_review(store, cell_id, reader_id=list_users(store)[0].id)


def test_uploaded_cells_come_into_the_gallery_the_most_probable_first(first: Visit, page: Page) -> None:
    shown = page.locator(".tile").evaluate_all(
        "tiles => tiles.map(one => [Number(one.dataset.place), one.querySelector('.number').textContent])"
    )
    scores = [float(text) for _, text in sorted(shown)]
    n = int(page.locator(".tile").first.get_attribute("aria-setsize") or 0)

    assert n > 6, "cells of the field too"
    assert scores == sorted(scores, reverse=True)
    assert page.locator("b", has_text="0.bmp").count() == 0, "a file's name is text"
    assert first.complaints == []


def test_cells_are_decided_by_keyboard_and_each_decision_is_in_the_database(
    page: Page, room: RunningRoom
) -> None:
    counter = page.locator("#counter")
    one = in_focus(page)
    page.keyboard.press("1")
    expect(counter).to_contain_text("1 of")
    page.keyboard.press("ArrowRight")
    two = in_focus(page)
    page.keyboard.press("n")
    expect(counter).to_contain_text("2 of")
    expect(page.locator("#said")).to_have_text("Saved: normal")
    assert [(mine(room, cell) or NewReview(0, 0, "withdrawn", "")).verdict for cell in (one, two)] == [
        "leukaemic",
        "normal",
    ]
    expect(page.locator(f"#cell-{two}")).to_have_attribute("aria-label", re.compile("you: normal"))

    page.keyboard.press("z")
    expect(page.locator("#said")).to_have_text("Taken back")
    page.keyboard.press("z")
    expect(counter).to_contain_text("0 of")
    assert in_focus(page) == one, "undo goes where it was decided"
    page.keyboard.press("z")
    expect(page.locator("#said")).to_have_text("There is nothing to take back.")


LAYOUTS = [
    ("&", "Digit1", "leukaemic"),  # AZERTY
    ("т", "KeyN", "normal"),  # Cyrillic
    ("ν", "KeyN", "normal"),  # Greek
    ("۳", "Digit3", "uncertain"),  # Persian
    ("ء", "KeyX", "not_a_cell"),  # Arabic
    ("n", "KeyL", "normal"),  # Dvorak: a Latin letter is what it says
    ("f", "KeyF", "leukaemic"),  # remapped
]


def test_keys_decide_on_any_layout_and_can_be_remapped(page: Page) -> None:
    page.evaluate("""localStorage.setItem("keys", '{"f": "leukaemic", "d": "nonsense"}')""")
    page.reload()
    page.wait_for_selector(".tile")
    cell = in_focus(page)
    for key, code, verdict in LAYOUTS:
        page.evaluate(
            "event => document.body.dispatchEvent(new KeyboardEvent('keydown', {...event, bubbles: true}))",
            {"key": key, "code": code},
        )
        words = verdict.replace("_", " ")
        expect(page.locator(f"#cell-{cell}")).to_have_attribute("aria-label", re.compile(f"you: {words}"))


def test_a_reader_sets_keys_of_their_own_in_the_dialog(page: Page) -> None:
    page.keyboard.press("?")
    field = page.locator("[data-own-keys] input[name=leukaemic]")
    field.press("f")
    expect(field).to_have_value("f")
    page.locator("[data-own-keys] input[name=normal]").press("f")  # one key means one thing
    expect(field).to_have_value("")
    field.press("d")
    page.keyboard.press("Escape")
    expect(page.locator("#keys")).to_be_hidden()
    cell = in_focus(page)
    page.keyboard.press("f")
    expect(page.locator(f"#cell-{cell}")).to_have_attribute("aria-label", re.compile("you: normal"))

    page.reload()
    page.wait_for_selector(".tile")
    page.keyboard.press("d")
    expect(page.locator(f"#cell-{in_focus(page)}")).to_have_attribute(
        "aria-label", re.compile("you: leukaemic")
    )
    page.keyboard.press("?")
    page.get_by_role("button", name="Forget my keys").click()
    expect(field).to_have_value("")
    assert page.evaluate("localStorage.getItem('keys')") is None


def test_decisions_are_saved_in_the_order_they_were_made(first: Visit, page: Page, room: RunningRoom) -> None:
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    first.context.route("**/review", hold)
    one = in_focus(page)
    page.keyboard.press("1")
    page.keyboard.press("ArrowRight")
    two = in_focus(page)
    page.keyboard.press("2")
    expect(page.locator("#counter")).to_contain_text("2 of")  # shown at once
    expect(page.locator(".tile.unsaved")).to_have_count(2)
    page.wait_for_timeout(300)
    assert len(held) == 1, "the second waits for the first, however long the way is"

    with page.expect_request("**/review"):
        held[0].continue_()
    first.context.unroute("**/review")  # lets the second go
    expect(page.locator("#said")).to_have_text("Saved: normal")
    expect(page.locator(".tile.unsaved")).to_have_count(0)
    saved = [review for review in (mine(room, cell) for cell in (one, two)) if review]
    assert [review.verdict for review in saved] == ["leukaemic", "normal"]
    assert saved[0].id < saved[1].id

    page.reload()
    page.wait_for_selector(".tile")
    page.keyboard.press("z")
    expect(page.locator("#counter")).to_contain_text("1 of")
    assert in_focus(page) == two, "undo knows the order after a reload too"
    page.keyboard.press("z")
    expect(page.locator("#counter")).to_contain_text("0 of")


def test_a_cell_at_which_the_server_fails_holds_no_other_up(page: Page, room: RunningRoom) -> None:
    one = in_focus(page)
    page.route(f"**/cells/{one}/review", lambda route: route.fulfill(status=500))
    page.keyboard.press("1")
    page.keyboard.press("ArrowRight")
    two = in_focus(page)
    page.keyboard.press("2")

    expect(page.locator(f"#cell-{two}")).not_to_have_class(re.compile("unsaved"))
    expect(page.locator(f"#cell-{one}")).to_have_class(re.compile("unsaved"))
    assert getattr(mine(room, two), "verdict", None) == "normal"
    assert getattr(mine(room, one), "verdict", "withdrawn") == "withdrawn"

    page.unroute(f"**/cells/{one}/review")
    expect(page.locator("#said")).to_contain_text("all is saved")
    assert getattr(mine(room, one), "verdict", None) == "leukaemic"
    page.keyboard.press("z")
    page.keyboard.press("z")
    expect(page.locator("#counter")).to_contain_text("0 of")


def test_a_reader_who_likes_goes_on_after_each_verdict(page: Page) -> None:
    counter, go_on = page.locator("#counter"), page.get_by_role("button", name="Go on")
    order = [in_focus(page)]
    page.keyboard.press("g")
    expect(go_on).to_have_attribute("aria-pressed", "true")
    for key in ("1", "2"):
        page.keyboard.press(key)
        order.append(in_focus(page))
    expect(counter).to_contain_text("2 of")
    assert len(set(order)) == 3

    page.keyboard.press("z")
    assert in_focus(page) == order[1], "undo goes back to what it takes back"
    page.keyboard.press("z")
    expect(counter).to_contain_text("0 of")
    go_on.click()
    page.reload()
    expect(go_on).to_have_attribute("aria-pressed", "false")


def test_the_next_uncertain_cell_is_the_undecided_one_nearest_to_the_threshold(page: Page) -> None:
    order = page.evaluate("leuknet.cells.id.map((id, at) => [leuknet.cells.probability[at], id])")
    threshold = page.evaluate("Number(leuknet.root.dataset.threshold)")
    ranked = [cell for p, cell in sorted(order, key=lambda one: (abs(one[0] - threshold), one[1]))]
    page.evaluate(f"leuknet.desk.go(leuknet.cells.indexOf({ranked[-1]}))")
    page.locator("#gallery").focus()
    page.keyboard.press("j")
    assert in_focus(page) == ranked[0]
    page.keyboard.press("u")
    page.keyboard.press("Space")
    assert in_focus(page) == ranked[1]
    page.keyboard.press("z")
    expect(page.locator("#counter")).to_contain_text("0 of")


def test_the_picture_is_at_true_scale_and_its_bar_says_so(page: Page) -> None:
    page.locator("[data-zoom='1']").click()
    stage = page.locator(".stage")
    for zoom in (1, 2, 4):
        page.locator(f"[data-zoom='{zoom}']").click()
        wide, px, um = page.evaluate(
            "[document.querySelector('.stage').getBoundingClientRect().width,"
            " Number(document.querySelector('.zoom').dataset.width),"
            " Number(document.querySelector('.zoom').dataset.um)]"
        )
        assert wide == pytest.approx(px * um * 8 * zoom, rel=0.01)
        bar = page.evaluate("document.querySelector('.bar i').getBoundingClientRect().width")
        said = float(page.locator("[data-bar]").inner_text().removesuffix(" µm"))
        assert bar / said == pytest.approx(8 * zoom, rel=0.01)
    expect(stage).to_be_visible()


def test_the_worker_explains_a_score_when_asked(page: Page) -> None:
    page.get_by_role("button", name="Explain this score").click()
    expect(page.locator("[data-map-place] img")).to_be_visible(timeout=SOON_MS)
    page.get_by_text("What the colours mean").click()
    expect(page.locator("[data-legend] p")).to_contain_text("no evidence for a diagnosis")
    near = page.locator(".similar a").first
    wanted = near.get_attribute("data-go")
    near.click()
    assert str(in_focus(page)) == wanted


def test_a_decision_of_another_window_is_not_overwritten(page: Page, room: RunningRoom) -> None:
    cell = in_focus(page)
    with open_store(f"sqlite:///{room.folder / 'reading-room.db'}") as store:
        reader = list_users(store)[0]
        now = current_review(store, cell, reader_id=reader.id)
        elsewhere = NewReview(cell, reader.id, "not_a_cell", "")
        save_review(store, elsewhere, expected_review_id=None if now is None else now.id)

    page.keyboard.press("1")

    expect(page.locator("#said")).to_contain_text("in another window you have said not a cell")
    expect(page.locator(f"#cell-{cell}")).to_have_attribute("data-mine", "not_a_cell")
    saved = mine(room, cell)
    assert saved is not None
    assert saved.verdict == "not_a_cell"


def test_what_is_decided_while_the_server_is_away_is_marked_and_sent_later(
    first: Visit, page: Page, room: RunningRoom
) -> None:
    page.keyboard.press("End")
    cell = in_focus(page)
    first.context.set_offline(True)
    page.keyboard.press("3")
    expect(page.locator("#said")).to_contain_text("1 decision is not saved yet")
    expect(page.locator(f"#cell-{cell}")).to_have_class(re.compile("unsaved"))
    page.keyboard.press("2")  # a second thought
    first.context.set_offline(False)
    expect(page.locator("#said")).to_contain_text("all is saved", timeout=SOON_MS)
    saved = mine(room, cell)
    assert saved is not None
    assert saved.verdict == "normal"


def test_a_note_is_saved_with_the_verdict(page: Page, room: RunningRoom) -> None:
    cell = in_focus(page)
    page.get_by_label("Note on this cell").fill("prominent <nucleolus>")
    page.keyboard.press("Escape")
    page.keyboard.press("1")
    expect(page.locator(".history")).to_contain_text("prominent <nucleolus>")
    saved = mine(room, cell)
    assert saved is not None
    assert saved.note == "prominent <nucleolus>"


def test_a_click_on_the_field_selects_the_cell_that_lies_there(
    first: Visit, page: Page, room: RunningRoom
) -> None:
    page.locator(".fields a").click()
    wait_for_field(page)
    cell, x, y = page.evaluate(
        """async () => {
          const { body } = await leuknet.ask(`/images/${leuknet.root.dataset.image}/outlines.json`);
          const [top, left, bottom, right] = body.box[1];
          const middle = leuknet.desk.viewer.viewport.imageToViewerElementCoordinates(
            new OpenSeadragon.Point((left + right) / 2, (top + bottom) / 2));
          const frame = document.getElementById('viewer').getBoundingClientRect();
          return [body.id[1], frame.left + middle.x, frame.top + middle.y];
        }"""
    )
    page.mouse.click(x, y)
    expect(page.locator(f".cell[data-cell='{cell}']")).to_be_visible()
    page.keyboard.press("2")
    expect(page.locator("#said")).to_have_text("Saved: normal")
    saved = mine(room, cell)
    assert saved is not None
    assert saved.verdict == "normal"
    expect(page.locator(".viewer-frame [data-bar]")).to_have_text(re.compile(r"\d µm"))
    page.keyboard.press(".")
    expect(page.locator(f".cell[data-cell='{cell}']")).to_have_count(0)


def test_pages_of_a_case_fit_a_telephone_and_have_no_barrier(first: Visit, page: Page) -> None:
    field = page.locator(".fields a").first.get_attribute("href")
    assert field is not None
    for address in ("/cases", page.url, field):
        page.goto(address)
        page.wait_for_timeout(600)
        assert_for_everyone(page)


def test_refused_files_are_listed_with_what_to_do(page: Page, tmp_path: Path) -> None:
    bad = tmp_path / "<i>text.png"
    bad.write_bytes(b"no image at all")
    page.locator("#file").set_input_files([bad])
    row = page.locator("#uploads-list li")
    expect(row).to_contain_text("cannot use '<i>text.png'")
    expect(row).to_contain_text("What to try:")


READY = (
    "Boolean(window.leuknet?.desk?.viewer?.world.getItemCount() && leuknet.cells.count)"  # not while it loads
)


def wait_for_field(page: Page) -> None:
    """Wait until image and cells are there and the view stands still."""
    for _ in range(300):
        if page.evaluate(READY):
            break
        page.wait_for_timeout(100)
    page.wait_for_timeout(700)


def slowly(route: Route) -> None:
    time.sleep(0.25)
    route.continue_()


def test_files_of_one_name_size_and_time_stay_apart(
    chromium: Browser, room: RunningRoom, tmp_path: Path
) -> None:
    for shade, folder in enumerate(("both/a", "both/b", "c", "d")):
        path = tmp_path / folder / "x.bmp"
        path.parent.mkdir(parents=True)
        Image.new("RGB", (64, 64), (shade, 0, 0)).save(path)
        os.utime(path, (1_000_000_000, 1_000_000_000))
    visit = Visit(chromium, room.address)
    visit.make_case("twins")
    page = visit.page
    page.locator("#folder").set_input_files(tmp_path / "both")
    for folder in ("c", "d"):
        page.locator("#file").set_input_files([tmp_path / folder / "x.bmp"])
    rows = page.locator("#uploads-list li")
    expect(rows).to_have_count(4)
    for row in range(4):
        expect(rows.nth(row)).to_contain_text("is in the case", timeout=SOON_MS)

    with open_store(f"sqlite:///{room.folder / 'reading-room.db'}") as store:
        case = next(one for one in cases_of(store, list_users(store)[0]) if one.title == "twins")
        kept = images_of(store, case.id)
    assert sorted(image.name for image in kept) == ["both/a/x.bmp", "both/b/x.bmp", "x.bmp", "x.bmp"]
    assert len({image.sha256 for image in kept}) == 4
    assert visit.complaints == []
    visit.context.close()


def test_an_upload_goes_on_after_the_server_was_killed(chromium: Browser, tmp_path: Path) -> None:
    large = tmp_path / "large.png"
    # Five parts; plain, since the search for cells in noise takes half a minute.
    Image.new("RGB", (2400, 2400), (230, 220, 225)).save(large, "PNG", compress_level=0)
    port = free_port()
    with running_room(tmp_path / "room", port=port) as one:
        make_accounts(one.folder, [("Lea", "lead")])
        visit = Visit(chromium, one.address)
        visit.make_case("killed")
        page = visit.page
        page.route("**/uploads/*", slowly)
        page.locator("#file").set_input_files([large])
        row = page.locator("#uploads-list li")
        expect(row).to_contain_text(re.compile(r"[2-6]\d %"))
        one.kill()
        expect(row).to_contain_text("The server is away")
    with running_room(tmp_path / "room", port=port):
        expect(row).to_contain_text("is in the case", timeout=SOON_MS)
        with open_store(f"sqlite:///{tmp_path / 'room' / 'reading-room.db'}") as store:
            (case,) = cases_of(store, list_users(store)[0])
            (image,) = images_of(store, case.id)
            assert image.n_bytes == large.stat().st_size
            assert current_reviews(store, case.id) == ()
        visit.context.close()
