"""`leuknet mrmc`: whether treatments differ, from what several readers said of the same cases."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from leuknet.cli.compare_command import Margin
from leuknet.cli.printing import RESEARCH_ONLY, print_table

if TYPE_CHECKING:
    from leuknet.evaluation.reader_variance import Random


class FigureChoice(StrEnum):
    """What is scored."""

    auroc = "auroc"
    sensitivity = "sensitivity"
    specificity = "specificity"
    kappa = "kappa"


class EstimatorChoice(StrEnum):
    """How covariances over cases are estimated."""

    jackknife = "jackknife"
    delong = "delong"
    bootstrap = "bootstrap"


class RandomChoice(StrEnum):
    """What the result shall hold for others of."""

    readers_and_cases = "readers-and-cases"
    cases = "cases"
    readers = "readers"


RANDOM: dict[RandomChoice, Random] = {
    RandomChoice.readers_and_cases: "readers and cases",
    RandomChoice.cases: "cases",
    RandomChoice.readers: "readers",
}


def mrmc(
    readings: Annotated[
        Path,
        typer.Argument(
            metavar="READINGS",
            help="Table (CSV) with a line for each reading: reader, treatment, case, truth (0 or 1), rating, "
            "and person if cases are nested in people. A file in iMRMC's format is read too.",
        ),
    ],
    figure: Annotated[
        FigureChoice,
        typer.Option(
            "--figure",
            help="Figure of merit. kappa is quadratically weighted, of ratings and truth on one scale.",
        ),
    ] = FigureChoice.auroc,
    threshold: Annotated[
        float | None,
        typer.Option("--threshold", help="Ratings from this on are positive, for sensitivity, specificity."),
    ] = None,
    treatments: Annotated[
        str | None,
        typer.Option("--treatments", metavar="NAME,NAME", help="Compare these alone, in this order."),
    ] = None,
    random: Annotated[
        RandomChoice,
        typer.Option("--random", help="What the result shall hold for others of; the rest is fixed."),
    ] = RandomChoice.readers_and_cases,
    covariance: Annotated[
        EstimatorChoice,
        typer.Option("--covariance", help="How covariances over cases are estimated."),
    ] = EstimatorChoice.jackknife,
    margin: Margin = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Random seed of the bootstrap.")] = 0,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write all of it as JSON too.")
    ] = None,
    imrmc: Annotated[
        Path | None,
        typer.Option("--imrmc", metavar="FILE", help="Write the readings in iMRMC's format too."),
    ] = None,
) -> None:
    """Tell whether treatments differ, from what several readers said of the same cases (MRMC).

    Treatments are two modalities, or reading without and with a model. The analysis is that of Obuchowski
    and Rockette with Hillis' degrees of freedom, for AUROC, sensitivity, specificity or weighted kappa. All
    readers read all cases; or groups of readers read cases of their own under all treatments (split-plot);
    or all readers read other cases under each treatment.

    A column person says which cases are of one person: these are then left out or drawn together.

    Example: leuknet mrmc readings.csv --margin 0.05 --out mrmc.json
    """
    from leuknet.evaluation.mrmc import analyse_readers
    from leuknet.evaluation.mrmc_text import mean_rows, study_lines
    from leuknet.evaluation.readings import read_readings, write_imrmc
    from leuknet.records import write_record

    given = read_readings(readings)
    if treatments is not None:
        given = given.under([name.strip() for name in treatments.split(",")])
    found = analyse_readers(
        given,
        figure.value,
        estimator=covariance.value,
        random=RANDOM[random],
        threshold=threshold,
        margin=margin,
        seed=seed,
    )
    title = f"{figure.value} of {len(found.readers)} readers"
    print_table(
        ("treatment", "mean", f"{found.level:.0%} interval", *found.readers), mean_rows(found), title=title
    )
    for line in study_lines(found):
        typer.echo(line)
    if out is not None:
        write_record(found, out)
        typer.echo(f"written: {out}")
    if imrmc is not None:
        write_imrmc(given, imrmc)
        typer.echo(f"written: {imrmc}")
    typer.echo(RESEARCH_ONLY)
