"""The columns that a value holds: the names of any table, without reading its cells.

>>> column_labels({"no": "table"}) is None
True
"""

from typing import Any

from registry.flows import written

__all__ = ["column_labels", "is_lazy", "polars_frame", "settled"]


def column_labels(value: object) -> tuple[str, ...] | None:
    """Name the columns of a table in their order; None where a value is none, or its names are not distinct."""
    labels = _labels(value)
    if labels is None:
        return None
    names = written(labels)
    return names if len(set(names)) == len(names) else None


def is_lazy(value: object) -> bool:
    """Say whether a value is a polars plan that was not run yet."""
    kind = type(value)
    return kind.__module__.partition(".")[0] == "polars" and kind.__name__ == "LazyFrame"


def polars_frame(value: Any) -> Any:
    """Return a polars table as a DataFrame; None where a value is none."""
    if is_lazy(value):
        return value.collect()
    kind = type(value)
    is_frame = kind.__module__.partition(".")[0] == "polars" and kind.__name__ == "DataFrame"
    return value if is_frame else None


def settled(value: Any) -> Any:
    """Run the plans in what a step returned, once: what is recorded is then what the next step receives.

    A LazyFrame stays one, over the rows that are now there, each column of it laid out in memory: by that the next
    step's plan knows them again.
    """
    if is_lazy(value):
        frame = value.collect()
        return (type(frame)(frame.get_columns()) if frame.width else frame).lazy()
    if type(value) is dict and any(map(is_lazy, value.values())):
        return {name: settled(item) for name, item in value.items()}
    return value


def _labels(value: Any) -> list[object] | None:
    kind = type(value)
    match kind.__module__.partition(".")[0], kind.__name__:
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
