"""What the command line says where what it rests on fails: one line, no traceback, and nothing half-written."""

import os
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.command_line import Folder, a_lender, complaint, untouched

ADOPT = ("policy", "adopt", "baseline", "--stage", "pilot")


@pytest.fixture
def here(tmp_path: Path) -> Folder:
    """Give a lender's folder: loans@1 in production, loans@2 recorded, 11 entries."""
    return a_lender(tmp_path / "lender")


# -- the environment ---------------------------------------------------------------------------------------------------


def test_a_database_that_is_locked_for_good_is_the_environments_fault(
    here: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audit.sqlite_lock.BUSY_SECONDS", 0.01)
    with closing(sqlite3.connect(here.path / ".affidavit" / "ledger.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        said = complaint(here(*ADOPT, "--as", "admin"), status=3)
        other.execute("ROLLBACK")
    assert "nothing was half-written" in said
    untouched(here)


def test_an_artifact_store_that_cannot_be_written_is_the_environments_fault(here: Folder) -> None:
    artifacts = here.path / ".affidavit" / "artifacts"
    artifacts.rename(artifacts.with_name("kept"))
    artifacts.write_text("a file where the folder should be")
    complaint(here("policy", "adopt", "strict.yaml", "--stage", "production", "--as", "admin"), status=3)
    artifacts.unlink()
    artifacts.with_name("kept").rename(artifacts)
    untouched(here)


def test_a_fault_of_our_own_is_one_line_that_is_no_answer(
    here: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fault(*_: object) -> object:
        raise KeyError("steps")

    monkeypatch.setattr("registry.registry.open_registry", fault)
    result = here("log")
    assert result.exit_code == 3
    assert result.stderr.startswith("Error: a fault in affidavit, KeyError: 'steps'; AFFIDAVIT_TRACEBACK=1")
    with pytest.raises(KeyError):
        raise here("log", variables={"AFFIDAVIT_TRACEBACK": "1"}).exception or AssertionError


# -- damage ------------------------------------------------------------------------------------------------------------


def edit(*statements: str) -> Callable[[Folder], None]:
    def damage(here: Folder) -> None:
        with closing(sqlite3.connect(here.path / ".affidavit" / "ledger.db")) as connection, connection:
            for (trigger,) in connection.execute(
                "SELECT name FROM sqlite_master WHERE type = 'trigger'"
            ).fetchall():
                connection.execute(f"DROP TRIGGER {trigger}")
            for statement in statements:
                connection.execute(statement)

    return damage


@pytest.mark.parametrize(
    "damage",
    [
        edit("UPDATE records SET record = x'00' WHERE seq = 7"),
        edit("DELETE FROM records WHERE seq = 7"),
        edit("DELETE FROM head"),
        edit("DROP TABLE versions"),
        edit("DROP TABLE records"),
        edit("UPDATE versions SET seq = 3 WHERE version = 1"),
        edit("UPDATE versions SET seq = 999 WHERE version = 1"),
    ],
)
@pytest.mark.parametrize(
    "typed",
    [
        ("log",),
        ("show", "loans@1"),
        ("gate", "loans@1", "--stage", "production"),
        ("lineage", "loans@1"),
        ("export", "loans@1", "-o", "loans.zip"),
    ],
)
def test_a_damaged_ledger_is_never_a_traceback(
    here: Folder, damage: Callable[[Folder], None], typed: tuple[str, ...]
) -> None:
    damage(here)
    result = here(*typed)
    assert "a fault in affidavit" not in result.stderr, result.stderr
    assert isinstance(result.exception, SystemExit | None)
    if result.exit_code not in (0, 1):
        complaint(result, result.exit_code)


def test_an_artifact_that_is_gone_is_one_line(here: Folder) -> None:
    for path in (here.path / ".affidavit" / "artifacts").rglob("*"):
        if path.is_file():
            path.chmod(stat.S_IRUSR | stat.S_IWUSR)
            path.unlink()
    complaint(here("gate", "loans@1", "--stage", "production"))
    document = here.json("verify", status=1)
    assert document["steps"][6]["status"] == "failed"


@pytest.mark.parametrize(
    "command", [("verify",), ("import",), ("key", "submit"), ("key", "sign", "--as", "admin")]
)
def test_a_pipe_is_not_waited_for_where_a_file_is_read_again(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    here = a_lender(tmp_path / "lender")
    os.mkfifo(here.path / "pipe")
    refused = here(*command, "pipe")
    assert (refused.exit_code, "a pipe or a device" in refused.stderr) == (2, True), refused.stderr
