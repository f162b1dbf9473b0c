"""The page is whole, needs nothing else, says what it must say, and lets no file name become markup."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from leuknet.errors import DataError, SettingError
from leuknet.experiments.folds import Fold
from leuknet.experiments.paper_comparison import comparison_rows, duration_text
from leuknet.experiments.paper_content import FIGURES, FigureFile, ReproductionContent, SeedRun
from leuknet.experiments.paper_page import reproduction_page
from leuknet.experiments.paper_seeds import seed_table, spread_sentences
from leuknet.experiments.real_figures import real_figures
from leuknet.types import (
    CellImage,
    Dataset,
    Evaluation,
    Finding,
    Interval,
    IntervalMethod,
    Label,
    Recipe,
    Split,
)

PNG = b"\x89PNG\r\n\x1a\n stands for a picture"
HOSTILE = "<img src=x onerror=alert(1)>\"'&<script>.bmp"


class Page(HTMLParser):
    """Tags with their attributes, and the text, of a written page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.source = path.read_text(encoding="utf-8")
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def _cell(number: int, label: Label) -> CellImage:
    name = f"fold_0/{label.short}_{number}.bmp"
    return CellImage(id=name, path=Path(name), sha256="0" * 64, label=label, subject="1", part="fold_0")


def _interval(estimate: float, **changes: Any) -> Interval:
    interval = Interval(estimate, estimate - 0.06, estimate + 0.04, 0.95, IntervalMethod.WILSON, 40, 7, 0)
    return replace(interval, **changes)


METRICS = {
    "accuracy": _interval(0.875),
    "sensitivity": _interval(0.9, cells=20),
    "specificity": _interval(0.85, cells=20),
    "weighted_f1": _interval(0.8749, method=IntervalMethod.BOOTSTRAP_CELLS, resamples=2000),
    "auroc": _interval(0.93, method=IntervalMethod.BOOTSTRAP_CELLS, resamples=2000),
}

EVALUATION = Evaluation(
    model_id="3fd09a11bc22", recipe="leuknet-paper", seed=5, dataset="cells", part="test", protocol="",
    round="", simulated=False,
    split_kind="image-level", split_fingerprint="f" * 64, class_names=("HEM", "ALL"), threshold=0.5,
    threshold_rule="half", calibration=None,
    cells=40, subjects=7, metrics=METRICS, confusion=((17, 3), (2, 18)),
    paths=(), labels=(), probabilities=(), subject_ids=(),
)  # fmt: skip


@pytest.fixture
def content(tmp_path: Path) -> ReproductionContent:
    cells = tuple(_cell(number, label) for number in range(6) for label in (Label.LEUKAEMIC, Label.NORMAL))
    picture = tmp_path / "picture.png"
    picture.write_bytes(PNG)
    return ReproductionContent(
        title="The paper's experiment, run again",
        created_at="2030-01-01T00:00:00Z",
        dataset=Dataset(
            name="cells", version="1", licence="free", url="https://doi.org/x", root=Path(), cells=cells
        ),
        fold=Fold("fold_1", 6, 6, 12, why="fold_1, since it was asked for."),
        split=Split(cells[:8], cells[8:10], cells[10:], "image-level", 5, "f" * 64),
        recipe=Recipe(name="leuknet-paper", source="the paper", claim="", epochs=3, image_size_px=96),
        reduced=(),
        seeds=(SeedRun(5, EVALUATION, _interval(0.8, cells=80), 61.2, "bf16"),),
        machine="2 cores",
        figures={
            name: FigureFile(picture, f"caption of {name}", f"alternative of {name}") for name in FIGURES
        },
        versions={"LeukNet": "0.1.0"},
        commands=("leuknet reproduce paper --data 'a b'",),
        files={"evaluation.json": "the scores"},
    )


@pytest.fixture
def written(tmp_path: Path) -> Callable[[ReproductionContent], Page]:
    def write(content: ReproductionContent) -> Page:
        path = tmp_path / "page.html"
        reproduction_page(content, path)
        return Page(path)

    return write


Writer = Callable[[ReproductionContent], Page]


def _judged(content: ReproductionContent, **changes: Any) -> tuple[SeedRun, ...]:
    """The first seed with another evaluation."""
    first = content.seeds[0]
    return (replace(first, evaluation=replace(first.evaluation, **changes)), *content.seeds[1:])


def _of_seeds(*accuracies: float) -> tuple[SeedRun, ...]:
    """Seeds 5, 6 and so on, whose test sides of 40 cells were called right so often."""
    return tuple(
        SeedRun(
            5 + number,
            replace(EVALUATION, metrics={**METRICS, "accuracy": _interval(accuracy)}),
            _interval(0.8, cells=80),
            60.0 + number,
            "no",
        )
        for number, accuracy in enumerate(accuracies)
    )


def _simulated(content: ReproductionContent) -> ReproductionContent:
    return replace(
        content,
        dataset=replace(content.dataset, simulated=True),
        seeds=_judged(content, simulated=True),
    )


def _by_subject(content: ReproductionContent) -> ReproductionContent:
    return replace(
        content,
        split=replace(content.split, kind="subject-level"),
        seeds=_judged(content, split_kind="subject-level"),
    )


def test_all_five_figures_and_the_curve_are_inside_with_alternative_texts(
    content: ReproductionContent, written: Writer
) -> None:
    page = written(content)

    assert [image["alt"] for image in page.all("img")] == [
        "alternative of framework", "alternative of samples", "alternative of network",
        "alternative of classified", "alternative of confusion", "alternative of history",
    ]  # fmt: skip
    for image in page.all("img"):
        head, data = str(image["src"]).split(",")
        assert head == "data:image/png;base64"
        assert base64.b64decode(data) == PNG
    assert "Figure 5. caption of confusion" in page.text


def test_nothing_is_loaded_from_elsewhere(content: ReproductionContent, written: Writer) -> None:
    page = written(_simulated(content))

    targets = [
        attributes[name] for _, attributes in page.tags for name in ("src", "href") if name in attributes
    ]
    assert targets
    assert all(str(target).startswith(("#", "data:image/png")) for target in targets)
    assert {"link", "script", "iframe", "object", "base"}.isdisjoint(tag for tag, _ in page.tags)
    assert "url(" not in page.source
    assert "@import" not in page.source
    assert any("default-src 'none'" in str(meta.get("content")) for meta in page.all("meta"))


def test_links_within_the_page_lead_somewhere(content: ReproductionContent, written: Writer) -> None:
    page = written(content)
    places = {attributes["id"] for _, attributes in page.tags if "id" in attributes}

    assert {str(link["href"])[1:] for link in page.all("a")} <= places
    labelled = {
        attributes["aria-labelledby"] for _, attributes in page.tags if "aria-labelledby" in attributes
    }
    assert labelled <= places


def test_hostile_names_stay_text(content: ReproductionContent, written: Writer) -> None:
    plain = [tag for tag, _ in written(content).tags]
    figure = replace(content.figures["samples"], caption=HOSTILE, alt=HOSTILE)
    page = written(
        replace(
            content,
            title=HOSTILE,
            dataset=replace(
                content.dataset, name=HOSTILE, findings=(Finding("error", "x", HOSTILE, HOSTILE),)
            ),
            seeds=_judged(content, unreadable=((HOSTILE, HOSTILE),)),
            figures={**content.figures, "samples": figure},
            commands=(HOSTILE,),
            files={HOSTILE: HOSTILE},
            machine=HOSTILE,
        )
    )

    assert page.text.count(HOSTILE) >= 10
    assert page.all("img")[1]["alt"] == HOSTILE
    assert [tag for tag, _ in page.tags].count("img") == plain.count("img")
    assert not page.all("script")
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)


def test_a_name_that_utf8_cannot_hold_is_written_with_its_code(
    content: ReproductionContent, written: Writer
) -> None:
    broken = b"cell_\xff.bmp".decode("utf-8", "surrogateescape")
    page = written(replace(content, seeds=_judged(content, unreadable=((broken, "empty"),))))

    assert "cell_\\udcff.bmp" in page.text


def test_the_simulated_banner_stands_only_over_simulated_cells(
    content: ReproductionContent, written: Writer
) -> None:
    real = written(content)
    assert "SIMULATED CELLS" not in real.text
    assert "simulated" not in [attributes.get("class") for _, attributes in real.tags]

    simulated = written(_simulated(content))
    assert "simulated" in [attributes.get("class") for _, attributes in simulated.tags]
    assert "<title>SIMULATED CELLS: " in simulated.source
    assert "cannot be compared as scores" in simulated.text


def test_what_was_measured_on_real_cells_stands_beside_simulated_ones_alone(
    content: ReproductionContent, written: Writer
) -> None:
    first = real_figures().rows[0]
    real, simulated = written(content), written(_simulated(content))

    assert first[1] in simulated.text
    assert "These numbers are of real cells" in simulated.text
    assert first[1] not in real.text


def test_the_warning_of_optimism_stands_only_over_image_level_scores(
    content: ReproductionContent, written: Writer
) -> None:
    by_image = written(content)
    assert "These scores are optimistic" in by_image.text
    assert "13 to 17 points" in by_image.text

    by_subject = written(_by_subject(content))
    assert "optimistic" not in by_subject.text
    assert "image-level" not in [attributes.get("id") for _, attributes in by_subject.tags]
    assert "subject-level split" in by_subject.text


def test_what_was_reduced_is_said_and_only_then(content: ReproductionContent, written: Writer) -> None:
    assert "not the paper's experiment at full size" not in written(content).text

    page = written(replace(content, reduced=("96 pixels instead of 224",)))
    assert "not the paper's experiment at full size" in page.text
    assert "96 pixels instead of 224" in page.text


def test_the_headline_states_counts_interval_subjects_and_split(
    content: ReproductionContent, written: Writer
) -> None:
    # 17 + 18 right of 40.
    expected = (
        "35 of 40 test cells were called right: accuracy 87.5%, "
        "95% interval 81.5% to 91.5%, Wilson, cells as independent; 40 cells of 7 subjects; "
        "image-level split."
    )
    assert expected in written(content).text


def test_unpublished_subjects_are_said_to_be_so(content: ReproductionContent, written: Writer) -> None:
    page = written(replace(content, seeds=_judged(content, subjects=None)))

    assert "image-level split; subjects not published." in page.text


def test_the_comparison_holds_what_the_paper_states_with_intervals(content: ReproductionContent) -> None:
    rows = {row.quantity: row for row in comparison_rows(content)}

    # Wilson's score interval by hand for 196 of 226: centre (p + z^2/2n) / (1 + z^2/n) = 0.86112, half
    # width 0.04429, with z = 1.95996.
    assert rows["Test accuracy"].paper == "86.73%"
    detail = "196 right; 95% interval 81.7% to 90.5%, Wilson, cells as independent; 226 cells"
    assert rows["Test accuracy"].paper_detail == detail
    assert (rows["Sensitivity"].paper, rows["Specificity"].paper) == ("85.84%", "87.61%")
    assert rows["Validation accuracy at the end"].paper == "84.51%"
    assert rows["Validation accuracy at the end"].run == "80.00%"
    assert rows["Area under the ROC curve"].paper == "not stated"
    assert rows["Area under the ROC curve"].run == "0.930"
    assert "0.870 to 0.970, bootstrap over cells" in rows["Area under the ROC curve"].run_detail
    assert (rows["Images used"].paper, rows["Images used"].run) == ("2,260", "12")
    assert rows["Images used"].run_detail == "6 ALL and 6 HEM"
    assert rows["Training, validation, test"].run == "8 / 2 / 2"
    assert (rows["Training time"].paper, rows["Training time"].run) == ("45 min 34 s", "1 min 1 s")


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59.6, "1 min 0 s"), (3600, "1 h 0 min 0 s"), (2734, "45 min 34 s")]
)
def test_durations_are_written_in_words(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


def test_the_page_says_which_fold_it_is_of_and_why(content: ReproductionContent, written: Writer) -> None:
    assert "Which cells: fold_1, since it was asked for." in written(content).text


def test_one_seed_is_said_to_be_one(content: ReproductionContent, written: Writer) -> None:
    page = written(content)

    assert "One seed was run." in page.text
    assert "One data set, one split, one seed." in page.text
    assert [row.name for row in seed_table(content.seeds).rows] == ["Paper", "Seed 5"]
    assert "bf16 where PyTorch deems it safe" in page.text


def test_seeds_stand_beside_the_paper_with_mean_and_spread(
    content: ReproductionContent, written: Writer
) -> None:
    seeds = _of_seeds(0.8, 0.9, 0.85)
    table = seed_table(seeds)
    accuracy = {row.name: row.cells[0] for row in table.rows}
    auroc = {row.name: row.cells[5] for row in table.rows}

    assert table.heads[0] == "Test accuracy"
    assert accuracy["Paper"] == ("86.73%", "196 of 226; 81.7% to 90.5%")
    assert accuracy["Seed 6"] == ("90.00%", "36 of 40; 84.0% to 94.0%")
    # Of 0.8, 0.85 and 0.9: standard deviation 0.05; 4.3027 (t with 2 degrees of freedom) * 0.05 / sqrt(3) is
    # 0.1242.
    assert accuracy["Mean"] == ("85.00%", "72.6% to 97.4% over seeds")
    assert accuracy["Spread"] == ("5.0 points", "80.0% to 90.0%")
    assert auroc["Paper"] == ("not stated", "")
    assert (auroc["Mean"][0], auroc["Spread"]) == ("0.930", ("0.000", "0.930 to 0.930"))

    page = written(replace(content, seeds=seeds))
    assert "Test accuracy over 3 seeds: mean 85.0%, standard deviation 5.0 points, from 80.0% to" in page.text
    assert "3 seeds, each with a split of its own. The intervals of one seed cover" in page.text
    assert "This run is that of seed 5." in page.text


def test_the_interval_over_seeds_says_what_it_can_and_cannot_say() -> None:
    said = " ".join(spread_sentences(_of_seeds(0.8, 0.9, 0.85)))

    # One seed more: 4.3027 * 0.05 * sqrt(4 / 3) is 0.2484, above 1 cut off.
    assert "settle between 72.6% and 97.4%" in said
    assert "between 60.2% and 100.0%" in said
    assert "The paper's 86.73%, a single run, lies within that." in said
    assert "cannot say: how the network does on other people" in said

    low = " ".join(spread_sentences(_of_seeds(0.7, 0.71, 0.705)))
    assert "lies outside that" in low

    drawn = [
        replace(one, evaluation=replace(one.evaluation, simulated=True)) for one in _of_seeds(0.8, 0.9, 0.85)
    ]
    assert "The paper's" not in " ".join(spread_sentences(drawn))

    two = " ".join(spread_sentences(_of_seeds(0.8, 0.9)))
    assert "No interval over seeds is given with fewer than 3 of them." in two
    assert "Student" not in two


def test_long_lists_are_cut_with_their_number(content: ReproductionContent, written: Writer) -> None:
    unreadable = tuple((f"cell_{number}.bmp", "empty file") for number in range(1053))
    page = written(replace(content, seeds=_judged(content, unreadable=unreadable)))

    assert "1,053 test cells could not be read" in page.text
    assert "cell_49.bmp" in page.text
    assert "cell_50.bmp" not in page.text
    assert "and 1,003 more" in page.text


def test_headings_and_tables_can_be_followed_by_a_screen_reader(
    content: ReproductionContent, written: Writer
) -> None:
    page = written(replace(_simulated(content), reduced=("size",)))
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]

    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert page.all("th")
    assert all(head.get("scope") in ("row", "col") for head in page.all("th"))
    assert len(page.all("caption")) == len(page.all("table"))
    assert page.all("html") == [{"lang": "en"}]


def _luminance(colour: str) -> float:
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_text_stands_out_in_light_dark_and_print(content: ReproductionContent, written: Writer) -> None:
    schemes = re.findall(r":root \{(.*?)\}", written(content).source, re.DOTALL)
    assert len(schemes) == 3

    colours: dict[str, str] = {}
    for scheme in schemes:
        colours |= dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", scheme))
        pairs = [
            (text, ground) for text in ("ink", "muted", "accent") for ground in ("paper", "panel", "caution")
        ]
        for text, ground in [*pairs, ("amber-ink", "amber")]:
            light, dark = sorted((_luminance(colours[text]), _luminance(colours[ground])), reverse=True)
            # WCAG 2.2, success criterion 1.4.3 (AA): 4.5 for text of normal size.
            assert (light + 0.05) / (dark + 0.05) >= 4.5, f"{text} on {ground}"


def _without_network(content: ReproductionContent) -> ReproductionContent:
    return replace(content, figures={name: content.figures[name] for name in FIGURES if name != "network"})


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (_without_network, "there is no figure named network"),
        (
            lambda content: replace(content, split=replace(content.split, fingerprint="e" * 64)),
            "the evaluation was made on another split than the one described",
        ),
        (
            lambda content: replace(content, seeds=_judged(content, split_kind="external")),
            "the split is image-level, the evaluation says external",
        ),
        (
            lambda content: replace(content, dataset=replace(content.dataset, simulated=True)),
            "data set and evaluation disagree about whether the cells are simulated",
        ),
        (
            lambda content: replace(content, seeds=_judged(content, metrics={})),
            "the evaluation of seed 5 holds no accuracy",
        ),
        (
            lambda content: replace(
                content, figures={**content.figures, "history": replace(content.figures["history"], alt="")}
            ),
            "figure history has no alternative text",
        ),
    ],
)
def test_parts_that_do_not_belong_together_are_refused(
    content: ReproductionContent,
    tmp_path: Path,
    spoil: Callable[[ReproductionContent], ReproductionContent],
    why: str,
) -> None:
    with pytest.raises(SettingError) as caught:
        reproduction_page(spoil(content), tmp_path / "page.html")

    assert why in caught.value.why
    assert not (tmp_path / "page.html").exists()


def test_a_figure_that_cannot_be_read_is_named(content: ReproductionContent, tmp_path: Path) -> None:
    gone = replace(content.figures["samples"], path=tmp_path / "gone.png")

    with pytest.raises(DataError) as caught:
        reproduction_page(
            replace(content, figures={**content.figures, "samples": gone}), tmp_path / "page.html"
        )

    assert caught.value.why == f"{tmp_path / 'gone.png'} cannot be read: No such file or directory"
    assert [path.name for path in tmp_path.iterdir()] == ["picture.png"]
