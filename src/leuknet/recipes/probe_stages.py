"""A linear probe on the middle of EfficientNet-Lite0: grain and texture as ImageNet taught them.

Claim: AUROC 0.879 (0.497 to 0.982) on people of C-NMC who neither taught it nor chose its kind, in rounds
over 26 people; cell area alone has 0.849, and seven healthy people cannot tell these apart (docs/results.md).
Cost: one pass of 1.1 GFLOP for each image, whatever the number of epochs.
Command: `leuknet train probe-stages --data C-NMC_ROOT --protocol official --out runs/stages`.

As `probe-lite0`, but for four things. The network sees the middle of the canvas as it is, 300 pixels that
nobody has resized: what tells new people's cells apart is finer than what is left of it at half the scale.
Features are the mean answers of the maps of stages 2 to 5, each standardised, and not of the last stage,
which knows whole objects. All people of a class come up equally often, so that one person's 757 cells do not
decide. And weights are held small: few people tell few weights apart.
"""

from __future__ import annotations

from dataclasses import replace

from leuknet.recipes.probe_lite0 import PROBE_LITE0

PROBE_STAGES = replace(
    PROBE_LITE0,
    name="probe-stages",
    claim="AUROC 0.879 (0.497 to 0.982) on real people who neither taught nor chose, over 26 people",
    network_options={"frozen": True, "stages": [2, 5], "dropout": 0.0},
    crop_px=300,
    image_size_px=300,
    sampling="subject-balanced",
    keep="last",
    epochs=100,
    optimizer="adam",
    # Of both outputs; in logistic regression, which has one, this is C = 0.01 with 3,000 cells.
    weight_decay=0.07,
)
