"""Says an evaluation in words, once for the command line, tables and reports.

Start at `summary_rows`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from leuknet.evaluation.by_subject import called_risk
from leuknet.evaluation.metrics import METRICS
from leuknet.types import Details, Evaluation, Interval, RiskBound


def summary_rows(evaluation: Evaluation) -> list[tuple[str, str]]:
    """Return what a reader must know of an evaluation, as pairs of a name and a text.

    Each metric with its interval comes first, then what these numbers rest on: cells, subjects, split,
    data, and the kind of interval. Shares are in percent, weighted F1 and AUROC in 0..1.
    """
    (right_normal, missed_normal), (missed_leukaemic, right_leukaemic) = evaluation.confusion
    normal, leukaemic = evaluation.class_names
    of_class = f"{missed_leukaemic + right_leukaemic} {leukaemic}, {right_normal + missed_normal} {normal}"
    rows = [
        (METRICS[name].title, score_text(name, interval)) for name, interval in evaluation.metrics.items()
    ]
    rows += _detail_rows(evaluation.details)
    rows.append(("cells", f"{evaluation.cells} ({of_class})"))
    rows.append(("subjects", "not known" if evaluation.subjects is None else str(evaluation.subjects)))
    rows.append(("split", split_text(evaluation)))
    if chosen := settings_text(evaluation):
        rows.append(("settings", chosen))
    simulated = "simulated cells" if evaluation.simulated else ""
    rows.append(("data", ", ".join(filter(None, (evaluation.dataset, evaluation.part, simulated)))))
    rows += _interval_rows(evaluation.metrics)
    rule = "" if evaluation.threshold_rule == "half" else ", chosen on the validation side"
    rows.append(("threshold", f"{evaluation.threshold:.3g}{rule}"))
    if evaluation.neighbours:
        text = f"yes: each probability is the mean with {evaluation.neighbours} other tested cells"
        rows.append(("transductive", text))
    rows.append(("earlier looks", _looks_text(evaluation)))
    if evaluation.calibration is not None and evaluation.calibration.bound is not None:
        rows.append(("wrong among called", _kept_text(evaluation)))
    if evaluation.warned:
        rows.append(("warned", f"{len(evaluation.warned)} cells depart from what the model was trained on"))
    if evaluation.unreadable:
        rows.append(("unreadable", f"{len(evaluation.unreadable)} cells, in none of these numbers"))
    return rows


def _detail_rows(details: Details | None) -> list[tuple[str, str]]:
    """Return the few details that belong on the first screen; `detail_tables.py` tells all."""
    if details is None:
        return []
    slope, people = details.calibration.slope, details.people
    rows = [("calibration slope (1 is right)", number_text(slope))]
    if people is not None and people.auroc is not None:
        rows.append(("AUROC over people", number_text(people.auroc)))
    return rows


def markdown_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table as Markdown; a bar inside a cell, which would end it, is escaped."""
    escaped = ([cell.replace("|", r"\|") for cell in row] for row in rows)
    return "\n".join(f"| {' | '.join(row)} |" for row in (heads, ("---",) * len(heads), *escaped))


def bound_text(bound: RiskBound, band: tuple[float, float], class_name: str) -> str:
    """Return which cells are left undecided to keep a bound, and how far it holds.

    Parameters
    ----------
    bound
        As on the model's card.
    band
        `Calibration.undecided`.
    class_name
        Of the positive class.
    """
    people = f"{bound.people} validation people"
    if bound.risk is None:
        return (
            f"every cell is uncertain: on {people} no share of the cells could be called with at most "
            f"{bound.asked:.1%} of a new person's calls wrong"
        )
    low, high = band
    rule = (
        f"a cell with {low:.3f} ≤ P({class_name}) < {min(high, 1):.3f} is called uncertain, so that"
        if low < high
        else "no cell is uncertain:"
    )
    return (
        f"{rule} on average over new people at most {bound.asked:.1%} of a person's calls are wrong. That "
        f"rests on {people}: {bound.called:.1%} of their cells are called, {bound.risk:.1%} of these wrong, "
        f"and of {bound.silent} of them none is called. It holds for people drawn as these were, on average "
        "over such validation sides, if these people did not also choose epoch or threshold; where they did, "
        "it is not proven, only measured in simulations"
    )


def _kept_text(evaluation: Evaluation) -> str:
    """Say how often calls were wrong by subject, beside the bound that was asked for."""
    if None in evaluation.subject_ids:
        return "subjects are not known, so that the bound cannot be checked"
    found = called_risk(evaluation)
    asked = "" if found.asked is None else f"; asked for: {found.asked:.1%} at most"
    if found.mean is None:
        return f"no cell is called{asked}"
    return (
        f"{share_text(found.mean)} of a subject's calls on average{asked}; the highest {found.highest:.1%}, "
        f"{found.highest_subject}; {share_text(found.called)} of a subject's cells called, none of "
        f"{found.silent} of {found.subjects} subjects"
    )


def split_text(evaluation: Evaluation) -> str:
    """Say how the tested cells were kept apart from those of training, and what is not known of that."""
    kind, met = evaluation.split_kind, evaluation.trained_people
    if met:
        people = evaluation.subjects or "the"
        return f"{kind} (optimistic: {len(met)} of {people} tested people trained the model)"
    if kind == "image-level":
        return f"{kind} (optimistic: cells of one person may be on both sides)"
    if kind == "unknown":
        return (
            f"{kind} (not all people are known by name: whether the model was trained on any cannot be told)"
        )
    if kind == "external" and met is None:
        return f"{kind} by the name of its data set; whether these people trained the model cannot be told"
    return kind


def settings_text(evaluation: Evaluation) -> str:
    """Say that settings were chosen on people who are tested here, empty where none are known to be."""
    cells, people = evaluation.settings_chosen_on
    if not cells:
        return ""
    who = f"{people} of {evaluation.subjects or '?'} people, " if people else ""
    return f"chosen on people who are tested here ({who}{cells:,} of {evaluation.cells:,} cells): optimistic"


def _looks_text(evaluation: Evaluation) -> str:
    """Say how often these cells were scored before: by anything, by this recipe and seed, by this model."""
    looks = evaluation.looks
    unknown = ""
    if evaluation.unresolved_looks:
        unknown = f"; which cells {evaluation.unresolved_looks} older looks scored was not written down"
    if not looks:
        first = (
            "none that is known"
            if unknown
            else "none in this ledger: these cells are scored for the first time"
        )
        return f"{first}{unknown}"
    alike = [look for look in looks if (look.recipe, look.seed) == (evaluation.recipe, evaluation.seed)]
    same = sum(look.model_id == evaluation.model_id for look in alike)
    text = f"{len(looks)}, of which {len(alike)} by this recipe and seed ({same} by this very model)"
    seen = seen_text(evaluation)
    return f"{text}{seen and f'; {seen}'}{unknown}"


def seen_text(evaluation: Evaluation) -> str:
    """Say how many cells had been scored how often: `99 of 100 cells were scored before: 99 once`.

    Empty in an evaluation that does not know, and where none was.
    """
    often = {times: cells for times, cells in evaluation.seen or () if times}
    before, total = sum(often.values()), sum(cells for _, cells in evaluation.seen or ())
    if not before:
        return ""
    words = {1: "once", 2: "twice", 3: "three times"}
    parts = ", ".join(
        f"{cells:,} {words.get(times, f'each {times} times')}" for times, cells in often.items()
    )
    which = f"all {total:,} cells" if before == total else f"{before:,} of {total:,} cells"
    return f"{which} were scored before: {parts}"


def _interval_rows(metrics: Mapping[str, Interval]) -> list[tuple[str, str]]:
    """Say how intervals were made, and of which metrics each; or why there is none."""
    names: dict[tuple[str, str], list[str]] = {}
    for name, interval in metrics.items():
        how = (f"interval ({interval.level:.0%})", interval.method.label)
        if not interval.is_known:
            how = ("no interval", interval.method.label.removeprefix("no interval: "))
        names.setdefault(how, []).append(METRICS[name].title)
    return [(head, f"{method}: {', '.join(titles)}") for (head, method), titles in names.items()]


def score_text(name: str, interval: Interval) -> str:
    """Return a metric's estimate and interval as people read it: `80.4% (68.2 to 88.7)`.

    Of too few people it is `80.4% (no interval)`.
    """
    return _text(name, interval, sign="", unit="%")


def signed_text(name: str, interval: Interval) -> str:
    """Return the difference of a metric with its interval: `+2.4 points (-1.0 to +5.9)`."""
    return _text(name, interval, sign="+", unit=" points")


def limits_text(interval: Interval, form: str, *, factor: float = 1.0) -> str:
    """Return the limits in a format, multiplied by a factor: `68.2 to 88.7`; or `no interval`."""
    if not interval.is_known:
        return "no interval"
    return f"{factor * interval.low:{form}} to {factor * interval.high:{form}}"


def share_text(interval: Interval) -> str:
    """Return a share with its interval: `80.4% (68.2 to 88.7)`."""
    return f"{interval.estimate:.1%} ({limits_text(interval, '.1f', factor=100)})"


def number_text(interval: Interval | None) -> str:
    """Return a number with its interval: `0.912 (0.870 to 0.945)`."""
    if interval is None:
        return "not known"
    return f"{interval.estimate:.3f} ({limits_text(interval, '.3f')})"


def _text(name: str, interval: Interval, *, sign: str, unit: str) -> str:
    is_percent = METRICS[name].is_percent
    factor, form = (100, f"{sign}.1f") if is_percent else (1, f"{sign}.3f")
    estimate = f"{factor * interval.estimate:{form}}{unit if is_percent else ''}"
    return f"{estimate} ({limits_text(interval, form, factor=factor)})"
