"""Fingerprints of tables: one name for the logical content, whoever holds it (scheme `affidavit-table-v1`).

The same data in pandas, polars, Arrow, numpy, CSV or Parquet has the same fingerprint, however it is chunked,
sliced, dictionary-encoded or typed in width; any change gives another one, and two fingerprints tell which
columns and rows differ.

The scheme:

- Each column is cut into runs of 65,536 rows counted from row 0. A run's leaf is
  SHA-256(0x00 | length of the logical type, 4 bytes little endian | logical type | canonical bytes of the run);
  `registry/columns.py` defines those bytes.
- A column's root is the tree of RFC 6962 over its leaves (an inner node is SHA-256(0x01 | left | right), the
  root of no leaves SHA-256 of nothing).
- The table's digest is SHA-256(0x02 | schema | column roots), where the schema is canonical JSON (RFC 8785):
  `{"columns":[{"name":...,"type":...},...],"rows":...,"scheme":"affidavit-table-v1"}`, columns in order.
- `unordered` is SHA-256(0x03 | the same JSON with the roots in it and the columns sorted by name): equal for
  tables that differ only in the order of their columns.

What counts as equal, by decision:

- Row order counts, column order and names count. Width, sign, unit, encoding, chunks, time zone (the instant
  counts) and unused categories do not.
- A float that is NaN is missing, whatever its bits, because pandas cannot tell the two apart; -0.0 is 0.0.
- Decimals of equal value are equal at any declared scale or precision: 1.5 is 1.50.
- Types of another kind are never equal: an int column that became float because of one missing value is a
  float column, and shows as *retyped*. Whole floats are not guessed back to ints, since from a float alone
  nobody can know what was meant, and above 2^53 the value itself may have changed. Likewise date is not
  timestamp, a naive timestamp is not an instant, and text is never normalised.
- The index of a pandas object is not part of the table; `reset_index()` makes it a column. Rows keep their
  order. Labels 0, 1, 2... and no labels at all are the names "0", "1", "2"...
- CSV cells become values as `pyarrow.csv` with its default options reads the whole file (and line breaks in
  quoted cells): an empty cell is missing in a column of numbers and an empty text in a column of text.

A bare digest of few possible values can be guessed back to them; treat fingerprints of personal data as
personal data.

>>> import numpy
>>> str(fingerprint(numpy.array([1, 2, 3]))) == str(fingerprint(numpy.array([1, 2, 3], dtype="uint8")))
True
"""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from audit import canonical, merkle
from audit.canonical import Json, JsonObject
from audit.errors import MalformedInput
from registry.diff import RUN, Difference, difference

__all__ = ["SCHEME", "ColumnFingerprint", "Fingerprint", "fingerprint", "is_table"]

SCHEME = "affidavit-table-v1"

HOLDERS = frozenset(
    {
        ("numpy", "ndarray"),
        ("pandas", "DataFrame"),
        ("pandas", "Series"),
        ("polars", "DataFrame"),
        ("polars", "Series"),
        ("pyarrow", "Array"),
        ("pyarrow", "ChunkedArray"),
        ("pyarrow", "RecordBatch"),
        ("pyarrow", "Table"),
    }
)
"""Package and class of everything that holds a table in memory."""

SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class ColumnFingerprint:
    """One column: its logical type, the digests of its runs in order, and the root of the tree over them."""

    name: str
    type: str
    root: str
    leaves: tuple[str, ...]

    @classmethod
    def of(cls, name: str, type: str, leaves: tuple[str, ...]) -> "ColumnFingerprint":  # noqa: A002
        """Compute the root over the leaves (hex)."""
        return cls(name, type, merkle.root(bytes.fromhex(leaf) for leaf in leaves).hex(), leaves)


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The fingerprint of a table; `str()` of it is its name, the columns tell where two tables differ."""

    rows: int
    columns: tuple[ColumnFingerprint, ...]
    digest: str

    @classmethod
    def of(cls, rows: int, columns: tuple[ColumnFingerprint, ...]) -> "Fingerprint":
        """Compute the digest over the schema and the column roots."""
        schema = {
            "scheme": SCHEME,
            "rows": rows,
            "columns": [{"name": column.name, "type": column.type} for column in columns],
        }
        digest = hashlib.sha256(b"\x02" + canonical.encode(schema))
        for column in columns:
            digest.update(bytes.fromhex(column.root))
        return cls(rows, columns, digest.hexdigest())

    def __str__(self) -> str:
        return f"{SCHEME}:sha256:{self.digest}"

    @property
    def unordered(self) -> str:
        """The digest (hex) that does not depend on the order of the columns."""
        columns = [
            {"name": column.name, "type": column.type, "root": column.root}
            for column in sorted(self.columns, key=lambda column: column.name)
        ]
        value = {"scheme": SCHEME, "rows": self.rows, "columns": columns}
        return hashlib.sha256(b"\x03" + canonical.encode(value)).hexdigest()

    def diff(self, other: "Fingerprint") -> Difference:
        """Say what differs; `other` is what this table became."""
        return difference(self, other)

    def to_json(self) -> JsonObject:
        """Return the whole fingerprint as a canonical JSON value that `from_json` reads."""
        return {
            "scheme": SCHEME,
            "rows": self.rows,
            "digest": self.digest,
            "columns": [
                {
                    "name": column.name,
                    "type": column.type,
                    "root": column.root,
                    "leaves": list[Json](column.leaves),
                }
                for column in self.columns
            ],
        }

    @classmethod
    def from_json(cls, value: Json) -> "Fingerprint":
        """Read what `to_json` wrote, or raise `MalformedInput` where a root or the digest does not add up."""
        document = _object(value, {"scheme", "rows", "digest", "columns"}, "the fingerprint")
        if document["scheme"] != SCHEME:
            raise MalformedInput(f"the fingerprint's scheme is {document['scheme']!r}, not {SCHEME!r}")
        rows = document["rows"]
        if type(rows) is not int or rows < 0:
            raise MalformedInput("the fingerprint's row count is not a count")
        if not isinstance(document["columns"], list):
            raise MalformedInput("the fingerprint's columns are not a list")
        columns = tuple(_column(column, rows) for column in document["columns"])
        if len({column.name for column in columns}) != len(columns):
            raise MalformedInput("the fingerprint names a column twice")
        found = cls.of(rows, columns)
        if found.digest != document["digest"]:
            raise MalformedInput("the fingerprint's digest is not that of its columns")
        return found


def fingerprint(table: object, *, progress: Callable[[int, int | None], None] | None = None) -> Fingerprint:
    """Compute the fingerprint of a table.

    `table` is what `is_table` accepts, the path (str or Path) of a .csv, .parquet, .arrow or .feather file,
    which is read in batches, or an object with the Arrow stream interface, such as a RecordBatchReader or a
    DuckDB relation, which is read once to its end. A one-dimensional array without a name is one column
    named "0". `progress` is called with the rows done and, where known, all rows.

    Raise `MalformedInput` for what is not a table, or holds a column that has no canonical form; `NotFound`
    where there is no such file; `EnvironmentFailed` where a file cannot be opened.
    """
    # pyarrow and numpy are loaded here, so that reading and comparing fingerprints needs neither.
    from registry.arrow import from_memory
    from registry.columns import Column
    from registry.files import from_file

    if isinstance(table, str):
        table = Path(table)
    source = from_file(table) if isinstance(table, Path) else from_memory(_holder(table), table)
    columns = [Column(name) for name in source.names]
    cells = 0
    for piece in source.pieces:
        if piece is None:
            columns = [Column(name) for name in source.names]
            cells = 0
            continue
        index, array = piece
        columns[index].feed(array)
        cells += len(array)
        if progress is not None and len(array) > 0:
            progress(cells // len(columns), source.rows)
    done = tuple(ColumnFingerprint.of(column.name, column.kind, column.finish()) for column in columns)
    return Fingerprint.of(columns[0].rows if columns else source.rows or 0, done)


def is_table(value: object) -> bool:
    """Tell whether `fingerprint` takes this value as a table in memory; loads no library to find out.

    False for paths, and for streams, which reading would use up.
    """
    holder = _holder(value)
    if holder == ("numpy", "ndarray"):
        shape, dtype = getattr(value, "shape", ()), getattr(value, "dtype", None)
        fields = getattr(dtype, "names", None) is not None
        return len(shape) == 1 if fields else len(shape) in (1, 2) and getattr(dtype, "kind", "V") not in "cV"
    return holder is not None


def _holder(value: object) -> tuple[str, str] | None:
    """Return the package and class that make a value a table, by the names of its types alone."""
    for base in type(value).__mro__:
        name = (base.__module__.partition(".")[0], base.__name__)
        if name in HOLDERS:
            return name
    return None


def _column(value: Json, rows: int) -> ColumnFingerprint:
    document = _object(value, {"name", "type", "root", "leaves"}, "a column of the fingerprint")
    name, logical, leaves = document["name"], document["type"], document["leaves"]
    if not isinstance(name, str) or not isinstance(logical, str) or not logical:
        raise MalformedInput("a column of the fingerprint has no name or no type")
    if not isinstance(leaves, list) or not all(
        isinstance(leaf, str) and SHA256.fullmatch(leaf) for leaf in leaves
    ):
        raise MalformedInput(f"the leaves of column {name!r} are not SHA-256 digests in lower-case hex")
    if len(leaves) != -(-rows // RUN):
        raise MalformedInput(
            f"column {name!r} has {len(leaves)} leaves, which is not the number for {rows} rows"
        )
    column = ColumnFingerprint.of(name, logical, tuple(cast(list[str], leaves)))
    if column.root != document["root"]:
        raise MalformedInput(f"the root of column {name!r} is not that of its leaves")
    return column


def _object(value: Json, keys: set[str], what: str) -> JsonObject:
    if not isinstance(value, dict) or set(value) != keys:
        raise MalformedInput(f"{what} must be an object with exactly the keys {', '.join(sorted(keys))}")
    return value
