"""Vectors of evidence in files: bundles and tiles trees of the small ledger, good ones and changed ones."""

import base64
import io
import json
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from audit.archive import Archive, write_archive
from audit.bundler import Wanted, write_bundle
from audit.canonical import encode
from audit.tiles_tree import write_tiles_tree
from tests.vectors import ledger
from tests.vectors.history import signed_by
from tests.vectors.people import VKEY, signer

__all__ = ["FILES", "written"]

Members = dict[str, bytes]
REPORT = 2
README = b"A test vector of an affidavit bundle.\n"


def bundles() -> list[dict[str, Any]]:
    """Bundles about entry 2 of the small ledger, as zip files."""
    good = _bundle()
    cases = [
        _zip_case(True, "as the product writes it", _stored(good)),
        _zip_case(True, "deflated", _deflated(good)),
        _zip_case(True, "members in another order", _zipped(dict(reversed(good.items())))),
    ]
    cases += [_zip_case(False, why, _stored(members)) for why, members in _changed_bundles(good)]
    whole = _stored(good)
    cases += [
        _zip_case(False, "bytes before the first member", b"#!/bin/sh\n" + whole),
        _zip_case(False, "bytes after the end record", whole + b"\n"),
        _zip_case(False, "a comment", _zipped(good, comment=b"trust me")),
        _zip_case(False, "cut short", whole[:-100]),
        _zip_case(False, "a member twice", _twice(good)),
    ]
    return cases


def tiles_trees() -> list[dict[str, Any]]:
    """Tiles trees of the small ledger, as the files in a folder."""
    good = _tiles()
    hashes, entries = "tile/0/000.p/9", "tile/entries/000.p/9"
    changed = {
        "a byte of a hash": {**good, hashes: _flipped(good[hashes], 40)},
        "a byte of a record": {**good, entries: _flipped(good[entries], 300)},
        "a record less": {**good, entries: good[entries][: -2 - int.from_bytes(good[entries][:2], "big")]},
        "no entries": {name: data for name, data in good.items() if name != entries},
        "no hashes": {name: data for name, data in good.items() if name != hashes},
        "a stranger's checkpoint": {**good, "checkpoint": _by_a_stranger(good["checkpoint"])},
        "a stranger's key": {**good, "vkey.txt": _vkey_of("stranger")},
    }
    cases = [_folder_case(True, "as the product writes it", good)]
    return cases + [_folder_case(False, why, files) for why, files in changed.items()]


def written(case: dict[str, Any], place: Path) -> Path:
    """Write the evidence of a case to a new place, a file or a folder."""
    if "zip" in case:
        place.write_bytes(base64.b64decode(case["zip"]))
    for name, data in case.get("files", {}).items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(base64.b64decode(data))
    return place


def _changed_bundles(good: Members) -> Iterator[tuple[str, Members]]:
    manifest = json.loads(good["manifest.json"])
    key = next(name for name in sorted(good) if name.startswith("keys/"))
    record, proof = f"entries/{REPORT}.json", f"entries/{REPORT}.tlog-proof"
    yield "a word of a record", {**good, record: good[record].replace(b'"seq":2', b'"seq":3')}
    yield "another entry's record", {**good, record: good["entries/1.json"]}
    yield "another entry's proof", {**good, proof: good["entries/1.tlog-proof"]}
    for name in (proof, "entries/0.json", "manifest.json", "vkey.txt", "checkpoint", key, "consistency/2"):
        yield f"no {name.replace(key, 'key')}", {other: data for other, data in good.items() if other != name}
    yield "no entry 2", {name: data for name, data in good.items() if f"/{REPORT}." not in name}
    yield "a member that is none of a bundle", {**good, "notes.txt": b"trust me"}
    yield "a member outside of the folder", {**good, "../notes.txt": b"trust me"}
    yield "a key that signed nothing", {**good, f"keys/{_keyid('bob')}.pem": signer("bob").public.pem()}
    yield "another key under a key's name", {**good, key: signer("bob").public.pem()}
    yield "an artifact with another digest", {**good, f"artifacts/{'ab' * 32}": b"trust me"}
    yield "a stranger's checkpoint", {**good, "checkpoint": _by_a_stranger(good["checkpoint"])}
    yield "a stranger's key", {**good, "vkey.txt": _vkey_of("stranger")}
    yield (
        "a manifest of another ledger",
        {**good, "manifest.json": encode({**manifest, "origin": "other.example"})},
    )
    yield "a manifest of another size", {**good, "manifest.json": encode({**manifest, "size": 8})}
    yield "a manifest without an entry", {**good, "manifest.json": encode({**manifest, "entries": [0]})}
    for about in ("trust me", "entry 9", "entry 02", "loans@1"):
        yield f"a manifest about {about}", {**good, "manifest.json": encode({**manifest, "about": about})}
    yield "a manifest with spaces", {**good, "manifest.json": json.dumps(manifest).encode()}
    yield "a consistency proof of another size", {**good, "consistency/2": good.get("consistency/1", b"")}


def _bundle() -> Members:
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "bundle.zip"
        write_bundle(ledger.written(Path(folder)), Wanted(f"entry {REPORT}", [REPORT]), target)
        with target.open("rb") as stream, Archive.open(stream) as archive:
            members = {name: archive.read(name, most=1 << 20) for name in archive.sizes}
    # What README.txt says may become clearer from release to release.
    return {**members, "README.txt": README}


def _tiles() -> Members:
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        write_tiles_tree(ledger.written(Path(folder)), tree)
        return {
            str(path.relative_to(tree)): path.read_bytes()
            for path in sorted(tree.rglob("*"))
            if path.is_file()
        }


def _stored(members: Mapping[str, bytes]) -> bytes:
    file = io.BytesIO()
    write_archive(file, members)
    return file.getvalue()


def _zipped(members: Mapping[str, bytes], comment: bytes = b"") -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data)
        archive.comment = comment
    return file.getvalue()


def _deflated(members: Mapping[str, bytes]) -> bytes:
    """Deflate without compressing (RFC 1951, 3.2.4), since two compressors need not give the same bytes."""
    packed, table, first_of_january_1980 = b"", b"", 33
    for name, data in members.items():
        block = b"\x01" + struct.pack("<2H", len(data), len(data) ^ 0xFFFF) + data
        sizes = (zlib.crc32(data), len(block), len(data))
        said = struct.pack(
            "<5H3L2H", 20, 0, zipfile.ZIP_DEFLATED, 0, first_of_january_1980, *sizes, len(name), 0
        )
        table += b"PK\x01\x02\x14\x00" + said + struct.pack("<3H2L", 0, 0, 0, 0, len(packed)) + name.encode()
        packed += b"PK\x03\x04" + said + name.encode() + block
    count = len(members)
    return (
        packed + table + b"PK\x05\x06" + struct.pack("<4H2LH", 0, 0, count, count, len(table), len(packed), 0)
    )


def _twice(members: Mapping[str, bytes]) -> bytes:
    """Write a member a second time under its own name, as no zip tool does."""
    return _zipped({**members, "vkey.tx_": b"trust me\n"}).replace(b"vkey.tx_", b"vkey.txt")


def _by_a_stranger(note: bytes) -> bytes:
    return signed_by(note.decode().partition("\n\n")[0] + "\n", ["stranger"]).encode()


def _vkey_of(name: str) -> bytes:
    return f"{type(VKEY)(VKEY.name, signer(name).public.raw)}\n".encode()


def _keyid(name: str) -> str:
    return signer(name).public.keyid


def _flipped(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


def _zip_case(good: bool, why: str, data: bytes) -> dict[str, Any]:
    return {"zip": _b64(data), "vkey": str(VKEY), "answer": "accepted" if good else "refused", "why": why}


def _folder_case(good: bool, why: str, files: Members) -> dict[str, Any]:
    said = {name: _b64(data) for name, data in files.items()}
    return {"files": said, "vkey": str(VKEY), "answer": "accepted" if good else "refused", "why": why}


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


FILES: dict[str, Callable[[], list[dict[str, Any]]]] = {"bundles": bundles, "tiles-trees": tiles_trees}
