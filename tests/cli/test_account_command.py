"""Accounts are kept from the terminal of the server, where no page can be reached."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("sqlalchemy", reason="SQLAlchemy is not installed: pip install 'leuknet[web]'")

from leuknet.store import open_store
from leuknet.store.accounts import verify_password
from tests.conftest import run_cli

LONG = "twelve letters and more"


def test_an_admin_is_made_and_gets_another_password(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'room.db'}"

    made = run_cli("account", "add", "Ada", "--role", "admin", "--password", LONG, "--url", url)
    changed = run_cli("account", "password", "ada", "--password", f"{LONG} still", "--url", url)
    listed = run_cli("account", "list", "--url", url)

    assert (made.status, changed.status) == (0, 0), made.err + changed.err
    assert listed.out == "1\tAda\tadmin\ton\n"
    with open_store(url) as store:
        assert verify_password(store, "Ada", LONG) is None
        assert verify_password(store, "Ada", f"{LONG} still") is not None


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("add", "Ada", "--role", "chief", "--password", LONG), "'chief' is no role"),
        (("add", "Ada", "--password", "short"), "it has 5 characters"),
        (("password", "Eve", "--password", LONG), "there is no account 'Eve'"),
    ],
    ids=["role", "short", "unknown"],
)
def test_what_cannot_be_is_said(tmp_path: Path, arguments: tuple[str, ...], why: str) -> None:
    ended = run_cli("account", *arguments, "--url", f"sqlite:///{tmp_path / 'room.db'}")

    assert ended.status == 2
    assert why in ended.err
