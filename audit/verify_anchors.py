"""What the anchors of a ledger come to: step 3 of verification, and what they say about suspect entries.

Rules:

- The step passes by an anchor outside the ledger's folder that holds, and fails by one that does not. Without one it
  is skipped, whatever lies inside the folder.
- The age of an anchor is told by the time that it attests. A plain file attests none: its age is that of the newest
  entry that it covers, by the log's own clock, and it is said so.
- What could have been changed since is said: the entries after the newest anchor outside, and what was cut off.
- A file that the ledger itself writes is named as the newest only where nobody else vouches: it always covers all.
- A suspect entry that an older anchor covers stood there before its key was revoked; one that none covers may have
  been put there at any time. Older is an anchor over no more entries than there were before the revocation, which
  attests no time after the log's time of it. What the key signs after it was granted roles again is not suspect.
"""

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Table, select

from audit import tables
from audit.anchor_settings import AnchorSettings, Reset
from audit.anchors import Anchored, Kept, Kind, Opened, RootAt, StoredAnchor, open_anchors
from audit.doubt import Doubts
from audit.grants import Grant, Suspicion
from audit.log_keys import LogKeys
from audit.record import readable_record
from audit.report import Anchor, Findings, Step, counted, listed

__all__ = [
    "AnchorSources",
    "anchors_step",
    "open_stored",
    "read_anchors",
    "signed_in_doubt",
    "suspect_words",
    "time_of",
]

TimeOf = Callable[[int], float | None]
"""Gives the log's time of an entry, in seconds since 1970; None where it does not read."""

_MOST_NAMED = 20
_KINDS: dict[Kind, tuple[str, ...]] = {
    "cosignature": ("cosignature",),
    "timestamp": ("timestamp",),
    "checkpoint file": ("checkpoint that was given", "checkpoints that were given"),
    "file": ("anchor file",),
}
_NONE = (
    "no anchor outside the ledger was at hand (--checkpoint FILE, `affidavit anchor add`): a tail that was cut off "
    "cleanly, or a history signed anew with stolen keys, would not be seen"
)


@dataclass(frozen=True, slots=True)
class AnchorSources:
    """What anchors are opened with: pinned keys, heads kept in files, and the clock at hand (seconds since 1970)."""

    pinned: AnchorSettings
    kept: tuple[Kept, ...]
    now: float


def open_stored(
    stored: Connection,
    expected: Sequence[Table],
    sources: AnchorSources,
    logs: LogKeys,
    size: int,
    root_at: RootAt,
) -> Opened:
    """Open every anchor of a stored ledger; `expected` are the tables that it has (an older one has no `anchors`)."""
    rows = read_anchors(stored, expected)
    return open_anchors(rows, sources.kept, sources.pinned, logs, size, root_at, sources.now)


def read_anchors(stored: Connection, expected: Sequence[Table]) -> Iterator[StoredAnchor]:
    """Yield the rows of the table `anchors` in order; an older ledger has no such table."""
    columns = tables.anchors.c
    query = select(columns.number, columns.kind, columns.size, columns.source, columns.body)
    if tables.anchors in expected:
        for row in stored.execute(query.order_by(columns.number)):
            yield StoredAnchor(*row)


def time_of(stored: Connection, seq: int) -> float | None:
    """Read the log's time of an entry, in seconds since 1970; None where it does not read."""
    found = stored.execute(select(tables.records.c.record).where(tables.records.c.seq == seq)).scalar()
    entry = readable_record(found)
    return None if entry is None else datetime.fromisoformat(entry.time).timestamp()


def signed_in_doubt(stored: Connection, doubts: Doubts) -> dict[str, "array[int]"]:
    """Read which entries in doubt each key signed, alone or with others; nothing is read where no key is doubted."""
    found: dict[str, array[int]] = {}
    names = [keyid.encode() for keyid in doubts.by_key]
    first = min((doubt.since for several in doubts.by_key.values() for doubt in several), default=None)
    if first is None:
        return found
    query = select(tables.records.c.record).where(tables.records.c.seq >= first)
    for record in stored.execute(query.order_by(tables.records.c.seq)).scalars():
        # Most entries are in no doubt: who signed one stands in its bytes.
        if not isinstance(record, bytes) or not any(name in record for name in names):
            continue
        entry = readable_record(record)
        for keyid in entry.envelope.keyids if entry is not None else ():
            if entry is not None and doubts.reason(keyid, entry.seq) is not None:
                found.setdefault(keyid, array("Q")).append(entry.seq)
    return found


def anchors_step(
    opened: Opened, size: int, now: float, log_time: TimeOf, resets: Sequence[Reset] = ()
) -> tuple[Anchor | None, Step]:
    """Answer step 3 of a ledger of `size` entries, and give the anchor that the report names."""
    found = Findings(3, "anchors")
    for kind in _KINDS:
        found.figures[f"{kind}s"] = opened.count(kind)
    found.figures["skipped"] = len(opened.skipped)
    for problem in opened.problems:
        found.add(problem.sentence, problem.entry)
    notes = [*_inside(opened), *_given_up(resets), *_not_checked(opened)]
    newest = opened.newest
    if newest is None:
        return None, found.skipped("; ".join([_NONE, *notes]))
    age = _age(newest, now, log_time)
    said = [_held(opened), _newest(newest, age), _since(newest, size), *notes]
    return Anchor(newest.kind, newest.size, age), found.step("; ".join(said))


def suspect_words(
    grants: Iterable[Grant],
    signed: Mapping[str, Sequence[int]],
    opened: Opened,
    log_time: TimeOf,
) -> str:
    """Say of every suspect key which of the entries that it signed an older anchor covers; empty for no such key.

    `signed` has the numbers of the entries in doubt that each key signed, rising.
    """
    said = []
    for grant in grants:
        told: set[int] = set()
        for suspicion in grant.suspicions:
            new = [seq for seq in signed.get(grant.keyid, ()) if suspicion.covers(seq) and seq not in told]
            told.update(new)
            said.append(_suspect_words(grant, suspicion, new, _older_cover(suspicion, opened, log_time)))
    return "".join(f"; {words}" for words in said)


def _suspect_words(grant: Grant, suspicion: Suspicion, entries: list[int], older: Anchored | None) -> str:
    first, last = suspicion.since, suspicion.until
    where = f"in entry {first}" if first == last else f"in the entries {first} to {last}"
    words = f"what the key {grant.name!r} ({grant.keyid[:16]}…) signed {where} is suspect"
    if not entries:
        return f"{words}: it signed none"
    covered = 0 if older is None else older.size
    stood, bare = [s for s in entries if s < covered], [s for s in entries if s >= covered]
    parts = []
    if stood and older is not None:
        anchor = f"{_named(older)} over {counted(covered, 'entry', 'entries')}"
        parts.append(f"{listed(stood)} stood there before the revocation ({anchor})")
    if bare:
        parts.append(f"{listed(bare)} {'are' if len(bare) > 1 else 'is'} covered by no older anchor")
    return f"{words}: {', '.join(parts)}"


def _older_cover(suspicion: Suspicion, opened: Opened, log_time: TimeOf) -> Anchored | None:
    """Find, of the anchors from before the revocation of a key, the one that covers most entries."""
    revoked_at = log_time(suspicion.until)
    older = [
        anchor
        for anchor in opened.held
        if anchor.outside
        and anchor.size <= suspicion.until
        and (anchor.time is None or revoked_at is None or anchor.time <= revoked_at)
    ]
    return max(older, key=lambda anchor: anchor.size, default=None)


def _held(opened: Opened) -> str:
    words = [counted(opened.count(kind), *_KINDS[kind]) for kind in _KINDS if opened.count(kind)]
    many = len(words) > 1 or not words[0].startswith("1 ")
    return f"{', '.join(words)} {'are' if many else 'is'} of this history"


def _newest(newest: Anchored, age: int | None) -> str:
    by = "" if newest.time is not None else " by the log's own time of its newest entry"
    old = "of unknown age" if age is None else f"{_span(age)} old{by}"
    entries = counted(newest.size, "entry", "entries")
    return f"the newest, {_named(newest)}, is over {entries} and {old} (to be believed: {newest.believe})"


def _since(newest: Anchored, size: int) -> str:
    if newest.size == size:
        return "it covers every entry; later ones that were cut off would not be seen"
    entries = (
        f"entry {newest.size} is" if size == newest.size + 1 else f"entries {newest.size} to {size - 1} are"
    )
    them = "it" if size == newest.size + 1 else "them"
    return (
        f"{entries} covered by no anchor outside: whoever holds the log's key and the signers' keys could have changed "
        f"or cut {them}"
    )


def _inside(opened: Opened) -> list[str]:
    return [
        f"{anchor.source} (size {anchor.size}) agrees, but lies in the ledger's own folder and goes where that goes: "
        "it is no anchor outside"
        for anchor in opened.held
        if not anchor.outside
    ]


def _given_up(resets: Sequence[Reset]) -> list[str]:
    return [f"the anchor file was set anew on {reset.time} ({reset.reason})" for reset in resets]


def _not_checked(opened: Opened) -> list[str]:
    if not opened.skipped:
        return []
    more = len(opened.skipped) - _MOST_NAMED
    tail = f" and {more} more" if more > 0 else ""
    return [f"not checked: {', '.join(opened.skipped[:_MOST_NAMED])}{tail}"]


def _age(anchor: Anchored, now: float, log_time: TimeOf) -> int | None:
    time = anchor.time if anchor.time is not None else log_time(anchor.size - 1)
    return None if time is None else max(0, int(now - time))


def _named(anchor: Anchored) -> str:
    return {
        "cosignature": f"the cosignature by {anchor.source}",
        "timestamp": f"the timestamp by {anchor.source}",
        "checkpoint file": "the checkpoint that was given",
        "file": f"the file {anchor.source}",
    }[anchor.kind]


def _span(seconds: int) -> str:
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= 2 * length or (unit == "minute" and seconds >= length):
            return counted(seconds // length, unit)
    return counted(seconds, "second")
