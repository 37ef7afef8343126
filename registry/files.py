"""Files that hold a table, as batches of Arrow columns: CSV, Parquet, Arrow (IPC file, stream, Feather) and ORC.

Rules:

- Files are read in batches: memory does not grow with their rows. Of a wide Parquet file, `TOGETHER` columns are read
  at a time, so that it does not grow with the columns either.
- A table is what its file holds: the index that pandas keeps in a file is a column of it, which `index_in` names.
- A folder is one table whose parts are the Parquet, Arrow or ORC files in it, by name, numbers in names as numbers
  (`part.2` before `part.10`, as Dask writes them); names that begin with `_` or `.` are passed over, as Spark does.
  Where a log among those says which of the files count (Delta, Hudi), the folder is refused.
- What cannot be read is one sentence that quotes nothing from the table. So is a file that was written to, or replaced,
  while it was read: its rows may be of two tables.

Example: `from_file(Path("loanapp.csv")).names` are the names in the header.
"""

import contextlib
import difflib
import errno
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import ipc, parquet

from audit.errors import EnvironmentFailed, MalformedInput, NotFound
from registry.arrow import Pieces, Source, batches, column_names, unified
from registry.csv_file import from_csv, what_is_wrong
from registry.diff import RUN

__all__ = ["as_named", "from_file", "from_parts", "index_in", "kind_of", "naming", "parts_in"]

PARQUET_BUFFER = 1 << 20
"""Bytes of a Parquet column read ahead; without a limit Arrow holds the whole file."""

SMALL_DICTIONARY = 1 << 16
"""Bytes of a Parquet dictionary, as stored, up to which its column is read by it; writers give one up at 1 MB."""

TOGETHER = 64
"""Columns of a Parquet file that are read at a time."""

SUFFIXES = {
    ".csv": "csv", ".csv.gz": "csv", ".csv.bz2": "csv", ".csv.zst": "csv",
    ".parquet": "parquet", ".arrow": "arrow", ".feather": "arrow", ".orc": "orc",
}  # fmt: skip
"""What a file is by the end of its name."""

URL = re.compile(r"([a-z][a-z0-9+.-]+):/+", re.IGNORECASE)
"""What a URL begins with; a path has one of its two slashes left."""

LOGS = {"_delta_log": "Delta", ".hoodie": "Hudi"}
"""What lies in the folder of a table whose log says which of its files count, others being of older versions."""

Opened = tuple[pa.Schema, int | None, Pieces]


def from_file(path: Path) -> Source:
    """Open a file, or a folder of parts, or say in one sentence why not."""
    kind, before = kind_of(path), _state(path)
    if before is None:
        raise _no_file(path)
    if path.is_dir():
        return from_parts(parts_in(path))
    _refuse_what_is_no_file(path)
    if kind is None:
        raise MalformedInput(
            f"{path} is not a table by its name: give a .csv, .parquet, .arrow, .feather or .orc file, or read it with "
            "its own library and save it as .parquet"
        )
    with _reading(path):
        if kind == "csv":
            source = from_csv(path)
        else:
            schema, rows, pieces = READERS[kind](path)
            once_more = _parquet_again if kind == "parquet" else _read_again
            source = Source(column_names(schema.names), rows, pieces, partial(once_more, path))
    reading, again = source.pieces, source.again
    assert again is not None
    return Source(
        source.names,
        source.rows,
        _read(path, reading, before),
        lambda columns, runs: _read(path, again(columns, runs), _state(path)),
        streamed=True,
    )


def as_named(path: Path) -> str:
    """Write a path as it was given: of a URL, which a path cannot hold whole, both slashes and no credentials."""
    url = URL.match(str(path))
    if url is None:
        return str(path)
    slashes = "///" if url[1].lower() == "file" else "//"
    host, slash, rest = str(path)[url.end() :].partition("?")[0].partition("/")
    return f"{url[1]}:{slashes}{host.rpartition('@')[2]}{slash}{rest}"


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Name the file in what is said to be wrong with its table, where that does not."""
    try:
        yield
    except MalformedInput as error:
        named = as_named(path)
        raise error if named in str(error) else MalformedInput(f"{named}: {error}") from error


def index_in(path: Path) -> tuple[str, ...]:
    """Name the columns of a file, or of the first part in a folder, in which pandas keeps the index of a table."""
    if path.is_dir():
        path = parts_in(path)[0]
    with _reading(path):
        match kind_of(path):
            case "parquet":
                schema = parquet.read_schema(path)
            case "arrow":
                schema = _ipc(path)[0]
            case _:
                return ()
    try:
        levels = (schema.pandas_metadata or {}).get("index_columns", ())
        return tuple(level for level in levels if level in schema.names)
    except (ValueError, TypeError, AttributeError):  # what stands there is anybody's
        return ()


def kind_of(path: Path) -> str | None:
    """Tell what a file is by the end of its name; None where that says nothing."""
    name = path.name.lower()
    return next((kind for suffix, kind in SUFFIXES.items() if name.endswith(suffix)), None)


def parts_in(folder: Path) -> list[Path]:
    """List the files of a folder that are one table, in the order of their rows."""
    found = [path for path in folder.iterdir() if not path.name.startswith(("_", "."))]
    kinds = {None if path.is_dir() else kind_of(path) for path in found}
    if log := next((name for part, name in LOGS.items() if (folder / part).is_dir()), None):
        why = f"its {log} log says which of its files count: read it with its own library and save what it holds"
    elif any("=" in path.name and path.is_dir() for path in found):
        why = "the names of its folders hold a column: read it with polars.scan_parquet or DuckDB and save it whole"
    elif len(kinds) != 1 or kinds & {None, "csv"}:
        why = "give one that holds .parquet, .arrow or .orc parts and nothing else, or the files one by one"
    else:
        why = None
    if why is not None:
        raise MalformedInput(f"{folder} is a folder that is no table: {why}")
    return sorted(found, key=lambda path: (_by_number(path), path.name))


def from_parts(paths: list[Path]) -> Source:
    """Open files as one table, their rows in the order of the files; columns must agree in name and type."""
    opened, before = [], [_state(path) for path in paths]
    for path in paths:
        _refuse_what_is_no_file(path)
        with _reading(path):
            opened.append(READERS[str(kind_of(path))](path))
    schema = unified([schema for schema, _, _ in opened], [path.name for path in paths])
    counts = [rows for _, rows, _ in opened]
    rows = None if None in counts else sum(count for count in counts if count is not None)

    def pieces() -> Pieces:
        for path, (_, _, part), state in zip(paths, opened, before, strict=True):
            for piece in _read(path, part, state):
                if piece is not None:
                    index, array = piece
                    # A part in which a column is missing throughout may not say of what type it is.
                    missing = pa.types.is_null(array.type)
                    yield index, pa.nulls(len(array), schema.field(index).type) if missing else array

    return Source(
        column_names(schema.names),
        rows,
        pieces(),
        lambda columns, runs: from_parts(paths).pieces,
        streamed=True,
    )


def _by_number(path: Path) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"([0-9]+)", path.name)]


def _no_file(path: Path) -> NotFound:
    """Say that a file is not there, with the tables beside it that are called nearly so."""
    if path.is_symlink():
        return NotFound(f"{path} is a link to a file that is not there: mend it, or name the file itself")
    if URL.match(str(path)):
        return NotFound(
            f"there is no file {as_named(path)}: a URL is not read, save what it names to a file first"
        )
    if str(path) == "-":
        return NotFound("there is no file -: what comes in is not read, write it to a file first")
    tables = [each for each in path.parent.iterdir() if kind_of(each)] if path.parent.is_dir() else []
    beside = {each.stem: each.name for each in tables}
    near = " or ".join(beside[stem] for stem in difflib.get_close_matches(path.stem, beside, n=2))
    return NotFound(f"there is no file {path}: {f'did you mean {near}?' if near else 'check its name'}")


def _refuse_what_is_no_file(path: Path) -> None:
    """Refuse a pipe or a device, which can be read once at most and may never end."""
    if path.exists() and not path.is_file():
        raise MalformedInput(f"{path} is a pipe or a device: write what comes from it to a file first")


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn what reading a file fails with into one sentence that names it."""
    try:
        yield
    except FileNotFoundError:
        raise _no_file(path) from None
    except UnicodeEncodeError:
        raise MalformedInput(f"the file's name {str(path)!r} is not text in UTF-8: rename it") from None
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        if isinstance(error, OSError) and error.errno:
            raise EnvironmentFailed(f"{path} cannot be read: {os.strerror(error.errno)}") from None
        raise MalformedInput(f"{path} {_reason(path, str(error))}") from error


def _reason(path: Path, message: str) -> str:
    kind = kind_of(path)
    known = what_is_wrong(path, message) if kind == "csv" else None
    if known is not None:
        return known
    # Arrow's own words may quote a value, except where there is nothing to quote.
    why = " (Empty CSV file)" if "Empty CSV file" in message else ""
    return f"cannot be read as {kind}{why}: it may be cut short, damaged, encrypted or of another format"


def _read(path: Path, pieces: Pieces, before: tuple[int, ...] | None) -> Pieces:
    """Read a file to its end; refuse one that is not any more what it was `before`."""
    with _reading(path):
        yield from pieces
        if _state(path) != before:
            raise MalformedInput(f"{path} changed while it was read: read it again once nobody writes to it")


def _state(path: Path) -> tuple[int, ...] | None:
    """Say which file this is, how large, and when it was written; None where there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    except ValueError:  # a NUL, or what no UTF-8 has
        raise MalformedInput(f"the file's name {str(path)!r} is no name of a file: rename it") from None
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise NotFound(f"there is no file {path}: its name is longer than one of a file can be") from None
        raise EnvironmentFailed(f"{path} cannot be read: {os.strerror(error.errno or 0)}") from None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _parquet(path: Path) -> Opened:
    with parquet.ParquetFile(path) as file:
        schema, rows, few = file.schema_arrow, file.metadata.num_rows, _of_few_texts(file)

    def pieces() -> Pieces:
        with parquet.ParquetFile(
            path, pre_buffer=False, buffer_size=PARQUET_BUFFER, read_dictionary=few
        ) as file:
            for start, names in _groups(schema):
                part = pa.schema([schema.field(start + index) for index in range(len(names))])
                read = file.iter_batches(batch_size=RUN, columns=names)
                yield from ((start + index, array) for index, array in _numbered(part, read))

    return schema, rows, pieces()


def _of_few_texts(file: parquet.ParquetFile) -> list[str]:
    """Name the columns of text that are stored by small dictionaries: by these they are read in half the time."""
    metadata, stored = file.metadata, file.schema
    texts = {field.name for field in file.schema_arrow if pa.types.is_string(field.type)}
    groups = [metadata.row_group(group) for group in range(metadata.num_row_groups)]
    columns = ((index, stored.column(index).path) for index in range(metadata.num_columns))
    return [
        path
        for index, path in columns
        if path in texts and all(_by_small_dictionary(group.column(index)) for group in groups)
    ]


def _by_small_dictionary(chunk: Any) -> bool:
    """Tell whether a column chunk's dictionary is so small that what wrote it did not leave it for plain values."""
    start, stop = chunk.dictionary_page_offset, chunk.data_page_offset
    return start is not None and 0 < stop - start <= SMALL_DICTIONARY


def _read_again(path: Path, columns: Collection[int], runs: Collection[int]) -> Pieces:
    return READERS[str(kind_of(path))](path)[2]


def _parquet_again(path: Path, columns: Collection[int], runs: Collection[int]) -> Pieces:
    """Decode these columns, of the row groups alone that hold one of these runs."""
    with parquet.ParquetFile(path, pre_buffer=False, buffer_size=PARQUET_BUFFER) as file:
        schema, names = file.schema_arrow, file.schema_arrow.names
        wanted = sorted(columns) if all("." not in name for name in names) else range(len(names))
        first = 0
        for group in range(file.num_row_groups):
            rows = file.metadata.row_group(group).num_rows
            if any(first < (run + 1) * RUN and run * RUN < first + rows for run in runs):
                for batch in file.iter_batches(RUN, [group], [names[index] for index in wanted]):
                    yield from zip(wanted, batch.columns, strict=True)
            else:
                yield from ((index, pa.nulls(rows, schema.field(index).type)) for index in wanted)
            first += rows


def _groups(schema: pa.Schema) -> Iterator[tuple[int, list[str]]]:
    """Yield the columns that are read together, with the number of the first."""
    names = schema.names
    # A name with a dot also names a field of a struct: such a file is read whole.
    size = TOGETHER if all("." not in name for name in names) and names else max(len(names), 1)
    for start in range(0, max(len(names), 1), size):
        yield start, names[start : start + size]


def _numbered(schema: pa.Schema, read: Any) -> Iterator[tuple[int, pa.Array]]:
    return (piece for piece in batches(schema, read) if piece is not None)


def _ipc(path: Path) -> Opened:
    source = pa.OSFile(str(path))
    try:
        file = ipc.open_file(source)
    except pa.ArrowInvalid:
        source.seek(0)
        stream = ipc.open_stream(source)
        return stream.schema, None, batches(stream.schema, _sound(stream))
    stored = (file.get_batch(index) for index in range(file.num_record_batches))
    return file.schema, None, batches(file.schema, _sound(stored))


def _sound(stored: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Check each batch: these files hold buffers as they are in memory, and damaged ones would be followed anywhere."""
    for batch in stored:
        batch.validate(full=True)
        yield batch


def _orc(path: Path) -> Opened:
    from pyarrow import orc

    file = orc.ORCFile(path)
    stripes = (file.read_stripe(index) for index in range(file.nstripes))
    return file.schema, file.nrows, batches(file.schema, stripes)


READERS: dict[str, Callable[[Path], Opened]] = {"parquet": _parquet, "arrow": _ipc, "orc": _orc}
