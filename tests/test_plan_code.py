"""A step's code only builds its plan, or the place is named where it may do more."""

import functools
import random
from collections.abc import Callable
from datetime import date
from typing import Any

import polars as pl
import pytest

from registry.plan_code import EAGER, OTHER, PLAN, TABLES, astray
from registry.plan_names import FRAME_METHODS

FEATURES = ["income", "debt"]
LEAST = 3.0
RATIO = pl.col("debt") / pl.col("income")
FILLED: list[str] = []
FILLED.append("race")
CHANGED = 0
SINCE = date(2020, 1, 31)


def change() -> None:
    global CHANGED
    CHANGED += 1


def with_ratio(plan: Any, name: Any) -> Any:
    """Build a part of a plan."""
    return plan.with_columns(RATIO.alias(name))


def peeking(plan: Any) -> Any:
    """Look at a plan's rows."""
    return plan.collect()["race"][0]


def looped(loans: Any, least: float = 1.0) -> Any:
    plan = loans.lazy()
    for name in FEATURES:
        plan = plan.with_columns(pl.col(name).fill_null(0).alias(f"{name}_filled"))
    if least > LEAST:
        plan = plan.filter(pl.col("income") > least)
    parts = []
    for each in range(3):
        parts.append(plan.filter(pl.col("part") == each))  # noqa: PERF401
    wanted = {name: pl.col(name) for name in plan.columns if name not in ("race", "part")}
    return {"all": pl.concat(parts).select(**wanted)}


@functools.lru_cache
def wrapped(loans: Any) -> Any:
    return loans.lazy()


BUILT: list[Callable[..., Any]] = [
    looped,
    lambda loans: with_ratio(loans.lazy(), "ratio").sort("ratio", descending=True),
    lambda loans: loans.lazy().filter(pl.col("opened") > SINCE).group_by("race").agg(pl.len()),
    lambda loans: loans.lazy().select(pl.col(FEATURES), pl.selectors.string(), k=pl.lit(round(LEAST / 7, 2))),
    lambda loans: loans.lazy().cast({"debt": pl.Float64}).rename({name: name.upper() for name in FEATURES}),
    lambda loans: (lazy := loans.lazy()).join(lazy.unique("race"), on="race"),
    lambda loans: loans.lazy().select(names=pl.lit(",".join(sorted(FEATURES, key=len)))),
    lambda loans, least=2: loans.lazy().head(least if least > 1 else 7),
]  # fmt: skip


@pytest.mark.parametrize("function", BUILT)
def test_code_that_only_builds_a_plan_is_known_as_such(function: Callable[..., Any]) -> None:
    assert astray(function, {"loans": EAGER}) is None


ASTRAY: dict[str, Callable[..., Any]] = {
    "loans['race']": lambda loans: loans.lazy().select(pl.lit(loans["race"].sum())),
    "loans.lazy().collect()": lambda loans: loans.lazy().select(pl.lit(loans.lazy().collect().item())),
    "plan.collect()": lambda loans: loans.lazy().filter(pl.col("race") == peeking(loans.lazy())),
    "len(loans)": lambda loans: loans.lazy().head(len(loans)),
    "for each in loans": lambda loans: loans.lazy().select([pl.lit(each.name) for each in loans]),
    "loans.height": lambda loans: loans.lazy().head(loans.height // 2),
    "loans.filter": lambda loans: loans.filter(pl.col("race") == 1).lazy(),
    "loans.lazy().map_batches": lambda loans: loans.lazy().map_batches(lambda table: table),
    "loans.lazy().describe": lambda loans: loans.lazy().describe().lazy(),
    "f'{loans}'": lambda loans: loans.lazy().select(pl.lit(f"{loans}")),
    "loans.lazy() == 3": lambda loans: loans.lazy().select(pl.lit(loans.lazy() == 3)),
    "open": lambda loans: loans.lazy().select(pl.lit(open("loans.csv").read())),  # noqa: SIM115, PTH123
    "pl.read_csv": lambda loans: loans.lazy().join(pl.read_csv("loans.csv").lazy(), on="id"),
    "random": lambda loans: loans.lazy().select(pl.lit(random.random())),
    "getattr": lambda loans: loans.lazy().select(pl.lit(getattr(loans, "height"))),  # noqa: B009
    "FILLED": lambda loans: loans.lazy().select(FILLED),
    "CHANGED": lambda loans: loans.lazy().select(pl.lit(CHANGED)),
    "__globals__": lambda loans: loans.lazy().select(pl.lit(peeking.__globals__["x"])),
    "pl.col('debt').__class__": lambda loans: loans.lazy().select(pl.col("debt").__class__),
}


@pytest.mark.parametrize("place", ASTRAY)
def test_where_code_may_do_more_than_build_its_plan_is_named(place: str) -> None:
    where = astray(ASTRAY[place], {"loans": EAGER})
    assert where is not None
    assert where.startswith("line ")


def test_a_place_is_named_by_its_line_and_its_text() -> None:
    where = astray(ASTRAY["loans['race']"], {"loans": EAGER})
    line = ASTRAY["loans['race']"].__code__.co_firstlineno
    assert where == f"line {line}, loans['race']"


def test_what_came_in_and_is_no_table_may_not_be_named() -> None:
    assert astray(BUILT[0], {"loans": OTHER}) is not None


def test_tables_that_came_in_together_are_taken_out_by_their_names() -> None:
    assert astray(lambda split: split["train"].lazy().select("debt"), {"split": TABLES}) is None
    assert astray(lambda split: split["train"]["debt"], {"split": TABLES}) is not None


def test_what_a_function_of_an_enclosing_one_holds_is_not_of_the_code() -> None:
    held = LEAST * 2
    assert astray(lambda loans: loans.select(pl.lit(held)), {"loans": PLAN}) is not None


def test_a_constant_that_is_not_what_its_module_says_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    function = BUILT[3]
    monkeypatch.setitem(globals(), "LEAST", 4.0)
    assert str(astray(function, {"loans": EAGER})).endswith("LEAST")


def test_a_function_that_is_wrapped_or_has_no_source_is_not_known() -> None:
    made: dict[str, Any] = {}
    exec("def step(loans):\n    return loans.lazy()", made)
    assert "kind that is not read" in str(astray(wrapped, {"loans": EAGER}))
    assert "not at hand" in str(astray(made["step"], {"loans": EAGER}))


def test_methods_that_run_a_plan_or_give_it_to_python_are_on_no_list() -> None:
    assert {"collect", "collect_async", "describe", "map_batches", "pipe", "show", "sink_parquet", "sql", "explain",
            "profile", "serialize", "inspect", "map_groups", "fetch", "remote"}.isdisjoint(FRAME_METHODS)  # fmt: skip
