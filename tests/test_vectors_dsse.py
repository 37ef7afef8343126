"""The test vector of DSSE: its encoding for signing, and its signature."""

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicNumbers
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from audit.envelope import Envelope, pae
from audit.errors import MalformedInput
from audit.keys import PublicKey
from tests.published import Tally, published


def vector() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(published("dsse/vector.json").read_text())
    return found


def key(said: dict[str, Any]) -> PublicKey:
    numbers = EllipticCurvePublicNumbers(int(said["X"]), int(said["Y"]), SECP256R1())
    return PublicKey.parse(numbers.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def signature(said: dict[str, Any]) -> bytes:
    """Put the vector's r || s into DER, as OpenSSL and we write a signature."""
    raw = base64.b64decode(said["sig"])
    return encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))


def test_what_is_signed_is_encoded_as_published(request: pytest.FixtureRequest) -> None:
    said, tally = vector(), Tally("DSSE vector, encoding")
    tally.case("PAE", pae(said["payloadType"], said["payload"].encode()), said["pae"].encode())
    tally.close(1, request)


def test_the_published_signature_is_of_that_encoding_and_not_of_the_payload_alone(
    request: pytest.FixtureRequest,
) -> None:
    said, tally = vector(), Tally("DSSE vector, signature")
    kind, payload = said["payloadType"], said["payload"].encode()
    for label, message, expected in (
        ("the encoding", pae(kind, payload), True),
        ("the payload alone", payload, False),
        ("another type", pae(kind + "s", payload), False),
        ("another payload", pae(kind, payload + b"!"), False),
        ("the space moved", pae(kind + " 11", payload), False),
    ):
        tally.case(label, key(said).verify(signature(said), message), expected)
    tally.close(5, request)


def test_an_envelope_of_the_published_type_is_none_of_ours(request: pytest.FixtureRequest) -> None:
    said, tally = vector(), Tally("DSSE vector, envelope of another type")
    envelope = {
        "payload": base64.b64encode(said["payload"].encode()).decode(),
        "payloadType": said["payloadType"],
        "signatures": [{"keyid": key(said).keyid, "sig": base64.b64encode(signature(said)).decode()}],
    }
    with pytest.raises(MalformedInput, match="payload type"):
        Envelope.from_json(envelope)
    tally.case("envelope", "refused", "refused")
    tally.close(1, request)
