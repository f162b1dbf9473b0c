"""Passwords as argon2id hashes, and tokens of 32 random bytes of which only a hash is kept.

Start at `hash_password` and `matches`.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from leuknet.errors import AccountError, BusyError

MIN_PASSWORD_LENGTH = 12
"""In characters. Length is the only rule: others make passwords that are hard to keep and easy to guess."""

HASHER = PasswordHasher()
"""argon2id with the parameters that argon2-cffi recommends (RFC 9106, low memory)."""

MOST_AT_ONCE, LONGEST_WAIT_S = 2, 5.0
"""How many hashes are computed at once, of 64 MiB each, and how long another waits for its turn."""

_turns = threading.BoundedSemaphore(MOST_AT_ONCE)


@contextmanager
def _turn() -> Iterator[None]:
    if not _turns.acquire(timeout=LONGEST_WAIT_S):
        raise BusyError(
            "cannot check the password now",
            why=f"others were signing in for {LONGEST_WAIT_S:.0f} seconds without a pause",
            fix="wait a moment, then try again",
        )
    try:
        yield
    finally:
        _turns.release()


def hash_password(password: str) -> str:
    """Return the argon2id hash of a password, with its salt and parameters.

    Raises
    ------
    AccountError
        If it has fewer than `MIN_PASSWORD_LENGTH` characters, or holds damaged letters.
    BusyError
        If too many passwords are being hashed.
    """
    n = len(password)
    if n < MIN_PASSWORD_LENGTH:
        raise AccountError(
            "cannot use this password",
            why=f"it has {n} characters, and {MIN_PASSWORD_LENGTH} are the least",
            fix="take a sentence, or let a password manager make one; nothing else is asked of it",
        )
    try:
        return hash_prepared(prepared(password))
    except UnicodeEncodeError:
        raise AccountError(
            "cannot use this password",
            why="it holds damaged letters that no keyboard makes",
            fix="type it anew",
        ) from None


def hash_prepared(password: bytes) -> str:
    """Return the hash of what `prepared` gives; BusyError if too many are being made."""
    with _turn():
        return HASHER.hash(password)


def matches(password: str, password_hash: str | None) -> bool:
    """Whether a password is that of a hash; None, for no such account, takes as long and is False.

    BusyError if too many passwords are being hashed.
    """
    try:
        ready = prepared(password)
        with _turn():
            HASHER.verify(password_hash or _hash_of_nothing(HASHER), ready)
    except (VerificationError, InvalidHashError, UnicodeEncodeError):
        return False
    return password_hash is not None


def needs_rehash(password_hash: str) -> bool:
    """Whether a hash was made with other parameters than are used now."""
    return HASHER.check_needs_rehash(password_hash)


@lru_cache(maxsize=4)
def _hash_of_nothing(hasher: PasswordHasher) -> str:
    return hasher.hash(secrets.token_bytes(32))


def prepared(password: str) -> bytes:
    """Return the bytes that are hashed."""
    # Keyboards make the same letter of different characters: ä is one on some, a and two dots on others.
    return unicodedata.normalize("NFKC", password).encode("utf-8")


def new_token() -> str:
    """Return 32 random bytes as 43 letters that may stand in an address."""
    return secrets.token_urlsafe(32)


def hash_token(token: str) -> str:
    """Return what is kept of a token. It is random enough that a plain SHA-256 cannot be guessed back."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
