"""Relations: while a query or a plan is walked, what the columns and the rows of a table depend on.

Rules:

- What is used by something indirect stays indirect, however often it is computed with afterwards.
- What is not understood as a whole is not told in part.
- What depends on something that nobody can name (`UNTOLD`) is not complete, however it is used afterwards.

>>> as_used(frozenset({Used("loans", "debt", "IDENTITY")}), "FILTER")
frozenset({Used(part='loans', column='debt', use='FILTER')})
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from registry.flows import AGGREGATION, DIRECT, IDENTITY, TRANSFORMATION, Flow, Link

__all__ = ["UNTOLD", "NotUnderstood", "Relation", "Used", "as_used", "flow_of", "stronger"]

STRENGTH: Final = (IDENTITY, TRANSFORMATION, AGGREGATION)


class NotUnderstood(Exception):
    """A query or plan whose lineage is not said; the message says why."""


class Used(NamedTuple):
    """A column of a table (`*`: its rows), and what for."""

    part: str
    column: str
    use: str


UNTOLD: Final = Used("", "", TRANSFORMATION)
"""A column of no input: what it came from is not known."""


class Relation(NamedTuple):
    """What the columns of a table depend on, by name in their order, and what its rows depend on."""

    columns: dict[str, frozenset[Used]]
    rows: frozenset[Used]


def as_used(uses: Iterable[Used], use: str) -> frozenset[Used]:
    """Say of columns that something uses them for `use`."""
    return frozenset(Used(used.part, used.column, stronger(used.use, use)) for used in uses)


def stronger(inner: str, outer: str) -> str:
    """Say what for a column is used that another expression uses: what is indirect stays so."""
    if inner not in DIRECT:
        return inner
    if outer not in DIRECT:
        return outer
    return max(inner, outer, key=STRENGTH.index)


def flow_of(found: Relation, columns: Iterable[str], part: str, step: str) -> Flow:
    """Write a relation as the flow of a part; `columns` are their names in the result."""
    names = tuple(columns)
    links = [
        Link(name, used.part, used.column, "parsed", used.use)
        for name, uses in zip(names, found.columns.values(), strict=True)
        for used in sorted(uses)
        if used.part
    ]
    rows = [
        Link(None, used.part, used.column, "parsed", used.use) for used in sorted(found.rows) if used.part
    ]
    complete = frozenset(
        name for name, uses in zip(names, found.columns.values(), strict=True) if _is_told(uses)
    )
    return Flow(part, step, "table", names, (*links, *rows), complete, _is_told(found.rows))


def _is_told(uses: frozenset[Used]) -> bool:
    return all(used.part for used in uses)
