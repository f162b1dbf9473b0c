"""What is familiar and what is not, on drawn numbers with known spreads and on real cells."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from leuknet.data.c_nmc_labels import subject_of
from leuknet.errors import ModelError, ShapeError
from leuknet.images.measures import Measures, measure
from leuknet.images.reading import read_pixels
from leuknet.inference.familiar import (
    ALL_BLACK,
    REASONS,
    UNLIKE,
    Reference,
    fit_reference,
    read_reference,
    write_reference,
)
from leuknet.types import Features, Pixels

TYPICAL = Measures(40_000, 0.8, 0.75, 70, 30, 80, 10, 2)
SPREAD = Measures(4_000, 0.02, 0.05, 7, 3, 8, 1, 0.3)


def draw_features(n: int, seed: int) -> Features:
    """Two features of standard deviation 10 and 1, correlated by 0."""
    return np.random.default_rng(seed).normal((50, 5), (10, 1), (n, 2)).astype(np.float32)


def draw_measures(n: int, seed: int) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(TYPICAL, SPREAD, (n, len(TYPICAL)))


@pytest.fixture(scope="module")
def reference() -> Reference:
    return fit_reference(
        draw_features(2000, 0),
        draw_measures(2000, 1),
        held_out_features=draw_features(1000, 2),
        held_out_measures=draw_measures(1000, 3),
    )


def check(reference: Reference, **changes: float) -> tuple[str, ...]:
    """The reasons against one typical image with some measures changed."""
    (reasons,) = reference.check(
        np.array([[50, 5]], np.float32), np.array([TYPICAL._replace(**changes)], np.float64)
    )
    return reasons


def test_the_typical_image_is_familiar(reference: Reference) -> None:
    assert check(reference) == ()


@pytest.mark.parametrize("name", Measures._fields)
@pytest.mark.parametrize("side", [0, 1])
def test_six_spreads_from_typical_is_named_in_words(reference: Reference, name: str, side: int) -> None:
    far = getattr(TYPICAL, name) + (-6, 8)[side] * getattr(
        SPREAD, name
    )  # 8: logarithms shrink the upper side

    assert check(reference, **{name: far}) == (REASONS[name][side],)


def test_a_stain_that_is_off_in_all_channels_is_one_reason(reference: Reference) -> None:
    assert check(reference, red=150, green=90, blue=160) == ("stain outside the trained range",)


def test_an_all_black_image_has_that_one_reason(reference: Reference) -> None:
    black = measure(np.zeros((9, 9, 3), np.uint8))

    assert check(reference, **black._asdict()) == (ALL_BLACK,)


def test_distance_of_features_counts_in_their_own_spread(reference: Reference) -> None:
    # 30 is three deviations of the first feature; of the second, 3 is.
    moves = np.array([[50, 5], [80, 5], [50, 8]], np.float32)

    network = reference.distances(moves, np.array([TYPICAL] * 3))[:, 0] * reference.limits[0]

    assert network == pytest.approx([0, 3, 3], abs=0.15)


def test_features_far_from_training_are_named(reference: Reference) -> None:
    ((reason,),) = reference.check(np.array([[50, 12]], np.float32), np.array([TYPICAL]))

    assert reason == UNLIKE


def test_the_limit_of_two_normal_features_is_the_one_by_hand(reference: Reference) -> None:
    # The squared distance is chi-square with 2 degrees of freedom: 99% are below -2 ln(0.01) = 9.21.
    assert reference.limits[0] == pytest.approx(np.sqrt(9.21), rel=0.06)


def test_one_percent_of_new_cells_is_beyond_each_limit(reference: Reference) -> None:
    found = reference.distances(draw_features(20_000, 4), draw_measures(20_000, 5))

    # The limits are estimated from 1,000 cells, ten of which lie beyond: 1% within a factor of two or so.
    assert (found > 1).mean(axis=0) == pytest.approx([0.01] * 3, abs=0.008)


def test_half_and_double_a_size_are_equally_far(reference: Reference) -> None:
    typical = np.exp(reference.measure_mean[0]) - 1
    sizes = np.array([TYPICAL._replace(area_px=typical / 2), TYPICAL._replace(area_px=typical * 2)])

    half, double = reference.distance(np.array([[50, 5]] * 2, np.float32), sizes)

    assert half == pytest.approx(double, rel=1e-3)
    assert half > 1


def test_distance_is_the_largest_of_three_and_agrees_with_the_reasons(reference: Reference) -> None:
    features, measures = draw_features(3000, 6), draw_measures(3000, 7)

    distance = reference.distance(features, measures)

    assert (distance == reference.distances(features, measures).max(axis=1)).all()
    assert [bool(reasons) for reasons in reference.check(features, measures)] == (distance > 1).tolist()


def test_with_few_held_out_cells_the_limit_is_the_largest_of_them() -> None:
    held_out = draw_features(20, 2), draw_measures(20, 3)

    few = fit_reference(
        draw_features(2000, 0),
        draw_measures(2000, 1),
        held_out_features=held_out[0],
        held_out_measures=held_out[1],
    )

    assert few.distances(*held_out).max(axis=0) == pytest.approx([1, 1, 1])


def test_pictures_that_are_all_alike_in_training_leave_room_around_them() -> None:
    # Whole pictures, no black at all: 0.5% of black is within the least spread of 1%, a segmented cell not.
    whole = np.array([TYPICAL._replace(black_share=0, fill=1)] * 10, np.float64)
    dead = np.zeros((10, 3), np.float32)
    reference = fit_reference(dead, whole, held_out_features=dead, held_out_measures=whole)

    near = reference.check(dead[:1], np.array([TYPICAL._replace(black_share=0.005, fill=0.995)]))
    far = reference.check(dead[:1] + 0.1, np.array([TYPICAL]))

    assert near == ((),)
    assert far == ((REASONS["black_share"][1], REASONS["fill"][0], UNLIKE),)


def test_more_features_than_cells_can_be_fitted() -> None:
    generator = np.random.default_rng(0)
    cells, new = generator.normal(0, 1, (2, 20, 100)).astype(np.float32)
    measures = draw_measures(20, 1)

    reference = fit_reference(cells, measures, held_out_features=new, held_out_measures=measures)

    assert (reference.distances(new, measures)[:, 0] <= 1).all()
    assert (reference.distances(new + 3, measures)[:, 0] > 1).all()


@pytest.mark.parametrize(("n_train", "n_held_out"), [(1, 5), (0, 5), (5, 0)])
def test_too_few_cells_are_refused(n_train: int, n_held_out: int) -> None:
    with pytest.raises(ShapeError, match=f"{n_train} training cells and {n_held_out} held-out"):
        fit_reference(
            draw_features(n_train, 0),
            draw_measures(n_train, 0),
            held_out_features=draw_features(n_held_out, 0),
            held_out_measures=draw_measures(n_held_out, 0),
        )


@pytest.mark.parametrize(
    ("features", "measures"), [((3, 3), (3, 8)), ((3, 2), (2, 8)), ((3, 2), (3, 7)), ((2,), (2, 8))]
)
def test_arrays_that_do_not_fit_are_refused(
    reference: Reference, features: tuple[int, ...], measures: tuple[int, ...]
) -> None:
    with pytest.raises(ShapeError, match="training cells"):
        reference.check(np.zeros(features, np.float32), np.zeros(measures))


# .npz


def test_a_reference_comes_back_as_it_was_written(reference: Reference, tmp_path: Path) -> None:
    write_reference(reference, tmp_path / "reference.npz")

    again = read_reference(tmp_path / "reference.npz")

    for one in fields(Reference):
        written, read = getattr(reference, one.name), getattr(again, one.name)
        assert (written == read).all()
        assert written.dtype == read.dtype
    assert [path.name for path in tmp_path.iterdir()] == ["reference.npz"]


@pytest.mark.parametrize("cut", [0, 100, 1000, -1])
def test_a_damaged_file_is_a_model_error(reference: Reference, tmp_path: Path, cut: int) -> None:
    path = tmp_path / "reference.npz"
    write_reference(reference, path)
    path.write_bytes(path.read_bytes()[:cut])

    with pytest.raises(ModelError, match=r"cannot read .*reference\.npz"):
        read_reference(path)


def test_a_changed_byte_is_a_model_error(reference: Reference, tmp_path: Path) -> None:
    path = tmp_path / "reference.npz"
    write_reference(reference, path)
    content = bytearray(path.read_bytes())
    place = content.index(reference.feature_mean.tobytes())
    content[place] ^= 1
    path.write_bytes(content)

    with pytest.raises(ModelError, match="CRC"):
        read_reference(path)


def test_a_missing_file_is_a_model_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="No such file"):
        read_reference(tmp_path / "reference.npz")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"whitening": np.zeros((2, 3), np.float32)}, "whitening is (2, 3)"),
        ({"measure_mean": np.zeros(7)}, "measure_mean is (7,)"),
        ({"limits": np.array([1, np.nan, 1])}, "limits is (3,)"),
        ({"limits": np.array([1, 0.0, 1])}, "not above 0"),
        ({"measure_spread": np.zeros(8)}, "not above 0"),
        ({"feature_mean": np.array(["a", "b"])}, "feature_mean is (2,) <U1"),
        ({"feature_mean": np.array([None, None])}, "allow_pickle"),
    ],
)
def test_numbers_that_are_amiss_are_a_model_error(
    reference: Reference, tmp_path: Path, changes: dict[str, Any], why: str
) -> None:
    write_reference(replace(reference, **changes), tmp_path / "reference.npz")

    with pytest.raises(ModelError) as caught:
        read_reference(tmp_path / "reference.npz")

    assert why in caught.value.why


def test_other_measures_than_this_version_s_are_a_model_error(
    reference: Reference, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_reference(reference, tmp_path / "reference.npz")
    monkeypatch.setattr(Measures, "_fields", ("area_px", "roundness"))

    with pytest.raises(ModelError, match="holds the measures area_px, black_share"):
        read_reference(tmp_path / "reference.npz")


# real cells


def test_raw_crops_and_noise_are_unfamiliar_to_a_reference_of_real_cells(shared_data: Path) -> None:
    folder = shared_data / "cnmc2019" / "C-NMC_Leukemia" / "training_data"
    paths = sorted(folder.rglob("*.bmp"))
    held_out = np.array([subject_of(path.name) in {"11", "H14", "30"} for path in paths])
    cells = np.array([measure(read_pixels(path).pixels) for path in paths])
    nothing = np.zeros((len(cells), 1), np.float32)  # the measures alone
    reference = fit_reference(
        nothing[~held_out],
        cells[~held_out],
        held_out_features=nothing[held_out],
        held_out_measures=cells[held_out],
    )
    strange: list[Pixels] = [
        read_pixels(path).pixels
        for path in sorted((shared_data / "wbc_masks" / "Dataset 1").glob("*.bmp"))[:10]
    ]
    strange.append(np.random.default_rng(0).integers(0, 256, (450, 450, 3), dtype=np.uint8))

    found = reference.check(nothing[:11], np.array([measure(picture) for picture in strange]))

    assert all(REASONS["black_share"][0] in reasons for reasons in found)
    assert REASONS["sharpness"][1] in found[-1]
