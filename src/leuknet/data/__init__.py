"""The data sets LeukNet can read, by name.

A reader turns files on disk into a `Dataset` of labelled cells; nothing after it looks at file names. To
add a data set, write `leuknet/data/<name>.py` with `read(root) -> Dataset` and give it a line in `DATASETS`.

Start at `open_dataset`; `read_pixels` then reads one image.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable
from pathlib import Path

from leuknet.data import c_nmc, folder
from leuknet.data.class_folders import has_classes
from leuknet.errors import DatasetError, SettingError
from leuknet.images.reading import read_pixels
from leuknet.types import Dataset

__all__ = ["DATASETS", "open_dataset", "read_pixels", "recognise"]

DATASETS: dict[str, Callable[..., Dataset]] = {
    c_nmc.NAME: c_nmc.read,
    folder.NAME: folder.read,
}
"""Name to reader. Readers take the root and those options of `open_dataset` that mean something to them."""


def open_dataset(
    root: str | Path,
    *,
    name: str | None = None,
    manifest: Path | None = None,
    prelim_labels: Path | None = None,
    class_names: tuple[str, str] | None = None,
    subject_pattern: str | None = None,
    progress: bool = False,
) -> Dataset:
    """Read the data set that lies in a folder.

    Parameters
    ----------
    name
        A key of `DATASETS`; None tells from the layout: C-NMC 2019's folders, or else a manifest, names of
        files as in C-NMC 2019, or a folder for each class, whichever comes first.
    manifest, subject_pattern
        For `folder`: see `leuknet.data.folder.read`.
    class_names
        What 0 and 1 mean, in this order; for `folder` also how the labels are written.
    prelim_labels
        For `c-nmc-2019`: see `leuknet.data.c_nmc.read`.
    progress
        Show a progress bar on standard error.

    Returns
    -------
    Dataset
        Its `findings` hold what the reader noticed; `leuknet.data.verify` looks deeper.

    Raises
    ------
    DatasetError
        If the folder is no known data set, or not the one it is said to be.
    SettingError
        If the name is unknown, or an option means nothing to the data set.
    """
    root = Path(root)
    if name is None:
        name = recognise(root, manifest=manifest, class_names=class_names)
    if name not in DATASETS:
        closest = difflib.get_close_matches(name, DATASETS, n=1)
        raise SettingError(
            f"cannot open the data set {name!r}",
            why="there is no reader of that name",
            fix=f"did you mean {closest[0]}?" if closest else f"name one of {', '.join(DATASETS)}",
        )
    options = {
        "manifest": manifest,
        "prelim_labels": prelim_labels,
        "class_names": class_names,
        "subject_pattern": subject_pattern,
    }
    given = {option: value for option, value in options.items() if value is not None}
    for option in given.keys() - inspect.signature(DATASETS[name]).parameters:
        raise SettingError(
            f"cannot open {root} as {name} with the option {option.replace('_', ' ')}",
            why=f"the reader of {name} has no use for it, and would ignore it",
            fix="leave the option out, or name the data set that it is meant for",
        )
    return DATASETS[name](root, progress=progress, **given)


def recognise(root: Path, *, manifest: Path | None = None, class_names: tuple[str, str] | None = None) -> str:
    """Return the name of the reader for what lies in a folder, or raise a `DatasetError`."""
    if not root.is_dir():
        raise DatasetError(
            f"cannot open {root}", why="there is no such folder", fix="check the path to the data"
        )
    if c_nmc.find_base(root):
        return c_nmc.NAME
    if manifest is not None or (root / folder.MANIFEST).is_file():
        return folder.NAME
    if c_nmc.recognise(root):
        return c_nmc.NAME
    # `all` alone is a word like others; two classes, or names that the user gave, are no accident.
    own_names = class_names is not None and class_names != folder.CLASS_NAMES
    if own_names or has_classes(root, folder.label_names(class_names)):
        return folder.NAME
    raise DatasetError(
        f"cannot tell which data set lies in {root}",
        why=f"it has neither C-NMC 2019's folders ({c_nmc.TOP}/training_data/...) nor its names of files"
        f" (UID_11_33_4_all.bmp), no {folder.MANIFEST}, and no images in folders called"
        f" {' and '.join(folder.CLASS_NAMES)}",
        fix="name the folder that holds C-NMC, name your folders of two classes with --classes"
        f" NEGATIVE,POSITIVE, or list your own images in a {folder.MANIFEST} with the columns path and label"
        " (docs/data.md)",
    )
