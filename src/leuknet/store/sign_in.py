"""Sessions of browsers and tokens of programs: random, shown once, kept as a hash, ended at once.

A token is the only proof; who reads the database cannot use what is kept. Nothing here checks a password.

Start at `start_session` and `find_session`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from leuknet.errors import AccountError
from leuknet.store import passwords
from leuknet.store.accounts import USER, user_of
from leuknet.store.database import Change, Store, not_found
from leuknet.store.nouns import User
from leuknet.store.tables import api_tokens, sessions, users

SESSION_LIFETIME = timedelta(hours=12)
"""From sign-in on, however busy: a working day."""

SEEN_INTERVAL = timedelta(minutes=5)
"""How exactly `last_seen_at` is kept; each time it is written, it is a line in the log."""

_TOKEN = (api_tokens.c.id, api_tokens.c.user_id, api_tokens.c.name, api_tokens.c.created_at)


@dataclass(frozen=True)
class Session:
    """A browser that is signed in."""

    user: User
    created_at: datetime
    expires_at: datetime
    last_seen_at: datetime


@dataclass(frozen=True)
class ApiToken:
    """A program that may act for a user, until it is revoked."""

    id: int
    user_id: int
    name: str
    created_at: datetime
    revoked_at: datetime | None


def start_session(store: Store, user: User, *, lifetime: timedelta = SESSION_LIFETIME) -> tuple[str, Session]:
    """Return a token for the browser of a user who gave the right password, and what it stands for.

    The token is not kept: it cannot be shown again. Sessions of this user that have expired are removed.

    Raises
    ------
    AccountError
        If the account has been switched off.
    """
    token = passwords.new_token()
    with store.writing(user.actor) as change:
        _require_active(change, user, "sign in")
        here = (sessions.c.user_id == user.id) & (sessions.c.expires_at <= change.at)
        change.execute(sessions.delete().where(here))
        session = Session(user, change.at, change.at + lifetime, change.at)
        times = {"created_at": change.at, "expires_at": session.expires_at, "last_seen_at": change.at}
        row = {"token_sha256": passwords.hash_token(token), "user_id": user.id, **times}
        change.execute(sessions.insert().values(**row))
        change.log("session.started", user.actor, expires_at=session.expires_at.isoformat())
    return token, session


def find_session(store: Store, token: str) -> Session | None:
    """Return the session of a token, or None if it has expired, was ended, or the account is off."""
    hashed, now = passwords.hash_token(token), datetime.now(UTC)
    times = (sessions.c.created_at, sessions.c.expires_at, sessions.c.last_seen_at)
    query = sa.select(*USER, *times).join(users).where(sessions.c.token_sha256 == hashed)
    with store.reading() as connection:
        row = connection.execute(query).one_or_none()
    if row is None or not row.active or row.expires_at <= now:
        return None
    session = Session(user_of(row), *row[len(USER) :])
    if now - session.last_seen_at < SEEN_INTERVAL:
        return session
    with store.writing(session.user.actor) as change:
        here = sessions.c.token_sha256 == hashed
        change.execute(sessions.update().where(here).values(last_seen_at=change.at))
        change.log("session.seen", session.user.actor)
    return session


def end_session(store: Store, token: str) -> None:
    """Sign out; a token that is not known is no error."""
    session = find_session(store, token)
    if session is None:
        return
    with store.writing(session.user.actor) as change:
        change.execute(sessions.delete().where(sessions.c.token_sha256 == passwords.hash_token(token)))
        change.log("session.ended", session.user.actor)


def create_api_token(store: Store, user: User, name: str) -> tuple[str, ApiToken]:
    """Return a token with which a program may act for a user, shown this once; AccountError if that is off.

    It works until it is revoked, the password is changed, or the account is switched off.
    """
    token = passwords.new_token()
    with store.writing(user.actor) as change:
        _require_active(change, user, "make a token")
        row = {"user_id": user.id, "name": name, "created_at": change.at}
        insert = api_tokens.insert().values(token_sha256=passwords.hash_token(token), **row)
        token_id = change.execute(insert.returning(api_tokens.c.id)).scalar_one()
        change.log("api_token.created", f"api_token:{token_id}", user=user.id)
    return token, ApiToken(token_id, user.id, name, change.at, None)


def _require_active(change: Change, user: User, what: str) -> None:
    if not change.execute(sa.select(users.c.active).where(users.c.id == user.id)).scalar():
        raise AccountError(
            f"cannot {what}", why="the account is switched off", fix="ask an admin to switch it on"
        )


def find_api_user(store: Store, token: str) -> User | None:
    """Return the active user for whom a token acts, or None if it was revoked or never existed."""
    here = (api_tokens.c.token_sha256 == passwords.hash_token(token)) & api_tokens.c.revoked_at.is_(None)
    query = sa.select(*USER).join(api_tokens).where(here, users.c.active)
    with store.reading() as connection:
        row = connection.execute(query).one_or_none()
    return None if row is None else user_of(row)


def revoke_api_token(store: Store, token_id: int, *, actor: str) -> None:
    """Make a token worthless from now on; StoreError if there is none that works."""
    with store.writing(actor) as change:
        here = (api_tokens.c.id == token_id) & api_tokens.c.revoked_at.is_(None)
        if change.execute(api_tokens.update().where(here).values(revoked_at=change.at)).rowcount == 0:
            raise not_found("API token", token_id)
        change.log("api_token.revoked", f"api_token:{token_id}")


def list_api_tokens(store: Store, user_id: int) -> tuple[ApiToken, ...]:
    """Return a user's tokens, revoked ones too, in the order they were made."""
    query = sa.select(*_TOKEN, api_tokens.c.revoked_at).where(api_tokens.c.user_id == user_id)
    return store.read_all(ApiToken, query.order_by(api_tokens.c.id))
