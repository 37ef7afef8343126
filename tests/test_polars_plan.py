"""The lineage of polars plans is exactly what hand-made truth says, and where it is not understood nothing is said."""

from collections.abc import Callable
from inspect import signature
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from registry.artifacts import ArtifactStore
from registry.flows import Flow
from registry.pipeline import Pipeline
from registry.plan_code import PLAN, astray
from registry.polars_memory import Held
from registry.polars_plan import plan_flow
from registry.relations import NotUnderstood
from registry.run import run_pipeline
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
    return flow_over(plan, loans=LOANS, payments=PAYMENTS)


def flow_over(plan: Any, **tables: pl.DataFrame) -> Flow:
    """Read the plan that a function makes of some tables."""
    held = Held(tables)
    lazy = plan(*(table.lazy() for table in tables.values()))
    return plan_flow(
        lazy, held, "made", "made", astray(plan, dict.fromkeys(signature(plan).parameters, PLAN))
    )


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
        (lambda loans, payments: loans.collect().filter(col("income") > 15).lazy(), "did not receive"),
        (lambda loans, payments: pl.from_dicts(loans.collect().to_dicts()).lazy(), "did not receive"),
        (lambda loans, payments: loans.set_sorted("id").merge_sorted(loans.set_sorted("id"), key="id"), ""),
        (lambda loans, payments: loans.sort("id").rolling("id", period="2i").agg(col("debt").sum()), "moving groups"),
    ],
)  # fmt: skip
def test_what_is_not_understood_is_refused_as_a_whole(plan: Any, why: str) -> None:
    with pytest.raises(NotUnderstood, match=why or "understood"):
        flow_of(plan)


def again(table: pl.DataFrame) -> pl.DataFrame:
    """Write the same cells into other memory."""
    return pl.DataFrame(table.to_dict(as_series=False), schema=table.schema)


@pytest.mark.parametrize("number", [0, 1])
def test_two_inputs_of_equal_cells_are_told_apart(number: int) -> None:
    plans = [lambda loans, copies: loans.select("debt"), lambda loans, copies: copies.select("debt")]
    flow = flow_over(plans[number], loans=LOANS, copies=again(LOANS))
    assert dependences(flow) == {("debt", f"{['loans', 'copies'][number]}.debt")}
    assert flow.is_whole


def test_of_inputs_that_share_their_memory_the_one_with_just_these_columns_is_named() -> None:
    more = LOANS.with_columns(new=col("debt") * 2)
    flow = flow_over(lambda loans, more: more.select("debt", "new"), loans=LOANS, more=more)
    assert dependences(flow) == of("debt more.debt", "new more.new")
    flow = flow_over(lambda loans, more: loans.select("debt"), loans=LOANS, more=more)
    assert dependences(flow) == of("debt loans.debt")


def test_an_input_that_comes_in_twice_is_linked_to_both_and_to_neither_by_chance() -> None:
    flow = flow_over(lambda loans, same: same.select("debt"), loans=LOANS, same=LOANS.clone())
    assert dependences(flow) == of("debt loans.debt same.debt")
    assert {(link.part, link.source) for link in flow.links if link.column is None} == {
        ("loans", "*"),
        ("same", "*"),
    }


def test_a_column_put_into_a_table_under_the_name_of_another_is_the_one_it_was() -> None:
    def renamed(loans: pl.LazyFrame, payments: pl.LazyFrame) -> pl.LazyFrame:
        return loans.collect().with_columns(debt=col("income")).lazy().select("debt")

    assert dependences(flow_of(renamed)) == of("debt loans.income")


def test_a_column_that_was_put_into_the_input_itself_is_seen() -> None:
    loans = again(LOANS)
    held = Held({"loans": loans, "other": pl.DataFrame({"secret": [9.0, 8.0, 7.0, 6.0]})})
    loans.replace_column(2, held.frames["other"]["secret"].rename("debt"))
    flow = plan_flow(loans.lazy().select("debt"), held, "made", "made", None)
    assert dependences(flow) == of("debt other.secret")


def test_a_column_that_was_computed_before_the_plan_is_named_and_nothing_is_complete() -> None:
    def early(loans: pl.LazyFrame, payments: pl.LazyFrame) -> pl.LazyFrame:
        return loans.collect().with_columns(new=col("debt") + 1).lazy().select("debt", twice=col("new") * 2)

    flow = flow_of(early)
    assert flow.complete == frozenset()
    assert flow.notes[0] == (
        "step made: the plan starts from columns that are none of those the step received: new"
    )
    assert ", loans.collect() (compute it in a step before" in flow.notes[1]


def test_a_column_of_no_memory_stays_open_wherever_the_plan_carries_it() -> None:
    empty = LOANS.with_columns(debt=pl.lit(None, dtype=pl.Float64))
    flow = flow_over(
        lambda loans, payments: loans.join(payments, on="id")
        .with_columns(twice=col("debt") * 2)
        .unpivot(on=["twice", "income"], index="race"),
        loans=empty, payments=PAYMENTS,
    )  # fmt: skip
    assert flow.complete == {"race", "variable"}
    assert not flow_over(lambda loans: loans.sort("debt"), loans=empty).rows_complete


@pytest.mark.parametrize("name", ["s", "c", "e", "l", "r", "d", "b", "o"])
def test_columns_of_every_type_are_found_where_they_lie_and_slices_are_not(name: str) -> None:
    table = pl.DataFrame(
        {
            "s": ["a", "long enough to lie elsewhere", None],
            "c": pl.Series(["x", "y", "x"], dtype=pl.Categorical),
            "e": pl.Series(["x", "y", "x"], dtype=pl.Enum(["x", "y"])),
            "l": [[1], [2, 3], []],
            "r": [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}, {"a": 3, "b": "z"}],
            "d": pl.Series([1, 2, 3]).cast(pl.Date),
            "b": [True, False, None],
            "o": [b"1", b"2", b"3"],
        }
    )
    held = Held({"table": table})
    assert held.found(table[name].alias("other")) == {("table", name)}
    assert held.found(again(table)[name]) == set()
    two = Held({"first": table.head(2), "last": table.tail(2)})
    assert two.found(table[name].tail(2)) == {("last", name)}
    assert two.found(table[name]) == set()


@pytest.mark.parametrize(
    "series",
    [
        pl.Series([], dtype=pl.Int64),
        pl.Series([None, None]),
        pl.Series([object(), object()]),
        pl.Series([1, 2], dtype=pl.Int128),
    ],
)
def test_what_has_no_memory_of_its_own_is_not_found(series: pl.Series) -> None:
    assert Held({"table": series.to_frame("a")}).found(series.alias("a")) == set()


def test_a_run_says_where_the_code_of_a_step_does_more_than_build_its_plan(tmp_path: Path) -> None:
    pipeline = Pipeline("loans")

    @pipeline.step
    def loans() -> pl.DataFrame:
        return LOANS

    @pipeline.step
    def relative(loans: pl.DataFrame) -> pl.LazyFrame:
        return loans.lazy().select("debt", relative=col("debt") / loans["income"].mean())

    flow = flow_named(run_pipeline(pipeline, {}, artifacts=ArtifactStore(tmp_path)).predicate, "relative")
    assert (flow.complete, flow.rows_complete) == (frozenset(), False)
    assert ", loans['income'] (compute it in a step before" in flow.notes[0]
    assert dependences(flow) == of("debt loans.debt", "relative loans.debt")


@pytest.mark.parametrize("way", ["unique", "explode", "filter"])
def test_rows_picked_by_what_was_computed_outside_the_plan_are_not_complete(way: str, tmp_path: Path) -> None:
    pipeline = Pipeline("loans")

    @pipeline.step
    def loans() -> pl.DataFrame:
        return LOANS

    def picked(loans: pl.DataFrame) -> pl.LazyFrame:
        least = loans["income"].filter(loans["race"] == "b").mean()
        return loans.lazy().with_columns(flag=col("income") > least).unique("flag").select("income")

    def repeated(loans: pl.DataFrame) -> pl.LazyFrame:
        most = int((loans["race"] == "b").sum())
        times = pl.int_ranges(0, col("income").cast(pl.Int64).clip(0, most))
        return loans.lazy().with_columns(times=times).explode("times").select("income")

    def filtered(loans: pl.DataFrame) -> pl.LazyFrame:
        least = loans["income"].filter(loans["race"] == "b").mean()
        return loans.lazy().filter(col("income") > least).select("income")

    pipeline.step({"unique": picked, "explode": repeated, "filter": filtered}[way])
    run = run_pipeline(pipeline, {}, artifacts=ArtifactStore(tmp_path)).predicate
    assert not flow_named(run, pipeline.steps[-1].name).rows_complete


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


def test_a_constant_that_one_plan_makes_is_known_again_by_the_next(tmp_path: Path) -> None:
    pipeline = Pipeline("loans")

    @pipeline.step
    def loans() -> pl.LazyFrame:
        return LOANS.lazy().with_columns(rate=lit(5))

    @pipeline.step
    def rated(loans: pl.LazyFrame) -> pl.LazyFrame:
        return loans.select(due=col("debt") * col("rate"))

    result = run_pipeline(pipeline, {}, artifacts=ArtifactStore(tmp_path))
    flow = flow_named(result.predicate, "rated")
    assert dependences(flow) == of("due loans.debt loans.rate")
    assert flow.is_whole


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
