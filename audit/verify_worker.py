"""A process that recomputes ranges of a ledger for another one, which asks for them in order and adds them up.

It opens the database itself and says which file that was, reads up to the size that it was told, and writes one line of
JSON for each range. What it takes as given it says in its answer: the tree before its range. What it finds to be
otherwise than a ledger has it (a row or a tile that is missing) it calls disproved, and the other process recomputes
the ledger alone.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, func, select

from audit import tables, verify_pool
from audit.errors import EnvironmentFailed
from audit.record import readable_record
from audit.report import Findings
from audit.trust import KEY_KINDS, Trust
from audit.verify_checkpoints import Checkpoints
from audit.verify_range import Asked, RangeCheck, learned, records_query
from audit.verify_tree import ContinuedTree, Disproved, stored_tile

__all__ = ["KeysByIndex", "RangeWorker", "serve"]


@dataclass(slots=True)
class KeysByIndex:
    """What is learned from the key entries that the index column `kind` names, up to some entry.

    The column is not trusted: whoever reads all records compares `entries`, numbers and leaf hashes, with the key
    entries that there are.
    """

    trust: Trust = field(default_factory=Trust)
    entries: list[tuple[int, str]] = field(default_factory=list)
    read: int = 0

    def advance(self, stored: Connection, end: int) -> None:
        """Learn from the key entries before `end`."""
        columns = tables.records.c
        query = select(columns.seq, columns.record).where(
            columns.kind.in_(KEY_KINDS), columns.seq >= self.read, columns.seq < end
        )
        for seq, record in stored.execute(query.order_by(columns.seq)):
            entry = readable_record(record)
            if entry is not None and entry.kind in KEY_KINDS:
                self.entries.append((seq, entry.leaf_hash))
                self.trust = learned(self.trust, entry)
        self.read = max(self.read, end)


class RangeWorker:
    """Answers ranges in rising order, and keeps what it learned about keys from one to the next."""

    def __init__(self, stored: Connection, setup: Mapping[str, Any]) -> None:
        """Read from `stored`; `setup` says how much is to be recomputed."""
        self._stored, self._keys = stored, KeysByIndex()
        self._asked = Asked(setup["structural"], setup["trusted"])

    def answer(self, first: int, end: int) -> dict[str, Any]:
        """Recompute the records from `first` to before `end`; say what was found, or what went wrong."""
        try:
            self._keys.advance(self._stored, first)
            return _check_range(self._stored, self._keys, self._asked, first, end)
        except EnvironmentFailed as error:
            return {"failed": str(error)}
        except Exception as error:
            # A ledger that was tampered with may raise anything: the process that recomputes it alone says what it is.
            return {"disproved": f"{type(error).__name__}: {error}"}


def serve() -> None:
    """Answer the ranges that are asked for on standard input, until it ends."""
    setup = json.loads(sys.stdin.readline())
    with tables.snapshot(tables.open_place(setup["database"])) as stored:
        tables.read_any_text(stored)
        worker = RangeWorker(stored, setup)
        _say({"code": verify_pool.__file__, "identity": tables.identity_of(tables.place_of(stored))})
        for line in sys.stdin:
            _say(worker.answer(*json.loads(line)))


def _say(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def _check_range(stored: Connection, keys: KeysByIndex, asked: Asked, first: int, end: int) -> dict[str, Any]:
    """Recompute the records from `first`, a multiple of 256, to before `end`; `keys` knows those before `first`."""
    tree, heads = ContinuedTree(stored_tile(stored), first), Findings(2, "tree")
    numbers = _checkpoint_numbers(stored, first, end)
    checkpoints = Checkpoints(
        heads,
        _checkpoints(stored, first, end),
        number=numbers[0] - 1 if numbers else 0,
        size=first,
        trusted=asked.trusted,
    )
    check = RangeCheck(tree, checkpoints, asked, keys.trust, _origin(stored), first, tree.last_leaf())
    check.last_time = _time_before(stored, first)
    columns = tables.records.c
    for row in stored.execute(records_query().where(columns.seq >= first, columns.seq < end)):
        if row[0] != check.next_seq:
            raise Disproved(f"entry {check.next_seq} is missing")
        check.see(row)
    if check.next_seq != end or not checkpoints.in_order:
        raise Disproved("rows are missing")
    keys.trust, keys.read = check.trust, end
    found = (check.records, heads, check.signatures, check.observed, check.times)
    return {
        "before": tree.assumed.hex(),
        "tile_roots": tree.tile_roots.hex(),
        "edge": tree.edge().hex(),
        "last_leaf": check.last_leaf.hex(),
        "times": [check.first_time, check.last_time],
        "key_entries": check.key_entries,
        "ids": check.ids,
        "signers": sorted(check.signers),
        "numbers": numbers,
        "handovers": sorted(checkpoints.handovers),
        "findings": [step.to_json() for step in found],
    }


def _checkpoints(stored: Connection, first: int, end: int) -> Iterator[Row[Any]]:
    columns = tables.checkpoints.c
    query = select(tables.checkpoints).where(columns.size > first, columns.size <= end)
    return iter(stored.execute(query.order_by(columns.number)))


def _checkpoint_numbers(stored: Connection, first: int, end: int) -> list[int]:
    """Return the first and the last number of the checkpoints of a range, nothing where it has none."""
    columns = tables.checkpoints.c
    query = select(func.min(columns.number), func.max(columns.number))
    least, most = stored.execute(query.where(columns.size > first, columns.size <= end)).one()
    return [] if least is None else [least, most]


def _origin(stored: Connection) -> str:
    columns = tables.records.c
    entry = readable_record(stored.execute(select(columns.record).where(columns.seq == 0)).scalar())
    if entry is None:
        raise Disproved("the genesis entry does not read")
    return entry.log


def _time_before(stored: Connection, first: int) -> str:
    columns = tables.records.c
    entry = readable_record(stored.execute(select(columns.record).where(columns.seq == first - 1)).scalar())
    return entry.time if entry is not None else ""
