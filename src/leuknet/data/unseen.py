"""Chooses the cells on which a trained model may be judged.

A model that is tested on cells it was trained on shows its memory. A model folder therefore carries its
split, and every choice made here is held against it: by content, so that a copy under another name is
noticed, and by subject, so that the result says what it is worth.

Start at `own_test_side` and `cells_of_parts`.
"""

from __future__ import annotations

from leuknet.data.split import fingerprint
from leuknet.data.split_file import Manifest
from leuknet.errors import LeakError, SettingError
from leuknet.types import Dataset, SplitKind, TestSide


def own_test_side(manifest: Manifest, dataset: Dataset) -> TestSide:
    """Return the test side of the model's own split.

    Raises
    ------
    SplitError
        If the data set does not hold the split's cells.
    """
    split = manifest.find_in(dataset)
    return TestSide(
        split.test, split.kind, split.fingerprint, "test side", protocol=split.protocol, round=split.round
    )


def cells_of_parts(
    manifest: Manifest, dataset: Dataset, *, parts: tuple[str, ...] = (), trained_on: str
) -> TestSide:
    """Return all labelled cells of some parts, none of which may have trained the model.

    Parameters
    ----------
    manifest
        The `split.json` of the model folder.
    dataset
        Where to take cells from.
    parts
        Parts of the data set; empty takes all.
    trained_on
        Name of the data set that the model was trained on.

    Raises
    ------
    SettingError
        If a part does not exist.
    LeakError
        If a cell's bytes were among those that trained the model or chose its settings.
    """
    known = sorted({cell.part for cell in dataset.cells})
    if unknown := sorted(set(parts) - set(known)):
        raise SettingError(
            f"the data set has no part {unknown[0]!r}",
            why=f"its parts are {', '.join(map(repr, known))}",
            fix="name one of these with --part",
        )
    chosen = tuple(
        cell for cell in dataset.cells if cell.label is not None and (not parts or cell.part in parts)
    )
    contents = {cell.sha256 for cell in manifest.developed_on}
    if leaked := [cell.id for cell in chosen if cell.sha256 in contents]:
        raise LeakError(
            "this would test the model on cells that it was trained on",
            why=f"{len(leaked)} of {len(chosen)} cells were on its training or validation side, "
            f"the first of them {leaked[0]!r}",
            fix="leave out --part and --all to test on the model's own test side, or name another part",
        )
    subjects = {cell.subject for cell in chosen}
    trained_subjects = {cell.subject for cell in manifest.developed_on}
    kind: SplitKind
    if dataset.name != trained_on:
        kind = "external"
    elif None in subjects | trained_subjects or subjects & trained_subjects:
        kind = "image-level"  # one person on two sides, or nothing that rules it out
    else:
        kind = "subject-level"
    return TestSide(chosen, kind, fingerprint((), (), chosen), ", ".join(parts) or "all labelled cells")
