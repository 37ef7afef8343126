"""The groups of an attribute as a gate reads them from an evaluation: whole, or not at all.

Rules:

- The rows of the groups and those with no value must add up to the rows evaluated: else a group may be absent.
- Groups that are told together (`registry.told_together`) say how many they are, whether one of them has a name, and
  how many rows of others may be among its own.

>>> people = {"attribute": "race", "minimum": 30, "groups": [{"name": "a", "n": 40, "enough": True, "metrics": []}]}
>>> named_group(people, "a").n
40
"""

from collections.abc import Mapping
from typing import NamedTuple

from registry.finding import AbsentError, at, count, items, only, text
from registry.sentences import listed

__all__ = ["MeasuredGroup", "attribute_of", "groups_of", "named_group"]


class MeasuredGroup(NamedTuple):
    """One group of an attribute; `minimum` is the number of rows below which a rate says nothing.

    `together` is what is said of one that is told together with others.
    """

    name: str
    of: str
    n: int
    enough: bool
    minimum: int
    metrics: list[Mapping[str, object]]
    together: Mapping[str, object]

    @property
    def besides(self) -> int:
        """How many groups are told with the one that has a name."""
        return 0 if self.unnamed else self.holds - 1

    @property
    def holds(self) -> int:
        """How many groups these rows are of."""
        return count(self.together.get("groups")) or 1

    @property
    def unnamed(self) -> bool:
        """Whether these are several groups without a name."""
        return bool(self.together) and self.together.get("mainly") is None

    @property
    def others(self) -> int:
        """Rows of others that may be among these."""
        return count(self.together.get("others")) or 0


def attribute_of(evaluation: Mapping[str, object], attribute: str) -> Mapping[str, object]:
    """Find what was measured by an attribute, or raise `AbsentError`."""
    tables = items(evaluation.get("bias"))
    if (table := only(tables, "attribute", attribute)) is not None:
        return table
    measured = listed([str(table.get("attribute")) for table in tables])
    raise AbsentError(
        f"bias by {attribute} was not measured: name it in evaluate(sensitive=[...]) (measured: {measured})"
    )


def _group(group: Mapping[str, object], table: Mapping[str, object]) -> MeasuredGroup:
    of = str(table.get("attribute"))
    name, n, minimum = text(group.get("name")), count(group.get("n")), count(table.get("minimum"))
    enough = group.get("enough")
    if name is None or n is None or minimum is None or not isinstance(enough, bool):
        raise AbsentError(
            f"a group of {of} lacks its name, its count or what is enough: record the run again"
        )
    together = group.get("together")
    return MeasuredGroup(
        name,
        of,
        n,
        enough,
        minimum,
        items(group.get("metrics")),
        together if isinstance(together, Mapping) else {},
    )


def groups_of(table: Mapping[str, object], evaluation: Mapping[str, object]) -> tuple[MeasuredGroup, ...]:
    """Read all groups of an attribute, and make sure that they are all: every row is in one, or has no value."""
    groups = tuple(_group(group, table) for group in items(table.get("groups")))
    omitted, without, n = (
        count(table.get("groups_omitted")),
        # Where rows without a value are told with a group, this is how many are not.
        count(table.get("missing" if table.get("missing") is not None else "missing_apart")),
        count(evaluation.get("n")),
    )
    of = table.get("attribute")
    if omitted:
        raise AbsentError(
            f"{omitted} groups of {of} were left out of the statement for its size, so not every group can be "
            "judged: measure fewer attributes together"
        )
    counted = sum(group.n for group in groups) + (without or 0)
    if not groups or n is None or without is None or omitted is None or counted != n:
        raise AbsentError(
            f"the groups of {of} account for {counted} of {'?' if n is None else n} evaluated rows, so a group "
            "may be absent: record the run again"
        )
    return groups


def named_group(table: Mapping[str, object], name: str) -> MeasuredGroup:
    """Find a group by its name, also where others are told with it, or raise `AbsentError`."""
    groups = items(table.get("groups"))
    found = only(groups, "name", name) or next(
        (group for group in groups if at(group, "together", "mainly") == name), None
    )
    if found is None:
        names = listed([str(group.get("name")) for group in groups])
        raise AbsentError(
            f"{table.get('attribute')} has no group named {name} in this evaluation: its groups are {names}"
        )
    return _group(found, table)
