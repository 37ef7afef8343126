"""A version whose database is gone cannot be reproduced: that says nothing about what its code gave."""

from pathlib import Path

import pandas as pd
import pytest

from audit.errors import NotFound
from registry.registry import Registry
from registry.reproduce import reproduce
from registry.run import run_pipeline
from registry.target import load_target
from tests.postgres_ledger import Database
from tests.small_registry import new_registry

PIPELINE = """
import os
import sqlite3

import pandas as pd
from affidavit import Pipeline, sql_source

loans = Pipeline("loans")
BANK, LOANS = os.environ["BANK"], "SELECT income FROM loans"

@loans.step
def applications():
    return {read}
"""
BY_URL = "pd.read_sql(LOANS, BANK)"
BY_URL_ERROR = (
    "DatabaseError" if pd.__version__ >= "3" else "OperationalError"
)  # pandas 2 hands SQLAlchemy's on
NAMED = "sql_source(BANK, LOANS).read()"
BY_DRIVER = "pd.read_sql(LOANS, sqlite3.connect(BANK.removeprefix('sqlite:///')))"


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    monkeypatch.chdir(tmp_path)
    return new_registry(tmp_path)


def record(registry: Registry, read: str) -> None:
    Path("loans.py").write_text(PIPELINE.format(read=read))
    target = load_target("loans.py")
    result = run_pipeline(target.pipeline, {}, artifacts=registry.artifacts, target=target.text)
    assert result.exception is None
    registry.record_run(result)


def verdict(registry: Registry) -> tuple[str, str]:
    _, said = reproduce(registry, "loans@1", key="validator")
    return said.verdict, str(said.reason)


@pytest.mark.parametrize(
    ("read", "error"),
    [(BY_URL, BY_URL_ERROR), (NAMED, "EnvironmentFailed"), (BY_DRIVER, "DatabaseError")],
)
def test_a_file_with_a_database_that_has_lost_its_table_makes_it_impossible(
    read: str, error: str, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bank = tmp_path / "bank.db"
    monkeypatch.setenv("BANK", f"sqlite:///{bank}")
    _make_loans(f"sqlite:///{bank}")
    record(registry, read)
    bank.unlink()
    said = (
        f"the rerun failed in the step applications with {error}: something that the code needs is not here"
    )
    assert verdict(registry) == ("impossible", said)


@pytest.mark.parametrize("read", [BY_URL, NAMED])
def test_a_table_and_then_a_database_that_a_server_dropped_make_it_impossible(
    read: str, registry: Registry, empty_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BANK", empty_database.text)
    _make_loans(empty_database.text)
    record(registry, read)
    assert verdict(registry)[0] == "identical"
    empty_database.execute("DROP TABLE loans")
    without_table = verdict(registry)
    monkeypatch.setenv("BANK", f"{empty_database.text}_dropped")
    without_database = verdict(registry)
    for answer, reason in (without_table, without_database):
        assert answer == "impossible"
        assert "the rerun failed in the step applications with " in reason


def test_kept_tables_that_are_asked_for_where_none_was_kept_are_refused_and_nothing_is_recorded(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BANK", f"sqlite:///{tmp_path / 'bank.db'}")
    _make_loans(f"sqlite:///{tmp_path / 'bank.db'}")
    record(registry, BY_URL)
    before = registry.ledger.head()
    with pytest.raises(NotFound, match="no table of loans@1 was kept: reproduce it without --kept"):
        reproduce(registry, "loans@1", key="validator", kept=True)
    assert registry.ledger.head() == before


def _make_loans(url: str) -> None:
    import pandas as pd

    pd.DataFrame({"income": [1.5, 2.5]}).to_sql("loans", url, index=False)
