"""Column lineage of a polars plan: a step that returns a LazyFrame says how it makes each column.

The plan is read node by node, as polars shows it to other engines (`LazyFrame._ldf.visit`, major version `KNOWN`),
without optimisations, so that it is what was written.

Rules:

- A table at the start of a plan is told by where its columns lie in memory (`registry.polars_memory`): each is the
  column of an input that it shares its memory with, whatever its name. One that lies elsewhere was computed, or copied
  from who knows where, though its cells be those of an input; where all of them do, the plan is not understood.
- Only what is listed is understood: nodes here, with the settings that they may have, expressions and functions in
  `registry.polars_expressions`. Anything else makes the whole plan not understood: `NotUnderstood` says why.
- A plan holds values (numbers, texts, lists, the names it chose) and does not say where they come from. They come from
  the code where the step does nothing but build its plan (`registry.plan_code`). Where it does more, they may come from
  any input: the links are those that the plan shows, and nothing is complete.

>>> flow = plan_flow(lazy, inputs, "ratios", "ratios", None)               # doctest: +SKIP
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final

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
from registry.polars_expressions import Expressions
from registry.polars_memory import Held
from registry.relations import UNTOLD, NotUnderstood, Relation, Used, as_used, flow_of
from registry.sentences import listed

__all__ = ["KNOWN", "plan_flow"]

KNOWN: Final = 16
"""The major version of polars' description of its plans that is understood here."""

JOINS: Final = ("Inner", "Left", "Full", "Semi", "Anti", "Cross", "AsOf")


def plan_flow(lazy: Any, inputs: Held, part: str, step: str, astray: str | None) -> Flow:
    """Say where the columns of a LazyFrame come from.

    `inputs` are the polars tables that the step received, as they were then, `astray` what the step's code does besides
    building the plan, if anything. Raises `NotUnderstood`.
    """
    walked = _Walk(lazy, inputs)
    found = walked.relation()
    flow = flow_of(found, found.columns, part, step)
    notes = []
    if walked.unshared:
        notes.append(
            f"step {step}: the plan starts from columns that are none of those the step received: "
            f"{listed(sorted(walked.unshared))}"
        )
    if astray is not None:
        notes.append(
            f"step {step}: what its plan holds may be computed from anything it received: {astray} (compute it in a "
            "step before, which declares columns= and rows=, or declare them here)"
        )
        return replace(flow, complete=frozenset(), rows_complete=False, notes=tuple(notes))
    return replace(flow, notes=tuple(notes))


class _Walk:
    """One walk over a plan."""

    def __init__(self, lazy: Any, inputs: Held) -> None:
        import polars

        try:
            self._plan = lazy._ldf.with_optimizations(polars.QueryOptFlags.none()._pyoptflags).visit()
            version = self._plan.version()[0]
        except (AttributeError, TypeError, NotImplementedError):
            raise NotUnderstood("this version of polars does not show its plans") from None
        if version != KNOWN:
            raise NotUnderstood("this version of polars describes its plans in another way")
        self._inputs = inputs
        self._expressions = Expressions(self._plan)
        self.unshared: set[str] = set()

    def relation(self) -> Relation:
        """Return what the plan's columns and rows depend on, from where it stands."""
        here = self._plan.get_node()
        try:
            node = self._plan.view_current_node()
            names = list(self._plan.get_schema())
            read = getattr(self, f"_{type(node).__name__.lower()}", None)
            if type(node).__name__ == "Scan":
                raise NotUnderstood(
                    "the plan reads a file itself, and does more: read it in a step of its own"
                )
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

        _expect(node.selection is None, "a table that was filtered while it was read")
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
        columns = {
            name: frozenset(Used(part, column, IDENTITY) for part, column in shared[name])
            or frozenset({UNTOLD})
            for name in names
        }
        parts = {part for places in shared.values() for part, _ in places}
        return Relation(columns, frozenset(Used(part, ALL_ROWS, ROWS) for part in parts))

    def _filter(self, node: Any, names: list[str]) -> Relation:
        before = self._at(node.input)
        return self._with_rows(before, [node.predicate], FILTER)

    def _select(self, node: Any, names: list[str]) -> Relation:
        return self._with_made({}, self._at(node.input), node.expr, names)

    def _hstack(self, node: Any, names: list[str]) -> Relation:
        before = self._at(node.input)
        return self._with_made(before.columns, before, node.exprs, names)

    def _simpleprojection(self, node: Any, names: list[str]) -> Relation:
        before = self._at(node.input)
        return Relation({name: before.columns[name] for name in names}, before.rows)

    def _cache(self, node: Any, names: list[str]) -> Relation:
        return self._at(node.input)

    def _slice(self, node: Any, names: list[str]) -> Relation:
        return self._at(node.input)

    def _sort(self, node: Any, names: list[str]) -> Relation:
        _expect(node.slice is None, "a sort that cuts")
        return self._with_rows(self._at(node.input), node.by_column, SORT)

    def _distinct(self, node: Any, names: list[str]) -> Relation:
        _expect(node.options[3] is None, "unique rows that are cut")
        before = self._at(node.input)
        keys = _all_of(before, node.options[1] or names)
        return Relation(before.columns, before.rows | as_used(keys, GROUP_BY))

    def _groupby(self, node: Any, names: list[str]) -> Relation:
        options = node.options
        moving = options.dynamic is not None or options.rolling is not None
        _expect(not (node.apply or moving or options.slice is not None), "moving groups")
        before = self._at(node.input)
        keys = [self._expressions.read(each, before) for each in node.keys]
        made = [self._expressions.read(each, before) for each in node.aggs]
        columns = {each.name: each.uses for each in (*keys, *made)}
        rows = frozenset().union(*(key.uses | key.rows for key in keys))
        return Relation({name: columns[name] for name in names}, before.rows | as_used(rows, GROUP_BY))

    def _join(self, node: Any, names: list[str]) -> Relation:
        how, _, cut, suffix, *_ = node.options
        kind = how[0] if isinstance(how, tuple) else how
        _expect(kind in JOINS and node.predicate is None and cut is None, "kind of join")
        left, right = self._at(node.input_left), self._at(node.input_right)
        mine = [self._expressions.read(each, left) for each in node.left_on]
        other = [self._expressions.read(each, right) for each in node.right_on]
        rows = left.rows | right.rows
        rows |= as_used(frozenset().union(*(key.uses | key.rows for key in (*mine, *other))), JOIN)
        if isinstance(how, tuple):
            # ("AsOf", strategy, tolerance, tolerance as text, left by, right by, equal, checked)
            _expect(kind == "AsOf" and len(how) == 8, "kind of join")
            rows |= as_used(_all_of(left, how[4] or ()) | _all_of(right, how[5] or ()), JOIN)
        columns = {}
        for name in names:
            plain = name if name in right.columns else name.removesuffix(suffix)
            columns[name] = left.columns[name] if name in left.columns else right.columns[plain]
        if kind == "Full":
            for key, partner in zip(mine, other, strict=True):
                columns[key.name] = columns.get(key.name, frozenset()) | partner.uses
        return Relation({name: columns[name] for name in names}, rows)

    def _union(self, node: Any, names: list[str]) -> Relation:
        _expect(node.slice is None, "a union that cuts")
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
            rows |= as_used(_all_of(before, told[0]), ROWS)
        elif kind == "unpivot":
            on, variable, value = told[1:]
            columns[variable] = frozenset()
            columns[value] = as_used(_all_of(before, on), TRANSFORMATION)
        elif kind != "hint_sorted":
            raise NotUnderstood(f"the plan's {kind} is not understood here")
        return Relation({name: columns[name] for name in names}, rows)

    def _with_made(
        self, kept: dict[str, frozenset[Used]], before: Relation, expressions: Iterable[Any], names: list[str]
    ) -> Relation:
        made = [self._expressions.read(each, before) for each in expressions]
        columns = {**kept, **{each.name: each.uses for each in made}}
        rows = before.rows.union(*(each.rows for each in made))
        return Relation({name: columns[name] for name in names}, rows)

    def _with_rows(self, before: Relation, expressions: Iterable[Any], use: str) -> Relation:
        made = [self._expressions.read(each, before) for each in expressions]
        uses = frozenset().union(*(each.uses | each.rows for each in made))
        return Relation(before.columns, before.rows | as_used(uses, use))


def _all_of(relation: Relation, names: Iterable[str]) -> frozenset[Used]:
    return frozenset().union(*(relation.columns[name] for name in names))


def _expect(is_so: bool, what: str) -> None:
    if not is_so:
        raise NotUnderstood(f"the plan's {what} is not understood here")
