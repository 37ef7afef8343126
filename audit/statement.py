"""What is said: an in-toto Statement v1 in canonical JSON.

Rules:

- ``predicateType`` is ``urn:affidavit:<kind>:v1``; a reader of a kind is kept for ever and fields are only added.
- At least one subject, by SHA-256. A statement about an entry names that entry's leaf hash.
- Every predicate carries ``ledger`` (the origin, so that it cannot be replayed into another ledger),
  ``entry_id`` (a UUIDv7, unique, so that it cannot be replayed into the same one), ``signed_at`` (a claim),
  ``observed`` (size and root of the last checkpoint its signer saw) and ``role`` (in which the signer speaks).
- A predicate may say to which subjects it refers (``refers_to``, see `audit.subjects`).
- A parsed statement is re-encoded and compared: there is one byte string per statement.

Source: in-toto Attestation Framework, Statement v1; RFC 9562, section 5.7 (UUIDv7).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import cast

from audit.canonical import Json, JsonObject, decode, encode
from audit.errors import MalformedInput

__all__ = [
    "COMMON",
    "Observed",
    "Statement",
    "Subject",
    "claim",
    "claimed_payload",
    "is_written_time",
    "new_entry_id",
    "written_time",
]

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
COMMON = ("ledger", "entry_id", "signed_at", "observed", "role")

_MEMBERS = frozenset(("_type", "predicate", "predicateType", "subject"))
_COMMON = frozenset(COMMON)
_SUBJECT, _DIGEST, _OBSERVED = (
    frozenset(("name", "digest")),
    frozenset(("sha256",)),
    frozenset(("size", "root")),
)

_KIND = re.compile(r"[a-z]+(?:-[a-z]+)*")
_PREDICATE_TYPE = re.compile(r"urn:affidavit:(?P<kind>[a-z]+(?:-[a-z]+)*):v1")
_HEX = re.compile(r"[0-9a-f]{64}")
_NUMBER = re.compile(r"[0-9a-f]{32}")
_UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
# ASCII digits only: other scripts' digits would be another spelling, and would not sort as time does.
_TIME = re.compile(
    r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{6}Z", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Subject:
    """An artifact that a statement is about: a name and the SHA-256 of its bytes in hexadecimal."""

    name: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Observed:
    """The tree head that a signer saw before signing: size in entries, root as hexadecimal."""

    size: int
    root: str


@dataclass(frozen=True, slots=True)
class Statement:
    """Subjects, a kind and a predicate.

    Before `claim` the predicate holds what the caller says; after it, the common members stand beside.
    """

    kind: str
    subjects: tuple[Subject, ...]
    predicate: Mapping[str, Json]

    @property
    def predicate_type(self) -> str:
        """The predicate's type URI, with its major version."""
        return f"urn:affidavit:{self.kind}:v1"

    @property
    def observed(self) -> Observed:
        """The tree head that the signer saw."""
        seen = cast(Mapping[str, Json], self.predicate["observed"])
        return Observed(size=cast(int, seen["size"]), root=cast(str, seen["root"]))

    @property
    def refers_to(self) -> tuple[tuple[str, str], ...]:
        """The subjects that are referred to: the number of each, and the commitment to its row."""
        listed = cast(list[dict[str, str]], self.predicate.get("refers_to", []))
        return tuple((item["subject"], item["commitment"]) for item in listed)

    def text(self, member: str) -> str:
        """Return a text member of the predicate, or raise `MalformedInput`."""
        value = self.predicate.get(member)
        if not isinstance(value, str):
            raise MalformedInput(f"the {self.kind} statement has no text in `{member}`")
        return value

    def payload(self) -> bytes:
        """Write the bytes that are signed."""
        return encode(
            {
                "_type": STATEMENT_TYPE,
                "subject": [{"digest": {"sha256": s.sha256}, "name": s.name} for s in self.subjects],
                "predicateType": self.predicate_type,
                "predicate": dict(self.predicate),
            }
        )

    @classmethod
    def parse(cls, payload: bytes) -> "Statement":
        """Read a claimed statement strictly from its canonical bytes; raise `MalformedInput`."""
        value = decode(payload)
        if not isinstance(value, dict) or value.keys() != _MEMBERS:
            raise MalformedInput("a statement has exactly _type, subject, predicateType and predicate")
        if value["_type"] != STATEMENT_TYPE:
            raise MalformedInput(f"the statement's _type is not {STATEMENT_TYPE}")
        matched = _PREDICATE_TYPE.fullmatch(str(value["predicateType"]))
        if matched is None:
            raise MalformedInput(
                f"the predicate type {value['predicateType']!r} is not urn:affidavit:<kind>:v1"
            )
        predicate = value["predicate"]
        if not isinstance(predicate, dict):
            raise MalformedInput("a predicate is an object")
        _check_common(predicate)
        return cls(kind=matched["kind"], subjects=_subjects(value["subject"]), predicate=predicate)


def claim(
    statement: Statement, *, ledger: str, entry_id: str, signed_at: str, observed: Observed, role: str
) -> Statement:
    """Add the common members that bind a statement to one ledger, one entry, one moment and one role."""
    return Statement.parse(
        claimed_payload(
            statement, ledger=ledger, entry_id=entry_id, signed_at=signed_at, observed=observed, role=role
        )
    )


def claimed_payload(
    statement: Statement, *, ledger: str, entry_id: str, signed_at: str, observed: Observed, role: str
) -> bytes:
    """Write the bytes of a statement that is claimed as by `claim`, to be signed."""
    taken = sorted(set(COMMON) & set(statement.predicate))
    if taken:
        raise MalformedInput(f"a predicate may not use the reserved names {', '.join(taken)}")
    if _KIND.fullmatch(statement.kind) is None:
        raise MalformedInput(f"the kind {statement.kind!r} is not lower-case words joined by hyphens")
    common: JsonObject = {
        "ledger": ledger,
        "entry_id": entry_id,
        "signed_at": signed_at,
        "observed": {"root": observed.root, "size": observed.size},
        "role": role,
    }
    payload = replace(statement, predicate={**statement.predicate, **common}).payload()
    # What we would not read back, we do not sign.
    Statement.parse(payload)
    return payload


def new_entry_id(seconds: float, random_bytes: Callable[[int], bytes]) -> str:
    """Make a UUIDv7 (RFC 9562, 5.7) from a time in seconds since 1970 and a source of random bytes."""
    value = int(seconds * 1000) << 80 | int.from_bytes(random_bytes(10), "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    digits = f"{value:032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def written_time(seconds: float) -> str:
    """Write a time, in seconds since 1970, as RFC 3339 in UTC with microseconds.

    >>> written_time(0)
    '1970-01-01T00:00:00.000000Z'
    """
    return datetime.fromtimestamp(seconds, tz=UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def is_written_time(text: str) -> bool:
    """Say whether a text is a time as `written_time` writes it."""
    if _TIME.fullmatch(text) is None:
        return False
    try:
        datetime.fromisoformat(text)  # 30 February has the form of a day
    except ValueError:
        return False
    return True


def _subjects(value: Json) -> tuple[Subject, ...]:
    if not isinstance(value, list) or not value:
        raise MalformedInput("a statement has at least one subject")
    subjects = []
    for item in value:
        if not isinstance(item, dict) or item.keys() != _SUBJECT:
            raise MalformedInput("a subject has exactly a name and a digest")
        digest = item["digest"]
        if not isinstance(digest, dict) or digest.keys() != _DIGEST or not _is_hex(digest["sha256"]):
            raise MalformedInput("a subject's digest is one sha256 of 64 lower-case hexadecimal digits")
        if not isinstance(item["name"], str):
            raise MalformedInput("a subject's name is text")
        subjects.append(Subject(name=item["name"], sha256=cast(str, digest["sha256"])))
    return tuple(subjects)


def _check_common(predicate: JsonObject) -> None:
    if not predicate.keys() >= _COMMON:
        missing = [name for name in COMMON if name not in predicate]
        raise MalformedInput(f"the predicate lacks {', '.join(missing)}")
    entry_id, signed_at, observed = predicate["entry_id"], predicate["signed_at"], predicate["observed"]
    if not (
        isinstance(entry_id, str)
        and isinstance(signed_at, str)
        and isinstance(predicate["ledger"], str)
        and isinstance(predicate["role"], str)
    ):
        raise MalformedInput("ledger, entry_id, signed_at and role are text")
    if _UUID7.fullmatch(entry_id) is None:
        raise MalformedInput("entry_id is a UUIDv7 in lower case (RFC 9562)")
    if not is_written_time(signed_at):
        raise MalformedInput("signed_at is an RFC 3339 time in UTC with microseconds")
    if (
        not isinstance(observed, dict)
        or observed.keys() != _OBSERVED
        or type(observed["size"]) is not int
        or observed["size"] < 0
        or not _is_hex(observed["root"])
    ):
        raise MalformedInput("observed is a size and a root of 64 hexadecimal digits")
    if "refers_to" in predicate:
        _check_refers_to(predicate["refers_to"])


def _check_refers_to(listed: Json) -> None:
    numbers = []
    for item in listed if isinstance(listed, list) else [None]:
        if not isinstance(item, dict) or item.keys() != {"subject", "commitment"}:
            raise MalformedInput(
                "refers_to is a list of subjects, each with exactly its number and its commitment"
            )
        number = item["subject"]
        if not isinstance(number, str) or not _NUMBER.fullmatch(number) or not _is_hex(item["commitment"]):
            raise MalformedInput("refers_to names a subject by 32 and commits by 64 hexadecimal digits")
        numbers.append(number)
    if len(set(numbers)) < len(numbers):
        raise MalformedInput("refers_to names each subject once")


def _is_hex(value: Json) -> bool:
    return isinstance(value, str) and _HEX.fullmatch(value) is not None
