"""Measures what it costs that one validation side chooses epoch, temperature and undecided band: a part of `studies/results.py`.

Log odds are drawn, not images: of ten epochs, equally good for new people, the validation side takes the one that suits
it best, and then says how sure the network may be. New people tell how far that is off.

Start at `measure_shared_validation`; `shared_validation_lines` says it in words.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from leuknet.evaluation.abstention import COVERAGE, sets_of
from leuknet.evaluation.calibrate import fit_temperature, subject_loss
from leuknet.evaluation.formulas import ece
from leuknet.evaluation.summary import markdown_table

SIZES = (9, 20, 40, 100, 400)
"""Cells of a validation person: one of these, each as often."""

PEOPLE = (10, 20)
EPOCHS = 10
NEW_PEOPLE = 300


class Drawn(NamedTuple):
    """Cells (N,) of people, and what the network of each epoch says of them (E, N)."""

    labels: NDArray[np.int64]
    log_odds: NDArray[np.float64]
    whose: NDArray[np.str_]


def draw(generator: np.random.Generator, people: int, sizes: Sequence[int], *, epochs: int) -> Drawn:
    """Draw people; half of what is odd about a person or cell is odd to each epoch alone. Log odds are twice too large."""
    owner = np.repeat(np.arange(people), generator.choice(sizes, people))
    labels, shape = owner % 2, (epochs, owner.size)
    person = generator.normal(size=people) + generator.normal(size=(epochs, people))
    cell = generator.normal(size=owner.size) + generator.normal(size=shape)
    seen = 1.8 * (labels - 0.5) + np.sqrt(0.15) * person[:, owner] + np.sqrt(0.35) * cell
    return Drawn(labels, 2 * 1.8 * seen, owner.astype(str))


def measure_shared_validation(_: Path, *, draws: int = 400) -> dict[str, Any]:
    """Count new people's cells whose conformal set holds their class, and compare ways to fit the temperature."""
    rows = []
    for people in PEOPLE:
        generator = np.random.default_rng(people)
        found = [_one(generator, people) for _ in range(draws)]
        rows.append(
            {"people": people, **{key: float(np.mean([one[key] for one in found])) for key in found[0]}}
        )
    return {"commands": ["python studies/results.py --only shared-validation"], "draws": draws, "rows": rows}


def _one(generator: np.random.Generator, people: int) -> dict[str, float]:
    known = draw(generator, people, SIZES, epochs=EPOCHS)
    new = draw(generator, NEW_PEOPLE, (10,), epochs=1)
    chosen = _best(known, np.ones(known.labels.size, dtype=bool))
    # Whoever is in one half chooses the epoch, the other half says how sure it may be, and the reverse.
    order = generator.permutation(people // 2)[: people // 4]
    first = np.isin(known.whose, np.concatenate([2 * order, 2 * order + 1]).astype(str))
    halves = [(_best(known, half), ~half) for half in (first, ~first)]
    every = np.ones(known.labels.size, dtype=bool)
    fits = {
        name: fit_temperature(known.labels, known.log_odds[0], names)
        for name, names in (("cells", [None]), ("people", known.whose.tolist()))
    }
    calibrated = {name: new.log_odds[0] / temperature for name, temperature in fits.items()}
    return {
        "fixed": _coverage(known, 0, every, new),
        "shared": _coverage(known, chosen, every, new),
        "halves": float(np.mean([_coverage(known, epoch, half, new) for epoch, half in halves])),
        **{
            f"loss by {name}": subject_loss(new.labels, odds, new.whose.tolist())
            for name, odds in calibrated.items()
        },
        **{f"ece by {name}": float(ece(new.labels, expit(odds), 0.5)) for name, odds in calibrated.items()},
    }


def _best(known: Drawn, used: NDArray[np.bool_]) -> int:
    losses = [
        subject_loss(known.labels[used], odds[used], known.whose[used].tolist()) for odds in known.log_odds
    ]
    return int(np.argmin(losses))


def _coverage(known: Drawn, epoch: int, used: NDArray[np.bool_], new: Drawn) -> float:
    labels, odds = known.labels[used], known.log_odds[epoch][used]
    temperature = fit_temperature(labels, odds, known.whose[used].tolist())
    # The quantile that `conformal_sets` finds by MAPIE, which takes a second: tests hold them against each other.
    scores = np.sort(expit(np.where(labels == 1, -odds, odds) / temperature))
    quantile = scores[min(int(np.ceil((scores.size + 1) * COVERAGE)), scores.size) - 1]
    return float(sets_of(expit(new.log_odds[0] / temperature), quantile).hold(new.labels).mean())


def shared_validation_lines(found: dict[str, Any]) -> list[str]:
    """Return the section of the page."""
    return [
        f"Validation people of {min(SIZES)} to {max(SIZES)} cells, labels by person, drawn {found['draws']} times; {EPOCHS} epochs that are equally good for new people,",
        "and log odds that are twice too large. Share of new people's cells whose 90% conformal set holds their class:",
        "",
        markdown_table(
            (
                "validation people",
                "epoch given",
                "epoch chosen by the same people (`keep=best`)",
                "epoch chosen by the other half",
            ),
            [
                (str(row["people"]), *(f"{row[key]:.1%}" for key in ("fixed", "shared", "halves")))
                for row in found["rows"]
            ],
        ),
        "",
        "LeukNet does the second: ten people are too few to be halved. What is left of the gap to 90% with a given epoch is that people",
        "are not cells. The temperature itself costs nothing: it keeps the order of the cells, and sets go by order. How it is fitted",
        "matters for probabilities, on new people:",
        "",
        markdown_table(
            (
                "validation people",
                "loss by subject: cells alike",
                "people alike",
                "ECE: cells alike",
                "people alike",
            ),
            [
                (
                    str(row["people"]),
                    *(
                        f"{row[f'{score} by {name}']:.3f}"
                        for score in ("loss", "ece")
                        for name in ("cells", "people")
                    ),
                )
                for row in found["rows"]
            ],
        ),
        "",
    ]
