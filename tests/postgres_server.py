"""A real PostgreSQL server for the tests: Debian's, started in a folder of its own, or the one that is named.

`AFFIDAVIT_TEST_POSTGRES` names a server by a URL (``postgresql+psycopg://user@host/postgres``), whose user may make
databases and roles. Otherwise the server of `/usr/lib/postgresql/*/bin` is started, reached by a socket only; as the
user `postgres` where the tests run as root, since it refuses to run so. A server that is killed is always an own one.
"""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.engine import URL, make_url

from tests.quick_place import quick_place

__all__ = ["Server", "binaries", "named_server", "needed_binaries", "newest"]

SETTINGS = {
    "listen_addresses": "",
    "max_connections": "100",
    "shared_buffers": "32MB",
    "log_min_messages": "fatal",
    "recovery_init_sync_method": "syncfs",  # instead of an fsync of every file of the cluster
}
QUICK = {"wal_level": "minimal", "max_wal_senders": "0", "autovacuum": "off"}
"""For tests that are about anything but what a crash leaves: in memory, where an fsync waits for nothing, and without
the server's own vacuum, which would look into each of their hundred databases once a minute."""


def binaries() -> Path | None:
    """Return the folder of the newest PostgreSQL's programs, None where there is none."""
    return newest(path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/postgres"))


def newest(folders: Iterable[Path]) -> Path | None:
    """Return the folder VERSION/bin with the greatest version: 15 is newer than 9.6."""
    return max(
        folders, key=lambda folder: [int(part) for part in folder.parent.name.split(".")], default=None
    )


def needed_binaries(what: str) -> Path:
    """Return the folder of PostgreSQL's programs; without them skip loudly what is named, and fail where CI runs."""
    found = binaries()
    if found is not None:
        return found
    said = f"NOT TESTED: {what}. There is no server of our own to start: install Debian's package postgresql"
    if os.environ.get("CI") == "true":
        pytest.fail(said)
    pytest.skip(said)


def named_server() -> URL | None:
    """Return the server that the environment names."""
    named = os.environ.get("AFFIDAVIT_TEST_POSTGRES")
    return make_url(named).set(drivername="postgresql+psycopg") if named else None


@dataclass
class Server:
    """A server in a folder, which can be killed and started again."""

    folder: Path
    bin: Path
    durable: bool = True
    process: subprocess.Popen[bytes] | None = None

    @classmethod
    def make(cls, bin_folder: Path, *, durable: bool = True) -> "Server":
        """Make a cluster in a new folder and start it."""
        place = None if durable else quick_place()
        folder = Path(tempfile.mkdtemp(prefix="affidavit-pg-", dir=place or "/tmp"))
        folder.chmod(0o755)
        server = cls(folder, bin_folder, durable)
        (folder / "socket").mkdir()
        if os.geteuid() == 0:
            who = pwd.getpwnam("postgres")
            os.chown(folder, who.pw_uid, who.pw_gid)
            os.chown(folder / "socket", who.pw_uid, who.pw_gid)
        subprocess.run(
            [*_as_nobody_special(), bin_folder / "initdb", "-D", folder / "data", "-U", "tester", "-A", "trust",
             "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"],
            check=True, capture_output=True, cwd="/tmp",
        )  # fmt: skip
        server.start()
        return server

    def start(self) -> None:
        """Start the server and wait until it answers; one that was killed recovers first."""
        settings = [f"-c{name}={value}" for name, value in self._settings().items()]
        until = time.monotonic() + 120
        while time.monotonic() < until:
            if self.process is None or self.process.poll() is not None:
                self.process = subprocess.Popen(
                    [*_as_nobody_special(), self.bin / "postgres", "-D", self.folder / "data",
                     "-k", self.folder / "socket", *settings],
                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/tmp",
                )  # fmt: skip
            try:
                psycopg.connect(self.plain("postgres"), connect_timeout=5).close()
            except psycopg.OperationalError:
                time.sleep(0.05)
            else:
                return
        raise AssertionError("the PostgreSQL server did not start")

    def _settings(self) -> dict[str, str]:
        return SETTINGS if self.durable else SETTINGS | QUICK

    def restart(self, pause: float = 0.0) -> None:
        """End the server as an administrator does (a fast shutdown), and start it again."""
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        self.process.wait(60)
        time.sleep(pause)
        self.start()

    def kill(self) -> None:
        """Kill the server as a loss of power would: no process of it lives on."""
        assert self.process is not None
        pids = [int(p.name) for p in Path("/proc").glob("[0-9]*") if _parent_of(p) == self.process.pid]
        for pid in (self.process.pid, *pids):
            try:
                os.kill(pid, 9)
            except ProcessLookupError:
                continue
        self.process.wait()

    def stop(self) -> None:
        """End the server at once, since nobody needs its files any more, and remove its folder.

        Not as `kill` does, which leaves its shared memory behind.
        """
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait(60)
        shutil.rmtree(self.folder, ignore_errors=True)

    def plain(self, database: str, user: str = "tester") -> str:
        """Return a connection string for libpq."""
        return f"host={self.folder / 'socket'} user={user} dbname={database}"

    def url(self, database: str, user: str = "tester") -> URL:
        """Return the URL of a database."""
        return URL.create(
            "postgresql+psycopg", user, database=database, query={"host": str(self.folder / "socket")}
        )


def _as_nobody_special() -> list[str]:
    if os.geteuid() != 0:
        return []
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]


def _parent_of(process: Path) -> int:
    try:
        return int((process / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0
