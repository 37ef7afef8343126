"""DSSE: what is signed is the encoding of type and payload, and the envelope is opened strictly."""

import base64
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicNumbers
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from audit import processors
from audit.envelope import PAYLOAD_TYPE, Envelope, Signature, pae, read_base64, sign, sign_many, verified
from audit.errors import MalformedInput, NotVerified
from audit.keys import Algorithm, LocalSigner, PublicKey, new_private_key
from tests.small_ledger import signer

SIGNER = signer()
PAYLOAD = b'{"said":"hello"}'


def test_the_encoding_is_that_of_the_standards_example() -> None:
    assert pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


def test_lengths_are_counted_in_bytes() -> None:
    assert pae("é", "ü".encode()) == b"DSSEv1 2 \xc3\xa9 2 \xc3\xbc"


def test_the_encoding_of_nothing_has_both_lengths() -> None:
    assert pae("", b"") == b"DSSEv1 0  0 "


@given(st.text(max_size=8), st.binary(max_size=8), st.text(max_size=8), st.binary(max_size=8))
def test_two_payloads_are_never_encoded_alike(kind: str, data: bytes, kind2: str, data2: bytes) -> None:
    assert (pae(kind, data) == pae(kind2, data2)) == ((kind, data) == (kind2, data2))


def test_the_signature_of_the_standards_example_verifies() -> None:
    # DSSE protocol.md, "Test vectors": the key's coordinates, and r || s in base64.
    numbers = EllipticCurvePublicNumbers(
        46950820868899156662930047687818585632848591499744589407958293238635476079160,
        5640078356564379163099075877009565129882514886557779369047442380624545832820,
        SECP256R1(),
    )
    raw = base64.b64decode(
        "A3JqsQGtVsJ2O2xqrI5IcnXip5GToJ3F+FnZ+O88SjtR6rDAajabZKciJTfUiHqJPcIAriEGAHTVeCUjW2JIZA=="
    )
    signature = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    spki = numbers.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    key = PublicKey.parse(spki)
    assert key.verify(signature, pae("http://example.com/HelloWorld", b"hello world"))


@pytest.mark.parametrize("algorithm", ["ed25519", "ecdsa-p256"])
def test_what_was_signed_opens_and_verifies(algorithm: Algorithm) -> None:
    own = LocalSigner(new_private_key(algorithm))
    opened = Envelope.from_json(sign(PAYLOAD, [own]).to_json())
    opened.verify({own.public.keyid: own.public}.__getitem__)
    assert opened.payload == PAYLOAD


def test_every_signature_must_verify_and_not_only_one() -> None:
    second = signer()
    envelope = sign(PAYLOAD, [SIGNER, second])
    keys = {SIGNER.public.keyid: SIGNER.public, second.public.keyid: signer().public}
    with pytest.raises(NotVerified, match=second.public.keyid[:16]):
        envelope.verify(keys.__getitem__)


@pytest.mark.parametrize("place", [0, 8, len(PAYLOAD) - 1])
def test_a_payload_that_was_changed_does_not_verify(place: int) -> None:
    changed = bytearray(PAYLOAD)
    changed[place] ^= 1
    envelope = Envelope(bytes(changed), sign(PAYLOAD, [SIGNER]).signatures)
    with pytest.raises(NotVerified):
        envelope.verify(lambda keyid: SIGNER.public)


def test_a_signature_over_the_bare_payload_does_not_verify() -> None:
    envelope = Envelope(PAYLOAD, (Signature(SIGNER.public.keyid, SIGNER.sign(PAYLOAD)),))
    with pytest.raises(NotVerified):
        envelope.verify(lambda keyid: SIGNER.public)


def test_a_signature_over_another_payload_type_does_not_verify() -> None:
    other = SIGNER.sign(pae("application/json", PAYLOAD))
    with pytest.raises(NotVerified):
        Envelope(PAYLOAD, (Signature(SIGNER.public.keyid, other),)).verify(lambda keyid: SIGNER.public)


def test_an_envelope_that_nobody_signed_does_not_verify() -> None:
    with pytest.raises(NotVerified, match="nobody"):
        Envelope(PAYLOAD, ()).verify(lambda keyid: SIGNER.public)


def document() -> dict[str, Any]:
    return cast(dict[str, Any], sign(PAYLOAD, [SIGNER]).to_json())


def spelled(change: Callable[[str], str]) -> Callable[[dict[str, Any]], object]:
    def apply(envelope: dict[str, Any]) -> None:
        envelope["payload"] = change(envelope["payload"])

    return apply


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda e: e.pop("payload"), id="no payload"),
        pytest.param(lambda e: e.pop("payloadType"), id="no payload type"),
        pytest.param(lambda e: e.pop("signatures"), id="no signatures member"),
        pytest.param(lambda e: e.update(extra=1), id="a member more"),
        pytest.param(lambda e: e.update(payloadType="application/json"), id="another payload type"),
        pytest.param(lambda e: e.update(payloadType=PAYLOAD_TYPE.upper()), id="payload type in upper case"),
        pytest.param(
            lambda e: e.update(payloadType=PAYLOAD_TYPE + "; v=1"), id="payload type with a parameter"
        ),
        pytest.param(lambda e: e.update(payloadType=None), id="null for a payload type"),
        pytest.param(lambda e: e.update(payload=None), id="null for a payload"),
        pytest.param(lambda e: e.update(payload=7), id="a number for a payload"),
        pytest.param(lambda e: e.update(payload=["eA=="]), id="a list for a payload"),
        pytest.param(lambda e: e.update(payload="é"), id="a payload beyond ASCII"),
        pytest.param(lambda e: e.update(payload="\ud800"), id="a payload with a lone surrogate"),
        pytest.param(lambda e: e.update(signatures=[]), id="no signatures"),
        pytest.param(lambda e: e.update(signatures={}), id="an object for signatures"),
        pytest.param(lambda e: e.update(signatures=e["signatures"] * 2), id="one key twice"),
        pytest.param(
            lambda e: e.update(signatures=[{"keyid": str(n), "sig": "eA=="} for n in range(17)]), id="17"
        ),
        pytest.param(lambda e: e["signatures"].append("x"), id="a text for a signature"),
        pytest.param(lambda e: e["signatures"][0].pop("keyid"), id="a signature without a key id"),
        pytest.param(lambda e: e["signatures"][0].pop("sig"), id="a signature without a sig"),
        pytest.param(lambda e: e["signatures"][0].update(cert="x"), id="a signature with a member more"),
        pytest.param(lambda e: e["signatures"][0].update(keyid=None), id="null for a key id"),
        pytest.param(lambda e: e["signatures"][0].update(sig="***"), id="a sig that is not base64"),
        pytest.param(spelled(lambda p: p.rstrip("=")), id="base64 without padding"),
        pytest.param(spelled(lambda p: p + "="), id="base64 with padding too much"),
        pytest.param(spelled(lambda p: p + "\n"), id="base64 with a newline"),
        pytest.param(spelled(lambda p: p[:4] + " " + p[4:]), id="base64 with a space"),
        pytest.param(spelled(lambda p: "_-" + p[2:]), id="base64 of the URL alphabet"),
        pytest.param(lambda e: e.update(payload="eB=="), id="base64 with bits after its end"),
    ],
)
def test_what_is_not_a_strict_envelope_is_refused(change: Callable[[dict[str, Any]], object]) -> None:
    changed = document()
    change(changed)
    with pytest.raises(MalformedInput):
        Envelope.from_json(changed)


@pytest.mark.parametrize("value", [None, True, 1, "x", [], {}])
def test_what_is_not_an_object_with_the_three_members_is_refused(value: Any) -> None:
    with pytest.raises(MalformedInput, match="exactly payload, payloadType and signatures"):
        Envelope.from_json(value)


def test_a_payload_may_be_empty() -> None:
    assert Envelope.from_json(sign(b"", [SIGNER]).to_json()).payload == b""


@dataclass(slots=True)
class Token:
    """A key that is not in this process's memory: it notes which threads ask it for what."""

    public: PublicKey = SIGNER.public
    asked: list[tuple[int, bytes]] = field(default_factory=list)

    def sign(self, message: bytes) -> bytes:
        self.asked.append((threading.get_ident(), message))
        return SIGNER.sign(message)


@pytest.fixture
def two_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processors, "processors", lambda: 2)


PAYLOADS = [b"%d" % number for number in range(20)]


def test_many_payloads_are_signed_as_each_of_them_is_alone(two_threads: None) -> None:
    signed = sign_many(PAYLOADS, [[SIGNER]] * 20)
    assert signed == [sign(payload, [SIGNER]) for payload in PAYLOADS]


def test_a_key_outside_this_process_is_asked_by_one_thread_in_order(two_threads: None) -> None:
    token = Token()
    sign_many(PAYLOADS, [[token]] * 20)
    me = threading.get_ident()
    assert token.asked == [(me, pae(PAYLOAD_TYPE, payload)) for payload in PAYLOADS]


@pytest.mark.parametrize("count", [1, 20])
def test_of_many_envelopes_those_whose_every_signature_holds_are_verified(
    count: int, two_threads: None
) -> None:
    good = sign_many(PAYLOADS[:count], [[SIGNER]] * count)
    forged = Envelope(b"another", good[0].signatures)
    unsigned = Envelope(PAYLOAD, ())
    assert verified([forged, *good, unsigned], lambda _: SIGNER.public) == set(good)


def test_what_fails_in_any_way_while_it_is_verified_is_not(two_threads: None) -> None:
    def no_key(keyid: str) -> PublicKey:
        raise KeyError(keyid)

    assert verified([sign(PAYLOAD, [SIGNER])], no_key) == frozenset()


@given(st.text("AQxz+/=", max_size=12).map(str.encode) | st.binary(max_size=20).map(base64.b64encode))
def test_base64_is_read_in_the_one_spelling_that_is_written(text: bytes) -> None:
    try:
        data = read_base64(text)
    except MalformedInput:
        # What Python reads without being strict would be written another way, or does not read at all.
        with suppress(ValueError):
            assert base64.b64encode(base64.b64decode(text)) != text
    else:
        assert base64.b64encode(data) == text
