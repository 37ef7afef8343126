"""Samples of what a step receives, and the same with one column changed.

Rules:

- At most `ROWS` rows of each table, in their order and with their labels; tables of the same length lose the same
  rows, so that what belongs together stays together.
- A changed column keeps its type: its values change places, or are drawn from themselves with replacement.

>>> import numpy
>>> sampled(numpy.arange(8), 0).tolist()
[0, 1, 2, 3, 4, 5, 6, 7]
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from registry.held import column_labels, holder_of, is_lazy
from registry.parts import parts_of

__all__ = ["ROWS", "changed", "sampled", "tables_in", "unchangeable"]

ROWS = 300
"""Few enough to call a step a hundred times, and enough to hold rare values."""

OF_PANDAS: Final = ("_attrs", "_cacher", "_flags", "_is_copy", "_item_cache", "_mgr", "_name")
"""What pandas itself sets on a table, `_is_copy` before its version 3."""

Places = NDArray[np.intp]


def sampled(value: object, seed: int) -> Any:
    """Take rows of every table in what a step returned, at most `ROWS` of each."""
    return _mapped("", value, lambda _, item: _rows_of(item, seed))


def changed(value: object, step: str, part: str, column: str, *, redraw: bool, seed: int) -> Any:
    """Return a value with one column of one table changed; None where the column does not vary."""
    different: list[bool] = []

    def change(name: str, item: Any) -> Any:
        if name != part:
            return item
        order = _order(_length(item), redraw, seed)
        made = _with_column(item, column, order)
        different.append(not _equal(_column(item, column), _column(made, column)))
        return made

    result = _mapped(step, value, change)
    return result if any(different) else None


def tables_in(values: Mapping[str, object]) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Yield the step, the part and the columns of every table that a step receives."""
    for step, value in values.items():
        for part, item in parts_of(step, value):
            columns = column_labels(item)
            if columns is not None:
                yield step, part, columns


def unchangeable(
    values: Mapping[str, object], earlier: Mapping[str, object] | None = None
) -> Iterator[tuple[str, str]]:
    """Yield what a step receives and no changed column shows, and why: any of it may hold what a column held.

    `earlier` is what all steps before returned: the columns of a table that was pivoted have the name of one there.
    """
    names = {name for *_, columns in tables_in(values if earlier is None else earlier) for name in columns}
    for step, value in values.items():
        for part, item in parts_of(step, value):
            if column_labels(item) is None and item is not None:
                yield part, "it is no table of distinct columns, so that it was not changed"
                continue
            if _has_own_labels(item):
                yield f"{part} (its index)", "an index is not changed"
            if getattr(item, "attrs", None) or _was_set(item):
                yield f"{part} (its attrs)", "what a table carries beside its columns is not changed"
            if not set(_names_of_columns(item)) <= {None, *names}:
                yield (
                    f"{part} (the name of its columns)",
                    "the name that all columns have together is not changed",
                )


def _has_own_labels(item: Any) -> bool:
    """Say whether a pandas table has an index that more than counts its rows."""
    holder = holder_of(item)
    if holder is None or holder[0] != "pandas":
        return False
    index = item.index
    named = any(name is not None for name in index.names)
    return named or index.dtype.kind not in "iu" or not index.is_unique


def _names_of_columns(item: Any) -> Iterator[Any]:
    """Yield the names of the rows of labels that stand above a pandas table (`table.columns.names`)."""
    if holder_of(item) == ("pandas", "DataFrame"):
        yield from (name if name is None or type(name) is str else object() for name in item.columns.names)


def _was_set(item: Any) -> bool:
    """Say whether something was set on a table of pandas that is no column: `loans.share = 0.3`."""
    holder = holder_of(item)
    if holder is None or holder[0] != "pandas":
        return False
    return not set(vars(item)) <= {*OF_PANDAS, *type(item)._metadata, *type(item)._accessors}


def _mapped(step: str, value: Any, change: Callable[[str, Any], Any]) -> Any:
    """Rebuild what a step returned with each of its parts changed."""
    parts = list(parts_of(step, value))
    if len(parts) == 1 and parts[0][1] is value:
        return change(step, value)
    items = [change(name, item) for name, item in parts]
    if isinstance(value, dict):
        return dict(zip(value, items, strict=True))
    return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)


def _rows_of(item: Any, seed: int) -> Any:
    if column_labels(item) is None:
        return item
    length = _length(item)
    places = np.arange(length)
    if length > ROWS:
        # The length decides: tables of the same length keep the same rows.
        places = np.sort(np.random.default_rng([seed, length]).choice(length, ROWS, replace=False))
    return _taken(item, places)


def _length(item: Any) -> int:
    if is_lazy(item):
        return int(item.collect().height)
    return int(item.shape[0]) if hasattr(item, "shape") else len(item)


def _order(length: int, redraw: bool, seed: int) -> Places:
    generator = np.random.default_rng([seed, length, redraw])
    return generator.integers(0, length, length) if redraw else generator.permutation(length)


def _taken(item: Any, places: Places) -> Any:
    match holder_of(item):
        case "pandas", _:
            taken = item.iloc[places].copy()
            # Labels that were only counted become labels of their own: counted ones then tell that a step made them.
            taken.index = taken.index.astype("int64") if _is_range(taken.index) else taken.index
            return taken
        case "polars", "LazyFrame":
            return item.collect()[places.tolist()].lazy()
        case "polars", _:
            return item[places.tolist()]
        case "pyarrow", _:
            return item.take(places)
    return item[places].copy()


def _column(item: Any, column: str) -> list[Any]:
    return list(_series(item, column))


def _series(item: Any, column: str) -> Any:
    match holder_of(item):
        case "pandas", "DataFrame":
            return item.iloc[:, _number(item.columns, column)]
        case "polars", "DataFrame":
            return item[column]
        case "polars", "LazyFrame":
            return item.collect()[column]
        case "pyarrow", _:
            return item.column(column).to_pylist()
        case "numpy", _ if item.ndim == 2:
            return item[:, int(column)]
    return item


def _with_column(item: Any, column: str, order: Places) -> Any:
    match holder_of(item):
        case "pandas", "DataFrame":
            number = _number(item.columns, column)
            made = item.copy()
            made.isetitem(number, made.iloc[order, number].set_axis(made.index))
            return made
        case "pandas", _:
            return item.iloc[order].set_axis(item.index)
        case "polars", "DataFrame":
            return item.with_columns(item[column].gather(order.tolist()).alias(column))
        case "polars", "LazyFrame":
            return _with_column(item.collect(), column, order).lazy()
        case "polars", _:
            return item.gather(order.tolist())
        case "pyarrow", _:
            return item.set_column(
                item.schema.get_field_index(column), column, item.column(column).take(order)
            )
    made = item.copy()
    if made.ndim == 2:
        made[:, int(column)] = made[order, int(column)]
        return made
    return made[order]


def _is_range(index: Any) -> bool:
    return type(index).__name__ == "RangeIndex"


def _number(columns: Any, column: str) -> int:
    return [str(label) for label in columns].index(column)


def _equal(first: list[Any], second: list[Any]) -> bool:
    return all(a is b or a == b or (a != a and b != b) for a, b in zip(first, second, strict=True))
