"""Pages of reading studies: what readers see and what they must not, adjudication, results."""

from __future__ import annotations

import csv
import io
import json
import re
import struct
import sys
from collections.abc import Iterator
from dataclasses import fields, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

pytest.importorskip("fastapi", reason="fastapi is not installed: pip install 'leuknet[web]'")

from fastapi.testclient import TestClient
from httpx2 import Response

from leuknet.room.demonstration import CELLS_TITLE
from leuknet.room.showing import BLOCK_BYTES
from leuknet.store import tables
from leuknet.store.adjudications import adjudicated
from leuknet.store.blinding import blinded_cases
from leuknet.store.cases import add_image, create_case, give_access, images_of
from leuknet.store.nouns import SYSTEM, Case, NewImage
from leuknet.store.study_nouns import Study
from leuknet.store.study_reads import read_history, study_lines
from leuknet.web.pages.study_reading import bounded_seconds
from tests.rooms import Room, open_room
from tests.study_rooms import (
    CASE_TITLE,
    FILE_NAME,
    OUTCOME,
    PROBABILITY,
    WARNING,
    add_open_study,
    add_scored_case,
)

N_CELLS = 4
AS_DATA = {"Accept": "application/json"}


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    with open_room(tmp_path) as room:
        room.browser("Lena", "lead")
        for name in ("Anna", "Bert", "Nora"):
            room.browser(name)
        yield room


@pytest.fixture
def case(room: Room) -> Case:
    return add_scored_case(room.store, room.settings.folder, room.user("Lena"), n_cells=N_CELLS)


def opened(room: Room, case: Case, *readers: str, **options: Any) -> Study:
    people = [room.user(name) for name in readers or ("Anna", "Bert")]
    return add_open_study(room.store, room.user("Lena"), people, [case], **options)


def shown(browser: TestClient, study: Study) -> dict[str, Any]:
    """Return what a reader's page hands to its script."""
    page = browser.get(f"/studies/{study.id}/read")
    assert page.status_code == 200
    found = re.search(r'id="shown"[^>]*>(.*?)</script>', page.text)
    assert found is not None, page.text
    state: dict[str, Any] = json.loads(found.group(1))
    return state


def say(browser: TestClient, item: dict[str, Any], verdict: str, **more: str) -> Response:
    """Answer as the page's script does."""
    body = {"verdict": verdict, "expected": item["expected"], "shown_at": str(item["shown_at"])} | more
    return browser.post(item["address"], data=body, headers=AS_DATA)


def read_all(browser: TestClient, study: Study, verdicts: str) -> None:
    """Read all items of a phase; a letter for each: l, n, u or x."""
    named = {"l": "leukaemic", "n": "normal", "u": "uncertain", "x": "not_a_cell"}
    item = shown(browser, study)
    for letter in verdicts:
        answer = say(browser, item, named[letter])
        assert answer.status_code == 200, answer.text
        item = answer.json()


def test_without_studies_the_page_teaches_what_one_is(room: Room) -> None:
    html = room.browser("Anna").get("/studies").text
    assert "A blinded study shows how far experts agree" in html
    assert 'action="/studies"' not in html, "readers make none"
    assert 'action="/studies"' in room.browser("Lena").get("/studies").text


def test_a_lead_plans_a_study_and_opens_it(room: Room, case: Case) -> None:
    lead = room.browser("Lena")
    plan = {"title": "Day 15", "mode": "both", "repeat_percent": "25", "washout_days": "0"}

    made = lead.post("/studies", data=plan | {"instructions": "Say what you see."})
    address = made.headers["location"]
    draft = lead.get(address).text
    assert f"{N_CELLS} cells" in draft
    assert "Choose cases with cells, and readers" in draft, "nothing can be opened yet"

    anna, bert = room.user("Anna"), room.user("Bert")
    choice = {"case_id": str(case.id), "reader_id": [str(anna.id), str(bert.id)]}
    assert lead.post(f"{address}/plan", data=choice).status_code == 303
    # 4 cells and a quarter of them again, in two phases.
    assert (
        "2 readers read 10 times each. These are 4 cells, and 1 of them once more." in lead.get(address).text
    )
    assert lead.post(f"{address}/open").status_code == 303
    assert "0 of 5" in lead.get(address).text
    assert lead.post(f"{address}/open").status_code == 409
    assert lead.post(f"{address}/plan", data=choice).status_code == 409
    assert "Begin reading" in room.browser("Anna").get("/studies").text


def test_a_plan_that_cannot_be_is_shown_again_with_what_was_typed(room: Room) -> None:
    plan = {"title": "  ", "mode": "unaided", "repeat_percent": "20", "washout_days": "3"}

    answer = room.browser("Lena").post("/studies", data=plan | {"instructions": "Look closely."})

    assert answer.status_code == 422
    assert "its title has 0 characters" in answer.text
    assert "Look closely." in answer.text


def test_only_leads_make_studies(room: Room) -> None:
    plan = {"title": "Mine", "mode": "unaided", "repeat_percent": "0", "washout_days": "0"}
    assert room.browser("Anna").post("/studies", data=plan).status_code == 403


def test_an_answer_is_saved_at_once_with_note_and_time(room: Room, case: Case) -> None:
    study = opened(room, case)
    item = shown(room.browser("Anna"), study)
    item["shown_at"] -= 60

    after = say(room.browser("Anna"), item, "uncertain", note=" smudged\r\nedge ", seconds="4.5").json()

    assert (after["position"], after["read"], after["total"]) == (2, 1, N_CELLS)
    first = next(one for one in study_lines(room.store, study.id) if one.reader_id == room.user("Anna").id)
    read = read_history(room.store, first.item_id)[0]
    assert (read.verdict, read.note, read.seconds) == ("uncertain", "smudged\nedge", 4.5)


def test_time_is_no_more_than_can_be_true() -> None:
    assert bounded_seconds(5.0, since=100.0, now=120.0) == 5
    assert bounded_seconds(500.0, since=100.0, now=120.0) == 20, "the cell was not there before"
    assert bounded_seconds(-3.0, since=100.0, now=120.0) == 0
    assert bounded_seconds(9000.0, since=0.0, now=1e6) == 3600
    assert bounded_seconds(None, since=100.0, now=120.0) == 20, "a page without script does not count itself"
    assert bounded_seconds(5.0, since=200.0, now=120.0) == 0


def test_without_script_a_plain_form_reads(room: Room, case: Case) -> None:
    study = opened(room, case)
    browser = room.browser("Anna")
    item = shown(browser, study)

    answer = browser.post(
        item["address"], data={"verdict": "normal", "expected": "", "shown_at": item["shown_at"]}
    )

    assert answer.headers["location"] == f"/studies/{study.id}/read"
    again = shown(browser, study)
    assert again["position"] == 2
    undone = browser.post(again["undo"]["address"], data={"expected": again["undo"]["expected"]})
    assert undone.status_code == 303
    assert "You said before: Normal." in browser.get(f"/studies/{study.id}/read").text


def test_undo_goes_back_cell_by_cell_with_what_was_said(room: Room, case: Case) -> None:
    study = opened(room, case)
    browser = room.browser("Anna")
    second = say(browser, shown(browser, study), "normal", note="first").json()
    third = say(browser, second, "leukaemic", note="second").json()

    for before, position in ((("leukaemic", "second"), 2), (("normal", "first"), 1)):
        undo = {"expected": third["undo"]["expected"]}
        third = browser.post(third["undo"]["address"], data=undo, headers=AS_DATA).json()
        assert third["position"] == position
        assert (third["before"]["verdict"], third["before"]["note"]) == before
    assert third["undo"] is None
    after = say(browser, third, "normal").json()
    assert (after["position"], after["before"]["verdict"]) == (2, "leukaemic")


def test_two_windows_do_not_overwrite_each_other(room: Room, case: Case) -> None:
    study = opened(room, case)
    browser = room.browser("Anna")
    item = shown(browser, study)
    say(browser, item, "normal")

    answer = say(browser, item, "leukaemic")

    assert answer.status_code == 409
    told = answer.json()
    assert told["title"] == "cannot save the read"
    assert "nothing was overwritten" in told["fix"]


def test_an_answer_that_was_sent_twice_since_its_receipt_was_lost_is_saved_once(
    room: Room, case: Case
) -> None:
    study = opened(room, case)
    browser = room.browser("Anna")
    item = shown(browser, study)
    second = say(browser, item, "normal").json()
    assert say(browser, item, "normal").json()["position"] == 2

    undo = {"expected": second["undo"]["expected"]}
    for _ in range(2):
        undone = browser.post(second["undo"]["address"], data=undo, headers=AS_DATA)
        assert undone.json()["position"] == 1
    item = undone.json()
    for _ in range(N_CELLS - 1):
        item = say(browser, item, "normal").json()
    assert item["last"]
    assert say(browser, item, "normal").json() == {"done": True}
    assert say(browser, item, "normal").json() == {"done": True}, "the very last, too"


def test_the_unaided_pages_hold_nothing_that_could_sway_or_tell(room: Room, case: Case) -> None:
    study = opened(room, case, repeat_share=0.5)
    browser = room.browser("Anna")
    give_access(room.store, case.id, room.user("Anna").id, actor=SYSTEM)
    lines = [one for one in study_lines(room.store, study.id) if one.reader_id == room.user("Anna").id]
    answers = [browser.get("/studies"), browser.get(f"/studies/{study.id}")]
    item = shown(browser, study)
    for _ in lines:
        answers.append(browser.get(f"/studies/{study.id}/read"))
        answers.append(browser.get(item["picture"]))
        answer = say(browser, item, "normal")
        answers.append(answer)
        item = answer.json()

    secrets = [FILE_NAME, CASE_TITLE, OUTCOME, WARNING, str(PROBABILITY), "0.87", "secret-", str(case.id)]
    secrets += ["is_repeat", "cell_id", "image_id", "item_id", "Bert", "Lena"]
    for answer in answers:
        told = answer.content + "\n".join(f"{key}: {value}" for key, value in answer.headers.items()).encode()
        assert [secret for secret in secrets if secret.encode() in told] == []
        assert not {"etag", "last-modified", "content-disposition"} & set(answer.headers)
        assert answer.headers["cache-control"] == "no-store", "another reader's picture has the same address"
    # Numbers of cells are short: not in the page at all, other than as positions and counts.
    assert "model" not in {key for key, value in shown_keys(answers) if value is not None}


def shown_keys(answers: list[Response]) -> list[tuple[str, Any]]:
    data = [one.json() for one in answers if one.headers["content-type"] == "application/json"]
    return [pair for one in data for pair in one.items()]


def test_the_data_of_an_item_is_no_more_than_the_page_needs(room: Room, case: Case) -> None:
    item = shown(room.browser("Anna"), opened(room, case))

    assert set(item) == {
        "phase", "position", "total", "read", "last", "address", "picture", "next_picture",
        "microns_per_pixel", "expected", "shown_at", "before", "undo", "model",
    }  # fmt: skip


def test_pictures_are_pixels_alone(room: Room, case: Case) -> None:
    study = opened(room, case)
    item = shown(room.browser("Anna"), study)

    picture = room.browser("Anna").get(item["picture"])

    assert picture.headers["content-type"] == "image/png"
    kinds, at = [], 8
    while at < len(picture.content):
        length, kind = struct.unpack_from(">I4s", picture.content, at)
        kinds.append(kind)
        at += length + 12
    assert {*kinds} == {b"IHDR", b"IDAT", b"fiLl", b"IEND"}  # no name, time, scale or profile


def test_the_next_picture_is_there_before_its_turn_and_none_after_it(room: Room, case: Case) -> None:
    study = opened(room, case)
    browser = room.browser("Anna")
    item = shown(browser, study)
    here = f"/studies/{study.id}/read"

    assert browser.get(item["next_picture"]).status_code == 200
    for place in ("unaided/3", "unaided/0", "unaided/-1", "unaided/99", "unaided/x", "assisted/1", "other/1"):
        assert browser.get(f"{here}/{place}/view.png").status_code == 404, place
        answer = browser.post(f"{here}/{place}", data={"verdict": "normal"}, headers=AS_DATA)
        assert answer.status_code == 404, place
    assert say(browser, item | {"address": f"{here}/unaided/2"}, "normal").status_code == 404, "not its turn"


def test_the_model_is_shown_in_the_assisted_phase_alone(room: Room, case: Case) -> None:
    study = opened(room, case, "Anna", mode="both")
    browser = room.browser("Anna")
    unaided = shown(browser, study)
    assert unaided["model"] is None
    assert "The model says" not in re.sub(r'<script type="application/json".*?</script>', "", browser.get(
        f"/studies/{study.id}/read").text)  # fmt: skip
    read_all(browser, study, "nnnn")

    assisted = shown(browser, study)
    assert assisted["phase"] == "assisted"
    assert assisted["model"] == {"probability": PROBABILITY, "outcome": "Leukaemic", "warnings": [WARNING]}
    html = browser.get(f"/studies/{study.id}/read").text
    assert "Probability of leukaemic: 0.87" in html
    assert WARNING in html


def test_during_the_washout_the_page_says_when_it_goes_on(room: Room, case: Case) -> None:
    study = opened(room, case, "Anna", mode="both", washout_days=14)
    read_all(room.browser("Anna"), study, "nnnn")

    page = room.browser("Anna").get(f"/studies/{study.id}/read").text

    assert "Thank you, the first reading is done" in page
    assert re.search(r"It goes on from \d{4}-\d\d-\d\d \d\d:\d\d UTC", page)
    assert f'href="/studies/{study.id}/read"' not in page


def test_who_is_through_is_thanked_and_told_no_result(room: Room, case: Case) -> None:
    study = opened(room, case, repeat_share=0.5)
    read_all(room.browser("Anna"), study, "nnnnnn")

    page = room.browser("Anna").get(f"/studies/{study.id}/read").text

    assert "Thank you, all is done" in page
    assert "kappa" not in page.lower()


def routes(study: Study) -> list[tuple[str, str]]:
    here = f"/studies/{study.id}"
    own = [("GET", f"{here}/read"), ("GET", f"{here}/read/unaided/1/view.png")]
    own += [("POST", f"{here}/read/unaided/1"), ("POST", f"{here}/read/unaided/1/undo")]
    return [("GET", here), *own, *leads_routes(study)]


def leads_routes(study: Study) -> list[tuple[str, str]]:
    here = f"/studies/{study.id}"
    got = ["disputes", "disputes/1", "disputes/1/view.png", "results"]
    got += ["results/reads.csv", "results/report.html", "results/report.pdf"]
    posted = ["plan", "open", "close", "disputes/1"]
    return [("GET", f"{here}/{one}") for one in got] + [("POST", f"{here}/{one}") for one in posted]


BODY = {"verdict": "normal", "expected": "1"}


def test_to_who_does_not_read_in_it_a_study_does_not_exist(room: Room, case: Case) -> None:
    study = opened(room, case)
    nora = room.browser("Nora")
    missing = nora.get(f"/studies/{uuid4()}")

    for method, path in routes(study):
        answer = nora.request(method, path, data=BODY)
        assert (answer.status_code, answer.text) == (404, missing.text), path
    assert "Day 15" not in nora.get("/studies").text


def test_readers_do_not_reach_a_leads_pages_nor_leads_a_readers(room: Room, case: Case) -> None:
    study = opened(room, case)
    say(room.browser("Anna"), shown(room.browser("Anna"), study), "normal")

    for method, path in leads_routes(study):
        assert room.browser("Anna").request(method, path, data=BODY).status_code == 404, path
    own = [one for one in routes(study) if "/read/" in one[1] or one[1].endswith("/read")]
    assert len(own) == 4
    for method, path in own:
        assert room.browser("Lena").request(method, path, data=BODY).status_code == 404, path


def test_a_reader_reaches_the_own_items_alone(room: Room, case: Case) -> None:
    study = opened(room, case)
    anna, bert = room.browser("Anna"), room.browser("Bert")
    item = shown(anna, study)
    for _ in range(2):
        item = say(anna, item, "leukaemic").json()

    # The same address is another cell for the other reader, and none where that one has not come yet.
    assert bert.get(item["picture"]).status_code == 404
    assert say(bert, item, "normal").status_code == 404
    assert shown(bert, study)["read"] == 0
    orders = {
        reader: [one.cell_id for one in study_lines(room.store, study.id) if one.reader_id == reader]
        for reader in (room.user("Anna").id, room.user("Bert").id)
    }
    first, second = orders.values()
    assert first != second, "else this test shows nothing"
    place = next(n for n, pair in enumerate(zip(first, second, strict=True)) if pair[0] != pair[1])
    if place < 2:
        path = f"/studies/{study.id}/read/unaided/{place + 1}/view.png"
        assert anna.get(path).content != bert.get(path).content


@pytest.mark.parametrize("same", ["sha256", "pixels_sha256"])
def test_who_reads_blinded_finds_no_score_of_the_study_s_pictures_elsewhere(
    room: Room, case: Case, same: str
) -> None:
    anna, lena = room.browser("Anna"), room.browser("Lena", "lead")
    copied, apart = (create_case(room.store, title, user=room.user("Anna")) for title in ("copy", "apart"))
    image = images_of(room.store, case.id)[0]
    kept = NewImage(**{item.name: getattr(image, item.name) for item in fields(NewImage)})
    if same == "pixels_sha256":
        kept = replace(kept, sha256="e" * 64, pixels_sha256="f" * 64)  # another file of these pixels
        with room.store.writing(SYSTEM) as change:
            known = tables.images.update().where(tables.images.c.id == image.id)
            change.execute(known.values(pixels_sha256="f" * 64))
            change.log("image.hashed", f"image:{image.id}")
    add_image(room.store, copied.id, kept, actor=SYSTEM)
    study = opened(room, case, "Anna")

    picture = anna.get(shown(anna, study)["picture"])
    assert len(picture.content) % BLOCK_BYTES == 0
    assert anna.get(f"/cases/{copied.id}").status_code == 404
    assert lena.get(f"/cases/{copied.id}").status_code == 200
    assert anna.get(f"/cases/{apart.id}").status_code == 200
    new = {"name": "saved.png", "n_bytes": len(picture.content), "key": "k"}
    refused = anna.post(f"/cases/{apart.id}/uploads", json=new)
    assert refused.status_code == 409
    assert "you are reading in a study" in refused.text

    item = shown(anna, study)
    while "done" not in item:
        item = say(anna, item, "leukaemic").json()
    assert anna.get(f"/cases/{copied.id}").status_code == 200
    assert anna.post(f"/cases/{apart.id}/uploads", json=new).status_code == 200


def test_a_lead_who_reads_is_blinded_until_through(room: Room, case: Case) -> None:
    study = opened(room, case, "Lena", "Bert")
    lead = room.browser("Lena")

    for method, path in leads_routes(study):
        assert lead.request(method, path, data=BODY).status_code == 404, path
    page = lead.get(f"/studies/{study.id}").text
    assert "Begin reading" in page
    assert "Bert" not in page
    assert case.id in blinded_cases(room.store, room.user("Lena").id)
    assert lead.get(f"/cases/{case.id}").status_code == 404
    assert CASE_TITLE not in lead.get("/cases").text

    read_all(lead, study, "nnnn")
    assert "0 of 4" in lead.get(f"/studies/{study.id}").text, "and sees the progress of others then"
    results = lead.get(f"/studies/{study.id}/results")
    assert results.status_code == 409
    assert "readers are still reading" in results.text


def test_results_wait_for_who_reads_the_cells_in_another_study(room: Room, case: Case) -> None:
    first = opened(room, case)
    for name in ("Anna", "Bert"):
        read_all(room.browser(name), first, "nnnn" if name == "Anna" else "llll")
    opened(room, case, "Lena")

    for path in ("results", "results/reads.csv", "disputes"):
        answer = room.browser("Lena").get(f"/studies/{first.id}/{path}")
        assert answer.status_code == 409, path
        assert "you still read some of these cells in another study" in answer.text
    assert "Readers differ on" not in room.browser("Lena").get(f"/studies/{first.id}").text


def test_closing_ends_reading_and_keeps_what_was_read(room: Room, case: Case) -> None:
    study = opened(room, case)
    item = say(room.browser("Anna"), shown(room.browser("Anna"), study), "normal").json()

    assert room.browser("Lena").post(f"/studies/{study.id}/close").status_code == 303

    answer = say(room.browser("Anna"), item, "normal")
    assert answer.status_code in (404, 409)
    assert "This study is closed" in room.browser("Anna").get(f"/studies/{study.id}/read").text


def disputed(room: Room, case: Case) -> Study:
    """Two readers who differ on every cell, and are through."""
    study = opened(room, case)
    read_all(room.browser("Anna"), study, "nnnn")
    read_all(room.browser("Bert"), study, "lulu")
    return study


def test_a_lead_decides_where_readers_differ_without_their_names_or_the_model(room: Room, case: Case) -> None:
    study = disputed(room, case)
    lead = room.browser("Lena")
    address = lead.get(f"/studies/{study.id}/disputes").headers["location"]

    page = lead.get(address).text
    assert "reader 1" in page
    assert "Anna" not in page
    assert "The model says" not in page
    assert lead.get(f"{address}/view.png").status_code == 200

    decision = {"verdict": "leukaemic", "expected": "", "note": "nucleoli"}
    assert lead.post(address, data=decision).status_code == 303
    assert "The model says" in lead.get(address).text, "the model is shown once it is decided"
    conflict = lead.post(address, data=decision)
    assert conflict.status_code == 409
    assert "nothing was overwritten" in conflict.text
    cell_id = int(address.rsplit("/", 1)[1])
    expected = adjudicated(room.store, study.id)[cell_id].id
    assert lead.post(address, data={"verdict": "normal", "expected": expected}).status_code == 303
    assert adjudicated(room.store, study.id)[cell_id].verdict == "normal"
    assert lead.get(f"/studies/{study.id}/disputes").headers["location"] != address, "the next is another"


def test_a_cell_without_disagreement_has_no_page_to_decide_it(room: Room, case: Case) -> None:
    study = opened(room, case)
    for name in ("Anna", "Bert"):
        read_all(room.browser(name), study, "nnnn")
    cell_id = study_lines(room.store, study.id)[0].cell_id
    lead = room.browser("Lena")

    assert "Readers agree on every cell" in lead.get(f"/studies/{study.id}/disputes").text
    for path in (f"disputes/{cell_id}", f"disputes/{cell_id}/view.png", "disputes/0", f"disputes/{2**70}"):
        assert lead.get(f"/studies/{study.id}/{path}").status_code == 404
    assert lead.post(f"/studies/{study.id}/disputes/{cell_id}", data=BODY).status_code == 404


def test_results_show_kappas_worked_out_by_hand_with_names_for_the_lead_alone(room: Room, case: Case) -> None:
    study = opened(room, case)
    # Cells in the order of their numbers; each reader meets them in another order.
    said = {"Anna": "llnn", "Bert": "lnnn"}
    for name, words in said.items():
        browser = room.browser(name)
        order = [one for one in study_lines(room.store, study.id) if one.reader_id == room.user(name).id]
        first = min(one.cell_id for one in order)
        read_all(browser, study, "".join(words[one.cell_id - first] for one in order))

    html = room.browser("Lena").get(f"/studies/{study.id}/results").text

    # 3 of 4 agree; by chance (2*1 + 2*3) / 16 = 1/2; kappa (3/4 - 1/2) / (1 - 1/2) = 1/2.
    row = re.search(
        r"reader 1 and reader 2</th><td><strong>([^<]*)</strong>.*?<strong>(\d+%)", html, re.DOTALL
    )
    assert row is not None
    assert row.groups() == ("0.50", "75%")
    # The model calls all four leukaemic: Anna agrees on 2, which is chance, kappa 0.
    against = re.search(r"reader 1 and the model</th><td><strong>([^<]*)</strong>", html)
    assert against is not None
    assert against.group(1) == "0.00"
    assert "Anna" in html
    assert "Kappa is the part of the agreement that is beyond chance" in html
    assert "with fewer than 5 cases nobody can say how cases differ" in html


def test_files_to_take_away_name_no_reader_file_or_case(room: Room, case: Case) -> None:
    study = disputed(room, case)
    here = f"/studies/{study.id}/results"
    lead = room.browser("Lena")

    table = lead.get(f"{here}/reads.csv")
    assert table.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(table.text)))
    assert len(rows) == 2 * N_CELLS
    assert {row["reader"] for row in rows} == {"reader 1", "reader 2"}
    report = lead.get(f"{here}/report.html")
    assert "attachment" in report.headers["content-disposition"]
    assert "Cohen" in report.text
    for answer in (table, report):
        for secret in ("Anna", "Bert", "Lena", FILE_NAME, CASE_TITLE):
            assert secret not in answer.text


def test_the_report_is_printed_or_the_page_says_what_is_missing(
    room: Room, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = disputed(room, case)
    address = f"/studies/{study.id}/results/report.pdf"
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "weasyprint", None)
        missing = room.browser("Lena").get(address)
    assert missing.status_code == 501
    assert "cannot write the report as PDF" in missing.text

    # Imported by the code alone, which keeps WeasyPrint from changing how Pillow reads images of later tests.
    if find_spec("weasyprint") is None:
        pytest.skip("WeasyPrint is not installed: pip install 'leuknet[report]'")
    printed = room.browser("Lena").get(address)
    assert printed.headers["content-type"] == "application/pdf"
    assert printed.content.startswith(b"%PDF-")


def test_formulas_do_not_run_in_a_spreadsheet(room: Room, case: Case) -> None:
    with room.store.engine.begin() as connection:
        connection.execute(tables.cells.update().values(outcome="=1+1"))
    study = disputed(room, case)

    rows = csv.DictReader(
        io.StringIO(room.browser("Lena").get(f"/studies/{study.id}/results/reads.csv").text)
    )

    assert {row["model_outcome"] for row in rows} == {"'=1+1"}


def test_a_study_of_the_demonstration_says_that_its_cells_are_drawn(room: Room) -> None:
    drawn = add_scored_case(
        room.store, room.settings.folder, room.user("Lena"), n_cells=N_CELLS, title=CELLS_TITLE
    )
    study = disputed(room, drawn)

    assert "Simulated cells." in room.browser("Lena").get(f"/studies/{study.id}/results").text
    report = room.browser("Lena").get(f"/studies/{study.id}/results/report.html").text
    assert "SIMULATED CELLS" in report
