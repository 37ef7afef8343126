"""A witness that answers on this machine, for tests of those who ask one."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from audit.note import VerifierKey
from audit.witness_server import WitnessServer
from audit.witness_service import Witness
from tests.small_ledger import signer

__all__ = ["NAME", "SIGNER", "witness_of"]

NAME = "compliance.lender.example"
SIGNER = signer()


@contextmanager
def witness_of(log: VerifierKey, state: Path) -> Iterator[str]:
    """Serve a witness that knows one log; give its address."""
    witness = Witness(NAME, SIGNER, {log.name: (log,)}, state, time.time)
    server = WitnessServer(("127.0.0.1", 0), witness, lambda line: None)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server.url
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        witness.close()
