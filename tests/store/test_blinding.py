"""Who is blinded to what, against a plain loop over the rows of studies drawn at random."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from leuknet.store.blinding import (
    blinded_case_ids,
    blinded_cases,
    blinding_studies,
    counting_read,
    has_read,
    is_reading,
)
from leuknet.store.cases import add_image, create_case
from leuknet.store.cells import add_cells, cells_of
from leuknet.store.database import Store
from leuknet.store.nouns import SYSTEM, User
from leuknet.store.study_tables import studies, study_cases, study_items, study_readers, study_reads
from tests.people import user
from tests.store.test_reviews import CELL, IMAGE

pytestmark = pytest.mark.usefixtures("quick_hashes")

Row = dict[str, object]
NOW = datetime(2026, 3, 1, tzinfo=UTC)
N_STUDIES, N_READERS, N_CASES = 12, 10, 12


class World:
    """Rows of a few studies, as no run of the program need have written them."""

    def __init__(self, seed: int, readers: list[int], cases: list[UUID], cells: list[int]) -> None:
        draw = random.Random(seed)  # noqa: S311
        self.user_ids = readers
        self.studies: list[Row] = []
        self.cases: list[Row] = []
        self.readers: list[Row] = []
        self.items: list[Row] = []
        self.reads: list[Row] = []
        for _ in range(N_STUDIES):
            study_id = uuid4()
            mode = draw.choice(("unaided", "assisted", "both"))
            state = draw.choice(("open", "open", "open", "draft", "closed"))
            self.studies.append({"id": study_id, "mode": mode, "state": state, "created_by": readers[0]})
            own = draw.sample(cases, draw.randint(1, 2))
            self.cases += [{"study_id": study_id, "case_id": case_id} for case_id in own]
            for user_id in readers:
                if draw.random() < 0.5:
                    self.readers.append({"study_id": study_id, "user_id": user_id})
                for phase in ("unaided", "assisted") if mode == "both" else (mode,):
                    self._add_items(draw, study_id, user_id, phase, cells)
        places = [row["id"] for row in self.items if draw.random() < 0.7]
        newest: dict[object, int] = {}
        for item_id in draw.choices(places, k=2 * len(places)) if places else ():
            verdict = draw.choice(("normal", "leukaemic", "uncertain", "withdrawn"))
            number = len(self.reads) + 1
            said = {"id": number, "item_id": item_id, "verdict": verdict, "supersedes": newest.get(item_id)}
            self.reads.append(said)
            newest[item_id] = number

    def _add_items(
        self, draw: random.Random, study_id: UUID, user_id: int, phase: str, cells: list[int]
    ) -> None:
        n_items = draw.randint(0, len(cells))
        rows: list[Row] = [
            {
                "study_id": study_id,
                "reader_id": user_id,
                "phase": phase,
                "position": place,
                "cell_id": cell_id,
                "is_repeat": False,
            }
            for place, cell_id in enumerate(cells[:n_items], start=1)
        ]
        for row in draw.sample(rows, n_items):  # the last is not always the last row
            self.items.append({"id": len(self.items) + 1, **row})

    def write(self, store: Store) -> None:
        plan: Row = {"title": "t", "instructions": "", "repeat_share": 0, "washout_days": 0, "seed": 0}
        with store.engine.begin() as connection:
            said: Row = {"note": "", "seconds": 1.0, "decided_at": NOW}
            for table, rows in (
                (studies, [{**plan, "created_at": NOW, **row} for row in self.studies]),
                (study_cases, self.cases),
                (study_readers, self.readers),
                (study_items, self.items),
                (study_reads, [{**said, **row} for row in self.reads]),
            ):
                connection.execute(table.insert(), rows)

    @property
    def counting(self) -> dict[object, object]:
        """Number of each item that has a read which counts, to the number of this read."""
        newest = {read["item_id"]: read for read in self.reads}  # the last one with a key stays
        return {item: read["id"] for item, read in newest.items() if read["verdict"] != "withdrawn"}

    def blinding(self, user_id: int) -> set[object]:
        """The open studies of which a reader has not read the last item of the last phase."""
        left = set()
        for study in self.studies:
            phase = "assisted" if study["mode"] == "both" else study["mode"]
            own: dict[object, object] = {
                item["position"]: item["id"]
                for item in self.items
                if (item["study_id"], item["reader_id"], item["phase"]) == (study["id"], user_id, phase)
            }
            reads_in_it = {"study_id": study["id"], "user_id": user_id} in self.readers
            if study["state"] == "open" and reads_in_it and own:
                last = own[len(own)]
                if last not in self.counting:
                    left.add(study["id"])
        return left


@pytest.fixture
def world(store: Store, anna: User) -> World:
    cases, cells = [], list[int]()
    for number in range(N_CASES):
        case = create_case(store, f"Case {number}", user=anna)
        cases.append(case.id)
        if number < 3:
            image = add_image(store, case.id, replace(IMAGE, sha256=str(number) * 64), actor=SYSTEM)
            add_cells(store, image.id, [CELL], actor=SYSTEM)
            cells += [cell.id for cell in cells_of(store, case.id)]
    readers = [user(store, f"Reader {number}").id for number in range(N_READERS)]
    world = World(0, readers, cases, cells)
    world.write(store)
    return world


def test_a_reader_is_blinded_to_the_cases_of_open_studies_until_the_last_item_is_read(
    store: Store, world: World
) -> None:
    n_reading, n_sighted = 0, 0
    for user_id in world.user_ids:
        expected = world.blinding(user_id)
        cases = {row["case_id"] for row in world.cases if row["study_id"] in expected}
        with store.reading() as connection:
            found = connection.execute(blinding_studies(user_id)).scalars().all()
            within = connection.execute(blinded_case_ids(user_id)).scalars().all()

        assert sorted(map(str, found)) == sorted(map(str, expected))
        assert set(within) == blinded_cases(store, user_id) == cases
        assert len(cases) < N_CASES
        for study in world.studies:
            study_id = study["id"]
            assert isinstance(study_id, UUID)
            assert is_reading(store, user_id, study_id) is (study_id in expected)
        n_reading, n_sighted = n_reading + len(expected), n_sighted + N_STUDIES - len(expected)
    assert min(n_reading, n_sighted) > 10  # both occur


def test_an_items_newest_read_counts_unless_it_was_withdrawn(store: Store, world: World) -> None:
    counts = sa.and_(*counting_read(study_reads.c))
    query = sa.select(study_items.c.id, study_reads.c.id).select_from(study_items.join(study_reads, counts))
    with store.reading() as connection:
        pairs = [tuple(row) for row in connection.execute(query)]
        read = connection.execute(sa.select(study_items.c.id).where(has_read())).scalars().all()

    assert len(pairs) == len(read) > 20
    assert dict(pairs) == world.counting
    assert set(read) == set(world.counting)
