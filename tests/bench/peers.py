"""Measure peers beside one writer, where they are installed: MLflow's run logging and pymerkle's SQLite tree.

Neither signs anything, nor does it say who ran what; MLflow keeps a run in a database that who runs it can edit, and
pymerkle keeps a tree of digests. Neither is a dependency: `make bench` brings them, with the alembic by which MLflow
makes its database.
"""

import importlib.util
import os
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

from audit.terminal import print_table
from tests.bench.append import RECORD_BYTES, new_ledger, statement
from tests.bench.rows import HEADER, Row, rate, ratio_row

APPENDS = 100
RUNS = 20


def bench_peers() -> list[Row]:
    """Measure those that are installed."""
    with tempfile.TemporaryDirectory(prefix="affidavit-bench-") as scratch:
        folder, found = Path(scratch), []
        with closing(new_ledger(folder)) as ledger:
            ours = rate(APPENDS, lambda: [ledger.append(statement(n)) for n in range(APPENDS)])
        if importlib.util.find_spec("pymerkle"):
            found.append(ratio_row("one writer", ours, "pymerkle's SQLite tree, unsigned", _pymerkle(folder)))
        if importlib.util.find_spec("mlflow"):
            found.append(ratio_row("one writer", ours, "MLflow runs in SQLite, unsigned", _mlflow(folder)))
        return found


def _pymerkle(folder: Path) -> float:
    pymerkle: Any = importlib.import_module("pymerkle")
    tree, record = pymerkle.SqliteTree(str(folder / "pymerkle.db")), os.urandom(RECORD_BYTES)
    return rate(APPENDS, lambda: [tree.append_entry(record) for _ in range(APPENDS)])


def _mlflow(folder: Path) -> float:
    mlflow: Any = importlib.import_module("mlflow")
    mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")

    def log(count: int) -> None:
        for number in range(count):
            with mlflow.start_run():
                mlflow.log_param("number", number)
                mlflow.log_metric("auc", 0.8)

    log(1)  # which makes the database
    return rate(RUNS, lambda: log(RUNS))


def main() -> None:
    """Measure and print."""
    found = bench_peers()
    print_table(HEADER, found) if found else print("Neither MLflow nor pymerkle is installed here.")


if __name__ == "__main__":
    main()
