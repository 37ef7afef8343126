"""Appends to a ledger until it is done or killed, and says each sequence number once its append has returned.

python tests/appender.py FOLDER NAME COUNT BATCH
"""

import sys
from pathlib import Path

from audit import tables
from audit.keystore import KeyStore
from audit.ledger import Ledger
from audit.statement import Statement, Subject


def main(folder: Path, name: str, count: int, batch: int) -> None:
    keys = KeyStore(folder / "keys")
    signer, log = (keys.open(key, lambda _: b"") for key in ("admin", "log"))
    ledger = Ledger(
        tables.open_database(folder / "ledger.db"), signer=lambda kind: signer, log_signer=lambda: log
    )
    for number in range(count):
        said = [
            Statement("report", (Subject("x", "ab" * 32),), {"by": name, "number": number, "part": part})
            for part in range(batch)
        ]
        for entry in ledger.append_many(said):
            print(entry.seq, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
