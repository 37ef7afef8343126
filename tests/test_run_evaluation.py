"""Tests of `registry.run_evaluation`: with which groups a run is evaluated, and evaluated again."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from affidavit import Pipeline
from registry.artifacts import ArtifactStore
from registry.privacy import NO_DEMANDS, Demand, Privacy
from registry.run import run_pipeline
from registry.run_evaluation import UNSAID, judge, small_cell_of

SEVENS = Privacy((Demand("p", "ab" * 32, "r", ("race",), None, None, smallest_group=7),))
RETURNED = {
    "y_true": np.arange(265) // 2 % 2,
    "y_pred": np.arange(265) % 2,
    "sensitive": pd.DataFrame({"race": ["white"] * 200 + ["black"] * 60 + ["sami"] * 5}),
}


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path)


def names(evaluation: Any) -> list[str]:
    return [group["name"] for group in evaluation["bias"][0]["groups"]]


def test_a_run_tells_of_ten_rows_and_more(store: ArtifactStore) -> None:
    found = judge(RETURNED, {}, store)
    assert (found["small_cell"], names(found)) == (10, ["black and fewer than 10 others", "white"])


def test_what_is_asked_for_is_told_and_recorded(store: ArtifactStore) -> None:
    found = judge(RETURNED, {"small_cell": 1}, store)
    assert (found["small_cell"], names(found)) == (1, ["black", "sami", "white"])


@pytest.mark.parametrize(("asked", "used"), [(1, 7), (10, 10)])
def test_a_policy_is_a_bound_from_below(asked: int, used: int, store: ArtifactStore) -> None:
    found = judge(RETURNED, {"small_cell": asked}, store, privacy=SEVENS)
    assert found["small_cell"] == used
    assert "sami" not in names(found)


def test_a_policy_about_another_column_asks_nothing(store: ArtifactStore) -> None:
    about = Privacy((Demand("p", "ab" * 32, "r", ("sex",), None, None, smallest_group=7),))
    assert judge(RETURNED, {"small_cell": 1}, store, privacy=about)["small_cell"] == 1


def test_a_run_of_an_earlier_release_is_evaluated_as_it_was(store: ArtifactStore) -> None:
    before = judge(RETURNED, {}, store, small_cell=UNSAID)
    everything = judge(RETURNED, {"small_cell": 1}, store)
    assert before == {name: value for name, value in everything.items() if name != "small_cell"}


@pytest.mark.parametrize(
    ("evaluation", "small_cell"), [(None, None), ({"n": 5}, UNSAID), ({"n": 5, "small_cell": 10}, 10)]
)
def test_a_rerun_goes_by_what_the_run_says(evaluation: Any, small_cell: int | None) -> None:
    assert small_cell_of({"evaluation": evaluation}) == small_cell


def test_a_pipeline_is_run_under_the_policy_and_again_as_its_run_says(store: ArtifactStore) -> None:
    pipeline = Pipeline("people")

    @pipeline.evaluate(sensitive=["race"], small_cell=1)
    def evaluation() -> Any:
        return RETURNED

    def told(**more: Any) -> Any:
        found: Any = run_pipeline(pipeline, {}, artifacts=store, **more).predicate["evaluation"]
        return found.get("small_cell")

    assert [told(), told(privacy=SEVENS), told(privacy=NO_DEMANDS, small_cell=UNSAID)] == [1, 7, None]
