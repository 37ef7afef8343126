"""The words of SQL: what each part of an expression is used for, and which words are not understood here.

Rules:

- `CASE WHEN a THEN b END` is made of `b` and depends on `a`; a window, a filter and an order inside an aggregate are
  depended on; everything else is made of its parts.
- A query that holds a word whose lineage is not told here is refused as a whole.

>>> import sqlglot
>>> case = sqlglot.parse_one("CASE WHEN a THEN b END")
>>> [(node.name, use) for node, use in leaves(case, "IDENTITY", Scope(case))]
[('a', 'CONDITIONAL'), ('b', 'TRANSFORMATION')]
"""

from collections.abc import Iterator
from typing import Any, Final

from audit.errors import EnvironmentFailed
from registry.flows import AGGREGATION, CONDITIONAL, DIRECT, FILTER, SORT, TRANSFORMATION, WINDOW
from registry.relations import NotUnderstood, stronger

try:
    from sqlglot import exp
    from sqlglot.optimizer.scope import Scope
except ImportError:
    raise EnvironmentFailed("queries are read by the package sqlglot: install affidavit[sql]") from None

__all__ = ["leaves", "refuse", "short"]

CLAUSES: Final = frozenset({
    "with_", "kind", "expressions", "distinct", "from_", "joins", "where", "group", "having", "qualify", "windows",
    "order", "limit", "offset", "sample", "this", "expression", "by_name", "side", "operation_modifiers",
})  # fmt: skip
"""The clauses of a SELECT and of a set operation that are read, or in which only columns of their own could matter."""

REFUSED = (
    exp.Pivot,
    exp.TableColumn,
    exp.TableFromRows,
    exp.Lateral,
    exp.MatchRecognize,
    exp.Columns,
    exp.PositionalColumn,
)

NAMED = (
    exp.Alias, exp.Column, exp.ColumnDef, exp.Comprehension, exp.Lambda, exp.Table, exp.TableAlias, exp.Window,
)  # fmt: skip
"""What a name may be the name of; elsewhere it may be that of a column, which the parser passed over."""


def refuse(tree: Any) -> None:
    """Raise `NotUnderstood` where a query holds something whose lineage is not told here."""
    for node in tree.find_all(exp.Select, exp.SetOperation):
        _refuse_clauses(node)
    for node in tree.find_all(*REFUSED):
        raise NotUnderstood(f"the query's {short(node)} is not understood here")
    tables = {each.alias_or_name.lower() for each in tree.find_all(exp.Table, exp.Subquery)}
    for node in tree.find_all(exp.Identifier):
        # A table's column goes before a field of a lambda's variable of the table's name.
        variable = _is_variable(node) and not (
            isinstance(node.parent, exp.Dot) and node.name.lower() in tables
        )
        if not (isinstance(node.parent, NAMED) or _is_field(node) or variable):
            # In `(race + 1).add(2)`, which calls a function on a value, no name is a column to the parser.
            raise NotUnderstood(f"the query's {short(node.parent)} is not understood here")
    for node in tree.find_all(exp.Star):
        if not isinstance(node.parent, exp.Count):
            raise NotUnderstood(f"the query's {short(node.parent)} is not understood here")
    for node in tree.find_all(exp.With):
        if node.args.get("recursive"):
            raise NotUnderstood("the query is recursive, which is not understood here")
    for node in tree.find_all(exp.SetOperation):
        if node.args.get("by_name"):
            raise NotUnderstood("the query joins tables BY NAME, which is not understood here")


def _is_field(name: Any) -> bool:
    """Say whether a name is that of a field: `s.race`, `{'race': 1}`."""
    return (isinstance(name.parent, exp.Dot) and name.arg_key == "expression") or (
        isinstance(name.parent, exp.PropertyEQ) and name.arg_key == "this"
    )


def _is_variable(name: Any) -> bool:
    """Say whether a name is that of a variable of a lambda or of a list's comprehension."""
    around = name.find_ancestor(exp.Lambda, exp.Comprehension)
    while around is not None:
        variables = around.expressions if isinstance(around, exp.Lambda) else [around.expression]
        if any(name.name.lower() == each.name.lower() for each in variables):
            return True
        around = around.find_ancestor(exp.Lambda, exp.Comprehension)
    return False


def _refuse_clauses(node: Any) -> None:
    for clause, said in node.args.items():
        if said and clause not in CLAUSES:
            raise NotUnderstood(f"the query's {clause.rstrip('_').upper()} is not understood here")


def leaves(node: Any, use: str, scope: Scope) -> Iterator[tuple[Any, str]]:
    """Yield the columns and subqueries of an expression, each with what it is used for."""
    if isinstance(node, exp.Column):
        yield node, use
        return
    if isinstance(node, exp.Query):
        yield node.unnest(), use
        return
    for child, child_use in _children(node, use, scope):
        yield from leaves(child, child_use, scope)


def short(node: Any) -> str:
    """Write a piece of a query in a sentence."""
    text = " ".join(node.sql("duckdb").split())
    return text if len(text) <= 60 else f"{text[:59]}…"


def _children(node: Any, use: str, scope: Scope) -> Iterator[tuple[Any, str]]:
    """Yield the parts of an expression with what each is used for: this is where words of SQL get their meaning."""
    if isinstance(node, exp.Alias | exp.Paren | exp.Ordered):
        yield node.this, use
        yield from ((child, use) for child in node.iter_expressions() if child is not node.this)
    elif isinstance(node, exp.Case | exp.If):
        conditional = stronger(use, CONDITIONAL)
        for name, child in _named_children(node):
            if isinstance(node, exp.Case) and name == "ifs":
                yield child, use
            else:
                yield child, conditional if name == "this" else stronger(use, TRANSFORMATION)
    elif isinstance(node, exp.Window):
        yield node.this, use
        for name, child in _named_children(node):
            if name != "this":
                yield child, stronger(use, WINDOW)
        select: Any = scope.expression
        named = select.args.get("windows") or ()
        # A named window may be built on another one: all of them are taken, once, whichever is used.
        if node.args.get("alias") is not None and not any(node is each for each in named):
            yield from ((each, stronger(use, WINDOW)) for each in named)
    elif isinstance(node, exp.Filter):
        yield node.this, use
        yield node.expression, stronger(use, FILTER)
    elif isinstance(node, exp.Order | exp.WithinGroup) and use in DIRECT:
        # Inside an aggregate: what is collected, and by what it is sorted.
        for name, child in _named_children(node):
            yield child, use if name == "this" else SORT
    else:
        inner = AGGREGATION if isinstance(node, exp.AggFunc) else TRANSFORMATION
        yield from ((child, stronger(use, inner)) for child in node.iter_expressions())


def _named_children(node: Any) -> Iterator[tuple[str, Any]]:
    for name, value in node.args.items():
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, exp.Expr):
                yield name, child
