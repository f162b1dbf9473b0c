"""Runs one peer in a process of its own: one line of JSON in, one line out.

    python bench/worker.py PEER SETUP.json
    {"job": "forward", "n": 16}  ->  {"seconds": 2.1, "answer": [...], "peak_rss_mb": 812.0}

So each has its own threads and its own memory. Whatever a library prints goes to standard error.
Start at `PEERS`.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

PEERS: dict[str, tuple[str, str, dict[str, str]]] = {
    "leuknet": ("peers.ours", "open_peer", {"engine": "torch"}),
    "leuknet (onnx)": ("peers.ours", "open_peer", {"engine": "onnx"}),
    "plain PyTorch": ("peers.plain", "open_peer", {}),
    "Keras": ("peers.in_keras", "open_peer", {}),
    "timm resnet18": ("peers.others", "open_timm", {"name": "resnet18"}),
    "timm efficientnet_lite0": ("peers.others", "open_timm", {"name": "tf_efficientnet_lite0"}),
    "ONNX Runtime": ("peers.others", "open_onnxruntime", {}),
    "OpenVINO": ("peers.others", "open_openvino", {}),
    "matrix product": ("peers.gemm", "open_peer", {}),
}
"""Name to module, function and its options."""


def main() -> None:
    """Answer lines until there are no more."""
    os.environ["CUDA_VISIBLE_DEVICES"] = ""  # LeukNet would take a GPU by itself, and most peers have none
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # libraries that print must not disturb the answers
    from peers import Setup

    module, function, options = PEERS[sys.argv[1]]
    try:
        peer = getattr(importlib.import_module(module), function)(Setup.read(Path(sys.argv[2])), **options)
    except Exception as error:
        say(answers, {"error": f"{type(error).__name__}: {error}"})
        return
    say(answers, {"ready": True})
    for line in sys.stdin:
        order = json.loads(line)
        try:
            job = getattr(peer, order.pop("job"))
            started = time.perf_counter()
            answer = job(**order)
            seconds = time.perf_counter() - started
        except Exception as error:
            say(answers, {"error": f"{type(error).__name__}: {error}"})
            continue
        say(
            answers,
            {"seconds": seconds, "answer": np.asarray(answer).tolist(), "peak_rss_mb": peak_rss_mb()},
        )


def peak_rss_mb() -> float:
    """Largest resident memory of this process; a loader's workers are processes of their own."""
    return peak_kb("self") / 1024


def peak_kb(process: int | str) -> int:
    """Largest resident memory of a process until now, by its number; 0 for one that is ending.

    Not `getrusage`, which starts from the memory of the process that started this one.
    """
    status = Path(f"/proc/{process}/status").read_text(encoding="utf-8", errors="replace")
    lines = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return next((int(line.split()[1]) for line in lines), 0)


def say(answers: Any, content: dict[str, Any]) -> None:
    """Write a line at once."""
    answers.write(json.dumps(content) + "\n")
    answers.flush()


if __name__ == "__main__":
    main()
