"""`leuknet push` and `leuknet pull`: models to and from the Hugging Face hub."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from leuknet.cli.model_words import ModelFolder
from leuknet.cli.printing import RESEARCH_ONLY

Repository = Annotated[str, typer.Argument(metavar="OWNER/NAME", help="Repository of the Hugging Face hub.")]


def push(
    model: ModelFolder,
    repository: Repository,
    licence: Annotated[
        str,
        typer.Option("--licence", help="Of the weights, such as apache-2.0; the images' may bind them."),
    ],
    evaluation: Annotated[
        Path | None,
        typer.Option("--evaluation", metavar="JSON", help="Scores for the card [evaluation beside MODEL]."),
    ] = None,
    public: Annotated[bool, typer.Option("--public", help="A new repository is seen by everybody.")] = False,
    keep_names: Annotated[
        bool,
        typer.Option("--keep-names", help="Let names of files and people travel too: for public data only."),
    ] = False,
) -> None:
    """Put a model folder with a model card onto the Hugging Face hub.

    Names of files and people stay at home: what travels are hashes of the images that trained it.

    Example: leuknet push runs/plus/model me/leuknet-plus --licence apache-2.0
    """
    import leuknet
    from leuknet.sharing.hub import push as put

    address = put(
        leuknet.load(model),
        model,
        repository,
        licence=licence,
        evaluation=evaluation,
        private=not public,
        keep_names=keep_names,
    )
    typer.echo(f"pushed: {address}")
    typer.echo(RESEARCH_ONLY)


def pull(
    repository: Repository,
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Model folder to write.")],
    revision: Annotated[
        str | None, typer.Option("--revision", metavar="COMMIT", help="Commit, branch or tag [newest].")
    ] = None,
) -> None:
    """Fetch a model folder from the Hugging Face hub and let it prove itself.

    Example: leuknet pull me/leuknet-plus --out models/plus
    """
    import leuknet
    from leuknet.sharing.hub import pull as get

    leuknet.load(get(repository, out=out, revision=revision))
    typer.echo(f"model: {out}")
    typer.echo(RESEARCH_ONLY)
