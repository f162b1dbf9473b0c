"""The arithmetic of windows, against rows counted one by one."""

from __future__ import annotations

import numpy as np
import pytest

from leuknet.images.windows import Window, find_cells, in_chunks, plan_stages


def test_a_cell_is_found_where_it_lies() -> None:
    inputs = np.zeros((3, 20, 20, 3), dtype=np.uint8)
    inputs[0, 3:7, 5:18, 1] = 9
    inputs[1, 0, 19, 2] = 1
    assert find_cells(inputs).tolist() == [[3, 7, 5, 18], [0, 1, 19, 20], [10, 11, 10, 11]]


def test_floats_are_found_as_bytes_are() -> None:
    inputs = np.random.default_rng(0).integers(0, 2, (5, 16, 16, 3)).astype(np.uint8)
    inputs[:, :, 11:] = 0
    assert (find_cells(inputs) == find_cells(inputs.astype(np.float32))).all()


def test_chunks_hold_each_image_once_and_a_window_around_its_cell() -> None:
    generator = np.random.default_rng(1)
    cells = np.sort(generator.integers(0, 60, (11, 2, 2)), axis=2).reshape(11, 4)
    cells[:, [1, 3]] += 1
    chunks = list(in_chunks(cells, 62, size=4))
    assert [len(chosen) for chosen, _ in chunks] == [4, 4, 3]
    assert sorted(index for chosen, _ in chunks for index in chosen) == list(range(11))
    for chosen, window in chunks:
        assert (window.top, window.left) <= tuple(cells[chosen][:, [0, 2]].min(axis=0))
        assert window.bottom >= cells[chosen, 1].max()
        assert window.right >= cells[chosen, 3].max()
        assert window.top % 4 == 0
        assert window.bottom % 4 == 0 or window.bottom == 62


def test_chunks_put_cells_of_like_size_together() -> None:
    cells = np.array([[0, 8, 0, 8], [0, 60, 0, 60], [4, 12, 4, 12], [0, 56, 0, 60]])
    assert [(sorted(chosen), window) for chosen, window in in_chunks(cells, 64, size=2)] == [
        ([0, 2], Window(0, 12, 0, 12)),
        ([1, 3], Window(0, 60, 0, 60)),
    ]


def test_a_window_says_where_it_lies_in_another() -> None:
    assert Window(5, 9, 7, 8).within(Window(4, 20, 6, 20)) == (slice(1, 5), slice(1, 2))


@pytest.mark.parametrize("side", [3, 4, 15, 16, 27])
def test_a_stage_writes_all_that_a_change_can_reach_and_no_more(side: int) -> None:
    n_pooled = (side - 3) // 2 + 1
    for top in range(side):
        for bottom in range(top + 1, side + 1):
            convolved = {row for row in range(side) if any(top <= row + step < bottom for step in (-1, 0, 1))}
            pooled = [row for row in range(n_pooled) if convolved & {2 * row, 2 * row + 1, 2 * row + 2}]
            (stage,) = plan_stages(Window(top, bottom, 0, side), side, n=1)
            if pooled:
                assert (stage.write.top, stage.write.bottom) == (pooled[0], pooled[-1] + 1)
            else:  # a change that nothing sees still has a window, so that no shape is empty
                assert stage.write.bottom - stage.write.top == 1


def test_a_stage_reads_its_own_input_window_and_what_the_convolution_needs() -> None:
    first, second, third = plan_stages(Window(56, 168, 60, 164), 224)
    # Rows 56 to 167 reach convolved rows 55 to 168, these pooled rows 27 to 84, and so on.
    assert first.write == Window(27, 85, 29, 83)
    assert first.read == Window(53, 172, 57, 168)
    assert second.write == Window(12, 43, 13, 42)
    assert second.read == Window(23, 88, 25, 86)
    assert third.write == Window(5, 22, 5, 22)
    assert third.read == Window(9, 46, 9, 46)


def test_the_whole_image_reads_one_pixel_of_padding() -> None:
    (stage,) = plan_stages(Window.whole(15), 15, n=1)
    assert stage.read == Window(-1, 16, -1, 16)
    assert stage.write == Window(0, 7, 0, 7)
