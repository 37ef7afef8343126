"""What leaves a ledger on PostgreSQL or comes to it: anchors of every kind, a backup, evidence, tiles."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from audit.cosignature import WitnessKey
from audit.note import VerifierKey
from registry.founding import Founding, create_shared_home
from registry.registry import Registry
from tests.authority import LocalAuthority, served
from tests.command_line import Folder, empty_folder
from tests.local_witness import NAME, SIGNER, witness_of
from tests.postgres_ledger import Database, Databases
from tests.small_registry import run_result


@dataclass(frozen=True)
class Typed:
    """A folder in which commands are typed about a ledger on PostgreSQL."""

    here: Folder
    database: Database
    data: Path

    @property
    def variables(self) -> dict[str, str]:
        return {"AFFIDAVIT_LEDGER": self.database.text, "XDG_DATA_HOME": str(self.data)}

    def text(self, *arguments: str, status: int = 0) -> str:
        result = self.here(*arguments, variables=self.variables)
        assert result.exit_code == status, result.output
        return str(result.stdout)

    def json(self, *arguments: str, status: int = 0) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.text(*arguments, "--json", status=status))
        return found

    def step(self, name: str, *arguments: str, status: int = 0) -> dict[str, Any]:
        steps = self.json("verify", *arguments, status=status)["steps"]
        return next(step for step in steps if step["name"] == name)


@pytest.fixture
def typed(databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Typed:
    """Make a ledger in a database, whose newest head is kept in a file outside, and record a run."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    database = databases.empty()
    home = create_shared_home(
        database.text,
        Founding("bank.example/credit", "admin", "Ilse Brandt"),
        lambda _: b"",
        tmp_path / "outside.checkpoint",
    )
    registry = Registry(home)
    registry.record_run(run_result(registry))
    registry.ledger.close()
    return Typed(empty_folder(tmp_path / "here"), database, tmp_path / "data")


def test_a_witness_and_an_authority_vouch_for_a_ledger_on_postgresql(typed: Typed, tmp_path: Path) -> None:
    local = LocalAuthority.make(tmp_path / "authority")
    log = VerifierKey.parse(typed.json("checkpoint")["verifier_key"])
    with witness_of(log, tmp_path / "state") as witness, served(local) as authority:
        (typed.here.path / "chain.pem").write_text(local.chain)
        (typed.here.path / "witness.vkey").write_text(f"{WitnessKey(NAME, SIGNER.public.raw)}\n")
        typed.text("anchor", "add", "witness", witness, "--key", "witness.vkey")
        typed.text("anchor", "add", "timestamp", authority, "--certificate", "chain.pem")
        typed.text("anchor", "now")
        typed.text("key", "create", "ana")
        typed.text("key", "grant", "ana", "--role", "auditor", "--holder", "Ana Ruiz")
        again = typed.json("anchor", "now")["anchors"]
    assert [(one["kind"], one["size"], one["problem"]) for one in again] == [
        ("cosignature", 5, None),
        ("timestamp", 5, None),
    ]
    step = typed.step("anchors")
    assert (step["status"], step["figures"]["cosignatures"], step["figures"]["timestamps"]) == (
        "passed",
        2,
        2,
    )


def test_an_older_state_of_the_database_is_refused_by_the_file_that_is_kept_elsewhere(typed: Typed) -> None:
    assert typed.step("anchors")["status"] == "passed"
    cut = "ALTER TABLE {0} DISABLE TRIGGER ALL; DELETE FROM {0} WHERE {1}; ALTER TABLE {0} ENABLE TRIGGER ALL"
    typed.database.execute(cut.format("records", "seq = 3"))
    typed.database.execute(cut.format("checkpoints", "size = 4"))
    assert typed.step("anchors", status=1)["status"] == "failed"


def test_a_restored_backup_is_not_appended_to(typed: Typed, databases: Databases) -> None:
    databases.root.execute(f"CREATE DATABASE backup_of TEMPLATE {typed.database.url.database}")
    databases.made.append("backup_of")
    typed.text("key", "create", "ana")
    typed.text("key", "grant", "ana", "--role", "auditor", "--holder", "Ana Ruiz")
    name = typed.database.url.database
    databases.root.execute(f"DROP DATABASE {name} WITH (FORCE)")
    databases.root.execute(f"ALTER DATABASE backup_of RENAME TO {name}")
    databases.made.remove("backup_of")
    typed.text("key", "create", "bob")
    refused = typed.here(
        "key", "grant", "bob", "--role", "auditor", "--holder", "Bob", variables=typed.variables
    )
    assert (refused.exit_code, "an older copy was restored" in refused.stderr) == (3, True)


def test_evidence_and_tiles_leave_it_and_verify_without_it(typed: Typed, tmp_path: Path) -> None:
    typed.text("export", "credit@1", "-o", "evidence.zip")
    typed.text("ledger", "tiles", "tiles")
    elsewhere = Folder(typed.here.path)
    assert "passed" in elsewhere.text("verify", "evidence.zip")
    assert "passed" in elsewhere.text("verify", "tiles")
    assert "passed" in elsewhere.text("import", "evidence.zip")
