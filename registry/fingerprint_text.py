"""A fingerprint as plain text that people can file, sign and read back without the data.

Rules:

- The first line is the fingerprint itself; then the number of rows; then every column with its name as a JSON string,
  its logical type, the id of its key if it is keyed, its root and the leaves of its runs in order.
- There is one way to write it: what is read back must be, byte for byte, what would be written, and every root and
  the digest must add up. So whoever changes a leaf, a name or a count has another fingerprint in the first line.
- The canonical JSON of the artifact store and the document of `affidavit fingerprint --json` are read as well.

::

    affidavit-table-v1:sha256:0f95a3915dcce6bf21dc2797963f15e57946a0cc1e6acb00817ef0e0b2f29fce
    rows 3
    column "id"
    type int
    root 85c1...
    leaf 4f0e...
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import cast

from audit.canonical import Json, JsonObject
from audit.errors import MalformedInput
from registry.fingerprint import KEYED_SCHEME, SCHEME, Fingerprint

__all__ = ["filed", "from_text", "is_filed", "is_text", "to_text"]

BEGINNINGS = (f"{SCHEME}:".encode(), f"{KEYED_SCHEME}:".encode())
LEAF, ROOT, TYPE, KEY, COLUMN = "leaf ", "root ", "type ", "key ", "column "


def to_text(fingerprint: Fingerprint) -> str:
    """Write a fingerprint."""
    return "\n".join([*_lines(fingerprint), ""])


def from_text(text: str) -> Fingerprint:
    """Read what `to_text` wrote, or raise `MalformedInput`."""
    try:
        found = Fingerprint.from_json(_document(text.split("\n")))
    except (ValueError, IndexError):  # of a line that is not there, or not what it should be
        raise MalformedInput("the fingerprint is not as affidavit writes it: file it again") from None
    if to_text(found) != text:
        raise MalformedInput("the fingerprint is not as affidavit writes it: file it again")
    return found


def is_filed(path: Path) -> bool:
    """Tell whether a file begins as a filed fingerprint does, of whatever scheme, as text or as JSON."""
    return _begins(path, b"affidavit-table-", b"{")


def is_text(path: Path) -> bool:
    """Tell whether a file begins as a fingerprint filed as text does."""
    return _begins(path, *BEGINNINGS)


def filed(path: Path) -> Fingerprint:
    """Read a filed fingerprint; raise `MalformedInput` where it does not add up."""
    try:
        text = path.read_bytes().decode("utf-8")
        return (
            from_text(text) if not text.startswith("{") else Fingerprint.from_json(_plain(json.loads(text)))
        )
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError):
        raise MalformedInput(
            f"{path} is neither a table by its name (.csv, .parquet, .arrow, .feather, .orc) nor a fingerprint, as "
            "text or as JSON"
        ) from None
    except MalformedInput as error:
        raise MalformedInput(f"{path}: {error}") from None


def _begins(path: Path, *beginnings: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(64).startswith(beginnings)


def _lines(fingerprint: Fingerprint) -> Iterator[str]:
    yield str(fingerprint)
    yield f"rows {fingerprint.rows}"
    for column in fingerprint.columns:
        yield COLUMN + json.dumps(column.name, ensure_ascii=False)
        yield TYPE + column.type
        if column.key is not None:
            yield KEY + column.key
        yield ROOT + column.root
        yield from (LEAF + leaf for leaf in column.leaves)


def _document(lines: list[str]) -> JsonObject:
    """Return the JSON document of a fingerprint's lines; what is odd about them shows when they are written again."""
    scheme, _, digest = lines[0].split(":")
    columns: list[Json] = []
    column: JsonObject = {}
    for line in lines[2:-1]:
        word, _, rest = line.partition(" ")
        if word == "column":
            column = {"name": json.loads(rest), "leaves": []}
            columns.append(column)
        elif word == "leaf":
            cast(list[Json], column.get("leaves", [])).append(rest)
        elif word in ("type", "key", "root"):
            column[word] = rest
    return {
        "scheme": scheme,
        "digest": digest,
        "rows": int(lines[1].removeprefix("rows ")),
        "columns": columns,
    }


def _plain(value: Json) -> Json:
    """Take from the document of `fingerprint --json` what `Fingerprint.from_json` reads."""
    if not isinstance(value, dict) or "fingerprint" not in value:
        return value
    scheme, _, digest = str(value["fingerprint"]).partition(":sha256:")
    return {"scheme": scheme, "digest": digest, "rows": value.get("rows"), "columns": value.get("columns")}
