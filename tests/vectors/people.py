"""The test keys of the vectors. THEIR PRIVATE PARTS ARE PUBLIC: whoever trusts one of them trusts everybody.

The 32 bytes of each private key are SHA-256 of ``affidavit test vectors, not a secret: `` and the key's name: for
Ed25519 the seed (RFC 8032), for P-256 the scalar, less one modulo the group's order less one, plus one. ECDSA signs
with the nonce of RFC 6979. So the same bytes are made again wherever the vectors are made.
"""

import hashlib
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, derive_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256

from audit.keys import LocalSigner, PrivateKey
from audit.note import VerifierKey

__all__ = ["LOG", "NAMES", "ORIGIN", "VKEY", "TestSigner", "signer"]

ORIGIN = "vectors.example/ledger"
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
NAMES = ("log", "log-2", "admin", "admin-2", "ana", "ana-2", "bob", "stranger", "pat")
"""All Ed25519, but for `pat` who signs with ECDSA on P-256."""


@dataclass(frozen=True, slots=True)
class TestSigner(LocalSigner):
    """Signs the same message with the same bytes, ECDSA too."""

    def sign(self, message: bytes) -> bytes:
        """Sign the message."""
        if isinstance(self.private, Ed25519PrivateKey):
            return self.private.sign(message)
        return self.private.sign(message, ECDSA(SHA256(), deterministic_signing=True))


def seed(name: str) -> bytes:
    """Compute the 32 bytes from which a key is made."""
    return hashlib.sha256(f"affidavit test vectors, not a secret: {name}".encode()).digest()


def signer(name: str) -> TestSigner:
    """Make the key of a name."""
    private: PrivateKey
    if name == "pat":
        private = derive_private_key((int.from_bytes(seed(name), "big") - 1) % (ORDER - 1) + 1, SECP256R1())
    else:
        private = Ed25519PrivateKey.from_private_bytes(seed(name))
    return TestSigner(private)


LOG = signer("log")
VKEY = VerifierKey(ORIGIN, LOG.public.raw)
