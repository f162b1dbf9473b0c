"""From pixels on disk to network inputs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from leuknet.errors import SettingError, ShapeError, UnreadableImageError
from leuknet.images.transform import channel_statistics, load_inputs, place_on_canvas, prepare
from leuknet.types import CellImage, InputForm, Label, Pixels


def noise(*shape: int, seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(1, 256, shape, dtype=np.uint8)


def cell(path: Path) -> CellImage:
    return CellImage(path.name, path, "0" * 64, Label.NORMAL, "H1")


def test_image_of_canvas_size_stays_identical() -> None:
    pixels = noise(450, 450, 3)

    assert np.array_equal(place_on_canvas(pixels, 450), pixels)


def test_larger_image_is_cropped_at_the_centre() -> None:
    pixels = noise(600, 600, 3)

    assert np.array_equal(place_on_canvas(pixels, 450), pixels[75:525, 75:525])


def test_smaller_image_is_centred_on_black() -> None:
    pixels = noise(2, 4, 3)

    canvas = place_on_canvas(pixels, 6)

    assert canvas.shape == (6, 6, 3)
    assert np.array_equal(canvas[2:4, 1:5], pixels)
    assert np.count_nonzero(canvas) == pixels.size


def test_each_axis_is_cropped_or_padded_by_itself() -> None:
    pixels = noise(7, 2, 3)

    canvas = place_on_canvas(pixels, 4)

    # Rows: 3 too many, 1 off the top. Columns: 2 too few, 1 on the left.
    assert np.array_equal(canvas[:, 1:3], pixels[1:5])
    assert (canvas[:, [0, 3]] == 0).all()


def test_odd_padding_puts_the_spare_pixel_below_and_right() -> None:
    canvas = place_on_canvas(np.full((1, 1, 3), 9, dtype=np.uint8), 4)

    assert np.argwhere(canvas[..., 0]).tolist() == [[1, 1]]


def test_halving_averages_with_a_triangle_four_pixels_wide() -> None:
    # Antialiased weights for half size: 1/8, 3/8, 3/8, 1/8. Without antialiasing it would be 1/2, 1/2.
    row = np.array([0, 0, 0, 80, 240, 160, 0, 0], dtype=np.uint8)
    pixels = np.repeat(np.tile(row, (8, 1))[..., None], 3, axis=2)

    small = prepare(pixels, InputForm(None, 4))

    # Pixel 1 sees (0, 0, 80, 240), pixel 2 sees (80, 240, 160, 0).
    assert small[2, 1:3, 0].tolist() == [60, 160]


def test_canvas_comes_before_resizing() -> None:
    # True scale: a white square of half the canvas stays half of the input.
    pixels = np.full((20, 20, 3), 255, dtype=np.uint8)

    small = prepare(pixels, InputForm(40, 40))

    assert small.shape == (40, 40, 3)
    assert np.array_equal(np.argwhere(small[..., 0])[[0, -1]], [[10, 10], [29, 29]])


def test_without_canvas_the_image_is_resized_whole() -> None:
    pixels = np.full((20, 60, 3), 255, dtype=np.uint8)

    assert (prepare(pixels, InputForm(None, 16)) == 255).all()


def test_image_of_input_size_is_not_resampled() -> None:
    pixels = noise(32, 32, 3)

    assert np.array_equal(prepare(pixels, InputForm(32, 32)), pixels)


@pytest.mark.parametrize("shape", [(5, 5), (1, 5, 5, 3), (5, 5, 4), (0, 5, 3)])
def test_array_that_is_no_colour_image_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match=r"not of \(H, W, 3\) uint8"):
        prepare(np.zeros(shape, dtype=np.uint8), InputForm(None, 4))
    with pytest.raises(ShapeError):
        place_on_canvas(np.zeros((5, 5, 3), dtype=np.float32), 4)


def test_sides_below_one_are_refused() -> None:
    with pytest.raises(SettingError, match="canvas_px is 0"):
        prepare(noise(5, 5, 3), InputForm(0, 4))
    with pytest.raises(SettingError, match="image_size_px is -1"):
        load_inputs([], InputForm(None, -1), root=None)


def test_inputs_are_in_the_order_of_their_cells(tmp_path: Path) -> None:
    cells = []
    for number in range(40):
        path = tmp_path / f"{number}.png"
        Image.new("RGB", (10, 10), (number, 0, 200)).save(path)
        cells.append(cell(path))

    loaded = load_inputs(cells, InputForm(10, 8), root=tmp_path)

    assert loaded.inputs.shape == (40, 8, 8, 3)
    assert loaded.inputs[:, 4, 4, 0].tolist() == list(range(40))
    assert loaded.cells == tuple(cells)
    assert loaded.unreadable == ()
    assert loaded.warnings == ()


def test_broken_images_are_listed_and_the_others_close_ranks(tmp_path: Path) -> None:
    cells = []
    for number in range(9):
        path = tmp_path / f"{number}.png"
        Image.new("RGB", (10, 10), (number, 0, 200)).save(path)
        cells.append(cell(path))
    cells[0].path.write_bytes(b"")
    cells[5].path.unlink()

    loaded = load_inputs(cells, InputForm(None, 10), root=tmp_path)

    assert loaded.inputs[:, 0, 0, 0].tolist() == [1, 2, 3, 4, 6, 7, 8]
    assert [one.id for one in loaded.cells] == ["1.png", "2.png", "3.png", "4.png", "6.png", "7.png", "8.png"]
    assert [(one.id, error.why) for one, error in loaded.unreadable] == [
        ("0.png", "the file has zero bytes"),
        ("5.png", "No such file or directory"),
    ]
    assert all(isinstance(error, UnreadableImageError) for _, error in loaded.unreadable)


def test_warnings_of_readable_images_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.bmp"
    Image.new("RGB", (10, 10), (1, 2, 3)).save(path, "PNG")

    loaded = load_inputs([cell(path)], InputForm(None, 10), root=None)

    assert loaded.warnings == ((cell(path), "the content is PNG, the extension is '.bmp'"),)


def test_images_outside_of_the_root_are_unreadable(tmp_path: Path) -> None:
    Image.new("RGB", (10, 10)).save(tmp_path / "a.png")
    (tmp_path / "root").mkdir()

    loaded = load_inputs([cell(tmp_path / "a.png")], InputForm(None, 10), root=tmp_path / "root")

    assert loaded.cells == ()
    assert "outside of" in loaded.unreadable[0][1].why


def test_no_cells_give_no_inputs() -> None:
    assert load_inputs([], InputForm(450, 24), root=None).inputs.shape == (0, 24, 24, 3)


def test_progress_bar_goes_to_stderr_and_only_if_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("RGB", (10, 10)).save(tmp_path / "a.png")
    cells = [cell(tmp_path / "a.png")]

    load_inputs(cells, InputForm(None, 10), root=None)
    assert capsys.readouterr() == ("", "")
    load_inputs(cells, InputForm(None, 10), root=None, progress=True)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "reading images" in captured.err


def test_statistics_are_those_of_the_whole_array() -> None:
    inputs = noise(5, 16, 16, 3)

    mean, std = channel_statistics(inputs)

    assert mean == pytest.approx(inputs.astype(np.float64).mean(axis=(0, 1, 2)).tolist())
    assert std == pytest.approx(inputs.astype(np.float64).std(axis=(0, 1, 2)).tolist())


def test_statistics_of_nothing_are_refused() -> None:
    with pytest.raises(ShapeError, match="at least one"):
        channel_statistics(np.zeros((0, 8, 8, 3), dtype=np.uint8))


def test_real_crop_keeps_its_share_of_the_canvas(shared_data: Path) -> None:
    path = shared_data.glob("cnmc2019/C-NMC_Leukemia/training_data/fold_0/all/*.bmp")
    cells = [cell(one) for one in sorted(path)[:4]]

    full = load_inputs(cells, InputForm(450, 450), root=shared_data).inputs
    small = load_inputs(cells, InputForm(450, 224), root=shared_data).inputs

    share = (full.max(axis=3) > 20).mean(axis=(1, 2))
    assert (small.max(axis=3) > 20).mean(axis=(1, 2)) == pytest.approx(share.tolist(), rel=0.03)
