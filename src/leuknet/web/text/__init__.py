"""Every word that a person reads in the reading room, by key; `en.toml` beside this file holds them.

A translation is a file of the same keys. Values stand for `{name}`; they are escaped by the template, as all
text is. A key with `one` and `other` below it is chosen by the number `n`.

Start at `text`.
"""

from __future__ import annotations

import tomllib
from functools import lru_cache
from importlib import resources
from typing import Any


def text(key: str, **values: Any) -> str:
    """Return a text with its values filled in; a key that is missing is a bug and a KeyError."""
    found = _texts()
    if "n" in values and f"{key}.other" in found:
        key = f"{key}.one" if values["n"] == 1 else f"{key}.other"
    return found[key].format(**values)


def texts_under(prefix: str) -> dict[str, str]:
    """Return the texts whose keys begin with a prefix and a dot, without it; "" for all."""
    start = f"{prefix}." if prefix else ""
    return {key.removeprefix(start): value for key, value in _texts().items() if key.startswith(start)}


@lru_cache(maxsize=1)
def _texts() -> dict[str, str]:
    content = resources.files(__package__).joinpath("en.toml").read_text(encoding="utf-8")
    return dict(_flat(tomllib.loads(content), ""))


def _flat(tree: dict[str, Any], prefix: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for name, value in tree.items():
        found += (
            _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else [(prefix + name, str(value))]
        )
    return found
