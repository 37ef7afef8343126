"""Scrubbing: what was deleted from a database is made to leave the database's files.

It says what it did and what it found. It cannot reach backups, file system blocks, and the spare cells of an SSD. How
it is done is the database's own: `audit.sqlite_scrub`, `audit.postgres_scrub`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Engine

from audit import tables
from audit.canonical import JsonObject

__all__ = ["OUT_OF_REACH", "Scrubbed", "scrub"]

OUT_OF_REACH = (
    "backups and copies, blocks that the file system or an SSD has set aside, files in the artifact store, and "
    "documents that were handed out"
)


@dataclass(frozen=True, slots=True)
class Scrubbed:
    """What scrubbing did, in a sentence, and why the files are not clean yet, if they are not."""

    done: str
    problem: str | None = None

    def to_json(self) -> JsonObject:
        """Write it as `erase --json` prints it."""
        return {
            "scrubbed": self.problem is None,
            "detail": self.problem or self.done,
            "out_of_reach": OUT_OF_REACH,
        }


def scrub(engine: Engine, secrets: Sequence[bytes], names: Sequence[str] = ()) -> Scrubbed:
    """Make deleted rows leave the database's files.

    `secrets` (random keys and salts) must not be found in them again; `names` can stand elsewhere too, which is said.
    Without any secret to look for, the files are written anew.
    """
    return Scrubbed(*tables.scrub(engine, secrets, names))
