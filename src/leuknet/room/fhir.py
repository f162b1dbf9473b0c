"""Tells a signed case as FHIR R4: a Bundle with a DiagnosticReport, its Observations and who made them.

The bundle is a `collection`: a `document` would need a Composition, which says again what the report says.
No person is in it: no subject, and the signer is an account's number. Titles, notes and names of images may
name a person, and stay out as well. Each resource carries the security label HRESCH (healthcare research),
and the conclusion begins with the statement of research use.

Codes of other systems are used only for what they certainly mean: categories of HL7 and units of UCUM. For
counts of cells by this program's labels no code of LOINC or SNOMED CT is known to fit, so they have codes of
their own, under `urn:leuknet:`, each with its meaning as text.

Resources are plain dicts; tests check them against the definitions of FHIR R4B, which for these resources are
those of R4. Start at `report_json`.
"""

from __future__ import annotations

import html
import json
import uuid
from collections.abc import Mapping
from typing import Any

from leuknet.room.case_record import CaseRecord, ModelFacts, Share

Resource = dict[str, Any]

_KEY = uuid.UUID("7b1f4e0c-52c1-5d3a-9a55-6c6575006b6e")  # any, but always the same
_CODES = "urn:leuknet:observation"
_MEANINGS = {
    "leukaemic": "Cells labelled leukaemic by readers",
    "normal": "Cells labelled normal by readers",
    "uncertain": "Cells labelled uncertain by readers",
    "not_a_cell": "Objects labelled as not a cell by readers",
    "disputed": "Cells on which readers differ",
    "unreviewed": "Cells that nobody reviewed",
}


def report_json(record: CaseRecord, *, content_sha256: str) -> bytes:
    """Return the bundle as JSON in UTF-8; the same record gives the same bytes."""
    bundle = report_bundle(record, content_sha256=content_sha256)
    return f"{json.dumps(bundle, indent=2, ensure_ascii=False, allow_nan=False)}\n".encode()


def report_bundle(record: CaseRecord, *, content_sha256: str) -> Resource:
    """Return the bundle.

    Parameters
    ----------
    record
        The case as it is signed.
    content_sha256
        Of its JSON text; the report names it.
    """
    signer = _practitioner(record)
    software = _device("software", "LeukNet", record.leuknet_version, note=record.research_only)
    devices = [
        _device(f"model-{number}", "LeukNet model", model.model_id)
        for number, model in enumerate(record.models, start=1)
    ]
    observations = [
        _count(f"cells-{label.replace('_', '-')}", meaning, record.counts[label], record, software)
        for label, meaning in _MEANINGS.items()
    ]
    if record.share is not None:
        observations.append(_share(record.share, record, software))
    for model, device in zip(record.models, devices, strict=True):
        observations += _agreement(model, record, device)
    report = _report(record, signer, observations, content_sha256)
    return {
        "resourceType": "Bundle",
        "meta": _research(),
        "identifier": {"system": "urn:leuknet:report", "value": f"{record.case_id}/{record.version}"},
        "type": "collection",
        "timestamp": record.signed_at,
        "entry": [
            {"fullUrl": _url(record, resource), "resource": resource}
            for resource in (report, *observations, signer, software, *devices)
        ],
    }


def _report(record: CaseRecord, signer: Resource, results: list[Resource], digest: str) -> Resource:
    conclusion = conclusion_of(record)
    return {
        "resourceType": "DiagnosticReport",
        "id": "report",
        "meta": _research(),
        "text": {
            "status": "generated",
            "div": f'<div xmlns="http://www.w3.org/1999/xhtml"><p>{html.escape(conclusion)}</p></div>',
        },
        "identifier": [
            {"system": "urn:leuknet:case", "value": record.case_id},
            {"system": "urn:leuknet:report", "value": f"{record.case_id}/{record.version}"},
            {"system": "urn:leuknet:content-sha256", "value": digest},
        ],
        "status": "final" if record.version == 1 else "amended",
        "category": [
            _coded("http://terminology.hl7.org/CodeSystem/v2-0074", "HM", "Hematology"),
        ],
        "code": _coded(
            "urn:leuknet:document", "case-report", "Case report of labelled cells, research use only"
        ),
        "issued": record.signed_at,
        "resultsInterpreter": [_reference(record, signer)],
        "result": [_reference(record, result) for result in results],
        "conclusion": conclusion,
    }


def conclusion_of(record: CaseRecord) -> str:
    """Return the result in a few sentences that name nobody; the first is that of research use."""
    counts, share = record.counts, record.share
    said = [
        record.research_only,
        f"{record.reviewed:,} of {record.cells:,} cells were reviewed: "
        f"{counts['leukaemic']:,} leukaemic, {counts['normal']:,} normal, {counts['uncertain']:,} uncertain, "
        f"{counts['not_a_cell']:,} not a cell, {counts['disputed']:,} disputed.",
    ]
    if share is not None:
        said.append(
            f"Leukaemic among the labelled: {share.estimate:.1%} ({share.low:.1%} to {share.high:.1%}, "
            f"{share.level:.0%} interval by Wilson, cells taken as independent)."
        )
    return " ".join(said)


def _count(
    code: str, meaning: str, number: int, record: CaseRecord, device: Resource, **more: Any
) -> Resource:
    return _observation(code, meaning, record, device) | {"valueQuantity": _cells(number)} | more


def _share(share: Share, record: CaseRecord, device: Resource) -> Resource:
    meaning = "Share of cells labelled leukaemic among those labelled leukaemic or normal"
    bounds = [
        ("share-low", f"Lower bound of its {share.level:.0%} interval (Wilson)", _percent(share.low)),
        ("share-high", f"Upper bound of its {share.level:.0%} interval (Wilson)", _percent(share.high)),
        ("cells-labelled", "Cells labelled leukaemic or normal", _cells(share.labelled)),
    ]
    return _observation("share-leukaemic", meaning, record, device) | {
        "valueQuantity": _percent(share.estimate),
        "component": [
            {"code": _coded(_CODES, code, text), "valueQuantity": value} for code, text, value in bounds
        ],
    }


def _agreement(model: ModelFacts, record: CaseRecord, device: Resource) -> list[Resource]:
    """Return, for each label, how many of its cells the model calls what."""
    return [
        _count(
            f"model-on-{label}",
            f"Cells labelled {label}, by what the model says",
            sum(row.values()),
            record,
            device,
            id=f"{device['id']}-on-{label}",
            component=[
                {
                    "code": _coded(_CODES, f"model-says-{said}", f"The model says {said}"),
                    "valueQuantity": _cells(number),
                }
                for said, number in row.items()
            ],
        )
        for label, row in model.agreement.items()
    ]


def _observation(code: str, meaning: str, record: CaseRecord, device: Resource) -> Resource:
    category = _coded(
        "http://terminology.hl7.org/CodeSystem/observation-category", "laboratory", "Laboratory"
    )
    return {
        "resourceType": "Observation",
        "id": code,
        "meta": _research(),
        "status": "final" if record.version == 1 else "amended",
        "category": [category],
        "code": _coded(_CODES, code, meaning),
        "issued": record.signed_at,
        "device": _reference(record, device),
    }


def _practitioner(record: CaseRecord) -> Resource:
    return {
        "resourceType": "Practitioner",
        "id": f"account-{record.signer.number}",
        "meta": _research(),
        "identifier": [{"system": "urn:leuknet:account", "value": str(record.signer.number)}],
    }


def _device(name: str, shown: str, version: str, *, note: str = "") -> Resource:
    device: Resource = {
        "resourceType": "Device",
        "id": name,
        "meta": _research(),
        "identifier": [{"system": "urn:leuknet:device", "value": f"{shown} {version}"}],
        "deviceName": [{"name": shown, "type": "user-friendly-name"}],
        "version": [{"value": version}],
    }
    return device | {"note": [{"text": note}]} if note else device


def _research() -> Resource:
    label = {
        "system": "http://terminology.hl7.org/CodeSystem/v3-ActReason",
        "code": "HRESCH",
        "display": "healthcare research",
    }
    return {"security": [label]}


def _coded(system: str, code: str, meaning: str) -> Resource:
    return {"coding": [{"system": system, "code": code, "display": meaning}], "text": meaning}


def _cells(number: int) -> Resource:
    return {"value": number, "unit": "cells", "system": "http://unitsofmeasure.org", "code": "{cells}"}


def _percent(share: float) -> Resource:
    value = round(100 * share, 2)
    return {"value": value, "unit": "%", "system": "http://unitsofmeasure.org", "code": "%"}


def _url(record: CaseRecord, resource: Mapping[str, Any]) -> str:
    name = f"{record.case_id}/{record.version}/{resource['resourceType']}/{resource['id']}"
    return f"urn:uuid:{uuid.uuid5(_KEY, name)}"


def _reference(record: CaseRecord, resource: Mapping[str, Any]) -> Resource:
    return {"reference": _url(record, resource)}
