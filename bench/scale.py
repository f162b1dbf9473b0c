"""Measures what `leuknet batch` costs as the number of images grows, and writes `results/scale.json`.

    .venv/bin/python bench/scale.py             # 25 minutes on two quiet cores
    .venv/bin/python bench/scale.py --render    # only writes docs/scale.md from results/scale.json

Images are simulated cells, as PNG files of 450 x 450 pixels that all differ in their bytes. The network is
the paper's with 32 px, fresh after one epoch: scores mean nothing, and reading costs more than computing,
which is the hard case for whoever hands out work. Each figure is of a process of its own. The files were just
written, so that they are read from memory: a disk or a network is not measured. What other processes of the
machine take meanwhile is noted, and the time that ours compute, which depends less on them.

Start at `main`; studies/scale_page.py writes the page.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from worker import peak_kb, peak_rss_mb

REPOSITORY = Path(__file__).resolve().parents[1]
RESULTS = REPOSITORY / "results" / "scale.json"
SIZES = (1_000, 10_000, 100_000)
IN_PROCESS_MOST = 10_000
"""Above, what is not shared out is not measured: it takes the same time for each image."""

IMAGE_SIZE_PX = 32
_FOLDER_SIZE = 1_000


def main() -> None:
    """Measure, or do one measurement as a process of its own, or write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, metavar="N")
    parser.add_argument("--home", type=Path, help="where images lie and stay, instead of a temporary folder")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--render", action="store_true", help="only write the page")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.child:
        print(json.dumps(_measure_here(**json.loads(wanted.child))))  # noqa: T201 - read by `_in_child`
        return
    if not wanted.render:
        if wanted.home:
            measure(sorted(wanted.sizes), wanted.home, out=wanted.out)
        else:
            with tempfile.TemporaryDirectory(prefix="leuknet-scale-") as home:
                measure(sorted(wanted.sizes), Path(home), out=wanted.out)
    sys.path.insert(0, str(REPOSITORY / "studies"))
    from scale_page import write_page

    write_page(json.loads(wanted.out.read_text(encoding="utf-8")), REPOSITORY / "docs" / "scale.md")


def measure(sizes: list[int], home: Path, *, out: Path, workers: Sequence[int] = (1, 2)) -> None:
    """Measure every size with every way, and write the file after each."""
    from leuknet.experiments.reproduce import describe_machine
    from leuknet.training.finish import commit_of_code

    _prepare(home, sizes)
    libraries = ("leuknet", "ray", "fsspec", "pyarrow", "polars", "onnxruntime", "pillow", "numpy")
    found: dict[str, Any] = {
        "commands": [f"python bench/scale.py --sizes {' '.join(map(str, sizes))}"],
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit_of_code(),
        "machine": describe_machine(),
        "cores": os.cpu_count(),
        "load_average_before": round(os.getloadavg()[0], 2),
        "versions": {name: version(name) for name in libraries},
        "image_size_px": IMAGE_SIZE_PX,
        "paper_images_per_s_two_cores": _paper_rate(),
        "mean_image_bytes": round(sum(_sizes(home, sizes[0])) / sizes[0]),
        "in_process": [],
        "batch": [],
    }
    for n in sizes:
        for threads in (1, 2):
            if n <= IN_PROCESS_MOST:
                found["in_process"].append(_in_child(home, n=n, threads=threads))
                _write(found, out)
        for number in workers:
            found["batch"].append(_in_child(home, n=n, workers=number))
            _write(found, out)


def _paper_rate() -> float:
    """Images per second of the paper's network at full size, on two cores, as in docs/performance.md."""
    figures = json.loads((REPOSITORY / "bench" / "results.json").read_text(encoding="utf-8"))["figures"]
    (figure,) = (figure for figure in figures if figure["name"] == "predicting from files")
    return float(figure["sides"]["leuknet (onnx)"]["median"])


def _write(found: dict[str, Any], out: Path) -> None:
    out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def _in_child(home: Path, **arguments: Any) -> dict[str, Any]:
    """Run one measurement in a fresh process, and watch the memory of all processes below it."""
    command = [sys.executable, __file__, "--child", json.dumps({"home": str(home), **arguments})]
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own
    peaks: dict[int, tuple[str, float]] = {}
    cpu: dict[int, float] = {}
    busy = _busy_seconds()
    ended = threading.Event()
    watch = threading.Thread(target=_watch, args=(process.pid, peaks, cpu, ended))
    watch.start()
    said, _ = process.communicate()
    seconds = time.perf_counter() - started
    ended.set()
    watch.join()
    others = (_busy_seconds() - busy - sum(cpu.values())) / seconds
    if process.returncode:
        raise SystemExit(f"{command} ended with {process.returncode}")
    found: dict[str, Any] = json.loads(said.splitlines()[-1])
    below = [(kind, peak) for pid, (kind, peak) in peaks.items() if pid != process.pid]
    workers = [peak for kind, peak in below if kind == "worker"]
    if workers:
        found["worker_peak_rss_mb"] = round(max(workers))
        found["ray_peak_rss_mb"] = round(sum(peak for kind, peak in below if kind == "ray"))
    return found | {
        "process_seconds": seconds,
        "cpu_seconds": sum(cpu.values()),
        "cores_of_others": round(max(0.0, others), 2),
    }


def _busy_seconds() -> float:
    """Seconds that all cores of this machine were at work, for anybody."""
    first = Path("/proc/stat").read_text(encoding="ascii").splitlines()[0].split()[1:9]
    user, nice, system, _, _, interrupts, soft, _ = map(int, first)
    return (user + nice + system + interrupts + soft) / os.sysconf("SC_CLK_TCK")


def _watch(
    root: int, peaks: dict[int, tuple[str, float]], cpu: dict[int, float], ended: threading.Event
) -> None:
    """Note, every half second, the memory of each process below `root` and the time it has computed."""
    while not ended.wait(0.5):
        for pid in _below(root):
            try:
                title = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
                peak = peak_kb(pid) / 1024
                ticks = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
            except OSError:
                continue  # it has just ended
            cpu[pid] = sum(map(int, ticks.rpartition(")")[2].split()[11:13])) / os.sysconf("SC_CLK_TCK")
            kind = "worker" if "Scorer" in title else "ray"
            if kind == "worker" or pid not in peaks or peaks[pid][0] == "ray":
                peaks[pid] = (kind, peak)


def _below(root: int) -> list[int]:
    parents: dict[int, list[int]] = {}
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            try:
                stat = (place / "stat").read_text(encoding="utf-8", errors="replace")
            except OSError:
                continue
            parents.setdefault(int(stat.rpartition(")")[2].split()[1]), []).append(int(place.name))
    found, waiting = [], [root]
    while waiting:
        process = waiting.pop()
        found.append(process)
        waiting += parents.get(process, [])
    return found


def _measure_here(home: str, n: int, workers: int = 0, threads: int = 0) -> dict[str, Any]:
    import leuknet

    model, images = str(Path(home, "run", "model")), Path(home, f"images-{n}")
    if threads:
        from leuknet.inference.predict import find_images, predict_files
        from leuknet.inference.prediction_table import write_predictions

        started = time.perf_counter()
        predictor = leuknet.load(model, threads=threads)
        lines = predict_files(predictor, find_images([images]), reference=predictor.reference)
        out = Path(home, "predicted.parquet")
        done = write_predictions(lines, out, class_names=predictor.card.class_names)
        assert (done.written, done.failed) == (n, 0)  # noqa: S101
        seconds = time.perf_counter() - started
        return {"images": n, "threads": threads, "seconds": seconds, "peak_rss_mb": round(peak_rss_mb())}
    from leuknet.batch import score_batch

    out = Path(home, f"batch-{n}-{workers}.parquet")
    shutil.rmtree(out.with_name(f"{out.name}.job"), ignore_errors=True)  # of an earlier measurement
    summary = score_batch([str(images)], model, out, workers=workers)
    assert (summary.written, summary.failed, summary.copies) == (n, 0, 0)  # noqa: S101
    again = score_batch([str(images)], model, out, workers=workers)
    job = out.with_name(f"{out.name}.job")
    return {
        "images": n,
        "workers": workers,
        "seconds": summary.seconds,
        "start_seconds": summary.start_seconds,
        "rerun_seconds": again.seconds,
        "driver_peak_rss_mb": round(peak_rss_mb()),
        "table_bytes": out.stat().st_size,
        "parts": len(list((job / "parts").iterdir())),
        "job_bytes": sum(file.stat().st_size for file in job.rglob("*") if file.is_file()),
    }


def _prepare(home: Path, sizes: list[int]) -> None:
    """Draw cells, train a model on them for an epoch, and write as many images as are asked for."""
    from PIL import Image

    from leuknet.data import open_dataset
    from leuknet.recipes import changed, get_recipe
    from leuknet.simulation.simulate import simulate
    from leuknet.training.train import train

    home.mkdir(parents=True, exist_ok=True)
    if not (home / "run" / "model" / "model.json").exists():
        simulate(home / "data", scale=0.04, parts=["fold_0"])
        settings = [f"image_size_px={IMAGE_SIZE_PX}", "batch_size=16", "epochs=1", "balance=false"]
        train(open_dataset(home / "data"), changed(get_recipe("leuknet-paper"), settings), out=home / "run")
    cells = []
    for path in sorted((home / "data").rglob("*.bmp")):
        stream = io.BytesIO()
        Image.open(path).save(stream, "PNG", compress_level=6)
        cells.append(stream.getvalue())
    for n in sizes:
        folder = home / f"images-{n}"
        if folder.exists():
            continue
        for number in range(n):
            path = folder / f"{number // _FOLDER_SIZE:05}" / f"cell-{number:09}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(_numbered(cells[number % len(cells)], number))


def _numbered(png: bytes, number: int) -> bytes:
    """Put a text into a PNG, so that no two have the same bytes."""
    body = b"tEXt" + f"number\0{number}".encode("ascii")
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return png[:-12] + chunk + png[-12:]


def _sizes(home: Path, n: int) -> list[int]:
    return [image.stat().st_size for image in (home / f"images-{n}").rglob("*.png")]


if __name__ == "__main__":
    main()
