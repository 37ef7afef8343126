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

import time as clocks
from collections.abc import Callable, Sequence
from contextlib import suppress

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DatabaseError

from audit import tables
from audit.anchor_settings import AnchorSettings
from audit.checkpoint import Checkpoint
from audit.errors import EnvironmentFailed, MalformedInput
from audit.follower import Artifacts, Follower
from audit.note import Note, VerifierKey
from audit.processors import processors
from audit.record import Entry
from audit.report import Findings, Report
from audit.verify_anchors import AnchorSources
from audit.verify_artifacts import NamedArtifacts
from audit.verify_ids import StatementIds
from audit.verify_pool import NoWorkers, Workers
from audit.verify_range import Asked
from audit.verify_steps import Request, records_read, report_of, unreadable
from audit.verify_tables import Replay
from audit.verify_tree import Disproved, RecomputedTree
from audit.verify_whole import Progress, check_dense, recompute, recompute_together

__all__ = ["verify_ledger"]

FEW = 16_384
"""Entries up to which starting processes takes longer than the work."""


def verify_ledger(
    engine: Engine,
    *,
    followers: Sequence[Follower] = (),
    artifacts: Artifacts | None = None,
    checkpoint: bytes | None = None,
    log_key: VerifierKey | None = None,
    anchors: AnchorSources | None = None,
    structural: bool = False,
    incremental: bool = False,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> Report:
    """Verify the ledger in a database.

    `checkpoint` is a signed tree head that the auditor kept, `log_key` the log's key as known from outside, `anchors`
    what the stored anchors are checked with (by default nothing is pinned, and the clock is the machine's);
    `structural` leaves out steps 4 to 7; `incremental` takes what was said up to `checkpoint` as verified before, and
    compares its bytes only. `jobs` processes work on it, by default as many as there are processors; `progress` is
    told the entries read so far and in all. Nothing is written to the ledger.
    """
    asked = Asked(structural, _size_of(checkpoint) if incremental else 0)
    request = Request(
        followers,
        artifacts,
        checkpoint,
        log_key,
        anchors or AnchorSources(AnchorSettings(), (), clocks.time()),
        asked,
        jobs or processors(),
        progress or (lambda done, total: None),
    )
    found = Findings(6, "tables")
    try:
        return _verify_stored(engine, request, found)
    except (EnvironmentFailed, OSError):
        raise
    except DatabaseError as error:
        if not tables.is_damage(error):
            raise EnvironmentFailed(f"the ledger's database could not be read: {error.orig}") from error
        return unreadable(found, str(error.orig), records_read(engine))
    except Exception as error:
        # A database whose tables were made anew can hold any type anywhere: whatever that raises is a finding.
        reason = f"it holds what no ledger does ({type(error).__name__}: {error})"
        return unreadable(found, reason, records_read(engine))


def _verify_stored(engine: Engine, request: Request, found: Findings) -> Report:
    """Verify what the database holds, as long as it reads; of what is wrong with its definitions, tell `found`."""
    with tables.snapshot(engine) as stored, tables.open_scratch().connect() as scratch:
        tables.read_any_text(stored)
        expected = tables.tables_of(tables.version_of(stored))
        replay = Replay(scratch, request.followers, expected, found)
        replay.compare_schema(stored)
        lost = tables.lost_columns(stored, expected)
        if lost:
            return unreadable(found, f"it has no {', '.join(lost)}", 0)
        if _is_worth_it(stored, request):
            with suppress(Disproved, NoWorkers), tables.open_scratch().connect() as other:
                again = Replay(other, request.followers, expected, Findings(6, "tables"))
                again.found.join(found)
                return _verify_together(stored, other, again, request)
        return _verify(stored, scratch, replay, request)


def _size_of(checkpoint: bytes | None) -> int:
    if checkpoint is None:
        raise MalformedInput(
            "an incremental verification starts from a checkpoint: give one with --checkpoint FILE"
        )
    return Checkpoint.parse(Note.parse(checkpoint).text).size


def _verify(stored: Connection, scratch: Connection, replay: Replay, request: Request) -> Report:
    """Verify in this process, assuming nothing."""
    total = _count(stored)
    named = _named(scratch, request)
    with RecomputedTree() as tree:
        tell = _teller(replay, named, request.asked)
        whole = recompute(stored, tree, request.asked, StatementIds(scratch), tell, request.progress, total)
        request.progress(total, total)
        return report_of(stored, whole, replay, named, request, 1)


def _is_worth_it(stored: Connection, request: Request) -> bool:
    """Say whether other processes can read this ledger, and it is long enough for them."""
    return request.jobs > 1 and tables.place_of(stored) != "" and _count(stored) >= FEW


def _verify_together(stored: Connection, scratch: Connection, replay: Replay, request: Request) -> Report:
    """Verify with other processes; `NoWorkers` or `Disproved` where this process must do it alone."""
    size, asked, named = _count(stored), request.asked, _named(scratch, request)
    check_dense(stored, size)
    place = tables.place_of(stored)
    setup = {
        "database": place,
        "identity": tables.identity_of(place),
        "structural": asked.structural,
        "trusted": asked.trusted,
    }
    tell = None if asked.structural else _teller(replay, named, asked)
    try:
        with Workers(request.jobs, setup) as workers:
            ids = StatementIds(scratch)
            whole = recompute_together(stored, workers, ids, tell, request.progress, size)
    except DatabaseError as error:
        raise Disproved("the database does not read; who reads it alone says where") from error
    request.progress(size, size)
    return report_of(stored, whole, replay, named, request, request.jobs)


def _count(stored: Connection) -> int:
    return int(stored.exec_driver_sql("SELECT count(*) FROM records").scalar_one())


def _named(scratch: Connection, request: Request) -> NamedArtifacts | None:
    return None if request.artifacts is None else NamedArtifacts(request.artifacts, scratch)


def _teller(
    replay: Replay, named: NamedArtifacts | None, asked: Asked
) -> Callable[[int, Entry | None], None]:
    def tell(seq: int, entry: Entry | None) -> None:
        if asked.structural or seq < asked.trusted:
            return
        if not asked.trusted:
            replay.see(seq, entry)
        if named is not None and entry is not None:
            named.see(seq, entry)

    return tell
