"""A loss that evens people within a class, and an ensemble of seven: the best score that the paper cites.

Claim: weighted F1 0.9526 on cells of people who trained nothing, of the organisers' own division of C-NMC
2019, whose test labels are not public; it cannot be repeated on the published sides.
Cost: EfficientNet-Lite0, 0.8 GFLOP forward for each image, seven times over.
Command: `leuknet train goswami-2020 --data C-NMC_ROOT --protocol official --out runs/0`, six more with
`--set draw=1` to `--set draw=6` into runs/1 to runs/6, then `leuknet ensemble runs/0/model runs/1/model
... --data C-NMC_ROOT --out runs/seven`.

Known of the original, from its abstract: a "heterogeneity loss" over subjects, by which the network is to
learn features that do not depend on the subject; an ensemble over models of seven folds; a test on unseen
subjects. Its text beyond the abstract was not found. Chosen, therefore:

- The form of the loss: cross-entropy plus the variance of people's mean loss within each class, see
  `leuknet.training.losses`; theirs is of features.
- Seven draws of one split instead of models of seven folds, since members of an ensemble share a split
  here; their mean log odds instead of what the abstract calls an unorthodox strategy.
- Network, images and all rates: those of `effnet-lite0`, whose ImageNet weights need no hub.
"""

from __future__ import annotations

from dataclasses import replace

from leuknet.recipes.effnet_lite0 import EFFNET_LITE0

GOSWAMI_2020 = replace(
    EFFNET_LITE0,  # not found; chosen: network, images, optimiser and epochs of `effnet-lite0`
    name="goswami-2020",
    source=(
        "Goswami, Mehta, Sahrawat, Gupta & Gupta (2020), Heterogeneity loss to handle intersubject and "
        "intrasubject variability in cancer, arXiv 2003.03295; network and rates are LeukNet's own choice"
    ),
    claim="weighted F1 0.9526 on unseen subjects of the organisers' own division, an ensemble of seven",
    parts=(),  # source: C-NMC 2019
    split="subject-level",  # source: tested on unseen subjects
    loss="heterogeneity",  # source: its purpose; its form is ours
)
