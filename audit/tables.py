"""The tables of a ledger, and how a database is opened for it.

`records.record` is the truth. Every other column here is an index that follows from it, but for four tables:
`checkpoints`, whose notes the log signed; `anchors`, which others signed; and `holders` and `subjects`, which entries
commit to and which can be erased. SQLite runs with WAL and ``synchronous=FULL``: what a commit has acknowledged
survives a crash of the machine.

The number `user_version` in the file says which tables there are. Tables are only added: a ledger of an older version
is read as it is, and gets what it lacks with the first entry that is appended to it.

The triggers against UPDATE and DELETE are guard rails against accidents. They are not security: who can write
the file can drop them, and `verify` is what finds that.
"""

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import (
    BLOB,
    CheckConstraint,
    Column,
    Connection,
    Engine,
    Integer,
    MetaData,
    Table,
    Text,
    create_engine,
    event,
)
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlalchemy.pool import NullPool

from audit.errors import AffidavitError, EnvironmentFailed, MalformedInput, NotFound

__all__ = [
    "APPLICATION_ID",
    "USER_VERSION",
    "anchors",
    "changed_marks",
    "checkpoints",
    "create",
    "create_guards",
    "failures",
    "head",
    "holders",
    "is_damage",
    "ledger_metadata",
    "lost_columns",
    "open_database",
    "open_scratch",
    "read_any_text",
    "records",
    "schema",
    "subjects",
    "tables_of",
    "tiles",
    "version_of",
    "writing",
]

APPLICATION_ID = 0x41464649  # "AFFI": file(1) and other tools recognise the database by it
USER_VERSION = 2
BUSY_MILLISECONDS = 60_000

ledger_metadata = MetaData()

records = Table(
    "records",
    ledger_metadata,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("record", BLOB, nullable=False),
    Column("leaf_hash", BLOB, nullable=False, unique=True),
    Column("entry_id", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False, index=True),
    Column("key", Text, nullable=False),
    Column("time", Text, nullable=False),
    sqlite_strict=True,
)

tiles = Table(
    "tiles",
    ledger_metadata,
    Column("level", Integer, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("hashes", BLOB, nullable=False),
    sqlite_strict=True,
)

head = Table(
    "head",
    ledger_metadata,
    Column("id", Integer, CheckConstraint("id = 1"), primary_key=True, autoincrement=False),
    Column("size", Integer, nullable=False),
    Column("compact_range", BLOB, nullable=False),
    Column("last_leaf", BLOB, nullable=False),
    Column("last_time", Text, nullable=False),
    Column("checkpoints", Integer, nullable=False),
    sqlite_strict=True,
)
"""One row: what an append needs to know, compared and swapped."""

checkpoints = Table(
    "checkpoints",
    ledger_metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("size", Integer, nullable=False, unique=True),
    Column("note", BLOB, nullable=False),
    sqlite_strict=True,
)

holders = Table(
    "holders",
    ledger_metadata,
    Column("key", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("salt", BLOB, nullable=False),
    sqlite_strict=True,
)
"""Who holds a key. Not part of the ledger, bound to it by the grants' commitments, and erasable."""

anchors = Table(
    "anchors",
    ledger_metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),
    Column("size", Integer, nullable=False),
    Column("source", Text, nullable=False),
    Column("body", BLOB, nullable=False),
    sqlite_strict=True,
)
"""What others signed about checkpoints: RFC 3161 tokens and cosignatures of witnesses. Proves itself, or fails."""

subjects = Table(
    "subjects",
    ledger_metadata,
    Column("subject", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("key", BLOB, nullable=False),
    sqlite_strict=True,
)
"""People and sensitive values that statements refer to by HMAC: the key of each, and erasable."""

_SINCE = {"anchors": 2, "subjects": 2}
"""The version of the database in which a table came; the others were there from the first."""

_GUARDS = [
    f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
    f"BEGIN SELECT RAISE(ABORT, 'a ledger only grows: {table} has no {verb}'); END"
    for table in ("records", "checkpoints")
    for verb in ("UPDATE", "DELETE")
]


def open_database(path: Path) -> Engine:
    """Open the SQLite file of an embedded ledger; `NotFound` where there is none."""
    if not path.is_file():
        raise NotFound(f"there is no ledger at {path.parent}: make one with `affidavit init`")
    if os.access(path, os.W_OK) and os.access(path.parent, os.W_OK):
        return _engine(f"file:{_quoted(path)}?mode=rw")
    # An auditor's read-only copy: SQLite would need to write beside a database with WAL, unless nobody can.
    journal = path.with_name(path.name + "-wal")
    if journal.exists() and journal.stat().st_size > 0:
        raise EnvironmentFailed(
            f"{path} cannot be written and its newest entries are still in {journal.name}: copy the whole folder to "
            "a place that can be written, and open the copy"
        )
    return _engine(f"file:{_quoted(path)}?mode=ro&immutable=1")


def open_scratch() -> Engine:
    """Open an empty database for replaying: it lives in memory, and goes away with its one connection."""
    engine = create_engine("sqlite://", poolclass=NullPool)
    _configure(engine, durable=False)
    return engine


def create(path: Path, follower_metadata: list[MetaData]) -> Engine:
    """Create the SQLite file with all tables and guards; `MalformedInput` where there is a file already."""
    if path.exists():
        raise MalformedInput(f"{path} exists: a ledger is never overwritten, choose another folder")
    try:
        # These are the file's own settings, and SQLite changes the journal's mode only outside a transaction.
        with closing(sqlite3.connect(path)) as bare:
            bare.execute("PRAGMA journal_mode=WAL")
            bare.execute(f"PRAGMA application_id={APPLICATION_ID}")
            bare.execute(f"PRAGMA user_version={USER_VERSION}")
    except sqlite3.Error as error:
        raise EnvironmentFailed(f"the ledger's database {path} cannot be made: {error}") from error
    engine = open_database(path)
    with failures(), engine.begin() as connection:
        for metadata in (ledger_metadata, *follower_metadata):
            metadata.create_all(connection)
        create_guards(connection)
    return engine


def create_guards(connection: Connection) -> None:
    """Create the triggers against accidents."""
    for guard in _GUARDS:
        connection.exec_driver_sql(guard)


def lost_columns(connection: Connection, expected: Sequence[Table]) -> list[str]:
    """Name the tables and columns, of those expected, that the database no longer has."""
    lost = []
    for table in expected:
        info = connection.exec_driver_sql(f"PRAGMA table_info({table.name})").mappings()
        here = {row["name"] for row in info}
        if not here:
            lost.append(f"table {table.name}")
        else:
            lost.extend(f"column {table.name}.{c.name}" for c in table.columns if c.name not in here)
    return lost


def changed_marks(connection: Connection) -> list[str]:
    """Name the numbers in the file's header by which a ledger is known and that are not what they should be."""
    changed = []
    application = connection.exec_driver_sql("PRAGMA application_id").scalar()
    if application != APPLICATION_ID:
        changed.append(f"application_id is {application}, not {APPLICATION_ID}")
    version = version_of(connection)
    if not 1 <= version <= USER_VERSION:
        changed.append(f"user_version is {version}, not one of 1 to {USER_VERSION}")
    return changed


def version_of(connection: Connection) -> int:
    """Read which version of the tables the database has."""
    return int(connection.exec_driver_sql("PRAGMA user_version").scalar_one())


def tables_of(version: int) -> list[Table]:
    """List the ledger's own tables in a version of the database."""
    return [t for t in ledger_metadata.sorted_tables if _SINCE.get(t.name, 1) <= version]


def read_any_text(connection: Connection) -> None:
    """Read text that is not UTF-8 as it is, each byte as a surrogate of its own, instead of failing on it."""
    driver: Any = connection.connection.driver_connection
    driver.text_factory = lambda data: data.decode("utf-8", "surrogateescape")


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Open the one writing transaction; it commits when the block ends and leaves nothing when it raises."""
    with (
        failures(),
        engine.connect() as connection,
        connection.execution_options(affidavit_writer=True).begin(),
    ):
        _upgrade(connection)
        yield connection


def _upgrade(connection: Connection) -> None:
    """Give an older database the tables that came since, in the transaction that first writes to it."""
    version = version_of(connection)
    if 1 <= version < USER_VERSION:
        ledger_metadata.create_all(connection, tables=tables_of(USER_VERSION))
        connection.exec_driver_sql(f"PRAGMA user_version={USER_VERSION}")


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
    except DatabaseError as error:
        if not is_damage(error):
            raise EnvironmentFailed(
                f"the ledger's database failed ({error.orig}): nothing was half-written, try again once that is mended"
            ) from error
        raise MalformedInput(
            f"the ledger's database does not read as one ({error.orig}): it is damaged or not a ledger; "
            "restore it from a copy and compare checkpoints"
        ) from error


def is_damage(error: DatabaseError) -> bool:
    """Say whether the database itself is at fault, and not what is around it (a full disk, a lock, a lost mount)."""
    code = getattr(error.orig, "sqlite_errorcode", None)
    # SQLITE_ERROR is what SQLite says when a table or column is not there, or its definition does not read.
    meant_for_it = code is not None and code & 0xFF == sqlite3.SQLITE_ERROR
    return meant_for_it or not isinstance(error, OperationalError)


def schema(connection: Connection) -> dict[str, str]:
    """Describe every table, index, view and trigger by name: what it does, not how its definition is spelled.

    The spelling is SQLAlchemy's and may change with its releases; a ledger made by another release is no worse.
    Only triggers are compared by their text, which is ours.
    """
    described = {}
    rows = connection.exec_driver_sql("SELECT type, name, coalesce(sql, '') FROM sqlite_master").all()
    for kind, name, sql in rows:
        if kind == "table":
            described[f"table {name}"] = repr((_columns(connection, name), _indexes(connection, name)))
        elif not str(name).startswith("sqlite_autoindex_"):
            described[f"{kind} {name}"] = str(sql) if kind == "trigger" else ""
    return described


def _columns(connection: Connection, table: str) -> list[tuple[object, ...]]:
    strict = connection.exec_driver_sql("SELECT strict FROM pragma_table_list(?)", (table,)).scalars().all()
    columns = connection.exec_driver_sql("SELECT * FROM pragma_table_xinfo(?)", (table,)).all()
    return [tuple(strict), *map(tuple, columns)]


def _indexes(connection: Connection, table: str) -> list[tuple[object, ...]]:
    query = (
        'SELECT i."unique", i.origin, i.partial, group_concat(c.name) '
        "FROM pragma_index_list(?) AS i, pragma_index_info(i.name) AS c GROUP BY i.name"
    )
    return sorted(tuple(row) for row in connection.exec_driver_sql(query, (table,)))


def _engine(uri: str) -> Engine:
    # No pool: a connection is cheap beside an fsync, and a forked child never inherits an open one.
    engine = create_engine(
        "sqlite://",
        creator=lambda: sqlite3.connect(uri, uri=True, timeout=BUSY_MILLISECONDS / 1000),
        poolclass=NullPool,
    )
    _configure(engine, durable=True)
    return engine


def _configure(engine: Engine, *, durable: bool) -> None:
    @event.listens_for(engine, "connect")
    def connected(connection: Any, _: object) -> None:
        # SQLAlchemy and not the driver says BEGIN (SQLAlchemy docs, "Serializable isolation / Savepoints").
        connection.isolation_level = None
        for pragma in ("synchronous=FULL", "trusted_schema=OFF", "cell_size_check=ON") if durable else ():
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        writer = connection.get_execution_options().get("affidavit_writer", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writer else "BEGIN")


def _quoted(path: Path) -> str:
    return str(path.absolute()).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
