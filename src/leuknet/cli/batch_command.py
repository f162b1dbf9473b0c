"""`leuknet batch`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from leuknet.cli.printing import RESEARCH_ONLY, end_with_failed, tell_origin, tell_passed_over, tell_said

if TYPE_CHECKING:
    from leuknet.batch import BatchSummary


def batch(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...",
            help="Folders, globs, images, tar shards and Parquet files; paths, or addresses such as "
            "s3://bucket/cells.",
        ),
    ],
    model: Annotated[
        str,
        typer.Option("--model", metavar="MODEL", help="Model folder, such as RUN/model, or pretrained:NAME."),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="TABLE", help="Table to write: .csv or .parquet.")],
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, help="Processes that score, one core each [all cores].")
    ] = None,
    batch_size: Annotated[int, typer.Option("--batch-size", min=1, help="Images scored at a time.")] = 32,
    chunk_size: Annotated[
        int, typer.Option("--chunk-size", min=1, help="Image files that a worker takes at a time, about.")
    ] = 256,
    read_again: Annotated[
        bool, typer.Option("--read-again", help="Also do chunks again in which a file could not be read.")
    ] = False,
    address: Annotated[
        str | None,
        typer.Option(
            "--address",
            metavar="ADDRESS",
            help="A Ray cluster; SOURCE, MODEL and TABLE must then be reachable from all its nodes.",
        ),
    ] = None,
) -> None:
    """Score any number of images on all cores, and go on where a stopped or killed run ended.

    Each image is scored as `leuknet predict` does it. The table holds each content once, sorted by name;
    further names of the same content are in TABLE's stem + .copies.csv. What is done is kept in TABLE.job:
    the same command goes on, and does only what is new. If an image has no score, the exit status is 2.

    Example: leuknet batch my-cells shards/*.tar --model runs/paper/model --out scores.parquet
    """
    from leuknet.batch import score_batch

    summary = score_batch(
        sources,
        model,
        out,
        workers=workers,
        address=address,
        batch_size=batch_size,
        chunk_size=chunk_size,
        read_again=read_again,
        progress=True,
    )
    _tell(summary, out)


def _tell(summary: BatchSummary, out: Path) -> None:
    scored = summary.images - summary.kept
    typer.echo(
        f"images: {summary.images:,}, {summary.kept:,} of them from before; {scored:,} scored in "
        f"{summary.seconds:,.1f} s: {scored / summary.seconds:,.1f} images/s"
    )
    if summary.copies_path is not None:
        typer.echo(
            f"copies: {summary.copies:,} names of contents that the table has under another: "
            f"{summary.copies_path}"
        )
    typer.echo(f"written: {out}: {summary.written:,} lines, {summary.failed:,} of them without a score")
    tell_passed_over(summary.over)
    tell_said(summary.said, summary.card.class_names)
    tell_origin(summary.card)
    typer.echo(RESEARCH_ONLY)
    end_with_failed(summary)
