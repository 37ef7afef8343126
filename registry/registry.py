"""The verbs: record, approve, promote, roll back, adopt a policy. Each is one signed entry in the ledger.

What a verb decides it decides on one view of the ledger: the evidence is gathered, judged and signed, and inside
the writing transaction it is gathered again; if it changed meanwhile, nothing is written (`Conflict`).
"""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from sqlalchemy import Connection

from audit import tables
from audit.canonical import Json, JsonObject, encode
from audit.errors import Conflict, MalformedInput, NotFound, NotPermitted, NotVerified
from audit.keys import LocalSigner, Signer
from audit.keystore import KeyStore, Passphrase
from audit.ledger import Ledger
from audit.record import Entry
from audit.statement import Statement, Subject
from audit.trust import MAY_SAY, Grant
from registry import catalog
from registry.catalog import Catalog, Catalogued
from registry.gate import Approval, Decision, Evidence, decide
from registry.home import LOG_KEY, Home, find_home, passphrase_from_environment
from registry.policy import Policy, parse
from registry.predicates import (
    Approval as ApprovalSaid,
)
from registry.predicates import (
    Decided,
    PolicyDigest,
    StagePolicies,
    check_stage_name,
)
from registry.recorded import resolve_run
from registry.references import KeptArtifacts
from registry.run import RunResult

__all__ = ["Gathered", "Registry", "RunEntry", "open_ledger", "open_registry"]


@dataclass(frozen=True, slots=True)
class RunEntry:
    """A recorded run: its entry, and the version it became (None when it failed)."""

    entry: Entry
    model: str
    version: int | None


@dataclass(frozen=True, slots=True)
class Gathered:
    """What a gate is judged on: the policies of the stage, the evidence, and the digest that binds approvals."""

    found: Catalogued
    policies: tuple[Policy, ...]
    evidence: Evidence
    digest: str
    seen: tuple[int, ...]
    """The entries about this version that were there to be judged."""

    @property
    def policy_digests(self) -> tuple[PolicyDigest, ...]:
        """The policies by name and digest, as statements name them."""
        return tuple(PolicyDigest(policy.name, policy.sha256) for policy in self.policies)


class Registry:
    """The models of one ledger."""

    def __init__(self, home: Home, passphrase: Passphrase = passphrase_from_environment) -> None:
        """Open an embedded ledger; keys are opened when something is signed."""
        self.home = home
        self.artifacts = home.artifacts
        self._passphrase = passphrase
        self._opened: dict[str, LocalSigner] = {}
        self.ledger = Ledger(
            tables.open_database(home.database),
            followers=[Catalog()],
            artifacts=KeptArtifacts(self.artifacts),
            signer=self.signer_for,
            log_signer=lambda: self.signer(LOG_KEY),
        )

    @property
    def keys(self) -> KeyStore:
        """The key files at hand."""
        return self.home.keys

    def passphrase_of(self, name: str) -> bytes:
        """Give the passphrase of a key, empty for none."""
        return self._passphrase(name)

    def signer(self, name: str) -> LocalSigner:
        """Open a private key once."""
        if name not in self._opened:
            self._opened[name] = self.home.keys.open(name, self._passphrase)
        return self._opened[name]

    def signer_for(self, kind: str, name: str | None = None) -> Signer:
        """Open the key that says a kind of statement: the one named, else `AFFIDAVIT_KEY`, else the first that may."""
        trust = self.ledger.trust()
        name = name or os.environ.get("AFFIDAVIT_KEY") or None
        if name is not None:
            trust.role_for(self.home.keys.public(name).keyid, kind)
            return self.signer(name)
        keyids = {
            self.home.keys.public(stored).keyid: stored
            for stored in self.home.keys.names()
            if stored != LOG_KEY
        }
        may = [g for g in trust.grants.values() if g.keyid in keyids and set(g.roles) & set(MAY_SAY[kind])]
        if not may:
            raise NotPermitted(
                f"no key in {self.home.keys.folder} may sign a {kind} entry: that takes the role "
                f"{' or '.join(MAY_SAY[kind])} (`affidavit key list` shows who holds which)"
            )
        return self.signer(keyids[min(may, key=lambda grant: grant.since).keyid])

    # -- reading ------------------------------------------------------------------------------------------------------

    def read(self) -> Connection:
        """Open a connection for the catalogue's queries; the caller closes it."""
        return self.ledger.engine.connect()

    def versions(self, model: str | None = None) -> list[Catalogued]:
        """List the versions of one model or of all, oldest first."""
        with tables.failures(), self.read() as connection:
            return catalog.read_versions(connection, model)

    def find(self, ref: str) -> Catalogued:
        """Find a version by ``NAME@VERSION``, ``NAME@STAGE`` or ``NAME@latest``; `NotFound` says what there is."""
        model, mark, which = ref.partition("@")
        if not mark or not model or not which:
            raise MalformedInput(
                f"{ref!r} is not a model version: write NAME@VERSION, NAME@STAGE or NAME@latest"
            )
        found = self.versions(model)
        if not found:
            models = sorted({v.model for v in self.versions()})
            raise NotFound(
                f"this ledger has no version of a model {model!r}: "
                + (
                    f"its models are {', '.join(models)}"
                    if models
                    else "no run has succeeded yet, see `affidavit run`"
                )
            )
        if which == "latest":
            return found[-1]
        if which.isdecimal():
            chosen = [v for v in found if v.version == int(which)]
            known = f"its versions are 1 to {found[-1].version}"
        else:
            chosen = [v for v in found if which in v.stages]
            staged = [f"{stage} (version {v.version})" for v in found for stage in v.stages]
            known = (
                f"its stages are {', '.join(staged)}" if staged else "none of its versions is in a stage yet"
            )
        if not chosen:
            raise NotFound(f"{model} has no {'version' if which.isdecimal() else 'stage'} {which}: {known}")
        return chosen[0]

    def run_of(self, found: Catalogued) -> JsonObject:
        """Read the run predicate of a version, with what was moved to artifacts put back.

        Raises `NotVerified` where the catalogue names an entry that is not this run: somebody edited its tables.
        """
        entry = self.ledger.entry(found.seq)
        if entry.leaf_hash != found.leaf_hash or entry.kind != "run":
            raise NotVerified(
                f"the catalogue's row of {found.model}@{found.version} does not match entry {found.seq}: its tables "
                "were edited, see `affidavit verify`; `affidavit ledger rebuild` learns them again"
            )
        return resolve_run(entry.statement.predicate, self.artifacts)

    def entries_about(self, found: Catalogued, kind: str, stage: str | None = None) -> list[Entry]:
        """Read the entries of a kind about a version, oldest first."""
        with tables.failures(), self.read() as connection:
            seqs = catalog.read_about(connection, found.model, found.version, kind, stage)
        return [self.ledger.entry(seq) for seq in seqs]

    def stage_policies(self) -> dict[str, tuple[PolicyDigest, ...]]:
        """Read which policies guard each stage."""
        with tables.failures(), self.read() as connection:
            return catalog.read_policies(connection)

    def policies(self, stage: str) -> tuple[Policy, ...]:
        """Read the policies of a stage from the artifact store, by the digests that the ledger names."""
        known = self.stage_policies()
        if stage not in known:
            raise NotFound(
                f"this ledger has no stage {stage!r}: its stages are {', '.join(known) or 'none'}; "
                "`affidavit policy adopt` makes one"
            )
        return tuple(parse(self.artifacts.get(p.sha256), f"policy {p.name}") for p in known[stage])

    def gather(self, ref: str, stage: str) -> Gathered:
        """Gather what a gate judges: run, policies, and the approvals that were given for exactly this evidence."""
        found = self.find(ref)
        policies = self.policies(stage)
        digest = _evidence_digest(found, stage, policies)
        approvals = []
        for entry in self.entries_about(found, "approval", stage):
            said = ApprovalSaid.read(entry.statement.predicate)
            if said.evidence == digest:
                person = self.ledger.holder(entry.key)
                role = entry.statement.text("role")
                approvals.append(
                    Approval(entry.seq, entry.key, person, role, said.verdict, said.meaning, entry.time)
                )
        with tables.failures(), self.read() as connection:
            seen = _judged_entries(connection, found)
        reproductions = tuple(e.statement.predicate for e in self.entries_about(found, "reproduction"))
        evidence = Evidence(
            found.model,
            found.version,
            stage,
            self.run_of(found),
            found.recorder,
            tuple(approvals),
            reproductions,
        )
        return Gathered(found, policies, evidence, digest, seen)

    # -- saying -------------------------------------------------------------------------------------------------------

    def record_run(self, result: RunResult, key: str | None = None) -> RunEntry:
        """Sign and append a run, failed or not; a successful one becomes the next version of its model."""
        subjects = tuple(Subject(name, sha256) for name, sha256 in result.subjects)
        statement = Statement("run", subjects, result.predicate)
        entry = self.ledger.append(statement, signer=self.signer_for("run", key))
        model = entry.statement.text("model")
        version = next((v.version for v in self.versions(model) if v.seq == entry.seq), None)
        return RunEntry(entry, model, version)

    def adopt(self, stage: str, policies: tuple[Policy, ...], key: str | None = None) -> Entry:
        """Guard a stage with policies from here on; approvals given under others no longer count."""
        check_stage_name(stage)
        for policy in policies:
            self.artifacts.put(policy.text)
        digests = tuple(PolicyDigest(policy.name, policy.sha256) for policy in policies)
        return self.ledger.append(
            StagePolicies(stage, digests).statement(), signer=self.signer_for("stage", key)
        )

    def approve(
        self, ref: str, stage: str, *, key: str, role: str, meaning: str, verdict: str = "approve"
    ) -> Entry:
        """Sign an approval (or a rejection) bound to the evidence as it stands now."""
        if not meaning.strip():
            raise MalformedInput(
                "an approval states its meaning: say what was reviewed and what is approved (--meaning)"
            )
        gathered = self.gather(ref, stage)
        found = gathered.found
        signer = self.signer_for("approval", key)
        self._check_role(key, signer, role)
        if verdict == "approve":
            self._check_independent(key, signer, found)
        said = ApprovalSaid(found.model, found.version, stage, verdict, meaning.strip(), gathered.digest)
        return self.ledger.append(
            said.statement(found.leaf_hash), signer=signer, role=role, within=_unchanged(gathered)
        )

    def promote(self, ref: str, stage: str, *, key: str | None) -> tuple[Entry, Decision]:
        """Decide on a promotion and write the decision, promoted or refused, with the outcome of every rule."""
        return self._decide(ref, stage, key=key, action="promote", reason=None)

    def rollback(self, model: str, stage: str, *, key: str | None, reason: str) -> tuple[Entry, Decision]:
        """Move a stage back to the version it held before, if that version's gate still allows."""
        if not reason.strip():
            raise MalformedInput("a rollback states its reason (--reason)")
        with tables.failures(), self.read() as connection:
            history = catalog.read_stage_history(connection, model, stage)
        current = history[-1] if history else None
        before = next((version for version in reversed(history) if version != current), None)
        if before is None:
            raise NotFound(f"{model} has held no other version in the stage {stage!r} to roll back to")
        return self._decide(f"{model}@{before}", stage, key=key, action="rollback", reason=reason.strip())

    def _decide(
        self, ref: str, stage: str, *, key: str | None, action: str, reason: str | None
    ) -> tuple[Entry, Decision]:
        gathered = self.gather(ref, stage)
        signer = self.signer_for("decision", key)
        decision = decide(gathered.policies, gathered.evidence)
        said = Decided(
            model=gathered.found.model,
            version=gathered.found.version,
            stage=stage,
            action=action,
            decision="promoted" if decision.allowed else "refused",
            reason=reason,
            evidence=gathered.digest,
            policies=gathered.policy_digests,
            rules=tuple(decision.to_json()),
            approvals=tuple(a.seq for a in gathered.evidence.approvals),
        )
        entry = self.ledger.append(
            said.statement(gathered.found.leaf_hash), signer=signer, within=_unchanged(gathered)
        )
        return entry, decision

    def _check_independent(self, name: str, signer: Signer, found: Catalogued) -> None:
        recorder, approver = self.ledger.holder(found.recorder), self.ledger.holder(signer.public.keyid)
        if signer.public.keyid == found.recorder or (recorder is not None and recorder == approver):
            raise NotPermitted(
                f"the holder of the key {name!r} recorded {found.model}@{found.version} and so cannot approve it: "
                "another person must"
            )

    def _check_role(self, name: str, signer: Signer, role: str) -> None:
        grant: Grant | None = self.ledger.trust().grants.get(signer.public.keyid)
        if role not in MAY_SAY["approval"]:
            raise MalformedInput(
                f"an approval is given in the role {' or '.join(MAY_SAY['approval'])}, not {role!r}"
            )
        if grant is None or role not in grant.roles:
            raise NotPermitted(
                f"the key {name!r} does not hold the role {role}: `affidavit key list` shows its roles"
            )


def open_registry(
    path_or_url: str | None = None, passphrase: Passphrase = passphrase_from_environment
) -> Registry:
    """Open the ledger named, or the nearest one; `NotFound` says how to make one."""
    return Registry(find_home(path_or_url), passphrase)


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
        seq
        for kind in ("approval", "reproduction")
        for seq in catalog.read_about(connection, found.model, found.version, kind)
    )


def _unchanged(gathered: Gathered) -> Callable[[Connection], None]:
    """Check, inside the writing transaction, that what was judged is still what stands."""
    found, stage = gathered.found, gathered.evidence.stage

    def check(connection: Connection) -> None:
        policies = catalog.read_policies(connection).get(stage, ())
        if policies != gathered.policy_digests or _judged_entries(connection, found) != gathered.seen:
            raise Conflict(
                f"the evidence for {found.model}@{found.version} changed while it was judged: try again"
            )

    return check


def open_ledger(path_or_url: str | None = None) -> Ledger:
    """Open a ledger to read it, verify it, and append statements of your own.

    ``ledger.append(statement)`` signs with the key that may say that kind (see `Registry.signer_for`) and returns
    the entry, durable; ``ledger.verify()`` returns a report that is true when nothing failed.
    """
    return open_registry(path_or_url).ledger
