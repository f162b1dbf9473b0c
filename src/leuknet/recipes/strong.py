"""Our candidate for the best single model: a published network, fine-tuned gently.

Claim: none on C-NMC, which has not been measured; docs/results.md has simulated cells.
Cost: as `effnet-lite0`, 0.8 GFLOP forward for each image.
Command: `leuknet train strong --data C-NMC_ROOT --protocol official --out runs/strong`. Several draws make an
ensemble: `--set draw=1`, then `leuknet ensemble`.

`effnet-lite0` with a smaller batch and a lower rate. Both were chosen by validation people of a simulated
population that no page reports on (`leuknet data simulate --seed 1`), where a running mean of the weights,
eight turns at test time, larger images and a loss that evens people did not help. In
docs/results.md `probe-lite0` has the higher AUROC where training cells are fewer than a thousand, by 0.05; no
verdict on recipes is given there.
"""

from __future__ import annotations

from dataclasses import replace

from leuknet.recipes.effnet_lite0 import EFFNET_LITE0

STRONG = replace(
    EFFNET_LITE0,
    name="strong",
    batch_size=16,
    learning_rate=2e-4,
)
