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
from dataclasses import dataclass, replace
from functools import partial

from sqlalchemy import Connection, Engine, select
from sqlalchemy.exc import DatabaseError

from audit import tables
from audit.anchor_settings import AnchorSettings
from audit.anchors import Kept, Opened
from audit.errors import EnvironmentFailed
from audit.follower import Artifacts, Follower
from audit.log_keys import LogKeys
from audit.merkle import EMPTY_ROOT
from audit.note import VerifierKey
from audit.report import Findings, Report, Step, counted
from audit.verify_anchors import (
    AnchorSources,
    anchors_step,
    open_stored,
    signed_from,
    suspect_words,
    time_of,
)
from audit.verify_artifacts import NamedArtifacts
from audit.verify_checkpoints import Checkpoints
from audit.verify_range import RangeCheck
from audit.verify_tables import Replay
from audit.verify_tree import RecomputedTree, compare_head, compare_tiles

__all__ = ["verify_ledger"]

Progress = Callable[[int, int], None]
NAMES = ("records", "tree", "anchors", "signatures", "observed", "tables", "artifacts", "times")
_NOTHING = "no entry could be read"


@dataclass(frozen=True, slots=True)
class _Brought:
    """What the auditor brought."""

    checkpoint: bytes | None
    log_key: VerifierKey | None
    anchors: AnchorSources

    def sources(self) -> AnchorSources:
        """Say what anchors are opened with: what there is, and the checkpoint."""
        given = Kept("checkpoint file", "the checkpoint that was given", self.checkpoint, outside=True)
        kept = (*([] if self.checkpoint is None else [given]), *self.anchors.kept)
        return replace(self.anchors, kept=kept)

    def logs(self, said: LogKeys) -> LogKeys:
        """Return the log's keys as the entries say them, or the one that was given where they do not say it."""
        given = self.log_key
        return said if given is None or given in said.keys else LogKeys().then(0, given)


def verify_ledger(
    engine: Engine,
    *,
    followers: Sequence[Follower] = (),
    artifacts: Artifacts | None = None,
    checkpoint: bytes | None = None,
    log_key: VerifierKey | None = None,
    anchors: AnchorSources | None = None,
    progress: Progress | None = None,
) -> Report:
    """Verify the ledger in a database.

    `checkpoint` is a signed tree head that the auditor kept, `log_key` the log's key as known from outside, `anchors`
    what the stored anchors are checked with (by default nothing is pinned, and the clock is the machine's);
    `progress` is told the entries read so far and in all. Nothing is written to the ledger.
    """
    found = Findings(6, "tables")
    try:
        with engine.connect() as stored, tables.open_scratch().connect() as scratch:
            tables.read_any_text(stored)
            expected = tables.tables_of(tables.version_of(stored))
            replay = Replay(scratch, followers, expected)
            replay.compare_schema(stored)
            found = replay.found
            lost = tables.lost_columns(stored, expected)
            if lost:
                return _unreadable(found, f"the database has no {', '.join(lost)}")
            named = None if artifacts is None else NamedArtifacts(artifacts, scratch)
            brought = _Brought(
                checkpoint, log_key, anchors or AnchorSources(AnchorSettings(), (), clocks.time())
            )
            return _verify(stored, replay, named, brought, progress)
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
    replay: Replay,
    named: NamedArtifacts | None,
    brought: _Brought,
    progress: Progress | None,
) -> Report:
    heads = Findings(2, "tree")
    rows = iter(stored.execute(select(tables.checkpoints).order_by(tables.checkpoints.c.number)))
    with RecomputedTree() as tree:
        check = RangeCheck(tree, Checkpoints(heads, rows))
        total = stored.exec_driver_sql("SELECT count(*) FROM records").scalar_one()
        records = stored.execute(select(tables.records).order_by(tables.records.c.seq))
        for position, row in enumerate(records):
            if progress is not None and position % 256 == 0:
                progress(position, total)
            entry = check.see(row)
            replay.see(row.seq, entry)
            if named is not None and entry is not None:
                named.see(row.seq, entry)
        if progress is not None:
            progress(total, total)
        sources = brought.sources()
        opened = open_stored(
            stored,
            tables.tables_of(tables.version_of(stored)),
            sources,
            brought.logs(check.trust.logs),
            tree.size,
            tree.root_at,
        )
        anchor, anchors = anchors_step(
            opened, tree.size, sources.now, partial(time_of, stored), sources.pinned.resets
        )
        return Report(
            size=tree.size,
            root=tree.range().root().hex(),
            steps=(
                _records(check),
                _tree(heads, stored, check, brought),
                anchors,
                _signatures(check, stored, opened),
                _observed(check),
                replay.finish(stored, check.trust),
                _artifacts(named),
                _times(check),
            ),
            anchor=anchor,
        )


def _unreadable(found: Findings, reason: str) -> Report:
    found.add(reason)
    steps = [Findings(n, name).skipped(f"not done: {reason}") for n, name in enumerate(NAMES, 1)]
    steps[5] = found.step("")
    return Report(size=0, root=EMPTY_ROOT.hex(), steps=tuple(steps))


def _records(check: RangeCheck) -> Step:
    count = check.records.figures["records"]
    if count == 0:
        check.records.add("the table records is empty: not even the genesis entry is there", 0)
    return check.records.step(f"{counted(count, 'record')} parse, are canonical and chain")


def _tree(found: Findings, stored: Connection, check: RangeCheck, brought: _Brought) -> Step:
    tree, checkpoints = check.tree, check.checkpoints
    compare_tiles(found, stored, tree)
    checkpoints.finish(tree, check.trust, brought.log_key)
    expected = {
        "id": 1,
        "size": tree.size,
        "compact_range": tree.range().to_bytes(),
        "last_leaf": bytes.fromhex(check.last_leaf) if tree.size else b"",
        "last_time": check.last_time,
        "checkpoints": checkpoints.number,
    }
    compare_head(found, stored, expected)
    given = ", which is the one that was given" if brought.log_key is not None else ""
    return found.step(
        f"root {tree.range().root().hex()[:16]}… recomputed from {counted(tree.size, 'leaf', 'leaves')}; "
        f"{counted(found.figures['checkpoints'], 'checkpoint')} match and are signed by the log's key{given}"
    )


def _signatures(check: RangeCheck, stored: Connection, opened: Opened) -> Step:
    found, grants = check.signatures, check.trust.grants.values()
    if not found.figures["signatures"]:
        return found.skipped(_NOTHING)
    found.figures["keys"] = len(grants)
    suspect = suspect_words(grants, partial(signed_from, stored), opened, partial(time_of, stored))
    by = counted(len(grants), "key")
    return found.step(
        f"{counted(found.figures['signatures'], 'signature')} by {by} that held their roles{suspect}"
    )


def _observed(check: RangeCheck) -> Step:
    count = check.observed.figures["tree heads"]
    if not count:
        return check.observed.skipped(_NOTHING)
    return check.observed.step(f"{counted(count, 'tree head')} that signers saw are part of this history")


def _artifacts(named: NamedArtifacts | None) -> Step:
    if named is None:
        reason = "no artifact store was given, so the bytes behind the digests were not read"
        return Findings(7, "artifacts").skipped(reason)
    return named.finish()


def _times(check: RangeCheck) -> Step:
    if not check.first_time:
        return check.times.skipped(_NOTHING)
    passed = f"the log's times run from {check.first_time} to {check.last_time} without going back"
    return check.times.step(passed)
