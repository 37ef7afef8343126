"""An order of categories that another column may have made, and those that are of the column or of the code."""

from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest

from registry.artifacts import ArtifactStore
from registry.category_order import untold_orders
from registry.pipeline import Pipeline
from tests.lineage_truth import flow_named
from tests.test_field_lineage import run, with_applications

JOBS = ["nurse", "clerk", "smith", "clerk", None]
LEVELS = ["low", "middle", "high"]


def of_jobs(order: list[str] | None) -> pd.DataFrame:
    return pd.DataFrame({"job": pd.Categorical(JOBS, order), "age": range(5)})


@pytest.mark.parametrize(
    ("table", "received", "written"),
    [
        (of_jobs(None), (), ()),
        (of_jobs(["nurse", "clerk", "smith"]), (), ()),
        (of_jobs(["smith", "nurse", "clerk"]), [("smith", "cook", "nurse", "clerk")], ()),
        (of_jobs(["smith", "nurse", "clerk"]), (), JOBS),
        (of_jobs(["clerk", "nurse", "smith", "none"]), (), ["none"]),
        (pd.DataFrame({"age": pd.cut(pd.Series([50, 7, 20]), [0, 10, 30, 60])}), (), ()),
        (pl.DataFrame({"job": ["nurse"]}, schema={"job": pl.Enum(["clerk", "nurse"])}), (), ()),
        (pl.DataFrame({"job": JOBS}), (), ()),
    ],
)
def test_an_order_that_is_of_the_column_or_the_code_tells_of_no_other(
    table: Any, received: Any, written: Any
) -> None:
    assert list(untold_orders(table, received, written)) == []


@pytest.mark.parametrize(
    "table",
    [
        of_jobs(["smith", "nurse", "clerk"]),
        of_jobs(["nurse", "clerk", "smith", "cook"]),
        pl.DataFrame({"job": JOBS}, schema={"job": pl.Enum(["smith", "nurse", "clerk"])}),
    ],
)
def test_any_other_order_may_have_been_made_of_another_column(table: Any) -> None:
    assert list(untold_orders(table, [("clerk", "nurse")], ["clerk"])) == ["job"]


def test_a_column_whose_categories_were_sorted_by_another_is_not_complete(tmp_path: Path) -> None:
    pipeline: Pipeline = with_applications()

    @pipeline.step(columns={"race": ["race"], "*": ["*"]}, rows=[])
    def by_income(applications: pd.DataFrame) -> pd.DataFrame:
        order = applications.groupby("race").income.mean().sort_values().index
        order = order if list(order) != sorted(order) else order[::-1]
        again = applications.sort_values("race", key=lambda race: -order.get_indexer(pd.Index(race)))
        return again.assign(race=pd.Categorical(again.race, order)).reset_index(drop=True)

    @pipeline.step(columns={"level": ["income"], "*": ["*"]}, rows=[])
    def by_level(applications: pd.DataFrame, most: str = "highest") -> pd.DataFrame:
        kind = pd.CategoricalDtype([*LEVELS, most], ordered=True)
        return applications.assign(level=pd.Series(["low"] * len(applications), dtype=kind))

    @pipeline.step(columns={"*": ["*"]}, rows=[])
    def passed(by_level: pd.DataFrame) -> pd.DataFrame:
        return by_level.assign()

    recorded = run(pipeline, ArtifactStore(tmp_path))
    flow = flow_named(recorded, "by_income")
    assert {*flow.columns} - flow.complete == {"race"}
    assert "the categories of race are neither sorted nor in an order that was received" in flow.notes[0]
    assert flow_named(recorded, "by_level").is_whole
    assert flow_named(recorded, "passed").is_whole
