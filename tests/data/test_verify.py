"""Verification: real crops, and each finding on a small copy drawn for it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from leuknet.data.published_counts import COUNTS, FOLDERS, PRELIM_LABELS
from leuknet.data.verify import Verification, verify
from leuknet.errors import DatasetError, SettingError
from leuknet.images.published_bmp import bmp_bytes
from leuknet.types import PartSummary

ALL_0 = "training_data/fold_0/all"
ALL_1 = "training_data/fold_1/all"
HEM_0 = "training_data/fold_0/hem"
PRELIM = FOLDERS["prelim"]


def draw_image(root: Path, name: str, *, shade: int, side_px: int = 450) -> None:
    """Write a black BMP as the publisher does, with a square of red `shade`: equal shades, equal bytes."""
    pixels = np.zeros((side_px, side_px, 3), dtype=np.uint8)
    pixels[20:40, 20:40] = (shade, 0, shade)
    path = root / "C-NMC_Leukemia" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bmp_bytes(pixels, "long" if name.startswith(PRELIM) else "short"))


def write_hashes(root: Path, published: dict[str, bytes]) -> Path:
    rows = [
        f"C-NMC_Leukemia/{name}\t{hashlib.sha256(content).hexdigest()}\t{len(content)}"
        for name, content in published.items()
    ]
    path = root / "published.tsv"
    path.write_text("\n".join(["path\tsha256\tbytes", *rows]))
    return path


def read(root: Path, name: str) -> bytes:
    return (root / "C-NMC_Leukemia" / name).read_bytes()


def found(result: Verification, kind: str) -> list[tuple[str, str, str]]:
    return [(one.severity, one.path, one.message) for one in result.findings if one.kind == kind]


def test_real_crops_verify_as_a_partial_copy(shared_data: Path) -> None:
    folder = shared_data / "cnmc2019"

    result = verify(folder, prelim_labels=folder / "prelim_labels.csv")

    assert (result.dataset, result.simulated, result.worst) == ("c-nmc-2019", False, "warning")
    # 92 + 12 + 22 = 126 training crops, 7 of them HEM; 10 ALL subjects and 3 HEM ones after merging.
    assert result.parts[0] == PartSummary("fold_0", 92, 91, 1, 0, 7)
    assert [part.images for part in result.parts] == [92, 12, 22, 3]
    assert sum(part.normal for part in result.parts) == 7
    assert result.subjects == 13
    missing = [message for _, _, message in found(result, "missing")]
    assert "2,306 of 2,397 ALL images of fold_0 are missing" in missing
    assert "2,586 of 2,586 images of final are missing" in missing
    assert "4 of 31 subjects of fold_2 are incomplete" in " ".join(missing)
    assert {one.kind for one in result.findings} == {"missing", "merged", "label-without-file"}


def test_real_crops_have_the_published_bytes(shared_data: Path) -> None:
    folder = shared_data / "cnmc2019"

    result = verify(folder, prelim_labels=folder / "prelim_labels.csv", hashes=folder / "manifest.tsv")

    assert result.worst == "warning"
    # 15,114 images and the label file are published; 129 images are here.
    missing = [path for _, path, _ in found(result, "missing")]
    assert len(missing) == 15_115 - 129
    assert "training_data/fold_0/hem/UID_H6_1_1_hem.bmp" not in missing
    assert {one.kind for one in result.findings} == {"missing", "merged", "label-without-file"}


def test_bytes_are_compared_with_the_published_ones(tmp_path: Path) -> None:
    names = [f"{ALL_0}/UID_1_1_{cell}_all.bmp" for cell in range(1, 6)]
    for shade, name in enumerate(names[:4], start=1):
        draw_image(tmp_path, name, shade=shade)
    hashes = write_hashes(
        tmp_path,
        {
            names[0]: read(tmp_path, names[0]),
            names[1]: b"something else",
            f"{HEM_0}/UID_H6_1_1_hem.bmp": read(tmp_path, names[2]),
            names[4]: b"never copied",
        },
    )

    result = verify(tmp_path, hashes=hashes)

    assert found(result, "changed") == [("error", names[1], "its bytes are not the published ones")]
    assert found(result, "mislabelled") == [
        ("error", names[2], f"its bytes are published as {HEM_0}/UID_H6_1_1_hem.bmp")
    ]
    assert found(result, "extra") == [("warning", names[3], "neither its name nor its bytes are published")]
    assert [path for _, path, _ in found(result, "missing")] == [names[4], f"{HEM_0}/UID_H6_1_1_hem.bmp"]


def test_a_published_header_that_is_not_known_here_is_told_by_the_list(tmp_path: Path) -> None:
    draw_image(tmp_path, f"{ALL_0}/UID_1_1_1_all.bmp", shade=1)
    path = tmp_path / "C-NMC_Leukemia" / ALL_0 / "UID_1_1_1_all.bmp"
    with Image.open(path) as image:
        image.load()
    image.save(path)  # Pillow writes another resolution into the header
    hashes = write_hashes(
        tmp_path, {f"{ALL_0}/UID_1_1_1_all.bmp": read(tmp_path, f"{ALL_0}/UID_1_1_1_all.bmp")}
    )

    assert [one.kind for one in verify(tmp_path, hashes=hashes).findings] == ["copy"]


def test_an_upper_case_extension_is_still_the_published_file(tmp_path: Path) -> None:
    draw_image(tmp_path, f"{ALL_0}/UID_1_1_1_all.BMP", shade=1)
    hashes = write_hashes(
        tmp_path, {f"{ALL_0}/UID_1_1_1_all.bmp": read(tmp_path, f"{ALL_0}/UID_1_1_1_all.BMP")}
    )

    assert verify(tmp_path, hashes=hashes).findings == ()


def test_a_file_that_cannot_be_read_is_not_also_called_missing(tmp_path: Path) -> None:
    draw_image(tmp_path, f"{ALL_0}/UID_1_1_1_all.bmp", shade=1)
    (tmp_path / "C-NMC_Leukemia" / ALL_0 / "UID_1_1_2_all.bmp").symlink_to("nowhere.bmp")
    hashes = write_hashes(
        tmp_path,
        {
            f"{ALL_0}/UID_1_1_1_all.bmp": read(tmp_path, f"{ALL_0}/UID_1_1_1_all.bmp"),
            f"{ALL_0}/UID_1_1_2_all.bmp": b"published",
        },
    )

    assert [one.kind for one in verify(tmp_path, hashes=hashes).findings] == ["unreadable"]


def test_a_changed_file_of_labels_shows_though_it_is_no_image(tmp_path: Path) -> None:
    draw_image(tmp_path, f"{PRELIM}/1.bmp", shade=1)
    (tmp_path / "C-NMC_Leukemia" / PRELIM_LABELS).write_text("new_names,labels\n1.bmp,0\n")
    hashes = write_hashes(
        tmp_path,
        {f"{PRELIM}/1.bmp": read(tmp_path, f"{PRELIM}/1.bmp"), PRELIM_LABELS: b"new_names,labels\n1.bmp,1\n"},
    )

    (finding,) = verify(tmp_path, hashes=hashes).findings

    assert (finding.severity, finding.kind, finding.path) == ("error", "changed", PRELIM_LABELS)


@pytest.mark.parametrize("content", ["path,sha256\na,b\n", "path\tsha256\n", ""])
def test_a_list_of_hashes_that_is_none_is_refused(tmp_path: Path, content: str) -> None:
    draw_image(tmp_path, f"{ALL_0}/UID_1_1_1_all.bmp", shade=1)
    (tmp_path / "published.tsv").write_text(content)

    with pytest.raises(DatasetError, match="list of hashes"):
        verify(tmp_path, hashes=tmp_path / "published.tsv")


def test_wrong_sizes_black_and_broken_images_are_errors(tmp_path: Path) -> None:
    draw_image(tmp_path, f"{ALL_0}/UID_1_1_1_all.bmp", shade=1)
    draw_image(tmp_path, f"{ALL_0}/UID_1_1_2_all.bmp", shade=1, side_px=600)
    draw_image(tmp_path, f"{ALL_0}/UID_1_1_3_all.bmp", shade=1, side_px=224)
    draw_image(tmp_path, f"{ALL_0}/UID_1_1_4_all.bmp", shade=0)
    (tmp_path / "C-NMC_Leukemia" / ALL_0 / "UID_1_1_5_all.bmp").write_bytes(b"BM")

    result = verify(tmp_path)

    assert found(result, "size") == [
        ("error", f"{ALL_0}/UID_1_1_3_all.bmp", "224 x 224 pixels, published are 450 x 450 or 600 x 600")
    ]
    assert [path for _, path, _ in found(result, "black")] == [f"{ALL_0}/UID_1_1_4_all.bmp"]
    assert [(s, p) for s, p, _ in found(result, "unreadable")] == [("error", f"{ALL_0}/UID_1_1_5_all.bmp")]


def test_odd_but_usable_images_are_warnings(tmp_path: Path) -> None:
    path = tmp_path / "C-NMC_Leukemia" / ALL_0 / "UID_1_1_1_all.bmp"
    path.parent.mkdir(parents=True)
    Image.new("RGB", (450, 450), (120, 40, 130)).save(path, format="PNG")

    ((severity, name, message),) = found(verify(tmp_path), "image")

    assert (severity, name) == ("warning", f"{ALL_0}/UID_1_1_1_all.bmp")
    assert "PNG" in message


def test_duplicates_weigh_by_what_they_would_spoil(tmp_path: Path) -> None:
    draw_image(tmp_path, f"{ALL_0}/UID_1_1_1_all.bmp", shade=1)
    draw_image(tmp_path, f"{ALL_0}/UID_1_1_2_all.bmp", shade=1)
    draw_image(tmp_path, f"{ALL_0}/UID_1_2_1_all.bmp", shade=2)
    draw_image(tmp_path, f"{ALL_1}/UID_2_2_1_all.bmp", shade=2)
    draw_image(tmp_path, f"{ALL_0}/UID_1_3_1_all.bmp", shade=3)
    draw_image(tmp_path, f"{HEM_0}/UID_H6_3_1_hem.bmp", shade=3)

    # 1 and 2 become one subject, so that what is left of their shared image is that it lies in two folds.
    assert found(verify(tmp_path), "duplicate") == [
        ("error", f"{ALL_0}/UID_1_3_1_all.bmp", f"same bytes, other class: {HEM_0}/UID_H6_3_1_hem.bmp"),
        ("warning", f"{ALL_0}/UID_1_2_1_all.bmp", f"same bytes, other part: {ALL_1}/UID_2_2_1_all.bmp"),
        ("info", f"{ALL_0}/UID_1_1_1_all.bmp", f"same bytes: {ALL_0}/UID_1_1_2_all.bmp"),
    ]


def test_a_subject_in_the_wrong_fold_and_too_many_of_one_are_reported(tmp_path: Path) -> None:
    # The publisher has 9 images of H4, all in fold_2, and 9 of 19 in fold_0.
    for cell in range(1, 11):
        draw_image(tmp_path, f"{ALL_0}/UID_19_1_{cell}_all.bmp", shade=cell)
    draw_image(tmp_path, f"{HEM_0}/UID_H4_1_1_hem.bmp", shade=100)

    messages = [message for _, _, message in found(verify(tmp_path), "extra")]

    assert messages == [
        "subject 19 has 10 images in fold_0, the publisher 9",
        "subject H4 has 1 images in fold_0, the publisher 0",
    ]


def test_a_part_with_unlabelled_cells_is_counted_as_a_whole(tmp_path: Path) -> None:
    draw_image(tmp_path, f"{ALL_0}/UID_1_1_1_all.bmp", shade=1)
    draw_image(tmp_path, f"{ALL_0}/UID_1_1_2_hem.bmp", shade=2)

    messages = [message for _, _, message in found(verify(tmp_path), "missing")]

    assert "3,525 of 3,527 images of fold_0 are missing" in messages
    assert f"{COUNTS['fold_1'].leukaemic:,} of 2,418 ALL images of fold_1 are missing" in messages


def write_simulation(root: Path, *, leukaemic: int) -> None:
    draw_image(root, f"{ALL_0}/UID_1_1_1_all.bmp", shade=1)
    count = {"images": leukaemic, "leukaemic": leukaemic, "normal": 0, "subjects": 1}
    stated = {"simulated": True, "seed": 0, "scale": 0.001, "counts": {"fold_0": count}}
    (root / "C-NMC_Leukemia" / "simulated.json").write_text(json.dumps(stated))


def test_a_simulated_copy_is_held_to_its_own_counts(tmp_path: Path) -> None:
    write_simulation(tmp_path / "whole", leukaemic=1)
    write_simulation(tmp_path / "partial", leukaemic=3)

    whole, partial = verify(tmp_path / "whole"), verify(tmp_path / "partial")

    assert whole.simulated
    assert (whole.findings, whole.worst) == ((), None)
    assert found(partial, "missing") == [
        ("warning", "training_data/fold_0", "2 of 3 ALL images of fold_0 are missing")
    ]


def test_what_leuknet_simulates_verifies_without_an_error(simulated_fold: Path) -> None:
    result = verify(simulated_fold)

    assert result.simulated
    assert {one.kind for one in result.findings} <= {"merged", "duplicate"}
    assert result.count("error") == 0


def test_simulated_cells_are_not_compared_with_published_hashes(tmp_path: Path) -> None:
    write_simulation(tmp_path, leukaemic=1)

    with pytest.raises(SettingError, match="simulated"):
        verify(tmp_path, hashes=write_hashes(tmp_path, {"a.bmp": b"a"}))


def test_the_users_own_images_are_checked_without_a_size(tmp_path: Path) -> None:
    for name in ("a.png", "b.png", "c.png"):
        Image.new("RGB", (30, 20), (9, 9, 9) if name != "c.png" else (0, 0, 0)).save(tmp_path / name)
    (tmp_path / "manifest.csv").write_text(
        "path,label,subject\na.png,lymph,P1\nb.png,lymph,P2\nc.png,,P2\ngone.png,,\n"
    )

    result = verify(tmp_path, class_names=("other", "lymph"))

    assert result.parts == (PartSummary("", 3, 2, 0, 1, 2),)
    assert [(one.severity, one.kind, one.path) for one in result.findings] == [
        ("error", "black", "c.png"),
        ("error", "unreadable", "gone.png"),
        ("warning", "duplicate", "a.png"),
    ]
    assert found(result, "duplicate")[0][2] == "same bytes, other subject: b.png"


def test_json_says_all_that_was_found(tmp_path: Path) -> None:
    draw_image(tmp_path, f"{ALL_0}/UID_1_1_1_all.bmp", shade=0)

    content = json.loads(verify(tmp_path).to_json())

    assert (content["dataset"], content["worst"], content["numbers"]["error"]) == ("c-nmc-2019", "error", 1)
    assert content["findings"][0] == {
        "severity": "error",
        "kind": "black",
        "path": f"{ALL_0}/UID_1_1_1_all.bmp",
        "message": "all pixels are black: it shows no cell",
    }
    assert content["parts"][0]["subjects"] == 1


def test_progress_goes_to_standard_error_and_only_on_request(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draw_image(tmp_path, f"{ALL_0}/UID_1_1_1_all.bmp", shade=1)

    verify(tmp_path)
    assert capsys.readouterr() == ("", "")
    verify(tmp_path, progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert "checking" in err
