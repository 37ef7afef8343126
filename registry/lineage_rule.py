"""Rules about lineage: does a protected column reach what the model reads, by any path? Pure.

Rules:

- Protected are the columns that the policy names, else those by which bias was measured, in every table that has
  them; and the columns that a protected one is made of: who reads `black` and `hispan` reads `race`. Where it is not
  known what a step made a protected column of, the model may read just that: the rule is `missing`.
- Every path counts: values, conditions, windows, and what filters, joins, groups or sorts the rows, unless the rule
  leaves rows out. One path is enough to fail, and the message names it.
- Unknown is never a pass. Where a part of the way is not known the rule is `missing`; where it was seen on a sample
  only it is `uncertain`, unless the policy accepts what was observed.
- A column that holds a field of a protected name is protected: which of its fields goes on is not followed.
- Names are one, and made from one, as everywhere here (`registry.protected_names`): `Race`, and `race_black` as well.
  What a column was made of is protected only where its name is the protected one: `age_ratio` does not protect income.
- That no table has a column of the name shows nothing: it may have another name there, which the message guesses at.
- The target of the model is asked likewise where the rule says so: a label made from a protected column carries it.
  Where transformers of the model learn from the target (a target encoder), it is asked in any case: what they make
  of it is what the model reads.
- A block that `record()` recorded shows no order: any other table may be what a protected column was made of.

Example::

    judge_lineage(rule, run)   # Finding("failed", "race reaches the feature ratio: applications.race -> ...")
"""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Final

from audit.canonical import Json
from audit.errors import MalformedInput
from registry.field_trace import Trace, sentences, trace
from registry.finding import AbsentError, Finding, at, items, text
from registry.flows import CONDITIONAL, DIRECT, THE_TARGET
from registry.places import ONE_OF, Doubt, Map, Place, map_of
from registry.protected_names import is_protected, is_same_name
from registry.rules import LineageRule
from registry.sentences import did_you_mean, listed

__all__ = ["judge_lineage"]

_NAMED: Final = ("column", "feature")

MAKES: Final = DIRECT | {CONDITIONAL, ONE_OF}
"""What a protected column is made by: `CASE WHEN black = 1 THEN 'black' ...` tells race from `black`."""

MOST_NOTES: Final = 2
"""How many of the notes that a run took a message shows; `affidavit lineage` has them all."""


def judge_lineage(rule: LineageRule, run: Mapping[str, Json]) -> Finding:
    """Judge a rule about lineage by what a run recorded; raise `AbsentError` where what it needs is not there."""
    names = rule.protected or _measured(run)
    known = _map(run)
    asked = [*known.inputs(), *_target(known, rule)]
    found = trace(known, asked, rows=rule.rows != "ignore")
    protected, absent = _protected(known, found, names)
    reached = [place for place in found.into if place in protected]
    if reached:
        dropped = known.dropped()
        # What goes on to what the model learns from is worse than what its transformers drop, and is named first.
        shortest = min(
            (_path(found, place) for place in reached), key=lambda path: (path[-1] in dropped, len(path))
        )
        given = (
            ", which is given to the model and dropped by its transformers" if shortest[-1] in dropped else ""
        )
        way = " -> ".join(map(_words, shortest))
        what = "what the model reads"
        if shortest[-1] == known.target:
            by = ", by which its transformers make what it reads" if known.learns_before else ""
            what = f"the target of the model{by}"
        return Finding("failed", f"{_named(known, shortest[0], names)} reaches {what}: {way}{given}")
    if absent:
        guess = did_you_mean(absent[0], _all_names(known)) if len(absent) == 1 else ""
        raise AbsentError(
            f"apart from the evaluation, no table of the run has a column called {listed(absent)}, so its way cannot "
            f"be followed{guess}"
        )
    doubts = [*found.doubts, *_unexplained(known, protected, in_order=run.get("how") != "record")]
    doubts = [doubt for doubt in doubts if not (doubt.seen_whole and rule.observation == "accept")]
    unknown = sentences(doubt for doubt in doubts if not doubt.seen)
    if unknown:
        noted = f" (noted while it ran: {listed(found.notes[:MOST_NOTES], '; ')})" if found.notes else ""
        raise AbsentError(
            f"no path from {listed(names)} to the model is recorded, but not all is known: "
            f"{listed(unknown, '; ')}{noted}; declare the columns and rows of these steps, or write them in SQL"
        )
    if doubts:
        return Finding(
            "uncertain",
            f"no path from {listed(names)} to the model was seen, but {listed(sentences(doubts), '; ')}",
        )
    seen = ", as far as a sample shows" if found.doubts else ""
    ends = f"any of {len(known.features)} features" + (" or the target" if _target(known, rule) else "")
    return Finding("passed", f"no path leads from {listed(names)} to {ends}{seen}")


def _target(known: Map, rule: LineageRule) -> list[Place]:
    is_asked = rule.target == "refuse" or known.learns_before
    return [known.target] if is_asked and known.target is not None else []


def _measured(run: Mapping[str, Json]) -> tuple[str, ...]:
    """Name the columns by which bias was measured."""
    attributes = [text(each.get("attribute")) for each in items(at(run, "evaluation", "bias"))]
    names = tuple(name for name in attributes if name is not None and " x " not in name)
    if not names:
        raise AbsentError(
            "it is not known which columns are protected: name them in the rule, or in evaluate(sensitive=[...])"
        )
    return names


def _map(run: Mapping[str, Json]) -> Map:
    if run.get("lineage") is None:
        raise AbsentError("the run does not record where its columns come from: run it again")
    try:
        known = map_of(run)
    except (MalformedInput, KeyError, TypeError, AttributeError):
        raise AbsentError("what the run records of where its columns come from cannot be read") from None
    if not known.features:
        raise AbsentError(
            "it is not recorded which columns the model reads: fit it on a table with column names, or pass "
            "features= to run.model()"
        )
    return known


def _protected(known: Map, traced: Trace, names: Sequence[str]) -> tuple[set[Place], list[str]]:
    """Find the protected columns in every table, and what they are made of; and the names that nothing has."""
    places = dict.fromkeys((*known.columns(), *known.inputs(), *traced.into))
    held = {
        place: tuple(dict.fromkeys(known.names_in(place)))
        for place in places
        if place.kind in _NAMED and place.name != THE_TARGET
    }
    named = [place for place, mine in held.items() if any(is_protected(each, names) for each in mine)]
    waiting = [
        place for place in named if any(is_same_name(each, name) for each in held[place] for name in names)
    ]
    present = {
        name for name in names for place in waiting if any(is_same_name(one, name) for one in held[place])
    }
    found: set[Place] = set()
    while waiting:
        place = waiting.pop()
        if place in found or place.kind not in _NAMED:
            continue
        found.add(place)
        waiting += [each.start for each in known.into(place) if each.use in MAKES]
    return found.union(named), [name for name in names if name not in present]


def _all_names(known: Map) -> list[str]:
    return [*(name for place in known.columns() for name in known.names_in(place)), *known.features]


def _unexplained(known: Map, protected: set[Place], *, in_order: bool) -> list[Doubt]:
    """List the protected columns that a step made of what is not known: the model may read just that.

    One that a table before the step has as well came from there. Where the steps are `in_order`, what has nothing
    before it is where the data begins.
    """
    found = []
    for place in protected:
        doubt = known.doubt(place) if place.kind == "column" else None
        if doubt is None or doubt.seen or doubt.step is None:
            continue
        before = _before(known, doubt.step)
        others = {flow.step for flow in known.tables.values()} - {doubt.step}
        if not before and (in_order or not others):
            continue
        if not any(flow.step in before and place.name in flow.columns for flow in known.tables.values()):
            found.append(doubt)
    return sorted(found, key=lambda doubt: doubt.place.id)


def _before(known: Map, step: str) -> set[str]:
    """Name all the steps whose values reach a step."""
    found: set[str] = set()
    waiting = list(known.steps.get(step, ()))
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += known.steps.get(name, ())
    return found


def _path(found: Trace, end: Place) -> list[Place]:
    """Find the shortest way from a place to a feature."""
    came: dict[Place, Place | None] = dict.fromkeys(found.start)
    waiting = deque(found.start)
    while end not in came:
        place = waiting.popleft()
        for each in found.into.get(place, ()):
            if each.start not in came:
                came[each.start] = place
                waiting.append(each.start)
    path: list[Place] = []
    here: Place | None = end
    while here is not None:
        path.append(here)
        here = came[here]
    return path


def _named(known: Map, place: Place, names: Sequence[str]) -> str:
    if place.name in names:
        return place.name
    for name in names:
        if is_protected(place.name, [name]):
            return f"{place.name} (protected as {name})"
    for held in known.names_in(place):
        if is_protected(held, names):
            return f"{place.name}, which holds the field {held} and counts as a whole,"
    return f"{place.words}, which a protected column is made of,"


def _words(place: Place) -> str:
    return f"feature {place.name}" if place.kind == "feature" else place.words
