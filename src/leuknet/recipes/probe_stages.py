"""A linear probe on the middle of EfficientNet-Lite0: textures as ImageNet taught them, and one layer.

Claim: AUROC 0.853 (0.264 to 0.989) on 910 cells of 14 new people of C-NMC, trained on fold_1 alone (seed 0);
cell area alone has 0.847 there. More than that 14 people do not say.
Cost: one pass of 0.6 GFLOP for each image, whatever the number of epochs.
Command: `leuknet train probe-stages --data C-NMC_ROOT --protocol official --out runs/stages`.

As `probe-lite0`, but for two things: features are the mean answers of the maps of stages 2 to 5, each
standardised, and all people of a class come up equally often, so that one person's 757 cells do not decide.
"""

from __future__ import annotations

from dataclasses import replace

from leuknet.recipes.probe_lite0 import PROBE_LITE0

PROBE_STAGES = replace(
    PROBE_LITE0,
    name="probe-stages",
    claim="AUROC 0.853 (0.264 to 0.989) on 910 cells of 14 new people, trained on fold_1 alone",
    network_options={"frozen": True, "stages": True},
    sampling="subject-balanced",
    keep="last",
    epochs=100,
)
