"""Where a ledger on a database server is at home: its URL, and a folder on each machine that works with it.

::

    postgresql+psycopg://ana@db.bank.example/credit      the ledger
    ~/.local/share/affidavit/db.bank.example-credit-3f9c21aa/     on this machine:
        anchors.json, anchor.checkpoint                  what it has seen of the ledger
        artifacts/     or the folder that AFFIDAVIT_ARTIFACTS names, such as one that all machines share
        keys/          or the folder that AFFIDAVIT_KEYS names

Rules:

- The log's key is in the folder `keys` where the ledger was made. A machine without it reads, signs and appends
  through the inbox (`audit.inbox`).
- Artifacts are files, and no database holds them: who wants to read on one machine what another has recorded gives
  both the same folder.
- A password belongs into the file ~/.pgpass or the variable PGPASSWORD; one in the URL is never shown.
"""

import hashlib
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import URL

from audit import postgres, tables
from audit.anchor_file import AnchorFile
from audit.checkpoint import check_origin
from audit.errors import EnvironmentFailed, MalformedInput
from audit.postgres import parse_url
from registry.catalog import Catalog
from registry.home import LOG_KEY, Home, anchored, begin_ledger, check_key_name

__all__ = ["create_shared_home", "shared_home"]


def shared_home(named: str) -> Home:
    """Find the home of the ledger that a URL names; nothing is connected yet."""
    url = parse_url(named)
    return Home(_folder(url), url)


def create_shared_home(
    named: str,
    *,
    origin: str,
    name: str,
    holder: str,
    roles: tuple[str, ...],
    passphrase: Callable[[str], bytes],
    anchor: Path | None = None,
) -> Home:
    """Make a new ledger in an empty database, with its log key, its first key, genesis and stages.

    Raises `MalformedInput` where the database holds one already or a name is not usable; then nothing was made.
    """
    check_origin(origin)
    check_key_name(name)
    home = shared_home(named)
    if LOG_KEY in home.log_keys.names() or home.anchors.file is not None:
        raise MalformedInput(
            f"{home.folder} holds the keys or anchors of a ledger already: move them away, or make this one elsewhere"
        )
    settings = anchored(home, origin, anchor)
    new_folder = not home.folder.exists()
    engine = home.open()
    try:
        with tables.failures(), engine.begin() as connection:
            tables.create_tables(connection, [Catalog.metadata])
        try:
            log_signer = home.log_keys.create(LOG_KEY, passphrase(LOG_KEY))
            head = begin_ledger(
                home,
                engine,
                log_signer,
                origin=origin,
                name=name,
                holder=holder,
                roles=roles,
                passphrase=passphrase,
            )
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


def _folder(url: URL) -> Path:
    data = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    host = url.host or url.query.get("host") or "local"
    port = f"-{url.port}" if url.port else ""
    readable = re.sub(r"[^A-Za-z0-9._-]+", "-", f"{host}{port}-{url.database}").strip("-.")
    # Two databases never share a folder, however alike their names read; who logs in is not part of which it is.
    which = repr((host, url.port, url.database, sorted(url.query.items())))
    return data / "affidavit" / f"{readable}-{hashlib.sha256(which.encode()).hexdigest()[:8]}"
