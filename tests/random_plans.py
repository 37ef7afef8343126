"""Random polars plans over two small tables, and what moves in them: an oracle for the lineage of plans.

A plan is a number: the same one is built over any tables of these columns. Rows that a plan may give in any order are
asked for in a fixed one, and ties are broken, so that nothing moves by itself.

`python -m tests.random_plans FIRST COUNT` tries as many as one likes, some 60 in a second.

>>> plan = built(7, *tables(0).values())
"""

import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from random import Random
from typing import Any, Final

import polars as pl
import polars.selectors as cs

from registry.flows import Flow
from registry.polars_memory import Held
from registry.polars_plan import plan_flow
from registry.relations import NotUnderstood
from tests.random_expressions import LIST, NUMBER, STRUCT, TEXT, TRUTH, Expressions

__all__ = ["CHANGES", "Tables", "built", "changed", "flow_of", "main", "run", "tables", "wrong_noes"]

Tables = Mapping[str, pl.DataFrame]

ROWS: Final = 12
CHANGES: Final = ("permuted", "drawn anew", "of one value", "missing")
FAILURES: Final = (pl.exceptions.PolarsError, TypeError, ValueError, IndexError, OverflowError)


def tables(seed: int) -> Tables:
    """Make the two tables, anew for each seed."""
    random = Random(seed)
    return {"t": _table(random, ROWS, ""), "u": _table(random, ROWS - 3, "u")}


def _table(random: Random, rows: int, more: str) -> pl.DataFrame:
    makers: dict[str, Callable[[], list[Any]]] = {
        "id": lambda: random.sample(range(rows), rows),
        "race": lambda: [random.randrange(3) for _ in range(rows)],
        f"x{more}": lambda: [random.choice([None, *range(1, 9)]) for _ in range(rows)],
        f"f{more}": lambda: [random.choice([None, 0.5, 1.5, 2.5, 4.0, -1.0]) for _ in range(rows)],
        "b": lambda: [random.choice([True, False, None]) for _ in range(rows)],
        "txt": lambda: [random.choice(["a", "B b", "c-1", "12", "", None]) for _ in range(rows)],
        "d": lambda: [date(2020, 1, 1) + timedelta(days=random.randrange(60)) for _ in range(rows)],
        "l": lambda: [[random.randrange(5) for _ in range(random.randrange(1, 4))] for _ in range(rows)],
        "s": lambda: [{"p": random.randrange(4), "q": random.choice("xyz")} for _ in range(rows)],
    }
    return pl.DataFrame({name: make() for name, make in makers.items()})


def changed(table: pl.DataFrame, column: str, how: str, seed: int) -> pl.DataFrame:
    """Change one column of a table and nothing else."""
    random = Random(f"{column} {how} {seed}")
    values = table[column].to_list()
    match how:
        case "permuted":
            random.shuffle(values)
        case "drawn anew":
            values = [random.choice(values) for _ in values]
        case "of one value":
            values = [values[0]] * len(values)
        case _:
            values = [None if random.random() < 0.5 else value for value in values]
    return table.with_columns(pl.Series(column, values, dtype=table[column].dtype))


def run(plan: pl.LazyFrame) -> pl.DataFrame | None:
    """Run a plan; None where it does not bear its tables."""
    try:
        return plan.collect(engine="in-memory")
    except FAILURES:
        return None


def flow_of(plan: pl.LazyFrame, of: Tables) -> Flow | None:
    """Read a plan; None where it is not understood."""
    try:
        return plan_flow(plan, Held(of), "made", "made", None)
    except NotUnderstood:
        return None


def wrong_noes(seed: int, of: Tables, most: int = 10) -> list[str] | None:
    """Name what moves in a plan though lineage says that all is known and has no path to it; None of no plan.

    At most so many changes of a column are tried: those to which lineage says that something is not linked.
    """
    plan = built(seed, *of.values())
    first = run(plan)
    if first is None or not first.width:
        return None
    flow = flow_of(plan, of)
    if flow is None or not flow.rows_complete:
        return None if flow is None else []
    doubted = list(_said_to_stay_out(flow, of))
    found = []
    for part, column, how in Random(seed).sample(doubted, min(most, len(doubted))):
        other = {**of, part: changed(of[part], column, how, seed)}
        again = run(built(seed, *other.values()))
        if again is None:
            continue
        known = {link.column for link in flow.links if (link.part, link.source) == (part, column)}
        moved = _moved(first, again)
        if moved is None:
            found.append(f"{part}.{column} ({how}) -> rows")
        else:
            found += [
                f"{part}.{column} ({how}) -> {name}" for name in sorted((moved - known) & flow.complete)
            ]
    return found if found and _is_settled(seed, of, first) else []


def _is_settled(seed: int, of: Tables, first: pl.DataFrame) -> bool:
    """Say whether a plan gives the same each time: what moves by itself shows nothing."""
    again = [run(built(seed, *of.values())) for _ in range(40)]
    return all(each is not None and first.equals(each) for each in again)


def _said_to_stay_out(flow: Flow, of: Tables) -> Iterator[tuple[str, str, str]]:
    """Yield the changes of a column that decides no rows and is not behind every column."""
    behind: dict[tuple[str, str], set[str | None]] = {}
    for link in flow.links:
        behind.setdefault((link.part, link.source), set()).add(link.column)
    for part, table in of.items():
        for column in table.columns:
            known = behind.get((part, column), set())
            if None not in known and flow.complete - known:
                yield from ((part, column, how) for how in CHANGES)


def _moved(first: pl.DataFrame, again: pl.DataFrame) -> set[str] | None:
    """Name the columns that differ; None where the rows do."""
    if first.shape != again.shape or first.columns != again.columns:
        return None
    return {name for name in first.columns if not first[name].equals(again[name])}


def built(seed: int, t: pl.DataFrame, u: pl.DataFrame) -> pl.LazyFrame:
    """Build the plan of a number over two tables."""
    building = _Building(Random(seed), t.lazy(), u.lazy())
    return building.plan()


class _Building:
    """The building of one plan, operation by operation; what polars refuses is left out."""

    def __init__(self, random: Random, t: pl.LazyFrame, u: pl.LazyFrame) -> None:
        self.random = random
        self.bases = (t, u)

    def plan(self) -> pl.LazyFrame:
        """Build a plan of up to six operations."""
        return self._grown(self.random.choice(self.bases), self.random.randrange(1, 7))

    def _grown(self, plan: pl.LazyFrame, count: int) -> pl.LazyFrame:
        for _ in range(count):
            operation = self.random.choice(OPERATIONS)
            try:
                schema = plan.collect_schema()
                made = operation(self, plan, Expressions(self.random, schema))
                if made.collect_schema():
                    plan = made
            except FAILURES:
                continue
        return plan

    def other(self) -> pl.LazyFrame:
        """Build a smaller plan, to be joined with."""
        return self._grown(self.random.choice(self.bases), self.random.randrange(3))

    def names(self, e: Expressions) -> list[str]:
        """Choose some columns."""
        return self.random.sample(e.names, self.random.randrange(1, len(e.names) + 1))


Operation = Callable[[_Building, pl.LazyFrame, Expressions], pl.LazyFrame]


def _joined(b: _Building, plan: pl.LazyFrame, e: Expressions) -> pl.LazyFrame:
    other = b.other()
    theirs = Expressions(b.random, other.collect_schema())
    how: Any = b.random.choice(["inner", "left", "full", "semi", "anti"])
    more: dict[str, Any] = (
        {} if how in ("semi", "anti") else {"coalesce": b.random.choice([None, True, False])}
    )
    more["maintain_order"] = "left_right"
    return plan.join(
        other, left_on=e.column(NUMBER), right_on=theirs.column(NUMBER), how=how, nulls_equal=b.random.random() < 0.3,
        suffix=b.random.choice(["_right", "_2"]), **more,
    )  # fmt: skip


def _asof(b: _Building, plan: pl.LazyFrame, e: Expressions) -> pl.LazyFrame:
    other = b.other()
    theirs = Expressions(b.random, other.collect_schema())
    mine, their = e.column(NUMBER), theirs.column(NUMBER)
    by = {"by_left": e.key(), "by_right": theirs.key()} if b.random.random() < 0.4 else {}
    names: dict[str, Any] = {name: key.meta.output_name() for name, key in by.items()}
    return plan.sort(mine, *map(pl.col, e.names[:2]), maintain_order=True).join_asof(
        other.sort(their, maintain_order=True), left_on=mine, right_on=their,
        strategy=b.random.choice(["backward", "forward", "nearest"]), **names,
    )  # fmt: skip


def _grouped(b: _Building, plan: pl.LazyFrame, e: Expressions) -> pl.LazyFrame:
    made = [
        (e.one(2) if b.random.random() < 0.7 else e.many(2)).alias(f"a{n}")
        for n in range(b.random.randrange(1, 3))
    ]
    key = e.key() if b.random.random() < 0.7 else e.of(NUMBER, 1).alias("key")
    return plan.group_by(key, maintain_order=True).agg(*made)


def _selected(b: _Building, plan: pl.LazyFrame, e: Expressions) -> pl.LazyFrame:
    draw = b.random.random()
    if draw < 0.5:
        return plan.select(b.names(e))
    if draw < 0.8:
        return plan.select(e.any(2).alias(f"e{n}") for n in range(b.random.randrange(1, 4)))
    if draw < 0.9:
        return plan.select(e.one(2).alias(f"o{n}") for n in range(b.random.randrange(1, 3)))
    return plan.select(e.many(2).alias("m"), *([pl.lit(1).alias("k")] if b.random.random() < 0.4 else []))


def _stacked(b: _Building, plan: pl.LazyFrame, e: Expressions) -> pl.LazyFrame:
    how = b.random.choice(["diagonal_relaxed", "horizontal", "vertical_relaxed", "align_left"])
    other = b.other()
    if how == "horizontal":
        theirs = other.collect_schema().names()
        other = other.rename({name: f"{name}_h" for name in theirs})
    elif how == "vertical_relaxed":
        other = other.select(Expressions(b.random, other.collect_schema()).of(NUMBER, 1).alias("v"))
        plan = plan.select(e.of(NUMBER, 1).alias("v"))
    return pl.concat([plan, other], how=how)  # type: ignore[arg-type]


OPERATIONS: Final[list[Operation]] = [
    lambda b, p, e: p.with_columns(e.any(3).alias(b.random.choice(["n", "m", *e.names]))),
    lambda b, p, e: p.with_columns(e.any(2).alias("n"), e.any(2).alias("m")),
    lambda b, p, e: p.with_columns(e.one(2).alias("one")),
    _selected,
    _selected,
    _selected,
    lambda b, p, e: p.filter(e.of(TRUTH, 2)),
    lambda b, p, e: p.remove(e.of(TRUTH, 1)),
    _joined,
    _joined,
    _joined,
    _asof,
    _grouped,
    _grouped,
    _stacked,
    lambda b, p, e: p.join(b.other().head(2), how="cross", maintain_order="left_right"),
    lambda b, p, e: p.join_where(b.bases[1], e.column(NUMBER) > pl.col("xu")),
    lambda b, p, e: p.unique(b.names(e)[:2], keep=b.random.choice(["first", "last", "none"]), maintain_order=True),
    lambda b, p, e: p.sort(*(e.any(1) for _ in range(2)), maintain_order=True, nulls_last=b.random.random() < 0.5),
    lambda b, p, e: p.sort(e.column(NUMBER), descending=True, maintain_order=True),
    lambda b, p, e: p.explode(e.column(LIST).meta.output_name()),
    lambda b, p, e: p.unpivot(e.by_kind.get(NUMBER, [])[:2], index=b.names(e)[:2]),
    lambda b, p, e: p.unpivot(e.by_kind.get(TEXT)),
    lambda b, p, e: p.slice(b.random.randrange(-3, 3), 4),
    lambda b, p, e: p.tail(5),
    lambda b, p, e: p.with_row_index(b.random.choice(["row", "index"])),
    lambda b, p, e: p.drop_nulls(b.names(e)[:2]),
    lambda b, p, e: p.rename(dict(zip(b.random.sample(e.names, 2), b.random.sample(e.names, 2), strict=True))),
    lambda b, p, e: p.top_k(3, by=[e.column(NUMBER), *map(pl.col, e.by_kind.get(NUMBER, []))]),
    lambda b, p, e: p.cache(),
    lambda b, p, e: p.shift(1),
    lambda b, p, e: p.reverse(),
    lambda b, p, e: p.fill_null(0),
    lambda b, p, e: p.fill_null(strategy="forward"),
    lambda b, p, e: p.gather_every(2, offset=1),
    lambda b, p, e: p.update(b.bases[1], on="id", how=b.random.choice(["left", "inner", "full"])),
    lambda b, p, e: p.drop(b.names(e)[:2]),
    lambda b, p, e: p.null_count(),
    lambda b, p, e: p.group_by(e.key(), maintain_order=True).head(1),
    lambda b, p, e: p.group_by(e.key(), maintain_order=True).len(),
    lambda b, p, e: p.select(cs.numeric().sum()),
    lambda b, p, e: p.select(pl.all().name.suffix("_s")),
    lambda b, p, e: p.with_columns(cs.numeric().cum_sum().name.prefix("c_")),
    lambda b, p, e: p.select(pl.all().sort_by(e.of(NUMBER, 1), e.column(NUMBER), maintain_order=True)),
    lambda b, p, e: p.unnest(e.by_kind[STRUCT][0]) if STRUCT in e.by_kind else p,
    lambda b, p, e: p.select(e.of(STRUCT, 1).struct.unnest()),
    lambda b, p, e: p.pivot(
        "race", on_columns=[0, 1, 2], index=e.names[0], values=e.names[-1],
        aggregate_function="sum", maintain_order=True,
    ),
    lambda b, p, e: p.set_sorted(e.names[0]),
    lambda b, p, e: p.quantile(0.5),
    lambda b, p, e: p.last(),
]  # fmt: skip


def main(first: int, count: int) -> int:
    """Try so many plans from a number on; returns how many say a wrong no, which are printed."""
    wrong = tried = 0
    for seed in range(first, first + count):
        try:
            found = wrong_noes(seed, tables(seed % 50))
        except pl.exceptions.PanicException:
            continue  # polars itself gave up
        tried += found is not None
        wrong += bool(found)
        for each in found or ():
            print(f"{seed}: {each}")
    print(f"{tried} plans of {count} were tried, and {wrong} say a wrong no")
    return wrong


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    sys.exit(min(main(*map(int, sys.argv[1:] or ("0", "10000"))), 1))
