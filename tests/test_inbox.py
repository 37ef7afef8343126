"""The inbox of a ledger on PostgreSQL: who has no log key appends, many processes do, and a server goes away."""

import os
import subprocess
import sys
import threading
import time
from contextlib import nullcontext
from itertools import count
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Connection, select

from audit import tables
from audit.errors import Conflict, EnvironmentFailed, MalformedInput, NotPermitted, NotVerified
from audit.inbox import LOOK_UP_SECONDS
from audit.keystore import KeyStore
from audit.ledger import Ledger
from audit.note import VerifierKey
from audit.postgres import LOCK, NEXT
from audit.postgres_schema import inbox as rows
from audit.statement import Statement, Subject
from tests.postgres_ledger import Database, Databases, Sequencing, failed, made_at, opened, titles
from tests.postgres_server import Server
from tests.small_ledger import ORIGIN, People, report, signer


def test_who_has_no_log_key_is_told_when_nobody_appends(
    shared_ledger: Ledger, shared_database: Database
) -> None:
    keyless = opened(shared_database, keyless=True, patience=0.3)
    with pytest.raises(
        EnvironmentFailed, match=r"nobody .* within 0\.3 s: nothing was written; start a sequencer"
    ):
        keyless.append(report("late"))
    keyless.close()
    # Its time is up: nobody appends it later.
    shared_ledger.append(report("one"))
    assert titles(shared_ledger) == ["one"]


def test_who_has_no_log_key_appends_through_a_sequencer(
    shared_ledger: Ledger, shared_database: Database
) -> None:
    keyless = opened(shared_database, keyless=True)
    with Sequencing(shared_ledger):
        entries = [keyless.append(report("one")), *keyless.append_many([report("two"), report("three")])]
        with pytest.raises(NotPermitted):
            keyless.append(report("not permitted"), signer=signer(), role="recorder")
        with pytest.raises(EnvironmentFailed, match="this follower refuses"):
            keyless.append(report("forbidden"))
    assert [e.seq for e in entries] == [1, 2, 3]
    assert keyless.entry(1) == entries[0]
    assert (titles(shared_ledger), failed(shared_ledger)) == (["one", "two", "three"], [])
    keyless.close()


def test_a_notice_that_anybody_gave_stops_nobody(shared_ledger: Ledger, shared_database: Database) -> None:
    keyless = opened(shared_database, keyless=True)
    forged = threading.Timer(
        0.2, shared_database.execute, ["NOTIFY affidavit_appended, '1,x'; NOTIFY affidavit_appended"]
    )
    forged.start()
    appending = threading.Timer(0.5, shared_ledger.append, [report("by the elected one")])
    appending.start()
    assert keyless.append(report("one")).seq in (1, 2)
    forged.join()
    appending.join()
    keyless.close()


def test_a_decision_by_who_has_no_log_key_is_on_the_view_it_was_made_on(
    shared_ledger: Ledger, shared_database: Database
) -> None:
    keyless = opened(shared_database, keyless=True)
    looked: list[int] = []

    def look(connection: Connection) -> None:
        looked.append(connection.execute(select(tables.head.c.size)).scalar_one())
        if len(looked) == 1:
            shared_ledger.append(report("came between"))

    with Sequencing(shared_ledger):
        entry = keyless.append(report("decided"), within=look)
    assert (looked, entry.seq) == ([1, 2], 2)
    keyless.close()


def test_a_decision_that_no_longer_holds_is_a_conflict(
    shared_ledger: Ledger, shared_database: Database
) -> None:
    keyless = opened(shared_database, keyless=True)

    def gone(_: Connection) -> None:
        raise Conflict("the view is gone: try again")

    with Sequencing(shared_ledger), pytest.raises(Conflict, match="the view is gone"):
        keyless.append(report("decided"), within=gone)
    keyless.close()


def test_who_has_no_log_key_grants_none(shared_ledger: Ledger, shared_database: Database) -> None:
    keyless = opened(shared_database, keyless=True)
    with Sequencing(shared_ledger), pytest.raises(EnvironmentFailed, match="takes the log's key"):
        keyless.grant("ana", signer().public, ("recorder",), "Ana Ruiz")
    assert shared_ledger.head().size == 1
    keyless.close()


def test_what_does_not_read_in_the_inbox_is_refused_and_stops_nobody(shared_ledger: Ledger) -> None:
    with shared_ledger.engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO inbox (said, until) VALUES ('no JSON', now() + interval '1 hour')"
        )
    assert shared_ledger.append(report("one")).seq == 1
    with shared_ledger.engine.connect() as connection:
        row = connection.execute(select(rows)).one()
    assert (row.refused_as, "not JSON" in row.refused) == ("MalformedInput", True)


def test_the_logs_next_key_does_not_come_through_the_inbox(
    shared_ledger: Ledger, shared_database: Database
) -> None:
    keyless, log = opened(shared_database, keyless=True), signer()
    said = Statement(
        "log-rotate",
        (Subject("log", log.public.keyid),),
        {"log": str(VerifierKey(ORIGIN, log.public.raw)), "reason": "lost"},
    )
    with Sequencing(shared_ledger):
        with pytest.raises(NotPermitted, match="not through the inbox"):
            keyless.append(said)
        assert keyless.append(report("one")).seq == 1
    keyless.close()


def test_what_was_changed_in_the_inbox_is_not_appended(
    shared_ledger: Ledger, shared_database: Database
) -> None:
    envelope = shared_ledger.append(report("one")).envelope
    forged = type(envelope)(envelope.payload.replace(b'"one"', b'"two"'), envelope.signatures)
    keyless = opened(shared_database, keyless=True)
    with Sequencing(shared_ledger):
        with pytest.raises(NotVerified):
            keyless.append_signed(forged)
        with pytest.raises(MalformedInput, match="appended once"):
            keyless.append_signed(envelope)
    keyless.close()


# -- many processes ----------------------------------------------------------------------------------------------------


def start(place: Database, name: str, number: int, *more: str) -> subprocess.Popen[str]:
    file = Path(__file__).with_name("pg_appender.py")
    return subprocess.Popen(
        [sys.executable, "-P", str(file), place.text, str(place.keys), name, str(number), *more],
        stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(file.parents[1])},
    )  # fmt: skip


def said(process: subprocess.Popen[str]) -> list[str]:
    """Read what a process said until its end, whole lines only."""
    assert process.stdout is not None
    with process.stdout:
        lines = process.stdout.read().splitlines(keepends=True)
    process.wait()
    return [line for line in lines if line.endswith("\n")]


def acknowledged(process: subprocess.Popen[str]) -> list[tuple[int, int]]:
    """Read which appends a process said had returned."""
    return [(int(seq), int(number)) for seq, number in (line.split() for line in said(process))]


def test_sixteen_clients_at_once_lose_nothing_and_leave_no_gap(
    shared_ledger: Ledger, shared_database: Database
) -> None:
    clients = [opened(shared_database, keyless=n % 2 == 0) for n in range(16)]

    def work(name: str, client: Ledger) -> None:
        for number in range(4):
            client.append(report(f"{name} {number}"))
        client.close()

    threads = [threading.Thread(target=work, args=(f"client {n}", c)) for n, c in enumerate(clients)]
    with Sequencing(shared_ledger):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
    assert sorted(titles(shared_ledger)) == sorted(
        f"client {n} {number}" for n in range(16) for number in range(4)
    )
    assert failed(shared_ledger) == []


def test_two_sequencers_compete_and_one_is_killed(
    shared_ledger: Ledger, shared_database: Database, tmp_path: Path
) -> None:
    """The one that is killed is elected again and again while it appends: nothing it said is lost or doubled."""
    victim = start(shared_database, "victim", 10**6)
    client = start(shared_database, "client", 12, "keyless")
    assert victim.stdout is not None
    first = victim.stdout.readline().split()
    with Sequencing(shared_ledger):
        time.sleep(0.5)
        victim.kill()
        told = {
            "victim": [(int(first[0]), int(first[1])), *acknowledged(victim)],
            "client": acknowledged(client),
        }
    assert client.returncode == 0
    stands = {e.seq: e.statement.text("title") for e in shared_ledger.entries(kind="report")}
    for name, said in told.items():
        assert {seq: stands.get(seq) for seq, _ in said} == {seq: f"{name} {number}" for seq, number in said}
    assert len(set(stands.values())) == len(stands)
    assert failed(shared_ledger) == []


# -- the server goes away ----------------------------------------------------------------------------------------------


@pytest.fixture
def ledger_that_dies(own_server: Server, tmp_path: Path) -> tuple[Server, Database]:
    """Make a ledger on a server of its own."""
    keys = KeyStore(tmp_path / "keys")
    people = People(keys.create("admin", b""), keys.create("log", b""))
    place = Databases(Database(own_server.url("postgres"), people, keys.folder)).empty()
    made_at(place).close()
    return own_server, place


@pytest.mark.parametrize("keyless", [False, True])
def test_an_append_whose_connections_are_cut_is_written_once_and_acknowledged(
    shared_ledger: Ledger, shared_database: Database, keyless: bool
) -> None:
    client = opened(shared_database, keyless=keyless)
    with Sequencing(shared_ledger) if keyless else nullcontext():
        client.append(report("one"))
        for kept in [tables.glance(client.engine) for _ in range(3)]:
            kept.close()
        shared_database.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        assert client.append(report("two")).seq == 2
    assert (titles(client), failed(client)) == (["one", "two"], [])
    client.close()


def test_of_those_who_wait_for_the_lock_only_one_asks_the_server_for_it(
    shared_ledger: Ledger, shared_database: Database
) -> None:
    clients, told = [opened(shared_database) for _ in range(4)], list[int]()
    plain = shared_database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    threads = [
        threading.Thread(target=lambda c=client, n=n: told.append(c.append(report(f"t{n}")).seq))
        for n, client in enumerate(clients)
    ]
    with psycopg.connect(plain, autocommit=True) as holder:
        holder.execute(f"SELECT pg_advisory_lock({LOCK})".encode())
        for thread in threads:
            thread.start()
        while len(holder.execute("SELECT number FROM inbox").fetchall()) < len(clients):
            time.sleep(0.02)
        time.sleep(3 * LOOK_UP_SECONDS)
        waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database = "
        [asking] = holder.execute(
            (waiting + "(SELECT oid FROM pg_database WHERE datname = current_database())").encode()
        ).fetchall()
    for thread in threads:
        thread.join(60)
    assert (asking, sorted(told)) == ((1,), [1, 2, 3, 4])
    for client in clients:
        client.close()


def test_a_next_one_that_never_comes_holds_nobody_up(
    shared_ledger: Ledger, shared_database: Database
) -> None:
    client, told = opened(shared_database), list[int]()
    appending = threading.Thread(target=lambda: told.append(client.append(report("one")).seq))
    plain = shared_database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as dead:
        dead.execute(f"SELECT pg_advisory_lock({NEXT})".encode())
        with psycopg.connect(plain, autocommit=True) as holder:
            holder.execute(f"SELECT pg_advisory_lock({LOCK})".encode())
            appending.start()
            while not holder.execute("SELECT number FROM inbox").fetchall():
                time.sleep(0.02)
        appending.join(10)
        assert (told, failed(client)) == ([1], [])
    client.close()


def test_who_waits_in_the_inbox_waits_for_a_database_that_admits_nobody_for_a_while(
    databases: Databases, shared_database: Database
) -> None:
    client, name = opened(shared_database), shared_database.url.database
    plain = shared_database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    told: list[int] = []
    with psycopg.connect(plain, autocommit=True) as holder:
        holder.execute(f"SELECT pg_advisory_lock({LOCK})".encode())
        appending = threading.Thread(target=lambda: told.append(client.append(report("one")).seq))
        appending.start()
        while appending.is_alive() and not holder.execute("SELECT number FROM inbox").fetchall():
            time.sleep(0.02)
        databases.root.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        # The one over which it waits for the lock ends; the one that the inbox was filled over, and listens on, stays.
        ended = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
            "AND wait_event_type = 'Lock'"
        )
        while appending.is_alive() and not holder.execute(ended.encode()).fetchall():
            time.sleep(0.02)
        time.sleep(0.5)
        databases.root.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    appending.join(60)
    assert (told, titles(client), failed(client)) == ([1], ["one"], [])
    client.close()


def test_a_server_that_is_killed_in_the_middle_of_batches_loses_nothing_acknowledged(
    ledger_that_dies: tuple[Server, Database],
) -> None:
    server, place = ledger_that_dies
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

    clients = [opened(place, keyless=n == 2, patience=5.0) for n in range(3)]
    threads = [threading.Thread(target=work, args=(f"client {n}", c)) for n, c in enumerate(clients)]
    for thread in threads:
        thread.start()
    for _ in range(2):
        time.sleep(0.7)
        server.kill()
        server.start()
    before = len(told)
    until = time.monotonic() + 30
    while len(told) <= before + 3 and time.monotonic() < until:
        time.sleep(0.05)
    over.set()
    for thread in threads:
        thread.join(60)
    after = opened(place)
    stands = {e.seq: e.statement.text("title") for e in after.entries(kind="report")}
    assert len(told) > before
    assert {seq: stands.get(seq) for seq in told} == told
    assert len(set(stands.values())) == len(stands)
    assert failed(after) == []
    after.close()


def test_two_processes_append_each_statement_once_while_the_server_is_started_again(
    ledger_that_dies: tuple[Server, Database],
) -> None:
    server, place = ledger_that_dies
    ledger = opened(place)
    clients = [start(place, "with key", 25), start(place, "without", 25, "keyless")]
    with Sequencing(ledger):
        for _ in range(2):
            time.sleep(0.7)
            server.restart(pause=0.3)
        told = [said(client) for client in clients]
    # What failed, if anything did, said that nothing was written: else it would have ended with 1.
    assert [client.returncode for client in clients] == [0, 0], told
    expected = sorted(f"{name} {number}" for name in ("with key", "without") for number in range(25))
    assert (sorted(titles(ledger)), failed(ledger)) == (expected, []), told
    ledger.close()
