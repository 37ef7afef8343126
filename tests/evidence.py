"""Bundles and tiles trees made by hand from any records at all, so that tests can make dishonest ones.

The package writes these itself, from ledgers that are sound. Here the format page is followed from the records alone:
what is signed may be wrong, and everything around it still fits. Proofs are RFC 6962's own recursive definitions.
"""

import base64
import hashlib
import json
import zipfile
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

__all__ = [
    "KEY_EVENTS",
    "a_bundle",
    "a_tiles_tree",
    "bundle_members",
    "entries_about",
    "path_of",
    "proof_of",
    "root_of",
    "said",
    "zipped",
]

KEY_EVENTS = ("genesis", "key-grant", "key-revoke", "key-rotate", "log-rotate", "threshold", "erasure")


def said(record: bytes) -> dict[str, Any]:
    """Return the statement of a record."""
    statement: dict[str, Any] = json.loads(base64.b64decode(json.loads(record)["entry"]["payload"]))
    return statement


def _kind(record: bytes) -> str:
    return str(said(record)["predicateType"].split(":")[2])


# -- RFC 6962, section 2.1 ---------------------------------------------------------------------------------------------


def _hash(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _cut(leaves: Sequence[bytes]) -> int:
    cut: int = 1 << (len(leaves) - 1).bit_length() - 1
    return cut


def root_of(leaves: Sequence[bytes]) -> bytes:
    if len(leaves) < 2:
        return leaves[0] if leaves else _hash(b"")
    cut = _cut(leaves)
    return _hash(b"\x01" + root_of(leaves[:cut]) + root_of(leaves[cut:]))


def path_of(seq: int, leaves: Sequence[bytes]) -> list[bytes]:
    if len(leaves) < 2:
        return []
    cut = _cut(leaves)
    if seq < cut:
        return [*path_of(seq, leaves[:cut]), root_of(leaves[cut:])]
    return [*path_of(seq - cut, leaves[cut:]), root_of(leaves[:cut])]


def proof_of(size: int, leaves: Sequence[bytes], whole: bool = True) -> list[bytes]:
    if size == len(leaves):
        return [] if whole else [root_of(leaves)]
    cut = _cut(leaves)
    if size <= cut:
        return [*proof_of(size, leaves[:cut], whole), root_of(leaves[cut:])]
    return [*proof_of(size - cut, leaves[cut:], False), root_of(leaves[:cut])]


# -- the page: Proofs, bundles and tiles -------------------------------------------------------------------------------


def _lines(hashes: Sequence[bytes]) -> bytes:
    return b"".join(base64.b64encode(h) + b"\n" for h in hashes)


def entries_about(records: Sequence[bytes], model: str, version: int) -> list[int]:
    """Name the entries that a bundle about a version holds."""
    runs: list[str] = []
    found = []
    for seq, record in enumerate(records):
        predicate, kind = said(record)["predicate"], _kind(record)
        if kind == "run" and (predicate["model"], predicate["status"]) == (model, "succeeded"):
            runs.append(hashlib.sha256(b"\x00" + record).hexdigest())
            found += [seq] if len(runs) == version else []
        about = (predicate.get("model"), predicate.get("version")) == (model, version)
        if kind in (*KEY_EVENTS, "stage") or about:
            found.append(seq)
    return found


def bundle_members(
    records: Sequence[bytes],
    numbers: Collection[int],
    checkpoint: bytes,
    vkeys: bytes,
    *,
    artifacts: Callable[[str], bytes | None] = lambda digest: None,
    anchors: Mapping[str, bytes] | None = None,
    about: str = "credit@2",
) -> dict[str, bytes]:
    """Make the members of a bundle; `checkpoint` is of the first `size` records, whatever it says."""
    origin, size = checkpoint.decode().split("\n")[0], int(checkpoint.decode().split("\n")[1])
    leaves = [_hash(b"\x00" + record) for record in records[:size]]
    members = {
        "README.txt": b"Check it with openssl and sha256sum.\n",
        "manifest.json": json.dumps(
            {
                "about": about,
                "entries": sorted(numbers),
                "origin": origin,
                "size": size,
                "type": "urn:affidavit:bundle:v1",
            },
            separators=(",", ":"),
            ensure_ascii=False,
        ).encode(),
        "checkpoint": checkpoint,
        "vkey.txt": vkeys,
        **(anchors or {}),
    }  # fmt: skip
    heads = [int(note.split(b"\n")[1]) for name, note in members.items() if name.endswith(".note")]
    keys: dict[str, str] = {}
    for seq in sorted(numbers):
        record, statement = records[seq], said(records[seq])
        key = statement["predicate"].get("key")
        keys |= {key["keyid"]: key["public"]} if isinstance(key, dict) else {}
        proof = (
            f"c2sp.org/tlog-proof@v1\nindex {seq}\n".encode()
            + _lines(path_of(seq, leaves))
            + b"\n"
            + checkpoint
        )
        members |= {f"entries/{seq}.json": record, f"entries/{seq}.tlog-proof": proof}
        heads.append(statement["predicate"]["observed"]["size"])
        for signature in json.loads(record)["entry"]["signatures"]:
            if signature["keyid"] in keys:
                public = load_der_public_key(base64.b64decode(keys[signature["keyid"]]))
                members[f"keys/{signature['keyid']}.pem"] = public.public_bytes(
                    Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
                )
        members |= _artifacts(statement, artifacts)
    members |= {f"consistency/{s}": _lines(proof_of(s, leaves)) for s in heads if 0 < s < size}
    return members


def _artifacts(statement: dict[str, Any], artifacts: Callable[[str], bytes | None]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    kind = statement["predicateType"].split(":")[2]
    for subject in statement["subject"]:
        digest = subject["digest"]["sha256"]
        data = artifacts(digest) if kind in ("stage", "report") else None
        if data is not None:
            found["report.pdf" if kind == "report" else f"artifacts/{digest}"] = data
    return found


def zipped(path: Path, members: Mapping[str, bytes]) -> Path:
    """Write a zip file."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return path


def a_bundle(path: Path, *arguments: Any, **more: Any) -> Path:
    """Write a bundle."""
    return zipped(path, bundle_members(*arguments, **more))


def a_tiles_tree(folder: Path, records: Sequence[bytes], checkpoint: bytes, vkeys: bytes) -> Path:
    """Write a tiles tree (C2SP tlog-tiles)."""
    folder.mkdir(parents=True)
    (folder / "checkpoint").write_bytes(checkpoint)
    (folder / "vkey.txt").write_bytes(vkeys)
    bodies = [len(record).to_bytes(2, "big") + record for record in records]
    _tiles(folder / "tile" / "entries", bodies)
    hashes, level = [_hash(b"\x00" + record) for record in records], 0
    while hashes:
        _tiles(folder / "tile" / str(level), hashes)
        hashes = [root_of(hashes[n : n + 256]) for n in range(0, len(hashes) - 255, 256)]
        level += 1
    return folder


def _tiles(folder: Path, pieces: Sequence[bytes]) -> None:
    for start in range(0, len(pieces), 256):
        tile = pieces[start : start + 256]
        number, path = start // 256, f"{start // 256 % 1000:03d}"
        while number := number // 1000:
            path = f"x{number % 1000:03d}/{path}"
        place = folder / (path if len(tile) == 256 else f"{path}.p/{len(tile)}")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(b"".join(tile))
