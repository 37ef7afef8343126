"""References to a person or a sensitive value: what stays in a statement, and the row that gives it meaning.

A statement never holds the value. It says ``{"subject": <number>, "hmac": <HMAC-SHA256(key, value)>}``, and number,
name and key of the subject are a row of the table `subjects`. Who has the row can check a value that he knows; without
it the reference says nothing: unlike a plain hash, whose values can be tried one after the other, a birth date in a
few seconds.

Rules:

- Number (16 bytes) and key (32 bytes) are random, for each subject its own, so that equal values of two people do not
  look alike. Equal values of one person do.
- A value is text in UTF-8 and Unicode's form NFC; numbers and dates are written as text (`value_text`).
- A statement lists whom it refers to in ``refers_to``: the number, and a commitment to the row,
  HMAC-SHA256(key, 0xFF || number || name). No text in UTF-8 holds the byte 0xFF, so no value's HMAC is a commitment.
- The row is written in the transaction of the first statement that refers to it, and never without one.

>>> known = KnownSubject("00" * 16, "applicant 4711", bytes(32))
>>> known.reference("1980-02-03")["hmac"][:16]
'35a429d9848664f6'
"""

import hashlib
import hmac
import math
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from sqlalchemy import Connection, Engine, select

from audit import tables
from audit.canonical import Json, JsonObject
from audit.errors import MalformedInput

__all__ = [
    "KEY_BYTES",
    "MOST_SUBJECTS",
    "KnownSubject",
    "Referrer",
    "hmacs_of",
    "known_subjects",
    "value_text",
]

NUMBER_BYTES, KEY_BYTES = 16, 32
MOST_SUBJECTS = 100
"""To so many subjects one statement refers at most: a record has room for them beside what it says."""


@dataclass(frozen=True, slots=True)
class KnownSubject:
    """A row of the table `subjects`."""

    number: str
    name: str
    key: bytes = field(repr=False)

    def reference(self, value: object) -> JsonObject:
        """Refer to a value of this subject, as it stands in a statement."""
        return {"subject": self.number, "hmac": self._hmac(value_text(value).encode())}

    def commitment(self) -> str:
        """Commit to this row: HMAC-SHA256(key, 0xFF || number || name) in hexadecimal."""
        # What was read from a damaged table may hold bytes that are not UTF-8: they go in as they are.
        return self._hmac(b"\xff" + f"{self.number}{self.name}".encode("utf-8", "surrogateescape"))

    def _hmac(self, message: bytes) -> str:
        return hmac.new(self.key, message, hashlib.sha256).hexdigest()


class Referrer:
    """Gives the references of one statement, and remembers whom it refers to.

    `members` goes into the statement's predicate, and `remember` into its append (`within`). People whom the ledger
    does not know under a name yet get a number and a key of their own.

    >>> referrer = Referrer(ledger.engine, os.urandom)                             # doctest: +SKIP
    >>> said = {"title": "a complaint", "by": referrer.refer("applicant 4711", "1980-02-03")}    # doctest: +SKIP
    >>> statement = Statement("report", subjects, said | referrer.members())       # doctest: +SKIP
    >>> ledger.append(statement, within=referrer.remember)                         # doctest: +SKIP
    """

    def __init__(self, engine: Engine, random_bytes: Callable[[int], bytes]) -> None:
        """Refer to nobody yet."""
        self._engine, self._random_bytes = engine, random_bytes
        self._referred: dict[str, KnownSubject] = {}
        self._new: list[KnownSubject] = []

    def refer(self, name: str, value: object) -> JsonObject:
        """Return the reference to a value of the subject of this name; `MalformedInput` for too many subjects."""
        return self._subject(_checked_name(name)).reference(value)

    def members(self) -> JsonObject:
        """Return the member `refers_to` of a predicate, or nothing where nobody was referred to."""
        rows: list[Json] = [
            {"subject": known.number, "commitment": known.commitment()} for known in self._referred.values()
        ]
        return {"refers_to": rows} if rows else {}

    @property
    def knows_new(self) -> bool:
        """Say whether somebody was referred to whom the ledger did not know: then `remember` has rows to write."""
        return bool(self._new)

    def remember(self, connection: Connection) -> None:
        """Write the rows of those who are new, in the transaction that appends the statement."""
        for known in self._new:
            connection.execute(
                tables.subjects.insert().values(subject=known.number, name=known.name, key=known.key)
            )

    def _subject(self, name: str) -> KnownSubject:
        if name not in self._referred:
            if len(self._referred) == MOST_SUBJECTS:
                raise MalformedInput(
                    f"one statement refers to at most {MOST_SUBJECTS} people: fingerprint a table of them instead"
                )
            known = next((k for k in known_subjects(self._engine) if k.name == name), None)
            if known is None:
                number, key = self._random_bytes(NUMBER_BYTES).hex(), self._random_bytes(KEY_BYTES)
                known = KnownSubject(number, name, key)
                self._new.append(known)
            self._referred[name] = known
        return self._referred[name]


def known_subjects(engine: Engine) -> list[KnownSubject]:
    """Read the table `subjects`, by name; nobody where the ledger is older than the table."""
    table = tables.subjects
    with tables.failures(), engine.connect() as connection:
        if table not in tables.tables_of(tables.version_of(connection)):
            return []
        rows = connection.execute(select(table).order_by(table.c.name, table.c.subject)).all()
    return [KnownSubject(row.subject, row.name, bytes(row.key)) for row in rows]


def value_text(value: object) -> str:
    """Write a value as the text whose HMAC stands for it.

    >>> value_text(date(1980, 2, 3)), value_text(52000), value_text(0.5)
    ('1980-02-03', '52000', '0.5')
    """
    match value:
        case str():
            text = unicodedata.normalize("NFC", value)
        case bool():
            text = "true" if value else "false"
        case date():
            text = value.isoformat()
        case int() | Decimal():
            text = str(value)
        case float() if math.isfinite(value):
            text = repr(value)
        case _:
            raise MalformedInput(
                f"a value of the type {type(value).__name__} cannot be referred to: give text, a number or a date"
            )
    try:
        text.encode()
    except UnicodeEncodeError:
        raise MalformedInput("a value that is referred to is Unicode text") from None
    return text


def hmacs_of(said: Json, number: str) -> Iterator[str]:
    """Yield the HMAC of every reference to a subject that stands anywhere in a predicate."""
    if isinstance(said, dict):
        if set(said) == {"subject", "hmac"} and said["subject"] == number:
            yield str(said["hmac"])
        for inner in said.values():
            yield from hmacs_of(inner, number)
    elif isinstance(said, list):
        for inner in said:
            yield from hmacs_of(inner, number)


def _checked_name(name: str) -> str:
    name = unicodedata.normalize("NFC", name.strip()) if isinstance(name, str) else ""
    if not name or len(name) > 200 or not name.isprintable():
        raise MalformedInput("the name of a subject is printable text of 1 to 200 characters")
    return name
