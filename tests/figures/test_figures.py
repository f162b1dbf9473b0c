"""The pictures say what the data say, carry their notices, and let no text be cut or overlap."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Polygon, Rectangle
from matplotlib.text import Text
from PIL import Image

from leuknet.errors import SettingError, ShapeError
from leuknet.figures.cells_plot import draw_classified, draw_samples
from leuknet.figures.confusion import draw_confusion
from leuknet.figures.examples import choose_examples
from leuknet.figures.frame import AMBER, STYLE, framed, save_figure, shortened
from leuknet.figures.framework import draw_framework
from leuknet.figures.history_plot import draw_history
from leuknet.figures.network import draw_network
from leuknet.types import (
    CellImage,
    Dataset,
    Evaluation,
    HistoryRow,
    Interval,
    IntervalMethod,
    Label,
    LayerRow,
    Pixels,
    Recipe,
    Split,
)

LONG_NAMES = ("lymphocytes that are normal", "cells that are $leukaemic$")


def _cell(number: int, label: Label) -> CellImage:
    name = f"fold_0/{label.short}_{number}.bmp"
    return CellImage(id=name, path=Path(name), sha256="0" * 64, label=label, subject="1", part="fold_0")


ALL = tuple(_cell(number, Label.LEUKAEMIC) for number in range(30))
HEM = tuple(_cell(number, Label.NORMAL) for number in range(20))
DATASET = Dataset(name="cells", version="1", licence="", url="", root=Path(), cells=ALL + HEM, canvas_px=450)
SPLIT = Split(
    train=ALL[:14] + HEM[:14], validation=ALL[14:18] + HEM[14:18], test=ALL[18:20] + HEM[18:20],
    kind="image-level", seed=0, fingerprint="f" * 64,
)  # fmt: skip
RECIPE = Recipe(name="paper", source="a paper", claim="", parts=("fold_0",))


def _interval(estimate: float) -> Interval:
    return Interval(estimate, estimate - 0.05, estimate + 0.03, 0.95, IntervalMethod.WILSON, 226, None, 0)


EVALUATION = Evaluation(
    model_id="0" * 12, recipe="paper", seed=0, dataset="cells", part="test", protocol="", round="",
    simulated=False, split_kind="image-level", split_fingerprint="f" * 64, class_names=("HEM", "ALL"),
    threshold=0.5, threshold_rule="half", calibration=None, subject_ids=(),
    cells=226, subjects=28, metrics={"accuracy": _interval(0.8673), "sensitivity": _interval(0.8584),
    "specificity": _interval(0.8761)}, confusion=((99, 14), (16, 97)), paths=(), labels=(), probabilities=(),
)  # fmt: skip

LAYERS = tuple(
    LayerRow(number + 1, name, kind, "", shape, parameters, 0.1)
    for number, (name, kind, shape, parameters) in enumerate(
        [
            ("input", "Image input", (3, 224, 224), 0),
            ("conv1", "Convolution", (64, 224, 224), 1792),
            ("pool1", "Max pooling", (64, 112, 112), 0),
            ("conv2", "Convolution", (128, 112, 112), 73856),
            ("pool2", "Max pooling", (128, 56, 56), 0),
            ("fc1", "Fully connected", (128,), 51380352),
            ("softmax", "Softmax", (2,), 0),
        ]
    )
)

HISTORY = tuple(
    HistoryRow(
        iteration=number, epoch=1 + (number - 1) // 4, learning_rate=1e-4 if number <= 8 else 5e-5,
        loss=0.7 - 0.03 * number, accuracy=0.5 + 0.03 * number,
        validation_loss=0.6 if number % 5 == 0 else None,
        validation_accuracy=0.05 * number if number % 5 == 0 else None, elapsed_s=2.0 * number,
    )
    for number in range(1, 13)
)  # fmt: skip


def _images(n: int) -> list[Pixels]:
    return [np.full((12, 12, 3), 20 * number, dtype=np.uint8) for number in range(n)]


def _draw_classified(*, simulated: bool, class_names: tuple[str, str] = ("HEM", "ALL")) -> Figure:
    labels, probabilities = np.array([1, 1, 0, 0]), np.array([0.9, 0.2, 0.1, 0.75])
    caption = choose_examples(labels, probabilities, 0.5, n=4, seed=0).caption(class_names)
    return draw_classified(
        _images(4), labels, probabilities,
        threshold=0.5, class_names=class_names, caption=caption, simulated=simulated,
    )  # fmt: skip


def _draw_samples(*, simulated: bool, class_names: tuple[str, str] = ("HEM", "ALL")) -> Figure:
    titles = [f"UID_{number}_a-long-file-name_{number}_all.bmp" for number in range(7)]
    return draw_samples(
        _images(7), [1, 1, 1, 1, 0, 0, 0], titles=titles, class_names=class_names, simulated=simulated
    )


DRAWN: dict[str, Callable[[bool], Figure]] = {
    "framework": lambda simulated: draw_framework(DATASET, SPLIT, RECIPE, n_layers=17, simulated=simulated),
    "samples": lambda simulated: _draw_samples(simulated=simulated),
    "network": lambda simulated: draw_network(LAYERS, simulated=simulated),
    "classified": lambda simulated: _draw_classified(simulated=simulated),
    "confusion": lambda simulated: draw_confusion(EVALUATION, simulated=simulated),
    "history": lambda simulated: draw_history(HISTORY, simulated=simulated),
}

LONG_NAMED: dict[str, Callable[[], Figure]] = {
    "framework": lambda: draw_framework(
        replace(DATASET, class_names=LONG_NAMES, name="n" * 60), SPLIT, RECIPE, n_layers=17, simulated=True
    ),
    "samples": lambda: _draw_samples(simulated=True, class_names=LONG_NAMES),
    "classified": lambda: _draw_classified(simulated=True, class_names=LONG_NAMES),
    "confusion": lambda: draw_confusion(replace(EVALUATION, class_names=LONG_NAMES), simulated=True),
}


def _texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text) if isinstance(text, Text)]


def _assert_legible(figure: Figure) -> None:
    FigureCanvasAgg(figure).print_figure(io.BytesIO())
    for axis in (axis for axes in figure.get_axes() for axis in (axes.xaxis, axes.yaxis)):
        low, high = sorted(axis.get_view_interval())
        for tick in axis.get_major_ticks():
            # matplotlib keeps one tick beyond each end and does not draw it.
            tick.label1.set_visible(low <= tick.get_loc() <= high)
    shown = [text for text in figure.findobj(Text) if isinstance(text, Text) and text.get_visible()]
    boxes = [(text.get_text(), text.get_window_extent()) for text in shown if text.get_text().strip()]
    for content, box in boxes:
        assert figure.bbox.x0 <= box.x0 <= box.x1 <= figure.bbox.x1, f"{content!r} is cut at a side"
        assert figure.bbox.y0 <= box.y0 <= box.y1 <= figure.bbox.y1, f"{content!r} is cut above or below"
    for (first, one), (second, other) in combinations(boxes, 2):
        # Line boxes hold room for accents: what counts is the ink, about a pixel less on each side.
        assert not one.padded(-1.5).overlaps(other.padded(-1.5)), f"{first!r} lies on {second!r}"


@pytest.mark.parametrize("name", DRAWN)
def test_simulated_cells_are_stamped_into_both_files(name: str, tmp_path: Path) -> None:
    png, svg = save_figure(DRAWN[name](True), tmp_path / name)

    assert "<!-- SIMULATED CELLS -->" in svg.read_text()
    with Image.open(png) as picture:
        band = np.asarray(picture.convert("RGB"))[2:6]
    assert np.array_equal(np.unique(band.reshape(-1, 3), axis=0), [[0xF0, 0xB4, 0x29]])
    assert AMBER == "#f0b429"


@pytest.mark.parametrize("name", DRAWN)
def test_figures_of_real_cells_carry_the_research_notice_only(name: str) -> None:
    texts = _texts(DRAWN[name](False))

    assert "Research use only. Not a medical device." in texts
    assert not any("SIMULATED" in text for text in texts)


def test_the_simulated_band_takes_its_own_room() -> None:
    plain, _ = framed(8, 3, title="t", subtitle="s", simulated=False)
    stamped, body = framed(8, 3, title="t", subtitle="s", simulated=True)

    assert stamped.get_figheight() - plain.get_figheight() == pytest.approx(0.34)
    assert body.bbox.height / body.dpi == pytest.approx(3)


@pytest.mark.parametrize("name", DRAWN)
def test_no_text_is_cut_or_overlaps(name: str) -> None:
    _assert_legible(DRAWN[name](True))


@pytest.mark.parametrize("name", LONG_NAMED)
def test_long_class_names_are_neither_cut_nor_overlapping(name: str) -> None:
    _assert_legible(LONG_NAMED[name]())


def test_one_figure_gives_the_same_bytes_twice(tmp_path: Path) -> None:
    first = save_figure(DRAWN["classified"](True), tmp_path / "first.v1")
    second = save_figure(DRAWN["classified"](True), tmp_path / "second.v1")

    assert [path.name for path in first] == ["first.v1.png", "first.v1.svg"]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_a_failed_save_keeps_the_old_file_and_leaves_no_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_figure(DRAWN["network"](False), tmp_path / "network")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def fail(path: Path, target: Path) -> Path:
        raise OSError("disk full")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        save_figure(DRAWN["network"](True), tmp_path / "network")

    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_drawing_leaves_the_settings_of_the_caller_and_pyplot_alone() -> None:
    before = {key: mpl.rcParams[key] for key in STYLE}
    DRAWN["history"](True)

    assert {key: mpl.rcParams[key] for key in STYLE} == before
    assert before != STYLE
    code = (
        "import sys; from leuknet.figures.frame import framed;"
        "framed(6, 1, title='t', subtitle='s', simulated=True)[0].savefig('/dev/null', format='png');"
        "sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_framework_holds_the_counts_of_the_run() -> None:
    unused = (replace(ALL[0], id="x", part="fold_1"), replace(ALL[0], id="y", label=None))
    dataset = replace(DATASET, cells=DATASET.cells + unused)
    texts = _texts(draw_framework(dataset, SPLIT, RECIPE, n_layers=17, simulated=False))

    assert "50 cells\nALL 30\nHEM 20" in texts
    assert "delete at random\nALL 30 → 20\nHEM 20 → 20" in texts
    assert "28 cells (70%)" in texts
    assert "Split by image" in texts


def test_a_network_block_is_as_high_as_its_map_and_as_thick_as_its_channels() -> None:
    figure = draw_network(LAYERS, simulated=False)
    faces = [patch.get_xy() for patch in figure.findobj(Polygon) if isinstance(patch, Polygon)]
    fronts = [np.ptp(face[:4], axis=0) for face in faces if len(face) == 5][::3]

    assert fronts[1][1] == pytest.approx(2 * fronts[2][1])  # conv1 224 px, pool1 112 px
    # Beyond a thinnest block of 0.05 inch, thickness grows with channels: 64 and 128.
    assert fronts[3][0] - 0.05 == pytest.approx(2 * (fronts[2][0] - 0.05))
    assert "51.4M" in _texts(figure)


def test_examples_keep_the_proportion_and_show_every_group() -> None:
    # 60 ALL right, 20 wrong, 19 HEM right, 1 wrong. Of 12 places, one goes to each group; the other 8 are
    # shared as 59 : 19 : 18 : 0 of 96, which is 4.92, 1.58, 1.5 and 0: 5, 2, 1 and 0 by largest remainder.
    labels = np.repeat([1, 1, 0, 0], [60, 20, 19, 1])
    probabilities = np.repeat([0.9, 0.1, 0.1, 0.9], [60, 20, 19, 1])

    examples = choose_examples(labels, probabilities, 0.5, n=12, seed=3)

    assert examples.groups == (
        (Label.LEUKAEMIC, True, 6, 60),
        (Label.LEUKAEMIC, False, 3, 20),
        (Label.NORMAL, True, 2, 19),
        (Label.NORMAL, False, 1, 1),
    )
    assert len(set(examples.places)) == 12
    assert all(place < 60 for place in examples.places[:6])
    assert examples.places[-1] == 99
    assert examples == choose_examples(labels, probabilities, 0.5, n=12, seed=3)
    assert examples.places != choose_examples(labels, probabilities, 0.5, n=12, seed=4).places


def test_the_caption_says_how_examples_were_chosen() -> None:
    examples = choose_examples(np.array([1, 1, 0]), np.array([0.5, 0.4, 0.1]), 0.5, n=9, seed=7)

    assert examples.caption(("HEM", "ALL")) == (
        "3 of 3 test cells, drawn at random (seed 7) from each group: "
        "1 of 1 ALL called right, 1 of 1 ALL called wrong, 1 of 1 HEM called right."
    )


def test_too_few_examples_for_all_groups_are_refused_with_a_way_out() -> None:
    with pytest.raises(SettingError) as caught:
        choose_examples(np.array([1, 1, 0]), np.array([0.9, 0.1, 0.1]), 0.5, n=2, seed=0)

    assert caught.value.fix == "choose at least 3"


def test_calls_are_marked_by_sign_and_frame_not_by_colour_alone() -> None:
    figure = _draw_classified(simulated=False)
    texts = _texts(figure)
    frames = [
        patch.get_linestyle()
        for patch in figure.findobj(Rectangle)
        if isinstance(patch, Rectangle) and patch.get_linewidth() == 3
    ]

    assert [text for text in texts if text[:1] in "✓✗" and text] == ["✓ ALL", "✗ HEM", "✓ HEM", "✗ ALL"]
    truths = [
        [text.get_text() for text in axes.texts if "truly" in text.get_text()] for axes in figure.get_axes()
    ]
    assert truths == [[], ["truly ALL"], [], ["truly HEM"]]
    assert "P(ALL) 75.0%" in texts
    assert [line == "-" for line in frames] == [True, False, True, False]


def test_a_probability_at_the_threshold_is_called_leukaemic() -> None:
    figure = draw_classified(
        _images(1), np.array([1]), np.array([0.5]),
        threshold=0.5, class_names=("HEM", "ALL"), caption="", simulated=False,
    )  # fmt: skip

    assert "✓ ALL" in _texts(figure)


def test_the_confusion_chart_holds_counts_shares_and_intervals() -> None:
    texts = _texts(draw_confusion(EVALUATION, simulated=False))

    assert [text for text in texts if text.isdigit()] == ["97", "16", "14", "99"]
    assert "97 of 111 right" in texts
    assert "87.4%" in texts  # 97 of 111 called ALL
    assert "86.1%" in texts  # 99 of 115 called HEM
    assert "86.7%" in texts
    assert "81.7% to 89.7%" in texts


def test_a_class_that_is_never_called_has_no_share() -> None:
    texts = _texts(draw_confusion(replace(EVALUATION, confusion=((113, 0), (113, 0))), simulated=False))

    assert "none called" in texts


def test_a_confusion_chart_without_intervals_is_refused() -> None:
    with pytest.raises(ShapeError, match="confusion chart") as caught:
        draw_confusion(replace(EVALUATION, metrics={"accuracy": _interval(0.8)}), simulated=False)

    assert caught.value.why == f"the evaluation of {EVALUATION.model_id} holds no sensitivity"


def test_the_training_curve_shows_validations_where_they_took_place() -> None:
    figure = draw_history(HISTORY, simulated=False)
    accuracy = figure.get_axes()[0]
    validation = next(line for line in accuracy.get_lines() if line.get_label() == "validation")
    rate = next(line for line in accuracy.get_lines() if np.ptp(np.asarray(line.get_xdata())) == 0)

    assert list(np.asarray(validation.get_xdata())) == [5, 10]
    assert np.asarray(validation.get_ydata()) == pytest.approx([0.25, 0.5])
    assert list(np.asarray(rate.get_xdata())) == [8.5, 8.5]
    assert "learning rate 5e-05" in _texts(figure)
    assert "validation\n50.0%" in _texts(figure)


def test_a_loss_that_starts_in_the_hundreds_gets_a_logarithmic_axis_that_says_so() -> None:
    wild = (replace(HISTORY[0], loss=300.0), *HISTORY[1:])

    assert draw_history(wild, simulated=False).get_axes()[1].get_ylabel() == "loss (log scale)"
    assert draw_history(HISTORY, simulated=False).get_axes()[1].get_ylabel() == "loss"


def test_one_iteration_without_validation_is_a_training_curve_too() -> None:
    _assert_legible(draw_history(HISTORY[:1], simulated=True))


@pytest.mark.parametrize(
    "draw",
    [
        lambda: draw_network([], simulated=False),
        lambda: draw_history([], simulated=False),
        lambda: draw_samples([], [], titles=[], class_names=("HEM", "ALL"), simulated=False),
        lambda: draw_samples(_images(2), [1, 0], titles=["a"], class_names=("HEM", "ALL"), simulated=False),
        lambda: choose_examples(np.array([1]), np.array([0.1, 0.2]), 0.5),
    ],
)
def test_empty_and_misfit_data_are_refused(draw: Callable[[], object]) -> None:
    with pytest.raises(ShapeError):
        draw()


def test_long_names_lose_their_middle_and_line_breaks_their_power() -> None:
    assert shortened("abcdefghij", 5) == "ab…ij"
    assert shortened("abcde", 5) == "abcde"
    assert shortened("a\nb", 5) == "a?b"
