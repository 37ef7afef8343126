"""What differs between databases: what the modules `audit.sqlite` and `audit.postgres` each have of their own.

A module is the implementation. Nothing else asks which database there is: it asks for what it needs.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from sqlalchemy import Connection, Engine, MetaData, Table
from sqlalchemy.exc import DBAPIError

__all__ = ["Backend"]


class Backend(Protocol):
    """What a database has of its own."""

    @property
    def SHARED(self) -> bool:  # noqa: N802 - a constant of the module
        """Whether many share a ledger through a server, with an inbox and an elected sequencer."""

    def keeping(self, engine: Engine) -> Engine:
        """Return an engine on the same database that keeps its connections."""

    def snapshot(self, engine: Engine) -> Connection:
        """Open a connection that reads one view of the database, row by row."""

    def place_of(self, connection: Connection) -> str:
        """Say where the database is, so that another process can open it; empty where none can."""

    def open_place(self, place: str) -> Engine:
        """Open what `place_of` named, in another process."""

    def identity_of(self, place: str) -> list[int] | None:
        """Tell the file of a place from another that is put there later; None where the place is no file here."""

    def glance(self, engine: Engine) -> Connection:
        """Open a connection to read a row or two, each as it is now."""

    def quick_row(
        self, engine: Engine, sql: str, values: dict[str, Any] | None = None
    ) -> tuple[Any, ...] | None:
        """Read one row as it is now; None where there is none."""

    def run(self, connection: Connection, sql: str, rows: Sequence[dict[str, Any]]) -> int:
        """Execute a statement for each row of named values; return how many rows it touched."""

    def run_together(
        self, connection: Connection, statements: Sequence[tuple[str, Sequence[dict[str, Any]]]]
    ) -> list[int]:
        """Execute statements that do not wait for each other's answers; return how many rows each touched."""

    def sent_together(self, connection: Connection) -> AbstractContextManager[None]:
        """Execute what is in the block, of which nothing needs an answer before it ends, as one message."""

    def fetch_row(
        self, connection: Connection, sql: str, values: dict[str, Any] | None = None
    ) -> tuple[Any, ...] | None:
        """Read one row; None where there is none."""

    def create_tables(self, connection: Connection, several: Sequence[MetaData]) -> None:
        """Create the tables of a new ledger."""

    def create_guards(self, connection: Connection, only_grow: Sequence[Table]) -> None:
        """Create the triggers that stop an accidental UPDATE or DELETE."""

    def version_of(self, connection: Connection) -> int:
        """Read which version of the tables the database has."""

    def set_version(self, connection: Connection, version: int) -> None:
        """Say which version of the tables the database has from now on."""

    def foreign_marks(self, connection: Connection) -> list[str]:
        """Name the marks, but for the version, that are not what they should be."""

    def lost_columns(self, connection: Connection, expected: Sequence[Table]) -> list[str]:
        """Name the tables and columns, of those expected, that the database no longer has."""

    def schema(self, connection: Connection) -> dict[str, str]:
        """Describe every table, index, view and trigger by name, so that two databases compare."""

    def expected_schema(
        self, scratch: Connection, expected: Sequence[Table], only_grow: Sequence[Table]
    ) -> dict[str, str]:
        """Describe what `schema` should find where those tables are: what `scratch` has, or what is known of them."""

    def read_any_text(self, connection: Connection) -> None:
        """Read text in whatever encoding it was left, instead of failing on it."""

    def check_pages(self, connection: Connection) -> list[str] | None:
        """List the damage that the database's own check finds; None where it has no such check."""

    def scrub(
        self, engine: Engine, written: Sequence[str], secrets: Sequence[bytes], names: Sequence[str]
    ) -> tuple[str, str | None]:
        """Make what was deleted from tables leave the files; return what was done, and why they are not clean yet."""

    def is_damage(self, error: DBAPIError) -> bool:
        """Say whether the database itself is at fault, and not what is around it."""

    def damage(self, error: DBAPIError) -> str | None:
        """Say in a sentence of its own what is wrong in the database; None where the driver's words must do."""

    def failure(self, error: DBAPIError) -> str | None:
        """Say in a sentence of its own what failed around the database; None where the driver's words must do."""
