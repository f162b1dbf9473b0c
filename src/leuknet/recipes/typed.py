"""Reads the values of `--set field=value` as people type them.

A shell takes quotes away, and people come from YAML, Python, JSON or none of them: `parts=fold_1`,
`parts=[fold_1]`, `parts=["fold_1"]` and `parts=fold_1,` mean the same, as do `flip=True` and `flip=yes`. What
a field holds decides how its text is read, so that a part called `1` stays a name. What makes no sense is
handed on as the text it is: `leuknet.recipes.checked` refuses it and says what the field takes.

Start at `read_value`.
"""

from __future__ import annotations

import csv
import json
import math
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from leuknet.types import Recipe

_TRUE = ("true", "yes", "on", "1")
_FALSE = ("false", "no", "off", "0")
_NOTHING = ("none", "null", "")
_WHOLE_LIST = ("all", *_NOTHING)
"""Said of a list of parts: no choice among them."""

_BRACKETS = {"[": "]", "(": ")"}


def read_value(field: str, text: str) -> Any:
    """Return the value that a text gives to a field of `Recipe`; the text itself where it makes no sense.

    Parameters
    ----------
    field
        Name of the field.
    text
        As typed after the equals sign.

    Examples
    --------
    >>> read_value("parts", "fold_0, fold_1"), read_value("parts", '["fold_1"]')
    (['fold_0', 'fold_1'], ['fold_1'])
    >>> read_value("flip", "Yes"), read_value("learning_rate", ".001"), read_value("crop_px", "None")
    (True, 0.001, None)
    """
    return _read(text.strip(), get_type_hints(Recipe)[field])


def read_option(text: str) -> Any:
    """Return the value of an entry of a table, such as `network_options.fc1`, whose kind is not stated.

    Examples
    --------
    >>> read_option("64"), read_option("True"), read_option("[4, 8]"), read_option("'relu'")
    (64, True, [4, 8], 'relu')
    """
    text = text.strip()
    value = _read_json(text)
    if value is not None or text == "null":
        return value
    if _is_bracketed(text):
        return [read_option(item) for item in _items(text)]
    if text.casefold() in ("true", "false"):
        return text.casefold() == "true"
    if text.casefold() in ("none", "null"):
        return None
    items = [_read_number(item) for item in _items(text)] if "," in text else []
    if items and None not in items:
        return items
    number = _read_number(text)
    return _unquoted(text) if number is None else number


def _read(text: str, kind: Any) -> Any:
    origin = get_origin(kind)
    if origin in (UnionType, Union):
        if text.casefold() in _NOTHING:
            return None
        (kind,) = (member for member in get_args(kind) if member is not NoneType)
        return _read(text, kind)
    if origin is tuple:
        return _read_list(text, get_args(kind)[0])
    if origin is Literal:
        return _read_choice(_unquoted(text), get_args(kind))
    if kind is bool:
        word = _unquoted(text).casefold()
        return word in _TRUE if word in (*_TRUE, *_FALSE) else text
    if kind in (int, float):
        number = _read_number(_unquoted(text))
        if kind is int and number is not None and number == int(number):
            number = int(number)  # `64.0` and `1e2` are whole numbers too
        return text if number is None else number
    return _unquoted(text) if kind is str else read_option(text)


def _read_list(text: str, kind: Any) -> Any:
    if kind is str and _unquoted(text).casefold() in _WHOLE_LIST:
        return []
    return [_read(item, kind) for item in _items(text)]


def _read_choice(text: str, choices: tuple[str, ...]) -> str:
    """Return the choice that is meant whatever its capitals, blanks and underscores."""
    plain = text.casefold().replace("_", "-").replace(" ", "-")
    return plain if plain in choices else text


def _read_number(text: str) -> int | float | None:
    """Return a finite number, an int where it is written as one; None if the text is no number."""
    for kind in (int, float):
        try:
            number: int | float = kind(text)
        except ValueError:
            continue
        return number if math.isfinite(number) else None
    return None


def _read_json(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except ValueError:
        return None


def _refuse_constant(text: str) -> None:
    raise ValueError(text)  # NaN and Infinity, which JSON has not and no setting takes


def _is_bracketed(text: str) -> bool:
    return text[:1] in _BRACKETS and text[-1:] == _BRACKETS[text[0]]


def _items(text: str) -> list[str]:
    """Split `a, b`, `[a, b]` or `("a", 'b')`; a comma within quotation marks is none of the list's."""
    inner = (text[1:-1] if _is_bracketed(text) else text).strip()
    quote = "'" if inner.startswith("'") else '"'
    rows = csv.reader([inner], quotechar=quote, skipinitialspace=True)
    items = [_unquoted(item.strip()) for row in rows for item in row]
    return items[:-1] if items and not items[-1] else items  # `fold_1,` is a list of one


def _unquoted(text: str) -> str:
    is_quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "\"'"
    return text[1:-1] if is_quoted else text
