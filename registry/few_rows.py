"""A few rows of what a query reads, by which the database knows its columns' types when it plans the query again.

>>> few_rows("ratios", query, {"loans": loans})["loans"].num_rows          # doctest: +SKIP
300
"""

from collections.abc import Mapping
from typing import Any

from registry.held import column_labels, holder_of
from registry.parts import parts_of
from registry.sql_step import Query, as_arrow

__all__ = ["few_rows"]

FEW = 300
"""As many rows of a table as tell its types."""


def few_rows(step: str, query: Query, returned: Mapping[str, object]) -> dict[str, Any]:
    """Return the first rows of every table that a query reads, in Arrow, for their types, by the table's name.

    A column that holds nothing in them counts as text.
    """
    import pyarrow as pa

    named = {table.lower() for table in query.tables}
    found: dict[str, Any] = {}
    for name, value in returned.items():
        for part, item in parts_of(name, value):
            if part.lower() not in named or column_labels(item) is None:
                continue
            table = as_arrow(step, part, _first_rows(item))
            empty = [place for place, kind in enumerate(table.schema.types) if pa.types.is_null(kind)]
            for place in empty:
                text = pa.nulls(table.num_rows, pa.string())
                table = table.set_column(place, table.schema.names[place], text)
            found[part] = table
    return found


def _first_rows(item: Any) -> Any:
    """Take the first rows, and of pandas' columns without a type of their own one that holds a value."""
    if holder_of(item) != ("pandas", "DataFrame"):
        return item.head(FEW) if hasattr(item, "head") else item.slice(0, FEW)
    places = dict.fromkeys(range(min(len(item), FEW)))
    for number, kind in enumerate(item.dtypes):
        if kind.kind == "O" and len(item):
            places[int(item.iloc[:, number].notna().to_numpy().argmax())] = None
    return item.iloc[list(places)]
