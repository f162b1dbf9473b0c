"""Every word and number that leaves the reading room as FHIR or DICOM, as a person once read it.

Where a document in `golden/` is to change, `python -m tests.room.test_exchange_faults` writes it again: read
what differs.
"""

from __future__ import annotations

import io
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pydicom
import pytest

from leuknet.room.case_record import CaseRecord, Share
from leuknet.room.dicom_sr import report_dicom
from leuknet.room.fhir import report_json
from tests.room.records import RECORD, SHA, amended

GOLDEN = Path(__file__).parent / "golden"
SAID = {"research_only": "Research use only.", "limits": ("One limit.", "Another limit.")}
RECORDS = {
    "first": CaseRecord(**{**vars(RECORD), **SAID}),
    # Of a case in which no cell was labelled, by a version with a letter beyond ASCII.
    "amended": CaseRecord(
        **{
            **vars(amended()),
            **SAID,
            "counts": dict.fromkeys(RECORD.counts, 0) | {"unreviewed": 1234},
            "cells": 1234,
            "share": None,
            "leuknet_version": "0.2.0 β",
        }
    ),
}


def fhir(record: CaseRecord) -> bytes:
    return report_json(record, content_sha256=SHA)


def dicom(record: CaseRecord) -> bytes:
    document = pydicom.dcmread(io.BytesIO(report_dicom(record, content_sha256=SHA)))
    told: dict[str, Any] = {"meta": document.file_meta.to_json_dict(), "document": document.to_json_dict()}
    return f"{json.dumps(told, indent=1, ensure_ascii=False)}\n".encode()


FORMS = {"fhir": fhir, "dicom": dicom}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", RECORDS)
def test_the_document_says_what_a_person_once_read_and_nothing_else(name: str, form: str) -> None:
    assert FORMS[form](RECORDS[name]) == (GOLDEN / f"{name}.{form}.json").read_bytes()


def test_each_bound_of_the_share_is_its_own() -> None:
    record = replace(RECORD, share=Share(3, 7, 0.5, 0.25, 0.75, 0.9))
    document = pydicom.dcmread(io.BytesIO(report_dicom(record, content_sha256=SHA)))
    (findings,) = [item for item in document.ContentSequence if item.ValueType == "CONTAINER"]
    in_dicom = {
        item.ConceptNameCodeSequence[0].CodeValue: (
            float(item.MeasuredValueSequence[0].NumericValue),
            item.ConceptNameCodeSequence[0].CodeMeaning,
        )
        for item in findings.ContentSequence
    }
    resources = [entry["resource"] for entry in json.loads(fhir(record))["entry"]]
    (share,) = [resource for resource in resources if resource["id"] == "share-leukaemic"]
    in_fhir = {
        part["code"]["coding"][0]["code"]: (part["valueQuantity"]["value"], part["code"]["text"])
        for part in share["component"]
    }

    assert in_dicom["share-leukaemic"][0] == share["valueQuantity"]["value"] == 50
    assert in_dicom["share-low"] == (25, "Lower bound of its 90% interval")
    assert in_dicom["share-high"] == (75, "Upper bound of its 90% interval")
    assert in_fhir["share-low"] == (25, "Lower bound of its 90% interval (Wilson)")
    assert in_fhir["share-high"] == (75, "Upper bound of its 90% interval (Wilson)")


def test_numbers_are_decimals_without_a_power_of_ten_or_a_point_that_says_nothing() -> None:
    counts = {**RECORD.counts, "leukaemic": 1234567}
    record = replace(RECORD, counts=counts, share=Share(3, 7, 0.5, 0.2512, 1.0, 0.9))
    document = pydicom.dcmread(io.BytesIO(report_dicom(record, content_sha256=SHA)))
    (findings,) = [item for item in document.ContentSequence if item.ValueType == "CONTAINER"]
    told = {
        item.ConceptNameCodeSequence[0].CodeValue: str(item.MeasuredValueSequence[0].NumericValue)
        for item in findings.ContentSequence
    }

    assert told["cells-leukaemic"] == "1234567"
    assert [told[f"share-{name}"] for name in ("leukaemic", "low", "high")] == ["50", "25.12", "100"]


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="the zone of a process cannot be set on Windows")
def test_times_are_of_greenwich_wherever_the_server_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    record = replace(RECORD, signed_at="2026-03-01T23:30:05-02:00")
    try:
        with monkeypatch.context() as patch:
            patch.setenv("TZ", "XXX+7")
            time.tzset()
            document = pydicom.dcmread(io.BytesIO(report_dicom(record, content_sha256=SHA)))
    finally:
        time.tzset()

    assert document.TimezoneOffsetFromUTC == "+0000"
    assert (document.StudyDate, document.StudyTime) == ("20260302", "013005")
    assert (document.ContentDate, document.ContentTime) == ("20260302", "013005")


def test_a_share_that_is_no_number_is_never_written() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        fhir(replace(RECORD, share=Share(0, 0, float("nan"), 0.0, 1.0, 0.95)))


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for name, record in RECORDS.items():
        for form, tell in FORMS.items():
            (GOLDEN / f"{name}.{form}.json").write_bytes(tell(record))
