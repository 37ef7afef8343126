"""Canonical JSON: one byte string for a value, and one value for a byte string."""

import sys
from enum import IntEnum, StrEnum
from typing import Any, cast

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from audit.canonical import MOST_DEPTH, decimal, decode, encode, utf8
from audit.errors import MalformedInput

BIGGEST = 2**53 - 1

text = st.text()  # Hypothesis leaves surrogates out by itself
keys = st.text(st.characters(max_codepoint=127))
values = st.recursive(
    st.none() | st.booleans() | st.integers(-BIGGEST, BIGGEST) | text,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(keys, inner, max_size=5),
    max_leaves=20,
)


@given(values)
def test_the_bytes_are_those_of_the_reference_implementation(value: Any) -> None:
    assert encode(value) == rfc8785.dumps(value)


@given(values)
def test_what_was_written_reads_back_as_the_same_value(value: Any) -> None:
    assert decode(encode(value)) == value


@given(st.binary(max_size=60))
def test_any_bytes_are_read_as_their_own_canonical_form_or_refused(data: bytes) -> None:
    try:
        value = decode(data)
    except MalformedInput:
        return
    assert encode(value) == data


def test_every_character_is_escaped_as_the_reference_escapes_it() -> None:
    for start in range(0, sys.maxunicode, 4096):
        chars = [chr(c) for c in range(start, start + 4096) if not 0xD800 <= c <= 0xDFFF]
        assert encode(chars) == rfc8785.dumps(cast(Any, chars))


@pytest.mark.parametrize(
    "spelling",
    [
        pytest.param(b'{"a":1,"a":1}', id="a key twice"),
        pytest.param(b'{"a":1,"a":2}', id="a key twice with two values"),
        pytest.param(b'{"b":1,"a":2}', id="keys out of order"),
        pytest.param(b'{"a": 1}', id="a space"),
        pytest.param(b'{"a":1}\n', id="a newline after the end"),
        pytest.param(b' {"a":1}', id="a space before the start"),
        pytest.param(b'\xef\xbb\xbf{"a":1}', id="a byte order mark"),
        pytest.param(b'"\\u0061"', id="a letter as an escape"),
        pytest.param(b'"\\/"', id="an escaped solidus"),
        pytest.param(b'"\\u00E9"', id="a character beyond ASCII as an escape"),
        pytest.param(b'"\\u001F"', id="an escape in upper case"),
        pytest.param(b'"\\u000a"', id="a long escape where a short one exists"),
        pytest.param(b"-0", id="minus zero"),
        pytest.param(b"1e2", id="an exponent"),
        pytest.param(b"1.0", id="a whole number with a fraction"),
        pytest.param(b"01", id="a leading zero"),
        pytest.param(b"+1", id="a plus sign"),
        pytest.param(b"[1,]", id="a trailing comma"),
        pytest.param(b"[1]]", id="a bracket too many"),
        pytest.param(b"[1][2]", id="two values"),
        pytest.param(b"NaN", id="not a number"),
        pytest.param(b"Infinity", id="infinity"),
        pytest.param(b"'a'", id="single quotes"),
        pytest.param(b"/**/1", id="a comment"),
        pytest.param(b'"\\ud800"', id="a lone surrogate as an escape"),
        pytest.param(b'"\xed\xa0\x80"', id="a lone surrogate as bytes"),
        pytest.param(b'"\xc0\xaf"', id="an overlong encoding"),
        pytest.param(b'"\xff"', id="a byte that is not UTF-8"),
        pytest.param(b'"\n"', id="a bare control character"),
        pytest.param('{"é":1}'.encode(), id="a key beyond ASCII"),
        pytest.param(b"9007199254740992", id="an integer beyond 2^53-1"),
        pytest.param(b"1" * 400, id="an integer of 400 digits"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"\x00", id="a zero byte"),
    ],
)
def test_another_spelling_is_refused(spelling: bytes) -> None:
    with pytest.raises(MalformedInput):
        decode(spelling)


class Flag(IntEnum):
    UP = 1


class Word(StrEnum):
    UP = "up"


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(0.5, id="a float"),
        pytest.param(float("nan"), id="not a number"),
        pytest.param(float("inf"), id="infinity"),
        pytest.param(1.0, id="a whole float"),
        pytest.param(2**53, id="2^53"),
        pytest.param(-(2**53), id="-2^53"),
        pytest.param(10**5000, id="an integer too long to write out"),
        pytest.param("\ud800", id="a lone surrogate"),
        pytest.param({"\ud800": 1}, id="a lone surrogate in a key"),
        pytest.param({"é": 1}, id="a key beyond ASCII"),
        pytest.param({1: 1}, id="a key that is a number"),
        pytest.param(b"bytes", id="bytes"),
        pytest.param((1, 2), id="a tuple"),
        pytest.param({1, 2}, id="a set"),
        pytest.param(Flag.UP, id="an integer that can write itself otherwise"),
        pytest.param(Word.UP, id="a text that can write itself otherwise"),
        pytest.param(object(), id="an object"),
    ],
)
def test_what_lies_outside_the_domain_is_refused(value: object) -> None:
    with pytest.raises(MalformedInput):
        encode([value])


@pytest.mark.parametrize("number", [BIGGEST, -BIGGEST, 0])
def test_integers_that_every_reader_holds_exactly_are_written(number: int) -> None:
    assert encode(number) == str(number).encode()


def _nested(depth: int) -> list[Any]:
    """Return so many lists within each other."""
    value: list[Any] = []
    for _ in range(depth - 1):
        value = [value]
    return value


def test_nesting_to_the_limit_is_read() -> None:
    assert decode(encode(_nested(MOST_DEPTH))) == _nested(MOST_DEPTH)


def test_nesting_beyond_the_limit_is_not_written() -> None:
    with pytest.raises(MalformedInput, match="nested"):
        encode(_nested(MOST_DEPTH + 1))


@pytest.mark.parametrize("depth", [MOST_DEPTH + 1, 1_000, 100_000])
def test_nesting_beyond_the_limit_is_not_read(depth: int) -> None:
    with pytest.raises(MalformedInput):
        decode(b"[" * depth + b"]" * depth)


@pytest.mark.parametrize("innermost", [b"[]", b"{}"])
@pytest.mark.parametrize("around", [b"[%b]", b'{"a":%b}', '["é",%b]'.encode()])
def test_an_empty_list_or_object_counts_as_a_level(innermost: bytes, around: bytes) -> None:
    for _ in range(MOST_DEPTH - 1):
        innermost = around % innermost
    assert decode(innermost)
    with pytest.raises(MalformedInput, match="nested"):
        decode(around % innermost)


@pytest.mark.parametrize("item", [b'"x"', '"é"'.encode(), b"1", b"null", b"[]", b'{"a":1}'])
def test_what_lies_deeper_than_the_limit_is_not_read(item: bytes) -> None:
    assert decode(b"[" * 63 + item + b"]" * 63)
    with pytest.raises(MalformedInput, match="nested"):
        decode(b"[" * 65 + item + b"]" * 65)


def test_what_is_no_list_and_no_object_may_lie_in_the_innermost() -> None:
    assert decode(b"[" * MOST_DEPTH + b'"x",1,null' + b"]" * MOST_DEPTH)


@pytest.mark.parametrize("number", [b"0.5", b"1e-7", b"9007199254740992", b"-9007199254740992"])
@pytest.mark.parametrize("around", [b"[%b]", b'{"a":%b}', b'[{"a":[%b]}]', '["é",%b]'.encode()])
def test_a_number_outside_the_domain_is_not_read_wherever_it_stands(around: bytes, number: bytes) -> None:
    assert decode(around.replace(b"%b", b"1"))
    with pytest.raises(MalformedInput, match=r"2\^53-1|float"):
        decode(around.replace(b"%b", number))


def test_a_list_that_holds_itself_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(MalformedInput, match="nested"):
        encode(endless)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_measurement_is_a_text_that_reads_back_as_the_same_number(number: float) -> None:
    written = decimal(number)
    assert written is not None
    assert float(written) == number


@pytest.mark.parametrize("number", [None, float("nan"), float("inf"), float("-inf")])
def test_a_measurement_that_is_missing_is_null(number: float | None) -> None:
    assert decimal(number) is None


def test_text_that_is_not_utf_8_is_refused_by_name() -> None:
    with pytest.raises(MalformedInput, match="the note is not UTF-8"):
        utf8(b"\xff", "the note")
