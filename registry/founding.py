"""Making a ledger: its log key, its first key, the genesis entry, and the stages that it begins with.

Rules:

- An embedded ledger is made in a folder beside the one that it will have, and renamed into place: it is there whole or
  not at all. What a killed process left is cleared away by the next one (`registry.unfinished_home`).
- A shared ledger is made in an empty database, or in an empty schema of one. What was made is taken away again where it
  does not come to its end; what was there before is not touched.
- Its newest head is kept from the first entry on, in a file in the ledger's folder or, better, outside it.

>>> create_home(Path("models"), Founding("bank.example/credit", "owner", "Ana Ruiz"), passphrase)   # doctest: +SKIP
"""

import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine

from audit import postgres, tables
from audit.anchor_file import ANCHOR_FILE, AnchorFile
from audit.anchor_settings import AnchorSettings, is_outside
from audit.checkpoint import check_origin
from audit.durable import make_folder, replace_file, sync_folder
from audit.errors import EnvironmentFailed, MalformedInput
from audit.keystore import LOG_KEY
from audit.ledger import create_ledger
from audit.statement import Statement
from registry.catalog import Catalog
from registry.home import FOLDER, Home, shared_home
from registry.policy import packaged
from registry.predicates import PolicyDigest, StagePolicies
from registry.unfinished_home import clear_unfinished, mark_finished, unfinished_home

__all__ = ["STAGES", "Founding", "Passphrase", "create_home", "create_shared_home"]

STAGES = {"staging": ("baseline",), "production": ("baseline",)}
"""The stages of a new ledger and the packaged policies that guard them; `affidavit policy adopt` changes that."""

Passphrase = Callable[[str], bytes]
"""Gives the passphrase of the key of a name, empty for none."""


@dataclass(frozen=True, slots=True)
class Founding:
    """What a ledger begins with: its name for ever, and its first key with the name, the holder and the roles of it.

    Raises `MalformedInput` where the origin is not usable, or the key has the name of the log's own.
    """

    origin: str
    name: str
    holder: str
    roles: tuple[str, ...] = ("admin", "recorder")

    def __post_init__(self) -> None:
        check_origin(self.origin)
        if self.name == LOG_KEY:
            raise MalformedInput(
                f"the name {LOG_KEY!r} is the log's own key: choose another for the first person"
            )


def create_home(
    folder: Path,
    founding: Founding,
    passphrase: Passphrase,
    anchor: Path | None = None,
    told: Callable[[str], object] = lambda _: None,
) -> Home:
    """Make a new ledger in `folder`/.affidavit with its log key, its first key, genesis and stages.

    `anchor` is the file outside it that keeps its newest head; without one it is kept in the ledger's folder. `told`
    hears what was cleared away that a killed process had left there.
    Raises `MalformedInput` where one is already there or a name is not usable; then nothing was made.
    """
    final = Home(folder / FOLDER)
    if final.folder.exists():
        raise MalformedInput(f"{final.folder} exists: a ledger is never overwritten, choose another folder")
    cleared = clear_unfinished(folder)
    if cleared:
        told(f"removed what an interrupted init had left in {folder}: {', '.join(cleared)}")
    settings = _anchored(final, founding.origin, anchor)
    new_folder = not folder.exists()
    making: Path | None = None
    try:
        make_folder(folder)
        with unfinished_home(folder) as making:
            _fill_and_name(Home(making), final, settings, founding, passphrase)
    except BaseException as error:
        if new_folder:
            with suppress(OSError):
                folder.rmdir()
        if isinstance(error, OSError | EnvironmentFailed):
            raise EnvironmentFailed(_why_not_made(error, folder) + _what_is_left(making)) from None
        raise
    return final


def _why_not_made(error: OSError | EnvironmentFailed, folder: Path) -> str:
    if isinstance(error, EnvironmentFailed):
        return str(error)
    return f"the ledger cannot be made in {folder}: {error.strerror or error}; no ledger was made"


def _what_is_left(making: Path | None) -> str:
    """Say where what was begun lies, on a disk that does not even let it be removed."""
    if making is None or not making.exists():
        return ""
    return f"; what was begun cannot be removed from {making} now, and the next init there clears it away"


def _fill_and_name(
    making: Home, final: Home, settings: AnchorSettings, founding: Founding, passphrase: Passphrase
) -> None:
    """Write a ledger's files, its anchor last, and give the folder its name; all of it durable, or taken back."""
    # As a virtual environment does: `git add .` must not publish private keys.
    replace_file(making.folder / ".gitignore", b"*\n", 0o666)
    engine = tables.create(making.database, [Catalog.metadata])
    head = _begin(making, engine, founding, passphrase)
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
    mark_finished(final.folder)


def create_shared_home(
    named: str, founding: Founding, passphrase: Passphrase, anchor: Path | None = None
) -> Home:
    """Make a new ledger in an empty database, with its log key, its first key, genesis and stages.

    Raises `MalformedInput` where the database holds one already or a name is not usable; then nothing was made.
    """
    home = shared_home(named)
    if LOG_KEY in home.log_keys.names() or home.anchors.file is not None:
        raise MalformedInput(
            f"{home.folder} holds the keys or anchors of a ledger already: move them away, or make this one elsewhere"
        )
    settings = _anchored(home, founding.origin, anchor)
    new_folder = not home.folder.exists()
    engine = home.open()
    try:
        with tables.failures(), engine.begin() as connection:
            tables.create_tables(connection, [Catalog.metadata])
        try:
            head = _begin(home, engine, founding, passphrase)
            settings.write(home.folder)
            AnchorFile(home.folder / str(settings.file)).create(head)
        except BaseException:
            with tables.failures(), engine.begin() as connection:
                postgres.drop_tables(connection, [Catalog.metadata, tables.ledger_metadata])
            _take_back(home, new_folder)
            raise
    except OSError as error:
        raise EnvironmentFailed(
            f"the ledger cannot be made: {error.strerror or error} ({home.folder}); nothing was made"
        ) from None
    finally:
        engine.dispose()
    return home


def _take_back(home: Home, whole: bool) -> None:
    if LOG_KEY in home.log_keys.names():
        home.log_keys.discard(LOG_KEY)
    if whole:
        shutil.rmtree(home.folder, ignore_errors=True)


def _begin(home: Home, engine: Engine, founding: Founding, passphrase: Passphrase) -> bytes:
    """Write the first entries of a ledger into a new database: genesis and stages; return its signed head."""
    log_signer = home.log_keys.create(LOG_KEY, passphrase(LOG_KEY))
    signer = home.keys.create(founding.name, passphrase(founding.name))
    try:
        ledger = create_ledger(
            engine,
            origin=founding.origin,
            name=founding.name,
            holder=founding.holder,
            roles=founding.roles,
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
        home.keys.discard(founding.name)
        raise


def _anchored(home: Home, origin: str, anchor: Path | None) -> AnchorSettings:
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
