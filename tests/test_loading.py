"""A registered model is loaded by its name, and only where its run and its file are what was signed."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from affidavit import load_model
from audit import forgery
from audit.envelope import sign
from audit.errors import NotFound, NotPermitted, NotVerified
from audit.record import parse_record, write_record
from registry.catalog import Catalog
from registry.pipeline import Pipeline
from registry.policy import parse
from registry.registry import Registry
from registry.run import run_pipeline
from tests.small_registry import new_registry

ROWS = pd.DataFrame({"income": [1.0, 2.0, 3.0, 4.0]})
ANY = b"""name: any
version: 1
title: Any run that succeeded
rules:
  - {clauses: [], id: succeeded, says: The run succeeded, kind: fact, fact: run-succeeded}
"""


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    monkeypatch.chdir(tmp_path)
    return new_registry(tmp_path)


def recorded(registry: Registry, model_format: Any = "skops", step: Callable[[], Any] | None = None) -> None:
    pipeline = Pipeline("credit", model_format=model_format)

    def model() -> LogisticRegression:
        return LogisticRegression().fit(ROWS, [0, 0, 1, 1])

    pipeline.step(step or model)
    registry.record_run(run_pipeline(pipeline, {}, artifacts=registry.artifacts))


def model_file(registry: Registry) -> Path:
    run: Any = registry.run_of(registry.find("credit@1"))
    return registry.artifacts.path(run["model_file"]["sha256"])


def test_a_model_is_loaded_by_its_name_and_predicts(registry: Registry) -> None:
    recorded(registry)
    assert load_model("credit@1").predict(ROWS).tolist() == [0, 0, 1, 1]


def test_a_file_that_was_changed_is_not_loaded(registry: Registry) -> None:
    recorded(registry)
    path = model_file(registry)
    path.chmod(0o644)
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(NotVerified, match="was changed"):
        load_model("credit@latest")


def test_a_run_that_nobody_signed_as_it_is_now_loads_nothing(registry: Registry) -> None:
    recorded(registry)
    other = registry.artifacts.put(b"another model")
    home = registry.home.folder
    *before, run = forgery.records_of(home)

    def exchange(said: Any) -> None:
        said["model_file"]["sha256"] = other

    forged = [*before, forgery.forge(run, exchange)]
    forgery.refit(home, forged, forgery.sizes_of(home), None, chain=False, followers=[Catalog()])
    with pytest.raises(NotVerified, match="does not verify"):
        load_model("credit@1")


def test_a_run_that_was_signed_with_a_suspect_key_loads_nothing(registry: Registry) -> None:
    recorded(registry)
    keyid, seq = registry.keys.public("scientist").keyid, registry.find("credit@1").seq
    registry.ledger.revoke(keyid, "stolen", seq, by=registry.signer("admin"))
    with pytest.raises(NotVerified, match="record the run again with another key"):
        load_model("credit@1")


def test_a_run_whose_key_was_revoked_afterwards_and_is_not_suspect_loads_its_model(
    registry: Registry,
) -> None:
    recorded(registry)
    registry.ledger.revoke(registry.keys.public("scientist").keyid, "left", None, by=registry.signer("admin"))
    assert load_model("credit@1").predict(ROWS).tolist() == [0, 0, 1, 1]


def test_a_version_without_a_model_says_so(registry: Registry) -> None:
    def model() -> int:
        return 3

    recorded(registry, step=model)
    with pytest.raises(NotFound, match="credit@1 has no model"):
        load_model("credit@1")


def test_a_pickle_is_loaded_only_where_that_is_asked_for(registry: Registry) -> None:
    recorded(registry, "pickle")
    with pytest.raises(NotPermitted, match="allow_pickle=True"):
        load_model("credit@1")
    assert load_model("credit@1", allow_pickle=True).predict(ROWS).tolist() == [0, 0, 1, 1]


def promoted(registry: Registry) -> Registry:
    """Two versions of which the second took the first one's place in production."""
    for strength in (1.0, 2.0):

        def model(strength: float = strength) -> LogisticRegression:
            return LogisticRegression(C=strength).fit(ROWS, [0, 0, 1, 1])

        recorded(registry, step=model)
    registry.adopt("production", (parse(ANY, "any"),))
    for ref in ("credit@1", "credit@2"):
        assert registry.promote(ref, "production", key="approver")[1].allowed
    return registry


def edit(registry: Registry, sql: str, *values: object) -> None:
    with sqlite3.connect(registry.home.folder / "ledger.db") as database:
        assert database.execute(sql, values).rowcount == 1
    database.close()


def test_the_version_of_a_stage_is_loaded(registry: Registry) -> None:
    promoted(registry)
    assert load_model("credit@production").C == 2.0


EDITS = {
    "credit@production": "UPDATE stages SET version = 1 WHERE stage = 'production'",
    "credit@latest": "DELETE FROM versions WHERE version = 2",
    "credit@1": "UPDATE versions SET seq = seq + 1 WHERE version = 1",
}


@pytest.mark.parametrize("ref", EDITS)
def test_a_catalogue_that_says_other_than_the_entries_loads_nothing(ref: str, registry: Registry) -> None:
    promoted(registry)
    if ref == "credit@1":
        edit(registry, "DELETE FROM versions WHERE version = 2")
    edit(registry, EDITS[ref])
    with pytest.raises(NotVerified, match="tables were edited"):
        load_model(ref)


def test_a_catalogue_without_the_newest_decision_does_not_bring_an_older_version_back(
    registry: Registry,
) -> None:
    newest = promoted(registry).ledger.head().size - 1
    edit(registry, EDITS["credit@production"])
    edit(registry, "DELETE FROM about WHERE seq = ?", newest)
    with pytest.raises(NotVerified, match=f"entry {newest} says otherwise"):
        load_model("credit@production")


def test_a_decision_that_nobody_signed_as_it_is_now_loads_nothing(registry: Registry) -> None:
    home = promoted(registry).home.folder
    *before, decision = forgery.records_of(home)

    def exchange(said: Any) -> None:
        said["reason"] = "better"

    forged = [*before, forgery.forge(decision, exchange)]
    forgery.refit(home, forged, forgery.sizes_of(home), None, chain=False, followers=[Catalog()])
    with pytest.raises(NotVerified, match="does not verify"):
        load_model("credit@production")
    assert load_model("credit@2").C == 2.0


def test_a_decision_that_was_signed_with_a_suspect_key_loads_nothing(registry: Registry) -> None:
    promoted(registry)
    keyid, newest = registry.keys.public("approver").keyid, registry.ledger.head().size - 1
    registry.ledger.revoke(keyid, "stolen", newest, by=registry.signer("admin"))
    with pytest.raises(NotVerified, match="promote the version again with another key"):
        load_model("credit@production")


def test_a_run_that_its_signer_was_never_let_say_loads_nothing(registry: Registry) -> None:
    recorded(registry)
    home = registry.home.folder
    *before, run = forgery.records_of(home)
    entry = parse_record(run)
    envelope = sign(entry.envelope.payload, [registry.signer("approver")])
    forged = write_record(envelope, log=entry.log, prev=entry.prev, seq=entry.seq, time=entry.time)
    forgery.refit(home, [*before, forged], forgery.sizes_of(home), None, chain=False, followers=[Catalog()])
    with pytest.raises(NotVerified, match="does not hold the role recorder"):
        load_model("credit@1")
