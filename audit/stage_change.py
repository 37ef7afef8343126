"""What a statement about a stage changes: which policies guard it no more, and whether the stage is new.

That a policy was left out is easily overlooked: whoever adopts policies is told, and whoever signs a draft of it.

>>> StageChange(("baseline", "lending"), frozenset({"lending"}), new_stage=False).words
', and no longer by baseline, lending as it was before'
"""

from collections.abc import Mapping
from dataclasses import dataclass

from audit.canonical import Json, JsonObject
from audit.ledger import Ledger

__all__ = ["StageChange", "stage_change"]


@dataclass(frozen=True, slots=True)
class StageChange:
    """The names of the policies that guard a stage no more; `replaced` are those of which another text does."""

    no_longer: tuple[str, ...]
    replaced: frozenset[str]
    new_stage: bool

    def to_json(self) -> JsonObject:
        """Write the change as `policy adopt --json` prints it."""
        return {"no_longer": list(self.no_longer), "new_stage": self.new_stage}

    @property
    def words(self) -> str:
        """The end of a sentence that says what guards the stage from now on."""
        told = [f"{name} as it was before" if name in self.replaced else name for name in self.no_longer]
        gone = f", and no longer by {', '.join(told)}" if told else ""
        return f"{gone}; it is a new stage" if self.new_stage else gone


def stage_change(ledger: Ledger, said: Mapping[str, Json]) -> StageChange:
    """Compare the predicate of a `stage` statement with what guards that stage now."""
    adopted = _policies(said)
    entries = ledger.entries(kind="stage", newest_first=True)
    now = (entry.statement.predicate for entry in entries)
    before = next((each for each in now if each.get("stage") == said.get("stage")), None)
    digests = set(adopted.values())
    gone = tuple(name for name, sha256 in _policies(before or {}).items() if sha256 not in digests)
    return StageChange(gone, frozenset(gone) & adopted.keys(), before is None)


def _policies(said: Mapping[str, Json]) -> dict[str, str]:
    """Read the digests of policies by name; what is not as it should be names nothing."""
    policies = said.get("policies")
    named = [each for each in policies if isinstance(each, dict)] if isinstance(policies, list) else []
    return {str(each.get("name")): str(each.get("sha256")) for each in named}
