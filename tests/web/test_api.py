"""The API: tokens alone, the rules of the pages, uploads that go on, pages by cursor, one shape of errors."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

pytest.importorskip("fastapi", reason="fastapi is not installed: pip install 'leuknet[web]'")

from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.datastructures import State

from leuknet.store.cases import create_case, give_access
from leuknet.store.nouns import SYSTEM, Case, User
from leuknet.store.sign_in import list_api_tokens, revoke_api_token
from leuknet.store.studies import create_study, open_study, set_study_cases, set_study_readers
from leuknet.store.study_nouns import NewStudy, NewStudyRead
from leuknet.store.study_reads import next_item, save_read
from leuknet.web.api import create_api
from leuknet.web.guard import RateLimit
from leuknet.web.settings import Settings
from tests.api_rooms import crop_png, fill_case, token_of
from tests.conftest import REPOSITORY
from tests.databases import lock_case
from tests.rooms import Room, open_room

BYTES = {"Content-Type": "application/octet-stream"}


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    with open_room(tmp_path) as room:
        yield room


@pytest.fixture
def anywhere(database_url: str, tmp_path: Path) -> Iterator[Room]:
    """A room over a database of each kind in turn."""
    with open_room(tmp_path / "room", database_url=database_url) as room:
        yield room


def program(room: Room, user: User) -> TestClient:
    """Return a program that sends an account's token and no cookie."""
    client = TestClient(room.visitor.app, base_url="http://127.0.0.1/api/v1/", follow_redirects=False)
    client.headers.update(token_of(room, user))
    return client


def lead_with_case(room: Room, **options: Any) -> tuple[TestClient, Case]:
    lead = room.user("Lee", "lead")
    return program(room, lead), fill_case(room.store, room.files, lead, **options)


def is_problem(answer: Any, status: int) -> bool:
    """Whether an answer is an error of the one shape."""
    body = answer.json()
    return (
        answer.status_code == body["status"] == status
        and answer.headers["content-type"] == "application/problem+json"
        and set(body) == {"type", "status", "title", "detail", "fix"}
        and all(body[name] for name in body)
    )


def test_a_token_is_the_only_key(room: Room) -> None:
    user = room.user("Ada", "admin")
    client = program(room, user)
    assert client.get("me").json() == {"id": user.id, "name": "Ada", "role": "admin"}

    browser = room.browser("Ada")
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic QTpC"}):
        answer = browser.get("/api/v1/me", headers=headers)
        assert is_problem(answer, 401), "a cookie counts for nothing"
        assert answer.headers["www-authenticate"] == "Bearer"

    revoke_api_token(room.store, list_api_tokens(room.store, user.id)[0].id, actor=SYSTEM)
    assert is_problem(client.get("me"), 401)


def test_every_error_has_one_shape(room: Room) -> None:
    client, case = lead_with_case(room)
    assert is_problem(client.get("nothing"), 404)
    assert is_problem(room.visitor.get("/api/v2/cases"), 404)
    assert is_problem(client.get("cases/"), 404)
    assert is_problem(client.get("cases/no-uuid"), 404)
    assert is_problem(client.get(f"cases/{case.id}/cells/{10**30}"), 404)
    assert is_problem(client.get(f"cases/{case.id}/cells?limit=501"), 422)
    assert is_problem(client.get(f"cases/{case.id}/cells?cursor=WzEsMiwzXQ"), 422)
    assert is_problem(client.post("cases", content=b"x" * (10 * 2**20)), 413)
    assert is_problem(client.post("cases", content=(b"x" * 2**20 for _ in range(10))), 413)
    assert is_problem(client.post("cases", content=b'{"title": "x"}'), 415)
    refused = client.delete(f"cases/{case.id}/cells/1/reviews")
    assert is_problem(refused, 405)
    assert refused.headers["allow"] == "GET, POST"


@pytest.mark.parametrize(
    "body",
    [
        b'{"title": "a\\u0000b"}',
        b'{"title": "\\ud800"}',
        b'{"title": "x", "\\ud800": 1}',
        b'{"title": 7}',
        b'{"title": "x", "more": 1}',
        b'{"title": " "}',
        b"{",
    ],
)
def test_text_that_cannot_be_kept_is_refused(anywhere: Room, body: bytes) -> None:
    client = program(anywhere, anywhere.user("Ada"))
    answer = client.post("cases", content=body, headers={"Content-Type": "application/json"})
    assert is_problem(answer, 422)


def test_who_may_not_see_a_case_cannot_tell_it_from_none(room: Room) -> None:
    _, case = lead_with_case(room)
    stranger = program(room, room.user("Rea", "reader"))
    paths = [path for path in stranger.get("openapi.json").json()["paths"] if "{case_id}" in path]
    assert len(paths) > 12
    for path in paths:
        answers = []
        for case_id in (case.id, uuid4()):
            values = {"case_id": case_id, "cell_id": 1, "upload_id": uuid4(), "version": 1, "form": "pdf"}
            answers.append(stranger.get(path[1:].format(**values)))
        assert answers[0].status_code in (404, 405), path
        assert answers[0].text == answers[1].text, path


def test_what_is_another_cases_is_not_found_in_this_one(room: Room) -> None:
    client, case = lead_with_case(room, n_cells=3)
    other = fill_case(room.store, room.files, room.user("Lee"), n_cells=3, title="Other")
    cell = client.get(f"cases/{other.id}/cells").json()["items"][0]["id"]
    for below in ("", "/thumb", "/view", "/crop", "/reviews"):
        assert client.get(f"cases/{other.id}/cells/{cell}{below}").status_code == 200
        assert is_problem(client.get(f"cases/{case.id}/cells/{cell}{below}"), 404)
    new = {"verdict": "normal", "expected_review_id": None}
    assert is_problem(client.post(f"cases/{case.id}/cells/{cell}/reviews", json=new), 404)


def test_a_reader_sees_labels_of_others_never(room: Room) -> None:
    lead, case = lead_with_case(room)
    reader = room.user("Rea", "reader")
    give_access(room.store, case.id, reader.id, actor=SYSTEM)
    client = program(room, reader)
    assert client.get(f"cases/{case.id}/cells").status_code == 200
    assert is_problem(client.get(f"cases/{case.id}/labels"), 403)
    assert is_problem(client.get(f"cases/{case.id}/labelled.zip"), 403)
    assert is_problem(client.get(f"labelled.zip?case_id={case.id}"), 403)
    assert lead.get(f"cases/{case.id}/labels").json()["items"][0]["state"] == "unreviewed"


def test_who_reads_a_case_blinded_finds_none_of_it(room: Room) -> None:
    client, case = lead_with_case(room, n_cells=2)
    lead = room.user("Lee")
    study = create_study(room.store, NewStudy("Two", "", "unaided", 0.0, 0, 1), user=lead)
    set_study_cases(room.store, study.id, [case.id], user=lead)
    set_study_readers(room.store, study.id, [lead.id], user=lead)
    open_study(room.store, study.id, user=lead)
    for path in ("", "/cells", "/labels", "/reports", "/labelled.zip"):
        assert is_problem(client.get(f"cases/{case.id}{path}"), 404)
    assert client.get("cases").json()["items"] == []
    assert is_problem(client.get(f"studies/{study.id}/results"), 404)
    assert is_problem(client.get(f"studies/{study.id}/reads.csv"), 404)
    assert client.get("studies").json()["items"][0]["total"] == 2

    while item := next_item(room.store, study.id, reader_id=lead.id):
        new = NewStudyRead(item.id, "normal", "", 1.0)
        save_read(room.store, new, reader_id=lead.id, expected_read_id=None)
    assert client.get(f"cases/{case.id}/cells").status_code == 200
    assert client.get(f"studies/{study.id}/results").json()["n_cells"] == 2
    table = client.get(f"studies/{study.id}/reads.csv")
    assert table.headers["content-type"].startswith("text/csv")
    assert len(table.text.splitlines()) == 3


def test_cells_come_in_pages_each_once_in_every_order(anywhere: Room) -> None:
    client, case = lead_with_case(anywhere)
    here = f"cases/{case.id}/cells"
    for order in ("found", "probability", "uncertainty"):
        seen: list[dict[str, Any]] = []
        query: dict[str, Any] = {"order": order, "limit": 5}
        while True:
            page = client.get(here, params=query).json()
            seen += page["items"]
            if page["next"] is None:
                break
            query["cursor"] = page["next"]
        assert sorted(cell["id"] for cell in seen) == list(range(1, 13))
        assert seen[-1]["probability"] is None, "what was not scored comes last"
        shown = [cell["probability"] for cell in seen[:-1]]
        keys = {
            "found": shown[:0],
            "probability": [-p for p in shown],
            "uncertainty": [abs(p - 0.5) for p in shown],
        }
        assert keys[order] == sorted(keys[order])
        first = client.get(here, params={"order": order, "limit": 5}).json()["next"]
        other = "found" if order != "found" else "probability"
        assert is_problem(client.get(here, params={"order": other, "cursor": first}), 422)

    unfamiliar = client.get(here, params={"outcome": "unfamiliar"}).json()["items"]
    assert [cell["name"] for cell in unfamiliar] == ["cell-11"]
    cell = unfamiliar[0]["id"]
    client.post(f"{here}/{cell}/reviews", json={"verdict": "normal", "expected_review_id": None})
    assert [one["id"] for one in client.get(here, params={"reviewed": True}).json()["items"]] == [cell]
    assert len(client.get(here, params={"reviewed": False}).json()["items"]) == 11
    told = client.get(f"cases/{case.id}").json()
    assert (told["cells"], told["reviewed"], told["scored"], told["is_scored"]) == (12, 1, 12, True)
    assert sum(told["outcomes"].values()) == 12


def test_images_and_cases_come_in_pages(room: Room) -> None:
    client, case = lead_with_case(room)
    for number in range(5):
        create_case(room.store, f"Case {number}", user=room.user("Lee"))
    for path, names in (
        ("cases", ["Case 4", "Case 3", "Case 2", "Case 1", "Case 0", "Smear 17"]),
        (f"cases/{case.id}/images", [f"cell-{number}.png" for number in range(12)]),
    ):
        seen: list[str] = []
        query: str | None = ""
        while query is not None:
            page = client.get(f"{path}?limit=4{query}").json()
            seen += [one.get("title") or one["name"] for one in page["items"]]
            query = None if page["next"] is None else f"&cursor={page['next']}"
        assert seen == names


def test_a_review_names_the_one_that_it_replaces(anywhere: Room) -> None:
    client, case = lead_with_case(anywhere)
    here = f"cases/{case.id}/cells/2/reviews"
    assert client.get(here).json() == {"review": None}
    first = client.post(here, json={"verdict": "normal", "note": "small", "expected_review_id": None})
    assert first.status_code == 201
    late = client.post(here, json={"verdict": "leukaemic", "expected_review_id": None})
    assert is_problem(late, 409)
    assert client.get(here).json()["review"]["note"] == "small"
    expected = first.json()["id"]
    undone = client.post(f"{here}/undo", json={"expected_review_id": expected})
    assert (undone.status_code, undone.json()["verdict"]) == (201, "withdrawn")
    assert is_problem(client.post(f"{here}/undo", json={"expected_review_id": expected}), 409)
    assert is_problem(client.post(here, json={"verdict": "withdrawn", "expected_review_id": None}), 422)

    lock_case(anywhere.store, case.id)
    again = {"verdict": "normal", "expected_review_id": undone.json()["id"]}
    assert is_problem(client.post(here, json=again), 409), "a signed case takes no review"


def test_an_upload_goes_on_where_it_was(anywhere: Room) -> None:
    client = program(anywhere, anywhere.user("Ada"))
    made = client.post("cases", json={"title": "Smear 18"})
    case = made.json()["id"]
    assert made.headers["location"] == f"/api/v1/cases/{case}"
    content = crop_png(3, 200)
    new = {"name": "../a\u202eb.png", "n_bytes": len(content), "key": hashlib.sha256(content).hexdigest()}
    here = f"cases/{case}/uploads"
    upload = client.post(here, json=new).json()
    assert (upload["name"], upload["received"]) == ("ab.png", 0)

    def send(offset: int, end: int) -> Any:
        headers = BYTES | {"Upload-Offset": str(offset)}
        return client.patch(f"{here}/{upload['id']}", content=content[offset:end], headers=headers)

    assert send(0, 100).json()["received"] == 100
    assert is_problem(send(0, 100), 409), "the answer was lost, and the bytes are sent again"
    assert client.post(here, json=new).json()["received"] == 100, "the same key is the same upload"
    assert is_problem(client.post(f"{here}/{upload['id']}/finish"), 409), "not all has come"
    untyped = client.patch(f"{here}/{upload['id']}", content=b"x", headers={"Upload-Offset": "100"})
    assert is_problem(untyped, 415)
    assert send(100, len(content)).json()["received"] == len(content)
    finished = client.post(f"{here}/{upload['id']}/finish").json()
    assert finished["upload"]["state"] == "done"
    assert finished["images"][0]["sha256"] == new["key"]
    assert client.post(f"{here}/{upload['id']}/finish").json() == finished
    told = client.get(f"cases/{case}").json()
    assert (told["images"], told["waiting"], told["is_scored"]) == (1, 1, False)
    assert [job["kind"] for job in told["jobs"]] == ["score"]

    other = program(anywhere, anywhere.user("Lee", "lead"))
    assert is_problem(other.get(f"{here}/{upload['id']}"), 404), "an upload is its sender's"


def test_a_file_that_cannot_be_used_is_refused_in_words(room: Room) -> None:
    client = program(room, room.user("Ada"))
    here = f"cases/{client.post('cases', json={'title': 'x'}).json()['id']}/uploads"
    upload = client.post(here, json={"name": "a.png", "n_bytes": 4, "key": "k"}).json()
    headers = BYTES | {"Upload-Offset": "0"}
    client.patch(f"{here}/{upload['id']}", content=b"none", headers=headers)
    refused = client.post(f"{here}/{upload['id']}/finish")
    assert is_problem(refused, 422)
    now = client.get(f"{here}/{upload['id']}").json()
    assert now["state"] == "failed"
    assert refused.json()["detail"] in now["error"]


def test_pictures_are_drawn_anew_and_a_lost_image_is_no_fault_of_the_request(room: Room) -> None:
    client, case = lead_with_case(room)
    thumb, view, crop = (client.get(f"cases/{case.id}/cells/1/{kind}") for kind in ("thumb", "view", "crop"))
    assert [one.headers["content-type"] for one in (thumb, view, crop)] == [
        "image/webp",
        "image/png",
        "image/png",
    ]
    assert thumb.content[8:12] == b"WEBP"
    assert view.content == crop.content
    image = client.get(f"cases/{case.id}/images").json()["items"][1]
    room.files.image(f"images/{image['sha256'][:2]}/{image['sha256']}.png").unlink()
    lost = client.get(f"cases/{case.id}/cells/2/thumb")
    assert is_problem(lost, 503)
    assert lost.headers["retry-after"]


def test_labels_come_back_as_a_data_set(room: Room) -> None:
    client, case = lead_with_case(room)
    assert is_problem(client.get(f"cases/{case.id}/labelled.zip"), 409), "nothing is labelled yet"
    for cell, verdict in ((1, "normal"), (2, "leukaemic"), (3, "uncertain")):
        new = {"verdict": verdict, "expected_review_id": None}
        client.post(f"cases/{case.id}/cells/{cell}/reviews", json=new)
    labels = client.get(f"cases/{case.id}/labels").json()["items"]
    assert [one["label"] for one in labels[:4]] == ["normal", "leukaemic", "uncertain", None]
    answers = [client.get(f"cases/{case.id}/labelled.zip"), client.get(f"labelled.zip?case_id={case.id}")]
    assert answers[0].content == answers[1].content
    with zipfile.ZipFile(io.BytesIO(answers[0].content)) as archive:
        assert len(archive.read("manifest.csv").splitlines()) == 3
    assert is_problem(client.get(f"labelled.zip?case_id={uuid4()}"), 404)


def test_one_account_is_slowed_down_and_another_is_not(room: Room) -> None:
    app = room.visitor.app
    assert isinstance(app, FastAPI)
    app.state.rate_limit = RateLimit(3)
    busy, calm = program(room, room.user("Ada")), program(room, room.user("Ben"))
    assert [busy.get("me").status_code for _ in range(4)] == [200, 200, 200, 429]
    assert int(busy.get("me").headers["retry-after"]) > 0
    assert calm.get("me").status_code == 200


def test_the_reference_needs_no_script_and_no_network(room: Room) -> None:
    html = room.visitor.get("/api/v1/docs").text
    assert "GET /api/v1/cases/{case_id}/cells" in html
    assert "<script>" not in html
    assert "https://" not in html


def test_what_a_docstring_says_of_attributes_is_said_of_the_fields() -> None:
    shapes = create_api(Settings(folder=Path()), State()).openapi()["components"]["schemas"]

    agreement = shapes["Agreement"]
    assert agreement["description"] == "An agreement, or the change of one, with its 95% interval."
    assert agreement["properties"]["cells"]["description"].startswith("What it rests on: the cells that all")
    assert agreement["properties"]["cases"]["description"] == agreement["properties"]["cells"]["description"]
    assert "low" in agreement["properties"]
    assert [name for name, shape in shapes.items() if "-----" in shape.get("description", "")] == []


def test_the_page_of_the_api_is_made_from_its_description() -> None:
    spec = importlib.util.spec_from_file_location("api_page", REPOSITORY / "studies" / "api_page.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.render() == (REPOSITORY / "docs" / "api.md").read_text(encoding="utf-8")
