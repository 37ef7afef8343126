"""What a step's module imports from another module of its own: constants, an expression, functions."""

from typing import Any

import polars as pl

LEAST = 2.5
NAMES = ["income", "debt"]
RATIO = (pl.col("debt") / pl.col("income")).alias("ratio")
FOUND: list[float] = []
"""What a test fills."""


def with_ratio(plan: Any, name: str = "ratio", *more: Any, least: float = LEAST, **others: Any) -> Any:
    """Build a part of a plan, with every kind of parameter."""
    return plan.filter(pl.col("debt") > least).with_columns(RATIO.alias(name), *more).with_columns(**others)


def squared(expression: Any, power: int = 2) -> Any:
    """Build a part of an expression."""
    return expression**power


if len(NAMES) < LEAST:  # which of them there is hangs on what the module computed

    def chosen(plan: Any) -> Any:
        """Build a part of a plan."""
        return plan.select("debt")

else:

    def chosen(plan: Any) -> Any:
        """Build another part of a plan."""
        return plan.select("income")


picked = with_ratio if len(NAMES) < LEAST else squared
