"""Column lineage of a polars plan: a step that returns a LazyFrame says how it makes each column.

The plan is read node by node, as polars shows it to other engines (`LazyFrame._ldf.visit`, major version `KNOWN`),
without optimisations, so that it is what was written.

Rules:

- A table at the start of a plan is told by where its columns lie in memory (`registry.polars_memory`): each is the
  column of an input that it shares its memory with, whatever its name. One that lies elsewhere was computed, or copied
  from who knows where, though its cells be those of an input; where all of them do, the plan is not understood.
- A node or expression that is not listed here (a Python function, a dynamic window, a right join) makes the whole plan
  not understood: `NotUnderstood` says why, and nothing else is said.
- What uses a value that stands nowhere in the step's code is not complete (`registry.polars_expressions`).
- What Python decided while it built the plan is not in it.

>>> flow = plan_flow(lazy, inputs, "ratios", "ratios", set())              # doctest: +SKIP
"""

from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import Any, Final

from registry.finding import listed
from registry.flows import (
    ALL_ROWS,
    FILTER,
    GROUP_BY,
    IDENTITY,
    JOIN,
    ROWS,
    SORT,
    TRANSFORMATION,
    Flow,
)
from registry.polars_expressions import Expression, Expressions
from registry.polars_memory import Held
from registry.relations import NotUnderstood, Relation, Used, as_used, flow_of

__all__ = ["KNOWN", "plan_flow"]

KNOWN: Final = 16
"""The major version of polars' description of its plans that is understood here."""


def plan_flow(lazy: Any, inputs: Held, part: str, step: str, written: Collection[object]) -> Flow:
    """Say where the columns of a LazyFrame come from.

    `inputs` are the polars tables that the step received, as they were then, `written` the values that stand in its
    code and parameters. Raises `NotUnderstood`.
    """
    walked = _Walk(lazy, inputs, written)
    found = walked.relation()
    flow = flow_of(found, found.columns, part, step)
    if not walked.computed and not walked.computed_rows:
        return flow
    notes = []
    if walked.unshared:
        notes.append(
            f"step {step}: the plan starts from columns that are none of those the step received: "
            f"{listed(sorted(walked.unshared))}"
        )
    if walked.has_values:
        notes.append(f"step {step}: the plan holds values that do not stand in its code")
    return replace(
        flow,
        complete=flow.complete - walked.computed,
        rows_complete=not walked.computed_rows,
        notes=tuple(notes),
    )


class _Walk:
    """One walk over a plan; it remembers what was computed outside of it."""

    def __init__(self, lazy: Any, inputs: Held, written: Collection[object]) -> None:
        import polars

        try:
            self._plan = lazy._ldf.with_optimizations(polars.QueryOptFlags.none()._pyoptflags).visit()
            version = self._plan.version()[0]
        except (AttributeError, TypeError, NotImplementedError):
            raise NotUnderstood("this version of polars does not show its plans") from None
        if version != KNOWN:
            raise NotUnderstood("this version of polars describes its plans in another way")
        self._inputs = inputs
        self._expressions = Expressions(self._plan, written)
        self.computed = self._expressions.computed
        self.computed_rows = False
        self.unshared: set[str] = set()

    @property
    def has_values(self) -> bool:
        """Whether some value in the plan stands nowhere in the code."""
        return self._expressions.has_values

    def relation(self) -> Relation:
        """Return what the plan's columns and rows depend on, from where it stands."""
        here = self._plan.get_node()
        try:
            node = self._plan.view_current_node()
            names = list(self._plan.get_schema())
            read = getattr(self, f"_{type(node).__name__.lower()}", None)
            if read is None:
                raise NotUnderstood(f"the plan's {type(node).__name__} is not understood here")
            relation: Relation = read(node, names)
        except NotImplementedError as error:
            raise NotUnderstood(f"the plan holds what polars does not show ({error})") from None
        finally:
            self._plan.set_node(here)
        if list(relation.columns) != names:
            raise NotUnderstood(f"the plan's {type(node).__name__} gives other columns than expected")
        return relation

    def _at(self, node: int) -> Relation:
        self._plan.set_node(node)
        return self.relation()

    # Nodes

    def _dataframescan(self, node: Any, names: list[str]) -> Relation:
        import polars

        frame = polars.DataFrame._from_pydf(node.df)
        found = {name: self._inputs.found(frame[name]) for name in names}
        if not any(found.values()):
            raise NotUnderstood(
                "the plan starts from a table that the step did not receive as a polars table: "
                "what was converted or computed on the way is not followed"
            )
        shared = self._inputs.fewest(found)
        unshared = {name for name in names if not shared[name]}
        self.unshared |= unshared
        self.computed |= unshared
        columns = {
            name: frozenset(Used(part, column, IDENTITY) for part, column in shared[name]) for name in names
        }
        parts = {part for places in shared.values() for part, _ in places}
        return Relation(columns, frozenset(Used(part, ALL_ROWS, ROWS) for part in parts))

    def _filter(self, node: Any, names: list[str]) -> Relation:
        before = self._at(node.input)
        return self._with_rows(before, [node.predicate], FILTER)

    def _select(self, node: Any, names: list[str]) -> Relation:
        before = self._at(node.input)
        made = [self._expressions.read(each, before) for each in node.expr]
        return Relation(self._made(made), before.rows)

    def _hstack(self, node: Any, names: list[str]) -> Relation:
        before = self._at(node.input)
        made = [self._expressions.read(each, before) for each in node.exprs]
        columns = {**before.columns, **self._made(made)}
        return Relation({name: columns[name] for name in names}, before.rows)

    def _simpleprojection(self, node: Any, names: list[str]) -> Relation:
        before = self._at(node.input)
        return Relation({name: before.columns[name] for name in names}, before.rows)

    def _cache(self, node: Any, names: list[str]) -> Relation:
        return self._at(node.input)

    def _slice(self, node: Any, names: list[str]) -> Relation:
        # From the first row on is nobody's number: head() says nothing else.
        self._check_rows([node.offset or None, node.len])
        return self._at(node.input)

    def _sort(self, node: Any, names: list[str]) -> Relation:
        return self._with_rows(self._at(node.input), node.by_column, SORT)

    def _distinct(self, node: Any, names: list[str]) -> Relation:
        before = self._at(node.input)
        subset = node.options[1] or names
        keys = frozenset().union(*(before.columns[name] for name in subset))
        return Relation(before.columns, before.rows | as_used(keys, GROUP_BY))

    def _groupby(self, node: Any, names: list[str]) -> Relation:
        if node.apply or node.options.dynamic is not None or node.options.rolling is not None:
            raise NotUnderstood("the plan's moving groups are not understood here")
        before = self._at(node.input)
        keys = [self._expressions.read(each, before) for each in node.keys]
        made = [self._expressions.read(each, before) for each in node.aggs]
        self.computed_rows |= any(key.computed for key in keys)
        columns = self._made([*keys, *made])
        rows = frozenset().union(*(key.uses for key in keys))
        return Relation({name: columns[name] for name in names}, before.rows | as_used(rows, GROUP_BY))

    def _join(self, node: Any, names: list[str]) -> Relation:
        how, suffix = node.options[0], node.options[3]
        if isinstance(how, tuple) and how[0] == "AsOf" and how[2] is None and how[3] is None:
            how = "Left"
        if how not in ("Inner", "Left", "Full", "Semi", "Anti", "Cross") or node.predicate is not None:
            raise NotUnderstood("the plan's kind of join is not understood here")
        left, right = self._at(node.input_left), self._at(node.input_right)
        mine = [self._expressions.read(each, left) for each in node.left_on]
        other = [self._expressions.read(each, right) for each in node.right_on]
        self.computed_rows |= any(key.computed for key in (*mine, *other))
        rows = as_used(frozenset().union(*(key.uses for key in (*mine, *other))), JOIN)
        columns: dict[str, frozenset[Used]] = {}
        for name in names:
            plain = name if name in right.columns else name.removesuffix(suffix)
            columns[name] = left.columns.get(name) or right.columns.get(plain, frozenset())
            if name not in left.columns and plain in self.computed:
                self.computed.add(name)
        if how == "Full":
            for key, partner in zip(mine, other, strict=True):
                columns[key.name] = columns.get(key.name, frozenset()) | partner.uses
        return Relation({name: columns[name] for name in names}, left.rows | right.rows | rows)

    def _union(self, node: Any, names: list[str]) -> Relation:
        each = [self._at(one) for one in node.inputs]
        columns = {name: frozenset().union(*(one.columns[name] for one in each)) for name in names}
        return Relation(columns, frozenset().union(*(one.rows for one in each)))

    def _hconcat(self, node: Any, names: list[str]) -> Relation:
        each = [self._at(one) for one in node.inputs]
        columns = {name: uses for one in each for name, uses in one.columns.items()}
        return Relation(
            {name: columns[name] for name in names}, frozenset().union(*(one.rows for one in each))
        )

    def _mapfunction(self, node: Any, names: list[str]) -> Relation:
        before = self._at(node.input)
        kind, *told = node.function
        columns, rows = dict(before.columns), before.rows
        if kind == "row_index":
            columns[told[0]] = frozenset()
        elif kind == "explode":
            rows |= as_used(frozenset().union(*(columns[name] for name in told[0])), ROWS)
        elif kind == "unpivot":
            on, variable, value = told[1:]
            columns[variable] = frozenset()
            if not self.computed.isdisjoint(on):
                self.computed.add(value)
            columns[value] = as_used(
                frozenset().union(*(before.columns[name] for name in on)), TRANSFORMATION
            )
        else:
            raise NotUnderstood(f"the plan's {kind} is not understood here")
        return Relation({name: columns[name] for name in names}, rows)

    def _with_rows(self, before: Relation, expressions: Iterable[Any], use: str) -> Relation:
        made = [self._expressions.read(each, before) for each in expressions]
        self.computed_rows |= any(each.computed for each in made)
        uses = frozenset().union(*(each.uses for each in made))
        return Relation(before.columns, before.rows | as_used(uses, use))

    def _check_rows(self, values: Iterable[object]) -> None:
        self.computed_rows |= any(not self._expressions.is_written(value) for value in values)

    def _made(self, expressions: Iterable[Expression]) -> dict[str, frozenset[Used]]:
        made = {}
        for each in expressions:
            made[each.name] = each.uses
            if each.computed:
                self.computed.add(each.name)
        return made
