"""The whole ledger from its records: recomputed in this process, or by several and added up.

`recompute` assumes nothing. `recompute_together` is quicker and believes its answer only where everything holds that
its processes took as given, and raises `Disproved` otherwise, so that the ledger is recomputed by `recompute`:

- the records are numbered without a gap;
- every stored tile is the recomputed one, so that each range continued the tree that the ranges before it gave;
- the index column `kind` named every key entry, so that each range knew who held which role before it;
- the records that this process read, to replay them, hash to the tree that the others recomputed;
- the checkpoints are numbered without a gap, and each is in the range of its size.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, select

from audit import tables
from audit.errors import EnvironmentFailed
from audit.merkle import HASH_SIZE, CompactRange, leaf_hash, root_at
from audit.record import Entry, readable_record
from audit.report import STEPS, Findings
from audit.tiles import TILE_WIDTH, TileReader, tiles_of
from audit.trust import Trust
from audit.verify_checkpoints import Checkpoints
from audit.verify_ids import StatementIds
from audit.verify_pool import Workers
from audit.verify_range import Asked, RangeCheck, records_query
from audit.verify_tree import Disproved, RecomputedTree, compare_tiles, stored_tile, tiles_agree
from audit.verify_worker import KeysByIndex

__all__ = ["Progress", "Reader", "Whole", "check_dense", "recompute", "recompute_together"]

Progress = Callable[[int, int], None]
Reader = Callable[[int, Entry | None], None]
"""Is told every entry in order: its number, and None where it does not read."""

RANGE = 2_048
"""Entries that a process is asked for at a time: a fraction of a second, and a multiple of a tile."""

_STEPS = tuple((number, STEPS[number - 1]) for number in (1, 2, 4, 5, 8))


@dataclass(slots=True)
class Whole:
    """What was recomputed of a ledger, and what was found in the steps 1, 2, 4, 5 and 8 (`found`, by name).

    `signers` are the ids of the keys by which the signatures are that were checked.
    """

    tree: CompactRange
    root_at: Callable[[int], bytes | None]
    trust: Trust
    last_leaf: bytes
    first_time: str
    last_time: str
    checkpoints: int
    signers: set[str]
    found: dict[str, Findings] = field(
        default_factory=lambda: {name: Findings(n, name) for n, name in _STEPS}
    )

    @property
    def size(self) -> int:
        """The number of records."""
        return self.tree.size


def check_dense(stored: Connection, size: int) -> None:
    """Raise `Disproved` unless the first and the last record are those of a table of `size` without a gap."""
    least, most = stored.exec_driver_sql("SELECT min(seq), max(seq) FROM records").one()
    _require((least, most) == (0, size - 1))


def recompute(
    stored: Connection,
    tree: RecomputedTree,
    asked: Asked,
    ids: StatementIds,
    tell: Reader,
    progress: Progress,
    total: int,
) -> Whole:
    """Recompute all records in this process, into `tree`, which must be open as long as the result is used."""
    rows = iter(stored.execute(select(tables.checkpoints).order_by(tables.checkpoints.c.number)))
    heads = Findings(2, "tree")
    check = RangeCheck(tree, Checkpoints(heads, rows, trusted=asked.trusted), asked)
    for position, row in enumerate(stored.execute(records_query())):
        if position % TILE_WIDTH == 0:
            progress(position, total)
            ids.add(check.ids, check.signatures)
            check.ids.clear()
        tell(row[0], check.see(row))
    ids.add(check.ids, check.signatures)
    compare_tiles(heads, stored, tree)
    check.checkpoints.finish(tree, check.trust)
    return Whole(
        tree=tree.range(),
        root_at=tree.root_at,
        trust=check.trust,
        last_leaf=check.last_leaf if tree.size else b"",
        first_time=check.first_time,
        last_time=check.last_time,
        checkpoints=check.checkpoints.number,
        signers=check.signers,
        found={f.name: f for f in (check.records, heads, check.signatures, check.observed, check.times)},
    )


def recompute_together(
    stored: Connection,
    workers: Workers,
    ids: StatementIds,
    tell: Reader | None,
    progress: Progress,
    size: int,
) -> Whole:
    """Recompute the records 0 to `size` - 1 with other processes; this one meanwhile gives the entries to `tell`."""
    keys = KeysByIndex()
    keys.advance(stored, size)
    told = _Told()
    meanwhile = iter(()) if tell is None else told.tell_all(stored, tell, size)
    starts = range(0, size, RANGE)
    with RecomputedTree() as above:
        total = _Sum(stored, above, keys, ids)
        for number, answer in enumerate(workers.answers(starts, size, meanwhile)):
            progress(starts[number], size)
            total.add(answer)
        whole = total.finish(size)
        _require(tell is None or told.tree == whole.tree)
        return whole


class _Sum:
    """Adds up the answers of neighbouring ranges, as long as each begins where the one before ended."""

    def __init__(
        self, stored: Connection, above: RecomputedTree, keys: KeysByIndex, ids: StatementIds
    ) -> None:
        self._stored, self._above, self._keys, self._ids = stored, above, keys, ids
        self._found = {name: Findings(number, name) for number, name in _STEPS}
        self._key_entries, self._number = 0, 0
        self._handovers, self._signers = set[int](), set[str]()
        self._edge, self._last_leaf, self._first_time, self._last_time = "", b"", "", ""

    def add(self, answer: dict[str, Any]) -> None:
        if "failed" in answer:
            raise EnvironmentFailed(answer["failed"])
        _require("disproved" not in answer)
        _require(bytes.fromhex(answer["before"]) == self._above.range().to_bytes())
        for root in _hashes(answer["tile_roots"]):
            self._above.append(root)
        for found in map(Findings.from_json, answer["findings"]):
            self._found[found.name].join(found)
        self._ids.add(answer["ids"], self._found["signatures"])
        self._signers.update(answer["signers"])
        named = self._keys.entries[self._key_entries :][: len(answer["key_entries"])]
        _require(named == [(seq, leaf) for seq, leaf in answer["key_entries"]])
        self._key_entries += len(named)
        if answer["numbers"]:
            _require(answer["numbers"][0] == self._number + 1)
            self._number = answer["numbers"][1]
        self._handovers.update(answer["handovers"])
        first, last = answer["times"]
        self._first_time, self._last_time = self._first_time or first, last or self._last_time
        self._edge, self._last_leaf = answer["edge"], bytes.fromhex(answer["last_leaf"])

    def finish(self, size: int) -> Whole:
        tree = CompactRange(size, (*self._above.range().hashes, *_hashes(self._edge)))
        trust = self._keys.trust
        heads = self._stored.exec_driver_sql("SELECT count(*), max(size) FROM checkpoints").one()
        _require(tuple(heads) == (self._number, size))
        _require(self._key_entries == len(self._keys.entries))
        _require(self._handovers == set(trust.logs.handovers))
        _require(tiles_agree(self._stored, self._above, tree))
        self._found["tree"].figures["tiles"] = sum(1 for _ in tiles_of(size))
        node = TileReader(stored_tile(self._stored)).node
        return Whole(
            tree=tree,
            root_at=lambda at: root_at(node, at) if 0 <= at <= size else None,
            trust=trust,
            last_leaf=self._last_leaf,
            first_time=self._first_time,
            last_time=self._last_time,
            checkpoints=self._number,
            signers=self._signers,
            found=self._found,
        )


def _require(holds: bool) -> None:
    if not holds:
        raise Disproved("something that the processes took as given is not so")


def _hashes(text: str) -> list[bytes]:
    data = bytes.fromhex(text)
    return [data[i : i + HASH_SIZE] for i in range(0, len(data), HASH_SIZE)]


class _Told:
    """Reads the records once more, to replay them, and grows the tree of what it read."""

    def __init__(self) -> None:
        self.tree = CompactRange()

    def tell_all(self, stored: Connection, tell: Reader, size: int) -> Iterator[None]:
        """Give every entry to `tell`; stop after some of them, for other work."""
        columns = tables.records.c
        query = select(columns.seq, columns.record).where(columns.seq < size).order_by(columns.seq)
        for seq, stored_record in stored.execute(query):
            record = stored_record if isinstance(stored_record, bytes) else b""
            self.tree = self.tree.append(leaf_hash(record))
            tell(seq, readable_record(record))
            if seq % 64 == 0:
                yield
