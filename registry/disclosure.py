"""The small-cell rule: what a profile may say of a table so that it tells nothing of one person.

Rules:

- A value is shown with its count only where at least `small_cell` rows hold it. Ten is the rule of thumb of the
  "Guidelines for the checking of output based on microdata research" (ESSnet on statistical disclosure control, 2010)
  and of the "SDC Handbook" of the Safe Data Access Professionals (version 1.0, 2019).
- Complementary suppression (A. Hundepool and others: "Statistical disclosure control", 2012, chapter 4): the values
  that are not shown are told together, as how many they are and how many rows hold them. Where one of them is held by
  fewer rows than the threshold, they must be at least two and together reach it; until they do, the least frequent of
  the shown ones joins them. So no hidden count can be had by taking the shown ones from the total.
- No smallest and no largest value: `low` and `high` are where `small_cell` rows lie at or beyond. Quantiles are shown
  as far apart as `small_cell` rows: each 5% of the rows, each quarter, or the half. Each of them is one value in the
  order of the rows, and so it is shown as a bound that stands for as many (`registry.bounds`).
- A mean times its rows is a total, from which one great value can be had, or one that is known to be unlike the rest.
  So values beyond `low` and `high` count as those (top and bottom coding: Hundepool and others, chapter 3), and the
  mean is rounded until no row can move it by more than one step: a total is known no better than the range is wide, by
  which the p% rule (the same, chapter 4) holds for 50% of what any row adds to `low`. A deviation is rounded so too.
- Nothing is said of the order and the mean of whole numbers of which no two are alike: they name rows. No mean is shown
  where a value is hidden among few different ones.
- Figures about parts of a table give the rest away by subtraction: within one run each row is told of once
  (`registry.profiling`).
- A share is rounded to steps of as many rows at least, and a count of cases below the threshold is "fewer than 10".
- What this does not do: a row is taken for a person. Two runs whose tables differ in a few rows can be compared, as
  can two columns of a table of which one was made from the other. A rule for counts is no differential privacy, so that
  who may see profiles is still a question.

>>> shown_values([("yes", 90), ("no", 40), ("other", 2)], 10)
Shown(values=(('yes', 90),), hidden=2, hidden_rows=42, small=True)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

__all__ = [
    "FEW",
    "MOST_SHOWN",
    "SMALL_CELL",
    "Shown",
    "few_or_many",
    "may_show_mean",
    "ranks_shown",
    "share_shown",
    "shown_values",
]

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


def ranks_shown(rows: int, small_cell: int) -> tuple[tuple[str, int], ...]:
    """Return the quantiles that are shown of so many rows, by their shares as text, and the ranks of their values."""
    spacing = next((each for each in (5, 25, 50) if rows * each >= small_cell * 100), 100)
    percents = range(spacing, 100, spacing)
    return tuple((f"0.{percent:02}".rstrip("0"), -(-rows * percent // 100)) for percent in percents)


def may_show_mean(distinct: int, small: bool) -> bool:
    """Say whether a mean and a standard deviation may be shown."""
    return not (small and distinct <= FEW)


def share_shown(part: int, rows: int, small_cell: int) -> str | None:
    """Round a share of rows to steps in each of which a small cell of rows lies; None where half of them are too few.

    >>> share_shown(1, 240, 10), share_shown(1, 19, 10)
    ('0', None)
    """
    step = next((each for each in (1, 2, 5, 10, 20, 25, 50) if rows * each >= small_cell * 100), None)
    return None if step is None else f"{round(part * 100 / rows / step) * step / 100:g}"


def few_or_many(cases: int) -> int | str:
    """Return a count of rows, or say only that they are few.

    >>> few_or_many(10), few_or_many(1)
    (10, 'fewer than 10')
    """
    return f"fewer than {SMALL_CELL}" if 0 < cases < SMALL_CELL else cases
