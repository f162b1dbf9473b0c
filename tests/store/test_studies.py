"""Reading studies: what readers are shown and when, what they may not see, and that no read is lost."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
import sqlalchemy as sa

from leuknet.errors import ConflictError, SettingError, StoreError
from leuknet.store import audit_log as audit
from leuknet.store import study_tables, tables
from leuknet.store.adjudications import adjudicate, adjudicated, disputes
from leuknet.store.blinding import blinded_cases, is_reading
from leuknet.store.cases import add_image, cases_of, create_case, find_case, give_access
from leuknet.store.cell_nouns import NewCell, Verdict
from leuknet.store.cells import add_cells
from leuknet.store.database import Store
from leuknet.store.nouns import SYSTEM, Case, NewImage, User
from leuknet.store.studies import (
    case_ids_of,
    close_study,
    create_study,
    find_study,
    open_study,
    reader_ids_of,
    set_study_cases,
    set_study_readers,
    studies_of,
)
from leuknet.store.study_nouns import PHASES, NewAdjudication, NewStudy, NewStudyRead, Phase, Study, StudyItem
from leuknet.store.study_order import draw_order
from leuknet.store.study_reads import (
    find_item,
    item_at,
    next_item,
    progress,
    read_history,
    save_read,
    study_lines,
    undo_read,
)
from leuknet.types import CellBox
from tests.people import user

PLAN = NewStudy("Day 15", "Say what you see.", "unaided", repeat_share=0.25, washout_days=0, seed=5)
IMAGE = NewImage("a" * 64, "smear.png", "field", 100, 200, 5000, 0.25, "images/aa/a.png")
CELL = NewCell("c", CellBox(1, 2, 30, 40), 0.75, "positive", (), (), "m" * 12, ())


pytestmark = pytest.mark.usefixtures("quick_hashes")


def scored_case(store: Store, owner: User, *, n_cells: int, sha256: str = "a" * 64) -> Case:
    case = create_case(store, f"Case {sha256[0]}", user=owner)
    image = add_image(store, case.id, replace(IMAGE, sha256=sha256), actor=SYSTEM)
    add_cells(store, image.id, [replace(CELL, name=f"c{n}") for n in range(n_cells)], actor=SYSTEM)
    scoring = {"image_id": image.id, "state": "scored", "model_id": "m", "scored_at": datetime.now(UTC)}
    with store.engine.begin() as connection:
        connection.execute(tables.scorings.insert().values(**scoring))
    return case


@pytest.fixture
def case(store: Store, lena: User) -> Case:
    return scored_case(store, lena, n_cells=8)


def opened(store: Store, lead: User, cases: Sequence[Case], readers: Sequence[User], plan: NewStudy) -> Study:
    study = create_study(store, plan, user=lead)
    set_study_cases(store, study.id, [case.id for case in cases], user=lead)
    set_study_readers(store, study.id, [reader.id for reader in readers], user=lead)
    return open_study(store, study.id, user=lead)


@pytest.fixture
def study(store: Store, lena: User, case: Case, anna: User, bert: User) -> Study:
    return opened(store, lena, [case], [anna, bert], PLAN)


def say(store: Store, item: StudyItem, verdict: Verdict = "normal", *, seconds: float = 2.0) -> int:
    """Read an item as its reader's page would; return the number of the read."""
    new = NewStudyRead(item.id, verdict, "", seconds)
    expected = None if item.read is None else item.read.id
    return save_read(store, new, reader_id=item.reader_id, expected_read_id=expected).id


def its_next(store: Store, study: Study, reader: User) -> StudyItem:
    item = next_item(store, study.id, reader_id=reader.id)
    assert item is not None
    return item


def read_all(store: Store, study: Study, reader: User, verdict: Verdict = "normal") -> list[StudyItem]:
    """Read all that a reader is shown; return it in the order it came."""
    shown = []
    while (item := next_item(store, study.id, reader_id=reader.id)) is not None:
        say(store, item, verdict)
        shown.append(item)
    return shown


def long_ago(store: Store, item: StudyItem, *, days: float) -> None:
    """Read an item as if some days ago, past the store's clock."""
    row = {"item_id": item.id, "verdict": "normal", "note": "", "seconds": 1.0}
    row |= {"decided_at": datetime.now(UTC) - timedelta(days=days)}
    with store.engine.begin() as connection:
        connection.execute(study_tables.study_reads.insert().values(**row))


# --- the order -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [4, 5, 7, 20, 101])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.2, 0.5])
def test_repeats_come_a_third_of_the_list_later(n: int, share: float) -> None:
    for seed in range(20):
        cells = list(range(100, 100 + n))
        order = draw_order(cells, repeat_share=share, seed=seed, reader_id=1, phase="unaided")

        first = {cell: place for place, (cell, is_repeat) in enumerate(order) if not is_repeat}
        again = {cell: place for place, (cell, is_repeat) in enumerate(order) if is_repeat}
        assert sorted(first) == cells
        assert len(order) == len(first) + len(again)
        assert len(again) == (max(1, int(share * n)) if share else 0)
        assert all(place - first[cell] >= len(order) / 3 for cell, place in again.items())


@pytest.mark.parametrize("n", [1, 2, 3])
def test_of_a_few_cells_one_is_repeated_after_it_was_shown(n: int) -> None:
    order = draw_order(list(range(n)), repeat_share=0.1, seed=0, reader_id=1, phase="unaided")

    repeated = [cell for cell, is_repeat in order if is_repeat]
    assert (len(order), len(repeated)) == (n + 1, 1)
    assert order.index((repeated[0], False)) < order.index((repeated[0], True))


def test_order_depends_on_seed_reader_and_phase_and_on_nothing_else() -> None:
    def order(seed: int, reader_id: int, phase: Phase) -> tuple[int, ...]:
        drawn = draw_order(range(30), repeat_share=0.2, seed=seed, reader_id=reader_id, phase=phase)
        return tuple(cell for cell, _ in drawn)

    keys = [(seed, reader, phase) for seed in (0, 1) for reader in (1, 2) for phase in PHASES]
    assert len({order(*key) for key in keys}) == len(keys)
    assert all(order(*key) == order(*key) for key in keys)


def test_every_place_of_a_cell_is_as_likely() -> None:
    places = [
        [cell for cell, _ in draw_order(range(10), repeat_share=0, seed=seed, reader_id=1, phase="unaided")]
        for seed in range(1000)
    ]
    firsts = [places[seed].index(0) for seed in range(1000)]
    # 100 each expected, standard deviation 9.5.
    assert all(60 < firsts.count(place) < 140 for place in range(10))


def test_two_readers_see_different_orders_and_the_same_seed_gives_the_same(
    store: Store, study: Study, case: Case, lena: User, anna: User, bert: User
) -> None:
    again = opened(store, lena, [case], [anna, bert], PLAN)
    other = opened(store, lena, [case], [anna, bert], replace(PLAN, seed=6))

    def order(one: Study, reader: User) -> list[tuple[int, bool]]:
        lines = study_lines(store, one.id)
        return [(line.cell_id, line.is_repeat) for line in lines if line.reader_id == reader.id]

    assert order(study, anna) != order(study, bert)
    assert order(study, anna) == order(again, anna) != order(other, anna)
    assert len(order(study, anna)) == 10
    assert [item.cell_id for item in read_all(store, study, anna)] == [cell for cell, _ in order(study, anna)]


# --- planning --------------------------------------------------------------------------------------------


def test_cases_and_readers_can_be_changed_until_a_study_is_open(
    store: Store, lena: User, case: Case, anna: User, bert: User
) -> None:
    study = create_study(store, replace(PLAN, title=" Day 15 "), user=lena)
    assert (study.title, study.state, study.opened_at) == ("Day 15", "draft", None)
    set_study_cases(store, study.id, [case.id, case.id], user=lena)
    set_study_readers(store, study.id, [anna.id, bert.id], user=lena)
    set_study_readers(store, study.id, [bert.id], user=lena)
    with pytest.raises(StoreError, match="case "):
        set_study_cases(store, study.id, [uuid4()], user=lena)
    with pytest.raises(StoreError, match="account 99"):
        set_study_readers(store, study.id, [99], user=lena)
    assert (case_ids_of(store, study.id), reader_ids_of(store, study.id)) == ((case.id,), (bert.id,))

    now_open = open_study(store, study.id, user=lena)
    assert now_open == find_study(store, study.id, user=lena)
    assert (now_open.state, now_open.opened_at is not None) == ("open", True)
    for refused in (
        lambda: set_study_cases(store, study.id, [], user=lena),
        lambda: set_study_readers(store, study.id, [anna.id], user=lena),
        lambda: open_study(store, study.id, user=lena),
    ):
        with pytest.raises(ConflictError, match="it is open"):
            refused()


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"title": " "}, "0 characters"),
        ({"mode": "blind"}, "no mode 'blind'"),
        ({"repeat_share": 0.6}, "0.6 is repeated"),
        ({"repeat_share": float("nan")}, "nan is repeated"),
        ({"washout_days": -1}, "-1 days"),
        ({"seed": 2**31}, "the seed is 2147483648"),
    ],
)
def test_a_plan_out_of_range_is_refused(store: Store, lena: User, wrong: dict[str, object], why: str) -> None:
    with pytest.raises(SettingError, match=why):
        create_study(store, replace(PLAN, **wrong), user=lena)  # type: ignore[arg-type]


def test_a_study_that_nobody_could_read_does_not_open(
    store: Store, lena: User, case: Case, anna: User
) -> None:
    study = create_study(store, PLAN, user=lena)
    with pytest.raises(ConflictError, match="nobody reads"):
        open_study(store, study.id, user=lena)
    set_study_readers(store, study.id, [anna.id], user=lena)
    with pytest.raises(ConflictError, match="no cell"):
        open_study(store, study.id, user=lena)
    add_image(store, case.id, replace(IMAGE, sha256="b" * 64), actor=SYSTEM)
    set_study_cases(store, study.id, [case.id], user=lena)
    with pytest.raises(ConflictError, match="1 of its images are not scored"):
        open_study(store, study.id, user=lena)
    assert study_lines(store, study.id) == ()


def test_who_sees_which_study(store: Store, study: Study, lena: User, anna: User) -> None:
    carl, adam = user(store, "Carl"), user(store, "Adam", "admin")
    draft = create_study(store, PLAN, user=lena)
    set_study_readers(store, draft.id, [anna.id], user=lena)

    assert studies_of(store, lena) == studies_of(store, adam) == (draft, study)
    assert studies_of(store, anna) == (study,)
    assert studies_of(store, carl) == ()
    assert find_study(store, study.id, user=anna) == study
    assert find_study(store, draft.id, user=anna) is find_study(store, study.id, user=carl) is None
    assert find_study(store, uuid4(), user=lena) is None


# --- reading ---------------------------------------------------------------------------------------------


def test_a_reader_is_led_through_all_items_and_only_in_order(store: Store, study: Study, anna: User) -> None:
    first = its_next(store, study, anna)
    assert (first.position, first.phase, first.read) == (1, "unaided", None)
    second = next(line for line in study_lines(store, study.id) if line.position == 2)
    assert second.reader_id == anna.id
    # What comes later is not to be seen ahead: whoever leafs through would find the repeats.
    assert find_item(store, second.item_id, reader_id=anna.id) is None
    with pytest.raises(StoreError, match=f"study item {second.item_id}"):
        save_read(
            store, NewStudyRead(second.item_id, "normal", "", 1.0), reader_id=anna.id, expected_read_id=None
        )

    say(store, first, "leukaemic")
    assert its_next(store, study, anna).position == 2
    again = item_at(store, study.id, reader_id=anna.id, phase="unaided", position=1)
    assert again is not None
    assert again.read is not None
    assert (again.read.verdict, again.read.seconds) == ("leukaemic", 2.0)
    assert item_at(store, study.id, reader_id=anna.id, phase="unaided", position=99) is None

    here = progress(store, study.id, reader_id=anna.id)
    assert (here.read, here.total, here.phase, here.starts_at) == (1, 10, "unaided", None)
    read_all(store, study, anna)
    here = progress(store, study.id, reader_id=anna.id)
    assert (here.read, here.total, here.phase) == (10, 10, None)


def test_no_item_shows_whether_it_is_a_repeat(store: Store, study: Study, anna: User) -> None:
    assert "repeat" not in " ".join(vars(its_next(store, study, anna)))


def test_an_item_does_not_exist_for_other_readers(
    store: Store, study: Study, lena: User, anna: User, bert: User
) -> None:
    hers = its_next(store, study, anna)
    read_id = say(store, hers, "leukaemic")

    for other in (bert, lena):
        assert find_item(store, hers.id, reader_id=other.id) is None
        with pytest.raises(StoreError, match=f"cannot find study item {hers.id}"):
            save_read(
                store, NewStudyRead(hers.id, "normal", "", 1.0), reader_id=other.id, expected_read_id=read_id
            )
        with pytest.raises(StoreError, match=f"cannot find study item {hers.id}"):
            undo_read(store, hers.id, reader_id=other.id, expected_read_id=read_id)
    # Nor do the items of the other show what she said of their cell.
    assert all(item.read is None for item in read_all(store, study, bert))
    assert len(read_history(store, hers.id)) == 1
    assert next_item(store, study.id, reader_id=lena.id) is None


def test_a_change_keeps_what_was_said_before(store: Store, study: Study, anna: User) -> None:
    item = its_next(store, study, anna)
    one = say(store, item, "normal")
    item = find_item(store, item.id, reader_id=anna.id) or item
    two = say(store, item, "leukaemic", seconds=9.5)

    history = read_history(store, item.id)
    assert [(read.id, read.verdict, read.supersedes) for read in history] == [
        (one, "normal", None),
        (two, "leukaemic", one),
    ]
    assert [line.verdict for line in study_lines(store, study.id) if line.item_id == item.id] == ["leukaemic"]


def test_a_reader_in_two_windows_overwrites_nothing(store: Store, study: Study, anna: User) -> None:
    item = its_next(store, study, anna)

    def attempt(verdict: Verdict) -> bool:
        try:
            say(store, item, verdict)
        except ConflictError:
            return False
        return True

    with ThreadPoolExecutor(2) as threads:
        assert sorted(threads.map(attempt, ["normal", "leukaemic"])) == [False, True]
    assert len(read_history(store, item.id)) == 1


def test_what_was_undone_comes_up_first_again(store: Store, study: Study, anna: User) -> None:
    items = []
    for _ in range(3):
        items.append(its_next(store, study, anna))
        say(store, items[-1], "leukaemic")
    read_id = read_history(store, items[1].id)[0].id
    undone = undo_read(store, items[1].id, reader_id=anna.id, expected_read_id=read_id)

    item = its_next(store, study, anna)
    assert (item.id, item.read) == (items[1].id, undone)
    assert (undone.verdict, undone.supersedes) == ("withdrawn", read_id)
    assert progress(store, study.id, reader_id=anna.id).read == 2
    with pytest.raises(ConflictError, match="nothing is said"):
        undo_read(store, item.id, reader_id=anna.id, expected_read_id=undone.id)
    say(store, item, "normal")
    assert its_next(store, study, anna).position == 4
    assert [read.verdict for read in read_history(store, item.id)] == ["leukaemic", "withdrawn", "normal"]


def test_reads_that_are_none_are_refused(store: Store, study: Study, anna: User) -> None:
    item = its_next(store, study, anna)
    for verdict in ("withdrawn", "dead"):
        with pytest.raises(SettingError, match="leukaemic, normal, uncertain, not_a_cell"):
            say(store, item, verdict)  # type: ignore[arg-type]
    for seconds in (-1.0, float("nan"), float("inf")):
        with pytest.raises(SettingError, match="give 0 s or more"):
            say(store, item, seconds=seconds)
    assert read_history(store, item.id) == ()


def test_a_closed_study_takes_no_read(store: Store, study: Study, lena: User, anna: User) -> None:
    item = its_next(store, study, anna)
    read_id = say(store, item)
    closed = close_study(store, study.id, user=lena)

    assert (closed.state, closed.closed_at is not None) == ("closed", True)
    assert next_item(store, study.id, reader_id=anna.id) is None
    kept = find_item(store, item.id, reader_id=anna.id)
    assert kept is not None
    with pytest.raises(ConflictError, match="the study is closed"):
        say(store, kept)
    with pytest.raises(ConflictError, match="the study is closed"):
        undo_read(store, item.id, reader_id=anna.id, expected_read_id=read_id)
    with pytest.raises(ConflictError, match="it is closed"):
        close_study(store, study.id, user=lena)


def test_the_database_itself_refuses_to_change_reads_and_decisions(
    store: Store, study: Study, lena: User, anna: User, bert: User
) -> None:
    read_all(store, study, anna, "leukaemic")
    read_all(store, study, bert)
    cell_id = disputes(store, study.id)[0].cell_id
    adjudicate(store, NewAdjudication(study.id, cell_id, lena.id, "normal", ""), expected_id=None)
    first = next(line for line in study_lines(store, study.id))
    again = {"item_id": first.item_id, "verdict": "normal", "note": "", "seconds": 1.0}
    again |= {"decided_at": datetime.now(UTC)}
    statements = [
        study_tables.study_reads.update().values(verdict="normal"),
        study_tables.study_reads.delete(),
        study_tables.study_reads.insert().values(**again),  # a second first read
        study_tables.adjudications.update().values(verdict="leukaemic"),
        study_tables.adjudications.delete(),
        study_tables.study_items.delete(),
    ]
    for statement in statements:
        with pytest.raises(sa.exc.IntegrityError), store.engine.begin() as connection:
            connection.execute(statement)


def test_the_log_tells_of_each_step_but_no_title_or_note(
    store: Store, study: Study, lena: User, anna: User
) -> None:
    item = its_next(store, study, anna)
    new = NewStudyRead(item.id, "normal", "Mrs Secret", 1.0)
    save_read(store, new, reader_id=anna.id, expected_read_id=None)

    lines = audit.recent_lines(store)
    assert [line.action for line in reversed(lines)][-5:] == [
        "study.created",
        "study.cases_set",
        "study.readers_set",
        "study.opened",
        "study_read.saved",
    ]
    assert (json.loads(lines[1].detail)["n_cells"], json.loads(lines[1].detail)["n_items"]) == (8, 20)
    assert [word for word in ("Secret", "Day 15", "Say what", "Anna") if word in str(lines)] == []
    assert audit.verify(store).broken_at is None


# --- two phases ------------------------------------------------------------------------------------------


@pytest.fixture
def both(store: Store, lena: User, case: Case, anna: User, bert: User) -> Study:
    return opened(store, lena, [case], [anna, bert], replace(PLAN, mode="both", washout_days=14))


def assisted(store: Store, study: Study, reader: User) -> int:
    """Return the number of a reader's first assisted item."""
    lines = study_lines(store, study.id)
    return next(one.item_id for one in lines if (one.reader_id, one.phase) == (reader.id, "assisted"))


def test_the_assisted_phase_waits_for_the_washout(store: Store, both: Study, anna: User) -> None:
    item_id = assisted(store, both, anna)
    assert find_item(store, item_id, reader_id=anna.id) is None
    shown = read_all(store, both, anna)

    assert {item.phase for item in shown} == {"unaided"}
    here = progress(store, both.id, reader_id=anna.id)
    assert (here.read, here.total, here.phase) == (10, 20, None)
    last = read_history(store, shown[-1].id)[0].decided_at
    assert here.starts_at == last + timedelta(days=14)
    # The model is not to be seen by asking for an item by its number.
    assert find_item(store, item_id, reader_id=anna.id) is None
    with pytest.raises(StoreError, match="cannot find study item"):
        save_read(store, NewStudyRead(item_id, "normal", "", 1.0), reader_id=anna.id, expected_read_id=None)
    # What was said unaided can be corrected meanwhile, and the washout begins anew.
    corrected = find_item(store, shown[3].id, reader_id=anna.id)
    assert corrected is not None
    say(store, corrected, "leukaemic")
    later = progress(store, both.id, reader_id=anna.id).starts_at
    assert later is not None
    assert later > here.starts_at


@pytest.mark.parametrize(("days", "may_start"), [(13.9, False), (14.1, True)])
def test_after_the_washout_the_order_is_another_and_unaided_reads_are_final(
    store: Store, both: Study, anna: User, days: float, may_start: bool
) -> None:
    unaided: list[StudyItem] = []
    while (item := next_item(store, both.id, reader_id=anna.id)) is not None and item.phase == "unaided":
        long_ago(store, item, days=days)
        unaided.append(item)

    if not may_start:
        assert next_item(store, both.id, reader_id=anna.id) is None
        return
    assert progress(store, both.id, reader_id=anna.id).phase == "assisted"
    with pytest.raises(ConflictError, match="you may see what the model says by now"):
        say(store, find_item(store, unaided[0].id, reader_id=anna.id) or unaided[0], "leukaemic")
    shown = read_all(store, both, anna)
    assert [item.position for item in shown] == list(range(1, 11))
    assert [item.cell_id for item in shown] != [item.cell_id for item in unaided]
    assert {item.cell_id for item in shown} == {item.cell_id for item in unaided}
    assert progress(store, both.id, reader_id=anna.id).phase is None
    with pytest.raises(ConflictError, match="all assisted cells are read"):
        say(store, find_item(store, shown[0].id, reader_id=anna.id) or shown[0], "leukaemic")


# --- blinding --------------------------------------------------------------------------------------------


def test_a_case_is_hidden_from_those_who_still_read_it(
    store: Store, case: Case, lena: User, anna: User, bert: User
) -> None:
    carl, adam = user(store, "Carl"), user(store, "Adam", "admin")
    other = scored_case(store, lena, n_cells=2, sha256="b" * 64)
    for reader in (anna, carl):
        give_access(store, case.id, reader.id, actor=lena.actor)
        give_access(store, other.id, reader.id, actor=lena.actor)
    study = create_study(store, PLAN, user=lena)
    set_study_cases(store, study.id, [case.id], user=lena)
    set_study_readers(store, study.id, [anna.id, bert.id, adam.id], user=lena)
    assert find_case(store, case.id, user=anna) == case  # nothing is hidden by a draft

    open_study(store, study.id, user=lena)
    for blinded in (anna, adam):
        assert find_case(store, case.id, user=blinded) is None
        assert cases_of(store, blinded) == (other,)
        assert blinded_cases(store, blinded.id) == {case.id}
        assert is_reading(store, blinded.id, study.id)
    # Who made it, and who has access without reading in it, see all.
    for sighted in (lena, carl):
        assert find_case(store, case.id, user=sighted) == case
        assert cases_of(store, sighted) == (other, case)
        assert not is_reading(store, sighted.id, study.id)
    assert find_case(store, case.id, user=bert) is None
    assert cases_of(store, bert) == ()

    read_all(store, study, anna)
    assert find_case(store, case.id, user=anna) == case
    assert blinded_cases(store, anna.id) == frozenset()
    # Blinding ends, and with it what could have been changed in its light.
    item = item_at(store, study.id, reader_id=anna.id, phase="unaided", position=1)
    assert item is not None
    with pytest.raises(ConflictError, match="you may see what the model says by now"):
        say(store, item, "leukaemic")
    close_study(store, study.id, user=lena)
    assert find_case(store, case.id, user=adam) == case


def test_blinding_lasts_through_washout_and_assisted_phase(
    store: Store, both: Study, case: Case, anna: User
) -> None:
    give_access(store, case.id, anna.id, actor=SYSTEM)
    read_all(store, both, anna)

    assert case.id in blinded_cases(store, anna.id)
    assert find_case(store, case.id, user=anna) is None


# --- disputes --------------------------------------------------------------------------------------------


def test_disputes_are_of_first_showings_and_decided_when_all_are_through(
    store: Store, study: Study, lena: User, anna: User, bert: User
) -> None:
    lines = study_lines(store, study.id)
    repeated = next(line.cell_id for line in lines if line.reader_id == anna.id and line.is_repeat)
    seen: set[int] = set()
    odd: int | None = None
    while (item := next_item(store, study.id, reader_id=anna.id)) is not None:
        # On one cell she differs at first sight, on the repeated one at second sight only.
        is_second = item.cell_id in seen
        odd = item.cell_id if odd is None and item.cell_id != repeated else odd
        differs = (item.cell_id == odd and not is_second) or (item.cell_id == repeated and is_second)
        say(store, item, "leukaemic" if differs else "normal")
        seen.add(item.cell_id)
    assert odd is not None
    new = NewAdjudication(study.id, odd, lena.id, "leukaemic", "nucleoli")
    assert disputes(store, study.id) == ()
    with pytest.raises(ConflictError, match="not all readers are through"):
        adjudicate(store, new, expected_id=None)

    read_all(store, study, bert)
    (dispute,) = disputes(store, study.id)
    assert (dispute.cell_id, dispute.adjudication) == (odd, None)
    assert dispute.verdicts == ((anna.id, "leukaemic"), (bert.id, "normal"))
    with pytest.raises(ConflictError, match="do not differ"):
        adjudicate(store, replace(new, cell_id=repeated), expected_id=None)

    one = adjudicate(store, new, expected_id=None)
    with pytest.raises(ConflictError, match=f"is number {one.id}"):
        adjudicate(store, replace(new, verdict="normal"), expected_id=None)
    two = adjudicate(store, replace(new, verdict="uncertain"), expected_id=one.id)
    assert two.supersedes == one.id
    assert adjudicated(store, study.id) == {odd: two}
    assert disputes(store, study.id)[0].adjudication == two


def test_what_cannot_be_decided_is_refused(
    store: Store, study: Study, case: Case, lena: User, anna: User, bert: User
) -> None:
    other = scored_case(store, lena, n_cells=1, sha256="b" * 64)
    assert other.id not in case_ids_of(store, study.id)
    read_all(store, study, anna, "leukaemic")
    say(store, its_next(store, study, bert), "normal")
    close_study(store, study.id, user=lena)  # he is not through: one cell has two readers

    (dispute,) = disputes(store, study.id)
    new = NewAdjudication(study.id, dispute.cell_id, lena.id, "normal", "")
    with pytest.raises(SettingError, match="no verdict"):
        adjudicate(store, replace(new, verdict="withdrawn"), expected_id=None)
    with pytest.raises(StoreError, match="cell of this study 9"):
        adjudicate(store, replace(new, cell_id=9), expected_id=None)
    with pytest.raises(StoreError, match="account 99"):
        adjudicate(store, replace(new, lead_id=99), expected_id=None)
    assert adjudicated(store, study.id) == {}


def test_of_two_phases_the_last_that_all_are_through_counts(
    store: Store, lena: User, case: Case, anna: User, bert: User
) -> None:
    study = opened(store, lena, [case], [anna, bert], replace(PLAN, mode="both", repeat_share=0))
    for reader, unaided in ((anna, "leukaemic"), (bert, "normal")):
        while (item := next_item(store, study.id, reader_id=reader.id)) is not None:
            say(store, item, unaided if item.phase == "unaided" else "normal")  # type: ignore[arg-type]
            if (reader, item.phase, item.position) == (bert, "assisted", 7):
                # One is left in the assisted phase: the unaided one counts.
                assert len(disputes(store, study.id)) == 8

    # With the model all agreed.
    assert disputes(store, study.id) == ()
