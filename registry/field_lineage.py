"""The lineage of fields, taken down while a pipeline runs: a flow for every table and model that a step returned.

Rules:

- What the pipeline declares comes first; then what a query or a plan says; then what scikit-learn's names say; and
  where a step may be observed, what was seen. Nothing is guessed: what none of them tells stays unknown.
- A value that is no table (a number, a list, a fitted model) may be made of any column, and so may an index; no
  declaration names them. Of a step that received such, nothing that is declared is complete.
- The columns of the inputs are noted before the step is called: it may change them in place.
- A table beside the transformer that made it is made again before it is believed (`registry.recomputed`).
- A feature is the column of its name in a table that the step received (`registry.declared_flows`); `observe=True`
  shows whether another column moves the model.
- A run does not fail because of its lineage (`registry.attempted`), except where its own declaration is wrong.

>>> flows = watch(planned, returned).flows(value)                          # doctest: +SKIP
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from audit.errors import MalformedInput
from registry.attempted import attempted
from registry.category_order import orders_of, untold_orders
from registry.declared_flows import declared_flow, doubted, encoded_flow, model_flow
from registry.estimators import input_names
from registry.flows import Flow
from registry.held import column_labels, is_lazy, polars_frame
from registry.nested_fields import nested_fields
from registry.observe import Observation, observe, take_sample
from registry.outside import NOTHING, Outside
from registry.parts import is_fitted_model, parts_of
from registry.parts_taken import as_taken
from registry.plan_names import is_plain_inside
from registry.reached import DUCKDB, constants, reached, texts, texts_in
from registry.recomputed import as_received, explained
from registry.relations import NotUnderstood
from registry.sampling import unchangeable
from registry.seen import with_what_was_seen
from registry.sentences import listed
from registry.steps import PlannedStep, Step
from registry.told import Inputs, Source, refuse_unreturned
from registry.written_arguments import written_by_step
from registry.written_defaults import unwritten_default
from registry.written_query import check_written
from registry.written_settings import unwritten, unwritten_in_model

if TYPE_CHECKING:
    from registry.sql_step import Query

__all__ = ["Watch", "watch"]


WORKED_OUT: Final = "is worked out by code"
"""What is said of the parts of a query that may hold anything of the data."""


@dataclass(frozen=True, slots=True)
class Watch:
    """What a step received: the columns of its inputs, as they were before it was called."""

    step: Step
    inputs: Inputs
    sample: Observation | None = None
    held: Any = None
    """The polars tables that the step received, by their memory (`registry.polars_memory.Held`)."""
    astray: str | None = None
    """What its code does besides building a plan, if anything (`registry.plan_code`), as it was before the call."""
    before: Mapping[str, Any] = field(default_factory=dict)
    """The tables that it received, as they were (`registry.recomputed`)."""
    failed: str | None = None
    """Why what the step received could not be noted."""
    hindered: tuple[str, ...] = ()
    """Why some of it could not be: its tables' places in memory, or a sample. The rest stands."""
    parameters: Mapping[str, object] = field(default_factory=dict)
    """The step's parameters and their values; every other argument holds what an earlier step returned."""
    given: tuple[str, ...] = ()
    """Those of its parameters that the caller of the run set; the others have their defaults."""
    beside: tuple[str, ...] = ()
    """What it received besides the columns of tables: values, and indexes with labels of their own."""
    few: Mapping[str, Any] = field(default_factory=dict)
    """A few rows of each table that a query reads, for their types (`registry.sql_reads`)."""
    sources: tuple[Source, ...] = ()
    """What it reads by itself, as its parameters name it (`registry.outside`)."""
    orders: tuple[tuple[Any, ...], ...] = ()
    """The categories of the columns that it received, in their order."""
    doubts: tuple[str, ...] = ()
    """Why nothing that is declared of the step is complete, besides what it received."""

    def flows(self, value: object) -> list[Flow]:
        """Say how the columns of what the step returned come about.

        Raises `MalformedInput` where the step's own declaration does not fit what it received and returned.
        """
        parts = list(parts_of(self.step.name, value))
        if self.failed is not None:
            return [_open(name, self.step.name, item, self.failed) for name, item in parts]
        flows = [flow for name, item in parts for flow in self._of_part(name, item)]
        refuse_unreturned(self.step.told, self.step.name, {flow.part: flow.columns for flow in flows})
        if self.step.told.target is not None and not any(flow.kind == "model" for flow in flows):
            raise MalformedInput(
                f"the step {self.step.name} declares a target and returned no model: say target= of the one that does"
            )
        flows = attempted(
            lambda: explained(flows, dict(parts), self.before, self._computed),
            lambda why: _noted(flows, self.step.name, why),
        )
        flows = attempted(lambda: self._seen(flows), lambda why: _noted(flows, self.step.name, why))
        return _noted(flows, self.step.name, *self.hindered)

    def doubting(self, why: Iterable[str]) -> "Watch":
        """Take nothing that is declared of the step for the whole, for these reasons."""
        return replace(self, doubts=(*self.doubts, *why))

    def _seen(self, flows: list[Flow]) -> list[Flow]:
        if self.sample is None:
            return flows
        read = {(link.part, link.source) for flow in flows for link in flow.links if flow.kind == "model"}
        return with_what_was_seen(flows, observe(self.sample, known=read))

    def _of_part(self, name: str, item: object) -> list[Flow]:
        return attempted(
            lambda: list(self._told_of_part(name, item)),
            lambda why: [_open(name, self.step.name, item, why)],
        )

    def _told_of_part(self, name: str, item: object) -> Iterable[Flow]:
        if is_fitted_model(item):
            features = input_names(item)
            if features is None:
                note = f"the model does not name its inputs: fit it on a table with column names in {self.step.name}"
                yield Flow(name, self.step.name, "model", (), notes=(note,))
                return
            flow = self._declared(
                model_flow(name, self.step.name, features, self.step.told, self.inputs, self.sources)
            )
            yield self._with_settings(flow, item)
            yield from encoded_flow(name, self.step.name, item, features)
        elif (columns := column_labels(item)) is not None:
            flow = Flow(name, self.step.name, "table", columns)
            told = bool(self.step.told.columns)
            parsed = self.step.query is not None or (is_lazy(item) and not told)
            if parsed:
                made = self._parsed(flow, item)
            else:
                made = self._declared(declared_flow(flow, self.step.told, self.inputs, self.sources))
                made = self._with_orders(made, item)
            yield replace(made, fields=tuple(nested_fields(item).items()))

    def _declared(self, flow: Flow) -> Flow:
        if not flow.tells:
            return flow
        for why in self._why_not():
            flow = doubted(flow, why)
        return flow

    def _why_not(self) -> Iterable[str]:
        """Say why what is declared may be less than all."""
        if self.beside:
            advice = " (reset_index() makes one of an index)" if _has_index(self.beside) else ""
            yield (
                f"it received {listed(self.beside)}, which may be made of any column: only a column of a table can be "
                f"declared{advice}"
            )
        yield from self.doubts

    def _with_orders(self, flow: Flow, item: object) -> Flow:
        """Take no column for the whole whose categories may be in an order that was made of others."""
        if not flow.complete or not orders_of(item):
            return flow
        step = self.step.function
        written = {*texts(step), *constants(step), *texts_in(dict(self.parameters))}
        names = [name for name in untold_orders(item, self.orders, written) if name in flow.complete]
        if not names:
            return flow
        why = (
            f"the categories of {listed(names)} are neither sorted nor in an order that was received or is written, "
            "which may be made of any column: write them in the step, or sort them"
        )
        return _noted([replace(flow, complete=flow.complete - {*names})], flow.step, why)[0]

    def _with_settings(self, flow: Flow, model: object) -> Flow:
        """Take nothing for the whole where a transformer in the model may bring in any column."""
        if not flow.tells:
            return flow
        why = unwritten_in_model(model, written_by_step(self.step.function, self.parameters))
        return flow if why is None else doubted(flow, why)

    def _computed(self, transformer: Any) -> str | None:
        return unwritten(transformer, written_by_step(self.step.function, self.parameters))

    def _parsed(self, flow: Flow, item: object) -> Flow:
        """Complete the flow of a SQL step by its query, or that of a LazyFrame by its plan."""

        def read() -> Flow:
            if self.step.query is not None:
                return self._queried(self.step.query, flow)
            from registry.polars_memory import Held
            from registry.polars_plan import plan_flow

            return plan_flow(item, self.held or Held({}), flow.part, flow.step, self.astray)

        return attempted(read, lambda why: _noted([flow], flow.step, f"{why} ({self._to_do(why)})")[0])

    def _to_do(self, why: str) -> str:
        """Say what to do about a query or a plan that is not understood."""
        if self.step.query is None:
            return "declare columns= and rows=, or say it otherwise"
        if WORKED_OUT in why:
            return "write it as a literal, or as a constant of the module"
        return "say it otherwise, or in a step in Python that declares columns= and rows="

    def _queried(self, query: "Query", flow: Flow) -> Flow:
        from registry.sql_doubt import confirmed
        from registry.sql_lineage import parsed

        if given := [name for name in query.parameters if name not in self.parameters]:
            raise NotUnderstood(f"the query's ${given[0]} is what another step returned, not a table")
        check_written(self.step.function, query.text)
        left = [name for name in query.parameters if name not in self.given]
        if (name := unwritten_default(self.step.function, left)) is not None:
            raise NotUnderstood(f"the default of the query's ${name} {WORKED_OUT}, of what is not known")
        values = {name: self.parameters[name] for name in query.parameters}
        return confirmed(
            parsed(query.text, self.inputs, flow.columns, flow.step), query.text, self.few, values
        )


def watch(planned: PlannedStep, returned: Mapping[str, object], outside: Outside = NOTHING) -> Watch:
    """Note what a step is about to receive, and what it reads `outside` of that."""
    return attempted(
        lambda: _watch(planned, returned, outside), lambda why: Watch(planned.step, {}, failed=why)
    )


def _watch(planned: PlannedStep, returned: Mapping[str, object], outside: Outside) -> Watch:
    inputs: dict[str, tuple[str, ...]] = {}
    frames: dict[str, Any] = {}
    before: dict[str, Any] = {}
    orders: list[tuple[Any, ...]] = []
    for name in planned.after:
        for part, item in parts_of(name, returned[name]):
            columns = column_labels(item)
            if columns is None:
                continue
            inputs[part] = columns
            orders += orders_of(item).values()
            if (kept := as_received(item)) is not None:
                before[part] = kept
            if (frame := polars_frame(item)) is not None:
                frames[part] = frame
    step = planned.step
    observed = step.told.observe and step.query is None and bool(inputs)
    hindered: list[str] = []
    sample = attempted(lambda: take_sample(planned, returned), hindered.append) if observed else None
    few: dict[str, Any] = {}
    if step.query is not None:
        from registry.few_rows import few_rows

        few = few_rows(step.name, step.query, returned)
    held = attempted(lambda: _held(frames), hindered.append) if frames else None
    # Before the call: what the code takes from its module may be set back when the step is done.
    astray = attempted(lambda: _astray(planned, returned), lambda why: why) if frames else None
    return Watch(
        step,
        inputs,
        sample,
        held,
        astray,
        before,
        hindered=tuple(hindered),
        parameters=planned.parameters,
        given=planned.given,
        beside=_beside(planned, returned),
        few=few,
        sources=outside.sources,
        orders=tuple(orders),
        doubts=(*outside.doubts, *_reached(planned, outside)),
    )


def _reached(planned: PlannedStep, outside: Outside) -> list[str]:
    """Say what a step that declares its columns takes from elsewhere than a declaration can name."""
    step = planned.step
    if not step.told.is_declared:
        return []
    outer = reached(step.function)
    names = [f"{name} outside of the step" for name in outer]
    sources = [each.parameter for each in outside.sources]
    left = [name for name in planned.parameters if name not in (*planned.given, *sources)]
    if (name := unwritten_default(step.function, left)) is not None:
        names.append(f"the default of its parameter {name}, which is worked out by code")
    names += [
        f"what its parameter {name} was given"
        for name in planned.given
        if name not in sources and not is_plain_inside(planned.parameters[name])
    ]
    advice = " (ask DuckDB in a sql_step: it reads its arguments only)" if DUCKDB in outer else ""
    return [f"it reaches {listed(names)}, which may be made of any column{advice}"] if names else []


def _beside(planned: PlannedStep, returned: Mapping[str, object]) -> tuple[str, ...]:
    if not planned.step.told.is_declared:
        return ()  # it is asked of what is declared alone, and to look through an index takes time
    received = {each: as_taken(planned.step.function, each, returned[each]) for each in planned.after}
    return tuple(name for name, _ in unchangeable(received, returned))


def _has_index(beside: Iterable[str]) -> bool:
    return any(name.endswith("(its index)") for name in beside)


def _astray(planned: PlannedStep, returned: Mapping[str, object]) -> str | None:
    from registry.plan_code import astray, held_by

    step = planned.step
    if step.query is not None:
        return None
    received = {name: _kind(returned[name]) for name in planned.after}
    return astray(step.function, {**held_by(step.function, planned.parameters, planned.given), **received})


def _held(frames: Mapping[str, Any]) -> Any:
    from registry.polars_memory import Held

    return Held(frames)


def _kind(value: Any) -> str:
    """Say what an argument holds, as far as a plan may be made of it."""
    import polars

    from registry.plan_code import EAGER, OTHER, PLAN, PLANS, TABLES

    each = list(value.values()) if type(value) is dict else [value]
    # A class of its own may answer `lazy()` and `columns` as it likes, and so may an object that was set something on.
    kinds = {polars.DataFrame: {"_df"}, polars.LazyFrame: {"_ldf"}}
    if not each or any(type(item) not in kinds or vars(item).keys() - kinds[type(item)] for item in each):
        return OTHER
    if all(map(is_lazy, each)):
        return PLANS if type(value) is dict else PLAN
    return (
        TABLES if type(value) is dict and not any(map(is_lazy, each)) else EAGER if len(each) == 1 else OTHER
    )


def _open(part: str, step: str, item: object, why: str) -> Flow:
    """Say of a part that nothing is known of it."""
    if is_fitted_model(item):
        return Flow(part, step, "model", (), notes=(f"step {step}: {why}",))
    columns = attempted(lambda: column_labels(item), lambda _: None)
    return Flow(part, step, "table", columns or (), notes=(f"step {step}: {why}",))


def _noted(flows: Sequence[Flow], step: str, *why: str) -> list[Flow]:
    return [replace(flow, notes=(*flow.notes, *(f"step {step}: {each}" for each in why))) for flow in flows]
