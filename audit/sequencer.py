"""Group commit: many threads append at once, one of them commits for all that wait.

Callers sign in their own threads, outside any lock, and submit envelopes. Whoever finds nobody leading leads: it takes
all that waits, commits it in one transaction, and tells each of the others how theirs ended. There is no thread in the
background, so there is nothing to start, to stop, or to die unseen.

Invariants:

- A submission is in the queue, in the batch of the one who leads, or settled. It is settled once.
- It is settled as written only after the transaction that wrote it is durable. Nothing else acknowledges.
- A submission that fails (a conflict, a signature, a follower that raises) fails alone: the others of its batch stand.
- A caller that is interrupted while it waits takes its submission back if nobody has begun it. If it was begun, it may
  stand in the ledger or not, as with any interrupted append: it was not acknowledged.
- A leader that is interrupted settles nothing by guess. Each of those that wait offers its own submission again, as
  `doubtful`: who commits it looks first whether it stands already, so it is neither lost nor written twice.
- Where that look fails, what is said is that it may stand: "nothing was written" would be a guess.
- An interrupt is whatever is raised and not an error of ours: a signal's handler may raise any class (`TimeoutError`),
  between the commit and its acknowledgement too. Only an error of ours says that nothing of the batch was written.
- Who waits looks up once a second, so that a leader that was struck down between two steps leaves nobody waiting.
- A fork waits until no batch is being written and nobody looks into the database to sign; the child begins with an
  empty queue, since those who wait are threads of the parent.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from sqlalchemy import Connection

from audit.envelope import Envelope
from audit.errors import AffidavitError, EnvironmentFailed, MalformedInput
from audit.forks import at_fork
from audit.keys import Signer
from audit.record import Entry, parse_record
from audit.statement import Statement

__all__ = ["Sequencer", "Submission", "Within"]

Within = Callable[[Connection], None]
"""Runs inside the writing transaction, before the submission is placed; may raise `Conflict`."""

MOST_IN_A_BATCH = 1_024
LOOK_UP_SECONDS = 1.0
MOST_SECONDS_OF_WAITING = 0.02


@dataclass(slots=True, eq=False)
class Submission:
    """Envelopes that go into the ledger together or not at all, and how that ended.

    `log_signers` are keys of the log that sign the head besides the one at hand: the next one, when it changes. With
    `if_size` it is refused unless the ledger has just so many entries. `verified` are those of its envelopes whose
    signatures whoever submits has verified (see `envelope.verified`), so that the one who writes does not.
    """

    envelopes: tuple[Envelope, ...]
    within: Within | None = None
    log_signers: tuple[Signer, ...] = ()
    verified: frozenset[Envelope] = frozenset()
    if_size: int | None = None
    doubtful: bool = False
    entries: tuple[Entry, ...] = field(default=(), repr=False)
    error: Exception | None = None

    @property
    def is_settled(self) -> bool:
        """Whether it was written or refused."""
        return bool(self.entries) or self.error is not None

    def among(self, records: Mapping[str, bytes]) -> tuple[Entry, ...]:
        """Find its entries among records by the ids of their statements; none, unless each of them is as it was signed.

        An id alone shows nothing: who saw it on its way can have said something else under it.
        """
        ids = [Statement.parse(envelope.payload).text("entry_id") for envelope in self.envelopes]
        found = tuple(parse_record(records[one]) for one in ids if one in records)
        return found if tuple(entry.envelope for entry in found) == self.envelopes else ()

    def outcome(self) -> list[Entry]:
        """Return the entries, or raise what refused them."""
        if self.error is not None:
            raise self.error
        return list(self.entries)


Commit = Callable[[Sequence[Submission]], None]
"""Writes a batch and settles its submissions. One that it leaves unsettled is offered again."""


class Sequencer:
    """The queue of one ledger in one process."""

    def __init__(self, commit: Commit) -> None:
        """Commit batches with `commit`, which is never called by two threads at once."""
        self._commit = commit
        self._leader: int | None = None
        self._lookers = 0
        self._begin()
        at_fork(self, before=Sequencer._pause, in_parent=Sequencer._resume, in_child=Sequencer._begin)

    def submit(self, submission: Submission) -> list[Entry]:
        """Wait until a submission is written, and return its entries; raise what refused it."""
        with self._mutex:
            self._queue.append(submission)
            if len(self._queue) >= self._company:
                self._gathered.notify()
        try:
            while not submission.is_settled:
                self._lead(submission)
        except BaseException:
            with self._mutex:
                if submission in self._queue:
                    self._queue.remove(submission)
            raise
        return submission.outcome()

    @contextmanager
    def looking(self) -> Iterator[None]:
        """Look into the database for what will be submitted; a fork waits until that is done."""
        with self._mutex:
            self._lookers += 1
        try:
            yield
        finally:
            with self._mutex:
                self._lookers -= 1
                self._still.notify_all()

    def _lead(self, own: Submission) -> None:
        """Wait for one's own submission to be settled, or for nobody to lead; then lead for one batch."""
        me = threading.get_ident()
        if self._leader == me:
            raise MalformedInput("an append inside another one cannot be: append when that has returned")
        try:
            with self._mutex:
                while self._leader is not None and not own.is_settled:
                    self._changed.wait(LOOK_UP_SECONDS)
                if own.is_settled:
                    return
                self._leader = me
                self._gather()
                batch = self._take(own)
            begun = time.monotonic()
            self._settle(batch)
            self._company, self._took = len(batch) + len(self._queue), time.monotonic() - begun
        finally:
            if self._leader == me:
                self._leader = None
                with self._mutex:
                    self._changed.notify_all()
                    self._still.notify_all()

    def _gather(self) -> None:
        """Wait a little for those who came together the last time: they share a commit, or take turns at two."""
        until = time.monotonic() + min(self._took / 2, MOST_SECONDS_OF_WAITING)
        while len(self._queue) < self._company and (left := until - time.monotonic()) > 0:
            self._gathered.wait(left)

    def _take(self, own: Submission) -> list[Submission]:
        batch = []
        if own not in self._queue:
            # It was in the batch of one who led and did not settle it.
            own.doubtful = True
            batch.append(own)
        while self._queue and len(batch) < MOST_IN_A_BATCH:
            batch.append(self._queue.popleft())
        return batch

    def _settle(self, batch: Sequence[Submission]) -> None:
        try:
            self._commit(batch)
        except AffidavitError as error:
            for submission in batch:
                if not submission.is_settled:
                    unknown = submission.doubtful and isinstance(error, EnvironmentFailed)
                    submission.error = _in_doubt(error) if unknown else error

    def _begin(self) -> None:
        self._mutex = threading.Lock()
        self._changed = threading.Condition(self._mutex)
        self._gathered = threading.Condition(self._mutex)
        self._still = threading.Condition(self._mutex)
        self._company, self._took = 0, 0.0
        self._queue: deque[Submission] = deque()
        self._leader, self._lookers = None, 0

    def _pause(self) -> None:
        """Hold the queue still for a fork: nothing is half-written, and nobody holds the lock in the child."""
        self._mutex.acquire()
        while self._lookers or self._leader not in (None, threading.get_ident()):
            self._still.wait(LOOK_UP_SECONDS)

    def _resume(self) -> None:
        self._mutex.release()


def _in_doubt(error: AffidavitError) -> EnvironmentFailed:
    """Say of a submission that was under way before that nobody could tell whether it stands."""
    return EnvironmentFailed(
        f"the entry was under way when its writing was interrupted, and then whether it stands could not be told "
        f"({error}): look with `affidavit log` before you say it again"
    )
