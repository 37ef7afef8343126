"""The small tables that made-up queries read, and the same with one column changed.

Rules:

- Names collide on purpose: `race` and `id` in every table, in other cases too, a column that is called as a table is.
- Numbers are whole, so that no sum depends on the order in which it is added up.
- Where a field of a column is changed, the column is.
"""

from collections.abc import Iterator
from random import Random
from typing import Any

import pyarrow as pa

__all__ = ["INPUTS", "TABLES", "varied"]

NUMBER = pa.int64()
PAIR = pa.struct([("race", NUMBER), ("x", NUMBER)])

TABLES: dict[str, dict[str, pa.DataType]] = {
    "t": {"id": NUMBER, "race": NUMBER, "income": NUMBER, "g": NUMBER},
    "u": {"id": NUMBER, "race": NUMBER, "x": NUMBER},
    "w": {"id": NUMBER, "t": PAIR, "l": pa.list_(NUMBER), "race": NUMBER},
    "split.train": {"ID": NUMBER, "Race": NUMBER, "k": NUMBER},
}
LENGTHS = {"t": 14, "u": 12, "w": 9, "split.train": 11}
INPUTS = {name: tuple(columns) for name, columns in TABLES.items()}

BASE = 0
CHANGES = (1, 2, -1)
"""Seeds of other values for one column; -1 is one value throughout."""


def varied() -> Iterator[tuple[str, str, dict[str, pa.Table]]]:
    """Yield the tables as they are, then with each column changed: which table and column that is, and all tables."""
    base = {name: pa.table(_columns(name, "", BASE)) for name in TABLES}
    yield "", "", base
    for name, columns in TABLES.items():
        for column in columns:
            for seed in CHANGES:
                yield name, column, {**base, name: pa.table(_columns(name, column, seed))}


def _columns(table: str, changed: str, seed: int) -> dict[str, pa.Array]:
    return {
        column: pa.array(_values(table, column, kind, seed if column == changed else BASE), kind)
        for column, kind in TABLES[table].items()
    }


def _values(table: str, column: str, kind: pa.DataType, seed: int) -> list[Any]:
    random = Random(f"{table}.{column} {max(seed, 0)}")
    drawn = [_value(random, column, kind) for _ in range(LENGTHS[table])]
    return drawn[:1] * len(drawn) if seed == -1 else drawn


def _value(random: Random, column: str, kind: pa.DataType) -> Any:
    if kind == PAIR:
        return {"race": random.randrange(4), "x": random.randrange(9)}
    if pa.types.is_list(kind):
        return [random.randrange(5) for _ in range(random.randrange(4))]
    most = 12 if column.lower() in ("id", "income") else 4
    return None if random.random() < 0.07 else random.randrange(most)
