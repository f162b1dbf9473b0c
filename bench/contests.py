"""What is measured: each contest is one job, and the peers that do it.

Start at `CONTESTS`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PLAIN, KERAS = "plain PyTorch", "Keras"
TIMM = ("timm resnet18", "timm efficientnet_lite0")
GRAPHS = ("ONNX Runtime", "OpenVINO")
PEAK = "matrix product"


@dataclass(frozen=True)
class Contest:
    """One figure.

    Attributes
    ----------
    name, job, n
        What peers are asked for, and how many images it takes.
    ours
        LeukNet's form that all others are divided by; further forms stand among `peers`.
    peers
        Who takes part.
    unit
        How a time is shown.
    images
        `cells`, or `frames` without a black margin.
    flop
        Whether the arithmetic of the network dominates, and which: then the share of the peak is stated.
    tolerance
        How far apart probabilities, losses or means may lie; None compares nothing.
    warm_up
        Images of a first round that is not counted; None takes as many as `n`, 0 leaves that round out.
    rounds
        Counted rounds; None takes those of the run.
    """

    name: str
    job: str
    ours: str
    peers: tuple[str, ...]
    n: int
    unit: Literal["ms/image", "images/s"] = "ms/image"
    images: str = "cells"
    flop: Literal["forward", "training"] | None = None
    tolerance: float | None = 1e-4
    warm_up: int | None = None
    rounds: int | None = None


CONTESTS = (
    Contest(
        "training step, 16 images",
        "training_step",
        "leuknet",
        (PLAIN, KERAS, *TIMM),
        16,
        flop="training",
        tolerance=0.01,
    ),
    Contest(
        "training step, 128 images",
        "training_step",
        "leuknet",
        (PLAIN,),
        128,
        flop="training",
        tolerance=0.01,
        warm_up=16,
        rounds=2,
    ),
    Contest(
        "training from end to end",
        "training",
        "leuknet",
        (PLAIN, KERAS),
        0,
        unit="images/s",
        tolerance=None,
        warm_up=0,
        rounds=2,
    ),
    Contest(
        "forward, 16 images",
        "forward",
        "leuknet (onnx)",
        ("leuknet", PLAIN, KERAS, *GRAPHS, *TIMM),
        16,
        flop="forward",
    ),
    Contest(
        "predicting from files",
        "predicting",
        "leuknet (onnx)",
        ("leuknet", PLAIN, KERAS, *GRAPHS, *TIMM),
        64,
        unit="images/s",
    ),
    Contest("decoding and resizing", "decoding", "leuknet", (PLAIN,), 64, tolerance=0.05),
    Contest(
        "training step, frames without a black margin",
        "training_step",
        "leuknet",
        (PLAIN,),
        16,
        images="frames",
        flop="training",
        tolerance=0.01,
    ),
    Contest(
        "forward, frames without a black margin",
        "forward",
        "leuknet (onnx)",
        ("leuknet", PLAIN, *GRAPHS),
        16,
        images="frames",
        flop="forward",
    ),
)
