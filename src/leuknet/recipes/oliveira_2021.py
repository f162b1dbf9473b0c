"""VGG16 on many changed images: the largest of the networks that the paper cites.

Claim: F1 0.926 on C-NMC 2019, by the best of VGG16, VGG19 and Xception; which of them, and on which cells,
its abstract does not say.
Cost: 31 GFLOP forward for each image, eight times the paper's network: about 2.7 hours for an epoch of all
10,661 cells on two cores, by the rate at which the paper's network was measured. For a GPU.
Command: `leuknet train oliveira-2021 --data C-NMC_ROOT --out runs/vgg16`. Fetches ImageNet weights once.
The two others: `--set network=timm:vgg19.tv_in1k --set network_options.pretrained=true --set
network_options.pooled=true`, and `--set network=timm:legacy_xception`, which starts from random weights,
since none are published as safetensors; `--set network_options.weights=FILE` names some.

Known of the original, from its abstract: "simple modifications" to VGG16, VGG19 and Xception; training and
validation cells balanced by augmentation: mirroring, rotation, blurring, shearing, salt-and-pepper noise.
The rest was not found. Chosen, therefore, each marked below. Blurring, shearing and noise are left out,
since a recipe has no such settings; shearing also changes the outline of a cell, by which the classes
differ.
"""

from __future__ import annotations

from dataclasses import replace

from leuknet.recipes.leuknet_paper import LEUKNET_PAPER

OLIVEIRA_2021 = replace(
    LEUKNET_PAPER,  # not found; chosen: image-level split, fractions and image size of the paper's recipe
    name="oliveira-2021",
    source=(
        "de Oliveira & Dantas (2021), Classification of normal versus leukemic cells with data augmentation "
        "and convolutional neural networks, SciTePress 102574; rates are LeukNet's own choice"
    ),
    claim="F1 0.926 on C-NMC 2019, the best of three networks; kind of split not stated in the abstract",
    network="timm:vgg16.tv_in1k",  # source: VGG16, one of three
    network_options={
        "pretrained": True,  # not found; chosen: ImageNet, without which a VGG learns little from few cells
        "pooled": True,  # not found; chosen: "simple modifications" as no layers of 4,096 values
        "dropout": 0.5,  # not found; chosen: the paper's
    },
    standardise=True,  # as ImageNet's networks are given images; published weights bring their own numbers
    parts=(),  # source: C-NMC 2019
    balance=False,  # source: balanced by changed images,
    sampling="class-balanced",  # which this does, drawing both classes equally often
    flip=True,  # source: mirroring
    rotate_deg=180.0,  # source: rotation; its range was not found; chosen: any, as a cell is never upright
    batch_size=32,  # not found; chosen: usual for such networks
    rate_factors={"head": 10.0},  # not found; chosen: the new layer learns faster than what ImageNet taught
    shuffle="every-epoch",  # not found; chosen
    validate_every=50,  # not found; chosen
)
