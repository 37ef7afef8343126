"""What anyone can read in a ledger: its entries, its heads, its keys and who holds them.

Reading takes no key and writes nothing. Each question is answered from one connection of its own, so two answers may be
of two moments; what must be decided on one view is decided inside the writing transaction (`audit.writer`).

::

    history = History(tables.open_database(path))
    history.entry(12).statement
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Engine, select

from audit import tables
from audit.edge import EdgeReader
from audit.errors import MalformedInput, NotFound
from audit.record import Entry, parse_record
from audit.trust import KEY_KINDS, Trust

__all__ = ["Head", "History"]

AT_A_TIME = 100
"""Records asked of a server at a time: who looks for the newest few does not wait for all."""

_HASH_START = re.compile(r"[0-9a-f]{8,64}")


@dataclass(frozen=True, slots=True)
class Head:
    """The tree's size and root, with the checkpoint that says so."""

    size: int
    root: bytes
    checkpoint: bytes


class History:
    """The entries of one ledger in one database."""

    def __init__(self, engine: Engine) -> None:
        """Open a ledger; nothing is read until it is needed."""
        self.engine = engine
        self._edges = EdgeReader()
        self._origin = ""

    @property
    def origin(self) -> str:
        """The ledger's name, as its genesis entry says it."""
        # Not a cached_property: up to Python 3.11 its lock is one that a forked child may find taken for ever.
        self._origin = self._origin or self.entry(0).log
        return self._origin

    def head(self) -> Head:
        """Read the newest checkpoint and what it signs."""
        with tables.failures(), self.engine.connect() as connection:
            edge = self._edges.read(connection)
            note = connection.execute(
                select(tables.checkpoints.c.note).order_by(tables.checkpoints.c.number.desc()).limit(1)
            ).scalar()
            return Head(edge.tree.size, edge.tree.root(), bytes(note or b""))

    def head_at(self, size: int) -> Head:
        """Read the checkpoint that the log signed at a size; `NotFound` where it signed none."""
        # SQLite can be asked for no larger number, and no head is of that many entries.
        asked = size if 0 <= size < 2**63 else -1
        with tables.failures(), self.engine.connect() as connection:
            checkpoints = tables.checkpoints.c
            note = connection.execute(select(checkpoints.note).where(checkpoints.size == asked)).scalar()
            logs = self._edges.trust(connection).logs
        if note is None:
            raise NotFound(f"the log signed no head at size {size}: the newest is at {self.head().size}")
        return Head(size, logs.open(bytes(note)).root, bytes(note))

    def trust(self) -> Trust:
        """Learn which keys may say what, as of the newest entry."""
        with tables.failures(), self.engine.connect() as connection:
            return self._edges.trust(connection)

    def trust_before(self, seq: int) -> Trust:
        """Learn which keys might say what in the entry `seq`, from grants that are verified one after the other.

        Raises `NotVerified` or `NotPermitted` for an entry about keys that does not hold.
        """
        columns = tables.records.c
        query = select(columns.record).where(columns.kind.in_(KEY_KINDS), columns.seq < seq)
        with tables.failures(), self.engine.connect() as connection:
            records = [bytes(record) for record in connection.execute(query.order_by(columns.seq)).scalars()]
        trust = Trust()
        for entry in map(parse_record, records):
            trust.permit(entry.envelope, entry.statement, entry.seq)
            trust = trust.after(entry.seq, entry.statement, entry.envelope.keyids)
        return trust

    def holder(self, keyid: str) -> str | None:
        """Return the name of the person who holds a key, where it is known and not erased."""
        with tables.failures(), self.engine.connect() as connection:
            return connection.execute(
                select(tables.holders.c.name).where(tables.holders.c.key == keyid)
            ).scalar()

    def entry(self, seq: int) -> Entry:
        """Read one entry by its sequence number; `NotFound` beyond the end."""
        record = None
        if 0 <= seq < 2**63:  # what SQLite can be asked for
            with tables.failures(), self.engine.connect() as connection:
                record = connection.execute(
                    select(tables.records.c.record).where(tables.records.c.seq == seq)
                ).scalar()
        if record is None:
            raise NotFound(f"this ledger has no entry {seq}: `affidavit log` lists its entries")
        return parse_record(bytes(record))

    def find(self, prefix: str) -> Entry:
        """Read one entry by the start of its leaf hash (8 digits or more); `NotFound` when none or several match."""
        if _HASH_START.fullmatch(prefix.lower()) is None:
            raise MalformedInput(f"{prefix!r} is not the start of a hash: give 8 to 64 hexadecimal digits")
        leaf_hash = tables.records.c.leaf_hash
        first, last = (bytes.fromhex(prefix.ljust(64, digit)) for digit in "0f")
        with tables.failures(), self.engine.connect() as connection:
            rows = connection.execute(
                select(tables.records.c.record).where(leaf_hash.between(first, last)).limit(2)
            ).scalars()
            found = [bytes(row) for row in rows]
        if len(found) != 1:
            raise NotFound(
                f"{len(found) or 'no'} entries start with the hash {prefix}: `affidavit log` lists them"
            )
        return parse_record(found[0])

    def entries(
        self, *, kind: str | None = None, since: int = 0, newest_first: bool = False
    ) -> Iterator[Entry]:
        """Read entries in order of sequence number, all or of one kind, from entry `since` on."""
        query = select(tables.records.c.record).where(tables.records.c.seq >= since)
        if kind is not None:
            query = query.where(tables.records.c.kind == kind)
        seq = tables.records.c.seq
        query = query.order_by(seq.desc() if newest_first else seq).execution_options(yield_per=AT_A_TIME)
        with (
            tables.failures(),
            self.engine.connect() as connection,
            connection.execute(query) as rows,
        ):
            for record in rows.scalars():
                yield parse_record(bytes(record))
