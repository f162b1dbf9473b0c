"""What came out of a reading study: counts, agreement by hand, the table of reads, and the page."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from leuknet.errors import DataError, ShapeError
from leuknet.figures.agreement_plot import draw_agreement
from leuknet.figures.frame import save_figure
from leuknet.room.csv_text import defused
from leuknet.room.demonstration import CELLS_TITLE
from leuknet.room.study_page import study_html
from leuknet.room.study_results import COLUMNS, reads_csv, study_results
from leuknet.store import tables
from leuknet.store.adjudications import adjudicate, disputes
from leuknet.store.cases import add_image, create_case
from leuknet.store.cell_nouns import Verdict
from leuknet.store.cells import add_cells
from leuknet.store.database import Store
from leuknet.store.nouns import SYSTEM, Case, User
from leuknet.store.studies import close_study
from leuknet.store.study_nouns import NewAdjudication, NewStudyRead, Study, StudyItem
from leuknet.store.study_reads import next_item, save_read, study_lines
from tests.people import user
from tests.store.test_studies import CELL, IMAGE, PLAN, opened

pytestmark = pytest.mark.usefixtures("quick_hashes")

Says = Callable[[int, StudyItem], Verdict]
"""What a reader says of the cell with this place, counted from 0."""


def scored(
    store: Store, lead: User, outcomes: str, *, sha256: str = "a" * 64, title: str = "=Patient 7"
) -> Case:
    """Make a case whose cells the model calls by these letters."""
    words = {"p": "positive", "n": "negative", "u": "uncertain", "f": "unfamiliar", "x": "ALL"}
    case = create_case(store, title, user=lead)
    image = add_image(store, case.id, replace(IMAGE, sha256=sha256), actor=SYSTEM)
    cells = [replace(CELL, name=f"c{n}", outcome=words[letter]) for n, letter in enumerate(outcomes)]
    add_cells(store, image.id, cells, actor=SYSTEM)
    scoring = {"image_id": image.id, "state": "scored", "model_id": "m", "scored_at": datetime.now(UTC)}
    with store.engine.begin() as connection:
        connection.execute(tables.scorings.insert().values(**scoring))
    return case


def read(store: Store, study: Study, reader: User, says: Says, *, seconds: float = 2.0) -> None:
    """Let a reader read all."""
    cells = sorted({line.cell_id for line in study_lines(store, study.id)})
    while (item := next_item(store, study.id, reader_id=reader.id)) is not None:
        new = NewStudyRead(item.id, says(cells.index(item.cell_id), item), "=cmd|note", seconds)
        save_read(store, new, reader_id=reader.id, expected_read_id=None)


def by(letters: str) -> Says:
    words: dict[str, Verdict] = {"p": "leukaemic", "n": "normal", "u": "uncertain", "x": "not_a_cell"}
    return lambda place, _: words[letters[place]]


@pytest.fixture
def study(store: Store, lena: User, anna: User, bert: User) -> Study:
    case = scored(store, lena, "ppnnuf")
    study = opened(store, lena, [case], [anna, bert], replace(PLAN, repeat_share=0.5))
    read(store, study, anna, by("ppnnux"), seconds=1.0)
    read(store, study, bert, by("pnnnuu"), seconds=3.0)
    return study


def test_agreement_of_a_small_study_by_hand(store: Store, study: Study) -> None:
    results = study_results(store, study.id)
    (phase,) = results.phases
    compared = {(one.kind, one.name): one for one in phase.compared}

    # Anna ppnnux, Bert pnnnuu: 4 of 6 alike; by chance (2*1 + 2*3 + 1*2 + 1*0) / 36 = 10/36.
    pair = compared["pair", "reader 1 and reader 2"]
    assert pair.agreement.estimate == pytest.approx(4 / 6)
    assert pair.kappa.estimate == pytest.approx((24 - 10) / (36 - 10))
    # The model says ppnnuu, since unfamiliar is no call: Anna differs in the last cell, Bert in the second.
    for reader in ("reader 1", "reader 2"):
        assert compared["model", f"{reader} and the model"].agreement.estimate == pytest.approx(5 / 6)
    # Both say the same of a cell each time; 3 of 6 cells came twice.
    assert [compared["self", f"reader {n} twice"].agreement.estimate for n in (1, 2)] == [1.0, 1.0]
    assert compared["self", "reader 1 twice"].agreement.cells == 3
    # Of two readers Fleiss' kappa is not given.
    assert {kind for kind, _ in compared} == {"pair", "self", "model"}
    assert (pair.kappa.cells, pair.kappa.cases, pair.kappa.resampled) == (6, 1, "cases")
    assert (results.n_cells, results.n_cases, results.models) == (6, 1, ("m" * 12,))


def test_verdicts_are_counted_once_for_each_cell_and_times_for_each_item(store: Store, study: Study) -> None:
    anna, bert = study_results(store, study.id).phases[0].readers

    assert anna.counts == (("leukaemic", 2), ("normal", 2), ("uncertain", 1), ("not_a_cell", 1))
    assert bert.counts == (("leukaemic", 1), ("normal", 3), ("uncertain", 2), ("not_a_cell", 0))
    assert (anna.read, anna.total, anna.seconds, bert.seconds) == (9, 9, (1.0, 1.0, 1.0), (3.0, 3.0, 3.0))


def test_who_says_otherwise_the_second_time_is_not_consistent(
    store: Store, lena: User, anna: User, bert: User
) -> None:
    study = opened(store, lena, [scored(store, lena, "ppnn")], [anna, bert], replace(PLAN, repeat_share=0.5))
    seen: set[int] = set()

    def wavering(place: int, item: StudyItem) -> Verdict:
        again = item.cell_id in seen
        seen.add(item.cell_id)
        return "normal" if again else "leukaemic"

    read(store, study, anna, wavering)
    results = study_results(store, study.id)

    (own,) = [one for one in results.phases[0].compared if one.kind == "self"]
    assert (own.name, own.agreement.estimate, own.agreement.cells) == ("reader 1 twice", 0.0, 2)
    # Bert read nothing: he is in no comparison that has a value.
    (pair,) = [one for one in results.phases[0].compared if one.kind == "pair"]
    assert (pair.kappa.estimate, pair.kappa.left_out) == (None, 4)
    assert pair.kappa.reason == "no cell was rated by all of them"


def test_three_readers_have_fleiss_kappa_and_two_phases_a_change(
    store: Store, lena: User, anna: User, bert: User
) -> None:
    carl = user(store, "Carl")
    case = scored(store, lena, "ppppnnnn")
    study = opened(store, lena, [case], [anna, bert, carl], replace(PLAN, mode="both", repeat_share=0))
    model = by("ppppnnnn")
    for reader, alone in ((anna, "ppppnnnn"), (bert, "nnppnnnn"), (carl, "ppnnnnpp")):

        def says(place: int, item: StudyItem, alone: str = alone) -> Verdict:
            return model(place, item) if item.phase == "assisted" else by(alone)(place, item)

        read(store, study, reader, says)
    results = study_results(store, study.id)

    unaided, assisted = ({one.name: one for one in phase.compared} for phase in results.phases)
    changes = {one.name: one for one in results.changes}
    # Of 8 cells two are called alike by all, in six one of three pairs agrees.
    everybody = "all 3 readers"
    assert unaided[everybody].kind == "all"
    assert unaided[everybody].agreement.estimate == pytest.approx((2 + 6 / 3) / 8)
    assert assisted[everybody].kappa.estimate == 1.0
    before = unaided[everybody].kappa.estimate
    assert before is not None
    assert changes[everybody].kappa.estimate == pytest.approx(1 - before)
    assert changes["reader 2 and the model"].agreement.estimate == pytest.approx(2 / 8)
    # Anna changed nothing as to the model; of one case nobody knows more.
    same = changes["reader 1 and the model"].kappa
    assert (same.estimate, same.low, same.high) == (0.0, None, None)
    assert (results.disputed, results.adjudicated) == (0, 0)


def test_an_outcome_without_a_meaning_is_refused(store: Store, lena: User, anna: User) -> None:
    study = opened(store, lena, [scored(store, lena, "pxn")], [anna], PLAN)

    with pytest.raises(DataError, match="'ALL'"):
        study_results(store, study.id)


def test_the_table_of_reads_has_numbers_and_words_but_no_names(
    store: Store, study: Study, lena: User
) -> None:
    dispute = disputes(store, study.id)[0]
    adjudicate(store, NewAdjudication(study.id, dispute.cell_id, lena.id, "leukaemic", ""), expected_id=None)
    text = reads_csv(store, study.id)
    rows = list(csv.DictReader(io.StringIO(text)))

    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == 18
    assert [row["reader"] for row in rows] == ["reader 1"] * 9 + ["reader 2"] * 9
    assert [int(row["position"]) for row in rows] == [*range(1, 10)] * 2
    assert sum(int(row["repeat"]) for row in rows) == 6
    for row in rows:
        assert row["adjudicated"] == ("leukaemic" if row["cell"] == str(dispute.cell_id) else "")
        assert (row["seconds"], row["model_probability"]) in {("1.0", "0.75"), ("3.0", "0.75")}
    assert [word for word in ("Anna", "Bert", "Patient", "smear", "cmd") if word in text] == []


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_text_that_a_spreadsheet_would_run_is_defused(start: str) -> None:
    assert defused(f"{start}HYPERLINK()") == f"'{start}HYPERLINK()"
    assert defused(f"a{start}b") == f"a{start}b"


def test_the_page_says_what_kappa_does_not_say(store: Store, study: Study, lena: User) -> None:
    draft = study_html(study_results(store, study.id))
    assert "The study is not closed" in draft
    close_study(store, study.id, user=lena)
    html = study_html(study_results(store, study.id))

    for needed in (
        "says nothing of who is right",
        "reader 1 and reader 2",
        "0.54",
        "no interval",
        "1.0 (1.0 to 1.0)",
        "1 case say too little of how cases differ",
        "For research only",
    ):
        assert needed.lower() in html.lower(), needed
    assert [
        word for word in ("Anna", "Bert", "Patient", "The study is not closed", "SIMULATED") if word in html
    ] == []


def test_simulated_cells_are_in_no_number_where_real_ones_were_read(
    store: Store, lena: User, anna: User, bert: User
) -> None:
    real = scored(store, lena, "ppnnuf")
    drawn = scored(store, lena, "pppp", sha256="b" * 64, title=CELLS_TITLE)
    study = opened(store, lena, [real, drawn], [anna, bert], replace(PLAN, repeat_share=0.0))
    cells = {line.cell_id: line.case_id for line in study_lines(store, study.id)}

    def says(word: Verdict) -> Says:
        return lambda _, item: word if cells[item.cell_id] == drawn.id else "uncertain"

    read(store, study, anna, says("normal"))
    read(store, study, bert, says("leukaemic"))
    results = study_results(store, study.id)

    assert (results.simulated, results.left_out, results.n_cells, results.n_cases) == (False, 4, 6, 1)
    # All differ on the simulated cells and nobody on the real ones.
    assert (results.disputed, len(disputes(store, study.id))) == (0, 4)
    assert [row.total for row in results.phases[0].readers] == [6, 6]
    assert {one.agreement.cells for one in results.phases[0].compared} == {6}
    html = study_html(results)
    assert "4 cells of the demonstration, drawn by a program, were read beside real ones" in html
    assert "SIMULATED CELLS" not in html
    table = csv.DictReader(io.StringIO(reads_csv(store, study.id)))
    assert [row["simulated"] for row in table].count("1") == 8


def test_a_study_of_simulated_cells_alone_says_so_of_every_cell(
    store: Store, lena: User, anna: User, bert: User
) -> None:
    study = opened(store, lena, [scored(store, lena, "pn", title=CELLS_TITLE)], [anna, bert], PLAN)
    results = study_results(store, study.id)

    assert (results.simulated, results.left_out, results.n_cells) == (True, 0, 2)
    assert "Every cell that was read was drawn by a program" in study_html(results)


def test_a_title_is_text_on_the_page(store: Store, lena: User, anna: User) -> None:
    plan = replace(PLAN, title="<script>alert(1)</script>")
    study = opened(store, lena, [scored(store, lena, "pn")], [anna], plan)

    html = study_html(study_results(store, study.id))
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert" in html


def test_the_figure_names_everybody_and_says_where_kappa_is_undefined(
    store: Store, lena: User, anna: User, bert: User, tmp_path: Path
) -> None:
    study = opened(store, lena, [scored(store, lena, "pppp")], [anna, bert], PLAN)
    for reader in (anna, bert):
        read(store, study, reader, by("pppp"))
    (phase,) = study_results(store, study.id).phases

    figure = draw_agreement({"unaided": phase.compared}, title="T", subtitle="s", simulated=False)
    texts = [
        text.get_text()
        for part in figure.subfigs
        for axes in part.axes
        for text in axes.texts
        if text.get_text()
    ]
    assert "reader 1 and reader 2" in texts
    assert texts.count("undefined") == len(phase.compared) == 5
    assert "100%" in texts
    first = [path.read_bytes() for path in save_figure(figure, tmp_path / "one")]
    again = draw_agreement({"unaided": phase.compared}, title="T", subtitle="s", simulated=False)
    assert first == [path.read_bytes() for path in save_figure(again, tmp_path / "two")]
    with pytest.raises(ShapeError):
        draw_agreement({}, title="T", subtitle="s", simulated=False)
