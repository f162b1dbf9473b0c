"""A whole reading room is copied while in use, and put back with all that it held."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

pytest.importorskip("sqlalchemy", reason="SQLAlchemy is not installed: pip install 'leuknet[web]'")

from leuknet.room.room_files import image_path
from leuknet.store import open_store
from leuknet.store.accounts import create_user
from leuknet.store.cases import add_image, cases_of, create_case, images_of
from leuknet.store.nouns import SYSTEM, CaseImage, NewImage, User
from tests.conftest import run_cli


def keep_image(room: Path, user: User, content: bytes) -> CaseImage:
    """Put an image into the room's only case, as the intake does."""
    sha256 = hashlib.sha256(content).hexdigest()
    path = image_path(sha256, ".png")
    (room / path).parent.mkdir(parents=True, exist_ok=True)
    (room / path).write_bytes(content)
    with open_store(f"sqlite:///{room / 'reading-room.db'}") as store:
        case = cases_of(store, user)[0]
        new = NewImage(sha256, "a.png", "crop", 10, 10, len(content), None, path)
        return add_image(store, case.id, new, actor=user.actor)


@pytest.fixture
def admin(tmp_path: Path) -> User:
    with open_store(f"sqlite:///{tmp_path / 'room' / 'reading-room.db'}") as store:
        admin = create_user(store, "Ada", password="twelve letters and more", role="admin", actor=SYSTEM)
        create_case(store, "Patient 7", user=admin)
        return admin


def test_a_restored_room_has_its_cases_images_and_reports(tmp_path: Path, admin: User) -> None:
    room = tmp_path / "room"
    image = keep_image(room, admin, b"the first image")
    report = room / "signed" / "case" / "1.html"
    report.parent.mkdir(parents=True)
    report.write_text("signed")
    (room / "derived").mkdir()
    (room / "derived" / "thumb.webp").write_text("can be made anew")

    made = run_cli("store", "backup", tmp_path / "copy", "--data", room)
    ended = run_cli("store", "restore", tmp_path / "copy", "--data", tmp_path / "new")

    assert (made.status, ended.status) == (0, 0), made.err + ended.err
    assert "2 copied" in made.out
    assert (tmp_path / "new" / image.path).read_bytes() == b"the first image"
    assert (tmp_path / "new" / "signed" / "case" / "1.html").read_text() == "signed"
    assert not (tmp_path / "new" / "derived").exists()
    with open_store(f"sqlite:///{tmp_path / 'new' / 'reading-room.db'}") as store:
        (case,) = cases_of(store, admin)
        assert images_of(store, case.id) == (image,)


def test_a_second_backup_adds_what_the_folder_lacks_and_keeps_the_first(tmp_path: Path, admin: User) -> None:
    room, copy = tmp_path / "room", tmp_path / "copy"
    keep_image(room, admin, b"the first image")
    run_cli("store", "backup", copy, "--data", room)
    (first,) = copy.glob("reading-room-*.db")
    first = first.rename(copy / "reading-room-20000101T000000Z.db")
    keep_image(room, admin, b"the second image")

    again = run_cli("store", "backup", copy, "--data", room)
    assert "1 copied, 1 were there" in again.out

    old = run_cli("store", "restore", copy, "--data", tmp_path / "old", "--database", first)
    new = run_cli("store", "restore", copy, "--data", tmp_path / "new")
    assert (old.status, new.status) == (0, 0), old.err + new.err
    for name, images in (("old", 1), ("new", 2)):
        with open_store(f"sqlite:///{tmp_path / name / 'reading-room.db'}") as store:
            (case,) = cases_of(store, admin)
            assert len(images_of(store, case.id)) == images


def test_a_damaged_image_is_not_copied_and_is_named(tmp_path: Path, admin: User) -> None:
    room = tmp_path / "room"
    image = keep_image(room, admin, b"the first image")
    (room / image.path).write_bytes(b"bits that turned")

    made = run_cli("store", "backup", tmp_path / "copy", "--data", room)
    assert made.status == 2
    assert image.sha256 in made.err
    assert not (tmp_path / "copy" / image.path).exists()

    ended = run_cli("store", "restore", tmp_path / "copy", "--data", tmp_path / "new")
    assert ended.status == 2
    assert "images are missing: 1" in ended.err
    assert image.sha256 in ended.err


def test_nothing_is_restored_over_a_room(tmp_path: Path, admin: User) -> None:
    room = tmp_path / "room"
    run_cli("store", "backup", tmp_path / "copy", "--data", room)

    ended = run_cli("store", "restore", tmp_path / "copy", "--data", room)

    assert ended.status == 2
    assert "nothing is ever overwritten" in ended.err


def test_a_database_on_postgresql_is_named_by_its_address_not_by_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEUKNET_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")

    ended = run_cli("store", "backup", tmp_path / "copy", "--data", tmp_path / "room")

    assert ended.status == 2
    assert "nobody@127.0.0.1:1" in ended.err
