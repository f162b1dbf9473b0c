"""The best single network of the C-NMC challenge that does not look at other test cells.

Claim: weighted F1 0.887 and AUROC 0.952 on the preliminary set after the last epoch (0.898 and 0.956 for the
epoch that was picked on that very set), 0.8891 on the final test; mean accuracy over 28 people 0.798.
Cost: SE-ResNeXt50 at 300 pixels, 7.7 GFLOP forward for each image: about a day on two cores for all folds
and six epochs, not measured; minutes on one GPU.
Command: `leuknet train prellberg-2019 --data C-NMC_ROOT --protocol official --out runs/prellberg`. Fetches
ImageNet weights once.

Settings are those of the authors' code (github.com/jprellberg/isbi2019cancer, `main_manual.py`). What
differs: they start from Cadène's ImageNet weights, published as a pickle; these are Gluon's for the same
layers. They turn test images with nearest-neighbour interpolation, here it is bilinear. Their one output is
our two, which is the same function.
"""

from __future__ import annotations

from leuknet.types import Recipe

PRELLBERG_2019 = Recipe(
    name="prellberg-2019",
    source=(
        "Prellberg & Kramer (2019), Acute Lymphoblastic Leukemia Classification from Microscopic Images "
        "using Convolutional Neural Networks, arXiv 1906.09020"
    ),
    claim="weighted F1 0.887, AUROC 0.952 on the preliminary set after the last epoch",
    network="timm:seresnext50_32x4d.gluon_in1k",
    network_options={"pretrained": True},
    balance=False,
    loss="class-balanced",
    split="subject-level",
    crop_px=300,
    image_size_px=300,
    rotate_deg=180.0,
    flip=True,
    shift=0.2,
    epochs=6,
    batch_size=16,
    learning_rate=1e-4,
    rate_factors={"head": 100.0, "body.conv1": 0.01, "body.bn1": 0.01, "body.layer1": 0.01},
    rate_drop_factor=0.1,
    rate_drop_epochs=2,
    weight_decay=0.0,
    shuffle="every-epoch",
    validate_every=100,
    rotations=8,
)
