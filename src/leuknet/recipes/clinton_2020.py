"""A small network of depthwise separable convolutions.

Claim: 91% validation accuracy on C-NMC 2019, as cited by the paper; which cells validated is not stated
there.
Cost: 0.2 GFLOP forward for each image, a twentieth of the paper's network.
Command: `leuknet train clinton-2020 --data C-NMC_ROOT --out runs/separable`.

Known of the original, from the paper that cites it: depthwise separable convolutions, C-NMC 2019, the
score. The publication itself was not found. Chosen, therefore: the network `separable` (a stem and three
blocks with batch normalisation, see `leuknet.networks.small`); Adam's own default rate, which batch
normalisation allows; twice the paper's epochs. In all else this is `leuknet-paper`, so that the two differ
by the network.
"""

from __future__ import annotations

from dataclasses import replace

from leuknet.recipes.leuknet_paper import LEUKNET_PAPER

CLINTON_2020 = replace(
    LEUKNET_PAPER,  # not found; chosen: cells, split and image size of the paper's recipe
    name="clinton-2020",
    source=(
        "Clinton et al. (2020), depthwise separable convolutions, as cited by Anilkumar, Manoj & Sagi; "
        "layers and rates are LeukNet's own choice"
    ),
    claim="91% validation accuracy on C-NMC 2019, as cited by the paper; kind of split not stated",
    network="separable",  # source: depthwise separable convolutions; its layers are ours
    network_options={},
    epochs=20,  # not found; chosen: twice the paper's
    rate_drop_epochs=14,  # not found; chosen: at the same share of the training as the paper's
    batch_size=32,  # not found; chosen: more steps, since the network is small
    learning_rate=1e-3,  # not found; chosen: Adam's default
    shuffle="every-epoch",  # not found; chosen
    validate_every=25,  # not found; chosen
)
