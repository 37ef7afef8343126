"""The rights that a shared ledger needs on PostgreSQL, as SQL for its administrator: three roles, the least for each.

| role | may |
| --- | --- |
| `affidavit_reader` | read everything but the inbox |
| `affidavit_writer` | that, put envelopes into the inbox, and read how that ended |
| `affidavit_sequencer` | that, append records and checkpoints, keep head, tiles and the catalogue, empty the inbox |

A writer does not read what others have put into the inbox: a signed decision that was refused, since the view it was
made on was gone, could be put in again by whoever has its bytes, for another view.

Nobody has UPDATE, DELETE or TRUNCATE on `records` and `checkpoints`, except who owns the tables: that is who ran
``affidavit init``, and nobody should work as that user afterwards.
"""

from collections.abc import Iterator, Sequence

from sqlalchemy import MetaData

from audit.errors import MalformedInput
from audit.tables import ledger_metadata

__all__ = ["ROLES", "roles_sql"]

ROLES = ("affidavit_reader", "affidavit_writer", "affidavit_sequencer")

_OF_THE_SEQUENCER = {
    "records": "INSERT",
    "checkpoints": "INSERT",
    "anchors": "INSERT",
    "tiles": "INSERT, UPDATE",
    "head": "UPDATE",
    "holders": "INSERT, DELETE",
    "subjects": "INSERT, DELETE",
}


def roles_sql(followers: Sequence[MetaData], schema: str = "public") -> str:
    """Write the SQL that makes the three roles and gives them their rights in a schema; it can be run again."""
    if not schema.isidentifier() or not schema.isascii():
        raise MalformedInput(f"the schema {schema!r} is no plain name: letters, digits and underscores")
    return "".join(f"{line};\n" for line in _statements(followers, schema))


def _statements(followers: Sequence[MetaData], schema: str) -> Iterator[str]:
    reader, writer, sequencer = ROLES
    for role in ROLES:
        yield (
            f"DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') "
            f"THEN CREATE ROLE {role} NOLOGIN; END IF; END $$"
        )
    yield f"GRANT {reader} TO {writer}"
    yield f"GRANT {writer} TO {sequencer}"
    yield f'GRANT USAGE ON SCHEMA "{schema}" TO {reader}'
    learned = [table.name for metadata in followers for table in metadata.sorted_tables]
    for table in [*(t.name for t in ledger_metadata.sorted_tables), *learned]:
        yield f'REVOKE ALL ON "{schema}".{table} FROM PUBLIC, {", ".join(ROLES)}'
        yield f'GRANT SELECT ON "{schema}".{table} TO {reader}'
    yield f'REVOKE ALL ON "{schema}".inbox FROM PUBLIC, {", ".join(ROLES)}'
    yield (
        f'GRANT SELECT (number, refused, refused_as), INSERT (said, if_size, until) ON "{schema}".inbox TO {writer}'
    )
    yield f'GRANT SELECT, UPDATE (refused, refused_as), DELETE ON "{schema}".inbox TO {sequencer}'
    for table, rights in _OF_THE_SEQUENCER.items():
        yield f'GRANT {rights} ON "{schema}".{table} TO {sequencer}'
    for table in learned:
        yield f'GRANT INSERT, UPDATE, DELETE ON "{schema}".{table} TO {sequencer}'
