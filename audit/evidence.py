"""What verifying evidence without its ledger answers: the eight steps, whose ledger it is, and what it cannot show.

Rules:

- `confirmed` says whether something from outside, a key or a checkpoint that the reader brought, says whose ledger
  this is. Evidence alone cannot: whoever made it may have made the key in it.
- What cannot be shown is said with every answer, also with one that is passed.
- What the reader asked and the evidence cannot answer, such as whether it is of the history of a newer checkpoint, is
  no finding and no pass: the step is skipped, and the answer is not "verified".
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from audit.anchor_settings import AnchorSettings
from audit.canonical import Json, JsonObject
from audit.doubt import Doubted, entries_of
from audit.errors import AffidavitError
from audit.note import VerifierKey
from audit.report import STEPS, Findings, Report, Step

__all__ = [
    "AFTERWARDS",
    "NOTHING_READ",
    "Brought",
    "Evidence",
    "finding",
    "steps_in_order",
    "unread",
    "whose",
]

AFTERWARDS = "what came after the checkpoint, and whether a tail was cut off before it"
NOTHING_READ = "no entry could be read"


@dataclass(frozen=True, slots=True)
class Brought:
    """What the reader knows from elsewhere: a signed tree head, a verifier key of the log, whose anchors to believe.

    `now` is the clock at hand, in seconds since 1970; without one, no anchor has an age, and none is in the future.
    """

    checkpoint: bytes | None = None
    log_key: VerifierKey | None = None
    pinned: AnchorSettings = field(default_factory=AnchorSettings)
    now: float = float("inf")


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was verified, and the answer.

    `about_is_signed` says whether the signed statements say what it is about, or in part its maker alone. `unanswered`
    is what the reader asked and this evidence cannot answer, in a sentence; empty where there is nothing.
    """

    kind: str
    report: Report
    origin: str = ""
    about: str = ""
    about_is_signed: bool = True
    entries: tuple[int, ...] = ()
    log_key: VerifierKey | None = None
    confirmed: bool = False
    doubted: tuple[Doubted, ...] = ()
    not_shown: tuple[str, ...] = ()
    unanswered: str = ""
    more: Mapping[str, Json] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Say whether no step failed, and all that was asked could be answered."""
        return bool(self.report) and not self.unanswered

    @property
    def in_doubt(self) -> tuple[int, ...]:
        """The entries of which nobody knows who signed them, or who let their signer in."""
        return entries_of(self.doubted)

    def to_json(self) -> JsonObject:
        """Write the answer as `verify FILE --json` prints it: the report's members, and these beside them."""
        return {
            **self.report.to_json(),
            "verified": bool(self),
            "unanswered": self.unanswered,
            "kind": self.kind,
            "origin": self.origin,
            "about": self.about,
            "about_is_signed": self.about_is_signed if self.about else None,
            "log_key": str(self.log_key) if self.log_key else None,
            "confirmed": self.confirmed,
            "in_doubt": list[Json](self.in_doubt),
            "doubted": [group.to_json() for group in self.doubted],
            "not_shown": list[Json](self.not_shown),
            **self.more,
        }


def whose(brought: Brought) -> str:
    """Say that nothing tells whose ledger this is, and what would where nothing was brought."""
    if brought.log_key is None and brought.checkpoint is None:
        return (
            "whose ledger this is: give the log's key (--key) or a checkpoint (--checkpoint) from elsewhere"
        )
    return "whose ledger this is: what was given from elsewhere does not confirm it"


@contextmanager
def finding(found: Findings, what: str = "", entry: int | None = None) -> Iterator[None]:
    """Let what does not hold inside it be a finding."""
    try:
        yield
    except AffidavitError as error:
        found.add(f"{what}: {error}" if what else str(error), entry)


def steps_in_order(*steps: Step) -> tuple[Step, ...]:
    """Check that there is every step, and each once; return them in order of their numbers."""
    ordered = tuple(sorted(steps, key=lambda step: step.number))
    assert tuple(step.name for step in ordered) == STEPS
    return ordered


def unread(kind: str, step: int, reason: str) -> Evidence:
    """Answer for evidence that does not read: one step failed for that reason, and no other was done."""
    found = Findings(step, STEPS[step - 1])
    found.add(reason)
    steps = [Findings(n, name).skipped(f"not done, see step {step}") for n, name in enumerate(STEPS, 1)]
    steps[step - 1] = found.step("")
    return Evidence(kind, Report(size=0, root="", steps=tuple(steps)))
