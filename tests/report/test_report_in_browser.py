"""The pages as a reader sees them, in a real browser: whole, legible, and asking nothing of any network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request

from leuknet.report.run_report import write_report
from leuknet.report.sections import SECTIONS
from tests.browsers import WIDTHS_PX, needs_chromium, running_chromium
from tests.run_folders import LOOKS, write_run

pytestmark = needs_chromium


@dataclass
class Visit:
    """The open page and all that it said and asked for on the way."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def note_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def note_request(self, request: Request) -> None:
        self.requests.append(request.url)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_chromium() as browser:
        yield browser


at_both_widths = pytest.mark.parametrize("width_px", WIDTHS_PX, ids=lambda width_px: f"{width_px} px wide")


@contextmanager
def opened(browser: Browser, path: Path, width_px: int) -> Iterator[Visit]:
    page = browser.new_page(viewport={"width": width_px, "height": 844})
    visit = Visit(page)
    page.on("console", visit.note_console)
    page.on("pageerror", lambda error: visit.complaints.append(str(error)))
    page.on("request", visit.note_request)
    page.goto(path.as_uri(), wait_until="load")
    yield visit
    page.close()


@pytest.fixture(scope="module", params=WIDTHS_PX, ids=lambda width_px: f"{width_px} px wide")
def visit(browser: Browser, mini_reproduction: Path, request: pytest.FixtureRequest) -> Iterator[Visit]:
    with opened(browser, mini_reproduction / "index.html", request.param) as visit:
        yield visit


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a run on simulated cells whose test side had been looked at before."""
    folder = tmp_path_factory.mktemp("report")
    run = write_run(folder / "run", simulated=True, changes={"looks": LOOKS})
    return write_report([run], folder / "page", pdf=False)[0]


def test_the_browser_has_nothing_to_complain_of(visit: Visit) -> None:
    assert visit.complaints == []


def test_nothing_is_asked_of_any_network(visit: Visit) -> None:
    schemes = [urlsplit(url).scheme for url in visit.requests]

    assert schemes.count("file") == 1  # the page itself
    assert set(schemes) <= {"file", "data"}


def test_all_six_figures_are_drawn_and_described(visit: Visit) -> None:
    images = visit.page.locator("img").evaluate_all(
        "images => images.map(i => [i.complete, i.naturalWidth, i.getBoundingClientRect().width, i.alt])"
    )

    assert len(images) == 6
    for complete, natural_width, shown_width, alt in images:
        assert complete
        assert natural_width > 1000  # pixels; 0 if it could not be decoded
        assert shown_width >= 400
        assert len(alt) > 40


def test_the_page_never_scrolls_sideways_as_a_whole(visit: Visit) -> None:
    inner, outer = visit.page.evaluate(
        "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )

    assert inner <= outer


def test_what_it_is_not_and_that_cells_are_simulated_are_the_first_things_seen(visit: Visit) -> None:
    for text in ("Research software, not a medical device.", "SIMULATED CELLS"):
        banner = visit.page.get_by_text(text).first
        box = banner.bounding_box()
        assert banner.is_visible()
        assert box is not None
        assert 0 <= box["y"] < 300
    assert visit.page.title().startswith("SIMULATED CELLS")


def test_figures_wider_than_the_screen_scroll_inside_their_frame_by_keyboard(visit: Visit) -> None:
    frames = visit.page.locator(".picture").evaluate_all(
        "frames => frames.map("
        "f => [f.scrollWidth > f.clientWidth, getComputedStyle(f).overflowX, f.tabIndex])"
    )

    assert len(frames) == 6
    assert all(overflow == "auto" and tab == 0 for wider, overflow, tab in frames if wider)
    # At least 30rem wide, so a telephone must scroll; a laptop need not.
    assert {wider for wider, *_ in frames} == {visit.page.evaluate("window.innerWidth < 480")}


def test_links_on_the_page_lead_to_a_place_on_it(visit: Visit) -> None:
    targets = visit.page.locator("nav a").evaluate_all("links => links.map(a => a.getAttribute('href'))")

    assert len(targets) == 7
    assert all(visit.page.locator(target).count() == 1 for target in targets)


@at_both_widths
def test_the_report_is_whole_quiet_and_fits_the_screen(browser: Browser, report: Path, width_px: int) -> None:
    with opened(browser, report, width_px) as visit:
        assert visit.complaints == []
        assert {urlsplit(url).scheme for url in visit.requests} <= {"file", "data"}
        assert visit.page.evaluate(
            "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        )
        assert visit.page.locator("img").evaluate_all(
            "images => images.length > 5 && images.every(i => i.complete && i.naturalWidth > 1000)"
        )
        targets = visit.page.locator("nav a").evaluate_all("links => links.map(a => a.getAttribute('href'))")
        assert len(targets) == len(SECTIONS)
        assert all(visit.page.locator(target).count() == 1 for target in targets)


@at_both_widths
def test_banners_of_the_report_come_first_and_an_earlier_look_before_any_comparison(
    browser: Browser, report: Path, width_px: int
) -> None:
    with opened(browser, report, width_px) as visit:
        tops = []
        for text in ("Research software, not a medical device.", "SIMULATED CELLS", "Not the first look"):
            box = visit.page.get_by_text(text).first.bounding_box()
            assert box is not None
            tops.append(box["y"])
        comparison = visit.page.locator("#comparison").bounding_box()
        assert comparison is not None
        assert tops[1] < 300
        assert tops == sorted(tops)
        assert tops[2] < comparison["y"]


@at_both_widths
def test_tables_wider_than_the_screen_scroll_in_their_frame_and_keep_their_caption_in_sight(
    browser: Browser, report: Path, width_px: int
) -> None:
    with opened(browser, report, width_px) as visit:
        frames = visit.page.locator(".scroll").evaluate_all(
            "frames => frames.map(f => [f.scrollWidth > f.clientWidth, f.tabIndex, "
            "f.querySelector('caption span').getBoundingClientRect().right])"
        )
        assert all(tab == 0 and right <= width_px for _, tab, right in frames)
        assert any(wider for wider, *_ in frames) == (width_px == 390)
