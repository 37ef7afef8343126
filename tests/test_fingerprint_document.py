"""The document of a fingerprint: it comes back as it was, and one that does not add up is refused."""

from typing import Any

import pytest

from audit import canonical
from audit.canonical import Json
from audit.errors import MalformedInput
from registry.fingerprint import Fingerprint
from tests.known_table import EXPECTED, ROWS


def test_a_fingerprint_comes_back_from_its_canonical_document() -> None:
    data = canonical.encode(EXPECTED.to_json())
    assert Fingerprint.from_json(canonical.decode(data)) == EXPECTED


def spoil(path: list[str | int], value: Json) -> Json:
    document: Any = canonical.decode(canonical.encode(EXPECTED.to_json()))
    place = document
    for key in path[:-1]:
        place = place[key]
    if value == "GONE":
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return document  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        (["scheme"], "affidavit-table-v2", "the fingerprint's scheme is 'affidavit-table-v2'"),
        (["rows"], ROWS - 1, "the fingerprint's digest is not that of its columns"),
        (["rows"], 1, "has 2 leaves, which is not the number for 1 rows"),
        (["rows"], True, "the fingerprint's row count is not a count"),
        (["rows"], -1, "the fingerprint's row count is not a count"),
        (["digest"], "0" * 64, "the fingerprint's digest is not that of its columns"),
        (["digest"], "GONE", "must be an object with exactly the keys columns, digest, rows, scheme"),
        (["more"], 1, "must be an object with exactly the keys"),
        (["columns"], None, "the fingerprint's columns are not a list"),
        (["columns", 0], "GONE", "the fingerprint's digest is not that of its columns"),
        (["columns", 0, "name"], "other", "the fingerprint's digest is not that of its columns"),
        (["columns", 0, "name"], "age", "the fingerprint names a column twice"),
        (["columns", 0, "name"], 1, "has no name or no type"),
        (["columns", 0, "type"], "float", "the fingerprint's digest is not that of its columns"),
        (["columns", 0, "root"], "0" * 64, "the root of column 'id' is not that of its leaves"),
        (["columns", 0, "leaves", 0], "0" * 64, "the root of column 'id' is not that of its leaves"),
        (["columns", 0, "leaves", 0], "0" * 63, "the leaves of column 'id' are not SHA-256 digests"),
        (["columns", 0, "leaves", 0], 5, "the leaves of column 'id' are not SHA-256 digests"),
        (["columns", 0, "leaves", 0], "GONE", "column 'id' has 1 leaves"),
        (["columns", 0, "extra"], 1, "a column of the fingerprint must be an object with exactly the keys"),
    ],
)
def test_a_document_that_does_not_add_up_is_refused(
    path: list[str | int], value: Json, sentence: str
) -> None:
    with pytest.raises(MalformedInput) as refusal:
        Fingerprint.from_json(spoil(path, value))
    assert sentence in str(refusal.value)


@pytest.mark.parametrize("value", [None, [], "text", 5])
def test_a_document_that_is_no_object_is_refused(value: Json) -> None:
    with pytest.raises(MalformedInput, match="the fingerprint must be an object"):
        Fingerprint.from_json(value)
