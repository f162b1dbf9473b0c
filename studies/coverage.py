"""Counts how often 95% intervals hold the truth, on simulated people whose truth is known, and writes the tables of docs/protocol.md.

Each setting is drawn so many times; what was counted is kept in `results/coverage.json` after every few draws, so that the
study can be stopped and goes on where it was. A larger number of draws goes on from a smaller one.

    python studies/coverage.py                 # minutes
    python studies/coverage.py --draws 1000    # the tables as published

Start at `SETTINGS`; what is drawn and the candidates stand in `coverage_people.py`.
"""

from __future__ import annotations

import argparse
import json
import re
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import norm
from tqdm import tqdm

import coverage_people as people
from leuknet.evaluation.agreement import agreement_of
from leuknet.evaluation.calibration_error import ece_interval, gaps_of
from leuknet.evaluation.crossed import mean_over_seeds
from leuknet.evaluation.curves import roc
from leuknet.evaluation.jackknife import basis_of
from leuknet.evaluation.summary import markdown_table
from leuknet.records import write_whole

REPOSITORY = Path(__file__).resolve().parents[1]
PAGE = REPOSITORY / "docs" / "protocol.md"
RESULTS = REPOSITORY / "results" / "coverage.json"

DRAWS = 200
KEPT_EVERY = 25
"""Draws between two writes of the file."""

_TABLES = re.compile(r"(?<=<!-- coverage -->\n).*?(?=<!-- end of coverage -->)", re.DOTALL)

Outcome = dict[str, list[float]]
"""Of each method and score, `METHOD / SCORE`: whether the interval held the truth, and how wide it was."""


class Setting(NamedTuple):
    """One thing that is drawn again and again."""

    draw: Callable[..., Outcome]
    options: dict[str, Any]


def draw_scores(*, auroc: float, count: int, seed: tuple[int, ...], normal: float = 0.5) -> Outcome:
    """Judge all intervals of four scores of one set of people; one that is not given counts for none."""
    drawn = people.draw_people(count, auroc, seed=seed, normal=normal)
    truth = people.truths(auroc)
    return {
        f"{method} / {score}": [float(low <= true <= high), high - low]
        for method, limits in people.score_limits(drawn, seed=(*seed, 7)).items()
        for score, true, (low, high) in zip(people.SCORES, truth, limits.tolist(), strict=True)
        if not np.isnan(low)
    }


def draw_ece(*, auroc: float, count: int, sharpness: float, seed: tuple[int, ...], cells: int = 0) -> Outcome:
    """Judge all intervals of the calibration error; `cells` above 0 takes so many of as many people as there are cells."""
    drawn = people.draw_people(cells or count, auroc, seed=seed, sharpness=sharpness)
    if cells:
        first = np.unique(drawn.whose, return_index=True)[1]
        drawn = drawn._replace(
            labels=drawn.labels[first], probabilities=drawn.probabilities[first], whose=np.arange(cells)
        )
    true = people.true_ece(auroc, sharpness)
    limits = people.ece_limits(drawn, seed=(*seed, 7), chosen=ece_interval)
    gaps = gaps_of(drawn.labels, drawn.probabilities, basis_of(drawn.whose, cells=drawn.labels.size).units)
    found = {
        f"{method} / ECE": [float(low <= true <= high), high - low] for method, (low, high) in limits.items()
    }
    return found | {"plain / bias": [gaps.plain - true, 0.0], "debiased / bias": [gaps.debiased - true, 0.0]}


def draw_kappa(*, cases: int, likeness: float, rare: bool, seed: tuple[int, ...]) -> Outcome:
    """Judge all intervals of Cohen's kappa; one that is not given counts for none."""
    rated = people.draw_ratings(cases, likeness, rare=rare, seed=seed)
    found: Outcome = {}
    for name, by_case in (("bootstrap over cells", False), ("bootstrap over cases", True)):
        low, high = people.bootstrap_kappa(rated, by_case=by_case, seed=(*seed, 7))
        found[f"{name} / kappa"] = [float(low <= rated.kappa <= high), high - low]
    one = agreement_of(rated.ratings, measure="cohen", cases=rated.cases)
    if one.low is not None and one.high is not None:
        found["chosen / kappa"] = [float(one.low <= rated.kappa <= one.high), one.high - one.low]
    return found


def draw_means(*, auroc: float, count: int, seeds: int, seed: tuple[int, ...]) -> Outcome:
    """Judge all intervals of a mean over seeds, against the mean over all seeds and people there could be."""
    answers = people.draw_seeds(count, seeds, auroc, seed=seed)
    truth = people.true_means(auroc)
    limits = {"crossed bootstrap": people.crossed_percentiles(answers, seed=(*seed, 7)).tolist()}
    means = mean_over_seeds(answers, unit="subjects", metrics=["auroc", "accuracy"])
    limits["chosen"] = [(mean.interval.low, mean.interval.high) for mean in means.values()]
    return {
        f"{method} / {score}": [float(low <= true <= high), high - low]
        for method, rows in limits.items()
        for score, true, (low, high) in zip(("AUROC", "accuracy"), truth, rows, strict=True)
    }


def draw_bands(*, auroc: float, count: int, seed: tuple[int, ...]) -> Outcome:
    """Judge the band of the ROC curve at two shares of false alarms."""
    drawn = people.draw_people(count, auroc, seed=seed)
    band = roc(drawn.labels, drawn.probabilities, drawn.whose).band
    found: Outcome = {}
    for alarms in (0.1, 0.3):
        true = norm.cdf(people.separation(auroc) + norm.ppf(alarms))
        low, high = (
            (0.0, 1.0) if band is None else (band.low[round(100 * alarms)], band.high[round(100 * alarms)])
        )
        found[f"chosen / at {alarms:.0%} false alarms"] = [float(low <= true <= high), float(high - low)]
    return found


COUNTS = (6, 10, 28, 60)
AREAS = (0.80, 0.94)

SETTINGS: dict[str, Setting] = {
    **{
        f"scores, {count} people, {auroc:.2f}": Setting(draw_scores, {"count": count, "auroc": auroc})
        for count in COUNTS
        for auroc in AREAS
    },
    **{
        f"scores, {count} people of whom a fifth normal, {auroc:.2f}": Setting(
            draw_scores, {"count": count, "auroc": auroc, "normal": 0.2}
        )
        for count in (15, 28)
        for auroc in AREAS
    },
    **{
        f"ece, {count} people, sharpness {sharpness:g}": Setting(
            draw_ece, {"count": count, "auroc": 0.8, "sharpness": sharpness}
        )
        for count in (10, 28, 60)
        for sharpness in (1.0, 2.0)
    },
    **{
        f"ece, {cells} cells, sharpness {sharpness:g}": Setting(
            draw_ece, {"count": 0, "cells": cells, "auroc": 0.8, "sharpness": sharpness}
        )
        for cells in (56, 500)
        for sharpness in (1.0, 2.0)
    },
    **{
        f"kappa, {cases} cases{', rare' if rare else ''}": Setting(
            draw_kappa, {"cases": cases, "likeness": 0.9, "rare": rare}
        )
        for cases in (5, 8, 10, 20)
        for rare in (False, True)
    },
    **{
        f"means, {seeds} seeds, {auroc:.2f}": Setting(
            draw_means, {"count": 28, "seeds": seeds, "auroc": auroc}
        )
        for seeds in (1, 2, 3, 5)
        for auroc in AREAS
    },
    **{
        f"bands, {count} people, {auroc:.2f}": Setting(draw_bands, {"count": count, "auroc": auroc})
        for count in (10, 28)
        for auroc in AREAS
    },
}
"""What is drawn, by its name in the file."""


def run(draws: int, *, path: Path, settings: dict[str, Setting]) -> dict[str, Any]:
    """Draw each setting so often in all, going on from what the file holds, which is returned."""
    found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    for name, setting in settings.items():
        have = found.setdefault(name, {"draws": 0, "sums": {}})
        for start in tqdm(range(have["draws"], draws, KEPT_EVERY), desc=name, leave=False):
            end = min(start + KEPT_EVERY, draws)
            for number in range(start, end):
                for key, (first, second) in _drawn(name, setting, number):
                    sums = have["sums"].setdefault(key, [0, 0.0, 0.0])
                    have["sums"][key] = [sums[0] + 1, sums[1] + first, sums[2] + second]
            have["draws"] = end
            write_whole(path, (json.dumps(found, indent=1) + "\n").encode())
    return found


def _drawn(name: str, setting: Setting, number: int) -> Iterator[tuple[str, list[float]]]:
    seed = (zlib.crc32(name.encode()), number)
    yield from setting.draw(**setting.options, seed=seed).items()


def held(found: dict[str, Any], name: str, key: str) -> str:
    """Return how often intervals held the truth, in percent, and how wide they were: `94 (0.21)`."""
    counted, hits, width = found[name]["sums"].get(key, (0, 0, 0))
    return f"{100 * hits / counted:.0f} ({width / counted:.2f})" if counted else "none given"


def tables(found: dict[str, Any]) -> str:
    """Return the tables of the page."""
    draws = min(each["draws"] for each in found.values())
    return "\n" + "\n\n".join(
        [
            f"From `python studies/coverage.py --draws {draws}`: of {draws} draws of simulated people each, the percentage in which the "
            "95% interval held the truth, and in brackets its mean width; 95 is right, and chance moves it by "
            f"{200 * np.sqrt(0.95 * 0.05 / draws):.1f} either way. People have 9 to 757 cells and one class each; of a score's variance 0.3 "
            f"lies between people. *Chosen* is what LeukNet does; each bootstrap that it is compared with has {people.RESAMPLES} resamples.",
            _score_table(found),
            "Calibration error of ten bins: probabilities that come true (ECE 0), and such as are twice too sure "
            f"(ECE {people.true_ece(0.8, 2.0):.3f}). The last columns are the mean error of the estimate.",
            _ece_table(found),
            f"Cohen's kappa of two raters ({_true_kappa(rare=False):.2f}; {_true_kappa(rare=True):.2f} where one category is rare), cases of 5 to 60 cells:",
            _kappa_table(found),
            "Means over seeds that differ by 0.02 of AUROC (standard deviation), 28 people. Truth is the mean over all seeds: one seed "
            "cannot tell how seeds differ, and its interval is that of its own model on new people.",
            _means_table(found),
            "Bands of the ROC curve, at each place alone:",
            _band_table(found),
            "",
        ]
    )


def _named(kind: str, found: dict[str, Any]) -> list[str]:
    """Return the settings of a kind that were drawn, in the order in which they are listed."""
    return [name for name in SETTINGS if name.startswith(kind) and name in found]


def _true_kappa(*, rare: bool) -> float:
    options = SETTINGS[f"kappa, 5 cases{', rare' if rare else ''}"].options
    return people.draw_ratings(options["cases"], options["likeness"], rare=rare, seed=(0,)).kappa


def _score_table(found: dict[str, Any]) -> str:
    methods = (
        "percentile bootstrap",
        "BCa bootstrap",
        "expanded percentiles",
        "jackknife, t by people",
        "chosen",
    )
    rows = [
        (
            name.removeprefix("scores, "),
            score,
            *(held(found, name, f"{method} / {score}") for method in methods),
        )
        for name in _named("scores", found)
        for score in people.SCORES
    ]
    return markdown_table(("people, AUROC", "score", *methods), rows)


def _ece_table(found: dict[str, Any]) -> str:
    methods = ("percentile bootstrap", "moved back", "jackknife, log odds", "chosen")
    rows = []
    for name in _named("ece", found):
        errors = []
        for kind in ("plain", "debiased"):
            counted, total, _ = found[name]["sums"][f"{kind} / bias"]
            errors.append(f"{total / counted:+.3f}")
        texts = (held(found, name, f"{method} / ECE") for method in methods)
        rows.append((name.removeprefix("ece, "), *texts, *errors))
    return markdown_table(("people or cells", *methods, "plain ECE off by", "debiased ECE off by"), rows)


def _kappa_table(found: dict[str, Any]) -> str:
    methods = ("bootstrap over cells", "bootstrap over cases", "chosen")
    rows = [
        (name.removeprefix("kappa, "), *(held(found, name, f"{method} / kappa") for method in methods))
        for name in _named("kappa", found)
    ]
    return markdown_table(("cases", *methods), rows)


def _means_table(found: dict[str, Any]) -> str:
    heads = [(method, score) for method in ("crossed bootstrap", "chosen") for score in ("AUROC", "accuracy")]
    rows = [
        (name.removeprefix("means, "), *(held(found, name, f"{method} / {score}") for method, score in heads))
        for name in _named("means", found)
    ]
    return markdown_table(("seeds, AUROC", *(f"{method}, {score}" for method, score in heads)), rows)


def _band_table(found: dict[str, Any]) -> str:
    places = ("at 10% false alarms", "at 30% false alarms")
    rows = [
        (name.removeprefix("bands, "), *(held(found, name, f"chosen / {place}") for place in places))
        for name in _named("bands", found)
    ]
    return markdown_table(("people, AUROC", *places), rows)


def rendered(found: dict[str, Any], page: str) -> str:
    """Return the page with these tables between its markers."""
    return _TABLES.sub(lambda _: tables(found), page)


def main(arguments: list[str] | None = None) -> None:
    """Draw what is not drawn yet, and write the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--draws", type=int, default=DRAWS, help="draws of each setting in all")
    parser.add_argument("--out", type=Path, default=RESULTS, help="file that keeps what was counted")
    chosen = parser.parse_args(arguments)
    found = run(chosen.draws, path=chosen.out, settings=SETTINGS)
    write_whole(PAGE, rendered(found, PAGE.read_text(encoding="utf-8")).encode())


if __name__ == "__main__":
    main()
