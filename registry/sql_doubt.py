"""The lineage that is parsed from a query, held against what DuckDB reads for each column of its result.

Two readers that have nothing in common, sqlglot and the database's own binder, have to agree before a column is said
not to depend on another one.

Rules:

- What the database reads for a column of the result, or for its rows, and the parse does not know of, refutes the
  parse: nothing of the step is complete then, a note says which columns, and what is read is told as a link.
- The first column of a UNION stays in the plan of the rows without need, and refutes nothing of them.
- With no column wanted, DuckDB reads all of a CTE that is used twice. What the rows need is read for every column: what
  some columns are made of without it, the rows do not need.
- Of many columns some are asked for at a time, in halves by each digit of their number in base two: what is read for a
  column is read for every half that it is in. Where that leaves more than the parse knows, the column is asked for
  alone.

>>> reads = {(): set(), (0,): {("loans", "race")}}
>>> unaccounted(lambda wanted: frozenset(reads[tuple(wanted)]), [frozenset()], frozenset())
{0: frozenset({('loans', 'race')})}
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from registry.flows import ALL_ROWS, DEPENDENCE, ROWS, Flow, Link
from registry.sentences import listed
from registry.sql_lineage import Parsed
from registry.sql_reads import Column, Reads, planned

__all__ = ["confirmed", "unaccounted"]


def confirmed(parsed: Parsed, text: str, tables: Mapping[str, Any], values: Mapping[str, object]) -> Flow:
    """Return the flow that was parsed where the database reads nothing beyond it; else say what it reads.

    Raises `NotUnderstood` where the database's plan is not.
    """
    flow = parsed.flow
    rows = {
        (link.part, link.source) for link in flow.links if link.column is None and link.source != ALL_ROWS
    }
    known: dict[str, set[Column]] = {column: set(rows) for column in flow.columns}
    for link in flow.links:
        if link.column is not None:
            known[link.column].add((link.part, link.source))
    with planned(text, tables, values, len(flow.columns)) as reads:
        found = unaccounted(
            reads,
            [frozenset(known[column]) for column in flow.columns],
            frozenset(rows) | parsed.kept_for_rows,
        )
    if not found:
        return flow
    links = [
        Link(None, part, source, "parsed", ROWS)
        if number is None
        else Link(flow.columns[number], part, source, "parsed", DEPENDENCE)
        for number, sources in found.items()
        for part, source in sorted(sources)
    ]
    read = dict.fromkeys(f"{link.part}.{link.source}" for link in links)
    made = dict.fromkeys("its rows" if link.column is None else link.column for link in links)
    note = f"step {flow.step}: DuckDB reads {listed(list(read))} for {listed(list(made))}, unlike the query was parsed"
    return replace(
        flow,
        links=(*flow.links, *links),
        complete=frozenset(),
        rows_complete=False,
        notes=(*flow.notes, note),
    )


def unaccounted(
    reads: Reads, known: Sequence[frozenset[Column]], rows: frozenset[Column]
) -> dict[int | None, frozenset[Column]]:
    """Return what is read beyond what is known, for each column of a result by its place, and for its rows (None)."""
    places = range(len(known))
    halves = [
        [place for place in places if place >> digit & 1 == side]
        for digit in range(max(1, (len(known) - 1).bit_length()))
        for side in (0, 1)
    ]
    read = {tuple(half): reads(half) for half in halves if half}
    found: dict[int | None, frozenset[Column]] = {None: reads(()).intersection(*read.values()) - rows}
    for place in places:
        told = known[place] | found[None]  # what the rows need is read for every column
        if frozenset.intersection(*(each for half, each in read.items() if place in half)) - told:
            found[place] = reads([place]) - told
    return {place: sources for place, sources in found.items() if sources}
