"""Canonical JSON against the test data of RFC 8785 and its Python reference implementation."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import rfc8785

from audit.canonical import decode, encode
from audit.errors import MalformedInput
from tests.published import Tally, published

OUTSIDE = {
    "french": "keys beyond ASCII",
    "structures": "a float",
    "values": "floats",
    "weird": "keys beyond ASCII",
}
"""The files that leave our value domain, and by what."""


def files() -> Iterator[tuple[str, Path, bytes]]:
    """Yield the name, the input and the canonical bytes of each file of the set."""
    data = published("jcs-rfc8785/testdata")
    for given in sorted((data / "input").glob("*.json")):
        written = bytes.fromhex((data / "outhex" / f"{given.stem}.txt").read_text())
        assert written == (data / "output" / given.name).read_bytes()
        yield given.stem, given, written


def canonical(path: Path) -> bytes | str:
    try:
        return encode(json.loads(path.read_text()))
    except MalformedInput as error:
        return str(error)


def reads(data: bytes) -> bool:
    try:
        decode(data)
    except MalformedInput:
        return False
    return True


def test_what_lies_in_our_domain_gets_the_published_bytes(request: pytest.FixtureRequest) -> None:
    tally = Tally("RFC 8785 files in our domain")
    for name, given, written in files():
        if name not in OUTSIDE:
            tally.case(name, canonical(given), written)
    tally.close(2, request)


def test_what_leaves_our_domain_is_refused_and_not_written_otherwise(request: pytest.FixtureRequest) -> None:
    tally = Tally("RFC 8785 files outside our domain")
    for name, given, _ in files():
        if name in OUTSIDE:
            tally.case(name, isinstance(canonical(given), str), True)
    tally.close(4, request)


def test_published_canonical_bytes_are_read_where_our_domain_holds_them(
    request: pytest.FixtureRequest,
) -> None:
    tally = Tally("RFC 8785 files, canonical bytes read")
    for name, _, written in files():
        # The float of `structures` is 56.0, whose canonical form is the integer 56.
        tally.case(name, reads(written), name not in OUTSIDE or name == "structures")
    tally.close(6, request)


def test_no_published_input_is_read_as_it_stands_for_none_is_canonical(
    request: pytest.FixtureRequest,
) -> None:
    tally = Tally("RFC 8785 files, inputs read")
    for name, given, _ in files():
        tally.case(name, reads(given.read_bytes()), False)
    tally.close(6, request)


def test_the_reference_that_our_properties_compare_with_writes_the_published_bytes(
    request: pytest.FixtureRequest,
) -> None:
    tally = Tally("RFC 8785 files, the package rfc8785")
    for name, given, written in files():
        tally.case(name, rfc8785.dumps(json.loads(given.read_text())), written)
    tally.close(6, request)
