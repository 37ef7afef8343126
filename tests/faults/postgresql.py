"""PostgreSQL's own process dies, or its disk fails, at every write that it makes for an append.

The server is traced, so that what is struck is the process that serves the append; the server then ends all others and
recovers, as after a crash. Once it answers again, the ledger verifies, holds what was acknowledged, and goes on.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from audit import postgres, tables
from audit.errors import EnvironmentFailed
from audit.ledger import Ledger, create_ledger
from tests.faults.strace import FAULTS, Fault, Point, Row, points_in, tracing
from tests.postgres_server import Server, binaries
from tests.small_ledger import ORIGIN, Clock, People, Titles, report

__all__ = ["postgresql_rows", "why_not"]

BATCH = 3
TEMPLATE = "faults"
STRIKES = FAULTS[:3]


def why_not() -> str | None:
    """Say why no server can be struck here, or None where one can."""
    return None if binaries() else "there is no PostgreSQL server (apt-get install postgresql)"


def postgresql_rows(
    place: Path,
    faults: Sequence[Fault] = STRIKES,
    chosen: Callable[[list[Point]], list[Point]] = list,
) -> Iterator[Row]:
    """Strike the server with each fault at each point of an append, or at those that are chosen of them."""
    found = binaries()
    assert found is not None
    server = Server.make(found)
    try:
        scene = _Scene(server, People(), place / "strace.log")
        scene.prepare()
        for point in chosen(scene.points()):
            for fault in faults:
                yield scene.strike(point, fault)
    finally:
        server.stop()


@dataclass
class _Scene:
    """An append to a ledger in a database that is a copy of the same one each time."""

    server: Server
    people: People
    log: Path
    database: str = TEMPLATE

    def prepare(self) -> None:
        self._create("template0")
        engine = postgres.open_url(self.server.url(self.database))
        with tables.failures(), engine.begin() as writing:
            tables.create_tables(writing, [Titles.metadata])
        create_ledger(
            engine,
            origin=ORIGIN,
            name="admin",
            holder="Ilse Brandt",
            roles=("admin", "recorder"),
            signer=self.people.admin,
            log_signer=self.people.log,
            followers=[Titles()],
            clock=Clock(),
        ).close()

    def points(self) -> list[Point]:
        """Find the points by a run without fault."""
        with self._copied(), self._traced(None):
            assert isinstance(self._append(), list)
        return points_in(self.log.read_text().splitlines(), self.server.folder / "data")

    def strike(self, point: Point, fault: Fault) -> Row:
        """Let one fault strike at one point, and judge what is left once the server answers again."""
        with self._copied():
            with self._traced(fault.at(point)):
                told = self._append()
                # Who appends waits for a server that recovers, and may well be answered in the end.
                struck = self._is_in_the_log("(INJECTED)", "killed by SIGKILL")
            self.server.start()
            if not struck:
                return Row("postgres", point, fault, "the point was not reached", survived=False)
            try:
                return Row("postgres", point, fault, self._judge(told), survived=True)
            except Exception as error:
                return Row("postgres", point, fault, f"{type(error).__name__}: {error}", survived=False)

    def _is_in_the_log(self, *marks: str) -> bool:
        """Wait until strace has written what it did; the process that it killed is gone before."""
        for _ in range(50):
            if any(mark in self.log.read_text() for mark in marks):
                return True
            time.sleep(0.1)
        return False

    def _judge(self, told: list[int] | str) -> str:
        there = self._verified()
        assert there in (1, 1 + BATCH), f"{there} entries: a part of the batch"
        assert self._append() == [there, there + 1, there + 2]
        assert self._verified() == there + BATCH
        if isinstance(told, list):
            assert told == [1, 2, 3]
            assert there > 1, "what was acknowledged is not there"
            return "acknowledged, written"
        assert "\n" not in told
        # Where the server dies between its commit and its answer, its client cannot know which it is.
        return f"EnvironmentFailed, {'written' if there > 1 else 'nothing written'}"

    def _append(self) -> list[int] | str:
        with closing(self._opened()) as ledger:
            try:
                said = [report(f"title {number}" * 500) for number in range(BATCH)]
                return [entry.seq for entry in ledger.append_many(said)]
            except EnvironmentFailed as error:
                return str(error)

    def _verified(self) -> int:
        """Verify the whole ledger; return how many entries it has."""
        with closing(self._opened()) as ledger:
            answer = ledger.verify()
        assert [step.detail for step in answer.steps if step.status == "failed"] == []
        return answer.size

    def _opened(self) -> Ledger:
        return Ledger(
            postgres.open_url(self.server.url(self.database)),
            followers=[Titles()],
            signer=lambda _: self.people.admin,
            log_signer=lambda: self.people.log,
            patience=5.0,
            clock=Clock(),
        )

    def _traced(self, injection: str | None) -> AbstractContextManager[None]:
        assert self.server.process is not None
        return tracing(self.server.process.pid, self.log, injection, detach=True)

    @contextmanager
    def _copied(self) -> Iterator[None]:
        self.database = "struck"
        self._create(TEMPLATE)
        # The first connection to a new database writes caches; they are not the append's.
        self._verified()
        try:
            yield
        finally:
            with psycopg.connect(self.server.plain("postgres"), autocommit=True) as connection:
                connection.execute("DROP DATABASE struck WITH (FORCE)")

    def _create(self, template: str) -> None:
        with psycopg.connect(self.server.plain("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {self.database} TEMPLATE {template} ENCODING 'UTF8'")
