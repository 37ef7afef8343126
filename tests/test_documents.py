"""Tests of the documents that commands print: what they say of each entry, and that they hold what was signed."""

from pathlib import Path

import pytest

from audit.canonical import JsonObject
from registry.documents import entry_document, log_documents, run_document, summary, version_document
from registry.registry import Registry, RunEntry, open_registry
from tests.command_line import Folder, a_lender


@pytest.fixture
def here(tmp_path: Path) -> Folder:
    """Give a lender's folder: 11 entries, loans@1 in production."""
    return a_lender(tmp_path / "lender")


@pytest.fixture
def registry(here: Folder) -> Registry:
    """Open the lender's ledger."""
    return open_registry(str(here.path))


@pytest.mark.parametrize(
    ("seq", "said"),
    [
        (0, "admin holds admin, recorder"),
        (3, "scientist holds recorder, validator"),
        (6, "production is guarded by easy"),
        (7, "run of loans succeeded"),
        (9, "loans@1 for production: approve as validator"),
        (10, "loans@1 for production: promoted"),
    ],
)
def test_a_summary_says_what_an_entry_says(registry: Registry, seq: int, said: str) -> None:
    assert summary(registry.ledger.entry(seq)) == said


def test_a_summary_says_who_was_revoked_and_why(here: Folder, registry: Registry) -> None:
    here.text("key", "revoke", "validator", "--reason", "left the bank")
    keyid = registry.keys.public("validator").keyid
    assert summary(registry.ledger.entry(11)) == f"key {keyid[:16]} revoked: left the bank"


def test_a_summary_says_the_verdict_of_a_reproduction(here: Folder, registry: Registry) -> None:
    (here.path / "loans.csv").unlink()
    here.text("reproduce", "loans@1", "--as", "validator", status=1)
    assert summary(registry.ledger.entry(11)) == "loans@1: impossible"


def test_a_line_of_the_log_names_the_key_and_who_holds_it(registry: Registry) -> None:
    [row] = log_documents(registry, [registry.ledger.entry(9)])
    assert row["signer"] == "Dana Whitfield (validator)"
    assert row["key"] == registry.keys.public("validator").keyid


def test_a_holder_who_was_erased_leaves_the_name_of_the_key(registry: Registry) -> None:
    keyid = registry.keys.public("validator").keyid
    with registry.ledger.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM holders WHERE key = ?", (keyid,))
    [row] = log_documents(registry, [registry.ledger.entry(9)])
    assert row["signer"] == "validator"


def test_an_entry_is_shown_as_it_was_signed(registry: Registry) -> None:
    entry = registry.ledger.entry(9)
    document = entry_document(registry, entry)
    assert document["predicate"] == entry.statement.predicate
    assert document["prev"] == registry.ledger.entry(8).leaf_hash
    assert document["subjects"] == [{"name": "loans@1", "sha256": registry.ledger.entry(7).leaf_hash}]


def test_a_version_is_shown_with_its_approvals_but_without_what_every_entry_has(registry: Registry) -> None:
    document = version_document(registry, registry.find("loans@1"))
    approvals = document["approvals"]
    assert isinstance(approvals, list)
    [approval] = approvals
    assert isinstance(approval, dict)
    assert approval["meaning"] == "Data and method reviewed"
    assert not {"ledger", "entry_id", "observed"} & approval.keys()


def test_metrics_are_numbers_here_and_decimals_in_the_statement(registry: Registry) -> None:
    document = version_document(registry, registry.find("loans@1"))
    metrics, run = document["metrics"], document["run"]
    assert isinstance(metrics, dict)
    assert isinstance(run, dict)
    evaluation = run["evaluation"]
    assert isinstance(evaluation, dict)
    figures: dict[object, JsonObject] = {f["name"]: f for f in evaluation["metrics"]}  # type: ignore[union-attr, misc, call-overload, index]
    assert metrics == {name: float(str(figure["value"])) for name, figure in figures.items()}
    assert all(isinstance(figure["value"], str) for figure in figures.values())


def test_a_run_is_described_with_its_tables(registry: Registry) -> None:
    document = run_document(registry, RunEntry(registry.ledger.entry(7), "loans", 1))
    data = document["data"]
    assert isinstance(data, list)
    assert [part["name"] for part in data if isinstance(part, dict)][:3] == [
        "applications",
        "split.train",
        "split.test",
    ]
    assert (document["status"], document["failure"]) == ("succeeded", None)
