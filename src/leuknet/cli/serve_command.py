"""`leuknet serve`: the reading room."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from leuknet.cli import room_options
from leuknet.cli.model_words import model_folder
from leuknet.errors import MissingExtraError, SettingError

DEMO_MODEL = Path("build/demo/run/model")
"""Where `make demo` leaves its model."""


def serve(
    model: Annotated[
        Path | None,
        typer.Option(
            "--model",
            metavar="MODEL",
            envvar="LEUKNET_MODEL",
            parser=model_folder,
            help="Model folder that scores images, or pretrained:NAME.",
        ),
    ] = None,
    data: room_options.RoomFolder = None,
    host: Annotated[
        str,
        typer.Option(
            "--host", envvar="LEUKNET_HOST", help="Where to listen; other than this computer: see above."
        ),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", envvar="LEUKNET_PORT", min=1, max=65535)] = 8000,
    public_url: Annotated[
        str | None,
        typer.Option(
            "--public-url",
            metavar="URL",
            envvar="LEUKNET_PUBLIC_URL",
            help="Address that browsers use, where a proxy with TLS stands in front.",
        ),
    ] = None,
    images: room_options.TableImages = None,
    quota: Annotated[
        float | None,
        typer.Option(
            "--quota",
            metavar="GIB",
            envvar="LEUKNET_QUOTA",
            min=0,
            help="Most that one account may upload in all, in GiB [what the disk has room for].",
            show_default=False,
        ),
    ] = None,
    demo: Annotated[
        bool,
        typer.Option(
            "--demo", help="Try it: simulated cases, the model of `make demo`, a data folder of its own."
        ),
    ] = False,
    workers: Annotated[
        int,
        typer.Option(
            "--workers", min=0, max=16, help="Processes that score; 0 with `leuknet worker` elsewhere."
        ),
    ] = 1,
) -> None:
    """Open the reading room: look at cells, decide, disagree, sign. Research software, not a medical device.

    The first start prints a link with which the first account is made. Until there is one, it listens on this
    computer alone; for others, put a proxy with TLS in front (docs/reading-room.md).

    The database is a file in the data folder, or PostgreSQL where LEUKNET_DATABASE_URL names one.

    Example: leuknet serve --model runs/mine/model

    To try it: leuknet serve --demo
    """
    from leuknet.store import require_libraries

    require_libraries()
    from leuknet.store.database import DATABASE_VARIABLE, data_folder

    try:
        from leuknet.room.webhook import webhook_of_environment
        from leuknet.web.serve import serve as run
        from leuknet.web.settings import Settings
    except ImportError as error:
        raise MissingExtraError(
            "cannot open the reading room",
            why=f"a library that it needs is not installed: {error}",
            fix="pip install 'leuknet[web]'",
        ) from error
    if demo:
        model = model or _demo_model()
        data = data or data_folder() / "demonstration"
    settings = Settings(
        folder=(data or data_folder()).absolute(),
        database_url=None if demo else os.environ.get(DATABASE_VARIABLE),
        model=None if model is None else model.absolute(),
        host=host,
        port=port,
        public_url=public_url,
        images=None if images is None else images.absolute(),
        account_bytes=None if quota is None else round(quota * 2**30),
        webhook=webhook_of_environment(),
        demo=demo,
    )
    run(settings, n_workers=workers, say=typer.echo)


def _demo_model() -> Path:
    """Return the model that `make demo` left here."""
    if not (DEMO_MODEL / "model.json").is_file():
        raise SettingError(
            "cannot show the demonstration",
            why=f"there is no model in {str(DEMO_MODEL)!r}",
            fix="run `make demo` first, or name a model with --model",
        )
    return DEMO_MODEL
