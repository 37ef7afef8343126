"""A value that was computed elsewhere does not get into a plan unseen: each way to smuggle one is astray."""

import builtins
import random
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import pytest

from registry.artifacts import ArtifactStore
from registry.pipeline import Pipeline
from registry.plan_code import EAGER, OTHER, PLAN, astray
from registry.plan_names import is_plain
from registry.run import run_pipeline
from tests.lineage_truth import flow_named

LEAST = round(7 / 3, 2)
EDGE = pl.col("debt") * 2
ITEMS: list[float] = []
col = pl.col


def helper(plan: Any) -> Any:
    """Build a part of a plan."""
    return plan.select("debt")


def put(box: Any, plan: Any) -> Any:
    """Put a plan into what a caller holds."""
    box.append(plan)
    return None


helper.found = 0.37  # type: ignore[attr-defined]


def an_alias(loans: Any) -> Any:
    one: list[Any] = []
    other = one
    other.append(loans)
    return loans.select(pl.lit(one[0].collect()["race"].sum()))


def an_alias_in_a_list(loans: Any) -> Any:
    one: list[Any] = []
    both = [one]
    one.append(loans)
    return loans.select(pl.lit(both[0][0].collect()["race"].sum()))


def two_names_at_once(loans: Any) -> Any:
    one = other = []  # type: ignore[var-annotated]
    one.append(loans)
    return loans.select(pl.lit(other[0].collect()["race"].sum()))


def a_view(loans: Any) -> Any:
    held: dict[str, Any] = {}
    view = held.values()
    held["x"] = loans
    return loans.select(pl.lit(list(view)[0].collect()["race"].sum()))  # noqa: RUF015


def put_in_a_comprehension(loans: Any) -> Any:
    one: list[Any] = []
    [one.append(loans) for _ in range(1)]  # type: ignore[func-returns-value]
    return loans.select(pl.lit(one[0].collect()["race"].sum()))


def put_in_a_lambda(loans: Any) -> Any:
    one: list[Any] = []
    fill: Any = lambda: one.append(loans)  # noqa: E731
    fill()
    return loans.select(pl.lit(one[0].collect()["race"].sum()))


def put_by_another_function(loans: Any) -> Any:
    one: list[Any] = []
    put(one, loans)
    return loans.select(pl.lit(one[0].collect()["race"].sum()))


def set_in_a_comprehension(loans: Any) -> Any:
    one: Any = 1
    [(one := loans) for _ in range(1)]
    return loans.select(pl.lit(one.collect()["race"].sum()))


def bound_after_a_lambda(loans: Any) -> Any:
    one: Any = 1
    later: Any = lambda: one  # noqa: E731
    one = loans
    return loans.select(pl.lit(later().collect()["race"].sum()))


def bound_first_after_a_lambda(loans: Any) -> Any:
    later: Any = lambda: one  # type: ignore[has-type]  # noqa: E731
    one = loans
    return loans.select(pl.lit(later().collect()["race"].sum()))


def bound_after_a_generator(loans: Any) -> Any:
    one: Any = 1
    later = (one for _ in range(1))
    one = loans
    return loans.select(pl.lit(list(later)[0].collect()["race"].sum()))  # noqa: RUF015


def perhaps_set_anew(loans: Any) -> Any:
    one = loans
    chosen = 0 if LEAST else (one := [1])
    return loans.lazy().head(chosen).select(pl.lit(one["race"].sum()))


def perhaps_set_anew_in_a_condition(loans: Any) -> Any:
    one = loans
    if LEAST or (one := [1]):
        pass
    return loans.lazy().select(pl.lit(one["race"].sum()))


def passed_on_round_by_round(loans: Any) -> Any:
    one = two = three = 0
    for _ in range(9):
        one = two
        two = three
        three = loans
    return loans.select(pl.lit(one.collect()["race"].sum()))  # type: ignore[attr-defined]


def a_constant_that_is_emptied(loans: Any) -> Any:
    found = ITEMS[0]
    ITEMS.clear()
    return loans.select(pl.lit(found))


def a_default_that_is_filled(loans: Any, found: list[float] = []) -> Any:  # noqa: B006
    return loans.select(pl.lit(found[0]))


SMUGGLED: list[Callable[..., Any]] = [
    an_alias, an_alias_in_a_list, two_names_at_once, a_view, put_in_a_comprehension, put_in_a_lambda,
    put_by_another_function, set_in_a_comprehension, bound_after_a_lambda, bound_first_after_a_lambda,
    perhaps_set_anew, perhaps_set_anew_in_a_condition,
    bound_after_a_generator, passed_on_round_by_round, a_constant_that_is_emptied,
    lambda loans: loans.select(pl.lit(helper.found)),  # type: ignore[attr-defined]
    lambda loans: loans.select(pl.lit("{0.__globals__[LEAST]}".format(lambda: 0))),  # noqa: UP030, UP032
    lambda loans: loans.select(pl.lit("{0.__globals__[LEAST]}".format_map({"0": lambda: 0}))),
    lambda loans: loans.select(pl.lit(("{0.__globals__[" + "LEAST]}").format(lambda: 0))),
    lambda loans: loans.select(pl.lit((_ for _ in [0]).gi_frame.f_globals["LEAST"])),  # type: ignore[attr-defined]
    lambda loans: loans.select(col("debt").deserialize("race.json")),
    lambda loans: loans.select(col("debt").mine.centred()),  # type: ignore[attr-defined]
    lambda loans: loans.select(never_set),  # type: ignore[name-defined]  # noqa: F821
    lambda loans: loans.select(pl.lit(random.randrange(3))),
]  # fmt: skip


@pytest.mark.parametrize("function", SMUGGLED)
@pytest.mark.parametrize("kind", [PLAN, EAGER])
def test_a_value_that_is_taken_out_of_a_table_in_a_roundabout_way_is_seen(
    function: Callable[..., Any], kind: str
) -> None:
    assert astray(function, {"loans": kind}) is not None


def test_a_constant_that_was_set_anew_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def number(loans: Any) -> Any:
        return loans.select(pl.lit(LEAST))

    def expression(loans: Any) -> Any:
        return loans.select(EDGE)

    assert [astray(each, {"loans": PLAN}) for each in (number, expression)] == [None, None]
    monkeypatch.setitem(globals(), "LEAST", 0.37)
    monkeypatch.setitem(globals(), "EDGE", pl.lit(0.37))
    assert str(astray(number, {"loans": PLAN})).endswith("LEAST")
    assert str(astray(expression, {"loans": PLAN})).endswith("EDGE")


def with_lit(loans: Any) -> Any:
    return loans.select(pl.lit(1), n=divmod(7, 3)[0])


def with_methods(loans: Any) -> Any:
    return loans.select(col("debt").abs()).head(3)


@pytest.mark.parametrize(
    ("holder", "name", "function"),
    [
        (pl, "lit", with_lit),
        (builtins, "divmod", with_lit),
        (pl.Expr, "abs", with_methods),
        (pl.LazyFrame, "head", with_methods),
    ],
)
def test_what_was_put_in_the_place_of_a_function_is_not_taken_for_it(
    holder: Any, name: str, function: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert astray(function, {"loans": PLAN}) is None
    monkeypatch.setattr(holder, name, lambda *given, **named: pl.lit(0.37))
    assert astray(function, {"loans": PLAN}) is not None


def test_a_namespace_that_somebody_added_to_polars_is_not_of_polars() -> None:
    name = "struct_of_mine"
    before = set(pl.Expr._accessors)

    @pl.api.register_expr_namespace(name)
    class Mine:
        def __init__(self, expression: pl.Expr) -> None:
            self.expression = expression

        def abs(self) -> pl.Expr:
            return pl.lit(0.37)

    try:
        function: Callable[..., Any] = lambda loans: loans.select(col("debt").struct_of_mine.abs())  # type: ignore[attr-defined]  # noqa: E731
        assert str(astray(function, {"loans": PLAN})).endswith(".struct_of_mine")
    finally:
        pl.Expr._accessors = before
        del pl.Expr.struct_of_mine  # type: ignore[attr-defined]


class Stateful(str):
    """A text that anybody may set something on."""


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (3, True), ("a", True), (None, True), ((1, "a"), True), (frozenset({1}), True), ([1], False), ({"a": 1}, False),
        (Stateful("a"), False), (object(), False), (([1],), False), (pl.lit(1), False),
    ],
)  # fmt: skip
def test_only_what_nobody_can_change_is_plain(value: object, said: bool) -> None:
    assert is_plain(value) is said


def test_what_came_in_and_is_no_table_stays_out_of_a_plan_also_beside_no_table() -> None:
    assert astray(lambda usual: pl.concat([]).select(pl.lit(usual)), {"usual": OTHER}) is not None


SHARED: list[float] = []


def filled(pipeline: Pipeline, **given: Any) -> bool:
    """Run a pipeline, and say whether all is known of its last step."""
    with TemporaryDirectory() as folder:
        run = run_pipeline(pipeline, given, artifacts=ArtifactStore(Path(folder))).predicate
    assert run["status"] == "succeeded"
    return flow_named(run, "last").is_whole


def with_first(fill: list[float] | None) -> Pipeline:
    """Begin a pipeline whose first step may fill a list by what it sees."""
    pipeline = Pipeline("loans")

    @pipeline.step
    def loans(edges: list[float] = [1.0]) -> pl.DataFrame:  # noqa: B006
        table = pl.DataFrame({"race": [0, 1, 1], "debt": [5.0, 6.0, 7.0]})
        if fill is not None:
            fill.append(float(table["race"].sum()))
        edges.append(float(table["race"].sum()))
        return table

    return pipeline


def test_a_default_that_an_earlier_step_filled_is_not_of_the_code() -> None:
    found: list[float] = []
    for fill in (None, found):
        pipeline = with_first(fill)

        def last(loans: pl.DataFrame, edges: list[float] = found) -> pl.LazyFrame:
            return loans.lazy().filter(col("debt").is_in(edges)).select("debt")

        last.__defaults__ = (found,)
        pipeline.step(last)
        assert not filled(pipeline)


def test_a_list_that_is_given_is_each_step_s_own() -> None:
    pipeline = with_first(None)

    @pipeline.step
    def last(loans: pl.DataFrame, edges: list[float] = [6.0]) -> pl.LazyFrame:  # noqa: B006
        return loans.lazy().filter(col("debt").is_in(edges)).select("debt")

    edges = [7.0]
    assert filled(pipeline)
    assert filled(pipeline, edges=edges)
    assert edges == [7.0]


class Edge:
    """An object that answers by what somebody set."""

    least = 5.0

    def __getattr__(self, name: str) -> float:
        return self.least


def test_a_parameter_that_is_an_object_is_not_of_the_code() -> None:
    pipeline = with_first(None)

    @pipeline.step
    def last(loans: pl.DataFrame, edge: Any = Edge()) -> pl.LazyFrame:  # noqa: B008
        return loans.lazy().filter(col("debt") > edge.real).select("debt")

    assert not filled(pipeline)


class Deceiving(pl.DataFrame):
    """A table whose plan is another one than its own."""

    def lazy(self) -> pl.LazyFrame:
        return super().lazy().with_columns(debt=pl.lit(float(self["race"].sum())))


@pytest.mark.parametrize("way", ["a class", "an attribute"])
def test_a_table_that_answers_as_it_likes_is_not_followed(way: str) -> None:
    pipeline = Pipeline("loans")

    @pipeline.step
    def loans() -> pl.DataFrame:
        plain = pl.DataFrame({"race": [0, 1, 1], "debt": [5.0, 6.0, 7.0]})
        if way == "a class":
            return Deceiving(plain)
        plain.lazy = Deceiving(plain).lazy  # type: ignore[method-assign]
        return plain

    @pipeline.step
    def last(loans: pl.DataFrame) -> pl.LazyFrame:
        return loans.lazy().select("debt")

    assert not filled(pipeline)


def test_a_constant_that_was_filled_before_the_step_and_emptied_by_it_is_none() -> None:
    pipeline = with_first(SHARED)

    @pipeline.step
    def last(loans: pl.DataFrame) -> pl.LazyFrame:
        held = SHARED
        plan = loans.lazy().filter(col("debt").is_in(list(held))).select("debt")
        held.clear()
        return plan

    assert not filled(pipeline)
