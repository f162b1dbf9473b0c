"""Says of advice where it can be followed: an error of the library may name an option that a command has not.

Errors arise below the command line, for whichever command runs, and tell what to try in its words. Where the
running command lacks an option that is named, the user is told which commands have it. Start at
`where_else`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

SHOWN = 4

_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
_OTHER_COMMANDS = re.compile(r"`[^`]*`|\b(?:leuknet|pip) [a-z][^;]*")
"""Whole commands, whose options are their own."""


def where_else(advice: str, words: Sequence[str], commands: Mapping[str, Any]) -> str:
    """Return which commands have the options that advice names and the running one lacks; empty if none.

    Parameters
    ----------
    advice
        The way out of an error.
    words
        The command line, without the program's name.
    commands
        Commands and groups of commands by name, as click has them.
    """
    options = dict(_options_of(commands))
    running = next((name for name in _names(words) if name in options), None)
    if running is None:
        return ""
    told = []
    for option in dict.fromkeys(_OPTION.findall(_OTHER_COMMANDS.sub("", advice))):
        others = [name for name, own in options.items() if option in own]
        if others and running not in others:
            more = f" and {len(others) - SHOWN} more" if len(others) > SHOWN else ""
            named = ", ".join(f"`leuknet {name}`" for name in others[:SHOWN])
            told.append(f"{option} is an option of {named}{more}")
    return f"{'; '.join(told)}; `leuknet {running}` has it not" if told else ""


def _options_of(commands: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, frozenset[str]]]:
    for name, command in commands.items():
        if hasattr(command, "commands"):
            yield from _options_of(command.commands, f"{before}{name} ")
        else:
            spelt = (word for one in command.params for word in (*one.opts, *one.secondary_opts))
            yield f"{before}{name}", frozenset(spelt)


def _names(words: Sequence[str]) -> Iterator[str]:
    """Yield what the running command may be called: its first two words, or its first."""
    plain = [word for word in words if not word.startswith("-")]
    yield " ".join(plain[:2])
    yield from plain[:1]
