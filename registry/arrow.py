"""Any table as pieces of Arrow columns: pandas, polars, Arrow, numpy, CSV, Parquet and Arrow files.

Rules:

- Nothing is copied where the layout allows; a pandas column that must be converted is converted alone, so that
  one column, not the table, is held twice. Files are read in batches: memory does not grow with their size.
- Conversions that Arrow would make in silence and with loss are refused (text with bytes, dates with times,
  times with and without a zone in one object column) or made exact (nanoseconds of `pandas.Timestamp`).
- The type of a CSV column is the one `pyarrow.csv.read_csv` infers from the whole file, wherever blocks end:
  the first in its order of types that every cell fits. The stream guesses from the first block; when a later
  cell does not fit, reading starts over with the next type that fits it.

>>> source = from_memory(("numpy", "ndarray"), np.array([[1, 2], [3, 4]]))
>>> [(source.names[index], piece.to_pylist()) for index, piece in source.pieces]
[('0', [1, 3]), ('1', [2, 4])]
"""

import contextlib
import io
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import csv, ipc, parquet

from audit.errors import EnvironmentFailed, MalformedInput, NotFound
from registry.diff import RUN

__all__ = ["Source", "from_file", "from_memory"]

Pieces = Iterator[tuple[int, pa.Array] | None]

CSV_BLOCK = 1 << 22
"""Bytes of CSV decoded at once; also the longest row."""

CSV_TYPES = (
    pa.null(),
    pa.int64(),
    pa.bool_(),
    pa.date32(),
    pa.time32("s"),
    pa.timestamp("s"),
    pa.timestamp("s", "UTC"),
    pa.timestamp("ns"),
    pa.timestamp("ns", "UTC"),
    pa.float64(),
    pa.string(),
)
"""The types of a CSV column in the order in which Arrow tries them."""

CSV_MISFIT = re.compile(
    r"In CSV column #(\d+): .*?CSV conversion error to .*?: invalid value '(.*)'", re.DOTALL
)

ARROW_TIMES = frozenset({"M8[D]", *(f"{kind}8[{unit}]" for kind in "mM" for unit in ("s", "ms", "us", "ns"))})
"""The numpy types of dates, times and durations that Arrow takes as they are."""

PLAIN_OBJECTS = frozenset({"boolean", "bytes", "empty", "floating", "mixed-integer-float", "string"})
"""What pandas.api.types.infer_dtype says of object columns that Arrow converts without loss."""


@dataclass(frozen=True, slots=True)
class Source:
    """A table on its way into a fingerprint.

    `pieces` yields (column number, its next rows), each column at least once, in any interleaving; None means
    that everything so far was read with a wrong type and is about to come again. `rows` is None where it is
    not known before the end.
    """

    names: tuple[str, ...]
    rows: int | None
    pieces: Pieces


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
        case ("pyarrow", "Table" | "RecordBatch"):
            return _from_arrow(table)
        case ("pyarrow", _):
            return Source(("0",), len(table), ((0, piece) for piece in _chunks(table)))
    if not hasattr(table, "__arrow_c_stream__"):
        raise MalformedInput(
            f"a {type(table).__name__} is not a table: give a pandas, polars, Arrow or numpy table, or a file's path"
        )
    reader = pa.RecordBatchReader.from_stream(table)
    if not reader.schema.names:
        return _from_arrow(reader.read_all())
    return Source(_names(reader.schema.names), None, _batches(reader.schema, reader))


def from_file(path: Path) -> Source:
    """Open a .csv, .parquet, .arrow or .feather file, or say in one sentence why not."""
    readers: dict[str, Callable[[Path], Source]] = {
        ".csv": _from_csv,
        ".parquet": _from_parquet,
        ".arrow": _from_ipc,
        ".feather": _from_ipc,
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise MalformedInput(
            f"{path} is not a table by its name: give a .csv, .parquet, .arrow or .feather file"
        )
    if path.is_dir():
        raise MalformedInput(f"{path} is a folder: give the files in it one by one")
    with _reading(path):
        source = reader(path)
    return Source(source.names, source.rows, _read(path, source.pieces))


# --- Arrow and polars ---------------------------------------------------------------------------------------


def _from_arrow(table: Any) -> Source:
    columns = zip(range(table.num_columns), table.columns, strict=True)
    pieces = ((index, piece) for index, column in columns for piece in _chunks(column))
    return Source(_names(table.schema.names), table.num_rows, pieces)


def _from_polars(frame: Any) -> Source:
    import polars

    for name, dtype in frame.schema.items():
        if dtype == polars.Object:
            raise MalformedInput(f"column {name!r} holds Python objects: convert it to numbers or text")

    def pieces() -> Pieces:
        for index, column in enumerate(frame.iter_columns()):
            with _converting(column.name):
                array = column.to_arrow(compat_level=polars.CompatLevel.newest())
            for piece in _chunks(array):
                yield index, piece

    return Source(tuple(frame.columns), frame.height, pieces())


def _chunks(array: pa.Array | pa.ChunkedArray) -> list[pa.Array]:
    if not isinstance(array, pa.ChunkedArray):
        return [array]
    return array.chunks or [pa.nulls(0, array.type)]


def _batches(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Pieces:
    yield from _empty(schema)
    for batch in batches:
        yield from enumerate(batch.columns)


def _empty(schema: pa.Schema) -> Pieces:
    """Yield no rows of every column, which tells the types where no batch comes."""
    for index, field in enumerate(schema):
        yield index, pa.nulls(0, field.type)


def _names(labels: Iterable[object]) -> tuple[str, ...]:
    """Return the labels as column names; the labels 0, 1, 2... stand for having none."""
    names = list(labels)
    if all(not isinstance(label, str) for label in names) and names == list(range(len(names))):
        return tuple(str(label) for label in range(len(names)))
    seen: set[str] = set()
    for name in names:
        if not isinstance(name, str):
            raise MalformedInput(f"the column label {name!r} is not text: rename the column")
        if name in seen:
            raise MalformedInput(f"two columns are named {name!r}: rename one")
        seen.add(name)
    return tuple(str(name) for name in names)


# --- numpy and pandas ---------------------------------------------------------------------------------------


def _from_numpy(array: Any) -> Source:
    if array.dtype.names is not None and array.ndim == 1:
        names, columns = _names(array.dtype.names), [array[name] for name in array.dtype.names]
    elif array.ndim in (1, 2):
        columns = [array] if array.ndim == 1 else [array[:, index] for index in range(array.shape[1])]
        names = tuple(str(index) for index in range(len(columns)))
    else:
        raise MalformedInput(f"an array of {array.ndim} dimensions is not a table: give one of 1 or 2")
    return Source(names, len(array), _converted(names, columns, _numpy))


def _from_pandas(frame: Any) -> Source:
    names = _names(frame.columns)
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
        reason = str(error).partition("\n")[0]
        raise MalformedInput(
            f"column {name!r} cannot be read as one type ({reason}): convert it to numbers or text"
        ) from None


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
    if isinstance(array, np.ma.MaskedArray):
        plain = _numpy(np.ma.getdata(array))
        return pc.if_else(pa.array(np.ma.getmaskarray(array)), pa.scalar(None, plain.type), plain)
    kind, size = array.dtype.kind, array.dtype.itemsize
    if kind == "O":
        return _objects(array)
    if kind == "c" or (kind == "f" and size > 8):
        raise MalformedInput(f"holds {array.dtype} numbers: convert it to float64")
    # Arrow holds datetime64 in days as dates, and no other unit but these.
    if kind in "mM" and array.dtype.str[1:] not in ARROW_TIMES:
        array = array.astype(f"{kind}8[s]")
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    return pa.array(array)


# --- object columns -----------------------------------------------------------------------------------------


def _objects(values: NDArray[np.object_]) -> pa.Array | pa.ChunkedArray:
    """Convert Python objects of one type to Arrow; refuse what Arrow would convert with loss."""
    from pandas.api.types import infer_dtype

    found = infer_dtype(values, skipna=True)
    if found == "integer":
        try:
            return pa.array(values, from_pandas=True)
        except OverflowError:
            return pa.array(values, pa.uint64(), from_pandas=True)
    if found in PLAIN_OBJECTS:
        return pa.array(values, from_pandas=True)
    families: dict[str, set[str]] = {}
    for value in values:
        _gather(value, "", families)
    for each in families.values():
        if len(each) > 1 and each != {"int", "float"}:
            raise MalformedInput(f"holds {' and '.join(sorted(each))} values: convert it to one type")
    return pa.array(values, _exact_type(values, families), from_pandas=True)


def _gather(value: object, path: str, families: dict[str, set[str]]) -> None:
    """Note which family of types a value is of, and its items and fields under their own paths."""
    family = _family(value)
    if family is None:
        return
    families.setdefault(path, set()).add(family)
    if family == "list":
        for item in value:  # type: ignore[attr-defined]
            _gather(item, f"{path}[]", families)
    elif family == "dict":
        for key, item in value.items():  # type: ignore[attr-defined]
            _gather(item, f"{path}[{key!r}]", families)


def _family(value: object) -> str | None:
    """Name the family of a value's type: types of one family have one Arrow type; None is a missing value."""
    if isinstance(value, datetime):
        if value != value:
            return None
        return "datetime" if value.tzinfo is None else "datetime with a zone"
    if isinstance(value, np.datetime64 | np.timedelta64):
        return None if np.isnat(value) else str(value.dtype)
    for types, name in FAMILIES:
        if isinstance(value, types):
            return name
    missing = value is None or type(value).__name__ in ("NAType", "NaTType")
    return None if missing else type(value).__name__


def _exact_type(values: NDArray[np.object_], families: dict[str, set[str]]) -> pa.DataType | None:
    """Return the type that keeps the nanoseconds of pandas' times, which Arrow drops when it infers; else None."""
    if not any(getattr(value, "nanosecond", 0) or getattr(value, "nanoseconds", 0) for value in values):
        return None
    if families[""] == {"timedelta"}:
        return pa.duration("ns")
    return pa.timestamp("ns", None if families[""] == {"datetime"} else "UTC")


FAMILIES: tuple[tuple[Any, str], ...] = (
    ((bool, np.bool_), "bool"),
    ((int, np.integer), "int"),
    ((float, np.floating), "float"),
    (str, "str"),
    ((bytes, bytearray, memoryview), "bytes"),
    (Decimal, "Decimal"),
    (date, "date"),
    (time, "time"),
    (timedelta, "timedelta"),
    ((list, tuple, np.ndarray), "list"),
    (dict, "dict"),
)


# --- files --------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn what reading a file fails with into one sentence that names it."""
    kind = path.suffix.lower().removeprefix(".")
    try:
        yield
    except FileNotFoundError:
        raise NotFound(f"there is no file {path}: check its name") from None
    except UnicodeDecodeError:
        raise MalformedInput(f"{path} is not a CSV file in UTF-8: save it again as UTF-8") from None
    except (pa.ArrowException, OSError) as error:
        if getattr(error, "errno", None):
            raise EnvironmentFailed(f"{path} cannot be read: {error.strerror}") from None
        reason = str(error).partition("\n")[0].rstrip(".")
        raise MalformedInput(
            f"{path} is not a {kind} file that can be read ({reason}): it may be cut short or of another format"
        ) from None


def _read(path: Path, pieces: Pieces) -> Pieces:
    with _reading(path):
        yield from pieces


def _from_parquet(path: Path) -> Source:
    file = parquet.ParquetFile(path.open("rb"))
    schema = file.schema_arrow

    def pieces() -> Pieces:
        with file:
            yield from _batches(schema, file.iter_batches(batch_size=RUN))

    return Source(_names(schema.names), file.metadata.num_rows, pieces())


def _from_ipc(path: Path) -> Source:
    source = pa.memory_map(str(path))
    try:
        file = ipc.open_file(source)
    except pa.ArrowInvalid:
        source.seek(0)
        stream = ipc.open_stream(source)
        return Source(_names(stream.schema.names), None, _batches(stream.schema, stream))
    batches = (file.get_batch(index) for index in range(file.num_record_batches))
    return Source(_names(file.schema.names), None, _batches(file.schema, batches))


# --- CSV ----------------------------------------------------------------------------------------------------


def _from_csv(path: Path, block: int = CSV_BLOCK) -> Source:
    with path.open("rb") as file:
        if b"\0" in file.read(1 << 16):
            raise MalformedInput(f"{path} is not a CSV file: it holds binary data")
    reader = _open_csv(path, block, {})
    names = _names(reader.schema.names)
    types = dict(zip(names, reader.schema.types, strict=True))
    return Source(names, None, _csv_pieces(path, block, types))


def _csv_pieces(path: Path, block: int, types: dict[str, pa.DataType]) -> Pieces:
    """Yield batches; where a cell does not fit, widen its column's type, yield None, and start over."""
    names = list(types)
    while True:
        if pa.binary() in types.values():
            raise MalformedInput(f"{path} is not a CSV file in UTF-8: save it again as UTF-8")
        try:
            reader = _open_csv(path, block, types)
            yield from _batches(reader.schema, reader)
            return
        except pa.ArrowInvalid as error:
            misfit = CSV_MISFIT.match(str(error))
            if misfit is None:
                if "invalid UTF8" in str(error):
                    raise MalformedInput(
                        f"{path} is not a CSV file in UTF-8: save it again as UTF-8"
                    ) from None
                raise
            name = names[int(misfit[1])]
            types[name] = _looser(types[name], misfit[2])
            yield None


def _open_csv(path: Path, block: int, types: dict[str, pa.DataType]) -> csv.CSVStreamingReader:
    return csv.open_csv(
        path,
        read_options=csv.ReadOptions(block_size=block),
        parse_options=csv.ParseOptions(newlines_in_values=True),
        convert_options=csv.ConvertOptions(column_types=types),
    )


def _looser(data_type: pa.DataType, misfit: str) -> pa.DataType:
    """Return the next type to try for a column of this type that holds this cell.

    A column's type is the first in CSV_TYPES that all its cells fit, so it cannot stand before the first that
    this cell fits.
    """
    cell = io.BytesIO(b'cell\n"' + misfit.replace('"', '""').encode("utf-8") + b'"\n')
    options = csv.ParseOptions(newlines_in_values=True)
    fits = csv.read_csv(cell, parse_options=options).schema.types[0]
    known = CSV_TYPES.index(fits) if fits in CSV_TYPES else len(CSV_TYPES) - 1
    return CSV_TYPES[max(known, CSV_TYPES.index(data_type) + 1)]
