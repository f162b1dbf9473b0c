"""Writes `docs/scale.md` from `results/scale.json`: how to score many images, and what it costs.

`bench/scale.py` measures, then calls this; `bench/scale.py --render` only calls this.

Nothing is measured here, and no measured number of the page is typed by hand. What is an assumption says so.
Start at `render`.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from leuknet.evaluation.summary import markdown_table

BILLION = 1_000_000_000
SHARD_IMAGES = 10_000
NODE_CORES = 64
NODE_FAILURES_PER_HOUR = 1e-3


def write_page(found: Mapping[str, Any], page: Path) -> None:
    """Write the page; see `render`."""
    page.write_text(render(found), encoding="utf-8")


def render(found: Mapping[str, Any]) -> str:
    """Return the page.

    Parameters
    ----------
    found
        As `bench/scale.py` writes it.
    """
    parts = (_HEAD, _measured(found), _HOW, _EXACTLY_ONCE, _SOURCES, _CLUSTER, _plan(found), _SHORT)
    blocks = "\n\n".join(part.strip("\n") for part in parts).split("\n\n")
    return "\n\n".join(map(_wrapped, blocks)) + "\n"


_HEAD = """
# Many images

Written by `bench/scale.py` (`studies/scale_page.py`) from `results/scale.json`; not edited by hand. Research software, not a
medical device.

`leuknet batch` scores any number of single-cell images on all cores of a machine, or of a cluster. It gives each image
the score and the warnings that `leuknet predict` gives it, and it can be stopped or killed at any time: the same command
goes on. For less than about 10,000 images, `leuknet predict` is simpler and starts at once.

    leuknet batch my-cells --model runs/paper/model --out scores.parquet
    leuknet batch 'plates/*/cells' shards/*.tar more.parquet --model runs/paper/model --out scores.csv --workers 8

It needs Ray: `pip install 'leuknet[batch]'`.
"""

_HOW = """
## How it runs

1. The sources are listed into `scores.parquet.job/plan.jsonl`, one chunk of work a line: some 256 image files
   (`--chunk-size`), one tar shard, or one row group of a Parquet file. A chunk's name is a hash of the names, sizes and
   times of change of its files.
2. Ray Data gives each worker one chunk after the other. A worker loads the model once, scores its chunk as
   `leuknet predict` does, and writes one file, `scores.parquet.job/parts/<chunk>.parquet`. Only counts travel back.
3. When all chunks have their part, the parts are merged into the table: each content once, lines sorted by name. Further
   names of the same content (the same bytes) are in `scores.copies.csv`, with the name that was kept.

Outcomes and warnings are counted at the end, as `leuknet predict` does it.
The table has the columns of `leuknet predict` and `sha256`, the hash of the image's bytes; it is empty where these could
not be read. A name that begins with `=`, `+`, `-` or `@` is written as it is, as `leuknet predict` does: open a CSV of
names that you do not trust as text, not in a spreadsheet. Bytes of a name that are no UTF-8 are written as `\\udc..`.

Exit status: 0 done, 2 if an image has no score (the table is whole; the first 20 names are on standard error), 130 after
Ctrl-C. The job folder may be removed when the table is there; while it stays, the same command does only what is new.
"""

_EXACTLY_ONCE = """
## What "exactly once" means here

**Every image that is listed has one line in the table, or is named as a copy of one, whatever was killed.** A chunk may
be scored twice, but it has one part: a part appears under its name only when it is whole, and two workers that do the
same chunk write the same lines. Nobody keeps a list of what is done: what is done is what lies in the folder, and a part
is read through, with the checksums of its pages, before it is trusted.

| what happens | what follows |
|---|---|
| a worker is killed or runs out of memory | Ray starts another, which does the chunk again |
| a chunk has killed five workers | it is left out; the others are finished, then the run ends with an error that names its files |
| the command is killed (`kill -9`, power, Ctrl-C) | the same command does what is missing |
| a part is cut off or damaged | it is done again |
| a file is added, changed or removed | its chunk is done again, no other; parts of what is gone stay in the folder, unused |
| the model, `--batch-size` or `--chunk-size` differ | refused: name another `--out`, or remove the job folder |
| a second command on the same `--out` | refused while the first one runs |
| an image is broken | one line with its error |
| a file of a store cannot be read | three tries, then a line with its error; `--read-again` does such chunks again |
| a shard is cut off or damaged | lines for the images before the damage, and one line that says so |

The same sources, model and settings give the same bytes of the table, in whatever order workers finish and whatever was
killed. Tests do this with `kill -9` of a worker and of the command (`tests/test_batch.py`).

Limits:

- A killed worker loses the chunk at hand: some hundred files, one row group, or one whole shard.
- A file that is changed while the run reads it gets a line for what was read then; the next run notices the change.
- A store that states neither time nor tag of a file lets a change of the same size go unnoticed.
- Scores of one image in two differently composed batches may differ in the seventh digit, as they may in `leuknet predict`.
- The job folder's lock works on one machine, and on shared folders that support `flock`.
- A part is renamed into place, but not forced onto the disk: after a power cut some may be damaged, and are done again.
- After `kill -9` of the command its workers end within seconds, two small agents of Ray within two minutes; a folder
  `ray-*` of a few megabytes stays in the system's folder for temporary files.
"""

_SOURCES = """
## Sources

| source | what is read |
|---|---|
| a folder | all `.bmp`, `.png`, `.jpg`, `.tif` in it and in its folders, shards, and Parquet files that hold images |
| a glob, in quotes | files and folders that match; `**` is any number of folders |
| a file | an image, whatever its suffix |
| `.tar`, `.tar.gz`, `.tgz` | members that are images, as a stream; nothing is extracted |
| `.parquet` | a column `bytes` or `image` of bytes, or of `{bytes, path}` as Hugging Face writes it; `path`, `name` or `id` names the rows |

Each may be a path or an address that [fsspec](https://filesystem-spec.readthedocs.io) knows, such as `s3://bucket/cells`;
if a driver is missing, the error has the line that installs it. Access rights come from the environment, as the driver
documents it. Tests read from a server with S3's API and from one with HTTP; other stores were not tried. A member of `a.tar` is called `a.tar/member` in the table, a row of `t.parquet` `t.parquet/name`, or
`t.parquet/row-12` where it has no name.

Links and devices in a shard, and members whose names lead out of it, become lines with an error and are never followed.
No pickle is read from anything.

A shard is one chunk and goes to one worker, so use at least a few shards for each worker. Parquet files are shared out by
row group: some hundred to some thousand images in each.
"""

_CLUSTER = """
## Clusters

    leuknet batch /shared/cells --model /shared/model --out /shared/scores.parquet --address auto

Start it on a node of the cluster. Every node needs the same LeukNet, and must see the sources, the model and the folder of `--out` under the same names: a
shared folder with absolute paths, or for sources a store. `--out` itself must be a path. Without `--workers`, all cores of the cluster work.
Whoever can reach a cluster's ports may run code on it, unless it was started with Ray's token authentication. Without
`--address`, each run has a secret token of its own, and Ray reaches and listens to this computer alone. This was not
measured here on more than one machine.
"""

_SHORT = """
## Where it falls short

- The merge runs in one process. Beyond some ten million images it should be done as planned above, which is not written.
- The command itself needs about half a kilobyte of memory for each chunk (an estimate): no matter for shards, some gigabytes for a
  billion loose files.
- A folder with a million files in it takes about 100 MB while it is listed (an estimate); a store's folder more, as its driver holds
  a record of each file.
- A large `.tar` is not divided: a run's end may wait for the worker that has the last one.
- The bar moves by chunks, so it stands still while shards are read.
"""


def _measured(found: Mapping[str, Any]) -> str:
    alone = [
        (
            f"{one['images']:,}",
            str(one["threads"]),
            _seconds(one["seconds"]),
            _rate(one),
            _milliseconds(one),
            f"{one['cores_of_others']:.1f}",
            f"{one['peak_rss_mb']:,}",
        )
        for one in found["in_process"]
    ]
    shared = [
        (
            f"{one['images']:,}",
            str(one["workers"]),
            _seconds(one["seconds"]),
            _rate(one),
            _milliseconds(one),
            f"{one['cores_of_others']:.1f}",
            _seconds(one["start_seconds"]),
            _seconds(one["rerun_seconds"]),
            f"{one['driver_peak_rss_mb']:,}",
            f"{one['worker_peak_rss_mb']:,}",
            f"{one['ray_peak_rss_mb']:,}",
            f"{one['table_bytes'] / 1e6:,.2f}",
            f"{one['job_bytes'] / 1e6:,.1f}",
        )
        for one in found["batch"]
    ]
    heads = (
        "images", "workers", "s", "images/s", "ms of a core per image", "cores that others took",
        "s to the first part", "s of a rerun", "MB: command", "MB: a worker", "MB: Ray's own", "table, MB",
        "job folder, MB",
    )  # fmt: skip
    lines = [
        "## What it costs, measured",
        "",
        f"{found['machine']}; load before the run {found['load_average_before']}; {found['measured_at'][:10]}, Ray "
        f"{found['versions']['ray']}. Simulated cells as PNG files of 450 x 450 pixels and {found['mean_image_bytes'] / 1e3:.0f} kB on",
        f"average, all different; the paper's network with {found['image_size_px']} px, so that reading takes longer than computing. Files were",
        "read from the system's memory. One run of each; memory is the peak of each process, and what processes share is",
        "counted in each. A rerun finds all done: it lists, reads the parts through and merges. The machine has "
        f"{found['cores']} cores and was",
        "shared with other work, which took what the column says; Ray's workers give way to it (they run with nice 15). What a",
        "core computes for an image (start-up included) depends on this far less than images/s do.",
        "",
        markdown_table(heads, shared),
        "",
        "Without Ray, in one process (`predict_files`), files decoded in two threads beside the model's:",
        "",
        markdown_table(
            (
                "images",
                "threads of the model",
                "s",
                "images/s",
                "ms of a core per image",
                "cores that others took",
                "MB",
            ),
            alone,
        ),
        "",
        *_findings(found),
    ]
    return "\n".join(lines)


def _findings(found: Mapping[str, Any]) -> list[str]:
    alone = {one["images"]: one for one in found["in_process"] if one["threads"] == 1}
    by = {(one["images"], one["workers"]): one for one in found["batch"]}
    shown = []
    spent = []
    for n in (n for n in alone if (n, 1) in by and (n, 2) in by):
        plain, one, two = (each["cpu_seconds"] for each in (alone[n], by[n, 1], by[n, 2]))
        spent.append((plain, one, two))
        shown.append(
            f"- {n:,} images take {plain:,.0f} s of a core in one process, {one:,.0f} s with Ray and one worker, {two:,.0f} s with two."
        )
    if any(min(one, two) < plain for plain, one, two in spent):
        shown.append(
            "- What handing out costs beyond Ray's start is less than such runs differ by: with more images it took less, not more."
        )
    most = max(n for n, workers in by if workers == 1)
    one, two = by[most, 1], by[most, 2]
    gain = one["seconds"] / two["seconds"]
    shown.append(
        f"- {most:,} images took {one['seconds']:,.0f} s with one worker and {two['seconds']:,.0f} s with two: on {found['cores']} cores a second worker "
        f"gains {'nothing' if gain < 1.05 else f'{gain - 1:.0%}'}; one alone, with the threads that read for it, kept {one['cpu_seconds'] / one['seconds']:.1f} of them busy."
    )
    starts = [one["start_seconds"] for one in found["batch"]]
    shown.append(
        f"- The first part is there after {min(starts):.0f} to {max(starts):.0f} s, most of which is Ray's start: below some thousand images, "
        "`leuknet predict` is quicker."
    )
    first, last = _ends(found)
    shown.append(
        f"- From {first['images']:,} to {last['images']:,} images with two workers, the command's memory grows by "
        f"{last['driver_peak_rss_mb'] - first['driver_peak_rss_mb']:,} MB (lines in the merge, at most"
        " half a million at a time) and a worker's by "
        f"{last['worker_peak_rss_mb'] - first['worker_peak_rss_mb']:,} MB."
    )
    return shown


def _ends(found: Mapping[str, Any]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    two = sorted((one for one in found["batch"] if one["workers"] == 2), key=lambda one: int(one["images"]))
    return two[0], two[-1]


def _core_rate(found: Mapping[str, Any]) -> float:
    """Images that a core scores in a second of computing, beyond what every run takes to begin."""
    first, last = _ends(found)
    return float((last["images"] - first["images"]) / (last["cpu_seconds"] - first["cpu_seconds"]))


def _plan(found: Mapping[str, Any]) -> str:
    _, last = _ends(found)
    table, job = last["table_bytes"] / last["images"], last["job_bytes"] / last["images"]
    shards = BILLION // SHARD_IMAGES
    paper = found["paper_images_per_s_two_cores"] / 2
    rates = (
        (f"the network measured above, {found['image_size_px']} px", _core_rate(found)),
        ("the paper's network, 224 px", paper),
    )
    rows = []
    for name, rate in rates:
        hours = BILLION / rate / 3600
        nodes = hours / NODE_CORES
        rows.append((name, f"{rate:,.1f}", f"{hours:,.0f}", f"{nodes:,.0f}", f"{hours:,.0f} P"))
    hours = BILLION / paper / 3600 / NODE_CORES
    lost = hours * NODE_FAILURES_PER_HOUR * NODE_CORES * SHARD_IMAGES / paper / 2 / 3600
    lines = [
        "## A plan for 1,000,000,000 images, on paper",
        "",
        "Nothing of this section was run. It multiplies what was measured on two cores; where it rests on anything else, it",
        "says so.",
        "",
        f"**Images.** BMP files of 450 x 450 pixels, as C-NMC is published, have 608 kB: 608 TB. PNG files as measured above have "
        f"{found['mean_image_bytes'] / 1e3:.0f} kB:",
        f"{found['mean_image_bytes'] * BILLION / 1e12:,.0f} TB; real cells have more texture than simulated ones, and need more.",
        "",
        f"**Shards.** Tar or Parquet with {SHARD_IMAGES:,} images each: {shards:,} shards of {found['mean_image_bytes'] * SHARD_IMAGES / 1e9:,.1f} GB (PNG), in a store. Parquet with",
        "row groups of 1,000 images shares out more finely, and its row groups are read alone. Loose files are the wrong form:",
        "",
        "| | loose files | shards |",
        "|---|---|---|",
        f"| chunks | {BILLION // 256:,} | {shards:,} |",
        f"| requests to list, 1,000 names each | {BILLION // 1000:,} | {shards // 1000:,} |",
        f"| time to list, assuming 0.1 s a request, one after the other | {BILLION / 1000 * 0.1 / 3600:,.0f} h | {shards / 1000 * 0.1:,.0f} s |",
        f"| requests to read | {BILLION:,} | {shards:,} and more for parts of a shard |",
        "| plan, assuming 150 bytes a file | 150 GB | 15 MB |",
        "",
        f"**Work.** Assumed: every core of the cluster does what one of the two cores did here ({found['machine']}), and",
        f"the store delivers. A node is one with {NODE_CORES} cores; P is the price of a core hour.",
        "",
        markdown_table(
            ("", "images/s of a core", "core hours", f"node hours ({NODE_CORES} cores)", "cost"), rows
        ),
        "",
        f"The paper's network: {found['paper_images_per_s_two_cores']:.0f} images/s on two cores, from files, as [performance.md](performance.md) has it. In general",
        "",
        "    cost = images / (images per second of a core) / 3600 x P + storage + requests",
        "",
        f"To be done in a day, {BILLION / paper / 86400:,.0f} cores are needed for the paper's network, which read {BILLION / 86400 * found['mean_image_bytes'] / 1e9:,.2f} GB/s of PNG between",
        "them.",
        "",
        f"**Results.** A line of the table took {table:,.0f} bytes in Parquet here, of which 32 and more are the hash and cannot shrink; longer",
        f"names and more warnings take more. {table * BILLION / 1e9:,.0f} GB for the table; the parts and the plan took {job:,.0f} bytes an image with loose",
        "files, and take less with shards.",
        "",
        "**The final merge.** One process, as the command does it, goes through the hashes once for each half million lines: two",
        "thousand times, which is too often. With the same Ray cluster instead:",
        "",
        "1. Each worker reads some parts and writes their lines into 4,096 files by the first three digits of the hash: some",
        "   250,000 lines in each, a few hundred MB of memory.",
        "2. Each such file is made free of copies by itself, since all copies of a content are in the same one, and its lines",
        "   are written again into 4,096 ranges of names, cut at quantiles of a sample.",
        "3. Each range is sorted by itself. The table is the 4,096 files in their order; one file would help nobody.",
        "",
        f"That reads and writes the lines three times, about {6 * 150 * BILLION / 1e12:.1f} TB at an assumed 150 bytes a line: minutes on some ten nodes.",
        "",
        f"**Failures.** Assumed: a node fails once in {1 / NODE_FAILURES_PER_HOUR:,.0f} hours. The paper's network then meets {hours * NODE_FAILURES_PER_HOUR:.1f} failures in the whole",
        f"work, each of which costs half a shard on each of {NODE_CORES} cores: {lost:,.1f} core hours of {BILLION / paper / 3600:,.0f}. In general",
        "",
        "    core seconds lost = failures x cores of a node x images of a chunk / (2 x images per second of a core)",
        "",
        "If the head node fails, the command is given again. With a share b of broken images there are b x 1,000,000,000 lines",
        "with an error; a share of even one in a million is a thousand lines to look at.",
    ]
    return "\n".join(lines)


def _wrapped(block: str) -> str:
    """Break the lines of a paragraph anew; tables, lists, headings and code stay as they are."""
    if block.startswith(("|", "#", "-", "    ", "1.")):
        return block
    return textwrap.fill(block.replace("\n", " "), 120, break_long_words=False, break_on_hyphens=False)


def _seconds(value: float) -> str:
    return f"{value:,.1f}" if value < 100 else f"{value:,.0f}"


def _milliseconds(one: Mapping[str, Any]) -> str:
    return f"{1000 * one['cpu_seconds'] / one['images']:,.1f}"


def _rate(one: Mapping[str, Any]) -> str:
    return f"{one['images'] / one['seconds']:,.0f}"
