"""What verification answers: numbered steps, each passed, failed or skipped with its reason.

Skipped is never shown as passed, and a report with a failed step is false.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from audit.canonical import Json, JsonObject

__all__ = ["Anchor", "Findings", "Report", "Status", "Step"]

Status = Literal["passed", "failed", "skipped"]
MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Step:
    """One numbered step: its answer in a sentence, and the entries that it concerns when it failed."""

    number: int
    name: str
    status: Status
    detail: str
    entries: tuple[int, ...] = ()

    def to_json(self) -> JsonObject:
        """Write the step as `verify --json` prints it."""
        return {
            "step": self.number,
            "name": self.name,
            "status": self.status,
            "detail": self.detail,
            "entries": list[Json](self.entries),
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
    """The answer over a whole ledger."""

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
            "root": self.root,
            "steps": [step.to_json() for step in self.steps],
            "anchor": self.anchor.to_json() if self.anchor else None,
        }


class Findings:
    """Collects what is wrong in one step."""

    def __init__(self, number: int, name: str) -> None:
        """Start a step with nothing found."""
        self.number, self.name = number, name
        self._found: list[str] = []
        self._entries: list[int] = []

    def add(self, sentence: str, entry: int | None = None) -> None:
        """Note one thing that is wrong, and at which entry."""
        # What was read from a damaged table may not be printable as UTF-8; a finding always is.
        self._found.append(sentence.encode("utf-8", "backslashreplace").decode("utf-8"))
        if entry is not None and entry not in self._entries:
            self._entries.append(entry)

    def extend(self, sentences: Iterable[str]) -> None:
        """Note several things that concern no entry."""
        for sentence in sentences:
            self.add(sentence)

    def step(self, passed: str) -> Step:
        """Close the step: failed with what was found, or passed with this sentence."""
        if not self._found:
            return Step(self.number, self.name, "passed", passed)
        return Step(self.number, self.name, "failed", _listed(self._found), tuple(self._entries))

    def skipped(self, reason: str) -> Step:
        """Close the step as not done, with the reason; what was found before still fails it."""
        return self.step("") if self._found else Step(self.number, self.name, "skipped", reason)


def _listed(found: Sequence[str]) -> str:
    named = "; ".join(found[:MOST_NAMED])
    more = len(found) - MOST_NAMED
    return f"{named}; and {more} more" if more > 0 else named
