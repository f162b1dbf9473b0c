"""Records: dataclasses as JSON files."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from leuknet.errors import ModelError
from leuknet.records import SCHEMA_VERSION, read_record, write_record
from leuknet.types.added import added, stated


@dataclass(frozen=True)
class Inner:
    number: float


@dataclass(frozen=True)
class Outer:
    name: str
    inner: Inner | None
    pairs: tuple[tuple[str, int], ...]
    optional: str = "a default is no excuse"
    late: int = added(7)


RECORD = Outer("a", Inner(0.5), (("x", 1), ("y", 2)))


def read(path: Path) -> Outer:
    return read_record(Outer, path, error=ModelError, fix="write it again")


def rewrite(path: Path, **changes: Any) -> None:
    content = json.loads(path.read_text(encoding="utf-8")) | changes
    path.write_text(json.dumps({k: v for k, v in content.items() if v != "left out"}), encoding="utf-8")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "folder" / "record.json"
    write_record(RECORD, path)
    return path


def test_what_was_written_comes_back(path: Path) -> None:
    assert read(path) == RECORD


@pytest.mark.parametrize("name", ["pairs", "optional"])
def test_every_field_must_be_there_even_if_it_has_a_default(path: Path, name: str) -> None:
    rewrite(path, **{name: "left out"})

    with pytest.raises(ModelError, match=f"{name} is missing"):
        read(path)


def test_a_field_that_was_added_later_may_lack_and_is_else_as_strict_as_others(path: Path) -> None:
    rewrite(path, late="left out")
    assert read(path) == RECORD

    rewrite(path, late="8")
    with pytest.raises(ModelError, match="late is '8', not int"):
        read(path)


def test_a_record_that_says_nothing_new_is_stated_as_it_was_before_the_field_came() -> None:
    assert stated(Outer("a", None, ())) == {
        "name": "a",
        "inner": None,
        "pairs": (),
        "optional": "a default is no excuse",
    }
    assert stated(Outer("a", None, (), late=8))["late"] == 8


@pytest.mark.parametrize("version", [SCHEMA_VERSION - 1, SCHEMA_VERSION + 1, "2", None, True, "left out"])
def test_other_versions_are_refused(path: Path, version: object) -> None:
    rewrite(path, schema_version=version)

    with pytest.raises(ModelError, match="schema_version"):
        read(path)


def test_an_unknown_field_is_refused(path: Path) -> None:
    rewrite(path, odd=1)

    with pytest.raises(ModelError, match="odd is unknown"):
        read(path)


@pytest.mark.parametrize(
    ("field_name", "value"),
    [("name", 1), ("inner", {"number": "x"}), ("inner", {}), ("pairs", [["x"]]), ("pairs", [["x", "1"]])],
)
def test_a_value_of_another_kind_is_refused_by_name(path: Path, field_name: str, value: object) -> None:
    rewrite(path, **{field_name: value})

    with pytest.raises(ModelError, match=field_name):
        read(path)


def test_none_is_read_where_it_is_allowed(path: Path) -> None:
    rewrite(path, inner=None)

    assert read(path).inner is None


def test_a_number_that_is_none_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        write_record(Inner(float("nan")), tmp_path / "record.json")
    assert list(tmp_path.iterdir()) == []
