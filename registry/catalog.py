"""The catalogue: models, versions, stages, approvals and decisions, as learned from the ledger.

It is a follower (`audit.follower`): it applies entries in order inside the transaction that writes them, so a
version number is given exactly once and without a gap. It never judges and reads no clock: `rebuild` learns equal
tables again.

A version is a run that succeeded, numbered from 1 in the order of the ledger. A stage is a pointer to a version.
"""

from dataclasses import dataclass
from typing import cast

from sqlalchemy import Column, Connection, Integer, MetaData, Table, Text, select

from audit import tables
from audit.canonical import Json, decode, encode
from audit.errors import MalformedInput
from audit.record import Entry
from registry.gate import ALLOWING
from registry.predicates import (
    Decided,
    GivenApproval,
    IssuedReport,
    PolicyDigest,
    Reproduction,
    StagePolicies,
    check_run,
)

__all__ = [
    "Catalog",
    "Catalogued",
    "read_about",
    "read_policies",
    "read_stage_moves",
    "read_versions",
]

metadata = MetaData()

runs = Table(
    "runs",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("model", Text, nullable=False),
    Column("status", Text, nullable=False),
    sqlite_strict=True,
)

versions = Table(
    "versions",
    metadata,
    Column("model", Text, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("seq", Integer, nullable=False, unique=True),
    Column("leaf_hash", Text, nullable=False),
    Column("recorder", Text, nullable=False),
    Column("time", Text, nullable=False),
    sqlite_strict=True,
)

stage_policies = Table(
    "stage_policies",
    metadata,
    Column("stage", Text, primary_key=True),
    Column("seq", Integer, nullable=False),
    Column("policies", Text, nullable=False),
    sqlite_strict=True,
)

about = Table(
    "about",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("stage", Text, nullable=False),
    Column("verdict", Text, nullable=False),
    sqlite_strict=True,
)
"""Every approval, decision, reproduction and report about a version; `stage` is empty where none is named."""

stages = Table(
    "stages",
    metadata,
    Column("model", Text, primary_key=True),
    Column("stage", Text, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("seq", Integer, nullable=False),
    sqlite_strict=True,
)

# Runs are what a ledger holds most of, and SQLAlchemy takes longer for a statement than all the rest of an append.
_ADD_RUN = "INSERT INTO runs (seq, model, status) VALUES (:seq, :model, :status)"
_NEWEST_VERSION = "SELECT coalesce(max(version), 0) FROM versions WHERE model = :model"
_ADD_VERSION = (
    "INSERT INTO versions (model, version, seq, leaf_hash, recorder, time) "
    "VALUES (:model, :version, :seq, :leaf_hash, :recorder, :time)"
)


@dataclass(frozen=True, slots=True)
class Catalogued:
    """A model version as the catalogue knows it: where its run stands, who recorded it, which stages point to it."""

    model: str
    version: int
    seq: int
    leaf_hash: str
    recorder: str
    time: str
    stages: tuple[str, ...]


class Catalog:
    """Learns the catalogue from entries."""

    metadata = metadata

    def apply(self, connection: Connection, entry: Entry) -> None:
        """Learn from one entry; kinds that say nothing about models are passed over."""
        predicate = entry.statement.predicate
        match entry.kind:
            case "run":
                self._run(connection, entry)
            case "stage":
                _put_stage_policies(connection, entry, StagePolicies.read(predicate))
            case "approval":
                approval = GivenApproval.read(predicate)
                _about(connection, entry, approval, approval.stage, approval.verdict)
            case "decision":
                decided = Decided.read(predicate)
                _about(connection, entry, decided, decided.stage, decided.decision)
                if decided.decision == "promoted":
                    _point(connection, entry.seq, decided)
            case "reproduction":
                reproduction = Reproduction.read(predicate)
                _about(connection, entry, reproduction, "", reproduction.verdict)
            case "report":
                issued = IssuedReport.read(predicate)
                _about(connection, entry, issued, "", issued.template)

    def _run(self, connection: Connection, entry: Entry) -> None:
        model, status = check_run(entry.statement.predicate), entry.statement.text("status")
        tables.run(connection, _ADD_RUN, [{"seq": entry.seq, "model": model, "status": status}])
        if status != "succeeded":
            return
        newest = tables.fetch_row(connection, _NEWEST_VERSION, {"model": model})
        assert newest is not None  # an aggregate always has a row
        version = {
            "model": model,
            "version": newest[0] + 1,
            "seq": entry.seq,
            "leaf_hash": entry.leaf_hash,
            "recorder": entry.key,
            "time": entry.time,
        }
        tables.run(connection, _ADD_VERSION, [version])


def read_versions(connection: Connection, model: str | None = None) -> list[Catalogued]:
    """Read the versions of one model or of all, oldest first."""
    pointed: dict[tuple[str, int], list[str]] = {}
    for row in connection.execute(select(stages).order_by(stages.c.stage)):
        pointed.setdefault((row.model, row.version), []).append(row.stage)
    query = select(versions).order_by(versions.c.model, versions.c.version)
    if model is not None:
        query = query.where(versions.c.model == model)
    return [
        Catalogued(
            row.model,
            row.version,
            row.seq,
            row.leaf_hash,
            row.recorder,
            row.time,
            tuple(pointed.get((row.model, row.version), ())),
        )
        for row in connection.execute(query)
    ]


def read_stage_moves(connection: Connection, model: str, stage: str) -> list[tuple[int, int]]:
    """Return (entry, version) of every decision that moved a stage, oldest first."""
    query = (
        select(about.c.seq, about.c.version)
        .where(
            about.c.kind == "decision",
            about.c.model == model,
            about.c.stage == stage,
            about.c.verdict == "promoted",
        )
        .order_by(about.c.seq)
    )
    return [(seq, version) for seq, version in connection.execute(query)]


def read_policies(connection: Connection) -> dict[str, tuple[PolicyDigest, ...]]:
    """Read which policies guard each stage now."""
    rows = connection.execute(select(stage_policies).order_by(stage_policies.c.stage))
    return {
        row.stage: tuple(PolicyDigest.from_json(p) for p in cast(list[Json], decode(row.policies.encode())))
        for row in rows
    }


def read_about(connection: Connection, model: str, version: int, kind: str) -> list[int]:
    """Return the entries of a kind about a version, oldest first."""
    query = select(about.c.seq).where(
        about.c.model == model, about.c.version == version, about.c.kind == kind
    )
    return list(connection.execute(query.order_by(about.c.seq)).scalars())


def _about(
    connection: Connection,
    entry: Entry,
    said: GivenApproval | Decided | Reproduction | IssuedReport,
    stage: str,
    verdict: str,
) -> None:
    known = connection.execute(
        select(versions.c.leaf_hash).where(versions.c.model == said.model, versions.c.version == said.version)
    ).scalar()
    name, subject = f"{said.model}@{said.version}", entry.statement.subjects[0].sha256
    if known is None:
        raise MalformedInput(f"the {entry.kind} is about {name}, which this ledger does not know")
    if isinstance(said, IssuedReport):
        if subject != said.sha256:
            raise MalformedInput(f"the report's subject is not the document of {name} that it names")
    elif subject != known:
        raise MalformedInput(f"the {entry.kind} is about another run than that of {name}")
    connection.execute(
        about.insert().values(
            seq=entry.seq,
            kind=entry.kind,
            model=said.model,
            version=said.version,
            stage=stage,
            verdict=verdict,
        )
    )


def _put_stage_policies(connection: Connection, entry: Entry, said: StagePolicies) -> None:
    if [s.sha256 for s in entry.statement.subjects] != [p.sha256 for p in said.policies]:
        raise MalformedInput(f"the subjects of the stage {said.stage} are not the policies that it names")
    connection.execute(stage_policies.delete().where(stage_policies.c.stage == said.stage))
    text = encode([p.to_json() for p in said.policies]).decode()
    connection.execute(stage_policies.insert().values(stage=said.stage, seq=entry.seq, policies=text))


def _point(connection: Connection, seq: int, decided: Decided) -> None:
    """Move a stage, unless the decision contradicts itself or the ledger.

    This judges no evidence: whether the outcomes are right is recomputed by `registry.recheck`.
    """
    if read_policies(connection).get(decided.stage) != decided.policies:
        raise MalformedInput(f"the decision names other policies than those that guard {decided.stage}")
    if not decided.rules or any(str(rule.get("outcome")) not in ALLOWING for rule in decided.rules):
        raise MalformedInput("the decision promotes, and not every rule that it lists has passed")
    where = (stages.c.model == decided.model) & (stages.c.stage == decided.stage)
    connection.execute(stages.delete().where(where))
    connection.execute(
        stages.insert().values(model=decided.model, stage=decided.stage, version=decided.version, seq=seq)
    )
