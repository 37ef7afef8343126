"""Traces: from a feature of the model, or from a column, back to the raw columns, as far as it is known.

Rules:

- Every path is followed. Where a column is unknown, the path goes on through its step and all that the step received,
  and a sentence says so.
- Rows count as well: a column depends on what decides which rows its table has. Rows on which no column is known to
  decide are not drawn; whether that is all there is, the sentences say.
- A name is a feature's first, then that of what is behind the transformers, then a column's, then the target's: it is
  `the target (y)`, `y`, or the column that was declared as the target, where several tables have that.

>>> trace(field_map, [find_field(field_map, "debt_to_income")]).edges       # doctest: +SKIP
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from audit.errors import MalformedInput, NotFound
from registry.flows import THE_TARGET
from registry.lineage import Edge, Lineage, Node
from registry.places import Doubt, Into, Map, Place
from registry.sentences import did_you_mean, listed

__all__ = ["Trace", "find_field", "step_level", "trace", "whole_trace"]


@dataclass(frozen=True, slots=True)
class Trace:
    """The places on the way back, in the order in which they were reached, and what leads into each."""

    start: tuple[Place, ...]
    into: dict[Place, tuple[Into, ...]]
    doubts: tuple[Doubt, ...]
    notes: tuple[str, ...] = ()
    """What was noted of the tables on the way, each once: why something is not known, or what is surprising."""

    def steps(self) -> list[str]:
        """Name the steps on the way, the last one first."""
        named = [each.step for place in self.into for each in self.into[place] if each.step is not None]
        return list(dict.fromkeys(named))

    def lineage(self) -> Lineage:
        """Draw the trace as nodes and edges, from the sources on."""
        places = list(reversed(self.into))
        edges = [
            Edge(each.start.id, place.id, each.how, each.use, each.step if each.use is not None else None)
            for place in places
            for each in self.into[place]
        ]
        nodes = [Node(place.id, place.node_kind, place.words, table=place.table) for place in places]
        edges = list(dict.fromkeys(edges))
        return Lineage(tuple(dict.fromkeys(nodes)), tuple(edges), sentences(self.doubts), self.notes)


def find_field(known: Map, name: str) -> Place:
    """Find what a name means, or raise `NotFound`, or `MalformedInput` where it means several things."""
    if name in known.features:
        return Place("feature", "", name)
    if known.encoded is not None and name in known.encoded.columns:
        return Place("encoded", "", name)
    if name == THE_TARGET and known.target is not None:
        return known.target
    columns = list(known.columns())
    exact = [place for place in columns if place.words == name]
    found = exact or [place for place in columns if place.name == name]
    if len(found) != 1 and known.target is not None and name in _names_of_target(known):
        return known.target
    if not found:
        if not known.features and not columns:
            raise NotFound(
                f"{known.name} has no field {name!r}: no features of the model and no columns are recorded"
            )
        names = [*known.features, *(place.words for place in columns), *(place.name for place in columns)]
        raise NotFound(f"{known.name} has no field {name!r}{did_you_mean(name, names)}")
    if len(found) > 1:
        words = [place.words for place in found]
        raise MalformedInput(f"{name!r} is a column of {len(found)} tables: choose {' or '.join(words[:6])}")
    return found[0]


def _names_of_target(known: Map) -> list[str]:
    """List what the target is called: its short name, and the column that it was declared to be."""
    declared = [] if known.target is None else [each.start.name for each in known.into(known.target)]
    return ["y", *(declared if len(declared) == 1 else [])]


def trace(known: Map, start: Sequence[Place], *, rows: bool = True) -> Trace:
    """Go back from some places to all that leads into them; without `rows`, not through what decides on rows."""
    into: dict[Place, tuple[Into, ...]] = {}
    doubts: dict[Place, Doubt] = {}
    waiting = deque(start)
    while waiting:
        place = waiting.popleft()
        if place in into:
            continue
        found = [each for each in known.into(place) if rows or each.start.kind != "rows"]
        doubt = known.doubt(place)
        if doubt is not None:
            doubts[place] = doubt
            found = found + step_level(known, doubt)
        into[place] = tuple(dict.fromkeys(found))
        waiting.extend(each.start for each in found)
    notes = dict.fromkeys(note for place in into for note in known.notes(place))
    return Trace(tuple(start), _pruned(into, start), tuple(doubts.values()), tuple(notes))


def whole_trace(known: Map) -> Trace:
    """Go back from the model, through every feature."""
    return trace(known, [known.end])


def step_level(known: Map, doubt: Doubt) -> list[Into]:
    """Let the step of an unknown column stand for what is not known of it."""
    step = doubt.step
    if step is None or doubt.seen or doubt.named or doubt.place.kind == "rows" or step not in known.steps:
        return []
    return [Into(Place("step", "", step), step, "declared", None)]


def sentences(doubts: Iterable[Doubt]) -> tuple[str, ...]:
    """Write doubts, those about the columns of one step in one sentence."""
    columns: dict[tuple[str, str], list[str]] = {}
    features: dict[tuple[str, str], list[str]] = {}
    others: list[str] = []
    for doubt in doubts:
        if doubt.named and doubt.step is not None:
            features.setdefault((doubt.step, doubt.how), []).append(doubt.place.words)
        elif doubt.step is None or doubt.place.kind == "rows":
            others.append(doubt.says)
        else:
            columns.setdefault((doubt.step, doubt.how), []).append(doubt.place.words)
    told = [
        f"step {step}: how {listed(names)} {_agreeing(len(names))} about {how}"
        for (step, how), names in columns.items()
    ]
    told += [
        f"step {step}: what it does to {listed(names)} before the model learns {how}"
        for (step, how), names in features.items()
    ]
    return tuple(dict.fromkeys((*told, *others)))


def _agreeing(count: int) -> str:
    return "comes" if count == 1 else "come"


def _pruned(into: dict[Place, tuple[Into, ...]], start: Sequence[Place]) -> dict[Place, tuple[Into, ...]]:
    """Leave out the rows that nothing but other rows lead into."""
    rows = {place: found for place, found in into.items() if place.kind == "rows"}
    told: set[Place] = set()

    def is_led_into(found: Sequence[Into]) -> bool:
        return any(each.start.kind != "rows" or each.start in told for each in found)

    while more := {place for place, found in rows.items() if place not in told and is_led_into(found)}:
        told |= more

    def stays(place: Place) -> bool:
        return place.kind != "rows" or place in told or place in start

    return {
        place: tuple(each for each in found if stays(each.start))
        for place, found in into.items()
        if stays(place)
    }
