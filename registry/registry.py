"""The verbs: record, approve, promote, roll back, adopt a policy. Each is one signed entry in the ledger.

What a verb decides it decides on one view of the ledger: the evidence is gathered, judged and signed, and inside
the writing transaction it is compared; if it changed meanwhile, nothing is written (`Conflict`). `registry.models`
reads, `registry.evidence` says which statements count, `registry.gate` judges, `registry.approvers` keeps people from
signing what would not count.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from audit import tables
from audit.anchor_in_use import AnchorInUse
from audit.anchor_settings import AnchorSettings
from audit.canonical import JsonObject, encode
from audit.errors import Conflict, MalformedInput, NotFound, NotPermitted
from audit.keys import Signer
from audit.keystore import KeyStore, Passphrase
from audit.ledger import Ledger, Within
from audit.record import Entry
from audit.rotation import settle, waiting
from audit.statement import Statement, Subject
from audit.subjects import Referrer
from audit.trust import MAY_SAY, article
from registry import catalog
from registry.approvers import check_approver, check_role
from registry.catalog import Catalog
from registry.evidence import Gathered, gather, unchanged
from registry.fingerprint_key import FingerprintKey
from registry.gate import Decision, decide
from registry.home import LOG_KEY, Home, find_home, passphrase_from_environment
from registry.keying import key_at_hand
from registry.models import Models
from registry.policy import Policy
from registry.predicates import Decided, GivenApproval, PolicyDigest, StagePolicies, check_stage_name
from registry.privacy import Privacy, demands_of
from registry.references import KeptArtifacts

if TYPE_CHECKING:
    from registry.run_recorder import RunResult

__all__ = ["Gathered", "Registry", "RunEntry", "open_ledger", "open_registry"]

MOST_RULES = 100
MOST_OF_THE_RULES = 36_000
"""Bytes of a decision's rules: the rest of a statement's 45 KB is for what every entry has."""


@dataclass(frozen=True, slots=True)
class RunEntry:
    """A recorded run: its entry, and the version it became (None when it failed)."""

    entry: Entry
    model: str
    version: int | None


class Registry(Models):
    """The models of one ledger, and the verbs that say something about them."""

    def __init__(self, home: Home, passphrase: Passphrase = passphrase_from_environment) -> None:
        """Open a ledger; keys are opened when something is signed."""
        self.home = home
        self._passphrase = passphrase
        self._opened: dict[str, Signer] = {}
        anchors = AnchorSettings.read_if_possible(home.folder)
        ledger = Ledger(
            home.open(),
            followers=[Catalog()],
            artifacts=KeptArtifacts(home.artifacts),
            signer=self.signer_for,
            log_signer=self._log_signer_at_hand(),
            anchor=AnchorInUse(home.folder),
            pinned=anchors,
        )
        super().__init__(ledger, home.artifacts)

    @property
    def keys(self) -> KeyStore:
        """The key files at hand."""
        return self.home.keys

    def passphrase_of(self, name: str) -> bytes:
        """Give the passphrase of a key, empty for none."""
        return self._passphrase(name)

    @property
    def log_keys(self) -> KeyStore:
        """The files of the log's own key."""
        # Who moved the whole folder of keys away has moved the log's with it.
        store = self.home.log_keys
        beside = LOG_KEY in store.names() or LOG_KEY in waiting(store)
        return store if beside else self.home.keys

    def _log_signer_at_hand(self) -> Callable[[], Signer] | None:
        """Give what opens the log's key; None on a machine that appends through the inbox of a shared ledger."""
        if self.home.url is not None and LOG_KEY not in self.log_keys.names():
            return None
        return lambda: self.signer(LOG_KEY)

    def signer(self, name: str) -> Signer:
        """Open a private key once, and again where another took its place."""
        keys = self.log_keys if name == LOG_KEY else self.keys
        if name in waiting(keys):
            settle(keys, self.ledger.trust())
        opened = self._opened.get(name)
        if opened is None or opened.public != keys.public(name):
            opened = self._opened[name] = keys.open(name, self._passphrase)
        return opened

    def signer_for(self, kind: str, name: str | None = None) -> Signer:
        """Open the key that says a kind of statement: the one named, else `AFFIDAVIT_KEY`, else the first that may."""
        if kind not in MAY_SAY:
            raise NotPermitted(f"no key may sign a {kind} entry: the kinds are {', '.join(MAY_SAY)}")
        trust, size = self.ledger.trust(), self.ledger.head().size
        settle(self.keys, trust)
        name = name or os.environ.get("AFFIDAVIT_KEY") or None
        if name is not None:
            trust.role_for(self.home.keys.public(name).keyid, kind, size, called=name)
            return self.signer(name)
        keyids = {
            self.home.keys.public(stored).keyid: stored
            for stored in self.home.keys.names()
            if stored != LOG_KEY
        }
        may = [
            grant
            for grant in trust.grants.values()
            if grant.keyid in keyids and any(grant.holds(role, size) for role in MAY_SAY[kind])
        ]
        if not may:
            raise NotPermitted(
                f"no key in {self.home.keys.folder} may sign {article(kind)} {kind} entry: that takes the role "
                f"{' or '.join(MAY_SAY[kind])} (`affidavit key list` shows who holds which)"
            )
        return self.signer(keyids[min(may, key=lambda grant: grant.since).keyid])

    def fingerprint_key(self) -> FingerprintKey | None:
        """Read the key of keyed fingerprints; None where the ledger has none."""
        return key_at_hand(self.home.keys.folder, self._passphrase)

    def on_record(self, signer: str | None = None) -> tuple[FingerprintKey | None, Privacy]:
        """Open the key that signs a run, and read the fingerprint key and what the policies of every stage ask of it.

        Called before the run: a key that does not open is better known then than after an hour. Raises as `signer_for`
        does, and `NotFound` where policies ask for keyed columns and there is no key, or where one is not at hand.
        """
        self.signer_for("run", signer)
        key, policies = self.fingerprint_key(), self.policies_in_force()
        demands = [
            each for policy in policies for each in demands_of(policy.name, policy.sha256, policy.rules)
        ]
        return key, Privacy(tuple(demands)).check_key(key is not None)

    def referrer(self) -> Referrer:
        """Give the references of one statement to people and their values (see `audit.subjects`)."""
        return Referrer(self.ledger.engine, os.urandom)

    def gather(self, ref: str, stage: str) -> Gathered:
        """Gather what a gate judges: run, policies, and the approvals that were given for exactly this evidence."""
        return gather(self, self.find(ref), stage)

    def record_run(self, result: "RunResult", key: str | None = None) -> RunEntry:
        """Sign and append a run, failed or not; a successful one becomes the next version of its model."""
        subjects = tuple(Subject(name, sha256) for name, sha256 in result.subjects)
        statement = Statement("run", subjects, result.predicate)
        referrer = result.referrer
        # A run that makes nobody known is decided on nothing, and needs no turn of its own at a shared ledger.
        within = referrer.remember if referrer is not None and referrer.knows_new else None
        entry = self.ledger.append(statement, signer=self.signer_for("run", key), within=within)
        model = entry.statement.text("model")
        version = next((v.version for v in self.versions(model) if v.seq == entry.seq), None)
        return RunEntry(entry, model, version)

    def adopt(self, stage: str, policies: tuple[Policy, ...], key: str | None = None) -> Entry:
        """Guard a stage with policies from here on; approvals given under others no longer count."""
        statement = self.adopting(stage, policies)
        self.keep(policies)
        return self.ledger.append(statement, signer=self.signer_for("stage", key))

    def adopting(self, stage: str, policies: tuple[Policy, ...]) -> Statement:
        """Return the statement that guards a stage with policies; `MalformedInput` where they cannot."""
        check_stage_name(stage)
        if len({policy.name for policy in policies}) < len(policies):
            raise MalformedInput("each policy guards a stage once: name no policy twice")
        count = sum(len(policy.rules) for policy in policies)
        if count > MOST_RULES:
            raise MalformedInput(
                f"these policies have {count} rules together and a decision holds at most {MOST_RULES}: "
                "merge rules, or use several stages"
            )
        digests = tuple(PolicyDigest(policy.name, policy.sha256) for policy in policies)
        return StagePolicies(stage, digests).statement()

    def keep(self, policies: tuple[Policy, ...]) -> None:
        """Keep the texts of policies as artifacts, as the statement that names them needs."""
        for policy in policies:
            self.artifacts.put(policy.text)

    def approve(
        self, ref: str, stage: str, *, key: str, role: str, meaning: str, verdict: str = "approve"
    ) -> Entry:
        """Sign an approval (or a rejection) bound to the evidence as it stands now."""
        if not meaning.strip():
            raise MalformedInput(
                "an approval states its meaning: say what was reviewed and what is approved (--meaning)"
                if verdict == "approve"
                else "a rejection states its reason: say what was reviewed and what is wrong (--meaning)"
            )
        gathered = self.gather(ref, stage)
        found = gathered.found
        signer = self.signer_for("approval", key)
        check_role(self.ledger, key, signer.public.keyid, role)
        if verdict == "approve":
            check_approver(self.ledger, key, signer.public.keyid, gathered)
        said = GivenApproval(found.model, found.version, stage, verdict, meaning.strip(), gathered.digest)
        return self.ledger.append(
            said.statement(found.leaf_hash), signer=signer, role=role, within=unchanged(gathered)
        )

    def promote(self, ref: str, stage: str, *, key: str | None) -> tuple[Entry, Decision]:
        """Decide on a promotion and write the decision, promoted or refused, with the outcome of every rule."""
        gathered = self.gather(ref, stage)
        return self._decide(gathered, key=key, action="promote", reason=None, within=unchanged(gathered))

    def rollback(self, model: str, stage: str, *, key: str | None, reason: str) -> tuple[Entry, Decision]:
        """Move a stage back to the version it held before, if that version's gate still allows.

        Rolling back twice goes back twice: a version that was rolled back from is not returned to.
        """
        if not reason.strip():
            raise MalformedInput("a rollback states its reason (--reason)")
        self.find(f"{model}@latest")  # whether there is such a model
        with tables.failures(), self.read() as connection:
            moves = catalog.read_stage_moves(connection, model, stage)
        held = self._held(moves)
        if len(held) < 2:
            raise NotFound(f"{model} has held no other version in the stage {stage!r} to roll back to")
        gathered = self.gather(f"{model}@{held[-2]}", stage)

        def still(connection: Connection) -> None:
            unchanged(gathered)(connection)
            if catalog.read_stage_moves(connection, model, stage) != moves:
                raise Conflict(
                    f"{model}@{stage} was moved while the rollback was judged: look, and try again"
                )

        return self._decide(gathered, key=key, action="rollback", reason=reason.strip(), within=still)

    def _held(self, moves: Sequence[tuple[int, int]]) -> list[int]:
        """From the decisions that moved a stage, list the versions to go back through; the last is the present one."""
        held: list[int] = []
        for seq, version in moves:
            if self.ledger.entry(seq).statement.text("action") == "rollback" and version in held:
                while held[-1] != version:
                    held.pop()
            elif held[-1:] != [version]:
                held.append(version)
        return held

    def _decide(
        self, gathered: Gathered, *, key: str | None, action: str, reason: str | None, within: Within
    ) -> tuple[Entry, Decision]:
        signer = self.signer_for("decision", key)
        decision = decide(gathered.policies, gathered.evidence)
        said = Decided(
            model=gathered.found.model,
            version=gathered.found.version,
            stage=gathered.evidence.stage,
            action=action,
            decision="promoted" if decision.allowed else "refused",
            reason=reason,
            evidence=gathered.digest,
            policies=gathered.policy_digests,
            rules=_fitted(decision),
            approvals=tuple(a.seq for a in gathered.evidence.approvals),
        )
        entry = self.ledger.append(said.statement(gathered.found.leaf_hash), signer=signer, within=within)
        return entry, decision


def open_registry(
    path_or_url: str | None = None, passphrase: Passphrase = passphrase_from_environment
) -> Registry:
    """Open the ledger named, or the nearest one; `NotFound` says how to make one."""
    return Registry(find_home(path_or_url), passphrase)


def open_ledger(path_or_url: str | None = None) -> Ledger:
    """Open a ledger to read it, verify it, and append statements of your own.

    ``ledger.append(statement)`` signs with the key that may say that kind (see `Registry.signer_for`) and returns
    the entry, durable; ``ledger.verify()`` returns a report that is true when nothing failed.
    """
    return open_registry(path_or_url).ledger


def _fitted(decision: Decision) -> tuple[JsonObject, ...]:
    """Write the outcome of every rule so that a record holds them: where they are long, the policies' words go first.

    Those stand in the policy, whose text is an artifact; then the findings are cut, never an outcome.
    """
    rules = decision.to_json()
    if len(encode(list(rules))) > MOST_OF_THE_RULES:
        rules = [{**rule, "says": None} for rule in rules]
    if len(encode(list(rules))) > MOST_OF_THE_RULES:
        most = MOST_OF_THE_RULES // len(rules) // 2
        rules = [{**rule, "message": _cut(str(rule["message"]), most), "clauses": []} for rule in rules]
    return tuple(rules)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 3] + "..."
