"""What a running reading room must know, read once at its start.

Start at `Settings`. A command line option wins over the environment variable of the same name.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from leuknet.errors import SettingError
from leuknet.room.intake_checks import Limits
from leuknet.room.webhook import Webhook

GIB = 2**30


@dataclass(frozen=True)
class Settings:
    """Where a reading room keeps its data, where it listens, and what it allows.

    Attributes
    ----------
    folder
        Images, pictures made of them, signed reports; `reading-room.db` too, unless `database_url` says else.
    database_url
        As for `leuknet.store.open_store`; None for the file in `folder`.
    model
        Folder of the model that scores; None for a room that only reads what was scored elsewhere.
    host, port
        Where it listens.
    public_url
        The address that browsers use where a proxy with TLS stands in front, such as
        `https://reading.example.org`; None where browsers connect directly.
    images
        Folder under which the images of finished tables lie; None to refuse such tables.
    max_upload_bytes
        Of one file.
    account_bytes
        Of all files of one account; None for as many as the disk has room for.
    requests_per_minute
        Of one account; a gallery asks for many pictures.
    webhook
        Who is told when a case is scored or signed.
    demo
        Whether the first account finds simulated cases.
    """

    folder: Path
    database_url: str | None = None
    model: Path | None = None
    host: str = "127.0.0.1"
    port: int = 8000
    public_url: str | None = None
    images: Path | None = None
    max_upload_bytes: int = 4 * GIB
    account_bytes: int | None = None
    requests_per_minute: int = 6000
    webhook: Webhook | None = None
    demo: bool = False

    def __post_init__(self) -> None:
        if self.public_url is None:
            return
        parts = urlsplit(self.public_url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/"):
            raise SettingError(
                "cannot use the public address",
                why=f"{self.public_url!r} is not of the form https://NAME",
                fix="give scheme and name alone, such as https://reading.example.org",
            )

    @property
    def store_url(self) -> str:
        """The database's address."""
        return self.database_url or f"sqlite:///{self.folder / 'reading-room.db'}"

    @property
    def limits(self) -> Limits:
        """What uploads may be."""
        return Limits(self.max_upload_bytes, self.account_bytes)

    @property
    def is_loopback(self) -> bool:
        """Whether only programs of this computer can connect."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def is_secure(self) -> bool:
        """Whether browsers reach it through TLS."""
        return self.public_url is not None and urlsplit(self.public_url).scheme == "https"

    @property
    def address(self) -> str:
        """The address that a person types, without a slash at its end."""
        if self.public_url is not None:
            return self.public_url.rstrip("/")
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    @property
    def allowed_hosts(self) -> frozenset[str]:
        """Names under which browsers may address it: another is a page that was led here by a forged name."""
        names = {"localhost", "127.0.0.1", "[::1]", self.host, f"[{self.host}]"}
        if self.public_url is not None:
            names.add(urlsplit(self.public_url).hostname or "")
        return frozenset(name.lower() for name in names)
