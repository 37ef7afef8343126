"""The rows that the benchmarks print: a figure, what it stands beside in the same run, their ratio, and the goal.

A goal is a bound on the ratio, or on the figure itself. Whether it is met is what this run shows, on this machine and
with whatever else runs on it: nothing is asserted.
"""

import time
from collections.abc import Callable

__all__ = ["HEADER", "Row", "at_least", "at_most", "computed", "rate", "ratio_row"]

HEADER = ("What", "affidavit", "Beside", "Limit or peer", "Ratio", "Goal", "Met")

Row = tuple[str, str, str, str, str, str, str]


def rate(count: int, work: Callable[[], object]) -> float:
    """Return how many of `count` things a second are done, by the clock."""
    begun = time.perf_counter()
    work()
    return count / (time.perf_counter() - begun)


def computed(count: int, work: Callable[[], object]) -> float:
    """Return the microseconds of processor time that each of `count` things takes."""
    begun = time.process_time()
    work()
    return (time.process_time() - begun) / count * 1e6


def ratio_row(what: str, ours: float, beside: str, other: float, goal: float | None = None) -> Row:
    """Put two rates side by side; the goal is the least that their ratio should be."""
    ratio = ours / other
    wanted, met = ("-", "-") if goal is None else at_least(ratio, goal)
    return (what, f"{ours:,.0f} a second", beside, f"{other:,.0f} a second", f"{ratio:.2f}", wanted, met)


def at_least(figure: float, goal: float, unit: str = "") -> tuple[str, str]:
    """Return a goal that is a lower bound, and whether it is met."""
    return f"at least {goal:,g}{unit}", _met(figure >= goal)


def at_most(figure: float, goal: float, unit: str = "") -> tuple[str, str]:
    """Return a goal that is an upper bound, and whether it is met."""
    return f"at most {goal:,g}{unit}", _met(figure <= goal)


def _met(holds: bool) -> str:
    return "yes" if holds else "no"
