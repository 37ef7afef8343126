#!/usr/bin/env python3
"""Verify an affidavit bundle (a zip file) or a tiles tree (a folder), offline and without affidavit.

    python verify_affidavit.py evidence.zip --key 'bank.example/models+faa7f5fb+AcHnnJ5D...'
    python verify_affidavit.py tiles/ --checkpoint kept-elsewhere.checkpoint

Needs Python 3.9 and the package `cryptography`. Reads what it is given, writes nothing, opens no connection.
Exit status: 0 no step failed, 1 one did, 2 this is no bundle and no tiles tree, or an option is wrong.

Written from the page "The format of a ledger" (cited by its headings) and the standards that the page names: RFC 6962
and RFC 9162 (tree and proofs), RFC 8785 (canonical JSON), DSSE v1, in-toto Statement v1, C2SP signed-note,
tlog-checkpoint, tlog-proof, tlog-tiles and tlog-cosignature, RFC 8032 (Ed25519). It shares no code with affidavit.

Rules:
- Deny unless: what does not read exactly as the page has it fails, and what an entry that failed says is not believed.
- A step is passed, failed or skipped. Skipped is never a pass; a reason stands beside it.
- Whose ledger this is, no evidence can say itself: bring the log's verifier key (--key), or a checkpoint
  (--checkpoint), from elsewhere.
- Memory: about 64 bytes for each entry of a tree, and an id; entries are read one after another.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import hashlib
import json
import os
import re
import shutil
import sys
import textwrap
import unicodedata
import zipfile
import zlib
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Set, Tuple, Union

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256

PREFIX = "urn:affidavit:"
ZEROS = "0" * 64
MOST_RECORD = 65_535  # page, Record
MOST_TEXT = 1 << 20  # checkpoints, proofs, keys
MOST_MANIFEST = 16 << 20
MOST_UNPACKED = 2 << 30  # all members of a bundle together
BLOCK = 1 << 20
HEX64 = re.compile(r"[0-9a-f]{64}\Z")
NUMBER = re.compile(r"(0|[1-9][0-9]{0,14})\Z")
UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\Z")
TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z\Z")
SPACES = re.compile("[\x09-\x0d\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]")

# Page, Kinds, and who may say them.
ROLES = ("admin", "recorder", "validator", "approver", "auditor", "witness")
MAY_SAY = {
    "genesis": ("admin",),
    "key-grant": ("admin",),
    "key-revoke": ("admin",),
    "key-rotate": ("admin",),
    "log-rotate": ("admin",),
    "threshold": ("admin",),
    "erasure": ("admin",),
    "stage": ("admin",),
    "run": ("recorder",),
    "approval": ("validator", "approver"),
    "decision": ("approver",),
    "reproduction": ("recorder", "validator", "auditor"),
    "report": ("recorder", "validator", "approver", "auditor"),
}


class Wrong(Exception):
    """Something in the evidence is not as it has to be: one sentence."""


class Unusable(Exception):
    """What was given is no evidence, or no key or checkpoint to hold it against: one sentence."""


def sha256(data: bytes) -> bytes:
    """Hash."""
    return hashlib.sha256(data).digest()


def need(true: bool, sentence: str) -> None:
    """Raise `Wrong` unless it is true."""
    if not true:
        raise Wrong(sentence)


def unbase64(text: str, what: str) -> bytes:
    """Read base64 of RFC 4648, section 4, that is written in the one way there is."""
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (ValueError, binascii.Error):
        raise Wrong(f"{what} is not base64") from None
    need(base64.b64encode(data).decode() == text, f"{what} is not base64 as it is written")
    return data


# -- canonical JSON: page, Record; RFC 8785 --------------------------------------------------------------------------

# RFC 8785, 3.2.2.2: two-character escapes where there are, \u00xx for the other control characters, the rest as it is.
ESCAPES = {code: f"\\u{code:04x}" for code in range(32)}
ESCAPES.update({8: "\\b", 9: "\\t", 10: "\\n", 12: "\\f", 13: "\\r", 34: '\\"', 92: "\\\\"})


def canonical(value: Any) -> str:
    """Write a value as RFC 8785 has it; raise `Wrong` for what is outside of the page's domain."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int):
        need(abs(value) < 1 << 53, "a number is larger than 2^53-1")
        return str(value)
    if isinstance(value, str):
        return '"' + value.translate(ESCAPES) + '"'
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    need(isinstance(value, dict) and all(key.isascii() for key in value), "a member's name is not ASCII")
    return "{" + ",".join(f"{canonical(key)}:{canonical(value[key])}" for key in sorted(value)) + "}"


def parse_json(data: bytes, what: str) -> Any:
    """Read canonical JSON: read it, write it again, and compare the bytes."""

    def once(pairs: List[Tuple[str, Any]]) -> Dict[str, Any]:
        need(len(dict(pairs)) == len(pairs), f"{what} has a member twice")
        return dict(pairs)

    def whole(digits: str) -> int:
        need(len(digits) < 18, f"{what} has a number larger than 2^53-1")
        return int(digits)

    def refuse(number: str) -> None:
        raise Wrong(f"{what} has a number that is no integer")

    try:
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=once, parse_int=whole, parse_float=refuse, parse_constant=refuse,
        )  # fmt: skip
        same = canonical(value).encode("utf-8") == data  # a lone surrogate cannot be encoded: ValueError
    except (ValueError, RecursionError):
        raise Wrong(f"{what} is not JSON in UTF-8") from None
    need(same, f"{what} is not canonical JSON")
    return value


def members(value: Any, names: Sequence[str], what: str) -> Dict[str, Any]:
    """Return an object that has exactly these members."""
    need(isinstance(value, dict) and sorted(value) == sorted(names), f"{what} has not exactly {', '.join(names)}")
    found: Dict[str, Any] = value
    return found


def text(value: Any, pattern: "re.Pattern[str]", what: str) -> str:
    """Return a text of this form."""
    need(isinstance(value, str) and pattern.match(value) is not None, f"{what} is not as it is written")
    return str(value)


def count(value: Any, what: str) -> int:
    """Return a number from 0 on. True and false are no numbers."""
    need(type(value) is int and value >= 0, f"{what} is no number from 0 on")
    return int(value)


def moment(value: Any, what: str) -> str:
    """Return an RFC 3339 time in UTC with microseconds, of a day that there is."""
    found = text(value, TIME, what)
    try:
        datetime.strptime(found, "%Y-%m-%dT%H:%M:%S.%fZ")
    except ValueError:
        raise Wrong(f"{what} is no time that there is") from None
    return found


# -- the tree: RFC 6962, section 2.1 ---------------------------------------------------------------------------------

EMPTY_ROOT = sha256(b"")


def leaf_hash(record: bytes) -> bytes:
    """RFC 6962, 2.1: the hash of a leaf."""
    return sha256(b"\x00" + record)


def node_hash(left: bytes, right: bytes) -> bytes:
    """RFC 6962, 2.1: the hash of two subtrees."""
    return sha256(b"\x01" + left + right)


class Tree:
    """The hashes of all complete subtrees, level by level: enough for the root at any size and for every tile."""

    def __init__(self) -> None:
        self.levels = [bytearray()]

    @property
    def size(self) -> int:
        """How many leaves there are."""
        return len(self.levels[0]) // 32

    def append(self, leaf: bytes) -> None:
        """Add a leaf, and every subtree that it completes."""
        self.levels[0] += leaf
        level, width = 0, self.size
        while width % 2 == 0:
            pair = bytes(self.levels[level][-64:])
            level, width = level + 1, width // 2
            if level == len(self.levels):
                self.levels.append(bytearray())
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


def root_of_inclusion(seq: int, size: int, leaf: bytes, proof: Sequence[bytes]) -> bytes:
    """RFC 9162, 2.1.3.2: return the root that an inclusion proof leads to."""
    need(seq < size, "its number is beyond the tree")
    first, last, root = seq, size - 1, leaf
    for sibling in proof:
        need(last > 0, "its inclusion proof is too long")
        if first & 1 or first == last:
            root = node_hash(sibling, root)
            while first and not first & 1:
                first, last = first >> 1, last >> 1
        else:
            root = node_hash(root, sibling)
        first, last = first >> 1, last >> 1
    need(last == 0, "its inclusion proof is too short")
    return root


def check_consistency(old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]) -> None:
    """RFC 9162, 2.1.4.2, for 0 < old < new: the larger tree begins with the smaller one."""
    path = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    need(bool(proof), "the consistency proof is empty")
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
    need(left == old_root, "that tree is of another history")


# -- keys ------------------------------------------------------------------------------------------------------------

FIELD = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
CURVE_D = -121665 * pow(121666, FIELD - 2, FIELD) % FIELD
Point = Tuple[int, int, int, int]


def add_points(p: Point, q: Point) -> Point:
    """RFC 8032, 5.1.4: add two points in extended coordinates; the formula is complete."""
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % FIELD, (p[1] + p[0]) * (q[1] + q[0]) % FIELD
    c, d = 2 * p[3] * q[3] * CURVE_D % FIELD, 2 * p[2] * q[2] % FIELD
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % FIELD, g * h % FIELD, f * g % FIELD, e * h % FIELD


def is_prime_order(raw: bytes) -> bool:
    """Page, Record: an Ed25519 key is the canonical encoding (RFC 8032, 5.1.3) of a point of order L."""
    y, sign = int.from_bytes(raw, "little") & (1 << 255) - 1, raw[31] >> 7
    if y >= FIELD or y == 1:  # y == 1 is the neutral element
        return False
    u, v = (y * y - 1) % FIELD, (CURVE_D * y * y + 1) % FIELD
    x = u * pow(v, 3, FIELD) * pow(u * pow(v, 7, FIELD), (FIELD - 5) // 8, FIELD) % FIELD
    if v * x * x % FIELD == FIELD - u:
        x = x * pow(2, (FIELD - 1) // 4, FIELD) % FIELD
    if v * x * x % FIELD != u or (x == 0 and sign):
        return False
    x = FIELD - x if x & 1 != sign else x
    point, total = (x, y, 1, x * y % FIELD), (0, 1, 1, 0)
    for bit in bin(ORDER)[2:]:
        total = add_points(total, total)
        total = add_points(total, point) if bit == "1" else total
    return total[0] == 0 and total[1] == total[2]


PublicKey = Union[Ed25519PublicKey, EllipticCurvePublicKey]
# RFC 8410, section 4, and RFC 5480, section 2: what stands before the key itself, in the one DER form of each.
ED25519_DER = bytes.fromhex("302a300506032b6570032100")
P256_DER = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004")


def load_public(der: bytes) -> PublicKey:
    """Read a SubjectPublicKeyInfo of Ed25519 or of ECDSA on P-256."""
    if der.startswith(ED25519_DER) and len(der) == 44:
        need(is_prime_order(der[12:]), "the Ed25519 key is no point of prime order")
        return Ed25519PublicKey.from_public_bytes(der[12:])
    need(der.startswith(P256_DER) and len(der) == 91, "the key is neither Ed25519 nor P-256, in DER")
    try:
        return EllipticCurvePublicKey.from_encoded_point(SECP256R1(), der[26:])
    except ValueError:
        raise Wrong("the P-256 key is no point of the curve") from None


def is_signed(key: PublicKey, signature: bytes, message: bytes) -> bool:
    """Say whether a signature is by this key, over this message."""
    try:
        if isinstance(key, Ed25519PublicKey):
            key.verify(signature, message)
        else:
            key.verify(signature, message, ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True


# -- signed notes, checkpoints, verifier keys: C2SP ------------------------------------------------------------------

LOG_KEY, WITNESS_KEY = 1, 4  # signed-note, Signature types


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
    name, hash_, data = line.split("+", 2)
    blob = unbase64(data, "the verifier key")
    need(len(blob) == 33 and blob[0] == kind, f"the verifier key is not of the kind 0x0{kind} with 32 bytes")
    key = VerifierKey(name, kind, blob[1:])
    need(bool(name) and not SPACES.search(name), "the verifier key's name is empty or has a space")
    need(str(key) == line and key.hash.hex() == hash_, "the verifier key's hash is not that of its name and key")
    need(is_prime_order(key.raw), "the verifier key is no point of prime order")
    return key


class Line(NamedTuple):
    """A signature line of a note."""

    name: str
    hash: bytes
    signature: bytes


class Checkpoint(NamedTuple):
    """C2SP tlog-checkpoint: a note whose text is origin, size and root."""

    origin: str
    size: int
    root: bytes
    body: bytes  # what is signed: up to and with the newline before the empty line
    lines: Tuple[Line, ...]

    def by(self, key: VerifierKey) -> Optional[int]:
        """Return the place of a key's line, or None; raise `Wrong` where the line does not verify.

        C2SP signed-note, Signatures: a line by a known key that does not verify fails the whole note.
        """
        for place, line in enumerate(self.lines):
            if (line.name, line.hash) == (key.name, key.hash):
                signature, message = line.signature, self.body
                if key.kind == WITNESS_KEY:  # tlog-cosignature, Ed25519 signed message
                    need(len(signature) == 72, f"the cosignature by {key.name} is not 72 bytes")
                    message = b"cosignature/v1\ntime %d\n" % self.time(place) + message
                    signature = signature[8:]
                good = is_signed(Ed25519PublicKey.from_public_bytes(key.raw), signature, message)
                need(good, f"the signature by {key.name} on the head of {self.size} entries does not verify")
                return place
        return None

    def time(self, place: int) -> int:
        """Return the POSIX time that a cosignature's line states."""
        return int.from_bytes(self.lines[place].signature[:8], "big")


def parse_line(line: str) -> Line:
    """C2SP signed-note, Format: em dash, space, name, space, base64."""
    dash, name, blob = (line.split(" ") + ["", "", ""])[:3]
    need(line == f"{dash} {name} {blob}" and dash == "\u2014", "a signature line is not as it is written")
    need(bool(name) and "+" not in name and not SPACES.search(name), "a signature line's name is not usable")
    data = unbase64(blob, "a signature")
    need(len(data) > 4, "a signature is too short")
    return Line(name, data[:4], data[4:])


def parse_checkpoint(data: bytes) -> Checkpoint:
    """Read a checkpoint of exactly three lines with 1 to 64 signatures."""
    try:
        note = data.decode("utf-8")
    except ValueError:
        raise Wrong("the checkpoint is not UTF-8") from None
    need(not re.search(r"[\x00-\x09\x0b-\x1f]", note), "the checkpoint has control characters")
    body, empty, signatures = note.rpartition("\n\n")
    need(bool(empty) and signatures.endswith("\n"), "the checkpoint is no text, empty line and signature lines")
    lines = tuple(map(parse_line, signatures[:-1].split("\n")))
    said = body.split("\n")
    need(len(said) == 3 and said[0] != "" and len(lines) <= 64, "the checkpoint is not origin, size and root")
    root = unbase64(said[2], "the checkpoint's root")
    need(len(root) == 32, "the checkpoint's root is not 32 bytes")
    return Checkpoint(said[0], int(text(said[1], NUMBER, "the size")), root, f"{body}\n".encode(), lines)


def parse_vkeys(data: bytes) -> List[VerifierKey]:
    """Read vkey.txt: the log's verifier keys, a line for each, the oldest first."""
    try:
        lines = data.decode("utf-8").split("\n")
    except ValueError:
        raise Wrong("vkey.txt is not UTF-8") from None
    need(len(lines) > 1 and lines[-1] == "", "vkey.txt is not lines")
    return [parse_vkey(line, LOG_KEY) for line in lines[:-1]]


def parse_hashes(lines: Sequence[str], what: str) -> List[bytes]:
    """Read the hashes of a proof, one to a line."""
    hashes = [unbase64(line, what) for line in lines]
    need(len(hashes) < 64 and all(len(h) == 32 for h in hashes), f"{what} is not at most 63 hashes")
    return hashes


# -- entries: page, Record, envelope, statement ----------------------------------------------------------------------


class Entry(NamedTuple):
    """A record that was read strictly."""

    seq: int
    prev: str
    time: str
    signatures: List[Tuple[str, bytes]]
    payload: bytes
    kind: str
    subjects: List[str]
    predicate: Dict[str, Any]


def parse_record(record: bytes, seq: int, origin: str) -> Entry:
    """Read a record that has to stand at this place of this ledger."""
    need(len(record) <= MOST_RECORD, f"the record is longer than {MOST_RECORD} bytes")
    said = members(parse_json(record, "the record"), ("entry", "log", "prev", "seq", "time", "type"), "the record")
    need(said["type"] == PREFIX + "record:v1", "the record's type is another")
    need(said["log"] == origin, "the record is of another log")
    need(count(said["seq"], "the record's seq") == seq, f"the record says that it is entry {said['seq']}")
    signatures, payload = parse_envelope(said["entry"])
    kind, subjects, predicate = parse_statement(payload, origin)
    return Entry(
        seq, text(said["prev"], HEX64, "prev"), moment(said["time"], "time"),
        signatures, payload, kind, subjects, predicate,
    )  # fmt: skip


def parse_envelope(value: Any) -> Tuple[List[Tuple[str, bytes]], bytes]:
    """DSSE v1, with exactly the members that the page names."""
    envelope = members(value, ("payload", "payloadType", "signatures"), "the envelope")
    need(envelope["payloadType"] == "application/vnd.in-toto+json", "the envelope's payloadType is another")
    need(isinstance(envelope["payload"], str), "the payload is no text")
    need(isinstance(envelope["signatures"], list) and bool(envelope["signatures"]), "the envelope is not signed")
    signatures = []
    for one in envelope["signatures"]:
        members(one, ("keyid", "sig"), "a signature")
        need(isinstance(one["sig"], str), "a signature is no text")
        signatures.append((text(one["keyid"], HEX64, "a keyid"), unbase64(one["sig"], "a signature")))
    return signatures, unbase64(envelope["payload"], "the payload")


def parse_statement(payload: bytes, origin: str) -> Tuple[str, List[str], Dict[str, Any]]:
    """in-toto Statement v1, with the predicate's common members."""
    names = ("_type", "predicate", "predicateType", "subject")
    said = members(parse_json(payload, "the statement"), names, "the statement")
    need(said["_type"] == "https://in-toto.io/Statement/v1", "the statement's _type is another")
    kind = re.match(PREFIX + r"([a-z]+(?:-[a-z]+)*):v1\Z", str(said["predicateType"]))
    need(kind is not None and kind[1] in MAY_SAY, "the statement's kind is none that the page names")
    need(isinstance(said["subject"], list) and bool(said["subject"]), "the statement has no subject")
    subjects = []
    for one in said["subject"]:
        digest = members(members(one, ("digest", "name"), "a subject")["digest"], ("sha256",), "a subject's digest")
        need(isinstance(one["name"], str), "a subject's name is no text")
        subjects.append(text(digest["sha256"], HEX64, "a subject's digest"))
    predicate = said["predicate"]
    need(isinstance(predicate, dict), "the predicate is no object")
    need(predicate.get("ledger") == origin, "the statement was signed for another ledger")
    text(predicate.get("entry_id"), UUID7, "entry_id")
    moment(predicate.get("signed_at"), "signed_at")
    observed = members(predicate.get("observed"), ("root", "size"), "observed")
    count(observed["size"], "observed.size")
    text(observed["root"], HEX64, "observed.root")
    need(predicate.get("role") in ROLES, "the statement is said in no role")
    return kind[1] if kind else "", subjects, predicate


# -- trust: page, Keys over time -------------------------------------------------------------------------------------


class Key(NamedTuple):
    """A key with the roles that it holds."""

    name: str
    public: PublicKey
    der: bytes
    roles: Tuple[str, ...]
    expires: Optional[int]

    def holds(self, role: str, seq: int) -> bool:
        """Say whether the key holds a role at an entry."""
        return role in self.roles and (self.expires is None or self.expires > seq)


def parse_key(value: Any, seq: int) -> Tuple[str, Key]:
    """Read the member `key` of a genesis, a grant or a rotation."""
    names = ["holder", "keyid", "name", "public", "roles"]
    names += ["expires"] if isinstance(value, dict) and "expires" in value else []
    said = members(value, names, "key")
    need(isinstance(said["name"], str) and isinstance(said["public"], str), "the key's name and public are texts")
    name, roles, der = said["name"], said["roles"], unbase64(said["public"], "the key")
    need(0 < len(name) <= 100 and unicodedata.is_normalized("NFC", name), "the key's name is not usable")
    text(said["holder"], HEX64, "holder")
    need(isinstance(roles, list) and bool(roles) and all(r in ROLES for r in roles), "the key's roles are none")
    need(roles == sorted(set(roles)), "the key's roles are not in order, each once")
    need(sha256(der).hex() == said["keyid"], "the keyid is not the SHA-256 of the key")
    expires = said.get("expires")
    if "expires" in said:
        need(count(expires, "expires") > seq, "the key expires before it is granted")
    return said["keyid"], Key(name, load_public(der), der, tuple(roles), expires)


class Trust:
    """Which key holds which roles; learned from one entry after another."""

    def __init__(self) -> None:
        self.keys: Dict[str, Key] = {}
        self.needed = 1
        self.log: List[Tuple[int, VerifierKey]] = []  # the log's keys, each from the size that it signs first
        self.suspect: List[Tuple[str, int, int]] = []  # keyid, suspect since, the revocation

    def check(self, entry: Entry) -> None:
        """Raise `Wrong` unless every signature is by a key that held the statement's role at this entry."""
        role = entry.predicate["role"]
        need(role in MAY_SAY[entry.kind], f"a statement of the kind {entry.kind} may not be said as {role}")
        keys = dict(self.keys)
        if entry.kind == "genesis":  # it names the key that signs it, and it is the first entry
            need(entry.seq == 0, "a genesis entry is the first")
            keys = dict([parse_key(entry.predicate.get("key"), entry.seq)])
        message = b"DSSEv1 28 application/vnd.in-toto+json %d %s" % (len(entry.payload), entry.payload)
        for keyid, signature in entry.signatures:
            need(keyid in keys, f"it is signed by {keyid[:16]}, a key that was not granted")
            key = keys[keyid]
            need(key.holds(role, entry.seq), f"the key {key.name!r} does not hold the role {role} here")
            need(is_signed(key.public, signature, message), f"the signature by {key.name!r} does not verify")
        # A keyid is the hash of the key, so that one key under two names is one key.
        different = len({keyid for keyid, _ in entry.signatures})
        need(different == len(entry.signatures), "one key signed twice")
        enough = self.needed if role == "admin" else 1
        need(different >= enough, f"{different} of the {enough} keys that are needed signed it")

    def learn(self, entry: Entry) -> None:
        """Take in what an entry says about keys; it holds from the next entry on."""
        said, seq = entry.predicate, entry.seq
        if entry.kind == "genesis":
            need(said.get("format") == PREFIX + "ledger:v1", "the ledger's format is another")
            need("expires" not in said["key"], "the first key expires")
            self.grant(*parse_key(said["key"], seq))
            self.rotate_log(0, said)
        elif entry.kind == "key-grant":
            self.grant(*parse_key(said.get("key"), seq))
        elif entry.kind == "key-revoke":
            old = self.known(said.get("keyid"))
            self.keys[said["keyid"]] = old._replace(roles=())
            since = said.get("suspect_since")
            if since is not None:
                need(count(since, "suspect_since") <= seq, "suspect_since is a number beyond this entry")
                self.suspect.append((said["keyid"], since, seq))
        elif entry.kind == "key-rotate":
            self.replace(said, seq)
        elif entry.kind == "log-rotate":
            self.rotate_log(seq + 1, said)
        elif entry.kind == "threshold":
            need(said.get("role") == "admin", "a threshold is for the role admin")
            self.needed = count(said.get("needed"), "needed")
            need(self.needed > 0, "needed is at least 1")
        if "admin" in MAY_SAY[entry.kind]:
            lasting = sum(k.expires is None and "admin" in k.roles for k in self.keys.values())
            need(lasting >= self.needed, f"{lasting} admin keys that never expire are left, {self.needed} are needed")

    def known(self, keyid: Any) -> Key:
        """Return a key that was granted."""
        need(isinstance(keyid, str) and keyid in self.keys, "it is about a key that was not granted")
        return self.keys[keyid]

    def grant(self, keyid: str, key: Key) -> None:
        """Give a key these roles and no others."""
        taken = any(k.name == key.name and other != keyid for other, k in self.keys.items())
        need(not taken, f"the name {key.name!r} is taken by another key")
        need(all(key.der != ED25519_DER + log.raw for _, log in self.log), "the key is the log's own")
        self.keys[keyid] = key

    def replace(self, said: Dict[str, Any], seq: int) -> None:
        """Let a key take the place of another, with its name and roles."""
        old = self.known(said.get("keyid"))
        keyid, key = parse_key(said.get("key"), seq)
        need(keyid not in self.keys, "the new key was granted before")
        need((key.name, key.roles) == (old.name, old.roles), "the new key has not the name and roles of the old one")
        # The name goes on to the new key; entries by the old one stay its own.
        self.keys[said["keyid"]] = old._replace(name=f"{old.name} (until entry {seq})", roles=())
        self.grant(keyid, key)

    def rotate_log(self, size: int, said: Dict[str, Any]) -> None:
        """Let another key sign the heads from this size on."""
        key = parse_vkey(said.get("log"), LOG_KEY)
        need(key.name == said["ledger"], "the log's key is named for another ledger")
        need(all(k.der != ED25519_DER + key.raw for k in self.keys.values()), "the log's key is a person's")
        need(all(key != old for _, old in self.log), "the log had this key before")
        self.log.append((size, key))

    def log_keys(self, size: int) -> List[VerifierKey]:
        """Return the keys that sign a head: one, or old and new where the head ends with the rotation."""
        need(bool(self.log), "which key is the log's cannot be told, as there is no genesis entry that holds")
        at = max(n for n, (first, _) in enumerate(self.log) if first <= size)
        return [key for _, key in self.log[at - 1 if at and self.log[at][0] == size else at : at + 1]]


# -- what was given: page, Proofs, bundles and tiles -----------------------------------------------------------------

MEMBER = re.compile(
    r"(?:README\.txt|manifest\.json|checkpoint|vkey\.txt|report\.pdf|verify_affidavit\.(?:py|html)"
    r"|entries/(?P<seq>0|[1-9][0-9]{0,14})\.(?:json|tlog-proof)|consistency/(?P<size>[1-9][0-9]{0,14})"
    r"|keys/[0-9a-f]{64}\.pem|anchors/[0-9]{1,9}\.(?:note|tsr|pem)|artifacts/[0-9a-f]{64})\Z"
)


class Bundle:
    """A zip file. Nothing in it is believed for its name's sake."""

    kind = "bundle"

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.check_end()
            self.zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError):
            raise Unusable(f"{path} is not a zip file that can be read") from None
        self.infos = {info.filename: info for info in self.zip.infolist()}
        if not {"manifest.json", "checkpoint"} <= set(self.infos):
            raise Unusable(f"{path} is a zip file, but no bundle: it has no manifest.json and checkpoint")
        self.seqs = sorted(int(n[8:-5]) for n in self.infos if MEMBER.match(n) and n.endswith(".json") and "/" in n)
        self.proved: Set[str] = set()  # the consistency proofs that were used
        self.head: Optional[Checkpoint] = None

    def check_end(self) -> None:
        """Bound what the zip module reads: a plain end record at the very end, so at most 65,535 members."""
        with self.path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - 22))
            end = file.read(22)
            directory = int.from_bytes(end[12:16], "little") + int.from_bytes(end[16:20], "little")
            if end[:4] != b"PK\x05\x06" or end[20:] != b"\0\0" or directory != size - 22:
                raise zipfile.BadZipFile

    def read(self, name: str, most: int = MOST_TEXT) -> bytes:
        """Read a member whole; its CRC is checked by the zip module."""
        need(name in self.infos, f"{name} is missing")
        need(self.infos[name].file_size <= most, f"{name} is larger than {most} bytes")
        return b"".join(self.blocks(name))

    def blocks(self, name: str) -> Iterator[bytes]:
        """Read a member block by block."""
        try:
            with self.zip.open(self.infos[name]) as file:
                while True:
                    block = file.read(BLOCK)
                    if not block:
                        return
                    yield block
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError, ValueError):
            raise Wrong(f"{name} cannot be unpacked, or its check sum is wrong") from None

    def check_files(self, origin: str, size: int) -> str:
        """Check the members' names and sizes and the table of contents."""
        names = self.zip.namelist()
        need(len(names) == len(self.infos), "a member is in the zip file twice")
        strange = [name for name in names if not MEMBER.match(name)]
        need(not strange, f"{strange[:1]} is no member of a bundle")
        infos = self.infos.values()
        need(sum(i.file_size for i in infos) <= MOST_UNPACKED, "the bundle unpacks to more than 2 GiB")
        need(all(i.compress_type in (0, 8) and not i.flag_bits & 0x41 for i in infos), "a member is packed otherwise")
        for needed in ("README.txt", "vkey.txt", *(f"entries/{seq}.tlog-proof" for seq in self.seqs)):
            need(needed in self.infos, f"{needed} is missing")
        for name in names:
            owner = re.sub(r"\.tlog-proof\Z", ".json", re.sub(r"(anchors/\d+)\.(tsr|pem)\Z", r"\1.note", name))
            need(owner in self.infos, f"{name} is there without {owner}")
        said = members(
            parse_json(self.read("manifest.json", MOST_MANIFEST), "manifest.json"),
            ("about", "entries", "origin", "size", "type"), "manifest.json",
        )  # fmt: skip
        need(said["type"] == PREFIX + "bundle:v1", "manifest.json's type is another")
        need(isinstance(said["about"], str), "manifest.json's about is no text")
        need((said["origin"], said["size"]) == (origin, size), "manifest.json is about another checkpoint")
        need(said["entries"] == self.seqs, "manifest.json names other entries than there are")
        self.about = str(said["about"])
        return f"{len(names)} members, each as the format page names it"

    def records(self, size: int) -> Iterator[Tuple[int, bytes]]:
        """Yield the entries' numbers and records, rising."""
        for seq in self.seqs:
            yield seq, self.read(f"entries/{seq}.json", MOST_RECORD)

    def place(self, seq: int, leaf: bytes, head: Checkpoint) -> None:
        """C2SP tlog-proof: check that a leaf is in the tree of the bundle's checkpoint."""
        proof, empty, checkpoint = self.read(f"entries/{seq}.tlog-proof").partition(b"\n\n")
        lines = proof.decode("utf-8", "replace").split("\n")
        said = lines[:2] == ["c2sp.org/tlog-proof@v1", f"index {seq}"] and empty != b""
        need(said, "its inclusion proof is not as it is written")
        need(checkpoint == self.read("checkpoint"), "its inclusion proof is under another checkpoint")
        root = root_of_inclusion(seq, head.size, leaf, parse_hashes(lines[2:], "its inclusion proof"))
        need(root == head.root, "its inclusion proof does not lead to the checkpoint: it is not in this tree")

    def check_head(self, size: int, root: bytes, head: Checkpoint) -> None:
        """Check that a head is of the history that the checkpoint is of."""
        need(size <= head.size, f"the head of {size} entries is newer than the checkpoint of {head.size}")
        if size in (0, head.size):
            need(root == (head.root if size else EMPTY_ROOT), f"the head of {size} entries is of another history")
            return
        name = f"consistency/{size}"
        need(name in self.infos, f"there is no proof that the head of {size} entries is of this history ({name})")
        lines = self.read(name).decode("utf-8", "replace").split("\n")
        need(lines.pop() == "", f"{name} does not end in a newline")
        self.proved.add(name)
        check_consistency(size, root, head.size, head.root, parse_hashes(lines, name))

    def heads(self) -> Iterator[Tuple[str, bytes]]:
        """Yield the other signed heads with their names."""
        for name in sorted(self.infos):
            if name.endswith(".note") and MEMBER.match(name):
                yield name, self.read(name)

    def check_tree(self, head: Checkpoint) -> str:
        """Say what was proved about the tree; the proofs were checked with the entries."""
        return f"{len(self.seqs)} inclusion proofs lead to the root of {head.size} entries"

    def check_rest(self, signers: Dict[str, bytes]) -> None:
        """Check that keys/ holds the keys that signed, and that no proof is about a head that is nowhere."""
        for keyid, der in signers.items():
            said = re.sub(rb"-----[A-Z ]+-----|\s", b"", self.read(f"keys/{keyid}.pem"))
            need(said == base64.b64encode(der), f"keys/{keyid}.pem is not the key that the ledger granted")
        for name in self.infos:
            need(not name.startswith("keys/") or name[5:-4] in signers, f"{name} signed none of the entries")
            need(not name.startswith("consistency/") or name in self.proved, f"{name} is about no head in the bundle")


class TilesTree:
    """A folder as C2SP tlog-tiles has it."""

    kind = "tiles tree"
    about = ""

    def __init__(self, path: Path) -> None:
        self.path, self.tree = path, Tree()
        if not (path / "checkpoint").is_file():
            raise Unusable(f"{path} is a folder, but no tiles tree: it has no file named checkpoint")

    def read(self, name: str, most: int = MOST_TEXT) -> bytes:
        """Read a file of the tree whole."""
        path = self.path / name
        need(path.is_file(), f"{name} is missing")
        with path.open("rb") as file:
            data = file.read(most + 1)
        need(len(data) <= most, f"{name} is larger than {most} bytes")
        return data

    def tile(self, level: str, number: int, width: int, most: int) -> bytes:
        """Read a tile; a partial one may have grown since the checkpoint (tlog-tiles, Partial Tiles)."""
        name = f"tile/{level}/{tile_path(number)}"
        partial = f"{name}.p/{width}"
        return self.read(partial if width < 256 and (self.path / partial).is_file() else name, most)

    def check_files(self, origin: str, size: int) -> str:
        """Say what the tree consists of; each tile is read and compared below."""
        return f"checkpoint, vkey.txt and the tiles of {size} entries"

    def records(self, size: int) -> Iterator[Tuple[int, bytes]]:
        """Yield the entries' numbers and records (tlog-tiles, Log entries)."""
        for number in range((size + 255) // 256):
            width = min(256, size - number * 256)
            data, start = self.tile("entries", number, width, 256 * (MOST_RECORD + 2)), 0
            for seq in range(number * 256, number * 256 + width):
                need(start + 2 <= len(data), f"the tile with entry {seq} ends before it")
                end = start + 2 + int.from_bytes(data[start : start + 2], "big")
                need(end <= len(data), f"the tile with entry {seq} ends in the middle of it")
                yield seq, data[start + 2 : end]
                start = end
            full = width < 256 and not (self.path / f"tile/entries/{tile_path(number)}.p/{width}").is_file()
            need(start == len(data) or full, f"the tile of entries {tile_path(number)} has more than {width}")

    def place(self, seq: int, leaf: bytes, head: Checkpoint) -> None:
        """Add a leaf to the tree that is computed anew."""
        self.tree.append(leaf)

    def check_head(self, size: int, root: bytes, head: Checkpoint) -> None:
        """Compare a head with the tree as it was at that size."""
        need(size <= self.tree.size, f"the head of {size} entries is newer than the {self.tree.size} that are here")
        need(self.tree.root(size) == root, f"the head of {size} entries is of another history")

    def heads(self) -> Iterator[Tuple[str, bytes]]:
        """Yield the signed heads beside the checkpoint: there are none."""
        return iter(())

    def check_tree(self, head: Checkpoint) -> str:
        """Compare the root and every tile with what was computed from the records."""
        tiles = 0
        need(self.tree.size == head.size, f"{self.tree.size} of the checkpoint's {head.size} entries could be read")
        need(self.tree.root(head.size) == head.root, "the checkpoint is of another tree than these entries")
        for level in range(0, head.size.bit_length(), 8):
            hashes = self.tree.levels[level]
            for number in range((len(hashes) + 8191) // 8192):
                computed = bytes(hashes[number * 8192 : (number + 1) * 8192])
                stored = self.tile(str(level // 8), number, len(computed) // 32, 8192)
                name = f"tile/{level // 8}/{tile_path(number)}"
                need(stored[: len(computed)] == computed, f"{name} holds other hashes than its entries have")
                tiles += 1
        return f"{tiles} tiles and the root of {head.size} entries, computed from the records"

    def check_rest(self, signers: Dict[str, bytes]) -> None:
        """There is nothing else in a tiles tree."""


def tile_path(number: int) -> str:
    """C2SP tlog-tiles: 1234067 is x001/x234/067."""
    path = f"{number % 1000:03d}"
    while number >= 1000:
        number //= 1000
        path = f"x{number % 1000:03d}/{path}"
    return path


Source = Union[Bundle, TilesTree]


def open_source(path: Path) -> Source:
    """Open what was given."""
    if path.is_dir():
        return TilesTree(path)
    if not path.is_file():
        raise Unusable(f"{path} is neither a file nor a folder")
    return Bundle(path)


# -- the steps -------------------------------------------------------------------------------------------------------

STEPS = (
    "files", "records", "tree", "log key", "signatures", "observed", "checkpoint", "witnesses", "timestamps",
    "artifacts", "times",
)  # fmt: skip
OF_ENTRIES = ("records", "signatures", "observed", "times")


class Step:
    """One numbered step: passed unless something was found, skipped where there was nothing to do it with."""

    def __init__(self, number: int, name: str) -> None:
        self.number, self.name = number, name
        self.found: List[str] = []
        self.entries: List[int] = []
        self.said, self.skipped = "", ""

    @property
    def status(self) -> str:
        """Passed, failed or skipped."""
        return "failed" if self.found else "skipped" if self.skipped else "passed"

    @property
    def detail(self) -> str:
        """What was checked, what is wrong, or why nothing was checked."""
        more = f"; and {len(self.found) - 5} more" if len(self.found) > 5 else ""
        return "; ".join(self.found[:5]) + more if self.found else self.skipped or self.said


class finding:  # noqa: N801
    """What is raised as `Wrong` within it fails a step, with the entry."""

    def __init__(self, step: Step, entry: Optional[int] = None) -> None:
        self.step, self.entry = step, entry

    def __enter__(self) -> Step:
        return self.step

    def __exit__(self, _: Any, wrong: Any, __: Any) -> bool:
        if not isinstance(wrong, Wrong):
            return False
        self.step.found.append(str(wrong) if self.entry is None else f"entry {self.entry}: {wrong}")
        if self.entry is not None and self.entry not in self.step.entries[-1:]:
            self.step.entries.append(self.entry)
        return True


class Verification:
    """All steps over one bundle or tiles tree."""

    def __init__(
        self, source: Source, trusted: Sequence[VerifierKey], kept: Optional[Checkpoint], witnesses: Sequence[VerifierKey]
    ) -> None:
        self.source, self.trusted, self.kept, self.witnesses = source, trusted, kept, witnesses
        self.steps = {name: Step(number, name) for number, name in enumerate(STEPS, start=1)}
        self.trust, self.entries = Trust(), 0
        self.ids: Set[str] = set()
        self.before: Tuple[int, str, str] = (-1, ZEROS, "")  # number, leaf hash and time of the entry before
        self.signed: Dict[str, List[int]] = {}  # the entries of every key
        self.named: Dict[str, int] = {}  # digests that statements name, with the first entry that does
        self.reports: Dict[str, int] = {}
        self.heads: List[Tuple[str, Checkpoint]] = []  # signed by the log's key, and of this history
        self.commands: List[str] = []
        self.head = self.read_head()
        if self.head is None:
            for step in self.steps.values():
                step.skipped = "there is no checkpoint to hold it against"
            return
        self.run(self.head)

    def read_head(self) -> Optional[Checkpoint]:
        """Read the signed head that everything leads to."""
        with finding(self.steps["tree"]):
            return parse_checkpoint(self.source.read("checkpoint"))
        return None

    def run(self, head: Checkpoint) -> None:
        """Do one step after another; what concerns entries is done while they are read, once."""
        with finding(self.steps["files"]) as step:
            step.said = self.source.check_files(head.origin, head.size)
        with finding(self.steps["records"]):
            for seq, record in self.source.records(head.size):
                self.entries += 1
                self.check_entry(seq, record, head)
            need(self.entries > 0, "there is no entry")
        self.steps["records"].said = f"{self.entries} entries in canonical JSON, each after the one it names"
        self.steps["signatures"].said = f"{len(self.signed)} keys signed, each in a role that it held at that entry"
        self.steps["observed"].said = "every head that a signer saw is of this history"
        self.steps["times"].said = f"the log's times never go back, up to {self.before[2]}"
        self.check_tree(head)
        self.check_kept(head)
        self.check_log_key()
        self.check_witnesses()
        self.tell_timestamps()
        self.check_artifacts()
        signers = {keyid: self.trust.keys[keyid].der for keyid in self.signed if keyid in self.trust.keys}
        with finding(self.steps["files"]):
            self.source.check_rest(signers)

    def check_entry(self, seq: int, record: bytes, head: Checkpoint) -> None:
        """Check one entry, and learn from it what holds from the next one on."""
        leaf, entry = leaf_hash(record), None
        with finding(self.steps["tree"], seq):
            self.source.place(seq, leaf, head)
        with finding(self.steps["records"], seq):
            entry = parse_record(record, seq, head.origin)
        if entry is None:
            for name in OF_ENTRIES[1:]:
                with finding(self.steps[name], seq):
                    need(False, "it could not be read")
            self.before = (seq, leaf.hex(), self.before[2])
            return
        with finding(self.steps["records"], seq):
            self.check_chain(entry)
        with finding(self.steps["signatures"], seq):
            self.trust.check(entry)
            self.trust.learn(entry)
        with finding(self.steps["observed"], seq):
            observed = entry.predicate["observed"]
            need(observed["size"] <= seq, "its signer saw a head of more entries than stood before it")
            self.source.check_head(observed["size"], bytes.fromhex(observed["root"]), head)
        with finding(self.steps["times"], seq):
            need(entry.time >= self.before[2], f"its time {entry.time} is before {self.before[2]}")
        self.before = (seq, leaf.hex(), max(entry.time, self.before[2]))
        self.note_names(entry)

    def check_chain(self, entry: Entry) -> None:
        """Page, Record: prev is the leaf hash of the record before; in a bundle it may not be there to compare."""
        known = entry.seq in (0, self.before[0] + 1)
        need(not known or entry.prev == (self.before[1] if entry.seq else ZEROS), "it does not follow the record before")
        entry_id = entry.predicate["entry_id"]
        need(entry_id not in self.ids, "its statement stands here twice")
        self.ids.add(entry_id)

    def note_names(self, entry: Entry) -> None:
        """Keep what later steps need of an entry."""
        for keyid, _ in entry.signatures:
            self.signed.setdefault(keyid, []).append(entry.seq)
        if isinstance(self.source, Bundle):
            for digest in re.findall(rb'"([0-9a-f]{64})"', entry.payload):
                self.named.setdefault(digest.decode(), entry.seq)
            if entry.kind == "report":
                self.reports.update((digest, entry.seq) for digest in entry.subjects)

    def check_signed(self, head: Checkpoint) -> None:
        """Page, Keys over time: a head is signed by the log's key of its size, or by the old one and the new one."""
        need(self.head is not None and head.origin == self.head.origin, f"it is of the log {head.origin}")
        places = [head.by(key) for key in self.trust.log_keys(head.size)]
        need(None not in places, f"the head of {head.size} entries is not signed by the log's key")
        need(places == sorted(places, key=str), f"the head of {head.size} entries is not signed by the old key first")

    def check_tree(self, head: Checkpoint) -> None:
        """Check the root, the checkpoint's signature, vkey.txt, and the other signed heads."""
        step = self.steps["tree"]
        with finding(step):
            step.said = self.source.check_tree(head)
        with finding(step):
            self.check_signed(head)
            self.heads.append(("checkpoint", head))
        with finding(step):
            same = parse_vkeys(self.source.read("vkey.txt")) == [key for _, key in self.trust.log]
            need(same, "vkey.txt does not hold the keys that the entries name as the log's")
        with finding(step):
            for name, data in self.source.heads():
                self.check_other(name, parse_checkpoint(data), head)
        if len(self.heads) > 1:
            step.said += f"; {len(self.heads) - 1} other signed heads are of the same history"

    def check_other(self, name: str, other: Checkpoint, head: Checkpoint) -> None:
        """Check that another head is signed, and of this history."""
        self.check_signed(other)
        self.source.check_head(other.size, other.root, head)
        self.heads.append((name, other))

    def check_kept(self, head: Checkpoint) -> None:
        """Compare the checkpoint that was kept elsewhere."""
        step = self.steps["checkpoint"]
        if self.kept is None:
            step.skipped = "none was given: a checkpoint that was kept elsewhere (--checkpoint) shows rewriting and cutting off"
            return
        with finding(step):
            self.check_other("the checkpoint that was given", self.kept, head)
            step.said = f"the history begins with the {self.kept.size} entries of the checkpoint that was given"

    def check_log_key(self) -> None:
        """Compare the log's key with one from elsewhere, by way of every rotation since."""
        step, keys = self.steps["log key"], self.trust.log
        if not self.trusted:
            step.skipped = "none was given: the key came with the evidence; compare it with one from elsewhere (--key)"
            return
        with finding(step):
            known = [n for n, (_, key) in enumerate(keys) if key in self.trusted]
            need(bool(known), "the key that was given is not this log's")
            for size, _ in keys[known[-1] + 1 :]:
                both = any(head.size == size for _, head in self.heads)
                need(both, f"the log's key changed with entry {size - 1}, and no head of {size} entries signed by both is here")
            turns = len(keys) - known[-1] - 1
            step.said = "the key that was given signs this log" + (f", by way of {turns} rotations" if turns else "")

    def check_witnesses(self) -> None:
        """C2SP tlog-cosignature: check the cosignatures by the witnesses whose keys were given."""
        step = self.steps["witnesses"]
        if not self.witnesses:
            logs = {key.name for _, key in self.trust.log}
            names = sorted({line.name for _, head in self.heads for line in head.lines} - logs)
            there = f"there are signatures by {', '.join(names)}: give" if names else "there is no cosignature, nor was"
            step.skipped = f"{there} the witness's key (--witness)"
        for key in self.witnesses:
            with finding(step):
                seen = [(head.size, head.time(place)) for _, head in self.heads for place in [head.by(key)] if place is not None]
                need(bool(seen), f"no head here is cosigned by {key.name}")
                size, seconds = max(seen)
                step.said += f"{'; ' if step.said else ''}{key.name} saw {size} entries at {posix_time(seconds)}"

    def tell_timestamps(self) -> None:
        """RFC 3161 tokens are left to openssl: say how."""
        step, tokens = self.steps["timestamps"], 0
        for name, head in self.heads:
            token = name.replace(".note", ".tsr")
            if isinstance(self.source, Bundle) and token != name and token in self.source.infos:
                tokens += 1
                self.commands.append(
                    f"openssl ts -verify -token_in -in {token} -digest {sha256(head.body).hex()} "
                    f"-CAfile AUTHORITY.pem -partial_chain"
                )
        step.skipped = "there is no timestamp token" if not tokens else (
            f"{tokens} timestamp tokens are not checked here: run the openssl commands below, with the certificate "
            "that you have from the authority itself"
        )  # fmt: skip

    def check_artifacts(self) -> None:
        """Hash the files that the entries name."""
        step, files = self.steps["artifacts"], 0
        if not isinstance(self.source, Bundle):
            step.skipped = "a tiles tree holds no artifacts"
            return
        for name in sorted(n for n in self.source.infos if n.startswith("artifacts/") or n == "report.pdf"):
            with finding(step):
                files += 1
                digest = hashlib.sha256()
                for block in self.source.blocks(name):
                    digest.update(block)
                found, named = digest.hexdigest(), self.reports if name == "report.pdf" else self.named
                need(name in ("report.pdf", f"artifacts/{found}"), f"{name} has the SHA-256 {found}")
                need(found in named, f"{name} is named by none of the entries")
        step.said = f"{files} files have the digests that entries name"
        if not files:
            step.skipped = "there are no artifacts in the bundle"

    @property
    def in_doubt(self) -> List[int]:
        """The entries signed with a key from the number on from which its revocation calls it suspect."""
        doubted = (s for keyid, since, until in self.trust.suspect for s in self.signed.get(keyid, []) if since <= s < until)
        return sorted(set(doubted))

    @property
    def verified(self) -> bool:
        """Say whether nothing failed."""
        return all(step.status != "failed" for step in self.steps.values()) and self.head is not None

    @property
    def confirmed(self) -> bool:
        """Say whether something from outside of the evidence says whose ledger this is."""
        return self.verified and (bool(self.trusted) or self.kept is not None or bool(self.witnesses))

    @property
    def key(self) -> str:
        """The log's key that signed the checkpoint."""
        return str(self.trust.log[-1][1]) if self.trust.log else ""

    @property
    def key_from(self) -> str:
        """Where the log's key comes from."""
        given = self.trusted and self.steps["log key"].status == "passed"
        return "the key that was given (--key)" if given else f"the {self.source.kind} itself"

    def cannot_show(self) -> List[str]:
        """Say what this does not show."""
        lines = []
        if self.source.kind == "bundle":
            lines.append(
                "That nothing was left out: an entry that is not in the bundle (a later revocation, a rejection) may stand in "
                "the ledger all the same. The tiles tree, or the ledger, shows all entries."
            )
            lines.append("README.txt and the verifier in a bundle are signed by nobody: take this program from elsewhere.")
        lines.append("What came after the checkpoint, and, unless one was kept elsewhere, whether a tail was cut off before it.")
        lines.append("Which person holds a key: the ledger's own table of holders says so, and it is not part of this.")
        if not self.confirmed:
            lines.append("Whose ledger this is: whoever made the evidence may have made the key in it, too.")
        return lines


def posix_time(seconds: int) -> str:
    """Write a POSIX time."""
    try:
        return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        raise Wrong(f"{seconds} is no time") from None


# -- the answer ------------------------------------------------------------------------------------------------------


def printable(said: str) -> str:
    """Leave no character in a text that could steer a terminal or turn the direction of writing."""
    return "".join(c if c.isprintable() or c == "\n" else f"\\u{ord(c):04x}" for c in said)


def verdict(done: Verification) -> str:
    """Say the verdict in a sentence."""
    failed = [f"{step.number} ({step.name})" for step in done.steps.values() if step.status == "failed"]
    if failed:
        return f"NOT VERIFIED: step {', '.join(failed)} failed."
    doubt = f" In doubt, as signed with a key that was suspect by then: entries {done.in_doubt}." if done.in_doubt else ""
    if not done.confirmed:
        return f"CONSISTENT IN ITSELF, by a key that came with the evidence and that nothing from outside confirms.{doubt}"
    return f"VERIFIED, against what you gave.{doubt}"


def as_json(done: Verification) -> Dict[str, Any]:
    """Write the answer as a JSON document."""
    head = done.head
    return {
        "verified": done.verified, "confirmed": done.confirmed, "verdict": verdict(done), "kind": done.source.kind,
        "origin": head and head.origin, "size": head and head.size, "root": head and head.root.hex(),
        "entries": done.entries, "key": done.key, "key_from": done.key_from, "in_doubt": done.in_doubt,
        "steps": [
            {"step": s.number, "name": s.name, "status": s.status, "detail": s.detail, "entries": s.entries}
            for s in done.steps.values()
        ],
        "to_run": done.commands, "cannot_show": done.cannot_show(),
    }  # fmt: skip


def as_text(done: Verification, path: str) -> str:
    """Write the answer for people."""
    width = max(60, min(110, shutil.get_terminal_size().columns))

    def filled(first: str, said: str, indent: int) -> str:
        return textwrap.fill(
            said, width, initial_indent=first, subsequent_indent=" " * indent, break_on_hyphens=False, break_long_words=False
        )

    about = f" about {done.source.about}" if done.source.about else ""
    lines = [f"{path}: a {done.source.kind}{about}"]
    if done.head:
        lines.append(f"{done.head.origin}, {done.entries} of {done.head.size} entries, root {done.head.root.hex()}")
    lines += ["", *(filled(f"{s.number:3} {s.name:<11} {s.status:<8} ", s.detail, 25) for s in done.steps.values())]
    lines += ["", f"Log key: {done.key or 'cannot be told'}", f"   from: {done.key_from}"]
    if done.commands:
        lines += ["", "To run, in a folder where the bundle is unpacked:", *(f"  {command}" for command in done.commands)]
    lines += ["", "What this does not show:", *(filled("  - ", line, 4) for line in done.cannot_show())]
    return printable("\n".join([*lines, "", filled("", verdict(done), 0)]))


def from_file_or_text(given: str, kind: int) -> List[VerifierKey]:
    """Read --key and --witness: a verifier key, or a file with some."""
    path = Path(given)
    try:
        lines = path.read_text("utf-8").split("\n") if given.count("+") < 2 or path.is_file() else [given]
        return [parse_vkey(line.strip(), kind) for line in lines if line.strip()]
    except (OSError, ValueError):
        raise Unusable(f"{given} is neither a verifier key (name+hash+base64) nor a file with one") from None
    except Wrong as wrong:
        raise Unusable(f"{given}: {wrong}") from None


def kept_checkpoint(path: str) -> Checkpoint:
    """Read --checkpoint."""
    try:
        with open(path, "rb") as file:
            return parse_checkpoint(file.read(MOST_TEXT))
    except OSError as error:
        raise Unusable(f"{path} cannot be read: {error.strerror}") from None
    except Wrong as wrong:
        raise Unusable(f"{path}: {wrong}") from None


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Verify what the command line names."""
    parser = argparse.ArgumentParser(description="Verify an affidavit bundle or tiles tree, offline and without affidavit.")
    parser.add_argument("evidence", help="a bundle (a zip file) or a tiles tree (a folder)")
    parser.add_argument("--key", action="append", default=[], help="the log's verifier key, or a file with it, from elsewhere")
    parser.add_argument("--checkpoint", help="a checkpoint of this log that was kept elsewhere")
    parser.add_argument("--witness", action="append", default=[], help="a witness's verifier key, or a file with it")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    given = parser.parse_args(arguments)
    try:
        trusted = [key for text_ in given.key for key in from_file_or_text(text_, LOG_KEY)]
        witnesses = [key for text_ in given.witness for key in from_file_or_text(text_, WITNESS_KEY)]
        kept = kept_checkpoint(given.checkpoint) if given.checkpoint else None
        done = Verification(open_source(Path(given.evidence)), trusted, kept, witnesses)
    except Unusable as unusable:
        print(printable(f"verify_affidavit: {unusable}"), file=sys.stderr)
        return 2
    except OSError as error:
        print(printable(f"verify_affidavit: {error.filename or given.evidence}: {error.strerror}"), file=sys.stderr)
        return 2
    print(json.dumps(as_json(done), indent=2) if given.json else as_text(done, given.evidence))
    return 0 if done.verified else 1


if __name__ == "__main__":
    sys.exit(main())
