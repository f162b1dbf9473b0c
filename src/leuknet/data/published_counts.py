"""What the publisher of C-NMC 2019 states or ships, as numbers: counts, subjects and shared ids.

Counted from the names and hashes of all 15,114 published images. The reader, the verification and the
simulation all compare with this one table. No pixels, no hashes.
"""

from __future__ import annotations

from typing import NamedTuple

NAME = "c-nmc-2019"
URL = "https://doi.org/10.7937/tcia.2019.dc64i46r"
LICENCE = "CC BY 3.0 (as stated by secondary sources)"

CANVAS_PX = 450
"""Cells lie at true scale on a black square of this side; larger images are cropped at the centre."""

FINAL_CANVAS_PX = 600
"""Side of the final-phase images."""


class PartCount(NamedTuple):
    """Published images of one part; `leukaemic` and `normal` are None where labels are not public."""

    images: int
    leukaemic: int | None
    normal: int | None
    subjects: int


COUNTS = {
    "fold_0": PartCount(3527, 2397, 1130, 28),
    "fold_1": PartCount(3581, 2418, 1163, 14),
    "fold_2": PartCount(3553, 2457, 1096, 31),
    "prelim": PartCount(1867, 1219, 648, 28),
    "final": PartCount(2586, None, None, 17),
}

FOLDERS = {
    "fold_0": "training_data/fold_0",
    "fold_1": "training_data/fold_1",
    "fold_2": "training_data/fold_2",
    "prelim": "validation_data/C-NMC_test_prelim_phase_data",
    "final": "testing_data/C-NMC_test_final_phase_data",
}
"""Folder of each part below `C-NMC_Leukemia`; training folds have `all` and `hem` below them."""

PRELIM_LABELS = "validation_data/C-NMC_test_prelim_phase_data_labels.csv"

# As spelt in the file names: `h3` is lower case in fold_2 and nowhere else.
# fmt: off
TRAINING_SUBJECTS = {
    "fold_0": {
        "1": 19, "3": 11, "4": 113, "5": 112, "11": 92, "14": 99, "15": 58, "17": 74, "19": 9, "20": 76,
        "22": 103, "26": 142, "28": 92, "35": 155, "43": 73, "45": 253, "48": 268, "50": 246, "52": 402,
        "H6": 18, "H7": 18, "H11": 47, "H12": 185, "H15": 162, "H16": 69, "H17": 119, "H19": 108,
        "H24": 404,
    },
    "fold_1": {
        "2": 84, "16": 53, "23": 97, "30": 201, "32": 212, "33": 181, "34": 352, "38": 145, "44": 146,
        "46": 190, "51": 757, "H10": 405, "H14": 385, "H22": 373,
    },
    "fold_2": {
        "13": 89, "18": 74, "21": 80, "24": 161, "25": 178, "27": 178, "31": 111, "36": 35, "37": 197,
        "47": 278, "49": 197, "67": 267, "68": 250, "72": 14, "74": 31, "75": 99, "78": 218, "H1": 32,
        "H2": 112, "h3": 36, "H4": 9, "H5": 28, "H8": 20, "H9": 46, "H13": 137, "H18": 30, "H20": 100,
        "H23": 327, "H40": 140, "H46": 29, "H48": 50,
    },
}
# fmt: on
"""Training images of each subject id, by fold. ALL subject `3` and HEM subject `H3` are two people."""

PRELIM_SUBJECTS = (
    *(str(number) for number in (*range(53, 56), *range(57, 67))),
    *(f"H{number}" for number in (*range(25, 37), 39, 49, 50)),
)
"""Subject ids of the preliminary phase: 13 ALL, 15 HEM; none occurs in the training data."""

MERGED_SUBJECTS = (
    ("20", "21"),
    ("51", "75", "78"),
    ("H2", "H4", "H5", "H6"),
    ("H3", "H10"),
)
"""Ids that share byte-identical images (99 pairs): one person each, as far as a split is concerned."""
