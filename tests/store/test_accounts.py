"""Accounts of the reading room: passwords, sessions, tokens, and the first of all."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import timedelta
from itertools import islice
from typing import Literal

import pytest
import sqlalchemy as sa
from argon2 import PasswordHasher

from leuknet.errors import AccountError, BusyError, StoreError
from leuknet.store import audit_log as audit
from leuknet.store import passwords, sign_in, tables
from leuknet.store.accounts import (
    change_password,
    create_first_account,
    create_user,
    first_account_token,
    list_users,
    set_active,
    set_role,
    verify_password,
)
from leuknet.store.database import Store
from leuknet.store.nouns import SYSTEM, User

GOOD = "correct horse battery"


pytestmark = pytest.mark.usefixtures("quick_hashes")


@pytest.fixture
def anna(store: Store) -> User:
    return create_user(store, "Anna", password=GOOD, role="admin", actor=SYSTEM)


def stored_hash(store: Store) -> str:
    with store.reading() as connection:
        return str(connection.scalar(sa.select(tables.users.c.password_hash)))


def test_a_user_signs_in_whatever_the_case_of_the_name(store: Store, anna: User) -> None:
    assert verify_password(store, " aNNa", GOOD) == anna
    assert verify_password(store, "Anna", GOOD + "x") is None
    assert verify_password(store, "Bert", GOOD) is None
    assert list_users(store) == (anna,)


@pytest.mark.parametrize("name", ["Anna", "ANNA", " anna ", "\uff21nna"])
def test_a_name_is_taken_whatever_its_case(store: Store, anna: User, name: str) -> None:
    with pytest.raises(AccountError) as caught:
        create_user(store, name, password=GOOD, role="reader", actor=anna.actor)

    assert caught.value.why == "there is one of this name, capitals aside"


def test_letters_beyond_ascii_fold_alike_in_both_databases(store: Store) -> None:
    create_user(store, "Jörg Groß", password=GOOD, role="reader", actor=SYSTEM)

    with pytest.raises(AccountError):
        create_user(store, "JÖRG GROSS", password=GOOD, role="reader", actor=SYSTEM)
    assert verify_password(store, "jo\u0308rg gross", GOOD) is not None


def test_the_database_itself_refuses_a_second_user_of_one_name(store: Store, anna: User) -> None:
    row = {"name": "anna", "folded_name": "anna", "role": "reader", "password_hash": stored_hash(store)}
    insert = tables.users.insert().values(**row, active=True, created_at=anna.created_at)

    with pytest.raises(sa.exc.IntegrityError), store.engine.begin() as connection:
        connection.execute(insert)


@pytest.mark.parametrize("name", ["", "  ", "x" * 101, "a\x00b", "a\u202eb", "\ud800"])
def test_a_name_that_cannot_be_read_is_refused(store: Store, name: str) -> None:
    with pytest.raises(AccountError):
        create_user(store, name, password=GOOD, role="reader", actor=SYSTEM)

    assert audit.verify(store).lines == 0


def test_length_is_the_only_rule_of_passwords(store: Store) -> None:
    with pytest.raises(AccountError) as caught:
        create_user(store, "Anna", password="elevenchars", role="reader", actor=SYSTEM)
    assert caught.value.why == "it has 11 characters, and 12 are the least"

    create_user(store, "Anna", password="aaaaaaaaaaaa", role="reader", actor=SYSTEM)
    create_user(store, "Bert", password="ä" * 12 + "\x00\U0001f600" + "x" * 5000, role="reader", actor=SYSTEM)
    assert verify_password(store, "Bert", "a\u0308" * 12 + "\x00\U0001f600" + "x" * 5000) is not None
    assert verify_password(store, "Bert", "ä" * 12 + "\x00\U0001f600" + "x" * 4999) is None


def test_damaged_letters_are_no_crash(store: Store, anna: User) -> None:
    assert verify_password(store, "Anna", "\ud800" * 12) is None
    assert verify_password(store, "\ud800", GOOD) is None
    assert sign_in.find_session(store, "\ud800") is None
    with pytest.raises(AccountError):
        change_password(store, anna.id, password="\ud800" * 12, actor=anna.actor)


def test_an_unknown_name_takes_as_long_as_a_wrong_password(
    store: Store, anna: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = PasswordHasher(time_cost=8, memory_cost=8192, parallelism=1)
    monkeypatch.setattr(passwords, "HASHER", slow)
    change_password(store, anna.id, password=GOOD, actor=anna.actor)
    verify_password(store, "nobody", "x")  # makes the hash that stands for nobody's

    def least(name: str) -> float:
        times = []
        for _ in range(5):
            start = time.process_time()
            assert verify_password(store, name, "wrong password") is None
            times.append(time.process_time() - start)
        return min(times)

    assert least("nobody") == pytest.approx(least("Anna"), rel=0.4)


def test_a_hash_of_older_parameters_is_made_anew_and_still_matches(
    store: Store, anna: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = stored_hash(store)
    monkeypatch.setattr(passwords, "HASHER", PasswordHasher(time_cost=2, memory_cost=64, parallelism=1))

    assert verify_password(store, "Anna", "not the password") is None
    assert stored_hash(store) == old
    assert verify_password(store, "Anna", GOOD) == anna
    new = stored_hash(store)
    assert new.startswith("$argon2id$v=19$m=64,t=2,p=1$")
    assert verify_password(store, "Anna", GOOD) == anna
    assert stored_hash(store) == new


def test_another_password_ends_all_sessions_and_tokens(store: Store, anna: User) -> None:
    bert = create_user(store, "Bert", password=GOOD, role="reader", actor=anna.actor)
    others, _ = sign_in.create_api_token(store, bert, "script")
    tokens = [sign_in.start_session(store, anna)[0] for _ in range(2)]
    api, _ = sign_in.create_api_token(store, anna, "script")

    change_password(store, anna.id, password="another password", actor=bert.actor)

    assert [sign_in.find_session(store, token) for token in tokens] == [None, None]
    assert sign_in.find_api_user(store, api) is None
    assert sign_in.find_api_user(store, others) == bert
    assert verify_password(store, "Anna", GOOD) is None
    assert verify_password(store, "Anna", "another password") == anna


def test_the_last_admin_stays(store: Store, anna: User) -> None:
    with pytest.raises(AccountError, match="the last active admin"):
        set_role(store, anna.id, "lead", actor=anna.actor)
    with pytest.raises(AccountError, match="the last active admin"):
        set_active(store, anna.id, active=False, actor=anna.actor)
    assert list_users(store) == (anna,)

    bert = create_user(store, "Bert", password=GOOD, role="reader", actor=anna.actor)
    assert set_role(store, bert.id, "admin", actor=anna.actor).role == "admin"
    assert set_role(store, anna.id, "lead", actor=anna.actor).role == "lead"


def test_an_account_that_is_off_cannot_do_anything(store: Store, anna: User) -> None:
    bert = create_user(store, "Bert", password=GOOD, role="reader", actor=anna.actor)
    session, _ = sign_in.start_session(store, bert)
    token, _ = sign_in.create_api_token(store, bert, "script")

    set_active(store, bert.id, active=False, actor=anna.actor)

    assert verify_password(store, "Bert", GOOD) is None
    assert sign_in.find_session(store, session) is None
    assert sign_in.find_api_user(store, token) is None
    with pytest.raises(AccountError, match="cannot sign in"):
        sign_in.start_session(store, bert)
    with pytest.raises(AccountError, match="cannot make a token"):
        sign_in.create_api_token(store, bert, "another")
    # Even a session that was somehow left is worth nothing.
    set_active(store, bert.id, active=True, actor=anna.actor)
    left, _ = sign_in.start_session(store, bert)
    with store.engine.begin() as connection:
        connection.execute(tables.users.update().where(tables.users.c.id == bert.id).values(active=False))
    assert sign_in.find_session(store, left) is None
    # Off and on again brings back neither sessions nor tokens.
    set_active(store, bert.id, active=True, actor=anna.actor)
    assert sign_in.find_session(store, session) is None
    assert sign_in.find_api_user(store, token) is None


def test_unknown_roles_and_accounts_are_refused(store: Store, anna: User) -> None:
    with pytest.raises(AccountError, match="reader, lead, admin"):
        set_role(store, anna.id, "owner", actor=anna.actor)  # type: ignore[arg-type]
    with pytest.raises(StoreError, match="account 99"):
        set_active(store, 99, active=True, actor=anna.actor)
    with pytest.raises(sa.exc.IntegrityError), store.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE users SET role = 'owner'")


def test_a_session_ends_when_it_expires(store: Store, anna: User) -> None:
    token, session = sign_in.start_session(store, anna)
    short, _ = sign_in.start_session(store, anna, lifetime=timedelta(microseconds=1))

    assert sign_in.find_session(store, token) == session
    assert session.expires_at - session.created_at == timedelta(hours=12)
    assert sign_in.find_session(store, short) is None
    assert sign_in.find_session(store, token[:-1] + "-") is None


def test_a_session_that_is_seen_says_so_now_and_then(
    store: Store, anna: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    token, session = sign_in.start_session(store, anna)
    lines = audit.verify(store).lines
    sign_in.find_session(store, token)
    assert audit.verify(store).lines == lines

    monkeypatch.setattr(sign_in, "SEEN_INTERVAL", timedelta(0))
    sign_in.find_session(store, token)
    assert audit.verify(store).lines == lines + 1
    again = sign_in.find_session(store, token)
    assert again is not None
    assert again.last_seen_at > session.last_seen_at


def test_signing_out_ends_one_session(store: Store, anna: User) -> None:
    tokens = [sign_in.start_session(store, anna)[0] for _ in range(3)]

    sign_in.end_session(store, tokens[0])
    assert [sign_in.find_session(store, token) is None for token in tokens] == [True, False, False]


def test_a_programs_token_works_until_it_is_revoked(store: Store, anna: User) -> None:
    token, made = sign_in.create_api_token(store, anna, "script")
    assert sign_in.find_api_user(store, token) == anna

    sign_in.revoke_api_token(store, made.id, actor=anna.actor)

    assert sign_in.find_api_user(store, token) is None
    assert sign_in.list_api_tokens(store, anna.id)[0].revoked_at is not None
    with pytest.raises(StoreError):
        sign_in.revoke_api_token(store, made.id, actor=anna.actor)


def test_the_first_account_is_made_once_with_the_last_token(store: Store) -> None:
    old, token = first_account_token(store), first_account_token(store)
    assert old is not None
    assert token is not None

    with pytest.raises(AccountError):
        create_first_account(store, old, "Anna", password=GOOD)
    with ThreadPoolExecutor(4) as threads:
        made = list(threads.map(lambda n: attempt(store, token, f"Anna {n}"), range(4)))

    assert [user.role for user in made if user is not None] == ["admin"]
    assert first_account_token(store) is None
    with pytest.raises(AccountError, match="this link was used"):
        create_first_account(store, token, "Bert", password=GOOD)


def attempt(store: Store, token: str, name: str) -> User | None:
    try:
        return create_first_account(store, token, name, password=GOOD)
    except AccountError:
        return None


def test_who_has_no_link_costs_no_hash(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    first_account_token(store)
    monkeypatch.setattr(passwords, "HASHER", None)  # whatever hashes fails otherwise

    with pytest.raises(AccountError, match="this link was used"):
        create_first_account(store, "guessed", "Anna", password=GOOD)


def test_few_hashes_are_computed_at_once_and_nobody_waits_long(
    store: Store, anna: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow(PasswordHasher):
        running = most = 0

        def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:  # noqa: A002
            Slow.running += 1
            Slow.most = max(Slow.most, Slow.running)
            held.wait(60)
            Slow.running -= 1
            return True

    held = threading.Event()
    monkeypatch.setattr(passwords, "HASHER", Slow(time_cost=1, memory_cost=8, parallelism=1))
    monkeypatch.setattr(passwords, "LONGEST_WAIT_S", 0.05)
    with ThreadPoolExecutor(6) as threads:
        tries = [threads.submit(passwords.matches, GOOD, stored_hash(store)) for _ in range(6)]
        first = list(islice(as_completed(tries, timeout=60), 4))  # before any of those at work is done
        held.set()

    assert [type(one.exception()) for one in first] == [BusyError] * 4
    assert [one.result() for one in tries if one not in first] == [True, True]
    assert Slow.most == passwords.MOST_AT_ONCE == 2


def test_the_first_link_grows_old(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leuknet.store.accounts.FIRST_ACCOUNT_LIFETIME", timedelta(microseconds=1))
    token = first_account_token(store)
    assert token is not None

    with pytest.raises(AccountError, match="older than 24 hours"):
        create_first_account(store, token, "Anna", password=GOOD)


def test_neither_log_nor_tables_hold_a_password_or_token(store: Store) -> None:
    first = first_account_token(store)
    assert first is not None
    anna = create_first_account(store, first, "Anna Secretname", password=GOOD)
    session, _ = sign_in.start_session(store, anna)
    api, _ = sign_in.create_api_token(store, anna, "script")
    change_password(store, anna.id, password="another password", actor=anna.actor)

    with store.reading() as connection:
        everything = {
            table.name: str(connection.execute(sa.select(table)).all())
            for table in tables.metadata.sorted_tables
        }
    secrets = [GOOD, "another password", first, session, api]
    assert len(everything["audit"]) > 500
    assert [(secret, name) for name, text in everything.items() for secret in secrets if secret in text] == []
    hashes = [passwords.hash_token(token) for token in (first, session, api)]
    assert [word for word in [*hashes, "argon2", "Secretname"] if word in everything["audit"]] == []
