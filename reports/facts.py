"""The facts a report speaks of: ledger entries, and the values read out of their predicates.

Rules:

- Every value is frozen, and holds what the ledger holds: decimal strings, whole numbers, digests in full.
  How they are written is the business of `reports.formats`.
- None means that the ledger does not say. A report prints that in words.
- A figure knows the entry and the JSON pointer (RFC 6901) it was read at, so that it can be found again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from audit.canonical import Json
from registry.profile import Profile

__all__ = [
    "Approval",
    "Attribute",
    "Check",
    "Code",
    "Decision",
    "EntryFacts",
    "Environment",
    "Evaluation",
    "Figure",
    "Group",
    "ModelFile",
    "Origin",
    "Part",
    "Policy",
    "Reproduction",
    "Rule",
    "Run",
    "Source",
    "Step",
    "TableProfile",
]


@dataclass(frozen=True, slots=True)
class EntryFacts:
    """One ledger entry: its place, its signer (key id, hexadecimal; person where known) and what it says.

    `doubts` say why it is in doubt: nobody knows who signed it, or, of a decision, it does not follow from the
    evidence (`registry.recheck`);
    `erased_by` is the entry that erased the person's name.
    """

    seq: int
    kind: str
    time: str
    key: str
    person: str | None
    leaf_hash: str
    predicate: Mapping[str, Json]
    doubts: tuple[str, ...] = ()
    erased_by: int | None = None

    @property
    def holder(self) -> str | None:
        """Name the person who holds the key, or the entry that erased the name; None where nobody is on record."""
        return f"erased by entry {self.erased_by}" if self.erased_by is not None else self.person

    @property
    def signer(self) -> str:
        """Name the person who signed, or the key where no person is on record."""
        key = f"key {self.key[:12]}"
        return self.person or (key if self.holder is None else f"{key}, holder {self.holder}")


@dataclass(frozen=True, slots=True)
class Figure:
    """A measurement with its interval, the rows it rests on, and where in the ledger it stands."""

    name: str
    value: str | None
    low: str | None
    high: str | None
    n: int | None
    note: str | None
    between: tuple[str, ...]
    entry: int
    pointer: str


@dataclass(frozen=True, slots=True)
class Part:
    """Something that went into a step or came out of it."""

    name: str
    kind: str
    type: str | None
    fingerprint: str | None
    rows: int | None
    columns: int | None
    profile: str | None = field(default=None, compare=False)
    """The digest of its profile, which stands where it came out and not where it went in."""
    not_profiled: str | None = field(default=None, compare=False)
    """Why it has none, where that is said."""
    kept: str | None = field(default=None, compare=False)
    """The digest of its kept copy; likewise."""


@dataclass(frozen=True, slots=True)
class TableProfile:
    """The profile of a table that came in from outside; None where its document is gone or changed.

    A table that was not profiled has no digest either, and `why` says what the run says of it.
    """

    table: str
    sha256: str | None
    profile: Profile | None
    why: str | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """A schema that a part was held against; `passed` None where that could not be done."""

    part: str
    name: str | None
    schema: str | None
    passed: bool | None
    failed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the pipeline as it ran; `kind` is `step` or `evaluate`."""

    name: str
    kind: str
    status: str
    source: str | None
    seed: int | None
    duration: str | None
    after: tuple[str, ...]
    parameters: tuple[tuple[str, Json], ...]
    inputs: tuple[Part, ...]
    outputs: tuple[Part, ...]
    checks: tuple[Check, ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """A file that a step read from outside, by its SHA-256 or, `keyed`, by HMAC-SHA256 under the key of that id."""

    step: str
    parameter: str | None
    uri: str
    sha256: str | None
    size: int | None
    keyed: str | None = None
    key: str | None = None

    @property
    def digest(self) -> str | None:
        """The digest that was recorded, after what made it where that is no plain SHA-256."""
        if self.sha256 is not None or self.keyed is None:
            return self.sha256
        return f"HMAC-SHA256, key {self.key}:{self.keyed}"


@dataclass(frozen=True, slots=True)
class Origin:
    """A database or an object store that a step read, with the version that it told; `note` says why it told none."""

    step: str
    kind: str
    uri: str
    how: str | None
    query: str | None
    version: tuple[tuple[str, Json], ...]
    note: str | None


@dataclass(frozen=True, slots=True)
class Code:
    """The state of the code: `dirty` means that the working tree differed from the commit."""

    commit: str | None
    branch: str | None
    remote: str | None
    dirty: bool | None
    patch: str | None
    untracked: int | None
    target: str | None
    source: str | None


@dataclass(frozen=True, slots=True)
class Environment:
    """The machine and the Python that ran."""

    python: str | None
    implementation: str | None
    platform: str | None
    machine: str | None
    cpu_count: int | None
    variables: tuple[tuple[str, str], ...]
    packages: int | None
    packages_digest: str | None


@dataclass(frozen=True, slots=True)
class ModelFile:
    """The stored model; the fingerprint is of what it learned, the digest of the file."""

    format: str | None
    sha256: str | None
    size: int | None
    fingerprint: str | None
    kind: str | None
    features: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Group:
    """One group of people; `enough` is False when it is too small to say anything.

    `together`: rows of other groups, or without a value, are told with it.
    """

    name: str
    n: int | None
    enough: bool
    metrics: tuple[Figure, ...]
    together: bool = False


@dataclass(frozen=True, slots=True)
class Attribute:
    """One protected attribute, or an intersection of several."""

    name: str
    columns: tuple[str, ...]
    missing: int | None
    minimum: int | None
    omitted: int | None
    groups: tuple[Group, ...]
    disparities: tuple[Figure, ...]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How the model did, over all rows and by group."""

    n: int | None
    task: str | None
    positive: str | None
    labels: tuple[str, ...]
    confidence: str | None
    replicates: int | None
    seed: int | None
    method: str | None
    metrics: tuple[Figure, ...]
    bias: tuple[Attribute, ...]
    artifact: str | None
    small_cell: int | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """What one run recorded."""

    status: str
    failed_step: str | None
    error: str | None
    started: str | None
    duration: str | None
    how: str | None
    code: Code
    environment: Environment
    steps: tuple[Step, ...]
    sources: tuple[Source, ...]
    evaluation: Evaluation | None
    model_file: ModelFile | None
    origins: tuple[Origin, ...] = ()

    @property
    def checks(self) -> tuple[Check, ...]:
        """Every data check of every step."""
        return tuple(check for step in self.steps for check in step.checks)


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy by name and digest."""

    name: str
    sha256: str | None


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a policy and how it came out.

    `says` is what the policy demands, `message` what was found; `metric` and `limit` are those of a limit.
    Decisions of earlier releases lack `says`, `metric` and `limit`.
    """

    id: str
    policy: str | None
    outcome: str
    says: str | None
    message: str
    clauses: tuple[str, ...]
    metric: str | None
    limit: str | None


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision of a gate."""

    entry: EntryFacts
    stage: str
    action: str
    decision: str
    reason: str | None
    policies: tuple[Policy, ...]
    rules: tuple[Rule, ...]
    approvals: tuple[int, ...]
    evidence: str | None


@dataclass(frozen=True, slots=True)
class Approval:
    """One signed approval, or rejection, by a person."""

    entry: EntryFacts
    stage: str | None
    role: str | None
    verdict: str | None
    meaning: str | None
    evidence: str | None


@dataclass(frozen=True, slots=True)
class Reproduction:
    """One attempt to reproduce the run."""

    entry: EntryFacts
    verdict: str
    reason: str | None
    first_difference: str | None
    same: int
    differing: int
    not_compared: int
