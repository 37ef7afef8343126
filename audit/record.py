"""Where it stands: a record puts an envelope at its place in one ledger.

A record is the canonical JSON of::

    {"entry": <envelope>, "log": <origin>, "prev": <leaf hash of the record before, hex>,
     "seq": <n>, "time": <RFC 3339>, "type": "urn:affidavit:record:v1"}

Rules:

- Its bytes are the truth, stored and hashed as they are. ``prev`` makes a plain hash chain that
  ``sha256sum`` can follow; in record 0 it is 64 zeros.
- A record is at most 65,535 bytes (C2SP entry bundles hold a 16-bit length): larger things enter by digest.
- ``time`` is the log's, and never goes back.
- A record in plain ASCII under one signature, as nearly all are, is read by its shape alone: bytes of that shape are
  canonical. Any other is parsed, encoded again and compared.
"""

import re
from dataclasses import dataclass, field

from audit.canonical import Json, decode, encode
from audit.envelope import PAYLOAD_TYPE, Envelope, Signature, read_base64
from audit.errors import AffidavitError, MalformedInput
from audit.merkle import leaf_hash
from audit.statement import Statement, is_written_time

__all__ = [
    "FIRST_PREV",
    "MOST_BYTES",
    "RECORD_TYPE",
    "Entry",
    "index_columns",
    "parse_record",
    "readable_record",
    "write_record",
]

RECORD_TYPE = "urn:affidavit:record:v1"
MOST_BYTES = 65_535
FIRST_PREV = "0" * 64

_MEMBERS = {"entry", "log", "prev", "seq", "time", "type"}
_HEX = re.compile(r"[0-9a-f]{64}")
# No quotation mark, no backslash and nothing else that JSON escapes in any text; a number that every reader holds.
_PLAIN = re.compile(
    rb"""
    \{"entry":\{"payload":"([^"]+)","payloadType":"%b","signatures":\[\{"keyid":"([0-9a-f]{64})","sig":"([^"]+)"\}\]\},
    "log":"([!#-\[\]-~]+)","prev":"([0-9a-f]{64})","seq":(0|[1-9][0-9]{0,14}),"time":"([0-9TZ:.-]+)","type":"%b"\}
    """
    % (re.escape(PAYLOAD_TYPE.encode()), RECORD_TYPE.encode()),
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A record read: its bytes as stored, its place, and what it says."""

    record: bytes = field(repr=False)
    seq: int
    log: str
    prev: str
    time: str
    envelope: Envelope = field(repr=False)
    statement: Statement = field(repr=False)

    @property
    def leaf_hash(self) -> str:
        """SHA-256(0x00 || record), in hexadecimal."""
        return leaf_hash(self.record).hex()

    @property
    def kind(self) -> str:
        """The kind of its statement."""
        return self.statement.kind

    @property
    def key(self) -> str:
        """The id of the key that signed it (the first, where several did)."""
        return self.envelope.signatures[0].keyid

    @property
    def entry_id(self) -> str:
        """The statement's unique id."""
        return self.statement.text("entry_id")


def write_record(envelope: Envelope, *, log: str, prev: str, seq: int, time: str) -> bytes:
    """Write a record's bytes; `MalformedInput` when they are too many."""
    record = encode(
        {"entry": envelope.to_json(), "log": log, "prev": prev, "seq": seq, "time": time, "type": RECORD_TYPE}
    )
    if len(record) > MOST_BYTES:
        raise MalformedInput(
            f"the record would be {len(record)} bytes and at most {MOST_BYTES} fit: put the large part in the artifact "
            "store, whose `put` returns its SHA-256, and say that digest in its place; nothing was appended"
        )
    return record


def parse_record(record: bytes) -> Entry:
    """Read a record strictly; raise `MalformedInput`."""
    if len(record) > MOST_BYTES:
        raise MalformedInput(f"a record is at most {MOST_BYTES} bytes, this one has {len(record)}")
    plain = _PLAIN.fullmatch(record)
    return _parse_any(record) if plain is None else _parse_plain(plain)


def _parse_plain(record: re.Match[bytes]) -> Entry:
    payload, keyid, sig, log, prev, seq, time = record.groups()
    envelope = Envelope(read_base64(payload), (Signature(keyid.decode(), read_base64(sig)),))
    return _entry(record.string, int(seq), log.decode(), prev.decode(), time.decode(), envelope)


def _parse_any(record: bytes) -> Entry:
    value = decode(record)
    if not isinstance(value, dict) or value.keys() != _MEMBERS or value["type"] != RECORD_TYPE:
        raise MalformedInput(
            "a record has exactly entry, log, prev, seq, time and type urn:affidavit:record:v1"
        )
    seq, log, prev, time = value["seq"], value["log"], value["prev"], value["time"]
    if type(seq) is not int or seq < 0 or not isinstance(log, str):
        raise MalformedInput("a record's seq is a number from 0 on, and its log is text")
    if not isinstance(prev, str) or _HEX.fullmatch(prev) is None:
        raise MalformedInput("a record's prev is a leaf hash of 64 hexadecimal digits")
    return _entry(record, seq, log, prev, time, Envelope.from_json(value["entry"]))


def _entry(record: bytes, seq: int, log: str, prev: str, time: Json, envelope: Envelope) -> Entry:
    if not isinstance(time, str) or not is_written_time(time):
        raise MalformedInput("a record's time is RFC 3339 in UTC with microseconds")
    return Entry(record, seq, log, prev, time, envelope, Statement.parse(envelope.payload))


def readable_record(record: object) -> Entry | None:
    """Read a record as a database gives it, which may be anything; None where it does not read."""
    try:
        return parse_record(record) if isinstance(record, bytes) else None
    except AffidavitError:
        return None


def index_columns(entry: Entry) -> dict[str, object]:
    """Derive the row of the table `records`: every column follows from the record's bytes."""
    return {
        "seq": entry.seq,
        "record": entry.record,
        "leaf_hash": bytes.fromhex(entry.leaf_hash),
        "entry_id": entry.entry_id,
        "kind": entry.kind,
        "key": entry.key,
        "time": entry.time,
    }
