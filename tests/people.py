"""Accounts for tests."""

from __future__ import annotations

from leuknet.store.accounts import create_user
from leuknet.store.database import Store
from leuknet.store.nouns import SYSTEM, Role, User


def user(store: Store, name: str, role: Role = "reader") -> User:
    """Make an account."""
    return create_user(store, name, password="a long password", role=role, actor=SYSTEM)
