"""Measures how smoothly a reader scrolls a gallery of 10,000 cells, and pans and zooms a slide.

    .venv/bin/python bench/reading_room/frames.py FOLDER

fills FOLDER with a made-up room if it does not exist, serves it from a process of its own, and drives a real
chromium. It prints JSON, and writes it to `frames.json`: times between frames (median, 95th percentile,
longest; 16.7 ms is 60 frames a second), from a key that decides to the frame that shows the next cell and to
all that is said of it, how long tiles took, and size and time of the gallery's numbers.
Without a GPU chromium draws in software: a laptop with one is quicker.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from statistics import median

from playwright.sync_api import Page, sync_playwright

from made_up import GALLERY, NAME, PASSWORD, SLIDE, fill_room

OUT = Path(__file__).with_name("frames.json")
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")

RECORD = """([act, seconds]) => new Promise((done) => {
  const move = eval(act); // by the bench's own hand, past the page's policy: see bypass_csp
  const times = [];
  const end = performance.now() + 1000 * seconds;
  let last = null;
  const frame = (now) => {
    if (last !== null) times.push(now - last);
    last = now;
    if (now > end) return done(times);
    move(times.length);
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
})"""

WATCH_KEYS = """() => {
  window.keys = { painted: [], told: [] };
  new PerformanceObserver((list) => {
    for (const one of list.getEntries()) if (one.name === "keydown") keys.painted.push(one.duration);
  }).observe({ type: "event", durationThreshold: 16 });
  document.addEventListener("keydown", (event) => {
    const look = (now) => {
      const id = leuknet.cells.id[leuknet.desk.active()];
      if (document.querySelector(`.cell[data-cell="${id}"]`)) keys.told.push(now - event.timeStamp);
      else requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  });
}"""
LEAST_MS = 16  # the browser tells of no shorter time between a key and the frame that it changes

SCROLL = "(frame) => { document.getElementById('gallery').scrollTop += %d; }"
PAN = """(frame) => {
  const v = leuknet.desk.viewer.viewport;
  const step = (12 / v.getContainerSize().x) * v.getBounds().width;
  v.panBy(new OpenSeadragon.Point(step, step / 3), true);
}"""
ZOOM = """(frame) => {
  leuknet.desk.viewer.viewport.zoomBy(frame % 240 < 120 ? 1.03 : 1 / 1.03, null, true);
}"""


def main() -> None:
    """Measure, and print what was found."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cells", type=int, default=10_000, help="of the gallery")
    parser.add_argument("--slide", type=int, default=20_000, metavar="PX", help="side of the slide")
    parser.add_argument("--seconds", type=float, default=5.0, help="that each movement is watched")
    parser.add_argument("--keys", type=int, default=200, help="decisions in a row")
    parser.add_argument("--out", type=Path, default=OUT)
    wanted = parser.parse_args()
    folder: Path = wanted.folder
    if not folder.exists():
        fill_room(folder, gallery_cells=wanted.cells, slide_px=wanted.slide)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "leuknet", "serve", "--data", str(folder), "--port", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)  # noqa: S603 - our own server
    try:
        _wait(port)
        found = json.dumps(_measure(f"http://127.0.0.1:{port}", wanted.seconds, wanted.keys), indent=1) + "\n"
        wanted.out.write_text(found)
        sys.stdout.write(found)
    finally:
        server.terminate()
        server.wait(30)


def _measure(address: str, seconds: float, keys: int) -> dict[str, object]:
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        found: dict[str, object] = {
            "cpus": os.cpu_count(),
            "load before": os.getloadavg()[0],
            "chromium": browser.version,
        }
        page = browser.new_context(bypass_csp=True, viewport={"width": 1440, "height": 900}).new_page()
        page.goto(f"{address}/sign-in")
        page.fill("[name=name]", NAME)
        page.fill("[name=password]", PASSWORD)
        page.click("button.main")
        page.click(f"text={GALLERY}")
        page.wait_for_selector(".tile")
        found["gallery numbers"] = _numbers(page)
        found["gallery tiles in the page"] = page.locator(".tile").count()
        for name, step in (("slow", 8), ("quick", 60), ("very quick", 600)):
            found[f"gallery, {name}: {step} px a frame"] = _frames(page, SCROLL % step, seconds)
        page.evaluate("document.getElementById('gallery').scrollTop = 0")
        found |= _keys(page, keys)
        page.goto(f"{address}/cases")
        page.click(f"text={SLIDE}")
        page.click(".fields a")
        for turn in ("tiles made now", "tiles kept"):
            page.reload()
            page.wait_for_function("window.leuknet?.desk?.viewer.world.getItemCount() && leuknet.cells.count")
            time.sleep(1)
            found[f"slide, {turn}"] = _slide(page, seconds)
        browser.close()
        return found


def _keys(page: Page, number: int) -> dict[str, object]:
    """Decide on one cell after the other, six in a second, each of which leads to the next."""
    if page.get_attribute("[data-action='goOn']", "aria-pressed") != "true":
        page.keyboard.press("g")
    page.wait_for_timeout(300)  # or that key is watched, too
    page.evaluate(WATCH_KEYS)
    for pressed in range(number):
        page.keyboard.press("12"[pressed % 2])
        time.sleep(0.16)
    page.wait_for_function("keys.told.length && !leuknet.cells.unsaved.size")
    times = page.evaluate("keys")
    painted = times["painted"][-number:]
    painted += [LEAST_MS] * (number - len(painted))
    return {"key to next cell": _spread(painted), "key to all of next cell": _spread(times["told"])}


def _slide(page: Page, seconds: float) -> dict[str, object]:
    found: dict[str, object] = {"whole, zoom": _frames(page, ZOOM, seconds)}
    page.evaluate("performance.clearResourceTimings(); performance.setResourceTimingBufferSize(5000)")
    page.evaluate(
        "(() => { const v = leuknet.desk.viewer.viewport; v.zoomTo(v.imageToViewportZoom(1), null, true);"
        " v.panTo(new OpenSeadragon.Point(0.2, 0.2), true); })()"
    )
    time.sleep(1)
    found["pan at 1:1"] = _frames(page, PAN, seconds)
    times = page.evaluate(
        "performance.getEntriesByType('resource').filter((file) => file.name.includes('image_files') "
        "&& file.transferSize).map((file) => file.duration)"
    )
    found["tiles"] = _spread(times)
    return found


def _numbers(page: Page) -> dict[str, object]:
    return dict(
        page.evaluate("""async () => {
      const times = [];
      let size = 0;
      for (let turn = 0; turn < 7; turn += 1) {
        const start = performance.now();
        const answer = await fetch(`${leuknet.base}/cells.json`);
        size = (await answer.text()).length;
        times.push(Math.round(performance.now() - start));
      }
      const loaded = performance.getEntriesByType('resource');
      const asked = loaded.filter((file) => file.name.endsWith('cells.json'));
      const sent = asked.at(-1).encodedBodySize;
      times.sort((a, b) => a - b);
      return { bytes: size, 'bytes sent': sent, 'median ms': times[3], 'longest ms': times[6] };
    }""")
    )


def _frames(page: Page, act: str, seconds: float) -> dict[str, float]:
    return _spread(page.evaluate(RECORD, [act, seconds]))


def _spread(times: list[float]) -> dict[str, float]:
    ordered = sorted(times)
    return {
        "n": len(times),
        "median ms": round(median(ordered), 1) if ordered else 0.0,
        "p95 ms": round(ordered[int(0.95 * (len(ordered) - 1))], 1) if ordered else 0.0,
        "longest ms": round(ordered[-1], 1) if ordered else 0.0,
    }


def _wait(port: int) -> None:
    for _ in range(1200):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5)
            return
        except OSError:
            time.sleep(0.1)
    raise SystemExit("the server does not answer")


if __name__ == "__main__":
    main()
