"""A reading room as a program sees it. Start at `Client`."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self
from urllib.parse import urlencode
from uuid import UUID

from leuknet.client.link import Link
from leuknet.client.parsing import Cell, Picture, read
from leuknet.client.sending import send_file
from leuknet.errors import DataError, SettingError, StoreError
from leuknet.store.cell_nouns import CellOrder, GivenVerdict, Review
from leuknet.store.nouns import Account, Case, CaseProgress, Image, ReportForm, Upload, UploadKind

if TYPE_CHECKING:
    import polars as pl


class Client:
    """A reading room, and the account that a token acts for.

    Parameters
    ----------
    url
        Address of the reading room, such as `https://reading.example.org`.
    token
        As the account's own page gave it. It is sent to this address alone.
    allow_insecure
        Whether the token may travel readable, without TLS, to another computer.
    timeout_s
        How long one request may wait for an answer.

    Raises
    ------
    SettingError
        If the address is none, or the token would travel readable.
    MissingExtraError
        If the extra `client` is not installed.
    """

    def __init__(
        self, url: str, token: str, *, allow_insecure: bool = False, timeout_s: float = 60.0
    ) -> None:
        self._link = Link(url, token, allow_insecure=allow_insecure, timeout_s=timeout_s)
        self._sent: list[tuple[str, str]] = []  # cases and uploads that `wait` has not looked at yet

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._link.close()

    def me(self) -> Account:
        """Return the account that the token acts for."""
        return read(Account, self._link.json("GET", "me"))

    def cases(self) -> Iterator[Case]:
        """Give the cases that the account may see, the newest first."""
        for found in self._link.pages("cases", {}):
            yield read(Case, found)

    def create_case(self, title: str) -> CaseProgress:
        """Make an empty case; the title names no person."""
        # Sent once: a second try after a lost answer would make a second case.
        return read(CaseProgress, self._link.json("POST", "cases", json={"title": title}, once=True))

    def case(self, case: Case | UUID | str) -> CaseProgress:
        """Return a case and how far it is."""
        return read(CaseProgress, self._link.json("GET", f"cases/{_case_id(case)}"))

    def images(self, case: Case | UUID | str) -> Iterator[Image]:
        """Give the images of a case in the order they came."""
        for found in self._link.pages(f"cases/{_case_id(case)}/images", {}):
            yield read(Image, found)

    def upload(
        self,
        case: Case | UUID | str,
        path: str | Path,
        *,
        kind: UploadKind = "auto",
        microns_per_pixel: float | None = None,
        progress: bool = False,
    ) -> Upload:
        """Send a file into a case, in parts; go on where it stopped if it was begun before.

        Parameters
        ----------
        case
            It must be open.
        path
            An image, a zip of images, or a table of scored crops.
        kind
            What it is; `auto` lets the content decide.
        microns_per_pixel
            µm a pixel side, where the file does not state it; fields and slides need it.
        progress
            Whether to show a bar.

        Returns
        -------
        Upload
            It is whole and checked; its cells come when the worker has scored it, see `wait`.

        Raises
        ------
        DataError
            If the file cannot be read here, or the reading room cannot use it.
        StoreError
            If the server cannot be reached for about a minute. Call it again later: it goes on.
        """
        here = f"cases/{_case_id(case)}/uploads"
        announced = {"kind": kind, "microns_per_pixel": microns_per_pixel}
        upload = read(Upload, send_file(self._link, here, Path(path), announced, progress=progress))
        self._sent.append((_case_id(case), str(upload.id)))
        return upload

    def wait(
        self, case: Case | UUID | str, *, every_s: float = 2.0, timeout_s: float | None = None
    ) -> CaseProgress:
        """Wait until all images of a case are scored, or could not be.

        Returns
        -------
        CaseProgress
            `images` and `cells` count what is there, `notes` say which members of archives and rows of tables
            could not be used.

        Raises
        ------
        DataError
            If nothing in an archive or table that was sent with this client can be used; all else is scored.
        StoreError
            If it takes longer than `timeout_s`.
        """
        end = None if timeout_s is None else time.monotonic() + timeout_s
        while not (found := self.case(case)).is_scored:
            if end is not None and time.monotonic() > end:
                raise StoreError(
                    f"the case {found.title!r} is not scored yet",
                    why=f"{found.waiting} images wait after {timeout_s:g} s",
                    fix="wait longer, and see that `leuknet worker` runs where the reading room does",
                )
            time.sleep(every_s)
        self._check_sent(found)
        return found

    def _check_sent(self, case: CaseProgress) -> None:
        """Raise what became of the archives and tables of a case that were sent, each once."""
        here = str(case.id)
        sent = [upload for case_id, upload in self._sent if case_id == here]
        self._sent = [one for one in self._sent if one[0] != here]
        uploads = (read(Upload, self._link.json("GET", f"cases/{here}/uploads/{upload}")) for upload in sent)
        failed = [str(upload.error) for upload in uploads if upload.state == "failed"]
        if failed:
            raise DataError(
                f"of {len(sent)} files sent into the case {case.title!r} {len(failed)} could not be used",
                why=" ".join(failed),
                fix="see the reasons; what else was sent is scored",
            )

    def cells(
        self,
        case: Case | UUID | str,
        *,
        order: CellOrder = "found",
        outcome: str | None = None,
        reviewed: bool | None = None,
    ) -> Iterator[Cell]:
        """Give the cells of a case, page by page, with what the model and this account say of them.

        Parameters
        ----------
        case
            Of which the account may see all.
        order
            As found, the most probable first, or those nearest to 0.5 first.
        outcome
            Only cells of which the model says this.
        reviewed
            Only cells of which this account says something now, or nothing. Cells that are reviewed while the
            iterator is under way are neither skipped nor shown twice.
        """
        case_id = UUID(_case_id(case))
        asked = {"order": order, "outcome": outcome, "reviewed": reviewed}
        for found in self._link.pages(f"cases/{case_id}/cells", asked):
            yield read(Cell, found, case_id=case_id)

    def cell(self, case: Case | UUID | str, cell_id: int) -> Cell:
        """Return a cell as it is now."""
        case_id = UUID(_case_id(case))
        return read(Cell, self._link.json("GET", f"cases/{case_id}/cells/{cell_id}"), case_id=case_id)

    def review(self, cell: Cell, verdict: GivenVerdict, *, note: str = "") -> Review:
        """Say what a cell is. To say otherwise later, ask for the cell again with `cell`.

        Raises
        ------
        ConflictError
            If the account decided otherwise since the cell was asked for; or the case is signed.
        """
        expected = None if cell.review is None else cell.review.id
        said = {"verdict": verdict, "note": note, "expected_review_id": expected}
        # Sent once: after a lost answer a second try would meet its own review.
        return read(Review, self._link.json("POST", f"{_address(cell)}/reviews", json=said, once=True))

    def undo(self, cell: Cell, review: Review) -> Review:
        """Take the account's newest review of a cell back; return what holds now.

        Raises
        ------
        ConflictError
            If another review is the newest.
        """
        said = {"expected_review_id": review.id}
        return read(Review, self._link.json("POST", f"{_address(cell)}/reviews/undo", json=said, once=True))

    def picture(self, cell: Cell, kind: Picture = "view") -> bytes:
        """Return a picture of a cell: `thumb` as WebP, `view` and `crop` as PNG."""
        return self._link.send("GET", f"{_address(cell)}/{kind}").content

    def labels(self, case: Case | UUID | str) -> pl.DataFrame:
        """Return the label of each cell of a case; for leads.

        Returns
        -------
        polars.DataFrame
            Columns `cell_id`, `state` (agreed, decided, disputed or unreviewed), `label` (null without one)
            and `readers`, how many people said something.
        """
        import polars as pl

        found = self._link.json("GET", f"cases/{_case_id(case)}/labels")["items"]
        rows = [(label["cell_id"], label["state"], label["label"], len(label["words"])) for label in found]
        kinds = {"cell_id": pl.Int64, "state": pl.String, "label": pl.String, "readers": pl.Int64}
        return pl.DataFrame(rows, schema=kinds, orient="row")

    def download_report(
        self, case: Case | UUID | str, path: str | Path, *, version: int, form: ReportForm = "pdf"
    ) -> Path:
        """Save a signed version of a case's report as a file."""
        return self._link.download(f"cases/{_case_id(case)}/reports/{version}/{form}", Path(path))

    def download_labelled(self, cases: Iterable[Case | UUID | str], path: str | Path) -> Path:
        """Save the labelled cells of cases as a zip: a data set in which a case is a subject. For leads."""
        chosen = urlencode([("case_id", _case_id(case)) for case in cases])
        return self._link.download(f"labelled.zip?{chosen}", Path(path))


def _case_id(case: Case | UUID | str) -> str:
    try:
        return str(case.id if isinstance(case, Case) else UUID(str(case)))
    except ValueError as error:
        raise SettingError(
            "cannot find the case", why=f"{case!r} is no id of one", fix="use an id that `cases` gives"
        ) from error


def _address(cell: Cell) -> str:
    return f"cases/{cell.case_id}/cells/{cell.id}"
