"""Canonical JSON: the one byte string that stands for a value (RFC 8785, JSON Canonicalization Scheme).

Rules:

- The value domain is small: null, booleans, strings without lone surrogates, integers of at most 2^53-1 in
  magnitude, lists, and objects with ASCII keys. **There are no floats**: a measurement is a decimal string,
  the shortest that round-trips, and a missing one is null.
- In that domain orjson with sorted keys writes exactly the bytes of RFC 8785. Outside it orjson is lenient
  (NaN becomes null), so the domain is checked first, always.
- Reading is parse, encode again, compare bytes: duplicate keys, another key order, white space, other
  escapes, a BOM, -0 and 1e2 are all refused.

>>> encode({"b": [1, None], "a": "0.8731"})
b'{"a":"0.8731","b":[1,null]}'
"""

import math
from typing import Any, cast

import orjson

from audit.errors import MalformedInput

__all__ = [
    "MOST_DEPTH",
    "MOST_INTEGER",
    "Json",
    "JsonObject",
    "decimal",
    "decode",
    "encode",
    "storable",
    "utf8",
]

Json = None | bool | int | str | list["Json"] | dict[str, "Json"]
JsonObject = dict[str, Json]

MOST_INTEGER = 2**53 - 1
"""The largest integer that every JSON reader holds exactly (RFC 8785, appendix D; RFC 7493)."""

MOST_DEPTH = 64
"""So many lists and objects may lie within each other, so that no reader can be made to run out of stack."""


def encode(value: object) -> bytes:
    """Write the canonical bytes of a value, or raise `MalformedInput` where it leaves the domain."""
    _check(value, 0)
    return _written(value)


def decode(data: bytes) -> Json:
    """Read a value from canonical bytes; any other spelling of it raises `MalformedInput`."""
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise MalformedInput(f"this is not JSON: {error}") from None
    # Text that is read from ASCII is ASCII, or stood there with escapes, which canonical JSON writes otherwise.
    check = _check_numbers if data.isascii() else _check
    check(value, 0)
    if _written(value) != data:
        raise MalformedInput(
            "this JSON is not canonical (RFC 8785): its key order, spacing or escapes differ, or a key is repeated"
        )
    return cast(Json, value)


def decimal(number: float | None) -> str | None:
    """Write a measurement as the shortest decimal that round-trips; NaN and infinities are missing (None).

    >>> decimal(0.1), decimal(float("nan"))
    ('0.1', None)
    """
    if number is None or not math.isfinite(number):
        return None
    return repr(float(number))


def storable(text: str) -> str:
    r"""Write text so that UTF-8, and so a statement, can hold it: a lone surrogate becomes its escape.

    Names of files hold such where their bytes are no UTF-8 (PEP 383).

    >>> storable("caf\udce9.csv")
    'caf\\udce9.csv'
    """
    return text.encode("utf-8", "backslashreplace").decode()


def utf8(data: bytes, what: str) -> str:
    """Decode strict UTF-8 or raise `MalformedInput` that names `what`."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise MalformedInput(f"{what} is not UTF-8 text") from None


def _written(value: object) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def _check_numbers(value: Any, depth: int) -> None:
    """Check numbers and depth alone, as `_check` does."""
    kind = type(value)
    if depth >= MOST_DEPTH or kind not in (dict, list):
        _check(value, depth)
        return
    for item in value.values() if kind is dict else value:
        if type(item) is not str:
            _check_numbers(item, depth + 1)


def _check(value: Any, depth: int) -> None:
    # Exact types: a subclass (an IntEnum, a str enum) could write itself differently.
    kind = type(value)
    if depth >= MOST_DEPTH and (kind is dict or kind is list):
        raise MalformedInput(f"canonical JSON is nested at most {MOST_DEPTH} levels deep")
    if kind is str:
        # Most text is ASCII, which Python knows without looking at it; the rest may hold a surrogate.
        if not value.isascii():
            _check_text(value)
    elif kind is dict:
        _check_members(value, depth + 1)
    elif kind is list:
        for item in value:
            _check(item, depth + 1)
    elif kind is int:
        if abs(value) > MOST_INTEGER:
            # Its digits are not shown: Python itself refuses to write out very long integers.
            raise MalformedInput("an integer is beyond 2^53-1: write it as text")
    elif value is not None and kind is not bool:
        raise MalformedInput(
            f"canonical JSON holds null, booleans, text, integers, lists and objects, not a {kind.__name__}"
        )


def _check_members(members: dict[Any, Any], depth: int) -> None:
    for key, item in members.items():
        if type(key) is not str or not key.isascii():
            raise MalformedInput(f"the object key {key!r} is not ASCII text")
        # Most members are plain text: a call for each would take as long as all the rest.
        if type(item) is not str or not item.isascii():
            _check(item, depth)


def _check_text(text: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise MalformedInput("a string holds a lone surrogate, which no UTF-8 text can") from None
