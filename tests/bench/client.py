"""A process that appends to a ledger on PostgreSQL, as each client of one is: it says when it is ready and when done.

It reads one line of JSON (`Setup`), opens its connections with an append of its own, writes ``ready``, waits for a
line, appends as many entries as it was told, and writes ``done``.
"""

import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit import postgres
from audit.keys import LocalSigner
from audit.ledger import Ledger
from tests.bench.append import statement

__all__ = ["Setup", "rate_together"]


@dataclass(frozen=True, slots=True)
class Setup:
    """Where the ledger is, the private keys in hexadecimal, and how many entries each client appends."""

    url: str
    signer: str
    log: str
    count: int


def rate_together(setup: Setup, clients: int) -> float:
    """Return how many entries a second so many processes append at once, without their start."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.bench.client"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(clients)
    ]
    try:
        for process in processes:
            _say(process, json.dumps(asdict(setup)))
        for process in processes:
            _hear(process, "ready")
        begun = time.perf_counter()
        for process in processes:
            _say(process, "go")
        for process in processes:
            _hear(process, "done")
        return clients * setup.count / (time.perf_counter() - begun)
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def _say(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()


def _hear(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdout is not None
    if process.stdout.readline() != line + "\n":
        raise RuntimeError("a client of the benchmark failed: its message stands above")


def main() -> None:
    """Be one client."""
    setup = Setup(**json.loads(sys.stdin.readline()))
    signer, log = (
        LocalSigner(Ed25519PrivateKey.from_private_bytes(bytes.fromhex(key)))
        for key in (setup.signer, setup.log)
    )
    ledger = Ledger(
        postgres.open_url(postgres.parse_url(setup.url)), signer=lambda _: signer, log_signer=lambda: log
    )
    ledger.append(statement(0))
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(setup.count):
        ledger.append(statement(number))
    print("done", flush=True)
    ledger.close()


if __name__ == "__main__":
    main()
