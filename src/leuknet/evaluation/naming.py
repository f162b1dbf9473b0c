"""What models are called in tables, legends and reports: short, and no two of one table alike.

A recipe with changed settings is called by all of them, so that its name says what it is; that fills lines. A
user's own name (`--name`) comes first; without one, few settings are shown plainly and many are counted. The
whole name stays in the record.

Start at `model_name`; `short_recipes` serves a table of several.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from leuknet.errors import SettingError
from leuknet.types import Evaluation

LONGEST = 40
"""Characters of a user's own name; what is longer would fill a legend."""

_LONGEST_SETTINGS = 24
_CHANGED = re.compile(r" \(changed: (.*?)\)(?=$|, | \+ )", re.DOTALL)
_SETTING = re.compile(r"(?:^|, )([a-z][a-z0-9_.]*)=")


def short_recipe(name: str) -> str:
    """Return a recipe's name with its changed settings shown plainly, or counted where they are long.

    Examples
    --------
    >>> short_recipe('leuknet-paper (changed: parts=["fold_1"])')
    'leuknet-paper (parts=fold_1)'
    >>> short_recipe("strong (changed: image_size_px=224, epochs=30, learning_rate=0.001)")
    'strong (3 settings changed)'
    """
    return _CHANGED.sub(lambda found: f" ({_short_settings(found[1])})", name)


def _short_settings(settings: str) -> str:
    plain = re.sub(r"""[\[\]"'{}]""", "", settings)
    if len(plain) <= _LONGEST_SETTINGS:
        return plain
    keys = _SETTING.findall(settings)
    return f"{keys[0]} changed" if len(keys) == 1 else f"{len(keys)} settings changed"


def short_recipes(names: Iterable[str]) -> dict[str, str]:
    """Return each name's short form; those whose short forms would be alike keep their whole names."""
    short = {name: short_recipe(name) for name in names}
    often = Counter(short.values())
    return {name: form if often[form] == 1 else name for name, form in short.items()}


def short_part(part: str) -> str:
    """Return a name of tested cells that fits into a legend: who was left out of them is told elsewhere.

    Examples
    --------
    >>> short_part("all labelled cells but 3569 of people who trained the model or are not named")
    'new people'
    >>> short_part("prelim but 2 of people who trained the model or are not named")
    'new people of prelim'
    """
    whole, left_out, _ = part.partition(" but ")
    if not left_out:
        return part
    return "new people" if whole == "all labelled cells" else f"new people of {whole}"


def model_name(evaluation: Evaluation, *, with_seed: bool = True) -> str:
    """Return what to call the model of an evaluation: its user's name, or its recipe with the seed.

    A baseline is called by its id. `with_seed` adds `(seed 0)` to a recipe's name.
    """
    if evaluation.model_id.startswith("baseline:"):
        return evaluation.model_id
    if evaluation.name:
        return evaluation.name
    seed = f" (seed {evaluation.seed})" if with_seed else ""
    return f"{short_recipe(evaluation.recipe)}{seed}"


def checked_name(text: str | None) -> str:
    """Return a user's name for a run, empty for None.

    Raises
    ------
    SettingError
        If it is empty, of several lines, or longer than `LONGEST`.
    """
    if text is None:
        return ""
    name = text.strip()
    if not name or len(name) > LONGEST or not name.isprintable():
        raise SettingError(
            f"{text!r} cannot name a run",
            why=f"a name is one line of 1 to {LONGEST} characters, which tables and legends have room for",
            fix="for example --name 'paper on fold_1'",
        )
    return name
