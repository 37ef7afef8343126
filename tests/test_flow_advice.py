"""Where a run does not know how something came about, one note says what to do; where it does, none."""

from typing import Any

import pandas as pd
import polars as pl
import pytest

from registry.flow_advice import with_advice
from registry.flows import Flow, Link
from registry.told import Told

TABLE = pd.DataFrame({"ratio": [1.0], "opened": ["2020"]})
OPEN = Flow("made", "made", "table", ("ratio", "opened"))
KNOWN = Flow("made", "made", "table", ("ratio",), complete=frozenset({"ratio"}), rows_complete=True)
MODEL = Flow("model", "model", "model", ("ratio",))
DECLARED = Told({"ratio": ("debt",)})


@pytest.mark.parametrize(
    ("flow", "told", "item", "files", "says"),
    [
        (OPEN, Told(), TABLE, (), "declare columns= and rows=, or let the step be observed"),
        (OPEN, Told(), pl.DataFrame(TABLE.to_dict("list")), (), "return the plan (begin with .lazy(), leave out"),
        (OPEN, Told(), TABLE, ("loans.csv",), "loans.csv does not hold ratio, opened as it was returned"),
        (Flow("made", "made", "table", ("ratio",), complete=frozenset({"ratio"})), Told(), TABLE, ("loans.csv",),
         "does not return all rows of loans.csv"),
        (OPEN, DECLARED, TABLE, (), "its columns= does not name ratio, opened"),
        (Flow("made", "made", "table", ("ratio",), complete=frozenset({"ratio"})), DECLARED, TABLE, (),
         "it does not declare its rows"),
        (MODEL, Told(), object(), (), 'columns={"*": ["*"]} says nothing'),
        (MODEL, DECLARED, object(), (), "it does not declare what else the model learned from"),
    ],
)  # fmt: skip
def test_a_note_says_what_to_do(flow: Flow, told: Told, item: Any, files: tuple[str, ...], says: str) -> None:
    [note] = with_advice(flow, told, item, files).notes
    assert note.startswith(f"step {flow.step}: ")
    assert says in note


@pytest.mark.parametrize(
    "flow",
    [
        KNOWN,
        Flow("made", "made", "table", ("ratio",), notes=("step made: the word PIVOT is not understood",)),
        Flow(
            "made",
            "made",
            "table",
            ("ratio",),
            (Link("ratio", "a", "b", "observed", "DEPENDENCE"),),
            observed=True,
        ),
        Flow("model", "model", "encoded", ("ratio",)),
    ],
)
def test_what_is_known_was_seen_or_has_its_cause_already_is_left_as_it_is(flow: Flow) -> None:
    assert with_advice(flow, Told(), TABLE, ()) == flow


def test_a_step_that_reads_a_file_which_it_names_itself_is_told_to_take_it_as_a_parameter() -> None:
    [note] = with_advice(OPEN, Told(), TABLE, (), reads_unnamed=True).notes
    assert note.startswith(
        "step made: no parameter names the file that it reads: let one do so (source: str ="
    )


def test_a_block_that_is_recorded_cannot_be_told_to_return_a_plan_or_be_observed() -> None:
    [note] = with_advice(OPEN, Told(), pl.DataFrame(), (), in_pipeline=False).notes
    assert note.endswith("declare columns= and rows=")
