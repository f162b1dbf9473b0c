"""`leuknet plan`: how many people and cells a study needs, before it is made."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from leuknet.cli import options
from leuknet.cli.mrmc_command import RANDOM, RandomChoice
from leuknet.cli.printing import RESEARCH_ONLY, print_table

if TYPE_CHECKING:
    from leuknet.evaluation.reader_planning import ReaderPilot
    from leuknet.evaluation.study_plan import Plan, StudySizes

app = typer.Typer(
    no_args_is_help=True,
    help=(
        "How many people and cells a study needs, before it is made.\n\n"
        "A pilot evaluation tells how much people differ and how much the cells of one person do. Studies "
        "of new people who vary alike are then drawn by the hundred, and each is judged as a real one will "
        "be.\n\n"
        "People count more than cells: what people differ by stays, however many cells there are of each."
    ),
)

Pilot = Annotated[
    Path,
    typer.Argument(
        metavar="PILOT",
        help="Evaluation of people that the model was not trained on: the file, its folder or its run.",
    ),
]
People = Annotated[
    str | None,
    typer.Option("--people", metavar="N,...", help="Sizes to try, in people [10 to 220 in nine steps]."),
]
Cells = Annotated[
    str | None,
    typer.Option(
        "--cells",
        metavar="N,...",
        help="Cells of each person to try; `pilot` draws their numbers from the pilot [20,100,pilot].",
    ),
]
LeukaemicShare = Annotated[
    float | None,
    typer.Option("--leukaemic-share", metavar="SHARE", help="Share of leukaemic people [as in the pilot]."),
]
Studies = Annotated[
    int,
    typer.Option("--studies", min=20, help="Studies to draw of each size; more give a steadier answer."),
]
Out = Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Where plan.json, table and plot go.")]


@app.command("interval")
def interval(
    pilot: Pilot,
    width: Annotated[
        float,
        typer.Option("--width", help="Wanted width of the 95% interval: 0.1 is from 0.85 to 0.95, say."),
    ],
    metric: Annotated[
        str, typer.Option("--metric", metavar="NAME", help="Score, such as auroc, sensitivity, weighted_f1.")
    ] = "auroc",
    share: Annotated[
        float,
        typer.Option("--assurance", metavar="SHARE", help="Share of studies whose interval is so narrow."),
    ] = 0.8,
    people: People = None,
    cells: Cells = None,
    leukaemic_share: LeukaemicShare = None,
    studies: Studies = 200,
    seed: options.Seed = 0,
    out: Out = Path("plan"),
    overwrite: options.Overwrite = False,
) -> None:
    """How many people for an interval of a wanted width.

    Tries studies of several sizes, then halves the step below the first that is enough. `held` in plan.csv
    says how often the interval held the truth: it should be near 95%.

    Example: leuknet plan interval runs/official --width 0.1
    """
    from leuknet.evaluation.locate import open_evaluation
    from leuknet.evaluation.planning import plan_interval
    from leuknet.records.results_folder import check_free

    check_free(out, overwrite=overwrite, reads=[pilot])
    tried = _tried(people, cells, leukaemic_share, studies, seed)
    found = plan_interval(
        open_evaluation(pilot), width=width, metric=metric, share=share, tried=tried, progress=True
    )
    _tell(found, out, overwrite=overwrite)


@app.command("power")
def power(
    pilot: Pilot,
    gap: Annotated[
        float,
        typer.Option(
            "--gap", help="Difference in AUROC to be found: the least that would matter, such as 0.03."
        ),
    ],
    other: Annotated[
        Path | None,
        typer.Argument(metavar="OTHER", help="A second model's evaluation on the same cells, if any."),
    ] = None,
    correlation: Annotated[
        float | None,
        typer.Option(
            "--correlation",
            metavar="R",
            help="Without OTHER: how far both models find the same cells hard, 0 to 1.",
        ),
    ] = None,
    share: Annotated[
        float, typer.Option("--power", metavar="SHARE", help="Share of such studies that should find it.")
    ] = 0.8,
    people: People = None,
    cells: Cells = None,
    leukaemic_share: LeukaemicShare = None,
    studies: Studies = 200,
    seed: options.Seed = 0,
    out: Out = Path("plan"),
    overwrite: options.Overwrite = False,
) -> None:
    """How many people to tell two models apart that differ by so much.

    Both models meet the same cells. Do not plan with the difference that a pilot happened to show: chance
    made a part of it. Name the least difference that would matter.

    Example: leuknet plan power runs/one runs/other --gap 0.03

    With one model: leuknet plan power runs/one --gap 0.03 --correlation 0.7
    """
    from leuknet.evaluation.locate import open_evaluation
    from leuknet.evaluation.planning import plan_power
    from leuknet.records.results_folder import check_free

    check_free(out, overwrite=overwrite, reads=[pilot])
    tried = _tried(people, cells, leukaemic_share, studies, seed)
    second = None if other is None else open_evaluation(other)
    found = plan_power(
        open_evaluation(pilot),
        second,
        gap=gap,
        correlation=correlation,
        share=share,
        tried=tried,
        progress=True,
    )
    _tell(found, out, overwrite=overwrite)


@app.command("study")
def study(
    pilot: Annotated[
        Path | None,
        typer.Argument(
            metavar="READINGS", help="A pilot's readings, as for `leuknet mrmc`; else --components."
        ),
    ] = None,
    gap: Annotated[
        float,
        typer.Option(
            "--gap",
            help="Difference of the mean AUROC to be found; with --margin the true difference, such as 0.",
        ),
    ] = 0.0,
    margin: Annotated[
        float | None,
        typer.Option(
            "--margin",
            metavar="SIZE",
            help="Show that the second treatment is not worse by so much, instead of a difference.",
        ),
    ] = None,
    share: Annotated[
        float, typer.Option("--power", metavar="SHARE", help="Share of such studies that should succeed.")
    ] = 0.8,
    readers: Annotated[
        str, typer.Option("--readers", metavar="N,...", help="Numbers of readers to try.")
    ] = "3,4,5,6,8,10,15,20",
    random: Annotated[
        RandomChoice, typer.Option("--random", help="What the result shall hold for others of.")
    ] = RandomChoice.readers_and_cases,
    components: Annotated[
        str | None,
        typer.Option(
            "--components",
            metavar="VAR,COV1,COV2,COV3,VAR_TR",
            help="Published variance components of Obuchowski and Rockette, without a pilot of your own.",
        ),
    ] = None,
    pilot_cases: Annotated[
        int | None,
        typer.Option("--pilot-cases", min=2, help="Cases of the study that published the components."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write the plan as JSON too.")
    ] = None,
) -> None:
    """How many readers and cases a reader study needs.

    Two treatments, read by all readers on all cases. More cases make each reader's score surer; only more
    readers tell how other readers would do. Where the pilot's cases are nested in people, people are counted.

    Example: leuknet plan study readings.csv --gap 0.05

    Not worse by 0.05: leuknet plan study readings.csv --margin 0.05 --gap 0
    """
    from leuknet.evaluation.reader_planning import plan_readers, reader_plan_rows
    from leuknet.records import write_record

    found = plan_readers(
        _reader_pilot(pilot, components, pilot_cases),
        gap=gap,
        margin=margin,
        power=share,
        readers=[_number(word, "--readers") for word in readers.split(",")],
        random=RANDOM[random],
    )
    heads, rows = reader_plan_rows(found)
    print_table(heads, rows)
    if out is not None:
        write_record(found, out)
        typer.echo(f"written: {out}")
    typer.echo(RESEARCH_ONLY)


def _reader_pilot(pilot: Path | None, components: str | None, cases: int | None) -> ReaderPilot:
    """Return how scores vary, by a pilot's readings or by published components."""
    from leuknet.evaluation.mrmc import analyse_readers
    from leuknet.evaluation.reader_planning import ReaderPilot, pilot_of
    from leuknet.evaluation.reader_variance import Components
    from leuknet.evaluation.readings import read_readings

    if (pilot is None) == (components is None) or (components is None) != (cases is None):
        raise typer.BadParameter("give READINGS, or --components with --pilot-cases", param_hint="READINGS")
    if pilot is not None:
        return pilot_of(analyse_readers(read_readings(pilot)))
    try:
        variance, cov1, cov2, cov3, treatment_reader = map(float, str(components).split(","))
    except ValueError:
        raise typer.BadParameter("give five numbers", param_hint="--components") from None
    return ReaderPilot(
        Components(variance, cov1, cov2, cov3), max(treatment_reader, 0.0), cases or 0, nested=False
    )


def _tried(
    people: str | None, cells: str | None, leukaemic_share: float | None, studies: int, seed: int
) -> StudySizes:
    from leuknet.evaluation.study_plan import CELLS_EACH, PEOPLE, StudySizes

    sizes: tuple[int, ...] = PEOPLE
    each: tuple[int | None, ...] = CELLS_EACH
    if people is not None:
        sizes = tuple(_number(word, "--people") for word in people.split(","))
    if cells is not None:
        words = [word.strip() for word in cells.split(",")]
        each = tuple(None if word == "pilot" else _number(word, "--cells") for word in words)
    return StudySizes(sizes, each, studies=studies, seed=seed, leukaemic_share=leukaemic_share)


def _number(word: str, option: str) -> int:
    if not word.strip().isdigit():
        raise typer.BadParameter(f"{word.strip()!r} is no whole number, as in 10,20,40", param_hint=option)
    return int(word)


def _tell(plan: Plan, out: Path, *, overwrite: bool) -> None:
    """Write a plan, and say what is needed."""
    from leuknet.evaluation.plan_text import plan_notes, plan_rows, plan_title
    from leuknet.experiments.plan_files import write_plan

    write_plan(plan, out, overwrite=overwrite)
    heads, rows = plan_rows(plan)
    print_table(heads, rows, title=plan_title(plan))
    for note in plan_notes(plan):
        typer.echo(note)
    typer.echo(f"written: {out}: plan.json, plan.csv, plan.png and plan.svg")
    typer.echo(RESEARCH_ONLY)
