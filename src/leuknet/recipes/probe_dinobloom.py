"""A linear probe: an encoder of blood cells stays as it is, and one layer learns from its features.

Claim: none on C-NMC, which has not been measured.
Cost: one pass of 12 GFLOP (ViT-S/14) for each image, whatever the number of epochs.
Command: `leuknet train probe-dinobloom --data C-NMC_ROOT --protocol official --out runs/probe`. DinoBloom-S
is fetched once from the Hugging Face hub.

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
