"""The anchors of a ledger, opened for verification: which heads are vouched for outside it, by whom, since when.

An anchor binds a tree head: the first ``size`` entries had this root. Opening is a pure function of what is stored, of
what the auditor brought, of the keys that are pinned, and of the recomputed roots.

Rules:

- A cosignature or timestamp is checked over the head that was recomputed, not over a stored one: it verifies only if
  the history is the one that was anchored.
- Who may sign an anchor is pinned (`audit.anchor_settings`). An anchor of somebody whose key or certificate is not at
  hand is skipped and named so; one of a pinned name that does not verify is a finding.
- A file in the ledger's own folder is no anchor outside: it is compared, and counts for nothing.
- The rows are numbered from 1 without a gap, so that an accident shows. That the operator deleted the newest one, or
  deleted any and numbered the rest anew, nobody can notice: whoever got it from the witness or kept it elsewhere can.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from audit.anchor_file import AnchorFile
from audit.anchor_settings import SKEW_SECONDS, AnchorSettings, Authority
from audit.checkpoint import Checkpoint
from audit.cosignature import WitnessKey
from audit.errors import AffidavitError, EnvironmentFailed, NotVerified
from audit.log_keys import LogKeys
from audit.note import read_line

__all__ = [
    "Anchored",
    "Kept",
    "Kind",
    "Opened",
    "Problem",
    "RootAt",
    "StoredAnchor",
    "kept_in",
    "open_anchors",
]

Kind = Literal["file", "checkpoint file", "cosignature", "timestamp"]
RootAt = Callable[[int], bytes | None]


@dataclass(frozen=True, slots=True)
class StoredAnchor:
    """A row of the table `anchors`, as it was read."""

    number: Any
    kind: Any
    size: Any
    source: Any
    body: Any


@dataclass(frozen=True, slots=True)
class Kept:
    """A signed head that is kept in a file: its bytes (None where they are gone), and whether it lies outside."""

    kind: Literal["file", "checkpoint file"]
    source: str
    note: bytes | None
    outside: bool
    missing: str = "it is not at hand here"


@dataclass(frozen=True, slots=True)
class Anchored:
    """An anchor that was checked.

    `time` is what the anchor itself attests, in seconds since 1970, None where it attests none; `believe` says who must
    be believed for it.
    """

    kind: Kind
    source: str
    size: int
    root: bytes
    time: float | None
    believe: str
    outside: bool = True


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with an anchor, or with the history that it is of; `entry` is where to look."""

    sentence: str
    entry: int | None = None


@dataclass(frozen=True, slots=True)
class Opened:
    """All anchors of a ledger: those that hold, what is wrong, and what could not be checked."""

    held: tuple[Anchored, ...] = ()
    problems: tuple[Problem, ...] = ()
    skipped: tuple[str, ...] = ()

    @property
    def newest(self) -> Anchored | None:
        """The anchor outside the ledger that covers most entries; of two the one that attests a time, the newest.

        A file that the ledger itself writes always covers all: it is named only where nobody else vouches.
        """
        outside = [anchor for anchor in self.held if anchor.outside]
        by_others = [anchor for anchor in outside if anchor.kind != "file"]
        return max(
            by_others or outside, key=lambda a: (a.size, a.time is not None, a.time or 0), default=None
        )

    def count(self, kind: Kind) -> int:
        """Count the anchors of a kind that hold, and lie outside."""
        return sum(anchor.kind == kind and anchor.outside for anchor in self.held)


def kept_in(file: AnchorFile) -> Kept:
    """Read the head that is kept in an anchor file; without its bytes where they are not at hand."""
    try:
        note = file.read()
    except EnvironmentFailed:
        note = None
    if file.unread:
        return Kept("file", "of this ledger", None, False, f"{file.path.name}, which names it, does not read")
    # In the ledger's own folder its name says where it is.
    return Kept("file", str(file.path) if file.outside else file.path.name, note, file.outside)


def open_anchors(
    rows: Iterable[StoredAnchor],
    kept: Sequence[Kept],
    pinned: AnchorSettings,
    logs: LogKeys,
    size: int,
    root_at: RootAt,
    now: float,
) -> Opened:
    """Check every anchor of a ledger of `size` entries against its recomputed roots.

    `root_at` gives the root of the first entries, None beyond the end; `logs` are the log's keys as its entries name
    them (or as the auditor knows them); `now` is the clock at hand, in seconds since 1970.
    """
    opening = _Opening(pinned, logs, size, root_at, now)
    if pinned.unread:
        opening.problems.append(Problem(pinned.unread))
    for place in kept:
        opening.file(place)
    for position, row in enumerate(rows, start=1):
        opening.row(position, row)
    return Opened(tuple(opening.held), tuple(opening.problems), tuple(opening.skipped))


class _Opening:
    """Opens one anchor after the other."""

    def __init__(self, pinned: AnchorSettings, logs: LogKeys, size: int, root_at: RootAt, now: float) -> None:
        self.pinned, self.logs, self.size, self.root_at, self.now = pinned, logs, size, root_at, now
        self.held: list[Anchored] = []
        self.problems: list[Problem] = []
        self.skipped: list[str] = []

    def file(self, kept: Kept) -> None:
        """Open a head that is kept in a file."""
        named = (
            "the checkpoint that was given"
            if kept.kind == "checkpoint file"
            else f"the anchor file {kept.source}"
        )
        if kept.note is None:
            self.skipped.append(f"{named} ({kept.missing})")
            return
        try:
            head = self.logs.open(kept.note)
        except AffidavitError as error:
            self.problems.append(Problem(f"{named}: {error}"))
            return
        if head.size > self.size:
            self.problems.append(
                Problem(
                    f"the ledger has {self.size} entries, {named} {head.size}: its tail was cut off, or an old copy "
                    "was restored",
                    self.size,
                )
            )
        elif self.root_at(head.size) != head.root:
            self.problems.append(Problem(f"the first {head.size} entries are not those of {named}"))
        else:
            believe = (
                "whoever kept it" if kept.kind == "checkpoint file" else f"whoever can write {kept.source}"
            )
            self.held.append(
                Anchored(kept.kind, kept.source, head.size, head.root, None, believe, kept.outside)
            )

    def row(self, position: int, row: StoredAnchor) -> None:
        """Open a row of the table."""
        named = f"anchor {row.number}"
        if row.number != position:
            self.problems.append(
                Problem(f"{named} of the table anchors stands where anchor {position} should")
            )
        try:
            self._row(named, row)
        except AffidavitError as error:
            entry = row.size - 1 if type(row.size) is int and 0 < row.size <= self.size else None
            self.problems.append(Problem(f"{named}, by {row.source}: {error}", entry))

    def _row(self, named: str, row: StoredAnchor) -> None:
        if type(row.size) is not int or row.size < 1:
            raise NotVerified("its size is not a number of entries")
        if row.size > self.size:
            raise NotVerified(
                f"it is over {row.size} entries, the ledger has {self.size}: its tail was cut off, or an old copy was "
                "restored"
            )
        if self.logs.newest is None:
            raise NotVerified("the log's key is unknown, since the genesis entry does not read")
        head = Checkpoint(self.logs.newest.name, row.size, self.root_at(row.size) or b"")
        body = row.body if isinstance(row.body, bytes) else b""
        opened = {"cosignature": self._cosignature, "timestamp": self._timestamp}.get(str(row.kind))
        if opened is None:
            raise NotVerified(f"its kind {row.kind!r} is none")
        opened(named, str(row.source), head, body)

    def _cosignature(self, named: str, source: str, head: Checkpoint, body: bytes) -> None:
        line = read_line(body.decode("utf-8", "replace"))
        if line.name != source:
            raise NotVerified(f"the cosignature is by {line.name}")
        keys: list[WitnessKey] = [w.key for w in self.pinned.witnesses if w.key.name == source]
        if not keys:
            self.skipped.append(f"{named} (a cosignature by {source}, whose key is not at hand)")
            return
        if not keys[0].made(line):
            raise NotVerified("the cosignature is by another key than the pinned one")
        try:
            time = keys[0].time_of(line, head.text())
        except NotVerified:
            raise NotVerified(
                f"the cosignature does not verify over these first {head.size} entries: it was changed, or the witness "
                "saw another history"
            ) from None
        if time > self.now + SKEW_SECONDS:
            raise NotVerified("the cosignature is of a time in the future")
        self._hold("cosignature", source, head, float(time), f"the witness {source}")

    def _timestamp(self, named: str, source: str, head: Checkpoint, body: bytes) -> None:
        # Imported here: a ledger without timestamps is verified without their libraries.
        from audit.timestamp import check_granted, verify_stamp

        check_granted(body)
        by_others = [a for a in self.pinned.timestamps if a.url != source]
        own = [a for a in self.pinned.timestamps if a.url == source]

        def time_by(authority: Authority) -> float | None:
            try:
                return verify_stamp(body, authority, head.text(), now=self.now)
            except AffidavitError:
                return None

        for authority in own:
            time = time_by(authority)
            if time is not None:
                self._hold("timestamp", source, head, time, f"the time stamp authority {source}")
                return
        signer = next((a.url for a in by_others if time_by(a) is not None), None)
        if signer is not None:
            raise NotVerified(f"the timestamp is by {signer}")
        if own:
            verify_stamp(body, own[-1], head.text(), now=self.now)
        self.skipped.append(f"{named} (a timestamp by {source}, whose certificate is not at hand)")

    def _hold(
        self,
        kind: Literal["cosignature", "timestamp"],
        source: str,
        head: Checkpoint,
        time: float,
        believe: str,
    ) -> None:
        self.held.append(Anchored(kind, source, head.size, head.root, time, believe))
