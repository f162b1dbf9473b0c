"""A network whose maps are weighed by squeeze-and-excitation gates at every level.

Claim: 98.3% accuracy on ALL-IDB, as cited by the paper. ALL-IDB is not at hand; no score on C-NMC is
claimed.
Cost: 1.5 GFLOP forward for each image, two fifths of the paper's network.
Command: `leuknet train bukhari-2022 --data C-NMC_ROOT --out runs/gates`.

Known of the original, from its abstract: a convolutional network with squeeze and excitation on all levels
of features. Its layers and rates were not found. Chosen, therefore: the network `squeeze-excitation` (four
3x3 convolutions, each with a gate, see `leuknet.networks.small`); rates and epochs as in `clinton-2020`.
In all else this is `leuknet-paper`, so that they differ by the network.
"""

from __future__ import annotations

from dataclasses import replace

from leuknet.recipes.clinton_2020 import CLINTON_2020

BUKHARI_2022 = replace(
    CLINTON_2020,  # not found; chosen: cells and split of the paper's recipe, rates as chosen there
    name="bukhari-2022",
    source=(
        "Bukhari, Yasmin, Sammad & Abd El-Latif (2022), A deep learning framework for leukemia cancer "
        "detection in microscopic blood samples using squeeze and excitation learning, Mathematical Problems "
        "in Engineering 2022, 2801227; layers and rates are LeukNet's own choice"
    ),
    claim="98.3% accuracy on ALL-IDB, as cited by the paper; none on C-NMC",
    network="squeeze-excitation",  # source: gates on all levels; the layers between them are ours
)
