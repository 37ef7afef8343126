"""What a drill tries on a copy of the ledger at hand, with no key stolen, and which step is meant to see each attack.

Every column of every table is edited, a row of each is deleted and one added; entries are edited, moved, dated back and
cut off; definitions and artifacts are changed. `audit.drill_histories` has what takes stolen keys.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import Table

from audit import attacks, forgery, tables
from audit.drill_ledgers import Victim
from audit.follower import Artifacts
from audit.keys import LocalSigner, new_private_key
from audit.record import parse_record
from audit.statement import Statement

__all__ = ["LONG_AGO", "Attack", "Skipped", "Trial", "attacks_on_copy", "doing", "excuse"]

LONG_AGO = "2000-01-01T00:00:00.000000Z"
_NO_KEY = "no key"
_STEP_OF = {"records": "records", "tiles": "tree", "head": "tree", "checkpoints": "tree"}
"""The step that is meant to see a change of a table; of every other table it is the replay."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One way of doing an attack, on a folder with the ledger's file; returns artifacts to verify with, if any."""

    what: str
    do: Callable[[Path], Artifacts | None]


@dataclass(frozen=True, slots=True)
class Attack:
    """An attack: its name, what is done, on which ledger, what was stolen, and the step that is meant to see it."""

    name: str
    what: str
    on: Literal["copy", "made"]
    stolen: str
    expected: str
    trials: tuple[Trial, ...]


@dataclass(frozen=True, slots=True)
class Skipped:
    """An attack that cannot be tried here, and why."""

    attack: str
    why: str


def attacks_on_copy(victim: Victim) -> list[Attack | Skipped]:
    """List what can be done to this very ledger with the file and SQL alone."""
    return [
        *_row_attacks(victim),
        *_entry_attacks(victim),
        *_definition_attacks(victim),
        *_artifact_attacks(victim),
    ]


def doing(attack: Callable[..., None], *arguments: Any, **options: Any) -> Callable[[Path], None]:
    """Return an attack that waits for its folder."""
    return lambda folder: attack(folder, *arguments, **options)


def excuse(predicate: dict[str, Any]) -> None:
    """Let a statement say something that nobody said."""
    predicate["drill"] = "an excuse that nobody gave"


def _one(name: str, what: str, expected: str, do: Callable[[Path], Artifacts | None]) -> Attack:
    return Attack(name, what, "copy", _NO_KEY, expected, (Trial(what, do),))


# -- rows --------------------------------------------------------------------------------------------------------------


def _row_attacks(victim: Victim) -> Iterator[Attack | Skipped]:
    every: list[Table] = [t for t in tables.ledger_metadata.sorted_tables if t is not tables.anchors]
    every += [table for follower in victim.followers for table in follower.metadata.sorted_tables]
    rows = {table.name: _a_row(victim.folder, table.name) for table in every}
    for step in ("records", "tree", "tables"):
        watched = [table for table in every if _STEP_OF.get(table.name, "tables") == step]
        for table in watched:
            if rows[table.name] is None:
                yield Skipped(f"rows of {table.name}", "the table has none")
        filled = [(table, row) for table in watched if (row := rows[table.name]) is not None]
        names = ", ".join(table.name for table, _ in filled)
        for verb, what, trials in (
            ("edit", "edit every column of", [t for table, row in filled for t in _edits(table, row)]),
            ("delete", "delete a row of", [_deletion(table, row) for table, row in filled]),
            ("insert", "add a row to", [_insertion(table, row) for table, row in filled]),
        ):
            yield Attack(f"{verb}-{step}", f"{what} {names}", "copy", _NO_KEY, step, tuple(trials))


def _edits(table: Table, rowid: int) -> list[Trial]:
    return [
        Trial(f"{table.name}.{column.name}", doing(_edit_column, table.name, column.name, rowid))
        for column in table.columns
    ]


def _deletion(table: Table, rowid: int) -> Trial:
    return Trial(table.name, doing(attacks.delete, table.name, rowid))


def _insertion(table: Table, rowid: int) -> Trial:
    unique = [column.name for column in table.columns if column.primary_key or column.unique]
    return Trial(table.name, doing(attacks.insert_copy, table.name, rowid, unique))


def _edit_column(folder: Path, table: str, column: str, rowid: int) -> None:
    with closing(sqlite3.connect(folder / "ledger.db")) as connection:
        [was] = connection.execute(f"SELECT {column} FROM {table} WHERE rowid = ?", (rowid,)).fetchone()
    attacks.edit(folder, table, column, rowid, attacks.other(was))


def _a_row(folder: Path, table: str) -> int | None:
    """Choose a row in the middle, so that others come before and after where there are any."""
    rowids = _rowids(folder, table)
    return rowids[len(rowids) // 2] if rowids else None


def _rowids(folder: Path, table: str) -> list[int]:
    with closing(sqlite3.connect(folder / "ledger.db")) as connection:
        return [row[0] for row in connection.execute(f"SELECT rowid FROM {table} ORDER BY rowid")]


# -- entries -----------------------------------------------------------------------------------------------------------


def _entry_attacks(victim: Victim) -> Iterator[Attack | Skipped]:
    middle, last = victim.size // 2, victim.size - 1
    records, sizes = forgery.records_of(victim.folder), forgery.sizes_of(victim.folder)
    forged = forgery.forge(records[middle], excuse)
    backdated = forgery.backdate(records[middle], LONG_AGO)
    writing = partial(doing, attacks.edit, "records", "record", middle)
    yield _one("edit-statement", "edit what an entry says", "signatures", writing(forged))
    yield _one("backdate-entry", "date an entry back", "times", writing(backdated))
    swapping = doing(attacks.swap_entries, middle, middle + 1)
    yield _one("swap-entries", "let two entries trade places", "records", swapping)
    yield _one("cut-tail", "delete the newest entry", "tree", doing(attacks.delete, "records", last))
    own = LocalSigner(new_private_key())
    edited = [*records[:middle], forged, *records[middle + 1 :]]
    rewriting = doing(forgery.refit, edited, sizes, own, followers=victim.followers)
    yield _one(
        "rewrite-own-log-key", "edit an entry, sign all heads with a key of one's own", "tree", rewriting
    )
    if len(sizes) < 2:
        yield Skipped("roll-back", "the log has signed one head only")
        return
    back = doing(forgery.cut_back, sizes[-2], victim.followers)
    if any(parse_record(record).kind == "erasure" for record in records[sizes[-2] :]):
        # Whom it erased is gone from here, so that no older state is whole without a backup (`restore-backup`).
        what = "cut the tail off, an erasure in it, with no backup of the row that it deleted"
        yield _one("roll-back", what, "tables", back)
    else:
        yield _one("roll-back", "restore an older state, or cut the tail off cleanly", "anchors", back)


# -- definitions -------------------------------------------------------------------------------------------------------


def _definition_attacks(victim: Victim) -> Iterator[Attack]:
    trigger = doing(attacks.drop_trigger, "records_no_update")
    yield _one("drop-trigger", "take a guard rail away", "tables", trigger)
    yield _one("drop-table", "take a table away", "tables", doing(attacks.drop_table, "tiles"))
    yield _one("drop-column", "take a column away", "tables", doing(attacks.drop_column, "holders", "salt"))
    yield _one("add-table", "keep a table of one's own", "tables", doing(attacks.add_table))
    if len(_rowids(victim.folder, "holders")) > 1:
        yield _one(
            "swap-holders", "say that two people hold each other's keys", "tables", doing(_swap_holders)
        )


def _swap_holders(folder: Path) -> None:
    with attacks.sql(folder) as connection:
        (one, first), (two, second) = connection.execute("SELECT rowid, name FROM holders LIMIT 2").fetchall()
        # Where one person holds both keys there is nobody to swap with.
        name = second if second != first else attacks.other(second)
        connection.execute("UPDATE holders SET name = ? WHERE rowid = ?", (name, one))
        connection.execute("UPDATE holders SET name = ? WHERE rowid = ?", (first, two))


# -- artifacts: only the one that is attacked is copied and read -------------------------------------------------------


def _artifact_attacks(victim: Victim) -> Iterator[Attack | Skipped]:
    digest = _an_artifact(victim)
    if digest is None or victim.artifacts is None:
        yield Skipped("artifacts", "no artifact of these entries is at hand")
        return
    store = victim.artifacts
    for name, what, attack in (
        ("edit-artifact", "change a byte of an artifact", partial(attacks.flip_artifact, digest=digest)),
        ("lose-artifact", "take an artifact away", partial(attacks.lose_artifact, digest=digest)),
        (
            "stray-file",
            "leave a file among the artifacts",
            partial(attacks.leave_stray, name="sha256/README"),
        ),
    ):
        yield _one(name, what, "artifacts", partial(_beside, store, digest, attack))


def _an_artifact(victim: Victim) -> str | None:
    """Find the first artifact that an entry names and that is there."""
    store = victim.artifacts
    for record in forgery.records_of(victim.folder) if store is not None else ():
        for digest in store.references(parse_record(record).statement) if store is not None else ():
            if store is not None and store.problem(digest) is None:
                return digest
    return None


def _beside(store: Artifacts, digest: str, attack: Callable[[Path], None], folder: Path) -> Artifacts:
    there = _Only(store.copied(folder, digest), digest)
    attack(folder)
    return there


@dataclass(frozen=True, slots=True)
class _Only:
    """A store of which only one artifact is looked at, beside strays."""

    store: Artifacts
    digest: str

    def references(self, statement: Statement) -> Iterable[str]:
        return [digest for digest in self.store.references(statement) if digest == self.digest]

    def problem(self, digest: str) -> str | None:
        return self.store.problem(digest)

    def kept(self) -> Iterator[str]:
        return self.store.kept()

    def strays(self) -> Iterable[str]:
        return self.store.strays()

    def copied(self, folder: Path, digest: str) -> Artifacts:
        return self.store.copied(folder, digest)
