"""Appending to a ledger on PostgreSQL: an inbox that many fill, and one who is elected to empty it.

Whoever holds the log's key and gets the advisory lock is elected for one transaction: it writes its own batch and all
that waits in the inbox. Whoever does not get it, or has no key of the log's, puts its envelopes into the inbox and
waits for a notice; one of those with the key waits for the lock instead, to be the next. So a process without the log's
key can append as long as somebody with it does, or runs ``affidavit ledger sequence``.

Invariants:

- The row in the inbox goes away in the transaction in which its entries come to stand, or keeps the reason why not.
- A row is appended until its time is up, and never after: who gave up waiting and is told so has nothing to fear later.
- The lock ends with the transaction, and with the connection: an elected process that dies leaves the rows of its
  batch in the inbox, for the next.
- Where the connection is lost before the answer came, or no other can be had while a row waits in the inbox, nobody
  knows yet what stands. The database is waited for, as long as a submission may wait, and asked: what stands is
  acknowledged, what does not is offered again. An entry's id is unique in a ledger, so nothing is written twice.
- What came through the inbox is checked like everything else; a row that does not read is refused and not met again.
- What is decided on one view (`within`) is run inside the writing transaction by who holds the log's key, after waiting
  for the lock. Who does not hold it runs it on a view of its own that it can only read, and hands in the size of the
  ledger with it: appended only if nothing has come between, and otherwise tried again.

See docs/adr/0007-one-sequencer-writes.md.
"""

import time
from collections.abc import Callable, Sequence
from functools import partial

from sqlalchemy import Connection, Engine, event, select

from audit import errors, inbox_rows, postgres, tables
from audit.canonical import decode, encode
from audit.envelope import Envelope
from audit.errors import AffidavitError, Conflict, EnvironmentFailed, MalformedInput, NotPermitted
from audit.inbox_rows import ANSWERED, COME, Line, Row
from audit.keys import Signer
from audit.postgres_failures import is_away, was_lost
from audit.sequencer import Submission
from audit.statement import Statement
from audit.writer import Writer

__all__ = ["PATIENCE_SECONDS", "Inbox"]

PATIENCE_SECONDS = 30.0
"""How long a submission waits in the inbox for somebody to append it, and for a database that went away."""

LOOK_UP_SECONDS = 0.2
IDLE_SECONDS = 1.0
GIVE_UP_SECONDS = 5

_Posted = dict[int, Submission]

Take = Callable[[Connection], list[Row] | None]
"""Takes the ledger's lock and the rows that wait; None where the lock is not to be had."""


class Inbox:
    """Settles batches of submissions on PostgreSQL; `commit` is what a `Sequencer` calls."""

    def __init__(
        self,
        engine: Engine,
        writer: Writer,
        log_signer: Callable[[], Signer] | None,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        """Append as the elected one where there is a key of the log's (`log_signer`), else through the inbox."""
        self._engine = engine
        self._writer = writer
        self._log_signer = log_signer
        self._patience = patience
        self._alone = True
        line = self._line = Line(engine, ANSWERED)
        # With the engine's other connections: when the ledger is closed, and before a fork.
        event.listen(engine, "engine_disposed", lambda _: line.close())

    def commit(self, batch: Sequence[Submission]) -> None:
        """Settle a batch; where the connection is lost, wait for the database and find out what stands."""
        over, lost = time.monotonic() + self._patience, False
        while True:
            try:
                self._commit([s for s in batch if not s.is_settled])
                return
            except EnvironmentFailed as error:
                lost = lost or isinstance(error, _HandedIn) or was_lost(error)
                if not lost or not is_away(error):
                    raise
                if time.monotonic() >= over:
                    raise _in_doubt(self._patience) from error
                for submission in batch:
                    submission.doubtful = True
                time.sleep(LOOK_UP_SECONDS)

    def serve(self, is_over: Callable[[], bool], told: Callable[[int], None]) -> None:
        """Append what comes into the inbox until `is_over`; `told` hears how many rows were found there."""
        if self._log_signer is None:
            raise MalformedInput("the log's key is not at hand: a sequencer signs every head with it")
        with Line(self._engine, COME) as line:
            line.open()
            while not is_over():
                found = self._elected([], self._log_signer)
                if found is None:
                    line.heard(LOOK_UP_SECONDS)
                    continue
                told(found)
                if found == 0 and not is_over():
                    line.heard(IDLE_SECONDS)

    def _commit(self, batch: Sequence[Submission]) -> None:
        if self._log_signer is not None:
            decided = any(s.within is not None or s.log_signers for s in batch)
            take = inbox_rows.take_when_free if decided else inbox_rows.take
            # Where others were writing the last time, the lock is not likely to be free: the inbox is the short way.
            if (decided or self._alone) and self._elected(batch, self._log_signer, take) is not None:
                return
        self._settle_what_stands([s for s in batch if s.doubtful])
        waiting = [s for s in batch if not s.is_settled]
        self._hand_in([s for s in waiting if s.within is None])
        for submission in waiting:
            if submission.within is not None:
                self._hand_in_decided(submission)

    def _elected(
        self, batch: Sequence[Submission], log_signer: Callable[[], Signer], take: Take = inbox_rows.take
    ) -> int | None:
        """Write a batch, and what waits in the inbox, if the lock can be had; say how many rows that was, else None."""
        signer, written = log_signer(), None
        with tables.failures(), self._engine.connect() as connection, connection.begin():
            rows = take(connection)
            if rows is None:
                self._alone = False
                return None
            tables.upgrade(connection)
            posted, refused = _read(rows)
            every = [*batch, *posted.values()]
            if every:
                written = self._writer.write(connection, every, signer, goes_on=bool(posted))
                ended = dict(written.errors)
                refused += [_refusal(ended[s], number) for number, s in posted.items() if s in ended]
                stands = {submission for submission, _ in written.entries}
                posted = {number: s for number, s in posted.items() if s in stands}
            if posted or refused:
                inbox_rows.answer(connection, list(posted), refused)
        if written is not None:
            self._writer.settle(written)
        return len(rows)

    def _hand_in(self, batch: Sequence[Submission]) -> None:
        """Put submissions into the inbox and wait until each is settled."""
        if not batch:
            return
        self._line.open()  # before they are put: the notice of their end must be heard
        try:
            posted, is_next = self._put(batch)
            self._handed_in(posted, is_next)
        except BaseException:
            self._line.close()  # who is the next and goes away must not keep others from being it
            raise

    def _handed_in(self, posted: _Posted, is_next: bool) -> None:
        over = time.monotonic() + self._patience
        try:
            if is_next:
                self._lead_as_next(posted)
            self._wait_for(posted, over)
        except EnvironmentFailed as error:
            raise _HandedIn(
                f"{error}; the statement lies in the inbox and may be appended within {self._patience:g} s: look with "
                "`affidavit log` before you say it again"
            ) from error

    def _put(self, batch: Sequence[Submission]) -> tuple[_Posted, bool]:
        said = [encode([envelope.to_json() for envelope in submission.envelopes]) for submission in batch]
        sizes = [submission.if_size for submission in batch]
        numbers, is_next = self._line.put(said, sizes, self._patience, leads=self._log_signer is not None)
        return dict(zip(numbers, batch, strict=True)), is_next

    def _lead_as_next(self, posted: _Posted) -> None:
        """Wait for the lock in the place of all who put rows, and empty the inbox."""
        assert self._log_signer is not None
        try:
            take = partial(inbox_rows.take_as_next, seconds=self._patience, line=self._line)
            found = self._elected([], self._log_signer, take)
        except EnvironmentFailed as error:
            if not postgres.is_lock_taken(error):
                raise
            self._line.close()
        else:
            self._alone = found == len(posted)
            self._collect(posted)

    def _wait_for(self, posted: _Posted, over: float) -> None:
        while posted:
            left = over - time.monotonic()
            if left <= 0:
                self._give_up(posted)
                return
            heard = self._line.heard(min(left, LOOK_UP_SECONDS))
            if heard is None or heard & posted.keys():
                self._collect(posted)
            # Nothing was heard, and the one who was the next may be gone.
            if not posted or heard is not None or self._log_signer is None:
                continue
            if self._elected([], self._log_signer) is not None:
                self._collect(posted)

    def _collect(self, posted: _Posted) -> None:
        """Settle what was answered, and take it out of `posted`."""
        ids = {number: _entry_ids(submission) for number, submission in posted.items()}
        found = self._line.look(list(posted), [one for several in ids.values() for one in several])
        for number, submission in list(posted.items()):
            refused = found.waiting.get(number)
            if number not in found.waiting or submission.doubtful:
                submission.entries = submission.among(found.records)
            if not submission.entries and refused is not None:
                submission.error = _error(*refused)
            elif not submission.entries and number not in found.waiting:
                # Only a crash of the server takes a row away that was not answered; nobody can append it any more.
                submission.error = EnvironmentFailed("the inbox lost a statement: append it again")
            if submission.is_settled:
                del posted[number]

    def _settle_what_stands(self, batch: Sequence[Submission]) -> None:
        for submission in batch:
            submission.entries = submission.among(self._line.look([], _entry_ids(submission)).records)

    def _give_up(self, posted: _Posted) -> None:
        """Make sure that nobody is about to append what was waited for in vain, and say so."""
        with tables.failures(), self._engine.connect() as connection, connection.begin():
            postgres.lock(connection, GIVE_UP_SECONDS)
        self._collect(posted)
        for submission in posted.values():
            submission.error = EnvironmentFailed(
                f"nobody who holds the log's key appended it within {self._patience:g} s: nothing was written; start a "
                "sequencer with `affidavit ledger sequence` where the key is, and try again"
            )

    def _hand_in_decided(self, submission: Submission) -> None:
        """Hand in what was decided on a view, for exactly that view; try again where the ledger moved on."""
        over = time.monotonic() + self._patience
        while not submission.is_settled:
            submission.if_size = self._size_of_view(submission)
            self._hand_in([submission])
            if isinstance(submission.error, Conflict) and time.monotonic() < over:
                submission.error = None

    def _size_of_view(self, submission: Submission) -> int:
        reading = self._engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        with tables.failures(), reading.connect() as connection:
            size: int = connection.execute(select(tables.head.c.size)).scalar_one()
            if submission.within is not None:
                submission.within(connection)
            return size


class _HandedIn(EnvironmentFailed):
    """Something failed after the inbox had the rows: somebody may append them."""


def _read(rows: Sequence[Row]) -> tuple[_Posted, list[tuple[str, str, int]]]:
    """Read what rows say; those that do not read are refused, with the reason."""
    posted: _Posted = {}
    refused = []
    for row in rows:
        try:
            posted[row.number] = Submission(_envelopes(row.said), if_size=row.if_size)
        except AffidavitError as error:
            refused.append(_refusal(error, row.number))
    return posted, refused


def _refusal(error: Exception, number: int) -> tuple[str, str, int]:
    return type(error).__name__, str(error), number


def _entry_ids(submission: Submission) -> list[str]:
    return [Statement.parse(envelope.payload).text("entry_id") for envelope in submission.envelopes]


def _in_doubt(patience: float) -> EnvironmentFailed:
    return EnvironmentFailed(
        f"the connection to the ledger's database was lost, and it did not come back within {patience:g} s: what was "
        "under way stands whole or not at all, look with `affidavit log` before you say it again"
    )


def _envelopes(said: bytes) -> tuple[Envelope, ...]:
    listed = decode(said)
    if not isinstance(listed, list) or not listed:
        raise MalformedInput("a row of the inbox holds a list of envelopes")
    envelopes = tuple(Envelope.from_json(item) for item in listed)
    if any(Statement.parse(envelope.payload).kind == "log-rotate" for envelope in envelopes):
        # Its head is signed by the next key too, which nobody else has: no batch with it could be written.
        raise NotPermitted("the log's key is changed where both its keys are, and not through the inbox")
    return envelopes


def _error(name: str | None, sentence: str) -> Exception:
    """Make the error again that the elected one met; one that is not of ours keeps its words."""
    kind = getattr(errors, str(name), None) if name in errors.__all__ else None
    return kind(sentence) if kind is not None else EnvironmentFailed(f"the sequencer failed: {sentence}")
