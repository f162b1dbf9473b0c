"""The layers of a network, as a table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LayerRow:
    """One line of a network's layer table.

    Attributes
    ----------
    output_shape
        (channels, height, width), or (features,) after flattening.
    parameters
        Trained values.
    gflop
        Cost of one image, forward, in 1e9 floating-point operations; a multiplication and an addition
        count as two.
    """

    number: int
    name: str
    kind: str
    detail: str
    output_shape: tuple[int, ...]
    parameters: int
    gflop: float
