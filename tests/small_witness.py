"""A witness of two trees of one log, for tests: one tree grows, the other is forked from it."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from audit.anchor_settings import WitnessAt
from audit.checkpoint import Checkpoint, sign_checkpoint
from audit.cosignature import WitnessKey
from audit.keys import LocalSigner
from audit.merkle import consistency_proof, leaf_hash, root
from audit.note import VerifierKey
from audit.witness import cosigned_by, write_request
from audit.witness_service import Witness
from tests.small_ledger import Clock, signer

__all__ = [
    "FORKED", "KEY", "LEAVES", "LOG", "LOGS", "NAME", "ORIGIN", "OTHER_LOG", "WITNESS", "asked", "note", "proof",
    "request", "status", "witness",
]  # fmt: skip

ORIGIN = "bank.example/credit"
NAME = "compliance.bank.example"
LEAVES = [leaf_hash(bytes([n])) for n in range(40)]
FORKED = [*LEAVES[:3], leaf_hash(b"another"), *LEAVES[4:]]
LOG, OTHER_LOG, WITNESS = signer(), signer(), signer()
KEY = WitnessKey(NAME, WITNESS.public.raw)
LOGS = {ORIGIN: (VerifierKey(ORIGIN, LOG.public.raw),)}


def note(size: int, leaves: Sequence[bytes] = LEAVES, log: LocalSigner = LOG, origin: str = ORIGIN) -> bytes:
    return sign_checkpoint(Checkpoint(origin, size, root(leaves[:size])), log)


def proof(old: int, size: int, leaves: Sequence[bytes] = LEAVES) -> tuple[bytes, ...]:
    def node(level: int, index: int) -> bytes:
        return root(leaves[index << level : (index + 1) << level])

    return consistency_proof(node, old, size) if 0 < old < size else ()


def request(old: int, size: int, leaves: Sequence[bytes] = LEAVES) -> bytes:
    return write_request(old, proof(old, size, leaves), note(size, leaves))


@pytest.fixture
def witness(tmp_path: Path) -> Iterator[Witness]:
    made = Witness(NAME, WITNESS, LOGS, tmp_path / "state", Clock())
    yield made
    made.close()


def status(witness: Witness, body: bytes) -> int:
    return witness.add_checkpoint(body)[0].status


def asked(witness: Witness, note: bytes, leaves: Sequence[bytes] = LEAVES, known_size: int = 0) -> int:
    """Have a witness cosign, as a client does; return the time of the cosignature."""
    return cosigned_by(
        WitnessAt("http://witness.example/", KEY),
        note,
        lambda old, size: proof(old, size, leaves),
        now=2e9,
        known_size=known_size,
        send=lambda url, body: witness.add_checkpoint(body)[0],
    ).time
