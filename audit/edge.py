"""The growing edge of a ledger, as a value: all that the next record needs to know of the history before it.

Rules:

- `place` is pure: it returns the edge after an entry, so that going back is dropping it.
- What goes in is read as a stranger would read it: the record's bytes are parsed strictly, and its signatures and role
  are checked against the trust that stands at that entry.
- An edge that was read may be kept as long as the row `head` says the same: the last leaf hash and the compact range
  in it stand for the whole history, so tiles and trust are those of then.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, Engine, bindparam, func, select

from audit import tables
from audit.envelope import Envelope
from audit.errors import MalformedInput
from audit.merkle import CompactRange, leaf_hash
from audit.record import FIRST_PREV, Entry, parse_record, write_record
from audit.tiles import Tiles
from audit.trust import KEY_KINDS, Trust

__all__ = ["Edge", "EdgeReader", "Placed", "place"]

_HEAD = "SELECT size, compact_range, last_leaf, last_time, checkpoints FROM head"
_LEAF = select(tables.records.c.leaf_hash).where(tables.records.c.seq == bindparam("seq"))
_KEY_ENTRIES = (
    select(tables.records.c.record)
    .where(tables.records.c.kind.in_(KEY_KINDS), tables.records.c.seq >= bindparam("since"))
    .order_by(tables.records.c.seq)
)
_LAST_TILES = select(tables.tiles.c.level, func.max(tables.tiles.c.number)).group_by(tables.tiles.c.level)
_TILE = select(tables.tiles.c.hashes).where(
    tables.tiles.c.level == bindparam("level"), tables.tiles.c.number == bindparam("number")
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


def place(edge: Edge, envelopes: Sequence[Envelope], time: str) -> Placed:
    """Put envelopes into their places after the edge, at a time that is not before its last one.

    Raises `MalformedInput`, `NotPermitted` or `NotVerified` when one of them cannot stand there.
    """
    tree, trust, prev = edge.tree, edge.trust, edge.last_leaf
    growing = Tiles(dict(edge.tiles))
    entries: list[Entry] = []
    last_tiles, changed = dict(edge.tiles), {}
    for envelope in envelopes:
        entry = _entry(envelope, trust, tree.size, prev, time)
        trust = trust.after(entry.seq, entry.statement)
        leaf = leaf_hash(entry.record)
        for level, number, hashes in growing.append(leaf):
            last_tiles[level] = number, hashes
            changed[level, number] = hashes
        tree, prev = tree.append(leaf), leaf.hex()
        entries.append(entry)
    after = Edge(tree, prev, time, edge.checkpoints, last_tiles, trust)
    return Placed(after, tuple(entries), changed)


def _entry(envelope: Envelope, trust: Trust, seq: int, prev: str, time: str) -> Entry:
    origin = trust.log.name if trust.log is not None else None
    record = write_record(envelope, log=origin or "", prev=prev, seq=seq, time=time)
    entry = parse_record(record)
    said_for = entry.statement.text("ledger")
    if origin is None:
        # The genesis entry says itself which ledger it begins.
        entry = parse_record(write_record(envelope, log=said_for, prev=prev, seq=seq, time=time))
    trust.permit(entry.envelope, entry.statement, seq)
    if origin is not None and said_for != origin:
        raise MalformedInput(f"the statement is for the ledger {said_for!r}, this one is {origin!r}")
    return entry


class EdgeReader:
    """Reads the edge of one ledger, and what is trusted there; keeps what is provably unchanged."""

    def __init__(self) -> None:
        """Read nothing yet."""
        self._kept: Edge | None = None
        self._trusted: tuple[int, Trust] = (0, Trust())

    def kept(self, engine: Engine) -> Edge | None:
        """Return the edge that was kept, if it is the newest still: one row is read."""
        kept = self._kept
        if kept is None or tables.quick_row(engine, _HEAD) != tuple(kept.head_row().values()):
            return None
        return kept

    def read(self, connection: Connection) -> Edge:
        """Read the edge as it is committed; a writer asks before it writes."""
        row = tables.fetch_row(connection, _HEAD)
        if row is None:
            raise MalformedInput(
                "the ledger's database has no head row: it was cut short or edited, run `affidavit verify`"
            )
        kept = self._kept
        if kept is not None and row == tuple(kept.head_row().values()):
            return kept
        if kept is not None and not self._continues(connection, kept):
            self._trusted = (0, Trust())
        size, compact_range, last_leaf, last_time, checkpoints = row
        edge = Edge(
            CompactRange.from_bytes(size, compact_range),
            last_leaf.hex(),
            last_time,
            checkpoints,
            _last_tiles(connection),
            self.trust(connection),
        )
        self._kept = edge
        return edge

    def keep(self, edge: Edge) -> None:
        """Keep an edge that was just committed."""
        self._kept = edge
        self._trusted = (edge.tree.size, edge.trust)

    def trust(self, connection: Connection) -> Trust:
        """Read what is trusted after the newest entry that is committed."""
        since, trust = self._trusted
        for record in connection.execute(_KEY_ENTRIES, {"since": since}).scalars():
            entry = parse_record(bytes(record))
            trust = trust.after(entry.seq, entry.statement)
            since = entry.seq + 1
        self._trusted = (since, trust)
        return trust

    def _continues(self, connection: Connection, kept: Edge) -> bool:
        """Say whether the database holds the history that was kept, and not another that was put in its place."""
        leaf = connection.execute(_LEAF, {"seq": kept.tree.size - 1}).scalar()
        return leaf is not None and bytes(leaf).hex() == kept.last_leaf


def _last_tiles(connection: Connection) -> dict[int, tuple[int, bytes]]:
    edge = {}
    for level, number in connection.execute(_LAST_TILES).all():
        hashes = connection.execute(_TILE, {"level": level, "number": number}).scalar_one()
        edge[level] = (number, bytes(hashes))
    return edge
