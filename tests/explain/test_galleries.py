"""Choices follow their rules, and galleries show what they say."""

from __future__ import annotations

import io
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from leuknet.data import open_dataset
from leuknet.errors import ShapeError
from leuknet.explain.galleries import draw_galleries, draw_sheet
from leuknet.explain.methods import METHODS
from leuknet.figures.gallery_plot import choose_certain_wrong, choose_typical, choose_uncertain, draw_gallery
from leuknet.networks.predictor import load_model
from leuknet.types import Calibration, Evaluation, Pixels, Prediction
from tests.conftest import REPOSITORY

GOLDEN = REPOSITORY / "tests" / "golden" / "run" / "model"
NAMES = ("HEM", "ALL")


def _evaluation(labels: list[int], probabilities: list[float], *, threshold: float = 0.5) -> Evaluation:
    n = len(labels)
    return Evaluation(
        model_id="0" * 12, recipe="paper", seed=0, dataset="cells", part="test side", protocol="", round="",
        simulated=True, split_kind="image-level", split_fingerprint="f" * 64, class_names=NAMES,
        threshold=threshold, threshold_rule="half", calibration=None, cells=n, subjects=None, metrics={},
        confusion=((0, 0), (0, 0)), paths=tuple(map(str, range(n))), labels=tuple(labels),
        probabilities=tuple(probabilities), subject_ids=(None,) * n,
    )  # fmt: skip


def _images(n: int) -> list[Pixels]:
    return [np.full((12, 12, 3), 20 * number, np.uint8) for number in range(n)]


def _draw(
    n: int, *, methods: tuple[str, ...] = ("Grad-CAM", "occlusion"), labelled: bool = True,
    class_names: tuple[str, str] = NAMES, undecided: tuple[float, float] | None = None, scale: float = 1.0,
) -> Figure:  # fmt: skip
    maps = np.zeros((n, 4, 4), np.float32)
    maps[:, 0, 0], maps[:, 3, 3] = scale, -scale / 2
    return draw_gallery(
        _images(n), dict.fromkeys(methods, maps),
        labels=np.arange(n) % 2 if labelled else None, probabilities=np.linspace(0.05, 0.95, n),
        threshold=0.5, undecided=undecided, class_names=class_names, title="Cells", caption="How chosen.",
        simulated=True, names=[f"a long name of cell number {number}.bmp" for number in range(n)],
    )  # fmt: skip


def _texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text) if isinstance(text, Text)]


def test_the_most_certain_wrong_calls_come_first() -> None:
    # Called with threshold 0.3: cells 0 (truly HEM, stated 0.4 for ALL), 2 (truly ALL, 0.9 for HEM) and
    # 3 (truly HEM, 0.8 for ALL) are wrong; 1 and 4 are right.
    evaluation = _evaluation([0, 1, 1, 0, 0], [0.4, 0.99, 0.1, 0.8, 0.01], threshold=0.3)

    choice = choose_certain_wrong(evaluation, 2)

    assert choice.places == (2, 3)
    assert choice.caption == "The 2 most certain of 3 wrong calls among 5 test cells, the most certain first."
    assert choose_certain_wrong(evaluation).places == (2, 3, 0)


def test_no_wrong_call_is_a_sentence_and_a_picture_of_it() -> None:
    choice = choose_certain_wrong(_evaluation([0, 1], [0.4, 0.5]))
    assert choice.places == ()
    assert choice.caption == "None of 2 test cells was called wrong, so there is none to show."

    figure = draw_gallery(
        [], {}, labels=np.array([]), probabilities=np.array([]), threshold=0.5, undecided=None,
        class_names=NAMES, title=choice.title, caption=choice.caption, simulated=False,
    )  # fmt: skip

    assert choice.caption in _texts(figure)
    _assert_legible(figure)


def test_the_most_uncertain_cells_are_nearest_to_the_threshold() -> None:
    evaluation = _evaluation([0, 1, 1, 0], [0.5, 0.35, 0.28, 0.05], threshold=0.3)
    calibration = Calibration(1.0, (0.28, 0.5), 0.9, 9, 3, 0.1, 0.1)

    plain = choose_uncertain(evaluation, 3)
    ruled = choose_uncertain(replace(evaluation, calibration=calibration), 3)

    assert plain.places == ruled.places == (2, 1, 0)
    assert plain.caption == (
        "The 3 of 4 test cells whose probability is nearest to the threshold of 30.0%, the nearest first."
    )
    # 0.28 counts, 0.5 does not.
    assert ruled.caption.endswith("Uncertain by the model's rule, from 28.0% to 50.0%: 2 cells.")


def test_typical_cells_are_called_right_and_nearest_to_the_mean_of_their_class() -> None:
    labels = np.array([1, 1, 1, 1, 0, 0, 0])
    probabilities = np.array([0.9, 0.9, 0.9, 0.1, 0.1, 0.1, 0.9])
    # ALL: mean (0 + 3 + 4 + 5) / 4 = 3; cell 3 is called wrong. HEM: mean (10 + 13 + 13) / 3 = 12.
    features = np.array([[0], [3], [4], [5], [10], [13], [13]], np.float32)

    choice = choose_typical(labels, probabilities, 0.5, features, 3, class_names=NAMES)

    assert choice.places == (1, 2, 5)
    assert choice.caption.startswith("2 of 3 ALL and 1 of 2 HEM cells called right")
    everything = choose_typical(labels, probabilities, 0.5, features, 20, class_names=NAMES)
    assert everything.places == (1, 2, 0, 5, 4)


def test_a_class_without_a_right_call_gives_no_typical_cell() -> None:
    choice = choose_typical(
        np.array([1, 0]), np.array([0.9, 0.9]), 0.5, np.zeros((2, 3), np.float32), class_names=NAMES
    )

    assert choice.places == (0,)
    assert "0 of 0 HEM" in choice.caption


def test_calls_are_told_by_sign_and_frame_and_uncertain_cells_by_neither_class() -> None:
    # P 0.05, 0.35, 0.65, 0.95; truly HEM, ALL, HEM, ALL.
    texts = _texts(_draw(4, undecided=(0.6, 0.9)))

    assert [text for text in texts if text[:1] in ("✓", "✗", "?")] == [
        "✓ HEM",
        "✗ HEM",
        "? uncertain",
        "✓ ALL",
    ]
    assert [text for text in texts if text.startswith("P(")] == [
        "P(ALL) 5.0%", "P(ALL) 35.0%", "P(ALL) 65.0%", "P(ALL) 95.0%"
    ]  # fmt: skip
    assert [text for text in texts if text.startswith("truly")] == [
        "truly HEM", "truly ALL", "truly HEM", "truly ALL"
    ]  # fmt: skip


def test_without_labels_nothing_is_right_or_wrong() -> None:
    texts = _texts(_draw(2, labelled=False))

    assert {"HEM", "ALL", "P(ALL) 5.0%"} <= set(texts)
    assert not [text for text in texts if text[:1] in ("✓", "✗") or text.startswith("truly")]


def test_colours_mean_the_classes_and_their_ends_the_largest_value() -> None:
    figure = _draw(2, scale=0.25)
    texts = _texts(figure)

    assert texts.count("for ALL") == texts.count("for HEM") == 2
    assert "+0.25" in texts
    assert "\N{MINUS SIGN}0.25" in texts
    maps = [image for axes in figure.get_axes() for image in axes.images if image.get_array().shape == (4, 4)]  # type: ignore[union-attr]
    red, _, blue, _ = maps[0].to_rgba(np.array([[0.25, -0.25]], np.float32))[0].T
    assert red[0] > blue[0]
    assert red[1] < blue[1]
    opacity = np.asarray(maps[0].get_alpha())
    assert (opacity[0, 0], opacity[3, 3], opacity[1, 1]) == pytest.approx((0.9, 0.45, 0))


def test_a_map_that_is_zero_everywhere_is_drawn() -> None:
    _assert_legible(_draw(1, scale=0.0))


@pytest.mark.parametrize("n", [1, 6, 7])
def test_no_text_is_cut_or_overlaps(n: int) -> None:
    _assert_legible(_draw(n))
    _assert_legible(_draw(n, class_names=("lymphocytes that are normal", "cells that are $leukaemic$")))


def test_misfit_lists_are_refused() -> None:
    with pytest.raises(ShapeError, match="gallery"):
        draw_gallery(
            _images(2), {"occlusion": np.zeros((1, 4, 4), np.float32)}, labels=None,
            probabilities=np.array([0.1, 0.2]), threshold=0.5, undecided=None, class_names=NAMES,
            title="", caption="", simulated=False,
        )  # fmt: skip


def test_galleries_of_an_evaluation_are_written_with_what_they_show(
    simulated_fold: Path, tmp_path: Path
) -> None:
    dataset = open_dataset(simulated_fold)
    cells = (*dataset.cells[:4], *dataset.cells[-4:])
    # All right but one: the last cell is truly HEM.
    evaluation = replace(
        _evaluation(
            [int(cell.label or 0) for cell in cells], [0.8 * (cell.label or 0) + 0.1 for cell in cells]
        ),
        paths=tuple(cell.id for cell in cells),
    )
    evaluation = replace(evaluation, probabilities=(*evaluation.probabilities[:-1], 0.75))

    found = draw_galleries(load_model(GOLDEN), evaluation, dataset, tmp_path)

    assert [one.name for one in found.galleries] == ["certain-wrong", "uncertain", "typical"]
    wrong = found.galleries[0]
    assert wrong.caption == "The 1 most certain of 1 wrong calls among 8 test cells, the most certain first."
    assert "truly HEM, P(ALL) 75.0%" in wrong.alt
    for one in found.galleries:
        with Image.open(tmp_path / one.file) as picture:
            assert picture.width > 1000
        assert (tmp_path / one.file).with_suffix(".svg").is_file()


def test_a_sheet_of_a_model_of_simulated_cells_says_so_but_does_not_call_its_images_simulated(
    tmp_path: Path,
) -> None:
    Image.fromarray(np.full((450, 450, 3), 90, np.uint8)).save(tmp_path / "cell.png")
    one = Prediction(str(tmp_path / "cell.png"), 0.7, 0.5, "0" * 12)

    figure = draw_sheet(load_model(GOLDEN), [one], {"Grad-CAM": METHODS["Grad-CAM"]}, title="One image")

    texts = _texts(figure)
    assert any("trained on simulated cells" in text.replace("\n", " ") for text in texts)
    assert "SIMULATED CELLS" not in texts
    assert "cell.png" in texts


def test_a_sheet_calls_an_image_unlike_the_trained_ones_unfamiliar(tmp_path: Path) -> None:
    Image.fromarray(np.full((450, 450, 3), 90, np.uint8)).save(tmp_path / "field.png")
    one = Prediction(str(tmp_path / "field.png"), 0.99, 0.5, "0" * 12, warnings=("blurred",))

    model, methods = load_model(GOLDEN), {"Grad-CAM": METHODS["Grad-CAM"]}
    texts = _texts(draw_sheet(model, [one, replace(one, warnings=())], methods, title="Two images"))

    assert sum("? unfamiliar" in text for text in texts) == 1


def _assert_legible(figure: Figure) -> None:
    FigureCanvasAgg(figure).print_figure(io.BytesIO())
    shown = [text for text in figure.findobj(Text) if isinstance(text, Text) and text.get_text().strip()]
    boxes = [(text.get_text(), text.get_window_extent()) for text in shown if text.get_visible()]
    for content, box in boxes:
        assert figure.bbox.x0 <= box.x0 <= box.x1 <= figure.bbox.x1, f"{content!r} is cut at a side"
        assert figure.bbox.y0 <= box.y0 <= box.y1 <= figure.bbox.y1, f"{content!r} is cut above or below"
    for (first, one), (second, other) in combinations(boxes, 2):
        assert not one.padded(-1.5).overlaps(other.padded(-1.5)), f"{first!r} lies on {second!r}"
