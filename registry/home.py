"""Where an embedded ledger lives: the folder `.affidavit`, found as git finds `.git`.

::

    .affidavit/
        ledger.db      records, tiles, checkpoints, and the tables learned from them
        anchors.json   where heads of the ledger are kept or signed by others
        anchor.checkpoint   the newest head, unless it is kept elsewhere
        artifacts/     models, sources, fingerprints, policies, reports, by SHA-256
        keys/          private keys of those who sign here, and the log's own

A shared ledger is named by the URL of its database, and has such a folder too, on every machine that works with it
(`registry.shared_home`). How either is made: `registry.founding`.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import URL, Engine

from audit import postgres, tables
from audit.anchor_settings import SETTINGS, AnchorSettings
from audit.errors import EnvironmentFailed, NotFound
from audit.keystore import LOG_KEY, KeyStore, passphrase_from_environment
from audit.postgres_url import is_url, parse_url, readable_place, readable_url
from registry.artifacts import ArtifactStore
from registry.shared_home import folder_of

__all__ = ["FOLDER", "LOG_KEY", "Home", "find_home", "passphrase_from_environment", "shared_home"]

FOLDER = ".affidavit"


@dataclass(frozen=True, slots=True)
class Home:
    """The folder of one ledger, and the URL of its database where that is a server's."""

    folder: Path
    url: URL | None = field(default=None, repr=False)  # it may hold a password

    def open(self) -> Engine:
        """Open the database; `NotFound` where an embedded ledger has none."""
        return tables.open_database(self.database) if self.url is None else postgres.open_url(self.url)

    @property
    def name(self) -> str:
        """The place of the ledger as a person reads it, without any password."""
        return str(self.folder) if self.url is None else readable_url(self.url)

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.folder / "ledger.db"

    @property
    def artifacts(self) -> ArtifactStore:
        """The artifact store; of a shared ledger, `AFFIDAVIT_ARTIFACTS` names another folder."""
        named = os.environ.get("AFFIDAVIT_ARTIFACTS") if self.url is not None else None
        return ArtifactStore(Path(named or self.folder / "artifacts"))

    @property
    def keys(self) -> KeyStore:
        """The keys of the people who sign here; `AFFIDAVIT_KEYS` names another folder."""
        return KeyStore(Path(os.environ.get("AFFIDAVIT_KEYS") or self.folder / "keys"))

    @property
    def log_keys(self) -> KeyStore:
        """The log's own key, which is the ledger's and stays with it."""
        return KeyStore(self.folder / "keys")

    @property
    def anchors(self) -> AnchorSettings:
        """The anchors that this ledger has."""
        return AnchorSettings.read(self.folder)


def find_home(named: str | None, start: Path | None = None) -> Home:
    """Find the ledger: the one named, else `AFFIDAVIT_LEDGER`, else the nearest `.affidavit` at or above `start`."""
    named = named or os.environ.get("AFFIDAVIT_LEDGER") or None
    if named is not None:
        if is_url(named):
            return shared_home(named)
        folder = Path(named)
        for candidate in (folder, folder / FOLDER):
            if (candidate / "ledger.db").is_file():
                return Home(candidate)
            _check_not_lost(candidate)
        raise NotFound(f"there is no ledger at {readable_place(named)}: make one there with `affidavit init`")
    start = (start or Path.cwd()).absolute()
    for folder in (start, *start.parents):
        if (folder / FOLDER / "ledger.db").is_file():
            return Home(folder / FOLDER)
        _check_not_lost(folder / FOLDER)
    raise NotFound(
        f"there is no ledger here: no {FOLDER} folder in {start} or above; "
        "make one with `affidavit init`, or name one with --ledger"
    )


def _check_not_lost(folder: Path) -> None:
    """Refuse the folder of a ledger that lies there without its database; `EnvironmentFailed`."""
    if (folder / SETTINGS).is_file() or (folder.name == FOLDER and (folder / "keys").is_dir()):
        raise EnvironmentFailed(
            f"the ledger in {folder} has lost its database: restore ledger.db from a copy, and compare it with a "
            "checkpoint that was kept elsewhere"
        )


def shared_home(named: str) -> Home:
    """Find the home of the ledger that a URL names; nothing is connected yet."""
    url = parse_url(named)
    return Home(folder_of(url), url)
