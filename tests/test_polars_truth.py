"""Of no plan does lineage say that a column stays out which moves what comes out: tried by changing that column.

The plans are run again with another `race`, in one table and in the other. Where rows or cells move, lineage has to
have a path from it, or to say that it does not know. A plan that a step only builds must not be unknown, else lineage
would be right and of no use.
"""

from functools import cache
from random import Random

import polars as pl
import pytest

from registry.flows import Flow
from registry.plan_code import PLAN, astray
from registry.polars_memory import Held
from registry.polars_plan import plan_flow
from registry.relations import NotUnderstood
from tests.polars_expressions import LOOKING, PLAIN, Plan

ROWS = 40
NOT_READ = frozenset({
    "dyn", "listeval", "merge_sorted", "over join", "right", "rolling expr", "unnest", "unnest2", "withfields",
})  # fmt: skip
"""Plans that are refused, though the step only builds them."""

Tables = tuple[pl.DataFrame, pl.DataFrame]


def race(seed: int) -> tuple[int, ...]:
    """Draw the column anew; two are of one value throughout."""
    constant = {5: 0, 6: 1}
    if seed in constant:
        return (constant[seed],) * ROWS
    random = Random(seed)
    return tuple(random.randrange(3) for _ in range(ROWS))


@cache
def tables(mine: tuple[int, ...], others: tuple[int, ...]) -> Tables:
    random = Random(99)
    first = pl.DataFrame(
        {
            "id": range(ROWS),
            "race": mine,
            "income": [float(random.randrange(1, 50)) for _ in range(ROWS)],
            "debt": [float(random.randrange(1, 50)) for _ in range(ROWS)],
            "g": [random.randrange(4) for _ in range(ROWS)],
            "tags": [[random.randrange(5) for _ in range(3)] for _ in range(ROWS)],
            "txt": [str(random.randrange(9)) for _ in range(ROWS)],
        }
    )
    first = first.with_columns(
        s=pl.struct(race="race", y="id"), when=pl.date(2020, 1, 1) + pl.duration(days=pl.col("id"))
    )
    second = pl.DataFrame(
        {
            "id": random.sample(range(ROWS), ROWS),
            "race": others,
            "x": [random.randrange(9) for _ in range(ROWS)],
        }
    )
    return first, second


def run(plan: Plan, of: Tables) -> pl.DataFrame | None:
    """Run a plan over two tables; None where it does not bear them."""
    try:
        return plan(of[0].lazy(), of[1].lazy()).collect()
    except (pl.exceptions.PolarsError, ValueError, IndexError):
        return None


def flow_of(plan: Plan, of: Tables) -> Flow | None:
    """Read a plan; None where it is not understood."""
    held = Held({"t": of[0], "u": of[1]})
    try:
        return plan_flow(
            plan(of[0].lazy(), of[1].lazy()), held, "made", "made", astray(plan, {"t": PLAN, "u": PLAN})
        )
    except NotUnderstood:
        return None


def moved(plan: Plan, table: str) -> tuple[set[str], bool]:
    """Say which columns of what comes out move with `race`, and whether the rows do."""
    base = race(0)
    first = run(plan, tables(base, base))
    assert first is not None
    columns: set[str] = set()
    for seed in range(1, 7):
        other = race(seed)
        again = run(plan, tables(other, base) if table == "t" else tables(base, other))
        if again is None or again.shape != first.shape or again.columns != first.columns:
            return columns, True
        columns |= {name for name in first.columns if not first[name].equals(again[name])}
    return columns, False


def wrong_noes(plan: Plan, flow: Flow) -> list[str]:
    """Name what moves with `race` though lineage says that all is known, and knows no path from it."""
    wrong = []
    for table in ("t", "u"):
        # A struct that holds the column is one column, and stands for it.
        sources = {(table, "race"), (table, "s")}
        known = {link.column for link in flow.links if (link.part, link.source) in sources}
        if None in known or not flow.rows_complete:
            continue
        columns, rows = moved(plan, table)
        wrong += [f"{table}.race -> {name}" for name in sorted((columns - known) & flow.complete)]
        wrong += [f"{table}.race -> rows"] if rows else []
    return wrong


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [*PLAIN, *LOOKING])
def test_nothing_that_moves_with_a_column_is_said_to_be_independent_of_it(name: str) -> None:
    plan = {**PLAIN, **LOOKING}[name]
    flow = flow_of(plan, tables(race(0), race(0)))
    if flow is not None:
        assert wrong_noes(plan, flow) == []


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", PLAIN)
def test_plans_that_are_only_built_are_known_but_for_those_listed(name: str) -> None:
    flow = flow_of(PLAIN[name], tables(race(0), race(0)))
    assert (flow is None) == (name in NOT_READ)
    assert flow is None or flow.is_whole


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", LOOKING)
def test_a_step_that_looks_at_its_tables_leaves_its_plan_open(name: str) -> None:
    flow = flow_of(LOOKING[name], tables(race(0), race(0)))
    assert flow is None or (flow.complete == frozenset() and not flow.rows_complete)
