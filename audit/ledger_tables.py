"""Which tables a ledger has.

`records.record` is the truth. Every other column here is an index that follows from it, but for four tables:
`checkpoints`, whose notes the log signed; `anchors`, which others signed; and `holders` and `subjects`, which entries
commit to and which can be erased.

Tables are only added: a ledger of an older version is read as it is, and gets what it lacks with the first entry that
is appended to it.
"""

from sqlalchemy import CheckConstraint, Column, Integer, LargeBinary, MetaData, Table, Text

__all__ = [
    "ONLY_GROW",
    "USER_VERSION",
    "anchors",
    "checkpoints",
    "head",
    "holders",
    "ledger_metadata",
    "records",
    "subjects",
    "tables_of",
    "tiles",
]

USER_VERSION = 2

ledger_metadata = MetaData()

records = Table(
    "records",
    ledger_metadata,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("record", LargeBinary, nullable=False),
    Column("leaf_hash", LargeBinary, nullable=False, unique=True),
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
    Column("hashes", LargeBinary, nullable=False),
    sqlite_strict=True,
)

head = Table(
    "head",
    ledger_metadata,
    Column("id", Integer, CheckConstraint("id = 1"), primary_key=True, autoincrement=False),
    Column("size", Integer, nullable=False),
    Column("compact_range", LargeBinary, nullable=False),
    Column("last_leaf", LargeBinary, nullable=False),
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
    Column("note", LargeBinary, nullable=False),
    sqlite_strict=True,
)

holders = Table(
    "holders",
    ledger_metadata,
    Column("key", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("salt", LargeBinary, nullable=False),
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
    Column("body", LargeBinary, nullable=False),
    sqlite_strict=True,
)
"""What others signed about checkpoints: RFC 3161 tokens and cosignatures of witnesses. Proves itself, or fails."""

subjects = Table(
    "subjects",
    ledger_metadata,
    Column("subject", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("key", LargeBinary, nullable=False),
    sqlite_strict=True,
)
"""People and sensitive values that statements refer to by HMAC: the key of each, and erasable."""

_SINCE = {"anchors": 2, "subjects": 2}
"""The version of the database in which a table came; the others were there from the first."""

ONLY_GROW = (records, checkpoints)
"""Tables whose rows are never changed and never deleted."""


def tables_of(version: int) -> list[Table]:
    """List the ledger's own tables in a version of the database."""
    return [t for t in ledger_metadata.sorted_tables if _SINCE.get(t.name, 1) <= version]
