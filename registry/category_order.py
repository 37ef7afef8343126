"""Whether the order of a column's categories may tell of other columns: `look.job.cat.codes` counts by it.

A step that sorts the categories of `job` by the mean of another column hands that column on within `job`, in a way that
no cell of `job` shows.

Rules:

- An order is of the column where it is sorted, or that in which its values first come, or one that the step received.
- Categories whose texts stand in the step's code, in a constant that it reads or a parameter, may stand anywhere in it:
  `pd.CategoricalDtype(["low", "high"], ordered=True)`. The order of these is taken to be the one that is written.
- Asked are categoricals of pandas and enums of polars.

>>> import pandas
>>> orders_of(pandas.DataFrame({"job": pandas.Categorical(["nurse"], ["nurse", "clerk"])}))
{'job': ('nurse', 'clerk')}
"""

from collections.abc import Collection, Iterable, Iterator
from typing import Any

from registry.held import holder_of

__all__ = ["orders_of", "untold_orders"]

Order = tuple[Any, ...]


def orders_of(item: Any) -> dict[str, Order]:
    """Return the categories of each column of a table that has such, in their order."""
    match holder_of(item):
        case "pandas", "DataFrame":
            kinds = zip(map(str, item.columns), item.dtypes, strict=True)
            return {name: tuple(kind.categories) for name, kind in kinds if hasattr(kind, "categories")}
        case "polars", "DataFrame":
            kinds = item.schema.items()
            return {name: tuple(kind.categories) for name, kind in kinds if type(kind).__name__ == "Enum"}
    return {}


def untold_orders(item: Any, received: Collection[Order], written: Collection[object]) -> Iterator[str]:
    """Name the columns of a table whose categories are in an order that nothing explains."""
    for name, order in orders_of(item).items():
        rest = [each for each in order if each not in written]
        if _is_sorted(rest) or any(_is_within(rest, other) for other in received):
            continue
        if not _is_within(rest, dict.fromkeys(_values(item, name))):
            yield name


def _values(item: Any, name: str) -> Any:
    if holder_of(item) == ("pandas", "DataFrame"):
        return item.iloc[:, list(map(str, item.columns)).index(name)].dropna().drop_duplicates()
    return item[name].drop_nulls().unique(maintain_order=True)


def _is_sorted(values: list[Any]) -> bool:
    try:
        return values == sorted(values)
    except TypeError:
        return False


def _is_within(values: Iterable[Any], order: Iterable[Any]) -> bool:
    """Say whether values come in an order, with others between them."""
    rest = iter(order)
    return all(any(each == other for other in rest) for each in values)
