"""Linear probes: a published encoder stays as it is, and one layer learns from its features.

Claim: none on C-NMC, which has not been measured; docs/results.md has simulated cells for `probe-lite0`.
Cost: one pass of the encoder over all images, whatever the number of epochs: DinoBloom-S (ViT-S/14) has 12
GFLOP for each image, EfficientNet-Lite0 0.8.
Command: `leuknet train probe-dinobloom --data C-NMC_ROOT --protocol official --out runs/probe`. DinoBloom is
fetched once from the Hugging Face hub; `leuknet train probe-lite0 ...` needs no network.

Images are not changed while training, so that features are computed once.
"""

from __future__ import annotations

from dataclasses import replace

from leuknet.recipes.leuknet_plus import LEUKNET_PLUS

PROBE_DINOBLOOM = replace(
    LEUKNET_PLUS,
    name="probe-dinobloom",
    source="LeukNet's own; encoder: Koch et al. (2024), DinoBloom, MICCAI, trained on 13 sets of blood cells",
    network="hf:1aurent/vit_small_patch14_224.dinobloom",
    network_options={"frozen": True},
    rotate_deg=0.0,
    flip=False,
    shift=0.0,
    brightness=0.0,
    stain=0.0,
    epochs=50,
    optimizer="adamw",
    learning_rate=1e-3,
    schedule="cosine",
    weight_decay=0.01,
)

PROBE_LITE0 = replace(
    PROBE_DINOBLOOM,
    name="probe-lite0",
    source="LeukNet's own; encoder: EfficientNet-Lite0 with ImageNet weights",
    network="efficientnet-lite0",
)
