"""Obtaining anchors: the newest head goes to every witness and time stamp authority, and what they sign is kept.

Rules:

- All are asked for the same checkpoint, the newest one when it began. One that fails does not stop the others.
- What is kept was verified first: the table `anchors` gets nothing that verification would find wrong.
- A witness is asked to go on from the size that it cosigned last, as the table says; where it remembers another, it
  says so and is asked again.
- Nothing is held open while somebody is waited for.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, func, select

from audit import tables
from audit.anchor_settings import AnchorSettings, Authority, WitnessAt
from audit.anchors import StoredAnchor
from audit.canonical import JsonObject
from audit.errors import AffidavitError
from audit.note import Note
from audit.prover import Prover
from audit.statement import written_time
from audit.verify_anchors import read_anchors

__all__ = ["Obtained", "obtain_anchors", "stored_anchors"]


@dataclass(frozen=True, slots=True)
class Obtained:
    """What one witness or authority answered: a time in seconds since 1970, or what went wrong."""

    kind: str
    source: str
    size: int
    time: float | None
    problem: str | None = None

    def to_json(self) -> JsonObject:
        """Write it as `anchor now --json` prints it."""
        return {
            "kind": self.kind,
            "source": self.source,
            "size": self.size,
            "time": None if self.time is None else written_time(self.time),
            "problem": self.problem,
        }


def obtain_anchors(
    engine: Engine, note: bytes, size: int, settings: AnchorSettings, clock: Callable[[], float]
) -> list[Obtained]:
    """Have the checkpoint `note` of `size` entries cosigned and stamped by all; keep and return what came of it."""
    newest = {authority.url: authority for authority in settings.timestamps}
    return [
        *(_cosignature(engine, note, size, witness, clock) for witness in settings.witnesses),
        *(_timestamp(engine, note, size, authority, clock) for authority in newest.values()),
    ]


def stored_anchors(engine: Engine) -> list[StoredAnchor]:
    """Read the table `anchors` in order."""
    with tables.failures(), engine.connect() as connection:
        return list(read_anchors(connection, tables.tables_of(tables.version_of(connection))))


def _cosignature(
    engine: Engine, note: bytes, size: int, witness: WitnessAt, clock: Callable[[], float]
) -> Obtained:
    from audit.witness import cosigned_by

    def consistency(first: int, second: int) -> Sequence[bytes]:
        with tables.failures(), engine.connect() as connection:
            return Prover(connection).consistency(first, second)

    kind, name = "cosignature", witness.key.name
    try:
        sizes = [row.size for row in stored_anchors(engine) if (row.kind, row.source) == (kind, name)]
        found = cosigned_by(witness, note, consistency, now=clock(), known_size=max(sizes, default=0))
        _keep(engine, kind, size, name, str(found.line).encode())
    except AffidavitError as error:
        return Obtained(kind, name, size, None, str(error))
    return Obtained(kind, name, size, found.time)


def _timestamp(
    engine: Engine, note: bytes, size: int, authority: Authority, clock: Callable[[], float]
) -> Obtained:
    from audit.timestamp import obtain, verify_stamp

    kind, text = "timestamp", Note.parse(note).text
    try:
        answer = obtain(authority, text, now=clock())
        time = verify_stamp(answer, authority, text, now=clock())
        _keep(engine, kind, size, authority.url, answer)
    except AffidavitError as error:
        return Obtained(kind, authority.url, size, None, str(error))
    return Obtained(kind, authority.url, size, time)


def _keep(engine: Engine, kind: str, size: int, source: str, body: bytes) -> None:
    with tables.writing(engine) as connection:
        number = _last_number(connection) + 1
        row = {"number": number, "kind": kind, "size": size, "source": source, "body": body}
        connection.execute(tables.anchors.insert().values(**row))


def _last_number(connection: Connection) -> int:
    return int(connection.execute(select(func.max(tables.anchors.c.number))).scalar() or 0)
