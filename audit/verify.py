"""Verification of a whole ledger: recomputes everything from the records, and shares no state with the writer.

Each step answers passed, failed with the place, or skipped with the reason:

1. records: each parses, is canonical, names the one before, and every index column follows from it;
2. tree: root, tiles, head and every stored checkpoint follow from the records and are signed by the log's key;
3. anchors: the history contains the tree heads that were kept elsewhere;
4. signatures: each statement is signed by keys that held its role at that entry, once, for this ledger;
5. observed: every tree head that a signer saw is part of this history;
6. tables: what the followers learned, and who holds which key, is what replaying gives;
7. artifacts: the bytes that statements name are there, and unchanged;
8. times: the log's times do not go back.

What no step can see without an anchor: a tail cut off cleanly, and changes after the last observed head made by
someone who holds the log's key and the signers' keys.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, RowMapping, Table, select
from sqlalchemy.exc import DatabaseError

from audit import tables
from audit.checkpoint import Checkpoint
from audit.errors import AffidavitError, EnvironmentFailed, NotVerified
from audit.follower import Artifacts, Follower
from audit.holders import SALT_BYTES, commitment
from audit.log_keys import LogKeys
from audit.merkle import EMPTY_ROOT, CompactRange, leaf_hash
from audit.note import VerifierKey
from audit.record import FIRST_PREV, Entry, index_columns, parse_record
from audit.report import Anchor, Findings, Report, Step
from audit.tiles import Tiles
from audit.trust import Trust

__all__ = ["verify_ledger"]

Progress = Callable[[int, int], None]
_NOTHING = "no entry could be read"


@dataclass(frozen=True, slots=True)
class _Seen:
    """A stored row with what was recomputed from its record."""

    position: int
    row: RowMapping
    leaf: bytes
    entry: Entry | None
    problem: str


def verify_ledger(
    engine: Engine,
    *,
    followers: Sequence[Follower] = (),
    artifacts: Artifacts | None = None,
    checkpoint: bytes | None = None,
    log_key: VerifierKey | None = None,
    progress: Progress | None = None,
) -> Report:
    """Verify the ledger in a database.

    `checkpoint` is a signed tree head that the auditor kept, `log_key` the log's key as known from outside;
    `progress` is told the entries read so far and in all. Nothing is written to the ledger.
    """
    found = Findings(6, "tables")
    try:
        with engine.connect() as stored, tables.open_scratch().connect() as replayed:
            tables.read_any_text(stored)
            expected = tables.tables_of(tables.version_of(stored))
            replay = _Replay(found, replayed, followers, expected)
            replay.compare_schema(stored)
            lost = tables.lost_columns(stored, expected)
            if lost:
                return _unreadable(found, f"the database has no {', '.join(lost)}")
            return _verify(stored, replay, artifacts, checkpoint, log_key, progress)
    except (EnvironmentFailed, OSError):
        raise
    except DatabaseError as error:
        if not tables.is_damage(error):
            raise EnvironmentFailed(f"the ledger's database could not be read: {error.orig}") from error
        return _unreadable(found, f"SQLite cannot read the database any further: {error.orig}")
    except Exception as error:
        # A database whose tables were made anew can hold any type anywhere: whatever that raises is a finding.
        return _unreadable(found, f"the database holds what no ledger does ({type(error).__name__}: {error})")


def _verify(
    stored: Connection,
    replay: "_Replay",
    artifacts: Artifacts | None,
    checkpoint: bytes | None,
    log_key: VerifierKey | None,
    progress: Progress | None,
) -> Report:
    records, tree, signatures = _Records(), _Tree(log_key), _Signatures()
    observed, named, times = _Observed(), _Named(artifacts), _Times()
    checks = (records, tree, signatures, observed, replay, named, times)
    for seen in _read(stored, progress):
        for check in checks:
            check.see(seen)
    trust = signatures.trust
    logs = trust.logs if log_key is None or log_key in trust.logs.keys else LogKeys().then(0, log_key)
    brought = _Anchors(checkpoint, logs)
    return Report(
        size=tree.range.size,
        root=tree.range.root().hex(),
        steps=(
            records.finish(),
            tree.finish(stored, trust),
            brought.finish(tree),
            signatures.finish(),
            observed.finish(tree),
            replay.finish(stored, trust),
            named.finish(),
            times.finish(),
        ),
        anchor=brought.anchor,
    )


def _unreadable(found: Findings, reason: str) -> Report:
    found.add(reason)
    names = ("records", "tree", "anchors", "signatures", "observed", "tables", "artifacts", "times")
    steps = [Findings(n, name).skipped(f"not done: {reason}") for n, name in enumerate(names, 1)]
    steps[5] = found.step("")
    return Report(size=0, root=EMPTY_ROOT.hex(), steps=tuple(steps))


def _read(connection: Connection, progress: Progress | None) -> Iterator[_Seen]:
    total = connection.exec_driver_sql("SELECT count(*) FROM records").scalar_one()
    rows = connection.execute(select(tables.records).order_by(tables.records.c.seq)).mappings()
    for position, row in enumerate(rows):
        if progress is not None and position % 256 == 0:
            progress(position, total)
        record = row["record"]
        try:
            entry, problem = parse_record(_blob(record)), ""
        except AffidavitError as error:
            entry, problem = None, str(error)
        yield _Seen(position, row, leaf_hash(_blob(record)), entry, problem)
    if progress is not None:
        progress(total, total)


class _Records:
    """Step 1."""

    def __init__(self) -> None:
        self.found = Findings(1, "records")
        self.count, self.next_seq, self.last_leaf, self.origin = 0, 0, FIRST_PREV, ""

    def see(self, seen: _Seen) -> None:
        seq, entry = seen.row["seq"], seen.entry
        if seq < self.next_seq:
            self.found.add(f"entry {seq} is before the genesis entry", seq)
        elif seq != self.next_seq:
            gone = (
                f"entry {self.next_seq}"
                if seq == self.next_seq + 1
                else f"entries {self.next_seq} to {seq - 1}"
            )
            self.found.add(f"{gone} missing from the table records", self.next_seq)
        self.count, self.next_seq = self.count + 1, seq + 1
        if entry is None:
            self.found.add(f"the record of entry {seq} is not one: {seen.problem}", seq)
        else:
            self._compare(seq, entry, seen)
        self.last_leaf = seen.leaf.hex()

    def _compare(self, seq: int, entry: Entry, seen: _Seen) -> None:
        self.origin = self.origin or entry.log
        if entry.log != self.origin:
            self.found.add(f"the record of entry {seq} belongs to the ledger {entry.log!r}", seq)
        if entry.prev != self.last_leaf:
            self.found.add(f"the record of entry {seq} does not follow from the record before it", seq)
        for column, value in index_columns(entry).items():
            if seen.row[column] != value:
                self.found.add(f"records.{column} of entry {seq} is not what its record says", seq)

    def finish(self) -> Step:
        if self.count == 0:
            self.found.add("the table records is empty: not even the genesis entry is there", 0)
        return self.found.step(f"{_count(self.count, 'record')} parse, are canonical and chain")


class _Tree:
    """Step 2."""

    def __init__(self, log_key: VerifierKey | None) -> None:
        self.found = Findings(2, "tree")
        self.range, self.tiles, self.log_key = CompactRange(), Tiles(), log_key
        self.stored_tiles: dict[tuple[int, int], bytes] = {}
        self.roots: list[bytes] = [EMPTY_ROOT]
        self.last_leaf, self.last_time = b"", ""

    def see(self, seen: _Seen) -> None:
        self.range = self.range.append(seen.leaf)
        self.roots.append(self.range.root())
        for level, number, hashes in self.tiles.append(seen.leaf):
            self.stored_tiles[level, number] = hashes
        self.last_leaf = seen.leaf
        self.last_time = seen.entry.time if seen.entry else self.last_time

    def root_at(self, size: int) -> bytes | None:
        """Return the recomputed root of the first `size` entries, None beyond the end."""
        return self.roots[size] if 0 <= size < len(self.roots) else None

    def finish(self, stored: Connection, trust: Trust) -> Step:
        self._compare_tiles(stored)
        count = self._compare_checkpoints(stored, trust)
        self._compare_head(stored, count)
        given = ", which is the one that was given" if self.log_key is not None else ""
        return self.found.step(
            f"root {self.range.root().hex()[:16]}… recomputed from {_count(self.range.size, 'leaf', 'leaves')}; "
            f"{_count(count, 'checkpoint')} match and are signed by the log's key{given}"
        )

    def _compare_tiles(self, stored: Connection) -> None:
        kept = {(r.level, r.number): r.hashes for r in stored.execute(select(tables.tiles))}
        for level, number in sorted(kept.keys() | self.stored_tiles.keys(), key=repr):
            if kept.get((level, number)) != self.stored_tiles.get((level, number)):
                self.found.add(f"tiles.hashes of level {level}, tile {number} is not what the records give")

    def _compare_checkpoints(self, stored: Connection, trust: Trust) -> int:
        logs, number = trust.logs, 0
        if self.log_key is not None and self.log_key not in logs.keys:
            self.found.add("the log's key in the genesis entry is not the key that was given with --key", 0)
            logs = LogKeys().then(0, self.log_key)
        size, seen = 0, set[int]()
        for row in stored.execute(select(tables.checkpoints).order_by(tables.checkpoints.c.number)):
            number += 1
            if row.number != number:
                self.found.add(f"checkpoint {number} is missing from the table checkpoints")
                number = row.number
            if type(row.size) is not int or row.size <= size:
                self.found.add(f"checkpoints.size of checkpoint {row.number} is not more than the one before")
                continue
            size = row.size
            problem = self._checkpoint_problem(_blob(row.note), size, logs)
            if problem:
                self.found.add(f"checkpoint {row.number} (size {size}): {problem}", size - 1)
            seen.add(size)
        for handover in set(logs.handovers) - seen:
            self.found.add(
                f"the checkpoint of size {handover}, signed by the log's old and new key, is missing"
            )
        if size != self.range.size:
            self.found.add(
                f"the newest checkpoint is of {size} entries, the table records has {self.range.size}",
                min(size, self.range.size),
            )
        return number

    def _checkpoint_problem(self, note: bytes, size: int, logs: LogKeys) -> str:
        if logs.newest is None:
            return "the log's key is unknown, since the genesis entry does not read"
        try:
            checkpoint = logs.open(note)
        except AffidavitError as error:
            return str(error)
        if checkpoint.size != size:
            return f"its note is of {checkpoint.size} entries"
        return "" if checkpoint.root == self.root_at(size) else "its root is not that of the records"

    def _compare_head(self, stored: Connection, checkpoints: int) -> None:
        expected = {
            "id": 1,
            "size": self.range.size,
            "compact_range": self.range.to_bytes(),
            "last_leaf": self.last_leaf,
            "last_time": self.last_time,
            "checkpoints": checkpoints,
        }
        rows = stored.execute(select(tables.head)).mappings().all()
        if len(rows) != 1:
            self.found.add(f"the table head has {_count(len(rows), 'row')}, it needs exactly one")
            return
        for column, value in expected.items():
            if rows[0][column] != value:
                self.found.add(f"head.{column} is not what the records give")


class _Anchors:
    """Step 3."""

    def __init__(self, checkpoint: bytes | None, logs: LogKeys) -> None:
        self.found = Findings(3, "anchors")
        self.note, self.logs = checkpoint, logs
        self.anchor: Anchor | None = None

    def finish(self, tree: _Tree) -> Step:
        if self.note is None:
            return self.found.skipped(
                "no tree head from outside was given (--checkpoint FILE): a tail that was cut off cleanly, or a "
                "history signed anew with stolen keys, would not be seen"
            )
        try:
            kept = self._open(self.note)
        except AffidavitError as error:
            self.found.add(f"the checkpoint that was given: {error}")
            return self.found.step("")
        self.anchor = Anchor("checkpoint file", kept.size, None)
        if tree.range.size < kept.size:
            self.found.add(
                f"the ledger has {tree.range.size} entries, the checkpoint that was given {kept.size}: "
                "its tail was cut off, or an old copy was restored",
                tree.range.size,
            )
        elif tree.root_at(kept.size) != kept.root:
            self.found.add(f"the first {kept.size} entries are not those of the checkpoint that was given")
        return self.found.step(f"the checkpoint that was given (size {kept.size}) is part of this history")

    def _open(self, note: bytes) -> Checkpoint:
        if self.logs.newest is None:
            raise NotVerified("the log's key is unknown, since the genesis entry does not read")
        return self.logs.open(note)


class _Signatures:
    """Step 4."""

    def __init__(self) -> None:
        self.found = Findings(4, "signatures")
        self.trust, self.count, self.ids = Trust(), 0, set[str]()

    def see(self, seen: _Seen) -> None:
        seq, entry = seen.row["seq"], seen.entry
        if entry is None:
            self.found.add(f"entry {seq} does not read, so its signature could not be checked", seq)
            return
        try:
            self.trust.permit(entry.envelope, entry.statement, entry.seq)
            self.trust = self.trust.after(entry.seq, entry.statement)
        except AffidavitError as error:
            self.found.add(f"entry {seq}: {error}", seq)
        if entry.statement.text("ledger") != entry.log:
            self.found.add(f"the statement of entry {seq} was signed for another ledger", seq)
        if entry.entry_id in self.ids:
            self.found.add(f"the statement of entry {seq} stands in the ledger twice", seq)
        self.ids.add(entry.entry_id)
        self.count += len(entry.envelope.signatures)

    def finish(self) -> Step:
        revoked = [g for g in self.trust.grants.values() if g.suspect_since is not None]
        suspect = "".join(f"; entries by {g.name!r} from {g.suspect_since} on are suspect" for g in revoked)
        if not self.count:
            return self.found.skipped(_NOTHING)
        by = _count(len(self.trust.grants), "key")
        return self.found.step(f"{_count(self.count, 'signature')} by {by} that held their roles{suspect}")


class _Observed:
    """Step 5."""

    def __init__(self) -> None:
        self.found = Findings(5, "observed")
        self.heads: list[tuple[int, int, str]] = []

    def see(self, seen: _Seen) -> None:
        if seen.entry is not None:
            head = seen.entry.statement.observed
            self.heads.append((seen.row["seq"], head.size, head.root))

    def finish(self, tree: _Tree) -> Step:
        for seq, size, root in self.heads:
            expected = tree.root_at(size) if size <= seq else None
            if expected is None or expected.hex() != root:
                self.found.add(
                    f"entry {seq} was signed after seeing a tree head of {size} entries that is not here", seq
                )
        if not self.heads:
            return self.found.skipped(_NOTHING)
        return self.found.step(
            f"{_count(len(self.heads), 'tree head')} that signers saw are part of this history"
        )


class _Replay:
    """Step 6."""

    def __init__(
        self, found: Findings, scratch: Connection, followers: Sequence[Follower], expected: Sequence[Table]
    ) -> None:
        self.found = found
        self.scratch, self.followers = scratch, followers
        self.stopped = False
        tables.ledger_metadata.create_all(scratch, tables=expected)
        for follower in followers:
            follower.metadata.create_all(scratch)
        tables.create_guards(scratch)

    def see(self, seen: _Seen) -> None:
        if self.stopped:
            return
        if seen.entry is None:
            self._stop(seen.row["seq"], "it does not read")
            return
        try:
            for follower in self.followers:
                follower.apply(self.scratch, seen.entry)
        except Exception as error:
            # A follower meets anything in a ledger that was tampered with: whatever it raises is a finding.
            # Of a database's error the driver's own words: SQLAlchemy adds the statement and a link.
            said = error.orig if isinstance(error, DatabaseError) else error
            self._stop(seen.row["seq"], f"{type(said).__name__}: {said}")

    def _stop(self, seq: int, reason: str) -> None:
        self.stopped = True
        self.found.add(f"the tables could not be replayed from entry {seq} on ({reason})", seq)

    def finish(self, stored: Connection, trust: Trust) -> Step:
        rows = 0
        for metadata in () if self.stopped else [f.metadata for f in self.followers]:
            lost = tables.lost_columns(stored, metadata.sorted_tables)
            self.found.extend(f"the database has no {what}" for what in lost)
            gone = {what.split()[1].split(".")[0] for what in lost}
            rows += sum(self._compare(t, stored) for t in metadata.sorted_tables if t.name not in gone)
        self._compare_holders(stored, trust)
        self._check_pages(stored)
        return self.found.step(
            f"{_count(rows, 'row')} replayed from the entries equal those stored; "
            f"{_count(len(trust.grants), 'key holder')} match their grants"
        )

    def compare_schema(self, stored: Connection) -> None:
        self.found.extend(f"the database's {mark}" for mark in tables.changed_marks(stored))
        here, expected = tables.schema(stored), tables.schema(self.scratch)
        # Tables first: the indexes that come and go with them say nothing more.
        for name in sorted(here.keys() | expected.keys(), key=lambda n: (not n.startswith("table "), n)):
            if name not in here:
                self.found.add(f"the database has no {name}")
            elif name not in expected:
                self.found.add(f"the {name} in the database is not affidavit's")
            elif here[name] != expected[name]:
                self.found.add(f"the definition of the {name} was changed")

    def _compare(self, table: Table, stored: Connection) -> int:
        expected, here = _rows(table, self.scratch), _rows(table, stored)
        for key in sorted(expected.keys() | here.keys(), key=repr):
            where = f"{table.name} {', '.join(map(str, key))}"
            if key not in here:
                self.found.add(f"the row {where} is missing")
            elif key not in expected:
                self.found.add(f"the row {where} follows from no entry")
            else:
                for column in table.columns:
                    if here[key][column.name] != expected[key][column.name]:
                        self.found.add(f"{table.name}.{column.name} of the row {where} was changed")
        return len(here)

    def _compare_holders(self, stored: Connection, trust: Trust) -> None:
        rows = {row.key: row for row in stored.execute(select(tables.holders))}
        for keyid in sorted(rows.keys() | trust.grants.keys(), key=repr):
            row, grant = rows.get(keyid), trust.grants.get(keyid)
            if grant is None:
                self.found.add(f"the row holders {str(keyid)[:16]} is of a key that was never granted")
            elif row is None:
                self.found.add(
                    f"the holder of the key {grant.name!r} is missing from the table holders", grant.since
                )
            # The length too: HMAC fills a short key up with zeros, so a salt with zeros behind it commits alike.
            elif (
                len(_blob(row.salt)) != SALT_BYTES
                or commitment(_blob(row.salt), str(row.name)) != grant.holder
            ):
                self.found.add(
                    f"holders.name or salt of the key {grant.name!r} is not what it was granted for",
                    grant.since,
                )

    def _check_pages(self, stored: Connection) -> None:
        damaged = tables.check_pages(stored)
        if damaged:
            self.found.add(f"SQLite's own check found damage: {damaged[0]}")


class _Named:
    """Step 7."""

    def __init__(self, artifacts: Artifacts | None) -> None:
        self.found = Findings(7, "artifacts")
        self.artifacts = artifacts
        self.named: dict[str, int] = {}

    def see(self, seen: _Seen) -> None:
        if self.artifacts is None or seen.entry is None:
            return
        seq = seen.row["seq"]
        try:
            for digest in self.artifacts.references(seen.entry.statement):
                self.named.setdefault(digest, seq)
        except Exception as error:
            # A statement of a known kind in another shape than its readers know.
            told = f"{type(error).__name__}: {error}"
            self.found.add(f"the artifacts that entry {seq} names cannot be told ({told})", seq)

    def finish(self) -> Step:
        if self.artifacts is None:
            return self.found.skipped(
                "no artifact store was given, so the bytes behind the digests were not read"
            )
        try:
            return self._read_again(self.artifacts)
        except OSError as error:
            self.found.add(f"the artifact store cannot be read: {error.strerror} ({error.filename})")
            return self.found.step("")

    def _read_again(self, artifacts: Artifacts) -> Step:
        kept = set(artifacts.kept())
        for digest in sorted(kept | self.named.keys()):
            problem = artifacts.problem(digest)
            if problem:
                by = self.named.get(digest)
                self.found.add(f"{problem} (named by entry {by})" if by is not None else problem, by)
        for stray in artifacts.strays():
            self.found.add(f"the artifact store holds {stray}, which is not an artifact")
        unnamed = len(kept - self.named.keys())
        extra = f"; {unnamed} more that no entry names are unchanged too" if unnamed else ""
        return self.found.step(f"{_count(len(self.named), 'artifact')} read again, digests right{extra}")


class _Times:
    """Step 8."""

    def __init__(self) -> None:
        self.found = Findings(8, "times")
        self.first, self.last = "", ""

    def see(self, seen: _Seen) -> None:
        if seen.entry is None:
            self.found.add(f"entry {seen.row['seq']} does not read, so it has no time", seen.row["seq"])
            return
        if seen.entry.time < self.last:
            self.found.add(
                f"the time of entry {seen.entry.seq} is before that of the entry before it", seen.entry.seq
            )
        self.first, self.last = self.first or seen.entry.time, seen.entry.time

    def finish(self) -> Step:
        if not self.first:
            return self.found.skipped(_NOTHING)
        return self.found.step(f"the log's times run from {self.first} to {self.last} without going back")


def _blob(value: object) -> bytes:
    """Return what a BLOB column gave; a damaged page can give another type, which stands for no bytes."""
    return value if isinstance(value, bytes) else b""


def _rows(table: Table, connection: Connection) -> dict[tuple[Any, ...], RowMapping]:
    keys = [column.name for column in table.primary_key.columns]
    rows = connection.execute(select(table)).mappings()
    return {tuple(row[key] for key in keys): row for row in rows}


def _count(number: int, singular: str, plural: str | None = None) -> str:
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"
