"""CSV files as batches of Arrow columns, with the types that the whole file has.

Rules:

- The type of a column is the one `pyarrow.csv.read_csv` infers from the whole file, wherever blocks end: the first in
  its order of types that every cell fits. The stream guesses from the first block; when a later cell does not fit,
  reading starts over with the next type that fits it.
- Whole numbers keep all their digits: a column of nothing else in which one is above 2^63-1, which Arrow would round to
  floats, is unsigned where all fit in 64 bits, and else text.
- A cell is missing where `pandas.read_csv` reads it so: empty, or another of `CSV_MISSING`, also in a column of text.
  Types are Arrow's: pandas would turn whole numbers with a missing value into floats, and leave dates as text, so that
  what it read can have another fingerprint than its file.
- CSV is UTF-8 with one header line; quoted cells may hold line breaks. What is not so is refused, with the number of
  the line and nothing of what stands in it. A file named .csv.gz, .csv.bz2 or .csv.zst is decompressed on the way.

Example: `from_csv(Path("loanapp.csv")).names` are the names in the header.
"""

import codecs
import csv as plain_csv
import io
import re
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from audit.errors import MalformedInput
from registry.arrow import Pieces, Source, batches, column_names
from registry.layouts import numbers_of

__all__ = ["CSV_MISSING", "from_csv", "open_csv", "what_is_wrong"]

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

CSV_MISSING = (
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN",
    "<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null",
)  # fmt: skip
"""The cells that mean a missing value: those of `pandas.read_csv`."""

CSV_WHOLE = r"^\s*[-+]?[0-9]+\s*$"
"""A cell that holds a whole number."""

CSV_MISFIT = re.compile(
    r"In CSV column #(\d+): .*?CSV conversion error to [^:]+: "
    r"(?:invalid value|expected (?:a|no) zone offset in) '(.*?)'(?:$|\. If these timestamps)",
    re.DOTALL,
)
"""How Arrow says that a cell does not fit its column's type: the column's number and the cell."""


@dataclass(slots=True)
class _Known:
    """What is known of the columns of a file so far."""

    types: dict[str, pa.DataType]
    floats: set[str] = field(default_factory=set)
    """Columns that are known to hold other numbers than whole ones."""
    long: set[str] = field(default_factory=set)
    """Columns of whole numbers that are read as text, since one is too long; all cells seen so far are whole."""

    def hold_floats(self, name: str) -> None:
        self.types[name] = pa.float64()
        self.floats.add(name)
        self.long.discard(name)

    def fits(self, name: str, array: pa.Array) -> bool:
        """Tell whether a column is still of its type now that these cells are seen; else another is known now."""
        if name in self.long and not pc.all(pc.match_substring_regex(array, CSV_WHOLE), min_count=0).as_py():
            self.hold_floats(name)
            return False
        if pa.types.is_floating(array.type) and name not in self.floats:
            if _may_be_rounded(array):
                self.types[name] = pa.uint64()
                return False
            if _holds_fractions(array):
                self.floats.add(name)
        return True

    def loosen(self, name: str, misfit: str) -> None:
        """Take the next type for a column that holds this cell."""
        if self.types[name] != pa.uint64():
            self.types[name] = _looser(self.types[name], misfit)
        elif re.match(CSV_WHOLE, misfit):
            self.types[name] = pa.string()
            self.long.add(name)
        else:
            self.hold_floats(name)


def from_csv(path: Path) -> Source:
    """Open a CSV file."""
    with _bytes_of(path) as file:
        begin = file.read(1 << 16)
    if b"\0" in begin:
        raise MalformedInput(f"{path} is not a CSV file: it holds binary data")
    begin = begin.removeprefix(codecs.BOM_UTF8)
    if not begin.strip(b"\r\n"):
        raise MalformedInput(f"{path} cannot be read as csv (Empty CSV file): it has no header line")
    if not re.search(rb"[\r\n]", begin) and len(begin) < 1 << 16:
        return _header_alone(begin)  # which Arrow takes for nothing where no line ends
    reader = open_csv(path, {})
    names = column_names(reader.schema.names)
    known = _Known(dict(zip(names, reader.schema.types, strict=True)))
    # The first reading leaves the types that the whole file has in `known`.
    return Source(names, None, _csv_pieces(path, known), lambda columns, runs: _csv_pieces(path, known))


def _header_alone(line: bytes) -> Source:
    """Open a table of no rows."""
    names = column_names(next(plain_csv.reader([line.decode("utf-8")])))

    def pieces() -> Pieces:
        yield from ((number, pa.nulls(0)) for number in range(len(names)))

    return Source(names, 0, pieces(), lambda columns, runs: pieces())


def _csv_pieces(path: Path, known: _Known) -> Pieces:
    """Yield batches; where a cell does not fit, widen its column's type, yield None, and start over."""
    names = list(known.types)
    while True:
        if pa.binary() in known.types.values():
            raise pa.ArrowInvalid("invalid UTF8 data")
        try:
            reader = open_csv(path, known.types)
            if reader.schema.names != names:
                raise MalformedInput(
                    f"{path} changed while it was read: read it again once nobody writes to it"
                )
            for piece in batches(reader.schema, reader):
                if piece is not None and not known.fits(names[piece[0]], piece[1]):
                    break
                yield piece
            else:
                return
        except pa.ArrowInvalid as error:
            misfit = CSV_MISFIT.match(str(error))
            if misfit is None:
                raise
            known.loosen(names[int(misfit[1])], misfit[2])
        yield None


def what_is_wrong(path: Path, message: str) -> str | None:
    """Say for a person what Arrow says of a CSV file for a programmer, or None; nothing of the file is quoted."""
    if "UTF8" in message or "utf-8" in message:
        return f"is not a CSV file in UTF-8{_line_that_is_no_utf8(path)}: save it again as UTF-8"
    if "straddl" in message:
        return f"has a row longer than {CSV_BLOCK:,} bytes: a quote may be left open"
    if "Expected" in message and "columns, got" in message:
        return f"cannot be read as csv{_ragged_line(path)}: give every row as many cells as the header has"
    return None


def _line_that_is_no_utf8(path: Path) -> str:
    with suppress(OSError, pa.ArrowException), _bytes_of(path) as file:
        for number, line in enumerate(io.BufferedReader(file), start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                return f", line {number} is in another encoding"
    return ""


def _ragged_line(path: Path) -> str:
    with suppress(plain_csv.Error, OSError, pa.ArrowException), _bytes_of(path) as file:
        text = io.TextIOWrapper(io.BufferedReader(file), "utf-8", errors="replace", newline="")
        rows = plain_csv.reader(text)
        header = next(rows, [])
        for row in rows:
            if row and len(row) != len(header):
                return f" (line {rows.line_num}: expected {len(header)} columns, got {len(row)})"
    return " (a row has more or fewer cells)"


def _bytes_of(path: Path) -> pa.NativeFile:
    return pa.input_stream(str(path), compression="detect")


def open_csv(path: Path, types: dict[str, pa.DataType]) -> csv.CSVStreamingReader:
    """Read in batches, with these types and whatever Arrow makes of the other columns."""
    return csv.open_csv(
        _bytes_of(path),
        read_options=csv.ReadOptions(block_size=CSV_BLOCK),
        parse_options=csv.ParseOptions(newlines_in_values=True),
        convert_options=csv.ConvertOptions(
            column_types=types, null_values=CSV_MISSING, strings_can_be_null=True
        ),
    )


def _may_be_rounded(array: pa.Array) -> bool:
    """Tell whether a column of floats may hold whole numbers that do not fit into 64 bits with a sign."""
    large = np.abs(numbers_of(array, "<f8"))
    return bool(((large >= 2.0**63) & (large < np.inf)).any())


def _holds_fractions(array: pa.Array) -> bool:
    """Tell whether one of the first floats is no whole number, so that the column is none of whole numbers."""
    first = numbers_of(array[:1024].drop_null(), "<f8")
    return bool((np.isfinite(first) & (first != np.trunc(first))).any())


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
