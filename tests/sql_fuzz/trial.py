"""One query tried: what its lineage says, and what moves when an input column is changed."""

from collections.abc import Iterable
from dataclasses import dataclass

import duckdb

from registry.flows import ALL_ROWS, Flow
from registry.relations import NotUnderstood
from registry.sql_doubt import confirmed
from registry.sql_lineage import parsed
from tests.sql_fuzz.oracle import VALUES, Databases, Moved, Result
from tests.sql_fuzz.tables import INPUTS

__all__ = ["Trial", "try_out"]

Links = set[tuple[int | None, tuple[str, str]]]
"""Places of output columns (None: the rows), each with an input column."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of a query: `outcome` is one word for it.

    `refused` by DuckDB; `not understood`; `refuted` by DuckDB's plan; `right`; or `wrong no`, for which `wrong` names
    what the parse denies and `escaped` says whether the plan let it pass. `idle` counts links that nothing moved by,
    of `links` in all.
    """

    outcome: str
    why: str = ""
    wrong: tuple[str, ...] = ()
    escaped: bool = False
    links: int = 0
    idle: int = 0


def try_out(text: str, databases: Databases) -> Trial:
    """Run a query on the tables as they are and with each column changed, and hold its lineage against what moves."""
    try:
        base = databases.run(text)
    except duckdb.Error as error:
        return Trial("refused", str(error).partition("\n")[0])
    if len({name.lower() for name in base.names}) < len(base.names):
        return Trial("refused", "two columns of one name")  # as a SQL step does
    values = VALUES if "$least" in text else {}
    try:
        said = parsed(text, INPUTS, base.names, "made")
        flow = confirmed(said, text, databases.tables, values)
    except NotUnderstood as why:
        return Trial("not understood", str(why))
    except Exception as error:  # a run says so in a note (`registry.attempted`)
        return Trial("not understood", type(error).__name__)
    told = _told(said.flow, base)
    moved = _moved(databases.moved(text, base), base)
    wrong = {link for link in moved if link not in told and (None, link[1]) not in told}
    if wrong:
        return Trial("wrong no", wrong=tuple(sorted(map(str, wrong))), escaped=not flow.notes)
    if flow.notes:
        return Trial("refuted", flow.notes[0])
    direct = {link for link in told if link[0] is not None}
    return Trial("right", links=len(direct), idle=len(direct - moved))


def _told(flow: Flow, base: Result) -> Links:
    places = {name: place for place, name in enumerate(base.names)}
    return {
        (None if link.column is None else places[link.column], (link.part, link.source))
        for link in flow.links
        if link.source != ALL_ROWS
    }


def _moved(moves: Iterable[Moved], base: Result) -> Links:
    """Say which columns moved; all of them where the rows did."""
    return {
        (place, move.source)
        for move in moves
        for place in (range(len(base.names)) if move.rows else move.columns)
    }
