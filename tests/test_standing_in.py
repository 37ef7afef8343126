"""Kept tables stand in for sources that are gone; the verdict says that the step did not run again."""

from pathlib import Path
from typing import cast

import pytest

from audit.canonical import JsonObject
from audit.errors import NotVerified
from audit.record import Entry
from registry.predicates import Reproduction
from registry.registry import Registry
from registry.reproduce import reproduce
from registry.run import run_pipeline
from registry.standing_in import kept_tables, stand_in_for
from registry.target import load_target
from tests.small_registry import new_registry
from tests.test_profiling import outputs

PIPELINE = """
import os

import pandas as pd
from affidavit import Pipeline

sums = Pipeline("sums")

@sums.step
def table(source: str = "data.csv"):
    return {"left": pd.read_csv(source), "right": pd.read_csv(source)[:1]}

@sums.step
def database():
    if "DATABASE_IS_DOWN" in os.environ:
        raise ConnectionError("no such host: hunter2")
    return pd.DataFrame({"x": [1, 2]})

@sums.step
def scaled(table, database, factor: float = 2.0):
    return table["left"] * factor
"""


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """A recorded run with kept tables, whose database fails from then on."""
    (tmp_path / "sums.py").write_text(PIPELINE)
    (tmp_path / "data.csv").write_text("a,b\n1,2\n3,4\n")
    monkeypatch.chdir(tmp_path)
    made = new_registry(tmp_path)
    target = load_target("sums.py")
    made.record_run(
        run_pipeline(target.pipeline, {}, artifacts=made.artifacts, target=target.text, keep_data=True)
    )
    monkeypatch.setenv("DATABASE_IS_DOWN", "yes")
    return made


def verdict(registry: Registry, *, kept: bool = False) -> tuple[Entry, Reproduction]:
    return reproduce(registry, "sums@1", key="validator", kept=kept)


def test_a_source_that_is_gone_is_stood_in_for_and_that_is_said(registry: Registry) -> None:
    Path("data.csv").unlink()
    entry, said = verdict(registry)
    assert said.verdict == "identical"
    assert "did not run again" in str(said.reason)
    assert "table: the file data.csv" in str(said.reason)
    assert "database: it failed here with ConnectionError" in str(said.reason)
    assert [row["part"] for row in said.compared if row.get("kept")] == [
        "table.left",
        "table.right",
        "database",
    ]
    assert b"hunter2" not in entry.record


def test_a_source_that_is_here_is_read_again(registry: Registry) -> None:
    _, said = verdict(registry)
    assert [row["part"] for row in said.compared if row.get("kept")] == ["database"]


def test_kept_tables_are_taken_where_that_is_asked_for(registry: Registry) -> None:
    Path("data.csv").write_text("a,b\n9,9\n")
    _, said = verdict(registry, kept=True)
    assert said.verdict == "identical"
    assert "table: the file data.csv has changed" in str(said.reason)
    assert "database: the kept tables were asked for" in str(said.reason)


def test_a_kept_table_that_was_deleted_stands_in_for_nothing(registry: Registry) -> None:
    kept = outputs(registry.run_of(registry.find("sums@1")))["table.left"]["kept"]
    registry.artifacts.path(str(cast(JsonObject, kept)["artifact"])).unlink()
    Path("data.csv").unlink()
    _, said = verdict(registry)
    assert said.verdict == "impossible"
    assert "data.csv" in str(said.reason)
    assert "; the kept table table.left is gone from the artifact store, or changed" in str(said.reason)
    _, said = verdict(registry, kept=True)
    assert said.verdict == "impossible"
    assert str(said.reason).startswith("the kept table table.left is gone from the artifact store")
    [artifacts] = [step for step in registry.ledger.verify().steps if step.name == "artifacts"]
    assert artifacts.status == "failed"


def test_a_kept_table_that_changes_after_it_was_looked_for_is_not_taken(registry: Registry) -> None:
    run = registry.run_of(registry.find("sums@1"))
    kept = kept_tables(run, registry.artifacts, always=True)
    pipeline = load_target("sums.py").pipeline
    stand_in_for(pipeline, kept)
    parts = [cast(JsonObject, outputs(run)[name]["kept"]) for name in ("table.left", "table.right")]
    digest, other = (str(kept_part["artifact"]) for kept_part in parts)
    changed = registry.artifacts.path(digest)
    changed.chmod(0o600)
    changed.write_bytes(registry.artifacts.get(other))
    result = run_pipeline(pipeline, {}, artifacts=registry.artifacts)
    assert isinstance(result.exception, NotVerified)
    assert f"the kept table {digest} is not what was kept" in str(result.exception)
