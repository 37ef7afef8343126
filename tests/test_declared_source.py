"""What a recording is told of a table's source is recorded, or refused in one sentence."""

import os
from pathlib import Path
from typing import Any

import pytest

from audit.errors import MalformedInput
from registry.declared_source import checked_source, refuse_name_of_file
from registry.origins import sql_source


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loans.csv").write_text("a\n1\n")
    os.mkfifo(tmp_path / "pipe")


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        (".", "the source '.' is a folder"),
        ("", "is a folder"),
        (Path(".."), "the source '..' is a folder"),
        ("pipe", "the source 'pipe' is a pipe or a device"),
        (Path("https://bank.example/loans.csv"), "is a URL inside a Path: give it as text"),
        ("ipfs://loans", "is a URI of a kind that is not recorded"),
        ("https://bank.example/two words", "is a URI of a kind that is not recorded"),
        ("a\0b", "has a NUL in it"),
        (5, "and not a int"),
        (b"loans.csv", "and not a bytes"),
    ],
    ids=str,
)
def test_a_source_that_cannot_be_recorded_is_refused(source: Any, sentence: str) -> None:
    with pytest.raises(MalformedInput, match=sentence):
        checked_source(source)


def test_a_file_is_a_file_however_it_is_named(tmp_path: Path) -> None:
    for source in ("loans.csv", Path("loans.csv"), f"file://{tmp_path}/loans.csv"):
        found = checked_source(source)
        assert isinstance(found, Path)
        assert found.samefile("loans.csv")


@pytest.mark.parametrize("uri", ["s3://bank/loans.parquet", "HTTPS://bank.example/loans.csv"])
def test_a_uri_stays_as_it_is(uri: str) -> None:
    assert checked_source(uri) == uri


def test_a_query_and_no_source_stay_as_they_are() -> None:
    query = sql_source("sqlite:///bank.db", "SELECT 1")
    assert checked_source(query) is query
    assert checked_source(None) is None


@pytest.mark.parametrize("value", ["loans.csv", Path("loans.csv"), "pipe.CSV", "gone.parquet", Path("gone")])
def test_the_name_of_a_file_is_refused_where_its_table_is_meant(value: object) -> None:
    with pytest.raises(MalformedInput, match="loans is the name of a file and not its table: read the file"):
        refuse_name_of_file("loans", value)


@pytest.mark.parametrize(
    "value", ["text", "", "as it stands in gone.csv", "two\nlines.csv", "x" * 9_000, "a\0b", "pipe", 3, None]
)
def test_any_other_value_is_no_name_of_a_file(value: object) -> None:
    refuse_name_of_file("loans", value)
