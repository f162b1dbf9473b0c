"""`leuknet batch` on images that lie behind real servers: S3's API, and HTTP."""

from __future__ import annotations

import functools
import http.server
import os
import re
import shutil
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

import leuknet
from leuknet.inference.predict import predict_files

PASSWORDS = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}


@pytest.fixture(scope="module")
def folder(mini_reproduction: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve cells in a folder, the last four of them in a shard."""
    home = tmp_path_factory.mktemp("remote")
    cells = sorted((mini_reproduction / "data").rglob("*.bmp"))[:12]
    for number, cell in enumerate(cells):
        shutil.copy(cell, home / f"cell {number:02d}.bmp")
    with tarfile.open(home / "shard.tar", "w") as shard:
        for number in range(8, 12):
            shard.add(home / f"cell {number:02d}.bmp", f"cell {number:02d}.bmp")
            (home / f"cell {number:02d}.bmp").unlink()
    return home


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server that speaks S3's API, as a process of its own."""
    pytest.importorskip("s3fs", reason="s3fs is not installed")
    pytest.importorskip("moto", reason="moto is not installed")
    log = tmp_path_factory.mktemp("s3") / "server.log"
    program = "from moto.server import main; main(['-p', '0', '-H', '127.0.0.1'])"
    with log.open("w") as stream:
        server = subprocess.Popen([sys.executable, "-c", program], stderr=stream)
    try:
        deadline = time.monotonic() + 60
        while not (found := re.search(r"http://127\.0\.0\.1:\d+", log.read_text())):
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        yield found[0]
    finally:
        server.kill()
        server.wait()


@pytest.fixture(scope="module")
def web(folder: Path) -> Iterator[str]:
    """The address of an HTTP server that serves the folder."""
    pytest.importorskip("aiohttp", reason="aiohttp is not installed")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=folder)
    ) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_images_of_a_bucket_and_a_shard_of_a_web_server_are_scored_as_local_ones_are(
    folder: Path, s3: str, web: str, mini_reproduction: Path, tmp_path: Path
) -> None:
    model, out = mini_reproduction / "run" / "model", tmp_path / "scores.parquet"
    environment = {**os.environ, **PASSWORDS, "AWS_ENDPOINT_URL": s3}
    upload = (
        "import s3fs, sys; store = s3fs.S3FileSystem(); store.mkdir('cells'); "
        "store.put(sys.argv[1] + '/', 'cells/plate 1/', recursive=True); "
        "store.rm('cells/plate 1/shard.tar'); "
        "store.pipe('cells/plate 1/broken.png', b'no image')"
    )
    subprocess.run([sys.executable, "-c", upload, folder], env=environment, check=True, timeout=120)
    command = [
        "batch",
        "s3://cells/plate 1",
        f"{web}/shard.tar",
        "--model",
        model,
        "--out",
        out,
        "--workers",
        "2",
    ]

    done = subprocess.run(
        [sys.executable, "-m", "leuknet", *map(str, command)],
        env=environment, capture_output=True, text=True, timeout=280,
    )  # fmt: skip

    assert done.returncode == 2, done.stderr  # for the broken one
    table = pl.read_parquet(out)
    assert table.height == 13
    broken = table.filter(pl.col("error").is_not_null())
    assert broken["path"].to_list() == ["s3://cells/plate 1/broken.png"]
    with tarfile.open(folder / "shard.tar") as shard:
        shard.extractall(tmp_path / "shard", filter="data")
    predictor = leuknet.load(model)
    local = [*sorted(folder.glob("*.bmp")), *sorted((tmp_path / "shard").glob("*.bmp"))]
    expected = {Path(one.path).name: one.probability for one in predict_files(predictor, local)}
    scored = table.filter(pl.col("error").is_null())
    found = {Path(path).name: p for path, p in zip(scored["path"], scored["probability"], strict=True)}
    assert found == pytest.approx(expected, abs=1e-6)
    assert sum(path.startswith("http://") for path in scored["path"]) == 4
