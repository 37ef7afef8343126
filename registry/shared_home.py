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

>>> from sqlalchemy import make_url
>>> folder_of(make_url("postgresql+psycopg://ana@db.bank.example/credit")).name
'db.bank.example-credit-e06064eb'
"""

import hashlib
import os
import re
from pathlib import Path

from sqlalchemy import URL

__all__ = ["folder_of"]


def folder_of(url: URL) -> Path:
    """Return the folder that a shared ledger has on this machine, whether it is there or not."""
    data = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    host = url.host or url.query.get("host") or "local"
    port = f"-{url.port}" if url.port else ""
    readable = re.sub(r"[^A-Za-z0-9._-]+", "-", f"{host}{port}-{url.database}").strip("-.")
    # Two databases never share a folder, however alike their names read; who logs in is not part of which it is.
    which = repr((host, url.port, url.database, sorted(url.query.items())))
    return data / "affidavit" / f"{readable}-{hashlib.sha256(which.encode()).hexdigest()[:8]}"
