"""Who is who: ids that mean one person, words that mean nobody, people of both classes."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leuknet.data import open_dataset
from leuknet.data.people import NOBODY, clean_id, person_key, tell_people
from leuknet.data.split import by_subject
from leuknet.types import CellImage, Finding, Label

NAMES = ("HEM", "ALL")


def told(*subjects: str | None) -> tuple[list[str | None], list[Finding]]:
    cells = [CellImage(f"{n}", Path(f"{n}"), f"{n}", None, subject) for n, subject in enumerate(subjects)]
    named, findings = tell_people(cells, NAMES)
    assert [cell.id for cell in named] == [cell.id for cell in cells]
    return [cell.subject for cell in named], findings


@pytest.mark.parametrize(
    ("first", "second", "name"),
    [
        ("P1", "p1", "P1"),
        ("7", "7.0", "7"),
        ("7.0", "7", "7"),
        ("007", "7", "7"),
        ("P 1", "P1", "P1"),
        ("P\u00a01", "P 1", "P 1"),
        ("P1\u200b", "P1", "P1"),
        ("\ufeffP1", "P1", "P1"),
        ("P\u200d1", "P1", "P1"),
        ("Jos\u00e9", "Jose\u0301", "Jos\u00e9"),
        ("\uff17", "7", "\uff17"),
    ],
)
def test_ids_that_differ_by_nothing_that_counts_are_one_person_and_said(
    first: str, second: str, name: str
) -> None:
    subjects, findings = told(first, "other", second)

    assert subjects == [name, "other", name]
    (finding,) = findings
    assert (finding.severity, finding.kind) == ("warning", "alike")
    assert f"{first!a}, {second!a}" in finding.message
    assert "count as one person" in finding.message


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("P1", "P11"),
        ("7", "70"),
        ("7", "7.5"),
        ("Jose", "Jos\u00e9"),
        ("1-1", "11"),
        ("P1", "Q1"),
        ("H3", "3"),
    ],
)
def test_other_ids_are_other_people(first: str, second: str) -> None:
    assert told(first, second) == ([first, second], [])


@pytest.mark.parametrize("word", ["nan", "NaN", "NA", "N/A", "?", "None", "NULL", "-", " na ", "<NA>"])
def test_words_for_nobody_name_nobody_and_are_counted(word: str) -> None:
    subjects, findings = told(word, "P1", word, None)

    assert subjects == [None, "P1", None, None]
    assert [(one.severity, one.kind) for one in findings] == [("warning", "no-subject")]
    assert findings[0].message == f"2 cells have {word!r} for a subject: they name nobody"


def test_what_cannot_be_seen_names_nobody() -> None:
    assert told("\u200b", " \u200d ")[0] == [None, None]


def test_cells_that_name_nobody_are_no_finding() -> None:
    assert told(None, None) == ([None, None], [])


@given(st.text(min_size=1, max_size=8))
def test_a_key_does_not_change_with_case_form_or_blanks(id_: str) -> None:
    key = person_key(id_)

    assert person_key(f" {id_}\u200b ") == key
    assert person_key(unicodedata.normalize("NFD", id_)) == key
    assert person_key(clean_id(id_)) == key


def test_words_for_nobody_are_written_as_they_are_compared() -> None:
    assert {clean_id(word).casefold() for word in NOBODY} == NOBODY


@pytest.mark.parametrize(
    ("names", "severity"), [(("HEM", "ALL"), "warning"), (("other", "lymphocyte"), "info")]
)
def test_a_person_of_both_classes_is_told_with_numbers(names: tuple[str, str], severity: str) -> None:
    labels = [Label.LEUKAEMIC, Label.NORMAL, Label.NORMAL, Label.NORMAL, Label.LEUKAEMIC]
    people = ["P1", "p1", "P1", "P2", "P3"]
    cells = [CellImage(f"{n}", Path(), f"{n}", labels[n], people[n]) for n in range(5)]

    findings = tell_people(cells, names)[1]

    (finding,) = [one for one in findings if one.kind == "two-classes"]
    assert finding.severity == severity
    assert finding.message == f"1 person has cells of both classes: P1 (2 {names[0]}, 1 {names[1]})"


def test_no_person_sits_on_two_sides_by_another_spelling(tmp_path: Path) -> None:
    lines = ["path,label,subject"]
    for person in range(8):
        for number, form in enumerate(("p{}", "P{}", "P {}", "P{}\u200b")):
            name = f"{person}-{number}.png"
            (tmp_path / name).write_text(name)
            lines.append(f"{name},{'ALL' if person % 2 else 'HEM'},{form.format(person)}")
    (tmp_path / "manifest.csv").write_text("\n".join(lines), encoding="utf-8")

    dataset = open_dataset(tmp_path)

    assert len({cell.subject for cell in dataset.cells}) == 8
    assert [finding.kind for finding in dataset.findings] == ["alike"] * 8
    split = by_subject(dataset.cells, fractions=(0.5, 0.25, 0.25), seed=0)
    sides = [
        {cell.id.partition("-")[0] for cell in side} for side in (split.train, split.validation, split.test)
    ]
    assert sum(map(len, sides)) == 8
