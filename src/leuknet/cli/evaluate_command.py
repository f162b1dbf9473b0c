"""`leuknet evaluate`: a model judged on cells that it was not trained on."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from leuknet.cli import options
from leuknet.cli.model_data import open_for_model
from leuknet.cli.model_words import ModelFolder
from leuknet.cli.printing import RESEARCH_ONLY, print_details, tell_origin
from leuknet.errors import DataError
from leuknet.types import Dataset, Evaluation, Overlap, TestSide

if TYPE_CHECKING:
    from leuknet.inference.model_folder import FolderPredictor


@options.expanded
def evaluate(
    model: ModelFolder,
    data: options.Data,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FOLDER",
            help="Where results go [evaluation, or evaluation-all and the like, beside MODEL].",
        ),
    ] = None,
    part: Annotated[
        list[str] | None,
        typer.Option("--part", help="Judge on all labelled cells of this part, such as prelim; repeatable."),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Judge on all labelled cells of the data.")
    ] = False,
    new_people: Annotated[
        bool,
        typer.Option(
            "--new-people",
            help="Judge on labelled cells of people who trained nothing; others are left out.",
        ),
    ] = False,
    neighbours: Annotated[
        int,
        typer.Option(
            "--transductive",
            metavar="N",
            min=0,
            help="Let each cell's N nearest among the tested cells vote: a score for this set only.",
        ),
    ] = 0,
    specificity: options.Specificities = None,
    sensitivity: options.Sensitivities = None,
    prevalence: options.Prevalences = None,
    details: Annotated[
        bool, typer.Option("--details", help="Also print what the file details.md holds.")
    ] = False,
    galleries: Annotated[
        bool,
        typer.Option("--galleries", help="Also draw cells, wrong, uncertain and typical, with explanations."),
    ] = False,
    name: options.RunName = None,
    overwrite: options.Overwrite = False,
    *,
    dataset: options.DatasetOptions,
) -> None:
    """Judge a model on cells that it was not trained on: scores with intervals, and baselines beside it.

    Takes the test side of the model's own split unless --part, --all or --new-people says otherwise; cells
    that trained the model are refused. With --new-people all cells of people who trained it are left out and
    counted, and so are cells that name nobody. Sensitivity at a stated specificity, predictive values at
    stated prevalences, weak calibration, scores over people and subgroups go to details.md and the report.

    Example: leuknet evaluate runs/paper/model --data C-NMC --part prelim
    """
    import leuknet
    from leuknet.evaluation.naming import checked_name
    from leuknet.experiments.assess import assess
    from leuknet.explain.methods import methods_for
    from leuknet.inference.pretrained import SHIPPED
    from leuknet.records.results_folder import check_free

    called = checked_name(name)
    beside = Path() if model.parent == SHIPPED else model.parent
    chosen = [*(part or ()), *(["all"] if everything else []), *(["new people"] if new_people else [])]
    folder = out or beside / _folder_name([*chosen, *(["transductive"] if neighbours else [])])
    check_free(folder, overwrite=overwrite, reads=[model, data])
    # The model's graph where it has one; Grad-CAM maps need PyTorch, where it is installed.
    predictor = leuknet.load(model, engine="torch" if galleries and find_spec("torch") else None)
    card = predictor.card
    opened = open_for_model(dataset, data, card.class_names)
    is_own = not (part or everything or new_people)
    side = None if is_own else _side(predictor, opened, parts=tuple(part or ()), new_people=new_people)
    tell_origin(card)
    asked = options.asked(specificity, sensitivity, prevalence)
    evaluation = assess(
        predictor,
        opened,
        out=folder,
        side=side,
        neighbours=neighbours,
        asked=asked,
        galleries=galleries,
        name=called,
        overwrite=overwrite,
        progress=True,
    )
    _tell(evaluation, folder, details=details, galleries=galleries)
    _, left_out = methods_for(predictor)
    if galleries and left_out:
        typer.echo(left_out, err=True)
    is_usual = folder.resolve() == model.resolve().parent / "evaluation"
    typer.echo(f"a report of it: {options.command('report', model.parent if is_usual else folder)}")
    typer.echo(RESEARCH_ONLY)


def _folder_name(chosen: Sequence[str]) -> str:
    """Name the folder after the cells, so that judging others leaves the scores on the own side alone."""
    return re.sub(r"[^\w.-]+", "-", "-".join(["evaluation", *chosen]))


def _side(
    predictor: FolderPredictor, dataset: Dataset, *, parts: tuple[str, ...], new_people: bool
) -> TestSide:
    """Return cells that are not those of the model's own test side."""
    from leuknet.data.unseen import cells_of_parts

    card = predictor.card
    return cells_of_parts(
        predictor.manifest,
        dataset,
        parts=parts,
        trained_on=card.dataset,
        trained_on_simulated=card.simulated,
        new_people=new_people,
    )


def _tell(evaluation: Evaluation, folder: Path, *, details: bool, galleries: bool) -> None:
    """Print the scores, and where the rest lies."""
    from leuknet.data.overlap import verdict
    from leuknet.evaluation.summary import summary_rows
    from leuknet.records import read_record

    table = Table(title="SIMULATED CELLS" if evaluation.simulated else None, show_header=False)
    for name, text in summary_rows(evaluation):
        table.add_row(name, text)
    Console().print(table)
    if details:
        print_details(evaluation)
    baselines = sorted(path.stem for path in (folder / "baselines").glob("*.json"))
    written = ["scores", "what the sides share", *(["baselines"] if baselines else [])]
    typer.echo(f"written: {folder}: {', '.join([*written, *(['galleries'] if galleries else [])])}")
    if not baselines:
        typer.echo(
            "no baselines: they are fitted to the cells that trained the model, and the data lack some of "
            "these",
            err=True,
        )
    overlap = read_record(Overlap, folder / "overlap.json", error=DataError, fix="evaluate the model again")
    typer.echo(f"trained and tested cells: {verdict(overlap, side='test')}")
    if not details:
        typer.echo(f"thresholds for a purpose, predictive values, people, subgroups: {folder / 'details.md'}")
