"""What DuckDB says that it reads for each column of a result, and when it is not taken at its word."""

from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa
import pytest

from registry import sql_reads
from registry.relations import NotUnderstood
from registry.sql_reads import MOST_SECONDS, planned

NUMBERS = ("id", "income", "debt", "race")
TABLES: Mapping[str, Any] = {
    "loans": pa.table({**{name: [1, 2] for name in NUMBERS}, "who": [{"race": 1, "sex": 2}] * 2}),
    "split.train": pa.table({"id": [1, 2], "Race": [3, 4]}),
}


def reads(text: str, width: int, **values: object) -> list[str]:
    """Say what is read for each column and for the rows, a text for each."""
    with planned(text, TABLES, values, width) as asked:
        found = [*(asked([place]) for place in range(width)), asked(())]
    return [" ".join(sorted(f"{part}.{column}" for part, column in each)) for each in found]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("SELECT count(*) FROM loans", ["", ""]),
        ("SELECT id, debt / income FROM loans", ["loans.id", "loans.debt loans.income", ""]),
        ("SELECT id FROM loans WHERE race = 1; -- é;", ["loans.id loans.race", "loans.race"]),
        ("SELECT id FROM loans ORDER BY race", ["loans.id loans.race", "loans.race"]),
        ("SELECT id FROM split.train", ["split.train.id", ""]),
        (
            "SELECT income FROM loans SEMI JOIN split.train USING (race)",
            ["loans.income loans.race split.train.Race", "loans.race split.train.Race"],
        ),
        ("SELECT who.race AS a, id AS A FROM loans", ["loans.who", "loans.id", ""]),
        (
            "WITH loans AS (SELECT race AS id, debt FROM loans) SELECT id, debt FROM loans",
            ["loans.race", "loans.debt", ""],
        ),
        (
            "SELECT id, sum(debt) OVER (PARTITION BY race) FROM loans",
            ["loans.id", "loans.debt loans.race", ""],
        ),
        ("SELECT v, id FROM loans, (VALUES (1), (2)) AS t(v)", ["", "loans.id", ""]),
    ],
)
def test_what_is_read_for_a_column_and_for_the_rows(text: str, said: list[str]) -> None:
    assert reads(text, len(said) - 1) == said


def test_a_parameter_has_its_value() -> None:
    assert reads("SELECT id FROM loans WHERE race > $least", 1, least=1.5) == [
        "loans.id loans.race",
        "loans.race",
    ]


def test_tables_without_rows_are_planned_as_others_are() -> None:
    none = {name: table.slice(0, 0) for name, table in TABLES.items()}
    with planned("SELECT id FROM loans WHERE race = 1", none, {}, 1) as asked:
        assert asked([0]) == {("loans", "id"), ("loans", "race")}


def test_a_plan_that_reads_what_is_not_known_is_not_understood() -> None:
    with pytest.raises(NotUnderstood, match=r"plan has .* which is not understood here"):
        reads("SELECT name FROM duckdb_settings()", 1)


def test_a_query_that_the_database_refuses_is_not_understood() -> None:
    with pytest.raises(NotUnderstood, match=r"does not plan it again .*nothing"):
        reads("SELECT nothing FROM loans", 1)


def test_a_database_that_names_its_optimizers_otherwise_is_not_understood(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sql_reads, "NEEDED", frozenset({"unused_columns", "of_another_version"}))
    with pytest.raises(NotUnderstood, match="plans in a way that is not known"):
        reads("SELECT id FROM loans", 1)


def test_once_the_time_is_up_nothing_is_said() -> None:
    def clock() -> Iterator[float]:
        yield from (0.0, MOST_SECONDS, MOST_SECONDS + 1)

    ticks = clock()
    with planned("SELECT id FROM loans", TABLES, {}, 1, lambda: next(ticks)) as asked:
        assert asked([0]) == {("loans", "id")}
        with pytest.raises(NotUnderstood, match="more than 10 seconds"):
            asked(())
