"""Expressions of a polars plan: which columns each is made of, and which decide how many values it has.

Rules:

- Each kind of expression is known by its name, with its parts and what each is used for (`PARTS`), each function by
  `registry.polars_functions`. One that is not listed makes the plan not understood.
- What filters, unpacks, cuts or thins out values inside an expression decides how many rows its table has: a count
  of them, or a constant beside them, depends on it. An aggregate and a window put an end to that.

>>> expressions.read(node.predicate, before).uses                          # doctest: +SKIP
frozenset({Used(part='loans', column='income', use='TRANSFORMATION')})
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from registry.flows import AGGREGATION, CONDITIONAL, FILTER, IDENTITY, ROWS, SORT, TRANSFORMATION, WINDOW
from registry.polars_functions import AGGREGATES, is_counted, is_known
from registry.relations import NotUnderstood, Relation, Used, as_used

__all__ = ["Expression", "Expressions"]

PARTS: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "Column": (),
    "Literal": (),
    "Len": (),
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

COUNTS: Final[Mapping[str, frozenset[str]]] = {
    "Filter": frozenset({"by"}),
    "Gather": frozenset({"idx"}),
    "Slice": frozenset({"offset", "length"}),
    "Explode": frozenset({"expr"}),
}
"""The parts of an expression whose values decide how many come out."""

WINDOWS: Final = ("groups_to_rows", "join")
"""The ways to put the values of groups back in which every row keeps its place and gets one."""

NOTHING: Final[frozenset[Used]] = frozenset()


@dataclass(frozen=True, slots=True)
class Expression:
    """What the values of an expression depend on, and what their number depends on besides the rows of the table."""

    name: str
    uses: frozenset[Used]
    rows: frozenset[Used]


class Expressions:
    """The expressions of one plan."""

    def __init__(self, plan: Any) -> None:
        self._plan = plan

    def read(self, expression: Any, before: Relation) -> Expression:
        """Say what an expression depends on, over a relation; raise `NotUnderstood`."""
        uses, rows = self._read(expression.node, before)
        return Expression(expression.output_name, uses, as_used(rows, ROWS))

    def _read(self, number: int, before: Relation) -> tuple[frozenset[Used], frozenset[Used]]:
        node = self._plan.view_expression(number)
        kind = type(node).__name__
        _refuse(node, kind)
        if kind == "Column":
            if node.name not in before.columns:
                raise NotUnderstood(f"the plan's column {node.name} is not understood here")
            return before.columns[node.name], NOTHING
        uses, rows = NOTHING, NOTHING
        for part, use in PARTS[kind]:
            child = getattr(node, part)
            for each in child if isinstance(child, list | tuple) else [child]:
                if each is None:
                    continue
                found, count = self._read(each, before)
                uses |= as_used(found, use)
                rows |= count | (as_used(found, use) if part in COUNTS.get(kind, ()) else NOTHING)
        if kind == "Function" and is_counted(_function(node)):
            rows |= uses
        is_one = kind in ("Agg", "Window") or (kind == "Gather" and node.scalar)
        return uses, NOTHING if is_one else rows


def _refuse(node: Any, kind: str) -> None:
    """Raise `NotUnderstood` for an expression that is not known, or that is set as none that is."""
    if kind not in PARTS:
        raise NotUnderstood(f"the plan's {kind} is not understood here")
    if kind == "Function" and not is_known(_function(node)):
        raise NotUnderstood(f"the plan's function {_function(node)} is not understood here")
    if kind == "Agg" and node.name not in AGGREGATES:
        raise NotUnderstood(f"the plan's aggregate {node.name} is not understood here")
    if kind == "Window" and node.options.kind not in WINDOWS:
        raise NotUnderstood(f"the plan's window {node.options.kind} is not understood here")


def _function(node: Any) -> str:
    data = node.function_data
    return str(data[0] if isinstance(data, tuple) else data)
