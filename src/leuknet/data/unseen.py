"""Chooses the cells on which a trained model may be judged, and says what such a judgement is worth.

A model that is tested on cells it was trained on shows its memory. A model folder therefore carries its
split, and every choice made here is held against it: by content, so that a copy under another name is
noticed, and by person. People and contents decide whether cells are from elsewhere, not what reader opened
them: two lists of images from one laboratory are no external test of each other if they share people.

Start at `own_test_side` and `cells_of_parts`.
"""

from __future__ import annotations

from collections.abc import Sequence

from leuknet.data.digests import natural_key
from leuknet.data.folder import NAME as FOLDER
from leuknet.data.overlap import HashedCell
from leuknet.data.people import person_key
from leuknet.data.split import fingerprint
from leuknet.data.split_file import Manifest
from leuknet.errors import LeakError, SettingError
from leuknet.types import CellImage, Dataset, SplitKind, TestSide

ALL_PARTS = "all"
"""Names the cells of every part, as `leuknet data verify` names those of data that have no parts."""

_OTHER_CELLS = (
    "judge it on other cells: --all takes all labelled cells of the data, --part NAME those of a part, "
    "--new-people those of people who did not train it"
)


def own_test_side(manifest: Manifest, dataset: Dataset) -> TestSide:
    """Return the test side of the model's own split.

    Raises
    ------
    SplitError
        If the data set does not hold the split's cells.
    SettingError
        If the split has no test side.
    """
    split = manifest.find_in(dataset, fix=f"name the data that the model was trained on; or {_OTHER_CELLS}")
    if not split.test:
        raise SettingError(
            "the model's own split has no test cells",
            why="its recipe or protocol left them for another data set",
            fix=_OTHER_CELLS,
        )
    return TestSide(
        split.test,
        split.kind,
        split.fingerprint,
        "test side",
        protocol=split.protocol,
        round=split.round,
        trained_people=_known(people_in_both(split.test, manifest.developed_on), split.test, manifest),
    )


def cells_of_parts(
    manifest: Manifest,
    dataset: Dataset,
    *,
    parts: tuple[str, ...] = (),
    trained_on: str,
    trained_on_simulated: bool | None = None,
    new_people: bool = False,
) -> TestSide:
    """Return all labelled cells of some parts, none of which may have trained the model.

    Parameters
    ----------
    manifest
        The `split.json` of the model folder.
    dataset
        Where to take cells from.
    parts
        Parts of the data set; empty takes all, and so does `ALL_PARTS` where no part is called so.
    trained_on
        Name of the data set that the model was trained on.
    trained_on_simulated
        Whether its cells were simulated, None if not known: ids of simulated people and real ones are not
        those of the same people.
    new_people
        Leave out cells whose bytes or whose person trained the model or chose its settings, and cells that
        name nobody; the side's name says how many.

    Returns
    -------
    TestSide
        `image-level` where a tested person's id is that of a person who trained the model, or chose its
        settings, or where nothing rules that out within one source. `external` where the data share neither
        people nor contents with any side of the model's split and are not of the same published data set;
        `unknown` if that is so, but cells of either side name nobody. Else `subject-level`.

    Raises
    ------
    SettingError
        If a part does not exist, or no cell of a new person is there.
    LeakError
        If a cell's bytes were among those that trained the model or chose its settings.
    """
    if ALL_PARTS in parts and ALL_PARTS not in {cell.part for cell in dataset.cells}:
        parts = ()
    chosen = _labelled_cells(dataset, parts)
    # Of a list of somebody's own, nothing says whether its cells were drawn by a program.
    is_other_world = FOLDER not in (trained_on, dataset.name) and trained_on_simulated == (
        not dataset.simulated
    )
    name = ", ".join(parts) or "all labelled cells"
    if new_people:
        known_people = () if is_other_world else people_in_both(chosen, manifest.developed_on)
        chosen, n_left_out = _of_new_people(chosen, manifest, set(known_people))
        name += f" but {n_left_out} of people who trained the model or are not named" if n_left_out else ""
    else:
        _refuse_leaks(chosen, manifest)
    both = () if is_other_world else people_in_both(chosen, manifest.developed_on)
    kind: SplitKind = "external"
    if both:
        kind = "image-level"
    elif not is_other_world:
        same_set = dataset.name == trained_on and dataset.name != FOLDER
        unnamed = _known((), chosen, manifest) is None
        if same_set or _shares_source(manifest, dataset):
            kind = "image-level" if unnamed else "subject-level"
        elif unnamed:
            kind = "unknown"
    return TestSide(
        chosen,
        kind,
        fingerprint((), (), chosen),
        name,
        trained_people=() if is_other_world else _known(both, chosen, manifest),
    )


def _labelled_cells(dataset: Dataset, parts: tuple[str, ...]) -> tuple[CellImage, ...]:
    """Return the labelled cells of some parts that exist, or of all."""
    known = sorted({cell.part for cell in dataset.cells})
    if unknown := sorted(set(parts) - set(known)):
        raise SettingError(
            f"the data set has no part {unknown[0]!r}",
            why=f"its parts are {', '.join(repr(part or ALL_PARTS) for part in known)}",
            fix=f"name one of these with --part; {ALL_PARTS!r}, or --all, takes every labelled cell",
        )
    return tuple(
        cell for cell in dataset.cells if cell.label is not None and (not parts or cell.part in parts)
    )


def _refuse_leaks(cells: Sequence[CellImage], manifest: Manifest) -> None:
    contents = {cell.sha256 for cell in manifest.developed_on}
    if leaked := [cell.id for cell in cells if cell.sha256 in contents]:
        raise LeakError(
            "this would test the model on cells that it was trained on",
            why=f"{len(leaked)} of {len(cells)} cells were on its training or validation side, "
            f"the first of them {leaked[0]!r}",
            fix="leave out --part and --all to test on the model's own test side, or name another part; "
            "--new-people leaves out all cells of people who trained it",
        )


def _of_new_people(
    cells: Sequence[CellImage], manifest: Manifest, known_people: set[str]
) -> tuple[tuple[CellImage, ...], int]:
    """Return the cells of people who are not known, and how many others there are."""
    contents = {cell.sha256 for cell in manifest.developed_on}
    kept = tuple(
        cell
        for cell in cells
        if cell.subject is not None and cell.subject not in known_people and cell.sha256 not in contents
    )
    if not kept:
        raise SettingError(
            "there is no cell of a new person to judge the model on",
            why=f"each of {len(cells)} labelled cells is of a person who trained it, or names nobody",
            fix="give data of other people",
        )
    return kept, len(cells) - len(kept)


def _known(both: tuple[str, ...], tested: Sequence[CellImage], manifest: Manifest) -> tuple[str, ...] | None:
    """Return the people in both, None if there are none and cells that name nobody leave it open."""
    named = (cell.subject for side in (tested, manifest.developed_on) for cell in side)
    unnamed = None in named
    return None if unnamed and not both else both


def _shares_source(manifest: Manifest, dataset: Dataset) -> bool:
    """Whether any cell or person of the data is on any side of the model's split."""
    known = [cell for side in manifest.sides.values() for cell in side.hashed]
    contents = {cell.sha256 for cell in known}
    return bool(people_in_both(dataset.cells, known)) or any(c.sha256 in contents for c in dataset.cells)


def people_in_both(tested: Sequence[CellImage], trained: Sequence[HashedCell]) -> tuple[str, ...]:
    """Return the ids of people in both, as the tested cells write them, however either data set does."""
    known = {person_key(cell.subject) for cell in trained if cell.subject is not None}
    found = {
        cell.subject for cell in tested if cell.subject is not None and person_key(cell.subject) in known
    }
    return tuple(sorted(found, key=natural_key))
