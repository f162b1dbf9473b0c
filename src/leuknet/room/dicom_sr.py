"""Tells a signed case as a DICOM Enhanced SR document.

Enhanced SR holds texts, numbers and codes without an image of DICOM beside them, which most uploads are not.
Images are named by their SHA-256. No person is in it: patient, titles, notes and names of images are left
out, and whoever signed is an account's number. It is complete, and UNVERIFIED, which is DICOM's word for what
no clinician stands up for.

UIDs follow from case and version alone (2.25, from a UUID), so that a document that is made anew is the same
document, and an amendment can name its predecessor. Concepts are those of DICOM's own dictionary where one
certainly fits, else private ones of the scheme 99LEUKNET with their meaning as text.

Start at `report_dicom`. It needs pydicom, of the extra `slides`.
"""

from __future__ import annotations

import io
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.util import find_spec
from typing import TYPE_CHECKING

from leuknet.errors import MissingExtraError
from leuknet.room.case_record import CaseRecord
from leuknet.room.fhir import conclusion_of

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_KEY = uuid.UUID("2d0b8a3e-6f0e-5c7b-8b1c-6c6575006b6e")  # any, but always the same
_SCHEME = "99LEUKNET"

_Code = tuple[str, str, str]

_REPORT: _Code = ("case-report", _SCHEME, "Case report of labelled cells")
_FINDINGS: _Code = ("121070", "DCM", "Findings")
_CONCLUSION: _Code = ("121077", "DCM", "Conclusion")
_COMMENT: _Code = ("121106", "DCM", "Comment")
_LANGUAGE: _Code = ("121049", "DCM", "Language of Content Item and Descendants")
_OBSERVER_TYPE: _Code = ("121005", "DCM", "Observer Type")
_DEVICE: _Code = ("121007", "DCM", "Device")
_DEVICE_UID: _Code = ("121012", "DCM", "Device Observer UID")
_DEVICE_NAME: _Code = ("121013", "DCM", "Device Observer Name")
_PERCENT: _Code = ("%", "UCUM", "Percent")
_CELLS: _Code = ("{cells}", "UCUM", "cells")

_COUNTS: tuple[tuple[str, _Code], ...] = (
    ("leukaemic", ("cells-leukaemic", _SCHEME, "Cells labelled leukaemic")),
    ("normal", ("cells-normal", _SCHEME, "Cells labelled normal")),
    ("uncertain", ("cells-uncertain", _SCHEME, "Cells labelled uncertain")),
    ("not_a_cell", ("cells-not-a-cell", _SCHEME, "Objects labelled not a cell")),
    ("disputed", ("cells-disputed", _SCHEME, "Cells on which readers differ")),
    ("unreviewed", ("cells-unreviewed", _SCHEME, "Cells that nobody reviewed")),
)


def require_pydicom() -> None:
    """Raise MissingExtraError if pydicom is not installed."""
    if find_spec("pydicom") is None:
        raise MissingExtraError(
            "cannot write the report as DICOM",
            why="pydicom is not installed",
            fix="pip install 'leuknet[slides]'",
        )


def report_dicom(record: CaseRecord, *, content_sha256: str) -> bytes:
    """Return the document as a DICOM file; the same record gives the same bytes.

    Parameters
    ----------
    record
        The case as it is signed.
    content_sha256
        Of its JSON text; the document names it.

    Raises
    ------
    MissingExtraError
        If pydicom is not installed.
    """
    require_pydicom()
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import UID, EnhancedSRStorage, ExplicitVRLittleEndian

    document = _document(record)
    document.update(_root(record, content_sha256))
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = EnhancedSRStorage
    meta.MediaStorageSOPInstanceUID = document.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(_uid("leuknet"))
    meta.ImplementationVersionName = "LEUKNET"
    document.file_meta = meta
    file = io.BytesIO()
    document.save_as(file, enforce_file_format=True)
    return file.getvalue()


def _document(record: CaseRecord) -> Dataset:
    """All but the tree of content: what a patient, a study, a series, a device and a document must state."""
    from pydicom.dataset import Dataset
    from pydicom.uid import EnhancedSRStorage

    at = datetime.fromisoformat(record.signed_at).astimezone(UTC)
    document = Dataset()
    document.SpecificCharacterSet = "ISO_IR 192"
    document.SOPClassUID = EnhancedSRStorage
    document.SOPInstanceUID = _document_uid(record, record.version)
    document.TimezoneOffsetFromUTC = "+0000"
    for name in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex"):
        setattr(document, name, "")
    for name in ("ReferringPhysicianName", "StudyID", "AccessionNumber"):
        setattr(document, name, "")
    document.StudyInstanceUID = _uid(record.case_id)
    document.StudyDate, document.StudyTime = f"{at:%Y%m%d}", f"{at:%H%M%S}"
    document.Modality = "SR"
    document.SeriesInstanceUID = _uid(record.case_id, "series")
    document.SeriesNumber = 1
    document.SeriesDescription = "LeukNet: RESEARCH USE ONLY"
    document.ReferencedPerformedProcedureStepSequence = []
    document.Manufacturer = "LeukNet"
    document.ManufacturerModelName = "LeukNet"
    document.SoftwareVersions = record.leuknet_version
    document.InstanceNumber = record.version
    document.CompletionFlag = "COMPLETE"
    document.VerificationFlag = "UNVERIFIED"
    document.ContentDate, document.ContentTime = f"{at:%Y%m%d}", f"{at:%H%M%S}"
    document.PerformedProcedureCodeSequence = []
    if record.version > 1:
        document.PredecessorDocumentsSequence = [_predecessor(record)]
    return document


def _predecessor(record: CaseRecord) -> Dataset:
    from pydicom.dataset import Dataset
    from pydicom.uid import EnhancedSRStorage

    instance, series, study = Dataset(), Dataset(), Dataset()
    instance.ReferencedSOPClassUID = EnhancedSRStorage
    instance.ReferencedSOPInstanceUID = _document_uid(record, record.version - 1)
    series.SeriesInstanceUID = _uid(record.case_id, "series")
    series.ReferencedSOPSequence = [instance]
    study.StudyInstanceUID = _uid(record.case_id)
    study.ReferencedSeriesSequence = [series]
    return study


def _root(record: CaseRecord, content_sha256: str) -> Dataset:
    share = record.share
    numbers = [_number(code, record.counts[label], _CELLS) for label, code in _COUNTS]
    if share is not None:
        level = f"{share.level:.0%}"
        shares = (
            ("share-leukaemic", "Leukaemic among labelled cells", share.estimate),
            ("share-low", f"Lower bound of its {level} interval", share.low),
            ("share-high", f"Upper bound of its {level} interval", share.high),
        )
        numbers += [
            _number((code, _SCHEME, text), round(100 * value, 2), _PERCENT) for code, text, value in shares
        ]
    items = [
        _text(_COMMENT, record.research_only),
        _container(_FINDINGS, numbers),
        *(_text(_COMMENT, f"Model {model.model_id} scored cells of this case.") for model in record.models),
        *(_text(_COMMENT, f"Image of the SHA-256 {image.sha256}.") for image in record.images),
        *(_text(_COMMENT, limit) for limit in record.limits),
        _text(
            _COMMENT, f"Signed by account {record.signer.number}. SHA-256 of the content: {content_sha256}."
        ),
        _text(_CONCLUSION, conclusion_of(record)),
    ]
    root = _container(_REPORT, [*_context(record), *items])
    del root.RelationshipType
    return root


def _context(record: CaseRecord) -> list[Dataset]:
    """Language of the texts, and the program as their observer: no person is named as one."""
    language = _item("CODE", _LANGUAGE, "HAS CONCEPT MOD")
    language.ConceptCodeSequence = [_code(("en", "RFC5646", "English"))]
    kind = _item("CODE", _OBSERVER_TYPE, "HAS OBS CONTEXT")
    kind.ConceptCodeSequence = [_code(_DEVICE)]
    uid = _item("UIDREF", _DEVICE_UID, "HAS OBS CONTEXT")
    uid.UID = _uid("leuknet", record.leuknet_version)
    name = _item("TEXT", _DEVICE_NAME, "HAS OBS CONTEXT")
    name.TextValue = f"LeukNet {record.leuknet_version}"
    return [language, kind, uid, name]


def _container(concept: _Code, items: Sequence[Dataset]) -> Dataset:
    container = _item("CONTAINER", concept, "CONTAINS")
    container.ContinuityOfContent = "SEPARATE"
    container.ContentSequence = list(items)
    return container


def _text(concept: _Code, text: str) -> Dataset:
    item = _item("TEXT", concept, "CONTAINS")
    item.TextValue = text
    return item


def _number(concept: _Code, value: float, unit: _Code) -> Dataset:
    from pydicom.dataset import Dataset

    measured = Dataset()
    measured.NumericValue = f"{value:g}" if isinstance(value, float) else str(value)
    measured.MeasurementUnitsCodeSequence = [_code(unit)]
    item = _item("NUM", concept, "CONTAINS")
    item.MeasuredValueSequence = [measured]
    return item


def _item(kind: str, concept: _Code, relationship: str) -> Dataset:
    from pydicom.dataset import Dataset

    item = Dataset()
    item.RelationshipType = relationship
    item.ValueType = kind
    item.ConceptNameCodeSequence = [_code(concept)]
    return item


def _code(code: _Code) -> Dataset:
    from pydicom.dataset import Dataset

    coded = Dataset()
    coded.CodeValue, coded.CodingSchemeDesignator, coded.CodeMeaning = code
    return coded


def _document_uid(record: CaseRecord, version: int) -> str:
    return _uid(record.case_id, "version", str(version))


def _uid(*parts: str) -> str:
    return f"2.25.{uuid.uuid5(_KEY, '/'.join(parts)).int}"
