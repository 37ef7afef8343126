"""A run takes down where the columns of every step come from: what is declared, and what files show."""

from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    OneHotEncoder,
    OrdinalEncoder,
    StandardScaler,
    TargetEncoder,
)

from audit.canonical import JsonObject, encode
from audit.errors import MalformedInput
from registry.artifacts import ArtifactStore
from registry.field_text import summary
from registry.field_trace import whole_trace
from registry.finding import AbsentError
from registry.flows import TARGET, flows_of
from registry.lineage_rule import judge_lineage
from registry.pipeline import Pipeline
from registry.places import map_of
from registry.predicates import check_run
from registry.recorded import resolve_run
from registry.rules import LineageRule
from registry.run import run_pipeline
from registry.run_predicate import artifacts_named
from tests.lineage_truth import dependences, flow_named, row_dependences, score

FEATURES = ["debt_to_income", "income", "region", "job"]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ArtifactStore:
    monkeypatch.chdir(tmp_path)
    return ArtifactStore(tmp_path / "store")


def loans(rows: int = 80) -> pd.DataFrame:
    random = np.random.default_rng(3)
    return pd.DataFrame(
        {
            "income": random.uniform(20, 90, rows).round(1),
            "debt": random.uniform(0, 60, rows).round(1),
            "region": random.choice(["north", "south", "west"], rows),
            "job": random.choice(list("abcd"), rows),
            "race": random.choice(["black", "white"], rows),
            "approve": [0, 1] * (rows // 2),
        }
    )


def with_applications() -> Pipeline:
    """Begin a pipeline whose first step returns a table that no file shows."""
    pipeline = Pipeline("loans")

    @pipeline.step
    def applications() -> pd.DataFrame:
        return loans()

    return pipeline


def declared() -> Pipeline:
    """Declare a pipeline whose every column is declared, with one-hot and target encoders behind the features."""
    pipeline = Pipeline("loans")

    @pipeline.step
    def applications(source: str = "loans.csv") -> pd.DataFrame:
        return pd.read_csv(source)

    @pipeline.step(columns={"debt_to_income": ["debt", "income"], "*": ["*"]}, rows=["region"])
    def ratios(applications: pd.DataFrame) -> pd.DataFrame:
        kept = applications[applications.region != "west"]
        return kept.assign(debt_to_income=kept.debt / kept.income)

    @pipeline.step(rows=[])
    def model(ratios: pd.DataFrame) -> Any:
        encoders = ColumnTransformer(
            [
                ("numbers", StandardScaler(), ["debt_to_income", "income"]),
                ("region", OneHotEncoder(), ["region"]),
                ("job", TargetEncoder(), ["job"]),
            ]
        )
        return make_pipeline(encoders, LogisticRegression()).fit(ratios[FEATURES], ratios.approve)

    return pipeline


def run(pipeline: Pipeline, store: ArtifactStore, **parameters: object) -> JsonObject:
    result = run_pipeline(pipeline, parameters, artifacts=store)
    if result.exception is not None:
        raise result.exception
    check_run(result.predicate)
    return resolve_run(result.predicate, store)


def test_declared_lineage_is_exactly_the_truth(store: ArtifactStore) -> None:
    loans().to_csv("loans.csv", index=False)
    recorded = run(declared(), store)
    ratios = flow_named(recorded, "ratios")
    truth = {(str(name), f"applications.{name}") for name in loans()} | {
        ("debt_to_income", "applications.debt"), ("debt_to_income", "applications.income"),
        ("rows", "applications.region"),
    }  # fmt: skip
    found = score("declared columns", dependences(ratios) | row_dependences(ratios), truth)
    assert (found.precision, found.recall) == (1.0, 1.0)
    assert ratios.complete == set(ratios.columns)
    assert ratios.rows_complete


def test_the_features_behind_one_hot_and_target_encoders_are_exactly_the_truth(store: ArtifactStore) -> None:
    loans().to_csv("loans.csv", index=False)
    recorded = run(declared(), store)
    model, encoded = flow_named(recorded, "model", "model"), flow_named(recorded, "model", "encoded")
    truth = {(name, f"ratios.{name}") for name in FEATURES}
    assert score("features", dependences(model), truth).recall == 1.0
    assert dependences(model) == truth
    behind = {
        ("numbers__debt_to_income", "model.debt_to_income"), ("numbers__income", "model.income"),
        ("region__region_north", "model.region"), ("region__region_south", "model.region"),
        ("job__job", "model.job"), ("job__job", "model.the target (y)"),
    }  # fmt: skip
    found = score("one-hot and target encoders", dependences(encoded), behind)
    assert (found.precision, found.recall) == (1.0, 1.0)
    assert [link.column for link in encoded.links if link.use == TARGET] == ["job__job"]


def test_a_column_that_equals_one_of_the_file_is_that_column(store: ArtifactStore) -> None:
    loans().to_csv("loans.csv", index=False)
    flow = flow_named(run(declared(), store), "applications")
    assert dependences(flow) == {(name, f"file:loans.csv.{name}") for name in loans()}
    assert flow.complete == set(flow.columns)
    assert flow.rows_complete
    assert {link.how for link in flow.links} == {"observed"}


@pytest.mark.parametrize("library", [pd, pl], ids=["pandas", "polars"])
def test_what_a_step_changed_while_it_read_a_file_stays_unknown(store: ArtifactStore, library: Any) -> None:
    loans().assign(income=loans().income.mask(loans().index == 0)).to_csv("loans.csv", index=False)
    pipeline = Pipeline("loans")

    @pipeline.step
    def applications(source: str = "loans.csv") -> Any:
        frame = library.read_csv(source)
        if library is pl:
            return frame.with_columns(debt=pl.col("debt") + 1, new=pl.col("job"))
        return frame.assign(debt=frame.debt + 1, new=frame.job)

    flow = flow_named(run(pipeline, store), "applications")
    assert set(flow.columns) - flow.complete == {"debt", "new"}
    assert not flow.rows_complete


def test_a_plan_that_only_scans_a_file_has_its_columns(store: ArtifactStore) -> None:
    loans().to_csv("loans.csv", index=False)
    pipeline = Pipeline("loans")

    @pipeline.step
    def applications(source: str = "loans.csv") -> pl.LazyFrame:
        return pl.scan_csv(source)

    flow = flow_named(run(pipeline, store), "applications")
    assert flow.complete == set(flow.columns)
    assert flow.notes == ()


def test_a_sorted_file_is_not_the_file(store: ArtifactStore) -> None:
    loans().to_csv("loans.csv", index=False)
    pipeline = Pipeline("loans")

    @pipeline.step
    def applications(source: str = "loans.csv") -> pd.DataFrame:
        return pd.read_csv(source).sort_values("income")

    flow = flow_named(run(pipeline, store), "applications")
    assert flow.complete == set()
    assert flow.links == ()


def test_a_file_that_the_step_moved_away_breaks_nothing(store: ArtifactStore) -> None:
    loans().to_csv("loans.csv", index=False)
    pipeline = Pipeline("loans")

    @pipeline.step
    def applications(source: str = "loans.csv") -> pd.DataFrame:
        frame = pd.read_csv(source)
        Path(source).unlink()
        return frame

    assert flow_named(run(pipeline, store), "applications").links == ()


def test_nothing_that_is_declared_is_whole_where_a_value_came_in_that_is_no_table(
    store: ArtifactStore,
) -> None:
    pipeline = with_applications()

    @pipeline.step
    def usual(applications: pd.DataFrame) -> dict[str, float]:
        return {"black": float(applications[applications.race == "black"].income.mean())}

    @pipeline.step(columns={"*": ["*"]}, rows=[])
    def relative(applications: pd.DataFrame, usual: dict[str, float]) -> pd.DataFrame:
        return applications.assign(income=applications.income / usual["black"])

    flow = flow_named(run(pipeline, store), "relative")
    assert (flow.complete, flow.rows_complete) == (frozenset(), False)
    [note] = flow.notes
    assert note.startswith("step relative: it received usual.black, which may be made of any column")


def test_what_stands_beside_a_table_that_a_step_takes_alone_is_none_of_its_matter(
    store: ArtifactStore,
) -> None:
    pipeline = with_applications()

    @pipeline.step
    def prepared(applications: pd.DataFrame) -> dict[str, Any]:
        return {"table": applications, "mean": float(applications.income.mean())}

    @pipeline.step(columns={"*": ["*"]}, rows=[])
    def alone(prepared: dict[str, Any]) -> Any:
        return prepared["table"].assign()

    @pipeline.step(columns={"*": ["*"]}, rows=[])
    def beside(prepared: dict[str, Any]) -> Any:
        table, mean = prepared.values()
        return table.assign(income=table.income - mean)

    recorded = run(pipeline, store)
    assert flow_named(recorded, "alone").is_whole
    [note] = flow_named(recorded, "beside").notes
    assert note == (
        "step beside: it received prepared.mean, which may be made of any column: only a column of a table can be "
        "declared"
    )


@pytest.mark.parametrize("index", ["race", None])
def test_an_index_may_be_made_of_any_column_unless_it_only_counts(
    index: str | None, store: ArtifactStore
) -> None:
    pipeline = Pipeline("loans")

    @pipeline.step
    def applications() -> pd.DataFrame:
        return loans().set_index(index) if index else loans().sample(frac=0.5, random_state=1)

    @pipeline.step(columns={"*": ["*"]}, rows=[])
    def halved(applications: pd.DataFrame) -> pd.DataFrame:
        return applications.assign(income=applications.income / 2)

    flow = flow_named(run(pipeline, store), "halved")
    assert flow.rows_complete is (index is None)
    assert any("received applications (its index)" in note for note in flow.notes) is (index is not None)


@pytest.mark.parametrize(("rows", "whole"), [([], False), (["race"], True)])
def test_columns_of_two_tables_are_whole_where_it_is_declared_by_what_they_are_matched(
    store: ArtifactStore, rows: list[str], whole: bool
) -> None:
    pipeline = with_applications()

    @pipeline.step
    def rates() -> pd.DataFrame:
        return pd.DataFrame({"race": ["black", "white"], "rate": [0.3, 0.2]})

    @pipeline.step(columns={"*": ["*"]}, rows=rows)
    def rated(applications: pd.DataFrame, rates: pd.DataFrame) -> pd.DataFrame:
        return applications.merge(rates, on="race", how="left")

    flow = flow_named(run(pipeline, store), "rated")
    assert (flow.complete == set(flow.columns), flow.rows_complete) == (whole, whole)
    assert any("name those columns in rows=[...]" in note for note in flow.notes) is not whole


def test_parts_of_one_table_are_not_put_side_by_side(store: ArtifactStore) -> None:
    pipeline = Pipeline("loans")

    @pipeline.step
    def split() -> dict[str, pd.DataFrame]:
        return {"train": loans()[:40], "test": loans()[40:]}

    @pipeline.step(columns={"*": ["*"]}, rows=[])
    def both(split: dict[str, pd.DataFrame]) -> pd.DataFrame:
        return pd.concat(split.values(), ignore_index=True)

    flow = flow_named(run(pipeline, store), "both")
    assert flow.complete == set(flow.columns)


def test_a_step_that_says_nothing_is_unknown(store: ArtifactStore) -> None:
    pipeline = with_applications()

    @pipeline.step
    def cleaned(applications: pd.DataFrame) -> pd.DataFrame:
        return applications.dropna()

    flow = flow_named(run(pipeline, store), "cleaned")
    assert (flow.links, flow.complete, flow.rows_complete) == ((), frozenset(), False)


def test_columns_are_those_that_came_in_though_the_step_drops_some_in_place(store: ArtifactStore) -> None:
    pipeline = with_applications()

    @pipeline.step(columns={"owed": ["debt"]})
    def cleaned(applications: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"owed": applications.pop("debt")})

    assert dependences(flow_named(run(pipeline, store), "cleaned")) == {("owed", "applications.debt")}


def test_a_wrong_declaration_ends_the_run(store: ArtifactStore) -> None:
    pipeline = with_applications()

    @pipeline.step(columns={"ratoi": ["debt"]})
    def ratios(applications: pd.DataFrame) -> pd.DataFrame:
        return applications.assign(ratio=1)

    result = run_pipeline(pipeline, {}, artifacts=store)
    assert isinstance(result.exception, MalformedInput)
    assert result.predicate["failure"] == {"step": "ratios", "error": "MalformedInput"}
    assert [flow.part for flow in flows_of(result.predicate)] == ["applications"]


def test_a_model_that_was_fitted_without_names_says_so(store: ArtifactStore) -> None:
    pipeline = Pipeline("loans")

    @pipeline.step
    def model() -> LogisticRegression:
        return LogisticRegression().fit(loans()[["income"]].to_numpy(), loans().approve)

    flow = flow_named(run(pipeline, store), "model", "model")
    assert flow.columns == ()
    assert flow.notes == ("the model does not name its inputs: fit it on a table with column names in model",)


def test_a_protected_column_put_under_the_name_of_another_before_the_fit_never_passes(
    store: ArtifactStore,
) -> None:
    loans().to_csv("loans.csv", index=False)
    pipeline = Pipeline("loans")

    @pipeline.step
    def applications(source: str = "loans.csv") -> pd.DataFrame:
        return pd.read_csv(source)

    @pipeline.step(rows=[])
    def model(applications: pd.DataFrame) -> LogisticRegression:
        inputs = applications.assign(income=(applications.race == "black").astype(float))[["income"]]
        return LogisticRegression().fit(inputs, applications.approve)

    recorded = run(pipeline, store)
    both: tuple[Literal["refuse"], Literal["ignore"]] = ("refuse", "ignore")
    for rows in both:
        rule = LineageRule(id="no-race", says="", clauses=(), protected=("race",), rows=rows)
        with pytest.raises(AbsentError, match="what it does to income before the model learns is not known"):
            judge_lineage(rule, recorded)


def test_a_thousand_columns_move_to_an_artifact_that_evidence_takes_along(store: ArtifactStore) -> None:
    pipeline = Pipeline("wide")
    wide = pd.DataFrame(np.zeros((2, 1000)), columns=[f"column {number}" for number in range(1000)])

    @pipeline.step
    def raw() -> pd.DataFrame:
        return wide

    @pipeline.step(columns={"*": ["*"]}, rows=[])
    def kept(raw: pd.DataFrame) -> pd.DataFrame:
        return raw + 1

    result = run_pipeline(pipeline, {}, artifacts=store)
    moved = cast(JsonObject, result.predicate["lineage"])
    assert moved["count"] == 2
    assert len(encode(result.predicate)) < 40_000
    assert str(moved["artifact"]) in set(artifacts_named(result.predicate, store))
    assert len(dependences(flow_named(resolve_run(result.predicate, store), "kept"))) == 1000


def _ordered(table: pd.DataFrame) -> Any:
    order = (table.race == "black").groupby(table.job).mean().sort_values().index.tolist()
    return OrdinalEncoder(categories=[order])


def _share(column: pd.DataFrame, share: dict[str, float]) -> pd.DataFrame:
    return column.assign(job=column.job.map(share))


def _looked_up(table: pd.DataFrame) -> Any:
    share = (table.race == "black").groupby(table.job).mean().to_dict()
    return FunctionTransformer(_share, kw_args={"share": share}, feature_names_out="one-to-one")


class Own(BaseEstimator, TransformerMixin):  # type: ignore[misc]  # scikit-learn has no types
    """A transformer of the user's own, which could read any file."""

    def fit(self, x: Any, y: Any = None) -> "Own":
        self.fitted_ = True
        return self

    def transform(self, x: Any) -> Any:
        return x[["job"]].map(ord)

    def get_feature_names_out(self, names: Any = None) -> Any:
        return np.array(["job"], dtype=object)


def _behind(made: Any) -> Pipeline:
    """Declare a pipeline whose model has a transformer that a function makes of the table."""
    loans().to_csv("loans.csv", index=False)
    pipeline = Pipeline("loans")

    @pipeline.step
    def applications(source: str = "loans.csv") -> pd.DataFrame:
        return pd.read_csv(source)

    @pipeline.step(columns={"*": ["*"]}, rows=[])
    def model(applications: pd.DataFrame) -> Any:
        encoded = ColumnTransformer([("job", made(applications), ["job"])], remainder="passthrough")
        fitted = make_pipeline(encoded, FunctionTransformer(np.log1p), LogisticRegression())
        return fitted.fit(applications[["job", "income"]], applications.approve)

    return pipeline


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (
            _ordered,
            "the setting categories of ColumnTransformer in the model, or of a part of it, is neither",
        ),
        (
            _looked_up,
            "the setting feature_names_out of ColumnTransformer in the model, or of a part of it, is neither",
        ),
        (lambda _: Own(), "Own in the model is no transformer of scikit-learn's"),
    ],
    ids=["categories", "function", "own class"],
)
def test_a_transformer_in_the_model_that_may_hold_any_column_never_passes(
    made: Any, says: str, store: ArtifactStore
) -> None:
    recorded = run(_behind(made), store)
    found = flow_named(recorded, "model", "model")
    assert says in " ".join(found.notes)
    with pytest.raises(AbsentError, match="not all is known"):
        judge_lineage(LineageRule(id="no-race", says="", clauses=(), protected=("race",)), recorded)


def test_transformers_in_the_model_that_the_step_writes_leave_what_is_declared(store: ArtifactStore) -> None:
    found = flow_named(run(_behind(lambda _: OrdinalEncoder()), store), "model", "model")
    assert found.complete == {"job", "income"}
    assert not found.notes


@pytest.mark.parametrize(
    ("target", "outcome"), [(["approve"], "passed"), (["approve", "race"], "failed"), (None, "missing")]
)
def test_what_the_target_is_made_of_is_declared_and_shown(
    store: ArtifactStore, target: list[str] | None, outcome: str
) -> None:
    loans().to_csv("loans.csv", index=False)
    pipeline = Pipeline("loans")

    @pipeline.step
    def applications(source: str = "loans.csv") -> pd.DataFrame:
        return pd.read_csv(source)

    @pipeline.step(columns={"*": ["*"]}, rows=[], target=target)
    def model(applications: pd.DataFrame) -> Any:
        wanted = applications.approve | (applications.race == "black")
        return LogisticRegression().fit(applications[["income"]], wanted)

    recorded = run(pipeline, store)
    rule = LineageRule(id="no-race", says="", clauses=(), protected=("race",), target="refuse")
    try:
        found = judge_lineage(rule, recorded).outcome
    except AbsentError:
        found = "missing"
    assert found == outcome
    known = map_of(recorded)
    told = [line for line in summary(whole_trace(known), known.inputs()) if line.startswith("the target")]
    names = ", ".join(f"loans.csv.{name}" for name in target or ())
    assert told == ([f"the target (y) <- {names}"] if target else [])


def test_a_target_of_a_step_that_returns_no_model_is_a_mistake(store: ArtifactStore) -> None:
    pipeline = with_applications()

    @pipeline.step(target=["approve"])
    def cleaned(applications: pd.DataFrame) -> pd.DataFrame:
        return applications.dropna()

    with pytest.raises(MalformedInput, match="the step cleaned declares a target and returned no model"):
        run(pipeline, store)


NUMBERS = ["income", "debt"]
INPUTS = [*NUMBERS, "region", "job"]


def encoded() -> Any:
    numbers = make_pipeline(StandardScaler(), Binarizer(threshold=0.5))
    return ColumnTransformer([("n", numbers, NUMBERS)], remainder=OneHotEncoder(handle_unknown="ignore"))


def with_debt(table: pd.DataFrame, floor: float = 1.0) -> pd.DataFrame:
    return table.assign(debt=table.debt / table.income.clip(lower=floor))


def usual(stratify: str) -> Pipeline:
    """Declare a pipeline as they are usually written: a split, constants and helpers of its module, a search."""
    pipeline = Pipeline("loans")

    @pipeline.step
    def applications(source: str = "loans.csv") -> pd.DataFrame:
        return pd.read_csv(source)

    @pipeline.step(columns={"debt": ["debt", "income"], "*": ["*"]}, rows=[])
    def features(applications: pd.DataFrame) -> pd.DataFrame:
        return with_debt(applications)

    @pipeline.step(columns={"*": ["*"]}, rows=[stratify])
    def split(features: pd.DataFrame, by: str = stratify, seed: int = 0) -> dict[str, Any]:
        parts = train_test_split(features[INPUTS], features.approve, stratify=features[by], random_state=seed)
        return dict(zip(("train", "test", "wanted", "kept"), parts, strict=True))

    @pipeline.step(columns={"*": ["*"]}, rows=[], target=["split.wanted.approve"])
    def model(split: dict[str, Any]) -> Any:
        search = GridSearchCV(
            make_pipeline(encoded(), CalibratedClassifierCV(LogisticRegression(), cv=2)),
            {"memory": [None]},
            cv=2,
        )
        return search.fit(split["train"], split["wanted"])

    return pipeline


@pytest.mark.parametrize(("stratify", "outcome"), [("approve", "passed"), ("race", "failed")])
def test_a_pipeline_as_they_are_usually_written_is_known_down_to_its_file(
    store: ArtifactStore, stratify: str, outcome: str
) -> None:
    loans().to_csv("loans.csv", index=False)
    rule = LineageRule(id="no-race", says="", clauses=(), protected=("race",), target="refuse")
    assert judge_lineage(rule, run(usual(stratify), store, by=stratify)).outcome == outcome
