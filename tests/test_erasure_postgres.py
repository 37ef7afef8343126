"""Erasure and the drill on a ledger in PostgreSQL: the tables' files are rewritten, or it is said that they are not."""

import os
from pathlib import Path

import pytest

from audit import postgres, tables
from audit.drill_ledgers import copied
from audit.erasure import erasable, erase
from audit.errors import EnvironmentFailed
from audit.ledger import Ledger
from audit.roles import ROLES, roles_sql
from audit.scrub import scrub
from audit.subjects import Referrer, known_subjects
from audit.verify import verify_ledger
from tests.postgres_ledger import Database, Databases, opened
from tests.postgres_server import Server
from tests.small_ledger import Titles, report

NAME = "applicant 4711"


@pytest.fixture
def ledger(shared_ledger: Ledger) -> Ledger:
    """A ledger that refers to a person in one entry, and to nobody in another."""
    say(shared_ledger)
    shared_ledger.append(report())
    return shared_ledger


def say(ledger: Ledger, name: str = NAME) -> None:
    referrer = Referrer(ledger.engine, os.urandom)
    by = referrer.refer(name, "1980-02-03")
    said = report(by=by)
    statement = type(said)(said.kind, said.subjects, {**said.predicate, **referrer.members()})
    ledger.append(statement, within=referrer.remember if referrer.knows_new else None)


def tables_that_hold(server: Server, ledger: Ledger, data: bytes) -> bool:
    """Say whether a file of the server's tables holds these bytes; the write-ahead log is another matter."""
    with ledger.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("CHECKPOINT")
        oid = connection.exec_driver_sql(
            "SELECT oid FROM pg_database WHERE datname = current_database()"
        ).scalar_one()
    files = (path for path in (server.folder / "data" / "base" / str(oid)).iterdir() if path.is_file())
    return any(data in path.read_bytes() for path in files)


def test_an_erasure_is_verified_and_leaves_no_trace_in_the_servers_tables(
    databases: Databases, ledger: Ledger
) -> None:
    if databases.server is None:
        pytest.skip(
            "NOT TESTED: the files of the server that AFFIDAVIT_TEST_POSTGRES names are not ours to look into"
        )
    server = databases.server
    assert tables_that_hold(server, ledger, NAME.encode())
    done = erase(ledger, erasable(ledger, NAME), "a request")
    assert done.scrubbed.problem is None
    assert not tables_that_hold(server, ledger, NAME.encode())
    answer = ledger.verify()
    assert answer
    assert "1 subject erased by entry 3" in answer.steps[5].detail


def test_a_role_that_may_not_rewrite_the_tables_is_told_so(ledger: Ledger, shared_database: Database) -> None:
    with ledger.engine.begin() as connection:
        connection.exec_driver_sql(roles_sql([Titles.metadata]))
        connection.exec_driver_sql(f"DROP ROLE IF EXISTS worker; CREATE ROLE worker LOGIN IN ROLE {ROLES[2]}")
    engine = postgres.open_url(shared_database.as_user("worker").url)
    assert "this role may not rewrite the tables" in str(scrub(engine, []).problem)
    engine.dispose()


def test_who_is_without_the_logs_key_refers_to_people_who_are_known_and_to_nobody_new(
    ledger: Ledger, shared_database: Database
) -> None:
    keyless = opened(shared_database, keyless=True, patience=1.0)
    with pytest.raises(EnvironmentFailed, match="it takes the log's key"):
        say(keyless, "somebody new")
    assert [known.name for known in known_subjects(ledger.engine)] == [NAME]
    keyless.close()


def test_a_ledger_in_postgresql_is_copied_for_a_drill(ledger: Ledger, tmp_path: Path) -> None:
    victim = copied(ledger, tmp_path)
    copy = tables.open_database(victim.folder / "ledger.db")
    assert verify_ledger(copy, followers=victim.followers, checkpoint=victim.anchor)
    assert victim.size == 3
