"""A table beside a fitted transformer is explained where the transformer makes it again, and else unknown."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.impute import KNNImputer
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    OneHotEncoder,
    OrdinalEncoder,
    SplineTransformer,
    StandardScaler,
    TargetEncoder,
)

from registry import recomputed
from registry.field_lineage import watch
from registry.flows import AGGREGATION, Flow
from registry.pipeline import Pipeline

COLUMNS = ["income", "debt"]


def loans(rows: int = 30, seed: int = 1) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "income": random.normal(size=rows),
            "debt": random.normal(size=rows),
            "race": random.integers(0, 2, rows) * 1.0,
            "region": random.choice(["north", "south"], rows),
        }
    )


def scaler() -> Any:
    return StandardScaler().set_output(transform="pandas")


def flows_of(function: Callable[..., Any], given: Any = None) -> dict[str, Flow]:
    """Say the flows of a step that takes what a step called `loans` returned."""
    pipeline = Pipeline("made")
    pipeline.step(loans)
    pipeline.step(function)
    planned = pipeline.plan({})[-1]
    returned = {"loans": loans() if given is None else given}
    watched = watch(planned, returned)
    return {flow.part: flow for flow in watched.flows(planned.call(returned)) if flow.kind == "table"}


def test_a_table_that_its_transformer_makes_again_is_explained() -> None:
    def scaled(loans: pd.DataFrame) -> dict[str, Any]:
        fitted = scaler().fit(loans[COLUMNS])
        return {"scaler": fitted, "table": fitted.transform(loans[COLUMNS])}

    flow = flows_of(scaled)["scaled.table"]
    columns = {(link.column, link.source) for link in flow.links if link.column is not None}
    assert columns == {("income", "income"), ("debt", "debt")}
    assert flow.complete == {"income", "debt"}


def test_a_polars_table_and_an_encoder_are_made_again() -> None:
    def encoded(loans: pl.DataFrame) -> dict[str, Any]:
        encoder = OneHotEncoder(sparse_output=False).set_output(transform="polars")
        return {"encoder": encoder, "table": encoder.fit_transform(loans.select("region"))}

    table = pl.from_pandas(loans())
    # Before scikit-learn 1.9 an encoder learns no names from a table of polars 2: what its columns are of is unknown.
    named = hasattr(encoded(table)["encoder"], "feature_names_in_")
    flow = flows_of(encoded, table)["encoded.table"]
    assert flow.complete == ({"region_north", "region_south"} if named else set())


def test_what_was_learned_from_another_table_stands_beside_what_was_transformed() -> None:
    def scaled(loans: dict[str, Any]) -> dict[str, Any]:
        fitted = scaler().fit(loans["train"][COLUMNS])
        return {"scaler": fitted, "test": fitted.transform(loans["test"][COLUMNS])}

    flow = flows_of(scaled, {"train": loans(), "test": loans(20, seed=2)})["scaled.test"]
    assert {(link.part, link.use) for link in flow.links if link.column == "debt"} == {
        ("loans.test", "TRANSFORMATION"),
        ("loans.train", AGGREGATION),
    }


def changed_afterwards(loans: pd.DataFrame) -> dict[str, Any]:
    fitted = scaler().fit(loans[COLUMNS])
    table = fitted.transform(loans[COLUMNS])
    table["income"] = table["income"] * 0 + loans["race"]
    return {"scaler": fitted, "table": table}


def input_changed_before(loans: pd.DataFrame) -> dict[str, Any]:
    loans["income"] = loans["race"]
    fitted = scaler().fit(loans[COLUMNS])
    return {"scaler": fitted, "table": fitted.transform(loans[COLUMNS])}


def learned_from_a_protected_column(loans: pd.DataFrame) -> dict[str, Any]:
    loans.loc[loans.index[::2], "income"] = np.nan
    fitted = KNNImputer(n_neighbors=1).set_output(transform="pandas")
    fitted.fit(loans[["race", "debt"]].set_axis(COLUMNS, axis=1))
    return {"imputer": fitted, "table": fitted.transform(loans[COLUMNS])}


def learned_from_a_target(loans: pd.DataFrame) -> dict[str, Any]:
    fitted = TargetEncoder().set_output(transform="pandas").fit(loans[["region"]], loans["race"])
    return {"encoder": fitted, "table": fitted.transform(loans[["region"]])}


def made_by_code_of_its_own(loans: pd.DataFrame) -> dict[str, Any]:
    race = loans["race"]
    own = FunctionTransformer(lambda x: x.assign(income=race), feature_names_out="one-to-one")
    fitted = ColumnTransformer([("own", own, COLUMNS)], verbose_feature_names_out=False)
    return {"own": fitted.set_output(transform="pandas"), "table": fitted.fit_transform(loans[COLUMNS])}


def coded_in_the_order_of_a_protected_column(loans: pd.DataFrame) -> dict[str, Any]:
    order = list(loans.groupby("region")["race"].mean().sort_values().index)
    fitted = OrdinalEncoder(categories=[order]).set_output(transform="pandas").fit(loans[["region"]])
    return {"encoder": fitted, "table": fitted.transform(loans[["region"]])}


def cut_at_the_mean_of_a_protected_column(loans: pd.DataFrame) -> dict[str, Any]:
    cut = Binarizer(threshold=0.5).set_output(transform="pandas").set_params(threshold=loans["race"].mean())
    fitted = ColumnTransformer([("cut", cut, COLUMNS)], verbose_feature_names_out=False)
    return {"cut": fitted.set_output(transform="pandas"), "table": fitted.fit_transform(loans[COLUMNS])}


@pytest.mark.parametrize(
    "step",
    [
        coded_in_the_order_of_a_protected_column,
        cut_at_the_mean_of_a_protected_column,
        changed_afterwards,
        input_changed_before,
        learned_from_a_protected_column,
        learned_from_a_target,
        made_by_code_of_its_own,
    ],
)
def test_a_table_that_more_than_its_names_went_into_is_unknown(step: Callable[..., Any]) -> None:
    flow = flows_of(step)[f"{step.__name__}.table"]
    assert (flow.links, flow.complete) == ((), frozenset())


def test_a_table_that_is_made_again_has_the_rows_of_the_table_that_was_transformed() -> None:
    def scaled(loans: pd.DataFrame) -> dict[str, Any]:
        fitted = scaler()
        return {"table": fitted.fit_transform(loans[COLUMNS]), "scaler": fitted}

    flow = flows_of(scaled)["scaled.table"]
    assert flow.is_whole
    assert [link.part for link in flow.links if link.column is None] == ["loans"]


def test_a_table_that_could_not_be_made_again_says_so() -> None:
    flow = flows_of(changed_afterwards)["changed_afterwards.table"]
    assert [note.partition(" has ")[2] for note in flow.notes] == [
        "the columns of the transformer beside it, and could not be made again with it from what the step received"
    ]


def test_a_setting_that_the_step_writes_or_takes_as_a_parameter_is_of_its_code() -> None:
    def cut(loans: pd.DataFrame, least: float = 0.25) -> dict[str, Any]:
        parts = [("high", Binarizer(threshold=least), ["income"]), ("low", Binarizer(threshold=-1), ["debt"])]
        fitted = ColumnTransformer(parts, verbose_feature_names_out=False).set_output(transform="pandas")
        return {"cut": fitted, "table": fitted.fit_transform(loans[COLUMNS])}

    assert flows_of(cut)["cut.table"].complete == {"income", "debt"}


def test_a_setting_that_may_have_been_computed_is_named() -> None:
    flow = flows_of(cut_at_the_mean_of_a_protected_column)["cut_at_the_mean_of_a_protected_column.table"]
    assert [note.partition(", ")[2] for note in flow.notes] == [
        "whose threshold is not written in the step, which may have computed it"
    ]


def test_a_setting_that_was_chosen_between_two_may_have_been_computed() -> None:
    def cut(loans: pd.DataFrame) -> dict[str, Any]:
        fitted = Binarizer(threshold=1.5) if loans.race.mean() > 0.5 else Binarizer(threshold=-1.5)
        made = fitted.fit_transform(loans[COLUMNS])
        return {"cut": fitted, "table": pd.DataFrame(made, columns=COLUMNS)}

    assert flows_of(cut)["cut.table"].complete == frozenset()


def test_a_list_that_the_step_takes_as_a_parameter_may_have_been_filled() -> None:
    def cut(loans: pd.DataFrame, knots: list[list[float]] = [[0.0], [1.0]]) -> dict[str, Any]:  # noqa: B006
        knots[1][0] = 2.0 + float(loans.race.mean())
        fitted = SplineTransformer(knots=knots, degree=1)
        made = fitted.fit_transform(loans[COLUMNS[:1]])
        return {"cut": fitted, "table": pd.DataFrame(made, columns=fitted.get_feature_names_out())}

    assert flows_of(cut)["cut.table"].complete == frozenset()


def test_a_table_of_too_many_cells_is_not_kept_to_be_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recomputed, "MOST_CELLS", 10)
    assert recomputed.as_received(loans()) is None
