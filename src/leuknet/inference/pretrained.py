"""The models that come with LeukNet: folders of the package, named `pretrained:NAME`.

Each is a model folder like any other, see `leuknet.inference.model_folder`. Start at `resolve`.
"""

from __future__ import annotations

from pathlib import Path

from leuknet.errors import ModelError

PREFIX = "pretrained:"

SHIPPED = Path(__file__).parent / "shipped"
"""Where they lie."""


def names() -> tuple[str, ...]:
    """Return the names of all models that come with LeukNet, as `resolve` takes them."""
    return tuple(PREFIX + path.name for path in sorted(SHIPPED.iterdir()) if path.is_dir())


def is_pretrained(model: str | Path) -> bool:
    """Whether a text names a model that comes with LeukNet, or would."""
    return str(model).startswith(PREFIX)


def resolve(model: str | Path) -> Path:
    """Return the folder of a model: of a name `pretrained:NAME` the package's, else the path as it is.

    Raises
    ------
    ModelError
        If LeukNet comes with no model of that name.
    """
    if not is_pretrained(model):
        return Path(model)
    if str(model) not in names():
        raise ModelError(
            f"LeukNet comes with no model {str(model)!r}",
            why=f"it has {', '.join(names())}",
            fix="use one of these, or the folder of a model of your own",
        )
    return SHIPPED / str(model).removeprefix(PREFIX)
