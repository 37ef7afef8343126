"""A trace as text: the path of a field back to raw columns, what is not known, and the code of the steps on the way.

>>> for line in lines(found, "loans@1", steps):                            # doctest: +SKIP
...     print(line)
debt_to_income, a feature of loans@1
  <- ratios.debt_to_income  declared in model
     <- cleaned.debt  parsed in ratios, TRANSFORMATION
"""

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence

from registry.field_trace import Trace, sentences
from registry.flows import THE_TARGET
from registry.places import DROPPED, ONE_OF, Into, Place

__all__ = ["lines", "summary"]

MOST_LINES_OF_CODE = 40
NOTHING = "nothing that is recorded"


def lines(found: Trace, ref: str, code: Mapping[str, str]) -> Iterator[str]:
    """Write a trace from one field; `code` is the text of steps, by name."""
    seen: set[Place] = set()
    for place in found.start:
        yield f"{place.words}, {_what(place)} of {ref}"
        yield from _into(found, place, "  ", seen)
    yield from _unknown(found)
    for step in found.steps():
        if step in code:
            yield f"\nstep {step}"
            yield from _code(code[step])


def summary(found: Trace, features: Sequence[Place]) -> Iterator[str]:
    """Write one line for each feature: the raw columns it is made of and depends on, then what is not known."""
    dropped = {each.start for ways in found.into.values() for each in ways if each.use == DROPPED}
    for feature in features:
        if feature in dropped:
            ends = ", ".join(dict.fromkeys(end.words for end in _ends(found, feature, rows=False)))
            yield f"feature {feature.words}, given to the model and dropped by its transformers <- {ends or NOTHING}"
            continue
        yield f"feature {_made_of(found, feature)}"
    for place in (each for each in found.into if each.kind == "column" and each.name == THE_TARGET):
        yield _made_of(found, place)
    yield from _unknown(found)


def _made_of(found: Trace, place: Place) -> str:
    """Write what a feature or the target is made of, and what it depends on by its rows."""
    values = dict.fromkeys(end.words for end in _ends(found, place, rows=False))
    every = dict.fromkeys(end.words for end in _ends(found, place, rows=True))
    more = [words for words in every if words not in values]
    by = f"; by their rows {', '.join(more)}" if more else ""
    return f"{place.words} <- {_one_of(found, place, values) or ', '.join(values) or NOTHING}{by}"


def _one_of(found: Trace, feature: Place, values: Iterable[str]) -> str:
    """Name what is behind each column that may be the feature, then the rest; nothing where all lead to the same."""
    either = dict.fromkeys(
        tuple(dict.fromkeys(end.words for end in _ends(found, each.start, rows=False))) or (each.start.words,)
        for each in found.into.get(feature, ())
        if each.use == ONE_OF
    )
    if len({frozenset(names) for names in either}) < 2:
        return ""
    named = [names[0] if len(names) == 1 else f"({', '.join(names)})" for names in either]
    rest = [words for words in values if not any(words in names for names in either)]
    return " and ".join(["one of " + ", ".join(named), *rest])


def _what(place: Place) -> str:
    match place.kind:
        case "feature":
            return "a feature"
        case "encoded":
            return "behind the transformers"
        case "column" if place.name == THE_TARGET:
            return "which the model learned to tell,"
    return "a column"


def _into(found: Trace, place: Place, indent: str, seen: set[Place]) -> Iterator[str]:
    together: dict[Place, list[Into]] = {}
    for each in found.into.get(place, ()):
        together.setdefault(each.start, []).append(each)
    for start, ways in together.items():
        known = start in seen
        yield f"{indent}<- {_words(start, ways)}{' (see above)' if known and found.into.get(start) else ''}"
        if not known:
            seen.add(start)
            yield from _into(found, start, f"{indent}   ", seen)


def _words(start: Place, ways: Sequence[Into]) -> str:
    words = f"{start.kind} {start.words}" if start.kind in ("step", "source") else start.words
    if start.kind in ("step", "source", "rows") and all(each.use is None for each in ways):
        return words
    told: dict[str, list[str]] = {}
    for each in ways:
        where = f" in {each.step}" if each.step else ""
        if each.use == ONE_OF:
            told.setdefault(f"by its name{where}, one of these, which is not known", [])
            continue
        told.setdefault(f"{each.how}{where}", []).extend([each.use] if each.use else [])
    return f"{words}  " + "; ".join(
        f"{how}, {', '.join(dict.fromkeys(uses))}" if uses else how for how, uses in told.items()
    )


def _ends(found: Trace, place: Place, *, rows: bool) -> Iterator[Place]:
    """Yield the places that nothing more is known to lead into, sources aside; `rows` follows what decides rows."""
    seen, waiting = {place}, [place]
    while waiting:
        here = waiting.pop(0)
        left_out = ("source",) if rows else ("source", "rows")
        onward = [each.start for each in found.into.get(here, ()) if each.start.kind not in left_out]
        if not onward and here != place and here.kind != "step":
            yield here
        if any(start.kind == "step" for start in onward) and here.kind == "column":
            yield here
            continue
        for start in onward:
            if start not in seen:
                seen.add(start)
                waiting.append(start)


def _unknown(found: Trace) -> Iterator[str]:
    said = sentences(found.doubts)
    if said:
        yield "\nnot known"
        yield from (f"  {sentence}" for sentence in said)
        yield "  (a step tells it by columns= and rows=, or lets itself be observed: docs/lineage.md)"
    if found.notes:
        yield "\nnoted while it ran"
        yield from (f"  {note}" for note in found.notes)


def _code(text: str) -> Iterator[str]:
    whole = textwrap.dedent(text.strip("\n")).rstrip().splitlines()
    yield from (f"  | {line}" for line in whole[:MOST_LINES_OF_CODE])
    if len(whole) > MOST_LINES_OF_CODE:
        yield f"  | and {len(whole) - MOST_LINES_OF_CODE} more lines"
