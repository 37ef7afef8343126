"""Who said it: a DSSE v1 envelope around an in-toto statement, opened strictly.

Rules:

- One payload type, ``application/vnd.in-toto+json``; what is signed is PAE(type, payload), never the JSON.
- Exactly the members ``payload``, ``payloadType`` and ``signatures``; each signature exactly ``keyid`` and
  ``sig``; standard base64 with padding, in its one spelling; one signature per key.
- The payload's bytes stay as received: they are verified and hashed as stored, never written anew.

Source: DSSE v1.0.0, protocol.md and envelope.md.
"""

import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from audit.canonical import Json, JsonObject
from audit.errors import MalformedInput, NotVerified
from audit.keys import LocalSigner, PublicKey, Signer
from audit.processors import by_threads

__all__ = ["PAYLOAD_TYPE", "Envelope", "Signature", "pae", "read_base64", "sign", "sign_many", "verified"]

PAYLOAD_TYPE = "application/vnd.in-toto+json"
MOST_SIGNATURES = 16


def pae(payload_type: str, payload: bytes) -> bytes:
    """Encode type and payload for signing (DSSE protocol.md, "PAE").

    >>> pae("http://example.com/HelloWorld", b"hello world")
    b'DSSEv1 29 http://example.com/HelloWorld 11 hello world'
    """
    kind = payload_type.encode("utf-8")
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature and the id of the key that made it."""

    keyid: str
    sig: bytes


@dataclass(frozen=True, slots=True)
class Envelope:
    """A payload with the signatures over it."""

    payload: bytes
    signatures: tuple[Signature, ...]

    @property
    def keyids(self) -> tuple[str, ...]:
        """The ids of the keys that signed it, in their order."""
        return tuple(signature.keyid for signature in self.signatures)

    def to_json(self) -> JsonObject:
        """Write the envelope as the JSON object of DSSE envelope.md."""
        return {
            "payload": _base64(self.payload).decode(),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [{"keyid": s.keyid, "sig": _base64(s.sig).decode()} for s in self.signatures],
        }

    @classmethod
    def from_json(cls, value: Json) -> "Envelope":
        """Read an envelope strictly; raise `MalformedInput`."""
        if not isinstance(value, dict) or value.keys() != {"payload", "payloadType", "signatures"}:
            raise MalformedInput("an envelope has exactly payload, payloadType and signatures")
        if value["payloadType"] != PAYLOAD_TYPE:
            raise MalformedInput(f"the envelope's payload type is not {PAYLOAD_TYPE}")
        signatures = value["signatures"]
        if not isinstance(signatures, list) or not 1 <= len(signatures) <= MOST_SIGNATURES:
            raise MalformedInput(f"an envelope has 1 to {MOST_SIGNATURES} signatures")
        opened = tuple(_signature(item) for item in signatures)
        if len({s.keyid for s in opened}) != len(opened):
            raise MalformedInput("an envelope has one signature per key")
        return cls(payload=_bytes(value["payload"]), signatures=opened)

    def verify(self, key_for: Callable[[str], PublicKey]) -> None:
        """Verify every signature; `key_for` gives the key of a key id. Raise `NotVerified` on the first bad one."""
        if not self.signatures:
            raise NotVerified("the envelope is signed by nobody")
        message = pae(PAYLOAD_TYPE, self.payload)
        for signature in self.signatures:
            if not key_for(signature.keyid).verify(signature.sig, message):
                raise NotVerified(f"the signature by key {signature.keyid[:16]} does not verify")


def sign(payload: bytes, signers: Sequence[Signer]) -> Envelope:
    """Sign a payload with each signer, each with a key of its own."""
    if len(signers) > 1 and len({signer.public for signer in signers}) < len(signers):
        raise MalformedInput("an envelope has one signature per key: name each key once")
    message = pae(PAYLOAD_TYPE, payload)
    return Envelope(payload, tuple(Signature(s.public.keyid, s.sign(message)) for s in signers))


def sign_many(payloads: Sequence[bytes], signers: Sequence[Sequence[Signer]]) -> list[Envelope]:
    """Sign each payload with its signers; by several threads where all keys are in this process's memory.

    Any other key is asked by one thread, one signature after the other: a token or a service has one session.
    """
    asked = list(zip(payloads, signers, strict=True))
    if all(isinstance(signer, LocalSigner) for several in signers for signer in several):
        return by_threads(lambda one: sign(*one), asked)
    return [sign(*one) for one in asked]


def verified(envelopes: Sequence[Envelope], key_for: Callable[[str], PublicKey]) -> frozenset[Envelope]:
    """Return those envelopes whose signatures all verify (see `Envelope.verify`); several threads look."""

    def holds(envelope: Envelope) -> bool:
        try:
            envelope.verify(key_for)
        except Exception:
            # Whoever looks at this one alone is told why: it may be the fault of one submission among others.
            return False
        return True

    held = by_threads(holds, envelopes)
    return frozenset(envelope for envelope, is_good in zip(envelopes, held, strict=True) if is_good)


def _signature(value: Json) -> Signature:
    if not isinstance(value, dict) or value.keys() != {"keyid", "sig"} or not isinstance(value["keyid"], str):
        raise MalformedInput("a signature has exactly keyid and sig")
    return Signature(keyid=value["keyid"], sig=_bytes(value["sig"]))


def _base64(data: bytes) -> bytes:
    return binascii.b2a_base64(data, newline=False)


def read_base64(text: bytes) -> bytes:
    """Read standard base64 with padding, in its one spelling; raise `MalformedInput`."""
    try:
        data = binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        raise MalformedInput("payload and sig are standard base64 with padding") from None
    # Of the letters before the last four there is one spelling: these have it or are an error.
    last = data[-(len(data) % 3 or 3) :]
    if len(text) != (len(data) + 2) // 3 * 4 or text[-4:] != _base64(last):
        raise MalformedInput("base64 with bits after its end is refused: it has more than one spelling")
    return data


def _bytes(value: Json) -> bytes:
    if not isinstance(value, str) or not value.isascii():
        raise MalformedInput("payload and sig are standard base64 with padding")
    return read_base64(value.encode())
