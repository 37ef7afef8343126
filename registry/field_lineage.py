"""The lineage of fields, taken down while a pipeline runs: a flow for every table and model that a step returned.

Rules:

- What the pipeline declares comes first; then what a query or a plan says; then what scikit-learn's names say; and
  where a step may be observed, what was seen. Nothing is guessed: what none of them tells stays unknown.
- The columns of the inputs are noted before the step is called: it may change them in place.
- A feature is the column of its name in a table that the step received. What the step did with that column in
  between is not seen, so that no feature is complete by its name: `columns={"*": ["*"]}` says that it is that column,
  and `observe=True` shows whether another column moves the model.
- A run does not fail because of its lineage, except where its own declaration is wrong.

>>> flows = watch(planned, returned).flows(value)                          # doctest: +SKIP
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from audit.canonical import JsonObject
from audit.errors import AffidavitError
from registry.artifacts import ArtifactStore
from registry.estimators import input_names, is_transformer, taken_apart
from registry.file_columns import with_file_columns
from registry.flows import IDENTITY, TARGET, THE_TARGET, Flow, Link
from registry.held import column_labels, is_lazy, polars_frame
from registry.keying import UNKEYED, Keying
from registry.observe import Observation, observe, take_sample
from registry.parts import is_fitted_model, parts_of
from registry.pipeline import PlannedStep, Step
from registry.relations import NotUnderstood
from registry.seen import with_what_was_seen
from registry.step_code import written_values
from registry.told import Inputs, declared_links, declared_rows, refuse_unreturned

__all__ = ["Watch", "encoded_flow", "watch"]


@dataclass(frozen=True, slots=True)
class Watch:
    """What a step received: the columns of its inputs, as they were before it was called."""

    step: Step
    inputs: Inputs
    sample: Observation | None = None
    frames: Mapping[str, Any] = field(default_factory=dict)
    """The polars tables that the step received."""
    written: Collection[object] = ()
    """The values that stand in its code and its parameters."""

    def flows(
        self,
        value: object,
        described: Sequence[JsonObject],
        files: Mapping[str, Path],
        artifacts: ArtifactStore,
        keying: Keying = UNKEYED,
    ) -> list[Flow]:
        """Say how the columns of what the step returned come about.

        `described` are the parts of it as the run records them, `files` the step's sources by name, and `keying` says
        which columns are keyed. Raises `MalformedInput` where the step's own declaration does not fit what it received
        and returned.
        """
        parts = list(parts_of(self.step.name, value))
        flows = [flow for name, item in parts for flow in self._of_part(name, item)]
        refuse_unreturned(self.step.told, self.step.name, {flow.part: flow.columns for flow in flows})
        flows = _by_transformers(flows, [item for _, item in parts], self.inputs)
        if self.sample is not None:
            read = {(link.part, link.source) for flow in flows for link in flow.links if flow.kind == "model"}
            flows = with_what_was_seen(flows, observe(self.sample, known=read))
        rows = {part["name"]: part for part in described}
        holders = {name: type(item).__module__.partition(".")[0] for name, item in parts}
        return [
            with_file_columns(flow, rows[flow.part], holders[flow.part], files, artifacts, keying)
            if files and flow.part in rows
            else flow
            for flow in flows
        ]

    def _of_part(self, name: str, item: object) -> Iterable[Flow]:
        if is_fitted_model(item):
            features = input_names(item)
            if features is None:
                note = f"the model does not name its inputs: fit it on a table with column names in {self.step.name}"
                yield Flow(name, self.step.name, "model", (), notes=(note,))
                return
            yield self._declared(Flow(name, self.step.name, "model", features), _by_name)
            yield from encoded_flow(name, self.step.name, item, features)
        elif (columns := column_labels(item)) is not None:
            flow = Flow(name, self.step.name, "table", columns)
            told = bool(self.step.told.columns)
            parsed = self.step.query is not None or (is_lazy(item) and not told)
            yield self._parsed(flow, item) if parsed else self._declared(flow, None)

    def _parsed(self, flow: Flow, item: object) -> Flow:
        """Complete the flow of a SQL step by its query, or that of a LazyFrame by its plan."""
        try:
            if self.step.query is not None:
                from registry.sql_lineage import query_flow

                return query_flow(self.step.query.text, self.inputs, flow.columns, flow.step)
            from registry.polars_plan import plan_flow

            return plan_flow(item, self.frames, flow.part, flow.step, self.written)
        except NotUnderstood as why:
            return replace(flow, notes=(f"step {flow.step}: {why}",))

    def _declared(self, flow: Flow, otherwise: Any) -> Flow:
        """Complete a flow by what the pipeline declares, and by `otherwise` for the columns it does not name."""
        told = self.step.told
        links, covered = declared_links(told, flow.step, flow.part, flow.columns, self.inputs)
        if otherwise is not None:
            left = [column for column in flow.columns if column not in covered]
            links += otherwise(left, self.inputs)
        if told.rows is not None:
            links += declared_rows(told, flow.step, self.inputs)
        return replace(
            flow, links=tuple(links), complete=frozenset(covered), rows_complete=told.rows is not None
        )


def watch(planned: PlannedStep, returned: Mapping[str, object]) -> Watch:
    """Note what a step is about to receive."""
    inputs: dict[str, tuple[str, ...]] = {}
    frames: dict[str, Any] = {}
    for name in planned.after:
        for part, item in parts_of(name, returned[name]):
            columns = column_labels(item)
            if columns is None:
                continue
            inputs[part] = columns
            if (frame := polars_frame(item)) is not None:
                frames[part] = frame
    step = planned.step
    observed = step.told.observe and step.query is None and bool(inputs)
    sample = take_sample(planned, returned) if observed else None
    return Watch(
        step, inputs, sample, frames, written_values(step.function, planned.parameters) if frames else ()
    )


def encoded_flow(part: str, step: str, model: object, features: Sequence[str]) -> list[Flow]:
    """Say which features each of those is made of that the model's last estimator sees, where they differ."""
    try:
        found = taken_apart(model, features)
    except (AttributeError, ValueError, TypeError, IndexError, KeyError, AffidavitError) as error:
        # An estimator that does not name what it gives out, or that keeps itself otherwise than is known here.
        note = (
            f"the features behind the transformers are not named: {type(error).__name__} while they were read"
        )
        return [Flow(part, step, "encoded", (), notes=(note,))]
    if found.is_plain:
        return []
    links = []
    names = _distinct([output.name for output in found.outputs])
    for name, output in zip(names, found.outputs, strict=True):
        links += [Link(name, part, features[number], "declared", output.use) for number in output.inputs]
        if output.of_target:
            links.append(Link(name, part, THE_TARGET, "declared", TARGET))
    return [Flow(part, step, "encoded", names, tuple(links), frozenset(names), True, found.notes)]


def _by_name(features: Sequence[str], inputs: Inputs) -> list[Link]:
    """Take each feature for the column of its name in the tables that the step received."""
    return [
        Link(feature, part, feature, "declared", IDENTITY)
        for part, columns in inputs.items()
        for feature in features
        if feature in columns
    ]


def _by_transformers(flows: Sequence[Flow], items: Sequence[object], inputs: Inputs) -> list[Flow]:
    """Explain the tables whose columns are exactly what a fitted transformer beside them gives out."""
    told = list(flows)
    for item in items:
        if not is_transformer(item):
            continue
        try:
            features = input_names(item) or ()
            outputs = taken_apart(item, features).outputs
        except (AttributeError, ValueError, TypeError, IndexError, KeyError):
            continue
        names = tuple(output.name for output in outputs)
        links = {
            output.name: [
                Link(output.name, part, features[number], "declared", output.use)
                for number in output.inputs
                for part, columns in inputs.items()
                if features[number] in columns
            ]
            for output in outputs
        }
        told = [
            _explained(flow, links) if flow.columns == names and flow.kind == "table" else flow
            for flow in told
        ]
    return told


def _explained(flow: Flow, links: Mapping[str, Sequence[Link]]) -> Flow:
    new = [column for column in flow.columns if column not in flow.complete and links[column]]
    more = [link for column in new for link in links[column]]
    return replace(flow, links=(*flow.links, *more), complete=flow.complete | set(new))


def _distinct(names: Sequence[str]) -> tuple[str, ...]:
    """Add numbers to the names that occur more than once, as two parts of a pipeline may give out the same."""
    seen: dict[str, int] = {}
    for name in names:
        seen[name] = seen.get(name, 0) + 1
    return tuple(
        name if seen[name] == 1 else f"{name} ({number})" for number, name in enumerate(names, start=1)
    )
