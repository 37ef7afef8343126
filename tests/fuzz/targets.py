"""What is fuzzed: each parser of bytes that come from outside, with good inputs to start from.

Rules:

- A parser either gives a value or raises one of the errors that its target names, and nothing else whatever the bytes.
- Where what was read can be written again, it is written as it was read: there is one spelling of everything.
- The seeds are the vectors (`tests/vectors`), good and bad ones, and what the product writes itself.
"""

import base64
import json
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from audit.anchor_settings import AnchorSettings, Authority, WitnessAt
from audit.bindings import Erasure
from audit.canonical import decode, encode
from audit.checkpoint import Checkpoint, check_origin
from audit.cosignature import WitnessKey
from audit.drafts import Draft
from audit.envelope import Envelope
from audit.errors import MalformedInput, NotFound, NotPermitted, NotVerified
from audit.keys import PublicKey
from audit.keystore import decrypt_pem, encrypt_pem
from audit.merkle import CompactRange
from audit.note import Note, VerifierKey
from audit.pkcs11_uri import Pkcs11Uri
from audit.proof import TlogProof, hash_lines, parse_hash_lines
from audit.record import parse_record
from audit.statement import Statement
from audit.timestamp import open_response
from audit.trust import Trust
from registry.policy import packaged, packaged_names, parse
from registry.predicates import Decided, GivenApproval, IssuedReport, Reproduction, StagePolicies, check_run
from tests.fuzz import evidence
from tests.fuzz.target import Target, again
from tests.published import BESIDE
from tests.vectors.make import FOLDER
from tests.vectors.people import signer

__all__ = ["TARGETS", "Target"]


def _vectors(file: str, *members: str) -> Callable[[], list[bytes]]:
    def seeds() -> list[bytes]:
        cases = json.loads((FOLDER / f"{file}.json").read_text())["cases"]
        return [_bytes(case[member]) for case in cases for member in members if member in case]

    return cache(seeds)


def _bytes(value: object) -> bytes:
    return value.encode() if isinstance(value, str) else json.dumps(value, separators=(",", ":")).encode()


def _records() -> list[bytes]:
    histories = json.loads((FOLDER / "key-events.json").read_text())["cases"]
    return [offer["record"].encode() for history in histories for offer in history["offers"]]


def _payloads() -> list[bytes]:
    return [parse_record(record).envelope.payload for record in _records()]


def _text(read: Callable[[str], object]) -> Callable[[bytes], object]:
    """Feed a parser of text, to which the command line gives bytes that are no UTF-8 as surrogates."""
    return lambda data: read(data.decode("utf-8", "surrogateescape"))


def _vkey(read: Callable[[str], object]) -> Callable[[str], None]:
    def parse(text: str) -> None:
        assert str(read(text)) == text

    return parse


@cache
def _trusted() -> Trust:
    """Trust what the first history that grants keys ends with."""
    trust = Trust()
    [history] = [
        case
        for case in json.loads((FOLDER / "key-events.json").read_text())["cases"]
        if case["name"] == "thresholds"
    ]
    for offer in history["offers"]:
        if offer["answer"] == "stands":
            entry = parse_record(offer["record"].encode())
            trust = trust.after(entry.seq, entry.statement)
    return trust


def _key_event(payload: bytes) -> None:
    statement = Statement.parse(payload)
    for trust, seq in ((Trust(), 0), (_trusted(), 9)):
        try:
            trust.after(seq, statement)
        except (MalformedInput, NotPermitted):
            continue


def _permitted(data: bytes) -> None:
    entry = parse_record(data)
    _trusted().permit(entry.envelope, entry.statement, entry.seq)


def _read_predicates(payload: bytes) -> None:
    statement = Statement.parse(payload)
    readers: tuple[Callable[[Any], object], ...] = (
        *(StagePolicies.read, GivenApproval.read, Decided.read, Reproduction.read, IssuedReport.read),
        *(check_run, Erasure.read),
    )
    for read in readers:
        try:
            read(statement.predicate)
        except MalformedInput:
            continue


def _private_keys() -> list[bytes]:
    private = signer("ana").private
    return [
        encrypt_pem(private, b""),
        encrypt_pem(private, b"secret", 1),
        encrypt_pem(signer("pat").private, b""),
    ]


def _private_key(data: bytes) -> None:
    for passphrase in (b"", b"secret"):
        try:
            decrypt_pem(data, passphrase)
        except MalformedInput:
            continue


def _public_keys(write: Callable[[PublicKey], bytes]) -> Callable[[], list[bytes]]:
    return lambda: [write(signer(name).public) for name in ("ana", "pat")]


@cache
def _authority() -> Authority:
    from tests.authority import certified, root_certificate

    root = root_certificate("Fuzzed root")
    return Authority("https://tsa.example/", certified(root).pem, (root.pem,))


def _anchors() -> list[bytes]:
    witness = WitnessAt("https://witness.example/", WitnessKey("witness.example/w", signer("bob").public.raw))
    settings = AnchorSettings(file="anchor.checkpoint").with_witness(witness).with_authority(_authority())
    return [AnchorSettings().to_bytes(), settings.to_bytes()]


def _heads() -> list[bytes]:
    return [note.partition(b"\n\n")[0] + b"\n" for note in _vectors("checkpoints", "note")()]


def _drafts() -> list[bytes]:
    return [
        Draft(entry.envelope, entry.statement, None).to_bytes()
        for entry in map(parse_record, _records())
        if entry.kind in ("key-revoke", "threshold")
    ]


def _draft(data: bytes) -> None:
    # The newline after it may have been lost on the way; nothing else may.
    assert Draft.parse(data).to_bytes() == data.removesuffix(b"\n") + b"\n"


def _compact_range(data: bytes) -> None:
    tree = CompactRange.from_bytes(int.from_bytes(data[:2], "big"), data[2:])
    assert tree.to_bytes() == data[2:]
    tree.root()


def _policies() -> list[bytes]:
    return [packaged(name).text for name in packaged_names()]


def _canonical_seeds() -> list[bytes]:
    return [base64.b64decode(text) for text in _vectors("canonical", "bytes")()]


def _hash_lines_seeds() -> list[bytes]:
    return [hash_lines([bytes([n] * 32) for n in range(count)]) for count in (0, 1, 5, 64)]


def _targets() -> Iterator[tuple[str, Target]]:
    yield "canonical", Target(again(decode, encode), _canonical_seeds)
    yield "statement", Target(again(Statement.parse, lambda said: said.payload()), _payloads)
    yield (
        "envelope",
        Target(
            again(lambda data: Envelope.from_json(decode(data)), lambda read: encode(read.to_json())),
            _vectors("envelopes", "envelope"),
        ),
    )
    yield "record", Target(again(parse_record, lambda entry: entry.record), _records)
    yield "permit", Target(_permitted, _records, (MalformedInput, NotVerified, NotPermitted))
    yield "key-event", Target(_key_event, _payloads)
    yield "predicates", Target(_read_predicates, _payloads)
    yield "draft", Target(_draft, _drafts)
    yield "note", Target(again(Note.parse, lambda note: note.to_bytes()), _vectors("notes", "note"))
    yield "checkpoint", Target(_text(Checkpoint.parse), _heads)
    yield "verifier-key", Target(_text(_vkey(VerifierKey.parse)), _vectors("verifier-keys", "vkey"))
    yield "witness-key", Target(_text(_vkey(WitnessKey.parse)), _vectors("verifier-keys", "vkey"))
    yield (
        "tlog-proof",
        Target(again(TlogProof.parse, lambda proof: proof.to_bytes()), _vectors("tlog-proofs", "proof")),
    )
    yield "hash-lines", Target(again(parse_hash_lines, hash_lines), _hash_lines_seeds)
    yield "compact-range", Target(_compact_range, lambda: [bytes(2), b"\x00\x03" + bytes(64)])
    yield (
        "public-key",
        Target(again(PublicKey.parse, lambda key: key.spki), _public_keys(lambda key: key.spki)),
    )
    yield "public-key-pem", Target(PublicKey.parse_pem, _public_keys(PublicKey.pem))
    yield "private-key", Target(_private_key, _private_keys)
    yield "origin", Target(_text(check_origin), lambda: [b"bank.example/credit", "caf\u00e9".encode()])
    yield (
        "pkcs11-uri",
        Target(_text(Pkcs11Uri.parse), lambda: [b"pkcs11:token=b%20c;id=%00?module-path=/lib/x.so"]),
    )
    yield "anchors", Target(AnchorSettings.parse, _anchors)
    yield "timestamp", Target(_timestamp, _tokens, (MalformedInput, NotVerified))
    yield "policy", Target(lambda data: parse(data, "policy.yaml"), _policies, (MalformedInput, NotFound))


def _tokens() -> list[bytes]:
    # Where others' published tokens are at hand, they are a better start than the shortest answer there is.
    folder = BESIDE / "rfc3161"
    return [b"0\x05\x30\x03\x02\x01\x00", *(path.read_bytes() for path in sorted(folder.rglob("*.tsr")))]


def _timestamp(data: bytes) -> None:
    open_response(data, _authority())


TARGETS: dict[str, Target] = {**dict(_targets()), **evidence.TARGETS}
