"""Appending to a ledger on PostgreSQL: an inbox that many fill, and one who is elected to empty it.

Whoever holds the log's key and gets the advisory lock is elected for one transaction: it writes its own batch and all
that waits in the inbox. Whoever does not get it, or has no key of the log's, puts its envelopes into the inbox and
waits for a notice. So a process without the log's key can append as long as somebody with it does, or runs
``affidavit ledger sequence``.

Invariants:

- The row in the inbox goes away in the transaction in which its entries come to stand, or keeps the reason why not.
- A row is appended until its time is up, and never after: who gave up waiting and is told so has nothing to fear later.
- The lock ends with the transaction, and with the connection: an elected process that dies leaves the rows of its
  batch in the inbox, for the next.
- What came through the inbox is checked like everything else; a row that does not read is refused and not met again.
- What is decided on one view (`within`) is run inside the writing transaction by who holds the log's key, after waiting
  for the lock. Who does not hold it runs it on a view of its own that it can only read, and hands in the size of the
  ledger with it: appended only if nothing has come between, and otherwise tried again.

See docs/adr/0007-one-sequencer-writes.md.
"""

import time
from collections.abc import Callable, Sequence

from sqlalchemy import Connection, Engine, bindparam, delete, func, select, text, update

from audit import errors, postgres, tables
from audit.canonical import decode, encode
from audit.envelope import Envelope
from audit.errors import AffidavitError, Conflict, EnvironmentFailed, MalformedInput, NotPermitted
from audit.keys import Signer
from audit.postgres import LOCK, inbox
from audit.sequencer import Submission
from audit.statement import Statement
from audit.writer import Writer, standing

__all__ = ["PATIENCE_SECONDS", "Inbox"]

PATIENCE_SECONDS = 30.0
"""How long a submission waits in the inbox for somebody to append it."""

LOOK_UP_SECONDS = 0.05
IDLE_SECONDS = 1.0
MOST_ROWS = 1_000
_COME, _GONE = "affidavit_inbox", "affidavit_appended"

_TRY_LOCK = text(f"SELECT pg_try_advisory_xact_lock({LOCK})")
_COUNT = (
    select(func.count())
    .select_from(inbox)
    .where(inbox.c.refused.is_(None), inbox.c.until > func.clock_timestamp())
)
_WAITING = (
    select(inbox.c.number, inbox.c.said, inbox.c.if_size)
    .where(inbox.c.refused.is_(None), inbox.c.until > func.clock_timestamp())
    .order_by(inbox.c.number)
    .limit(MOST_ROWS)
)
_PUT = text(
    "INSERT INTO inbox (said, if_size, until) "
    "VALUES (:said, :if_size, clock_timestamp() + make_interval(secs => :seconds)) RETURNING number"
)
_OUTCOMES = select(inbox.c.number, inbox.c.refused_as, inbox.c.refused).where(
    inbox.c.number.in_(bindparam("numbers", expanding=True))
)
_DELETE = delete(inbox).where(inbox.c.number.in_(bindparam("numbers", expanding=True)))
_REFUSE = (
    update(inbox)
    .where(inbox.c.number == bindparam("row"))
    .values(refused_as=bindparam("as_what"), refused=bindparam("why"))
)
_FORGET = text("DELETE FROM inbox WHERE until < clock_timestamp() - interval '1 day'")

_Posted = dict[int, Submission]


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

    def commit(self, batch: Sequence[Submission]) -> None:
        """Settle a batch."""
        if self._log_signer is not None:
            decided = any(s.within is not None or s.log_signers for s in batch)
            if self._elected(batch, self._log_signer, wait=decided):
                return
        free = [s for s in batch if s.within is None]
        if free:
            self._hand_in(free)
        for submission in batch:
            if submission.within is not None:
                self._hand_in_decided(submission)

    def serve(self, is_over: Callable[[], bool], told: Callable[[int], None]) -> None:
        """Append what comes into the inbox until `is_over`; `told` hears how many rows wait."""
        if self._log_signer is None:
            raise MalformedInput("the log's key is not at hand: a sequencer signs every head with it")
        with tables.failures(), postgres.listening(self._engine, _COME) as wait:
            while not is_over():
                waiting = self._waiting()
                told(waiting)
                if waiting == 0:
                    wait(0.0 if is_over() else IDLE_SECONDS)
                elif not self._elected([], self._log_signer):
                    wait(LOOK_UP_SECONDS)

    def _waiting(self) -> int:
        with tables.failures(), postgres.glance(self._engine) as connection:
            return connection.execute(_COUNT).scalar_one()

    def _elected(
        self, batch: Sequence[Submission], log_signer: Callable[[], Signer], *, wait: bool = False
    ) -> bool:
        """Write a batch, and what waits in the inbox, if the lock can be had; say whether it could."""
        signer = log_signer()
        with (
            tables.failures(),
            self._engine.connect() as connection,
            connection.execution_options(affidavit_writer=wait).begin(),
        ):
            if not wait and not connection.execute(_TRY_LOCK).scalar():
                return False
            posted = self._take(connection)
            every = [*batch, *posted.values()]
            if not every:
                return True
            written = self._writer.write(connection, every, signer, goes_on=bool(posted))
            _answer(connection, posted, dict(written.entries), dict(written.errors))
        self._writer.settle(written)
        return True

    def _take(self, connection: Connection) -> _Posted:
        posted: _Posted = {}
        unread = []
        for number, said, if_size in connection.execute(_WAITING).all():
            try:
                posted[number] = Submission(_envelopes(bytes(said)), if_size=if_size)
            except AffidavitError as error:
                unread.append({"row": number, "as_what": type(error).__name__, "why": str(error)})
        if unread:
            connection.execute(_REFUSE, unread)
            _notify(connection, _GONE)
        return posted

    def _hand_in(self, batch: Sequence[Submission]) -> None:
        """Put submissions into the inbox and wait until each is settled."""
        with tables.failures():
            posted = self._put(batch)
        try:
            with tables.failures(), postgres.listening(self._engine, _GONE) as wait:
                over = time.monotonic() + self._patience
                while posted and time.monotonic() < over:
                    if self._log_signer is not None:
                        self._elected([], self._log_signer)
                    self._collect(posted)
                    if posted:
                        wait(LOOK_UP_SECONDS)
                if posted:
                    self._give_up(posted)
        except EnvironmentFailed as error:
            raise EnvironmentFailed(
                f"{error}; the statement lies in the inbox and may be appended within {self._patience:g} s: look with "
                "`affidavit log` before you say it again"
            ) from error

    def _put(self, batch: Sequence[Submission]) -> _Posted:
        with self._engine.begin() as connection:
            # The answer is what is durable. An inbox that is lost with a crash loses nothing that was acknowledged.
            connection.exec_driver_sql(
                f"SELECT set_config('synchronous_commit', 'off', true), pg_notify('{_COME}', '')"
            )
            posted = {}
            for submission in batch:
                said = encode([envelope.to_json() for envelope in submission.envelopes])
                row = {"said": said, "if_size": submission.if_size, "seconds": self._patience}
                posted[connection.execute(_PUT, row).scalar_one()] = submission
        return posted

    def _collect(self, posted: _Posted) -> None:
        """Settle what was answered, and take it out of `posted`."""
        with self._engine.connect() as connection:
            there = {row.number: row for row in connection.execute(_OUTCOMES, {"numbers": list(posted)})}
            for number, submission in list(posted.items()):
                row = there.get(number)
                if row is None:
                    submission.entries = standing(connection, submission)
                    if not submission.entries:
                        submission.error = EnvironmentFailed("the inbox lost a statement: append it again")
                elif row.refused is not None:
                    submission.error = _error(row.refused_as, row.refused)
                if submission.is_settled:
                    del posted[number]

    def _give_up(self, posted: _Posted) -> None:
        """Make sure that nobody is about to append what was waited for in vain, and say so."""
        with self._engine.connect() as connection, connection.begin():
            connection.exec_driver_sql("SET LOCAL lock_timeout = '5s'")
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK})")
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


def _answer(
    connection: Connection,
    posted: _Posted,
    entries: dict[Submission, object],
    refused: dict[Submission, Exception],
) -> None:
    """Take the rows away whose entries stand now, and keep with the others why they do not."""
    done = [number for number, submission in posted.items() if submission in entries]
    if done:
        connection.execute(_DELETE, {"numbers": done})
    answers = [
        {"row": number, "as_what": type(refused[submission]).__name__, "why": str(refused[submission])}
        for number, submission in posted.items()
        if submission in refused
    ]
    if answers:
        connection.execute(_REFUSE, answers)
    if done or answers:
        connection.execute(_FORGET)
        _notify(connection, _GONE)


def _notify(connection: Connection, channel: str) -> None:
    connection.exec_driver_sql(f"NOTIFY {channel}")


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
