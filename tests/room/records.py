"""A record of a case as it is signed, for tests of what is made of it."""

from __future__ import annotations

from leuknet.room.case_record import CaseRecord, ImageFacts, ModelFacts, Person, ReaderCount, Share

LENA = Person(3, "Lena", "lead")

RECORD = CaseRecord(
    case_id="0b5e3f2e-58a5-4a62-9d5d-0d4a50e9a001",
    title="Patient 7",
    created_at="2026-05-01T00:00:00+00:00",
    version=1,
    signed_at="2026-05-06T07:08:09+00:00",
    signer=LENA,
    reason="",
    images=(ImageFacts("a" * 64, "Patient 7.png", "crop", 450, 450, 1000, 0.2, 1, "scored"),),
    cells=9,
    counts={"leukaemic": 3, "normal": 4, "uncertain": 1, "not_a_cell": 1, "disputed": 0, "unreviewed": 0},
    decided_by_lead=1,
    share=Share(3, 7, 3 / 7, 0.1582, 0.7495, 0.95),
    readers=(ReaderCount(LENA, 9, 0),),
    models=(
        ModelFacts(
            "5eed <b>",
            None,
            {"ALL": 9},
            {"leukaemic": {"leukaemic": 3, "normal": 0}, "normal": {"leukaemic": 4, "normal": 0}},
        ),
    ),
    differing=(),
    n_differing=4,
    examples=(),
    notes=(),
    earlier=(),
    log_head="1:" + "0" * 64,
    leuknet_version="0.1.0",
)

SHA = "c" * 64


def amended() -> CaseRecord:
    return CaseRecord(**{**vars(RECORD), "version": 2})
