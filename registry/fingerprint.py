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
- CSV cells become values as `registry/csv_file.py` says: the types are those that `pyarrow.csv` infers from the
  whole file, the missing cells those of `pandas.read_csv`, also in a column of text.

A bare digest of few possible values can be guessed back to them. Columns may be keyed
(`registry/fingerprint_key.py`): their leaves are HMAC-SHA256 of the same bytes. Such a table's scheme is
`affidavit-table-keyed-v1`, its keyed columns have a `"key"` (the key's id) in the schema, and everything else is
as above. A table without a keyed column is never of that scheme. Keyed columns can be compared under one key
only; else it is not known whether they differ.

Larger than memory: a file or a stream is read once, in batches; at most a few runs of every column are held.

>>> import numpy
>>> str(fingerprint(numpy.array([1, 2, 3]))) == str(fingerprint(numpy.array([1, 2, 3], dtype="uint8")))
True
"""

import hashlib
import json
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from audit import canonical, merkle
from audit.canonical import Json, JsonObject
from audit.errors import MalformedInput
from registry.diff import RUN, Difference, difference
from registry.held import holder_of

if TYPE_CHECKING:
    from registry.arrow import Source
    from registry.fingerprint_key import FingerprintKey

__all__ = [
    "KEYED_SCHEME",
    "SCHEME",
    "ColumnFingerprint",
    "Fingerprint",
    "column_keys",
    "field_names",
    "fingerprint",
    "fingerprint_of",
    "is_table",
    "opened",
]

SCHEME = "affidavit-table-v1"
KEYED_SCHEME = "affidavit-table-keyed-v1"

SHA256 = re.compile(r"[0-9a-f]{64}")
FIELD_NAME = re.compile(r'"(?:[^"\\]|\\.)*"')
KEY_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class ColumnFingerprint:
    """One column: its logical type, the digests of its runs in order, and the root of the tree over them.

    `key` is the id of the key of a keyed column.
    """

    name: str
    type: str
    root: str
    leaves: tuple[str, ...]
    key: str | None = None

    @classmethod
    def of(
        cls,
        name: str,
        type: str,  # noqa: A002
        leaves: tuple[str, ...],
        key: str | None = None,
    ) -> "ColumnFingerprint":
        """Compute the root over the leaves (hex)."""
        return cls(name, type, merkle.root(bytes.fromhex(leaf) for leaf in leaves).hex(), leaves, key)

    @property
    def names(self) -> tuple[str, ...]:
        """The column's name, and those of the fields of the structs in it."""
        return self.name, *field_names(self.type)

    def said(self, **more: Json) -> JsonObject:
        """Return the column's member of a JSON document; the key's id only where there is one."""
        return {"name": self.name, "type": self.type, **more, **({"key": self.key} if self.key else {})}


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The fingerprint of a table; `str()` of it is its name, the columns tell where two tables differ."""

    rows: int
    columns: tuple[ColumnFingerprint, ...]
    digest: str

    @classmethod
    def of(cls, rows: int, columns: tuple[ColumnFingerprint, ...]) -> "Fingerprint":
        """Compute the digest over the schema and the column roots."""
        schema = {"scheme": _scheme(columns), "rows": rows, "columns": [column.said() for column in columns]}
        digest = hashlib.sha256(b"\x02" + canonical.encode(schema))
        for column in columns:
            digest.update(bytes.fromhex(column.root))
        return cls(rows, columns, digest.hexdigest())

    @property
    def scheme(self) -> str:
        """The scheme by which the digest was computed."""
        return _scheme(self.columns)

    def __str__(self) -> str:
        return f"{self.scheme}:sha256:{self.digest}"

    def diff(self, other: "Fingerprint") -> Difference:
        """Say what differs; `other` is what this table became."""
        return difference(self, other)

    def to_json(self) -> JsonObject:
        """Return the whole fingerprint as a canonical JSON value that `from_json` reads."""
        return {
            "scheme": self.scheme,
            "rows": self.rows,
            "digest": self.digest,
            "columns": [
                column.said(root=column.root, leaves=list[Json](column.leaves)) for column in self.columns
            ],
        }

    @classmethod
    def from_json(cls, value: Json) -> "Fingerprint":
        """Read what `to_json` wrote, or raise `MalformedInput` where a root or the digest does not add up."""
        document = _object(value, {"scheme", "rows", "digest", "columns"}, "the fingerprint")
        scheme = document["scheme"]
        if scheme not in (SCHEME, KEYED_SCHEME):
            raise MalformedInput(
                f"the fingerprint's scheme is {scheme!r}, not {SCHEME!r} or {KEYED_SCHEME!r}"
            )
        rows = document["rows"]
        if type(rows) is not int or rows < 0:
            raise MalformedInput("the fingerprint's row count is not a count")
        if not isinstance(document["columns"], list):
            raise MalformedInput("the fingerprint's columns are not a list")
        columns = tuple(_column(column, rows) for column in document["columns"])
        if len({column.name for column in columns}) != len(columns):
            raise MalformedInput("the fingerprint names a column twice")
        found = cls.of(rows, columns)
        if found.scheme != scheme:
            raise MalformedInput(f"the fingerprint's scheme is {scheme!r}, which does not fit its columns")
        if found.digest != document["digest"]:
            raise MalformedInput("the fingerprint's digest is not that of its columns")
        return found


def fingerprint(
    table: object,
    *,
    keyed: Collection[str] = (),
    key: "FingerprintKey | None" = None,
    progress: Callable[[int, int | None], None] | None = None,
) -> Fingerprint:
    """Compute the fingerprint of a table.

    `table` is what `is_table` accepts, the path (str or Path) of a file that `registry/files.py` reads or of a
    folder of such files, a polars LazyFrame, or an object with the Arrow stream interface, such as a
    RecordBatchReader or a DuckDB relation; these are read once to their end. A one-dimensional array without a
    name is one column named "0". The columns named in `keyed` are hashed with `key`. `progress` is called with
    the rows done and, where known, all rows.

    Raise `MalformedInput` for what is not a table, or holds a column that has no canonical form; `NotFound`
    where there is no such file; `EnvironmentFailed` where a file cannot be opened.
    """
    source = opened(table)
    return fingerprint_of(source, keyed=keyed, key=key, progress=progress)


def opened(table: object) -> "Source":
    """Open whatever `fingerprint` takes as a table; raises as it does."""
    # pyarrow and numpy are loaded here, so that reading and comparing fingerprints needs neither.
    from registry.arrow import from_memory
    from registry.files import from_file

    if isinstance(table, str):
        table = Path(table)
    if isinstance(table, Path):
        return from_file(table)
    holder = holder_of(table)
    source = from_memory(holder, table)
    if holder is None:
        return source
    return replace(source, again=lambda columns, runs: from_memory(holder, table).pieces)


def fingerprint_of(
    source: "Source",
    *,
    keyed: Collection[str] = (),
    key: "FingerprintKey | None" = None,
    keyed_types: Callable[[str], bool] = lambda kind: False,
    progress: Callable[[int, int | None], None] | None = None,
) -> Fingerprint:
    """Read an opened table to its end; columns of `keyed_types` are keyed too, where there is a key."""
    from registry.row_runs import Column, Workers, feed

    keys = column_keys(source.names, keyed, key)

    def key_of(name: str, kind: str) -> bytes | None:
        """Return the key of a column, once its type is known."""
        return key.of_column(name) if key and name not in keys and keyed_types(kind) else keys.get(name)

    with Workers() as workers:
        # A table in memory is hashed as fast as it is handed over: threads would only cost.
        threads = workers if source.streamed else None

        def begin() -> list[Column]:
            return [Column(name, source.rows, key_of=key_of, workers=threads) for name in source.names]

        columns = feed(source, begin, progress)
        done = tuple(
            ColumnFingerprint.of(
                column.name, column.kind, column.finish(), key.id if key and column.is_keyed else None
            )
            for column in columns
        )
    return Fingerprint.of(columns[0].rows if columns else source.rows or 0, done)


def field_names(kind: str) -> tuple[str, ...]:
    """Name the fields of the structs in a logical type; raise `MalformedInput` for what is none."""
    try:
        return tuple(str(json.loads(name)) for name in FIELD_NAME.findall(kind))
    except ValueError:
        raise MalformedInput(f"its fingerprint has the type {kind!r}, which is none") from None


def column_keys(
    names: Sequence[str], keyed: Collection[str], key: "FingerprintKey | None"
) -> dict[str, bytes]:
    """Return the key of every column that is to be keyed; refuse one that is not there."""
    for name in keyed:
        if name not in names:
            raise MalformedInput(
                f"there is no column {name!r} to key: the columns are {', '.join(names[:20])}"
            )
    if keyed and key is None:
        raise MalformedInput(
            f"the column {next(iter(keyed))!r} is to be keyed: give the ledger's fingerprint key"
        )
    return {name: key.of_column(name) for name in keyed} if key is not None else {}


def _scheme(columns: tuple[ColumnFingerprint, ...]) -> str:
    return KEYED_SCHEME if any(column.key is not None for column in columns) else SCHEME


def is_table(value: object) -> bool:
    """Tell whether `fingerprint` takes this value as a table in memory; loads no library to find out.

    False for paths, and for streams, which reading would use up.
    """
    holder = holder_of(value)
    if holder == ("numpy", "ndarray"):
        shape, dtype = getattr(value, "shape", ()), getattr(value, "dtype", None)
        fields = getattr(dtype, "names", None) is not None
        return len(shape) == 1 if fields else len(shape) in (1, 2) and getattr(dtype, "kind", "V") not in "cV"
    return holder is not None and holder != ("polars", "LazyFrame")


def _column(value: Json, rows: int) -> ColumnFingerprint:
    keys = {"name", "type", "root", "leaves"} | (
        {"key"} if isinstance(value, dict) and "key" in value else set()
    )
    document = _object(value, keys, "a column of the fingerprint")
    name, logical, leaves, key = document["name"], document["type"], document["leaves"], document.get("key")
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
    if "key" in document and not (isinstance(key, str) and KEY_ID.fullmatch(key)):
        raise MalformedInput(f"the key of column {name!r} is not the id of one: 32 hex digits in lower case")
    column = ColumnFingerprint.of(name, logical, tuple(cast(list[str], leaves)), cast(str | None, key))
    if column.root != document["root"]:
        raise MalformedInput(f"the root of column {name!r} is not that of its leaves")
    return column


def _object(value: Json, keys: set[str], what: str) -> JsonObject:
    if not isinstance(value, dict) or set(value) != keys:
        raise MalformedInput(f"{what} must be an object with exactly the keys {', '.join(sorted(keys))}")
    return value
