"""Writes `docs/reliability.md` from what was measured: `bench/reading_room/load.json` and `frames.json`.

    python studies/reliability_page.py

Nothing is measured here, and no measured number of the page is typed by hand. Start at `render`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
FOUND = ROOT / "bench" / "reading_room"
PAGE = ROOT / "docs" / "reliability.md"
AIM_MS = 200


def main() -> None:
    """Write the page."""
    load, frames = (json.loads((FOUND / name).read_text()) for name in ("load.json", "frames.json"))
    PAGE.write_text(render(load, frames), encoding="utf-8")


def render(load: Mapping[str, Any], frames: Mapping[str, Any]) -> str:
    """Return the page, from what `bench/reading_room/load.py` and `frames.py` wrote."""
    return "\n\n".join(part.strip("\n") for part in (_HEAD, _load(load), _frames(frames), _REST)) + "\n"


_HEAD = """
# Reliability of the reading room

Written by `studies/reliability_page.py` from `bench/reading_room/*.json`; not edited by hand. Research software, not a medical device.

What `leuknet serve` bears, and what was done to it to find out. Each line of the tables below the figures is a test that `make test` runs against the real thing: a server process, SQLite and PostgreSQL, a chromium.
"""


def _load(found: Mapping[str, Any]) -> str:
    lines = [
        "## Load",
        f"{found['readers']} readers at once on {found['cores']} cores, for {found['seconds']:.0f} s: each opens the list of cases and a case of {found['cells']:,} cells with 60 thumbs, then, every 2 to 4 s, "
        "looks at a cell at full resolution, scrolls on and saves a review. The readers are a process on the same cores, and so is a worker that scores all the while. Nobody waits for a model: pages only share the processor with it, "
        f"and it has the lower priority. `python bench/reading_room/load.py`, {found['written_at'][:10]}.",
    ]
    for database, one in found["databases"].items():
        name = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}[database]
        errors = sum(one["errors"].values())
        rows = [
            f"| {kind} | {spread['n']:,} | {spread['p50_ms']:,.0f} | {spread['p95_ms']:,.0f} | {spread['p99_ms']:,.0f} |"
            for kind, spread in one["kinds"].items()
        ]
        lines += [
            f"**{name}**: {one['requests']:,} requests, {errors or 'no'} errors; {one['images_scored']:,} images scored meanwhile; the server used {one['server_cpu_s']:.0f} s of a core. "
            f"Load of the machine before: {one['load_before']:.1f}.",
            "\n".join(["| request | n | median ms | 95% ms | 99% ms |", "|---|--:|--:|--:|--:|", *rows]),
        ]
    slow = sorted(
        {
            kind
            for one in found["databases"].values()
            for kind, spread in one["kinds"].items()
            if spread["p95_ms"] > AIM_MS
        }
    )
    lines.append(
        f"95% of all requests are answered within {AIM_MS} ms."
        if not slow
        else f"Over {AIM_MS} ms for one in twenty: {', '.join(slow)}. What takes the time is the processor: one process serves the pages, beside the readers and the worker on {found['cores']} cores."
    )
    return "\n\n".join(lines)


def _frames(found: Mapping[str, Any]) -> str:
    rows = [(name, spread) for name, spread in found.items() if name.startswith("gallery, ")]
    for turn in ("tiles made now", "tiles kept"):
        for act in ("whole, zoom", "pan at 1:1"):
            rows.append((f"slide, {turn}: {act}", found[f"slide, {turn}"][act]))
    table = [
        f"| {name} | {one['median ms']:.1f} | {one['p95 ms']:.1f} | {one['longest ms']:.0f} |"
        for name, one in rows
    ]
    numbers = found["gallery numbers"]
    made = found["slide, tiles made now"]["tiles"]
    return "\n\n".join(
        [
            "## Frames",
            f"A gallery of 10,000 cells, and a slide of 20,000 x 20,000 pixels with 2,000 outlined cells, in chromium {found['chromium']} without a GPU, which draws in software on the same {found['cpus']} cores as the server; "
            f"load of the machine before: {found['load before']:.1f}. 16.7 ms is 60 frames a second, the most that the browser draws. `python bench/reading_room/frames.py FOLDER`.",
            "\n".join(["| what | median ms | 95% ms | longest ms |", "|---|--:|--:|--:|", *table]),
            f"Of 10,000 cells {found['gallery tiles in the page']} are in the page at once. Their numbers are {numbers['bytes sent'] / 1000:.0f} kB, and come in {numbers['median ms']:.0f} ms. "
            f"A tile of the slide takes {made['median ms']:.0f} ms ({made['p95 ms']:.0f} at 95%) where it has to be made; then the browser keeps it.",
            "Panning and zooming a slide and scrolling hold 60 frames a second; flinging the gallery four rows a frame drops some without a GPU.",
        ]
    )


_REST = """
## Kills, disks, databases

| what is done | what holds | where |
|---|---|---|
| the server is killed with `-9` while a reader saves | each review that was acknowledged is there; the audit log is whole | `test_reliability.py` |
| the server is killed in mid-upload, and started again | the upload goes on where it stopped, in the browser and in the Python client | `test_browser_cases.py`, `test_client.py` |
| an uploading process is killed at random moments | no byte that was acknowledged is lost; finishing again gives the same | `test_intake.py` |
| the worker is killed in mid-job | another ends with exactly the undisturbed cells, none lost, none twice | `test_room_worker.py` |
| the signer is killed amid the files of a report | the case is unsigned, and can be signed | `test_signing.py` |
| a disk of 6 MiB fills up while a reader saves | the reader is told; what was saved is there; with room again it goes on | `test_reliability.py` |
| a file size limit is hit within an upload | what came before is kept, and the upload goes on later | `test_intake.py` |
| PostgreSQL is stopped and started | pages say so (503), the worker waits; both go on by themselves | `test_reliability.py`, `test_room_worker.py` |
| two readers save at once; one reader in two windows | both are kept; the second window is told, and overwrites nothing | `test_reliability.py`, `test_reviews.py` |
| two leads sign at once | one does, and the files are theirs | `test_signing.py` |
| a line of the audit log is changed, removed, inserted, moved, cut off | `leuknet audit-log verify` names it (cut off: against a head kept elsewhere) | `test_audit_log.py` |
| a backup is made in use, and restored | cases, images and reports are the same; a damaged image is named | `test_room_backup.py` |
| all pictures made of images are deleted | they are made anew when they are asked for | `test_room_pictures.py`, `test_room_worker.py` |

## Abuse

| what is sent | what happens | where |
|---|---|---|
| a PNG of some kilobytes that unpacks to 60,000 x 60,000 pixels; bombs in TIFF and zip | refused by its header; the server's memory grows by less than 100 MiB | `test_reliability.py`, `test_intake.py`, `test_archive.py` |
| a body of 2 GiB; a body without end | 413 at its head; cut off after 9 MiB, and the connection closed | `test_reliability.py` |
| connections that say nothing, drip a head or a body; 200 of them at once | closed in time; others are served meanwhile | `test_patience.py` |
| files that are two things at once (PNG and HTML, PNG and zip) | kept as the image that they are, and served as that alone | `test_intake.py` |
| names with `../`, absolute, NUL, `CON`, right-to-left marks, 300 letters and more | text to be shown; no name becomes a path | `test_intake.py` |
| HTML in names of files, titles, notes, reasons | shown as text, on pages, in reports and PDFs | `test_web.py`, `test_web_cases.py`, `test_browser_cases.py`, `test_web_signing.py` |
| archives with paths that lead out, links, archives within, passwords, 20,001 members, a ratio over 100 | refused in words | `test_archive.py` |
| cells that begin with `=`, `+`, `-`, `@` | defused with an apostrophe in every table that is given out | `test_study_results.py` |
| truncated, empty, grey, 16-bit, animated images, and no images | refused in words; nothing is left of them | `test_intake.py` |
| requests that are none: two lengths, no host, long headers, TLS, broken forms | 4xx or closed; the server goes on | `test_reliability.py` |
| a path that leads out of the static files | 404 | `test_reliability.py` |
| forms of another site; another session's form; a session planted before signing in | refused; not used | `test_web.py` |
| ten wrong passwords | the eleventh within a minute is told to wait | `test_web.py` |
| another name in the request's Host | 421 | `test_web.py` |
| everything that the API's description allows, and what it does not | no 5xx, and answers as described, by schemathesis | `test_api_schema.py` |
| every route, by nobody, strangers, readers of an open study, leads who read in it | 404 with the same words as what does not exist | `test_web_access.py` |

## What was not tried

Other browsers than chromium. More than one computer. A real slide scanner's files. Hours of load. A container. Screen readers by people who need them: pages pass axe-core (WCAG 2 A and AA), light and dark, which finds what a program can find.
"""


if __name__ == "__main__":
    main()
