"""Appends to a ledger on PostgreSQL until it is done or killed, and says each number once its append has returned.

What fails is said with its sentence, and tried again, as a person would, where it says that nothing was written; where
it says anything else, the status is 1. A machine that is busy is slow, so it has more patience than usual.

python tests/pg_appender.py URL KEYS NAME COUNT [keyless]
"""

import sys
import time
from pathlib import Path

from audit import postgres
from audit.errors import EnvironmentFailed
from audit.keystore import KeyStore
from audit.ledger import Ledger
from tests.small_ledger import Titles, report


def main(url: str, folder: str, name: str, count: int, keyless: bool) -> None:
    keys = KeyStore(Path(folder))
    signer, log = (keys.open(key, lambda _: b"") for key in ("admin", "log"))
    ledger = Ledger(
        postgres.open_url(postgres.parse_url(url)),
        followers=[Titles()],
        signer=lambda kind: signer,
        log_signer=None if keyless else lambda: log,
        patience=120.0,
    )
    for number in range(count):
        while True:
            try:
                entry = ledger.append(report(f"{name} {number}"))
            except EnvironmentFailed as error:
                print("failed", error, flush=True)
                if "nothing was" not in str(error) or "lies in the inbox" in str(error):
                    sys.exit(1)
                time.sleep(0.1)
            else:
                break
        print(entry.seq, number, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), "keyless" in sys.argv[5:])
