"""Any table as pieces of Arrow columns: pandas, polars, Arrow and numpy.

Rules:

- Nothing is copied where the layout allows; a pandas column that must be converted is converted alone, so that
  one column, not the table, is held twice.
- Column labels must be text and differ; the labels 0, 1, 2... stand for having none.

>>> source = from_memory(("numpy", "ndarray"), np.array([[1, 2], [3, 4]]))
>>> [(source.names[index], piece.to_pylist()) for index, piece in source.pieces]
[('0', [1, 3]), ('1', [2, 4])]
"""

import contextlib
import math
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from audit.errors import MalformedInput
from registry.columns import logical_type
from registry.diff import RUN
from registry.objects import from_objects

__all__ = ["Pieces", "Source", "batches", "column_names", "from_memory", "run_query", "unified"]

Pieces = Iterator[tuple[int, pa.Array] | None]

ARROW_TIMES = frozenset({"M8[D]", *(f"{kind}8[{unit}]" for kind in "mM" for unit in ("s", "ms", "us", "ns"))})
"""The numpy types of dates, times and durations that Arrow takes as they are."""

ZONED_TIME = re.compile(r"\bTIME WITH TIME ZONE")
"""DuckDB's name of the type, also inside lists and structs; TIMESTAMP WITH TIME ZONE is another."""

UNSIGNED_128 = re.compile(r"\bUHUGEINT\b")

NOT_A_TIME = np.iinfo(np.int64).min
"""The bits of numpy's NaT."""

FINE_UNITS = ("ms", "us", "ns", "ps", "fs", "as")
"""The units below a second that numpy knows."""


@dataclass(frozen=True, slots=True)
class Source:
    """A table on its way into a fingerprint.

    `pieces` yields (column number, its next rows), each column at least once, in any interleaving; None means
    that everything so far was read with a wrong type and is about to come again. `rows` is None where it is
    not known before the end. `again` reads the columns of these numbers once more, after `pieces` came to its end;
    rows of other runs than these may come as missing. It is None where a table can be read once only.
    """

    names: tuple[str, ...]
    rows: int | None
    pieces: Pieces
    again: Callable[[Collection[int], Collection[int]], Pieces] | None = None
    streamed: bool = False
    """Whether it takes time to get the pieces, in which hashing can go on."""


def from_memory(holder: tuple[str, str] | None, table: Any) -> Source:
    """Open a table held by a class of that package and name (None: anything with an Arrow stream)."""
    match holder:
        case ("numpy", _):
            return _from_numpy(table)
        case ("pandas", "DataFrame"):
            return _from_pandas(table)
        case ("pandas", "Series"):
            return _from_pandas(table.to_frame(0 if table.name is None else table.name))
        case ("polars", "DataFrame"):
            return _from_polars(table)
        case ("polars", "Series"):
            return _from_polars(table.to_frame(table.name or "0"))
        case ("polars", "LazyFrame"):
            return _from_lazy(table)
        case ("pyarrow", "Table" | "RecordBatch"):
            return _from_arrow(table)
        case ("pyarrow", _):
            return Source(("0",), len(table), ((0, piece) for piece in _chunks(table)))
    if not hasattr(table, "__arrow_c_stream__"):
        raise MalformedInput(
            f"a {type(table).__name__} is not a table: give a pandas, polars, Arrow or numpy table, or a file's path"
        )
    reader = _opened_stream(table)
    if not len(reader.schema):
        with _streaming(table):
            return _from_arrow(reader.read_all())
    return Source(_names_in(reader.schema), None, _of_stream(table, reader), streamed=True)


# --- Arrow and polars ---------------------------------------------------------------------------------------


def _from_arrow(table: Any) -> Source:
    names = _names_in(table.schema)
    columns = zip(range(table.num_columns), table.columns, strict=True)
    pieces = ((index, piece) for index, column in columns for piece in _chunks(column))
    return Source(names, table.num_rows, pieces)


def run_query(relation: Any) -> pa.Table:
    """Run a DuckDB relation and return its rows; raises `MalformedInput` where it fails, or Arrow would lose values."""
    reader = _opened_stream(relation)
    with _streaming(relation):
        return reader.read_all()


def _opened_stream(table: Any) -> pa.RecordBatchReader:
    with _streaming(table):
        _refuse_lost_values(table)
        return pa.RecordBatchReader.from_stream(table)


def _of_stream(table: Any, reader: pa.RecordBatchReader) -> Pieces:
    yield from _empty(reader.schema)
    came = False
    while True:
        with _streaming(table):
            batch = next(reader, None)
        if batch is None:
            break
        came = True
        yield from enumerate(batch.columns)
    if not came and isinstance(table, pa.RecordBatchReader):
        # One that was read to its end before looks the same, and its table may have had rows.
        raise MalformedInput(
            f"the {type(table).__name__} gives nothing: it was read before, or its table has no rows; give the table "
            "that is made of it (read_all()) instead"
        )


@contextlib.contextmanager
def _streaming(table: Any) -> Iterator[None]:
    """Say in one sentence that a stream failed, whatever its library raises."""
    try:
        yield
    except MalformedInput:
        raise
    except Exception as error:
        # What it says may quote a value of the table, and this sentence may be recorded: it stays with the cause.
        raise MalformedInput(
            f"the {type(table).__name__} cannot be read to its end ({type(error).__name__}): see what its own library "
            "says of it"
        ) from error


def _names_in(schema: pa.Schema) -> tuple[str, ...]:
    try:
        return column_names(schema.names)
    except UnicodeDecodeError:
        raise MalformedInput("a column has a name that is not text in UTF-8: rename it") from None


def _from_polars(frame: Any) -> Source:
    _refuse_unknown_types(frame.schema)
    return Source(tuple(frame.columns), frame.height, _of_polars(frame))


def _from_lazy(plan: Any) -> Source:
    """Run the plan of a polars LazyFrame in batches."""
    import polars

    with _running():
        schema = plan.collect_schema()
    _refuse_unknown_types(schema)

    def pieces() -> Pieces:
        yield from _of_polars(polars.DataFrame(schema=schema))
        with _running():
            for frame in plan.collect_batches(chunk_size=RUN):
                yield from _of_polars(frame)

    return Source(tuple(schema.names()), None, pieces(), streamed=True)


@contextlib.contextmanager
def _running() -> Iterator[None]:
    """Say in one sentence that a plan cannot be run, or that a file is not there."""
    import polars

    try:
        yield
    # A panic of polars is no Exception, so that nothing else would take it for a failure.
    except (polars.exceptions.PolarsError, polars.exceptions.PanicException, OSError) as error:
        # What they say may quote a value of the table.
        raise MalformedInput(
            f"the LazyFrame cannot be run ({type(error).__name__}): see what collect() says of it"
        ) from error


def _refuse_unknown_types(schema: Any) -> None:
    import polars

    for name, dtype in schema.items():
        if dtype == polars.Object:
            raise MalformedInput(f"column {name!r} holds Python objects: convert it to numbers or text")
        if str(dtype) in ("Int128", "UInt128"):
            raise MalformedInput(
                f"column {name!r} holds integers of 128 bits: convert it to decimals or text"
            )


def _refuse_lost_values(table: Any) -> None:
    """Refuse a DuckDB relation whose Arrow stream gives other values, unsaid: zones and high bits get lost."""
    if not type(table).__module__.startswith(("duckdb", "_duckdb")) or not hasattr(table, "types"):
        return
    for name, data_type in zip(table.columns, table.types, strict=True):
        if ZONED_TIME.search(str(data_type)):
            raise MalformedInput(
                f"column {name!r} holds times of day with a zone, which DuckDB drops on the way to Arrow: cast it to "
                "TIME or to TIMESTAMPTZ"
            )
        if UNSIGNED_128.search(str(data_type)):
            raise MalformedInput(
                f"column {name!r} holds UHUGEINT numbers, and from 2^127 on DuckDB makes negative ones of them on the "
                "way to Arrow: cast it to HUGEINT"
            )


def _of_polars(frame: Any) -> Iterator[tuple[int, pa.Array]]:
    import polars

    for index, column in enumerate(frame.iter_columns()):
        with _converting(column.name):
            array = column.to_arrow(compat_level=polars.CompatLevel.newest())
        for piece in _chunks(array):
            yield index, piece


def _chunks(array: pa.Array | pa.ChunkedArray) -> list[pa.Array]:
    if not isinstance(array, pa.ChunkedArray):
        return [array]
    return array.chunks or [pa.nulls(0, array.type)]


def batches(schema: pa.Schema, stream: Iterable[pa.RecordBatch]) -> Pieces:
    """Yield the columns of a stream of batches."""
    yield from _empty(schema)
    for batch in stream:
        yield from enumerate(batch.columns)


def _empty(schema: pa.Schema) -> Pieces:
    """Yield no rows of every column, which tells the types where no batch comes."""
    for index, field in enumerate(schema):
        yield index, pa.nulls(0, field.type)


def unified(schemas: list[pa.Schema], parts: list[str]) -> pa.Schema:
    """Return the schema of a table in parts; a column that is missing throughout in one has the type of the others.

    Raise `MalformedInput` where two parts differ in their columns' names or logical types.
    """
    fields = list(schemas[0])
    for schema, part in zip(schemas, parts, strict=True):
        if schema.names != schemas[0].names:
            raise MalformedInput(
                f"{part} has other columns than {parts[0]}: the parts of a table have the same"
            )
        for index, field in enumerate(schema):
            if pa.types.is_null(fields[index].type):
                fields[index] = field
            elif not pa.types.is_null(field.type) and _kind(field) != _kind(fields[index]):
                raise MalformedInput(
                    f"column {field.name!r} is {field.type} in {part} and {fields[index].type} before it: the parts of "
                    "a table have one type each, such as nullable integers where a part has missing values"
                )
    return pa.schema(fields)


def _kind(field: pa.Field) -> str:
    try:
        return logical_type(field.type)
    except MalformedInput as error:
        raise MalformedInput(f"column {field.name!r} {error}") from None


def column_names(labels: Iterable[object]) -> tuple[str, ...]:
    """Return the labels as column names; the labels 0, 1, 2... stand for having none."""
    names = list(labels)
    whole = all(isinstance(label, Integral) and not isinstance(label, bool) for label in names)
    if whole and names == list(range(len(names))):
        return tuple(str(label) for label in range(len(names)))
    seen: set[str] = set()
    for name in names:
        if not isinstance(name, str) or not _is_utf8(name):
            raise MalformedInput(f"the column label {name!r} is not text: rename the column")
        if name in seen:
            raise MalformedInput(f"two columns are named {name!r}: rename one")
        seen.add(name)
    return tuple(str(name) for name in names)


def _is_utf8(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


# --- numpy and pandas ---------------------------------------------------------------------------------------


def _from_numpy(array: Any) -> Source:
    if isinstance(array, np.matrix):  # its columns are matrices again
        array = np.asarray(array)
    if array.dtype.names is not None and array.ndim == 1:
        names, columns = column_names(array.dtype.names), [array[name] for name in array.dtype.names]
    elif array.ndim in (1, 2):
        columns = [array] if array.ndim == 1 else [array[:, index] for index in range(array.shape[1])]
        names = tuple(str(index) for index in range(len(columns)))
    else:
        raise MalformedInput(f"an array of {array.ndim} dimensions is not a table: give one of 1 or 2")
    return Source(names, len(array), _converted(names, columns, _numpy))


def _from_pandas(frame: Any) -> Source:
    names = column_names(frame.columns)
    columns = (frame.iloc[:, index] for index in range(len(names)))
    return Source(names, len(frame), _converted(names, columns, _series))


def _converted(names: Iterable[str], columns: Iterable[Any], convert: Callable[[Any], Any]) -> Pieces:
    for index, (name, column) in enumerate(zip(names, columns, strict=True)):
        with _converting(name):
            array = convert(column)
        for piece in _chunks(array):
            yield index, piece


@contextlib.contextmanager
def _converting(name: str) -> Iterator[None]:
    """Name the column in whatever its conversion to Arrow fails with."""
    try:
        yield
    except MalformedInput as error:
        raise MalformedInput(f"column {name!r} {error}") from None
    except (pa.ArrowException, ValueError, TypeError, OverflowError, NotImplementedError) as error:
        # The reason may quote a value of the table, and this sentence may be recorded: it stays with the cause.
        raise MalformedInput(
            f"column {name!r} cannot be read as one type: convert it to numbers or text"
        ) from error


def _series(series: Any) -> pa.Array | pa.ChunkedArray:
    """Convert a pandas column to Arrow, without a copy where its memory is Arrow's or numpy's already."""
    import pandas as pd

    dtype = series.dtype
    if isinstance(dtype, np.dtype):
        return _numpy(series.to_numpy())
    if isinstance(dtype, pd.SparseDtype):
        return _numpy(series.sparse.to_dense().to_numpy())
    if isinstance(dtype, pd.DatetimeTZDtype):
        utc = _numpy(series.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy())
        return utc.cast(pa.timestamp(utc.type.unit, "UTC"))
    if isinstance(dtype, pd.CategoricalDtype):
        values = _series(dtype.categories.to_series())
        codes = series.cat.codes.to_numpy()
        flat = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
        return pa.DictionaryArray.from_arrays(pa.array(codes, mask=codes < 0), flat)
    return pa.array(series.array, from_pandas=True)


def _numpy(array: Any) -> pa.Array | pa.ChunkedArray:
    """Convert a one-dimensional numpy array to Arrow."""
    if array.ndim > 1:
        raise MalformedInput(f"holds {math.prod(array.shape[1:])} values in each row: make each a column")
    if array.dtype.names is not None:
        raise MalformedInput(f"holds records of {', '.join(array.dtype.names)}: make each field a column")
    if isinstance(array, np.ma.MaskedArray):
        plain = _numpy(np.ma.getdata(array))
        return pc.if_else(pa.array(np.ma.getmaskarray(array)), pa.scalar(None, plain.type), plain)
    kind, size = array.dtype.kind, array.dtype.itemsize
    if kind == "O":
        return from_objects(array)
    if kind == "c" or (kind == "f" and size > 8):
        raise MalformedInput(f"holds {array.dtype} numbers: convert it to float64")
    # Arrow holds datetime64 in days as dates, and no other unit but these.
    if kind in "mM" and array.dtype.str[1:] not in ARROW_TIMES:
        array = _arrow_times(array)
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    if kind in "mM" and _is_like_arrow(array):
        unit, values = np.datetime_data(array.dtype)[0], pa.py_buffer(array.view("i8"))
        timed = pa.timestamp(unit) if kind == "M" else pa.duration(unit)
        return pa.Array.from_buffers(timed, len(array), [None, values])
    if kind in "SU" and _has_inner_nul(array):  # Arrow reads numpy's text up to the first NUL
        return pa.array(array.astype(object), pa.string() if kind == "U" else pa.binary())
    return pa.array(array)


def _is_like_arrow(times: Any) -> bool:
    """Tell whether Arrow would hold numpy's times bit for bit: they lie side by side, and none is missing."""
    if times.dtype.str[1:] == "M8[D]" or not times.flags.c_contiguous or len(times) == 0:
        return False
    return bool(times.view("i8").min() != NOT_A_TIME)


def _arrow_times(array: Any) -> Any:
    """Convert numpy's times of any unit to one that Arrow knows, without loss, or refuse them."""
    kind = array.dtype.kind
    unit, _ = np.datetime_data(array.dtype)
    if unit == "generic" or (kind == "m" and unit in ("Y", "M")):
        raise MalformedInput(f"holds {array.dtype}, which is no length of time: convert it to seconds")
    converted = array.astype(f"{kind}8[{'ns' if unit in FINE_UNITS else 's'}]")
    if ((converted != array) & ~np.isnat(array)).any():
        raise MalformedInput(f"holds {array.dtype} too fine or too far away: convert it to nanoseconds")
    return converted


def _has_inner_nul(array: Any) -> bool:
    """Tell whether a numpy array of text or bytes holds a NUL before the end of a value."""
    size = array.dtype.itemsize // (4 if array.dtype.kind == "U" else 1)
    if size < 2 or len(array) == 0:
        return False
    code = np.dtype("u4" if array.dtype.kind == "U" else "u1").newbyteorder(array.dtype.byteorder)
    empty = np.ascontiguousarray(array).view(code).reshape(-1, size) == 0
    return bool((empty[:, :-1] & ~empty[:, 1:]).any())
