"""What can be wrong with a database, a login or a right is one sentence, with the status that says whose it is."""

from pathlib import Path

import pytest

from audit import postgres, tables
from audit.errors import EnvironmentFailed, MalformedInput
from audit.ledger import Ledger
from audit.postgres_failures import is_away, was_lost
from tests.command_line import Folder, empty_folder
from tests.postgres_ledger import Database, Databases, failed, made_at, opened
from tests.small_ledger import report


def complaint(here: Folder, named: str, data: Path, status: int, *command: str) -> str:
    """Type a command about a database; return the one line that it says."""
    result = here("--ledger", named, *(command or ("log",)), variables={"XDG_DATA_HOME": str(data)})
    assert (result.exit_code, result.stdout) == (status, ""), result.output
    lines = [line for line in result.stderr.splitlines() if not line.startswith("Warning:")]
    assert len(lines) == 1, result.stderr
    return str(lines[0])


@pytest.fixture
def here(tmp_path: Path) -> Folder:
    return empty_folder(tmp_path / "here")


def test_a_server_that_does_not_run_is_said_without_the_password(here: Folder, tmp_path: Path) -> None:
    said = complaint(here, "postgresql://ana:geheim@127.0.0.1:1/credit", tmp_path, 3)
    assert ("see that its server runs" in said, "geheim" in said) == (True, False)


def test_a_database_that_does_not_exist_is_said_with_how_to_make_it(
    empty_database: Database, here: Folder, tmp_path: Path
) -> None:
    named = empty_database.url.set(database="no_such").render_as_string(hide_password=False)
    said = complaint(here, named, tmp_path, 3)
    assert '"no_such" does not exist' in said
    assert "make it, empty and with ENCODING 'UTF8', or correct the URL" in said


def test_a_login_that_does_not_exist_is_named(empty_database: Database, here: Folder, tmp_path: Path) -> None:
    assert "nobody_here" in complaint(here, empty_database.as_user("nobody_here").text, tmp_path, 3)


def test_a_wrong_password_is_said_and_not_shown(databases: Databases, here: Folder, tmp_path: Path) -> None:
    if databases.server is None:
        pytest.skip("NOT TESTED: a wrong password. The named server's pg_hba.conf is not ours")
    conf = databases.server.folder / "data" / "pg_hba.conf"
    before = conf.read_text()
    databases.root.execute("CREATE ROLE asked LOGIN PASSWORD 'right'")
    conf.write_text(f"local all asked scram-sha-256\n{before}")
    try:
        databases.root.execute("SELECT pg_reload_conf()")
        url = databases.root.as_user("asked").url.set(password="geheim")
        said = complaint(here, url.render_as_string(hide_password=False), tmp_path, 3)
    finally:
        conf.write_text(before)
        databases.root.execute("SELECT pg_reload_conf()")
    assert ("write the right one into ~/.pgpass" in said, "geheim" in said) == (True, False)


def test_an_empty_database_is_said_to_have_no_ledger(
    empty_database: Database, here: Folder, tmp_path: Path
) -> None:
    said = complaint(here, empty_database.text, tmp_path, 2)
    assert "the database has no ledger where one was looked for" in said
    assert "make one with `affidavit init`" in said


def test_where_a_schema_is_not_there_it_is_said_how_one_is_named(
    shared_database: Database, here: Folder, tmp_path: Path
) -> None:
    url = shared_database.url.update_query_dict({"options": "-csearch_path=nowhere"})
    said = complaint(here, url.render_as_string(hide_password=False), tmp_path, 2)
    assert "?options=-csearch_path%3DSCHEMA" in said


def test_in_a_database_of_another_encoding_no_ledger_is_made(
    databases: Databases, here: Folder, tmp_path: Path
) -> None:
    databases.root.execute("CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
    databases.made.append("latin")
    named = databases.root.url.set(database="latin").render_as_string(hide_password=False)
    said = complaint(here, named, tmp_path / "data", 2, "init", "--origin", "bank.example/credit")
    assert "make one with ENCODING 'UTF8'" in said
    assert not (tmp_path / "data").exists()


def test_a_login_without_rights_is_told_which_it_lacks(
    shared_database: Database, here: Folder, tmp_path: Path
) -> None:
    shared_database.execute("DROP ROLE IF EXISTS stranger; CREATE ROLE stranger LOGIN")
    said = complaint(here, shared_database.as_user("stranger").text, tmp_path, 3)
    assert "lacks a right (permission denied for table" in said


def test_a_ledger_of_a_later_version_is_not_written_to(
    shared_ledger: Ledger, shared_database: Database
) -> None:
    shared_database.execute("COMMENT ON TABLE records IS 'affidavit ledger, tables of version 9'")
    with pytest.raises(MalformedInput, match="is of version 9, and this affidavit writes version 2"):
        shared_ledger.append(report("one"))
    assert shared_ledger.head().size == 1


@pytest.mark.parametrize("is_there", [True, False])
def test_a_prepared_statement_of_another_session_is_a_pooler_and_no_damage(
    shared_ledger: Ledger, is_there: bool
) -> None:
    with shared_ledger.engine.connect() as connection:
        if is_there:
            connection.exec_driver_sql("PREPARE one AS SELECT 1")
        with (
            pytest.raises(EnvironmentFailed, match=r"a connection pooler .* \(prepared statement"),
            tables.failures(),
        ):
            connection.exec_driver_sql("PREPARE one AS SELECT 1" if is_there else "EXECUTE one")


def test_a_lock_that_another_holds_is_waited_for_as_long_as_is_said(
    shared_ledger: Ledger, shared_database: Database
) -> None:
    with (
        tables.writing(shared_ledger.engine),
        pytest.raises(EnvironmentFailed, match="has held the ledger's lock for 1 s"),
        shared_ledger.engine.begin() as other,
    ):
        postgres.lock(other, 1)


def test_two_ledgers_lie_in_two_schemas_of_one_database(databases: Databases) -> None:
    place = databases.empty()
    ledgers = []
    for name in ("credit", "claims"):
        place.execute(f"CREATE SCHEMA {name}")
        url = place.url.update_query_dict({"options": f"-csearch_path={name}"})
        ledgers.append(made_at(Database(url, place.people, place.keys)))
    ledgers[0].append(report("one"))
    assert [ledger.head().size for ledger in ledgers] == [2, 1]
    assert [failed(ledger) for ledger in ledgers] == [[], []]
    for ledger in ledgers:
        ledger.close()


def test_an_error_tells_a_connection_that_was_lost_from_one_that_never_stood(
    shared_ledger: Ledger, shared_database: Database
) -> None:
    never = opened(
        Database(
            shared_database.url.set(host="127.0.0.1", port=1), shared_database.people, shared_database.keys
        )
    )
    with pytest.raises(EnvironmentFailed) as caught:
        never.head()
    assert (was_lost(caught.value), is_away(caught.value)) == (False, True)
    with (
        pytest.raises(EnvironmentFailed, match="connection to the ledger's database was lost") as lost,
        tables.writing(shared_ledger.engine) as connection,
    ):
        connection.exec_driver_sql("SELECT pg_terminate_backend(pg_backend_pid())")
    assert was_lost(lost.value)


def test_a_read_after_the_server_ended_every_connection_is_answered(
    shared_ledger: Ledger, shared_database: Database
) -> None:
    assert len(list(shared_ledger.entries())) == 1
    shared_database.execute(
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    assert len(list(shared_ledger.entries())) == 1


def test_no_error_repeats_what_was_written(shared_ledger: Ledger) -> None:
    with pytest.raises(MalformedInput) as caught, tables.writing(shared_ledger.engine) as connection:
        connection.execute(tables.holders.insert().values(key="k", name="Ilse Geheim", salt=None))
    assert "Geheim" not in str(caught.value)
