"""What the eight steps of verification answer, from what was recomputed and found.

A step that was not asked for, or not in full, says so: `Asked` (`audit.verify_range`) is how much was recomputed. The
definitions in the database are compared whatever was asked for, since every other step reads through them: one that is
not affidavit's fails step 6, where that would be skipped.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from sqlalchemy import Connection, Engine, select

from audit import tables
from audit.anchors import Kept, Opened
from audit.checkpoint import Checkpoint
from audit.doubt import Doubts, entries_of, granted_words
from audit.evidence import NOTHING_READ
from audit.follower import Artifacts, Follower
from audit.log_keys import LogKeys
from audit.note import Note, VerifierKey
from audit.report import STEPS, Findings, Report, Step, counted
from audit.trust import Trust
from audit.verify_anchors import (
    AnchorSources,
    anchors_step,
    open_stored,
    signed_in_doubt,
    suspect_words,
    time_of,
)
from audit.verify_artifacts import NamedArtifacts
from audit.verify_range import Asked
from audit.verify_tables import Replay
from audit.verify_tree import compare_head
from audit.verify_whole import Progress, Whole

__all__ = ["Request", "records_read", "report_of", "unreadable"]

_STRUCTURAL = "left out: only the structure was asked for (--structural)"


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be verified with what, and what the auditor brought."""

    followers: Sequence[Follower]
    artifacts: Artifacts | None
    checkpoint: bytes | None
    log_key: VerifierKey | None
    anchors: AnchorSources
    asked: Asked
    jobs: int
    progress: Progress

    def sources(self) -> AnchorSources:
        """Say what anchors are opened with: what there is, and the checkpoint."""
        given = Kept("checkpoint file", "the checkpoint that was given", self.checkpoint, outside=True)
        kept = (*([] if self.checkpoint is None else [given]), *self.anchors.kept)
        return replace(self.anchors, kept=kept)

    def logs(self, said: LogKeys) -> LogKeys:
        """Return the log's keys as the entries say them, or the one that was given where they do not say it."""
        given = self.log_key
        return said if given is None or given in said.keys else LogKeys().then(0, given)


def report_of(
    stored: Connection,
    whole: Whole,
    replay: Replay,
    named: NamedArtifacts | None,
    request: Request,
    processes: int,
) -> Report:
    """Close every step; `processes` worked on the records."""
    whole.found["records"].figures["processes"] = processes
    asked, sources = request.asked, request.sources()
    expected = tables.tables_of(tables.version_of(stored))
    opened = open_stored(stored, expected, sources, request.logs(whole.trust.logs), whole.size, whole.root_at)
    anchor, anchors = anchors_step(
        opened, whole.size, sources.now, partial(time_of, stored), sources.pinned.resets
    )
    return Report(
        size=whole.size,
        root=whole.tree.root().hex(),
        steps=(
            _records(whole, request),
            _tree(whole, stored, request),
            anchors,
            _signatures(whole, asked, stored, opened),
            _observed(whole, asked),
            _tables(replay, stored, whole.trust, asked),
            _artifacts(named, asked),
            _times(whole, asked),
        ),
        anchor=anchor,
    )


def unreadable(found: Findings, reason: str, read: int) -> Report:
    """Say that the database cannot be read whole, after so many records, and what was found until then.

    Nothing was recomputed, so there is no root; the size is the number of records that could be read.
    """
    where = f"the database cannot be read past entry {read - 1}" if read else "the database cannot be read"
    found.add(f"{where}: {reason}; restore it from a copy, and compare that with a checkpoint kept elsewhere")
    steps = [Findings(n, name).skipped(f"not done: {where}") for n, name in enumerate(STEPS, 1)]
    steps[5] = found.step("")
    return Report(size=read, root="", steps=tuple(steps))


def records_read(engine: Engine) -> int:
    """Count the records that a damaged database still gives in order, without a gap."""
    read = 0
    query = select(tables.records.c.seq, tables.records.c.record).order_by(tables.records.c.seq)
    # Of what is damaged any call can raise anything: what was read before it counts.
    with suppress(Exception), tables.snapshot(engine) as stored:
        tables.read_any_text(stored)
        for seq, _ in stored.execute(query):
            if seq != read:
                break
            read += 1
    return read


def _records(whole: Whole, request: Request) -> Step:
    found, asked = whole.found["records"], request.asked
    count = found.figures["records"]
    if count == 0:
        found.add("the table records is empty: not even the genesis entry is there", 0)
    if asked.trusted and request.checkpoint is not None:
        if whole.root_at(asked.trusted) != Checkpoint.parse(Note.parse(request.checkpoint).text).root:
            found.add(
                f"the records before entry {asked.trusted} do not hash to the checkpoint that was given"
            )
        rest = counted(max(0, count - asked.trusted), "record")
        return found.step(
            f"the records before entry {asked.trusted} hash to the checkpoint that was given, which stands for what "
            f"they say; {rest} from there on parse, are canonical and chain"
        )
    return found.step(f"{counted(count, 'record')} parse, are canonical and chain")


def _tree(whole: Whole, stored: Connection, request: Request) -> Step:
    found = whole.found["tree"]
    if request.log_key is not None and request.log_key not in whole.trust.logs.keys:
        found.add("the log's key in the genesis entry is not the key that was given with --key", 0)
    expected = {
        "id": 1,
        "size": whole.size,
        "compact_range": whole.tree.to_bytes(),
        "last_leaf": whole.last_leaf,
        "last_time": whole.last_time,
        "checkpoints": whole.checkpoints,
    }
    compare_head(found, stored, expected)
    given = ", which is the one that was given" if request.log_key is not None else ""
    of = f" of more than {request.asked.trusted} entries" if request.asked.trusted else ""
    return found.step(
        f"root {whole.tree.root().hex()[:16]}… recomputed from {counted(whole.size, 'leaf', 'leaves')}; "
        f"{counted(found.figures['checkpoints'], 'checkpoint')}{of} match and are signed by the log's key{given}"
    )


def _signatures(whole: Whole, asked: Asked, stored: Connection, opened: Opened) -> Step:
    if asked.structural:
        return Findings(4, "signatures").skipped(_STRUCTURAL)
    found = whole.found["signatures"]
    if not found.figures["signatures"] and not asked.trusted:
        return found.skipped(NOTHING_READ)
    # Of the keys that the ledger knows, those that signed: one that was granted and never used held nothing up.
    keys = found.figures["keys"] = len(whole.signers & whole.trust.grants.keys())
    doubts = Doubts.of(whole.trust.grants)
    signed = signed_in_doubt(stored, doubts)
    doubted = doubts.doubted(signed)
    found.figures["in doubt"] = len(entries_of(doubted))
    words = suspect_words(whole.trust.grants.values(), signed, opened, partial(time_of, stored))
    words += "".join(f"; {said}" for said in granted_words(doubted, whole.trust.grants))
    by = counted(keys, "key")
    return found.step(
        f"{counted(found.figures['signatures'], 'signature')}{_from(asked)} by {by} that held their roles{words}"
    )


def _observed(whole: Whole, asked: Asked) -> Step:
    if asked.structural:
        return Findings(5, "observed").skipped(_STRUCTURAL)
    found = whole.found["observed"]
    count = found.figures["tree heads"]
    if not count and not asked.trusted:
        return found.skipped(NOTHING_READ)
    return found.step(
        f"{counted(count, 'tree head')} that signers saw{_from(asked)} are part of this history"
    )


def _tables(replay: Replay, stored: Connection, trust: Trust, asked: Asked) -> Step:
    if asked.structural:
        return replay.found.skipped(_STRUCTURAL)
    if asked.trusted:
        return replay.found.skipped(
            "an incremental verification does not read what the entries before its checkpoint say, and replaying needs "
            "all of them"
        )
    return replay.finish(stored, trust)


def _artifacts(named: NamedArtifacts | None, asked: Asked) -> Step:
    if asked.structural:
        return Findings(7, "artifacts").skipped(_STRUCTURAL)
    if named is None:
        reason = "no artifact store was given, so the bytes behind the digests were not read"
        return Findings(7, "artifacts").skipped(reason)
    return named.finish(_from(asked))


def _times(whole: Whole, asked: Asked) -> Step:
    found = whole.found["times"]
    if 0 < whole.size <= asked.trusted:
        return found.skipped("no entry stands after the checkpoint that was given")
    if not whole.first_time:
        return found.skipped(NOTHING_READ)
    return found.step(f"the log's times run from {whole.first_time} to {whole.last_time} without going back")


def _from(asked: Asked) -> str:
    return f" from entry {asked.trusted} on" if asked.trusted else ""
