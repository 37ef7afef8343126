"""Where an embedded ledger lives: the folder `.affidavit`, found as git finds `.git`.

::

    .affidavit/
        ledger.db      records, tiles, checkpoints, and the tables learned from them
        anchors.json   where heads of the ledger are kept or signed by others
        anchor.checkpoint   the newest head, unless it is kept elsewhere
        artifacts/     models, sources, fingerprints, policies, reports, by SHA-256
        keys/          private keys of those who sign here, and the log's own

A new ledger is made in a folder beside it and renamed into place, so that it is there whole or not at all.

A shared ledger is named by the URL of its database, and has such a folder too, on every machine that works with it
(`registry.shared_home`).
"""

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import URL, Engine

from audit import postgres, tables
from audit.anchor_file import ANCHOR_FILE, AnchorFile
from audit.anchor_settings import AnchorSettings, is_outside
from audit.checkpoint import check_origin
from audit.durable import make_folder, replace_file, sync_folder
from audit.errors import EnvironmentFailed, MalformedInput, NotFound
from audit.keys import Signer
from audit.keystore import LOG_KEY, KeyStore, passphrase_from_environment
from audit.ledger import create_ledger
from audit.statement import Statement
from registry.artifacts import ArtifactStore
from registry.catalog import Catalog
from registry.policy import packaged
from registry.predicates import PolicyDigest, StagePolicies
from registry.unfinished_home import clear_unfinished, unfinished_home

__all__ = [
    "FOLDER",
    "LOG_KEY",
    "STAGES",
    "Home",
    "anchored",
    "begin_ledger",
    "check_key_name",
    "create_home",
    "find_home",
    "passphrase_from_environment",
]

FOLDER = ".affidavit"
STAGES = {"staging": ("baseline",), "production": ("baseline",)}
"""The stages of a new ledger and the packaged policies that guard them; `affidavit policy adopt` changes that."""


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
        return str(self.folder) if self.url is None else self.url.render_as_string(hide_password=True)

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
        if "://" in named:
            from registry.shared_home import shared_home

            return shared_home(named)
        folder = Path(named)
        for candidate in (folder, folder / FOLDER):
            if (candidate / "ledger.db").is_file():
                return Home(candidate)
        raise NotFound(f"there is no ledger at {named}: make one with `affidavit init {named}`")
    start = (start or Path.cwd()).absolute()
    for folder in (start, *start.parents):
        if (folder / FOLDER / "ledger.db").is_file():
            return Home(folder / FOLDER)
        if (folder / FOLDER / "keys").is_dir():
            raise EnvironmentFailed(
                f"the ledger in {folder / FOLDER} has lost its database: restore ledger.db from a copy, and compare it "
                "with a checkpoint that was kept elsewhere"
            )
    raise NotFound(
        f"there is no ledger here: no {FOLDER} folder in {start} or above; "
        "make one with `affidavit init`, or name one with --ledger"
    )


def create_home(
    folder: Path,
    *,
    origin: str,
    name: str,
    holder: str,
    roles: tuple[str, ...],
    passphrase: Callable[[str], bytes],
    anchor: Path | None = None,
    told: Callable[[str], object] = lambda _: None,
) -> Home:
    """Make a new ledger in `folder`/.affidavit with its log key, its first key, genesis and stages.

    `anchor` is the file outside it that keeps its newest head; without one it is kept in the ledger's folder. `told`
    hears what was cleared away that a killed process had left there.
    Raises `MalformedInput` where one is already there or a name is not usable; then nothing was made.
    """
    check_origin(origin)
    check_key_name(name)
    final = Home(folder / FOLDER)
    if final.folder.exists():
        raise MalformedInput(f"{final.folder} exists: a ledger is never overwritten, choose another folder")
    cleared = clear_unfinished(folder)
    if cleared:
        told(f"removed what an interrupted init had left in {folder}: {', '.join(cleared)}")
    settings = anchored(final, origin, anchor)
    new_folder = not folder.exists()
    try:
        make_folder(folder)
        with unfinished_home(folder) as making:
            _fill_and_name(
                Home(making),
                final,
                settings,
                origin=origin,
                name=name,
                holder=holder,
                roles=roles,
                passphrase=passphrase,
            )
    except BaseException as error:
        if new_folder:
            with suppress(OSError):
                folder.rmdir()
        if isinstance(error, OSError):
            raise EnvironmentFailed(
                f"the ledger cannot be made in {folder}: {error.strerror or error}; nothing was made"
            ) from None
        raise
    return final


def _fill_and_name(
    making: Home,
    final: Home,
    settings: AnchorSettings,
    *,
    origin: str,
    name: str,
    holder: str,
    roles: tuple[str, ...],
    passphrase: Callable[[str], bytes],
) -> None:
    """Write a ledger's files, its anchor last, and give the folder its name; all of it durable, or taken back."""
    # As a virtual environment does: `git add .` must not publish private keys.
    replace_file(making.folder / ".gitignore", b"*\n", 0o666)
    head = _fill(making, origin=origin, name=name, holder=holder, roles=roles, passphrase=passphrase)
    # Before the anchor, since a ledger that is cleared away takes along the anchor that its settings name.
    settings.write(making.folder)
    kept = AnchorFile(making.folder / str(settings.file))
    kept.create(head)
    try:
        making.folder.rename(final.folder)
        try:
            sync_folder(final.folder.parent)
        except OSError:
            final.folder.rename(making.folder)
            raise
    except BaseException:
        if making.folder.exists():
            kept.path.unlink(missing_ok=True)
        raise


def check_key_name(name: str) -> None:
    """Refuse the name of the log's own key for a person's."""
    if name == LOG_KEY:
        raise MalformedInput(
            f"the name {LOG_KEY!r} is the log's own key: choose another for the first person"
        )


def _fill(
    home: Home,
    *,
    origin: str,
    name: str,
    holder: str,
    roles: tuple[str, ...],
    passphrase: Callable[[str], bytes],
) -> bytes:
    log_signer = home.log_keys.create(LOG_KEY, passphrase(LOG_KEY))
    engine = tables.create(home.database, [Catalog.metadata])
    return begin_ledger(
        home, engine, log_signer, origin=origin, name=name, holder=holder, roles=roles, passphrase=passphrase
    )


def begin_ledger(
    home: Home,
    engine: Engine,
    log_signer: Signer,
    *,
    origin: str,
    name: str,
    holder: str,
    roles: tuple[str, ...],
    passphrase: Callable[[str], bytes],
) -> bytes:
    """Write the first entries of a ledger into a new database: genesis and stages; return its signed head."""
    signer = home.keys.create(name, passphrase(name))
    try:
        ledger = create_ledger(
            engine,
            origin=origin,
            name=name,
            holder=holder,
            roles=roles,
            signer=signer,
            log_signer=log_signer,
            followers=[Catalog()],
        )
        ledger.append_many(_first_stages(home))
        head = ledger.head().checkpoint
        ledger.close()
        return head
    except BaseException:
        # The folder of keys may be outside the one that is thrown away.
        home.keys.discard(name)
        raise


def anchored(home: Home, origin: str, anchor: Path | None) -> AnchorSettings:
    """Say where the newest head of a ledger that is about to be made is kept; `MalformedInput` where it cannot be."""
    if anchor is None:
        return AnchorSettings(file=ANCHOR_FILE)
    if not is_outside(anchor, home.folder):
        raise MalformedInput(
            f"{anchor} lies in the ledger's own folder, where a head is kept anyway: give a place that is backed up, "
            "restored and guarded on its own"
        )
    AnchorFile(anchor).check_free(origin)
    return AnchorSettings(file=str(anchor.resolve()))


def _first_stages(home: Home) -> list[Statement]:
    statements = []
    for stage, names in STAGES.items():
        policies = [packaged(policy) for policy in names]
        for policy in policies:
            home.artifacts.put(policy.text)
        digests = tuple(PolicyDigest(policy.name, policy.sha256) for policy in policies)
        statements.append(StagePolicies(stage, digests).statement())
    return statements
