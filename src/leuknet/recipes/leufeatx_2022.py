"""Features of a fine-tuned VGG16, and a linear classifier on them.

Claim: 96.15% accuracy on ALL-IDB2, ALL against normal. No score on C-NMC is claimed.
Cost: 31 GFLOP forward for each image, as `oliveira-2021`; with `--set network_options.frozen=true` one
pass for each image, whatever the number of epochs. For a GPU.
Command: `leuknet train leufeatx-2022 --data C-NMC_ROOT --out runs/leufeatx`. Fetches ImageNet weights
once.

Known of the original, from its abstract: two steps. A VGG16, adapted and fine-tuned on leukocytes, gives
features ("LeuFeatx"); classical classifiers are then trained on these. On which cells it was fine-tuned,
which layer gives the features and which classifier had the score was not found.

What differs: a model of LeukNet is one network, so that the classifier is its last layer, which is linear
(logistic regression on 512 features) and is trained together with the rest, not after it on features that
stay. With `frozen=true` it is trained on features that stay, those that ImageNet taught. No support vector
machine and no forest takes its place.
"""

from __future__ import annotations

from dataclasses import replace

from leuknet.recipes.leuknet_paper import LEUKNET_PAPER

LEUFEATX_2022 = replace(
    LEUKNET_PAPER,  # not found; chosen: cells, split and image size of the paper's recipe
    name="leufeatx-2022",
    source=(
        "Rastogi, Khanna & Singh (2022), LeuFeatx: deep learning-based feature extractor for the diagnosis "
        "of acute leukemia from microscopic images of peripheral blood smear, Computers in Biology and "
        "Medicine 142, 105236; rates are LeukNet's own choice"
    ),
    claim="96.15% accuracy on ALL-IDB2; none on C-NMC",
    network="timm:vgg16.tv_in1k",  # source: VGG16
    network_options={
        "pretrained": True,  # source: fine-tuned
        "pooled": True,  # source: "adapted"; chosen: features are the means of its last 512 maps
    },
    standardise=True,  # as ImageNet's networks are given images; published weights bring their own numbers
    batch_size=32,  # not found; chosen: usual for such networks
    rate_factors={"head": 100.0},  # not found; chosen: the classifier learns, the features are tuned gently
    learning_rate=1e-5,  # not found; chosen: a tenth of the paper's, for features that should stay near
    shuffle="every-epoch",  # not found; chosen
    validate_every=50,  # not found; chosen
)
