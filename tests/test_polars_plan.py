"""The lineage of polars plans is exactly what hand-made truth says, and where it is not understood nothing is said."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from registry.artifacts import ArtifactStore
from registry.flows import Flow
from registry.pipeline import Pipeline
from registry.polars_plan import plan_flow
from registry.relations import NotUnderstood
from registry.run import run_pipeline
from registry.step_code import written_values
from tests.lineage_truth import dependences, flow_named, row_dependences, score
from tests.test_sql_lineage import of

LOANS = pl.DataFrame(
    {
        "id": [1, 2, 3, 4],
        "income": [10.0, 20.0, 30.0, 40.0],
        "debt": [5.0, 5.0, 6.0, 7.0],
        "race": ["b", "w", "b", "w"],
        "many": [[1], [2], [3], [4, 5]],
    }
)
PAYMENTS = pl.DataFrame({"id": [1, 2, 2], "late": [0, 3, 1], "month": [3, 4, 5]})
col, lit, when = pl.col, pl.lit, pl.when

Plan = Callable[[pl.LazyFrame, pl.LazyFrame], pl.LazyFrame]
LEAST = 3

TRUTH: dict[str, tuple[Plan, set[tuple[str, str]]]] = {
    "a filter, a join, groups and a window": (
        lambda loans, payments: (
            loans.filter(col("income") > 5)
            .join(
                payments.filter(col("month") >= LEAST).group_by("id").agg(col("late").sum().alias("late")),
                on="id", how="left",
            )
            .with_columns(
                ratio=col("debt") / col("income"),
                usual=col("debt").mean().over("race"),
                kind=when(col("late") > 0).then(lit("late")).otherwise(col("race")),
            )
            .select("id", "ratio", "usual", "kind", "late")
            .sort("ratio")
        ),
        of(
            "id loans.id", "ratio loans.debt loans.income", "usual loans.debt loans.race",
            "kind payments.late loans.race", "late payments.late",
            "rows loans.income loans.id payments.id payments.month loans.debt",
        ),
    ),
    "aggregates that filter and sort": (
        lambda loans, payments: loans.group_by("race").agg(
            col("debt").filter(col("income") > 5).sum().alias("d"), col("debt").sort_by("id").last().alias("e"),
            pl.len().alias("n"),
        ),
        of("race loans.race", "d loans.debt loans.income", "e loans.debt loans.id", "rows loans.race"),
    ),
    "functions over columns": (
        lambda loans, payments: loans.select(
            h=pl.sum_horizontal("income", "debt"), s=pl.struct("id", "race"), u=col("race").str.to_uppercase(),
            c=col("debt").cum_sum(), k=lit(5), r=col("income").rank(), f=col("debt").fill_null(col("income")),
        ),
        of(
            "h loans.income loans.debt", "s loans.id loans.race", "u loans.race", "c loans.debt",
            "r loans.income", "f loans.debt loans.income",
        ),
    ),
    "a union and distinct rows": (
        lambda loans, payments: pl.concat(
            [loans.select("id"), payments.select(id="late")]
        ).unique(subset=["id"]),
        of("id loans.id payments.late", "rows loans.id payments.late"),
    ),
    "a full join of keys": (
        lambda loans, payments: loans.join(payments, on="id", how="full", coalesce=True).select("id", "month"),
        of("id loans.id payments.id", "month payments.month", "rows loans.id payments.id"),
    ),
    "a semi join, rows and a number for each": (
        lambda loans, payments: loans.join(payments, on="id", how="semi").select("debt").with_row_index().head(2),
        of("debt loans.debt", "rows loans.id payments.id"),
    ),
    "what comes in twice under two names": (
        lambda loans, payments: loans.join(loans, on="id").select("debt", "debt_right", other="income_right"),
        of("debt loans.debt", "debt_right loans.debt", "other loans.income", "rows loans.id"),
    ),
    "lists unpacked and columns melted": (
        lambda loans, payments: loans.explode("many").unpivot(on=["income", "debt"], index="many"),
        of("many loans.many", "value loans.income loans.debt", "rows loans.many"),
    ),
    "tables side by side": (
        lambda loans, payments: pl.concat(
            [loans.select("debt").head(3), payments.select("late")], how="horizontal"
        ),
        of("debt loans.debt", "late payments.late"),
    ),
    "new names": (
        lambda loans, payments: loans.rename({"race": "group"}).drop("many", "debt", "income"),
        of("id loans.id", "group loans.race"),
    ),
}  # fmt: skip


def flow_of(plan: Any) -> Flow:
    lazy = plan(LOANS.lazy(), PAYMENTS.lazy())
    inputs = {"loans": LOANS, "payments": PAYMENTS}
    return plan_flow(lazy, inputs, "made", "made", written_values(plan, {}))


@pytest.mark.parametrize("name", TRUTH)
def test_every_link_of_a_plan_is_found_and_no_other(name: str) -> None:
    plan, truth = TRUTH[name]
    flow = flow_of(plan)
    found = score(f"polars, {name}", dependences(flow) | row_dependences(flow), truth)
    assert (found.precision, found.recall) == (1.0, 1.0)
    assert flow.notes == ()
    assert flow.complete == set(flow.columns)
    assert flow.rows_complete


def test_each_link_says_what_for() -> None:
    flow = flow_of(TRUTH["a filter, a join, groups and a window"][0])
    uses = {(link.column, f"{link.part}.{link.source}", link.use) for link in flow.links}
    assert uses >= {
        ("usual", "loans.debt", "AGGREGATION"), ("usual", "loans.race", "WINDOW"),
        ("kind", "payments.late", "CONDITIONAL"), ("kind", "loans.race", "TRANSFORMATION"),
        ("late", "payments.late", "AGGREGATION"), ("id", "loans.id", "IDENTITY"), (None, "loans.income", "FILTER"),
        (None, "loans.id", "JOIN"), (None, "payments.id", "GROUP_BY"), (None, "loans.debt", "SORT"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("plan", "why"),
    [
        (lambda loans, payments: loans.select(col("debt").map_elements(abs, return_dtype=pl.Float64)), "show"),
        (lambda loans, payments: loans.map_batches(lambda table: table), "show"),
        (lambda loans, payments: loans.join(payments, on="id", how="right"), "kind of join"),
        (lambda loans, payments: loans.collect().with_columns(debt=col("income")).lazy(), "did not receive"),
        (lambda loans, payments: loans.set_sorted("id").merge_sorted(loans.set_sorted("id"), key="id"), ""),
        (lambda loans, payments: loans.sort("id").rolling("id", period="2i").agg(col("debt").sum()), "moving groups"),
    ],
)  # fmt: skip
def test_what_is_not_understood_is_refused_as_a_whole(plan: Any, why: str) -> None:
    with pytest.raises(NotUnderstood, match=why or "understood"):
        flow_of(plan)


def test_a_number_that_was_computed_from_data_leaves_its_column_open() -> None:
    def relative(loans: pl.LazyFrame, payments: pl.LazyFrame) -> pl.LazyFrame:
        mean = loans.collect()["income"].mean()
        return loans.select("debt", relative=col("debt") / mean).with_columns(more=col("relative") * 2)

    flow = flow_of(relative)
    assert flow.complete == {"debt"}
    assert flow.rows_complete
    assert flow.notes == ("step made: the plan holds values that do not stand in its code",)


def test_a_bound_that_was_computed_from_data_leaves_the_rows_open() -> None:
    def first(loans: pl.LazyFrame, payments: pl.LazyFrame) -> pl.LazyFrame:
        return loans.filter(col("income") < loans.collect()["income"].mean())

    assert not flow_of(first).rows_complete


def computed() -> float:
    """Stand for a number that was computed from some column, and in no code."""
    return LOANS.height * 3.37


def with_computed(loans: pl.LazyFrame) -> pl.LazyFrame:
    return loans.select("id", debt=lit(computed()))


@pytest.mark.parametrize(
    "plan",
    [
        lambda loans, payments: loans.select(debt=col("income").cut([computed()])),
        lambda loans, payments: loans.select(debt=col("debt").round(int(computed()))),
        lambda loans, payments: loans.join(with_computed(loans), on="id").select(debt="debt_right"),
        lambda loans, payments: with_computed(loans).unpivot(on=["debt"], index="id").select(debt="value"),
    ],
    ids=["edges", "decimals", "joined", "melted"],
)
@pytest.mark.filterwarnings("ignore:`cut` is deprecated")
def test_what_was_computed_stays_open_wherever_the_plan_carries_it(plan: Any) -> None:
    assert "debt" not in flow_of(plan).complete


def test_a_key_that_was_computed_leaves_the_rows_of_a_join_and_of_groups_open() -> None:
    def joined(loans: pl.LazyFrame, payments: pl.LazyFrame) -> pl.LazyFrame:
        return loans.join(payments, left_on=col("id") + int(computed()), right_on="id").select("debt")

    def grouped(loans: pl.LazyFrame, payments: pl.LazyFrame) -> pl.LazyFrame:
        return loans.group_by(col("id") > computed()).agg(col("debt").sum()).select("debt")

    assert not flow_of(joined).rows_complete
    assert not flow_of(grouped).rows_complete


def test_values_of_code_globals_closures_and_parameters_are_written() -> None:
    inner = 17

    def function(least: int = 4) -> list[object]:
        return [LEAST, inner, [x + 23 for x in (29,)], -31.5, "text"]

    found = written_values(function, {"least": 4, "names": {"a": [41]}})
    assert {3, 17, 23, 29, -31.5, "text", 4, "a", 41} <= found
    assert 5 not in found


def test_a_run_reads_the_plan_and_hands_on_the_rows(tmp_path: Path) -> None:
    pipeline = Pipeline("loans")

    @pipeline.step
    def loans() -> pl.DataFrame:
        return LOANS

    @pipeline.step
    def ratios(loans: pl.DataFrame, least: float = 15.0) -> pl.LazyFrame:
        return loans.lazy().filter(col("income") > least).select(ratio=col("debt") / col("income"))

    @pipeline.step
    def doubled(ratios: pl.LazyFrame) -> dict[str, pl.LazyFrame]:
        assert isinstance(ratios, pl.LazyFrame)
        return {"all": ratios.select(twice=col("ratio") * 2)}

    result = run_pipeline(pipeline, {}, artifacts=ArtifactStore(tmp_path))
    assert result.exception is None
    assert dependences(flow_named(result.predicate, "ratios")) == of("ratio loans.debt loans.income")
    assert row_dependences(flow_named(result.predicate, "ratios")) == of("rows loans.income")
    assert dependences(flow_named(result.predicate, "doubled.all")) == of("twice ratios.ratio")
    steps: Any = result.predicate["steps"]
    assert [step["outputs"][0]["rows"] for step in steps] == [4, 3, 3]


def test_a_plan_that_is_not_understood_runs_and_is_unknown(tmp_path: Path) -> None:
    pipeline = Pipeline("loans")

    @pipeline.step
    def loans() -> pl.DataFrame:
        return LOANS

    @pipeline.step
    def opaque(loans: pl.DataFrame) -> pl.LazyFrame:
        return loans.lazy().map_batches(lambda table: table)

    result = run_pipeline(pipeline, {}, artifacts=ArtifactStore(tmp_path))
    flow = flow_named(result.predicate, "opaque")
    assert (flow.links, flow.complete) == ((), frozenset())
    assert flow.notes[0].startswith("step opaque: the plan holds what polars does not show")
