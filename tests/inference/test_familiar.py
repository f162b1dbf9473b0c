"""What is familiar and what is not, on drawn numbers with known spreads and on real cells."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.covariance import ledoit_wolf

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
    is_unfamiliar,
    read_arrays,
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


# by hand

ON_SCALE = np.where(
    [name in ("area_px", "red", "green", "blue", "contrast") for name in Measures._fields],
    np.log1p(TYPICAL),
    TYPICAL,
)


@pytest.fixture
def plain() -> Reference:
    """Features around (1, 2) with spreads of 1 and 1/2; all measures with a spread of 0.1."""
    return Reference(
        feature_mean=np.array([1.0, 2.0]),
        whitening=np.diag([1.0, 2.0]).astype(np.float32),
        measure_mean=ON_SCALE,
        measure_spread=np.full(8, 0.1),
        limits=np.array([2.0, 4.0, 5.0]),
    )


def test_distances_are_counted_in_spreads_over_their_limits(plain: Reference) -> None:
    features = np.array([[1, 2], [4, 4], [1, 2]], np.float32)
    measures = np.array([TYPICAL, TYPICAL._replace(fill=0.65, sharpness=1.75), TYPICAL])
    # A logarithm of 1 plus the area that is 0.6 lower, and a contrast 0.2 higher.
    measures[2, 0] = np.expm1(ON_SCALE[0] - 0.6)
    measures[2, 6] = np.expm1(ON_SCALE[6] + 0.2)

    found = plain.distances(features, measures)

    # (3, 2 * 2) is 5 long, fill is off by 1 spread and sharpness by 2.5; then the area by 6 spreads.
    assert found == pytest.approx(np.array([[0, 0, 0], [5 / 2, 1 / 4, 2.5 / 5], [0, 6 / 4, 0]]), abs=1e-9)
    assert found.dtype == np.float64
    assert plain.distance(features, measures) == pytest.approx([0, 5 / 2, 6 / 4], abs=1e-9)
    deviations = plain.deviations(measures)
    assert deviations[1] == pytest.approx([0, 0, -1, 0, 0, 0, 0, -2.5], abs=1e-9)
    assert deviations[2] == pytest.approx([-6, 0, 0, 0, 0, 0, 2, 0], abs=1e-9)


def test_a_reason_begins_beyond_its_own_limit(plain: Reference) -> None:
    def check(features: tuple[float, float] = (1, 2), **changes: float) -> tuple[str, ...]:
        row = np.array([TYPICAL._replace(**changes)], np.float64)
        return plain.check(np.array([features], np.float32), row)[0]

    # 4 spreads of fill, 5 of sharpness, 2 of the features.
    assert check(fill=0.75 - 0.39) == ()
    assert check(fill=0.75 - 0.41) == (REASONS["fill"][0],)
    assert check(sharpness=2 + 0.49) == ()
    assert check(sharpness=2 + 0.51) == (REASONS["sharpness"][1],)
    assert check((3, 2)) == ()
    assert check((3.01, 2)) == (UNLIKE,)
    assert check((3.01, 2), sharpness=1.4, black_share=1.3) == (
        REASONS["black_share"][1], REASONS["sharpness"][0], UNLIKE,
    )  # fmt: skip
    assert check((9, 9), area_px=0) == (ALL_BLACK,)
    assert ALL_BLACK not in check((9, 9), area_px=1)


def test_what_is_at_its_limit_is_familiar() -> None:
    exact = Reference(
        np.zeros(1), np.eye(1, dtype=np.float32), ON_SCALE, np.ones(8), np.array([2.0, 1.0, 1.0])
    )

    ((reasons),) = exact.check(
        np.array([[2]], np.float32), np.array([TYPICAL._replace(sharpness=3, fill=1.75)])
    )

    assert reasons == ()


def test_a_fit_keeps_means_spreads_and_the_covariance_of_ledoit_and_wolf() -> None:
    features, measures = draw_features(40, 8), draw_measures(40, 9)
    measures[:, 1] = 0.8  # alike in all: the least spread
    held_out = draw_features(30, 10), draw_measures(30, 11)

    found = fit_reference(features, measures, held_out_features=held_out[0], held_out_measures=held_out[1])

    logarithmic = [name in ("area_px", "red", "green", "blue", "contrast") for name in Measures._fields]
    scaled = np.where(logarithmic, np.log1p(measures), measures)
    spread = scaled.std(axis=0)
    spread[1] = 0.01
    assert found.feature_mean == pytest.approx(features.astype(float).mean(axis=0))
    assert found.measure_mean == pytest.approx(scaled.mean(axis=0))
    assert found.measure_spread == pytest.approx(spread)
    covariance, _ = ledoit_wolf(features.astype(float))
    whitening = found.whitening.astype(float)
    assert whitening @ whitening.T == pytest.approx(np.linalg.inv(covariance), rel=1e-5, abs=1e-8)
    assert found.whitening.dtype == np.float32
    strays = replace(found, limits=np.ones(3)).distances(*held_out)
    assert found.limits == pytest.approx(np.maximum(strays.max(axis=0), 1))


def test_a_limit_is_no_less_than_one_spread() -> None:
    features, measures = draw_features(40, 8), draw_measures(40, 9)
    mean = features.astype(np.float64).mean(axis=0).astype(np.float32)[None]
    scaled = np.log1p(measures).mean(axis=0)
    middle = np.where(np.array(TYPICAL) == ON_SCALE, measures.mean(axis=0), np.expm1(scaled))[None]

    found = fit_reference(features, measures, held_out_features=mean, held_out_measures=middle)

    assert found.limits.tolist() == [1, 1, 1]


def test_two_training_cells_and_one_held_out_are_enough() -> None:
    one = draw_features(1, 2), draw_measures(1, 3)

    found = fit_reference(
        draw_features(2, 0), draw_measures(2, 1), held_out_features=one[0], held_out_measures=one[1]
    )

    assert found.distances(*one).max() <= 1


@pytest.mark.parametrize(
    ("warnings", "expected"),
    [
        ([], False),
        (["the content is PNG, the extension is '.bmp'"], False),
        (["Pillow: Corrupt EXIF data"], False),
        (["the alpha channel is opaque and was dropped"], False),
        (["transparent pixels were laid on black"], False),
        (["64 x 64 px, not 450 x 450: placed on black"], False),
        (["64 x 64 px, not 450 x 450: placed on black; blurred"], True),
        (["600 x 600 px, not 450 x 450: cropped at the centre"], True),
        (["the content is PNG, the extension is '.bmp'", "blurred"], True),
        (["blurred: the content is PNG"], True),
    ],
)
def test_only_what_is_said_of_the_file_leaves_a_cell_familiar(warnings: list[str], expected: bool) -> None:
    assert is_unfamiliar(warnings) is expected


# .npz


def test_arrays_come_in_the_order_asked_for_and_never_from_a_pickle(tmp_path: Path) -> None:
    path = tmp_path / "some.npz"
    np.savez(path, a=np.arange(3), b=np.ones(2), c=np.array([None]))

    second, first = read_arrays(path, "b", "a")

    assert (first.tolist(), second.tolist()) == ([0, 1, 2], [1, 1])
    for names, why in {("d",): "d is not a file", ("c",): "allow_pickle"}.items():
        with pytest.raises(ValueError, match=why):
            read_arrays(path, *names)
    with pytest.raises(ValueError, match="No such file"):
        read_arrays(tmp_path / "none.npz", "a")


def test_a_reference_comes_back_as_it_was_written(reference: Reference, tmp_path: Path) -> None:
    write_reference(reference, tmp_path / "reference.npz")

    again = read_reference(tmp_path / "reference.npz")

    for one in fields(Reference):
        written, read = getattr(reference, one.name), getattr(again, one.name)
        assert (written == read).all()
        assert written.dtype == read.dtype
    assert [path.name for path in tmp_path.iterdir()] == ["reference.npz"]


def test_the_least_limits_that_a_fit_gives_are_read_back(plain: Reference, tmp_path: Path) -> None:
    write_reference(replace(plain, limits=np.ones(3)), tmp_path / "reference.npz")

    assert read_reference(tmp_path / "reference.npz").limits.tolist() == [1, 1, 1]


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
        ({"limits": np.array([1, -1.0, 1])}, "not above 0"),
        ({"limits": np.ones(4)}, "limits is (4,)"),
        ({"measure_spread": np.ones(7)}, "measure_spread is (7,)"),
        ({"measure_spread": np.append(np.ones(7), 0.0)}, "not above 0"),
        ({"measure_mean": np.zeros(8, np.int64)}, "measure_mean is (8,) int64, not (8,) finite numbers"),
        ({"feature_mean": np.zeros((1, 2))}, "feature_mean is (1, 2)"),
        ({"feature_mean": np.array([np.inf, 0])}, "feature_mean is (2,)"),
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
