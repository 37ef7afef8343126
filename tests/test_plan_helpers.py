"""Helpers, settings of other modules, and what a step says while it builds its plan: known, or named as a place."""

import logging
import math
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest

from registry.plan_code import EAGER, PLAN, astray
from tests import plan_constants
from tests.plan_constants import FOUND, LEAST, NAMES, RATIO, chosen, picked, squared, with_ratio

log = logging.getLogger("tests.plan_helpers")
log.propagate = False
squared_again: Callable[[Any], Any] = lambda expression: expression**2  # noqa: E731
either = squared if len(NAMES) < LEAST else squared_again


def own(plan: Any, names: list[str] = ["debt"], least: float = log.level) -> Any:  # noqa: B006
    """Build a part of a plan, with a default that is worked out."""
    return plan.filter(pl.col("debt") > least).select(names)


def nested(loans: Any, power: int = 2) -> Any:
    def raised(name: str, *, by: int = 0) -> Any:
        return (pl.col(name) ** (power + by)).alias(f"{name}_raised")

    def gathered(*names: str) -> Any:
        return [raised(name, by=1) for name in names]

    return loans.lazy().select(*NAMES, raised("income"), pl.struct(gathered("debt")))


def with_imports(loans: Any) -> Any:
    import math as mathematics

    import polars as frames
    from polars import col

    from tests.plan_constants import NAMES as names  # noqa: N811
    from tests.plan_constants import with_ratio as ratio

    plan = ratio(loans.lazy().select(*names))
    return plan.select(frames.col("debt") * mathematics.pi, each=col("income"))


def telling(loans: Any) -> Any:
    plan = loans.lazy()
    print("of", loans.shape, f"{loans['debt'].mean():.2f}", len(loans), loans.columns, loans.head(), sep=" ")
    log.info("%s rows, at most %s", loans.height, loans["debt"].max())
    logging.debug("columns: %s", plan.collect_schema().names())
    return plan.select("debt")


def of_a_schema(loans: Any) -> Any:
    plan = loans.lazy()
    if "debt" not in plan.collect_schema():
        raise ValueError("no debt")
    wanted = [name for name in loans.schema if name not in ("race", "part")]
    return plan.select(wanted, pl.struct(*plan.collect_schema()), count=pl.lit(len(loans.schema)))


BUILT: list[Callable[..., Any]] = [
    nested, with_imports, telling, of_a_schema,
    lambda loans: with_ratio(loans.lazy()),
    lambda loans: loans.lazy().pipe(with_ratio, "r", pl.lit(1), least=3.0, more=pl.lit(2)),
    lambda loans: loans.pipe(lambda table: table.lazy()).pipe(lambda plan, name="debt": plan.select(name)),
    lambda loans: loans.lazy().select(pl.col("debt").pipe(squared, power=3), RATIO.pipe(squared_again)),
    lambda loans: loans.lazy().select(NAMES).filter(pl.col("debt") > LEAST),
    lambda loans: loans.lazy().select(plan_constants.NAMES).pipe(plan_constants.with_ratio),
    lambda loans: loans.lazy().select(pl.col("debt").cut([1, 2]), k=pl.col("income").qcut(3)),
    lambda loans: loans.lazy().select(pl.col("debt") * math.pi, n=pl.col("debt").fill_nan(np.nan)),
    lambda loans: own(loans.lazy(), least=1.0),
]  # fmt: skip


@pytest.mark.parametrize("function", BUILT)
def test_helpers_and_settings_of_the_code_s_own_are_read(function: Callable[..., Any]) -> None:
    assert astray(function, {"loans": EAGER}) is None


def alike(loans: Any) -> Any:
    one: Any = 1

    def later() -> Any:
        return one

    deferred: Any = lambda: later()  # noqa: E731
    one = loans
    return loans.lazy().select(pl.lit(deferred()["race"].sum()))


def seen_through_a_parameter(loans: Any) -> Any:
    def table() -> Any:
        return loans

    found: Any = (lambda loans: table()["race"].sum())(1)
    return loans.lazy().select(pl.lit(found))


def put_by_an_inner_function(loans: Any) -> Any:
    box: list[Any] = []

    def fill() -> None:
        box.append(loans)

    fill()
    return loans.lazy().select(pl.lit(box[0]["race"].sum()))


def an_alias_of_an_inner_function(loans: Any) -> Any:
    box: list[Any] = []

    def same() -> Any:
        return box

    other = same()
    box.append(loans.lazy())
    return loans.lazy().select(pl.lit(other[0].collect()["race"].sum()))


def told_to_a_function_of_the_code(loans: Any) -> Any:
    box: list[Any] = []
    print(list(map(lambda each: box.append(each), loans["race"])))  # noqa: C417
    return loans.lazy().select(pl.lit(box))


def told_to_a_key(loans: Any) -> Any:
    box: list[Any] = []
    print(max(loans["race"], key=lambda each: box.append(each) or 1))  # type: ignore[func-returns-value]
    return loans.lazy().select(pl.lit(box))


def told_while_a_plan_runs(loans: Any) -> Any:
    box: list[Any] = []
    plan = loans.lazy().select(pl.col("race").map_elements(lambda each: box.append(each)))
    print(plan.collect())
    return loans.lazy().select(pl.lit(box))


def told_to_a_file(loans: Any, box: Any = None) -> Any:
    print(loans["race"].sum(), file=box)
    return loans.lazy().select(pl.lit(box))


def bound_in_what_is_told(loans: Any) -> Any:
    print(found := loans["race"].sum())
    return loans.lazy().select(pl.lit(found))


def pushed_through_a_module(loans: Any) -> Any:
    plan_constants.NAMES.append("race")
    return loans.lazy().select(plan_constants.NAMES)


def imported_where_it_has_to_be_run(loans: Any) -> Any:
    from tests.a_module_that_nobody_loaded import found  # type: ignore[import-untyped]

    return loans.lazy().select(pl.lit(found))


def decorated(loans: Any) -> Any:
    @squared_again
    def found() -> Any:
        return 1

    return loans.lazy().select(pl.lit(found()))


def of_a_type(loans: Any) -> Any:
    return loans.lazy().head(1 if loans.schema["race"] == pl.Int64 else 2)


ASTRAY: list[Callable[..., Any]] = [
    alike, seen_through_a_parameter, put_by_an_inner_function, an_alias_of_an_inner_function,
    told_to_a_function_of_the_code, told_to_a_key, told_while_a_plan_runs, told_to_a_file, bound_in_what_is_told,
    pushed_through_a_module, imported_where_it_has_to_be_run, decorated, of_a_type,
    lambda loans: loans.lazy().select(pl.lit(loans.pipe(len))),
    lambda loans: loans.lazy().select(pl.lit(loans.pipe(lambda table: table["race"].sum()))),
    lambda loans: loans.lazy().pipe(lambda plan: plan.collect().lazy()),
    lambda loans: chosen(loans.lazy()),
    lambda loans: picked(loans.lazy()),
    lambda loans: loans.lazy().select(either(pl.col("debt"))),
    lambda loans: own(loans.lazy()),
    lambda loans: loans.lazy().select(pl.lit(print(loans.shape))),
    lambda loans: loans.lazy().select(pl.lit(log.name)),
    lambda loans: loans.lazy().select(pl.lit(np.random.default_rng)),
    lambda loans: loans.lazy().select(pl.lit(plan_constants.__name__)),
]  # fmt: skip


@pytest.mark.parametrize("function", ASTRAY)
@pytest.mark.parametrize("kind", [EAGER, PLAN])
def test_a_value_that_helpers_may_take_out_of_a_table_is_seen(
    function: Callable[..., Any], kind: str
) -> None:
    assert astray(function, {"loans": kind}) is not None


def test_an_imported_constant_that_is_not_what_its_module_says_is_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    function: Callable[..., Any] = lambda loans: loans.lazy().filter(pl.col("debt") > LEAST)  # noqa: E731
    member: Callable[..., Any] = lambda loans: loans.lazy().filter(pl.col("debt") > plan_constants.LEAST)  # noqa: E731
    monkeypatch.setattr(plan_constants, "LEAST", 0.37)
    assert astray(function, {"loans": EAGER}) is not None
    assert astray(member, {"loans": EAGER}) is not None
    monkeypatch.setitem(globals(), "LEAST", 0.37)
    assert astray(function, {"loans": EAGER}) is not None


def test_an_imported_list_that_was_filled_is_no_constant() -> None:
    function: Callable[..., Any] = lambda loans: loans.lazy().select(pl.lit(FOUND))  # noqa: E731
    assert astray(function, {"loans": EAGER}) is None
    FOUND.append(0.37)
    try:
        assert astray(function, {"loans": EAGER}) is not None
    finally:
        FOUND.clear()


def test_a_function_that_was_put_in_the_place_of_another_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    function: Callable[..., Any] = lambda loans: with_ratio(loans.lazy())  # noqa: E731
    monkeypatch.setitem(globals(), "with_ratio", chosen)
    assert astray(function, {"loans": EAGER}) is not None


class Keeping(logging.Handler):
    """A handler of somebody's own, which keeps what it is told."""

    def emit(self, record: logging.LogRecord) -> None:
        FOUND.append(0.37)


def test_what_is_told_to_somebody_s_own_code_may_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    assert astray(telling, {"loans": EAGER}) is None
    handler = Keeping()
    log.addHandler(handler)
    try:
        assert str(astray(telling, {"loans": EAGER})).endswith(", log")
    finally:
        log.removeHandler(handler)
    monkeypatch.setattr(sys, "stdout", Keeping())
    assert astray(telling, {"loans": EAGER}) is not None


def test_a_function_around_is_known_by_its_only_definition() -> None:
    def once(plan: Any) -> Any:
        return plan.select("debt")

    if LEAST > 1:

        def twice(plan: Any) -> Any:
            return plan.select("debt")

    else:

        def twice(plan: Any) -> Any:
            return plan.select("income")

    assert astray(lambda loans: once(loans.lazy()), {"loans": EAGER}) is None
    assert astray(lambda loans: twice(loans.lazy()), {"loans": EAGER}) is not None
