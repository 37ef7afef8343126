"""The fingerprint of a Spark dataframe, computed on the executors: bit for bit that of the whole table.

Rules:

- The order of the rows is explicit, since Spark keeps none: `order="files"` is that of the files a dataframe was read
  from, by path, and of the rows in them; a list of columns sorts by them, and refuses keys that are equal or missing;
  `order="partitions"` takes the partitions as they come, for who knows that they are in order.
- The driver gets leaves (32 bytes for a column and 65,536 rows). Rows travel between executors only where a run lies in
  several partitions.
- A dataframe is computed twice, for a table that is sorted from a copy that Spark keeps meanwhile (`persist`).
- affidavit is installed where the executors' Python is. With `keyed`, the keys of these columns go to the executors.

>>> fingerprint_spark(spark.read.parquet("loans/"), order="files")                  # doctest: +SKIP
"""

from collections.abc import Collection, Iterator, Sequence
from functools import partial
from itertools import accumulate
from typing import Any

import pyarrow as pa

from audit.errors import MalformedInput
from registry.fingerprint import Fingerprint, column_keys
from registry.fingerprint_key import FingerprintKey
from registry.fingerprint_parts import Piece, assembled, joint_schema, leaves_of, pieces_of

__all__ = ["fingerprint_spark"]

PIECE = "run long, start long, rows long, leaves array<string>, data binary"
ARROW_PIECE = pa.schema(
    [
        ("run", pa.int64()),
        ("start", pa.int64()),
        ("rows", pa.int64()),
        ("leaves", pa.list_(pa.string())),
        ("data", pa.binary()),
    ]
)
FILE, ROW = "__affidavit_file", "__affidavit_row"

Batches = Iterator[pa.RecordBatch]


def fingerprint_spark(
    frame: Any,
    *,
    order: str | Sequence[str],
    keyed: Collection[str] = (),
    key: FingerprintKey | None = None,
) -> Fingerprint:
    """Compute the fingerprint of a Spark dataframe (Spark 4 and newer).

    `order` says in which order its rows are taken, since Spark keeps none: "files", by the path of the files that they
    were read from and as they lie in them; the columns to sort by, whose values must be present and different in every
    row; or "partitions", as these come. The columns named in `keyed` are hashed with `key`.

    Raise `MalformedInput` where a column has no canonical form or the order is left open.
    """
    schema = joint_schema([frame.limit(0).toArrow().schema])
    keys = column_keys(schema.names, keyed, key)
    ordered, by = _ordered(frame, order)
    kept = ordered.persist() if by else ordered
    counts: dict[int, int] = {}
    begin: dict[int, int] = {}

    def leaves(table: pa.Table) -> pa.Table:  # Spark reads these types
        return _leaves(schema, sum(counts.values()), keys, table)

    try:
        said = kept.mapInArrow(_counts, "part int, rows long").collect()
        counts.update(sorted((row["part"], row["rows"]) for row in said))
        begin.update(zip(counts, accumulate(counts.values(), initial=0), strict=False))
        pieces = kept.mapInArrow(partial(_pieces, schema, begin, keys, by), PIECE)
        found = pieces.groupBy("run").applyInArrow(leaves, "run long, leaves array<string>").collect()
    except Exception as error:
        raise _refusal(error) from error
    finally:
        if by:
            kept.unpersist()
    every = [(row["run"], tuple(row["leaves"])) for row in found]
    return assembled(schema, sum(counts.values()), every, keyed=keyed, key=key)


def _ordered(frame: Any, order: str | Sequence[str]) -> tuple[Any, tuple[str, ...]]:
    """Return the dataframe in order, and by which columns."""
    if order == "partitions":
        return frame, ()
    if order == "files":
        from pyspark.errors import AnalysisException

        try:
            where = frame.selectExpr("*", f"_metadata.file_path AS {FILE}", f"_metadata.row_index AS {ROW}")
        except AnalysisException:
            raise MalformedInput(
                'order="files" is for a dataframe as it was read from Parquet files: give a list of columns to sort by'
            ) from None
        return where.orderBy(FILE, ROW), (FILE, ROW)
    if isinstance(order, str) or not order:
        raise MalformedInput(
            f'{order!r} is no order: give "files", "partitions", or a list of columns to sort by'
        )
    return frame.orderBy(*order), tuple(order)


def _refusal(error: Exception) -> Exception:
    """Find the sentence of an executor in what Spark makes of it; anything else stays what it is."""
    said = str(error)
    mark = f"{MalformedInput.__module__}.{MalformedInput.__name__}: "
    if mark not in said:
        return error
    return MalformedInput(said.split(mark, 1)[1].partition("\n")[0].strip())


# --- on the executors ---------------------------------------------------------------------------------------


def _part() -> int:
    from pyspark import TaskContext

    context = TaskContext.get()
    assert context is not None
    return int(context.partitionId())


def _counts(batches: Batches) -> Batches:
    rows = sum(batch.num_rows for batch in batches)
    yield pa.record_batch({"part": pa.array([_part()], pa.int32()), "rows": pa.array([rows], pa.int64())})


def _pieces(
    schema: pa.Schema, begin: dict[int, int], keys: dict[str, bytes], by: tuple[str, ...], batches: Batches
) -> Batches:
    for piece in pieces_of(batches, schema, begin.get(_part(), 0), keys=keys, order=by):
        columns = {
            "run": [piece.run],
            "start": [piece.start],
            "rows": [piece.rows],
            "leaves": [piece.leaves],
            "data": [piece.data],
        }
        yield pa.record_batch(columns, schema=ARROW_PIECE)


def _leaves(schema: pa.Schema, rows: int, keys: dict[str, bytes], table: pa.Table) -> pa.Table:
    pieces = [
        Piece(**{**row, "leaves": None if row["leaves"] is None else tuple(row["leaves"])})
        for row in table.to_pylist()
    ]
    run, leaves = leaves_of(pieces, schema, rows, keys=keys)
    return pa.table({"run": pa.array([run], pa.int64()), "leaves": pa.array([leaves], pa.list_(pa.string()))})
