#!/usr/bin/env python3
"""Verify an affidavit bundle (a zip file) or a tiles tree (a folder), offline and without affidavit.

    python verify_affidavit.py evidence.zip --key 'bank.example/models+faa7f5fb+AcHnnJ5D...'
    python verify_affidavit.py tiles/ --checkpoint kept-elsewhere.checkpoint

Needs Python 3.9 and the package `cryptography`. Reads what it is given, writes nothing, opens no connection.
Exit status: 0 no step failed, 1 one did, or what was asked could not be answered; 2 no bundle and no tiles tree can be
read from it, or an option is wrong; 141 who read the answer went away.

Written from the page "The format of a ledger" (cited by its headings) and the standards that it names: RFC 6962 and
RFC 9162 (tree, proofs), RFC 8785 (canonical JSON), DSSE v1, in-toto Statement v1, C2SP signed-note, tlog-checkpoint,
tlog-proof, tlog-tiles and tlog-cosignature, RFC 8032 (Ed25519). It shares no code with affidavit.

Rules:
- Deny unless: what does not read exactly as the page has it fails, and what an entry that failed says is not believed.
- A step is passed, failed or skipped, and skipped is never a pass. What was checked is counted, and nothing else.
- Whose ledger this is, no evidence can say itself: bring the log's verifier key (--key) or a checkpoint
  (--checkpoint) from elsewhere.
- Entries are read one after another; what stays in memory is about 64 bytes of hashes and an id for each.

To be read from top to bottom, each part on those before it:

 1 what all of it uses           5 keys and signatures           9 zip files
 2 canonical JSON                6 signed notes, checkpoints    10 bundles and tiles trees
 3 the shapes of statements      7 entries                      11 the steps: begin here to see what is checked
 4 the tree and its proofs       8 who may say what             12 the answer, and 13 the command line
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import os
import re
import shutil
import stat
import struct
import sys
import textwrap
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, Union

try:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.hashes import SHA256
except ModuleNotFoundError as absent:
    print(f"verify_affidavit: {absent.name} is missing here: pip install cryptography", file=sys.stderr)
    raise SystemExit(2) from None

# -- 1. what all of it uses ------------------------------------------------------------------------------------------

MOST_RECORD = 65_535  # page, Record
MOST_SIGNATURES = 16  # on an envelope
MOST_DEPTH = 64  # lists and objects within each other
MOST_TEXT = 1 << 20  # a checkpoint, a proof, a key, the table of contents
MOST_MEMBERS = 20_000  # page, Proofs, bundles and tiles
MOST_UNPACKED = 1 << 30  # all members of a bundle together
MOST_LISTED = 20  # entries in a sentence


class Wrong(Exception):
    """Something in the evidence is not as it has to be: one sentence."""


class Unusable(Exception):
    """What was given is no evidence, or no key or checkpoint to hold it against: one sentence."""


def need(true: object, sentence: str) -> None:
    """Raise `Wrong` unless it is true."""
    if not true:
        raise Wrong(sentence)


def counted(number: int, one: str, many: str) -> str:
    """Write how many there are of something."""
    return f"{number} {one if number == 1 else many}"


def sha256(data: bytes) -> bytes:
    """Hash."""
    return hashlib.sha256(data).digest()


def unbase64(text: str, what: str) -> bytes:
    """Read base64 (RFC 4648, section 4) that is written in the one way there is."""
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except ValueError:
        raise Wrong(f"{what} is not base64") from None
    need(base64.b64encode(data).decode() == text, f"{what} is base64, but not as it is written")
    return data


# -- 2. canonical JSON: page, Record; RFC 8785 -----------------------------------------------------------------------

# RFC 8785, 3.2.2.2: two characters where there is such an escape, \u00xx for other controls, the rest as it is.
ESCAPES = {code: f"\\u{code:04x}" for code in range(32)}
ESCAPES.update({8: "\\b", 9: "\\t", 10: "\\n", 12: "\\f", 13: "\\r", 34: '\\"', 92: "\\\\"})


def canonical(value: Any, depth: int = 0) -> str:
    """Write a value as RFC 8785 has it; raise `Wrong` for what is outside of the page's domain."""
    too_deep = depth >= MOST_DEPTH and isinstance(value, (list, dict))
    need(not too_deep, f"it is nested more than {MOST_DEPTH} deep")
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int):
        need(abs(value) < 1 << 53, "a number is larger than 2^53-1")
        return str(value)
    if isinstance(value, str):
        return '"' + value.translate(ESCAPES) + '"'
    if isinstance(value, list):
        return "[" + ",".join(canonical(one, depth + 1) for one in value) + "]"
    need(isinstance(value, dict) and all(name.isascii() for name in value), "a member's name is not ASCII")
    written = (f"{canonical(name)}:{canonical(value[name], depth + 1)}" for name in sorted(value))
    return "{" + ",".join(written) + "}"


def parse_json(data: bytes, what: str) -> Any:
    """Read canonical JSON: read it, write it again, and compare the bytes (a member twice is lost, and seen)."""

    def integer(digits: str) -> int:
        need(len(digits) < 18, f"{what} has a number larger than 2^53-1")
        return int(digits)

    def refuse(number: str) -> None:
        raise Wrong(f"{what} has a number that is no integer")

    try:
        value = json.loads(data.decode(), parse_int=integer, parse_float=refuse, parse_constant=refuse)
        same = canonical(value).encode() == data  # a lone surrogate cannot be encoded: ValueError
    except (ValueError, RecursionError):
        raise Wrong(f"{what} is not JSON in UTF-8") from None
    need(same, f"{what} is not canonical JSON")
    return value


# -- 3. the shapes of statements: what the page's tables say, as data ------------------------------------------------

PREFIX = "urn:affidavit:"
ROLES = ("admin", "recorder", "validator", "approver", "auditor", "witness")
MAY_SAY = {  # page, Kinds, and who may say them
    **dict.fromkeys(("genesis", "key-grant", "key-revoke", "key-rotate", "log-rotate"), ("admin",)),
    **dict.fromkeys(("threshold", "erasure", "stage"), ("admin",)),
    "run": ("recorder",),
    "approval": ("validator", "approver"),
    "decision": ("approver",),
    "reproduction": ("recorder", "validator", "auditor"),
    "report": ("recorder", "validator", "approver", "auditor"),
}
HEX64 = re.compile(r"[0-9a-f]{64}\Z")
UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\Z")
DIGEST = re.compile(rb'(?<![0-9a-f])([0-9a-f]{64})"(?!:)')  # at the end of a text that is no member's name
DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z\Z")


def is_time(value: Any) -> bool:
    """RFC 3339 in UTC with microseconds, on a day that there is."""
    try:
        return bool(DATE.match(value) and datetime.strptime(value, "%Y-%m-%dT%H:%M:%S.%fZ"))
    except (TypeError, ValueError):
        return False


def is_count(value: Any) -> bool:
    """Say whether it is a number from 0 on; true and false are none."""
    return type(value) is int and value >= 0


# A shape is a text (this one), a pattern, a type, a test, a list (at least one, all of that shape), or a dict (exactly
# these members).
ENVELOPE = {
    "payload": str,
    "payloadType": "application/vnd.in-toto+json",
    "signatures": [{"keyid": HEX64, "sig": str}],
}
RECORD = {
    "type": PREFIX + "record:v1", "log": str, "seq": is_count, "prev": HEX64, "time": is_time, "entry": ENVELOPE,
}  # fmt: skip
STATEMENT = {
    "_type": "https://in-toto.io/Statement/v1",
    "subject": [{"name": str, "digest": {"sha256": HEX64}}],
    "predicateType": re.compile(PREFIX + "(?:" + "|".join(MAY_SAY) + r"):v1\Z"),
    "predicate": dict,
}
COMMON = {
    "ledger": str, "entry_id": UUID7, "signed_at": is_time, "role": re.compile("(?:" + "|".join(ROLES) + r")\Z"),
    "observed": {"size": is_count, "root": HEX64},
}  # fmt: skip
REFERENCE = {"subject": re.compile(r"[0-9a-f]{32}\Z"), "commitment": HEX64}
KEY = {"name": str, "keyid": HEX64, "public": str, "roles": [COMMON["role"]], "holder": HEX64}
MANIFEST = {
    "type": PREFIX + "bundle:v1", "about": str, "origin": str, "size": is_count, "entries": [is_count],
}  # fmt: skip


def check_shape(value: Any, shape: Any, what: str) -> None:
    """Raise `Wrong` unless a value has a shape; the sentence names the place."""
    if isinstance(shape, dict):
        same = isinstance(value, dict) and set(value) == set(shape)
        need(same, f"{what} has not exactly {', '.join(shape)}")
        for name, inner in shape.items():
            check_shape(value[name], inner, f"{what}.{name}")
    elif isinstance(shape, list):
        need(isinstance(value, list) and value, f"{what} is no list with something in it")
        for place, one in enumerate(value):
            check_shape(one, shape[0], f"{what}[{place}]")
    elif isinstance(shape, str):
        need(value == shape, f"{what} is not {shape}")
    elif isinstance(shape, re.Pattern):
        need(isinstance(value, str) and shape.match(value), f"{what} is not written as it has to be")
    else:
        good = isinstance(value, shape) if isinstance(shape, type) else shape(value)
        need(good, f"{what} is of another kind than it has to be")


# -- 4. the tree and its proofs: RFC 6962, section 2.1 ---------------------------------------------------------------

EMPTY_ROOT = sha256(b"")


def leaf_hash(record: bytes) -> bytes:
    """Hash a leaf."""
    return sha256(b"\x00" + record)


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash two subtrees."""
    return sha256(b"\x01" + left + right)


class Tree:
    """The hashes of all complete subtrees, level by level: enough for the root at any size and for every tile."""

    def __init__(self) -> None:
        self.size, self.levels = 0, [bytearray()]

    def append(self, leaf: bytes) -> None:
        """Add a leaf, and every subtree that it completes."""
        self.size += 1
        self.levels[0] += leaf
        level = 0
        while (self.size >> level) % 2 == 0:
            pair = bytes(self.levels[level][-64:])
            level += 1
            self.levels += [bytearray()] if level == len(self.levels) else []
            self.levels[level] += node_hash(pair[:32], pair[32:])

    def root(self, size: int) -> bytes:
        """Return the root of the first `size` leaves: its complete subtrees, joined from the right."""
        root = b""
        for level in range(size.bit_length()):
            if size >> level & 1:
                end = (size >> level) * 32
                node = bytes(self.levels[level][end - 32 : end])
                root = node_hash(node, root) if root else node
        return root or EMPTY_ROOT


def root_by_inclusion(seq: int, size: int, leaf: bytes, proof: Sequence[bytes]) -> bytes:
    """RFC 9162, 2.1.3.2: return the root that an inclusion proof leads to."""
    need(seq < size, "its number is beyond the tree")
    first, last, root = seq, size - 1, leaf
    for node in proof:
        need(last > 0, "its inclusion proof is too long")
        if first & 1 or first == last:
            root = node_hash(node, root)
            while first and not first & 1:
                first, last = first >> 1, last >> 1
        else:
            root = node_hash(root, node)
        first, last = first >> 1, last >> 1
    need(last == 0, "its inclusion proof is too short")
    return root


def check_consistency(old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]) -> None:
    """RFC 9162, 2.1.4.2, for 0 < old < new: check that the larger tree begins with the smaller one."""
    need(proof, "the consistency proof is empty")
    path = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    first, last = old - 1, new - 1
    while first & 1:
        first, last = first >> 1, last >> 1
    left = right = path[0]
    for node in path[1:]:
        need(last > 0, "the consistency proof is too long")
        if first & 1 or first == last:
            left, right = node_hash(node, left), node_hash(node, right)
            while first and not first & 1:
                first, last = first >> 1, last >> 1
        else:
            right = node_hash(right, node)
        first, last = first >> 1, last >> 1
    need(last == 0, "the consistency proof is too short")
    need(right == new_root, "the consistency proof does not lead to the checkpoint")
    need(left == old_root, f"the head of {old} entries is of another history")


def parse_hashes(lines: Sequence[str], what: str) -> list[bytes]:
    """Read the hashes of a proof, one to a line."""
    hashes = [unbase64(line, what) for line in lines]
    need(len(hashes) < 64 and all(len(h) == 32 for h in hashes), f"{what} is not at most 63 hashes")
    return hashes


# -- 5. keys and signatures: page, Record; RFC 8032 ------------------------------------------------------------------

FIELD = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
CURVE_D = -121665 * pow(121666, FIELD - 2, FIELD) % FIELD


def add_points(p: tuple[int, ...], q: tuple[int, ...]) -> tuple[int, ...]:
    """RFC 8032, 5.1.4: add two points in extended coordinates; the formula is complete."""
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % FIELD, (p[1] + p[0]) * (q[1] + q[0]) % FIELD
    c, d = 2 * p[3] * q[3] * CURVE_D % FIELD, 2 * p[2] * q[2] % FIELD
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % FIELD, g * h % FIELD, f * g % FIELD, e * h % FIELD


@lru_cache(maxsize=1024)
def is_prime_order(raw: bytes) -> bool:
    """Page, Record: an Ed25519 key is the canonical encoding (RFC 8032, 5.1.3) of a point of prime order."""
    y, sign = int.from_bytes(raw, "little") & (1 << 255) - 1, raw[31] >> 7
    if y >= FIELD or y == 1:  # not reduced, or the neutral element
        return False
    u, v = (y * y - 1) % FIELD, (CURVE_D * y * y + 1) % FIELD
    x = u * pow(v, 3, FIELD) * pow(u * pow(v, 7, FIELD), (FIELD - 5) // 8, FIELD) % FIELD
    if v * x * x % FIELD == FIELD - u:
        x = x * pow(2, (FIELD - 1) // 4, FIELD) % FIELD
    if v * x * x % FIELD != u or (x == 0 and sign):
        return False
    x = FIELD - x if x & 1 != sign else x
    point: tuple[int, ...] = (x, y, 1, x * y % FIELD)
    total: tuple[int, ...] = (0, 1, 1, 0)
    for bit in bin(ORDER)[2:]:
        total = add_points(total, total)
        total = add_points(total, point) if bit == "1" else total
    return total[0] == 0 and total[1] == total[2]


PublicKey = Union[Ed25519PublicKey, EllipticCurvePublicKey]
# What stands before the key itself, in the one DER form of each: RFC 8410, section 4, and RFC 5480, section 2.
ED25519_DER = bytes.fromhex("302a300506032b6570032100")
P256_DER = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004")


def load_public(der: bytes) -> PublicKey:
    """Read a SubjectPublicKeyInfo of Ed25519, or of ECDSA on P-256."""
    if der.startswith(ED25519_DER) and len(der) == 44:
        need(is_prime_order(der[12:]), "the Ed25519 key is no point of prime order")
        return Ed25519PublicKey.from_public_bytes(der[12:])
    need(der.startswith(P256_DER) and len(der) == 91, "the key is neither Ed25519 nor P-256, in DER")
    try:
        return EllipticCurvePublicKey.from_encoded_point(SECP256R1(), der[26:])
    except ValueError:
        raise Wrong("the P-256 key is no point of the curve") from None


def is_signed(key: PublicKey, signature: bytes, message: bytes) -> bool:
    """Say whether a signature over a message is by this key."""
    try:
        if isinstance(key, Ed25519PublicKey):
            key.verify(signature, message)
        else:
            key.verify(signature, message, ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True


# The form of a certificate (RFC 7468) and of a timestamp token (RFC 3161): what they say is left to openssl.
PEM = re.compile(
    rb"[ \t\r\n]*-----BEGIN CERTIFICATE-----([A-Za-z0-9+/= \t\r\n]*)-----END CERTIFICATE-----[ \t\r\n]*"
)


def are_pems(data: bytes) -> bool:
    """Say whether bytes are certificates in PEM (RFC 7468), one or more and nothing else."""
    bodies = PEM.findall(data)
    try:
        inside = [base64.b64decode(b"".join(body.split()), validate=True) for body in bodies]
    except ValueError:
        return False
    return bool(inside) and not PEM.sub(b"", data) and all(map(is_der, inside))


def is_der(data: bytes) -> bool:
    """Say whether bytes are one SEQUENCE in DER and nothing after it (X.690, 8.1.3 and 10.1), of less than 4 GiB."""
    if len(data) < 2 or data[0] != 0x30 or not (data[1] < 0x80 or 0x81 <= data[1] <= 0x84):
        return False
    width = data[1] & 0x7F if data[1] > 0x7F else 0
    digits = data[2 : 2 + width]
    length = int.from_bytes(digits, "big") if width else data[1]
    shortest = not width or (length > 0x7F and digits[0] != 0)
    return shortest and len(data) == 2 + width + length


# -- 6. signed notes and checkpoints: C2SP ---------------------------------------------------------------------------

LOG_KEY, WITNESS_KEY = 1, 4  # signed-note, Signature types
SPACES = re.compile("[\x09-\x0d\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]")


class VerifierKey(NamedTuple):
    """C2SP signed-note, Verifier keys."""

    name: str
    kind: int
    raw: bytes

    @property
    def hash(self) -> bytes:
        """SHA-256(name || 0x0A || kind || key)[:4]."""
        return sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.raw)[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.hash.hex()}+{base64.b64encode(bytes([self.kind]) + self.raw).decode()}"


def parse_vkey(line: Any, kind: int) -> VerifierKey:
    """Read a verifier key of this kind."""
    need(isinstance(line, str) and line.count("+") >= 2, "a verifier key is written name+hash+base64")
    name, _, data = line.split("+", 2)
    blob = unbase64(data, "the verifier key")
    need(len(blob) == 33 and blob[0] == kind, f"the verifier key is not the byte 0x0{kind} and 32 bytes")
    need(name and not SPACES.search(name), "the verifier key's name is empty or has a space")
    key = VerifierKey(name, kind, blob[1:])
    need(str(key) == line, "the verifier key's hash is not that of its name and key")
    need(is_prime_order(key.raw), "the verifier key is no point of prime order")
    return key


def parse_vkeys(data: bytes) -> list[VerifierKey]:
    """Read vkey.txt: the log's verifier keys, a line for each, the oldest first."""
    lines = data.decode("utf-8", "replace").split("\n")
    need(lines.pop() == "", "vkey.txt does not end in a newline")
    return [parse_vkey(line, LOG_KEY) for line in lines]


class Checkpoint(NamedTuple):
    """C2SP tlog-checkpoint: a signed note whose text is origin, size and root."""

    origin: str
    size: int
    root: bytes
    body: bytes  # what is signed: up to and with the newline before the empty line
    lines: tuple[tuple[str, bytes, bytes], ...]  # name, hash of the key, signature

    def place_of(self, key: VerifierKey) -> int | None:
        """Return the place of a key's signature, or None; where it does not verify, raise `Wrong`.

        signed-note, Signatures: a signature by a known key that does not verify fails the whole note.
        """
        found = None
        for place, (name, hash_, signature) in enumerate(self.lines):
            if (name, hash_) == (key.name, key.hash):
                message = self.body
                if key.kind == WITNESS_KEY:  # tlog-cosignature, Ed25519 signed message
                    need(0 < self.time(place) < 1 << 63, f"the cosignature by {name} states no time")
                    message = b"cosignature/v1\ntime %d\n" % self.time(place) + message
                    signature = signature[8:]
                good = is_signed(Ed25519PublicKey.from_public_bytes(key.raw), signature, message)
                need(good, f"the signature by {name} on the head of {self.size} entries does not verify")
                found = place if found is None else found
        return found

    def time(self, place: int) -> int:
        """Return the POSIX time that a cosignature states."""
        return int.from_bytes(self.lines[place][2][:8], "big")


def parse_signature_line(line: str) -> tuple[str, bytes, bytes]:
    """Read em dash, space, name, space, base64 (signed-note, Format)."""
    parts = line.split(" ")
    need(len(parts) == 3 and parts[0] == "\u2014", "a signature line is not dash, name and base64")
    need(parts[1] and "+" not in parts[1] and not SPACES.search(parts[1]), "a signature has no usable name")
    data = unbase64(parts[2], "a signature")
    need(len(data) > 4, "a signature is too short")
    return parts[1], data[:4], data[4:]


def parse_checkpoint(data: bytes) -> Checkpoint:
    """Read a checkpoint of exactly three lines, with 1 to 64 signatures."""
    try:
        note = data.decode()
    except ValueError:
        raise Wrong("the checkpoint is not UTF-8") from None
    need(not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", note), "the checkpoint has control characters")
    body, empty, signatures = note.rpartition("\n\n")
    need(empty and signatures.endswith("\n"), "the checkpoint is no text, empty line and signature lines")
    lines = tuple(map(parse_signature_line, signatures[:-1].split("\n")))
    said = body.split("\n")
    need(len(said) == 3 and said[0] and len(lines) <= 64, "the checkpoint is not origin, size and root")
    need(re.match(r"(?:0|[1-9][0-9]{0,14})\Z", said[1]), "the checkpoint's size is no number")
    root = unbase64(said[2], "the checkpoint's root")
    need(len(root) == 32, "the checkpoint's root is not 32 bytes")
    return Checkpoint(said[0], int(said[1]), root, f"{body}\n".encode(), lines)


def posix_time(seconds: int) -> str:
    """Write a POSIX time."""
    try:
        return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        raise Wrong(f"{seconds} is no time") from None


# -- 7. entries: page, Record, envelope, statement -------------------------------------------------------------------


class Entry(NamedTuple):
    """A record that was read strictly."""

    seq: int
    prev: str
    time: str
    signatures: list[tuple[str, bytes]]
    payload: bytes
    kind: str
    subjects: list[str]
    said: dict[str, Any]  # the predicate


def parse_record(record: bytes, seq: int, origin: str) -> Entry:
    """Read a record that has to stand at this place of this ledger."""
    need(len(record) <= MOST_RECORD, f"the record is longer than {MOST_RECORD} bytes")
    outer = parse_json(record, "the record")
    check_shape(outer, RECORD, "record")
    need(outer["log"] == origin, "the record is of another log")
    need(outer["seq"] == seq, f"the record says that it is entry {outer['seq']}")
    envelope = outer["entry"]
    need(len(envelope["signatures"]) <= MOST_SIGNATURES, f"it has more than {MOST_SIGNATURES} signatures")
    signatures = [(one["keyid"], unbase64(one["sig"], "a signature")) for one in envelope["signatures"]]
    payload = unbase64(envelope["payload"], "the payload")
    statement = parse_json(payload, "the statement")
    check_shape(statement, STATEMENT, "statement")
    said = statement["predicate"]
    check_shape({name: said[name] for name in COMMON if name in said}, COMMON, "predicate")
    check_references(said.get("refers_to", []))
    kind = statement["predicateType"][len(PREFIX) : -len(":v1")]
    subjects = [subject["digest"]["sha256"] for subject in statement["subject"]]
    return Entry(seq, outer["prev"], outer["time"], signatures, payload, kind, subjects, said)


def check_references(listed: Any) -> None:
    """Page, Erasure: `refers_to` is a list of subjects by their numbers, each once, with a commitment."""
    need(isinstance(listed, list), "refers_to is no list")
    for one in listed:
        check_shape(one, REFERENCE, "refers_to")
    need(len({one["subject"] for one in listed}) == len(listed), "refers_to names a subject twice")


# -- 8. who may say what: page, Keys over time -----------------------------------------------------------------------


class Key(NamedTuple):
    """A key with the roles that it holds."""

    name: str
    public: PublicKey
    der: bytes
    roles: tuple[str, ...]
    holder: str
    expires: int | None
    rotated: bool = False

    def holds(self, role: str, seq: int) -> bool:
        """Say whether the key holds a role at an entry."""
        return role in self.roles and (self.expires is None or self.expires > seq)


def parse_key(value: Any, seq: int) -> tuple[str, Key]:
    """Read the member `key` of a genesis, a grant or a rotation."""
    expires = isinstance(value, dict) and "expires" in value
    check_shape(value, {**KEY, "expires": is_count} if expires else KEY, "key")
    need(not expires or value["expires"] > seq + 1, "the key expires before it can sign anything")
    name, roles, der = value["name"], value["roles"], unbase64(value["public"], "the key")
    usable = 0 < len(name) <= 100 and name.isprintable() and unicodedata.is_normalized("NFC", name)
    need(usable, "the key's name is not usable")
    need(roles == sorted(set(roles)), "the key's roles are not in order, each once")
    need(sha256(der).hex() == value["keyid"], "the keyid is not the SHA-256 of the key")
    key = Key(name, load_public(der), der, tuple(roles), value["holder"], value.get("expires"))
    return value["keyid"], key


REASONED = ("key-revoke", "key-rotate", "log-rotate", "erasure")


def check_subject(entry: Entry) -> None:
    """Page, Keys over time; page, Erasure: the one subject of such an entry follows from what it says."""
    said, kind = entry.said, entry.kind
    if kind in ("genesis", "key-grant", "key-rotate"):
        key = said.get("key")
        expected = key.get("keyid") if isinstance(key, dict) else None
    elif kind == "key-revoke":
        expected = said.get("keyid")
    elif kind == "log-rotate":
        expected = sha256(ED25519_DER + parse_vkey(said.get("log"), LOG_KEY).raw).hex()
    elif kind == "threshold":
        expected = sha256(said["ledger"].encode()).hex()
    elif kind == "erasure":
        known = said.get("erased") in ("holder", "subject") and isinstance(said.get("id"), str)
        need(known, "the erasure does not say whose row was erased")
        expected = sha256(said["id"].encode()).hex()
    else:
        return
    need(entry.subjects == [expected], f"the subject of the {kind} is not what it is about")
    need(kind not in REASONED or isinstance(said.get("reason"), str), f"the {kind} gives no reason")


class Trust:
    """Which key holds which roles, and which is the log's; learned from one entry after another."""

    def __init__(self) -> None:
        self.keys: dict[str, Key] = {}
        self.needed = 1
        self.log: list[tuple[int, VerifierKey]] = []  # the log's keys, each with the size that it signs first
        self.suspect: list[tuple[str, int, int]] = []  # keyid, suspect since, up to the revocation
        self.given: list[
            tuple[str, int, list[str]]
        ] = []  # keyid, the entry that gave it roles, who signed that

    def check(self, entry: Entry) -> None:
        """Raise `Wrong` unless every signature is by a key that held the statement's role at this entry."""
        role, keys = entry.said["role"], self.keys
        need(role in MAY_SAY[entry.kind], f"a statement of the kind {entry.kind} may not be said as {role}")
        need((entry.kind == "genesis") == (entry.seq == 0), "the genesis entry is the first, and no other is")
        if entry.kind == "genesis":  # signed by the key that it names
            keys = dict([parse_key(entry.said.get("key"), 0)])
        message = b"DSSEv1 28 application/vnd.in-toto+json %d %s" % (len(entry.payload), entry.payload)
        for keyid, signature in entry.signatures:
            need(keyid in keys, f"it is signed by {keyid[:16]}, a key that was not granted")
            key = keys[keyid]
            need(key.holds(role, entry.seq), f"the key {key.name!r} does not hold the role {role} here")
            need(is_signed(key.public, signature, message), f"the signature by {key.name!r} does not verify")
        signers = len({keyid for keyid, _ in entry.signatures})  # a keyid is a hash: one key is one key
        need(signers == len(entry.signatures), "one key signed twice")
        needed = self.needed if role == "admin" else 1
        need(signers >= needed, f"it is signed by {signers} keys, and {needed} are needed")

    def learn(self, entry: Entry) -> None:
        """Take in what an entry says about keys; it holds from the next entry on, and not at all where it fails."""
        if "admin" in MAY_SAY[entry.kind]:
            before = dict(self.keys), self.needed, list(self.log), list(self.suspect), list(self.given)
            try:
                check_subject(entry)
                self.take_in(entry)
            except Wrong:
                self.keys, self.needed, self.log, self.suspect, self.given = before
                raise

    def take_in(self, entry: Entry) -> None:
        """Change what is trusted."""
        said, seq = entry.said, entry.seq
        if entry.kind == "genesis":
            need(said.get("format") == PREFIX + "ledger:v1", "the ledger's format is another")
            self.rotate_log(0, said)
        if entry.kind in ("genesis", "key-grant"):
            self.grant(*parse_key(said.get("key"), seq))
        if entry.kind in ("genesis", "key-grant", "key-rotate"):
            self.given.append((said["key"]["keyid"], seq, [keyid for keyid, _ in entry.signatures]))
        if entry.kind == "key-revoke":
            self.revoke(said, seq)
        if entry.kind == "key-rotate":
            self.rotate(said, seq)
        if entry.kind == "log-rotate":
            self.rotate_log(seq + 1, said)
        if entry.kind == "threshold":
            need(is_count(said.get("needed")) and 1 <= said["needed"] <= 16, "needed is not 1 to 16")
            self.needed = said["needed"]
        admins = sum(key.expires is None and "admin" in key.roles for key in self.keys.values())
        need(admins >= self.needed, f"{admins} admin keys that never expire are left of {self.needed} needed")

    def grant(self, keyid: str, key: Key) -> None:
        """Give a key these roles and no others."""
        others = [old for other, old in self.keys.items() if other != keyid and not old.rotated]
        need(all(key.name != old.name for old in others), f"the name {key.name!r} is taken by another key")
        need(all(key.der != ED25519_DER + log.raw for _, log in self.log), "the key is the log's own")
        self.keys[keyid] = key

    def revoke(self, said: dict[str, Any], seq: int) -> None:
        """Take a key's roles away."""
        keyid, since = said.get("keyid"), said.get("suspect_since")
        need(keyid in self.keys, "the key that it revokes was not granted")
        need(
            "suspect_since" in said, "it does not say since when the key is suspect, or that it is not (null)"
        )
        need(since is None or (is_count(since) and since <= seq), "suspect_since is no entry before this one")
        self.keys[str(keyid)] = self.keys[str(keyid)]._replace(roles=())
        self.suspect += [] if since is None else [(str(keyid), since, seq)]

    def rotate(self, said: dict[str, Any], seq: int) -> None:
        """Let a key take the place of another, with its name, roles and holder."""
        old = self.keys.get(str(said.get("keyid")))
        keyid, key = parse_key(said.get("key"), seq)
        need(keyid not in self.keys, "the new key was known before")
        if old is None or not any(old.holds(role, seq) for role in old.roles):
            raise Wrong("the key whose place it takes holds no role")
        same = (key.name, key.roles, key.holder, key.expires) == (
            old.name,
            old.roles,
            old.holder,
            old.expires,
        )
        need(same, "the new key has not the name, roles, holder and end of the old one")
        self.keys[said["keyid"]] = old._replace(roles=(), rotated=True)
        self.grant(keyid, key)

    def rotate_log(self, size: int, said: dict[str, Any]) -> None:
        """Let another key sign the heads from this size on."""
        key = parse_vkey(said.get("log"), LOG_KEY)
        need(key.name == said["ledger"], "the log's key is named for another ledger")
        need(all(k.der != ED25519_DER + key.raw for k in self.keys.values()), "the log's key is a person's")
        need(all(key.raw != old.raw for _, old in self.log), "the log had this key before")
        self.log.append((size, key))

    def doubts(self) -> dict[str, list[tuple[int, float, int | None]]]:
        """Page, Keys over time: for each key, from which entry to which what it signed is in doubt.

        The third number is the entry in doubt by which the key had its roles; None where the key itself is suspect.
        """
        found: dict[str, list[tuple[int, float, int | None]]] = {}
        ends = {seq: float("inf") for _, seq, _ in self.given}
        last: dict[str, int] = {}
        for keyid, seq, _ in self.given:
            if keyid in last:
                ends[last[keyid]] = seq
            last[keyid] = seq
        for keyid, since, to in self.suspect:
            found.setdefault(keyid, []).append((since, to, None))
        for keyid, seq, signers in self.given:  # in order: what a grant rests on stands before it
            if any(since <= seq <= to for signer in signers for since, to, _ in found.get(signer, [])):
                found.setdefault(keyid, []).append((seq + 1, ends[seq], seq))
        return found

    def log_keys(self, size: int) -> list[VerifierKey]:
        """Return the keys that sign a head: one, or old and new where the head ends with the rotation."""
        need(self.log, "the log's key cannot be told: there is no genesis entry that holds")
        at = max(n for n, (first, _) in enumerate(self.log) if first <= size)
        both = at > 0 and self.log[at][0] == size
        return [key for _, key in self.log[at - 1 if both else at : at + 1]]


# -- 9. zip files: PKWARE's APPNOTE, and of it no more than a bundle needs -------------------------------------------

LOCAL_HEADER = struct.Struct("<4s5H3L2H")  # APPNOTE, 4.3.7
BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError)


class Zip:
    """A zip file that every tool reads alike, once `check` has found so."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.end = end_of_members(path)
            self.file = zipfile.ZipFile(path)
        except BROKEN:
            raise Unusable(f"{path} is not a zip file that can be read, or was cut short") from None
        self.infos = self.file.infolist()
        self.members = {info.filename: info for info in self.infos}

    def read(self, name: str, most: int) -> bytes:
        """Read a member whole."""
        need(name in self.members, f"{name} is missing")
        need(self.members[name].file_size <= most, f"{name} is larger than {most} bytes")
        return b"".join(self.blocks(name))

    def blocks(self, name: str) -> Iterator[bytes]:
        """Read a member block by block, at most as many bytes as it declares; its CRC is checked at the end."""
        try:
            with self.file.open(self.members[name]) as file:
                block, left = file.read(1 << 20), self.members[name].file_size
                while block:
                    left -= len(block)
                    yield block
                    block = file.read(1 << 20)
            need(left == 0, f"{name} unpacks to fewer bytes than it declares")
        except BROKEN:
            raise Wrong(f"{name} cannot be unpacked, or its check sum is wrong") from None

    def check(self) -> None:
        """Check that no tool reads other members, or other bytes, than another; and how large they are."""
        need(len(self.infos) == len(self.members), "a member is in the zip file twice")
        plain = all(i.compress_type in (0, 8) and not i.flag_bits & ~0x806 for i in self.infos)
        need(plain, "a member is encrypted, has a data descriptor, or is neither stored nor deflated")
        files = all(stat.S_IFMT(i.external_attr >> 16) in (0, stat.S_IFREG) for i in self.infos)
        need(files, "a member is a link, or something else that is no plain file")
        small = len(self.infos) <= MOST_MEMBERS and sum(i.file_size for i in self.infos) <= MOST_UNPACKED
        need(small, f"the bundle has more than {MOST_MEMBERS} members, or unpacks to more than 1 GiB")
        self.check_layout()

    def check_layout(self) -> None:
        """Check that members lie one after another, each after the header that the table of contents has, too."""
        at = 0
        with self.path.open("rb") as file:
            for info in sorted(self.infos, key=lambda info: info.header_offset):
                file.seek(at)
                header = file.read(LOCAL_HEADER.size)
                need(len(header) == LOCAL_HEADER.size, f"{info.filename} is cut off")
                mark, _, flags, method, _, _, crc, packed, size, *lengths = LOCAL_HEADER.unpack(header)
                here = (at, mark, flags, method, crc, packed, size, file.read(lengths[0]))
                said = (info.header_offset, b"PK\x03\x04", info.flag_bits, info.compress_type, info.CRC)
                same = here == (*said, info.compress_size, info.file_size, info.filename.encode())
                need(same, f"{info.filename} is not where or what the table of contents says")
                plain = is_harmless(file.read(lengths[1])) and is_harmless(info.extra) and not info.comment
                need(plain, f"{info.filename} has a comment or a field that not every tool reads")
                at += LOCAL_HEADER.size + sum(lengths) + packed
        need(at == self.end, "there are bytes after the members that belong to none")


def end_of_members(path: Path) -> int:
    """Return where the table of contents begins, and bound it, before the zip module reads it.

    The end record is the last 22 bytes and no ZIP64 record stands before it, so that all tools read the same members.
    """
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 42))
        tail = file.read(42)
    end = tail[-22:]
    length, start = int.from_bytes(end[12:16], "little"), int.from_bytes(end[16:20], "little")
    alone = end[4:8] + end[20:] == bytes(6) and end[8:10] == end[10:12]  # one disk, no comment
    plain = end[:4] == b"PK\x05\x06" and alone and start + length == size - 22
    if not plain or length > MOST_MEMBERS * 200 or tail[:4] == b"PK\x06\x07":
        raise zipfile.BadZipFile
    return start


def is_harmless(extra: bytes) -> bool:
    """Say whether an extra field holds nothing but times (0x5455) and owners (0x7875), which change nothing."""
    at = 0
    while at + 4 <= len(extra):
        if extra[at : at + 2] not in (b"\x55\x54", b"\x75\x78"):
            return False
        at += 4 + int.from_bytes(extra[at + 2 : at + 4], "little")
    return at == len(extra)


# -- 10. bundles and tiles trees: page, Proofs, bundles and tiles ----------------------------------------------------

NUMBER = "(?:0|[1-9][0-9]{0,14})"
MEMBER = re.compile(
    r"(?:README\.txt|manifest\.json|checkpoint|vkey\.txt|report\.pdf|verify_affidavit\.(?:py|html)"
    rf"|entries/{NUMBER}\.(?:json|tlog-proof)|consistency/[1-9][0-9]{{0,14}}|keys/[0-9a-f]{{64}}\.pem"
    rf"|anchors/{NUMBER}\.(?:note|tsr|pem)|artifacts/[0-9a-f]{{64}})\Z"
)
OWNERS = (  # what stands beside a member, by how the member's name ends
    (re.compile(r"(entries/.*)\.tlog-proof\Z"), "json"),
    (re.compile(r"(entries/.*)\.json\Z"), "tlog-proof"),
    (re.compile(r"(anchors/.*)\.tsr\Z"), "note"),
    (re.compile(r"(anchors/.*)\.pem\Z"), "tsr"),
)


class SaidAbout:
    """What the entries of a bundle are about, learned from one after the other: page, Proofs, bundles and tiles."""

    def __init__(self) -> None:
        self.entries: set[int] = set()
        self.runs: dict[str, str] = {}  # by leaf hash: the model of each run that succeeded
        self.versions: dict[
            tuple[str, str], set[str]
        ] = {}  # by leaf hash and model: which version a run is said to be
        self.reported: dict[str, set[str]] = {}  # by model: the versions that reports are about

    def see(self, entry: Entry, leaf: str) -> None:
        """Learn from an entry that reads."""
        self.entries.add(entry.seq)
        model, version = entry.said.get("model"), entry.said.get("version")
        if not isinstance(model, str):
            return
        if entry.kind == "run" and entry.said.get("status") == "succeeded":
            self.runs[leaf] = model
        if type(version) is int and entry.kind == "report":
            self.reported.setdefault(model, set()).add(str(version))
        if type(version) is int and entry.kind in ("approval", "decision", "reproduction"):
            for subject in entry.subjects:
                self.versions.setdefault((subject, model), set()).add(str(version))

    def is_signed(self, about: str) -> bool:
        """Say whether the entries say it, or (False) the version is the maker's word; else it is wrong."""
        if about in {f"entry {seq}" for seq in self.entries}:
            return True
        model, _, version = about.rpartition("@")
        runs = [leaf for leaf, of in self.runs.items() if of == model]
        named = [self.versions.get((leaf, model)) or self.reported.get(model) for leaf in runs]
        signed = any(versions and version in versions for versions in named)
        word = None in named and re.match(r"[1-9][0-9]{0,14}\Z", version)
        # What it says is not quoted: nobody signed it, and it may be any sentence.
        need(
            signed or word,
            "what manifest.json says that the bundle is about is not what the entries in it are about",
        )
        return signed


class Bundle:
    """A bundle: entries with their proofs, in a zip file. Nothing in it is believed for its name's sake."""

    kind = "bundle"

    def __init__(self, path: Path) -> None:
        self.zip, self.about = Zip(path), ""
        self.claimed: str | None = None  # what the manifest says that it is about
        self.about_is_signed = True  # else which version that is, is its maker's word
        self.consistent = {0: EMPTY_ROOT}  # heads that were proved, by their size
        if not {"manifest.json", "checkpoint"} <= set(self.zip.members):
            raise Unusable(f"{path} is a zip file, but no bundle: it has no manifest.json and checkpoint")
        entries = (re.match(rf"entries/({NUMBER})\.json\Z", name) for name in self.zip.members)
        self.seqs = sorted(int(entry[1]) for entry in entries if entry)

    def read(self, name: str, most: int = MOST_TEXT) -> bytes:
        """Read a member whole."""
        return self.zip.read(name, most)

    def has(self, name: str) -> bool:
        """Say whether there is such a member."""
        return name in self.zip.members

    def check_files(self, head: Checkpoint) -> str:
        """Check names, form and sizes, and the table of contents; say what there is."""
        names = set(self.zip.members)
        strange = sorted(name for name in names if not MEMBER.match(name))
        need(not strange, f"{strange[:1]} is no member of a bundle")
        self.zip.check()
        needed = {"README.txt", "vkey.txt", "entries/0.json"}
        for name in names:
            owners = ((pattern.match(name), end) for pattern, end in OWNERS)
            needed |= {f"{found[1]}.{end}" for found, end in owners if found}
        need(needed <= names, f"missing: {', '.join(sorted(needed - names)[:5])}")
        said = parse_json(self.read("manifest.json"), "manifest.json")
        check_shape(said, MANIFEST, "manifest.json")
        self.claimed = said["about"]
        need((said["origin"], said["size"]) == head[:2], "manifest.json is about another checkpoint")
        need(said["entries"] == self.seqs, "manifest.json names other entries than there are")
        for name in names:  # those, too, that no other step reads
            for _ in self.zip.blocks(name):
                pass
        return f"{len(names)} members, each as the format page names it"

    def check_about(self, said: SaidAbout) -> None:
        """Check that it is about what its entries are about; only then is it said."""
        if self.claimed is not None and said.entries:
            self.about_is_signed = said.is_signed(self.claimed)
            self.about = self.claimed

    def records(self, head: Checkpoint) -> Iterator[tuple[int, bytes]]:
        """Yield the entries' numbers and records, rising."""
        for seq in self.seqs:
            yield seq, self.read(f"entries/{seq}.json", MOST_RECORD)

    def place(self, seq: int, leaf: bytes, head: Checkpoint) -> None:
        """C2SP tlog-proof: check that a leaf is in the tree of the bundle's checkpoint."""
        proof, empty, checkpoint = self.read(f"entries/{seq}.tlog-proof").partition(b"\n\n")
        lines = proof.decode("utf-8", "replace").split("\n")
        begins = lines[:2] == ["c2sp.org/tlog-proof@v1", f"index {seq}"]
        need(begins and empty, "its inclusion proof is not as it has to be written")
        need(checkpoint == self.read("checkpoint"), "its inclusion proof is under another checkpoint")
        root = root_by_inclusion(seq, head.size, leaf, parse_hashes(lines[2:], "its inclusion proof"))
        need(root == head.root, "its inclusion proof does not lead to the checkpoint: it is not in this tree")

    def proves(self, size: int, head: Checkpoint) -> bool:
        """Say whether there is a proof that so many entries are the beginning of the checkpoint's tree."""
        return size == head.size or size in self.consistent or self.has(f"consistency/{size}")

    def check_history(self, size: int, root: bytes, head: Checkpoint) -> None:
        """Check by a consistency proof that the checkpoint's tree begins with this head's."""
        name = f"consistency/{size}"
        if size not in self.consistent and size != head.size:
            need(size < head.size, f"the head of {size} entries is newer than the checkpoint")
            need(self.has(name), f"nothing proves that {size} entries are of this history: no {name}")
            lines = self.read(name).decode("utf-8", "replace").split("\n")
            need(lines.pop() == "", f"{name} does not end in a newline")
            check_consistency(size, root, head.size, head.root, parse_hashes(lines, name))
            self.consistent[size] = root
        same = root == self.consistent.get(size, head.root)
        need(same, f"the head of {size} entries is of another history")

    def heads(self, handovers: Sequence[int]) -> Iterator[tuple[str, int | None]]:
        """Name the other signed heads; of what size each has to be, its name does not say."""
        return ((name, None) for name in sorted(self.zip.members) if name.endswith(".note"))

    def check_tree(self, head: Checkpoint) -> str:
        """Say what was proved about the tree: inclusion was checked with each entry."""
        proofs = counted(len(self.seqs), "inclusion proof leads", "inclusion proofs lead")
        return f"{proofs} to the root of {head.size} entries"

    def check_rest(self, signers: dict[str, bytes], handovers: Sequence[int]) -> str:
        """Check that keys/ holds the keys that signed, and that no proof is about a head that is nowhere."""
        for keyid, der in signers.items():
            lines = textwrap.wrap(base64.b64encode(der).decode(), 64)  # RFC 7468
            pem = "\n".join(["-----BEGIN PUBLIC KEY-----", *lines, "-----END PUBLIC KEY-----", ""]).encode()
            there = self.read(f"keys/{keyid}.pem")
            need(there == pem, f"keys/{keyid}.pem is not the key that the ledger granted")
        used = {f"consistency/{size}" for size in self.consistent}
        used |= {f"keys/{keyid}.pem" for keyid in signers}
        mine = (name for name in self.zip.members if name.startswith(("keys/", "consistency/")))
        spare = sorted(name for name in mine if name not in used)
        need(not spare, f"{spare[:1]} belongs to none of the entries")
        return ""

    def artifacts(self) -> list[str]:
        """Name the files that entries have to name by their digests."""
        return sorted(n for n in self.zip.members if n.startswith("artifacts/") or n == "report.pdf")

    def blocks(self, name: str) -> Iterator[bytes]:
        """Read a member block by block."""
        return self.zip.blocks(name)


TILE = re.compile(r"tile/(?:entries|[0-9]{1,2})/(?:x[0-9]{3}/)*[0-9]{3}(?:\.p/[0-9]{1,3})?\Z")


class TilesTree:
    """A folder as C2SP tlog-tiles has it: all entries, and all hashes of their tree."""

    kind, about = "tiles tree", ""

    def __init__(self, path: Path) -> None:
        self.path, self.tree = path, Tree()
        if not (path / "checkpoint").is_file() or not (path / "tile").is_dir():
            if (path / "manifest.json").is_file():
                raise Unusable(
                    f"{path} is a folder into which a bundle was unpacked: give the zip file itself"
                )
            raise Unusable(f"{path} is a folder, but no tiles tree: it has no checkpoint, or no folder tile")

    def read(self, name: str, most: int = MOST_TEXT) -> bytes:
        """Read a file of the tree whole."""
        need(self.has(name), f"{name} is missing")
        with (self.path / name).open("rb") as file:
            data = file.read(most + 1)
        need(len(data) <= most, f"{name} is larger than {most} bytes")
        return data

    def has(self, name: str) -> bool:
        """Say whether there is such a file."""
        return (self.path / name).is_file()

    def tile(self, level: str, number: int, width: int, most: int) -> tuple[bytes, bool]:
        """Read a tile, and say whether it has this width.

        A partial one may have become full since (tlog-tiles, Partial Tiles): it is longer then.
        """
        full = f"tile/{level}/{tile_path(number)}"
        partial = f"{full}.p/{width}"
        whole = width == 256 or (self.has(full) and not self.has(partial))
        return self.read(full if whole else partial, most), width == 256 or not whole

    def check_files(self, head: Checkpoint) -> str:
        """Say what there is; every tile that the checkpoint's size asks for is read below."""
        return f"the files of a tree of {head.size} entries"

    def records(self, head: Checkpoint) -> Iterator[tuple[int, bytes]]:
        """Yield the entries' numbers and records (tlog-tiles, Log entries)."""
        for first in range(0, head.size, 256):
            width = min(256, head.size - first)
            tile, exact = self.tile("entries", first // 256, width, 256 * (MOST_RECORD + 2))
            at = 0
            for seq in range(first, first + width):
                end = at + 2 + int.from_bytes(tile[at : at + 2], "big")
                need(end <= len(tile), f"the tile of entries ends before entry {seq} does")
                yield seq, tile[at + 2 : end]
                at = end
            need(not exact or at == len(tile), f"the tile of entries from {first} on holds more than {width}")

    def place(self, seq: int, leaf: bytes, head: Checkpoint) -> None:
        """Add a leaf to the tree that is computed anew."""
        self.tree.append(leaf)

    def proves(self, size: int, head: Checkpoint) -> bool:
        """Say that every beginning of the tree can be computed."""
        return True

    def check_history(self, size: int, root: bytes, head: Checkpoint) -> None:
        """Compare a head with the tree as it was at that size."""
        here = self.tree.size
        need(size <= here, f"the head is of {size} entries, and {here} could be read")
        need(self.tree.root(size) == root, f"the head of {size} entries is of another history")

    def heads(self, handovers: Sequence[int]) -> Iterator[tuple[str, int | None]]:
        """Name the heads with which the log's key changed, and the size that each has to be of."""
        named = ((f"handovers/{size}", size) for size in handovers)
        return ((name, size) for name, size in named if self.has(name))

    def check_tree(self, head: Checkpoint) -> str:
        """Compare the root and every tile with what was computed from the records."""
        here, tiles = self.tree.size, 0
        need(here == head.size, f"{here} of the checkpoint's {head.size} entries could be read")
        need(self.tree.root(here) == head.root, "the checkpoint is of another tree than these entries")
        for level in range(0, here.bit_length(), 8):
            hashes = self.tree.levels[level]
            for start in range(0, len(hashes), 8192):
                computed = bytes(hashes[start : start + 8192])
                stored, exact = self.tile(str(level // 8), start // 8192, len(computed) // 32, 8192)
                name = f"tile/{level // 8}/{tile_path(start // 8192)}"
                stored = stored if exact else stored[: len(computed)]
                need(stored == computed, f"{name} holds other hashes than the entries have")
                tiles += 1
        found = counted(tiles, "tile", "tiles")
        return f"the root of {here} entries and {found} are those computed from the records"

    def check_rest(self, signers: dict[str, bytes], handovers: Sequence[int]) -> str:
        """Name what is no part of a tree and was not read. Tiles of any size are: an older head may need them."""
        part = {"checkpoint", "vkey.txt", *(f"handovers/{size}" for size in handovers)}
        names = (path.relative_to(self.path).as_posix() for path in self.path.rglob("*") if not path.is_dir())
        others = sorted(name for name in names if name not in part and not TILE.match(name))
        more = f" and {len(others) - 5} more" if len(others) > 5 else ""
        return f"; no part of the evidence: {', '.join(others[:5])}{more}" if others else ""

    def artifacts(self) -> list[str]:
        """Name no files: a tiles tree holds none."""
        return []

    def blocks(self, name: str) -> Iterator[bytes]:
        """Read a file."""
        yield self.read(name)


def tile_path(number: int) -> str:
    """C2SP tlog-tiles: 1234067 is x001/x234/067."""
    path = f"{number % 1000:03d}"
    while number >= 1000:
        number //= 1000
        path = f"x{number % 1000:03d}/{path}"
    return path


def open_source(path: Path) -> Bundle | TilesTree:
    """Open what was given."""
    if not path.is_dir() and not path.is_file():
        raise Unusable(f"{path} is neither a file nor a folder")
    return TilesTree(path) if path.is_dir() else Bundle(path)


# -- 11. the steps: page, To verify them -----------------------------------------------------------------------------

STEPS = (
    "files", "records", "tree", "log key", "signatures", "observed", "checkpoint", "witnesses", "timestamps",
    "artifacts", "times",
)  # fmt: skip
NOTHING_READ = "no entry could be read"


class Step:
    """One numbered step: failed where something was found, skipped where there was nothing to do it with."""

    def __init__(self, number: int, name: str) -> None:
        self.number, self.name = number, name
        self.found: list[str] = []
        self.entries: list[int] = []
        self.said, self.skipped = "", ""

    @property
    def status(self) -> str:
        """Passed, failed or skipped."""
        return "failed" if self.found else "skipped" if self.skipped else "passed"

    @property
    def detail(self) -> str:
        """What was checked, what is wrong, or why nothing was checked."""
        more = [f"and {len(self.found) - 5} more"] if len(self.found) > 5 else []
        return "; ".join(self.found[:5] + more) or self.skipped or self.said


@contextmanager
def finding(step: Step, entry: int | None = None) -> Iterator[None]:
    """Let what is raised as `Wrong` within it fail the step, with the entry."""
    try:
        yield
    except Wrong as wrong:
        step.found.append(str(wrong) if entry is None else f"entry {entry}: {wrong}")
        step.entries += [] if entry is None or entry in step.entries[-1:] else [entry]


class Verification:
    """All steps over one bundle or tiles tree, held against what was brought from elsewhere."""

    def __init__(
        self,
        source: Bundle | TilesTree,
        trusted: Sequence[VerifierKey],
        kept: Checkpoint | None,
        witnesses: Sequence[VerifierKey],
    ) -> None:
        self.source, self.trusted, self.kept, self.witnesses = source, trusted, kept, witnesses
        self.steps = {name: Step(number, name) for number, name in enumerate(STEPS, start=1)}
        self.head: Checkpoint | None = None
        self.trust = Trust()
        # Of the entries: how many there are, how many of them read, and what was learned from those.
        self.entries = self.readable = 0
        self.before = (-1, "0" * 64, "")  # number, leaf hash and time of the entry before
        self.ids: set[str] = set()
        self.signed: dict[str, list[int]] = {}  # by the id of a key: the entries that name it as a signer
        self.checked: dict[str, int] = {}  # by the id of a key: how many signatures by it verified
        self.named: set[str] = set()  # digests that the entries of a bundle name
        self.reports: set[str] = set()
        self.said_about = SaidAbout()
        # Of the heads: those that the log's keys signed and that are of this history, and what could not be compared.
        self.heads: list[tuple[str, Checkpoint]] = []
        self.unanswered = ""
        self.commands: list[str] = []

    def run(self) -> Verification:
        """Do the steps. What concerns single entries is done while they are read, once; the rest after the last."""
        with finding(self.steps["tree"]):
            self.head = parse_checkpoint(self.source.read("checkpoint"))
        if self.head is None:
            for step in self.steps.values():
                step.skipped = "there is no checkpoint to hold it against"
            return self
        with finding(self.steps["files"]):
            self.steps["files"].said = self.source.check_files(self.head)
        self.read_entries(self.head)
        if isinstance(self.source, Bundle):
            with finding(self.steps["files"]):
                self.source.check_about(self.said_about)
        self.check_tree(self.head)
        self.check_kept(self.head)  # before the log key: it may be a head with which that changed
        self.check_log_key()
        self.check_witnesses()
        self.check_timestamps()
        self.check_artifacts()
        with finding(self.steps["files"]):
            keys = self.trust.keys
            signers = {keyid: keys[keyid].der for keyid in self.signed if keyid in keys}
            self.steps["files"].said += self.source.check_rest(signers, self.handovers)
        return self

    @property
    def handovers(self) -> list[int]:
        """The sizes of the heads with which the log's key changed."""
        return [size for size, _ in self.trust.log[1:]]

    # Steps 2, 5, 6 and 11, and of step 3 what concerns single entries.

    def read_entries(self, head: Checkpoint) -> None:
        """Check one entry after another, and say what was checked of them."""
        steps = self.steps
        with finding(steps["records"]):
            for seq, record in self.source.records(head):
                self.check_entry(seq, record, head)
            need(self.entries, "there is no entry")
        signatures = counted(sum(self.checked.values()), "signature", "signatures")
        held = counted(len(self.checked), "key that held its role", "keys that held their roles")
        whole = "each after the one before" + ("" if self.entries == head.size else ", where that is here")
        entries = counted(self.entries, "entry", "entries")
        steps["records"].said = f"{entries} in canonical JSON, {whole}"
        steps["signatures"].said = f"{signatures} by {held} then"
        steps["observed"].said = "every head that a signer saw is of this history"
        steps["times"].said = f"the log's times never go back, up to {self.before[2]}"
        if not self.readable:
            for name in ("signatures", "observed", "times"):
                steps[name].skipped = NOTHING_READ

    def check_entry(self, seq: int, record: bytes, head: Checkpoint) -> None:
        """Check one entry, and learn from it what holds from the next one on."""
        steps, leaf, entry = self.steps, leaf_hash(record), None
        self.entries += 1
        with finding(steps["tree"], seq):
            self.source.place(seq, leaf, head)
        with finding(steps["records"], seq):
            entry = parse_record(record, seq, head.origin)
            follows = seq != self.before[0] + 1 or entry.prev == self.before[1]
            need(follows, "it does not follow the one before")
        if entry is None:
            for name in ("signatures", "times"):
                with finding(steps[name], seq):
                    raise Wrong("it could not be read")
        else:
            self.note(entry, leaf.hex())
            with finding(steps["signatures"], seq):
                self.check_signatures(entry, head)
            with finding(steps["observed"], seq):
                self.check_observed(entry, head)
            with finding(steps["times"], seq):
                need(entry.time >= self.before[2], f"its time {entry.time} is before {self.before[2]}")
        self.before = (seq, leaf.hex(), max(self.before[2], entry.time if entry else ""))

    def note(self, entry: Entry, leaf: str) -> None:
        """Keep what later steps ask of the entries: who signed which, and in a bundle the digests that they name."""
        self.readable += 1
        for keyid, _ in entry.signatures:
            self.signed.setdefault(keyid, []).append(entry.seq)
        if isinstance(self.source, Bundle):
            self.named.update(found.decode() for found in DIGEST.findall(entry.payload))
            self.reports.update(entry.subjects if entry.kind == "report" else ())
            self.said_about.see(entry, leaf)

    def check_signatures(self, entry: Entry, head: Checkpoint) -> None:
        """Page, Keys over time; what an entry that fails here says about keys holds for nobody."""
        need(entry.said["ledger"] == head.origin, "the statement was signed for another ledger")
        need(entry.said["entry_id"] not in self.ids, "its statement stands here twice")
        self.ids.add(entry.said["entry_id"])
        self.trust.check(entry)
        for keyid, _ in entry.signatures:
            self.checked[keyid] = self.checked.get(keyid, 0) + 1
        self.trust.learn(entry)

    def check_observed(self, entry: Entry, head: Checkpoint) -> None:
        """Page, Record: the signer saw a head of no more entries than stand before this one, and of this history."""
        size, root = entry.said["observed"]["size"], entry.said["observed"]["root"]
        need(size <= entry.seq, "its signer saw a head of more entries than stood before it")
        self.source.check_history(size, bytes.fromhex(root), head)

    # Steps 3, 4 and 7: the heads, and whose they are.

    def need_signed(self, name: str, head: Checkpoint) -> None:
        """Page, Keys over time: a head is signed by the log's key of its size, or by the old one and the new one."""
        need(self.head and head.origin == self.head.origin, f"{name} is of the log {head.origin}")
        need(head.size > 0, f"{name} is of no entries, and shows nothing")
        places = [(head.place_of(key), key) for _, key in self.trust.log]
        signed = [key for _, key in sorted((place, key) for place, key in places if place is not None)]
        same = signed == self.trust.log_keys(head.size)
        need(same, f"{name} is not signed by the log's key, or by another too")

    def check_head(self, name: str, head: Checkpoint) -> None:
        """Check that a head is of this history and signed as it has to be, and keep it."""
        if self.head is not None and head is not self.head:
            self.source.check_history(head.size, head.root, self.head)
        self.need_signed(name, head)
        self.heads.append((name, head))

    def check_tree(self, head: Checkpoint) -> None:
        """Check the root, the checkpoint's signature, vkey.txt, and the other signed heads."""
        step = self.steps["tree"]
        with finding(step):
            step.said = self.source.check_tree(head)
        with finding(step):
            self.check_head("checkpoint", head)
        with finding(step):
            same = parse_vkeys(self.source.read("vkey.txt")) == [key for _, key in self.trust.log]
            need(same, "vkey.txt does not hold the keys that the entries name as the log's")
        for name, size in self.source.heads(self.handovers):
            with finding(step):
                other = parse_checkpoint(self.source.read(name))
                need(size in (None, other.size), f"{name} is a head of {other.size}")
                self.check_head(name, other)
                step.said += f"; {name} is a head of {other.size}"
        with finding(step):
            there = {other.size for _, other in self.heads}
            lacking = [size for size in self.handovers if size not in there]
            without = self.source.kind == "bundle" and lacking
            need(not without, f"no head of {lacking[:1]} is signed by both log keys")

    def check_kept(self, head: Checkpoint) -> None:
        """Hold the evidence against the checkpoint that was kept elsewhere, where that can be done."""
        step, kept = self.steps["checkpoint"], self.kept
        if kept is None:
            step.skipped = "give one that was kept elsewhere (--checkpoint) to see rewriting and cutting off"
            return
        with finding(step):
            self.unanswered = step.skipped = self.incomparable(kept, head)
            if not self.unanswered:
                self.check_head("the checkpoint that was given", kept)
                step.said = f"the history begins with the {kept.size} entries of the one that was given"

    def incomparable(self, kept: Checkpoint, head: Checkpoint) -> str:
        """Say why a checkpoint cannot be compared with this copy; empty where it can. `Wrong` where it is refuted.

        One of more entries may be newer than the copy, or the copy may have lost its tail: nobody can tell from here.
        """
        if not self.trust.log:
            return "no entry could be read that names the log's key"
        need(kept.origin == head.origin, f"the checkpoint that was given is of the log {kept.origin}")
        if kept.size > head.size:
            known = [key for _, key in self.trust.log if kept.place_of(key) is not None]
            need(known in ([], [self.trust.log[-1][1]]), "it is signed by a key that the log had given up")
            return (
                f"it is of {kept.size} entries and this copy of {head.size}: either it is newer than the copy, or the "
                f"copy lost its tail; to tell, get a copy of {kept.size} entries or more"
            )
        self.need_signed("the checkpoint that was given", kept)
        if not self.source.proves(kept.size, head):
            return (
                f"nothing in the bundle proves that its {kept.size} entries are the beginning of this history: ask for "
                "one that was exported with this checkpoint"
            )
        return ""

    def check_log_key(self) -> None:
        """Compare the log's key with one from elsewhere, by way of every rotation since."""
        step, keys = self.steps["log key"], self.trust.log
        if not self.trusted:
            step.skipped = "the key came with the evidence: compare it with one from elsewhere (--key)"
        elif not keys:
            step.skipped = "no entry could be read that names the log's key"
        else:
            with finding(step):
                known = [n for n, (_, key) in enumerate(keys) if key in self.trusted]
                need(known, "the key that was given is none that this log has had up to here")
                signed = any(name == "checkpoint" for name, _ in self.heads)
                need(signed, "the checkpoint is not signed by this log's key")
                for size, _ in keys[known[-1] + 1 :]:
                    both = any(head.size == size for _, head in self.heads)
                    need(both, f"entry {size - 1} changed the key: bring the head of {size} entries, too")
                turns = len(keys) - known[-1] - 1
                by_way = f", by {counted(turns, 'rotation', 'rotations')}" if turns else ""
                step.said = f"the key that was given signs this log{by_way}"

    # Steps 8 and 9: what others signed.

    def check_witnesses(self) -> None:
        """C2SP tlog-cosignature: check the cosignatures by the witnesses whose keys were given."""
        step, said = self.steps["witnesses"], []
        if not self.witnesses:
            logs = {key.name for _, key in self.trust.log}
            names = sorted({line[0] for _, head in self.heads for line in head.lines} - logs)
            there = f"there are cosignatures by {', '.join(names)}" if names else "there is no cosignature"
            step.skipped = f"{there}; no witness's key was given (--witness)"
        for key in self.witnesses:
            with finding(step):
                places = [(head, head.place_of(key)) for _, head in self.heads]
                seen = [(head.size, head.time(place)) for head, place in places if place is not None]
                need(seen, f"no head here is cosigned by {key.name}")
                said.append(f"{key.name} saw {max(seen)[0]} entries at {posix_time(max(seen)[1])}")
        step.said = "; ".join(said)

    def check_timestamps(self) -> None:
        """RFC 3161 tokens: check that they have the form of one, and leave the rest to openssl: say how."""
        step = self.steps["timestamps"]
        for name, head in self.heads:
            token, signer = re.sub(r"note\Z", "tsr", name), re.sub(r"note\Z", "pem", name)
            if token != name and self.source.has(token):
                with finding(step):
                    need(is_der(self.source.read(token)), f"{token} is no timestamp token in DER")
                    beside = self.source.has(signer)
                    need(
                        not beside or are_pems(self.source.read(signer)), f"{signer} is no certificate in PEM"
                    )
                    command = f"openssl ts -verify -in {token} -digest {sha256(head.body).hex()}"
                    untrusted = f" -untrusted {signer}" if beside else ""
                    self.commands.append(f"{command} -partial_chain -CAfile AUTHORITY.pem{untrusted}")
        run = "run the commands below with the certificate that you have from the authority"
        tokens = counted(len(self.commands), "token is", "tokens are")
        said = f"{run}: {tokens} not checked here" if self.commands else "there is no timestamp token"
        step.skipped = said

    # Step 10.

    def check_artifacts(self) -> None:
        """Hash the files that entries name by their digests."""
        step, source, names = self.steps["artifacts"], self.source, self.source.artifacts()
        for name in names if self.readable else ():
            with finding(step):
                digest = hashlib.sha256()
                for block in source.blocks(name):
                    digest.update(block)
                found = digest.hexdigest()
                need(name in ("report.pdf", f"artifacts/{found}"), f"{name} has the SHA-256 {found}")
                vouched = found in (self.reports if name == "report.pdf" else self.named)
                need(vouched, f"{name} is named by none of the entries")
        have = counted(len(names), "file has the digest", "files have the digests")
        step.said = f"{have} that entries name"
        if not names:
            step.skipped = f"there are no artifacts in this {source.kind}"
        elif not self.readable:
            step.skipped = NOTHING_READ

    # What the steps come to.

    @property
    def doubted(self) -> list[dict[str, Any]]:
        """The entries in doubt, by the key that signed them and the grant that is why, if it is one."""
        found: dict[tuple[str, int | None], list[int]] = {}
        for keyid, doubts in self.trust.doubts().items():
            for seq in self.signed.get(keyid, []):
                # Where the key itself was suspect, that is why; where it was granted, the one grant that it had then.
                why = [grant for since, to, grant in doubts if since <= seq <= to]
                if why:
                    found.setdefault((keyid, why[0]), []).append(seq)
        groups = [{"key": keyid, "grant": grant, "entries": seqs} for (keyid, grant), seqs in found.items()]
        return sorted(groups, key=lambda group: (group["entries"][0], group["key"], group["entries"]))

    @property
    def in_doubt(self) -> list[int]:
        """The entries of which nobody knows who signed them, or who let their signer in."""
        return sorted({seq for group in self.doubted for seq in group["entries"]})

    @property
    def about_is_signed(self) -> bool:
        """Say whether the entries say what a bundle is about, and not its maker alone."""
        return not isinstance(self.source, Bundle) or self.source.about_is_signed

    @property
    def holds(self) -> bool:
        """Say whether nothing failed."""
        return self.head is not None and all(step.status != "failed" for step in self.steps.values())

    @property
    def verified(self) -> bool:
        """Say whether nothing failed, and all that was asked could be answered."""
        return self.holds and not self.unanswered

    @property
    def is_known(self) -> bool:
        """Say whether something from outside of the evidence says whose ledger this is."""
        kept = self.kept is not None and not self.unanswered
        return self.holds and (bool(self.trusted) or kept or bool(self.witnesses))

    @property
    def confirmed(self) -> bool:
        """Say whether it is verified, and something from outside says whose ledger this is."""
        return self.verified and self.is_known

    @property
    def key(self) -> tuple[str, str]:
        """The log's newest key, and where it comes from."""
        given = self.trusted and self.steps["log key"].status == "passed"
        where = "elsewhere, as given with --key" if given else f"the {self.source.kind} itself"
        return (str(self.trust.log[-1][1]), where) if self.trust.log else ("", "nowhere")


# -- 12. the answer --------------------------------------------------------------------------------------------------

BUNDLE_ENDS = (
    "That nothing was left out: a later revocation, or a rejection, may stand in the ledger all the same.",
    "That README.txt or a verifier in it is sound: nobody signed them.",
    "That this program is the right one, if it came with the bundle: take it from elsewhere.",
)
UNSIGNED_VERSION = (
    "Which version the run in it is: that is the word of the bundle's maker, and no entry in it says so.",
)
TREE_ENDS = ("That no tail was cut off, unless you gave a checkpoint that was kept elsewhere.",)
ALL_END = (
    "What came after the checkpoint.",
    "Which person holds a key: that stands in the ledger's own table.",
)
UNCONFIRMED = ("Whose ledger this is: whoever made the evidence may have made every key in it, too.",)


def not_shown(done: Verification) -> list[str]:
    """Say what this does not show."""
    ends = BUNDLE_ENDS if done.source.kind == "bundle" else TREE_ENDS
    return [
        *(() if done.about_is_signed else UNSIGNED_VERSION),
        *ends,
        *ALL_END,
        *(() if done.is_known else UNCONFIRMED),
    ]


def doubt_said(done: Verification) -> str:
    """Say which entries are in doubt, and why."""
    suspect = sorted({seq for group in done.doubted if group["grant"] is None for seq in group["entries"]})
    said = (
        f" In doubt, as the key that signed them was suspect: entries {listed(suspect)}." if suspect else ""
    )
    for group in done.doubted:
        if group["grant"] is not None:
            one, name = len(group["entries"]) == 1, done.trust.keys[group["key"]].name
            said += (
                f" In doubt: {'entry' if one else 'entries'} {listed(group['entries'])}, signed by the key {name!r} "
                f"({group['key'][:16]}...), whose grant (entry {group['grant']}) is in doubt."
            )
    return said


def listed(entries: Sequence[int]) -> str:
    """Write numbers of entries, of very many the first."""
    more = len(entries) - MOST_LISTED
    return ", ".join(map(str, entries[:MOST_LISTED])) + (f" and {more} more" if more > 0 else "")


def verdict(done: Verification) -> str:
    """Say the verdict in a sentence."""
    failed = [f"{step.number} ({step.name})" for step in done.steps.values() if step.status == "failed"]
    if failed:
        return f"NOT VERIFIED: failed in step {', '.join(failed)}."
    if done.unanswered:
        return "NOT VERIFIED: this copy cannot be held against the checkpoint that you gave, see step 7."
    doubt = doubt_said(done)
    if done.confirmed:
        return f"VERIFIED, against what you brought from elsewhere.{doubt}"
    return f"CONSISTENT IN ITSELF, by keys that came with the evidence: nothing from elsewhere confirms them.{doubt}"


def as_json(done: Verification) -> dict[str, Any]:
    """Write the answer as a JSON document."""
    steps = [
        {"step": s.number, "name": s.name, "status": s.status, "detail": s.detail, "entries": s.entries}
        for s in done.steps.values()
    ]
    head = done.head
    where = {"origin": head.origin, "size": head.size, "root": head.root.hex()} if head else {}
    return {
        "verified": done.verified, "confirmed": done.confirmed, "verdict": verdict(done),
        "kind": done.source.kind, "about": done.source.about,
        "about_is_signed": done.about_is_signed if done.source.about else None, **where, "entries": done.entries,
        "key": done.key[0], "key_from": done.key[1], "in_doubt": done.in_doubt, "doubted": done.doubted,
        "unanswered": done.unanswered,
        "steps": steps, "to_run": done.commands, "not_shown": not_shown(done),
    }  # fmt: skip


def printable(said: str) -> str:
    """Leave no character in a text that could steer a terminal or turn the direction of writing."""
    return "".join(c if c.isprintable() or c == "\n" else f"\\u{ord(c):04x}" for c in said)


def as_text(done: Verification, path: str) -> str:
    """Write the answer for people."""
    width = max(60, min(110, shutil.get_terminal_size().columns))

    def filled(first: str, said: str) -> str:
        return textwrap.fill(
            said, width, initial_indent=first, subsequent_indent=" " * len(first),
            break_long_words=False, break_on_hyphens=False,
        )  # fmt: skip

    head, about = done.head, f" about {done.source.about}" if done.source.about else ""
    about += "" if done.about_is_signed else " (which version it is, is its maker's word)"
    lines = [f"{path}: a {done.source.kind}{about}"]
    if head:
        lines.append(f"{head.origin}, {done.entries} of {head.size} entries, root {head.root.hex()}")
    lines.append("")
    lines += [filled(f"{s.number:3} {s.name:<11} {s.status:<8} ", s.detail) for s in done.steps.values()]
    lines += ["", f"Log key: {done.key[0] or 'cannot be told'}", f"   from: {done.key[1]}"]
    if done.commands:
        lines += ["", "To run where the bundle is unpacked:", *(f"  {command}" for command in done.commands)]
    lines += ["", "What this does not show:", *(filled("  - ", line) for line in not_shown(done))]
    lines += ["", filled("", verdict(done))]
    return "\n".join(map(printable, lines))


# -- 13. the command line --------------------------------------------------------------------------------------------


def given_keys(given: Sequence[str], kind: int) -> list[VerifierKey]:
    """Read --key and --witness: verifier keys, or files with them."""
    keys, one = [], ""
    try:
        for one in given:
            is_key = one.count("+") >= 2 and not Path(one).is_file()
            lines = [one] if is_key else Path(one).read_text("utf-8").split("\n")
            keys += [parse_vkey(line.strip(), kind) for line in lines if line.strip()]
    except (OSError, ValueError):
        raise Unusable(f"{one} is neither a verifier key (name+hash+base64) nor a file with one") from None
    except Wrong as wrong:
        raise Unusable(f"{one}: {wrong}") from None
    return keys


def given_checkpoint(path: str) -> Checkpoint:
    """Read --checkpoint."""
    try:
        with Path(path).open("rb") as file:
            return parse_checkpoint(file.read(MOST_TEXT))
    except Wrong as wrong:
        raise Unusable(f"{path}: {wrong}") from None


READER_GONE = (
    141  # as shells count a program that SIGPIPE ended: an answer that nobody could read is not a yes
)


def tell(said: str, status: int) -> int:
    """Print the answer, and return its exit status, or that of a reader who went away as `head` does."""
    try:
        print(said, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the interpreter's own flush
        return READER_GONE
    return status


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify what the command line names."""
    parser = argparse.ArgumentParser(description="Verify an affidavit bundle or tiles tree, offline.")
    parser.add_argument("evidence", help="a bundle (a zip file) or a tiles tree (a folder)")
    parser.add_argument("--key", action="append", default=[], help="the log's verifier key, or a file")
    parser.add_argument("--checkpoint", help="a file with a checkpoint of the log that was kept elsewhere")
    parser.add_argument("--witness", action="append", default=[], help="a witness's verifier key, or a file")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    given = parser.parse_args(arguments)
    try:
        trusted, witnesses = given_keys(given.key, LOG_KEY), given_keys(given.witness, WITNESS_KEY)
        kept = given_checkpoint(given.checkpoint) if given.checkpoint else None
        done = Verification(open_source(Path(given.evidence)), trusted, kept, witnesses).run()
    except Unusable as unusable:
        print(f"verify_affidavit: {printable(str(unusable))}", file=sys.stderr)
        return 2
    except OSError as error:
        where = printable(str(error.filename or given.evidence))
        print(f"verify_affidavit: {where}: {error.strerror}", file=sys.stderr)
        return 2
    said = json.dumps(as_json(done), indent=2) if given.json else as_text(done, given.evidence)
    return tell(said, 0 if done.verified else 1)


if __name__ == "__main__":
    sys.exit(main())
