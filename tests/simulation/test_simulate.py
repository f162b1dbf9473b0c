"""Simulated cells: the layout and its traps, the known answer, and what a split by image is worth on them."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy.stats import norm
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold, StratifiedKFold, cross_val_predict

from leuknet.data.c_nmc import read
from leuknet.data.published_counts import COUNTS, PRELIM_LABELS, TRAINING_SUBJECTS
from leuknet.errors import DatasetError, SettingError
from leuknet.simulation import simulate as module
from leuknet.simulation.draw import Nuisance, Traits, draw_cell
from leuknet.simulation.population import MEANS, Cell, draw_population, known_probability, list_subjects
from leuknet.simulation.simulate import CELLS_PER_PROCESS, golden_cells, read_truth, simulate
from leuknet.types import Label

PRELIM = "validation_data/C-NMC_test_prelim_phase_data"
FINAL = "testing_data/C-NMC_test_final_phase_data"
AVERAGE_SLIDE = Nuisance(*[0.0] * 9)


@pytest.fixture(scope="module", autouse=True)
def _drawn_anew() -> Iterator[None]:
    """Draw each cell here as often as it is asked for, and in several processes, other than elsewhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "draw_cell", draw_cell)
        patch.setattr(module, "CELLS_PER_PROCESS", CELLS_PER_PROCESS)
        yield


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A smallest copy of all parts: three cells of each of the 118 subject ids."""
    folder = tmp_path_factory.mktemp("simulated")
    simulate(folder, seed=7, scale=0.0001)
    return folder


def test_the_copy_has_the_publishers_folders_names_and_a_marker_with_counts(root: Path) -> None:
    base = root / "C-NMC_Leukemia"
    images = {path.relative_to(base).as_posix() for path in base.rglob("*.bmp")}

    assert len(images) == 3 * (28 + 14 + 31 + 28 + 17)
    # The published subjects: 19 ALL and 9 HEM in fold_0; `h3` in lower case in fold_2 alone.
    assert len([name for name in images if name.startswith("training_data/fold_0/all/")]) == 3 * 19
    assert "training_data/fold_0/hem/UID_H24_1_3_hem.bmp" in images
    assert "training_data/fold_2/hem/UID_h3_1_1_hem.bmp" in images
    assert not [name for name in images if "UID_H3_" in name]
    assert {f"{PRELIM}/{n}.bmp" for n in range(1, 85)} <= images
    assert {f"{FINAL}/{n}.bmp" for n in range(1, 52)} <= images
    marker = json.loads((base / "simulated.json").read_text())
    assert marker["simulated"] is True
    assert (marker["seed"], marker["scale"]) == (7, 0.0001)
    assert marker["counts"]["prelim"] == {"images": 84, "leukaemic": 39, "normal": 45, "subjects": 28}


@pytest.mark.parametrize(
    ("name", "header", "side"),
    [
        ("training_data/fold_0/all/UID_1_1_1_all.bmp", 54, 450),
        (f"{PRELIM}/1.bmp", 138, 450),
        (f"{FINAL}/1.bmp", 54, 600),
    ],
)
def test_each_part_has_the_header_and_canvas_it_was_published_with(
    root: Path, name: str, header: int, side: int
) -> None:
    path = root / "C-NMC_Leukemia" / name
    content = path.read_bytes()

    assert content[:2] == b"BM"
    assert int.from_bytes(content[2:6], "little") == len(content)
    assert int.from_bytes(content[10:14], "little") == header
    # 450 pixels of three bytes are padded to 1,352 bytes per row.
    assert len(content) == header + side * (1352 if side == 450 else 1800)
    with Image.open(path) as image:
        assert (image.size, image.mode) == ((side, side), "RGB")


def test_the_prelim_header_is_the_published_one_up_to_the_colour_space(root: Path, shared_data: Path) -> None:
    published = shared_data / "cnmc2019" / "C-NMC_Leukemia" / PRELIM / "1843.bmp"

    # Sizes, offset, resolution, channel masks and the mark of sRGB; after it only unused end points.
    assert (root / "C-NMC_Leukemia" / PRELIM / "1.bmp").read_bytes()[:74] == published.read_bytes()[:74]


def test_both_headers_carry_the_same_pixels(root: Path) -> None:
    # A wrong offset or channel order would show: cells are darkest in green, brightest in blue.
    for name in ("training_data/fold_0/all/UID_1_1_1_all.bmp", f"{PRELIM}/1.bmp"):
        pixels = _pixels(root / "C-NMC_Leukemia" / name)
        red, green, blue = pixels[pixels.any(-1)].mean(0)
        assert green < red < blue
        assert not pixels[0].any()


def test_the_prelim_labels_join_names_classes_and_patients(root: Path) -> None:
    frame = pl.read_csv(root / "C-NMC_Leukemia" / PRELIM_LABELS)

    assert frame.columns == ["Patient_ID", "new_names", "labels"]
    assert frame["new_names"].to_list() == [f"{n}.bmp" for n in range(1, 85)]
    assert frame["Patient_ID"].str.ends_with("_all.bmp").cast(int).to_list() == frame["labels"].to_list()
    truth = dict(read_truth(root).select("path", "label").iter_rows())
    assert [truth[f"{PRELIM}/{name}"] for name in frame["new_names"]] == frame["labels"].to_list()
    # Were they numbered in the order of subjects, the number alone would tell the class.
    assert 0 < frame["labels"][:20].sum() < 20


def test_the_reader_takes_the_copy_without_a_complaint_and_knows_that_it_is_simulated(root: Path) -> None:
    dataset = read(root)

    assert dataset.simulated
    assert len(dataset.cells) == 354
    assert {finding.kind for finding in dataset.findings} == {"merged"}
    truth = {row["path"]: row for row in read_truth(root).iter_rows(named=True)}
    training = [cell for cell in dataset.cells if cell.part.startswith("fold")]
    assert all(truth[cell.id]["person"] == cell.subject for cell in training)
    assert all(truth[cell.id]["label"] == cell.label for cell in training)


def test_ids_of_one_person_share_byte_identical_images_and_no_other_ids_do(root: Path) -> None:
    base = root / "C-NMC_Leukemia"
    digests: dict[str, list[str]] = {}
    for path in base.rglob("UID_*.bmp"):
        digests.setdefault(hashlib.sha256(path.read_bytes()).hexdigest(), []).append(path.name.split("_")[1])

    shared = sorted(sorted(ids) for ids in digests.values() if len(ids) > 1)
    assert shared == [["20", "21"], ["51", "75", "78"], ["H10", "h3"], ["H2", "H4", "H5", "H6"]]


def test_equal_settings_give_equal_bytes_and_other_parts_or_scales_leave_a_cell_as_it_is(
    root: Path, tmp_path: Path
) -> None:
    again = simulate(tmp_path / "again", seed=7, scale=0.0001, parts=("fold_1",))
    other = simulate(tmp_path / "other", seed=8, scale=0.0001, parts=("fold_1",))
    larger = simulate(tmp_path / "larger", seed=7, scale=0.012, parts=("fold_1",))
    name = "training_data/fold_1/all/UID_51_1_2_all.bmp"

    first = (root / "C-NMC_Leukemia" / name).read_bytes()
    assert (again / name).read_bytes() == first
    assert (larger / name).read_bytes() == first
    assert (other / name).read_bytes() != first
    assert len(list(larger.rglob("UID_51_*"))) == 9  # 757 x 0.012 = 9.08
    assert len(list(larger.rglob("UID_16_*"))) == 3  # 53 x 0.012 = 0.6: three at least
    assert {path.name for path in again.iterdir()} == {
        "training_data",
        "simulated.json",
        "simulated_truth.csv",
    }


def test_processes_draw_the_same_bytes_as_one(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    monkeypatch.setattr("leuknet.simulation.simulate.CELLS_PER_PROCESS", 10)
    drawn = simulate(tmp_path, seed=7, scale=0.0001, parts=("fold_1",))

    names = [path.relative_to(drawn) for path in drawn.rglob("*.bmp")]
    assert len(names) == 3 * 14
    assert all((root / "C-NMC_Leukemia" / name).read_bytes() == (drawn / name).read_bytes() for name in names)


def test_a_folder_that_may_hold_real_images_is_refused_and_left_alone(tmp_path: Path) -> None:
    image = tmp_path / "C-NMC_Leukemia" / "training_data" / "fold_0" / "all" / "UID_1_1_1_all.bmp"
    image.parent.mkdir(parents=True)
    image.write_bytes(b"real")

    with pytest.raises(DatasetError) as caught:
        simulate(tmp_path, scale=0.0001, parts=("fold_1",))

    assert "no simulated.json" in caught.value.why
    assert "another folder" in caught.value.fix
    assert [path.read_bytes() for path in tmp_path.rglob("*.bmp")] == [b"real"]


def test_an_older_simulated_copy_is_replaced_whole(tmp_path: Path) -> None:
    simulate(tmp_path, scale=0.0001, parts=("fold_1", "final"))
    base = simulate(tmp_path, scale=0.0001, parts=("fold_1",))

    assert not (base / "testing_data").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["C-NMC_Leukemia"]


def test_a_run_that_is_cut_off_keeps_the_older_copy_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = simulate(tmp_path, seed=1, scale=0.0001, parts=("fold_1",))
    drawn = []

    def cut_off(cell: Cell, path: Path) -> int:
        drawn.append(path)
        if len(drawn) == 5:
            raise KeyboardInterrupt
        return 1

    monkeypatch.setattr("leuknet.simulation.simulate._draw_file", cut_off)
    with pytest.raises(KeyboardInterrupt):
        simulate(tmp_path, seed=2, scale=0.0001, parts=("fold_1",))

    assert [path.name for path in tmp_path.iterdir()] == ["C-NMC_Leukemia"]
    assert json.loads((base / "simulated.json").read_text())["seed"] == 1


def test_a_place_that_cannot_be_written_is_an_error_with_a_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(DatasetError, match="cannot write simulated cells"):
        simulate(tmp_path / "file", scale=0.0001, parts=("fold_1",))


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"scale": 0}, "0 is not above 0"),
        ({"scale": 1.5}, "1.5 is not above 0 and at most 1"),
        ({"scale": math.nan}, "nan is not above 0"),
        ({"parts": ("fold_0", "fold_9")}, "'fold_9' unknown"),
        ({"parts": ()}, "none is named"),
        ({"seed": -1}, "-1 is below 0"),
    ],
)
def test_settings_out_of_range_are_refused(tmp_path: Path, settings: dict[str, object], why: str) -> None:
    with pytest.raises(SettingError) as caught:
        simulate(tmp_path, **settings)  # type: ignore[arg-type]

    assert why in caught.value.why
    assert list(tmp_path.iterdir()) == []


def test_the_known_answer_is_only_there_for_simulated_copies(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="only simulated copies have one"):
        read_truth(tmp_path)


def test_the_drawn_area_is_the_areas_trait(root: Path) -> None:
    rows = (
        read_truth(root).filter(pl.col("path").str.starts_with("training_data/fold_2")).iter_rows(named=True)
    )

    for row in rows:
        drawn = _pixels(root / "C-NMC_Leukemia" / row["path"]).any(-1).sum()
        assert drawn == pytest.approx(row["area_px"], rel=0.01)


@pytest.mark.parametrize("area_px", [4_119, 58_669])
def test_the_smallest_and_the_largest_cell_have_their_area_too(area_px: int) -> None:
    # Three spreads below the normal mean, 26,544 - 3 x 7,475, and above the leukaemic: 36,244 + 3 x 7,475.
    for seed in range(20):
        cell = draw_cell(MEANS[Label.NORMAL]._replace(area_px=area_px), AVERAGE_SLIDE, seed=seed)
        assert cell.any(-1).sum() == pytest.approx(area_px, rel=0.01)


def test_coarser_chromatin_is_drawn_with_more_contrast() -> None:
    fine, coarse = (
        [
            draw_cell(MEANS[Label.NORMAL]._replace(chromatin=value), AVERAGE_SLIDE, seed=seed)
            for seed in range(5)
        ]
        for value in (-2.0, 2.0)
    )

    assert np.mean([cell[195:255, 195:255, 1].std() for cell in coarse]) > 1.5 * np.mean(
        [cell[195:255, 195:255, 1].std() for cell in fine]
    )


def test_the_probability_follows_the_formula_worked_out_by_hand() -> None:
    # Half-way in every trait but the area, which lies one spread above half-way, 31,394 + 7,475. The
    # means are 9,700 / 7,475 = 1.29766 spreads apart, which is then the log odds: 1 / (1 + e**-1.29766).
    halfway = Traits(38_869, 0.0, 0.8856, 0.0505, 0.725)

    assert known_probability([halfway])[0] == pytest.approx(0.785441, abs=1e-5)
    # Half a spread coarser than half-way: -0.5 x 1.2 = -0.6 more.
    assert known_probability([halfway._replace(chromatin=0.5)])[0] == pytest.approx(0.667668, abs=1e-5)


@pytest.fixture(scope="module")
def population() -> list[Cell]:
    return draw_population(list(COUNTS), scale=0.5, seed=0)


def test_the_probability_is_the_frequency_of_leukaemic_cells(population: list[Cell]) -> None:
    label = np.array([cell.subject.label for cell in population])
    stated = np.array([cell.probability for cell in population])
    # The known answer is for equal numbers of both classes: each normal cell counts as more than one.
    weight = np.where(label == 1, 1.0, (label == 1).sum() / (label == 0).sum())

    for low in (0.0, 0.2, 0.4, 0.6, 0.8):
        bin_ = (stated >= low) & (stated < low + 0.2)
        observed = np.average(label[bin_], weights=weight[bin_])
        assert observed == pytest.approx(np.average(stated[bin_], weights=weight[bin_]), abs=0.06)


@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_area_alone_has_the_published_auc_and_the_best_possible_score_leaves_overlap(seed: int) -> None:
    cells = draw_population(list(COUNTS), scale=0.05, seed=seed)
    label = [cell.subject.label for cell in cells]

    # In theory Phi(1.29766 / sqrt 2) = 0.8206 and, for all five traits, Phi(2.2168 / sqrt 2) = 0.9415.
    assert norm.cdf(1.29766 / math.sqrt(2)) == pytest.approx(0.8206, abs=1e-4)
    assert roc_auc_score(label, [cell.traits.area_px for cell in cells]) == pytest.approx(0.82, abs=0.02)
    assert roc_auc_score(label, [cell.probability for cell in cells]) == pytest.approx(0.945, abs=0.012)


def test_subjects_have_the_published_counts_at_full_scale() -> None:
    subjects = list_subjects()

    for part, counts in COUNTS.items():
        own = [one for one in subjects if one.part == part]
        assert (len(own), sum(one.images for one in own)) == (counts.subjects, counts.images)
    prelim = [one for one in subjects if one.part == "prelim"]
    assert sum(one.images for one in prelim if one.label == Label.LEUKAEMIC) == COUNTS["prelim"].leukaemic
    assert {one.id: one.images for one in subjects if one.part == "fold_2"} == TRAINING_SUBJECTS["fold_2"]
    # ALL subject 3 and HEM subject H3 are two people; h3 and H10 are one.
    person = {one.id: one.person for one in subjects}
    assert (person["3"], person["h3"], person["H10"]) == ("3", "H3+H10", "H3+H10")


def test_a_split_by_image_flatters_beyond_what_is_possible_and_a_split_by_subject_does_not() -> None:
    cells = [cell for cell in draw_population(["fold_0"], scale=0.1, seed=0) if cell.place != 0]
    label = np.array([cell.subject.label for cell in cells])
    people = [cell.subject.person for cell in cells]
    colours = np.stack([_summary(cell) for cell in cells])
    forest = ExtraTreesClassifier(60, class_weight="balanced", random_state=0)

    by_image, by_subject = (
        roc_auc_score(
            label, cross_val_predict(forest, colours, label, cv=folds, method="predict_proba")[:, 1]
        )
        for folds in (
            StratifiedKFold(5, shuffle=True, random_state=0),
            list(GroupKFold(9).split(colours, groups=people)),
        )
    )

    best = roc_auc_score(label, [cell.probability for cell in cells])
    assert by_image > best + 0.01
    assert by_subject < best - 0.05


def test_golden_cells_never_change_and_alternate_between_the_classes() -> None:
    cells = golden_cells(4)

    assert cells.shape == (4, 450, 450, 3)
    assert cells.dtype == np.uint8
    assert np.array_equal(golden_cells(2), cells[:2])
    first = [cell for cell in draw_population(["fold_0"], scale=0.01, seed=0) if cell.place == 0]
    assert cells[0].any(-1).sum() == pytest.approx(first[19].traits.area_px, rel=0.01)  # H6, the first normal
    assert cells[1].any(-1).sum() == pytest.approx(first[0].traits.area_px, rel=0.01)


def test_simulated_cells_look_like_the_published_ones_in_colour_and_contrast(shared_data: Path) -> None:
    folder = shared_data / "cnmc2019" / "C-NMC_Leukemia" / "training_data"
    real = np.array([_look(_pixels(path)) for path in sorted(folder.rglob("*.bmp"))[::4]])
    cells = draw_population(["fold_0", "fold_1", "fold_2"], scale=0.0001, seed=0)[::4]
    drawn = np.array([_look(draw_cell(one.traits, one.nuisance, seed=one.seed)) for one in cells])

    # Mean red, green, blue and spread of brightness: within a quarter of what is published.
    assert drawn.mean(0) == pytest.approx(real.mean(0), rel=0.25)


def _pixels(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        return np.asarray(image)


def _look(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Mean colour and spread of brightness of a cell's pixels: (4,), 0 to 255."""
    cell = pixels[pixels.any(-1)].astype(float)
    return np.array([*cell.mean(0), cell.mean(1).std()])


def _summary(cell: Cell) -> NDArray[np.float64]:
    """What a crude model may see of a cell: its size and the distribution of its colours."""
    pixels = draw_cell(cell.traits, cell.nuisance, seed=cell.seed)
    inside = pixels[pixels.any(-1)]
    return np.concatenate([[len(inside)], inside.std(0), *np.percentile(inside, (10, 50, 90), axis=0)])
