"""What a gate is judged on: the run, the stage's policies, approvals and reproductions, at one point of the ledger.

Which statements count:

- An approval counts for the digest it was given for: this version, this run, this stage, these policies. Any other
  text of a policy is other evidence, and the approvals before it no longer count.
- What was said in a role stays said. A key that was revoked afterwards, or holds other roles today, was in its right
  when it signed: people leave, and what they approved was still approved.
- But a revocation may name the entry from which the key is suspect. From there up to the revocation nobody knows who
  signed: approvals and favourable reproductions do not count, a run signed there cannot be promoted at all, nor by
  policies that were adopted there. So it is with what keys signed that a suspect key brought in (`audit.doubt`). A key
  that is granted roles again, in no doubt, counts again for what it signs then.
- A key that took the place of another is the same person: both count as the first of them.
- Rejections and reproductions that diverged count even then: a doubt about who said no is not a yes.
- Who holds a key is not looked at: that can be erased, and then a refusal would turn into a promotion.

What was judged is the same inside the writing transaction (`unchanged`), or nothing is written.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

from sqlalchemy import Connection, func, select

from audit import tables
from audit.canonical import Json, JsonObject, encode
from audit.doubt import Doubts
from audit.errors import Conflict, NotFound, NotVerified
from audit.record import Entry
from registry import catalog
from registry.catalog import Catalogued
from registry.gate import Approval, Evidence
from registry.models import Models
from registry.policy import Policy
from registry.predicates import GivenApproval, PolicyDigest, StagePolicies
from registry.rules import PrivacyRule
from registry.tables_told import tables_told

__all__ = ["Gathered", "adopted", "adopted_in_doubt", "gather", "gather_before", "unchanged"]


@dataclass(frozen=True, slots=True)
class Gathered:
    """What a gate is judged on: the policies of the stage, the evidence, and the digest that binds approvals."""

    found: Catalogued
    policies: tuple[Policy, ...]
    evidence: Evidence
    digest: str
    seen: tuple[int, ...]
    """The approvals and reproductions of this version that were there to be judged."""
    revocations: int
    """How many keys had been revoked by then."""

    @property
    def policy_digests(self) -> tuple[PolicyDigest, ...]:
        """The policies by name and digest, as statements name them."""
        return tuple(PolicyDigest(policy.name, policy.sha256) for policy in self.policies)


def gather(models: Models, found: Catalogued, stage: str) -> Gathered:
    """Gather what a gate judges now. Raises `NotVerified` where the run or the policies are in doubt."""
    policies = models.policies(stage)
    with tables.failures(), models.read() as connection:
        seen, revocations = _judged_entries(connection, found), _revocations(connection)
    doubts = Doubts.of(models.ledger.trust().grants)
    _check_adopted(adopted(models, stage), stage, doubts)
    return _gathered(models, found, stage, policies, seen, revocations, doubts)


def gather_before(models: Models, found: Catalogued, stage: str, seq: int) -> Gathered:
    """Gather what stood to be judged when the entry `seq` was written, by the policies that held then."""
    by = adopted(models, stage, seq)
    if by is None:
        raise NotFound(f"no policy guarded the stage {stage!r} before entry {seq}")
    with tables.failures(), models.read() as connection:
        seen = tuple(one for one in _judged_entries(connection, found) if one < seq)
        revocations = _revocations(connection, seq)
    doubts = Doubts.of(models.ledger.trust().grants, before=seq)
    _check_adopted(by, stage, doubts)
    policies = models.policy_texts(StagePolicies.read(by.statement.predicate).policies)
    return _gathered(models, found, stage, policies, seen, revocations, doubts)


def adopted(models: Models, stage: str, before: int | None = None) -> Entry | None:
    """Read the entry that said which policies guard a stage, as it stood before an entry or stands now."""
    for entry in models.ledger.entries(kind="stage", newest_first=True):
        is_before = before is None or entry.seq < before
        if is_before and StagePolicies.read(entry.statement.predicate).stage == stage:
            return entry
    return None


def unchanged(gathered: Gathered) -> Callable[[Connection], None]:
    """Check, inside the writing transaction, that what was judged is still what stands."""
    found, stage = gathered.found, gathered.evidence.stage

    def check(connection: Connection) -> None:
        if (
            catalog.read_policies(connection).get(stage, ()) != gathered.policy_digests
            or _judged_entries(connection, found) != gathered.seen
            or _revocations(connection) != gathered.revocations
        ):
            raise Conflict(
                f"the evidence for {found.model}@{found.version} changed while it was judged: try again"
            )

    return check


def _gathered(
    models: Models,
    found: Catalogued,
    stage: str,
    policies: tuple[Policy, ...],
    seen: tuple[int, ...],
    revocations: int,
    doubts: Doubts,
) -> Gathered:
    doubt = doubts.about(models.ledger.entry(found.seq).envelope, found.seq)
    if doubt is not None:
        raise NotVerified(
            f"the run of {found.model}@{found.version} (entry {found.seq}) was signed with {doubt.words}: record the "
            "run again with another key"
        )
    digest = _evidence_digest(found, stage, policies)
    first_key = models.ledger.trust().first_key
    entries = [models.ledger.entry(seq) for seq in seen]
    run = models.run_of(found)
    asked = any(isinstance(rule, PrivacyRule) for policy in policies for rule in policy.rules)
    evidence = Evidence(
        found.model,
        found.version,
        stage,
        run,
        first_key(found.recorder),
        tuple(_approvals(models, entries, digest, doubts, first_key)),
        tuple(_reproductions(entries, doubts)),
        tables_told(run, models.artifacts) if asked else (),
    )
    return Gathered(found, policies, evidence, digest, seen, revocations)


def _check_adopted(by: Entry | None, stage: str, doubts: Doubts) -> None:
    """Refuse policies that nobody knows who adopted."""
    doubt = adopted_in_doubt(by, stage, doubts)
    if doubt is not None:
        raise NotVerified(f"{doubt}: adopt them again with another key (`affidavit policy adopt`)")


def adopted_in_doubt(by: Entry | None, stage: str, doubts: Doubts) -> str | None:
    """Say why nobody knows who adopted the policies of a stage; None where there is no doubt."""
    doubt = doubts.about(by.envelope, by.seq) if by is not None else None
    if by is None or doubt is None:
        return None
    return f"the policies of the stage {stage} were adopted in entry {by.seq}, which was signed with {doubt.words}"


def _approvals(
    models: Models,
    entries: list[Entry],
    digest: str,
    doubts: Doubts,
    first_key: Callable[[str], str],
) -> list[Approval]:
    approvals = []
    for entry in entries:
        if entry.kind != "approval":
            continue
        said = GivenApproval.read(entry.statement.predicate)
        if said.evidence == digest and not (said.verdict == "approve" and _is_doubted(entry, doubts)):
            person, role = models.ledger.holder(entry.key), entry.statement.text("role")
            key = first_key(entry.key)
            approvals.append(Approval(entry.seq, key, person, role, said.verdict, said.meaning, entry.time))
    return approvals


def _reproductions(entries: list[Entry], doubts: Doubts) -> list[Mapping[str, Json]]:
    return [
        entry.statement.predicate
        for entry in entries
        if entry.kind == "reproduction"
        and (entry.statement.text("verdict") == "diverged" or not _is_doubted(entry, doubts))
    ]


def _is_doubted(entry: Entry, doubts: Doubts) -> bool:
    return doubts.about(entry.envelope, entry.seq) is not None


def _evidence_digest(found: Catalogued, stage: str, policies: tuple[Policy, ...]) -> str:
    """Digest what an approval is bound to: the run's entry, the stage, and the text of its policies."""
    document: JsonObject = {
        "model": found.model,
        "version": found.version,
        "run": found.leaf_hash,
        "stage": stage,
        "policies": cast(list[Json], [policy.sha256 for policy in policies]),
    }
    return hashlib.sha256(encode(document)).hexdigest()


def _judged_entries(connection: Connection, found: Catalogued) -> tuple[int, ...]:
    return tuple(
        sorted(
            seq
            for kind in ("approval", "reproduction")
            for seq in catalog.read_about(connection, found.model, found.version, kind)
        )
    )


def _revocations(connection: Connection, before: int | None = None) -> int:
    """Count the keys that were revoked, or had been before an entry."""
    columns = tables.records.c
    query = select(func.count()).select_from(tables.records).where(columns.kind == "key-revoke")
    found = connection.execute(query if before is None else query.where(columns.seq < before)).scalar()
    return found or 0
