"""Vectors of Ed25519 at its edges: keys of small and of mixed order, other encodings than the one, and what they sign.

The arithmetic is written here from RFC 8032, plainly and slowly, and shares nothing with the code that is tested.
"""

import hashlib
from functools import cache
from typing import Any

from tests.vectors.people import NAMES, seed

__all__ = ["FILES"]

Cases = list[dict[str, Any]]
Point = tuple[int, int]

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
NEUTRAL: Point = (0, 1)
MESSAGE = b"affidavit test vectors, a message"
_HEAD = bytes.fromhex("302a300506032b6570032100")


def add(one: Point, other: Point) -> Point:
    """Add two points (RFC 8032, 5.1.4, in affine coordinates)."""
    (x1, y1), (x2, y2) = one, other
    share = D * x1 * x2 * y1 * y2
    x = (x1 * y2 + x2 * y1) * pow(1 + share, -1, P) % P
    y = (y1 * y2 + x1 * x2) * pow(1 - share, -1, P) % P
    return x, y


def times(scalar: int, point: Point) -> Point:
    """Multiply a point."""
    found = NEUTRAL
    for bit in bin(scalar)[2:]:
        found = add(found, found)
        if bit == "1":
            found = add(found, point)
    return found


def x_of(y: int) -> int | None:
    """Return the even root x of a point with this y, if there is one."""
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    root = pow(square, (P + 3) // 8, P)
    if root * root % P != square:
        root = root * pow(2, (P - 1) // 4, P) % P
    if root * root % P != square:
        return None
    return root if root % 2 == 0 else P - root


def encoded(point: Point) -> bytes:
    """Write a point in its one encoding."""
    return written(point[1], point[0] & 1)


def written(y: int, sign: int) -> bytes:
    """Write 255 bits and a sign, whether or not they are an encoding."""
    return (y | sign << 255).to_bytes(32, "little")


_BASE_Y = 4 * pow(5, P - 2, P) % P
BASE: Point = (x_of(_BASE_Y) or 0, _BASE_Y)


@cache
def small_order() -> list[Point]:
    """List the eight points whose order divides 8, from one of order 8."""
    y = 2
    while True:
        x = x_of(y)
        if x is not None:
            point = times(ORDER, (x, y))
            if times(4, point) != NEUTRAL:
                return [times(number, point) for number in range(8)]
        y += 1


def _secret(name: str) -> tuple[int, bytes]:
    """Return the scalar and the prefix of a test key (RFC 8032, 5.1.5)."""
    digest = hashlib.sha512(seed(name)).digest()
    clamped = int.from_bytes(digest[:32], "little") & ((1 << 254) - 8) | 1 << 254
    return clamped, digest[32:]


def _hash(*parts: bytes) -> int:
    return int.from_bytes(hashlib.sha512(b"".join(parts)).digest(), "little") % ORDER


@cache
def _public(name: str) -> Point:
    return times(_secret(name)[0], BASE)


ED25519_NAMES = [name for name in NAMES if name != "pat"]


def keys() -> Cases:
    """Ed25519 public keys, 32 bytes each: may one be granted, or name a log?

    Only the one encoding of a point of prime order may (RFC 8032, 5.1.3; "Taming the many EdDSAs").
    """
    cases = [(encoded(_public(name)), "accepted", f"the test key {name}") for name in ED25519_NAMES]
    cases += [
        (encoded(times(n, BASE)), "accepted", f"{n} times the base point") for n in (1, 2, 3, ORDER - 1)
    ]
    small = small_order()
    cases += [
        (encoded(point), "refused", f"a point of small order, {n} of 8") for n, point in enumerate(small)
    ]
    good = _public("ana")
    cases += [
        (encoded(add(good, point)), "refused", f"a good key and {n} of 8 of small order: mixed order")
        for n, point in enumerate(small[1:], start=1)
    ]
    for y in range(19):
        for sign in (0, 1):
            if x_of(y) is not None:
                cases.append((written(P + y, sign), "refused", f"y is p + {y}, with the sign {sign}"))
    for y, name in ((1, "1"), (P - 1, "-1")):
        cases.append((written(y, 1), "refused", f"x is 0 with a sign, y is {name}"))
    off = [y for y in range(2, 40) if x_of(y) is None][:4]
    cases += [(written(y, 0), "refused", f"no point has y {y}") for y in off]
    return [
        {"key": key.hex(), "spki": (_HEAD + key).hex(), "why": why, "answer": answer}
        for key, answer, why in cases
    ]


def signatures() -> Cases:
    """Signatures by Ed25519: verified, not verified, or by a key that is refused before any signature is looked at.

    Cofactorless, S below the order, as OpenSSL and libsodium have it (RFC 8032, 5.1.7).
    """
    secret, prefix = _secret("ana")
    key, torsion = encoded(_public("ana")), small_order()
    honest = _signed(secret, key, prefix)
    r, s = honest[:32], int.from_bytes(honest[32:], "little")
    cases = [(key, honest, "verified", "as RFC 8032 signs")]
    cases += [
        (
            key,
            r + (s + n * ORDER).to_bytes(32, "little"),
            "not verified",
            f"S is the order, {n} times, too large",
        )
        for n in (1, 2, 15)
    ]
    why = "R is off by a point of small order, {} of 8: it would hold only with the cofactor"
    cases += [
        (key, _signed(secret, key, prefix, off), "not verified", why.format(n))
        for n, off in enumerate(torsion[1:], start=1)
    ]
    cases += [
        (key, bytes(64), "not verified", "zeros"),
        (key, honest[:63], "not verified", "a byte is missing"),
        (key, honest + b"\x00", "not verified", "a byte more"),
        (key, b"", "not verified", "nothing"),
        (key, honest[32:] + r, "not verified", "the halves have traded places"),
        (
            key,
            written(P + 1, 0) + honest[32:],
            "not verified",
            "R is the neutral point, not in its one encoding",
        ),
        (encoded(_public("bob")), honest, "not verified", "by another key"),
    ]
    cases.append(
        (encoded(NEUTRAL), _signed(0, encoded(NEUTRAL), prefix), "key refused", "by the neutral point")
    )
    for n, off in enumerate(torsion[1:], start=1):
        # Where the hash makes the key's torsion vanish the equation holds: for some messages, and not for others.
        mixed = encoded(add(_public("ana"), off))
        signed = _signed(secret, mixed, prefix)
        cases.append((mixed, signed, "key refused", f"by a good key and {n} of 8 of small order"))
    return [
        {
            "key": one.hex(),
            "spki": (_HEAD + one).hex(),
            "message": MESSAGE.hex(),
            "signature": signature.hex(),
            "why": why,
            "answer": answer,
        }
        for one, signature, answer, why in cases
    ]


def _signed(secret: int, key: bytes, prefix: bytes, off: Point = NEUTRAL) -> bytes:
    nonce = _hash(prefix, MESSAGE)
    r = encoded(add(times(nonce, BASE), off))
    s = (nonce + _hash(r, key, MESSAGE) * secret) % ORDER
    return r + s.to_bytes(32, "little")


FILES = {"ed25519-keys": keys, "ed25519-signatures": signatures}
