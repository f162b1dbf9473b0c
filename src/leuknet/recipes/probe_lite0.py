"""A linear probe without a network: EfficientNet-Lite0 as ImageNet left it, and one layer that learns.

Claim: none on C-NMC, which has not been measured; docs/results.md has simulated cells.
Cost: one pass of 0.8 GFLOP for each image, whatever the number of epochs.
Command: `leuknet train probe-lite0 --data C-NMC_ROOT --protocol official --out runs/probe`.

In all else as `probe-dinobloom`.
"""

from __future__ import annotations

from dataclasses import replace

from leuknet.recipes.probe_dinobloom import PROBE_DINOBLOOM

PROBE_LITE0 = replace(
    PROBE_DINOBLOOM,
    name="probe-lite0",
    source="LeukNet's own; encoder: EfficientNet-Lite0 with ImageNet weights",
    network="efficientnet-lite0",
)
