"""Column lineage of a query, parsed: which columns of which tables each output column and the rows depend on.

The query is read by sqlglot in DuckDB's dialect and qualified with the columns that the tables really have, so that
`*` and names without a table are what they are to the database. What the parse says follows the words of
OpenLineage (`registry.flows`): a column is made of others (IDENTITY, TRANSFORMATION, AGGREGATION), or depends on them
(CONDITIONAL, WINDOW); the rows depend on what filters, joins, groups and sorts them.

Rules:

- Every column that occurs in the query is accounted for, and the output has the columns that the database returned.
  Where one of the two fails, or where the query holds something that is not understood (a recursive query, PIVOT, a
  table function), nothing is said at all: `NotUnderstood` says why.
- What decides the rows of a subquery decides the rows of what reads it. So does what orders rows that the query does
  not sort, or that tie: what windows partition and sort by, and what subqueries in a list join by.
- Where a name may mean an output column or a table's, it means both.
- This is one of two readers: `registry.sql_doubt` holds it against the database's own plan.

>>> said = parsed("SELECT debt / income AS ratio FROM loans", {"loans": ("debt", "income")}, ("ratio",), "ratios")
>>> sorted((link.column, link.source, link.use) for link in said.flow.links if link.column)
[('ratio', 'debt', 'TRANSFORMATION'), ('ratio', 'income', 'TRANSFORMATION')]
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from audit.errors import EnvironmentFailed
from registry.flows import (
    ALL_ROWS,
    FILTER,
    GROUP_BY,
    IDENTITY,
    JOIN,
    ROWS,
    SORT,
    WINDOW,
    Flow,
)
from registry.relations import NotUnderstood, Relation, Used, as_used, flow_of
from registry.sentences import first_line
from registry.sql_clauses import aggregates, by_place, constants, is_of, series, window_orders
from registry.sql_text import named_outside, statements
from registry.sql_words import leaves, refuse, short
from registry.told import Inputs

try:
    from sqlglot import exp
    from sqlglot.errors import SqlglotError
    from sqlglot.optimizer.qualify import qualify
    from sqlglot.optimizer.scope import Scope, build_scope
except ImportError:
    raise EnvironmentFailed("queries are read by the package sqlglot: install affidavit[sql]") from None

__all__ = ["Parsed", "parsed"]

SELECTS = (exp.Select, exp.SetOperation)

COMPARED = (exp.In, exp.Any, exp.All, exp.Exists)
"""What compares with all rows of a subquery."""

MAIN = "main"
"""DuckDB's own schema, in which the tables of steps stand; those of a step that returned several have the step's."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a query says of its result, and the input columns that its plan keeps where they are not needed."""

    flow: Flow
    kept_for_rows: frozenset[tuple[str, str]]
    """Of a UNION's first column, which stays where no column of it is needed."""


def parsed(text: str, inputs: Inputs, columns: Sequence[str], step: str) -> Parsed:
    """Say where the columns that a query returned come from, as its text says.

    `inputs` are the columns of its tables, `columns` those that the database returned, in order. Raises
    `NotUnderstood`.
    """
    try:
        [written] = statements(text)
        tree = qualify(
            named_outside(written),
            schema=_schema(inputs),
            dialect="duckdb",
            db=MAIN,
            quote_identifiers=False,
        )
        scope = build_scope(tree)
    except SqlglotError as error:
        raise NotUnderstood(f"the query could not be taken apart ({first_line(error)})") from None
    if scope is None:
        raise NotUnderstood("the query could not be taken apart")
    refuse(tree)
    walked = _Walk(inputs)
    found = walked.relation(scope)
    walked.check_whole(tree)
    if len(found.columns) != len(columns):
        raise NotUnderstood("the query returned other columns than were expected of its text")
    flow = flow_of(found, columns, step, step)
    return Parsed(flow, frozenset(walked.kept_for_rows))


class _Walk:
    """One walk over a qualified query; it remembers which columns it has seen."""

    def __init__(self, inputs: Inputs) -> None:
        self._names = {
            _place(part): (part, {column.lower(): column for column in names})
            for part, names in inputs.items()
        }
        self._known: dict[int, Relation] = {}
        self._seen: set[int] = set()
        self._walking: set[int] = set()
        """The scopes that are being read: none of them names columns of its own result."""
        self._joining: set[int] = set()
        """The scopes of which a condition of a join is being read."""
        self.kept_for_rows: set[tuple[str, str]] = set()
        """The input columns of what is the first column of a UNION."""

    def check_whole(self, tree: Any) -> None:
        """Refuse to speak where a column or a table of the query was passed over."""
        for node in tree.find_all(exp.Column, exp.Table):
            # What has no schema is the name of a subquery, which was walked.
            if id(node) not in self._seen and (isinstance(node, exp.Column) or node.db):
                raise NotUnderstood(f"the query's use of {short(node)} is not understood here")

    def relation(self, scope: Scope) -> Relation:
        """Return what a query depends on."""
        if id(scope) not in self._known:
            # All of them, also those that nothing reads: each column has to be accounted for.
            for inner in scope.cte_scopes:
                self.relation(inner)
            read = self._set_operation if scope.set_operation_scopes else self._select
            self._walking.add(id(scope))
            self._known[id(scope)] = read(scope)
            self._walking.discard(id(scope))
        return self._known[id(scope)]

    def _set_operation(self, scope: Scope) -> Relation:
        node: Any = scope.expression
        left, right = (self.relation(inner) for inner in scope.set_operation_scopes)
        if len(left.columns) != len(right.columns):
            raise NotUnderstood("the query joins tables of different width")
        pairs = zip(left.columns.items(), right.columns.values(), strict=True)
        rows = left.rows | right.rows
        if isinstance(node, exp.Union):
            columns = {name: mine | other for (name, mine), other in pairs}
            self.kept_for_rows |= {(used.part, used.column) for used in next(iter(columns.values()))}
        else:
            columns = dict(left.columns)
            # With ALL too: how often a row stays depends on all of it.
            both = [*left.columns.values(), *right.columns.values()]
            rows |= as_used(frozenset().union(*both), FILTER)
        if node.args.get("distinct") is not False:
            rows |= as_used(frozenset().union(*columns.values()), GROUP_BY)
        return Relation(columns, rows | self._order(node, scope, columns))

    def _select(self, scope: Scope) -> Relation:
        node: Any = scope.expression
        if isinstance(node, exp.Values | exp.Unnest):
            return constants(node)
        if not isinstance(node, exp.Select):
            raise NotUnderstood(f"the query's {short(node)} is not understood here")
        columns: dict[str, frozenset[Used]] = {}
        for number, projection in enumerate(node.expressions):
            # Two columns of one name are told apart by their place; the name may mean any of them.
            name = projection.alias_or_name
            uses = self._used(projection, scope, IDENTITY)
            if name in columns:
                columns[f"{name}\0{number}"] = uses
                uses |= columns[name]
            columns[name] = uses
        rows = self._from(node, scope)
        for projection in node.expressions:
            rows |= self._joined(projection, scope)
        for clause, use in (("where", FILTER), ("having", FILTER), ("qualify", FILTER)):
            if (condition := node.args.get(clause)) is not None:
                rows |= as_used(self._used(condition, scope, use, columns), use)
        rows |= self._group(node, scope, columns) | self._distinct(node, scope, columns)
        for projection in node.expressions:
            for many in projection.find_all(exp.UDTF, exp.Explode):
                rows |= as_used(self._used(many, scope, ROWS), ROWS)
        # Windows leave the rows in their own order, which holds for ties where rows are sorted afterwards.
        for sorting in window_orders(node, scope):
            rows |= as_used(self._used(sorting, scope, WINDOW), WINDOW)
        return Relation(columns, rows | self._order(node, scope, columns))

    def _from(self, node: Any, scope: Scope) -> frozenset[Used]:
        rows: frozenset[Used] = frozenset()
        for _, source in scope.selected_sources.values():
            rows |= self._source(source).rows
        for join in node.args.get("joins") or ():
            if join.method == "NATURAL" or join.args.get("using"):
                raise NotUnderstood("the query joins by names that are not understood here")
            if (joined := scope.sources.get(join.this.alias_or_name)) is not None:
                rows |= self._source(joined).rows  # a semi join selects nothing of it
            if (condition := join.args.get("on")) is not None:
                self._joining.add(id(scope))
                rows |= as_used(self._used(condition, scope, JOIN), JOIN)
                self._joining.discard(id(scope))
        return rows

    def _joined(self, projection: Any, scope: Scope) -> frozenset[Used]:
        """Return what the subqueries in a projection join by: to the database they are joins, which order the rows.

        So is one that is not correlated: what decides its rows is read for every column.
        """
        found: frozenset[Used] = frozenset()
        for query in projection.find_all(*SELECTS):
            if query.find_ancestor(*SELECTS) is not scope.expression:
                continue
            inner = self._subquery(query, scope)
            if isinstance(query.find_ancestor(*COMPARED, *SELECTS), COMPARED):
                found |= as_used(self._used(projection, scope, JOIN), JOIN)
            else:
                outer = (self._column(each, inner, {}) for each in inner.external_columns)
                found |= as_used(self.relation(inner).rows.union(*outer), JOIN)
        return found

    def _group(self, node: Any, scope: Scope, columns: dict[str, frozenset[Used]]) -> frozenset[Used]:
        group = node.args.get("group")
        if group is None:
            return frozenset()
        found = self._used(group, scope, GROUP_BY, columns) | by_place(group, columns)
        if group.args.get("all"):
            plain = [each for each in node.expressions if not aggregates(each)]
            found |= frozenset().union(*(self._used(each, scope, GROUP_BY) for each in plain))
        return as_used(found, GROUP_BY)

    def _distinct(self, node: Any, scope: Scope, columns: dict[str, frozenset[Used]]) -> frozenset[Used]:
        distinct = node.args.get("distinct")
        if distinct is None:
            return frozenset()
        on = distinct.args.get("on")
        found = (
            frozenset().union(*columns.values())
            if on is None
            else self._used(on, scope, GROUP_BY, columns) | by_place(on, columns)
        )
        return as_used(found, GROUP_BY)

    def _order(self, node: Any, scope: Scope, columns: dict[str, frozenset[Used]]) -> frozenset[Used]:
        found: frozenset[Used] = frozenset()
        if (order := node.args.get("order")) is not None:
            for each in order.expressions:
                # An alias alone is the output column; in an expression it may be the table's column that it hides.
                alone = (
                    isinstance(each.this, exp.Column) and not each.this.table and each.this.name in columns
                )
                if alone:
                    self._seen.add(id(each.this))
                uses = columns[each.this.name] if alone else self._used(each, scope, SORT, columns)
                # What was taken for a table's column may mean the output column of that name.
                meant = (columns.get(node.name, frozenset()) for node in each.find_all(exp.Column))
                found |= as_used(uses.union(*meant), SORT)
            found |= as_used(by_place(order, columns), SORT)
            if any(isinstance(each.this, exp.Var) for each in order.expressions):  # ORDER BY ALL
                found |= as_used(frozenset().union(*columns.values()), SORT)
        for clause in ("limit", "offset"):
            if (bound := node.args.get(clause)) is not None:
                found |= as_used(self._used(bound, scope, FILTER), FILTER)
        return found

    def _used(
        self, node: Any, scope: Scope, use: str, aliases: dict[str, frozenset[Used]] | None = None
    ) -> frozenset[Used]:
        """Return what an expression depends on; `aliases` are the output columns that it may name."""
        found: set[Used] = set()
        for inner, inner_use in leaves(node, use, scope):
            if isinstance(inner, exp.Column):
                self._seen.add(id(inner))
                found |= as_used(self._column(inner, scope, aliases or {}), inner_use)
            else:
                relation = self.relation(self._subquery(inner, scope))
                found |= as_used(frozenset().union(*relation.columns.values()), inner_use) | relation.rows
        return frozenset(found)

    def _column(self, column: Any, scope: Scope, aliases: dict[str, frozenset[Used]]) -> frozenset[Used]:
        if isinstance(column.parent, exp.Dot) and column.name in scope.semi_or_anti_join_tables:
            # `t.race`, of a table `t` that is semi-joined, was taken for the field of a column `t`.
            raise NotUnderstood(f"the query's {short(column.parent)} is not understood here")
        if not column.table:
            if column.name in aliases:
                return aliases[column.name] | self._namesakes(column.name, scope)
            raise NotUnderstood(f"the query's {short(column)} is not understood here")
        here: Scope | None = scope
        while here is not None:
            source = self._in_sight(column.table, here)
            if source is not None:
                relation = self._source(source)
                if column.name not in relation.columns or (column.db and not is_of(source, column.db)):
                    break
                return relation.columns[column.name]
            if self._namesakes(column.table, here):
                break  # to the database, a field of a column here goes before a column of a table around
            here = here.parent
        raise NotUnderstood(f"the query's {short(column)} is not understood here")

    def _in_sight(self, name: str, scope: Scope) -> Any:
        """Return what a name means in a FROM; a table that is semi-joined is seen by its condition alone."""
        if name in scope.selected_sources:
            return scope.selected_sources[name][1]
        joined = name in scope.semi_or_anti_join_tables and id(scope) in self._joining
        return scope.sources.get(name) if joined else None

    def _namesakes(self, name: str, scope: Scope) -> frozenset[Used]:
        """Return what the columns depend on that an alias hides: `ORDER BY race + 0` means the table's `race`."""
        sources = [source for _, source in scope.selected_sources.values()]
        tables = [self._source(source) for source in sources if id(source) not in self._walking]
        return frozenset().union(*(table.columns.get(name, frozenset()) for table in tables))

    def _source(self, source: Any) -> Relation:
        if isinstance(source, Scope):
            return self.relation(source)
        known = self._names.get((source.db, source.name)) if isinstance(source, exp.Table) else None
        if known is None and isinstance(source, exp.Table) and (made := series(source)) is not None:
            self._seen.add(id(source))
            return made
        if known is None:
            raise NotUnderstood(f"the query reads {short(source)}, which is not understood here")
        self._seen.add(id(source))
        part, names = known
        columns = {lower: frozenset({Used(part, actual, IDENTITY)}) for lower, actual in names.items()}
        return Relation(columns, frozenset({Used(part, ALL_ROWS, ROWS)}))

    def _subquery(self, node: Any, scope: Scope) -> Scope:
        for inner in scope.subquery_scopes:
            if inner.expression is node:
                return inner
        raise NotUnderstood("a subquery of the query is not understood here")


def _schema(inputs: Inputs) -> dict[str, object]:
    schema: dict[str, dict[str, dict[str, str]]] = {}
    for part, columns in inputs.items():
        place, name = _place(part)
        # Which type a column has changes nothing in where it comes from.
        schema.setdefault(place, {})[name] = {column.lower(): "TEXT" for column in columns}
    return {**schema}


def _place(part: str) -> tuple[str, str]:
    """Name the schema and the table in which a part stands: `split.train`, else `main.applications`."""
    step, dot, name = part.lower().partition(".")
    return (step, name) if dot else (MAIN, step)
