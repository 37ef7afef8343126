"""What DuckDB reads for the columns of a query's result: its own word on what they can depend on.

A parse goes wrong where it takes a name for another column than the database does, and no result shows it. DuckDB's
plan is made of the columns that its own binder found, and leaves out those that are not needed. So a plan is asked for
of some columns of the result at a time: an input column that it does not read cannot matter to them.

Rules:

- Nothing is run. The connection knows the tables by a few rows, for their types, whose columns bear the number of a
  table and their own (`0.2`): a plan then says of which table a column is.
- Of DuckDB's optimizers those alone are on that leave out columns: no plan depends on what the tables hold.
- Every leaf of a plan reads numbered columns, or is one of those known to read no table. Another leaf means a plan
  that is written in a way not known here: `NotUnderstood`.
- A plan says nothing of the order in which rows happen to come where the query does not sort them.
"""

import json
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from registry.relations import NotUnderstood
from registry.sentences import first_line
from registry.sql_step import SETTINGS, quoted

__all__ = ["Column", "Reads", "planned"]

Column = tuple[str, str]
"""An input column: the name of its table, and its own."""

Reads = Callable[[Iterable[int]], frozenset[Column]]
"""Says what is read for some columns of the result, by their place; for none of them, what its rows need."""

NEEDED: Final = frozenset({"unused_columns", "cte_inlining", "deliminator"})
"""The optimizers that leave out what the result does not need."""

READ_NO_TABLE: Final = frozenset({
    "COLUMN_DATA_SCAN", "CTE_SCAN", "DELIM_SCAN", "DUMMY_SCAN", "EMPTY_RESULT", "GENERATE_SERIES", "RANGE",
    "REC_CTE_SCAN", "UNNEST",
})  # fmt: skip
"""The leaves of a plan that read constants, or what other parts of the plan hold."""

MOST: Final = 9_000_000_000_000_000_000
"""A limit that no result reaches: what is limited keeps its order, and its plan what sorts it."""

MOST_SECONDS: Final = 10.0
"""How long the plans of a step may take, in seconds of the processor."""

_NUMBERED = re.compile(r"(\d+\.\d+)(?:\..*)?", re.S)


@contextmanager
def planned(
    text: str,
    tables: Mapping[str, Any],
    values: Mapping[str, object],
    width: int,
    spent: Callable[[], float] = time.process_time,
) -> Iterator[Reads]:
    """Prepare to ask what is read for the `width` columns that a query returns.

    `tables` hold a few rows each, in Arrow, with the types that they have in the step. Raises `NotUnderstood`, as
    asking does.
    """
    import duckdb

    begun = spent()
    renamed = f"(\n{_body(text)}\n) AS made({', '.join(f'o{number}' for number in range(width))})"
    with duckdb.connect(":memory:", config=SETTINGS) as connection:

        def reads(wanted: Iterable[int]) -> frozenset[Column]:
            if spent() - begun > MOST_SECONDS:
                raise NotUnderstood(f"the database's plans take more than {MOST_SECONDS:g} seconds")
            listed = ", ".join(f"o{number}" for number in wanted) or "1"
            try:
                said = connection.execute(
                    f"EXPLAIN (FORMAT JSON) SELECT {listed} FROM {renamed} LIMIT {MOST}",  # noqa: S608 - the step's
                    dict(values) or None,
                ).fetchall()
            except duckdb.Error as error:
                raise NotUnderstood(f"the database does not plan it again ({first_line(error)})") from None
            return frozenset(_read(json.loads(said[0][1]), names))

        names = _made_known(connection, tables)
        _keep_optimizers(connection)
        yield reads


def _body(text: str) -> str:
    """Leave out what ends a query, so that it can stand in another one."""
    from sqlglot import TokenType, tokenize

    tokens = [each for each in tokenize(text, read="duckdb") if each.token_type is not TokenType.SEMICOLON]
    return text[: tokens[-1].end + 1]


def _made_known(connection: Any, tables: Mapping[str, Any]) -> dict[str, Column | None]:
    """Make the tables known with numbered columns, and return which column each number means.

    The first of a table is none: DuckDB reads the first one where it only counts rows.
    """
    import pyarrow as pa

    names: dict[str, Column | None] = {}
    for number, (part, table) in enumerate(tables.items()):
        numbers = [f"{number}.{column}" for column in range(table.num_columns + 1)]
        counted = table.add_column(0, "rows", pa.nulls(table.num_rows, pa.int64())).rename_columns(numbers)
        connection.register(f"rows {number}", counted)
        named = dict(zip(numbers[1:], table.column_names, strict=True))
        selected = ", ".join(f"{quoted(held)} AS {quoted(column)}" for held, column in named.items())
        schema, dot, name = part.partition(".")
        if dot:
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(schema)}")
        place = f"{quoted(schema)}.{quoted(name)}" if dot else f"main.{quoted(part)}"
        connection.execute(f'CREATE VIEW {place} AS SELECT {selected} FROM "rows {number}"')  # noqa: S608 - quoted
        names |= {numbers[0]: None, **{held: (part, column) for held, column in named.items()}}
    return names


def _keep_optimizers(connection: Any) -> None:
    every = {name for (name,) in connection.execute("SELECT name FROM duckdb_optimizers()").fetchall()}
    if not every >= NEEDED:
        raise NotUnderstood("this version of DuckDB plans in a way that is not known here")
    connection.execute(f"SET disabled_optimizers = '{','.join(sorted(every - NEEDED))}'")


def _read(plan: Iterable[Mapping[str, Any]], names: Mapping[str, Column | None]) -> Iterator[Column]:
    """Yield the input columns that the leaves of a plan read."""
    for node in plan:
        yield from _read(node["children"], names)
        name = node["name"].strip()
        if node["children"] or name in READ_NO_TABLE:
            continue
        listed = node["extra_info"].get("Projections", [])
        for each in [listed] if isinstance(listed, str) else listed or [""]:
            matched = _NUMBERED.fullmatch(each)
            if matched is None or matched[1] not in names:
                raise NotUnderstood(f"the database's plan has {name} {each}, which is not understood here")
            if (column := names[matched[1]]) is not None:
                yield column
