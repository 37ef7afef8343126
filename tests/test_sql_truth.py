"""Of no query does lineage say that a column stays out which moves what comes out: tried by changing that column."""

from collections.abc import Iterator
from random import Random

import duckdb
import pyarrow as pa
import pytest

from registry.relations import NotUnderstood
from registry.sql_doubt import confirmed
from registry.sql_lineage import parsed

ROWS = 30
VARIED = {
    "base": (0, 0),
    "t1": (1, 0),
    "t2": (2, 0),
    "t3": (-1, 0),
    "u1": (0, 1),
    "u2": (0, 2),
    "u3": (0, -1),
}
"""From which seed `race` is drawn in `t` and in `u`; -1 is one value throughout."""

QUERIES = """
SELECT income, (SELECT sum(x) FROM u WHERE u.race = t.race) AS z FROM t ORDER BY t.id
SELECT income FROM t SEMI JOIN u USING (race) ORDER BY id
SELECT income FROM t ANTI JOIN u ON t.race + 1 = u.race ORDER BY id
SELECT income FROM t QUALIFY row_number() OVER (PARTITION BY race ORDER BY id) = 1 ORDER BY id
SELECT sum(income) OVER w2 AS z FROM t WINDOW w AS (ORDER BY race, id), w2 AS (w ROWS 1 PRECEDING) ORDER BY id
SELECT sum(debt) OVER (ORDER BY id ROWS BETWEEN race PRECEDING AND CURRENT ROW) AS z FROM t ORDER BY id
SELECT count(*) AS c FROM t GROUP BY GROUPING SETS ((race), (g)) ORDER BY 1
SELECT * EXCLUDE (race) FROM t ORDER BY race, id
SELECT arg_max(income, race) AS l FROM t
SELECT sum(income) FILTER (WHERE race = 1) AS l FROM t
SELECT DISTINCT ON (race) income FROM t ORDER BY race, id
SELECT income FROM t WHERE id IN (SELECT id FROM u WHERE race = 1) ORDER BY id
SELECT income FROM t EXCEPT SELECT race FROM u ORDER BY 1
SELECT list_transform([g], lambda z: z + race) AS l FROM t ORDER BY id
SELECT race AS income, income + 1 AS b FROM t ORDER BY id
SELECT count(*) AS c FROM t GROUP BY ALL HAVING max(race) > 1
SELECT income FROM t ASOF JOIN u ON t.id = u.id AND t.race >= u.race ORDER BY t.id
SELECT x FROM t POSITIONAL JOIN (SELECT x FROM u WHERE race = 1)
SELECT unnest(range(race)) AS z FROM t ORDER BY id
SELECT count(*) AS c FROM (SELECT DISTINCT race FROM t)
SELECT income FROM t LEFT JOIN u ON t.id = u.id AND u.race = 1 ORDER BY t.id
WITH t AS (SELECT race AS income, id FROM t) SELECT income FROM t ORDER BY id
SELECT income AS race, id FROM t ORDER BY race + 0, id
SELECT row_number() OVER () AS z, income FROM t WHERE race = 1 ORDER BY id
SELECT first(z) AS l FROM (SELECT income AS z FROM t ORDER BY race, id)
SELECT income FROM t ORDER BY id LIMIT (SELECT max(race) + 1 FROM u)
SELECT t AS whole FROM t ORDER BY id
SELECT #2 + 1 AS z FROM t
SELECT CASE WHEN EXISTS (SELECT 1 FROM u WHERE race = 1 AND x > 7) THEN income END AS z FROM t ORDER BY id
SELECT DISTINCT ON (2) income, race AS r FROM t ORDER BY income
SELECT income, g FROM t EXCEPT ALL SELECT x, race FROM u
SELECT id, race FROM t INTERSECT ALL SELECT race, race FROM u
SELECT income, lag(id) OVER (PARTITION BY race) AS z FROM t ORDER BY g
SELECT count(*) AS n, (SELECT max(x) FROM u WHERE u.id = t.race) AS m FROM t GROUP BY ALL
SELECT * REPLACE (race AS g) FROM t ORDER BY g, id + 0
SELECT z FROM (SELECT DISTINCT ON (g) income AS z, id AS y, race AS y FROM t ORDER BY y) ORDER BY z
SELECT income, (SELECT min(t.race) FROM (SELECT {'race': race} AS t FROM u) AS s) AS z FROM t ORDER BY id
SELECT count(*) AS n FROM (SELECT {'race': id} AS t, g FROM t) SEMI JOIN t ON t.race = 1 GROUP BY ALL
SELECT list_filter([1, 2], lambda t: t.race > 1) AS l FROM t ORDER BY id
WITH c(a, b, b) AS (SELECT id, g, race FROM t ORDER BY id LIMIT 20) SELECT c.b AS z FROM c
SELECT income FROM t WHERE EXISTS (SELECT t.id FROM u WHERE u.id = t.race) ORDER BY id
SELECT a FROM (SELECT income FROM t ORDER BY race, id) v(a)
WITH c(a, b) AS (SELECT income, id FROM t ORDER BY race, id LIMIT 5) SELECT a FROM c ORDER BY b
SELECT a FROM (SELECT income, income FROM t ORDER BY race, id LIMIT 7) v(a, b)
SELECT v.income AS z FROM (SELECT income, race FROM t ORDER BY id LIMIT 9) v(race, income)
SELECT income, n FROM t, generate_series(1, 2) s(n) WHERE n = race ORDER BY id, n
""".strip().splitlines()

Databases = dict[str, duckdb.DuckDBPyConnection]


def tables(mine: int, others: int) -> dict[str, pa.Table]:
    random = Random(99)
    other = [random.randrange(50) for _ in range(ROWS * 5)]
    first = {
        "income": other[:ROWS],
        "debt": other[ROWS : 2 * ROWS],
        "g": [value % 4 for value in other[-ROWS:]],
    }
    second = {"x": [value % 9 for value in other[2 * ROWS : 3 * ROWS]]}
    return {
        "t": pa.table({"id": list(range(ROWS)), "race": race(mine), **first}),
        "u": pa.table({"id": list(range(ROWS))[::-1], "race": race(others), **second}),
    }


def race(seed: int) -> list[int]:
    random = Random(seed)
    return [1 if seed == -1 else random.randrange(3) for _ in range(ROWS)]


@pytest.fixture(scope="module")
def databases() -> Iterator[Databases]:
    made: Databases = {}
    for name, seeds in VARIED.items():
        made[name] = duckdb.connect(":memory:", config={"threads": 1})
        for table, held in tables(*seeds).items():
            made[name].register(f"v {table}", held)
            made[name].execute(f'CREATE TABLE {table} AS SELECT * FROM "v {table}"')
    yield made
    for connection in made.values():
        connection.close()


@pytest.mark.parametrize("query", QUERIES)
def test_nothing_that_moves_with_a_column_is_said_to_be_independent_of_it(
    databases: Databases, query: str
) -> None:
    came = {name: connection.sql(query).to_arrow_table() for name, connection in databases.items()}
    base = came["base"]
    inputs = {name: tuple(table.column_names) for name, table in tables(0, 0).items()}
    try:
        flow = parsed(query, inputs, base.column_names, "made").flow
    except NotUnderstood:
        return
    for name, table in came.items():
        known = {link.column for link in flow.links if (link.part, link.source) == (name[0], "race")}
        if name == "base" or None in known:
            continue
        assert table.num_rows == base.num_rows
        assert {each for each in base.column_names if table[each] != base[each]} <= known


@pytest.mark.parametrize("query", QUERIES)
def test_no_lineage_that_is_right_is_refuted_by_what_the_database_reads(
    databases: Databases, query: str
) -> None:
    held = tables(0, 0)
    inputs = {name: tuple(table.column_names) for name, table in held.items()}
    try:
        said = parsed(query, inputs, databases["base"].sql(query).columns, "made")
    except NotUnderstood:
        return
    assert confirmed(said, query, held, {}).notes == ()
