"""Shared fixtures."""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import shlex
import shutil
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

# Networks in tests are tiny: one thread is quicker than two. Set before torch is imported anywhere.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
import typer
from filelock import FileLock
from PIL import Image, ImageFile

from leuknet.cli import main
from leuknet.evaluation.looks import VARIABLE
from leuknet.figures import frame
from leuknet.images import cache as image_cache
from leuknet.images import survey
from leuknet.images.texture import describe_texture
from leuknet.recipes import RECIPES
from leuknet.recipes.leuknet_demo import LEUKNET_DEMO
from leuknet.report import pdf
from leuknet.simulation import simulate as simulation
from leuknet.simulation.draw import draw_cell
from leuknet.simulation.population import draw_population
from leuknet.simulation.simulate import simulate
from leuknet.smears.guarded import Guarded

if TYPE_CHECKING:
    from leuknet.room.room_files import RoomFiles
    from leuknet.store.database import Store
    from leuknet.store.nouns import User

from tests.databases import KINDS, empty, new_database, new_sqlite, running_postgresql
from tests.kept import described_once, drawn_once

REPOSITORY = Path(__file__).resolve().parents[1]
RENDERED = frame._rendered


LONGEST = (
    "test_scripts", "test_batch", "test_bench_peers", "test_browser_room", "test_browser_studies",
    "test_no_contact", "test_room_worker", "test_extras", "test_browser_cases", "test_results_page",
    "test_reliability", "test_slides", "test_batch_remote", "test_signing", "test_store", "test_docs",
    "test_guarded", "test_fields", "test_cli", "test_share", "test_recipes", "test_simulate", "test_intake",
    "test_loop", "test_client", "test_web_studies", "test_benchsuite", "test_patience", "test_api",
    "test_new_people", "test_tune", "test_train", "test_run_report", "test_api_schema", "test_web_signing",
    "test_smear",
)  # fmt: skip
"""Modules that take twenty seconds or more on one core, the longest first."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the longest modules come first, so that no core is left alone with one at the end.

    What is in a module, and the order of all others, stay as pytest-randomly shuffled them.
    """
    rank = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path.stem, len(rank)))


@pytest.fixture
def quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make hashes of passwords that take no time: for tests that make many accounts."""
    from leuknet.store import passwords
    from tests.people import QUICK

    monkeypatch.setattr(passwords, "HASHER", QUICK)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real images for tests, or a skip that says why.

    `LEUKNET_TEST_DATA` names the folder; without it, `../shared/data` beside the checkout is used.
    """
    folder = Path(os.environ.get("LEUKNET_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
    if not (folder / "cnmc2019" / "manifest.tsv").is_file():
        pytest.skip(f"no real images at {folder}: set LEUKNET_TEST_DATA to run this test")
    return folder


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Return a folder that the first worker of pytest-xdist to ask for it makes, and all read."""
    base = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent  # each worker has a folder of its own in it
    folder, made = base / name, base / f"{name}.made"
    with FileLock(f"{folder}.lock"):
        if not made.exists():
            shutil.rmtree(folder, ignore_errors=True)  # of a worker that failed
            folder.mkdir()
            with pytest.MonkeyPatch.context() as patch:
                # Whoever comes first may draw few cells themselves.
                patch.setattr(simulation, "draw_population", draw_population)
                make(folder)
            made.touch()
    return folder


@pytest.fixture(scope="session")
def simulated_fold(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small simulated fold_0, shared by the tests that only read it."""

    def make(folder: Path) -> None:
        simulate(folder, seed=0, scale=0.03, parts=("fold_0",))

    return made_once(tmp_path_factory, "simulated", make)


@pytest.fixture(scope="session", autouse=True)
def _ledger_of_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the looks of tests out of the ledger of whoever runs them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, str(tmp_path_factory.mktemp("ledger") / "looks.jsonl"))
        yield


@pytest.fixture(scope="session", autouse=True)
def _cache_of_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the prepared images of tests out of the cache of whoever runs them."""
    with pytest.MonkeyPatch.context() as patch:
        # Workers share it: it is made for that, and most of their data sets are alike.
        patch.setenv(image_cache.VARIABLE, str(made_once(tmp_path_factory, "cache", lambda _: None)))
        yield


@pytest.fixture(scope="session", autouse=True)
def _kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Draw each simulated cell once, and in this process; describe each texture once."""
    folder = made_once(tmp_path_factory, "kept", lambda _: None)
    with pytest.MonkeyPatch.context() as patch:
        # Another process would first import for seconds what is here already.
        patch.setattr(simulation, "CELLS_PER_PROCESS", 10_000)
        patch.setattr(simulation, "draw_cell", drawn_once(draw_cell, folder))
        patch.setattr(survey, "describe_texture", described_once(describe_texture, folder))
        yield


PRINTED_APART = pdf._in_a_process


def printed_here(task: str, html: bytes) -> bytes:
    """Print in this process, and leave Pillow as it was: each new process imports for seconds."""
    if find_spec("weasyprint") is None:
        return PRINTED_APART(task, html)
    importlib.import_module("weasyprint")
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    return pdf._printed(html) if task == "print" else b""


@pytest.fixture
def printed_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Print as users do, in a process for each page."""
    pdf.check_printer.cache_clear()
    monkeypatch.setattr(pdf, "_in_a_process", PRINTED_APART)


SEARCHED_APART = Guarded.call
ONE_AT_ONCE = threading.Lock()


def searched_here(
    _: Guarded, work: Callable[..., object], image: Path, /, *more: object, **named: object
) -> object:
    """Open an image and cut out its cells in this process: each new one imports for seconds."""
    with ONE_AT_ONCE:  # Matplotlib draws in one thread
        return work(image, *more, allow=lambda _: None, **named)


@pytest.fixture(scope="session", autouse=True)
def _what_users_get_done_apart_is_done_here() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pdf, "_in_a_process", printed_here)
        patch.setattr(Guarded, "call", searched_here)
        yield


@pytest.fixture
def searched_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut out cells as users do, in a process that an image may end."""
    monkeypatch.setattr(Guarded, "call", SEARCHED_APART)


@pytest.fixture(scope="session", autouse=True)
def _reading_room_of_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep tests out of the reading room of whoever runs them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LEUKNET_DATA", str(tmp_path_factory.mktemp("reading-room")))
        patch.delenv("LEUKNET_DATABASE_URL", raising=False)
        yield


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The address of a real PostgreSQL server, or a skip that says why."""
    with running_postgresql() as server:
        yield server


@pytest.fixture(params=KINDS)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database, of each kind in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'room' / 'reading-room.db'}"
    return new_database(request.getfixturevalue("postgresql"))


@pytest.fixture(scope="session")
def migrated_postgresql(postgresql: str) -> str:
    """The address of a database that holds the store's tables."""
    from leuknet.store import open_store

    url = new_database(postgresql)
    open_store(url).close()
    return url


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """The store of a new reading room, in a database of each kind in turn."""
    from leuknet.store import open_store

    if request.param == "sqlite":
        url = new_sqlite(tmp_path / "reading-room.db")
    else:
        url = request.getfixturevalue("migrated_postgresql")
        empty(url)
    with open_store(url) as opened:
        yield opened


@pytest.fixture
def anna(store: Store, quick_hashes: None) -> User:
    """A reader of the store."""
    from tests.people import user

    return user(store, "Anna")


@pytest.fixture
def bert(store: Store, quick_hashes: None) -> User:
    """Another reader."""
    from tests.people import user

    return user(store, "Bert")


@pytest.fixture
def lena(store: Store, quick_hashes: None) -> User:
    """A lead."""
    from tests.people import user

    return user(store, "Lena", "lead")


@pytest.fixture
def files(tmp_path: Path) -> RoomFiles:
    """The files of a new reading room."""
    from leuknet.room.room_files import RoomFiles

    return RoomFiles(tmp_path / "room")


made_command = cache(typer.main.get_command)
"""Makes a command line of its functions, once: a process makes it at each start."""


class Ended(NamedTuple):
    """How a command ended: exit status, standard output and standard error."""

    status: int
    out: str
    err: str


def run_cli(*arguments: str | float | Path, drawn: bool = False) -> Ended:
    """Run `leuknet ARGUMENTS` within this process: importing PyTorch once is enough.

    Figures are blank, see `draw_nothing`, unless they shall be `drawn`, but for those of `reproduce`.
    """
    out, err = io.StringIO(), io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        patch.setattr(sys, "argv", ["leuknet", *map(str, arguments)])
        patch.setenv("COLUMNS", "200")  # tables do not break the texts that tests look for
        patch.setenv("TQDM_MININTERVAL", "10")  # the command line sets it; undone here
        patch.setattr(typer.main, "get_command", made_command)
        if arguments[:1] != ("reproduce",) and not drawn:
            draw_nothing(patch)
        with pytest.raises(SystemExit) as ended:
            main()
    return Ended(int(ended.value.code or 0), out.getvalue(), err.getvalue())


def run_line(command: str) -> str:
    """Run what a study asks for, which must end well; return the line as the study would."""
    ended = run_cli(*shlex.split(command))
    assert ended.status == 0, f"{command}\n{ended.err}"
    return f"leuknet {command}"


def without(*packages: str) -> str:
    """Python code after which these packages are not installed, as far as imports can tell."""
    return (
        "from importlib.machinery import PathFinder\n"
        "find = PathFinder.find_spec\n"
        "PathFinder.find_spec = lambda name, *place: (\n"
        f"    None if name.partition('.')[0] in {packages!r} else find(name, *place)\n"
        ")\n"
    )


def draw_nothing(patch: pytest.MonkeyPatch) -> None:
    """Let figures be made and written, but blank: drawing them takes half of the time of judging a model.

    For what looks at no picture; `tests/figures` and the demonstration draw them.
    """
    picture = io.BytesIO()
    Image.new("RGB", (8, 8)).save(picture, "PNG")
    blank = {"png": picture.getvalue(), "svg": b'<svg xmlns="http://www.w3.org/2000/svg"/>'}
    patch.setattr(frame, "_rendered", lambda _, **options: blank[options["format"]])


def draw_few(patch: pytest.MonkeyPatch) -> None:
    """Let `simulate` draw one cell of each subject at least, where users get three."""
    simulation._golden_population()  # kept for good: by whoever asks first, and then not of the few
    patch.setattr(simulation, "draw_population", partial(draw_population, at_least=1))


def simulate_few(root: Path, *, seed: int, scale: float, parts: Sequence[str]) -> Path:
    """Do as `simulate`, as `draw_few` says."""
    with pytest.MonkeyPatch.context() as patch:
        draw_few(patch)
        return simulate(root, seed=seed, scale=scale, parts=parts)


@pytest.fixture
def blank_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `draw_nothing` says."""
    draw_nothing(monkeypatch)


def _shrink_demo(patch: pytest.MonkeyPatch) -> None:
    """Let `leuknet reproduce paper --demo` take seconds, with a network and cells as few as can be."""
    from leuknet.experiments import reproduce

    tiny = replace(
        LEUKNET_DEMO,
        network_options={"filters": [4, 6, 8], "fc1": 8},
        image_size_px=32,
        epochs=2,
        batch_size=16,
    )
    patch.setattr(reproduce, "DEMO_SCALE", 0.03)
    patch.setitem(RECIPES, "leuknet-demo", tiny)


@pytest.fixture
def tiny_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sizes of `mini_reproduction`, for a test that runs the demonstration itself."""
    _shrink_demo(monkeypatch)


@pytest.fixture(scope="session")
def mini_reproduction(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a whole demonstration, made by the command line at sizes that take seconds."""

    def make(folder: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            _shrink_demo(patch)
            patch.setattr(frame, "_rendered", RENDERED)  # also where the first to ask wants blank figures
            ended = run_cli("reproduce", "paper", "--demo", "--out", folder / "demo")
        assert ended.status == 0, ended.err

    return made_once(tmp_path_factory, "reproduction", make) / "demo"
