"""Scrubbing a ledger on PostgreSQL: the tables that rows were deleted from are written anew.

Rules:

- VACUUM FULL rewrites a table, so that no page keeps dead rows. A role that does not own it is warned only, so it is
  looked at whether it was done.
- The server's write-ahead log and its archives are the operator's.

Source: PostgreSQL 15 documentation, VACUUM.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, Engine

__all__ = ["scrub"]


def scrub(
    engine: Engine, written: Sequence[str], secrets: Sequence[bytes], names: Sequence[str]
) -> tuple[str, str | None]:
    """Write tables anew; return what was done, and why their files are not clean yet, if they are not."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        before = _files(connection, written)
        connection.exec_driver_sql(f"VACUUM FULL {', '.join(written)}")
        after = _files(connection, written)
    if any(one == other for one, other in zip(before, after, strict=True)):
        return "", (
            "this role may not rewrite the tables, and their files keep what was deleted: let the ledger's owner say "
            f"VACUUM FULL {', '.join(written)}"
        )
    return "the tables were rewritten; the server's write-ahead log and its archives are the operator's", None


def _files(connection: Connection, tables: Sequence[str]) -> list[object]:
    return [
        connection.exec_driver_sql(f"SELECT pg_relation_filenode('{table}')").scalar_one() for table in tables
    ]
