"""How a ledger's database is opened, written and looked at, whichever it is, and its tables by their names.

Which tables there are is said in `audit.ledger_tables`, and what differs between databases is behind `audit.backend`,
which the modules `audit.sqlite` and `audit.postgres` are.

The triggers against UPDATE and DELETE are guard rails against accidents. They are not security: who can write
the file can drop them, and `verify` is what finds that.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, MetaData, Table
from sqlalchemy.exc import DBAPIError

from audit import postgres, sqlite
from audit.backend import Backend
from audit.errors import AffidavitError, EnvironmentFailed, MalformedInput
from audit.ledger_tables import (
    ONLY_GROW,
    USER_VERSION,
    anchors,
    checkpoints,
    head,
    holders,
    ledger_metadata,
    records,
    subjects,
    tables_of,
    tiles,
)

__all__ = [
    "USER_VERSION",
    "Backend",
    "anchors",
    "changed_marks",
    "check_pages",
    "checkpoints",
    "create",
    "create_empty",
    "create_guards",
    "create_tables",
    "expected_schema",
    "failures",
    "fetch_row",
    "glance",
    "head",
    "holders",
    "identity_of",
    "is_damage",
    "is_shared",
    "keeping",
    "ledger_metadata",
    "lost_columns",
    "open_database",
    "open_place",
    "open_scratch",
    "place_of",
    "quick_row",
    "read_any_text",
    "records",
    "run",
    "run_together",
    "schema",
    "scrub",
    "sent_together",
    "snapshot",
    "subjects",
    "tables_of",
    "tiles",
    "upgrade",
    "version_of",
    "writing",
]


def open_database(path: Path) -> Engine:
    """Open the SQLite file of an embedded ledger; `NotFound` where there is none."""
    return sqlite.open_file(path)


def keeping(engine: Engine) -> Engine:
    """Return an engine on the same database that keeps its connections, for one who writes again and again."""
    return _backend(engine).keeping(engine)


def snapshot(engine: Engine) -> Connection:
    """Open a connection that reads one view of the database, row by row."""
    return _backend(engine).snapshot(engine)


def glance(engine: Engine) -> Connection:
    """Open a connection to read a row or two, each as it is now."""
    return _backend(engine).glance(engine)


def quick_row(engine: Engine, sql: str, values: dict[str, Any] | None = None) -> tuple[Any, ...] | None:
    """Read one row of a statement with named values as it is now, as quickly as may be; None where there is none."""
    return _backend(engine).quick_row(engine, sql, values)


def run(connection: Connection, sql: str, rows: Sequence[dict[str, Any]]) -> int:
    """Execute a statement for each row of named values (``:name``), and no more than that; return the rows touched."""
    return _backend(connection).run(connection, sql, rows)


def run_together(
    connection: Connection, statements: Sequence[tuple[str, Sequence[dict[str, Any]]]]
) -> list[int]:
    """Execute statements as `run` does, none of which needs another's answer; return the rows that each touched."""
    return _backend(connection).run_together(connection, statements)


def sent_together(connection: Connection) -> AbstractContextManager[None]:
    """Execute what is in the block, of which nothing may need an answer before it ends, as one message to a server."""
    return _backend(connection).sent_together(connection)


def fetch_row(
    connection: Connection, sql: str, values: dict[str, Any] | None = None
) -> tuple[Any, ...] | None:
    """Read one row of a statement with named values (``:name``); None where there is none."""
    return _backend(connection).fetch_row(connection, sql, values)


def is_shared(engine: Engine) -> bool:
    """Say whether a ledger is shared by many through a database server, with an inbox and an elected sequencer."""
    return _backend(engine).SHARED


def place_of(connection: Connection) -> str:
    """Say where the database is, a server's with its password, for `open_place`; empty where no process can open it."""
    return _backend(connection).place_of(connection)


def open_place(place: str) -> Engine:
    """Open what `place_of` named, in another process."""
    return _backend_at(place).open_place(place)


def identity_of(place: str) -> list[int] | None:
    """Tell the file of a place from another that is put there later; None for a server's, which has no file here."""
    return _backend_at(place).identity_of(place)


def open_scratch() -> Engine:
    """Open an empty database for replaying: it goes away with its one connection, and is on disk once it is large."""
    return sqlite.open_scratch()


def create(path: Path, follower_metadata: list[MetaData]) -> Engine:
    """Create the SQLite file with all tables and guards; `MalformedInput` where there is a file already."""
    sqlite.create_file(path)
    engine = sqlite.open_file(path)
    with failures(), engine.begin() as connection:
        create_tables(connection, follower_metadata)
    return engine


def create_tables(connection: Connection, follower_metadata: Sequence[MetaData]) -> None:
    """Create all tables and guards of a new ledger."""
    _backend(connection).create_tables(connection, (ledger_metadata, *follower_metadata))
    create_guards(connection)
    _backend(connection).set_version(connection, USER_VERSION)


def create_empty(scratch: Connection, wanted: Sequence[Table]) -> None:
    """Create tables in the empty database that `open_scratch` opened."""
    sqlite.create_empty(scratch, wanted)


def create_guards(connection: Connection) -> None:
    """Create the triggers against accidents."""
    _backend(connection).create_guards(connection, ONLY_GROW)


def lost_columns(connection: Connection, expected: Sequence[Table]) -> list[str]:
    """Name the tables and columns, of those expected, that the database no longer has."""
    return _backend(connection).lost_columns(connection, expected)


def changed_marks(connection: Connection) -> list[str]:
    """Name the marks by which a ledger's database is known and that are not what they should be."""
    changed = _backend(connection).foreign_marks(connection)
    version = version_of(connection)
    if not 1 <= version <= USER_VERSION:
        changed.append(f"user_version is {version}, not one of 1 to {USER_VERSION}")
    return changed


def version_of(connection: Connection) -> int:
    """Read which version of the tables the database has."""
    return _backend(connection).version_of(connection)


def read_any_text(connection: Connection) -> None:
    """Read text in whatever encoding it was left, instead of failing on it."""
    _backend(connection).read_any_text(connection)


def schema(connection: Connection) -> dict[str, str]:
    """Describe every table, index, view and trigger by name: what it does, not how its definition is spelled."""
    return _backend(connection).schema(connection)


def expected_schema(stored: Connection, scratch: Connection, expected: Sequence[Table]) -> dict[str, str]:
    """Describe what `schema` should find in a database: what `scratch` has, where the tables were just made."""
    return _backend(stored).expected_schema(scratch, expected, ONLY_GROW)


def check_pages(connection: Connection) -> list[str] | None:
    """List the damage that the database's own check finds; None where it has no such check."""
    return _backend(connection).check_pages(connection)


def scrub(engine: Engine, secrets: Sequence[bytes], names: Sequence[str]) -> tuple[str, str | None]:
    """Make what was deleted leave the files; return what was done, and why they are not clean yet, if they are not."""
    with failures():
        return _backend(engine).scrub(engine, (holders.name, subjects.name), secrets, names)


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Open the one writing transaction; it commits when the block ends and leaves nothing when it raises."""
    with (
        failures(),
        engine.connect() as connection,
        connection.execution_options(affidavit_writer=True).begin(),
    ):
        upgrade(connection)
        yield connection


def upgrade(connection: Connection) -> None:
    """Give an older database the tables that came since, in the transaction that first writes to it.

    Raises `MalformedInput` for one of a later version: what it holds besides is not known here.
    """
    if connection.info.get("version") == USER_VERSION:
        return
    version = connection.info["version"] = version_of(connection)
    if version > USER_VERSION:
        raise MalformedInput(
            f"the ledger's database is of version {version}, and this affidavit writes version {USER_VERSION}: "
            "nothing was written, use the affidavit that made it or a later one"
        )
    if 1 <= version < USER_VERSION:
        ledger_metadata.create_all(connection, tables=tables_of(USER_VERSION))
        _backend(connection).set_version(connection, USER_VERSION)


@contextmanager
def failures() -> Iterator[None]:
    """Turn the database's errors into one sentence of ours."""
    try:
        yield
    except AffidavitError:
        raise
    except UnicodeDecodeError as error:
        # Python's driver raises this where SQLite's own words about a damaged definition are not UTF-8.
        raise MalformedInput(
            "the ledger's database does not read as one (a definition in it is not UTF-8): it is damaged; "
            "restore it from a copy and compare checkpoints"
        ) from error
    except DBAPIError as error:
        words = " ".join(str(error.orig).split())
        if not is_damage(error):
            raise EnvironmentFailed(
                _backend_of(error).failure(error)
                or f"the ledger's database failed ({words}): nothing was half-written, "
                "try again once that is mended"
            ) from error
        raise MalformedInput(
            _backend_of(error).damage(error)
            or f"the ledger's database does not read as one ({words}): it is damaged or not a ledger; "
            "restore it from a copy and compare checkpoints"
        ) from error


def is_damage(error: DBAPIError) -> bool:
    """Say whether the database itself is at fault, and not what is around it (a full disk, a lock, a lost mount)."""
    return _backend_of(error).is_damage(error)


def _backend(at: Connection | Engine) -> Backend:
    return postgres if at.dialect.name == "postgresql" else sqlite


def _backend_at(place: str) -> Backend:
    return postgres if "://" in place else sqlite


def _backend_of(error: DBAPIError) -> Backend:
    return sqlite if type(error.orig).__module__.startswith("sqlite3") else postgres
