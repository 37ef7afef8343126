"""C2SP tlog-cosignature, cosignature/v1: what a witness signs about a checkpoint.

A witness says: at this time the largest tree that I have seen of this log has this root, and it only grew. Signed with
Ed25519 are the lines ``cosignature/v1`` and ``time <seconds since 1970>``, then the checkpoint's text. In the signature
line of a note stand, after the 4 bytes key hash, the time in 8 bytes (the higher first) and the 64 bytes of signature.

Rules:

- A witness's verifier key has the algorithm byte 4; the same 32 bytes under byte 1 are another key.
- The signed message does not hold the witness's name: two witnesses never share a key.
- A time of zero, or beyond 2^63-1, is no time.

>>> from audit.keys import LocalSigner, new_private_key
>>> signer = LocalSigner(new_private_key())
>>> witness = WitnessKey("witness.example/w1", signer.public.raw)
>>> text = "log.example" + chr(10) + "0" + chr(10) + "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" + chr(10)
>>> witness.time_of(cosign(text, witness.name, signer, 1_800_000_000), text)
1800000000
"""

from collections.abc import Sequence
from dataclasses import dataclass

from audit.errors import NotVerified
from audit.keys import PublicKey, Signer
from audit.note import NamedKey, NoteSignature, read_vkey

__all__ = ["Cosigned", "WitnessKey", "cosign", "cosignatures"]

_TIME_BYTES = 8
_SIGNATURE_BYTES = 64
_LATEST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class WitnessKey(NamedKey):
    """A witness's name and key, which makes cosignatures."""

    algorithm = 4

    @classmethod
    def parse(cls, text: str) -> "WitnessKey":
        """Read ``name+hash+key`` strictly; raise `MalformedInput`."""
        return cls(*read_vkey(text, cls.algorithm, "a witness"))

    def made(self, line: NoteSignature) -> bool:
        """Say whether a signature line claims to be of this key."""
        return (line.name, line.key_hash) == (self.name, self.hash)

    def time_of(self, line: NoteSignature, text: str) -> int:
        """Check this key's cosignature over a checkpoint's text; return its time, in seconds since 1970.

        Raises `NotVerified` for a line of another key, of another form, or that does not verify.
        """
        if not self.made(line):
            raise NotVerified(f"the signature line is not by the witness {self.name}")
        time = int.from_bytes(line.signature[:_TIME_BYTES], "big")
        if len(line.signature) != _TIME_BYTES + _SIGNATURE_BYTES or not 0 < time <= _LATEST:
            raise NotVerified(f"the cosignature by {self.name} is not a time and an Ed25519 signature")
        if not PublicKey.of_raw(self.raw).verify(line.signature[_TIME_BYTES:], _message(text, time)):
            raise NotVerified(f"the cosignature by {self.name} does not verify")
        return time


@dataclass(frozen=True, slots=True)
class Cosigned:
    """A cosignature that was checked: by whom, when (seconds since 1970), and the line itself."""

    key: WitnessKey
    time: int
    line: NoteSignature


def cosign(text: str, name: str, signer: Signer, time: int) -> NoteSignature:
    """Cosign a checkpoint's text under a witness's name at a time, in whole seconds since 1970."""
    key = WitnessKey(name, signer.public.raw)
    signature = signer.sign(_message(text, time))
    return NoteSignature(name, key.hash, time.to_bytes(_TIME_BYTES, "big") + signature)


def cosignatures(
    text: str, lines: Sequence[NoteSignature], keys: Sequence[WitnessKey]
) -> tuple[Cosigned, ...]:
    """Check the cosignatures of known witnesses among signature lines; lines of other keys are passed over.

    Raises `NotVerified` where a line claims to be of a known witness and does not verify.
    """
    return tuple(
        Cosigned(key, key.time_of(line, text), line) for line in lines for key in keys if key.made(line)
    )


def _message(text: str, time: int) -> bytes:
    return f"cosignature/v1\ntime {time}\n{text}".encode()
