"""Appends to a ledger with an anchor file, beside other processes that do the same.

python tests/anchored_appender.py FOLDER ANCHOR KEYS COUNT
"""

import sys
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit import tables
from audit.anchor_file import AnchorFile
from audit.keys import LocalSigner
from audit.ledger import Ledger
from audit.statement import Statement, Subject


def main(folder: Path, anchor: Path, keys: Path, count: int) -> None:
    admin, log = (
        LocalSigner(Ed25519PrivateKey.from_private_bytes((keys / name).read_bytes()))
        for name in ("admin", "log")
    )
    file = AnchorFile(anchor)
    ledger = Ledger(
        tables.open_database(folder / "ledger.db"),
        signer=lambda kind: admin,
        log_signer=lambda: log,
        anchor=lambda: file,
    )
    for number in range(count):
        ledger.append(Statement("report", (Subject("x", "ab" * 32),), {"number": number}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))
