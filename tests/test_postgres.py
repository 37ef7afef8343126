"""A ledger on a real PostgreSQL server, in one process: written, read, verified, tampered with."""

from pathlib import Path

import pytest
from sqlalchemy import text

from audit import tables, verify, verify_whole
from audit.errors import MalformedInput, NotPermitted
from audit.ledger import Ledger
from tests.postgres_ledger import Database, failed, opened
from tests.postgres_server import newest
from tests.small_ledger import People, Titles, new_ledger, report, signer


def test_a_ledger_on_postgresql_is_appended_to_read_and_verified(shared_ledger: Ledger) -> None:
    entries = shared_ledger.append_many([report(str(n)) for n in range(300)])
    assert shared_ledger.find(entries[7].leaf_hash[:12]) == entries[7]
    assert shared_ledger.head().size == 301
    assert failed(shared_ledger) == []


def test_its_entries_are_asked_for_a_few_at_a_time(shared_ledger: Ledger) -> None:
    shared_ledger.append_many([report(str(n)) for n in range(250)])
    reading = shared_ledger.entries(newest_first=True)
    assert next(reading).seq == 250
    asked = text("SELECT query FROM pg_stat_activity WHERE datname = current_database()")
    with shared_ledger.engine.connect() as connection:
        assert any(query.startswith("FETCH FORWARD") for query in connection.execute(asked).scalars())
    assert [entry.seq for entry in reading] == list(range(249, -1, -1))
    assert [entry.seq for entry in shared_ledger.entries(since=248)] == [248, 249, 250]


def test_its_records_are_those_that_a_file_would_hold(shared_ledger: Ledger, tmp_path: Path) -> None:
    shared_ledger.append(report("one"))
    beside = new_ledger(tmp_path / "beside", People(), followers=[Titles()])
    answers = [{s.name: s.status for s in one.verify().steps} for one in (shared_ledger, beside)]
    assert answers[0] == answers[1]


def test_what_its_own_check_of_pages_would_find_is_said_to_be_not_done(shared_ledger: Ledger) -> None:
    assert "pages of the database were not checked" in shared_ledger.verify().steps[5].detail


def test_several_processes_verify_it_as_one_does(
    shared_ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared_ledger.append_many([report(str(n)) for n in range(600)])
    monkeypatch.setattr(verify, "FEW", 0)
    monkeypatch.setattr(verify_whole, "RANGE", 256)
    together, alone = shared_ledger.verify(jobs=2), shared_ledger.verify(jobs=1)
    assert together
    assert together.steps[0].figures["processes"] == 2
    assert together.steps[1:] == alone.steps[1:]


def test_one_that_fails_leaves_nothing(shared_ledger: Ledger) -> None:
    with pytest.raises(RuntimeError, match="this follower refuses"):
        shared_ledger.append(report("forbidden"))
    with pytest.raises(NotPermitted):
        shared_ledger.append(report("one"), role="validator")
    assert (shared_ledger.head().size, failed(shared_ledger)) == (1, [])


def test_rebuilding_learns_the_same_tables_again(shared_ledger: Ledger) -> None:
    shared_ledger.append_many([report("one"), report("two")])
    assert shared_ledger.rebuild() == 3
    assert failed(shared_ledger) == []


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("UPDATE titles SET title = 'edited'", "titles.title of the row titles 1 was changed"),
        ("DELETE FROM titles", "the row titles 1 is missing"),
        ("UPDATE head SET last_time = 'x'", "head.last_time"),
        ("ALTER TABLE titles ADD COLUMN note text", "the definition of the table titles was changed"),
        ("ALTER TABLE records DISABLE TRIGGER ALL", "the definition of the trigger records_only_grows was changed"),
        ("CREATE TABLE more (x text)", "the table more in the database is not affidavit's"),
        ("ALTER TABLE titles DROP COLUMN title", "column titles.title"),
    ],
)  # fmt: skip
def test_tampering_is_found(shared_ledger: Ledger, sql: str, found: str) -> None:
    shared_ledger.append(report("one"))
    with shared_ledger.engine.begin() as connection:
        connection.exec_driver_sql(sql)
    assert any(found in detail for detail in failed(shared_ledger))


@pytest.mark.parametrize("table", ["records", "checkpoints"])
@pytest.mark.parametrize("verb", ["DELETE FROM {}", "TRUNCATE {} CASCADE", "UPDATE {} SET size = 1"])
def test_an_accident_with_sql_is_stopped(shared_ledger: Ledger, table: str, verb: str) -> None:
    sql = verb.format(table).replace("size", "kind" if table == "records" else "size")
    with (
        pytest.raises(MalformedInput, match=f"a ledger only grows: {table} has no"),
        tables.writing(shared_ledger.engine) as connection,
    ):
        connection.exec_driver_sql(sql.replace("kind = 1", "kind = 'x'"))


def test_a_ledger_is_not_made_over_another(shared_ledger: Ledger) -> None:
    with (
        pytest.raises(MalformedInput, match="holds a ledger already"),
        tables.failures(),
        shared_ledger.engine.begin() as connection,
    ):
        tables.create_tables(connection, [Titles.metadata])


def test_the_newest_server_is_found_by_its_number(tmp_path: Path) -> None:
    folders = [tmp_path / version / "bin" for version in ("9.6", "15", "13")]
    assert newest(folders) == tmp_path / "15" / "bin"
    assert newest([]) is None


def test_a_ledger_that_others_append_to_is_seen_as_it_is(
    shared_ledger: Ledger, shared_database: Database
) -> None:
    """What is kept of the edge is told from what came since, from new keys, and from another history."""
    other = opened(shared_database)
    other.append(report("one"))
    key = signer()
    shared_ledger.grant("ana", key.public, ("recorder",), "Ana Ruiz")
    entry = other.append(report("two"), signer=key)
    assert (entry.statement.text("title"), entry.seq) == ("two", 3)
    assert entry.statement.observed.size == 3
    other.close()
