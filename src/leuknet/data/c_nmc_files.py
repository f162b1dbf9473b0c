"""Which file holds a cell of C-NMC 2019, and which content it has.

A cell may lie at several places, in several formats. Each file gets the hash that the publisher's file of the
same pixels has, so that copies are known for what they are; of several files of one cell one is taken.

Start at `read_contents`, then `choose_files`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from leuknet.data.c_nmc_places import Place
from leuknet.data.digests import read_each, shorten
from leuknet.images.digest_cache import DigestCache
from leuknet.images.published_bmp import Digest, Header, digest_as_published
from leuknet.images.reading import hash_file
from leuknet.types import Finding


def read_contents(
    base: Path, places: Mapping[str, Sequence[Place]], *, as_is: bool, progress: bool
) -> tuple[dict[str, Digest], list[Finding]]:
    """Hash each file, by its path: as the publisher's file of its pixels, or `as_is`."""
    at = {base / place.path: place for alike in places.values() for place in alike}

    def read(path: Path) -> Digest:
        part = at[path].part
        # No file of the final phase was at hand to see its header: a BMP is taken for the publisher's own.
        if as_is or (part == "final" and path.suffix.lower() == ".bmp"):
            return Digest(hash_file(path), "as published", "")
        header: Header = "long" if part == "prelim" else "short"
        # The publisher's own files are told by their first bytes, sooner than from a list.
        is_bmp = path.suffix.lower() == ".bmp"
        return digest_as_published(path, header) if is_bmp else known.digest(path, header)

    known = DigestCache()
    answers = read_each(base, [place.path for place in at.values()], read, progress=progress)
    known.keep()
    return answers


def choose_files(
    places: Mapping[str, tuple[Place, ...]], digests: Mapping[str, Digest]
) -> tuple[dict[str, Place], list[Finding]]:
    """Return the file of each cell, by id; a cell that lies at several places is a finding."""
    chosen, findings = {}, []
    for id_, alike in places.items():
        read = [place for place in alike if place.path in digests]
        sound = [place for place in read if digests[place.path].form != "lossy"] or read
        if not sound:
            continue
        first, others = sound[0], [place.path for place in read if place is not sound[0]]
        contents = {digests[place.path].sha256 for place in sound}
        is_told = len(contents) == 1 or first.id == first.path
        if is_told:
            chosen[id_] = first
        if len(contents) > 1:
            said = "left out" if is_told else "none of them is used"
            message = f"another image under the name of this cell: {shorten(others)}; {said}"
            findings.append(Finding("error", "twice", first.path, message))
        elif others:
            message = f"the same cell once more: {shorten(others)}; counted once"
            findings.append(Finding("warning", "twice", first.path, message))
    return chosen, findings


def say_formats(places: Iterable[Place], digests: Mapping[str, Digest]) -> list[Finding]:
    """Say how many cells are no files of the publisher's, and what they are told by."""
    found = Counter((digest.form, digest.kind) for digest in (digests[place.path] for place in places))
    findings = []
    for (form, kind), n in sorted(found.items()):
        if form == "lossless":
            files = "BMP files with another header than published" if kind == "BMP" else f"{kind} files"
            message = f"{n:,} cells are {files}: they count as the publisher's files of the same pixels"
            findings.append(Finding("info", "copy", "", message))
        elif form == "lossy":
            message = (
                f"{n:,} cells are {kind} files with lossy compression: their pixels are not the published"
                " ones, and copies of these cells in other files are not recognised"
            )
            findings.append(Finding("warning", "lossy", "", message))
    return findings
