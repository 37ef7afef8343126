"""What is to be done where a run does not know how a table or a model came about: one sentence, beside the flow.

Rules:

- Where something was noted already (the word of a query, the line of a step), that is the cause, and stands alone.
- Nothing is added where all is known, or where the step was observed: what was not seen is said of it.

>>> from registry.flows import Flow
>>> with_advice(Flow("ratios", "ratios", "table", ("ratio",)), Told(), None, (), in_pipeline=False).notes
('step ratios: nothing tells how its columns are made: declare columns= and rows=',)
"""

from collections.abc import Collection
from dataclasses import replace
from typing import Final

from registry.flows import Flow
from registry.held import holder_of
from registry.sentences import listed
from registry.told import Told

__all__ = ["with_advice"]

DECLARE: Final = "nothing tells how its columns are made: declare columns= and rows="

UNNAMED: Final = (
    'no parameter names the file that it reads: let one do so (source: str = "loans.csv"), and its columns are known '
    "by those of the file"
)


def with_advice(
    flow: Flow,
    told: Told,
    item: object,
    files: Collection[str],
    *,
    in_pipeline: bool = True,
    reads_unnamed: bool = False,
) -> Flow:
    """Note what to do about a flow of which not all is known; `files` are the sources that the step named.

    `reads_unnamed` says that the step calls what reads, and that none of its parameters names a source.

    Only a step of a pipeline can return a plan, or be observed.
    """
    if flow.is_whole or flow.observed or flow.notes or flow.kind not in ("table", "model"):
        return flow
    open_columns = [name for name in flow.columns if name not in flow.complete]
    if flow.kind == "model":
        advice = _of_model(told)
    elif told.columns or told.rows is not None:
        advice = _of_declaration(open_columns, told)
    elif files:
        advice = _of_file(open_columns, files)
    elif reads_unnamed:
        advice = UNNAMED
    else:
        advice = _of_table(item) if in_pipeline else DECLARE
    return replace(flow, notes=(f"step {flow.step}: {advice}",))


def _of_model(told: Told) -> str:
    if told.columns:
        return "it does not declare what else the model learned from: rows=[...] names it, rows=[] says nothing else"
    return (
        'it does not declare what it does to the columns before the model learns: columns={"*": ["*"]} says nothing, '
        "rows=[] that nothing else decides what it learns from"
    )


def _of_declaration(open_columns: list[str], told: Told) -> str:
    if open_columns:
        return (
            f'its columns= does not name {listed(open_columns)}: add them, or "*": ["*"] for those passed on'
        )
    return "it does not declare its rows: rows=[] says that it keeps them all, rows=[...] by which columns it does not"


def _of_file(open_columns: list[str], files: Collection[str]) -> str:
    if not open_columns:
        return (
            f"it does not return all rows of {listed(sorted(files))}: filter them in another step, which declares "
            "rows=[...]"
        )
    return (
        f"{listed(sorted(files))} {'does' if len(files) == 1 else 'do'} not hold {listed(open_columns)} as it was "
        "returned, cell by cell: read the file by its reader's defaults (no parse_dates=, try_parse_dates= or dtype=, "
        "no rows left out), and convert or compute in another step"
    )


def _of_table(item: object) -> str:
    if holder_of(item) == ("polars", "DataFrame"):
        return (
            "a DataFrame does not say how it was made: return the plan (begin with .lazy(), leave out .collect()), "
            "or declare columns= and rows=, or let the step be observed (observe=True)"
        )
    return f"{DECLARE}, or let the step be observed (observe=True)"
