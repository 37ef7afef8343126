"""The models of one ledger, read: versions by their names, runs whole, what was said about a version, policies.

Rules:

- A version is named ``NAME@VERSION``, ``NAME@STAGE`` or ``NAME@latest``. Versions are written as they are counted
  (1, 2, 3...; no sign, no zero in front), and a stage's name begins with a letter, so neither is taken for the other.
- Where something is not there, the error says what there is.

>>> models.find("mortgage@production").version                 # doctest: +SKIP
3
"""

import re

from sqlalchemy import Connection

from audit import tables
from audit.canonical import JsonObject
from audit.errors import MalformedInput, NotFound, NotVerified
from audit.ledger import Ledger
from audit.record import Entry
from registry import catalog
from registry.artifacts import ArtifactStore
from registry.catalog import Catalogued
from registry.policy import Policy, packaged, packaged_names, parse
from registry.predicates import PolicyDigest
from registry.recorded import resolve_run
from registry.sentences import nearest

__all__ = ["Models"]

_VERSION = re.compile(r"[1-9][0-9]{0,15}")
_HASH_START = re.compile(r"[0-9a-f]{8,64}")
MOST_DIGITS = 8
"""Digits from which a number is taken for the start of a hash."""


class Models:
    """What a ledger says about models; reading needs no key."""

    def __init__(self, ledger: Ledger, artifacts: ArtifactStore) -> None:
        """Read a ledger that a `Catalog` follows, with its artifacts."""
        self.ledger = ledger
        self.artifacts = artifacts

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
            self._check_no_model(ref)
            raise MalformedInput(
                f"{ref!r} is not a model version: write NAME@VERSION, NAME@STAGE or NAME@latest"
            )
        found = self.versions(model)
        if not found:
            near = nearest(model, (version.model for version in self.versions()))
            guess = f"; did you mean {' or '.join(near)}?" if near else ""
            raise NotFound(f"this ledger has no version of a model {model!r}: {self._known_models()}{guess}")
        if which == "latest":
            return found[-1]
        if which[0].isalpha():
            staged = {stage: version for version in found for stage in version.stages}
            if which in staged:
                return staged[which]
            each = ", ".join(f"{stage} (version {version.version})" for stage, version in staged.items())
            raise NotFound(
                f"{model} has no stage {which}: "
                + (f"its stages are {each}" if each else "none of its versions is in a stage yet")
            )
        numbered = {version.version: version for version in found}
        if _VERSION.fullmatch(which) is None or int(which) not in numbered:
            there = (
                "its only version is 1" if len(found) == 1 else f"its versions are 1 to {found[-1].version}"
            )
            raise NotFound(f"{model} has no version {which[:40]}: {there}")
        return numbered[int(which)]

    def _check_no_model(self, ref: str) -> None:
        """Refuse the bare name of a model, where one of its versions is meant."""
        if found := self.versions(ref.rstrip("@")):
            name = found[-1].model
            raise MalformedInput(
                f"{ref!r} is a model and not one of its versions: write {name}@{found[-1].version}, {name}@latest or "
                f"{name}@STAGE"
            )

    def named_entry(self, ref: str) -> Entry:
        """Read an entry by its number or the start of its leaf hash; `MalformedInput` where it is neither."""
        if ref.isdecimal() and len(ref) < MOST_DIGITS:
            return self.ledger.entry(int(ref))
        if _HASH_START.fullmatch(ref.lower()) is None:
            self._check_no_model(ref)
            raise MalformedInput(
                f"{ref!r} is no model version and no entry: write NAME@VERSION, NAME@STAGE or NAME@latest, an entry's "
                "number, or 8 to 64 hexadecimal digits of its leaf hash"
            )
        return self.ledger.find(ref)

    def run_of(self, found: Catalogued) -> JsonObject:
        """Read the run predicate of a version, with what was moved to artifacts put back.

        Raises `NotVerified` where the catalogue names an entry that is not this run: somebody edited its tables.
        """
        entry = self.ledger.entry(found.seq)
        of_model = entry.kind == "run" and entry.statement.predicate.get("model") == found.model
        if entry.leaf_hash != found.leaf_hash or not of_model:
            raise NotVerified(
                f"the catalogue's row of {found.model}@{found.version} does not match entry {found.seq}: its tables "
                "were edited, see `affidavit verify`; `affidavit ledger rebuild` learns them again"
            )
        return resolve_run(entry.statement.predicate, self.artifacts)

    def entries_about(self, found: Catalogued, kind: str) -> list[Entry]:
        """Read the entries of a kind about a version, oldest first."""
        with tables.failures(), self.read() as connection:
            seqs = catalog.read_about(connection, found.model, found.version, kind)
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
        return self.policy_texts(known[stage])

    def policies_in_force(self) -> tuple[Policy, ...]:
        """Read every policy that guards a stage, each once; `NotFound` where the text of one is not at hand."""
        named = dict.fromkeys(digest for digests in self.stage_policies().values() for digest in digests)
        return tuple(self._policy_in_force(digest) for digest in named)

    def _policy_in_force(self, named: PolicyDigest) -> Policy:
        try:
            return self.policy_texts((named,))[0]
        except NotFound:
            # A machine of a shared ledger may have an artifact store of its own; what comes with affidavit it has too.
            if named.name in packaged_names() and (policy := packaged(named.name)).sha256 == named.sha256:
                self.artifacts.put(policy.text)
                return policy
            raise NotFound(
                f"the policy {named.name} guards a stage and may say what is to be keyed, and its text is not here: "
                f"bring the artifact {named.sha256[:16]} into {self.artifacts.root}, or name a shared folder with "
                "AFFIDAVIT_ARTIFACTS"
            ) from None

    def policy_texts(self, named: tuple[PolicyDigest, ...]) -> tuple[Policy, ...]:
        """Read policies by their digests; `NotVerified` where a text has another name than the ledger gives it."""
        policies = tuple(parse(self.artifacts.get(p.sha256), f"policy {p.name}") for p in named)
        for policy, digest in zip(policies, named, strict=True):
            if policy.name != digest.name:
                raise NotVerified(
                    f"the ledger names the policy {policy.name!r} as {digest.name!r}: adopt it again"
                )
        return policies

    def _known_models(self) -> str:
        models = sorted({version.model for version in self.versions()})
        if not models:
            return "no run has succeeded yet, see `affidavit run`"
        return f"its models are {', '.join(models)}"
