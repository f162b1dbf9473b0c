"""Writes `docs/reliability.md` from `load.json`, `frames.json` and `fuzz_finder.json` in `bench/reading_room`.

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
    names = ("load.json", "frames.json", "fuzz_finder.json")
    load, frames, fuzz = (json.loads((FOUND / name).read_text()) for name in names)
    PAGE.write_text(render(load, frames, fuzz), encoding="utf-8")


def render(load: Mapping[str, Any], frames: Mapping[str, Any], fuzz: Mapping[str, Any]) -> str:
    """Return the page, from what `load.py` and `frames.py` of `bench/`, and `studies/fuzz_finder.py`, wrote."""
    rest = _REST.replace("FUZZED", _fuzz(fuzz))
    return "\n\n".join(part.strip("\n") for part in (_HEAD, _load(load), _frames(frames), rest)) + "\n"


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
    keys = ("key to next cell", "key to all of next cell")
    rows = [(name, spread) for name, spread in found.items() if name in keys or name.startswith("gallery, ")]
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


def _fuzz(found: Mapping[str, Any]) -> str:
    outcomes, bad = found["outcomes"], len(found["bad"])
    refused = found["fields"] - bad - outcomes["cells"] - outcomes["empty"]
    return (
        f"Measured now, on {found['fields']:,}, each with {found['deadline_s']:.0f} s of processor time ({found['written_at'][:10]}): "
        f"{bad or 'none'} hangs, crashes or raises what is no refusal; in {outcomes['cells']:,} cells are found, in {outcomes['empty']:,} none, {refused:,} are refused in words; "
        f"the slowest took {found['slowest_s']:.1f} s"
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
| one of a case's images makes the worker raise anything, or ends its process | a line of that image; the others are scored. An image may take 60 s and 1 s for each million pixels to be read, then 60 s and 20 s for each million pixels (at most 33.5) from tile to tile; after two deaths it is given up | `test_room_worker.py`, `test_watch.py` |
| one user uploads an archive of 3,000 files that are no images, another 40 crops | the crops are scored after 16 s, the archive is refused after 65 s, on 2 cores at a load of 10; before, crops waited for all of the archive (read from the code, not measured) | `test_room_worker.py` |
| another run's folder is given to `cells` | measured before, a second field with `--no-crops`: status 0, 15 files of the first run and 17 in all, crops of the first beside the table of the second; now refused, and `--overwrite` leaves the second run's alone | `test_results_folder.py` |
| the reading of an archive ends three workers | its upload is refused in words, and its bytes go; before, the job failed and the upload stood as whole (read from the code) | `test_room_worker.py` |
| an image of a folder makes `leuknet cells` loop for ever, crash, or raise anything | a line of that image, and the others go on in a new process, under the same limits by size as in the reading room; before, the command hung or ended (read from the code). `smear` and `batch` have no such limit | `test_guarded.py` |
| `cells --overwrite` on images of which none can be opened | refused, and the earlier results stay; before, they were removed first (read from the code) | `test_guarded.py` |
| `serve --model nosuch` | refused before anything is offered; before, it offered the first account's link, and its worker was started again every five seconds for ten minutes (from the report of the fault) | `test_web.py` |
| the worker that `serve` starts refuses to begin, or dies twice in a row | leads see it on each page, with its reason; before, after a minute on a case with waiting images, without one (read from the code) | `test_worker_health.py` |
| two PDFs are printed at once | Pillow stays as strict as it was: each is printed in a process of its own | `test_run_report.py` |

## Abuse

| what is sent | what happens | where |
|---|---|---|
| a PNG of some kilobytes that unpacks to 60,000 x 60,000 pixels; bombs in TIFF and zip | refused by its header; the server's memory grows by less than 100 MiB | `test_reliability.py`, `test_intake.py`, `test_archive.py` |
| eight files of 25 MiB are announced and sent on a disk of 60 MB | at an announcement, what else is announced and has not come counts, and a tenth of the disk, at most 1 GiB, is kept for decisions: 2 are taken, sign-in and 12 of 12 reviews work. Before, 8 were taken, and neither worked | `test_intake.py`, `test_reliability.py` |
| an account sends more than `serve --quota` | refused at the announcement | `test_intake.py` |
| three PNGs of 446 kB and 144 million pixels are checked at once | one after the other: the process takes 2.6 GB at its peak, before 6.4 GB (four: 7.7 GB) | `test_room_pictures.py` |
| a Parquet table of 68 kB with 5 million rows | refused in 2 s, at 155 MB in all: no more than 200,000 rows are read. Before, after 37 s and at 1.4 GB | `test_spreadsheet.py` |
| a Parquet table of some kilobytes that holds a text of 200 kB once and names it in 21,500 rows, 4.3 GB in all | refused below 1 GB of memory: the length of all texts is counted before they are made. Before, the count was of 32 bits, in which this is none | `test_spreadsheet.py` |
| 45 tiles that take long, asked for at once | 8 are drawn at a time, in threads of their own; the list of cases and a review are answered meanwhile. With the threads of pages they are not, within 15 s | `test_patience.py` |
| 100 pages that take long and as many tiles as there are threads for, then a review by the API and one by the page | saved after 0.5 s, both together, in threads of decisions' own, at a load of 5. Before, with 15 of those pages, which was as many as there were connections to the database: not within 30 s | `test_patience.py` |
| a body of 2 GiB; a body without end | 413 at its head; cut off after 9 MiB, and the connection closed | `test_reliability.py` |
| connections that say nothing, drip a head or a body; 200 of them at once | closed in time; others are served meanwhile | `test_patience.py` |
| files that are two things at once (PNG and HTML, PNG and zip) | kept as the image that they are, and served as that alone | `test_intake.py` |
| names with `../`, absolute, NUL, `CON`, right-to-left marks, 300 letters and more | text to be shown; no name becomes a path | `test_intake.py` |
| HTML in names of files, titles, notes, reasons | shown as text, on pages, in reports and PDFs | `test_web.py`, `test_web_cases.py`, `test_browser_cases.py`, `test_web_signing.py` |
| archives with paths that lead out, links, archives within, passwords, 20,001 members, a ratio over 100 | refused in words | `test_archive.py` |
| cells that begin with `=`, `+`, `-`, `@` | defused with an apostrophe in every table that is given out | `test_study_results.py` |
| fields of nothing but stain, clots with holes, noise, stripes, dots, pictures of a few pixels (`studies/fuzz_finder.py`) | the search for cells ends. Measured before, on 104 fields: 9 crashed the process, and 14 were not over after 8 s, some of which may have been slow only. FUZZED | `test_fields.py`, `test_scripts.py` |
| truncated, empty, grey, 16-bit, animated images, and no images | refused in words; nothing is left of them | `test_intake.py` |
| requests that are none: two lengths, no host, long headers, TLS, broken forms | 4xx or closed; the server goes on | `test_reliability.py` |
| a path that leads out of the static files | 404 | `test_reliability.py` |
| forms of another site; another session's form; a session planted before signing in | refused; not used | `test_web.py` |
| ten wrong passwords | the eleventh within a minute is told to wait; twenty for one account, however its name is spelt: in capitals, with blanks, in full-width letters, which before passed the limit (from the report of the fault) | `test_web.py` |
| a part of an upload that stops, or drips beyond the time allowed | 408; what came by then is kept (before: nothing), and the answer says where to go on | `test_patience.py` |
| another name in the request's Host | 421 | `test_web.py` |
| everything that the API's description allows, and what it does not | no 5xx, and answers as described, by schemathesis | `test_api_schema.py` |
| every route, by nobody, strangers, readers of an open study, leads who read in it | 404 with the same words as what does not exist | `test_web_access.py` |

## Files as people have them

Where both sides give counts, they are of the same attack on both versions; a "before" in words alone was read from the code of then or in the report of the fault.

| what is given | before | now | where |
|---|---|---|---|
| 77 TIFFs, tiled and striped, in 16 compressions, RGB and RGBA | 25 open with the right pixels; 23 are called damaged, none of which is | 61 open with the right pixels; 16, of four compressions, are refused by its name | `test_slides.py` |
| 46 scales as ImageJ, Fiji and OME write them, in 11 units | 13 are read | 40 are read; 4 are in pixels, 2 not square and named so | `test_slides.py` |
| tags of orientation 2 to 8 in JPEG, PNG, WebP, small and tiled TIFF | a small TIFF is turned, a tiled one is scrambled, the others are not turned | none is turned, and a warning says so | `test_slides.py` |
| 17 real slides and broken ones | JPEG-LS in DICOM is called damaged | each opens, or is refused for the true reason | `test_slides.py` |
| 58 GeoJSON files: classes in seven forms, null and empty geometry, pieces, holes, collections, regions, copies, gzip, UTF-16 | 4 end in a traceback, 15 sound ones are refused, the area of pieces and holes is wrong | none ends in a traceback, all sound ones are read, areas as worked out by hand | `test_fields.py` |
| a folder of 3 cells with `._a.bmp`, `__MACOSX`, `.ipynb_checkpoints`, `.Trash`, `@eaDir` | `predict` and `batch` score up to 9 files, a copy in the place of its cell; `cells` reads one folder deep | each reader finds the 3, also in subfolders, and counts 6 passed over; links are named | `test_clutter.py` |
| the client sends a zip that is cut, empty, nested, half broken | the upload is done, with 0 images and no word | `wait` raises the reason; of a half-broken one `notes` say what could not be used | `test_client.py` |
| a SOCKS or an unknown proxy in the environment of the client | `ImportError`, `ValueError` | an error in words, which names the way around it | `test_client.py` |
| HEAD, and a probe by a bare address, on `/healthz` | 405, 421 | 200 | `test_web.py` |
| names in a zip in UTF-8 without its mark, in Japanese code page 932, in 437 | the first two are unreadable | each as its writer meant it | `test_archive.py` |
| a table of scores and a manifest in 11 forms in which spreadsheets save them, and in code page 1252 | not all are read (not counted); `invalid start byte` | all are read; code page 1252 is told how to save it | `test_spreadsheet.py` |
| keys of Cyrillic and AZERTY keyboards, and keys of one's own | answer in cases, not in reading studies; own ones by the browser's console alone (both read from the code) | answer in both; set in the dialog of keys | `test_browser_cases.py`, `test_browser_studies.py` |
| folders of equal names with files of equal names, chosen or dropped together | shown by the file's name alone | each file keeps the path within what was chosen | `test_intake.py`, `test_browser_cases.py` |
| NUL within a title | not refused in words (from the report of the fault) | 422, and the character is named | `test_web.py` |
| names in another Unicode form, with backslashes, with blanks at the end | there is no such file | found | `test_spreadsheet.py` |

## What is signed and hidden

A "before" in words alone was read from the code of then or in the report of the fault; it was not measured.

| what is tried | before | now | where |
|---|---|---|---|
| a DICOM file of another's series, made so that it is kept in the same folder | shown in place of the other's slide (800 x 600 for 400 x 300 pixels) | each is opened alone | `test_intake.py` |
| files of one name, size and time, chosen in a browser one after the other | the second is taken for the first, or goes on with its bytes | both come; what is not what its key stands for is refused | `test_browser_cases.py`, `test_intake.py` |
| a reader of a study uploads its picture, or has its image in another case, as this file or as another of the same pixels | the model's score is shown (of another file: until 2026-12-01) | no upload until through (409); the other case is closed too (404). A copy that is not of the same pixels (JPEG, turned, cut out of a field), sent in by somebody else, is not known as one | `test_web_studies.py`, `test_intake.py` |
| equal bytes and lengths of a cell shown twice | equal | other bytes, one length; pixels differ by 1 at most, so that a program that compares them still finds repeats | `test_showing.py` |
| a signed page, a kept image, a review, a signature or an image's row is changed, a review removed, past the program | shown; `audit-log verify` says "whole" | the file is not shown (409); `verify` names each of the seven | `test_signing.py` |
| signing over an unfinished upload, a waiting archive, an image that was never scored | signed without a word | refused, with what to do; a lead may give up an upload | `test_signing.py`, `test_web_signing.py` |
| signing over images that could not be scored | signed without a word | asks for a reason, which stands in the report | `test_signing.py` |
| a model folder whose card, graph, golden images or split are exchanged, the weights being the same | of 42 numbers of a card, each changed a little in turn, 3 are refused, and 39 open under the same id | 3 are refused, and none opens under the same id; each number is bounded; of all files only the time of training and the names of files and people do not count | `test_model_id.py` |
| an API token after another password, an admin's reset, or the account off and on again | works | 401, for good | `test_accounts.py` |
| a form for the first account under a guessed link | a hash of 64 MiB each | refused before any hash; ten a minute for an address | `test_accounts.py` |
| many passwords at once | as many hashes of 64 MiB as there are threads | two at a time; who waits over 5 s is told to come back (429) | `test_accounts.py` |

## Contact

Nobody is told anything. `tests/cli/test_no_contact.py` runs commands, the server and its worker under `strace`, in an environment without `CI`, and finds no look-up of a name, no connection beyond this computer but to a hub that is asked for, and no file of others in the home but lists of fonts (Matplotlib, fontconfig) and the log of a transfer to or from the hub. Each library that could, by itself (the first two seen under `strace`, the others by their documentation) and as LeukNet starts it:

| library | by itself | within LeukNet |
|---|---|---|
| ONNX Runtime 1.32 | an id of the device in `~/.cache/Microsoft` at import; asks for `mobile.events.data.microsoft.com` from 9 s after it on, 16 times in 75 s | neither: `ORT_DISABLE_TELEMETRY=1`, set in `leuknet/__init__.py`, in the container and in the service |
| Ray 2.60, reports of usage switched off | finds its address by way of 8.8.8.8, asks the metadata hosts of three clouds (two connections, one look-up) and listens on the network | reaches and listens to 127.0.0.1 alone; with `--address` your cluster does as it was started |
| huggingface_hub | nothing before `push`, `pull` or `pretrained=true` | the same; `HF_HUB_DISABLE_TELEMETRY=1` too |
| timm | nothing; weights come by the hub, if `pretrained=true` | the same |
| WeasyPrint | would fetch what a page names | may fetch nothing; an address in a page is an error |
| Matplotlib | a list of the computer's fonts in the user's cache | the same |

## What was not tried

Other browsers than chromium. More than one computer. Hours of load. A container. Screen readers by people who need them: pages pass axe-core (WCAG 2 A and AA), light and dark, which finds what a program can find.
"""


if __name__ == "__main__":
    main()
