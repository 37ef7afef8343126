"""Sentences about the groups that a rule cannot judge: which have too few rows, how many of how many, and what helps.

Rules:

- Groups that are told together (`registry.told_together`) come first in a list that is cut, so that "and 6 more" are
  six groups.
- Of groups that are told with one that is measured it is not known how many rows they have, only how many at most.

>>> too_small([MeasuredGroup("sami", "race", 12, False, 30, [], {})])
'sami (n=12) has too few rows to say anything'
"""

from collections.abc import Sequence

from registry.measured_groups import MeasuredGroup
from registry.sentences import listed

__all__ = ["aside", "common_value", "too_small"]


def too_small(groups: Sequence[MeasuredGroup]) -> str:
    """Say that groups have too few rows, by their names."""
    names = listed([_few(group) for group in sorted(groups, key=lambda group: not group.unnamed)])
    one = len(groups) == 1 and not groups[0].unnamed
    return f"{names} {'has' if one else 'have'} too few rows to say anything"


def aside(
    groups: Sequence[MeasuredGroup], judged: Sequence[MeasuredGroup], every: Sequence[MeasuredGroup]
) -> str:
    """Say that a rule leaves groups aside, and how many of `every` group.

    Of those that are `judged` themselves it is what is told with them.
    """
    blurred = [group for group in groups if group in judged]
    few = sum(group.besides if group in blurred else group.holds for group in groups)
    rows = sum(group.others if group in blurred else group.n for group in groups)
    most = "up to " if blurred else ""
    share = f"{few} of {sum(group.holds for group in every)} groups"
    of_rows = f"{most}{rows} of {sum(group.n for group in every)} rows"
    return f"{too_small(groups)}, and the rule leaves that aside ({share}, {of_rows})"


def common_value(of: str) -> str:
    """Say what may help where a group with enough rows is told with others; `of` is the attribute."""
    columns = listed(of.split(" x "))
    return (
        f"give rare and missing values of {columns} a common one before evaluating, or evaluate on more rows"
    )


def _few(group: MeasuredGroup) -> str:
    if group.besides:
        return f"what is told with {group.together['mainly']} ({group.besides} more of {group.of})"
    return f"{group.name} (n={group.n})"
