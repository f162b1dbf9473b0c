"""Ends a case: its report is written, signed and locked, or nothing happens at all.

A signed version is one row of the database, which holds all that the report tells, and four files that are
made from it: page, PDF, FHIR and DICOM. The files are written under other names first, and take their places
while the transaction that signs holds the lock of all writers. So after a power cut or `kill -9` a case is
unsigned, or signed with its files; and should files be lost, the row makes them anew.

Start at `readiness`, then `sign_case`; `signed_file` is for whoever shows them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from leuknet.errors import ConflictError, SettingError, StoreError
from leuknet.records import SCHEMA_VERSION, parse_record, write_whole
from leuknet.records.whole import whole_file
from leuknet.report.pdf import check_printer, print_pdf
from leuknet.report.render import encoded
from leuknet.room import dicom_sr, fhir
from leuknet.room.case_page import case_html
from leuknet.room.case_record import CaseRecord
from leuknet.room.kinds import BRING_CELLS
from leuknet.room.labels import LabelOutcome, case_labels, count_labels
from leuknet.room.record import case_record
from leuknet.room.room_files import RoomFiles
from leuknet.store.audit_log import canonical, digest
from leuknet.store.database import Store
from leuknet.store.jobs import jobs_of
from leuknet.store.nouns import Case, CaseUpload, Signature, User
from leuknet.store.scorings import count_without_cells
from leuknet.store.signatures import checked_reason, mark_of, sign, signatures_of
from leuknet.store.uploads import uploads_of
from leuknet.types import ModelCard

SUFFIXES = (".html", ".pdf", ".fhir.json", ".dcm")
"""Of the files of a signed version."""

Obstacle = Literal["no_cells", "uploading", "scoring", "unscored", "disputed"]
"""Why a case cannot be signed: it has no cells, some are still to come, or have no label yet."""

_WORDS: dict[Obstacle, tuple[str, str]] = {
    "no_cells": ("it has no cells", "upload images, and wait until they are scored"),
    "uploading": ("files are on their way into it", "wait until they have come, or give them up"),
    "scoring": ("its images are still being scored", "wait until the worker is done, then look at all cells"),
    "unscored": ("images in it were never scored", "upload one of them again: a worker then scores all"),
    "disputed": ("readers differ on some of its cells", "let a lead decide each of the disputed cells"),
}


@dataclass(frozen=True)
class Readiness:
    """Whether a case can be signed.

    Attributes
    ----------
    obstacles
        Why not; empty if it can.
    reason_required
        Whether the signer must say why: cells are unreviewed, images could not be scored, or it amends an
        earlier version.
    version
        The one that would be signed.
    counts
        Cells by label.
    uploads
        Files of which not all has come, whoever sends them.
    failed_images
        Images of which no cell is known, since they could not be scored.
    """

    obstacles: tuple[Obstacle, ...]
    reason_required: bool
    version: int
    counts: Mapping[LabelOutcome, int]
    uploads: tuple[CaseUpload, ...]
    failed_images: int


def readiness(store: Store, case: Case) -> Readiness:
    """Say whether an open case can be signed, and what that needs."""
    counts = count_labels(case_labels(store, case.id))
    next_version = len(signatures_of(store, case.id)) + 1
    coming = tuple(upload for upload in uploads_of(store, case.id) if upload.state == "receiving")
    busy = any(
        job.kind in BRING_CELLS and job.state in ("queued", "running") for job in jobs_of(store, case.id)
    )
    without, failed = count_without_cells(store, case.id)
    found: dict[Obstacle, bool] = {
        "no_cells": not any(counts.values()),
        "uploading": bool(coming),
        "scoring": busy,
        "unscored": without > 0 and not busy,
        "disputed": counts["disputed"] > 0,
    }
    return Readiness(
        obstacles=tuple(obstacle for obstacle, holds in found.items() if holds),
        reason_required=counts["unreviewed"] > 0 or failed > 0 or next_version > 1,
        version=next_version,
        counts=counts,
        uploads=coming,
        failed_images=failed,
    )


def sign_case(
    store: Store,
    files: RoomFiles,
    case: Case,
    *,
    user: User,
    reason: str,
    now: datetime,
    models: Mapping[str, ModelCard],
) -> Signature:
    """Write the report of a case in its four forms, sign it and lock the case.

    Parameters
    ----------
    user
        A lead or admin.
    reason
        Needed if `Readiness.reason_required`.
    now
        When it is signed, with its zone.
    models
        The cards of the models that this server has, by model id.

    Raises
    ------
    MissingExtraError
        If the PDF cannot be printed here, or pydicom is not installed.
    ConflictError
        If the case cannot be signed (`readiness`), or changed while its report was made.
    SettingError
        If a reason is needed and not given, or is too long.
    AccountError
        If the user may not sign.
    StoreError
        If files cannot be written. In all of these cases nothing was signed.
    """
    check_printer()
    dicom_sr.require_pydicom()
    now = now.replace(microsecond=0)
    seen, reason = mark_of(store, case.id), checked_reason(reason, needed=False)
    _require_ready(case, readiness(store, case), reason)
    record = case_record(store, files, case, signer=user, reason=reason, now=now, models=models)
    content = record_text(record)
    # As it will be read later, so that files that are made anew are the same to the byte.
    record = _parse(content, name=f"the report of case {case.id}")
    places = {suffix: files.signed(case.id, record.version, suffix) for suffix in SUFFIXES}
    made = signed_files(record, content_sha256=digest(content))
    with ExitStack() as parts:
        with _explained():
            for suffix, path in places.items():
                path.parent.mkdir(parents=True, exist_ok=True)
                parts.enter_context(whole_file(path)).write_bytes(made[suffix])
        return sign(
            store,
            case.id,
            user=user,
            seen=seen,
            at=now,
            reason=reason,
            content=content,
            files=[f"{suffix}:{sha256(made[suffix]).hexdigest()}" for suffix in SUFFIXES],
            publish=_explained()(parts.close),
        )


def record_text(record: CaseRecord) -> str:
    """Return a record as the JSON text that is hashed and kept: the same for the same record."""
    head = {"schema_version": SCHEMA_VERSION, "written_by": f"leuknet {version('leuknet')}"}
    return canonical(head | asdict(record))


def signed_files(record: CaseRecord, *, content_sha256: str) -> dict[str, bytes]:
    """Return the files of a record by their suffixes; the same LeukNet makes the same bytes."""
    html = encoded(case_html(record, content_sha256=content_sha256))
    return {
        ".html": html,
        ".pdf": print_pdf(html),
        ".fhir.json": fhir.report_json(record, content_sha256=content_sha256),
        ".dcm": dicom_sr.report_dicom(record, content_sha256=content_sha256),
    }


def signed_file(files: RoomFiles, signature: Signature, suffix: str) -> Path:
    """Return a file of a signed version, which is made anew if it is lost.

    Raises
    ------
    SettingError
        If signed versions have no file of this suffix.
    StoreError
        If it was lost, and the row in the database is damaged or it cannot be written.
    MissingExtraError
        If it was lost, and cannot be made here.
    """
    if suffix not in SUFFIXES:
        raise SettingError(
            "cannot find the signed file", why=f"{suffix!r} is none of its forms", fix=f"use {SUFFIXES}"
        )
    path = files.signed(signature.case_id, signature.version, suffix)
    if not path.is_file():
        remake_files(files, signature)
    return path


def remake_files(files: RoomFiles, signature: Signature) -> tuple[Path, ...]:
    """Write the files of a signed version anew, from its row alone; return their paths.

    Raises
    ------
    StoreError
        If the row's content is not what was signed, or files cannot be written.
    MissingExtraError
        If they cannot be made here.
    """
    record = signed_record(signature)
    made = signed_files(record, content_sha256=signature.content_sha256)
    places = {suffix: files.signed(signature.case_id, signature.version, suffix) for suffix in SUFFIXES}
    with _explained():
        for suffix, path in places.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, made[suffix])
    return tuple(places.values())


def signed_record(signature: Signature) -> CaseRecord:
    """Return what a signed version tells; StoreError if its text is not what was signed."""
    name = f"version {signature.version} of case {signature.case_id}"
    if digest(signature.content) != signature.content_sha256:
        raise StoreError(
            f"cannot read {name}",
            why="its content does not have the SHA-256 that was signed",
            fix="restore a backup of the database",
        )
    return _parse(signature.content, name=name)


def _parse(content: str, *, name: str) -> CaseRecord:
    return parse_record(
        CaseRecord, content, name=name, error=StoreError, fix="restore a backup of the database"
    )


def _require_ready(case: Case, ready: Readiness, reason: str) -> None:
    if ready.obstacles:
        whys, fixes = zip(*(_WORDS[obstacle] for obstacle in ready.obstacles), strict=True)
        raise ConflictError(f"cannot sign the case {case.title!r}", why="; ".join(whys), fix="; ".join(fixes))
    if ready.reason_required and not reason:
        unreviewed, failed = ready.counts["unreviewed"], ready.failed_images
        left = [f"{unreviewed:,} cells are unreviewed"] if unreviewed else []
        left += [f"{failed:,} images could not be scored"] if failed else []
        raise SettingError(
            "cannot sign without a reason",
            why="; ".join(left) or "it amends an earlier version",
            fix="say why they are left so" if left else "say what was amended, and why",
        )


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(
            "cannot write the signed report",
            why=f"{error.filename}: {error.strerror}",
            fix="make room on the disk, or give LeukNet the right to write there; nothing was signed",
        ) from error
