"""Measure fingerprints of tables beside SHA-256 of the same bytes, decoding alone, and peers, in one run.

- a table in memory (Arrow, pandas, polars): CPU seconds beside SHA-256 over the buffers of the Arrow table; polars
  holds texts in buffers of its own, so that its table is put beside SHA-256 of these too;
- Parquet and CSV: CPU seconds, and seconds on the clock, beside reading the file in the same batches and doing nothing.
  Between them stands what no fingerprint by SHA-256 can be below by much: the same reading, and SHA-256 of the buffers
  that it gives. Where that alone is beyond the goal, the goal is not to be had in CPU seconds; on the clock it is where
  a second processor is idle;
- a profile, beside the fingerprint of the same table;
- peers: ``pandas.util.hash_pandas_object``, ``joblib.hash``, SHA-256 of the table's Parquet file, and MLflow's dataset
  digest where it is installed;
- what each of them sees: the same table held in other ways, and single changes;
- memory: the largest resident set of a process that fingerprints a stream, at two lengths.

The tables hold four columns of floats, one of whole numbers, one of moments, and two of text.
"""

import hashlib
import importlib
import importlib.util
import io
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
from pyarrow import csv, parquet

from audit.terminal import print_table
from registry import csv_file, files
from registry.diff import RUN
from registry.fingerprint import fingerprint
from registry.profile import profile
from tests.bench.rows import HEADER, Row, at_most

ROWS = 2_000_000
FEW = 30_000
STREAMS = (2_000_000, 16_000_000)
MEGABYTES = 500

LIMIT, OF_DECODING = 1.15, 1.2
Seconds = tuple[float, float]


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        rows = [*_in_memory(), *_in_files(Path(folder)), *_streams()]
    print_table(HEADER, rows)
    print_table(("Method", "Same table recognised", "Changes seen", "Not seen"), list(_seen()))


def _table(rows: int) -> pa.Table:
    random = np.random.default_rng(7)
    columns: dict[str, Any] = {f"number{i}": random.normal(size=rows) for i in range(4)}
    columns["whole"] = random.integers(0, 100_000, rows)
    columns["seen"] = (random.integers(0, 10**9, rows) * 1_000_000).astype("M8[us]")
    columns["town"] = pa.array(random.integers(0, 1_000, rows).astype(str))
    columns["code"] = pa.array(random.integers(0, 10**9, rows).astype(str))
    return pa.table(columns)


def _hashing(columns: list[Any]) -> float:
    """Return the CPU seconds of SHA-256 over the buffers of Arrow columns."""
    buffers = [b for column in columns for c in column.chunks for b in c.buffers() if b is not None]
    return _measured(lambda: [hashlib.sha256(b).digest() for b in buffers])[0]


def _in_memory() -> Iterator[Row]:
    table = _table(ROWS)
    size, limit = table.nbytes / 1e6, _hashing(table.columns)
    frame, in_polars = table.to_pandas(), pl.DataFrame(table)
    held = {
        "an Arrow table": table,
        "pandas on Arrow": table.to_pandas(types_mapper=pd.ArrowDtype),
        "pandas on numpy": frame,
        "polars": in_polars,
    }
    ours = {how: _measured(lambda kept=kept: fingerprint(kept))[0] for how, kept in held.items()}  # type: ignore[misc]
    for how, seconds in ours.items():
        yield _row(how, seconds, size, "SHA-256 of the Arrow buffers", limit, LIMIT)
    views = [
        pa.chunked_array([column.to_arrow(compat_level=pl.CompatLevel.newest())])
        for column in in_polars.iter_columns()
    ]
    yield _row("polars", ours["polars"], size, "SHA-256 of polars' buffers", _hashing(views), LIMIT)
    profiled = _measured(lambda: profile(table), times=1)[0]
    yield _row("a profile", profiled, size, "its fingerprint", ours["an Arrow table"], None)
    peers = {
        "pandas.util.hash_pandas_object": lambda: pd.util.hash_pandas_object(frame, index=False),
        "joblib.hash": lambda: joblib.hash(frame),
        "MLflow's digest": _mlflow(frame),
    }
    for name, work in peers.items():
        if work is not None:
            seconds = _measured(work, times=1)[0]
            yield _row("an Arrow table", ours["an Arrow table"], size, name, seconds, 1)


def _in_files(folder: Path) -> Iterator[Row]:
    table = _table(ROWS // 2)
    paths = folder / "a.parquet", folder / "a.csv"
    parquet.write_table(table, paths[0])
    csv.write_csv(table.drop_columns(["seen"]), paths[1])
    inferred = csv_file.open_csv(paths[1], {}).schema
    types = dict(zip(inferred.names, inferred.types, strict=True))

    def in_parquet() -> Iterator[pa.RecordBatch]:
        with parquet.ParquetFile(paths[0], pre_buffer=False, buffer_size=files.PARQUET_BUFFER) as file:
            yield from file.iter_batches(batch_size=RUN)

    for path, decode in zip(paths, (in_parquet, lambda: csv_file.open_csv(paths[1], types)), strict=True):
        size = path.stat().st_size / 1e6
        works = (
            lambda decode=decode: _consume(decode()),
            lambda decode=decode: _consume(decode(), hashed=True),
            lambda path=path: fingerprint(path),
        )
        alone, least, ours = _alternately(works)
        for number, what in enumerate(("CPU", "clock")):
            one, other, floor = ours[number], alone[number], least[number]
            yield _row(f"{path.name}, {what}", one, size, "decoding alone", other, OF_DECODING)
            yield _row(
                f"(decoding and SHA-256 of it, {what})", floor, size, "decoding alone", other, OF_DECODING
            )
            yield _row(f"{path.name}, {what}", one, size, "decoding and SHA-256 of it", floor, LIMIT)
    whole = _measured(lambda: hashlib.sha256(paths[0].read_bytes()))
    ours = _measured(lambda: fingerprint(paths[0]))
    size = paths[0].stat().st_size / 1e6
    yield _row("a.parquet, CPU", ours[0], size, "SHA-256 of the file", whole[0], None)


def _consume(batches: Iterable[pa.RecordBatch], *, hashed: bool = False) -> None:
    """Read batches to their end and do nothing with them, or nothing but hash their buffers."""
    for batch in batches:
        for column in batch.columns if hashed else ():
            for buffer in column.buffers():
                if buffer is not None:
                    hashlib.sha256(buffer).digest()


def _streams() -> Iterator[Row]:
    """Fingerprint streams of two lengths in processes of their own, and compare what they hold at most."""
    code = (
        "import re, sys\n"
        "from pathlib import Path\n"
        "import pyarrow as pa\n"
        "from registry.fingerprint import fingerprint\n"
        "from tests.bench.fingerprint import _table\n"
        "rows, batch = int(sys.argv[1]), _table(100_000).combine_chunks().to_batches()[0]\n"
        "reader = pa.RecordBatchReader.from_batches(batch.schema, (batch for _ in range(rows // 100_000)))\n"
        "assert fingerprint(reader).rows == rows\n"
        # Of this process alone: what getrusage says begins with the size of the process that forked it.
        "most = re.search(r'VmHWM:\\s+(\\d+) kB', Path('/proc/self/status').read_text())[1]\n"
        "print(int(most) / 1024, batch.nbytes * (rows // 100_000) / 1e6)\n"
    )
    found = []
    for rows in STREAMS:
        done = subprocess.run(
            [sys.executable, "-c", code, str(rows)], capture_output=True, text=True, check=True
        )
        found.append([float(number) for number in done.stdout.split()])
    for resident, size in found:
        yield (
            f"a stream of {size:,.0f} MB",
            f"{resident:,.0f} MB at most",
            "a bound for any length",
            f"{MEGABYTES} MB",
            f"{resident / MEGABYTES:.2f}",
            *at_most(resident / MEGABYTES, 1),
        )


# --- what is seen -------------------------------------------------------------------------------------------


def _seen() -> Iterator[tuple[str, str, str, str]]:
    """Count for each method which holdings of one table it recognises, and which changes it sees."""
    frame = _small()
    for name, method in _methods().items():
        mark = method(frame)
        same = [how for how, held in _holdings(frame).items() if _quiet(method, held) == mark]
        changed = _changes(frame)
        missed = [what for what, other in changed.items() if method(other) == mark]
        yield (
            name,
            f"{len(same)} of {len(_holdings(frame))}",
            f"{len(changed) - len(missed)} of {len(changed)}",
            ", ".join(missed) or "-",
        )


def _methods() -> dict[str, Callable[[Any], object]]:
    methods: dict[str, Callable[[Any], object]] = {
        "affidavit": lambda frame: str(fingerprint(frame)),
        "pandas.util.hash_pandas_object": lambda frame: (
            pd.util.hash_pandas_object(frame, index=False).to_numpy().tobytes()
        ),
        "joblib.hash": joblib.hash,
        "SHA-256 of the Parquet file": _of_parquet,
    }
    if importlib.util.find_spec("mlflow"):
        methods["MLflow's digest"] = lambda frame: _digest()(frame)
    return methods


def _of_parquet(frame: pd.DataFrame) -> str:
    file = io.BytesIO()
    frame.to_parquet(file, index=False)
    return hashlib.sha256(file.getvalue()).hexdigest()


def _mlflow(frame: pd.DataFrame) -> Callable[[], object] | None:
    return (lambda: _digest()(frame)) if importlib.util.find_spec("mlflow") else None


def _digest() -> Callable[[Any], object]:
    found: Callable[[Any], object] = importlib.import_module("mlflow.data.digest_utils").compute_pandas_digest
    return found


def _quiet(method: Callable[[Any], object], held: pd.DataFrame) -> object:
    try:
        return method(held)
    except Exception as error:  # a peer that cannot read it does not recognise it
        return error


def _small() -> pd.DataFrame:
    rows = np.arange(FEW)
    return pd.DataFrame(
        {
            "id": rows,
            "score": rows / 8,
            "approved": rows % 3 == 0,
            "name": pd.array((rows % 900).astype(str), dtype="str"),
            "seen": pd.Timestamp("2024-02-28") + pd.to_timedelta(rows, unit="s"),
        }
    )


def _holdings(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    return {
        "on Arrow": pa.Table.from_pandas(frame).to_pandas(types_mapper=pd.ArrowDtype),
        "nullable": frame.convert_dtypes(),
        "categories": frame.astype({"name": "category"}),
        "small integers": frame.astype({"id": "int32"}),
        "nanoseconds": frame.astype({"seen": "datetime64[ns]"}),
        "text as objects": frame.astype({"name": object}),
        "a copy in other memory": frame.copy(deep=True),
        "every second row of two": frame.loc[np.repeat(np.arange(FEW), 2)].iloc[::2].reset_index(drop=True),
    }


def _changes(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    late = FEW // 2

    def at(column: str, row: int, value: Any) -> pd.DataFrame:
        other = frame.copy()
        other.loc[row, column] = value
        return other

    return {
        "an int": at("id", 5, -1),
        "an int further down": at("id", late, -1),
        "a float by one ulp": at("score", late, float(np.nextafter(late / 8, 1e9))),
        "a missing float": at("score", 5, np.nan),
        "a bool": at("approved", 5, not frame["approved"][5]),
        "a text further down": at("name", late, "Ada"),
        "a moment": at("seen", 5, pd.Timestamp("2024-02-29")),
        "a moment further down": at("seen", late, pd.Timestamp("2024-02-29")),
        "two rows swapped": frame.iloc[[1, 0, *range(2, FEW)]].reset_index(drop=True),
        "a column's name": frame.rename(columns={"score": "rate"}),
        "the order of columns": frame[["score", "id", "approved", "name", "seen"]],
        "a row less": frame.iloc[:-1],
    }


# --- figures ------------------------------------------------------------------------------------------------


def _row(what: str, ours: float, size: float, beside: str, other: float, goal: float | None) -> Row:
    """Put two rates side by side; the ratio is of the seconds."""
    wanted, met = ("-", "-") if goal is None else at_most(ours / other, goal)
    rates = f"{size / ours:,.0f} MB/s", f"{size / other:,.0f} MB/s"
    return what, rates[0], beside, rates[1], f"{ours / other:.2f}", wanted, met


def _alternately(works: Sequence[Callable[[], object]], times: int = 5) -> list[Seconds]:
    """Measure several works in turn, so that whatever else the machine does is alike for all of them."""
    taken = [[_measured(work, times=1) for work in works] for _ in range(times)]
    return [
        (min(cpu for cpu, _ in each), min(clock for _, clock in each)) for each in zip(*taken, strict=True)
    ]


def _measured(work: Callable[[], object], times: int = 5) -> Seconds:
    """Return the CPU seconds of all threads and the seconds on the clock, each of the best of several runs."""
    taken = []
    for _ in range(times):
        begun = time.process_time(), time.perf_counter()
        work()
        taken.append((time.process_time() - begun[0], time.perf_counter() - begun[1]))
    return min(cpu for cpu, _ in taken), min(clock for _, clock in taken)
