"""Features of cells and the cells that are alike by them, on both databases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pytest
import sqlalchemy as sa

from leuknet.errors import SettingError, ShapeError, StoreError
from leuknet.room.similar import similar_cells
from leuknet.store.accounts import create_user
from leuknet.store.cases import add_image, create_case
from leuknet.store.cell_nouns import NewCell
from leuknet.store.cells import add_cells, cells_of
from leuknet.store.database import Store
from leuknet.store.features import features_of, insert_features, model_of_features
from leuknet.store.nouns import SYSTEM, Case, NewImage
from leuknet.store.tables import cell_features
from leuknet.types import CellBox

MODEL = "m" * 12


pytestmark = pytest.mark.usefixtures("quick_hashes")


class Made(NamedTuple):
    """A case and its cells."""

    case: Case
    cells: list[int]


def make_case(store: Store, name: str, *, n_cells: int) -> Made:
    user = create_user(store, name, password="a long password", role="reader", actor=SYSTEM)
    case = create_case(store, name, user=user)
    new = NewImage("a" * 64, "n.tif", "slide", 99, 99, 1, None, "images/aa/a.tif")
    image = add_image(store, case.id, new, actor=SYSTEM)
    box = CellBox(0, 0, 9, 9)
    add_cells(
        store,
        image.id,
        [NewCell(f"c{number}", box, 0.5, "ALL", (), (), MODEL, ()) for number in range(n_cells)],
        actor=SYSTEM,
    )
    return Made(case, [cell.id for cell in cells_of(store, case.id)])


def keep(store: Store, cells: Sequence[int], rows: Sequence[Sequence[float]], *, model: str = MODEL) -> None:
    with store.writing(SYSTEM) as change:
        insert_features(
            change, model, [(cell, np.array(row, np.float32)) for cell, row in zip(cells, rows, strict=True)]
        )
        change.log("features.added", "case:1")


def test_features_come_back_as_they_were_in_order_of_the_cells(store: Store) -> None:
    case, cells = make_case(store, "A", n_cells=4)
    rows = np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)
    keep(store, [cells[2], cells[0], cells[3]], rows.tolist())

    ids, features = features_of(store, case.id, MODEL)

    assert ids.tolist() == [cells[0], cells[2], cells[3]]
    assert features.dtype == np.float32
    assert np.array_equal(features, rows[[1, 0, 2]])
    assert model_of_features(store, cells[0]) == MODEL
    assert model_of_features(store, cells[1]) is None


def test_features_are_those_of_one_case_and_one_model(store: Store) -> None:
    first, second = make_case(store, "A", n_cells=2), make_case(store, "B", n_cells=1)
    keep(store, first.cells[:1], [[1, 2]])
    keep(store, first.cells[1:], [[1, 2, 3]], model="n" * 12)
    keep(store, second.cells, [[3, 4]])

    assert features_of(store, first.case.id, MODEL)[1].tolist() == [[1, 2]]
    assert features_of(store, first.case.id, "n" * 12)[1].tolist() == [[1, 2, 3]]
    ids, features = features_of(store, first.case.id, "o" * 12)
    assert (ids.shape, features.shape) == ((0,), (0, 0))


@pytest.mark.parametrize(
    "rows", [[[1.0], [1.0, 2.0]], [[np.nan], [1.0]], [[[1.0]], [[1.0]]], [[], []]], ids=str
)
def test_features_that_are_not_one_finite_row_for_each_cell_are_refused(
    store: Store, rows: Sequence[Sequence[float]]
) -> None:
    case, cells = make_case(store, "A", n_cells=2)
    with pytest.raises(ShapeError, match="features"):
        keep(store, cells, rows)
    assert not features_of(store, case.id, MODEL)[0].size


def test_features_of_different_lengths_in_the_database_are_an_error(store: Store) -> None:
    case, cells = make_case(store, "A", n_cells=2)
    keep(store, cells, [[1, 2], [3, 4]])
    with store.engine.begin() as connection:
        here = cell_features.c.cell_id == cells[0]
        connection.execute(sa.update(cell_features).where(here).values(features=b"\0\0\0\0"))

    with pytest.raises(StoreError, match=r"\[4, 8\] bytes"):
        features_of(store, case.id, MODEL)


def test_similar_cells_point_the_same_way_however_strongly(store: Store) -> None:
    case, cells = make_case(store, "A", n_cells=5)
    keep(store, cells, [[3, 4], [4, 3], [30, 40], [-3, -4], [0, 0]])

    found = similar_cells(store, case.id, cells[0])

    # Cosines with (3, 4) / 5: 24 / 25; 1; -1; of nothing none, which counts as a right angle.
    assert [one.cell_id for one in found] == [cells[2], cells[1], cells[4], cells[3]]
    assert [one.distance for one in found] == pytest.approx([0, 0.04, 1, 2], abs=1e-6)
    assert similar_cells(store, case.id, cells[0], limit=2) == found[:2]


def test_equally_similar_cells_come_in_the_order_they_were_found(store: Store) -> None:
    case, cells = make_case(store, "A", n_cells=4)
    keep(store, cells, [[0, 0]] * 4)
    assert [one.cell_id for one in similar_cells(store, case.id, cells[1])] == [cells[0], cells[2], cells[3]]


def test_cells_of_other_cases_and_models_are_not_compared(store: Store) -> None:
    first, second = make_case(store, "A", n_cells=4), make_case(store, "B", n_cells=1)
    keep(store, first.cells[:2], [[1, 0], [0, 1]])
    keep(store, first.cells[2:3], [[1, 0]], model="n" * 12)
    keep(store, second.cells, [[1, 0]])

    assert [one.cell_id for one in similar_cells(store, first.case.id, first.cells[0])] == [first.cells[1]]
    assert similar_cells(store, first.case.id, first.cells[2]) == ()
    assert similar_cells(store, first.case.id, first.cells[3]) == ()  # without features
    assert similar_cells(store, second.case.id, first.cells[0]) == ()  # not of this case


def test_a_new_cell_is_among_those_compared_at_once(store: Store) -> None:
    case, cells = make_case(store, "A", n_cells=3)
    keep(store, cells[:2], [[1, 0], [0, 1]])
    assert len(similar_cells(store, case.id, cells[0])) == 1
    keep(store, cells[2:], [[1, 0]])
    assert similar_cells(store, case.id, cells[0])[0].cell_id == cells[2]


def test_no_similar_cells_cannot_be_asked_for(store: Store) -> None:
    case, cells = make_case(store, "A", n_cells=1)
    with pytest.raises(SettingError, match="similar cells"):
        similar_cells(store, case.id, cells[0], limit=0)
