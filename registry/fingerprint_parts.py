"""The fingerprint of a table in parts, such as an engine's partitions: bit for bit that of the whole table.

Runs are counted from row 0 of the table, and parts do not end where runs do. So there are two passes:

1. Every part says how many rows it has and of what types; from that it is known where each begins.
2. Every part yields its pieces (`pieces_of`): of a run that it holds whole, the leaves; of a run that it shares with
   its neighbours, its rows themselves, as an Arrow stream. Whoever gets all the pieces of one run makes its leaves of
   them (`leaves_of`). `assembled` makes the fingerprint of all the leaves.

Rules:

- Rows never travel further than to who makes the leaves of their run, at most 65,536 rows at a time; whoever assembles
  gets leaves alone.
- The order of the rows is the order of the parts and of the rows in them. Where a sort key gives the order, equal keys
  or missing ones are refused, since they leave it open.
- A run whose pieces do not fit together, as when a part had other rows in the second pass, is refused.

>>> from registry.fingerprint import fingerprint
>>> parts = [pa.table({"a": [1, 2]}), pa.table({"a": [3]})]
>>> schema = joint_schema([part.schema for part in parts])
>>> pieces = [p for start, t in zip((0, 2), parts) for p in pieces_of(t.to_batches(), schema, start)]
>>> str(assembled(schema, 3, [leaves_of(pieces, schema, 3)])) == str(fingerprint(pa.concat_tables(parts)))
True
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import ipc

from audit.errors import MalformedInput
from registry.arrow import column_names, unified
from registry.columns import leaf, logical_type
from registry.diff import RUN
from registry.fingerprint import ColumnFingerprint, Fingerprint
from registry.fingerprint_key import FingerprintKey
from registry.layouts import joined
from registry.row_runs import cut

__all__ = ["Piece", "assembled", "joint_schema", "leaves_of", "pieces_of"]


@dataclass(frozen=True, slots=True)
class Piece:
    """What one part has of one run: the leaves of all its columns if it has the whole run, else its rows."""

    run: int
    start: int
    rows: int
    leaves: tuple[str, ...] | None = None
    data: bytes | None = field(default=None, repr=False)


def joint_schema(schemas: Sequence[pa.Schema]) -> pa.Schema:
    """Return the schema of the whole table; raise `MalformedInput` where parts do not fit together."""
    schema = unified(list(schemas), [f"part {number}" for number in range(len(schemas))])
    if not column_names(schema.names):
        raise MalformedInput(
            "a table in parts without columns has no rows that could be counted: give it a column"
        )
    for column in schema:
        try:
            logical_type(column.type)
        except MalformedInput as error:
            raise MalformedInput(f"column {column.name!r} {error}") from None
    return schema


def pieces_of(
    batches: Iterable[pa.RecordBatch],
    schema: pa.Schema,
    start: int,
    *,
    keys: Mapping[str, bytes] | None = None,
    order: Sequence[str] = (),
) -> Iterator[Piece]:
    """Yield the pieces of one part that begins at this row of the table.

    `keys` are those of keyed columns. `order` names the columns by which the table was sorted; those that are not in
    `schema` are left out of the fingerprint.
    """
    held: list[pa.RecordBatch] = []
    row, last = start, None
    for batch in batches:
        if order and batch.num_rows:
            last = _checked(batch.select(list(order)), last, row)
        batch = batch.select(schema.names)
        for _, some in cut(batch, row):
            held.append(some)
            row += some.num_rows
            if row % RUN == 0:
                yield _piece(held, schema, row, keys or {})
                held = []
    if held:
        yield _piece(held, schema, row, keys or {})


def leaves_of(
    pieces: Iterable[Piece], schema: pa.Schema, rows: int, *, keys: Mapping[str, bytes] | None = None
) -> tuple[int, tuple[str, ...]]:
    """Return the number of a run and its leaves, from all its pieces; `rows` is how many the table has."""
    ordered = sorted(pieces, key=lambda piece: piece.start)
    run = ordered[0].run
    follows = run * RUN
    for piece in ordered:
        if piece.start != follows:
            raise _unsteady()
        follows += piece.rows
    if follows != min((run + 1) * RUN, rows):
        raise _unsteady()
    if ordered[0].leaves is not None:
        return run, ordered[0].leaves
    held = [batch for piece in ordered for batch in ipc.open_stream(piece.data or b"")]
    return run, _leaves(held, schema, keys or {})


def assembled(
    schema: pa.Schema,
    rows: int,
    leaves: Iterable[tuple[int, tuple[str, ...]]],
    *,
    keyed: Iterable[str] = (),
    key: FingerprintKey | None = None,
) -> Fingerprint:
    """Make the fingerprint of the leaves of all runs, in any order."""
    runs = dict(leaves)
    if sorted(runs) != list(range(-(-rows // RUN))):
        raise _unsteady()
    columns = []
    names = set(keyed)
    for index, column in enumerate(schema):
        its = tuple(runs[run][index] for run in range(len(runs)))
        keyid = key.id if key is not None and column.name in names else None
        columns.append(ColumnFingerprint.of(column.name, logical_type(column.type), its, keyid))
    return Fingerprint.of(rows, tuple(columns))


def _piece(held: list[pa.RecordBatch], schema: pa.Schema, stop: int, keys: Mapping[str, bytes]) -> Piece:
    rows = sum(batch.num_rows for batch in held)
    run, start = (stop - 1) // RUN, stop - rows
    if rows == RUN:
        return Piece(run, start, rows, leaves=_leaves(held, schema, keys))
    sink = pa.BufferOutputStream()
    with ipc.new_stream(sink, held[0].schema) as writer:
        for batch in held:
            writer.write_batch(batch)
    return Piece(run, start, rows, data=sink.getvalue().to_pybytes())


def _leaves(held: list[pa.RecordBatch], schema: pa.Schema, keys: Mapping[str, bytes]) -> tuple[str, ...]:
    found = []
    for index, column in enumerate(schema):
        arrays = [_typed(batch.column(index), column.type) for batch in held]
        try:
            found.append(leaf(logical_type(column.type), joined(arrays), keys.get(column.name)).hex())
        except MalformedInput as error:
            raise MalformedInput(f"column {column.name!r} {error}") from None
    return tuple(found)


def _typed(array: pa.Array, data_type: pa.DataType) -> pa.Array:
    """Give a column that is missing throughout a part the type that it has in the others."""
    return pa.nulls(len(array), data_type) if pa.types.is_null(array.type) else array


def _checked(keys: pa.RecordBatch, last: pa.RecordBatch | None, row: int) -> pa.RecordBatch:
    """Refuse sort keys that leave the order open; return the last one."""
    names = ", ".join(keys.schema.names)
    if any(pc.is_null(column, nan_is_null=True).true_count for column in keys.columns):
        raise MalformedInput(f"the sort key ({names}) is missing in some rows, which leaves their order open")
    before = [] if last is None else [last]
    both = pa.Table.from_batches([*before, keys]).combine_chunks()
    same = pa.array([True] * (both.num_rows - 1), pa.bool_())
    for column in both.columns:
        same = pc.and_(same, pc.equal(column.chunk(0)[1:], column.chunk(0)[:-1]))
    if pc.any(same).as_py():
        first = row - len(before) + same.index(True).as_py()
        raise MalformedInput(
            f"rows {first} and {first + 1} have the same sort key ({names}), which leaves their order open: "
            "name more columns"
        )
    return keys.slice(keys.num_rows - 1)


def _unsteady() -> MalformedInput:
    return MalformedInput(
        "the parts of the table had other rows when they were read a second time: keep the table (persist it, or write "
        "it) before it is fingerprinted"
    )
