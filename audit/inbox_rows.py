"""The rows of a shared ledger's inbox: put in, waited for, taken, and answered, with one message to the server each.

Rules:

- Rows are put in one transaction of one statement, which the server does not wait to have on disk: the answer is what
  is durable, and an inbox that is lost with a crash loses nothing that was acknowledged.
- Who answers says in the notice which rows it answered, so that the others need not look.
- A row is taken only by who has the ledger's lock, asked for in the same message as the rows; to who does not get it
  none are sent.
- Of those who put rows while another has the lock, one waits for it, as the next. That is asked for once the rows are
  there, and given up between getting the ledger's lock and looking: so the next one finds the rows of all who asked in
  vain. It is the line's, and ends with it at the latest.
- A `Line` is one connection, kept: it listens, puts and looks. Only one thread at a time speaks over it.

Source: PostgreSQL 15 documentation, NOTIFY (the payload is shorter than 8,000 bytes), 30.4 (asynchronous commit).
"""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from sqlalchemy import Connection, Engine

from audit import postgres, tables
from audit.postgres import LOCK, NEXT
from audit.postgres_session import check_durable

__all__ = ["ANSWERED", "COME", "Answer", "Line", "Row", "answer", "take", "take_as_next", "take_when_free"]

COME, ANSWERED = "affidavit_inbox", "affidavit_appended"
MOST_ROWS = 1_000
_MOST_PAYLOAD = 7_000
_NUMBER = re.compile("[0-9]{1,19}")

_PUT = (
    "INSERT INTO inbox (said, if_size, until) "
    "SELECT said, if_size, clock_timestamp() + make_interval(secs => %s) "
    "FROM unnest(%s::bytea[], %s::integer[]) WITH ORDINALITY AS put (said, if_size, place) ORDER BY place "
    f"RETURNING number, set_config('synchronous_commit', 'off', true), pg_notify('{COME}', '')"
)
_LOOK = (
    "SELECT number, refused_as, refused, NULL, NULL FROM inbox WHERE number = ANY(%s) "
    "UNION ALL SELECT NULL, NULL, NULL, entry_id, record FROM records WHERE entry_id = ANY(%s)"
)
# A setting, since the second statement must begin after the first has the lock, to see what the one before it wrote.
_TRY_LOCK = f"SELECT set_config('affidavit.free', pg_try_advisory_xact_lock({LOCK})::text, true)"
_TAKE = (
    "SELECT number, said, if_size FROM inbox WHERE refused IS NULL AND until > clock_timestamp() "
    f"ORDER BY number LIMIT {MOST_ROWS}"
)
_TAKE_IF_FREE = _TAKE.replace("WHERE", "WHERE current_setting('affidavit.free') = 'true' AND")
_BE_NEXT = f"SELECT CASE WHEN %s THEN pg_try_advisory_lock({NEXT}) ELSE false END"
_GIVE_WAY = f"SELECT pg_advisory_unlock({NEXT})"
_ANSWER = (
    "WITH done AS (DELETE FROM inbox WHERE number = ANY(%s) OR until < clock_timestamp() - interval '1 day') "
    f"SELECT pg_notify('{ANSWERED}', %s)"
)
_REFUSE = "UPDATE inbox SET refused_as = %s, refused = %s WHERE number = %s"


@dataclass(frozen=True, slots=True)
class Row:
    """A row that waits: what was said, as bytes, and the size that the ledger must have for it."""

    number: int
    said: bytes
    if_size: int | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of rows: those that are there still, with the reason where one was refused, and records by entry."""

    waiting: dict[int, tuple[str, str] | None]
    records: dict[str, bytes]


class Line:
    """A connection that is kept, listens to a channel, puts rows into the inbox and looks what became of them."""

    def __init__(self, engine: Engine, channel: str) -> None:
        """Connect when it is first used."""
        self._engine = engine
        self._channel = channel
        self._connection: Connection | None = None

    def __enter__(self) -> "Line":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def open(self) -> None:
        """Listen from now on, if it does not already: what is said before is not heard."""
        with tables.failures():
            self._open()

    def put(
        self, said: Sequence[bytes], sizes: Sequence[int | None], seconds: float, *, leads: bool
    ) -> tuple[list[int], bool]:
        """Put rows that may be appended for so many seconds; return their numbers, and whether to be the next.

        Who `leads` and is the next has to `give_way`, or to close the line.
        """
        with tables.failures(), postgres.translated(self._open()) as driver:
            with driver.pipeline() as pipeline:
                put = driver.execute(_PUT, (seconds, list(said), list(sizes)))
                pipeline.sync()  # the rows are there for all to see before it is asked who is the next
                asked = driver.execute(_BE_NEXT, (leads,))
            return [number for number, *_ in put.fetchall()], asked.fetchone()[0]

    def give_way(self) -> None:
        """Let another be the next."""
        with tables.failures(), postgres.translated(self._open()) as driver:
            driver.execute(_GIVE_WAY)

    def look(self, numbers: Sequence[int], entry_ids: Sequence[str]) -> Answer:
        """Look which rows are there still, and what entries stand."""
        with tables.failures(), postgres.translated(self._open()) as driver:
            rows = driver.execute(_LOOK, (list(numbers), list(entry_ids))).fetchall()
        waiting = {
            n: None if why is None else (str(kind), str(why)) for n, kind, why, _, _ in rows if n is not None
        }
        return Answer(waiting, {entry_id: bytes(record) for n, _, _, entry_id, record in rows if n is None})

    def heard(self, seconds: float) -> set[int] | None:
        """Wait for a notice or so many seconds; return the rows that were answered, None where it may be any."""
        with tables.failures(), postgres.translated(self._open()) as driver:
            notices = list(driver.notifies(timeout=seconds, stop_after=1))
            notices += driver.notifies(timeout=0)
        said = {number for notice in notices for number in notice.payload.split(",")}
        # Any login can give a notice, and say anything in it.
        if not notices or not all(_NUMBER.fullmatch(number) for number in said):
            return None
        return {int(number) for number in said}

    def close(self) -> None:
        """Close the connection; the line can be used again afterwards."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.invalidate()
            connection.close()

    def _open(self) -> Connection:
        if self._connection is not None and self._connection.invalidated:
            self.close()
        if self._connection is None:
            connection = postgres.glance(self._engine)
            connection.exec_driver_sql(f"LISTEN {self._channel}")
            self._connection = connection
        return self._connection


def take(connection: Connection) -> list[Row] | None:
    """Take the lock and the rows that wait; None where another has the lock."""
    check_durable(connection)
    with postgres.translated(connection) as driver:
        with driver.pipeline():
            free, rows = driver.execute(_TRY_LOCK), driver.execute(_TAKE_IF_FREE)
        return _rows(rows) if free.fetchone()[0] == "true" else None


def take_when_free(connection: Connection) -> list[Row]:
    """Wait for the lock, then take the rows that wait."""
    postgres.lock(connection)
    with postgres.translated(connection) as driver:
        return _rows(driver.execute(_TAKE))


def take_as_next(connection: Connection, seconds: float, line: Line) -> list[Row]:
    """Wait so long for the lock as the next one, let another be the next, and take the rows that wait."""
    postgres.lock(connection, max(1, math.ceil(seconds)))  # 0 would be: for ever
    line.give_way()
    with postgres.translated(connection) as driver:
        return _rows(driver.execute(_TAKE))


def answer(connection: Connection, done: Iterable[int], refused: Sequence[tuple[str, str, int]]) -> None:
    """Take rows away whose entries stand now, keep with the others (class, sentence, number) why they do not, tell."""
    done = list(done)
    payload = ",".join(str(number) for number in (*done, *(number for _, _, number in refused)))
    with postgres.translated(connection) as driver, driver.pipeline():
        if refused:
            driver.cursor().executemany(_REFUSE, refused)
        driver.execute(_ANSWER, (done, payload if len(payload) <= _MOST_PAYLOAD else ""))


def _rows(cursor: Any) -> list[Row]:
    return [Row(number, bytes(said), if_size) for number, said, if_size in cursor.fetchall()]
