"""Passwords as argon2id hashes, and tokens of 32 random bytes of which only a hash is kept.

Start at `hash_password` and `matches`.
"""

from __future__ import annotations

import hashlib
import secrets
import unicodedata
from functools import lru_cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from leuknet.errors import AccountError

MIN_PASSWORD_LENGTH = 12
"""In characters. Length is the only rule: others make passwords that are hard to keep and easy to guess."""

HASHER = PasswordHasher()
"""argon2id with the parameters that argon2-cffi recommends (RFC 9106, low memory)."""


def hash_password(password: str) -> str:
    """Return the argon2id hash of a password, with its salt and parameters.

    Raises
    ------
    AccountError
        If it has fewer than `MIN_PASSWORD_LENGTH` characters, or holds damaged letters.
    """
    n = len(password)
    if n < MIN_PASSWORD_LENGTH:
        raise AccountError(
            "cannot use this password",
            why=f"it has {n} characters, and {MIN_PASSWORD_LENGTH} are the least",
            fix="take a sentence, or let a password manager make one; nothing else is asked of it",
        )
    try:
        return HASHER.hash(prepared(password))
    except UnicodeEncodeError:
        raise AccountError(
            "cannot use this password",
            why="it holds damaged letters that no keyboard makes",
            fix="type it anew",
        ) from None


def matches(password: str, password_hash: str | None) -> bool:
    """Whether a password is that of a hash; None, for no such account, takes as long and is False."""
    try:
        HASHER.verify(password_hash or _hash_of_nothing(HASHER), prepared(password))
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
