"""A ledger on a real PostgreSQL server: the inbox, the election, rights, and a server that dies."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import URL, Connection, inspect, select

from audit import postgres, tables, verify, verify_whole
from audit.errors import Conflict, EnvironmentFailed, MalformedInput, NotPermitted, NotVerified
from audit.keystore import KeyStore
from audit.ledger import Ledger, create_ledger
from audit.note import VerifierKey
from audit.roles import ROLES, roles_sql
from audit.sequencer import Submission
from audit.statement import Statement, Subject
from tests.command_line import Folder, empty_folder
from tests.postgres_server import Server, binaries, named_server
from tests.small_ledger import ORIGIN, Clock, People, Titles, new_ledger, report, signer
from tests.transcripts import blocks, run_block

NUMBERS = count(1)
NO_SERVER = (
    "NOT TESTED: a ledger on PostgreSQL. There is no server: install Debian's package postgresql, or name one with "
    "AFFIDAVIT_TEST_POSTGRES=postgresql+psycopg://user@host/postgres"
)


@dataclass(frozen=True)
class Place:
    """A server with an empty database on it."""

    url: URL
    server: Server | None

    @property
    def text(self) -> str:
        return self.url.render_as_string(hide_password=False)

    def as_user(self, user: str) -> URL:
        return self.url.set(username=user)


@pytest.fixture(scope="module")
def server() -> Iterator[Server | None]:
    if named_server() is not None:
        yield None
        return
    found = binaries()
    if found is None:
        if os.environ.get("CI") == "true":
            pytest.fail(NO_SERVER)
        pytest.skip(NO_SERVER)
    made = Server.make(found)
    yield made
    made.stop()


@pytest.fixture
def place(server: Server | None) -> Place:
    """Make a database for one test."""
    name = f"affidavit_{os.getpid()}_{next(NUMBERS)}"
    root = server.url("postgres") if server else named_server()
    assert root is not None
    engine = postgres.open_url(root)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'")
    engine.dispose()
    return Place(root.set(database=name), server)


@pytest.fixture
def people(tmp_path: Path) -> People:
    keys = KeyStore(tmp_path / "keys")
    return People(keys.create("admin", b""), keys.create("log", b""))


@pytest.fixture
def ledger(place: Place, people: People) -> Iterator[Ledger]:
    made = made_at(place, people)
    yield made
    made.close()


def made_at(place: Place, people: People) -> Ledger:
    engine = postgres.open_url(place.url)
    with tables.failures(), engine.begin() as connection:
        tables.create_tables(connection, [Titles.metadata])
    return create_ledger(
        engine,
        origin=ORIGIN,
        name="admin",
        holder="Ilse Brandt",
        roles=("admin", "recorder"),
        signer=people.admin,
        log_signer=people.log,
        followers=[Titles()],
        clock=Clock(),
    )


def opened(url: URL, people: People, *, keyless: bool = False, patience: float = 20.0) -> Ledger:
    return Ledger(
        postgres.open_url(url),
        followers=[Titles()],
        signer=lambda kind: people.admin,
        log_signer=None if keyless else lambda: people.log,
        patience=patience,
        clock=Clock(),
    )


class Sequencing:
    """A sequencer in the foreground, as `affidavit ledger sequence` runs one; it waits for a database that is away."""

    def __init__(self, ledger: Ledger) -> None:
        self._over = threading.Event()
        self._ledger = ledger
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._over.is_set():
            try:
                self._ledger.sequence(self._over.is_set, lambda taken: None)
            except EnvironmentFailed:
                time.sleep(0.1)

    def __enter__(self) -> "Sequencing":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(30)


def failed(ledger: Ledger) -> list[str]:
    return [step.detail for step in ledger.verify().steps if step.status == "failed"]


def titles(ledger: Ledger) -> list[str]:
    return [e.statement.text("title") for e in ledger.entries(kind="report")]


# -- one process -------------------------------------------------------------------------------------------------------


def test_a_ledger_on_postgresql_is_appended_to_read_and_verified(ledger: Ledger) -> None:
    entries = ledger.append_many([report(str(n)) for n in range(300)])
    assert ledger.find(entries[7].leaf_hash[:12]) == entries[7]
    assert ledger.head().size == 301
    assert failed(ledger) == []


def test_its_records_are_those_that_a_file_would_hold(ledger: Ledger, tmp_path: Path, people: People) -> None:
    ledger.append(report("one"))
    beside = new_ledger(tmp_path / "beside", People(), followers=[Titles()])
    answers = [{s.name: s.status for s in one.verify().steps} for one in (ledger, beside)]
    assert answers[0] == answers[1]


def test_what_its_own_check_of_pages_would_find_is_said_to_be_not_done(ledger: Ledger) -> None:
    assert "pages of the database were not checked" in ledger.verify().steps[5].detail


def test_several_processes_verify_it_as_one_does(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger.append_many([report(str(n)) for n in range(600)])
    monkeypatch.setattr(verify, "FEW", 0)
    monkeypatch.setattr(verify_whole, "RANGE", 256)
    together, alone = ledger.verify(jobs=2), ledger.verify(jobs=1)
    assert together
    assert together.steps[0].figures["processes"] == 2
    assert together.steps[1:] == alone.steps[1:]


def test_one_that_fails_leaves_nothing(ledger: Ledger) -> None:
    with pytest.raises(RuntimeError, match="this follower refuses"):
        ledger.append(report("forbidden"))
    with pytest.raises(NotPermitted):
        ledger.append(report("one"), role="validator")
    assert (ledger.head().size, failed(ledger)) == (1, [])


def test_rebuilding_learns_the_same_tables_again(ledger: Ledger) -> None:
    ledger.append_many([report("one"), report("two")])
    assert ledger.rebuild() == 3
    assert failed(ledger) == []


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
def test_tampering_is_found(ledger: Ledger, sql: str, found: str) -> None:
    ledger.append(report("one"))
    with ledger.engine.begin() as connection:
        connection.exec_driver_sql(sql)
    assert any(found in detail for detail in failed(ledger))


@pytest.mark.parametrize("table", ["records", "checkpoints"])
@pytest.mark.parametrize("verb", ["DELETE FROM {}", "TRUNCATE {} CASCADE", "UPDATE {} SET size = 1"])
def test_an_accident_with_sql_is_stopped(ledger: Ledger, table: str, verb: str) -> None:
    sql = verb.format(table).replace("size", "kind" if table == "records" else "size")
    with (
        pytest.raises(MalformedInput, match=f"a ledger only grows: {table} has no"),
        tables.writing(ledger.engine) as connection,
    ):
        connection.exec_driver_sql(sql.replace("kind = 1", "kind = 'x'"))


def test_a_ledger_is_not_made_over_another(ledger: Ledger) -> None:
    with (
        pytest.raises(MalformedInput, match="holds a ledger already"),
        tables.failures(),
        ledger.engine.begin() as connection,
    ):
        tables.create_tables(connection, [Titles.metadata])


def test_a_table_of_somebody_else_is_neither_used_nor_dropped(place: Place, tmp_path: Path) -> None:
    engine = postgres.open_url(place.url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE inbox (letter TEXT)")
    result = Folder(tmp_path)(
        "--ledger", place.text, "init", "--origin", "bank.example/credit",
        variables={"XDG_DATA_HOME": str(tmp_path / "data")},
    )  # fmt: skip
    assert (result.exit_code, "tables called inbox already" in result.stderr) == (2, True)
    with engine.connect() as connection:
        assert inspect(connection).get_table_names() == ["inbox"]
    engine.dispose()


# -- the inbox ---------------------------------------------------------------------------------------------------------


def test_who_has_no_log_key_is_told_when_nobody_appends(ledger: Ledger, place: Place, people: People) -> None:
    keyless = opened(place.url, people, keyless=True, patience=0.3)
    with pytest.raises(
        EnvironmentFailed, match=r"nobody .* within 0\.3 s: nothing was written; start a sequencer"
    ):
        keyless.append(report("late"))
    keyless.close()
    # Its time is up: nobody appends it later.
    ledger.append(report("one"))
    assert titles(ledger) == ["one"]


def test_who_has_no_log_key_appends_through_a_sequencer(ledger: Ledger, place: Place, people: People) -> None:
    keyless = opened(place.url, people, keyless=True)
    with Sequencing(ledger):
        entries = [keyless.append(report("one")), *keyless.append_many([report("two"), report("three")])]
        with pytest.raises(NotPermitted):
            keyless.append(report("not permitted"), signer=signer(), role="recorder")
        with pytest.raises(EnvironmentFailed, match="this follower refuses"):
            keyless.append(report("forbidden"))
    assert [e.seq for e in entries] == [1, 2, 3]
    assert keyless.entry(1) == entries[0]
    assert (titles(ledger), failed(ledger)) == (["one", "two", "three"], [])
    keyless.close()


def test_a_decision_by_who_has_no_log_key_is_on_the_view_it_was_made_on(
    ledger: Ledger, place: Place, people: People
) -> None:
    keyless = opened(place.url, people, keyless=True)
    looked: list[int] = []

    def look(connection: Connection) -> None:
        looked.append(connection.execute(select(tables.head.c.size)).scalar_one())
        if len(looked) == 1:
            ledger.append(report("came between"))

    with Sequencing(ledger):
        entry = keyless.append(report("decided"), within=look)
    assert (looked, entry.seq) == ([1, 2], 2)
    keyless.close()


def test_a_decision_that_no_longer_holds_is_a_conflict(ledger: Ledger, place: Place, people: People) -> None:
    keyless = opened(place.url, people, keyless=True)

    def gone(_: Connection) -> None:
        raise Conflict("the view is gone: try again")

    with Sequencing(ledger), pytest.raises(Conflict, match="the view is gone"):
        keyless.append(report("decided"), within=gone)
    keyless.close()


def test_who_has_no_log_key_grants_none(ledger: Ledger, place: Place, people: People) -> None:
    keyless = opened(place.url, people, keyless=True)
    with Sequencing(ledger), pytest.raises(EnvironmentFailed, match="takes the log's key"):
        keyless.grant("ana", signer().public, ("recorder",), "Ana Ruiz")
    assert ledger.head().size == 1
    keyless.close()


def test_what_does_not_read_in_the_inbox_is_refused_and_stops_nobody(ledger: Ledger) -> None:
    with ledger.engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO inbox (said, until) VALUES ('no JSON', now() + interval '1 hour')"
        )
    assert ledger.append(report("one")).seq == 1
    with ledger.engine.connect() as connection:
        row = connection.execute(select(postgres.inbox)).one()
    assert (row.refused_as, "not JSON" in row.refused) == ("MalformedInput", True)


def test_the_logs_next_key_does_not_come_through_the_inbox(
    ledger: Ledger, place: Place, people: People
) -> None:
    keyless, log = opened(place.url, people, keyless=True), signer()
    said = Statement(
        "log-rotate",
        (Subject("log", log.public.keyid),),
        {"log": str(VerifierKey(ORIGIN, log.public.raw)), "reason": "lost"},
    )
    with Sequencing(ledger):
        with pytest.raises(NotPermitted, match="not through the inbox"):
            keyless.append(said)
        assert keyless.append(report("one")).seq == 1
    keyless.close()


def test_what_was_changed_in_the_inbox_is_not_appended(ledger: Ledger, place: Place, people: People) -> None:
    envelope = ledger.append(report("one")).envelope
    forged = type(envelope)(envelope.payload.replace(b'"one"', b'"two"'), envelope.signatures)
    keyless = opened(place.url, people, keyless=True)
    with Sequencing(ledger):
        with pytest.raises(NotVerified):
            keyless._submit(Submission((forged,)))
        with pytest.raises(MalformedInput, match="appended once"):
            keyless._submit(Submission((envelope,)))
    keyless.close()


# -- many processes ----------------------------------------------------------------------------------------------------


def start(place: Place, keys: Path, name: str, number: int, *more: str) -> subprocess.Popen[str]:
    file = Path(__file__).with_name("pg_appender.py")
    return subprocess.Popen(
        [sys.executable, "-P", str(file), place.text, str(keys), name, str(number), *more],
        stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(file.parents[1])},
    )  # fmt: skip


def acknowledged(process: subprocess.Popen[str]) -> list[tuple[int, int]]:
    """Read what a process said, whole lines only."""
    assert process.stdout is not None
    with process.stdout:
        said = [
            line.split() for line in process.stdout.read().splitlines(keepends=True) if line.endswith("\n")
        ]
    process.wait()
    return [(int(seq), int(number)) for seq, number in said]


def test_sixteen_clients_at_once_lose_nothing_and_leave_no_gap(
    ledger: Ledger, place: Place, people: People
) -> None:
    clients = [opened(place.url, people, keyless=n % 2 == 0) for n in range(16)]

    def work(name: str, client: Ledger) -> None:
        for number in range(4):
            client.append(report(f"{name} {number}"))
        client.close()

    threads = [threading.Thread(target=work, args=(f"client {n}", c)) for n, c in enumerate(clients)]
    with Sequencing(ledger):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
    assert sorted(titles(ledger)) == sorted(f"client {n} {number}" for n in range(16) for number in range(4))
    assert failed(ledger) == []


def test_two_sequencers_compete_and_one_is_killed(
    ledger: Ledger, place: Place, people: People, tmp_path: Path
) -> None:
    """The one that is killed is elected again and again while it appends: nothing it said is lost or doubled."""
    victim = start(place, tmp_path / "keys", "victim", 10**6)
    client = start(place, tmp_path / "keys", "client", 30, "keyless")
    assert victim.stdout is not None
    first = victim.stdout.readline().split()
    with Sequencing(ledger):
        time.sleep(0.5)
        victim.kill()
        told = {
            "victim": [(int(first[0]), int(first[1])), *acknowledged(victim)],
            "client": acknowledged(client),
        }
    assert client.returncode == 0
    stands = {e.seq: e.statement.text("title") for e in ledger.entries(kind="report")}
    for name, said in told.items():
        assert {seq: stands.get(seq) for seq, _ in said} == {seq: f"{name} {number}" for seq, number in said}
    assert len(set(stands.values())) == len(stands)
    assert failed(ledger) == []


def test_a_server_that_is_killed_in_the_middle_of_batches_loses_nothing_acknowledged(
    ledger: Ledger, place: Place, people: People
) -> None:
    if place.server is None:
        pytest.skip("NOT TESTED: the server that AFFIDAVIT_TEST_POSTGRES names is not ours to kill")
    told: dict[int, str] = {}
    over = threading.Event()

    def work(name: str, client: Ledger) -> None:
        for number in count():
            if over.is_set():
                break
            title = f"{name} {number}"
            try:
                told[client.append(report(title)).seq] = title
            except EnvironmentFailed:
                time.sleep(0.05)
        client.close()

    clients = [opened(place.url, people, keyless=n == 2, patience=5.0) for n in range(3)]
    threads = [threading.Thread(target=work, args=(f"client {n}", c)) for n, c in enumerate(clients)]
    for thread in threads:
        thread.start()
    for _ in range(2):
        time.sleep(0.7)
        place.server.kill()
        place.server.start()
    before = len(told)
    until = time.monotonic() + 30
    while len(told) <= before + 3 and time.monotonic() < until:
        time.sleep(0.05)
    over.set()
    for thread in threads:
        thread.join(60)
    after = opened(place.url, people)
    stands = {e.seq: e.statement.text("title") for e in after.entries(kind="report")}
    assert len(told) > before
    assert {seq: stands.get(seq) for seq in told} == told
    assert len(set(stands.values())) == len(stands)
    assert failed(after) == []
    after.close()


# -- rights ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def with_roles(ledger: Ledger, place: Place) -> Place:
    """Make the three roles, and a user for each; roles belong to the server, so they may be there."""
    with ledger.engine.begin() as connection:
        connection.exec_driver_sql(roles_sql([Titles.metadata]))
        for role in ROLES:
            connection.exec_driver_sql(
                f"DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'test_{role}') THEN "
                f"CREATE ROLE test_{role} LOGIN IN ROLE {role}; END IF; END $$"
            )
    return place


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("table", ["records", "checkpoints"])
def test_nobody_has_update_delete_or_truncate_on_what_only_grows(
    ledger: Ledger, with_roles: Place, role: str, table: str
) -> None:
    with ledger.engine.connect() as connection:
        has = [
            right
            for right in ("UPDATE", "DELETE", "TRUNCATE", "TRIGGER", "REFERENCES")
            if connection.exec_driver_sql(
                f"SELECT has_table_privilege('test_{role}', '{table}', '{right}')"
            ).scalar()
        ]
    assert has == []


def test_a_writer_reads_and_fills_the_inbox_and_nothing_else(ledger: Ledger, with_roles: Place) -> None:
    with ledger.engine.connect() as connection:
        rights = connection.exec_driver_sql(
            "SELECT c.relname, r FROM pg_class c, unnest(ARRAY['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) r "
            "WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace "
            "AND has_table_privilege('test_affidavit_writer', c.oid, r)"
        ).all()
    assert [tuple(row) for row in rights] == [("inbox", "INSERT")]


def test_each_role_suffices_for_its_work(ledger: Ledger, with_roles: Place, people: People) -> None:
    by = {role: with_roles.as_user(f"test_{role}") for role in ROLES}
    sequencer = opened(by["affidavit_sequencer"], people)
    writer = opened(by["affidavit_writer"], people, keyless=True)
    reader = opened(by["affidavit_reader"], people, keyless=True)
    sequencer.grant("ana", signer().public, ("recorder",), "Ana Ruiz")
    with Sequencing(sequencer):
        assert writer.append(report("one")).seq == 2
    with pytest.raises(EnvironmentFailed, match="lacks a right"):
        reader.append(report("two"))
    with pytest.raises(EnvironmentFailed, match="lacks a right"):
        opened(by["affidavit_writer"], people).append(report("three"))
    assert (titles(reader), failed(reader)) == (["one"], [])


def test_a_schema_with_an_odd_name_gets_no_sql() -> None:
    with pytest.raises(MalformedInput, match="plain name"):
        roles_sql([], 'public"; DROP')


# -- the database goes away --------------------------------------------------------------------------------------------


def test_a_server_that_is_not_there_is_the_environments_fault_and_shows_no_password() -> None:
    url = postgres.parse_url("postgresql+psycopg://ana:geheim@127.0.0.1:1/credit")
    with pytest.raises(EnvironmentFailed) as caught:
        Ledger(postgres.open_url(url)).head()
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["mysql://ana:geheim@h/x", "postgresql://ana:geheim@h", "postgresql://[geheim"]
)
def test_another_database_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(MalformedInput) as caught:
        postgres.parse_url(url)
    assert "geheim" not in str(caught.value)


def test_a_ledger_goes_on_when_its_connections_were_cut(ledger: Ledger, place: Place) -> None:
    ledger.append(report("one"))
    with psycopg.connect(
        place.url.set(drivername="postgresql").render_as_string(hide_password=False)
    ) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    with pytest.raises(EnvironmentFailed, match="connection to the ledger's database was lost"):
        ledger.append(report("two"))
    assert ledger.append(report("three")).seq == 2
    assert failed(ledger) == []


# -- commands ----------------------------------------------------------------------------------------------------------


def test_commands_work_with_a_url(place: Place, tmp_path: Path) -> None:
    here = Folder(tmp_path)

    def typed(*arguments: str, status: int = 0) -> str:
        result = here(
            *arguments, variables={"AFFIDAVIT_LEDGER": place.text, "XDG_DATA_HOME": str(tmp_path / "data")}
        )
        assert result.exit_code == status, result.stderr
        return result.stdout

    result = here(
        "--ledger", place.text, "init", "--origin", "bank.example/credit",
        variables={"XDG_DATA_HOME": str(tmp_path / "data")},
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    typed("key", "create", "validator")
    typed("key", "grant", "validator", "--role", "validator", "--holder", "Dana Whitfield")
    assert "key-grant" in typed("log")
    assert "validator" in typed("key", "list")
    assert "passed: verified, 4 entries" in typed("verify")
    typed("ledger", "rebuild")
    assert [len(list((tmp_path / "data").rglob(name))) for name in ("log.pem", "anchor.checkpoint")] == [1, 1]
    again = here(
        "--ledger", place.text, "init", "--origin", "bank.example/credit",
        variables={"XDG_DATA_HOME": str(tmp_path / "other")},
    )  # fmt: skip
    assert (again.exit_code, "holds a ledger already" in again.stderr) == (2, True)
    assert list((tmp_path / "other").rglob("*.pem")) == []


def test_what_the_page_shows_happens_as_shown(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE", place.text)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    page = Path(__file__).parents[1] / "docs" / "postgresql.md"
    here = empty_folder(tmp_path / "here")
    for block in blocks(page):
        run_block(block, here, page.name)
