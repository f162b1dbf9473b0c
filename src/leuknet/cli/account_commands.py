"""`leuknet account ...`: accounts of the reading room from the terminal of its server."""

from __future__ import annotations

from typing import Annotated

import typer

from leuknet.cli import room_options
from leuknet.errors import SettingError

app = typer.Typer(
    help="Keep the reading room's accounts where its pages cannot be reached yet, or no admin can sign in.",
    no_args_is_help=True,
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="As one signs in.")]
Password = Annotated[
    str,
    typer.Option(
        "--password",
        envvar="LEUKNET_PASSWORD",
        help="At least 12 characters; asked for where it is not given.",
        prompt=True,
        confirmation_prompt=True,
        hide_input=True,
        show_envvar=True,
    ),
]


@app.command()
def add(
    name: Name,
    password: Password,
    role: Annotated[str, typer.Option("--role", help="reader, lead or admin.")] = "reader",
    url: room_options.RoomUrl = None,
) -> None:
    """Make an account.

    Example: leuknet account add Ada --role admin
    """
    from leuknet.store import open_store

    with open_store(url) as store:
        from leuknet.store.accounts import create_user
        from leuknet.store.nouns import ROLES, SYSTEM

        for known in ROLES:
            if role == known:
                user = create_user(store, name, password=password, role=known, actor=SYSTEM)
                typer.echo(f"made: {user.name}, {user.role}")
                return
        raise SettingError(
            "cannot make the account", why=f"{role!r} is no role", fix=f"use {', '.join(ROLES)}"
        )


@app.command()
def password(name: Name, password: Password, url: room_options.RoomUrl = None) -> None:
    """Give an account another password; its sessions and tokens end.

    Example: leuknet account password Ada
    """
    from leuknet.store import open_store

    with open_store(url) as store:
        from leuknet.store.accounts import change_password, folded_name, list_users
        from leuknet.store.nouns import SYSTEM

        found = [user for user in list_users(store) if folded_name(user.name) == folded_name(name)]
        if not found:
            raise SettingError(
                "cannot change the password",
                why=f"there is no account {name!r}",
                fix="see: leuknet account list",
            )
        change_password(store, found[0].id, password=password, actor=SYSTEM)
        typer.echo(f"changed: {found[0].name}; all its sessions and tokens have ended")


@app.command("list")
def list_all(url: room_options.RoomUrl = None) -> None:
    """Print all accounts with their roles.

    Example: leuknet account list
    """
    from leuknet.store import open_store

    with open_store(url) as store:
        from leuknet.store.accounts import list_users

        for user in list_users(store):
            typer.echo(f"{user.id}\t{user.name}\t{user.role}\t{'on' if user.active else 'off'}")
