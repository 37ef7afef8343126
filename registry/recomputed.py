"""Tables that a step returns beside a fitted transformer, explained where the transformer makes them again.

Rules:

- That the names are those that the transformer gives out shows nothing: a step may change the table afterwards. A table
  is explained where a fresh transformer of the same settings, fitted on a table that the step received and applied to
  one, gives exactly the same cells; else it is unknown, and a note says so.
- What the step received is taken as it was before the step was called: it may have changed it in place.
- Only transformers whose every class is known (`registry.estimators`), since only those are as their parameters say;
  none that learned from a target, which is not recorded. None with a setting that the step may have computed
  (`registry.written_settings`).
- At most `MOST_CELLS` cells of a table, and `MOST_SECONDS`.

>>> explained(flows, items, before, computed)                               # doctest: +SKIP
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import numpy as np

from registry.bounded_call import Raised, TookTooLong, bounded
from registry.estimators import Output, input_names, is_transformer, taken_apart
from registry.flows import AGGREGATION, ALL_ROWS, ROWS, Flow, Link
from registry.held import holder_of
from registry.observe import apart

__all__ = ["as_received", "explained"]

MOST_CELLS: Final = 1_000_000
MOST_SECONDS: Final = 5.0


def as_received(item: Any) -> Any:
    """Keep a table with names as it is now; None where it is none, or too large to be transformed again."""
    holder = holder_of(item)
    if holder not in (("pandas", "DataFrame"), ("polars", "DataFrame")):
        return None
    if item.shape[0] * item.shape[1] > MOST_CELLS:
        return None
    return item.clone() if holder == ("polars", "DataFrame") else item.copy()


@dataclass(frozen=True, slots=True)
class _Known:
    """A transformer of which every class is known."""

    transformer: Any
    features: tuple[str, ...]
    outputs: tuple[Output, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(output.name for output in self.outputs)


def explained(
    flows: Sequence[Flow],
    items: Mapping[str, Any],
    before: Mapping[str, Any],
    computed: Callable[[Any], str | None],
) -> list[Flow]:
    """Explain the tables among what a step returned (`items`, by part) from what it had received (`before`).

    `computed` names a setting of a transformer that is not of the step's code.
    """
    told = {flow.part: flow for flow in flows if flow.kind == "table"}
    for known in _known(items.values()):
        unexplained = [
            flow for flow in told.values() if flow.columns == known.names and not _is_complete(flow)
        ]
        for flow in unexplained:
            setting = computed(known.transformer)
            told[flow.part] = (
                _explained(flow, known, list(_pairs(known, items[flow.part], before)))
                if setting is None
                else _noted(flow, f"whose {setting} is not written in the step, which may have computed it")
            )
    return [told.get(flow.part, flow) if flow.kind == "table" else flow for flow in flows]


def _is_complete(flow: Flow) -> bool:
    return flow.complete >= set(flow.columns)


def _known(items: Iterable[Any]) -> Iterator[_Known]:
    for item in items:
        if not is_transformer(item):
            continue
        try:
            features = input_names(item) or ()
            found = taken_apart(item, features)
        except (AttributeError, ValueError, TypeError, IndexError, KeyError):
            continue
        if features and not found.notes and not any(output.of_target for output in found.outputs):
            yield _Known(item, features, found.outputs)


def _pairs(known: _Known, table: Any, before: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the tables that were learned from and transformed, by their names, that give exactly this table."""
    able = {part: held for part, held in before.items() if set(known.features) <= set(map(str, held.columns))}
    begun = time.perf_counter()
    pairs = sorted(((one, other) for one in able for other in able), key=lambda pair: pair[0] != pair[1])
    for learned, given in pairs:
        try:
            with apart():
                same = bounded(
                    partial(_gives, known, able[learned], able[given], table),
                    lambda: time.perf_counter() - begun > MOST_SECONDS,
                )
        except Raised:
            continue
        except TookTooLong:
            return
        if same:
            yield learned, given


def _gives(known: _Known, learned: Any, given: Any, table: Any) -> bool:
    """Say whether a fresh transformer, fitted on one table and applied to another, gives a third."""
    from sklearn.base import clone

    columns = list(known.features)
    fresh = clone(known.transformer).fit(learned[columns])
    if _same(fresh.transform(given[columns]), table):
        return True
    return learned is given and _same(clone(known.transformer).fit_transform(given[columns]), table)


def _same(first: Any, second: Any) -> bool:
    one, other = np.asarray(first), np.asarray(second)
    if one.shape != other.shape or one.shape == ():
        return False
    if one.dtype.kind in "biuf" and other.dtype.kind in "biuf":
        return bool(np.array_equal(one, other, equal_nan=True))
    pairs = zip(one.ravel().tolist(), other.ravel().tolist(), strict=True)
    return all(a is b or a == b or (a != a and b != b) for a, b in pairs)


def _explained(flow: Flow, known: _Known, pairs: Sequence[tuple[str, str]]) -> Flow:
    if not pairs:
        return _noted(flow, "and could not be made again with it from what the step received")
    new = [output for output in known.outputs if output.name not in flow.complete]
    links = [link for output in new for link in _links(output, known.features, pairs)]
    # Cell by cell the same is also row by row the same.
    rows = [Link(None, given, ALL_ROWS, "declared", ROWS) for _, given in pairs]
    return replace(
        flow,
        links=(*flow.links, *links, *rows),
        complete=flow.complete | {output.name for output in new},
        rows_complete=True,
    )


def _noted(flow: Flow, why: str) -> Flow:
    note = f"step {flow.step}: {flow.part} has the columns of the transformer beside it, {why}"
    return replace(flow, notes=(*flow.notes, note))


def _links(output: Output, features: Sequence[str], pairs: Sequence[tuple[str, str]]) -> Iterator[Link]:
    for learned, given in pairs:
        for number in output.inputs:
            yield Link(output.name, given, features[number], "declared", output.use)
            if learned != given:
                yield Link(output.name, learned, features[number], "declared", AGGREGATION)
