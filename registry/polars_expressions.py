"""Expressions of a polars plan: which columns each is made of, and whether it holds a value that was computed outside.

Rules:

- Each kind of expression is known by its name (`PARTS`); one that is not listed is not understood.
- A number or text in an expression, and a number among a function's settings, has to stand in the step's code, its
  globals or its parameters. Any other was computed, from who knows which columns.
- What is made of a computed column is computed.

>>> expressions.read(node.predicate, before).uses                          # doctest: +SKIP
frozenset({Used(part='loans', column='income', use='TRANSFORMATION')})
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from registry.flows import AGGREGATION, CONDITIONAL, FILTER, IDENTITY, SORT, TRANSFORMATION, WINDOW
from registry.relations import NotUnderstood, Relation, Used, as_used, stronger

__all__ = ["Expression", "Expressions"]

PARTS: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "Alias": (("expr", IDENTITY),),
    "BinaryExpr": (("left", TRANSFORMATION), ("right", TRANSFORMATION)),
    "Cast": (("expr", TRANSFORMATION),),
    "Function": (("input", TRANSFORMATION),),
    "Agg": (("arguments", AGGREGATION),),
    "Ternary": (("predicate", CONDITIONAL), ("truthy", TRANSFORMATION), ("falsy", TRANSFORMATION)),
    "Filter": (("input", TRANSFORMATION), ("by", FILTER)),
    "SortBy": (("expr", TRANSFORMATION), ("by", SORT)),
    "Sort": (("expr", TRANSFORMATION),),
    "Gather": (("expr", TRANSFORMATION), ("idx", CONDITIONAL)),
    "Slice": (("input", TRANSFORMATION), ("offset", CONDITIONAL), ("length", CONDITIONAL)),
    "Explode": (("expr", TRANSFORMATION),),
    "Window": (("function", TRANSFORMATION), ("partition_by", WINDOW), ("order_by", WINDOW)),
}
"""The expressions that are understood: their parts, and what each is used for."""


@dataclass(frozen=True, slots=True)
class Expression:
    """What an expression depends on, and whether it holds a value that is not in the code."""

    name: str
    uses: frozenset[Used]
    computed: bool


class Expressions:
    """The expressions of one plan; `computed` names the columns that hold what was computed outside of it."""

    def __init__(self, plan: Any, written: Collection[object]) -> None:
        self._plan = plan
        self._written = written
        self.computed: set[str] = set()
        self.has_values = False

    def read(self, expression: Any, before: Relation) -> Expression:
        """Say what an expression depends on, over a relation; raise `NotUnderstood`."""
        uses: set[Used] = set()
        computed = False
        for leaf, use in self._leaves(expression.node, IDENTITY):
            if type(leaf).__name__ == "Column":
                if leaf.name not in before.columns:
                    raise NotUnderstood(f"the plan's column {leaf.name} is not understood here")
                uses |= as_used(before.columns[leaf.name], use)
                # What was made of a computed value carries it on.
                computed |= leaf.name in self.computed
            elif type(leaf).__name__ == "Literal":
                computed |= not self.is_written(leaf.value)
            else:
                computed |= not all(map(self.is_written, _numbers(leaf)))
        return Expression(expression.output_name, frozenset(uses), computed)

    def _leaves(self, number: int, use: str) -> Iterator[tuple[Any, str]]:
        expression = self._plan.view_expression(number)
        kind = type(expression).__name__
        if kind in ("Column", "Literal", "Len"):
            yield expression, use
            return
        if kind == "Function":
            yield expression, use
        if kind not in PARTS:
            raise NotUnderstood(f"the plan's {kind} is not understood here")
        for name, inner in PARTS[kind]:
            child = getattr(expression, name)
            for each in child if isinstance(child, list | tuple) else [child]:
                if each is not None:
                    yield from self._leaves(each, stronger(use, inner))

    def is_written(self, value: object) -> bool:
        """Say whether a value stands in the step's code; one that does not is remembered."""
        known = self._stands(value)
        self.has_values |= not known
        return known

    def _stands(self, value: object) -> bool:
        if isinstance(value, list | tuple):
            return all(map(self._stands, value))
        try:
            return value is None or value in self._written
        except TypeError:
            return False


def _numbers(leaf: Any) -> Iterator[int | float]:
    """Yield the numbers among a function's settings, as the edges of `cut` are; 0 and 1 are what is left unsaid."""
    waiting = list(getattr(leaf, "function_data", ()))
    while waiting:
        value = waiting.pop()
        if isinstance(value, list | tuple):
            waiting.extend(value)
        elif type(value) in (int, float) and value not in (0, 1):
            yield value
