"""Archives of images, honest and hostile, and tables of scored crops."""

from __future__ import annotations

import io
import stat
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import polars as pl
import pytest

from leuknet.errors import DataError, SettingError
from leuknet.inference.prediction_table import write_predictions
from leuknet.inference.scored_table import CALLED_UNFAMILIAR
from leuknet.room import archive
from leuknet.room.archive import take_archive
from leuknet.room.intake import take_whole
from leuknet.room.intake_checks import Limits
from leuknet.room.room_files import RoomFiles
from leuknet.room.table import take_table
from leuknet.room.tally import Tally
from leuknet.room.upload_content import keep_image
from leuknet.store import open_store
from leuknet.store.cases import create_case, images_of
from leuknet.store.cells import cells_of
from leuknet.store.database import Store
from leuknet.store.jobs import jobs_of
from leuknet.store.nouns import Announcement, Case, CaseUpload, UploadKind, User
from leuknet.store.scorings import scorings_of
from leuknet.types import Prediction
from tests.room.test_intake import kept, picture

LIMITS = Limits()


pytestmark = pytest.mark.usefixtures("quick_hashes")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(f"sqlite:///{tmp_path / 'room' / 'reading-room.db'}") as opened:
        yield opened


@pytest.fixture
def case(store: Store, anna: User) -> Case:
    return create_case(store, "Patient 7", user=anna)


class Taker:
    """Uploads archives and tables, and takes them in as the worker does."""

    def __init__(self, store: Store, files: RoomFiles, case: Case, user: User) -> None:
        self.store, self.files, self.case, self.user = store, files, case, user

    def upload(self, content: bytes, name: str, kind: UploadKind) -> CaseUpload:
        return take_whole(
            self.store,
            self.files,
            self.case.id,
            Announcement(name, len(content), str(uuid4()), kind),
            content,
            user=self.user,
            limits=LIMITS,
        )

    def archive(self, content: bytes, *, limits: Limits = LIMITS) -> Tally:
        upload = self.upload(content, "cells.zip", "archive")
        return take_archive(self.store, self.files, upload, limits=limits, report=lambda _: None)

    def table(self, content: bytes, *, root: Path | None) -> Tally:
        upload = self.upload(content, "table", "table")
        return take_table(self.store, self.files, upload, image_root=root, report=lambda _: None)


@pytest.fixture
def taker(store: Store, files: RoomFiles, case: Case, anna: User) -> Taker:
    return Taker(store, files, case, anna)


def zipped(members: dict[str, bytes], *, compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as written:
        for name, content in members.items():
            written.writestr(name, content)
    return stream.getvalue()


@pytest.mark.parametrize("encoding", ["utf-8", "cp932", "cp437"])
def test_names_in_an_archive_are_read_as_their_writer_meant_them(
    encoding: str, taker: Taker, store: Store, case: Case
) -> None:
    name = {"utf-8": "Übung 7.png", "cp932": "細胞テスト.png", "cp437": "Übung 7.png"}[encoding]
    raw = name.encode(encoding)
    # As other programs write it: the bytes without the mark of UTF-8, under a name of as many letters.
    stand_in = "x" * len(raw)
    content = zipped({stand_in: picture(80, 80, seed=1, form="PNG")}).replace(stand_in.encode(), raw)

    taker.archive(content)

    assert [image.name for image in images_of(store, case.id)] == [name]


def test_images_of_an_archive_become_images_of_the_case(
    taker: Taker, store: Store, files: RoomFiles, case: Case
) -> None:
    contents = [picture(80, 80, seed=seed, form=form) for seed, form in enumerate(("PNG", "BMP", "JPEG"))]
    members = {f"folder/cell {n}": content for n, content in enumerate(contents)}
    members |= {"__MACOSX/folder/._cell 0": b"x", "folder/.DS_Store": b"x", "folder/sub/": b""}

    tally = taker.archive(zipped(members))

    assert (tally.n_images, tally.n_unusable, tally.n_passed_over) == (3, 0, 2)
    assert tally.note == "2 passed over, which systems or programs leave."
    images = images_of(store, case.id)
    assert [image.name for image in images] == ["folder/cell 0", "folder/cell 1", "folder/cell 2"]
    # Each as it was: a member must not be written over the one before, which is a link to the same part.
    assert [files.image(image.path).read_bytes() for image in images] == contents
    assert [job.kind for job in jobs_of(store, case.id)] == ["archive", "score"]
    assert not list(files.folder.glob("parts/*.member"))


def test_an_archive_taken_twice_gives_each_image_once(
    taker: Taker, store: Store, files: RoomFiles, case: Case
) -> None:
    content = zipped({f"{seed}.png": picture(80, 80, seed=seed) for seed in range(3)})
    upload = taker.upload(content, "cells.zip", "auto")

    for _ in range(2):
        take_archive(store, files, upload, limits=LIMITS, report=lambda _: None)

    assert len(images_of(store, case.id)) == len(kept(files)) == 3


def link(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


def test_members_that_cannot_be_used_are_told_and_the_others_taken(
    taker: Taker, store: Store, files: RoomFiles, tmp_path: Path, case: Case
) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as written:
        written.writestr("good.png", picture(80, 80))
        written.writestr("../../slip.png", picture(80, 80, seed=1))
        written.writestr("/etc/absolute.png", picture(80, 80, seed=2))
        written.writestr("C:\\drive.png", picture(80, 80, seed=3))
        written.writestr(link("link.png"), "/etc/passwd")
        written.writestr("nested.zip", zipped({"a.png": picture(80, 80, seed=4)}))
        written.writestr("page.html", "<script>alert(1)</script>")
    tally = taker.archive(stream.getvalue())

    assert (tally.n_images, tally.n_unusable) == (1, 6)
    note = tally.note or ""
    for name, why in {
        "slip.png": "leads out",
        "absolute.png": "leads out",
        "drive.png": "leads out",
        "link.png": "a link",
        "nested.zip": "an archive",
        "page.html": "neither BMP, PNG, JPEG, TIFF nor WebP",
    }.items():
        (line,) = [line for line in note.splitlines() if name in line]
        assert why in line
    assert [image.name for image in images_of(store, case.id)] == ["good.png"]
    outside = [path for path in tmp_path.rglob("*.png") if not path.is_relative_to(files.folder / "images")]
    assert outside == []


def bomb() -> bytes:
    """An archive of 100 KB out of which 100 MB come."""
    return zipped({"bomb.bmp": b"BM" + bytes(100 * 2**20)})


def lying(content: bytes, size: int) -> bytes:
    """Let an archive's one member claim another size when inflated, in both of its headers."""
    changed = bytearray(content)
    for signature, at in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        start = changed.index(signature) + at
        changed[start : start + 4] = struct.pack("<I", size)
    return bytes(changed)


def encrypted() -> bytes:
    content = bytearray(zipped({"a.png": picture(80, 80)}))
    for signature, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + at] |= 1
    return bytes(content)


REFUSED = {
    "a bomb": (bomb(), "more than 67,108,864 bytes come out"),
    "a bomb that claims to be small": (lying(bomb(), 1000), "holds no image"),
    "encrypted": (encrypted(), "'a.png' in it is encrypted"),
    "not a zip": (b"PK\x03\x04" + bytes(500), "no whole zip archive"),
    "cut off": (zipped({"a.png": picture(80, 80)})[:-30], "no whole zip archive"),
    "empty": (zipped({}), "holds no image"),
    "without images": (zipped({"a.txt": b"x", "b.txt": b"y"}), "2 could not be used"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_hostile_archive_is_refused_in_words_and_leaves_nothing(
    taker: Taker, store: Store, files: RoomFiles, case: Case, name: str
) -> None:
    content, why = REFUSED[name]

    with pytest.raises(DataError) as caught:
        taker.archive(content)

    assert why in caught.value.why
    assert images_of(store, case.id) == ()
    assert kept(files) == []
    assert not list(files.folder.glob("parts/*.member"))


def test_an_archive_of_more_than_an_upload_may_have_is_refused_when_inflated(taker: Taker) -> None:
    content = zipped({f"{seed}.bmp": picture(300, 300, seed=seed, form="BMP") for seed in range(4)})

    with pytest.raises(DataError) as caught:
        taker.archive(content, limits=Limits(max_upload_bytes=1_000_000))

    assert "more than 1,000,000 bytes come out" in caught.value.why


def test_an_archive_of_too_many_members_is_refused(taker: Taker) -> None:
    with pytest.raises(DataError) as caught:
        taker.archive(zipped({str(n): b"" for n in range(archive.MAX_MEMBERS + 1)}))

    assert "20,001 members" in caught.value.why


def test_a_list_of_members_that_claims_much_memory_is_not_read(
    taker: Taker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "MAX_DIRECTORY_BYTES", 100_000)

    with pytest.raises(DataError) as caught:
        taker.archive(zipped({f"{n:0200}": b"" for n in range(1000)}))

    assert "its list of members has" in caught.value.why


def predictions(*rows: tuple[str, float | None, tuple[str, ...]]) -> list[Prediction]:
    return [
        Prediction(
            path=path,
            probability=probability,
            threshold=0.4,
            model_id="m" * 12,
            warnings=warnings,
            error="damaged" if probability is None else None,
            undecided=(0.45, 0.55),
        )
        for path, probability, warnings in rows
    ]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder that holds images, beside one that must not be read."""
    folder = tmp_path / "images"
    (folder / "sub").mkdir(parents=True)
    for seed, name in enumerate(("a.png", "sub/b.png", "c.png", "d.png")):
        (folder / name).write_bytes(picture(80, 90, seed=seed))
    (tmp_path / "secret.png").write_bytes(picture(80, 90, seed=9))
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    return folder


def table(rows: list[Prediction], folder: Path, suffix: str) -> bytes:
    path = folder / f"table{suffix}"
    write_predictions(rows, path, class_names=("HEM", "ALL"))
    return path.read_bytes()


def test_a_crop_that_a_table_calls_unfamiliar_is_so_without_a_warning_too(
    taker: Taker, store: Store, case: Case, root: Path, tmp_path: Path
) -> None:
    content = table(predictions(("a.png", 0.9, ()), ("c.png", 0.9, ())), tmp_path, ".csv")

    taker.table(content.replace(b"ALL,ALL", b"ALL,unfamiliar", 1), root=root)

    cells = cells_of(store, case.id)
    assert [cell.outcome for cell in cells] == ["unfamiliar", "positive"]
    assert [cell.warnings for cell in cells] == [(CALLED_UNFAMILIAR,), ()]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_crops_of_a_table_keep_its_scores(
    taker: Taker, store: Store, files: RoomFiles, case: Case, root: Path, tmp_path: Path, suffix: str
) -> None:
    rows = predictions(
        ("a.png", 0.42, ()),
        (str(root / "sub" / "b.png"), 0.1, ()),
        ("c.png", 0.5, ()),
        ("d.png", 0.9, ("blurred", "dark")),
    )

    for _ in range(2):
        tally = taker.table(table(rows, tmp_path, suffix), root=root)
        assert (tally.n_images, tally.note) == (4, None)

    cells = cells_of(store, case.id)
    assert [cell.probability for cell in cells] == [0.42, 0.1, 0.5, 0.9]
    assert [cell.outcome for cell in cells] == ["positive", "negative", "uncertain", "unfamiliar"]
    assert cells[3].warnings == ("blurred", "dark")
    assert {cell.model_id for cell in cells} == {"m" * 12}
    assert (cells[0].box.bottom_px, cells[0].box.right_px) == (80, 90)
    assert [one.state for one in scorings_of(store, case.id)] == ["scored"] * 4
    assert all(files.thumb(cell.image_id, cell.id).is_file() for cell in cells)
    assert "score" not in [job.kind for job in jobs_of(store, case.id)]
    sent = keep_image(files, root / "a.png", name="a.png", kind="auto", microns_per_pixel=None)
    assert images_of(store, case.id)[0].pixels_sha256 == sent.pixels_sha256  # so that studies know it


def test_rows_whose_image_may_not_be_read_are_told(
    taker: Taker, store: Store, case: Case, root: Path, tmp_path: Path
) -> None:
    rows = predictions(
        ("a.png", 0.4, ()),
        ("../secret.png", 0.4, ()),
        (str(tmp_path / "secret.png"), 0.4, ()),
        ("link.png", 0.4, ()),
        ("/etc/passwd", 0.4, ()),
        ("missing.png", 0.4, ()),
        ("sub", 0.4, ()),
        ("c.png", None, ()),
    )

    tally = taker.table(table(rows, tmp_path, ".csv"), root=root)

    assert (tally.n_images, tally.n_unusable) == (1, 7)
    assert [image.name for image in images_of(store, case.id)] == ["a.png"]
    lines = (tally.note or "").splitlines()
    assert [line.partition(":")[0] for line in lines[1:]] == [
        f"row {row}, {name!r}"
        for row, name in enumerate(
            ("secret.png", "secret.png", "link.png", "passwd", "missing.png", "sub", "c.png"), 2
        )
    ]
    assert sum("outside of" in line for line in lines) == 4


def test_a_table_is_refused_where_no_folder_is_allowed(taker: Taker, root: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingError) as caught:
        taker.table(table(predictions(("a.png", 0.4, ())), tmp_path, ".csv"), root=None)

    assert "leuknet serve --images FOLDER" in caught.value.fix


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"path,probability\na.png,0.5\n", "lacks the column 'outcome'"),
        (b"PAR1" + bytes(100), ""),
        (b"\xff\xfe\x00", ""),
    ],
)
def test_a_table_that_is_none_is_refused(taker: Taker, root: Path, content: bytes, why: str) -> None:
    with pytest.raises(DataError) as caught:
        taker.table(content, root=root)

    assert why in caught.value.why
    assert not list(taker.files.folder.glob("parts/*.table*"))


def test_a_table_none_of_whose_images_is_there_is_refused(taker: Taker, root: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        taker.table(table(predictions(("x.png", 0.4, ()), ("y.png", 0.4, ())), tmp_path, ".csv"), root=root)

    assert "2 could not be used" in caught.value.why


def test_a_table_is_told_from_an_image_by_its_content(
    taker: Taker, store: Store, case: Case, tmp_path: Path
) -> None:
    rows = predictions(("a.png", 0.4, ()))
    taker.upload(table(rows, tmp_path, ".parquet"), "anything", "auto")
    taker.upload(table(rows, tmp_path, ".csv"), "scores.csv", "auto")

    assert [job.kind for job in jobs_of(store, case.id)] == ["table", "table"]
    assert pl.read_parquet(tmp_path / "table.parquet").height == 1
