"""Every route of the reading room, by everyone: who may not see a case gets what a missing one gives.

The routes are the application's own, so that a new one is in here by itself, or fails for a parameter that
this file does not know.
"""

from __future__ import annotations

import html
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pytest

pytest.importorskip("fastapi", reason="fastapi is not installed: pip install 'leuknet[web]'")

from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx2 import Response
from starlette.routing import Mount, Route

from leuknet.store.cases import give_access, images_of
from leuknet.store.cells import cells_of
from leuknet.store.jobs import add_job
from leuknet.store.nouns import User
from leuknet.store.scorings import record_scorings
from leuknet.store.sign_in import create_api_token
from leuknet.store.studies import create_study, open_study, set_study_cases, set_study_readers
from leuknet.store.study_nouns import NewStudy
from leuknet.web.cookies import form_token
from leuknet.web.text import text
from tests.read_cases import MODEL_ID, read_case
from tests.rooms import Room, open_room


class Way(NamedTuple):
    """A method and a path with its parameters still open."""

    method: str
    path: str

    @property
    def is_api(self) -> bool:
        return self.path.startswith("/api/")


OPEN = {
    Way("GET", "/"),
    Way("GET", "/healthz"),
    Way("GET", "/sign-in"),
    Way("POST", "/sign-in"),
    Way("POST", "/sign-out"),
    Way("GET", "/first-account/{token}"),
    Way("POST", "/first-account/{token}"),
    Way("GET", "/api/v1/openapi.json"),
    Way("GET", "/api/v1/docs"),
    Way("GET", "/api/v1/health"),
}
"""What anyone may call who reaches the address."""

ADMINS_ONLY = re.compile(r"/accounts(/|$)")

LEADS_ONLY = {
    Way("POST", "/cases/{case_id}/sign"),
    Way("POST", "/cases/{case_id}/reopen"),
    Way("GET", "/cases/{case_id}/labelled.zip"),
    Way("POST", "/cases/{case_id}/access"),
    Way("GET", "/api/v1/cases/{case_id}/labels"),
    Way("GET", "/api/v1/cases/{case_id}/labelled.zip"),
    Way("POST", "/studies"),
}
"""What a reader may not do with a case that is open to them."""


@dataclass
class World:
    """A room with a case, and accounts that differ in what they may see of it."""

    room: Room
    ways: list[Way]
    values: dict[str, object]
    tokens: dict[str, str]

    def ask(self, name: str | None, way: Way, **other: object) -> Response:
        """Send a request as somebody, with forms that are ours and nothing in them."""
        path = way.path
        for parameter in re.findall(r"\{(\w+)(?::\w+)?\}", path):
            value = {**self.values, **other}[parameter]  # a KeyError: tell this file of a new parameter
            path = re.sub(rf"\{{{parameter}(:\w+)?\}}", str(value), path)
        client = self.room.visitor if name is None else self.room.browser(name)
        headers = {"Accept": "text/html"}
        if way.is_api:
            client = TestClient(self.room.visitor.app, base_url="http://127.0.0.1", follow_redirects=False)
            headers = {} if name is None else {"Authorization": f"Bearer {self.tokens[name]}"}
        if "form_token" in other:
            headers["X-Form-Token"] = str(other["form_token"])
        if way.method == "PATCH":
            headers |= {"Content-Type": "application/octet-stream", "Upload-Offset": "0"}
        elif way.is_api and way.method == "POST":
            headers |= {"Content-Type": "application/json"}
        content = b"" if way.method == "GET" or not way.is_api else b"{}"
        answer: Response = client.request(way.method, path, headers=headers, content=content)
        return answer


def ways_of(app: FastAPI, prefix: str = "") -> Iterator[Way]:
    """Yield all routes of an application, those of mounted ones too, but for static files."""
    for route in app.routes:
        if isinstance(route, Mount):
            if isinstance(route.app, FastAPI):
                yield from ways_of(route.app, prefix + route.path)
        elif isinstance(route, Route):
            yield from (
                Way(method, prefix + route.path) for method in route.methods or () if method != "HEAD"
            )
        else:  # a router that was included
            for one in route.effective_route_contexts():  # type: ignore[attr-defined]
                yield from (Way(method, prefix + one.path) for method in one.methods)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, simulated_fold: Path) -> Iterator[World]:
    with open_room(tmp_path_factory.mktemp("access")) as room:
        lead = room.user("Lea", "lead")
        people: dict[str, User] = {"Lea": lead, "Ada": room.user("Ada", "admin")}
        people |= {name: room.user(name) for name in ("Rea", "Eve", "Bea")}
        people["Lex"] = room.user("Lex", "lead")
        case = read_case(room.store, room.files, sorted(simulated_fold.rglob("*.bmp"))[:2], user=lead)
        read = read_case(
            room.store, room.files, sorted(simulated_fold.rglob("*.bmp"))[2:4], user=lead, title="in a study"
        )
        give_access(room.store, case.id, people["Rea"].id, actor=lead.actor)
        for name in ("Rea", "Bea"):
            give_access(room.store, read.id, people[name].id, actor=lead.actor)
        for case_id in (case.id, read.id):
            unscored = [(image.id, None) for image in images_of(room.store, case_id)]
            record_scorings(room.store, case_id, unscored, model_id=MODEL_ID)
        new = NewStudy("a study", "", mode="unaided", repeat_share=0.0, washout_days=0, seed=1)
        study = create_study(room.store, new, user=lead)
        set_study_cases(room.store, study.id, [read.id], user=lead)
        set_study_readers(room.store, study.id, [people["Bea"].id, people["Lex"].id], user=lead)
        open_study(room.store, study.id, user=lead)
        cell = cells_of(room.store, case.id)[0]
        values = {
            "case_id": case.id,
            "image_id": images_of(room.store, case.id)[0].id,
            "cell_id": cell.id,
            "job_id": add_job(room.store, case.id, "explain", actor="system", detail={"cell": cell.id}).id,
            "upload_id": uuid.uuid4(),
            "study_id": study.id,
            "user_id": people["Rea"].id,
            "token_id": 1,
            "token": "none",
            "version": 1,
            "suffix": ".html",
            "form": "html",
            "name": "thumb",
            "level": 8,
            "column": 0,
            "row": 0,
            "phase": "unaided",
            "position": 1,
            "read_case": read.id,
        }
        app = room.visitor.app
        assert isinstance(app, FastAPI)
        tokens = {name: create_api_token(room.store, user, "test")[0] for name, user in people.items()}
        yield World(room, sorted(set(ways_of(app))), values, tokens)


def of_case(way: Way) -> bool:
    return "{case_id}" in way.path


def of_study(way: Way) -> bool:
    return "{study_id}" in way.path


def test_there_are_routes_to_go_through(world: World) -> None:
    assert len([way for way in world.ways if of_case(way) and not way.is_api]) > 15
    assert len([way for way in world.ways if of_case(way) and way.is_api]) > 10
    assert len([way for way in world.ways if of_study(way)]) > 8
    assert set(world.ways) >= {way for way in OPEN if not way.is_api}


def test_who_is_not_signed_in_sees_nothing_but_the_door(world: World) -> None:
    for way in world.ways:
        if way in OPEN:
            continue
        answer = world.ask(None, way)
        told = f"{way} answers {answer.status_code}"
        if way.is_api:
            assert answer.status_code == 401, told
            assert answer.headers["www-authenticate"] == "Bearer", told
        elif way.method == "GET":
            assert answer.status_code == 303, told
            assert answer.headers["location"].startswith("/sign-in"), told
        else:
            assert answer.status_code in (401, 403), told


@pytest.mark.parametrize("api", [False, True], ids=["pages", "API"])
def test_a_stranger_to_a_case_gets_404_on_all_its_routes(world: World, api: bool) -> None:
    for way in world.ways:
        if not of_case(way) or way.is_api != api:
            continue
        answer = world.ask("Eve", way)
        missing = world.ask("Eve", way, case_id=uuid.uuid4())
        assert answer.status_code == 404, f"{way} answers {answer.status_code}"
        assert comparable(answer) == comparable(missing), f"{way} tells that the case exists"


@pytest.mark.parametrize("name", ["Bea", "Lex"], ids=["reader", "lead"])
def test_a_reader_of_an_open_study_gets_404_on_all_routes_of_its_cases(world: World, name: str) -> None:
    for way in world.ways:
        if of_case(way):
            answer = world.ask(name, way, case_id=world.values["read_case"])
            assert answer.status_code == 404, f"{way} answers {answer.status_code} to {name}"


def test_a_stranger_to_a_study_gets_404_on_all_its_routes(world: World) -> None:
    for way in world.ways:
        if of_study(way):
            answer = world.ask("Rea", way)
            assert answer.status_code in (404, 403), f"{way} answers {answer.status_code}"
            if way.method == "GET":
                assert answer.status_code == 404, f"{way} answers {answer.status_code}"


def test_a_lead_who_reads_in_no_study_gets_nobodys_items(world: World) -> None:
    for way in world.ways:
        if of_study(way) and "{position}" in way.path:
            assert world.ask("Lea", way).status_code == 404, way


def test_whoever_may_see_a_case_gets_no_404_for_it(world: World) -> None:
    # Else all the tests above would pass with routes that answer 404 to everyone.
    pages = [
        way for way in world.ways if of_case(way) and re.fullmatch(r"(/api/v1)?/cases/\{case_id\}", way.path)
    ]
    assert len(pages) >= 2
    for way in pages:
        assert world.ask("Rea", way).status_code == 200, way
        assert world.ask("Lea", way).status_code == 200, way


def test_what_leads_do_is_refused_to_readers(world: World) -> None:
    found = [way for way in world.ways if way in LEADS_ONLY]
    assert len(found) >= 6, "the list above names routes that do not exist"
    for way in found:
        assert world.ask("Rea", way).status_code == 403, way


def test_accounts_are_for_admins(world: World) -> None:
    found = [way for way in world.ways if ADMINS_ONLY.search(way.path)]
    assert len(found) == 5
    for way in found:
        assert world.ask("Rea", way).status_code == 403, way
        assert world.ask("Lea", way).status_code == 403, way
        assert world.ask("Ada", way).status_code in (200, 422), way


def test_every_page_that_changes_something_asks_for_the_token_of_our_forms(world: World) -> None:
    changing = [way for way in world.ways if not way.is_api and way.method != "GET"]
    assert len(changing) > 20
    for way in changing:
        for token in ("", form_token("another session")):
            answer = world.ask("Ada", way, form_token=token)  # an admin: refused for no other reason
            assert answer.status_code == 403, f"{way} answers {answer.status_code}"
            assert text("error.forged.what") in html.unescape(answer.text), way


def test_nothing_of_one_case_is_reached_by_way_of_another(world: World) -> None:
    other = world.values["read_case"]
    for way in world.ways:
        if of_case(way) and re.search(r"\{(image_id|cell_id|job_id)\}", way.path):
            answer = world.ask("Rea", way, case_id=other)
            assert answer.status_code == 404, f"{way} answers {answer.status_code}"


def comparable(answer: Response) -> str:
    """Return what an answer says, without what differs at each request."""
    return re.sub(r"[0-9a-f]{64}|/cases/[0-9a-f-]{36}", "", answer.text)
