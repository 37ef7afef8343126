"""Keys that sign: Ed25519 (RFC 8032) and ECDSA on P-256 with SHA-256 (FIPS 186-5).

A key is named by its key id, the SHA-256 of its SubjectPublicKeyInfo (RFC 5280) in DER, so that
``openssl pkey -pubin -outform DER | sha256sum`` prints it. What signs is a `Signer`; where its private
part lives (a file, a token, a service) is nobody else's business.
"""

import base64
import hashlib
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal, Protocol

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as generate_ec_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
    load_pem_public_key,
)

from audit.curve import has_prime_order
from audit.errors import MalformedInput

__all__ = ["Algorithm", "LocalSigner", "PrivateKey", "PublicKey", "Signer", "new_private_key"]

Algorithm = Literal["ed25519", "ecdsa-p256"]
PrivateKey = Ed25519PrivateKey | EllipticCurvePrivateKey

_ED25519_SPKI = bytes.fromhex("302a300506032b6570032100")
"""What stands in DER before the 32 bytes of an Ed25519 key (RFC 8410, section 4)."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key by its SubjectPublicKeyInfo in DER."""

    spki: bytes

    @property
    def keyid(self) -> str:
        """SHA-256 of the SubjectPublicKeyInfo, as 64 hexadecimal digits."""
        return hashlib.sha256(self.spki).hexdigest()

    @property
    def raw(self) -> bytes:
        """The 32 bytes of an Ed25519 key; `MalformedInput` for any other."""
        key = self._load()
        if not isinstance(key, Ed25519PublicKey):
            raise MalformedInput("an Ed25519 key is needed here: make one with `affidavit key create`")
        return key.public_bytes_raw()

    @property
    def algorithm(self) -> Algorithm:
        """Which of the two kinds of key this is."""
        return "ed25519" if isinstance(self._load(), Ed25519PublicKey) else "ecdsa-p256"

    def base64(self) -> str:
        """Write the DER bytes in base64 for a statement."""
        return base64.b64encode(self.spki).decode("ascii")

    def pem(self) -> bytes:
        """Write the key as PEM, as openssl reads it."""
        return self._load().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def verify(self, signature: bytes, message: bytes) -> bool:
        """Say whether the signature over the message is this key's."""
        key = self._load()
        try:
            if isinstance(key, Ed25519PublicKey):
                key.verify(signature, message)
            else:
                key.verify(signature, message, ECDSA(hashes.SHA256()))
        except InvalidSignature:
            return False
        return True

    @classmethod
    def parse(cls, spki: bytes) -> "PublicKey":
        """Read a SubjectPublicKeyInfo strictly; refuse other algorithms and keys not of prime order."""
        key = cls(spki)
        loaded = key._load()
        if loaded.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) != spki:
            raise MalformedInput("the public key is not in its one DER form")
        if isinstance(loaded, Ed25519PublicKey) and not has_prime_order(loaded.public_bytes_raw()):
            raise MalformedInput("the Ed25519 public key is not a point of prime order: make another key")
        return key

    @classmethod
    def parse_base64(cls, text: str) -> "PublicKey":
        """Read a key as a statement holds it."""
        try:
            spki = base64.b64decode(text, validate=True)
        except ValueError:
            raise MalformedInput("a public key in a statement is base64 of its DER bytes") from None
        key = cls.parse(spki)
        if key.base64() != text:
            raise MalformedInput("base64 with bits after its end is refused: it has more than one spelling")
        return key

    @classmethod
    def of_raw(cls, raw: bytes) -> "PublicKey":
        """Wrap the 32 bytes of an Ed25519 key."""
        if len(raw) != 32:
            raise MalformedInput(f"an Ed25519 key has 32 bytes, this one has {len(raw)}")
        return cls(_ED25519_SPKI + raw)

    @classmethod
    def parse_pem(cls, pem: bytes) -> "PublicKey":
        """Read a PEM public key, as ``openssl pkey -pubout`` writes it."""
        try:
            loaded = load_pem_public_key(pem)
        except (ValueError, UnsupportedAlgorithm):
            raise MalformedInput("this is not a PEM public key (openssl pkey -pubout writes one)") from None
        return cls.parse(loaded.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))

    def _load(self) -> Ed25519PublicKey | EllipticCurvePublicKey:
        return _loaded(self.spki)


@lru_cache(maxsize=256)
def _loaded(spki: bytes) -> Ed25519PublicKey | EllipticCurvePublicKey:
    """Read a public key: a ledger has few, and each verifies many signatures."""
    try:
        key = load_der_public_key(spki)
    except (ValueError, UnsupportedAlgorithm):
        raise MalformedInput("this is not a DER public key") from None
    if isinstance(key, Ed25519PublicKey):
        return key
    if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
        return key
    raise MalformedInput("a key is Ed25519 or ECDSA on P-256, no other algorithm is accepted")


class Signer(Protocol):
    """What can sign: a key file, a hardware token, a key service."""

    @property
    def public(self) -> PublicKey:
        """The public key that verifies what this signs."""
        ...

    def sign(self, message: bytes) -> bytes:
        """Sign the message: 64 bytes for Ed25519, DER for ECDSA."""
        ...


@dataclass(frozen=True, slots=True)
class LocalSigner:
    """A signer whose private key is in this process's memory."""

    private: PrivateKey
    public: PublicKey = field(init=False)

    def __post_init__(self) -> None:
        """Derive the public key, once."""
        spki = self.private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        object.__setattr__(self, "public", PublicKey(spki))

    def sign(self, message: bytes) -> bytes:
        """Sign the message."""
        if isinstance(self.private, Ed25519PrivateKey):
            return self.private.sign(message)
        return self.private.sign(message, ECDSA(hashes.SHA256()))


def new_private_key(algorithm: Algorithm = "ed25519") -> PrivateKey:
    """Draw a new private key from the operating system's randomness."""
    return Ed25519PrivateKey.generate() if algorithm == "ed25519" else generate_ec_key(SECP256R1())
