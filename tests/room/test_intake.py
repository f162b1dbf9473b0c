"""Uploads: broken off and gone on with, killed at any moment, and whatever people and attackers send."""

from __future__ import annotations

import hashlib
import io
import os
import resource
import shutil
import signal
import struct
import subprocess
import sys
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from PIL import Image

from leuknet.errors import ConflictError, DataError, LeukNetError, SettingError, StoreError
from leuknet.room import intake, upload_content
from leuknet.room.intake import append, begin_upload, finish, received, sweep
from leuknet.room.intake_checks import Limits
from leuknet.room.open_fields import OPEN, open_image
from leuknet.room.room_files import RoomFiles
from leuknet.room.upload_content import shown_name
from leuknet.store import audit_log as audit
from leuknet.store.accounts import create_user
from leuknet.store.cases import create_case, images_of
from leuknet.store.database import Store
from leuknet.store.jobs import jobs_of
from leuknet.store.nouns import SYSTEM, Announcement, Case, CaseImage, CaseUpload, UploadKind, User
from leuknet.store.uploads import find_upload, give_up
from tests.databases import lock_case
from tests.fields.test_slides import write_dicom

LIMITS = Limits()

# Where the database is of no account, one kind is enough.
on_sqlite = pytest.mark.parametrize("store", ["sqlite"], indirect=True)


pytestmark = pytest.mark.usefixtures("quick_hashes")


@pytest.fixture
def case(store: Store, anna: User) -> Case:
    return create_case(store, "Patient 7", user=anna)


class Sender:
    """Someone who uploads to a case."""

    def __init__(self, store: Store, files: RoomFiles, case: Case, user: User) -> None:
        self.store, self.files, self.case, self.user = store, files, case, user

    def begin(
        self, n_bytes: int, *, name: str = "a.png", key: str | None = None, kind: UploadKind = "auto"
    ) -> CaseUpload:
        return begin_upload(
            self.store,
            self.files,
            self.case.id,
            Announcement(name, n_bytes, key or str(uuid4()), kind),
            user=self.user,
            limits=LIMITS,
        )

    def send(self, content: bytes, *, name: str = "a.png", kind: UploadKind = "auto") -> CaseImage:
        upload = self.begin(len(content), name=name, kind=kind)
        append(self.files, upload, 0, content)
        (image,) = finish(self.store, self.files, upload, actor=self.user.actor)
        return image

    def refused(self, content: bytes, *, name: str = "a.png", kind: UploadKind = "auto") -> str:
        """Send what must be refused; return why, after looking that nothing of it is left."""
        upload = self.begin(len(content), name=name, kind=kind)
        append(self.files, upload, 0, content)
        with pytest.raises(DataError) as caught:
            finish(self.store, self.files, upload, actor=self.user.actor)
        failed = find_upload(self.store, upload.id)
        assert failed is not None
        assert failed.state == "failed"
        assert caught.value.why in (failed.error or "")
        assert str(self.files.folder) not in (failed.error or "")
        assert kept(self.files) == []
        assert not self.files.part(upload.id).exists()
        assert images_of(self.store, self.case.id) == ()
        return caught.value.why


@pytest.fixture
def sender(store: Store, files: RoomFiles, case: Case, anna: User) -> Sender:
    return Sender(store, files, case, anna)


def kept(files: RoomFiles) -> list[Path]:
    return sorted(path for path in files.folder.glob("images/**/*") if path.is_file())


def picture(height: int, width: int, *, seed: int = 0, form: str = "PNG", black: bool = False) -> bytes:
    pixels = np.random.default_rng(seed).integers(30, 220, (height, width, 3), np.uint8)
    if black:
        pixels[: height // 2] = 0
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, form)
    return stream.getvalue()


def test_an_image_sent_in_parts_is_kept_under_its_hash_and_waits_to_be_scored(
    sender: Sender, store: Store, files: RoomFiles, case: Case
) -> None:
    content = picture(80, 90)
    upload = sender.begin(len(content), name="Cell 7.png")
    for at in range(0, len(content), 5000):
        assert received(files, upload) == at
        append(files, upload, at, content[at : at + 5000])

    (image,) = finish(store, files, upload, actor=sender.user.actor)

    assert (image.name, image.kind, image.height_px, image.width_px) == ("Cell 7.png", "crop", 80, 90)
    assert image.sha256 == hashlib.sha256(content).hexdigest()
    assert image.path == f"images/{image.sha256[:2]}/{image.sha256}.png"
    assert files.image(image.path).read_bytes() == content
    assert not files.part(upload.id).exists()
    assert [(job.kind, job.state) for job in jobs_of(store, case.id)] == [("score", "queued")]
    assert received(files, replace(upload, state="done")) == len(content)


def test_two_images_wait_in_one_job_and_the_same_content_is_kept_once(
    sender: Sender, store: Store, files: RoomFiles, case: Case
) -> None:
    first = sender.send(picture(80, 80))
    again = sender.send(picture(80, 80), name="another name.png")
    other = sender.send(picture(80, 80, seed=1))

    assert again == first
    assert images_of(store, case.id) == (first, other)
    assert len(kept(files)) == 2
    assert len(jobs_of(store, case.id)) == 1


def test_the_same_pixels_are_known_in_every_lossless_form_and_others_are_not(sender: Sender) -> None:
    forms = [sender.send(picture(80, 80, form=form), name=f"a.{form}") for form in ("PNG", "BMP", "TIFF")]
    wide = sender.send(picture(80, 90))
    other = sender.send(picture(80, 80, seed=1))

    assert len({image.sha256 for image in forms}) == len(forms)
    assert len({image.pixels_sha256 for image in forms}) == 1
    assert len({image.pixels_sha256 for image in (*forms, wide, other)}) == 3


def test_a_field_and_the_first_of_its_rows_are_two_pictures(sender: Sender) -> None:
    field = np.random.default_rng(0).integers(30, 220, (1300, 1250, 3), np.uint8)
    images = []
    for pixels in (field, field[:1200, :1200], field[:1250]):
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, "PNG", compress_level=1)
        images.append(sender.send(stream.getvalue()))

    assert len({image.pixels_sha256 for image in images}) == 3


def test_a_key_used_again_goes_on_with_the_same_upload(sender: Sender, files: RoomFiles) -> None:
    upload = sender.begin(1000, key="k")
    append(files, upload, 0, b"x" * 400)

    again = sender.begin(1000, key="k")

    assert again == upload
    assert received(files, again) == 400
    with pytest.raises(ConflictError) as caught:
        sender.begin(999, key="k")
    assert "1,000" in caught.value.why


def test_bytes_that_do_not_follow_are_refused_with_the_right_place(sender: Sender, files: RoomFiles) -> None:
    upload = sender.begin(10)
    append(files, upload, 0, b"abcd")

    for offset in (0, 3, 5):
        with pytest.raises(ConflictError) as caught:
            append(files, upload, offset, b"xy")
        assert caught.value.fix == "send the file from byte 4 on"
    with pytest.raises(DataError):
        append(files, upload, 4, b"1234567")
    append(files, upload, 4, b"efghij")

    assert files.part(upload.id).read_bytes() == b"abcdefghij"


def test_an_upload_is_not_finished_before_all_of_it_came(
    sender: Sender, store: Store, files: RoomFiles
) -> None:
    content = picture(80, 80)
    upload = sender.begin(len(content))
    append(files, upload, 0, content[:-1])

    with pytest.raises(ConflictError) as caught:
        finish(store, files, upload, actor=SYSTEM)

    assert f"from byte {len(content) - 1} on" in caught.value.fix
    append(files, upload, len(content) - 1, content[-1:])
    assert len(finish(store, files, upload, actor=SYSTEM)) == 1


@on_sqlite
@pytest.mark.parametrize(
    ("n_bytes", "kind", "key", "um", "word"),
    [
        (4 * 2**30 + 1, "auto", "k", None, "at most 4,294,967,296"),
        (0, "auto", "k", None, "no bytes"),
        (5, "virus", "k", None, "'virus'"),
        (5, "auto", "", None, "0 characters"),
        (5, "auto", "k" * 101, None, "101 characters"),
        (5, "auto", "a\nb", None, "cannot be printed"),
        (5, "auto", "k", float("nan"), "µm per pixel"),
        (5, "auto", "k", 7.0, "7 µm per pixel"),
    ],
)
def test_an_upload_that_cannot_be_is_refused_before_its_first_byte(
    sender: Sender,
    store: Store,
    files: RoomFiles,
    n_bytes: int,
    kind: UploadKind,
    key: str,
    um: float,
    word: str,
) -> None:
    with pytest.raises((DataError, SettingError)) as caught:
        begin_upload(
            store,
            files,
            sender.case.id,
            Announcement("a.png", n_bytes, key, kind, um),
            user=sender.user,
            limits=LIMITS,
        )

    assert word in caught.value.why
    assert not files.folder.exists()


def test_an_upload_larger_than_the_disk_has_room_for_is_refused_before_its_first_byte(
    sender: Sender, store: Store, files: RoomFiles
) -> None:
    with pytest.raises(DataError) as caught:
        begin_upload(
            store,
            files,
            sender.case.id,
            Announcement("slide.svs", 2**60, "k", "slide"),
            user=sender.user,
            limits=Limits(max_upload_bytes=2**61),
        )

    assert "left for files" in caught.value.why


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let the reading room's disk be of a size, whatever is on it."""
    real = type(shutil.disk_usage("."))

    def be(*, total: int, free: int) -> None:
        usage = real(total, total - free, free)
        monkeypatch.setattr(shutil, "disk_usage", lambda place: usage)

    return be


def test_of_files_announced_at_once_no_more_are_taken_than_the_disk_has_room_for(
    sender: Sender, files: RoomFiles, disk: Callable[..., None]
) -> None:
    disk(total=1000, free=700)  # a tenth is kept: 600 are left, room for two of 250

    def try_it(key: str) -> bool:
        try:
            sender.begin(250, key=key)
        except DataError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(try_it, [f"key {number}" for number in range(8)]))
    assert sum(taken) == 2

    known = sender.begin(250, key=f"key {taken.index(True)}")  # again is no second place
    append(files, known, 0, bytes(150))  # 100 of 500 promised bytes fewer, and of the disk
    disk(total=1000, free=550)
    assert sender.begin(100).n_bytes == 100  # 450 left, 350 awaited
    with pytest.raises(DataError, match="450 are promised"):
        sender.begin(1)


@on_sqlite
def test_an_upload_stops_before_what_is_kept_for_decisions_and_goes_on_later(
    sender: Sender, files: RoomFiles, disk: Callable[..., None]
) -> None:
    upload = sender.begin(50)
    disk(total=1000, free=119)

    append(files, upload, 0, bytes(19))
    with pytest.raises(StoreError) as caught:
        append(files, upload, 19, bytes(20))

    assert "disk is full" in caught.value.why
    assert received(files, upload) == 19
    disk(total=1000, free=120)
    assert append(files, upload, 19, bytes(20)) == 39


@on_sqlite
def test_an_account_has_no_more_than_its_quota_in_all_cases(
    sender: Sender, store: Store, files: RoomFiles, anna: User
) -> None:
    def begin(n_bytes: int, case: Case, user: User = anna) -> CaseUpload:
        announced = Announcement("a.png", n_bytes, str(uuid4()))
        limits = Limits(account_bytes=1000)
        return begin_upload(store, files, case.id, announced, user=user, limits=limits)

    other = create_case(store, "Patient 8", user=anna)
    first, _ = begin(600, sender.case), begin(400, other)
    with pytest.raises(DataError) as caught:
        begin(1, other)
    assert "1,000" in caught.value.why
    ben = create_user(store, "Ben", password="twelve letters and more", role="reader", actor=SYSTEM)
    assert begin(1000, sender.case, ben)

    give_up(store, first, actor=anna.actor)
    assert begin(600, sender.case)


def test_a_signed_case_takes_no_upload(sender: Sender, store: Store, files: RoomFiles, case: Case) -> None:
    content = picture(80, 80)
    upload = sender.begin(len(content))
    append(files, upload, 0, content)
    lock_case(store, case.id)

    with pytest.raises(ConflictError):
        sender.begin(10)
    with pytest.raises(ConflictError):
        finish(store, files, upload, actor=SYSTEM)
    assert images_of(store, case.id) == ()


@contextmanager
def room_for(n_bytes: int) -> Iterator[None]:
    """Let no file of this process grow beyond a size, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_leaves_what_came_before_and_the_upload_goes_on_later(
    sender: Sender, store: Store, files: RoomFiles
) -> None:
    content = picture(300, 300)
    upload = sender.begin(len(content))
    append(files, upload, 0, content[:100_000])

    with room_for(120_000), pytest.raises(StoreError) as caught:
        append(files, upload, 100_000, content[100_000:200_000])

    assert "disk is full" in caught.value.why
    assert received(files, upload) == 100_000
    append(files, upload, 100_000, content[100_000:])
    (image,) = finish(store, files, upload, actor=SYSTEM)
    assert files.image(image.path).read_bytes() == content


def test_a_kept_file_cannot_be_changed_through_its_upload(
    sender: Sender, store: Store, files: RoomFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = picture(80, 80)
    upload = sender.begin(len(content))
    append(files, upload, 0, content)
    with monkeypatch.context() as patch:  # a kill after the file was linked into its place
        patch.setattr(intake, "complete", _die)
        with pytest.raises(KeyboardInterrupt):
            finish(store, files, upload, actor=SYSTEM)
    assert len(kept(files)) == 1

    with pytest.raises(DataError):
        append(files, upload, len(content), b"more")
    (image,) = finish(store, files, upload, actor=SYSTEM)
    with pytest.raises(ConflictError):
        append(files, find_upload(store, upload.id) or upload, 0, b"x")

    assert files.image(image.path).read_bytes() == content


def _die(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_finishing_again_after_a_kill_between_any_two_steps_gives_the_same(
    sender: Sender, store: Store, files: RoomFiles, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = picture(80, 80)
    for step in ("keep_image", "complete"):
        upload = sender.begin(len(content), key="k")
        if received(files, upload) == 0:
            append(files, upload, 0, content)
        with monkeypatch.context() as patch:
            patch.setattr(intake, step, _die)
            with pytest.raises(KeyboardInterrupt):
                finish(store, files, upload, actor=SYSTEM)
    with monkeypatch.context() as patch:  # after the transaction, before the part is removed
        patch.setattr(Path, "unlink", _die)
        with pytest.raises(KeyboardInterrupt):
            finish(store, files, upload, actor=SYSTEM)
    assert files.part(upload.id).exists()

    first = finish(store, files, upload, actor=SYSTEM)
    second = finish(store, files, upload, actor=SYSTEM)

    assert first == second == images_of(store, case.id)
    assert len(kept(files)) == len(jobs_of(store, case.id)) == 1
    assert not files.part(upload.id).exists()


SEND = """
import sys
from pathlib import Path
from uuid import UUID
from leuknet.room.room_files import RoomFiles
from leuknet.room.intake import *
from leuknet.room.intake_checks import Limits
from leuknet.store import open_store
from leuknet.store.accounts import list_users
url, folder, case_id, user, content = sys.argv[1:]
files, content = RoomFiles(Path(folder)), Path(content).read_bytes()
with open_store(url) as store:
    print("ready", flush=True)
    announced = Announcement("a.png", len(content), "k")
    upload = begin_upload(store, files, UUID(case_id), announced, user=list_users(store)[0], limits=Limits())
    for at in range(received(files, upload), len(content), 7000):
        append(files, upload, at, content[at:at + 7000])
    (image,) = finish(store, files, upload, actor=f"user:{user}")
    print(image.sha256, flush=True)
"""


def test_kill_at_random_moments_loses_no_byte_that_was_acknowledged(
    sender: Sender, store: Store, files: RoomFiles, case: Case, tmp_path: Path
) -> None:
    content = picture(300, 300)
    source = tmp_path / "source.png"
    source.write_bytes(content)
    command = [sys.executable, "-c", SEND, store.address, str(files.folder), str(case.id)]
    command += [str(sender.user.id), str(source)]
    chance = np.random.default_rng(7)
    kills = 0
    for attempt in range(12):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        if attempt < 6:
            time.sleep(chance.uniform(0, 0.15))
            process.send_signal(signal.SIGKILL)
        out, _ = process.communicate(timeout=60)
        kills += process.returncode == -signal.SIGKILL
        if process.returncode == 0:
            assert out.strip() == hashlib.sha256(content).hexdigest()
            break

    assert kills >= 1
    (image,) = images_of(store, case.id)
    assert files.image(image.path).read_bytes() == content
    assert len(kept(files)) == len(jobs_of(store, case.id)) == 1
    assert audit.verify(store).broken_at is None


@pytest.mark.parametrize(
    ("height", "width", "black", "said", "expected"),
    [
        (450, 450, False, "auto", "crop"),
        (600, 600, False, "auto", "crop"),
        (601, 600, False, "auto", "field"),
        (900, 900, True, "auto", "crop"),
        (1300, 1300, True, "auto", "field"),
        (450, 450, False, "field", "field"),
        (450, 450, False, "slide", "field"),
        (700, 700, False, "crop", "crop"),
    ],
)
def test_what_an_image_is_follows_from_its_content_and_what_the_user_says(
    tmp_path: Path, height: int, width: int, black: bool, said: UploadKind, expected: str
) -> None:
    from leuknet.room.upload_content import keep_image

    part = tmp_path / "part"
    part.write_bytes(picture(height, width, black=black, form="BMP"))
    assert said in ("auto", "crop", "field", "slide")

    image = keep_image(RoomFiles(tmp_path), part, name="x", kind=said, microns_per_pixel=None)

    assert image.kind == expected
    assert image.path.endswith(".bmp")


@on_sqlite
def test_a_tiled_tiff_is_a_slide_with_the_scale_that_it_states(sender: Sender) -> None:
    tifffile = pytest.importorskip("tifffile")
    stream = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 255, (512, 768, 3), np.uint8)
    options = {"photometric": "rgb", "resolutionunit": "CENTIMETER"}
    tifffile.imwrite(stream, pixels, tile=(256, 256), resolution=(40000, 40000), **options)

    image = sender.send(stream.getvalue(), name="slide.tiff")

    assert (image.kind, image.height_px, image.width_px) == ("slide", 512, 768)
    assert image.microns_per_pixel == pytest.approx(0.25)
    assert image.path.endswith(".tif")


@on_sqlite
@pytest.mark.parametrize("form", ["sha256", "tree"])
def test_what_came_is_what_its_key_stands_for(
    store: Store, sender: Sender, files: RoomFiles, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload_content, "KEY_PART_BYTES", 100)
    content = picture(40, 40)
    parts = b"".join(hashlib.sha256(content[at : at + 100]).digest() for at in range(0, len(content), 100))
    whole = hashlib.sha256(content if form == "sha256" else parts).hexdigest()
    key = whole if form == "sha256" else f"tree-{whole}-auto--0"
    changed = content[:-1] + bytes([content[-1] ^ 1])

    upload = sender.begin(len(content), key=key)
    append(files, upload, 0, changed)
    with pytest.raises(DataError, match="cannot use") as caught:
        finish(store, files, upload, actor=sender.user.actor)
    assert "not the file that was announced" in caught.value.why
    assert kept(files) == []
    upload = sender.begin(len(content), key=key.replace("--0", "--1") if form == "tree" else "x" + key)
    append(files, upload, 0, content)
    assert len(finish(store, files, upload, actor=sender.user.actor)) == 1


@on_sqlite
def test_another_file_of_a_dicom_series_does_not_get_into_a_slide(
    sender: Sender, files: RoomFiles, tmp_path: Path
) -> None:
    """OpenSlide takes all files of a series in a folder for one slide; hashes that begin alike share one."""
    own, foreign = np.full((300, 400, 3), 90, np.uint8), np.full((600, 800, 3), 200, np.uint8)
    series: dict[str, Any] = {
        "StudyInstanceUID": "1.2.3",
        "SeriesInstanceUID": "1.2.3.4",
        "FrameOfReferenceUID": "1.2.3.5",
    }
    path = tmp_path / "a.dcm"
    write_dicom(path, own, **series)
    image = sender.send(path.read_bytes(), name="a.dcm")
    write_dicom(path, foreign, ContainerIdentifier="000000", **series)
    forged = path.read_bytes()
    alike = (forged.replace(b"000000", b"%06d" % number) for number in range(100_000))
    content = next(one for one in alike if hashlib.sha256(one).hexdigest()[:2] == image.sha256[:2])
    other = sender.send(content, name="b.dcm")

    assert files.image(other.path).parent == files.image(image.path).parent
    for one, size, level in (image, (300, 400), 90), (other, (600, 800), 200):
        assert (one.height_px, one.width_px) == size
        with open_image(files, one) as field:
            assert (field.height_px, field.width_px) == size
            assert np.abs(field.read(0, 0, 100, 100).astype(int) - level).max() <= 2
    OPEN.close()


def test_the_stated_scale_counts_more_than_the_file_s(store: Store, sender: Sender, files: RoomFiles) -> None:
    content = picture(700, 700)
    upload = begin_upload(
        store,
        files,
        sender.case.id,
        Announcement("f.png", len(content), "k", "field", 0.07),
        user=sender.user,
        limits=LIMITS,
    )
    append(files, upload, 0, content)

    (image,) = finish(store, files, upload, actor=SYSTEM)

    assert image.microns_per_pixel == 0.07


def png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


def tiff_header(width: int, height: int) -> bytes:
    tags = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 8), (259, 3, 1, 8), (262, 3, 1, 2)]
    tags += [(273, 4, 1, 8), (277, 3, 1, 3), (278, 4, 1, height), (279, 4, 1, 100)]
    body = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + body + bytes(104)


def other(mode: str) -> bytes:
    stream = io.BytesIO()
    Image.new(mode, (80, 80), 200).save(stream, "PNG")
    return stream.getvalue()


REFUSED = {
    "a PNG that claims 60,000 x 60,000": (png_header(60_000, 60_000), "too large"),
    "a TIFF that claims 900,000 x 900,000": (tiff_header(900_000, 900_000), ""),
    "a PNG cut off": (picture(80, 80)[:-20], ""),
    "a PNG damaged in the middle": (picture(80, 80)[:5000] + b"XXXX" + picture(80, 80)[5004:], ""),
    "grey": (other("L"), "grey"),
    "16 bit": (other("I;16"), "more than 8 bits"),
    "a page with a script": (
        b"<html><script>alert(1)</script></html>",
        "neither BMP, PNG, JPEG, TIFF nor WebP",
    ),
    "a page that begins like a BMP": (b"BM<html><script>alert(1)</script></html>" * 9, ""),
    "SVG": (b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>', "neither"),
    "text": (b"a,b,c\n1,2,3\n", "neither"),
    "zero bytes": (bytes(5000), "neither"),
    "an image of 4 x 4": (picture(4, 4), "too small"),
}


@on_sqlite
@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_usable_image_is_refused_in_words_and_leaves_no_file(sender: Sender, name: str) -> None:
    content, word = REFUSED[name]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    why = sender.refused(content)

    assert word in why
    grown_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown_mb < 100


@on_sqlite
def test_one_file_of_a_slide_of_several_is_refused(sender: Sender) -> None:
    # An MRXS file begins like the JPEG that it is; the slide lies in a folder beside it.
    why = sender.refused(picture(700, 700, form="JPEG"), name="patient.MRXS")

    assert "several files" in why


@on_sqlite
def test_a_crop_too_large_for_one_is_refused(sender: Sender) -> None:
    assert "at most 4096" in sender.refused(picture(4200, 20, form="BMP"), kind="crop")


@on_sqlite
def test_a_polyglot_is_kept_as_the_image_that_it_is(sender: Sender, files: RoomFiles) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as members:
        members.writestr("evil.html", "<script>alert(1)</script>")
    content = picture(80, 80) + b"<script>alert(1)</script>" + archive.getvalue()

    image = sender.send(content, name="a.html")

    # Served by this suffix later, whatever it was called; and not taken for an archive.
    assert image.path.endswith(".png")
    assert image.name == "a.html"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("/etc/shadow.png", "shadow.png"),
        ("C:\\Users\\Anna\\cell.png", "cell.png"),
        ("..", ".."),
        ("day 1/a\u202e/cell.png", "day 1/a/cell.png"),
        ("day 1\\cell.png", "day 1/cell.png"),
        ("day 1/../cell.png", "cell.png"),
        ("day/" * 100 + "cell.png", "cell.png"),
        ("a\0b.png", "ab.png"),
        ("CON", "CON"),
        ("evil\u202egnp.exe", "evilgnp.exe"),
        ("zero\u200bwidth\u2066.png", "zerowidth.png"),
        ("two\nlines\r\x1b[31m.png", "twolines[31m.png"),
        ("damaged\udcff.png", "damaged.png"),
        ("<img src=x onerror=alert(1)>.png", "<img src=x onerror=alert(1)>.png"),
        ("=cmd|' !A0.csv", "=cmd|' !A0.csv"),
        ("/", "unnamed"),
        ("", "unnamed"),
        ("\u200b", "unnamed"),
        ("Zelle №7 – Größe.png", "Zelle №7 – Größe.png"),
        ("x" * 400 + ".png", "x" * 300),
    ],
)
def test_a_name_is_text_to_be_shown(name: str, shown: str) -> None:
    assert shown_name(name) == shown


@on_sqlite
@pytest.mark.parametrize(
    "name", ["../../evil.png", "/etc/evil.png", "a\0b", "CON", "x" * 5000, "evil\u202egnp"]
)
def test_no_name_decides_where_a_file_lies(sender: Sender, files: RoomFiles, name: str) -> None:
    image = sender.send(picture(80, 80), name=name)

    assert kept(files) == [files.image(f"images/{image.sha256[:2]}/{image.sha256}.png")]
    assert not list(files.folder.parent.rglob("evil*"))
    assert len(image.name) <= 300


def test_a_path_of_the_database_that_leads_out_is_refused(files: RoomFiles) -> None:
    for path in ("../x", "/etc/passwd", "images/../../x", "a\\b", "", "a\0b"):
        with pytest.raises(SettingError):
            files.image(path)
    with pytest.raises(SettingError):
        files.map(1, 2, "../x")


@on_sqlite
def test_files_are_kept_where_there_are_no_hard_links(
    sender: Sender, files: RoomFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    content = picture(80, 80)

    image = sender.send(content)

    assert files.image(image.path).read_bytes() == content
    assert list(files.folder.joinpath("parts").iterdir()) == []


def test_an_archive_goes_to_the_worker_once(
    sender: Sender, store: Store, files: RoomFiles, case: Case
) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a.png", picture(80, 80))
    upload = sender.begin(len(stream.getvalue()), name="whatever.bin")
    append(files, upload, 0, stream.getvalue())

    for _ in range(2):
        assert finish(store, files, upload, actor=SYSTEM) == ()

    (job,) = jobs_of(store, case.id)
    assert (job.kind, job.detail) == ("archive", {"by": SYSTEM, "upload": str(upload.id)})
    assert files.part(upload.id).exists()


def test_what_nobody_needs_is_swept(sender: Sender, store: Store, files: RoomFiles) -> None:
    coming, left = sender.begin(10), sender.begin(10)
    for upload in (coming, left):
        append(files, upload, 0, b"abc")
    stray = files.part(uuid4())
    stray.write_bytes(b"x")
    archive = io.BytesIO()
    zipfile.ZipFile(archive, "w").close()
    waiting = sender.begin(len(archive.getvalue()), kind="archive")
    append(files, waiting, 0, archive.getvalue())
    finish(store, files, waiting, actor=SYSTEM)

    assert sweep(store, files) == 1
    assert not stray.exists()
    assert all(files.part(one.id).exists() for one in (coming, left, waiting))

    assert sweep(store, files, now=datetime.now(UTC) + timedelta(days=8)) == 2
    given_up = find_upload(store, left.id)
    assert given_up is not None
    assert given_up.state == "failed"
    assert "Upload it again" in (given_up.error or "")
    assert files.part(waiting.id).exists()
    with pytest.raises(LeukNetError):
        append(files, given_up, 3, b"d")
