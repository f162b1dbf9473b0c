"""AlexNet, fine-tuned: the network of 2012 that much of the early work on blood cells took.

Claim: 96.06% accuracy on ALL-IDB for four classes (normal and three subtypes of ALL), which is the number
that the paper cites; for ALL against normal its abstract has 99.50%. No score on C-NMC is claimed.
Cost: 1.4 GFLOP forward for each image, two fifths of the paper's network; 57 million weights.
Command: `leuknet train shafique-2018 --data C-NMC_ROOT --set network_options.weights=alexnet.safetensors
--out runs/alexnet`. The file holds torchvision's `AlexNet_Weights.IMAGENET1K_V1`, which is published as a
pickle: `safetensors.torch.save_file(state, "alexnet.safetensors")` writes it. Without `weights` the
network starts from random ones, which is another system.

Known of the original, from its abstract: AlexNet with ImageNet weights, its last layers replaced and all
of it fine-tuned; augmentation; several colour models compared; no segmentation. The rest was not found.
Chosen, therefore, each marked below. Here it has two classes, RGB, and the cells of the paper's recipe,
since ALL-IDB is not at hand.
"""

from __future__ import annotations

from dataclasses import replace

from leuknet.recipes.leuknet_paper import LEUKNET_PAPER

SHAFIQUE_2018 = replace(
    LEUKNET_PAPER,  # not found; chosen: cells, split, rate and epochs of the paper's recipe
    name="shafique-2018",
    source=(
        "Shafique & Tehsin (2018), Acute lymphoblastic leukemia detection and classification of its subtypes "
        "using pretrained deep convolutional neural networks, Technology in Cancer Research & Treatment, "
        "doi 10.1177/1533033818802789; rates are LeukNet's own choice"
    ),
    claim="96.06% accuracy on ALL-IDB for four classes; none on C-NMC",
    network="torchvision:alexnet",  # source
    network_options={},  # source: ImageNet weights, which a user names, see above
    standardise=True,  # as ImageNet's networks are given images; published weights bring their own numbers
    rate_factors={"head": 10.0},  # source: last layers replaced; chosen: they learn faster
    flip=True,  # source: augmentation; which changes was not found; chosen: mirroring
    rotate_deg=180.0,  # and rotation
    batch_size=32,  # not found; chosen
    shuffle="every-epoch",  # not found; chosen
    validate_every=25,  # not found; chosen
)
