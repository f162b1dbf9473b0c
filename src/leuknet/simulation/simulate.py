"""Writes simulated cells in the layout of C-NMC 2019, beside a file with the known answer.

The published images need a registration and 9 GB; a first try, a test and a demonstration need neither.
The simulated copy has the publisher's folders, names, headers and traps, so that whatever reads the
real data reads it. A marker, `simulated.json`, makes every figure and report say what it shows, and
keeps the writer from ever replacing real images.

Start at `simulate`. Who has which cells is decided in `leuknet.simulation.population`, how they look in
`leuknet.simulation.draw`.
"""

from __future__ import annotations

import io
import json
import multiprocessing
import os
import signal
import struct
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from importlib.metadata import version
from pathlib import Path

import numpy as np
import polars as pl
from PIL import Image
from tqdm import tqdm

from leuknet.data.c_nmc import SIMULATED, TOP
from leuknet.data.published_counts import CANVAS_PX, COUNTS, FINAL_CANVAS_PX, FOLDERS, PRELIM_LABELS
from leuknet.errors import DatasetError, SettingError
from leuknet.records.whole import whole_folder
from leuknet.simulation.draw import Traits, draw_cell
from leuknet.simulation.population import Cell, draw_population
from leuknet.types import Pixels

TRUTH = "simulated_truth.csv"
"""The known answer, below `C-NMC_Leukemia`; see `read_truth`."""

NOTE = "These cells were drawn by a program. They show no patient and support no medical statement."

CELLS_PER_PROCESS = 100
"""Fewer cells than this are drawn sooner than another process starts."""

# The preliminary phase was published with this header (BITMAPV5, sRGB), the other parts with the plain one.
_PRELIM_HEADER = struct.Struct("<2sIHHI IiiHHIIiiII 4I 4s 36x 3I IIII")


def simulate(
    root: Path,
    *,
    seed: int = 0,
    scale: float = 0.05,
    separation: float = 1.0,
    parts: Sequence[str] = tuple(COUNTS),
    progress: bool = False,
) -> Path:
    """Write a simulated copy of C-NMC 2019 below `root`.

    Draws with all processor cores. Each draws in a process of its own that imports the calling script,
    so a script must call this below `if __name__ == "__main__":`.

    Parameters
    ----------
    root
        Folder that gets a `C-NMC_Leukemia`; made if absent. An older simulated copy in it is replaced,
        in one step and only once the new one is complete.
    seed
        0 or above. Equal seed, scale and parts give equal bytes; another scale or other parts leave the
        cells that both have unchanged.
    scale
        Cells per published image, in (0, 1]. Each subject has three cells at least.
    separation
        How far the classes lie apart: 1 as in published images, in (0, 2]; see
        `leuknet.simulation.population.class_means`.
    parts
        Keys of `leuknet.data.published_counts.COUNTS`.
    progress
        Show a progress bar on standard error.

    Returns
    -------
    Path
        The folder `C-NMC_Leukemia`.

    Raises
    ------
    SettingError
        If the seed, scale or separation is out of range or a part is unknown.
    DatasetError
        If the folder holds a `C-NMC_Leukemia` that is not simulated, or cannot be written.
    """
    _check_settings(seed, scale, separation, parts)
    target = root / TOP
    if os.path.lexists(target) and (target.is_symlink() or not (target / SIMULATED).is_file()):
        raise DatasetError(
            f"cannot write simulated cells to {target}",
            why=f"it exists and has no {SIMULATED}: it may hold real images",
            fix="name another folder, or move that one away",
        )
    cells = draw_population(parts, scale=scale, seed=seed, separation=separation)
    names = _names(cells, seed=seed)
    try:
        with whole_folder(target) as unfinished:
            for folder in {Path(name).parent for name in names}:
                (unfinished / folder).mkdir(parents=True)
            _draw_all(cells, [unfinished / name for name in names], progress=progress)
            _write_tables(unfinished, cells, names)
            _write_marker(unfinished, cells, seed=seed, scale=scale, separation=separation)
    except OSError as error:
        raise DatasetError(
            f"cannot write simulated cells to {target}",
            why=str(error),
            fix=f"name a folder that you may write to, with {0.0007 * len(cells):.1f} GB free",
        ) from error
    return target


def read_truth(root: Path) -> pl.DataFrame:
    """Read what the simulation knows of each cell.

    Parameters
    ----------
    root
        The folder that holds `C-NMC_Leukemia`, or that folder itself.

    Returns
    -------
    polars.DataFrame
        One row per cell: `path` below `C-NMC_Leukemia`, `label` (1 leukaemic, 0 normal), `person`,
        `probability` (the best possible P(leukaemic) for a person never seen before, at equal numbers of
        both classes; see `leuknet.simulation.population.known_probability`), then the five `Traits`.

    Raises
    ------
    DatasetError
        If there is no simulated copy.
    """
    for path in (root / TOP / TRUTH, root / TRUTH):
        if path.is_file():
            return pl.read_csv(path, schema_overrides={"person": pl.String})
    raise DatasetError(
        f"cannot read the known answer in {root}",
        why=f"there is no {TRUTH}: only simulated copies have one",
        fix=f"draw one with `leuknet data simulate`, and name the folder that holds its {TOP}",
    )


def golden_cells(n: int) -> Pixels:
    """Draw `n` simulated cells that never change, of as many persons as possible and both classes in turn.

    Parameters
    ----------
    n
        At most 54, twice the three cells of each of nine normal subjects.

    Returns
    -------
    (n, 450, 450, 3) uint8
        Cell 0 is normal, cell 1 leukaemic, and so on.
    """
    classes = _golden_population()
    chosen = [classes[i % 2][i // 2] for i in range(n)]
    return np.stack([draw_cell(cell.traits, cell.nuisance, seed=cell.seed) for cell in chosen])


@cache
def _golden_population() -> list[list[Cell]]:
    """Return the normal and the leukaemic cells of fold_0, those that come first in their subject first."""
    # Every scale draws the first three cells of each subject, and these are enough.
    cells = draw_population(["fold_0"], scale=0.001, seed=0)
    cells.sort(key=lambda cell: (cell.place, cell.subject.number))
    return [[cell for cell in cells if cell.subject.label == label] for label in (0, 1)]


def _check_settings(seed: int, scale: float, separation: float, parts: Sequence[str]) -> None:
    unknown = [part for part in parts if part not in COUNTS]
    if unknown or not parts:
        raise SettingError(
            "cannot simulate these parts",
            why=f"{', '.join(map(repr, unknown))} unknown" if unknown else "none is named",
            fix=f"name some of {', '.join(COUNTS)}",
        )
    if not 0 < scale <= 1:
        raise SettingError(
            "cannot simulate at this scale",
            why=f"{scale} is not above 0 and at most 1",
            fix="give the share of the published 15,114 images that you want, such as 0.05",
        )
    if not 0 < separation <= 2:
        raise SettingError(
            "cannot draw classes so far apart",
            why=f"a separation of {separation} is not above 0 and at most 2",
            fix="give 1 for classes as published, less for harder cells, such as 0.6",
        )
    if seed < 0:
        raise SettingError("cannot simulate with this seed", why=f"{seed} is below 0", fix="take 0 or above")


def _names(cells: Sequence[Cell], *, seed: int) -> list[str]:
    """Return each cell's path below `C-NMC_Leukemia`, in the publisher's manner."""
    names = [""] * len(cells)
    for part in COUNTS:
        places = [i for i, cell in enumerate(cells) if cell.subject.part == part]
        # Numbers follow chance in the test phases, else they would tell the subjects and classes apart.
        numbers = np.random.default_rng((seed, 5)).permutation(len(places)) + 1
        for i, number in zip(places, numbers, strict=True):
            name = f"{number}.bmp"
            if part.startswith("fold"):
                name = f"{cells[i].subject.label.short.lower()}/{_patient_id(cells[i])}"
            names[i] = f"{FOLDERS[part]}/{name}"
    return names


def _patient_id(cell: Cell) -> str:
    image, of_image = divmod(cell.place, 4)
    return f"UID_{cell.subject.id}_{image + 1}_{of_image + 1}_{cell.subject.label.short.lower()}.bmp"


def _draw_all(cells: Sequence[Cell], paths: Sequence[Path], *, progress: bool) -> None:
    """Draw every cell into its file, with as many processes as are worth starting."""
    processes = min(os.cpu_count() or 1, 1 + len(cells) // CELLS_PER_PROCESS)
    with tqdm(total=len(cells), desc="drawing cells", unit="cell", disable=not progress) as bar:
        if processes == 1:
            for cell, path in zip(cells, paths, strict=True):
                bar.update(_draw_file(cell, path))
            return
        with ProcessPoolExecutor(
            processes,
            # Forking a process that has threads, as PyTorch starts them, can hang.
            multiprocessing.get_context("spawn"),
            # Ctrl-C reaches every process; the first one alone answers, by cancelling the others' work.
            initializer=signal.signal,
            initargs=(signal.SIGINT, signal.SIG_IGN),
        ) as executor:
            try:
                for n in executor.map(_draw_file, cells, paths, chunksize=8):
                    bar.update(n)
            except BaseException:
                executor.shutdown(cancel_futures=True)
                raise


def _draw_file(cell: Cell, path: Path) -> int:
    """Draw one cell into one file; return 1, the number of cells drawn."""
    path.write_bytes(_encode(draw_cell(cell.traits, cell.nuisance, seed=cell.seed), part=cell.subject.part))
    return 1


def _encode(pixels: Pixels, *, part: str) -> bytes:
    """Return a BMP file with the header and size of the part."""
    if part == "final":
        margin = (FINAL_CANVAS_PX - CANVAS_PX) // 2
        pixels = np.pad(pixels, ((margin, margin), (margin, margin), (0, 0)))
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "BMP")
    if part != "prelim":
        return file.getvalue()
    rows = file.getvalue()[54:]
    h, w = pixels.shape[:2]
    size = _PRELIM_HEADER.size
    density = 3779  # pixels per metre: 96 per inch
    head = (b"BM", size + len(rows), 0, 0, size, size - 14, w, h, 1, 24, 0, len(rows), density, density, 0, 0)
    masks = (0x00FF0000, 0x0000FF00, 0x000000FF, 0xFF000000)
    return _PRELIM_HEADER.pack(*head, *masks, b"BGRs", 0, 0, 0, 4, 0, 0, 0) + rows


def _write_tables(base: Path, cells: Sequence[Cell], names: Sequence[str]) -> None:
    """Write the known answer and, as published, the preliminary phase's labels."""
    rows = [
        (name, int(cell.subject.label), cell.subject.person, cell.probability, *cell.traits)
        for cell, name in zip(cells, names, strict=True)
    ]
    columns = ["path", "label", "person", "probability", *Traits._fields]
    pl.DataFrame(rows, schema=columns, orient="row").write_csv(base / TRUTH)

    prelim = [pair for pair in zip(cells, names, strict=True) if pair[0].subject.part == "prelim"]
    prelim.sort(key=lambda pair: int(Path(pair[1]).stem))
    if prelim:
        labels = [(_patient_id(cell), Path(name).name, int(cell.subject.label)) for cell, name in prelim]
        frame = pl.DataFrame(labels, schema=["Patient_ID", "new_names", "labels"], orient="row")
        frame.write_csv(base / PRELIM_LABELS)


def _write_marker(base: Path, cells: Sequence[Cell], *, seed: int, scale: float, separation: float) -> None:
    """Write the file that says that, and how, these cells were simulated."""
    counts = {}
    for part in dict.fromkeys(cell.subject.part for cell in cells):
        images = Counter(cell.subject.label.short for cell in cells if cell.subject.part == part)
        subjects = {cell.subject.id for cell in cells if cell.subject.part == part}
        of_class = {"leukaemic": images["ALL"], "normal": images["HEM"]}
        counts[part] = {"images": images.total(), **of_class, "subjects": len(subjects)}
    marker = {"simulated": True, "note": NOTE, "seed": seed, "scale": scale}
    marker |= {} if separation == 1 else {"separation": separation}
    marker |= {"leuknet_version": version("leuknet"), "counts": counts}
    (base / SIMULATED).write_text(json.dumps(marker, indent=2) + "\n", encoding="utf-8")
