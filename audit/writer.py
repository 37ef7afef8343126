"""Writes batches of submissions: the only code that puts entries into a ledger.

A batch is one transaction: what each submission is decided on (`within`), its records, what the followers learn, then
for all of them the tiles, the head, and the checkpoint that the log signs. It is there whole, or not at all.

Rules:

- A store that is behind its anchor, or forked from it, is not continued (`audit.anchor_file`).
- A submission that fails is undone by itself, to a savepoint: edge and trust are values, and are dropped.
- The signatures of a batch are checked before its entries are placed one after the other: by those who submit them,
  each in a thread of its own, or else here by several.
- A submission that changes the log's key is a batch of its own, since a checkpoint must end with it.
- Time never goes back: where the clock does, the last record's time is used again.
- Nothing is settled as written before the commit has returned.
"""

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, field, replace

from sqlalchemy import Connection, Engine, NestedTransaction, bindparam, select
from sqlalchemy.exc import DBAPIError, IntegrityError

from audit import tables
from audit.anchor_file import AnchorFile
from audit.checkpoint import Checkpoint
from audit.edge import Edge, EdgeReader, Placed, place
from audit.envelope import Envelope, verified
from audit.errors import Conflict, EnvironmentFailed, MalformedInput
from audit.follower import Follower
from audit.keys import Signer
from audit.log_keys import sign_head
from audit.record import Entry, index_columns
from audit.sequencer import Submission
from audit.statement import Statement, written_time
from audit.trust import Trust

__all__ = ["Writer", "Written", "standing"]

_INSERT_RECORD = (
    "INSERT INTO records (seq, record, leaf_hash, entry_id, kind, key, time) "
    "VALUES (:seq, :record, :leaf_hash, :entry_id, :kind, :key, :time)"
)
_PUT_TILE = (
    "INSERT INTO tiles (level, number, hashes) VALUES (:level, :number, :hashes) "
    "ON CONFLICT (level, number) DO UPDATE SET hashes = excluded.hashes"
)
_SWAP_HEAD = (
    "UPDATE head SET size = :size, compact_range = :compact_range, last_leaf = :last_leaf, last_time = :last_time, "
    "checkpoints = :checkpoints WHERE size = :before"
)
_INSERT_CHECKPOINT = "INSERT INTO checkpoints (number, size, note) VALUES (:number, :size, :note)"
_MOVED_ON = "the ledger moved on since this was decided: try again"
_NOTE_AT = select(tables.checkpoints.c.note).where(tables.checkpoints.c.size == bindparam("size"))
_RECORD_OF = select(tables.records.c.record).where(tables.records.c.entry_id == bindparam("entry_id"))


@dataclass(frozen=True, slots=True)
class _Start:
    """Where a batch begins: the edge before it, its time, and which of its envelopes have been verified."""

    edge: Edge
    time: str
    verified: Container[Envelope]

    def place(self, edge: Edge, submission: Submission) -> Placed:
        """Put a submission of the batch after `edge`."""
        return place(edge, submission.envelopes, self.time, self.verified)


@dataclass(slots=True)
class Written:
    """What a transaction wrote: the edge after it, its checkpoint, and how each submission ended.

    `anchor` is the file that it was compared with, and that holds the checkpoint next.
    """

    edge: Edge
    note: bytes = b""
    entries: list[tuple[Submission, tuple[Entry, ...]]] = field(default_factory=list)
    errors: list[tuple[Submission, Exception]] = field(default_factory=list)
    tiles: dict[tuple[int, int], bytes] = field(default_factory=dict)
    log_signers: list[Signer] = field(default_factory=list)
    anchor: AnchorFile | None = None

    def add(self, submission: Submission, placed: Placed) -> None:
        """Take a submission in that has its place."""
        self.edge = placed.edge
        self.entries.append((submission, placed.entries))
        self.tiles.update(placed.tiles)
        self.log_signers += submission.log_signers


class Writer:
    """Writes the batches of one ledger, one at a time."""

    def __init__(
        self,
        engine: Engine,
        *,
        edges: EdgeReader,
        followers: Sequence[Follower],
        log_signer: Callable[[], Signer],
        anchor: Callable[[], AnchorFile | None],
        clock: Callable[[], float],
    ) -> None:
        """Write to a database; nothing is opened until a batch comes."""
        self._engine = engine
        self._edges = edges
        self._followers = followers
        self._log_signer = log_signer
        self._anchor = anchor
        self._clock = clock

    def commit(self, batch: Sequence[Submission]) -> None:
        """Write a batch and settle its submissions; raise where none of it could be written."""
        log_signer = self._log_signer()
        try:
            with tables.writing(self._engine) as connection:
                written = self.write(connection, batch, log_signer)
        except EnvironmentFailed:
            # A commit whose fsync failed is undone in SQLite's shared memory, and its pages stay in the WAL: after a
            # crash they would be read again, and what was refused would stand. Closing the last connection drops them.
            self._engine.dispose()
            raise
        self.settle(written)

    def write(
        self,
        connection: Connection,
        batch: Sequence[Submission],
        log_signer: Signer,
        *,
        goes_on: bool = False,
    ) -> Written:
        """Write a batch in an open transaction; nothing is settled yet.

        What one submission alone raises ends the transaction, unless it `goes_on` after the batch.
        """
        guarded = goes_on or len(batch) > 1
        before = self._edges.read_to_grow(connection)
        anchor = self._anchor() if before.tree.size else None
        if anchor is not None:
            _compare(connection, before, anchor)
        start = _Start(
            before,
            time=max(written_time(self._clock()), before.last_time),
            verified=_verified(batch, before.trust),
        )
        written = self._together(connection, batch, start) if guarded else None
        if written is None:
            written = self._one_by_one(connection, batch, start, guarded)
        if written.edge is not before:
            self._finish(connection, before, written, [log_signer, *written.log_signers])
        written.anchor = anchor
        return written

    def _together(self, connection: Connection, batch: Sequence[Submission], start: _Start) -> Written | None:
        """Write a batch that needs no care with few statements; None, and nothing done, where it turns out to."""
        if any(s.within is not None or s.doubtful or s.log_signers for s in batch):
            return None
        written = _all_placed(batch, start)
        if written.edge.trust.logs != start.edge.trust.logs:
            return None
        entries, savepoint = [entry for _, entries in written.entries for entry in entries], None
        try:
            with tables.sent_together(connection):
                # It ends with the transaction: to end it here would be one more message to a server.
                savepoint = connection.begin_nested()
                _insert(connection, entries)
            self._learn(connection, entries)
        except Exception as error:
            _undo(savepoint, error)
            return None
        return written

    def _one_by_one(
        self, connection: Connection, batch: Sequence[Submission], start: _Start, guarded: bool
    ) -> Written:
        """Write each submission of a batch so that it can be undone by itself."""
        written = Written(start.edge)
        for submission in batch:
            if submission.doubtful and (there := standing(connection, submission)):
                written.entries.append((submission, there))
                continue
            savepoint = connection.begin_nested() if guarded else None
            try:
                placed = self._place(connection, written.edge, submission, start)
            except Exception as error:
                _undo(savepoint, error)
                if isinstance(error, _NewBatch):
                    break
                written.errors.append((submission, error))
                continue
            if savepoint is not None:
                savepoint.commit()
            written.add(submission, placed)
            if placed.edge.trust.logs != start.edge.trust.logs:
                break
        return written

    def settle(self, written: Written) -> None:
        """Acknowledge what is durable now."""
        for refused, error in written.errors:
            refused.error = error
        if written.note:
            self._edges.keep(written.edge)
            if written.anchor is not None:
                written.anchor.advance(written.note)
        for submission, entries in written.entries:
            submission.entries = entries

    def _place(self, connection: Connection, edge: Edge, submission: Submission, start: _Start) -> Placed:
        if submission.if_size not in (None, edge.tree.size):
            raise Conflict(_MOVED_ON)
        if submission.within is not None:
            submission.within(connection)
        placed = start.place(edge, submission)
        if placed.edge.trust.logs != edge.trust.logs and edge is not start.edge:
            raise _NewBatch
        _insert(connection, placed.entries)
        self._learn(connection, placed.entries)
        return placed

    def _learn(self, connection: Connection, entries: Sequence[Entry]) -> None:
        """Let the followers learn from entries."""
        for entry in entries:
            for follower in self._followers:
                follower.apply(connection, entry)

    def _finish(
        self,
        connection: Connection,
        before: Edge,
        written: Written,
        signers: Sequence[Signer],
    ) -> None:
        """Store the tiles, swap the head, and sign it."""
        edge = written.edge = replace(written.edge, checkpoints=before.checkpoints + 1)
        rows = [
            {"level": level, "number": number, "hashes": hashes}
            for (level, number), hashes in written.tiles.items()
        ]
        log = edge.trust.log
        assert log is not None
        checkpoint = Checkpoint(log.name, edge.tree.size, edge.tree.root())
        written.note = sign_head(checkpoint, before.trust.logs, edge.trust.logs, signers)
        row = {"number": edge.checkpoints, "size": checkpoint.size, "note": written.note}
        moved = {"before": before.tree.size, **edge.head_row()}
        _, swapped, _ = tables.run_together(
            connection, [(_PUT_TILE, rows), (_SWAP_HEAD, [moved]), (_INSERT_CHECKPOINT, [row])]
        )
        if swapped != 1:
            raise Conflict("another writer moved the ledger's head: try again")


def _all_placed(batch: Sequence[Submission], start: _Start) -> Written:
    """Put the submissions of a batch into their places, but for those that cannot stand there."""
    written = Written(start.edge)
    for submission in batch:
        try:
            placed = start.place(written.edge, submission)
            if submission.if_size not in (None, written.edge.tree.size):
                raise Conflict(_MOVED_ON)
        except Exception as error:
            written.errors.append((submission, error))
        else:
            written.add(submission, placed)
    return written


def _verified(batch: Sequence[Submission], trust: Trust) -> frozenset[Envelope]:
    """Return the envelopes of a batch whose signatures verify, those that were verified before among them."""
    before = frozenset[Envelope]().union(*(submission.verified for submission in batch))
    others = [envelope for s in batch for envelope in s.envelopes if envelope not in before]
    return before | verified(others, trust.key)


def _undo(savepoint: NestedTransaction | None, error: Exception) -> None:
    """Undo one submission, or raise its error where only the whole transaction can be undone.

    SQLite gives up the transaction by itself where the disk is full or fails, and with it every savepoint: to go on
    then would be to write without a transaction.
    """
    if savepoint is None:
        raise error
    try:
        savepoint.rollback()
    except DBAPIError:
        raise error from None
    if savepoint.connection.invalidated:  # the server is gone
        raise error


class _NewBatch(Exception):
    """A submission that changes the log's key came after others."""


def standing(connection: Connection, submission: Submission) -> tuple[Entry, ...]:
    """Read the entries of a submission that stands already, as one whose leader was interrupted may."""
    ids = [Statement.parse(envelope.payload).text("entry_id") for envelope in submission.envelopes]
    found = {one: connection.execute(_RECORD_OF, {"entry_id": one}).scalar() for one in ids}
    return submission.among({one: bytes(record) for one, record in found.items() if record is not None})


def _insert(connection: Connection, entries: Sequence[Entry]) -> None:
    if not entries:
        return
    try:
        tables.run(connection, _INSERT_RECORD, [index_columns(entry) for entry in entries])
    except IntegrityError as error:
        if "entry_id" not in str(error.orig):
            raise
        raise MalformedInput(
            "a statement with this id stands in this ledger already: a statement is appended once"
        ) from None


def _compare(connection: Connection, edge: Edge, anchor: AnchorFile) -> None:
    """Refuse to continue a store that is not the one its anchor saw."""
    anchor.check(
        edge.tree.size,
        edge.tree.root(),
        lambda size: connection.execute(_NOTE_AT, {"size": size}).scalar(),
        edge.trust.logs.keys,
    )
