"""The reading room's door: the first account, signing in and out, forms of our own only, safe headers."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="fastapi is not installed: pip install 'leuknet[web]'")

from fastapi.testclient import TestClient

from leuknet.errors import ModelError, SettingError
from leuknet.room.demonstration import CELLS_TITLE, FIELD_TITLE, N_CELLS
from leuknet.store.accounts import first_account_token, list_users
from leuknet.store.cases import cases_of, images_of
from leuknet.web.cookies import SESSION_COOKIE, VISIT_COOKIE, form_token
from leuknet.web.serve import listen, serve
from leuknet.web.settings import Settings
from leuknet.web.templating import STATIC
from leuknet.web.text import texts_under
from tests.rooms import PASSWORD, Room, free_port, open_room


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    with open_room(tmp_path) as room:
        yield room


def token_in(html: str) -> str:
    found = re.search(r'name="form_token" value="([0-9a-f]{64})"', html)
    assert found is not None
    return found.group(1)


def test_the_printed_link_makes_the_first_admin_once(room: Room) -> None:
    link = f"/first-account/{first_account_token(room.store)}"
    page = room.visitor.get(link)
    answers = {"form_token": token_in(page.text), "name": "Ada", "password": PASSWORD}

    made = room.visitor.post(link, data=answers)
    assert (made.status_code, made.headers["location"]) == (303, "/cases")
    assert room.visitor.get("/cases").status_code == 200, "it is signed in at once"
    assert [(user.name, user.role) for user in list_users(room.store)] == [("Ada", "admin")]

    answers["form_token"] = form_token(room.visitor.cookies[SESSION_COOKIE])
    again = room.visitor.post(link, data=answers | {"name": "Eve"})
    assert again.status_code == 422
    assert "this link was used" in again.text
    assert len(list_users(room.store)) == 1


def test_signing_in_needs_the_right_password_and_signing_out_ends_the_session(room: Room) -> None:
    room.user("Ada")
    answers = {"form_token": token_in(room.visitor.get("/sign-in").text), "name": "ada"}

    assert room.visitor.post("/sign-in", data=answers | {"password": "a wrong password"}).status_code == 401
    right = room.visitor.post("/sign-in", data=answers | {"password": PASSWORD})
    assert right.headers["location"] == "/cases"
    cookie = right.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie

    session = room.visitor.cookies[SESSION_COOKIE]
    headers = {"X-Form-Token": form_token(session)}
    assert room.visitor.post("/sign-out", headers=headers).headers["location"] == "/sign-in"
    room.visitor.cookies.set(SESSION_COOKIE, session)
    assert room.visitor.get("/cases").status_code == 401, "the token itself is worth nothing any more"


def test_a_session_that_was_planted_before_signing_in_is_not_used(room: Room) -> None:
    room.user("Ada")
    room.visitor.cookies.set(SESSION_COOKIE, "planted")
    headers = {"X-Form-Token": form_token("planted")}

    room.visitor.post("/sign-in", data={"name": "Ada", "password": PASSWORD}, headers=headers)

    assert room.visitor.cookies.get(SESSION_COOKIE, domain="127.0.0.1") != "planted"


@pytest.mark.parametrize(
    "address",
    ["https://evil.example", "//evil.example", "/\\evil.example", "\t//evil.example", "javascript:1"],
)
def test_signing_in_leads_to_no_other_site(room: Room, address: str) -> None:
    room.user("Ada")
    answers = {"form_token": token_in(room.visitor.get("/sign-in").text), "name": "Ada", "password": PASSWORD}

    assert room.visitor.post("/sign-in", data=answers | {"next": address}).headers["location"] == "/cases"


def test_guessing_is_slowed_down_by_name_and_by_address(room: Room) -> None:
    answers = {"form_token": token_in(room.visitor.get("/sign-in").text), "password": "a wrong password"}

    statuses = [
        room.visitor.post("/sign-in", data=answers | {"name": f"nobody {number}"}).status_code
        for number in range(12)
    ]

    assert statuses == [401] * 10 + [429] * 2


def test_all_spellings_of_a_name_share_one_limit_of_passwords(room: Room) -> None:
    spellings = ["Ada", "ADA", " ada ", "\uff21\uff44\uff41", "ADa"]  # the fourth in full-width letters
    form = {"form_token": token_in(room.visitor.get("/sign-in").text), "password": "a wrong password"}
    cookies = room.visitor.cookies

    def guess(name: str, address: int) -> int:
        browser = TestClient(room.visitor.app, "http://127.0.0.1", client=(f"10.0.0.{address}", 50000))
        browser.cookies = cookies
        return browser.post("/sign-in", data=form | {"name": name}).status_code

    statuses = [guess(spellings[number % 5], number) for number in range(21)]

    assert statuses == [401] * 20 + [429]
    assert guess("Adam", 99) == 401


def test_a_form_of_another_site_changes_nothing(room: Room) -> None:
    browser = room.browser("Ada")
    without = {"X-Form-Token": ""}
    foreign = {"Sec-Fetch-Site": "cross-site"}
    of_another_session = {"X-Form-Token": form_token("another session")}

    for headers in (without, foreign, of_another_session):
        assert browser.post("/cases", data={"title": "forged"}, headers=headers).status_code == 403
    assert "forged" not in browser.get("/cases").text


def test_every_answer_forbids_scripts_of_a_page_and_frames(room: Room) -> None:
    for path in ("/sign-in", "/cases", "/nothing", "/healthz", "/static/room.css"):
        headers = room.visitor.get(path).headers
        assert "script-src 'self';" in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
    assert room.visitor.get("/cases").headers["cache-control"] == "no-store"


def test_a_name_that_is_not_ours_is_refused(room: Room) -> None:
    assert room.visitor.get("/sign-in", headers={"Host": "evil.example"}).status_code == 421


def test_a_probe_asks_whether_it_lives_by_a_bare_address_and_without_a_body(room: Room) -> None:
    for host in ("10.0.3.7:8000", "evil.example"):
        answer = room.visitor.head("/healthz", headers={"Host": host})
        assert (answer.status_code, answer.content) == (200, b"")
        assert room.visitor.get("/healthz", headers={"Host": host}).json() == {"status": "ok"}


def test_a_title_with_nul_is_refused_in_words(room: Room) -> None:
    answer = room.browser("Ada").post("/cases", data={"title": "Smear\0 7"})

    assert answer.status_code == 422
    assert "holds the character NUL" in answer.text


def test_a_new_browser_gets_a_mark_that_scripts_cannot_read(room: Room) -> None:
    answer = room.visitor.get("/sign-in")

    assert VISIT_COOKIE in answer.headers["set-cookie"]
    assert "HttpOnly" in answer.headers["set-cookie"]


def test_cookies_travel_by_tls_alone_where_there_is_tls(tmp_path: Path) -> None:
    assert Settings(tmp_path, public_url="https://reading.example.org").is_secure
    assert not Settings(tmp_path).is_secure
    with pytest.raises(SettingError, match="is not of the form"):
        Settings(tmp_path, public_url="reading.example.org")


def test_a_model_that_is_none_is_refused_before_anything_is_offered(tmp_path: Path) -> None:
    said: list[str] = []
    with pytest.raises(ModelError, match="nosuch"):
        serve(Settings(tmp_path / "room", model=tmp_path / "nosuch"), n_workers=1, say=said.append)

    assert said == []
    assert not (tmp_path / "room").exists()


def test_no_part_of_an_answer_waits_until_the_part_before_is_acknowledged(tmp_path: Path) -> None:
    with (
        listen(Settings(folder=tmp_path, port=free_port())) as listener,
        socket.create_connection(listener.getsockname()[:2]),
        listener.accept()[0] as accepted,
    ):
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_without_an_account_it_listens_on_this_computer_alone(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"cannot listen on 0\.0\.0\.0") as caught:
        serve(Settings(tmp_path, host="0.0.0.0"), n_workers=0, say=lambda _: None)  # noqa: S104

    assert "make the first account" in caught.value.fix


def test_only_admins_keep_accounts(room: Room) -> None:
    assert room.browser("Rea", "reader").get("/accounts").status_code == 403
    assert room.browser("Lee", "lead").get("/accounts").status_code == 403
    admin = room.browser("Ada", "admin")
    assert admin.get("/accounts").status_code == 200

    new = {"name": "Ben", "password": PASSWORD, "role": "lead"}
    assert room.browser("Lee").post("/accounts", data=new).status_code == 403
    assert admin.post("/accounts", data=new).status_code == 303
    assert admin.post("/accounts", data=new).status_code == 422, "the name is taken"
    assert [user.role for user in list_users(room.store) if user.name == "Ben"] == ["lead"]


def test_what_a_user_types_is_shown_and_not_run(room: Room) -> None:
    browser = room.browser("Ada")
    browser.post("/cases", data={"title": "<script>alert(1)</script>"})

    html = browser.get("/cases").text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "<script>alert" not in html


def test_every_text_of_a_template_is_there() -> None:
    folder = STATIC.parent / "templates"
    known = set(texts_under(""))
    keys = {
        key
        for page in folder.rglob("*.html")
        for key in re.findall(r"""\bt\('([a-z_0-9.]+)'[,)]""", page.read_text(encoding="utf-8"))
    }
    assert len(keys) > 40
    missing = [key for key in sorted(keys) if not ({key, f"{key}.other"} & known)]
    assert missing == []


def test_a_demonstration_room_greets_its_first_account_with_simulated_cases(tmp_path: Path) -> None:
    with open_room(tmp_path, demo=True) as room:
        link = f"/first-account/{first_account_token(room.store)}"
        answers = {"form_token": token_in(room.visitor.get(link).text), "name": "Ada", "password": PASSWORD}
        room.visitor.post(link, data=answers)

        (ada,) = list_users(room.store)
        held = {case.title: images_of(room.store, case.id) for case in cases_of(room.store, ada)}
        assert {title: {image.kind for image in images} for title, images in held.items()} == {
            CELLS_TITLE: {"crop"},
            FIELD_TITLE: {"field"},
        }
        assert len(held[CELLS_TITLE]) == N_CELLS


def test_a_port_that_is_taken_is_said_before_anything_starts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = Settings(tmp_path, port=taken.getsockname()[1])
        said: list[str] = []
        with pytest.raises(SettingError, match="cannot listen") as caught:
            serve(settings, n_workers=0, say=said.append)

    assert "in use" in caught.value.why
    assert said == []
