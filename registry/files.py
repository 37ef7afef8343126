"""Files that hold a table, as batches of Arrow columns: CSV, Parquet and Arrow (IPC file, stream, Feather).

Rules:

- Files are read in batches: memory does not grow with their size.
- The type of a CSV column is the one `pyarrow.csv.read_csv` infers from the whole file, wherever blocks end:
  the first in its order of types that every cell fits. The stream guesses from the first block; when a later
  cell does not fit, reading starts over with the next type that fits it.
- A CSV cell is missing where `pandas.read_csv` reads it so: empty, or another of `CSV_MISSING`, also in a column
  of text. Types are Arrow's: pandas would turn whole numbers with a missing value into floats, and leave dates as
  text, so that what it read can have another fingerprint than its file.
- CSV is UTF-8 with one header line; quoted cells may hold line breaks. What is not so is refused.

Example: `from_file(Path("loanapp.csv")).names` are the names in the header.
"""

import contextlib
import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
from pyarrow import csv, ipc, parquet

from audit.errors import EnvironmentFailed, MalformedInput, NotFound
from registry.arrow import Pieces, Source, batches, column_names
from registry.diff import RUN

__all__ = ["from_file"]

CSV_BLOCK = 1 << 22
"""Bytes of CSV decoded at once; also the longest row."""

PARQUET_BUFFER = 1 << 20
"""Bytes of a Parquet column read ahead; without a limit Arrow holds the whole file."""

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

CSV_MISSING = (
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN",
    "<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null",
)  # fmt: skip
"""The cells that mean a missing value: those of `pandas.read_csv`."""

CSV_MISFIT = re.compile(
    r"In CSV column #(\d+): .*?CSV conversion error to [^:]+: "
    r"(?:invalid value|expected (?:a|no) zone offset in) '(.*?)'(?:$|\. If these timestamps)",
    re.DOTALL,
)
"""How Arrow says that a cell does not fit its column's type: the column's number and the cell."""


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


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn what reading a file fails with into one sentence that names it."""
    try:
        yield
    except FileNotFoundError:
        raise NotFound(f"there is no file {path}: check its name") from None
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        if isinstance(error, OSError) and error.errno:
            raise EnvironmentFailed(f"{path} cannot be read: {error.strerror}") from None
        raise MalformedInput(f"{path} {_reason(path, str(error))}") from None


def _reason(path: Path, message: str) -> str:
    """Say for a person what Arrow says for a programmer."""
    if "UTF8" in message or "utf-8" in message:
        return "is not a CSV file in UTF-8: save it again as UTF-8"
    if "straddl" in message:
        return f"has a row longer than {CSV_BLOCK:,} bytes: a quote may be left open"
    kind, first = path.suffix.lower().removeprefix("."), message.partition("\n")[0].rstrip(".")
    return f"cannot be read as {kind} ({first}): it may be cut short or of another format"


def _read(path: Path, pieces: Pieces) -> Pieces:
    with _reading(path):
        yield from pieces


def _from_parquet(path: Path) -> Source:
    file = parquet.ParquetFile(path, pre_buffer=False, buffer_size=PARQUET_BUFFER)
    schema = file.schema_arrow

    def pieces() -> Pieces:
        with file:
            yield from batches(schema, file.iter_batches(batch_size=RUN))

    return Source(column_names(schema.names), file.metadata.num_rows, pieces())


def _from_ipc(path: Path) -> Source:
    source = pa.OSFile(str(path))
    try:
        file = ipc.open_file(source)
    except pa.ArrowInvalid:
        source.seek(0)
        stream = ipc.open_stream(source)
        return Source(column_names(stream.schema.names), None, batches(stream.schema, stream))
    stored = (file.get_batch(index) for index in range(file.num_record_batches))
    return Source(column_names(file.schema.names), None, batches(file.schema, stored))


# --- CSV ----------------------------------------------------------------------------------------------------


def _from_csv(path: Path) -> Source:
    with path.open("rb") as file:
        if b"\0" in file.read(1 << 16):
            raise MalformedInput(f"{path} is not a CSV file: it holds binary data")
    reader = _open_csv(path, {})
    names = column_names(reader.schema.names)
    types = dict(zip(names, reader.schema.types, strict=True))
    return Source(names, None, _csv_pieces(path, types))


def _csv_pieces(path: Path, types: dict[str, pa.DataType]) -> Pieces:
    """Yield batches; where a cell does not fit, widen its column's type, yield None, and start over."""
    names = list(types)
    while True:
        if pa.binary() in types.values():
            raise pa.ArrowInvalid("invalid UTF8 data")
        try:
            reader = _open_csv(path, types)
            yield from batches(reader.schema, reader)
            return
        except pa.ArrowInvalid as error:
            misfit = CSV_MISFIT.match(str(error))
            if misfit is None:
                raise
            name = names[int(misfit[1])]
            types[name] = _looser(types[name], misfit[2])
            yield None


def _open_csv(path: Path, types: dict[str, pa.DataType]) -> csv.CSVStreamingReader:
    return csv.open_csv(
        path,
        read_options=csv.ReadOptions(block_size=CSV_BLOCK),
        parse_options=csv.ParseOptions(newlines_in_values=True),
        convert_options=csv.ConvertOptions(
            column_types=types, null_values=CSV_MISSING, strings_can_be_null=True
        ),
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
