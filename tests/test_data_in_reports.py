"""What a report says of origins, data checks and kept copies: all of it, and nothing where nothing is recorded."""

from typing import Any, cast

import pytest

from audit.canonical import Json
from registry.compare import compare_versions
from registry.lineage import lineage_of
from reports.facts import EntryFacts
from tests import report_example as made
from tests.test_dossier import words


def example_with_data(checks: list[Json] | None = None) -> Any:
    run = made.run_entry()
    steps = [dict(cast(dict[str, Json], step)) for step in cast(list[Json], run.predicate["steps"])]
    outputs = cast(list[dict[str, Json]], steps[0]["outputs"])
    steps[0] |= {
        "checks": made.checks() if checks is None else checks,
        "outputs": [{**outputs[0], "kept": {"artifact": made.digest("kept")}}],
    }
    predicate = {**run.predicate, "steps": cast(Json, steps), "origins": cast(Json, made.origins())}
    return made.example(run=EntryFacts(**{
        name: getattr(run, name) for name in ("seq", "kind", "time", "key", "person", "leaf_hash")
    }, predicate=predicate))  # fmt: skip


def test_origins_are_listed_with_their_query_or_version() -> None:
    text = words(example_with_data())
    assert "postgresql+psycopg://db.bank.example/loans sql applications observed SELECT * FROM loans" in text
    assert "s3://bank/loans.parquet object applications declared bytes 1024 etag" in text


def test_checks_are_passed_failed_or_not_done() -> None:
    text = words(example_with_data())
    assert text.count("applications loans Passed") == 1
    assert "applications loans Failed" in text
    assert "income greater_than(0): 3" in text
    assert "applications loans Not done" in text


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"warned": 2}, "income greater_than(0): 3; checks that only warn: 2"),
        ({"failed": [{"column": None, "check": "mine", "reason": "check_error", "cases": None}]},
         "the table mine: could not be made"),
    ],
)  # fmt: skip
def test_a_check_that_only_warns_or_was_not_made_is_said_beside_those_that_failed(
    change: dict[str, Json], said: str
) -> None:
    failed = cast(dict[str, Json], made.checks()[1])
    text = words(example_with_data([{**failed, **change}]))
    assert "applications loans Failed" in text
    assert said in text


def test_a_kept_copy_is_named_by_its_digest() -> None:
    assert made.digest("kept") in words(example_with_data())


def test_a_keyed_source_is_listed_under_its_key_and_never_as_a_sha256() -> None:
    keyed: dict[str, Json] = {
        "sha256": None,
        "bytes": None,
        "hmac_sha256": made.digest("file"),
        "key": "5e" * 16,
    }
    source: dict[str, Json] = {"step": "applications", "parameter": "path", "uri": "people.csv", **keyed}
    text = words(made.example(run=made.run_entry(sources=[source])))
    first, second = made.digest("file")[:32], made.digest("file")[32:]
    assert f"HMAC-SHA256, key {'5e' * 16} {first} {second}" in text
    assert "that is HMAC-SHA256 under the ledger's fingerprint key" in text
    assert "that is HMAC-SHA256" not in words(made.example())


def test_where_nothing_is_recorded_the_report_says_so() -> None:
    text = words(made.example(profiles=[]))
    assert "No step held its data against a schema." in text
    assert "No profile is recorded of a table that came in from outside." in text
    assert "Kept copies" not in text


def test_an_origin_is_a_source_of_the_lineage() -> None:
    run = {**example_with_data().entry.predicate, "sources": []}
    edges = lineage_of(run).to_json()["edges"]
    assert {(edge["from"], edge["how"]) for edge in cast(list[dict[str, Json]], edges)} >= {
        ("source:s3://bank/loans.parquet", "declared"),
        ("source:postgresql+psycopg://db.bank.example/loans", "observed"),
    }


def test_an_object_of_another_version_is_a_difference() -> None:
    run = cast(dict[str, Any], dict(example_with_data().entry.predicate))
    stored = {**run["origins"][1], "version": {**run["origins"][1]["version"], "etag": '"other"'}}
    other = {**run, "origins": [run["origins"][0], stored]}
    differing = [row for row in compare_versions(run, other) if row.first != row.second]
    assert [(row.what, row.name, row.second) for row in differing] == [
        ("origin", "s3://bank/loans.parquet in applications", '"other"')
    ]
