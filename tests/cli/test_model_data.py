"""Data of other class names for a model that is there: the order of `--classes` says what is meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from leuknet.cli.model_data import open_for_model
from leuknet.cli.options import DatasetOptions
from leuknet.errors import DatasetError, SettingError
from leuknet.types import Label
from tests.cli.test_cli import write_folder

ORDER = "blast counts as the model's HEM, lymph as its ALL"


def options(classes: str | None = None) -> DatasetOptions:
    return DatasetOptions(classes=classes)


def test_names_of_the_data_stand_for_those_of_the_model_in_their_order(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_folder(tmp_path / "own", labels=("blast", "lymph"))

    opened = open_for_model(options("blast,lymph"), root, ("HEM", "ALL"))

    assert opened.class_names == ("HEM", "ALL")
    labels = {cell.id.split()[0]: cell.label for cell in opened.cells}
    assert labels == {"blast": Label.NORMAL, "lymph": Label.LEUKAEMIC}
    assert ORDER in capsys.readouterr().err
    assert ORDER in opened.findings[-1].message


def test_a_manifest_is_read_with_the_names_of_the_model_and_nothing_needs_to_be_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_folder(tmp_path / "own", labels=("blast", "lymph"))

    opened = open_for_model(options(), root, ("blast", "lymph"))

    assert (opened.class_names, opened.findings) == (("blast", "lymph"), ())
    assert "counts as" not in capsys.readouterr().err


def test_names_that_nobody_explained_lead_to_the_option(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "own", labels=("blast", "lymph"))

    with pytest.raises(DatasetError) as caught:
        open_for_model(options(), root, ("HEM", "ALL"))

    assert "--classes blast,lymph or --classes lymph,blast" in caught.value.fix


def test_published_classes_are_taken_for_others_only_if_someone_says_so(
    simulated_fold: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ("normal", "blast")

    with pytest.raises(SettingError) as caught:
        open_for_model(options(), simulated_fold, names)
    assert caught.value.why == "the model tells normal and blast apart, the data are HEM and ALL"
    assert caught.value.fix.endswith("--classes HEM,ALL")

    assert open_for_model(options("HEM,ALL"), simulated_fold, names).class_names == names
    assert "HEM counts as the model's normal, ALL as its blast" in capsys.readouterr().err
    assert open_for_model(options("normal,blast"), simulated_fold, names).class_names == names


def test_the_model_s_own_names_turned_round_are_refused(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "own")

    with pytest.raises(SettingError) as caught:
        open_for_model(options("ALL,hem"), root, ("HEM", "ALL"))

    assert "--classes HEM,ALL" in caught.value.fix
