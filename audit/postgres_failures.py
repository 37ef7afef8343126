"""What an error of PostgreSQL means for a person: whose fault it is, and what to do.

Rules:

- What the database holds is at fault (`is_damage`, `MalformedInput`, exit status 2), or what is around it: a server
  that is away, a right that is missing, a lock that another holds (`EnvironmentFailed`, exit status 3).
- An error that the server sent has an SQLSTATE, which says so in any language. One from before the connection stood
  has none; then a hint is given where the server's words are known, and none where they are not.
- No message shows a password or what was written: of the server's words only the first line is repeated.

Source: PostgreSQL 15 documentation, appendix A (error codes).
"""

from collections.abc import Iterator

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

__all__ = ["BUSY_SECONDS", "damage", "failure", "is_away", "is_damage", "was_lost"]

BUSY_SECONDS = 60
"""How long a writer waits for the ledger's lock."""

_MISSING_TABLE, _MISSING_SCHEMA = "42P01", "3F000"
_POOLER = (
    "a connection pooler (such as PgBouncer) stands before the ledger's database and shares its connections ({words}): "
    "name the server itself in the URL, or a pooler in session mode (pool_mode = session); nothing was half-written"
)
"""A prepared statement that is not there, or is there already, since the session is another than it was."""
_AROUND = {
    "42501": "the database's user lacks a right ({words}): nothing was half-written; "
    "`affidavit ledger roles` shows which roles there are",
    "25006": "this cannot be done by who may only read ({words}): it takes the log's key and the database's role "
    "affidavit_sequencer; nothing was half-written",
    "55P03": "another process has held a lock of the ledger's that was waited for ({words}): nothing was "
    "half-written, look what writes to it and try again",
    "53300": "the server has no connection left ({words}): end some, or raise its max_connections",
    "26000": _POOLER,
    "42P05": _POOLER,
    "3D000": "the server has no such database ({words}): make it, empty and with ENCODING 'UTF8', then "
    "`affidavit init`",
}
"""Errors by SQLSTATE that are about rights, locks and sessions, and not about what the database holds."""

_NOT_YET = frozenset(("57P01", "57P02", "57P03"))
"""The server shuts down, was struck down, or cannot be connected to now."""

_AT_THE_DOOR = (
    ("does not exist", "make it, empty and with ENCODING 'UTF8', or correct the URL"),
    ("password", "write the right one into ~/.pgpass or PGPASSWORD"),
    ("pg_hba.conf", "the server's pg_hba.conf says who may log in from where"),
    ("too many", "end some connections, or raise the server's max_connections"),
    ("starting up", "wait until it has started"),
    ("shutting down", "wait until it is there again"),
)
"""Words of a server, in English, that turns somebody away before there is a connection."""


def is_damage(error: DBAPIError) -> bool:
    """Say whether the database itself is at fault, and not what is around it."""
    around = isinstance(error, OperationalError | InterfaceError) or _code(error) in _AROUND
    return not around


def damage(error: DBAPIError) -> str | None:
    """Say in a sentence of its own what is wrong in the database; None where the driver's words must do."""
    words = _words(error)
    if _code(error) in (_MISSING_TABLE, _MISSING_SCHEMA):
        return (
            f"the database has no ledger where one was looked for ({words}): make one with `affidavit init`, "
            "name the schema that it is in (?options=-csearch_path%3DSCHEMA), or restore the database if a table of it "
            "is lost"
        )
    return (
        f"the ledger's database does not hold what it should ({words}): it is damaged or not a ledger; restore it from "
        "a copy and compare checkpoints"
    )


def failure(error: DBAPIError) -> str | None:
    """Say in a sentence of its own what failed around the database; None where the driver's words must do."""
    code = _code(error)
    if code in _AROUND:
        return _AROUND[code].format(words=_words(error))
    if error.connection_invalidated:
        return (
            "the connection to the ledger's database was lost: what was under way stands whole or not at all; look "
            "with `affidavit log` before you try again"
        )
    if not code:
        words = _words(error)
        hint = next(
            (hint for known, hint in _AT_THE_DOOR if known in words),
            "see that its server runs and is reached",
        )
        return f"the ledger's database failed ({words}): {hint}; nothing was written"
    return f"the ledger's database failed ({_words(error)}): nothing was half-written, try again once that is mended"


def was_lost(error: BaseException) -> bool:
    """Say whether an error, or what it came from, is a connection that stood and was lost: what it did is in doubt."""
    return any(cause.connection_invalidated for cause in _database_errors(error))


def is_away(error: BaseException) -> bool:
    """Say whether an error, or what it came from, is a server that is not there or not yet."""
    return was_lost(error) or any(
        _code(cause) == "" or _code(cause) in _NOT_YET for cause in _database_errors(error)
    )


def _database_errors(error: BaseException | None) -> Iterator[DBAPIError]:
    while error is not None:
        if isinstance(error, DBAPIError):
            yield error
        error = error.__cause__


def _code(error: DBAPIError) -> str:
    return str(getattr(error.orig, "sqlstate", None) or "")


def _words(error: DBAPIError) -> str:
    """Repeat the server's message without its detail, which shows the row that was written."""
    said = getattr(getattr(error.orig, "diag", None), "message_primary", None) or str(error.orig)
    return " ".join(said.split())
