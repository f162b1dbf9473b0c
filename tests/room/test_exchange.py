"""What leaves the reading room for other programs: FHIR, DICOM, and labels as a data set."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pydicom
import pytest
from fhir.resources.R4B.bundle import Bundle

from leuknet.data.folder import read
from leuknet.data.split import by_subject
from leuknet.data.verify import verify
from leuknet.errors import DataError, SettingError, UnreadableImageError
from leuknet.room.case_record import CaseRecord
from leuknet.room.dicom_sr import report_dicom
from leuknet.room.fhir import report_bundle, report_json
from leuknet.room.labelled import CellForm, write_labelled, zip_labelled
from leuknet.room.room_files import RoomFiles
from leuknet.store import open_store
from leuknet.store.cases import images_of
from leuknet.store.cells import cells_of
from leuknet.store.database import Store
from leuknet.store.nouns import Case, User
from tests.api_rooms import fill_case
from tests.cli.test_cli import TINY
from tests.conftest import run_cli
from tests.read_cases import read_case, say, some_pixels
from tests.room.records import RECORD, SHA, amended

# --- FHIR -----------------------------------------------------------------------------------------------


def test_the_bundle_is_what_fhir_defines() -> None:
    bundle = Bundle.model_validate_json(report_json(RECORD, content_sha256=SHA))
    kinds = [entry.resource.get_resource_type() for entry in bundle.entry or [] if entry.resource is not None]
    assert kinds == ["DiagnosticReport", *["Observation"] * 9, "Practitioner", "Device", "Device"]

    broken = report_bundle(RECORD, content_sha256=SHA)
    broken["entry"][0]["resource"]["status"] = ["final"]
    with pytest.raises(ValueError, match="status"):
        Bundle.model_validate(broken)


def test_the_fhir_report_counts_with_units_and_marks_research() -> None:
    bundle = report_bundle(RECORD, content_sha256=SHA)
    resources = [entry["resource"] for entry in bundle["entry"]]
    report = resources[0]
    values = {
        one["code"]["coding"][0]["code"]: one["valueQuantity"]
        for one in resources
        if one["resourceType"] == "Observation"
    }
    units = {"unit": "cells", "system": "http://unitsofmeasure.org", "code": "{cells}"}
    assert values["cells-leukaemic"] == {"value": 3, **units}
    assert values["share-leukaemic"]["value"] == 42.86
    assert values["share-leukaemic"]["code"] == "%"
    assert report["status"] == "final"
    assert report["conclusion"].startswith("Research use only. Not a medical device.")
    assert "subject" not in report
    assert {"system": "urn:leuknet:content-sha256", "value": SHA} in report["identifier"]
    for one in (bundle, *resources):
        assert one["meta"]["security"][0]["code"] == "HRESCH"
    # Each reference leads to an entry.
    urls = {entry["fullUrl"] for entry in bundle["entry"]}
    text = json.dumps(resources)
    named = {word.split('"')[0] for word in text.split('"reference": "')[1:]}
    assert named <= urls
    assert len(named) == 12  # all but the report itself
    assert [word for word in ("Lena", "Patient") if word in text] == []


def test_an_amendment_is_told_as_one_and_other_resources() -> None:
    first, second = (report_bundle(record, content_sha256=SHA) for record in (RECORD, amended()))
    resources = [entry["resource"] for entry in second["entry"]]
    states = {one["status"] for one in resources if "status" in one}
    assert states == {"amended"}
    assert not {one["fullUrl"] for one in first["entry"]} & {one["fullUrl"] for one in second["entry"]}
    assert report_json(RECORD, content_sha256=SHA) == report_json(RECORD, content_sha256=SHA)


# --- DICOM ----------------------------------------------------------------------------------------------


def opened(record: CaseRecord) -> pydicom.Dataset:
    return pydicom.dcmread(io.BytesIO(report_dicom(record, content_sha256=SHA)))


def test_the_document_has_what_an_enhanced_sr_must_have() -> None:
    document = opened(RECORD)
    assert document.SOPClassUID.name == "Enhanced SR Storage"
    # Types 1 and 2 of the modules patient, study, SR series, equipment, SR document general and content.
    filled = (
        "SOPInstanceUID StudyInstanceUID SeriesInstanceUID Modality SeriesNumber InstanceNumber ContentDate "
        "ContentTime CompletionFlag VerificationFlag ValueType ConceptNameCodeSequence ContinuityOfContent "
        "ContentSequence Manufacturer SpecificCharacterSet"
    )
    empty = (
        "PatientName PatientID PatientBirthDate PatientSex ReferringPhysicianName AccessionNumber StudyID "
        "ReferencedPerformedProcedureStepSequence PerformedProcedureCodeSequence"
    )
    assert [name for name in filled.split() if not document.get(name)] == []
    assert [name for name in empty.split() if name not in document or document.get(name)] == []
    assert (document.CompletionFlag, document.VerificationFlag) == ("COMPLETE", "UNVERIFIED")
    assert document.file_meta.MediaStorageSOPInstanceUID == document.SOPInstanceUID
    assert all(uid.is_valid for uid in (document.SOPInstanceUID, document.StudyInstanceUID))


def test_the_document_tells_counts_and_research_use_and_no_name() -> None:
    document = opened(RECORD)
    items = list(document.ContentSequence)
    (findings,) = [item for item in items if item.ValueType == "CONTAINER"]
    numbers = {
        item.ConceptNameCodeSequence[0].CodeValue: item.MeasuredValueSequence[0].NumericValue
        for item in findings.ContentSequence
    }
    assert numbers["cells-leukaemic"] == 3
    assert numbers["share-leukaemic"] == pytest.approx(42.86)
    assert len(numbers) == 9
    texts = [item.TextValue for item in items if item.ValueType == "TEXT"]
    assert "Research use only. Not a medical device. Not for diagnosis or treatment." in texts
    assert texts[-1].startswith("Research use only")
    assert any(SHA in text for text in texts)
    assert [word for word in ("Lena", "Patient 7") if word in str(document)] == []


def test_uids_follow_from_case_and_version_and_an_amendment_names_its_predecessor() -> None:
    first, second = opened(RECORD), opened(amended())
    assert report_dicom(RECORD, content_sha256=SHA) == report_dicom(RECORD, content_sha256=SHA)
    assert first.StudyInstanceUID == second.StudyInstanceUID
    assert first.SOPInstanceUID != second.SOPInstanceUID
    assert "PredecessorDocumentsSequence" not in first
    (study,) = second.PredecessorDocumentsSequence
    named = study.ReferencedSeriesSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID
    assert named == first.SOPInstanceUID


# --- labels as a data set -------------------------------------------------------------------------------


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(f"sqlite:///{tmp_path / 'reading-room.db'}") as opened_store:
        yield opened_store


@pytest.fixture
def cases(store: Store, files: RoomFiles, simulated_fold: Path, anna: User) -> list[Case]:
    """Three cases of two cells in a field and four crops; the field is the same in all of them."""
    crops = sorted(simulated_fold.rglob("*.bmp"))
    made = []
    for number in range(3):
        own = crops[4 * number : 4 * number + 4]
        case = read_case(store, files, own, user=anna, field_cells=2, title=f"=Patient {number}")
        say(store, case, anna, ["leukaemic", "normal", "leukaemic", "normal", "uncertain"])
        made.append(case)
    return made


def test_labels_come_back_as_a_data_set_that_can_be_read_checked_and_split(
    store: Store, files: RoomFiles, cases: list[Case], tmp_path: Path
) -> None:
    summary = write_labelled(store, files, cases, tmp_path / "set")

    assert (summary.leukaemic, summary.normal, summary.subjects) == (6, 6, 3)
    assert summary.left_out == {"uncertain": 3, "unreviewed": 3}
    data = read(tmp_path / "set")
    assert [finding.kind for finding in data.findings] == ["two-classes"], "a case has cells of both"
    assert [cell.subject for cell in data.cells] == [str(case.id) for case in cases for _ in range(4)]
    assert [cell.label for cell in data.cells] == [1, 0, 1, 0] * 3
    assert [cell.microns_per_pixel for cell in data.cells] == [0.12, 0.12, 0.2, 0.2] * 3
    found = verify(tmp_path / "set", name="folder")
    assert sum(part.images for part in found.parts) == 12
    assert {finding.kind for finding in found.findings if finding.severity == "error"} <= {"duplicate"}
    split = by_subject(data.cells, fractions=(0.34, 0.33, 0.33), seed=0)
    train, test = ({cell.subject for cell in side} for side in (split.train, split.test))
    assert len(train) == len(test) == 1
    assert train != test
    left_out = (tmp_path / "set" / "left-out.csv").read_text().splitlines()
    assert left_out[0] == "case,image,cell,why"
    assert len(left_out) == 7
    assert not [name for name in ("Patient", "field.png") if name in "\n".join(left_out)]


def test_crops_are_the_files_that_were_uploaded_and_field_cells_lie_on_black(
    store: Store, files: RoomFiles, cases: list[Case], tmp_path: Path
) -> None:
    case = cases[0]
    write_labelled(store, files, [case], tmp_path / "set")

    field, crop = images_of(store, case.id)[:2]
    cells = cells_of(store, case.id)
    kept = tmp_path / "set" / str(case.id) / f"{crop.id}-{cells[2].id}.bmp"
    assert kept.read_bytes() == files.image(crop.path).read_bytes()
    canvas = some_pixels(tmp_path / "set" / str(case.id) / f"{field.id}-{cells[0].id}.png")
    assert canvas.shape == (450, 450, 3)
    inside = np.any(canvas, axis=2)
    box = cells[0].box
    sides = box.bottom_px - box.top_px, box.right_px - box.left_px
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    assert abs(np.ptp(rows) + 1 - sides[0]) <= 1
    assert abs(np.ptp(columns) + 1 - sides[1]) <= 1
    assert not inside[0].any()
    # The pixels are those of the image, where the cell is.
    top, left = (450 - sides[0]) // 2, (450 - sides[1]) // 2
    source = some_pixels(files.image(field.path))[box.top_px : box.bottom_px, box.left_px : box.right_px]
    cut = canvas[top : top + sides[0], left : left + sides[1]]
    shown = np.any(cut, axis=2)
    assert 0.5 < shown.mean() < 0.95
    assert np.array_equal(cut[shown], np.maximum(source, 1)[shown])


def test_cells_of_fields_can_be_brought_to_one_scale(
    store: Store, files: RoomFiles, cases: list[Case], tmp_path: Path
) -> None:
    write_labelled(store, files, cases[:1], tmp_path / "own")
    write_labelled(store, files, cases[:1], tmp_path / "set", form=CellForm(0.24, 200))
    cell = read(tmp_path / "set").cells[0]
    assert cell.microns_per_pixel == 0.24
    half, whole = (some_pixels(tmp_path / name / cell.id).any(axis=2) for name in ("set", "own"))
    assert half.shape == (200, 200)
    assert half.sum() == pytest.approx(whole.sum() / 4, rel=0.05)


def test_the_archive_holds_the_same_files_and_is_the_same_twice(
    store: Store, files: RoomFiles, cases: list[Case], tmp_path: Path
) -> None:
    write_labelled(store, files, cases, tmp_path / "set", class_names=("other", "blast"))
    streams = [io.BytesIO(), io.BytesIO()]
    for stream in streams:
        zip_labelled(store, files, cases, stream, class_names=("other", "blast"))
    assert streams[0].getvalue() == streams[1].getvalue()
    with zipfile.ZipFile(streams[0]) as archive:
        assert archive.namelist()[-1] == "manifest.csv"
        for name in archive.namelist():
            assert archive.read(name) == (tmp_path / "set" / name).read_bytes()
    data = read(tmp_path / "set", class_names=("other", "blast"))
    assert [cell.label for cell in data.cells] == [1, 0, 1, 0] * 3


def test_what_makes_no_data_set_is_refused(
    store: Store, files: RoomFiles, cases: list[Case], tmp_path: Path, simulated_fold: Path, anna: User
) -> None:
    crops = sorted(simulated_fold.rglob("*.bmp"))[20:22]
    unread = read_case(store, files, crops, user=anna, field_cells=1)
    with pytest.raises(DataError, match="none of the 3 cells"):
        write_labelled(store, files, [unread], tmp_path / "set")
    with pytest.raises(SettingError, match="no plain word"):
        write_labelled(store, files, cases, tmp_path / "set", class_names=("HEM", "=cmd()"))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a.txt").write_text("mine")
    with pytest.raises(SettingError, match=r"holds something already, such as a\.txt"):
        write_labelled(store, files, cases, tmp_path / "full")
    files.image(images_of(store, cases[0].id)[1].path).unlink()
    with pytest.raises(UnreadableImageError):
        write_labelled(store, files, cases, tmp_path / "set")
    assert not (tmp_path / "set" / "manifest.csv").exists()


def test_a_network_trains_on_what_was_reviewed(
    store: Store, files: RoomFiles, anna: User, tmp_path: Path
) -> None:
    cases = [fill_case(store, files, anna, n_cells=6, title=f"P-{n}", side_px=64 + n) for n in range(10)]
    for case in cases:
        say(store, case, anna, ["leukaemic", "normal"] * 3)
    write_labelled(store, files, cases, tmp_path / "set")

    data = ("--data", tmp_path / "set", "--split", "subject-level")
    ended = run_cli("train", "leuknet-demo", *data, *TINY, "--out", tmp_path / "run")

    assert ended.status == 0, ended.err
    assert "subject-level split" in ended.out
    assert (tmp_path / "run" / "model" / "model.json").is_file()
