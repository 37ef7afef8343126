"""What the policies of a ledger ask of recording: which columns are keyed, profiled up to where, and never kept.

A run does not know which stage its model is for. So the privacy rules of every policy that guards a stage are in force
for every run that is recorded, the strictest first; the run says which rules those were, and who reproduces it goes by
what it says.

Rules:

- A rule that asks for keyed columns needs the ledger's fingerprint key: without it no run is recorded. A digest that
  was given away cannot be taken back.
- A rule about profiles is a ceiling: code can have less told, and never more.
- No table with such a column is kept unless that is asked for by name (`keep_data="all"`); where a rule has nothing
  kept, not even then.
- A rule without columns is about those that the run protects: named as `protected` or `keyed` by its code, or declared
  as `sensitive` by its evaluation.
- A rule about groups is a bound from below: code can have more told together, and never less.

What a run says: `"privacy": {"rules": [{"policy", "sha256", "rule", "columns", "fingerprint", "profile", "kept"}],
"protected": [...]}`; `columns`, `fingerprint`, `profile` and `kept` are null where the rule does not say, and where it
says it, `smallest_group` is there too. A run whose source files and values are keyed with its columns
(`registry.keyed_digests`) has the member `key`, the key's id; `late` lists the columns (`column`, `part`) that were
protected too late for it.

>>> Privacy((Demand("lending", "ab" * 32, "people", ("race",), "keyed", "missing"),)).ceiling("race_black", ())
'missing'
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import cast

from audit.canonical import Json, JsonObject
from audit.errors import MalformedInput, NotFound
from registry.profile import LEVELS, Level
from registry.protected_names import is_protected
from registry.sentences import listed

__all__ = ["NO_DEMANDS", "Demand", "Privacy", "demands_of"]

KEYED = "keyed"
NOTHING = "nothing"
ALL = "all"


@dataclass(frozen=True, slots=True)
class Demand:
    """What one rule of one policy asks of recording."""

    policy: str
    sha256: str
    rule: str
    columns: tuple[str, ...] | None
    fingerprint: str | None
    profile: Level | None
    kept: str | None = None
    smallest_group: int | None = None

    def covers(self, name: str, protected: Collection[str]) -> bool:
        """Say whether a column is one of those that the rule is about."""
        return is_protected(name, protected if self.columns is None else self.columns)

    def to_json(self) -> JsonObject:
        """Write what was asked as a run records it."""
        return {
            "policy": self.policy,
            "sha256": self.sha256,
            "rule": self.rule,
            "columns": None if self.columns is None else list[Json](self.columns),
            "fingerprint": self.fingerprint,
            "profile": self.profile,
            "kept": self.kept,
            **({} if self.smallest_group is None else {"smallest_group": self.smallest_group}),
        }

    @classmethod
    def from_json(cls, value: Json) -> "Demand":
        """Read it again, or raise `MalformedInput`."""
        kept = value.get("kept") if isinstance(value, dict) else None
        smallest = value.get("smallest_group") if isinstance(value, dict) else None
        match value:
            case {
                "policy": str(policy), "sha256": str(sha256), "rule": str(rule),
                "columns": None | list() as columns, "fingerprint": "keyed" | None as fingerprint, "profile": profile,
            } if (
                (profile is None or profile in LEVELS)
                and kept in (None, NOTHING, ALL)
                and (smallest is None or type(smallest) is int)
            ):  # fmt: skip
                names = None if columns is None else tuple(str(name) for name in columns)
                told = cast(Level | None, profile)
                return cls(policy, sha256, rule, names, fingerprint, told, kept, smallest)
        raise MalformedInput("what the run says of the privacy rules in force cannot be read")


@dataclass(frozen=True, slots=True)
class Privacy:
    """The demands that are in force while a run is recorded."""

    demands: tuple[Demand, ...] = ()

    @property
    def keyed(self) -> tuple[str, ...]:
        """The columns that are to be keyed by their names, whatever the run protects."""
        named = (demand.columns or () for demand in self.demands if demand.fingerprint == KEYED)
        return tuple(dict.fromkeys(column for columns in named for column in columns))

    @property
    def asks_for_key(self) -> bool:
        """Whether a rule asks for keyed columns, named by it or not."""
        return any(demand.fingerprint == KEYED for demand in self.demands)

    def ceiling(self, name: str, protected: Collection[str]) -> Level:
        """Return the most that a profile may tell of a column."""
        asked = (demand.profile or "all" for demand in self.demands if demand.covers(name, protected))
        return min(asked, key=LEVELS.index, default="all")

    def smallest_group(self, columns: Collection[str]) -> int:
        """Return the fewest rows that a group by such columns may have; 1 where nothing is asked."""
        asked = (
            demand.smallest_group or 1
            for demand in self.demands
            if any(demand.covers(column, columns) for column in columns)
        )
        return max(asked, default=1)

    @property
    def named(self) -> tuple[str, ...]:
        """The columns that the rules name."""
        return tuple(dict.fromkeys(name for demand in self.demands for name in demand.columns or ()))

    def why_not_kept(
        self, columns: Collection[str], protected: Collection[str], *, by_name: bool = True
    ) -> str | None:
        """Say which rule has no table with such columns kept, or nothing.

        `by_name` says that tables with protected columns are asked for too.
        """
        for demand in self.demands:
            rules_out = demand.kept == NOTHING or (demand.kept is None and not by_name)
            held = [name for name in columns if demand.covers(name, protected)]
            if rules_out and held:
                return f"the policy {demand.policy} (rule {demand.rule}) has no table kept that has {listed(held)}"
        return None

    def check_key(self, at_hand: bool) -> "Privacy":
        """Return itself; raise `NotFound` where columns are to be keyed and there is no key."""
        for demand in self.demands if not at_hand else ():
            if demand.fingerprint == KEYED:
                which = "protected columns" if demand.columns is None else f"the column {demand.columns[0]!r}"
                raise NotFound(
                    f"the policy {demand.policy} (rule {demand.rule}) asks for keyed fingerprints of {which}, and the "
                    "ledger has no fingerprint key here: make one with `affidavit key fingerprint --new`, or copy it "
                    "from where the ledger is"
                )
        return self

    def to_json(self, protected: Iterable[str]) -> JsonObject:
        """Write what was in force, and which columns the run protected."""
        return {
            "rules": [demand.to_json() for demand in self.demands],
            "protected": list[Json](sorted(set(protected))),
        }

    @classmethod
    def from_json(cls, value: Json) -> "Privacy":
        """Read what a run says; a run of an earlier version says nothing."""
        if value is None:
            return NO_DEMANDS
        rules = value.get("rules") if isinstance(value, dict) else None
        if not isinstance(rules, list):
            raise MalformedInput("what the run says of the privacy rules in force cannot be read")
        return cls(tuple(Demand.from_json(rule) for rule in rules))


NO_DEMANDS = Privacy()
"""No policy asks anything."""


def demands_of(policy: str, sha256: str, rules: Iterable[object]) -> list[Demand]:
    """List what the privacy rules of one policy ask."""
    # Here and not above: policies are read with a library that a rerun does not need.
    from registry.rules import PrivacyRule

    return [
        Demand(
            policy,
            sha256,
            rule.id,
            rule.columns,
            rule.fingerprint,
            rule.profile,
            rule.kept,
            rule.smallest_group,
        )
        for rule in rules
        if isinstance(rule, PrivacyRule)
    ]
