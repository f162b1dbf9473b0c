"""The cells of a folder of fields, found and written as scikit-image's examples do: `leuknet cells`' peer.

    python bench/peers/plain_fields.py FOLDER OUT UM

For each field an overlay, each cell on a black square of 450 pixels, and a table of all. Start at `main`.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import matplotlib as mpl

mpl.use("agg")

import matplotlib.pyplot as plt
import numpy as np
from skimage.io import imread, imsave
from skimage.measure import find_contours

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "studies"))

from finding import find_with_otsu

CANVAS_PX = 450


def main() -> None:
    """Find, cut and draw the cells of each field."""
    folder, out, um = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])
    lines = []
    for path in sorted(folder.glob("*.png")):
        pixels = imread(path)
        place = out / path.stem
        (place / "crops").mkdir(parents=True)
        figure, axes = plt.subplots(figsize=(9, 9 * pixels.shape[0] / pixels.shape[1]))
        axes.imshow(pixels)
        axes.set_axis_off()
        for number, cell in enumerate(find_with_otsu(pixels, um)):
            h, w = (min(side, CANVAS_PX) for side in cell.mask.shape)
            canvas = np.zeros((CANVAS_PX, CANVAS_PX, 3), np.uint8)
            top, left = (CANVAS_PX - h) // 2, (CANVAS_PX - w) // 2
            canvas[top : top + h, left : left + w] = (cell.pixels * cell.mask[..., None])[:h, :w]
            imsave(place / "crops" / f"{number}.png", canvas, check_contrast=False)
            for contour in find_contours(np.pad(cell.mask, 1).astype(float), 0.5):
                axes.plot(contour[:, 1] + cell.box.left_px - 1, contour[:, 0] + cell.box.top_px - 1)
            lines.append((path.name, number, cell.area_um2))
        figure.savefig(place / "overlay.png", dpi=200)
        plt.close(figure)
    with (out / "cells.csv").open("w", newline="", encoding="utf-8") as table:
        csv.writer(table).writerows([("field", "cell", "area_um2"), *lines])


if __name__ == "__main__":
    main()
