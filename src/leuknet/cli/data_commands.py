"""`leuknet data ...`: check, look at, divide and simulate data sets."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from leuknet.cli import options
from leuknet.types import Overlap, Severity

if TYPE_CHECKING:
    from leuknet.data.split_file import Manifest

app = typer.Typer(help="Check, look at, divide and simulate data sets.", no_args_is_help=True)

SEVERITIES: dict[Severity, str] = {"error": "bold red", "warning": "yellow", "info": "dim"}
"""Severity to style, worst first."""

N_ALIKE = 10
"""Findings of one kind that the terminal shows."""


@app.command()
@options.expanded
def verify(
    root: options.Root,
    *,
    dataset: options.DatasetOptions,
    hashes: Annotated[
        Path | None,
        typer.Option("--hashes", metavar="TSV", help="The publisher's list of files: path, sha256, bytes."),
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Also write counts and findings as JSON.")
    ] = None,
) -> None:
    """Compare a data set with what its publisher states, and read every image.

    Lists missing, extra, unreadable, duplicate and mislabelled files. Exit status 2 if there is an error
    among the findings, that is, something that would make results wrong.

    Example: leuknet data verify C-NMC --json findings.json
    """
    from leuknet.data.verify import verify as check
    from leuknet.records import write_whole

    result = check(root, hashes=hashes, progress=True, **dataset.arguments)
    console = Console()
    counts = Table("part", title=f"{result.dataset}{' (SIMULATED)' if result.simulated else ''}")
    for heading in ("images", *reversed(result.class_names), "unlabelled", "subjects"):
        counts.add_column(escape(heading), justify="right")
    for part in result.parts:
        numbers = (part.images, part.leukaemic, part.normal, part.unlabelled, part.subjects)
        counts.add_row(
            escape(part.part or "all"), *("?" if number is None else f"{number:,}" for number in numbers)
        )
    console.print(counts)
    for (severity, kind), found in itertools.groupby(result.findings, key=lambda f: (f.severity, f.kind)):
        alike = list(found)
        lines = [f"{f.path!r}: {f.message}" if f.path else f.message for f in alike[:N_ALIKE]]
        if len(alike) > N_ALIKE:
            lines.append(f"and {len(alike) - N_ALIKE:,} more like these; --json FILE lists all")
        for line in lines:
            console.print(
                f"[{SEVERITIES[severity]}]{severity:8}[/]{kind}: {escape(line)}",
                highlight=False,
                soft_wrap=True,
            )
    typer.echo(", ".join(f"{result.count(severity)} {severity}" for severity in SEVERITIES))
    if json_file is not None:
        write_whole(json_file, f"{result.to_json()}\n".encode())
        typer.echo(f"written: {json_file}")
    if result.count("error"):
        raise typer.Exit(2)


@app.command()
@options.expanded
def show(
    root: options.Root,
    out: Annotated[Path, typer.Option("--out", metavar="STEM", help="Write STEM.png and STEM.svg.")] = Path(
        "samples"
    ),
    seed: options.Seed = 0,
    overwrite: options.Overwrite = False,
    *,
    dataset: options.DatasetOptions,
) -> None:
    """Draw sample cells of both classes, as in the paper's figure 2.

    Example: leuknet data show C-NMC --out figure-2
    """
    from leuknet.experiments.illustrate import draw_sample_cells
    from leuknet.figures.frame import save_figure
    from leuknet.records.results_folder import check_free

    check_free(*(out.with_name(f"{out.name}.{kind}") for kind in ("png", "svg")), overwrite=overwrite)
    opened = dataset.open(root)
    for path in save_figure(draw_sample_cells(opened.cells, opened, seed=seed), out):
        typer.echo(path)


@app.command()
@options.expanded
def split(
    root: options.Root,
    protocol: Annotated[
        str,
        typer.Option(
            "--protocol", metavar="NAME", help="paper, official, folds, subject-kfold or image-kfold."
        ),
    ],
    out: Annotated[
        Path, typer.Option("--out", metavar="FOLDER", help="Write PROTOCOL-ROUND/ for each round into it.")
    ],
    recipe: Annotated[
        str,
        typer.Option(
            "--recipe", metavar="NAME", help="Recipe whose balancing rule applies to the development cells."
        ),
    ] = "leuknet-paper",
    seed: options.Seed = 0,
    overwrite: options.Overwrite = False,
    *,
    dataset: options.DatasetOptions,
) -> None:
    """Divide cells by a protocol, and prove that the sides have nothing in common.

    Each round gets a folder with split.json (every cell with its hashes) and overlap.json (people, identical
    images and near-duplicates on two sides). Exit status 2 if a split by subject has people or identical
    images on two sides.

    Example: leuknet data split C-NMC --protocol folds --out splits
    """
    from leuknet.data.overlap import find_overlap
    from leuknet.data.protocols import make_rounds
    from leuknet.data.split_file import read_manifest, write_split
    from leuknet.images.near_duplicates import same_cell_in
    from leuknet.images.survey import survey
    from leuknet.recipes import changed, get_recipe
    from leuknet.records import write_record
    from leuknet.records.results_folder import begin_results, check_free

    opened = dataset.open(root)
    rounds = make_rounds(opened.cells, protocol, changed(get_recipe(recipe), [f"seed={seed}"]))
    splits = [division.split for division in rounds]
    folders = [out / f"{sides.protocol}-{sides.round}".replace(" ", "-") for sides in splits]
    check_free(*folders, overwrite=overwrite, reads=[root])
    used = {cell.id: cell for sides in splits for cell in (*sides.train, *sides.validation, *sides.test)}
    surveyed = survey(list(used.values()), root=opened.root, canvas_px=opened.canvas_px, progress=True)
    if surveyed.unreadable:
        raise surveyed.unreadable[0][1]
    hashes = {cell.sha256: seen for cell, seen in zip(surveyed.cells, surveyed.hashes, strict=True)}
    same = same_cell_in(opened.cells, root=opened.root, canvas_px=opened.canvas_px)
    is_sound = True
    for division, folder in zip(rounds, folders, strict=True):
        begin_results(folder, overwrite=overwrite)
        write_split(division.split, folder / "split.json", hashes=hashes, excluded=division.excluded)
        written = read_manifest(folder / "split.json")
        overlap = find_overlap({name: side.hashed for name, side in written.sides.items()}, same=same)
        write_record(overlap, folder / "overlap.json")
        is_sound &= _show_split(written, overlap, class_names=opened.class_names, simulated=opened.simulated)
        typer.echo(f"written: {folder / 'split.json'}, overlap.json")
    if not is_sound:
        raise typer.Exit(2)


def _show_split(
    manifest: Manifest, overlap: Overlap, *, class_names: tuple[str, str], simulated: bool
) -> bool:
    """Print the sides and the proof; return whether they are as disjoint as the kind of split says."""
    from leuknet.data.overlap import overlap_rows

    console = Console()
    title = f"{manifest.protocol}, {manifest.round}: {manifest.kind}, seed {manifest.seed}"
    # Not as the table's title, which would be broken to the width of the table.
    console.print(escape(f"{title}{' (SIMULATED)' if simulated else ''}"), highlight=False)
    sides = Table("side")
    for heading in ("cells", *reversed(class_names), "subjects"):
        sides.add_column(escape(heading), justify="right")
    for name, side in manifest.sides.items():
        subjects = "?" if side.unnamed else f"{len(side.subjects):,}"
        sides.add_row(name, f"{side.cells:,}", f"{side.leukaemic:,}", f"{side.normal:,}", subjects)
    console.print(sides)
    proof = Table("on both of", "people", "images", "near", "verdict")
    for row in overlap_rows(overlap):
        proof.add_row(*map(escape, row))
    console.print(proof)
    if manifest.excluded:
        typer.echo(f"left out: {manifest.excluded:,} development cells of people on the test side")
    if manifest.kind == "image-level":
        typer.echo("image-level: every score made from this split is optimistic")
        return True
    if any(pair.near for pair in overlap.pairs):
        typer.echo("warning: look at the near-duplicates in overlap.json: they show one cell twice")
    return not any(pair.subjects or pair.unnamed or pair.contents for pair in overlap.pairs)


@app.command()
def simulate(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to write C-NMC_Leukemia into.")],
    separation: Annotated[
        float, typer.Option("--separation", help="How far the classes lie apart: 0.6 is hard, 1.4 is easy.")
    ] = 1.0,
    scale: Annotated[
        float, typer.Option("--scale", help="Share of the published number of images, above 0, at most 1.")
    ] = 0.05,
    part: Annotated[
        list[str] | None,
        typer.Option("--part", help="fold_0, fold_1, fold_2, prelim, final or all; repeatable [all]."),
    ] = None,
    seed: options.Seed = 0,
) -> None:
    """Draw simulated cells in C-NMC's layout, with its traps and with a known answer.

    simulated_truth.csv holds the probability that the generator itself assigns to each cell: no model can
    do better on subjects that it has not seen.

    Example: leuknet data simulate simulated --scale 0.1
    """
    from leuknet.data.published_counts import FOLDERS
    from leuknet.simulation.simulate import simulate as draw

    parts = tuple(FOLDERS) if not part or "all" in part else tuple(part)
    written = draw(out, seed=seed, scale=scale, separation=separation, parts=parts, progress=True)
    typer.echo(f"written: {written}")


@app.command()
def fields(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to write field-01.png and so on into.")],
    number: Annotated[int, typer.Option("--number", min=1, help="How many fields.")] = 3,
    seed: options.Seed = 0,
    overwrite: options.Overwrite = False,
) -> None:
    """Draw simulated fields of smears, with every leukocyte's place and class in fields_truth.csv.

    Example: leuknet data fields fields --number 10
    """
    from leuknet.simulation.draw_fields import FIELD_UM, write_fields

    written = write_fields(out, number, seed=seed, overwrite=overwrite)
    typer.echo(f"written: {written}; the fields' scale: {FIELD_UM} µm per pixel")


@app.command()
def cache(
    clear: Annotated[bool, typer.Option("--clear", help="Remove all of it.")] = False,
) -> None:
    """Show where prepared images are kept, and how much space they take.

    Training keeps each image at the network's size, so that the next one does not decode the files again.
    These are pictures of the data set's patients: the folder is closed to other users, and --clear removes
    all. The variable LEUKNET_CACHE names another folder.

    Example: leuknet data cache --clear
    """
    from leuknet.images.cache import cache_folder, clear_cache, list_cache
    from leuknet.images.digest_cache import NAME

    files = list_cache()
    done = "removed " if clear else ""
    counted = f"{len(files)} file{'' if len(files) == 1 else 's'}"
    typer.echo(f"{cache_folder()}: {done}{counted}, {sum(size for _, size in files) / 1e6:,.1f} MB")
    if clear:
        clear_cache()
        (cache_folder() / NAME).unlink(missing_ok=True)
