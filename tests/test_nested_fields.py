"""The fields inside columns are named whatever holds the table, and go into the record of a run."""

from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from registry.artifacts import ArtifactStore
from registry.flows import Flow
from registry.nested_fields import nested_fields
from registry.pipeline import Pipeline
from registry.predicates import check_run
from registry.run import run_pipeline
from tests.lineage_truth import flow_named

ROWS: dict[str, list[Any]] = {
    "person": [{"home": {"zip": 1}, "race": "b"}, {"home": {"zip": 2}, "race": "w"}],
    "loans": [[{"debt": 1}], []],
    "debt": [1, 2],
}
FIELDS = {"person": ("home", "home.zip", "race"), "loans": ("debt",)}


@pytest.mark.parametrize(
    "table",
    [
        pl.DataFrame(ROWS), pl.DataFrame(ROWS).lazy(), pa.table(ROWS), pd.DataFrame(ROWS),
        pa.table(ROWS).to_pandas(types_mapper=pd.ArrowDtype), pa.table(ROWS).to_batches()[0],
    ],
    ids=["polars", "a plan", "arrow", "objects", "arrow in pandas", "a batch"],
)  # fmt: skip
def test_fields_are_named_by_their_paths(table: Any) -> None:
    assert nested_fields(table) == FIELDS


@pytest.mark.parametrize("value", [pd.DataFrame({"debt": [1]}), pl.Series([1]), 3, None])
def test_what_holds_no_fields_has_none(value: Any) -> None:
    assert nested_fields(value) == {}


def test_a_series_of_structs_has_fields() -> None:
    assert nested_fields(pl.DataFrame(ROWS)["person"]) == {"person": FIELDS["person"]}


def test_a_run_records_the_fields_of_its_tables(tmp_path: Path) -> None:
    pipeline = Pipeline("people")

    @pipeline.step
    def people() -> pl.DataFrame:
        return pl.DataFrame(ROWS)

    run = run_pipeline(pipeline, {}, artifacts=ArtifactStore(tmp_path)).predicate
    check_run(run)
    flow = flow_named(run, "people")
    assert dict(flow.fields) == FIELDS
    assert Flow.from_json(flow.to_json()) == flow
