"""Accounts: who may sign in, as what, and how the first of them comes to be.

Accounts are switched off, never deleted. At least one that is active is always an admin. A name is unique
whatever its case, and never changes.

Start at `create_user` and `verify_password`. Sessions and tokens are in `sign_in`.
"""

from __future__ import annotations

import hmac
import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from leuknet.errors import AccountError
from leuknet.store import passwords
from leuknet.store.database import Change, Store, not_found
from leuknet.store.nouns import ROLES, SYSTEM, Role, User
from leuknet.store.tables import api_tokens, first_account, sessions, users

MAX_NAME_LENGTH = 100
FIRST_ACCOUNT_LIFETIME = timedelta(hours=24)

USER = (users.c.id, users.c.name, users.c.role, users.c.active, users.c.created_at)
"""The columns of a `User`, for `user_of`."""


def create_user(store: Store, name: str, *, password: str, role: Role, actor: str) -> User:
    """Make an account that may sign in at once.

    Parameters
    ----------
    name
        1 to 100 characters; blanks around it are left off.
    password
        At least 12 characters.
    actor
        Who makes it, see `User.actor`.

    Raises
    ------
    AccountError
        If the name is taken or unusable, the password too short, or the role unknown.
    """
    name, hashed = _clean_name(name), passwords.hash_password(password)
    with store.writing(actor) as change:
        return _add_user(change, name, hashed, _known_role(role))


def first_account_token(store: Store) -> str | None:
    """Return a token with which one admin can be made, valid for 24 hours; None if there are accounts.

    Each call makes the token of the call before worthless.
    """
    token = passwords.new_token()
    if list_users(store):
        return None
    with store.writing(SYSTEM) as change:
        expires_at = change.at + FIRST_ACCOUNT_LIFETIME
        change.execute(first_account.delete())
        row = {"id": 1, "token_sha256": passwords.hash_token(token), "expires_at": expires_at}
        change.execute(first_account.insert().values(**row))
        change.log("first_account.offered", "first_account", expires_at=expires_at.isoformat())
    return token


def create_first_account(store: Store, token: str, name: str, *, password: str) -> User:
    """Make the first account, an admin, with the token of `first_account_token`; it works once.

    Raises
    ------
    AccountError
        If the token is not the last one, too old or used, or as in `create_user`.
    """
    name = _clean_name(name)
    with store.reading() as connection:
        _check_offer(connection, token, datetime.now(UTC))  # a hash costs 64 MiB: none for who has no link
    hashed = passwords.hash_password(password)
    with store.writing(SYSTEM) as change:
        _check_offer(change.connection, token, change.at)
        change.execute(first_account.delete())
        return _add_user(change, name, hashed, "admin")


def _check_offer(connection: sa.Connection, token: str, now: datetime) -> None:
    offer = connection.execute(sa.select(first_account)).one_or_none()
    known = offer is not None and hmac.compare_digest(offer.token_sha256, passwords.hash_token(token))
    empty = connection.execute(sa.select(users.c.id).limit(1)).first() is None
    if offer is None or not known or offer.expires_at <= now or not empty:
        raise AccountError(
            "cannot make the first account",
            why="this link was used, is older than 24 hours, or another took its place",
            fix="start the reading room again: while it has no account, it prints a new link",
        )


def verify_password(store: Store, name: str, password: str) -> User | None:
    """Return the active account with this name and password, else None.

    It takes as long for a name that nobody has. A hash made with older parameters is made anew.
    """
    with store.reading() as connection:
        query = sa.select(*USER, users.c.password_hash).where(users.c.folded_name == _known_name(name))
        row = connection.execute(query).one_or_none()
    if not passwords.matches(password, None if row is None else row.password_hash):
        return None
    if row is None or not row.active:
        return None
    user = user_of(row)
    if passwords.needs_rehash(row.password_hash):
        _rehash(store, user, password, old=row.password_hash)
    return user


def change_password(store: Store, user_id: int, *, password: str, actor: str) -> None:
    """Give an account another password; all its sessions and tokens end.

    Raises
    ------
    AccountError
        If the password is too short.
    StoreError
        If there is no such account.
    """
    hashed = passwords.hash_password(password)
    with store.writing(actor) as change:
        user = _user(change, user_id)
        change.execute(users.update().where(users.c.id == user_id).values(password_hash=hashed))
        change.log("user.password_changed", user.actor, **_end_all(change, user_id))


def set_role(store: Store, user_id: int, role: Role, *, actor: str) -> User:
    """Let an account do more or less; AccountError if no active admin would be left."""
    return _update(store, user_id, {"role": _known_role(role)}, actor=actor)


def set_active(store: Store, user_id: int, *, active: bool, actor: str) -> User:
    """Switch an account on or off; off ends its sessions and tokens, for good.

    AccountError if no active admin would be left.
    """
    return _update(store, user_id, {"active": active}, actor=actor)


def list_users(store: Store) -> tuple[User, ...]:
    """Return all accounts, in the order they were made."""
    with store.reading() as connection:
        return tuple(user_of(row) for row in connection.execute(sa.select(*USER).order_by(users.c.id)))


def names_of(store: Store) -> dict[int, str]:
    """Return the names of all accounts by their numbers."""
    return {user.id: user.name for user in list_users(store)}


def user_of(row: Sequence[Any]) -> User:
    """Return the user that the first columns of a row state, selected as `USER`."""
    return User(*row[: len(USER)])


def _update(store: Store, user_id: int, values: dict[str, Any], *, actor: str) -> User:
    with store.writing(actor) as change:
        before = _user(change, user_id)
        change.execute(users.update().where(users.c.id == user_id).values(**values))
        after = _user(change, user_id)
        admins = sa.select(users.c.id).where(users.c.active, users.c.role == "admin").limit(1)
        was_admin = before.active and before.role == "admin"
        if was_admin and change.execute(admins).first() is None:
            raise AccountError(
                f"cannot change the account {before.name!r}",
                why="it is the last active admin: nobody could change accounts after it",
                fix="make another account an admin first",
            )
        ended = {} if after.active else _end_all(change, user_id)
        change.log("user.changed", before.actor, **values, **ended)
        return after


def _end_all(change: Change, user_id: int) -> dict[str, int]:
    """End all sessions and tokens of an account, which whoever had the password may have made; count them."""
    ended = change.execute(sessions.delete().where(sessions.c.user_id == user_id)).rowcount
    working = (api_tokens.c.user_id == user_id) & api_tokens.c.revoked_at.is_(None)
    revoked = change.execute(api_tokens.update().where(working).values(revoked_at=change.at)).rowcount
    return {"sessions_ended": ended, "tokens_revoked": revoked}


def _user(change: Change, user_id: int) -> User:
    row = change.execute(sa.select(*USER).where(users.c.id == user_id)).one_or_none()
    if row is None:
        raise not_found("account", user_id)
    return user_of(row)


def _add_user(change: Change, name: str, hashed: str, role: Role) -> User:
    folded = folded_name(name)
    if change.execute(sa.select(users.c.id).where(users.c.folded_name == folded)).first() is not None:
        raise AccountError(
            f"cannot make the account {name!r}",
            why="there is one of this name, capitals aside",
            fix="take another name, or switch that account on again",
        )
    row = {"name": name, "folded_name": folded, "role": role, "password_hash": hashed}
    values = {**row, "active": True, "created_at": change.at}
    user_id = change.execute(users.insert().values(**values).returning(users.c.id)).scalar_one()
    user = User(user_id, name, role, True, change.at)
    change.log("user.created", user.actor, role=role)
    return user


def _rehash(store: Store, user: User, password: str, *, old: str) -> None:
    hashed = passwords.hash_prepared(passwords.prepared(password))
    with store.writing(SYSTEM) as change:
        # Only what was verified is replaced, not a password that was changed in between.
        here = (users.c.id == user.id) & (users.c.password_hash == old)
        change.execute(users.update().where(here).values(password_hash=hashed))
        change.log("user.password_rehashed", user.actor)


def _known_role(role: Role) -> Role:
    if role not in ROLES:
        raise AccountError("cannot give this role", why=f"{role!r} is none", fix=f"use {', '.join(ROLES)}")
    return role


def folded_name(name: str) -> str:
    """Return the form of a name by which accounts are told apart, and tries to guess a password counted."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).strip().casefold())


def _known_name(name: str) -> str:
    """Return the name to look up: "", which nobody has, for what cannot be a name and no database takes."""
    folded = folded_name(name)
    return "" if _unreadable(folded) else folded


def _unreadable(name: str) -> list[str]:
    # Invisible and damaged characters let two names look like one.
    return [letter for letter in name if unicodedata.category(letter)[0] == "C"]


def _clean_name(name: str) -> str:
    clean = unicodedata.normalize("NFC", name).strip()
    bad = _unreadable(clean)
    if not clean or len(clean) > MAX_NAME_LENGTH or bad:
        raise AccountError(
            "cannot use this name",
            why=f"it has {len(clean)} characters, {len(bad)} of them invisible or damaged",
            fix=f"take 1 to {MAX_NAME_LENGTH} letters, digits, blanks and signs",
        )
    return clean
