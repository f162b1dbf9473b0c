"""What a reader study shows, in words. Start at `study_lines`."""

from __future__ import annotations

from leuknet.evaluation.mrmc import Mrmc
from leuknet.evaluation.reader_variance import Mean

HOLDS_FOR = {
    "readers and cases": "for other readers and other cases like these",
    "cases": "for other cases like these, read by these very readers",
    "readers": "for other readers like these, of these very cases",
}


def mean_rows(found: Mrmc) -> list[list[str]]:
    """Return a row for each treatment: its name, mean, interval and the score of each reader."""
    return [
        [mean.names[0], f"{mean.estimate:.3f}", _limits(mean), *(f"{score:.3f}" for score in scores)]
        for mean, scores in zip(found.means, found.scores, strict=True)
    ]


def study_lines(found: Mrmc) -> list[str]:
    """Return a sentence for each difference and each margin, the test, and what all of it rests on."""
    lines = []
    for number, one in enumerate(found.differences):
        lines.append(
            f"{one.names[1]} minus {one.names[0]}: {one.estimate:+.3f} ({one.low:+.3f} to {one.high:+.3f}), "
            f"p = {one.p_value:.2g}"
        )
        if found.margins:
            lines.append(_within(found, number))
    above, below = found.freedom
    test = (
        f"chi-squared({above}) = {found.f_value * above:.4g}"
        if below is None
        else f"F({above}, {below:.2f}) = {found.f_value:.4g}"
    )
    whose = "independent" if found.people is None else f"of {found.people} people"
    lines.append(
        f"all treatments alike: {test}, p = {found.p_value:.2g}. This holds {HOLDS_FOR[found.random]}. "
        f"Obuchowski-Rockette with Hillis' degrees of freedom, {found.estimator} covariances, {found.design} "
        f"design; {len(found.readers)} readers, {found.cases} cases, {whose}; {found.level:.0%} intervals"
    )
    if len(found.differences) > 1:
        lines.append("p values of pairs are not corrected for their number: look at the test of all first")
    return lines


def _limits(mean: Mean) -> str:
    return f"{mean.low:.3f} to {mean.high:.3f}"


def _within(found: Mrmc, number: int) -> str:
    margin, (first, second) = found.margins[number], found.differences[number].names
    said = {
        "equivalent": f"{second} and {first} are equivalent; p = {margin.equivalent_p:.2g}",
        "not worse": f"{second} is not worse than {first}; p = {margin.noninferior_p:.2g}",
        "not shown": f"that {second} is no worse than {first} is not shown; p = {margin.noninferior_p:.2g}",
    }
    return f"within a margin of {margin.margin:g}: {said[margin.verdict]}"
