"""Accounts for tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from argon2 import PasswordHasher

from leuknet.store import passwords
from leuknet.store.accounts import create_user
from leuknet.store.database import Store
from leuknet.store.nouns import SYSTEM, Role, User

QUICK = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
"""Makes hashes of passwords that take no time: for tests that make many accounts."""


def user(store: Store, name: str, role: Role = "reader") -> User:
    """Make an account."""
    return create_user(store, name, password="a long password", role=role, actor=SYSTEM)


@contextmanager
def quick_hashes() -> Iterator[None]:
    """Let hashes of passwords take no time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "HASHER", QUICK)
        yield
