"""What was observed of a step, put beside what was declared of it.

Rules:

- A link that is declared stays as it is. One that was observed and not declared is added, and a note says so: whoever
  declared it will want to know.
- A column that the step returned of all rows, and not of the sample, was not seen, whatever was seen of the others.
- What moves a model and is no feature of it (the target, weights, rows left out) is what it learned from.

>>> with_what_was_seen(flows, observe(sample))                             # doctest: +SKIP
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from registry.flows import ALL_ROWS, Flow, Link
from registry.observe import Seen
from registry.sentences import listed

__all__ = ["with_what_was_seen"]


def with_what_was_seen(flows: Sequence[Flow], seen: Mapping[str, Seen]) -> list[Flow]:
    """Add what was observed to the flows of a step."""
    return [flow if flow.kind == "encoded" else _added(flow, seen) for flow in flows]


def _added(flow: Flow, seen: Mapping[str, Seen]) -> Flow:
    found = (
        seen.get(flow.part) or seen.get(ALL_ROWS) or Seen(failure="it returned something else on a sample")
    )
    if found.failure is not None:
        note = f"step {flow.step} was not observed: {found.failure}"
        return replace(flow, notes=(*flow.notes, note))
    columns = frozenset(flow.columns)
    known = {(link.column, link.part, link.source) for link in flow.links}
    read = {(link.part, link.source) for link in flow.links} if flow.kind == "model" else set()
    new = [
        link
        for link in found.links
        if (link.column is None or link.column in columns)
        and (link.column, link.part, link.source) not in known
        and (link.part, link.source) not in read
    ]
    return replace(
        flow,
        links=(*flow.links, *new),
        observed=True,
        untold=found.untold,
        unseen=_unseen(flow, found),
        notes=(
            *flow.notes,
            *(f"step {flow.step} was {note}" for note in found.notes),
            *_undeclared(flow, new),
        ),
    )


def _unseen(flow: Flow, found: Seen) -> tuple[str, ...]:
    if found.columns is None:
        return ()
    returned = frozenset(found.columns)
    return tuple(name for name in flow.columns if name not in returned)


def _undeclared(flow: Flow, new: Sequence[Link]) -> list[str]:
    """Say what was seen that a declaration does not mention."""
    told = [
        f"{link.column or 'which rows'} on {link.part}.{link.source}"
        for link in new
        if link.source != ALL_ROWS
        and (link.column in flow.complete if link.column is not None else flow.rows_complete)
    ]
    return [f"step {flow.step}: seen and not declared: {listed(told, '; ')}"] if told else []
