"""The paper's 17 layers, trained for people that the network has not seen.

Claim: none on C-NMC, which has not been measured; docs/results.md says what each ingredient did on simulated
cells.
Cost: `leuknet-paper`'s for each image and epoch; on all folds (10,661 cells) and 20 epochs about 6 hours on
two cores, by the measured 9.1 images/s.
Command: `leuknet train leuknet-plus --data C-NMC_ROOT --protocol official --out runs/plus`.

Against `leuknet-paper`: a crop at true scale, so that the network sees cells half as large again; cells
turned, mirrored and moved; stain and light of each image changed; both classes drawn equally often instead
of deleting cells; people apart, and the epoch chosen by people. Everything else is the paper's.
"""

from __future__ import annotations

from dataclasses import replace

from leuknet.recipes.leuknet_paper import LEUKNET_PAPER

LEUKNET_PLUS = replace(
    LEUKNET_PAPER,
    name="leuknet-plus",
    source="LeukNet's own: the paper's network and rates, with what is common practice since",
    claim="none yet: not measured on C-NMC",
    parts=(),  # all labelled cells; a protocol says which develop and which test
    balance=False,
    sampling="class-balanced",
    split="subject-level",
    crop_px=300,  # as Prellberg & Kramer (2019) crop; nine cells in ten fit whole
    rotate_deg=180.0,  # a cell has no upright position
    flip=True,
    shift=0.05,
    brightness=0.1,
    stain=0.1,
    shuffle="every-epoch",
    epochs=20,  # twice the paper's: changed images are learned more slowly
    rate_drop_epochs=14,
    validate_every=20,
    keep="best",
)
