"""Details of an evaluation: subgroups with counts and warnings, tables, and what an old file lacks."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.text import Text
from sklearn.metrics import roc_auc_score

from leuknet.errors import ShapeError
from leuknet.evaluation.detail_tables import as_markdown, detail_tables, ratio_text
from leuknet.evaluation.details import details_of
from leuknet.evaluation.evaluate import Judged, judge, read_evaluation, write_evaluation
from leuknet.evaluation.operating_points import choose_thresholds
from leuknet.evaluation.subgroups import Trait, subgroups, traits_of
from leuknet.evaluation.summary import number_text, share_text, summary_rows
from leuknet.figures.subgroups_plot import draw_subgroups
from leuknet.images.measures import Measures
from leuknet.images.survey import THUMBNAIL_PX, Survey
from leuknet.types import (
    Calibration,
    CellImage,
    Dataset,
    Evaluation,
    Interval,
    IntervalMethod,
    Label,
    LikelihoodRatio,
    SplitKind,
    Subgroup,
    TestSide,
)

PEOPLE, EACH = 16, 9
WHOSE = np.repeat(np.arange(PEOPLE), EACH)
LABELS = WHOSE % 2
GENERATOR = np.random.default_rng(0)
STATED = 1 / (1 + np.exp(-(2.4 * LABELS - 1.2 + GENERATOR.normal(0, 1.4, WHOSE.size))))
AREA = GENERATOR.permutation(np.arange(1000, 1000 + WHOSE.size)).astype(float)
CELLS = tuple(
    CellImage(
        f"{number}", Path(f"{number}"), f"{number}", Label(int(label)), f"S{whose}", part=f"fold_{whose % 3}"
    )
    for number, (label, whose) in enumerate(zip(LABELS, WHOSE, strict=True))
)


def evaluation_of(kind: SplitKind = "subject-level", *, named: bool = True) -> Evaluation:
    cells = CELLS if named else tuple(replace(cell, subject=None) for cell in CELLS)
    dataset = Dataset("it", "1", "", "", Path(), cells)
    calibration = Calibration(1.0, (0.4, 0.6), 0.9, 50, 9, 0.1, 0.1, None, choose_thresholds(LABELS, STATED))
    model = Judged("0" * 12, "leuknet-paper", 0, 0.5, "half", calibration)
    return judge(model, dataset, TestSide(cells, kind, "f" * 64, "it"), cells=cells, probabilities=STATED)


def groups(
    trait: Trait, *, clusters: np.ndarray | None = WHOSE, subjects: np.ndarray | None = WHOSE
) -> list[Subgroup]:
    return list(
        subgroups(LABELS, STATED, 0.5, [trait], subjects, clusters=clusters, class_names=("HEM", "ALL"))
    )


def survey_of(cells: tuple[CellImage, ...]) -> Survey:
    measures = np.zeros((len(cells), len(Measures._fields)))
    measures[:, 0] = AREA[: len(cells)]
    measures[:, 3:6] = (200, 100, 50)  # red, green, blue
    return Survey(
        cells,
        ("",) * len(cells),
        measures,
        np.zeros((len(cells), THUMBNAIL_PX, THUMBNAIL_PX, 3), np.uint8),
        (),
    )


def test_thirds_hold_a_third_each_with_their_own_scores() -> None:
    found = groups(Trait("cell size", "px", AREA))

    assert [one.group for one in found] == ["smallest third", "middle third", "largest third"]
    assert [one.leukaemic + one.normal for one in found] == [48, 48, 48]
    assert [one.limits for one in found] == ["1,000 to 1,047 px", "1,048 to 1,095 px", "1,096 to 1,143 px"]
    for number, one in enumerate(found):
        member = number == (AREA - 1000) // 48
        labels, stated = LABELS[member], STATED[member]
        assert one.metrics["auroc"].estimate == pytest.approx(roc_auc_score(labels, stated))
        assert one.metrics["sensitivity"].estimate == pytest.approx((stated[labels == 1] >= 0.5).mean())
        assert one.metrics["specificity"].estimate == pytest.approx((stated[labels == 0] < 0.5).mean())
        assert (one.leukaemic_subjects, one.normal_subjects) == tuple(
            np.unique(WHOSE[member & (label == LABELS)]).size for label in (1, 0)
        )
        assert one.metrics["auroc"].method is IntervalMethod.JACKKNIFE_SUBJECTS


def test_groups_of_few_people_or_cells_carry_a_warning_and_no_interval_that_pretends() -> None:
    parts = np.where(WHOSE < 4, "small", "large")
    large, small = groups(Trait("part", "", parts))

    assert (large.warning, large.leukaemic_subjects) == ("", 6)
    assert small.warning == "ALL cells of only 2 people; HEM cells of only 2 people"
    assert not small.metrics["auroc"].is_known
    _, few = groups(Trait("part", "", parts), clusters=None, subjects=None)
    assert few.warning == "only 18 ALL cells; only 18 HEM cells"
    assert few.leukaemic_subjects is None
    assert few.metrics["sensitivity"].method is IntervalMethod.WILSON


def test_a_group_without_a_class_says_so_and_names_who_gives_most_of_it() -> None:
    one_person, rest = groups(Trait("part", "", np.where(WHOSE == 3, "a", "b")))

    assert one_person.warning == (
        "ALL cells of only 1 person; no HEM cell; one person gives 100% of the cells"
    )
    assert set(one_person.metrics) == {"sensitivity"}
    assert rest.warning == ""


def test_a_trait_that_all_cells_share_makes_no_groups_and_a_misfit_is_refused() -> None:
    assert groups(Trait("cell size", "px", np.ones(WHOSE.size))) == []
    with pytest.raises(ShapeError, match="cell size: 3 values for 144 cells"):
        groups(Trait("cell size", "px", np.ones(3)))


def test_traits_are_those_of_the_image_and_of_the_part() -> None:
    size, strength, colour, part = traits_of(survey_of(CELLS), CELLS)

    assert size.values.tolist() == AREA.tolist()
    # Grey is 0.299 * 200 + 0.587 * 100 + 0.114 * 50 = 124.2.
    assert strength.values == pytest.approx(-np.log10(124.2 / 255))
    assert colour.values == pytest.approx(2.0)
    assert sorted(set(part.values)) == ["fold_0", "fold_1", "fold_2"]
    alike = tuple(replace(cell, part="fold_0") for cell in CELLS)
    assert len(traits_of(survey_of(alike), alike)) == 3


def test_details_of_subjects_leave_out_people_and_start_with_the_models_own_threshold() -> None:
    details = details_of(evaluation_of(), traits=traits_of(survey_of(CELLS), CELLS))
    own, *others = details.operating_points

    assert own.chosen is None
    assert (own.threshold, len(others)) == (0.5, 8)
    assert own.sensitivity.method is IntervalMethod.JACKKNIFE_SUBJECTS
    assert [one.prevalence for one in own.predictive] == [0.01, 0.05, 0.2, 0.5]
    assert details.people is not None
    assert (details.people.leukaemic, details.people.normal) == (8, 8)
    assert {one.attribute for one in details.subgroups} == {"cell size", "part"}


def test_details_of_an_image_level_split_take_cells_as_independent() -> None:
    details = details_of(evaluation_of("image-level"))

    assert details.operating_points[0].sensitivity.method is IntervalMethod.WILSON
    assert details.calibration.slope is not None
    assert details.calibration.slope.method is IntervalMethod.JACKKNIFE_CELLS
    assert details.people is not None


def test_without_names_there_are_no_people_and_with_votes_no_thresholds() -> None:
    assert details_of(evaluation_of(named=False)).people is None
    assert len(details_of(replace(evaluation_of(), neighbours=3)).operating_points) == 1


def test_details_are_written_and_read_and_a_file_without_them_still_opens(tmp_path: Path) -> None:
    plain = evaluation_of()
    told = replace(plain, details=details_of(plain, traits=traits_of(survey_of(CELLS), CELLS)))
    write_evaluation(told, tmp_path / "one.json")
    assert read_evaluation(tmp_path / "one.json") == told

    content = json.loads((tmp_path / "one.json").read_text(encoding="utf-8"))
    del content["details"]
    (tmp_path / "old.json").write_text(json.dumps(content), encoding="utf-8")
    assert read_evaluation(tmp_path / "old.json") == plain


def test_tables_say_every_number_with_its_interval() -> None:
    evaluation = evaluation_of()
    details = details_of(evaluation, traits=traits_of(survey_of(CELLS), CELLS))
    page = as_markdown(detail_tables(evaluation, details), title="It")

    own = details.operating_points[0]
    assert f"| the model's own | 0.500 | {share_text(own.sensitivity)} |" in page
    assert details.people is not None
    assert f"| AUROC over people, by mean probability | {number_text(details.people.auroc)} |" in page
    assert "| cell size: smallest third (1,000 to 1,047 px) |" in page
    assert "| chosen for | 1% ALL | 5% ALL | 20% ALL | 50% ALL |" in page
    assert "was chosen on the validation cells alone" in page
    bare = as_markdown(detail_tables(evaluation, details_of(evaluation, thresholds=())), title="It")
    assert "trained by an earlier LeukNet" in bare
    assert "Subgroups" not in bare


def test_the_first_screen_has_two_of_them() -> None:
    evaluation = evaluation_of()
    rows = dict(summary_rows(replace(evaluation, details=details_of(evaluation))))

    assert {"calibration slope (1 is right)", "AUROC over people"} <= rows.keys()
    assert "AUROC over people" not in dict(summary_rows(evaluation))


def test_numbers_without_an_interval_say_so() -> None:
    unknown = Interval(0.9, 0.0, 1.0, 0.95, IntervalMethod.TOO_FEW_SUBJECTS, 9, 2, 0)

    assert share_text(unknown) == "90.0% (no interval)"
    assert number_text(unknown) == "0.900 (no interval)"
    assert number_text(None) == "not known"
    assert ratio_text(LikelihoodRatio(None, 3.14, None)) == "none wrong (at least 3.14)"
    assert ratio_text(LikelihoodRatio(None, 0.0, None)) == "not known"  # no cell is called so
    assert ratio_text(LikelihoodRatio(9.0, 0.0, None)) == "9.00 (no interval)"
    assert ratio_text(LikelihoodRatio(8.5, 3.14, 21.2)) == "8.50 (3.14 to 21.2)"


def test_the_figure_shows_each_group_with_its_counts() -> None:
    evaluation = evaluation_of()
    details = details_of(evaluation, traits=traits_of(survey_of(CELLS), CELLS))
    figure = draw_subgroups(evaluation, details.subgroups)

    texts = {text.get_text() for text in figure.findobj(Text) if isinstance(text, Text)}
    for one in details.subgroups:
        assert f"{one.attribute}: {one.group}" in texts
        assert f"{one.leukaemic:,} / {one.normal:,}" in texts
