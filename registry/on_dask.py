"""The fingerprint of a Dask dataframe, computed where its partitions are: bit for bit that of the whole table.

Rules:

- The order of the rows is explicit: `order="partitions"` is the order in which the dataframe has them; a list of
  columns sorts by them, and refuses keys that are equal or missing.
- What comes back to who asks are leaves (32 bytes for a column and 65,536 rows). Rows travel between workers only
  where a run lies in several partitions.
- A partition is a pandas dataframe and is read as one: `dtype_backend="pyarrow"` keeps whole numbers with missing
  values whole. A column that is missing throughout a partition has the type of the others. Dask's own option
  `dataframe.convert-string` makes text of columns of Python objects, lists too, before anybody can look at them.
- affidavit is installed where the workers are. With `keyed`, the keys of these columns go to the workers.

>>> fingerprint_dask(dask.dataframe.read_parquet("loans/"), order="partitions")     # doctest: +SKIP
"""

import importlib
from collections.abc import Collection, Sequence
from itertools import accumulate
from typing import Any

import pyarrow as pa

from audit.errors import MalformedInput
from registry.diff import RUN
from registry.fingerprint import Fingerprint, column_keys, opened
from registry.fingerprint_key import FingerprintKey
from registry.fingerprint_parts import Piece, assembled, joint_schema, leaves_of, pieces_of

__all__ = ["fingerprint_dask"]

Keys = dict[str, bytes]


def fingerprint_dask(
    frame: Any,
    *,
    order: str | Sequence[str],
    keyed: Collection[str] = (),
    key: FingerprintKey | None = None,
) -> Fingerprint:
    """Compute the fingerprint of a Dask dataframe on whatever scheduler Dask uses.

    `order` says in which order its rows are taken: "partitions", as they are, or the columns to sort by, whose values
    must be present and different in every row. The columns named in `keyed` are hashed with `key`.

    Raise `MalformedInput` for what is no Dask dataframe, and where a column has no canonical form, partitions differ in
    a column's type, or the order is left open.
    """
    dask: Any = importlib.import_module("dask")
    if not hasattr(frame, "to_delayed"):
        raise MalformedInput(
            f"a {type(frame).__name__} is no Dask dataframe: `fingerprint` takes tables of one machine"
        )
    by = () if order == "partitions" else _sort_key(order, frame.columns)
    parts = (frame.sort_values(list(by)) if by else frame).to_delayed()
    keys = column_keys([str(name) for name in frame.columns], keyed, key)
    described = dask.compute(*[dask.delayed(_described)(part) for part in parts])
    schema = joint_schema([schema for _, schema in described])
    counts = [rows for rows, _ in described]
    *begin, rows = accumulate(counts, initial=0)
    pieces = [
        dask.delayed(_pieces)(part, schema, start, keys, by) for part, start in zip(parts, begin, strict=True)
    ]
    # A run needs the pieces of the partitions that reach into it, and no others.
    jobs = [
        dask.delayed(_run)(
            run, [pieces[number] for number in _reaching(run, begin, counts)], schema, rows, keys
        )
        for run in range(-(-rows // RUN))
    ]
    return assembled(schema, rows, dask.compute(*jobs), keyed=keyed, key=key)


def _sort_key(order: str | Sequence[str], columns: Collection[str]) -> tuple[str, ...]:
    if isinstance(order, str) or not order:
        raise MalformedInput(f'{order!r} is no order: give "partitions", or a list of columns to sort by')
    for name in order:
        if name not in columns:
            raise MalformedInput(
                f"there is no column {name!r} to sort by: the columns are {', '.join(columns)[:200]}"
            )
    return tuple(order)


def _reaching(run: int, begin: list[int], counts: list[int]) -> list[int]:
    start, stop = run * RUN, (run + 1) * RUN
    return [
        number
        for number, (first, rows) in enumerate(zip(begin, counts, strict=True))
        if rows and first < stop and first + rows > start
    ]


# --- on the workers -----------------------------------------------------------------------------------------


def _table(part: Any) -> pa.Table:
    """Read a partition as the same rows would be read in one pandas dataframe."""
    source = opened(part)
    columns: list[list[pa.Array]] = [[] for _ in source.names]
    for piece in source.pieces:
        assert piece is not None
        columns[piece[0]].append(piece[1])
    return pa.table([pa.chunked_array(pieces) for pieces in columns], names=list(source.names))


def _described(part: Any) -> tuple[int, pa.Schema]:
    table = _table(part)
    return table.num_rows, table.schema


def _pieces(part: Any, schema: pa.Schema, start: int, keys: Keys, by: tuple[str, ...]) -> list[Piece]:
    return list(pieces_of(_table(part).to_batches(), schema, start, keys=keys, order=by))


def _run(
    run: int, parts: list[list[Piece]], schema: pa.Schema, rows: int, keys: Keys
) -> tuple[int, tuple[str, ...]]:
    return leaves_of([piece for part in parts for piece in part if piece.run == run], schema, rows, keys=keys)
