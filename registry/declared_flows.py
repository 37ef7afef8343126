"""Flows that are declared: by who wrote a step or records a table, and by the names that scikit-learn gives.

Rules:

- A table's columns are made of what its declaration says, and nothing else is known of it.
- A feature is the column of its name in the tables that may have been read. What was done with that column in between
  is not seen, so that no feature is complete by its name: `columns={"*": ["*"]}` says that it is that column.
- Columns of several tables are put side by side by something. A declaration that nothing decides on the rows
  (`rows=[]`) does not say by what, and nothing of it is complete.
- What is behind the transformers follows from their classes (`registry.estimators`), not from what anybody declares.

>>> told = Told({"*": ("*",)}, rows=())
>>> flow = model_flow("model", "model", ("income",), told, {"loans": ("income", "race")})
>>> flow.links[0], flow.complete == {"income"}
(Link(column='income', part='loans', source='income', how='declared', use='IDENTITY'), True)
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from audit.errors import AffidavitError
from registry.estimators import taken_apart
from registry.flows import IDENTITY, TARGET, THE_TARGET, Flow, Link
from registry.places import FILE
from registry.sentences import listed
from registry.told import (
    Inputs,
    Source,
    Told,
    declared_links,
    declared_rows,
    declared_target,
    lacking,
    tells_rows,
)

__all__ = ["declared_flow", "doubted", "encoded_flow", "model_flow"]


def declared_flow(flow: Flow, told: Told, inputs: Inputs, sources: Sequence[Source] = ()) -> Flow:
    """Complete a flow by what is declared of it; raise `MalformedInput` where that does not fit the inputs."""
    links, covered = declared_links(told, flow.step, flow.part, flow.columns, inputs, sources)
    apart = told.rows == () and _side_by_side(links)
    if told.rows is not None:
        links += declared_rows(told, flow.step, inputs, sources)
    declared = replace(
        flow, links=tuple(links), complete=frozenset(covered), rows_complete=tells_rows(told, inputs)
    )
    said = [text for texts in (*told.columns.values(), told.rows or (), told.target or ()) for text in texts]
    if lacks := lacking(dict.fromkeys(said), inputs, sources):
        return doubted(
            declared, f"{listed(lacks)} {_are_no_columns(len(lacks))} of the file, as it is read here"
        )
    if not apart:
        return declared
    return doubted(
        declared,
        f"by which columns the rows of {listed(apart)} are matched is not declared: name those columns in rows=[...]",
    )


def _are_no_columns(count: int) -> str:
    return "is declared and no column" if count == 1 else "are declared and no columns"


def doubted(flow: Flow, why: str) -> Flow:
    """Take nothing that is declared of a part for the whole, and say why."""
    note = f"step {flow.step}: {why}"
    return replace(
        flow, complete=frozenset(), rows_complete=False, target_complete=False, notes=(*flow.notes, note)
    )


def _side_by_side(links: Sequence[Link]) -> list[str]:
    """Name the tables from which columns are put together, where no single one of them has all that is used."""
    parts: dict[tuple[str | None, str], set[str]] = {}
    for link in links:
        parts.setdefault((link.column, link.source), set()).add(link.part)
    together = set.intersection(*parts.values()) if parts else set()
    return [] if together else sorted({link.part.removeprefix(FILE) for link in links})


def model_flow(
    part: str,
    step: str,
    features: Sequence[str],
    told: Told,
    inputs: Inputs,
    sources: Sequence[Source] = (),
) -> Flow:
    """Say where the features of a model come from: what is declared, else the columns of their names."""
    target = declared_target(told, step, inputs, sources)
    flow = Flow(part, step, "model", tuple(features), target=target, target_complete=bool(target))
    declared = declared_flow(flow, told, inputs, sources)
    if twice := [name for name, count in Counter(features).items() if count > 1]:
        # Two columns of one name: at most one of them is the column of that name that came in.
        note = f"step {step}: the model was fitted on several columns called {listed(twice)}"
        declared = replace(declared, complete=declared.complete - set(twice), notes=(*declared.notes, note))
    named = [
        Link(feature, table, feature, "declared", IDENTITY)
        for table, columns in inputs.items()
        for feature in features
        if feature in columns and feature not in declared.complete
    ]
    return replace(declared, links=(*declared.links, *named))


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
    if found.is_plain and len(found.outputs) == len(features):
        return []
    links = []
    names = _distinct([output.name for output in found.outputs])
    for name, output in zip(names, found.outputs, strict=True):
        links += [Link(name, part, features[number], "declared", output.use) for number in output.inputs]
        if output.of_target:
            links.append(Link(name, part, THE_TARGET, "declared", TARGET))
    return [Flow(part, step, "encoded", names, tuple(links), frozenset(names), True, found.notes)]


def _distinct(names: Sequence[str]) -> tuple[str, ...]:
    """Add numbers to the names that occur more than once, as two parts of a pipeline may give out the same."""
    seen: dict[str, int] = {}
    for name in names:
        seen[name] = seen.get(name, 0) + 1
    return tuple(
        name if seen[name] == 1 else f"{name} ({number})" for number, name in enumerate(names, start=1)
    )
