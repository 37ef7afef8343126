"""What a gate is judged on: the run, the stage's policies, approvals and reproductions, at one point of the ledger.

Which statements count:

- An approval counts for the digest it was given for: this version, this run, this stage, these policies. Any other
  text of a policy is other evidence, and the approvals before it no longer count.
- What was said in a role stays said. A key that was revoked afterwards, or holds other roles today, was in its right
  when it signed: people leave, and what they approved was still approved.
- But a revocation may name the entry from which the key is suspect. From there up to the revocation nobody knows who
  signed: approvals and favourable reproductions do not count, and a run signed there cannot be promoted at all. A key
  that is granted roles again counts again for what it signs then.
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
from audit.errors import Conflict, NotFound, NotVerified
from audit.grants import Suspicion
from audit.record import Entry
from registry import catalog
from registry.catalog import Catalogued
from registry.gate import Approval, Evidence
from registry.models import Models
from registry.policy import Policy
from registry.predicates import Approval as ApprovalSaid
from registry.predicates import PolicyDigest, StagePolicies

__all__ = ["Gathered", "Suspects", "gather", "gather_before", "unchanged"]


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
    """Gather what a gate judges now. Raises `NotVerified` where the run was signed with a suspect key."""
    revoked = list(models.ledger.entries(kind="key-revoke"))
    with tables.failures(), models.read() as connection:
        seen = _judged_entries(connection, found)
    return _gathered(models, found, stage, models.policies(stage), seen, revoked)


def gather_before(models: Models, found: Catalogued, stage: str, seq: int) -> Gathered:
    """Gather what stood to be judged when the entry `seq` was written, by the policies that held then."""
    revoked = [entry for entry in models.ledger.entries(kind="key-revoke") if entry.seq < seq]
    adopted = [
        said
        for entry in models.ledger.entries(kind="stage")
        if entry.seq < seq and (said := StagePolicies.read(entry.statement.predicate)).stage == stage
    ]
    if not adopted:
        raise NotFound(f"no policy guarded the stage {stage!r} before entry {seq}")
    with tables.failures(), models.read() as connection:
        seen = tuple(one for one in _judged_entries(connection, found) if one < seq)
    return _gathered(models, found, stage, models.policy_texts(adopted[-1].policies), seen, revoked)


@dataclass(frozen=True, slots=True)
class Suspects:
    """In which entries keys are suspect, by their ids: up to the revocation that says so, and not after a new grant."""

    by_key: Mapping[str, tuple[Suspicion, ...]]

    @classmethod
    def of(cls, revoked: list[Entry]) -> "Suspects":
        """Read revocations; one that names no entry makes no key suspect."""
        found: dict[str, tuple[Suspicion, ...]] = {}
        for entry in revoked:
            said, keyid = entry.statement.predicate.get("suspect_since"), entry.statement.text("keyid")
            if isinstance(said, int):
                found[keyid] = (*found.get(keyid, ()), Suspicion(said, entry.seq))
        return cls(found)

    def since(self, keyid: str, seq: int) -> int | None:
        """Return from which entry on a key is suspect that signed the entry `seq`; None where it was not, there."""
        covering = (suspicion.since for suspicion in self.by_key.get(keyid, ()) if suspicion.covers(seq))
        return min(covering, default=None)


def unchanged(gathered: Gathered) -> Callable[[Connection], None]:
    """Check, inside the writing transaction, that what was judged is still what stands."""
    found, stage = gathered.found, gathered.evidence.stage

    def check(connection: Connection) -> None:
        revocations = connection.execute(
            select(func.count()).select_from(tables.records).where(tables.records.c.kind == "key-revoke")
        ).scalar()
        if (
            catalog.read_policies(connection).get(stage, ()) != gathered.policy_digests
            or _judged_entries(connection, found) != gathered.seen
            or revocations != gathered.revocations
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
    revoked: list[Entry],
) -> Gathered:
    suspect = Suspects.of(revoked)
    since = suspect.since(found.recorder, found.seq)
    if since is not None:
        raise NotVerified(
            f"the run of {found.model}@{found.version} (entry {found.seq}) was signed with a key that is suspect from "
            f"entry {since} on: record the run again with another key"
        )
    digest = _evidence_digest(found, stage, policies)
    first_key = models.ledger.trust().first_key
    entries = [models.ledger.entry(seq) for seq in seen]
    evidence = Evidence(
        found.model,
        found.version,
        stage,
        models.run_of(found),
        first_key(found.recorder),
        tuple(_approvals(models, entries, digest, suspect, first_key)),
        tuple(_reproductions(entries, suspect)),
    )
    return Gathered(found, policies, evidence, digest, seen, len(revoked))


def _approvals(
    models: Models,
    entries: list[Entry],
    digest: str,
    suspect: Suspects,
    first_key: Callable[[str], str],
) -> list[Approval]:
    approvals = []
    for entry in entries:
        if entry.kind != "approval":
            continue
        said = ApprovalSaid.read(entry.statement.predicate)
        if said.evidence == digest and not (said.verdict == "approve" and _is_suspect(entry, suspect)):
            person, role = models.ledger.holder(entry.key), entry.statement.text("role")
            key = first_key(entry.key)
            approvals.append(Approval(entry.seq, key, person, role, said.verdict, said.meaning, entry.time))
    return approvals


def _reproductions(entries: list[Entry], suspect: Suspects) -> list[Mapping[str, Json]]:
    return [
        entry.statement.predicate
        for entry in entries
        if entry.kind == "reproduction"
        and (entry.statement.text("verdict") == "diverged" or not _is_suspect(entry, suspect))
    ]


def _is_suspect(entry: Entry, suspect: Suspects) -> bool:
    return suspect.since(entry.key, entry.seq) is not None


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
