"""What the documents of a run tell of its tables: which columns are keyed, what profiles tell, what copies were kept.

Rules:

- Each document is held against its digest, and a fingerprint against the name that the run gives it. What cannot be
  read is said to be `unread`.
- A profile whose columns are not those of its table's fingerprint is the profile of something else.
- What another step received is told once, where it came out, unless it was changed on the way.

Example::

    [table.name for table in tables_told(run, artifacts) if table.kept]
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from audit.canonical import Json, decode
from audit.errors import AffidavitError, EnvironmentFailed, NotVerified
from registry.artifacts import ArtifactStore
from registry.disclosure import SMALL_CELL
from registry.finding import at, items
from registry.profile import ColumnProfile, Level, Profile
from registry.protected_names import is_nameless, names_of
from registry.recorded_fingerprint import recorded_fingerprint

if TYPE_CHECKING:
    from registry.fingerprint import Fingerprint

__all__ = ["TableTold", "tables_told"]


MARKS = (("fingerprint",), ("document",), ("profile",), ("kept", "artifact"))
"""What a part says of its table, and where it says it."""


@dataclass(frozen=True, slots=True)
class TableTold:
    """What the record tells of one table: its columns and whether each is keyed, and how much is told of each.

    `unread` says why that is not known. `rare` names the columns of which a small cell is told. `kept` says that a copy
    of the table was kept, wherever that copy is now.
    """

    name: str
    step: str
    columns: tuple[tuple[str, bool], ...] = ()
    told: tuple[tuple[str, Level], ...] = ()
    rare: tuple[str, ...] = ()
    unread: str | None = None
    kept: bool = False
    index: tuple[str, ...] = ()
    """The names of the index that a kept copy has."""
    nameless: bool = False
    """A column without a name is not keyed."""


def tables_told(run: Mapping[str, Json], artifacts: ArtifactStore) -> tuple[TableTold, ...]:
    """Read what a run's documents tell of its tables; raise `EnvironmentFailed` where the store is out of reach."""
    found: dict[tuple[Json, ...], TableTold] = {}
    # What another step received is told once, where it came out, unless it was changed on the way.
    for step, part in (*_tables(run, "outputs"), *_tables(run, "inputs")):
        mark = tuple(cast(Json, at(part, *path)) for path in MARKS)
        if not any(_tells(other, mark) for other in found):
            found[mark] = _told(step, part, artifacts)
    return tuple(found.values())


def _tables(run: Mapping[str, Json], side: str) -> Iterator[tuple[str, Mapping[str, object]]]:
    """Yield the tables that steps returned, or received, each after the name of its step."""
    for step in items(run.get("steps")):
        yield from (
            (str(step.get("name")), part) for part in items(step.get(side)) if part.get("kind") == "table"
        )


def _tells(other: Sequence[Json], mark: Sequence[Json]) -> bool:
    """Say whether one part tells all that another tells: the same table, and its profile and copy where it has them."""
    return other[:2] == mark[:2] and all(each in (None, told) for each, told in zip(mark, other, strict=True))


def _told(step: str, part: Mapping[str, object], artifacts: ArtifactStore) -> TableTold:
    name, kept = str(part.get("name")), at(part, "kept", "artifact") is not None
    said = at(part, "kept", "index")
    index = tuple(each for each in said if isinstance(each, str)) if isinstance(said, list) else ()
    try:
        table = recorded_fingerprint(part, artifacts)
        alone = len(table.columns) == 1
        columns = tuple(
            (called, column.key is not None)
            for column in table.columns
            for each in column.names
            for called in names_of(each, name, alone=alone)
        )
        profile = part.get("profile")
        shown = None if profile is None else Profile.from_json(decode(artifacts.get(str(profile))))
        if shown is not None and not _is_of(shown, table):
            raise NotVerified("its profile is that of another table")
    except EnvironmentFailed:
        raise
    except AffidavitError as error:
        return TableTold(name, step, unread=str(error))
    nameless = any(is_nameless(column.name) and column.key is None for column in table.columns)
    if shown is None:
        return TableTold(name, step, columns, kept=kept, index=index, nameless=nameless)
    told = tuple(
        (called, column.told) for column in shown.columns for called in shown.names_in(column.name, name)
    )
    rare = tuple(
        called
        for column in shown.columns
        for called in shown.names_in(column.name, name)
        if column.told in ("counts", "all")
        and (shown.small_cell < SMALL_CELL or any(0 < rows < SMALL_CELL for rows in _cells(column)))
    )
    return TableTold(name, step, columns, told, rare, kept=kept, index=index, nameless=nameless)


def _cells(column: ColumnProfile) -> Iterator[int]:
    """Yield the numbers of rows that a profile tells of the values of a column."""
    yield from (rows for _, rows in column.values)
    # What is hidden is told as well, together.
    yield column.hidden_rows or 0


def _is_of(shown: Profile, table: "Fingerprint") -> bool:
    """Say whether a profile is of the table of a fingerprint, as far as names, types and rows tell."""
    told = [(column.name, column.type) for column in table.columns[: len(shown.columns)]]
    return (
        told == [(column.name, column.type) for column in shown.columns]
        and len(table.columns) == len(shown.columns) + shown.omitted
        and shown.rows == table.rows
    )
