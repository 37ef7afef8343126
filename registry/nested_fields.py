"""The fields inside the columns of a table: a protected one may stand in a struct of another name.

Rules:

- Fields of structs are named by their path (`address.zip`), those of structs in lists and arrays as well.
- In pandas a column of Arrow's types is read by its type; one of objects by the keys of the dicts that it holds.
- The keys of a map are values, not names.

>>> import pyarrow as pa
>>> nested_fields(pa.table({"person": [{"home": {"zip": 1}, "race": "b"}], "debt": [1]}))
{'person': ('home', 'home.zip', 'race')}
"""

from collections.abc import Iterator
from typing import Any

from audit.canonical import storable
from registry.held import holder_of

__all__ = ["nested_fields"]


def nested_fields(table: Any) -> dict[str, tuple[str, ...]]:
    """Name the fields inside each column of a table that has any; of what is no table, nothing."""
    found = {}
    for name, paths in _columns(table):
        if fields := tuple(storable(path) for path in dict.fromkeys(paths)):
            found[storable(str(name))] = fields
    return found


def _columns(table: Any) -> Iterator[tuple[object, Iterator[str]]]:
    match holder_of(table):
        case "polars", "DataFrame" | "LazyFrame":
            schema = table.collect_schema()
            yield from ((name, _of_type(dtype)) for name, dtype in schema.items())
        case "pyarrow", "Table" | "RecordBatch":
            yield from ((field.name, _of_type(field.type)) for field in table.schema)
        case "pandas", "DataFrame":
            for number, name in enumerate(table.columns):
                yield name, _of_pandas(table.iloc[:, number])
        case (("pandas" | "polars"), "Series"):
            fields = _of_pandas(table) if holder_of(table) == ("pandas", "Series") else _of_type(table.dtype)
            yield ("0" if table.name in (None, "") else table.name), fields


def _of_type(dtype: Any) -> Iterator[str]:
    """Go through a type of polars or of Arrow, down to its leaves."""
    inner = getattr(dtype, "inner", None) or getattr(dtype, "value_type", None)
    if inner is not None:
        yield from _of_type(inner)
        return
    for name, part in _parts(dtype):
        yield name
        yield from (f"{name}.{path}" for path in _of_type(part))


def _parts(dtype: Any) -> Iterator[tuple[str, Any]]:
    fields = getattr(dtype, "fields", None)
    if isinstance(fields, list | tuple):
        for field in fields:
            yield field.name, getattr(field, "dtype", None) or field.type
    elif callable(getattr(dtype, "field", None)):
        for number in range(dtype.num_fields):
            field = dtype.field(number)
            yield field.name, field.type


def _of_pandas(column: Any) -> Iterator[str]:
    arrow = getattr(column.dtype, "pyarrow_dtype", None)
    if arrow is not None:
        yield from _of_type(arrow)
    elif column.dtype == object and {dict, list, tuple}.intersection(map(type, column)):
        for value in column:
            yield from _of_value(value)


def _of_value(value: Any) -> Iterator[str]:
    if type(value) in (list, tuple):
        for each in value:
            yield from _of_value(each)
    elif type(value) is dict:
        for name, each in value.items():
            yield str(name)
            yield from (f"{name}.{path}" for path in _of_value(each))
