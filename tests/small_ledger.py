"""A small ledger of the audit floor alone, for tests: real keys and files, a clock that is set by hand."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from sqlalchemy import Column, Connection, Integer, MetaData, Table, Text, select, text

from audit import tables
from audit.canonical import Json, JsonObject
from audit.errors import MalformedInput
from audit.follower import Follower
from audit.key_subjects import subject_of
from audit.keys import LocalSigner, new_private_key
from audit.ledger import Ledger, create_ledger
from audit.record import Entry
from audit.statement import Observed, Statement, Subject, claim

__all__ = [
    "DIGEST",
    "ENTRY_ID",
    "ORIGIN",
    "Clock",
    "People",
    "Titles",
    "claimed",
    "ledger",
    "new_ledger",
    "people",
    "reopened",
    "report",
    "signer",
    "state",
    "titles",
]

ORIGIN = "test.example/ledger"
DIGEST = "ab" * 32
ENTRY_ID = "019bbb5c-5a3e-7cc9-8d1e-2f3a4b5c6d7e"
TIME = "2026-01-13T09:30:00.123456Z"


def signer() -> LocalSigner:
    """Draw a new Ed25519 key."""
    return LocalSigner(new_private_key())


@dataclass
class Clock:
    """Goes on by a second whenever it is read, from where it was set."""

    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


@dataclass
class People:
    """The keys of a small ledger; `admin` may also record."""

    admin: LocalSigner = field(default_factory=signer)
    log: LocalSigner = field(default_factory=signer)


class Titles:
    """A follower that keeps the title of every report, and refuses the title `forbidden`."""

    metadata = MetaData()
    table = Table(
        "titles",
        metadata,
        Column("seq", Integer, primary_key=True, autoincrement=False),
        Column("title", Text, nullable=False),
        sqlite_strict=True,
    )

    def apply(self, connection: Connection, entry: Entry) -> None:
        if entry.kind != "report":
            return
        title = entry.statement.text("title")
        if title == "forbidden":
            raise RuntimeError("this follower refuses")
        connection.execute(self.table.insert().values(seq=entry.seq, title=title))


def new_ledger(
    folder: Path,
    people: People | None = None,
    *,
    origin: str = ORIGIN,
    clock: Clock | None = None,
    roles: tuple[str, ...] = ("admin", "recorder"),
    followers: Sequence[Follower] = (),
) -> Ledger:
    """Make a ledger with one key."""
    people = people or People()
    folder.mkdir(parents=True, exist_ok=True)
    engine = tables.create(folder / "ledger.db", [f.metadata for f in followers])
    return create_ledger(
        engine,
        origin=origin,
        name="admin",
        holder="Ilse Brandt",
        roles=roles,
        signer=people.admin,
        log_signer=people.log,
        followers=followers,
        clock=clock or Clock(),
    )


def reopened(folder: Path, people: People, followers: Sequence[Follower] = ()) -> Ledger:
    """Open a ledger anew, as another process would."""
    return Ledger(
        tables.open_database(folder / "ledger.db"),
        followers=followers,
        signer=lambda kind: people.admin,
        log_signer=lambda: people.log,
        clock=Clock(),
    )


def report(title: str = "a title", **more: Json) -> Statement:
    """Say a report; the audit floor knows nothing of what is in it."""
    return Statement("report", (Subject("report.pdf", DIGEST),), {"title": title, **more})


def claimed(
    kind: str = "report",
    predicate: JsonObject | None = None,
    *,
    role: str = "recorder",
    subject: str | None = None,
    ledger: str = ORIGIN,
    entry_id: str = ENTRY_ID,
    observed: Observed | None = None,
) -> Statement:
    """Claim a statement by hand; an entry about keys is about what it says, unless `subject` says otherwise."""
    said = Statement(kind, (Subject("subject", subject or DIGEST),), predicate or {})
    if subject is None:
        # What makes no sense has no subject that follows from it.
        with suppress(MalformedInput):
            about = subject_of(replace(said, predicate={**said.predicate, "ledger": ledger}))
            said = replace(said, subjects=(Subject("subject", about or DIGEST),))
    seen = observed or Observed(0, DIGEST)
    return claim(said, ledger=ledger, entry_id=entry_id, signed_at=TIME, observed=seen, role=role)


def titles(ledger: Ledger) -> list[tuple[int, str]]:
    """Read what the follower of titles has learned."""
    with ledger.engine.connect() as connection:
        return [
            (row.seq, row.title)
            for row in connection.execute(select(Titles.table).order_by(Titles.table.c.seq))
        ]


def state(ledger: Ledger) -> list[list[tuple[object, ...]]]:
    """Read every row of every table."""
    with ledger.engine.connect() as connection:
        names = sorted(t.name for t in (*tables.ledger_metadata.sorted_tables, Titles.table))
        return [[tuple(row) for row in connection.execute(text(f"SELECT * FROM {name}"))] for name in names]


@pytest.fixture
def people() -> People:
    """Give the keys of a ledger of the test's own."""
    return People()


@pytest.fixture
def ledger(tmp_path: Path, people: People) -> Ledger:
    """Give a new ledger that keeps titles and whose admin also records, opened anew."""
    new_ledger(tmp_path, people, followers=[Titles()]).close()
    return reopened(tmp_path, people, [Titles()])
