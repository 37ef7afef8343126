"""Measure fingerprints of a table in memory, in one run with SHA-256 over the same Arrow buffers and with a peer.

Bytes a CPU second; the peer, ``pandas.util.hash_pandas_object``, is neither cryptographic nor sees every change.
"""

import hashlib
import time
from collections.abc import Callable

import numpy as np
import pandas as pd
import pyarrow as pa

from audit.terminal import print_table
from registry.fingerprint import fingerprint
from tests.bench.rows import HEADER, Row

ROWS = 2_000_000


def bench_fingerprint() -> list[Row]:
    """Two million rows of numbers and text."""
    random = np.random.default_rng(7)
    frame = pd.DataFrame({f"number{i}": random.normal(size=ROWS) for i in range(4)})
    frame["whole"] = random.integers(0, 100_000, ROWS)
    frame["text"] = pd.array(random.integers(0, 1_000, ROWS).astype(str), dtype="string[pyarrow]")
    table = pa.Table.from_pandas(frame, preserve_index=False)
    buffers = [
        b for column in table.columns for chunk in column.chunks for b in chunk.buffers() if b is not None
    ]
    size = sum(b.size for b in buffers) / 1e6
    limit = _seconds(lambda: [hashlib.sha256(b).digest() for b in buffers])
    ours = _seconds(lambda: fingerprint(table))
    peer = _seconds(lambda: pd.util.hash_pandas_object(frame, index=False))
    return [
        _row(size / ours, size / limit, "SHA-256 of the buffers"),
        _row(size / ours, size / peer, "pandas.util.hash_pandas_object"),
    ]


def _row(ours: float, other: float, beside: str) -> Row:
    """Put two rates side by side."""
    return (
        "fingerprint",
        f"{ours:,.0f} MB a CPU second",
        beside,
        f"{other:,.0f} MB a CPU second",
        f"{ours / other:.2f}",
        "-",
        "-",
    )


def _seconds(work: Callable[[], object], times: int = 3) -> float:
    """Return the CPU seconds, of all threads, of the shortest of several runs: the others were disturbed."""
    taken = []
    for _ in range(times):
        begun = time.process_time()
        work()
        taken.append(time.process_time() - begun)
    return min(taken)


def main() -> None:
    """Measure and print."""
    print_table(HEADER, bench_fingerprint())


if __name__ == "__main__":
    main()
