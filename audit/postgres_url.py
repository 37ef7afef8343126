"""The URL of a shared ledger: read strictly, and shown without anything secret in it.

::

    postgresql+psycopg://ana@db.bank.example/credit
    postgresql+psycopg://ana@db.bank.example/credit?options=-csearch_path%3Dmortgages

Rules:

- An ``@`` stands once in it, between who logs in and where. Any other is written ``%40``: in a URL that reads in two
  ways a piece of the password would be taken for the host, and shown.
- What is shown of it is user, host, port, database, and of the query only what is known to hold no secret.
- A sentence about a text that does not read as a URL does not repeat it where it could hold a password.

Source: PostgreSQL 15 documentation, 34.1.1.2 (connection URIs) and 34.1.2 (parameter key words).

>>> readable_url(parse_url("postgresql+psycopg://ana:hunter2@db.bank.example/credit"))
'postgresql+psycopg://ana:***@db.bank.example/credit'
"""

import re
from collections.abc import Sequence

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from audit.errors import MalformedInput

__all__ = ["HARMLESS", "is_url", "parse_url", "readable_place", "readable_url"]

_DRIVER = "postgresql+psycopg"
_HINT = f"give a path, or {_DRIVER}://USER@HOST/DATABASE"
_LIKE_A_URL = re.compile(r"(?i)\s*(?:[^/\s]*://|[\w+.-]*postgres[\w+.-]*(?::|//))")
_KEYWORDS = re.compile(r"(?i)\b(?:host|hostaddr|dbname|user|password|passfile|service)\s*=")
HARMLESS = frozenset(("host", "hostaddr", "port", "options", "service", "sslmode", "target_session_attrs"))
"""What a URL's query may hold that is no secret."""

_HIDDEN = "***"


def is_url(named: str) -> bool:
    """Say whether somebody means a database server, however badly it is written, and not a folder."""
    return bool(_LIKE_A_URL.match(named) or _KEYWORDS.match(named.strip()))


def parse_url(named: str) -> URL:
    """Read the URL of a shared ledger; raise `MalformedInput`, which shows no password, where it is none."""
    if named.count("@") > 1:
        raise MalformedInput(
            "the ledger's URL has more than one @: write one that is not before the host as %40"
        )
    try:
        url = make_url(named)
    except (ArgumentError, ValueError):
        raise MalformedInput(f"the ledger's URL does not read as one: {_HINT}") from None
    if url.drivername not in ("postgresql", _DRIVER) or not url.database:
        raise MalformedInput(f"the ledger's URL is of no database that is known here: {_HINT}")
    if "@" in named and url.username is None:
        raise MalformedInput("the ledger's URL has an @ elsewhere than before the host: write it as %40")
    url = url.set(drivername=_DRIVER)
    within = url.query.get("password")
    if within is None:
        return url
    # What stands in the place for it is hidden by whoever shows the URL.
    if url.password is not None or not isinstance(within, str):
        raise MalformedInput("the ledger's URL holds more than one password: leave all but one away")
    return url.difference_update_query(["password"]).set(password=within)


def readable_url(url: URL) -> str:
    """Write a URL as a person may see it: passwords and what could be one are hidden."""
    query = {key: _shown(key, value) for key, value in url.query.items()}
    return url.set(query=query).render_as_string(hide_password=True)


def readable_place(named: str) -> str:
    """Write what somebody named as the place of a ledger, unless it could hold a password."""
    if is_url(named) or any(mark in named for mark in "@?=;"):
        return "the place that was named (it is not repeated, since it may hold a password)"
    return named


def _shown(key: str, value: str | Sequence[str]) -> str | tuple[str, ...]:
    if key not in HARMLESS:
        return _HIDDEN
    return value if isinstance(value, str) else tuple(value)
