"""The worker: what it scores, and that neither its death nor a database's loses or doubles anything."""

from __future__ import annotations

import errno
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from uuid import UUID, uuid4

import numpy as np
import pytest
import sqlalchemy as sa
from PIL import Image

import leuknet
from leuknet.errors import SettingError
from leuknet.fields.slides import open_field
from leuknet.fields.tiles import find_cells
from leuknet.inference.model_folder import FolderPredictor
from leuknet.inference.model_id import earlier_id_of
from leuknet.inference.predict import predict_files
from leuknet.room import liveness
from leuknet.room import webhook as hooks
from leuknet.room import worker as workers
from leuknet.room.crops import ensure_crop
from leuknet.room.intake import take_whole
from leuknet.room.intake_checks import Limits
from leuknet.room.kinds import EXPLAIN, SCORE
from leuknet.room.room_files import RoomFiles
from leuknet.room.webhook import Webhook, sign, webhook_of_environment
from leuknet.room.work import Workplace
from leuknet.room.worker import WorkerSettings, run_worker
from leuknet.simulation.draw_fields import FIELD_UM, draw_field
from leuknet.smears.smear import score_smear
from leuknet.store import audit_log as audit
from leuknet.store import jobs, open_store, tables
from leuknet.store.cases import create_case, images_of
from leuknet.store.cell_nouns import CaseCell
from leuknet.store.cells import cells_of
from leuknet.store.database import Store
from leuknet.store.features import features_of
from leuknet.store.jobs import add_job, jobs_of, take_job
from leuknet.store.nouns import SYSTEM, Announcement, Case, CaseJob, CaseUpload, UploadKind, User
from leuknet.store.scorings import score_again, scorings_of
from leuknet.store.uploads import find_upload, needed_uploads
from leuknet.types import FieldScale
from tests.databases import running_postgresql
from tests.people import user
from tests.room.test_archive import zipped

on_sqlite = pytest.mark.parametrize("store", ["sqlite"], indirect=True)
PATIENCE_S = 60


@pytest.fixture(autouse=True)
def _quick(quick_hashes: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "IDLE_S", 0.02)


@pytest.fixture(scope="module")
def model(mini_reproduction: Path) -> Path:
    return mini_reproduction / "run" / "model"


@pytest.fixture(scope="module")
def predictor(model: Path) -> FolderPredictor:
    return leuknet.load(model, engine="onnx")


@pytest.fixture(scope="module")
def crops(mini_reproduction: Path) -> list[Path]:
    """Simulated cells of different contents."""
    return sorted(mini_reproduction.rglob("fold_*/**/*.bmp"))[:50]


@pytest.fixture(scope="module")
def field_png(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("field") / "field.png"
    Image.fromarray(draw_field(900, 1000, cells=5, seed=3)[0]).save(path)
    return path


class Lab:
    """A case, who uploads to it, and workers."""

    def __init__(self, store: Store, files: RoomFiles, model: Path) -> None:
        self.store, self.files, self.model = store, files, model
        self.user: User = user(store, "Anna", "lead")
        self.case: Case = create_case(store, "Patient 7", user=self.user)

    def send(
        self, content: bytes, *, name: str = "a", kind: UploadKind = "auto", um: float | None = None
    ) -> CaseUpload:
        return take_whole(
            self.store,
            self.files,
            self.case.id,
            Announcement(name, len(content), str(uuid4()), kind, um),
            content,
            user=self.user,
            limits=Limits(),
        )

    def settings(self, **more: object) -> WorkerSettings:
        given = {"database_url": self.store.address, "folder": self.files.folder, "model": self.model}
        return WorkerSettings(**given, **more)  # type: ignore[arg-type]

    def jobs(self) -> tuple[CaseJob, ...]:
        return jobs_of(self.store, self.case.id)

    def cells(self) -> tuple[CaseCell, ...]:
        return cells_of(self.store, self.case.id, limit=10_000)

    def over(self) -> bool:
        return all(job.state in ("done", "failed") for job in self.jobs())

    @contextmanager
    def working(self, **more: object) -> Iterator[None]:
        """Let a worker run in this process."""
        stop = threading.Event()
        thread = threading.Thread(target=run_worker, args=(self.settings(**more),), kwargs={"stop": stop})
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(PATIENCE_S)
            assert not thread.is_alive()

    def work(self, **more: object) -> None:
        """Let a worker do all jobs."""
        with self.working(**more):
            until(self.over)

    @contextmanager
    def process(self) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
        """Run a worker as a process of its own; give it and what it says, line by line."""
        command = [sys.executable, "-m", "leuknet", "worker", "--model", str(self.model)]
        command += ["--data", str(self.files.folder), "--url", self.store.address, "--threads", "1"]
        said: list[str] = []
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            lines = process.stderr
            reader = threading.Thread(target=lambda: said.extend(iter(lines.readline, "")))
            reader.start()
            try:
                yield process, said
            finally:
                process.kill()
                process.wait()
                reader.join()


@pytest.fixture
def lab(store: Store, files: RoomFiles, model: Path) -> Lab:
    return Lab(store, files, model)


def until(holds: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def _is_at_work(said: list[str]) -> bool:
    return any(": score" in line for line in said)


def pictures(lab: Lab) -> list[Path]:
    """All pictures of cells that there must be."""
    kinds = {image.id: image.kind for image in images_of(lab.store, lab.case.id)}
    wanted: list[Path] = []
    for cell in lab.cells():
        here = (cell.image_id, cell.id)
        wanted += [lab.files.thumb(*here), lab.files.view(*here)]
        wanted += [lab.files.crop(*here)] if kinds[cell.image_id] != "crop" else []
    return wanted


def test_crops_and_fields_are_scored_as_the_command_line_scores_them(
    lab: Lab, predictor: FolderPredictor, crops: list[Path], field_png: Path
) -> None:
    for path in crops[:40]:
        lab.send(path.read_bytes(), name=path.name)
    lab.send(field_png.read_bytes(), name="field.png", um=FIELD_UM)

    lab.work()

    *alone, field = images_of(lab.store, lab.case.id)
    cells = lab.cells()
    predictions = list(predict_files(predictor, crops[:40], reference=predictor.reference))
    assert [image.kind for image in alone] == ["crop"] * 40
    for cell, prediction in zip(cells, predictions, strict=False):
        assert cell.probability == pytest.approx(prediction.probability, abs=1e-6)
        assert cell.warnings == prediction.warnings
        assert (cell.outcome == "unfamiliar") == bool(prediction.warnings)
    scale = FieldScale(FIELD_UM, "stated")
    with open_field(field_png) as opened:
        scored = score_smear(find_cells(opened, scale), predictor, path="x", scale=scale)
        smear = [seen.cell for seen in scored]
    found = {cell.name: cell for cell in cells if cell.image_id == field.id}
    assert found.keys() == {cell.id for cell in smear}
    for one in smear:
        assert found[one.id].probability == pytest.approx(one.prediction.probability, abs=1e-6)
        assert (found[one.id].outcome, found[one.id].flags) == (one.outcome, one.flags)
        assert found[one.id].box == one.box
        np.testing.assert_allclose(np.array(found[one.id].outline)[:, ::-1], one.outline)
    ids, features = features_of(lab.store, lab.case.id, predictor.model_id)
    assert ids.tolist() == sorted(cell.id for cell in cells)
    assert features.shape[1] > 1
    assert all(path.is_file() for path in pictures(lab))
    assert {one.state for one in scorings_of(lab.store, lab.case.id)} == {"scored"}
    assert [(job.kind, job.state, job.progress) for job in lab.jobs()] == [("score", "done", 1.0)]
    assert audit.verify(lab.store).broken_at is None


@on_sqlite
def test_an_image_that_cannot_be_scored_says_why_and_the_others_go_on(
    lab: Lab, crops: list[Path], field_png: Path
) -> None:
    lab.send(field_png.read_bytes(), name="no scale.png")
    for path in crops[:3]:
        lab.send(path.read_bytes(), name=path.name)
    broken = images_of(lab.store, lab.case.id)[1]
    lab.files.image(broken.path).write_bytes(b"damaged by a disk")

    lab.work()

    scorings = scorings_of(lab.store, lab.case.id)
    assert [one.state for one in scorings] == ["failed", "failed", "scored", "scored"]
    assert "its scale is not known" in (scorings[0].error or "")
    assert "State its µm per pixel" in (scorings[0].error or "")
    assert str(lab.files.folder) not in f"{scorings[0].error} {scorings[1].error}"
    assert [job.state for job in lab.jobs()] == ["done"]

    job = {"job": SCORE, "actor": lab.user.actor}
    score_again(lab.store, scorings[0].image_id, microns_per_pixel=FIELD_UM, **job)
    lab.work()

    assert scorings_of(lab.store, lab.case.id)[0].state == "scored"
    assert sum(cell.image_id == scorings[0].image_id for cell in lab.cells()) == 5


class Panic(BaseException):
    """What libraries written in Rust raise when they break: no `Exception`."""


@on_sqlite
@pytest.mark.parametrize("fault", [Panic("index out of bounds"), ValueError("no such axis"), MemoryError()])
def test_whatever_one_image_raises_is_told_of_it_alone(
    lab: Lab, crops: list[Path], field_png: Path, monkeypatch: pytest.MonkeyPatch, fault: BaseException
) -> None:
    from leuknet.room import score_case as score

    def broken(name: str) -> Callable[..., object]:
        usual = getattr(score, name)

        def break_one(first: object, *more: object, **named: object) -> object:
            if first in bad or getattr(first, "height_px", 0) == 900:
                raise fault
            return usual(first, *more, **named)

        return break_one

    for path in crops[:3]:
        lab.send(path.read_bytes(), name=path.name)
    lab.send(field_png.read_bytes(), name="field.png", um=FIELD_UM)
    images = images_of(lab.store, lab.case.id)
    bad = [lab.files.image(images[1].path)]
    monkeypatch.setattr(score, "read_pixels", broken("read_pixels"))
    monkeypatch.setattr(score, "find_cells", broken("find_cells"))

    lab.work()

    scorings = scorings_of(lab.store, lab.case.id)
    assert [one.state for one in scorings] == ["scored", "failed", "scored", "failed"]
    assert all(
        one.error and images[place].name in one.error for place, one in enumerate(scorings) if one.error
    )
    assert [job.state for job in lab.jobs()] == ["done"]
    assert len(lab.cells()) == 2


@on_sqlite
def test_images_that_ended_workers_are_scored_alone_and_then_given_up(lab: Lab, crops: list[Path]) -> None:
    for path in crops[:4]:
        lab.send(path.read_bytes(), name=path.name)
    ids = [image.id for image in images_of(lab.store, lab.case.id)]
    (job,) = lab.jobs()
    note = lab.files.at_work(job.id)
    note.parent.mkdir()
    # As a worker leaves it that died over the first, alone, after another had died over the first three.
    note.write_text(json.dumps({str(ids[0]): 1, str(ids[1]): 0, str(ids[2]): 0}))

    lab.work()

    scorings = scorings_of(lab.store, lab.case.id)
    assert [one.state for one in scorings] == ["failed", "scored", "scored", "scored"]
    assert "crashed or took too long, twice" in (scorings[0].error or "")
    assert [(job.state, job.detail["by"]) for job in lab.jobs()] == [("done", lab.user.actor)] * 2
    assert not list(note.parent.iterdir())


@on_sqlite
def test_one_persons_long_work_does_not_delay_anothers(lab: Lab, crops: list[Path]) -> None:
    lab.send(zipped({f"{number}.txt": b"no image" for number in range(1500)}), name="no images.zip")
    other = user(lab.store, "Bea")
    case = create_case(lab.store, "Patient 8", user=other)
    for path in crops[:8]:
        content = path.read_bytes()
        announced = Announcement(path.name, len(content), str(uuid4()), "auto", None)
        take_whole(lab.store, lab.files, case.id, announced, content, user=other, limits=Limits())

    lab.work()
    until(lambda: all(job.state == "done" for job in jobs_of(lab.store, case.id)))

    (long,), (short,) = lab.jobs(), jobs_of(lab.store, case.id)
    assert (long.state, short.state) == ("failed", "done")
    assert long.id < short.id
    assert short.heartbeat_at is not None
    assert long.heartbeat_at is not None
    assert short.heartbeat_at < long.heartbeat_at


def undisturbed(lab: Lab, tmp_path: Path, contents: list[tuple[bytes, float | None]]) -> set[object]:
    with open_store(f"sqlite:///{tmp_path / 'calm' / 'room.db'}") as store:
        calm = Lab(store, RoomFiles(tmp_path / "calm"), lab.model)
        for content, um in contents:
            calm.send(content, um=um)
        calm.work()
        return told(calm)


def told(lab: Lab) -> set[object]:
    """All that is said of the cells of a case, without their numbers."""
    hashes = {image.id: image.sha256 for image in images_of(lab.store, lab.case.id)}
    cells = lab.cells()
    assert len(cells) == len({(cell.image_id, cell.name) for cell in cells})
    return {
        (hashes[one.image_id], one.name, round(one.probability or -1, 5), one.outcome, one.box, one.outline)
        for one in cells
    }


def test_kill_in_mid_job_ends_with_exactly_the_undisturbed_cells(
    lab: Lab, crops: list[Path], field_png: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    contents: list[tuple[bytes, float | None]] = [(path.read_bytes(), None) for path in crops]
    contents.insert(30, (field_png.read_bytes(), FIELD_UM))
    expected = undisturbed(lab, tmp_path, contents)
    for content, um in contents:
        lab.send(content, um=um)
    sqlite = lab.store.file is not None
    chance = np.random.default_rng(5)
    in_work = 0
    for number in range(2 if sqlite else 1):
        with lab.process() as (process, said):
            until(partial(_is_at_work, said))
            time.sleep(chance.uniform(0.02, 0.3))
            process.send_signal(signal.SIGKILL)
            process.wait()
        in_work += lab.jobs()[0].state == "running"
        if sqlite:  # else a death counts against the job
            jobs.requeue_running(lab.store)
            with lab.store.writing(SYSTEM) as change:
                change.execute(tables.jobs.update().values(attempts=0))
                change.log("test.forgave", "job:1")
            if not number:  # nor does the image that both may have met
                lab.files.at_work(lab.jobs()[0].id).unlink(missing_ok=True)
    if not sqlite:  # where a worker cannot know that it is the only one, it waits
        monkeypatch.setattr(jobs, "SILENCE", timedelta(0))
        monkeypatch.setattr(liveness, "BEAT_S", 0.5)

    lab.work()

    assert in_work >= 1
    assert told(lab) == expected
    assert all(path.is_file() for path in pictures(lab))
    assert [one.state for one in scorings_of(lab.store, lab.case.id)] == ["scored"] * len(contents)
    assert [job.state for job in lab.jobs()] == ["done"]
    ids, _ = features_of(lab.store, lab.case.id, lab.cells()[0].model_id)
    assert len(ids) == len(expected)
    assert audit.verify(lab.store).broken_at is None


@on_sqlite
@pytest.mark.parametrize("step", ["write_cell_pictures", "record_scorings", "save_cells", "write_crop"])
def test_a_death_between_any_two_steps_loses_and_doubles_nothing(
    lab: Lab, crops: list[Path], field_png: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    from leuknet.room import score_case as score

    contents: list[tuple[bytes, float | None]] = [(path.read_bytes(), None) for path in crops[:3]]
    contents.append((field_png.read_bytes(), FIELD_UM))
    expected = undisturbed(lab, tmp_path, contents)
    for content, um in contents:
        lab.send(content, um=um)
    predictor = leuknet.load(lab.model, engine="onnx")
    function = getattr(score, step)
    for n_calls in range(4):
        left = n_calls

        def die(*given: object, **named: object) -> object:
            nonlocal left
            left -= 1
            if left < 0:
                raise KeyboardInterrupt
            return function(*given, **named)

        with monkeypatch.context() as patch:
            patch.setattr(score, step, die)
            try:
                score.score_images(lab.store, lab.files, lab.case.id, predictor, report=lambda _: None)
            except KeyboardInterrupt:
                continue
            break

    lab.work()

    assert told(lab) == expected
    assert all(path.is_file() for path in pictures(lab))
    assert len(scorings_of(lab.store, lab.case.id)) == len(contents)


@on_sqlite
def test_told_to_stop_it_gives_its_job_back(lab: Lab, crops: list[Path]) -> None:
    for path in crops:
        lab.send(path.read_bytes())
    with lab.process() as (process, said):
        until(partial(_is_at_work, said))
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0

    (job,) = lab.jobs()
    assert (job.state, job.attempts) == ("queued", 0)
    assert said[-1].endswith("stopped\n")

    lab.work()

    assert len(lab.cells()) == len(crops)


@on_sqlite
def test_a_job_of_a_dead_worker_is_taken_at_once_by_the_only_one(lab: Lab, crops: list[Path]) -> None:
    lab.send(crops[0].read_bytes())
    assert take_job(lab.store) is not None  # by a worker that then dies

    lab.work()

    assert [(job.state, job.attempts) for job in lab.jobs()] == [("done", 2)]


@on_sqlite
def test_a_second_worker_leaves_the_jobs_of_the_first_alone(lab: Lab, crops: list[Path]) -> None:
    lab.send(crops[0].read_bytes())
    with lab.working():
        until(lab.over)
        add_job(lab.store, lab.case.id, "of a later version", actor=SYSTEM)
        taken = take_job(lab.store)
        with lab.working():
            time.sleep(0.5)

    assert taken is not None
    assert lab.jobs()[1].state == "running"


@on_sqlite
def test_a_job_that_kills_each_worker_is_failed(lab: Lab) -> None:
    add_job(lab.store, lab.case.id, SCORE, actor=SYSTEM)
    for _ in range(jobs.MAX_ATTEMPTS):
        assert take_job(lab.store) is not None
        jobs.requeue_running(lab.store)

    (job,) = lab.jobs()
    assert (job.state, job.error) == ("failed", "its worker died 3 times")


@on_sqlite
def test_an_archive_that_kills_each_worker_is_refused_in_words_and_its_bytes_go(lab: Lab) -> None:
    upload = lab.send(zipped({"a.png": b"kills"}), name="killer.zip")
    for _ in range(jobs.MAX_ATTEMPTS):
        assert take_job(lab.store) is not None
        jobs.requeue_running(lab.store)

    found = find_upload(lab.store, upload.id)
    assert found is not None
    assert (found.state, found.error) == (
        "failed",
        "killer.zip: reading it ended 3 processes. Upload its images by themselves.",
    )
    assert upload.id not in needed_uploads(lab.store)  # `sweep` removes what is not needed


def pg_ctl(server: str, *arguments: str) -> None:
    folder = server.partition("host=")[2]
    binary = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1] / "pg_ctl"
    command = [str(binary), *arguments, "--wait", "--pgdata", f"{folder}/data"]
    if os.geteuid() == 0:
        command = ["runuser", "-u", "postgres", "--", *command]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/", timeout=60)


def test_a_database_that_goes_away_is_waited_for(
    model: Path, crops: list[Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    options = "-c listen_addresses='' -c unix_socket_directories="
    with running_postgresql() as server, open_store(server) as store:
        lab = Lab(store, RoomFiles(tmp_path / "room"), model)
        for path in crops:
            lab.send(path.read_bytes())
        with caplog.at_level("INFO", logger="leuknet"), lab.working():
            until(lab.cells)
            pg_ctl(server, "stop", "--mode", "immediate")
            until(lambda: "waiting until it works again" in caplog.text)
            time.sleep(1.5)
            pg_ctl(server, "start", "--options", options + server.partition("host=")[2])
            until(lab.over)

        assert [job.state for job in lab.jobs()] == ["done"]
        assert len(lab.cells()) == len(crops)
    assert caplog.text.count("waiting until it works again") == 1
    assert "going on" in caplog.text


@on_sqlite
def test_a_full_disk_is_waited_for(lab: Lab, predictor: FolderPredictor) -> None:
    room = Workplace(lab.store, lab.files, predictor, None, None, Limits())
    left = [OSError(errno.ENOSPC, "No space left on device")]

    def write() -> str:
        if left:
            raise left.pop()
        return "written"

    assert workers._Worker(room, threading.Event()).outlast(write) == "written"


@on_sqlite
def test_a_bug_fails_its_job_and_not_the_worker(lab: Lab, crops: list[Path]) -> None:
    add_job(lab.store, lab.case.id, EXPLAIN, actor=SYSTEM, detail={"no cell": 1})
    lab.send(crops[0].read_bytes())

    lab.work()

    bug, score = lab.jobs()
    assert (bug.state, score.state) == ("failed", "done")
    assert bug.error == "a bug in LeukNet: KeyError('cell')"


@on_sqlite
def test_an_explanation_does_not_wait_for_a_long_job(
    lab: Lab, crops: list[Path], predictor: FolderPredictor
) -> None:
    for path in crops:
        lab.send(path.read_bytes())
    with lab.working():
        until(lab.cells)
        cell = lab.cells()[0]
        asked = add_job(lab.store, lab.case.id, EXPLAIN, actor=lab.user.actor, detail={"cell": cell.id})
        until(lab.over)

    query = sa.select(tables.audit.c.object).where(tables.audit.c.action == "job.done")
    with lab.store.reading() as connection:
        done = list(connection.execute(query.order_by(tables.audit.c.seq)).scalars())
    assert done[0] == f"job:{asked.id}"
    with Image.open(lab.files.map(cell.image_id, cell.id, predictor.model_id)) as drawn:
        assert drawn.format == "PNG"


@on_sqlite
def test_a_score_of_another_model_is_not_explained_by_this_one(lab: Lab, crops: list[Path]) -> None:
    lab.send(crops[0].read_bytes())
    lab.work()
    with lab.store.writing(SYSTEM) as change:
        change.execute(tables.cells.update().values(model_id="another"))
        change.log("test.changed", "cell:1")
    add_job(lab.store, lab.case.id, EXPLAIN, actor=SYSTEM, detail={"cell": lab.cells()[0].id})

    lab.work()

    assert "it is of model another" in (lab.jobs()[1].error or "")


@on_sqlite
def test_a_score_under_the_id_of_an_earlier_leuknet_is_explained(
    lab: Lab, crops: list[Path], predictor: FolderPredictor
) -> None:
    lab.send(crops[0].read_bytes())
    lab.work()
    assert predictor.folder is not None
    earlier = earlier_id_of(predictor.folder)
    with lab.store.writing(SYSTEM) as change:
        change.execute(tables.cells.update().values(model_id=earlier))
        change.log("test.changed", "cell:1")
    (cell,) = lab.cells()
    add_job(lab.store, lab.case.id, EXPLAIN, actor=SYSTEM, detail={"cell": cell.id})

    lab.work()

    assert lab.jobs()[1].error is None
    assert lab.files.map(cell.image_id, cell.id, earlier).is_file()


@on_sqlite
def test_a_crop_that_was_deleted_is_cut_again(lab: Lab, field_png: Path, predictor: FolderPredictor) -> None:
    lab.send(field_png.read_bytes(), um=FIELD_UM)
    lab.work()
    (image,) = images_of(lab.store, lab.case.id)
    for cell in lab.cells():
        path = lab.files.crop(image.id, cell.id)
        before = np.asarray(Image.open(io.BytesIO(path.read_bytes()))).astype(int)
        path.unlink()

        assert ensure_crop(lab.files, image, cell, card=predictor.card) == path

        after = np.asarray(Image.open(io.BytesIO(path.read_bytes()))).astype(int)
        assert after.shape == before.shape
        inside, again = before.any(axis=2), after.any(axis=2)
        assert (inside & again).sum() / (inside | again).sum() > 0.97


@on_sqlite
def test_an_archive_is_taken_in_and_scored(lab: Lab, crops: list[Path]) -> None:
    members = {path.name: path.read_bytes() for path in crops[:5]} | {"readme.txt": b"x"}
    upload = lab.send(zipped(members), name="cells.zip")

    lab.work()

    assert [(job.kind, job.state) for job in lab.jobs()] == [("archive", "done"), ("score", "done")]
    assert "readme.txt" in lab.jobs()[0].detail["note"]
    assert len(lab.cells()) == 5
    assert not lab.files.part(upload.id).exists()


@on_sqlite
def test_an_archive_that_is_refused_fails_its_upload_in_words(lab: Lab) -> None:
    upload = lab.send(zipped({"readme.txt": b"x"}), name="cells.zip")

    lab.work()

    (job,) = lab.jobs()
    failed = find_upload(lab.store, upload.id)
    assert failed is not None
    assert (job.state, failed.state) == ("failed", "failed")
    assert "'cells.zip'" in (failed.error or "")
    assert "readme.txt" in (job.error or "")
    assert not lab.files.part(upload.id).exists()


@on_sqlite
def test_a_table_without_an_allowed_folder_says_how_to_allow_one(lab: Lab) -> None:
    upload = lab.send(b"path,probability\na.png,0.5\n", name="scores.csv", kind="table")

    lab.work()

    assert "leuknet serve --images FOLDER" in (lab.jobs()[0].error or "")
    failed = find_upload(lab.store, upload.id)
    assert failed is not None
    assert failed.state == "failed"


class Receiver(HTTPServer):
    """Notes what it is told, and answers with the statuses that it was given, then with 204."""

    def __init__(self, *statuses: int) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.statuses = list(statuses)
        self.told: list[tuple[str, dict[str, object], str]] = []

    @property
    def hook(self) -> Webhook:
        return Webhook(f"http://127.0.0.1:{self.server_port}/hook", "a secret of 16 or more")


class _Answers(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert self.headers["X-LeukNet-Signature"] == f"sha256={sign(body, self.server.hook.secret)}"
        self.server.told.append((self.path, json.loads(body), self.command))
        self.send_response(self.server.statuses.pop(0) if self.server.statuses else 204)
        self.send_header("Location", "/elsewhere")
        self.end_headers()

    def do_GET(self) -> None:  # whoever follows a redirect comes here
        self.server.told.append((self.path, {}, self.command))
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the base
        pass


@contextmanager
def receiving(*statuses: int) -> Iterator[Receiver]:
    with Receiver(*statuses) as receiver:
        thread = threading.Thread(target=receiver.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield receiver
        finally:
            receiver.shutdown()
            thread.join()


@on_sqlite
def test_the_receiver_of_the_webhook_is_told_signed_and_again_until_it_answers(
    lab: Lab, crops: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "PAUSES_S", (0.1,) * 4)
    lab.send(crops[0].read_bytes())

    with receiving(500, 302) as receiver:
        lab.work(webhook=receiver.hook)
        until(lambda: lab.over() and len(lab.jobs()) == 2)

    score, told = lab.jobs()
    assert (told.kind, told.state, told.attempts, told.detail["try"]) == ("webhook", "done", 1, 3)
    assert [path for path, _, _ in receiver.told] == ["/hook"] * 3
    content = receiver.told[0][1]
    assert content == {
        "event": "case.scored",
        "case": str(lab.case.id),
        "at": told.created_at.isoformat(),
        "delivery": told.id,
    }
    assert UUID(str(content["case"])) == score.case_id


@on_sqlite
def test_a_webhook_is_given_up_after_five_tries(
    lab: Lab, crops: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "PAUSES_S", (0.02,) * 4)
    lab.send(crops[0].read_bytes())

    with receiving(*[503] * 9) as receiver:
        lab.work(webhook=receiver.hook)

    assert len(receiver.told) == hooks.TRIES
    assert lab.jobs()[1].error == "tried 5 times; the receiver answered with status 503"


@on_sqlite
def test_nobody_is_told_unless_the_operator_says_so(lab: Lab, crops: list[Path]) -> None:
    assert webhook_of_environment() is None
    lab.send(crops[0].read_bytes())

    lab.work()

    assert [job.kind for job in lab.jobs()] == ["score"]


@pytest.mark.parametrize(
    ("url", "secret"),
    [("file:///etc/passwd", "x" * 16), ("example.org", "x" * 16), ("https://example.org", "short")],
)
def test_a_webhook_that_cannot_be_is_refused(monkeypatch: pytest.MonkeyPatch, url: str, secret: str) -> None:
    monkeypatch.setenv(hooks.URL_VARIABLE, url)
    monkeypatch.setenv(hooks.SECRET_VARIABLE, secret)

    with pytest.raises(SettingError):
        webhook_of_environment()
