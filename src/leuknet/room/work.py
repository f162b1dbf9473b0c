"""What a worker does for each kind of job.

Start at `WORK`: each of its functions can be called again after it was broken off anywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from leuknet.errors import ConflictError, DataError, LeukNetError
from leuknet.explain.occlusion import draw_map, occlusion_map
from leuknet.fields.deadlines import Deadline
from leuknet.images.reading import read_pixels
from leuknet.inference.model_folder import FolderPredictor
from leuknet.inference.model_id import bears_id
from leuknet.room.archive import take_archive
from leuknet.room.crops import ensure_crop, write_crop
from leuknet.room.intake_checks import Limits, require_room
from leuknet.room.kinds import ARCHIVE, EXPLAIN, SCORE, TABLE, WEBHOOK
from leuknet.room.room_files import RoomFiles
from leuknet.room.score_case import Report, give_up, score_images
from leuknet.room.table import take_table
from leuknet.room.upload_content import UnusableError
from leuknet.room.watch import Watch
from leuknet.room.webhook import Webhook, deliver, queue_event
from leuknet.store.cases import find_image
from leuknet.store.cells import find_cell
from leuknet.store.database import Store, not_found
from leuknet.store.jobs import add_job
from leuknet.store.nouns import SYSTEM, CaseJob, CaseUpload
from leuknet.store.uploads import find_upload, refuse


@dataclass(frozen=True)
class Workplace:
    """A reading room as its worker has it; `WorkerSettings` says what it does not itself."""

    store: Store
    files: RoomFiles
    predictor: FolderPredictor
    image_root: Path | None
    webhook: Webhook | None
    limits: Limits
    deadline: Deadline = field(default_factory=Deadline)


def ended_well(room: Workplace, job: CaseJob) -> None:
    """Remove the bytes of an archive or table that was taken in; `sweep` does it after a kill before this."""
    if job.kind in (ARCHIVE, TABLE):
        room.files.part(_upload_id(job)).unlink(missing_ok=True)


def ended_badly(room: Workplace, job: CaseJob, error: BaseException) -> None:
    """Let the upload of a job that failed be failed too, and remove its bytes."""
    if job.kind not in (ARCHIVE, TABLE):
        return
    upload = find_upload(room.store, _upload_id(job))
    if upload is None:
        return
    told = error.told if isinstance(error, UnusableError) else _told(upload, error)
    refuse(room.store, upload, told, actor=SYSTEM)
    room.files.part(upload.id).unlink(missing_ok=True)


def _score(room: Workplace, job: CaseJob, report: Report) -> None:
    watch = Watch(room.files.at_work(job.id), room.deadline)
    if give_up(room.store, job.case_id, watch, model_id=room.predictor.model_id):
        # In a job of its own: how often one is tried again is counted for each.
        room.files.at_work(job.id).unlink()
        add_job(room.store, job.case_id, SCORE, actor=SYSTEM, detail={"by": job.detail.get("by", SYSTEM)})
        return
    score_images(room.store, room.files, job.case_id, room.predictor, report=report, watch=watch)
    queue_event(room.store, job.case_id, "case.scored", webhook=room.webhook, actor=SYSTEM)


def _explain(room: Workplace, job: CaseJob, report: Report) -> None:
    """Draw the map of a cell, with the model that scored it."""
    cell_id = int(job.detail["cell"])
    cell = find_cell(room.store, cell_id)
    image = None if cell is None else find_image(room.store, cell.image_id)
    if cell is None or image is None:
        raise not_found("cell", cell_id)
    predictor = room.predictor
    ours = predictor.model_id == cell.model_id
    if not (ours or (predictor.folder and bears_id(predictor.folder, cell.model_id))):
        raise DataError(
            "cannot explain this score",
            why=f"it is of model {cell.model_id}, and this reading room runs {predictor.model_id}",
            fix="start the reading room with the model that scored the cell",
        )
    path = room.files.map(image.id, cell.id, cell.model_id)
    if not path.is_file():
        crop = read_pixels(ensure_crop(room.files, image, cell, card=predictor.card)).pixels
        write_crop(draw_map(crop, occlusion_map(predictor, crop), card=predictor.card), path)


def _archive(room: Workplace, job: CaseJob, report: Report) -> str | None:
    upload = _upload(room, job)
    tally = take_archive(room.store, room.files, upload, limits=room.limits, report=report)
    return tally.note


def _table(room: Workplace, job: CaseJob, report: Report) -> str | None:
    upload = _upload(room, job)
    tally = take_table(room.store, room.files, upload, image_root=room.image_root, report=report)
    return tally.note


def _webhook(room: Workplace, job: CaseJob, report: Report) -> None:
    if room.webhook is not None:  # else it was switched off since
        deliver(room.webhook, job)


_Work = Callable[[Workplace, CaseJob, Report], str | None]


def _with_room(work: _Work) -> _Work:
    """Return work that ends, as on a full disk, where it would use up what is kept for decisions."""

    def do(room: Workplace, job: CaseJob, report: Report) -> str | None:
        def report_with_room(progress: float) -> None:
            report(progress)
            require_room(room.files)

        require_room(room.files)
        return work(room, job, report_with_room)

    return do


WORK: dict[str, _Work] = {
    SCORE: _with_room(_score),
    EXPLAIN: _with_room(_explain),
    ARCHIVE: _with_room(_archive),
    TABLE: _with_room(_table),
    WEBHOOK: _webhook,
}
"""Kind of job to what does it; what it returns is a note for the user, None if there is nothing to say."""


def _upload_id(job: CaseJob) -> UUID:
    return UUID(str(job.detail["upload"]))


def _upload(room: Workplace, job: CaseJob) -> CaseUpload:
    upload = find_upload(room.store, _upload_id(job))
    if upload is None:
        raise not_found("upload", _upload_id(job))
    if not room.files.part(upload.id).is_file():
        raise ConflictError(
            f"cannot use {upload.name!r}", why="its bytes are gone", fix="upload the file again"
        )
    return upload


def _told(upload: CaseUpload, error: BaseException) -> str:
    if isinstance(error, LeukNetError):
        return f"{error.what}: {error.why}. {error.fix[:1].upper()}{error.fix[1:]}."
    return f"cannot use {upload.name!r}: a bug in LeukNet: {error!r}"
