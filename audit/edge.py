"""The growing edge of a ledger, as a value: all that the next record needs to know of the history before it.

Rules:

- `place` is pure: it returns the edge after an entry, so that going back is dropping it.
- What goes in is read as a stranger would read it: the record's bytes are parsed strictly, and its signatures and role
  are checked against the trust that stands at that entry.
- An edge that was read may be kept as long as the row `head` says the same: the last leaf hash and the compact range
  in it stand for the whole history, so tiles and trust are those of then.
"""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Connection, Engine, bindparam, select

from audit import tables
from audit.envelope import Envelope
from audit.errors import MalformedInput
from audit.merkle import CompactRange, leaf_hash
from audit.record import FIRST_PREV, Entry, parse_record, write_record
from audit.tiles import Tiles
from audit.trust import KEY_KINDS, Trust

__all__ = ["Edge", "EdgeReader", "Placed", "place"]

_KINDS = "kind IN ({})".format(", ".join(f"'{kind}'" for kind in KEY_KINDS))
_HEAD_SINCE = (
    "SELECT size, compact_range, last_leaf, last_time, checkpoints, "
    "(SELECT leaf_hash FROM records WHERE seq = :last_seen), "
    "EXISTS (SELECT 1 FROM records WHERE " + _KINDS + " AND seq >= :since) FROM head"
)
_KEY_ENTRIES = (
    select(tables.records.c.record)
    .where(tables.records.c.kind.in_(KEY_KINDS), tables.records.c.seq >= bindparam("since"))
    .order_by(tables.records.c.seq)
)
_LAST_TILES = (
    "SELECT level, number, hashes FROM tiles WHERE (level, number) IN "
    "(SELECT level, max(number) FROM tiles GROUP BY level)"
)


@dataclass(frozen=True, slots=True)
class Edge:
    """What an append continues from. `tiles` has the number and the hashes of the last tile of every level."""

    tree: CompactRange = field(default_factory=CompactRange)
    last_leaf: str = FIRST_PREV
    last_time: str = ""
    checkpoints: int = 0
    tiles: Mapping[int, tuple[int, bytes]] = field(default_factory=dict)
    trust: Trust = field(default_factory=Trust)

    def head_row(self) -> dict[str, object]:
        """Return the columns of the row `head`, in their order, but for its `id`."""
        return {
            "size": self.tree.size,
            "compact_range": self.tree.to_bytes(),
            "last_leaf": bytes.fromhex(self.last_leaf),
            "last_time": self.last_time,
            "checkpoints": self.checkpoints,
        }


@dataclass(frozen=True, slots=True)
class Placed:
    """Entries in their places, the edge after them, and the tiles (level, number) that they changed."""

    edge: Edge
    entries: tuple[Entry, ...]
    tiles: Mapping[tuple[int, int], bytes]


def place(edge: Edge, envelopes: Sequence[Envelope], time: str, verified: Container[Envelope] = ()) -> Placed:
    """Put envelopes into their places after the edge, at a time that is not before its last one.

    The signatures of those that are `verified` already are not verified again (see `Trust.permit`).
    Raises `MalformedInput`, `NotPermitted` or `NotVerified` when one of them cannot stand there.
    """
    tree, trust, prev = edge.tree, edge.trust, edge.last_leaf
    growing = Tiles(dict(edge.tiles))
    entries: list[Entry] = []
    last_tiles, changed = dict(edge.tiles), {}
    for envelope in envelopes:
        entry = _entry(envelope, trust, tree.size, prev, time, verified)
        trust = trust.after(entry.seq, entry.statement, entry.envelope.keyids)
        leaf = leaf_hash(entry.record)
        for level, number, hashes in growing.append(leaf):
            last_tiles[level] = number, hashes
            changed[level, number] = hashes
        tree, prev = tree.append(leaf), leaf.hex()
        entries.append(entry)
    after = Edge(tree, prev, time, edge.checkpoints, last_tiles, trust)
    return Placed(after, tuple(entries), changed)


def _entry(
    envelope: Envelope, trust: Trust, seq: int, prev: str, time: str, verified: Container[Envelope]
) -> Entry:
    origin = trust.log.name if trust.log is not None else None
    record = write_record(envelope, log=origin or "", prev=prev, seq=seq, time=time)
    entry = parse_record(record)
    said_for = entry.statement.text("ledger")
    if origin is None:
        # The genesis entry says itself which ledger it begins.
        entry = parse_record(write_record(envelope, log=said_for, prev=prev, seq=seq, time=time))
    trust.permit(entry.envelope, entry.statement, seq, verified)
    if origin is not None and said_for != origin:
        raise MalformedInput(f"the statement is for the ledger {said_for!r}, this one is {origin!r}")
    return entry


@dataclass(frozen=True, slots=True)
class _Seen:
    """What was read last: an edge, and what is trusted after all key events before the entry `since`.

    Many threads read and one writes: each takes one such value and goes on from it, whatever the others put there.
    """

    edge: Edge | None = None
    since: int = 0
    trust: Trust = field(default_factory=Trust)

    def known(self) -> dict[str, int]:
        """Say what is known of the history: the entry that was the last one, and from where key events are not."""
        return {"last_seen": -1 if self.edge is None else self.edge.tree.size - 1, "since": self.since}

    def next(self, row: tuple[Any, ...]) -> Edge | None:
        """Return the edge of a row that was asked for with `known`, if it goes on and no key event came since."""
        if self.edge is None:
            return None
        if row[: len(self.edge.head_row())] == tuple(self.edge.head_row().values()):
            return self.edge
        return None if row[-1] or not self.is_before(row) else _edge(row, self.trust)

    def is_before(self, row: tuple[Any, ...]) -> bool:
        """Say whether the database holds the history that was seen, and not another that was put in its place."""
        leaf = row[-2]
        return self.edge is None or (leaf is not None and bytes(leaf).hex() == self.edge.last_leaf)


class EdgeReader:
    """Reads the edge of one ledger, and what is trusted there; keeps what is provably unchanged."""

    def __init__(self) -> None:
        """Read nothing yet."""
        self._seen = _Seen()

    def kept(self, engine: Engine) -> Edge | None:
        """Return the newest edge if one row is enough to know it: what is trusted has not changed since."""
        seen = self._seen
        if seen.edge is None:
            return None
        row = tables.quick_row(engine, _HEAD_SINCE, seen.known())
        return None if row is None else self._gone_on(seen, row)

    def read(self, connection: Connection) -> Edge:
        """Read the edge as it is committed, and what is trusted there; without the tiles, which only a writer needs."""
        seen = self._seen
        row = tables.fetch_row(connection, _HEAD_SINCE, seen.known())
        if row is None:
            raise MalformedInput(
                "the ledger's database has no head row: it was cut short or edited, run `affidavit verify`"
            )
        edge = self._gone_on(seen, row)
        if edge is None:
            since, trust = _trusted(connection, seen if seen.is_before(row) else _Seen())
            edge = _edge(row, trust)
            self._seen = _Seen(edge, since, trust)
        return edge

    def _gone_on(self, seen: _Seen, row: tuple[Any, ...]) -> Edge | None:
        edge = seen.next(row)
        if edge is not None and edge is not seen.edge:
            self._seen = replace(seen, edge=edge)
        return edge

    def read_to_grow(self, connection: Connection) -> Edge:
        """Read the edge with the last tile of every level; a writer asks before it writes."""
        edge = self.read(connection)
        if edge.tree.size and not edge.tiles:
            edge = replace(edge, tiles=_last_tiles(connection))
        return edge

    def keep(self, edge: Edge) -> None:
        """Keep an edge that was just committed."""
        self._seen = _Seen(edge, edge.tree.size, edge.trust)

    def trust(self, connection: Connection) -> Trust:
        """Read what is trusted after the newest entry that is committed."""
        seen = self._seen
        since, trust = _trusted(connection, seen)
        self._seen = replace(seen, since=since, trust=trust)
        return trust


def _trusted(connection: Connection, seen: _Seen) -> tuple[int, Trust]:
    """Go on from what was trusted: return what is now, and the entry before which all key events are in it."""
    since, trust = seen.since, seen.trust
    for record in connection.execute(_KEY_ENTRIES, {"since": since}).scalars():
        entry = parse_record(bytes(record))
        trust = trust.after(entry.seq, entry.statement, entry.envelope.keyids)
        since = entry.seq + 1
    return since, trust


def _edge(row: tuple[Any, ...], trust: Trust) -> Edge:
    size, compact_range, last_leaf, last_time, checkpoints, *_ = row
    return Edge(
        CompactRange.from_bytes(size, compact_range), last_leaf.hex(), last_time, checkpoints, trust=trust
    )


def _last_tiles(connection: Connection) -> dict[int, tuple[int, bytes]]:
    rows = connection.exec_driver_sql(_LAST_TILES)
    return {level: (number, bytes(hashes)) for level, number, hashes in rows}
