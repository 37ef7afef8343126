"""The small-cell rule: what a profile may say of a table so that it tells nothing of one person.

Rules:

- A value is shown with its count only where at least `small_cell` rows hold it. Ten is the rule of thumb of the
  "Guidelines for the checking of output based on microdata research" (ESSnet on statistical disclosure control, 2010)
  and of the "SDC Handbook" of the Safe Data Access Professionals (version 1.0, 2019).
- Complementary suppression (A. Hundepool and others: "Statistical disclosure control", 2012, chapter 4): the values
  that are not shown are told together, as how many they are and how many rows hold them. Where one of them is held by
  fewer rows than the threshold, they must be at least two and together reach it; until they do, the least frequent of
  the shown ones joins them. So no hidden count can be had by taking the shown ones from the total.
- No smallest and no largest value: `low` and `high` are the values at which `small_cell` rows lie at or beyond. A
  quantile is shown where so many lie at or below it and so many at or above.
- A mean times its rows is a total. None is shown for fewer rows than the threshold, none where a value is hidden among
  few different ones, and it is rounded to a hundredth of the standard deviation's leading digit.
- What this does not do: two profiles of tables that differ in a few rows can be compared, and a rule for counts is no
  differential privacy. Who may see profiles is still a question.

>>> shown_values([("yes", 90), ("no", 40), ("other", 2)], 10)
Shown(values=(('yes', 90),), hidden=2, hidden_rows=42, small=True)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["FEW", "MOST_SHOWN", "SMALL_CELL", "Shown", "may_show_mean", "rank_of", "shown_values"]

SMALL_CELL = 10
MOST_SHOWN = 10
"""At most so many values of a column are shown with their counts."""

FEW = 50
"""So many different values or fewer are categories: texts are shown only then."""


@dataclass(frozen=True, slots=True)
class Shown:
    """The values that are shown, and of the others their number and rows; `small`: one of them is a small cell."""

    values: tuple[tuple[Any, int], ...]
    hidden: int
    hidden_rows: int
    small: bool


def shown_values(counts: Sequence[tuple[Any, int]], small_cell: int) -> Shown:
    """Choose what is shown of values and their counts, the most frequent first."""
    shown = [item for item in counts[:MOST_SHOWN] if item[1] >= small_cell]
    total = sum(count for _, count in counts)
    small = bool(counts) and counts[-1][1] < small_cell
    while True:
        hidden, rows = len(counts) - len(shown), total - sum(count for _, count in shown)
        if not small or not shown or (hidden >= 2 and rows >= small_cell):
            return Shown(tuple(shown), hidden, rows, small)
        shown.pop()


def rank_of(share: tuple[int, int], rows: int, small_cell: int) -> int | None:
    """Return the rank of a quantile (a share as numerator and denominator), or None where it is not shown."""
    rank = max(1, -(-rows * share[0] // share[1]))
    return rank if small_cell <= rank <= rows - small_cell + 1 else None


def may_show_mean(rows: int, distinct: int, small: bool, small_cell: int) -> bool:
    """Say whether a mean and a standard deviation may be shown."""
    return rows >= small_cell and not (small and distinct <= FEW)
