"""Cases are signed, locked and amended on their page; reports are shown and can do nothing."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="fastapi is not installed: pip install 'leuknet[web]'")

from fastapi.testclient import TestClient

from leuknet.store.cases import give_access
from leuknet.store.cell_nouns import NewReview, Verdict
from leuknet.store.cells import cells_of
from leuknet.store.nouns import Case
from leuknet.store.reviews import current_review, save_review
from tests.read_cases import read_case
from tests.rooms import Room, open_room

pytestmark = pytest.mark.skipif(
    find_spec("weasyprint") is None, reason="WeasyPrint is not installed: pip install 'leuknet[report]'"
)


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    with open_room(tmp_path) as room:
        yield room


@pytest.fixture
def case(room: Room, simulated_fold: Path) -> Case:
    """A case of four crops and four cells of a field; Rea may see it."""
    lead = room.user("Lea", "lead")
    crops = sorted(simulated_fold.rglob("*.bmp"))[:4]
    case = read_case(room.store, room.files, crops, user=lead)
    give_access(room.store, case.id, room.user("Rea").id, actor=lead.actor)
    return case


def decide(room: Room, case: Case, name: str, verdict: Verdict, *, cells: int | None = None) -> None:
    reader = room.user(name)
    for cell in cells_of(room.store, case.id)[:cells]:
        before = current_review(room.store, cell.id, reader_id=reader.id)
        new = NewReview(cell.id, reader.id, verdict, "")
        save_review(room.store, new, expected_review_id=None if before is None else before.id)


def signed(browser: TestClient, case: Case, reason: str = "") -> int:
    return browser.post(f"/cases/{case.id}/sign", data={"reason": reason}).status_code


def test_a_lead_gives_up_what_stands_in_the_way(room: Room, case: Case) -> None:
    lead, reader = room.browser("Lea"), room.browser("Rea")
    decide(room, case, "Rea", "leukaemic")
    begun = reader.post(
        f"/cases/{case.id}/uploads", json={"name": "b.zip", "n_bytes": 9, "key": "key"}
    ).json()
    give_up = f"/cases/{case.id}/uploads/{begun['id']}/give-up"

    assert signed(lead, case) == 409
    assert "b.zip, begun by Rea" in lead.get(f"/cases/{case.id}/signing").text
    assert give_up not in reader.get(f"/cases/{case.id}/signing").text
    assert reader.post(give_up).status_code == 403
    assert lead.post(give_up).status_code == 303
    assert "b.zip" not in lead.get(f"/cases/{case.id}/signing").text
    assert reader.get(give_up.removesuffix("/give-up")).json()["state"] == "failed"


def test_a_case_is_signed_once_all_is_decided_and_then_locked(room: Room, case: Case) -> None:
    lead, reader = room.browser("Lea"), room.browser("Rea")
    decide(room, case, "Rea", "leukaemic")

    assert signed(lead, case) == 303

    page = lead.get(f"/cases/{case.id}/signing").text
    links = re.findall(rf"/cases/{case.id}/signed/1/report[.a-z]+", page)
    assert [link.partition("report")[2] for link in links] == [".html", ".pdf", ".fhir.json", ".dcm"]
    contents = [reader.get(link) for link in links]
    assert [one.status_code for one in contents] == [200] * 4
    assert "not a medical device" in contents[0].text
    assert contents[1].content.startswith(b"%PDF")
    assert contents[2].json()["resourceType"] == "Bundle"
    assert contents[3].content[128:132] == b"DICM"
    assert signed(lead, case, "again") == 409, "it is signed already"


def test_what_was_left_unreviewed_needs_a_reason(room: Room, case: Case) -> None:
    lead = room.browser("Lea")
    decide(room, case, "Rea", "leukaemic", cells=3)

    assert signed(lead, case) == 422
    assert signed(lead, case, "three cells <b>suffice</b> here") == 303

    report = lead.get(f"/cases/{case.id}/signed/1/report.html").text
    assert "three cells &lt;b&gt;suffice&lt;/b&gt; here" in report


def test_what_is_disputed_is_decided_by_a_lead_first(room: Room, case: Case) -> None:
    decide(room, case, "Rea", "leukaemic")
    room.user("Ron")
    decide(room, case, "Ron", "normal", cells=1)
    assert signed(room.browser("Lea"), case) == 409
    assert "Readers differ" in room.browser("Lea").get(f"/cases/{case.id}/signing").text

    decide(room, case, "Lea", "leukaemic", cells=1)

    assert signed(room.browser("Lea"), case) == 303


def test_an_amendment_is_a_new_version_and_leaves_the_first(room: Room, case: Case) -> None:
    lead = room.browser("Lea")
    decide(room, case, "Rea", "leukaemic")
    signed(lead, case)
    first = lead.get(f"/cases/{case.id}/signed/1/report.html").content

    assert lead.post(f"/cases/{case.id}/reopen", data={"reason": " "}).status_code == 422
    assert lead.post(f"/cases/{case.id}/reopen", data={"reason": "cell 1 was misread"}).status_code == 303
    decide(room, case, "Lea", "normal", cells=1)
    assert signed(lead, case) == 422, "an amendment needs its reason"
    assert signed(lead, case, "cell 1 was misread") == 303

    assert lead.get(f"/cases/{case.id}/signed/1/report.html").content == first
    assert "cell 1 was misread" in lead.get(f"/cases/{case.id}/signed/2/report.html").text


def test_readers_neither_sign_nor_amend_nor_export(room: Room, case: Case) -> None:
    reader = room.browser("Rea")
    decide(room, case, "Rea", "leukaemic")

    assert signed(reader, case) == 403
    assert reader.post(f"/cases/{case.id}/reopen", data={"reason": "why not"}).status_code == 403
    assert reader.get(f"/cases/{case.id}/labelled.zip").status_code == 403


def test_a_signed_page_may_load_and_run_nothing(room: Room, case: Case) -> None:
    decide(room, case, "Rea", "leukaemic")
    signed(room.browser("Lea"), case)

    headers = room.browser("Lea").get(f"/cases/{case.id}/signed/1/report.html").headers

    assert "sandbox" in headers["content-security-policy"]
    assert "script-src" not in headers["content-security-policy"], "default-src 'none' forbids them"
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "place", ["0/report.html", "2/report.html", "1/report.exe", "99999999999999999999/report.html"]
)
def test_what_was_not_signed_is_not_there(room: Room, case: Case, place: str) -> None:
    decide(room, case, "Rea", "leukaemic")
    signed(room.browser("Lea"), case)

    assert room.browser("Lea").get(f"/cases/{case.id}/signed/{place}").status_code == 404


def test_labels_come_back_as_a_data_set(room: Room, case: Case) -> None:
    decide(room, case, "Rea", "leukaemic")
    decide(room, case, "Lea", "normal", cells=4)

    answer = room.browser("Lea").get(f"/cases/{case.id}/labelled.zip")

    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        lines = archive.read("manifest.csv").decode().splitlines()
    assert sum(",HEM," in line for line in lines) == 4
    assert sum(",ALL," in line for line in lines) == len(lines) - 5
