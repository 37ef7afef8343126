"""What verification answers: numbered steps, each passed, failed or skipped with its reason.

Rules:

- Skipped is never shown as passed, and a report with a failed step is false.
- Each step says what it looked at, as `figures`: counts by name, such as ``{"records": 20}``.
- Findings of neighbouring ranges of a ledger, joined in order, are those of the whole; however many there are, they
  take little memory: the first of them are named, and all are counted.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from audit.canonical import Json, JsonObject, storable

__all__ = ["MOST_NAMED", "STEPS", "Anchor", "Findings", "Report", "Status", "Step", "counted", "listed"]

STEPS = ("records", "tree", "anchors", "signatures", "observed", "tables", "artifacts", "times")
"""The names of the eight steps, in order: of a whole ledger (`audit.verify`), and of evidence (`audit.evidence`)."""

Status = Literal["passed", "failed", "skipped"]
MOST_NAMED = 5
MOST_LISTED = 20
"""So many entries, or ranges of neighbouring ones, are named in a sentence."""
MOST_ENTRIES = 1_000
"""So many entries are listed at most: of a ledger where nothing is right, `detail` says how much is wrong."""


@dataclass(frozen=True, slots=True)
class Step:
    """One numbered step: its answer in a sentence, and the entries that it concerns when it failed."""

    number: int
    name: str
    status: Status
    detail: str
    entries: tuple[int, ...] = ()
    figures: Mapping[str, int] = field(default_factory=dict)

    def to_json(self) -> JsonObject:
        """Write the step as `verify --json` prints it."""
        return {
            "step": self.number,
            "name": self.name,
            "status": self.status,
            "detail": self.detail,
            "entries": list[Json](self.entries),
            "figures": dict[str, Json](self.figures),
        }


@dataclass(frozen=True, slots=True)
class Anchor:
    """A tree head kept outside the ledger, by which its history was checked."""

    kind: str
    size: int
    age_seconds: int | None

    def to_json(self) -> JsonObject:
        """Write the anchor as `verify --json` prints it."""
        return {"kind": self.kind, "size": self.size, "age_seconds": self.age_seconds}


@dataclass(frozen=True, slots=True)
class Report:
    """The answer over a whole ledger; `root` is empty where none could be computed."""

    size: int
    root: str
    steps: tuple[Step, ...]
    anchor: Anchor | None = None

    def __bool__(self) -> bool:
        """Say whether no step failed and at least one passed."""
        return all(s.status != "failed" for s in self.steps) and any(s.status == "passed" for s in self.steps)

    def to_json(self) -> JsonObject:
        """Write the report as `verify --json` prints it."""
        return {
            "verified": bool(self),
            "size": self.size,
            "root": self.root or None,
            "steps": [step.to_json() for step in self.steps],
            "anchor": self._anchor_json(),
        }

    def _anchor_json(self) -> Json:
        """Write the anchor, and how many entries after it could have been changed without being seen."""
        if self.anchor is None:
            return None
        return {**self.anchor.to_json(), "entries_since": max(0, self.size - self.anchor.size)}


class Findings:
    """Collects what is wrong in one step, and counts what it looked at (`figures`)."""

    def __init__(self, number: int, name: str) -> None:
        """Start a step with nothing found."""
        self.number, self.name = number, name
        self.figures: Counter[str] = Counter()
        self._named: list[str] = []
        self._count = 0
        # A dict and not a set: entries are listed in the order in which they were found.
        self._entries: dict[int, None] = {}

    def __bool__(self) -> bool:
        """Say whether something was found."""
        return self._count > 0

    def add(self, sentence: str, entry: int | None = None) -> None:
        """Note one thing that is wrong, and at which entry."""
        self._count += 1
        if len(self._named) < MOST_NAMED:
            # What was read from a damaged table may not be printable as UTF-8; a finding always is.
            self._named.append(storable(sentence))
        if entry is not None and len(self._entries) < MOST_ENTRIES:
            self._entries[entry] = None

    def extend(self, sentences: Iterable[str]) -> None:
        """Note several things that concern no entry."""
        for sentence in sentences:
            self.add(sentence)

    def join(self, later: "Findings") -> None:
        """Take over what the same step found in the range after this one."""
        self.figures.update(later.figures)
        self._count += later._count
        self._named = [*self._named, *later._named][:MOST_NAMED]
        self._entries = dict.fromkeys([*self._entries, *later._entries][:MOST_ENTRIES])

    def step(self, passed: str) -> Step:
        """Close the step: failed with what was found, or passed with this sentence."""
        if not self._count:
            return Step(self.number, self.name, "passed", passed, (), dict(self.figures))
        more = self._count - len(self._named)
        detail = "; ".join(self._named) + (f"; and {more} more" if more else "")
        return Step(self.number, self.name, "failed", detail, tuple(self._entries), dict(self.figures))

    def skipped(self, reason: str) -> Step:
        """Close the step as not done, with the reason; what was found before still fails it."""
        return self.step("") if self._count else Step(self.number, self.name, "skipped", reason)

    def to_json(self) -> JsonObject:
        """Write what was found, to be handed from one process to another."""
        return {
            "step": self.number,
            "name": self.name,
            "figures": dict[str, Json](self.figures),
            "named": list[Json](self._named),
            "count": self._count,
            "entries": list[Json](self._entries),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Findings":
        """Read what `to_json` wrote."""
        found = cls(value["step"], value["name"])
        found.figures.update(cast(dict[str, int], value["figures"]))
        found._named, found._count = list(value["named"]), value["count"]
        found._entries = dict.fromkeys(value["entries"])
        return found


def counted(number: int, singular: str, plural: str | None = None) -> str:
    """Write a number with what it counts: ``1 row``, ``2,000 rows``."""
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def listed(entries: Sequence[int]) -> str:
    """Write rising numbers of entries, neighbours as a range: ``3, 7 to 9``; of very many the first.

    >>> listed([3, 7, 8, 9])
    '3, 7 to 9'
    """
    ranges: list[list[int]] = []
    for seq in entries:
        if ranges and seq == ranges[-1][-1] + 1:
            ranges[-1][1:] = [seq]
        else:
            ranges.append([seq])
    words = [str(r[0]) if len(r) == 1 else f"{r[0]} to {r[-1]}" for r in ranges]
    more = len(words) - MOST_LISTED
    return ", ".join(words[:MOST_LISTED]) + (f" and {more} more" if more > 0 else "")
