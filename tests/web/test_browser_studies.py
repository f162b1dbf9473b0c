"""A blinded study in a real browser: two readers by keyboard, a lead who decides, kappa at the end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import pytest

pytest.importorskip("fastapi", reason="fastapi is not installed: pip install 'leuknet[web]'")

from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    Route,
    expect,
)

from leuknet.store import open_store
from leuknet.store.accounts import list_users
from leuknet.store.database import Store
from leuknet.store.nouns import Role, User
from leuknet.store.study_nouns import NewStudyRead, Study
from leuknet.store.study_reads import progress, read_history, save_read, study_lines
from tests.browsers import assert_for_everyone, needs_chromium, running_chromium
from tests.rooms import PASSWORD, RunningRoom, make_accounts, running_room
from tests.study_rooms import CASE_TITLE, FILE_NAME, OUTCOME, add_open_study, add_scored_case

pytestmark = needs_chromium

LAPTOP, PHONE = (1280, 800), (390, 844)
PEOPLE: tuple[tuple[str, Role], ...] = (
    ("Lena", "lead"),
    ("Anna", "reader"),
    ("Bert", "reader"),
    ("Nora", "reader"),
)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with running_chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def hall(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRoom]:
    with running_room(tmp_path_factory.mktemp("studies") / "room") as room:
        make_accounts(room.folder, PEOPLE)
        yield room


@pytest.fixture
def empty_hall(tmp_path: Path) -> Iterator[RunningRoom]:
    """A reading room in which there is no study."""
    with running_room(tmp_path / "room") as room:
        make_accounts(room.folder, PEOPLE)
        yield room


@pytest.fixture
def store(hall: RunningRoom) -> Iterator[Store]:
    with open_store(f"sqlite:///{hall.folder / 'reading-room.db'}") as store:
        yield store


@pytest.fixture
def people(store: Store) -> dict[str, User]:
    return {user.name: user for user in list_users(store)}


class Visitor:
    """Somebody at a browser of their own, and all that the browser complained of."""

    def __init__(self, chromium: Browser, hall: RunningRoom, name: str, *, scripts: bool = True) -> None:
        self.context: BrowserContext = chromium.new_context(
            base_url=hall.address,
            viewport={"width": LAPTOP[0], "height": LAPTOP[1]},
            java_script_enabled=scripts,
        )
        self.address = hall.address
        self.complaints: list[str] = []
        self.foreign: list[str] = []
        self.page: Page = self.context.new_page()
        self.page.on("console", self._note_console)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", self._note_request)
        self.page.goto("/sign-in")
        self.page.get_by_label("Name").fill(name)
        self.page.get_by_label("Password").fill(PASSWORD)
        self.page.get_by_role("button", name="Sign in").click()
        self.page.wait_for_url("**/cases")

    def _note_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def _note_request(self, request: Request) -> None:
        if not request.url.startswith(self.address) and urlsplit(request.url).scheme not in ("blob", "data"):
            self.foreign.append(request.url)

    def begin(self, study: Study) -> None:
        """Go to the first cell of a study, and wait until it can be answered."""
        self.page.goto(f"/studies/{study.id}/read")
        expect(self.page.locator(".verdict").first).to_be_enabled()

    def press_once(self, key: str) -> None:
        """Press a key as soon as the cell is there; before that the page hears none."""
        self.page.wait_for_load_state()
        expect(self.page.locator(".verdict").first).to_be_enabled()
        self.page.keyboard.press(key)

    def press(self, keys: str) -> None:
        """Answer one cell after another, each as soon as it is there."""
        for key in keys:
            before = self.page.locator("[data-count]").inner_text()
            self.press_once(key)
            expect(self.page.locator("[data-count]")).not_to_have_text(before)


class Come(Protocol):
    """Lets somebody come with a browser of their own."""

    def __call__(self, name: str, *, scripts: bool = True) -> Visitor: ...


@pytest.fixture
def visit(chromium: Browser, hall: RunningRoom) -> Iterator[Come]:
    with visitors(chromium, hall) as come:
        yield come


@contextmanager
def visitors(chromium: Browser, hall: RunningRoom) -> Iterator[Come]:
    made: list[Visitor] = []

    def come(name: str, *, scripts: bool = True) -> Visitor:
        made.append(Visitor(chromium, hall, name, scripts=scripts))
        return made[-1]

    yield come
    for visitor in made:
        visitor.context.close()


def new_study(
    store: Store, hall: RunningRoom, people: dict[str, User], *readers: str, n_cells: int = 3
) -> Study:
    case = add_scored_case(store, hall.folder, people["Lena"], n_cells=n_cells)
    return add_open_study(store, people["Lena"], [people[name] for name in readers], [case])


def test_two_readers_a_lead_who_decides_and_kappa(chromium: Browser, empty_hall: RunningRoom) -> None:
    with open_store(f"sqlite:///{empty_hall.folder / 'reading-room.db'}") as store:
        lena = next(user for user in list_users(store) if user.name == "Lena")
        add_scored_case(store, empty_hall.folder, lena, n_cells=4)
    with visitors(chromium, empty_hall) as visit:
        read_and_decide(visit)


def read_and_decide(visit: Come) -> None:
    lead = visit("Lena")
    lead.page.goto("/studies")
    expect(lead.page.get_by_text("No reading studies yet")).to_be_visible()
    assert_for_everyone(lead.page)
    lead.page.get_by_label("Title").fill("Day 15")
    lead.page.get_by_label("What readers are told").fill("Say what you see.\nBe uncertain if in doubt.")
    lead.page.get_by_label("Shown twice, in percent of the cells").fill("25")
    lead.page.get_by_role("button", name="Make the study").click()

    lead.page.get_by_label(CASE_TITLE).check()
    lead.page.get_by_label("Anna").check()
    lead.page.get_by_label("Bert").check()
    lead.page.get_by_role("button", name="Save the choice").click()
    expect(lead.page.get_by_text("2 readers read 5 times each.")).to_be_visible()
    assert_for_everyone(lead.page)
    lead.page.get_by_role("button", name="Open the study").click()
    address = urlsplit(lead.page.url).path
    expect(lead.page.get_by_role("row", name="Anna")).to_contain_text("0 of 5")
    assert_for_everyone(lead.page)

    anna, bert = visit("Anna"), visit("Bert")
    for reader in (anna, bert):
        reader.page.goto("/studies")
        assert_for_everyone(reader.page)
        reader.page.get_by_role("link", name="Day 15", exact=True).click()
        assert_for_everyone(reader.page)
        reader.page.get_by_role("link", name="Begin reading").click()
        expect(reader.page.locator("[data-scale-bar]")).to_contain_text("µm")
    assert_for_everyone(anna.page)
    for secret in (FILE_NAME, CASE_TITLE, OUTCOME, "Bert"):
        assert secret not in anna.page.content()

    anna.press("1n")
    anna.press_once("z")
    expect(anna.page.locator("[data-before]")).to_have_text("You said before: Normal.")
    expect(anna.page.locator("[data-count]")).to_have_text("1 of 5")
    assert_for_everyone(anna.page)
    anna.press("lll")
    expect(anna.page.get_by_text("This is the last cell.")).to_be_visible()
    anna.press_once("u")
    expect(anna.page.get_by_text("Thank you, all is done")).to_be_visible()
    assert_for_everyone(anna.page)
    bert.press("2222")
    bert.press_once("n")
    expect(bert.page.get_by_text("Thank you, all is done")).to_be_visible()

    lead.page.goto(address)
    assert_for_everyone(lead.page)
    lead.page.get_by_role("link", name="Decide them").click()
    expect(lead.page.get_by_text("Disagreement 1 of 4")).to_be_visible()
    assert "Anna" not in lead.page.content()
    expect(lead.page.get_by_text("The model says", exact=True)).to_have_count(0)
    assert_for_everyone(lead.page)
    for number in range(1, 5):
        expect(lead.page.locator(".phase")).to_have_text(f"Disagreement {number} of 4")
        lead.press_once("1")
        expect(lead.page.locator(".decided")).to_contain_text("Decided: Leukaemic")
        expect(lead.page.get_by_text("The model says", exact=True)).to_be_visible()
        if number == 1:
            assert_for_everyone(lead.page)
        lead.press_once("j")
    expect(lead.page.get_by_text("All are decided")).to_be_visible()
    assert_for_everyone(lead.page)

    lead.page.get_by_role("link", name="Show the results").click()
    row = lead.page.get_by_role("row", name="reader 1 and reader 2")
    expect(row).to_contain_text("0.00")
    expect(row).to_contain_text("an interval needs 5")  # and these are 4 cells
    assert_for_everyone(lead.page)
    with lead.page.expect_download() as download:
        lead.page.get_by_role("link", name="All readings, CSV").click()
    assert download.value.path().read_text().count("\n") == 11
    assert [one.complaints + one.foreign for one in (lead, anna, bert)] == [[], [], []]


def test_keys_typed_into_a_note_decide_nothing(
    visit: Come, store: Store, hall: RunningRoom, people: dict[str, User]
) -> None:
    study = new_study(store, hall, people, "Nora")
    nora = visit("Nora")
    nora.begin(study)

    nora.press_once("t")
    nora.page.keyboard.type("1 nucleolus, z x")
    expect(nora.page.locator("[data-count]")).to_have_text("0 of 3")
    nora.page.keyboard.press("Escape")
    nora.press("n")

    first = study_lines(store, study.id)[0]
    assert [(one.verdict, one.note) for one in read_history(store, first.item_id)] == [
        ("normal", "1 nucleolus, z x")
    ]
    expect(nora.page.get_by_label("Note")).to_have_value("")


def test_keys_of_other_layouts_and_of_ones_own_answer_in_a_study(
    visit: Come, store: Store, hall: RunningRoom, people: dict[str, User]
) -> None:
    study = new_study(store, hall, people, "Nora")
    nora = visit("Nora")
    nora.page.evaluate("""localStorage.setItem("keys", '{"f": "uncertain"}')""")
    nora.begin(study)
    pressed = [("т", "KeyN"), ("&", "Digit1"), ("f", "KeyF")]  # Cyrillic, AZERTY, one's own
    for read, (key, code) in enumerate(pressed):
        expect(nora.page.locator(".verdict").first).to_be_enabled()
        nora.page.evaluate(
            "event => document.body.dispatchEvent(new KeyboardEvent('keydown', {...event, bubbles: true}))",
            {"key": key, "code": code},
        )
        if read < 2:
            expect(nora.page.locator("[data-count]")).to_have_text(f"{read + 1} of 3")
    expect(nora.page.locator(".verdict")).to_have_count(0)

    said = [read_history(store, line.item_id)[-1].verdict for line in study_lines(store, study.id)]
    assert sorted(said) == ["leukaemic", "normal", "uncertain"]


def test_the_tab_and_enter_keys_alone_suffice(
    visit: Come, store: Store, hall: RunningRoom, people: dict[str, User]
) -> None:
    study = new_study(store, hall, people, "Nora")
    nora = visit("Nora")
    nora.page.goto(f"/studies/{study.id}/read")
    uncertain = nora.page.get_by_role("button", name="Uncertain")
    expect(uncertain).to_be_enabled()

    for _ in range(30):
        if uncertain.evaluate("button => button === document.activeElement"):
            break
        nora.page.keyboard.press("Tab")
    for read in ("1 of 3", "2 of 3"):
        nora.page.keyboard.press("Enter")
        expect(nora.page.locator("[data-count]")).to_have_text(read)
        expect(uncertain).to_be_focused()


def test_an_answer_is_kept_and_sent_again_while_the_server_is_away(
    visit: Come, store: Store, hall: RunningRoom, people: dict[str, User]
) -> None:
    study = new_study(store, hall, people, "Nora")
    nora = visit("Nora")
    nora.begin(study)
    away = [True]

    def pass_or_fail(route: Route) -> None:
        route.abort() if away[0] and route.request.method == "POST" else route.continue_()

    nora.page.route("**/read/**", pass_or_fail)
    nora.press_once("1")
    expect(nora.page.get_by_role("alert").filter(has_text="Not saved yet")).to_contain_text(
        "Your answer “Leukaemic” is kept here."
    )
    assert progress(store, study.id, reader_id=people["Nora"].id).read == 0
    nora.page.reload()
    expect(nora.page.get_by_text("Your answer “Leukaemic” is kept here.")).to_be_visible()

    away[0] = False
    nora.page.get_by_role("button", name="Try now").click()
    expect(nora.page.locator("[data-count]")).to_have_text("1 of 3")
    expect(nora.page.get_by_text("Not saved yet")).to_have_count(0)
    assert study_lines(store, study.id)[0].verdict == "leukaemic"


def test_a_request_that_gets_no_answer_is_given_up_and_sent_again(
    visit: Come, store: Store, hall: RunningRoom, people: dict[str, User]
) -> None:
    study = new_study(store, hall, people, "Nora")
    nora = visit("Nora")
    nora.page.clock.install()
    held: list[str] = []

    def hold_the_first(route: Route) -> None:
        """Let the first picture that a script asks for, and the first answer of the reader, get nowhere."""
        request = route.request
        kind = request.resource_type if request.method == "GET" else "answer"
        if kind in ("fetch", "answer") and kind not in held:
            held.append(kind)
        else:
            route.continue_()

    nora.page.route("**/read/**", hold_the_first)
    nora.begin(study)
    nora.press_once("1")
    expect(nora.page.locator("[data-saved]")).to_have_text("Saving")
    nora.page.clock.fast_forward(15_500)
    expect(nora.page.get_by_text("Not saved yet")).to_be_visible()
    nora.page.clock.fast_forward(1_500)

    expect(nora.page.locator("[data-count]")).to_have_text("1 of 3")
    expect(nora.page.locator(".verdict").first).to_be_enabled()  # with a picture that was asked for again
    assert held == ["fetch", "answer"]
    assert study_lines(store, study.id)[0].verdict == "leukaemic"


def test_a_second_window_is_told_and_overwrites_nothing(
    visit: Come, store: Store, hall: RunningRoom, people: dict[str, User]
) -> None:
    study = new_study(store, hall, people, "Nora")
    nora = visit("Nora")
    nora.begin(study)
    line = study_lines(store, study.id)[0]
    elsewhere = NewStudyRead(line.item_id, "normal", "", 1.0)
    save_read(store, elsewhere, reader_id=people["Nora"].id, expected_read_id=None)

    nora.press_once("1")
    expect(nora.page.get_by_text("cannot save the read.")).to_be_visible()
    expect(nora.page.get_by_text("nothing was overwritten")).to_be_visible()
    nora.page.get_by_role("link", name="Show what is there now").click()
    expect(nora.page.locator("[data-count]")).to_have_text("1 of 3")
    assert len(read_history(store, line.item_id)) == 1


def test_without_script_forms_read_and_undo(
    visit: Come, store: Store, hall: RunningRoom, people: dict[str, User]
) -> None:
    study = new_study(store, hall, people, "Nora", n_cells=1)
    nora = visit("Nora", scripts=False)
    nora.page.goto(f"/studies/{study.id}/read")

    nora.page.get_by_role("button", name="Uncertain").click()

    expect(nora.page.get_by_text("Thank you, all is done")).to_be_visible()
    assert study_lines(store, study.id)[0].verdict == "uncertain"


def test_time_counts_while_the_window_is_in_front(
    visit: Come, store: Store, hall: RunningRoom, people: dict[str, User]
) -> None:
    study = new_study(store, hall, people, "Nora")
    nora = visit("Nora")
    nora.begin(study)

    gone = nora.page.evaluate(
        "document.hasFocus = () => false; window.dispatchEvent(new Event('blur')); performance.now()"
    )
    nora.page.wait_for_timeout(2000)
    back = nora.page.evaluate(
        "document.hasFocus = () => true; const back = performance.now();"
        "window.dispatchEvent(new Event('focus')); back"
    )
    nora.page.wait_for_timeout(600)
    nora.press("1")

    since_the_page_was_opened = nora.page.evaluate("performance.now()")
    seconds = study_lines(store, study.id)[0].seconds
    assert seconds is not None
    assert 0.5 < seconds < (since_the_page_was_opened - (back - gone)) / 1000


def test_the_picture_zooms_and_its_scale_bar_stays_true(
    visit: Come, store: Store, hall: RunningRoom, people: dict[str, User]
) -> None:
    study = new_study(store, hall, people, "Nora")
    nora = visit("Nora")
    nora.page.goto(f"/studies/{study.id}/read")
    bar, picture = nora.page.locator("[data-scale-bar]"), nora.page.locator("[data-picture]")
    expect(bar).to_be_visible()

    def microns_per_css_pixel() -> tuple[float, float]:
        length = float(bar.inner_text().split()[0]) / float(
            bar.evaluate("bar => parseFloat(bar.style.width)")
        )
        # 120 pixels of 0.11 µm fill the picture.
        return length, 120 * 0.11 / picture.evaluate("picture => picture.getBoundingClientRect().width")

    for key in ("", "+", "+"):
        if key:
            nora.page.keyboard.press(key)
        stated, true = microns_per_css_pixel()
        assert stated == pytest.approx(true, rel=0.01), key
    before = picture.bounding_box()
    nora.page.keyboard.press("ArrowRight")
    after = picture.bounding_box()
    assert before is not None
    assert after is not None
    assert after["x"] < before["x"]
