"""What an image becomes before a network sees it. Start at `InputForm`."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from leuknet.errors import SettingError


@dataclass(frozen=True)
class InputForm:
    """How an image of any size becomes a network's square input; `Recipe` and `ModelCard` give theirs.

    Attributes
    ----------
    canvas_px
        Side of the black square on which the image is placed at true scale, centre on centre; what is larger
        is cropped. None takes the image whole, and changes its proportions if it is not square.
    image_size_px
        Side S of the input, to which the canvas is resized; at least 1.
    crop_px
        Side of the square that is cut from the middle of the canvas, at true scale, before it is resized;
        None takes the whole canvas.

    Raises
    ------
    SettingError
        If a side is below 1.
    """

    canvas_px: int | None
    image_size_px: int
    crop_px: int | None = None

    def __post_init__(self) -> None:
        for name, side in asdict(self).items():
            if side is not None and side < 1:
                raise SettingError(
                    "cannot prepare images", why=f"{name} is {side}", fix=f"set {name} to 1 or more"
                )

    @property
    def true_scale_px(self) -> tuple[int, ...]:
        """Sides of the squares on which an image is placed one after the other, before it is resized."""
        return tuple(side for side in (self.canvas_px, self.crop_px) if side is not None)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of one input: (S, S, 3)."""
        return self.image_size_px, self.image_size_px, 3
