"""What the clauses of a SELECT name besides columns: output columns by their place, windows, and constants.

>>> import sqlglot
>>> clause = sqlglot.parse_one("SELECT debt, race FROM loans ORDER BY (2)").args["order"]
>>> columns = {name: frozenset({Used("loans", name, "IDENTITY")}) for name in ("debt", "race")}
>>> [used.column for used in by_place(clause, columns)]
['race']
"""

from collections.abc import Iterator
from typing import Any

from audit.errors import EnvironmentFailed
from registry.relations import NotUnderstood, Relation, Used
from registry.sql_words import short

try:
    from sqlglot import exp
    from sqlglot.optimizer.scope import Scope
except ImportError:
    raise EnvironmentFailed("queries are read by the package sqlglot: install affidavit[sql]") from None

__all__ = ["aggregates", "by_place", "constants", "is_of", "series", "window_orders"]


def constants(node: Any) -> Relation:
    """Read VALUES, or an UNNEST, that are written out and named: they depend on nothing."""
    names = [each.name for each in node.args["alias"].columns] if node.args.get("alias") else []
    if not names or node.find(exp.Column, exp.Query):
        raise NotUnderstood(f"the query's {short(node)} is not understood here")
    return Relation(dict.fromkeys(names, frozenset()), frozenset())


def series(table: Any) -> Relation | None:
    """Read `range(3)` and `generate_series(1, 3)` of constants, which stand where a table may; None for others."""
    made = table.this
    if not isinstance(made, exp.GenerateSeries) or made.find(exp.Column, exp.Query):
        return None
    named = [each.name for each in table.args["alias"].columns] if table.args.get("alias") else []
    own = "range" if made.args.get("is_end_exclusive") else "generate_series"
    return Relation(dict.fromkeys(named or [own], frozenset()), frozenset())


def is_of(source: Any, schema: str) -> bool:
    """Say whether a source is a table of a schema, and not a query, of whose column `schema` is the name."""
    return isinstance(source, exp.Table) and source.db == schema


def window_orders(select: Any, scope: Scope) -> Iterator[Any]:
    """Yield what the windows of a SELECT sort its rows by, those also that one of them names."""
    named = select.args.get("windows") or ()
    own = [each for each in scope.find_all(exp.Window) if not any(each is other for other in named)]
    for window in (*own, *(named if any(each.args.get("alias") for each in own) else ())):
        yield from window.args.get("partition_by") or ()
        yield from window.find_all(exp.Order)


def by_place(clause: Any, columns: dict[str, frozenset[Used]]) -> frozenset[Used]:
    """Return what the columns depend on that a clause may name by their place: `ORDER BY 2`."""
    by_place = list(columns.values())
    numbers = [int(node.name) for node in clause.find_all(exp.Literal) if node.is_int]
    return frozenset().union(*(by_place[number - 1] for number in numbers if 0 < number <= len(by_place)))


def aggregates(projection: Any) -> bool:
    """Say whether a projection aggregates the rows of its own SELECT, so that they are not grouped by it."""
    return any(
        node.find_ancestor(exp.Query, exp.Window) is projection.find_ancestor(exp.Query, exp.Window)
        for node in projection.find_all(exp.AggFunc)
    )
