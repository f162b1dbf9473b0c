"""`leuknet cells` and `leuknet smear`: from the image of a smear to its leukocytes and their scores."""

from __future__ import annotations

import os
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from leuknet.cli import options
from leuknet.cli.printing import RESEARCH_ONLY, print_table, tell_origin, tell_passed_over
from leuknet.errors import LeukNetError, SettingError

if TYPE_CHECKING:
    from leuknet.fields.normalise import Stain
    from leuknet.smears.examine import Examination, HowToFind
    from leuknet.types import FoundCell


@dataclass(frozen=True)
class FindingOptions(options.OptionGroup):
    """How leukocytes are found, and which stain they are given."""

    scale: Annotated[
        float | None,
        typer.Option(
            "--scale", metavar="UM", help="µm per pixel of the image, if its file does not state it."
        ),
    ] = None
    red_cell: Annotated[
        float | None,
        typer.Option(
            "--red-cell", metavar="PX", help="Diameter of a usual red cell in pixels: it measures 7.5 µm."
        ),
    ] = None
    finder: Annotated[
        str, typer.Option("--finder", metavar="NAME", help="stain; or cellpose or stardist if installed.")
    ] = "stain"
    tile: Annotated[
        int, typer.Option("--tile", metavar="PX", min=64, help="Side of a tile: less takes less memory.")
    ] = 4096
    normalise: Annotated[
        str | None,
        typer.Option(
            "--normalise", metavar="METHOD", help="Change the stain: macenko or reinhard; see --target."
        ),
    ] = None
    target: Annotated[
        list[Path] | None,
        typer.Option("--target", metavar="IMAGE", help="A cell on black whose stain is wanted; repeatable."),
    ] = None

    @property
    def how(self) -> HowToFind:
        """How cells are found."""
        from leuknet.smears.examine import HowToFind

        return HowToFind(self.scale, self.red_cell, self.finder, self.tile)

    @property
    def stain(self) -> Stain | None:
        """The stain that is wanted, learnt from its images; None to change nothing."""
        from leuknet.smears.examine import read_target

        if self.normalise is None and not self.target:
            return None
        return read_target(self.normalise or "none", self.target or [])


@options.expanded
def cells(
    images: Annotated[
        list[Path],
        typer.Argument(
            metavar="IMAGE...", help="Fields or slides of one scale; or folders, with all folders in them."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Where everything goes.")] = Path(
        "cells"
    ),
    *,
    finding: FindingOptions,
    crop_scale: Annotated[
        float | None,
        typer.Option("--crop-scale", metavar="UM", help="µm per pixel of the crops [as the image]."),
    ] = None,
    canvas: Annotated[
        int, typer.Option("--canvas", metavar="PX", min=16, help="Side of the black square of a crop.")
    ] = 450,
    crops: Annotated[bool, typer.Option("--crops/--no-crops", help="Write each cell as a PNG.")] = True,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers", metavar="N", min=1, help="Images at once, one core each [all cores, at most 4]."
        ),
    ] = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Find the leukocytes of smears and cut them out: table, crops on black, overlay, outlines for QuPath.

    A broken image, or one that takes longer than it may (60 s and 20 s for each million pixels, at most 33.5,
    from tile to tile), is reported and the others go on; the exit status is then 2. Cells that may be worth
    less, such as those cut by the border, are flagged and kept.

    Example: leuknet cells field.jpg --scale 0.07 --out found
    """
    from tqdm import tqdm

    from leuknet.images.clutter import PassedOver
    from leuknet.records.results_folder import begin_results, check_free
    from leuknet.smears.examine import find_fields
    from leuknet.smears.extract import extract_cells
    from leuknet.smears.guarded import guarded_each

    check_free(out, overwrite=overwrite, reads=images)
    given = {"how": finding.how, "stain": finding.stain, "crop_um": crop_scale}
    given["canvas_px"] = canvas if crops else None
    found: list[tuple[str, FoundCell]] = []
    failed = 0
    over = PassedOver()
    paths = find_fields(images, over, without=out)
    tell_passed_over(over)
    if overwrite and out.exists():
        _check_opens(paths, out)
    begin_results(out, overwrite=overwrite)
    calls = list(zip(paths, _folders(paths, out), strict=True))
    alone = len(calls) == 1  # then the bar of its own tiles is drawn
    workers = workers or min(os.cpu_count() or 1, 4)
    each = guarded_each(extract_cells, calls, processes=workers, progress=alone, **given)
    with tqdm(each, total=len(calls), desc="images", unit="image", disable=alone) as bar:
        for (path, folder), seen in zip(calls, bar, strict=True):
            if isinstance(seen, LeukNetError):
                failed += 1
                bar.write(str(seen), file=sys.stderr)
                continue
            found += [(str(path), cell) for cell in seen]
            bar.write(_told(path, seen, folder), file=sys.stdout)
    _write_table(found, out / "cells.csv", images=len(paths), failed=failed)


def _check_opens(paths: list[Path], out: Path) -> None:
    """Raise SettingError if none of the images can be opened: then what `out` holds stays."""
    from leuknet.smears.guarded import Guarded

    with Guarded() as guarded:
        if not any(map(guarded.opens, paths)):
            raise SettingError(
                f"cannot overwrite {out}",
                why=f"none of the {len(paths)} images can be opened; what is there stays",
                fix="run it without --overwrite and with another --out: each image is then told by itself",
            )


def _told(path: Path, seen: tuple[FoundCell, ...], folder: Path) -> str:
    from leuknet.report.blocks import counted

    flagged = sum(bool(cell.flags) for cell in seen)
    return f"{path}: {counted(len(seen), 'leukocyte')}, {flagged} flagged; see {folder}"


def _write_table(found: list[tuple[str, FoundCell]], table: Path, *, images: int, failed: int) -> None:
    """Write the cells of all images; end with status 2 if images failed."""
    from leuknet.smears.smear_files import write_found

    write_found(found, table)
    typer.echo(f"written: {table}: {len(found):,} cells of {images - failed:,} images")
    typer.echo(RESEARCH_ONLY)
    if failed:
        typer.echo(f"{failed} of {images} images could not be used", err=True)
        raise typer.Exit(2)


@options.expanded
def smear(
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="A field or slide.")],
    model: Annotated[
        str,
        typer.Option(
            "--model", metavar="MODEL", help="Model folder, pretrained:NAME, or owner/name on the hub."
        ),
    ],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FOLDER", help="Where everything goes [IMAGE-smear].")
    ] = None,
    *,
    finding: FindingOptions,
    model_scale: Annotated[
        float | None,
        typer.Option("--model-scale", metavar="UM", help="µm per pixel of the model, if its card lacks it."),
    ] = None,
    subject: Annotated[
        str | None, typer.Option("--subject", metavar="NAME", help="Whose smear it is, for the table.")
    ] = None,
    outlines: Annotated[
        Path | None,
        typer.Option(
            "--outlines", metavar="GEOJSON", help="Score the cells outlined in QuPath, not those found here."
        ),
    ] = None,
    parquet: Annotated[bool, typer.Option("--parquet", help="Write cells.parquet, not cells.csv.")] = False,
    pdf: Annotated[bool, typer.Option("--pdf/--no-pdf", help="Print the page as PDF, too.")] = True,
    overwrite: options.Overwrite = False,
) -> None:
    """Score the leukocytes of a smear: table, one page, overlay, gallery, outlines for QuPath.

    No model is validated on raw smears. The page says how unlike the trained cells these are; such cells
    are called unfamiliar, whatever their probability.

    Example: leuknet smear field.png --model runs/paper/model --scale 0.065
    """
    import leuknet
    from leuknet.records.results_folder import check_free
    from leuknet.smears.examine import examine_smear

    folder = out or image.with_name(f"{image.stem}-smear")
    check_free(folder, overwrite=overwrite, reads=[image, *([outlines] if outlines else [])])
    stain = finding.stain
    predictor = leuknet.load(model)
    seen = examine_smear(
        image,
        predictor,
        folder,
        how=finding.how,
        model_um=model_scale,
        subject=subject,
        outlines=outlines,
        stain=stain,
        table="cells.parquet" if parquet else "cells.csv",
        pdf=pdf,
        command=shlex.join(["leuknet", *sys.argv[1:]]),
        overwrite=overwrite,
        progress=True,
    )
    _show(seen)
    tell_origin(predictor.card)
    typer.echo(f"written: {folder}: {', '.join(path.name for path in seen.files)}")
    typer.echo(RESEARCH_ONLY)


def _show(seen: Examination) -> None:
    from leuknet.inference.outcome import outcome_words
    from leuknet.smears.counts import SHARES_MEAN, share_texts
    from leuknet.smears.smear import NOT_VALIDATED

    for note in seen.notes:
        typer.echo(note, err=True)
    if seen.shift is None:
        typer.echo("no leukocyte was found: check the scale, and that the smear is stained", err=True)
        return
    words = outcome_words(seen.card.class_names)
    rows = [
        (
            words[outcome],
            f"{counted.cells:,}",
            *share_texts(counted.share),
        )
        for outcome, counted in seen.counts.items()
    ]
    print_table(("outcome", "cells", "share", "95% interval"), rows)
    typer.echo(SHARES_MEAN)
    typer.echo(NOT_VALIDATED)
    for reason, number in seen.shift.reasons:
        typer.echo(f"  {number} of {len(seen.cells)} cells: {reason}")


def _folders(paths: list[Path], out: Path) -> list[Path]:
    """Return a folder of its own for each image: its name, with a number where names repeat."""
    taken: dict[str, int] = {}
    folders = []
    for path in paths:
        taken[path.stem] = taken.get(path.stem, 0) + 1
        number = taken[path.stem]
        folders.append(out / (path.stem if number == 1 else f"{path.stem}-{number}"))
    return folders
