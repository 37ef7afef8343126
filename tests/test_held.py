"""What holds a table, and its columns: a subclass is held as what it is a subclass of."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from registry.artifacts import ArtifactStore
from registry.fingerprint import is_table
from registry.held import column_labels, holder_of, is_lazy
from registry.pipeline import Pipeline
from registry.run import run_pipeline
from tests.lineage_truth import dependences, flow_named


class Places(pd.DataFrame):
    """A table of pandas of another class, as a GeoDataFrame is."""


class Plan(pl.LazyFrame):
    """A plan of another class."""


class Grid(np.ndarray[tuple[int, ...], np.dtype[np.float64]]):
    """An array of another class."""


@pytest.mark.parametrize(
    ("value", "holder", "columns"),
    [
        (Places({"a": [1]}), ("pandas", "DataFrame"), ("a",)),
        (Plan({"a": [1]}), ("polars", "LazyFrame"), ("a",)),
        (np.zeros((2, 2)).view(Grid), ("numpy", "ndarray"), ("0", "1")),
        (pa.array([1]), ("pyarrow", "Array"), None),
        ({"a": [1]}, None, None),
    ],
)
def test_a_subclass_is_held_as_what_it_is_a_subclass_of(
    value: object, holder: tuple[str, str] | None, columns: tuple[str, ...] | None
) -> None:
    assert holder_of(value) == holder
    assert column_labels(value) == columns


def test_a_plan_is_no_table_in_memory() -> None:
    assert is_lazy(Plan({"a": [1]}))
    assert not is_table(Plan({"a": [1]}))


def places() -> Pipeline:
    pipeline = Pipeline("places")

    @pipeline.step
    def loans() -> Places:
        return Places({"race": [1, 2, 3], "income": [3.0, 4.0, 5.0]})

    return pipeline


def test_a_declaration_over_a_subclass_of_a_table_is_held_against_its_columns(tmp_path: Path) -> None:
    pipeline = places()

    @pipeline.step(columns={"income": ["income"]}, rows=[])
    def made(loans: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"income": loans["income"]})

    result = run_pipeline(pipeline, {}, artifacts=ArtifactStore(tmp_path))
    assert result.exception is None
    assert dependences(flow_named(result.predicate, "made")) == {("income", "loans.income")}


def test_a_query_over_a_subclass_of_a_table_runs(tmp_path: Path) -> None:
    pipeline = places()

    @pipeline.sql_step("SELECT income FROM loans WHERE race > 1")
    def made(loans: pd.DataFrame) -> None: ...

    result = run_pipeline(pipeline, {}, artifacts=ArtifactStore(tmp_path))
    assert result.exception is None
    assert dependences(flow_named(result.predicate, "made")) == {("income", "loans.income")}


def test_a_subclass_of_a_table_is_kept_as_what_comes_back_from_parquet(tmp_path: Path) -> None:
    result = run_pipeline(places(), {}, artifacts=ArtifactStore(tmp_path), keep_data=True)
    steps: Any = result.predicate["steps"]
    assert steps[0]["outputs"][0]["kept"]["holder"] == "pandas.DataFrame"


def test_a_plan_that_adds_up_floats_gives_the_same_bits_each_time(tmp_path: Path) -> None:
    drawn = np.random.default_rng(5)
    rows = pl.DataFrame({"who": drawn.integers(0, 900, 40_000), "paid": drawn.normal(size=40_000)})
    pipeline = Pipeline("sums")

    @pipeline.step
    def payments() -> pl.LazyFrame:
        return rows.lazy()

    @pipeline.step
    def habits(payments: pl.LazyFrame) -> pl.LazyFrame:
        return payments.group_by("who").agg(pl.col("paid").sum()).sort("who")

    roots = set()
    for _ in range(4):
        result = run_pipeline(pipeline, {}, artifacts=ArtifactStore(tmp_path), unprofiled="not asked for")
        steps: Any = result.predicate["steps"]
        roots.add(steps[1]["outputs"][0]["fingerprint"])
    assert len(roots) == 1
