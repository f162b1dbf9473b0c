"""The paper's recipe at sizes that a laptop finishes in minutes; what differs is named here and only here.

Claim: none. It shows that the whole way works; its scores on simulated cells say nothing about patients.
Cost: a minute of training on two cores.
Command: `make demo`, or `leuknet reproduce paper --demo`; on other cells `leuknet train leuknet-demo --data
ROOT`.
"""

from __future__ import annotations

from dataclasses import replace

from leuknet.recipes.leuknet_paper import LEUKNET_PAPER

LEUKNET_DEMO = replace(
    LEUKNET_PAPER,
    name="leuknet-demo",
    claim="none: reduced sizes, for trying the software",
    image_size_px=64,  # the paper's 224 cost twelve times as much per image
    batch_size=32,  # a quarter of the images in batches of a quarter: as many steps as in the paper
)
