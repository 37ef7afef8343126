"""Whether an Ed25519 public key is a point of prime order.

A key of small or mixed order lets one signature verify for many messages, and is where libraries disagree
(Chalkias, Garillot and Nikolaenko, "Taming the many EdDSAs", 2020). With this check at registration, OpenSSL
and libsodium answer alike. It takes a millisecond, so answers are kept; constant time is not needed, since a public key
is public.

Source: RFC 8032, sections 5.1 and 5.1.3 (decoding), curve edwards25519.

>>> has_prime_order(bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"))  # RFC 8032, 7.1
True
>>> has_prime_order(bytes(32))  # a point of order 4
False
"""

from functools import lru_cache

__all__ = ["has_prime_order"]

_P = 2**255 - 19
_L = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, -1, _P) % _P
_SQRT_M1 = pow(2, (_P - 1) // 4, _P)

# Extended coordinates (X, Y, Z, T): x = X/Z, y = Y/Z, xy = T/Z.
_Point = tuple[int, int, int, int]
_IDENTITY: _Point = (0, 1, 1, 0)


@lru_cache(maxsize=256)
def has_prime_order(encoded: bytes) -> bool:
    """Say whether 32 bytes decode, canonically, to a point P != identity with L*P = identity."""
    point = _decode(encoded)
    if point is None or _is_identity(point):
        return False
    return _is_identity(_multiply(_L, point))


def _decode(encoded: bytes) -> _Point | None:
    if len(encoded) != 32:
        return None
    number = int.from_bytes(encoded, "little")
    sign, y = number >> 255, number & (1 << 255) - 1
    if y >= _P:
        return None
    u, v = (y * y - 1) % _P, (_D * y * y + 1) % _P
    # A square root of u/v with one exponentiation (RFC 8032, 5.1.3, step 2).
    x = u * pow(v, 3, _P) * pow(u * pow(v, 7, _P), (_P - 5) // 8, _P) % _P
    if v * x * x % _P == -u % _P:
        x = x * _SQRT_M1 % _P
    if v * x * x % _P != u or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = _P - x
    return (x, y, 1, x * y % _P)


def _add(p: _Point, q: _Point) -> _Point:
    a = (p[1] - p[0]) * (q[1] - q[0]) % _P
    b = (p[1] + p[0]) * (q[1] + q[0]) % _P
    c = 2 * p[3] * q[3] * _D % _P
    d = 2 * p[2] * q[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % _P, g * h % _P, f * g % _P, e * h % _P)


def _multiply(scalar: int, point: _Point) -> _Point:
    result = _IDENTITY
    while scalar:
        if scalar & 1:
            result = _add(result, point)
        point = _add(point, point)
        scalar >>= 1
    return result


def _is_identity(point: _Point) -> bool:
    return point[0] % _P == 0 and (point[1] - point[2]) % _P == 0
