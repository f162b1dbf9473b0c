"""Commands and the server tell nobody anything: strace watches each connection and look-up, and no library
leaves a file of its own in the user's home.

Everything runs in a clean environment: `CI` alone would silence ONNX Runtime.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from tests.api_rooms import crop_png
from tests.cli.test_cli import TINY
from tests.cli.test_extras import LEAVES, RUN_ALL, usual_commands, write_what_they_read
from tests.conftest import REPOSITORY
from tests.fake_hub import TOKEN
from tests.rooms import running_room
from tests.web.test_reliability import Lab, upload

STRACE = shutil.which("strace")


def can_watch() -> bool:
    """Whether this machine lets a process watch another; some containers do not."""
    return STRACE is not None and subprocess.run([STRACE, "-o", os.devnull, "true"]).returncode == 0


pytestmark = pytest.mark.skipif(
    not can_watch(), reason="strace is not installed (apt install strace), or may not"
)

REPEATED = {
    *("audit", "benchmark", "ensemble", "reproduce", "tune"),
    *("cells", "data fields", "data show", "data simulate", "data split", "data verify"),
    *("evaluate", "report", "store restore"),
}
"""Commands left out: they take long, and do with the same libraries what others here do."""

ROOM = {"serve", "worker"}

KNOWN = {".cache/fontconfig", ".cache/huggingface", ".cache/matplotlib", ".config/matplotlib"}
"""Lists of fonts, which Matplotlib and Pango make once; a log of what `push` and `pull` sent."""


def watch(trace: Path) -> list[str]:
    """The words before a command that write down whom it, and all that it starts, wants to reach."""
    calls = "trace=connect,sendto,sendmsg,sendmmsg"
    return [str(STRACE), "-f", "--seccomp-bpf", "-s", "200", "-e", calls, "-o", str(trace)]


def clean(home: Path, **more: str) -> dict[str, str]:
    """An environment in which no variable keeps a library quiet."""
    home.mkdir(exist_ok=True)
    kept = {
        name: os.environ[name] for name in ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH") if name in os.environ
    }
    return kept | {"HOME": str(home), "TMPDIR": str(home.parent), "OMP_NUM_THREADS": "1", **more}


def strangers(trace: Path) -> list[str]:
    """Lines about addresses beyond this machine, and about asking for a name, wherever its server is."""
    lines = [line for line in trace.read_text(errors="replace").splitlines() if "sa_family=AF_INET" in line]
    here = re.compile(r'inet_addr\("127\.|inet_pton\(AF_INET6, "::1"|"::ffff:127\.')
    return [line for line in lines if not here.search(line) or "htons(53)" in line]


def left_behind(home: Path) -> set[str]:
    """Folders and files in the cache and beside it that are not LeukNet's own."""
    places = [*home.glob(".cache/*"), *home.glob(".config/*"), *home.glob(".local/share/*")]
    places += [path for path in home.iterdir() if path.name not in (".cache", ".config", ".local")]
    return {str(path.relative_to(home)) for path in places if path.name != "leuknet"}


@contextmanager
def hub(root: Path) -> Iterator[str]:
    root.mkdir()
    command = [sys.executable, "-m", "tests.fake_hub", str(root)]
    server = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    try:
        yield server.stdout.readline().strip()
    finally:
        server.kill()
        server.communicate()


def scored(client: httpx2.Client) -> int:
    return sum(image["scoring"] is not None for image in client.get("images").json()["items"])


def test_a_stranger_is_seen(tmp_path: Path) -> None:
    """The way of watching works: 192.0.2.1 is an address of nobody (RFC 5737), port 53 asks for names."""
    code = (
        "import socket\nfor address in ('192.0.2.1', 9), ('127.0.0.1', 53), ('127.0.0.1', 9):\n"
        "    socket.socket(type=socket.SOCK_DGRAM).connect(address)"
    )
    trace = tmp_path / "trace"
    subprocess.run(
        [*watch(trace), sys.executable, "-S", "-c", code], env=clean(tmp_path / "home"), check=True
    )

    assert [re.findall(r"htons\((\d+)\)", line) for line in strangers(trace)] == [["9"], ["53"]]


@pytest.mark.timeout(900)
def test_no_command_contacts_anybody(simulated_fold: Path, tmp_path: Path) -> None:
    write_what_they_read(tmp_path)
    words = {
        name: list(map(str, more))
        for name, (_, more) in usual_commands(tmp_path, fold=simulated_fold).items()
    }
    words["train"] += TINY
    words["explain"][-1] += "-maps"
    words["pull"][-1] += "-pulled"
    words["smear"].remove("--no-pdf")
    trace, home = tmp_path / "trace", tmp_path / "home"
    assert {*words} == LEAVES
    lines = {name: [*name.split(), *more] for name, more in words.items() if name not in REPEATED | ROOM}
    with hub(tmp_path / "hub") as address:
        ended = subprocess.run(
            [*watch(trace), sys.executable, "-c", RUN_ALL],
            input=json.dumps(lines),
            capture_output=True,
            text=True,
            env=clean(home, HF_ENDPOINT=address, HF_TOKEN=TOKEN, CUDA_VISIBLE_DEVICES=""),
        )
    answers = json.loads(ended.stdout.splitlines()[-1])

    assert {name: answer for name, answer in answers.items() if answer[0] != 0} == {}
    assert strangers(trace) == []
    assert left_behind(home) <= KNOWN


@pytest.mark.timeout(900)
def test_the_server_and_its_worker_contact_nobody(tmp_path: Path) -> None:
    lab, trace, home = Lab(tmp_path / "room"), tmp_path / "trace", tmp_path / "home"
    model = REPOSITORY / "tests" / "golden" / "run" / "model"
    words = [*watch(trace), "-D", "env", "-i", *(f"{name}={value}" for name, value in clean(home).items())]
    with (
        running_room(lab.folder, "--model", str(model), before=words) as room,
        lab.client("Lea", room.address) as client,
    ):
        assert upload(client, "cell.png", crop_png(99)).status_code in (200, 201)
        end = time.monotonic() + 200
        while scored(client) < 13:
            assert time.monotonic() < end
            time.sleep(0.2)

    assert strangers(trace) == []
    assert left_behind(home) <= KNOWN
