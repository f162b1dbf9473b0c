"""A real chromium for tests, and what every page of the reading room must pass in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")

needs_chromium = pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no browser at {CHROMIUM}")

WIDTHS_PX = (390, 1280)
"""A telephone held upright and a laptop."""

_RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}


@contextmanager
def running_chromium() -> Iterator[Browser]:
    """Start Debian's chromium and end it."""
    with sync_playwright() as playwright:
        # Without a sandbox, which needs rights that containers do not give; without a GPU and its warnings.
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        expect.set_options(timeout=20_000)  # a machine that is busy with other things is no failure
        yield browser
        browser.close()


def assert_for_everyone(page: Page) -> None:
    """Fail if a page scrolls sideways on a telephone or laptop, or axe-core finds a barrier in it."""
    from axe_playwright_python.sync_playwright import Axe

    before = page.viewport_size
    assert before is not None
    try:
        for width in WIDTHS_PX:
            page.set_viewport_size({"width": width, "height": 844})
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
                page.wait_for_timeout(100)
                found = Axe().run(page, options=_RULES)
                assert found.violations_count == 0, (
                    f"{page.url}, {width} px, {scheme}: {found.generate_report()}"
                )
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), (
                f"{page.url} scrolls sideways at {width} px"
            )
    finally:
        page.set_viewport_size(before)
        page.emulate_media(color_scheme="light")
