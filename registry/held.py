"""What holds a table, and the names of its columns, without reading its cells or loading a library.

A subclass is held as what it is a subclass of: a GeoDataFrame is a table of pandas.

>>> column_labels({"no": "table"}) is None
True
"""

from collections.abc import Iterable
from typing import Any, Final

from audit.canonical import storable

__all__ = ["column_labels", "holder_of", "is_lazy", "polars_frame", "run_plan", "settled", "written"]

HOLDERS: Final = frozenset(
    {
        ("numpy", "ndarray"),
        ("pandas", "DataFrame"),
        ("pandas", "Series"),
        ("polars", "DataFrame"),
        ("polars", "LazyFrame"),
        ("polars", "Series"),
        ("pyarrow", "Array"),
        ("pyarrow", "ChunkedArray"),
        ("pyarrow", "RecordBatch"),
        ("pyarrow", "Table"),
    }
)
"""Package and class of everything that holds a table in memory, or a plan of one."""


def holder_of(value: object) -> tuple[str, str] | None:
    """Return the package and class that make a value a table, by the names of its types alone; None of another."""
    for base in type(value).__mro__:
        name = (base.__module__.partition(".")[0], base.__name__)
        if name in HOLDERS:
            return name
    return None


def column_labels(value: object) -> tuple[str, ...] | None:
    """Name the columns of a table in their order; None where a value is none, or its names are not distinct."""
    labels = _labels(value)
    if labels is None:
        return None
    names = written(labels)
    return names if len(set(names)) == len(names) else None


def written(names: Iterable[object]) -> tuple[str, ...]:
    """Write column labels as text that a statement can hold."""
    return tuple(storable(str(name)) for name in names)


def is_lazy(value: object) -> bool:
    """Say whether a value is a polars plan that was not run yet."""
    return holder_of(value) == ("polars", "LazyFrame")


def run_plan(plan: Any) -> Any:
    """Run a polars plan on its engine in memory, which gives the same bits each time.

    The streaming one, which polars may choose by itself, adds up the floats of a group in the order in which its
    threads come: other last bits each time, and nothing that is made of them could be reproduced.
    """
    return plan.collect(engine="in-memory")


def polars_frame(value: Any) -> Any:
    """Return a polars table as a DataFrame; None where a value is none."""
    if is_lazy(value):
        return run_plan(value)
    return value if holder_of(value) == ("polars", "DataFrame") else None


def settled(value: Any) -> Any:
    """Run the plans in what a step returned, once: what is recorded is then what the next step receives.

    A LazyFrame stays one, over the rows that are now there, each column of it laid out in memory: by that the next
    step's plan knows them again.
    """
    if is_lazy(value):
        frame = run_plan(value)
        return (type(frame)(frame.get_columns()) if frame.width else frame).lazy()
    if type(value) is dict and any(map(is_lazy, value.values())):
        return {name: settled(item) for name, item in value.items()}
    return value


def _labels(value: Any) -> list[object] | None:
    match holder_of(value):
        case ("pandas", "DataFrame") | ("polars", "DataFrame"):
            return list(value.columns)
        case ("polars", "LazyFrame"):
            return list(value.collect_schema().names())
        case ("pyarrow", "Table" | "RecordBatch"):
            return list(value.schema.names)
        case ("pandas", "Series") | ("polars", "Series"):
            return ["0" if value.name in (None, "") else value.name]
        case ("numpy", "ndarray") if value.ndim in (1, 2):
            return list(range(value.shape[1] if value.ndim == 2 else 1))
    return None
