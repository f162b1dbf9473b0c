"""Changes training images in ways that leave their class as it is.

A cell has no upright position, and its stain differs between slides: turning, mirroring, moving and staining
it otherwise gives a cell that could have been. Its scale never changes, since size tells the classes apart.
Black stays black, as around every cell.

Start at `make_augmentation`.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torchvision.transforms import v2  # type: ignore[import-untyped]

from leuknet.types import Recipe

Augmentation = Callable[[Tensor], Tensor]
"""(S, S, 3) uint8 to the same; draws from torch's global generator."""


def make_augmentation(recipe: Recipe) -> Augmentation | None:
    """Return what a recipe does to each training image, None if nothing."""
    steps: list[nn.Module] = []
    if recipe.flip:
        steps += [v2.RandomHorizontalFlip(), v2.RandomVerticalFlip()]
    if recipe.rotate_deg or recipe.shift:
        steps.append(
            v2.RandomAffine(
                recipe.rotate_deg,
                translate=(recipe.shift, recipe.shift),
                interpolation=v2.InterpolationMode.BILINEAR,
            )
        )
    if recipe.brightness:
        steps.append(v2.ColorJitter(brightness=recipe.brightness))
    if recipe.stain:
        steps.append(StainJitter(recipe.stain))
    if not steps:
        return None
    together = v2.Compose(steps)
    return lambda image: together(image.permute(2, 0, 1)).permute(1, 2, 0)


class StainJitter(nn.Module):
    """Stain each channel more or less: its absorbance is multiplied by a number of its own.

    Absorbance is the logarithm of transmitted light, so a factor on it is a power of the pixel: black (0)
    and glass (255) stay as they are.

    Parameters
    ----------
    spread
        Standard deviation of the factor's logarithm.
    """

    def __init__(self, spread: float) -> None:
        super().__init__()
        self.spread = spread

    def forward(self, image: Tensor) -> Tensor:
        """(3, H, W) uint8 to the same."""
        factors = torch.exp(self.spread * torch.randn(3, 1))
        table = (255 * (torch.arange(256) / 255) ** factors).round().to(torch.uint8)
        return torch.stack([row[channel.int()] for row, channel in zip(table, image, strict=True)])
