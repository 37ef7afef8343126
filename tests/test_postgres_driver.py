"""A connection with PostgreSQL that was struck down in the middle of a command is not used again."""

import threading
from typing import Any

import pytest

from audit import postgres
from audit.errors import MalformedInput
from audit.ledger import Ledger
from audit.postgres_driver import ClosingConnection
from tests.postgres_ledger import Database, Sequencing, opened
from tests.small_ledger import report


class OutOfTime(Exception):
    """What the handler of a job's soft time limit raises."""


def test_who_is_struck_down_while_the_server_answers_leaves_no_connection_behind(
    shared_ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def strike(*_: object, **__: object) -> None:
        raise OutOfTime

    with postgres.glance(shared_ledger.engine) as connection:
        driver = connection.connection.driver_connection
        assert isinstance(driver, ClosingConnection)
        with monkeypatch.context() as patched:
            patched.setattr("psycopg.waiting.wait", strike)
            with pytest.raises(OutOfTime):
                driver.execute("SELECT 1")
        assert driver.closed
        connection.invalidate()
    assert shared_ledger.head().size == 1


@pytest.mark.parametrize("by", [KeyboardInterrupt, OutOfTime])
def test_who_is_struck_down_before_an_answer_is_read_leaves_no_connection_behind(
    shared_ledger: Ledger, by: type[BaseException]
) -> None:
    with postgres.glance(shared_ledger.engine) as connection:
        with pytest.raises(by), postgres.translated(connection) as driver:  # noqa: PT012
            driver.pgconn.send_query(b"SELECT 1")
            raise by
        assert connection.invalidated


def test_an_error_of_ours_in_the_block_leaves_the_connection_as_it_is(shared_ledger: Ledger) -> None:
    with postgres.glance(shared_ledger.engine) as connection:
        with pytest.raises(MalformedInput), postgres.translated(connection):
            raise MalformedInput("a statement is appended once")
        assert not connection.invalidated


def test_one_who_is_struck_down_while_waiting_leaves_the_others_a_line_that_works(
    shared_database: Database, shared_ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    notifies = ClosingConnection.notifies

    def strike(driver: ClosingConnection, **waiting: Any) -> Any:
        if threading.current_thread() is not threading.main_thread():
            return notifies(driver, **waiting)
        driver.pgconn.send_query(b"SELECT 1")
        raise KeyboardInterrupt

    keyless = opened(shared_database, keyless=True)
    with Sequencing(shared_ledger):
        with monkeypatch.context() as patched:
            patched.setattr(ClosingConnection, "notifies", strike)
            with pytest.raises(KeyboardInterrupt):
                keyless.append(report("struck down"))
        assert keyless.append(report("after")).statement.text("title") == "after"
    keyless.close()
