"""Sessions with a real server that a ledger cannot rely on: through PgBouncer, and without fsync."""

import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

import psycopg
import pytest
from sqlalchemy import URL

from audit import postgres, tables
from audit.errors import EnvironmentFailed
from audit.ledger import Ledger
from tests.postgres_ledger import Database, Databases, Sequencing, failed, opened
from tests.small_ledger import report


@contextmanager
def pooled(databases: Databases, mode: str, *settings: str) -> Iterator[URL]:
    """Start Debian's PgBouncer before the tests' own server; give the URL of its databases."""
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None or databases.server is None:
        said = "NOT TESTED: a ledger through PgBouncer: install Debian's package pgbouncer"
        if os.environ.get("CI") == "true" and databases.server is not None:
            pytest.fail(said)
        pytest.skip(said)
    folder = databases.server.folder / f"bouncer-{mode}{len(settings)}"
    folder.mkdir()
    (folder / "users").write_text('"tester" ""\n')
    (folder / "pgbouncer.ini").write_text(
        f"[databases]\n* = host={databases.server.folder / 'socket'}\n[pgbouncer]\nlisten_addr =\n"
        f"unix_socket_dir = {folder}\nauth_type = trust\nauth_file = {folder / 'users'}\npool_mode = {mode}\n"
        + "\n".join(settings)
    )
    nobody: list[str] = []
    if os.geteuid() == 0:  # it refuses to run as root
        who = pwd.getpwnam("postgres")
        for path in (folder, *folder.iterdir()):
            os.chown(path, who.pw_uid, who.pw_gid)
        nobody = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]
    process = subprocess.Popen(
        [*nobody, program, "-q", folder / "pgbouncer.ini"], stderr=subprocess.DEVNULL, cwd="/tmp"
    )
    try:
        _answers(f"host={folder} port=6432 user=tester dbname=postgres")
        yield URL.create(
            "postgresql+psycopg", "tester", database="x", query={"host": str(folder), "port": "6432"}
        )
    finally:
        process.terminate()
        process.wait(20)


def _answers(plain: str) -> None:
    until = time.monotonic() + 20
    while True:
        try:
            psycopg.connect(plain, connect_timeout=5).close()
        except psycopg.OperationalError:
            assert time.monotonic() < until, "PgBouncer did not start"
            time.sleep(0.02)
        else:
            return


def test_a_pooler_that_shares_connections_is_refused(databases: Databases, shared_database: Database) -> None:
    with pooled(databases, "transaction") as url:
        engine = postgres.open_url(url.set(database=shared_database.url.database))
        with (
            pytest.raises(EnvironmentFailed, match=r"shares its connections: .* name the server itself"),
            tables.failures(),
            engine.connect(),
        ):
            pass
        engine.dispose()


def test_a_pooler_that_takes_its_connections_in_turn_is_refused(
    databases: Databases, shared_database: Database
) -> None:
    turns = ("server_round_robin = 1", "min_pool_size = 4", "default_pool_size = 10")
    with pooled(databases, "transaction", *turns) as url, ExitStack() as stack:
        through = url.set(database=shared_database.url.database)
        plain = f"host={url.query['host']} port=6432 user=tester dbname={through.database}"
        for _ in range(4):  # in a transaction each, so that the pool has a connection of the server for each
            stack.enter_context(psycopg.connect(plain)).execute("SELECT 1")
        stack.close()
        engine = postgres.open_url(through)
        with pytest.raises(EnvironmentFailed, match="shares its connections"), tables.failures():
            engine.connect()
        engine.dispose()


def test_a_pooler_in_session_mode_does(databases: Databases, shared_database: Database) -> None:
    with pooled(databases, "session") as url:
        through = replace(shared_database, url=url.set(database=shared_database.url.database))
        ledger, keyless = opened(through), opened(through, keyless=True)
        with Sequencing(ledger):
            assert keyless.append(report("one")).seq == 1
        assert failed(ledger) == []
        keyless.close()
        ledger.close()


def altered(databases: Databases, name: str, value: str) -> None:
    databases.root.execute(f"ALTER SYSTEM SET {name} = {value}")
    databases.root.execute("SELECT pg_reload_conf()")
    until = time.monotonic() + 20
    while databases.root.execute(f"SHOW {name}") != [(value,)] and time.monotonic() < until:
        time.sleep(0.02)


@pytest.mark.parametrize("name", ["fsync", "full_page_writes"])
def test_nothing_is_written_where_a_loss_of_power_would_take_it(
    databases: Databases, shared_database: Database, name: str
) -> None:
    if databases.server is None:
        pytest.skip("NOT TESTED: a server without fsync: only one of our own is set so")
    altered(databases, name, "off")
    try:
        ledger = opened(shared_database)
        with pytest.raises(EnvironmentFailed, match=f"the server runs with {name} off"):
            ledger.append(report("one"))
        assert ledger.head().size == 1
        ledger.close()
    finally:
        altered(databases, name, "on")


def test_a_session_is_durable_where_the_servers_default_is_not(shared_database: Database) -> None:
    shared_database.execute(f"ALTER DATABASE {shared_database.url.database} SET synchronous_commit = off")
    ledger: Ledger = opened(shared_database)
    with tables.writing(ledger.engine) as connection:
        assert connection.exec_driver_sql("SHOW synchronous_commit").scalar() == "on"
    ledger.close()


def test_a_stricter_default_stays(shared_database: Database) -> None:
    database = shared_database.url.database
    shared_database.execute(f"ALTER DATABASE {database} SET synchronous_commit = remote_apply")
    ledger = opened(shared_database)
    with tables.writing(ledger.engine) as connection:
        assert connection.exec_driver_sql("SHOW synchronous_commit").scalar() == "remote_apply"
    ledger.close()
