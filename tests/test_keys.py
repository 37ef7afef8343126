"""Keys: two algorithms, one DER form, and only Ed25519 points of prime order."""

import base64
import hashlib
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, rsa, x25519
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from audit import curve
from audit.curve import has_prime_order
from audit.errors import MalformedInput
from audit.keys import Algorithm, LocalSigner, PublicKey, new_private_key

ALGORITHMS: list[Algorithm] = ["ed25519", "ecdsa-p256"]
ED25519_SPKI = bytes.fromhex("302a300506032b6570032100")

# -- edwards25519, written a second time in affine coordinates, to make points that no library would ------------------

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
Point = tuple[int, int]
IDENTITY: Point = (0, 1)


def add(a: Point, b: Point) -> Point:
    (x1, y1), (x2, y2) = a, b
    cross = D * x1 * x2 * y1 * y2
    x = (x1 * y2 + y1 * x2) * pow(1 + cross, -1, P)
    y = (y1 * y2 + x1 * x2) * pow(1 - cross, -1, P)
    return x % P, y % P


def times(scalar: int, point: Point) -> Point:
    result = IDENTITY
    for bit in bin(scalar)[2:]:
        result = add(result, result)
        if bit == "1":
            result = add(result, point)
    return result


def decoded(raw: bytes) -> Point | None:
    number = int.from_bytes(raw, "little")
    sign, y = number >> 255, number % 2**255
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    for x in (pow(square, (P + 3) // 8, P), pow(square, (P + 3) // 8, P) * pow(2, (P - 1) // 4, P) % P):
        if x * x % P == square:
            return (x if x & 1 == sign else P - x), y
    return None


def encoded(point: Point) -> bytes:
    x, y = point
    return (y | (x & 1) << 255).to_bytes(32, "little")


def torsion() -> list[Point]:
    """Make the eight points of small order: multiples of L times a point that is not in the prime subgroup."""
    for y in range(2, 100):
        point = decoded(y.to_bytes(32, "little"))
        if point is not None:
            of_order_eight = times(L, point)
            if times(4, of_order_eight) != IDENTITY:
                return [times(n, of_order_eight) for n in range(8)]
    raise AssertionError("there is such a point below 100")


TORSION = torsion()
PRIVATE = new_private_key()
RAW = LocalSigner(PRIVATE).public.raw


def test_there_are_eight_points_of_small_order() -> None:
    assert len(set(TORSION)) == 8


@pytest.mark.parametrize("number", range(8))
def test_a_key_of_small_order_is_refused(number: int) -> None:
    with pytest.raises(MalformedInput, match="prime order"):
        PublicKey.parse(ED25519_SPKI + encoded(TORSION[number]))


@pytest.mark.parametrize("number", range(1, 8))
def test_a_key_of_mixed_order_is_refused(number: int) -> None:
    point = decoded(RAW)
    assert point is not None
    with pytest.raises(MalformedInput, match="prime order"):
        PublicKey.parse(ED25519_SPKI + encoded(add(point, TORSION[number])))


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param((P + 1).to_bytes(32, "little"), id="y = p + 1, the identity again"),
        pytest.param(P.to_bytes(32, "little"), id="y = p"),
        pytest.param((2**255 - 1).to_bytes(32, "little"), id="y = 2^255 - 1"),
        pytest.param((1 | 1 << 255).to_bytes(32, "little"), id="x = 0 with its sign set"),
        pytest.param((2).to_bytes(32, "little"), id="no point at all"),
        pytest.param(b"", id="nothing"),
        pytest.param(RAW[:31], id="31 bytes"),
        pytest.param(RAW + b"\0", id="33 bytes"),
    ],
)
def test_bytes_that_are_no_canonical_point_have_no_prime_order(raw: bytes) -> None:
    assert not has_prime_order(raw)


@given(st.integers(1, L - 1))
def test_every_multiple_of_the_base_point_has_prime_order(scalar: int) -> None:
    base = decoded(bytes.fromhex("58" + "66" * 31))
    assert base is not None
    assert has_prime_order(encoded(times(scalar, base)))


def test_the_check_multiplies_by_the_order_of_the_group() -> None:
    assert (curve._P, curve._L) == (P, L)


# -- what is a key -----------------------------------------------------------------------------------------------------


def spki(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_key_reads_back_from_each_form_in_which_it_is_written(algorithm: Algorithm) -> None:
    key = LocalSigner(new_private_key(algorithm)).public
    assert [
        PublicKey.parse(key.spki),
        PublicKey.parse_base64(key.base64()),
        PublicKey.parse_pem(key.pem()),
    ] == [key] * 3


def test_a_key_of_32_bytes_is_wrapped_as_openssl_wraps_it() -> None:
    assert PublicKey.of_raw(RAW).spki == ED25519_SPKI + RAW


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_key_id_is_what_openssl_and_sha256sum_print(algorithm: Algorithm, tmp_path: Path) -> None:
    key = LocalSigner(new_private_key(algorithm)).public
    file = tmp_path / "key.pub"
    file.write_bytes(key.pem())
    der = subprocess.run(
        ["openssl", "pkey", "-pubin", "-in", str(file), "-outform", "DER"], capture_output=True, check=True
    ).stdout
    assert hashlib.sha256(der).hexdigest() == key.keyid


@pytest.mark.parametrize(
    "key",
    [
        pytest.param(lambda: rsa.generate_private_key(65537, 2048), id="RSA"),
        pytest.param(lambda: dsa.generate_private_key(1024), id="DSA"),
        pytest.param(lambda: ec.generate_private_key(ec.SECP384R1()), id="P-384"),
        pytest.param(lambda: ec.generate_private_key(ec.SECP256K1()), id="secp256k1"),
        pytest.param(ed448.Ed448PrivateKey.generate, id="Ed448"),
        pytest.param(x25519.X25519PrivateKey.generate, id="X25519"),
    ],
)
def test_another_algorithm_is_refused(key: Callable[[], Any]) -> None:
    with pytest.raises(MalformedInput, match="no other algorithm"):
        PublicKey.parse(spki(key().public_key()))


def test_a_compressed_point_is_another_spelling_and_refused() -> None:
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    prefix = bytes.fromhex("3039301306072a8648ce3d020106082a8648ce3d030107032200")
    with pytest.raises(MalformedInput, match="one DER form"):
        PublicKey.parse(prefix + key.public_bytes(Encoding.X962, PublicFormat.CompressedPoint))


@given(st.binary(max_size=100))
def test_bytes_that_are_no_key_are_refused_in_a_sentence(data: bytes) -> None:
    with pytest.raises(MalformedInput):
        PublicKey.parse(data)


@given(st.integers(0, 43), st.integers(1, 255))
def test_a_key_with_one_byte_changed_is_refused_or_another_key(place: int, difference: int) -> None:
    changed = bytearray(ED25519_SPKI + RAW)
    changed[place] ^= difference
    try:
        keyid = PublicKey.parse(bytes(changed)).keyid
    except MalformedInput:
        return
    assert keyid != LocalSigner(PRIVATE).public.keyid


@given(st.text(max_size=80))
def test_text_that_is_no_key_in_base64_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(MalformedInput):
        PublicKey.parse_base64(text)


def test_base64_with_bits_after_its_end_is_refused() -> None:
    text = LocalSigner(new_private_key("ecdsa-p256")).public.base64()
    assert text.endswith("==")
    other = text[:-3] + chr(ord(text[-3]) + 1) + "=="
    assert base64.b64decode(other) == base64.b64decode(text)
    with pytest.raises(MalformedInput, match="more than one spelling"):
        PublicKey.parse_base64(other)


def test_a_pem_that_holds_no_public_key_is_refused() -> None:
    with pytest.raises(MalformedInput, match="PEM public key"):
        PublicKey.parse_pem(b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n")


def test_a_p_256_key_has_no_32_raw_bytes() -> None:
    with pytest.raises(MalformedInput, match="Ed25519 key is needed"):
        LocalSigner(new_private_key("ecdsa-p256")).public.raw  # noqa: B018


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@given(message=st.binary(max_size=20), other=st.binary(max_size=20))
def test_a_signature_is_good_for_its_message_alone(
    algorithm: Algorithm, message: bytes, other: bytes
) -> None:
    own = LocalSigner(new_private_key(algorithm))
    signature = own.sign(message)
    assert own.public.verify(signature, message)
    assert own.public.verify(signature, other) == (message == other)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@given(signature=st.binary(max_size=80))
def test_bytes_that_are_no_signature_are_answered_no(algorithm: Algorithm, signature: bytes) -> None:
    assert not LocalSigner(new_private_key(algorithm)).public.verify(signature, b"message")
