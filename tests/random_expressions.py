"""Random expressions of polars over the columns of a plan: element by element, of one value, and of any number.

>>> expressions = Expressions(Random(1), table.lazy().collect_schema())    # doctest: +SKIP
>>> expressions.of(NUMBER, 2)                                              # doctest: +SKIP
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from random import Random
from typing import Any, Final

import polars as pl
import polars.selectors as cs

__all__ = ["DATE", "LIST", "NUMBER", "STRUCT", "TEXT", "TRUTH", "Expressions"]

NUMBER, TRUTH, TEXT, DATE, LIST, STRUCT = "number", "truth", "text", "date", "list", "struct"


def _kind(dtype: pl.DataType) -> str | None:
    if dtype.is_numeric():
        return NUMBER
    kinds = {pl.Boolean: TRUTH, pl.String: TEXT, pl.Date: DATE, pl.List: LIST, pl.Struct: STRUCT}
    return next((kind for base, kind in kinds.items() if dtype == base), None)


class Expressions:
    """Random expressions over the columns of one plan, of the kind that is asked for."""

    def __init__(self, random: Random, schema: pl.Schema) -> None:
        self.random = random
        self.by_kind: dict[str, list[str]] = {}
        for name, dtype in schema.items():
            if (kind := _kind(dtype)) is not None:
                self.by_kind.setdefault(kind, []).append(name)
        self.names = list(schema)

    def of(self, kind: str, depth: int) -> pl.Expr:
        """Make an expression of as many values as there are rows."""
        if depth <= 0:
            return self._leaf(kind)
        return self.random.choice(ELEMENTWISE[kind])(self, depth - 1)

    def one(self, depth: int) -> pl.Expr:
        """Make an expression of one value."""
        return self.random.choice(AGGREGATES)(self, depth - 1)

    def many(self, depth: int) -> pl.Expr:
        """Make an expression of who knows how many values."""
        return self.random.choice(LENGTHS)(self, depth - 1)

    def any(self, depth: int) -> pl.Expr:
        """Make an expression of any kind."""
        return self.of(self.random.choice([NUMBER, NUMBER, TRUTH, TEXT, *self.by_kind]), depth)

    def column(self, *kinds: str) -> pl.Expr:
        """Choose a column, of one of these kinds if there is one."""
        return pl.col(
            self.random.choice([n for kind in kinds for n in self.by_kind.get(kind, ())] or self.names)
        )

    def key(self) -> pl.Expr:
        """Choose a column to group by."""
        return self.column(NUMBER, TRUTH, TEXT)

    def _leaf(self, kind: str) -> pl.Expr:
        literals: Mapping[str, Sequence[Any]] = {
            NUMBER: [0, 1, 2.5], TRUTH: [True, False], TEXT: ["a", "B"], DATE: [date(2020, 1, 15)], LIST: [[1, 2]],
            STRUCT: [{"p": 1, "q": "x"}],
        }  # fmt: skip
        if kind in self.by_kind and self.random.random() < 0.85:
            return self.column(kind)
        return pl.lit(self.random.choice(literals[kind]), allow_object=False)


Make = Callable[[Expressions, int], pl.Expr]


def _n(e: Expressions, d: int) -> pl.Expr:
    return e.of(NUMBER, d)


def _p(e: Expressions, d: int) -> pl.Expr:
    return e.of(TRUTH, d)


def _s(e: Expressions, d: int) -> pl.Expr:
    return e.of(TEXT, d)


def _l(e: Expressions, d: int) -> pl.Expr:
    return e.of(LIST, d)


def _whole(e: Expressions, d: int) -> pl.Expr:
    return _n(e, d).fill_null(0).cast(pl.Int64, strict=False).abs() % 5


ELEMENTWISE: Final[dict[str, list[Make]]] = {
    NUMBER: [
        lambda e, d: e.column(NUMBER),
        lambda e, d: _n(e, d) + _n(e, d),
        lambda e, d: _n(e, d) * e.one(d),
        lambda e, d: _n(e, d).sum().over(e.key()),
        lambda e, d: _n(e, d).cum_sum(reverse=e.random.random() < 0.3),
        lambda e, d: _n(e, d).cum_max().over(e.key()),
        lambda e, d: _n(e, d).rank("ordinal").over(e.key()),
        lambda e, d: _n(e, d).rank(e.random.choice(["dense", "min", "average"])),
        lambda e, d: _n(e, d).shift(e.random.choice([1, -2]), fill_value=e.random.choice([None, 7])),
        lambda e, d: _n(e, d).shift(1).over(e.key(), order_by=e.column(NUMBER)),
        lambda e, d: _n(e, d).diff(),
        lambda e, d: _n(e, d).fill_null(_n(e, d)),
        lambda e, d: _n(e, d).fill_null(strategy=e.random.choice(["forward", "backward", "mean", "zero", "max"])),
        lambda e, d: _n(e, d).forward_fill().over(e.key()),
        lambda e, d: pl.when(_p(e, d)).then(_n(e, d)).otherwise(_n(e, d)),
        lambda e, d: pl.when(_p(e, d)).then(_n(e, d)).when(_p(e, d)).then(_n(e, d)),
        lambda e, d: pl.coalesce(_n(e, d), _n(e, d)),
        lambda e, d: pl.sum_horizontal(_n(e, d), _n(e, d)),
        lambda e, d: pl.max_horizontal(_n(e, d), _n(e, d)),
        lambda e, d: pl.sum_horizontal(cs.numeric()),
        lambda e, d: pl.len().over(e.key()),
        lambda e, d: pl.int_range(pl.len()),
        lambda e, d: pl.int_range(pl.len()).over(e.key()),
        lambda e, d: pl.col("id").count().over(e.key()) if "id" in e.names else e.column(NUMBER),
        lambda e, d: _s(e, d).str.len_chars(),
        lambda e, d: _s(e, d).str.to_integer(strict=False),
        lambda e, d: _s(e, d).cast(pl.Categorical).to_physical(),
        lambda e, d: _l(e, d).list.len(),
        lambda e, d: _l(e, d).list.sum(),
        lambda e, d: _l(e, d).list.get(_whole(e, d), null_on_oob=True),
        lambda e, d: e.of(STRUCT, d).struct.field("p"),
        lambda e, d: e.of(DATE, d).dt.day(),
        lambda e, d: (e.of(DATE, d) - e.of(DATE, d)).dt.total_days(),
        lambda e, d: _n(e, d).clip(_n(e, d), e.one(d)),
        lambda e, d: _n(e, d).replace({1: 2, 2: 7}),
        lambda e, d: _n(e, d).replace_strict({1: 2, 2: 7}, default=_n(e, d)),
        lambda e, d: _n(e, d).sort_by(_n(e, d), e.column(NUMBER), maintain_order=True),
        lambda e, d: _n(e, d).sort(),
        lambda e, d: _n(e, d).reverse(),
        lambda e, d: _n(e, d).gather(pl.int_range(pl.len()).reverse()),
        lambda e, d: _n(e, d).rle_id(),
        lambda e, d: _n(e, d).rolling_mean(3, min_samples=1),
        lambda e, d: _n(e, d).rolling_sum_by(e.column(DATE), "3d"),
        lambda e, d: _n(e, d).ewm_mean(alpha=0.5),
        lambda e, d: _n(e, d).interpolate(),
        lambda e, d: _n(e, d).pct_change(),
        lambda e, d: _n(e, d).cum_count(),
        lambda e, d: _n(e, d).hash(3) % 11,
        lambda e, d: _n(e, d).arg_sort(),
        lambda e, d: _n(e, d).search_sorted(_n(e, d)) if e.random.random() < 0.2 else _n(e, d).abs(),
        lambda e, d: _n(e, d).cut([1, 3]).to_physical(),
        lambda e, d: _n(e, d).is_in(_n(e, d).implode()).cast(pl.Int8),
        lambda e, d: _n(e, d).filter(_p(e, d)).sum().over(e.key()),
        lambda e, d: _n(e, d).sort_by(e.column(NUMBER), "id").first().over(e.key()) if "id" in e.names else _n(e, d),
        lambda e, d: _n(e, d).top_k_by(_n(e, d), 2).sum().over(e.key()),
    ],
    TRUTH: [
        lambda e, d: e.column(TRUTH),
        lambda e, d: _n(e, d) > _n(e, d),
        lambda e, d: _n(e, d) == e.one(d),
        lambda e, d: _p(e, d) & _p(e, d),
        lambda e, d: ~_p(e, d),
        lambda e, d: pl.any_horizontal(_p(e, d), _p(e, d)),
        lambda e, d: e.any(d).is_null(),
        lambda e, d: e.any(d).is_null().any().over(e.key()),
        lambda e, d: e.column(NUMBER, TEXT).is_duplicated(),
        lambda e, d: e.column(NUMBER, TEXT).is_first_distinct(),
        lambda e, d: pl.struct(e.key(), e.key().alias("other")).is_unique(),
        lambda e, d: _n(e, d).is_between(_n(e, d), _n(e, d)),
        lambda e, d: _n(e, d).is_in([1, 2]),
        lambda e, d: _s(e, d).str.contains("a"),
        lambda e, d: _l(e, d).list.contains(_whole(e, d)),
        lambda e, d: _p(e, d).all().over(e.key()),
        lambda e, d: _p(e, d).shift(1),
    ],
    TEXT: [
        lambda e, d: e.column(TEXT),
        lambda e, d: _s(e, d).str.to_uppercase(),
        lambda e, d: pl.concat_str(_s(e, d), _n(e, d), separator="-", ignore_nulls=True),
        lambda e, d: pl.format("{}/{}", _s(e, d), _n(e, d)),
        lambda e, d: _n(e, d).cast(pl.String),
        lambda e, d: pl.when(_p(e, d)).then(_s(e, d)).otherwise(_s(e, d)),
        lambda e, d: _s(e, d).str.replace("a", _s(e, d)),
        lambda e, d: _s(e, d).str.slice(_whole(e, d), 1),
        lambda e, d: _s(e, d).str.split("-").list.first(),
        lambda e, d: _s(e, d).fill_null(_s(e, d)),
        lambda e, d: e.of(STRUCT, d).struct.field("q"),
        lambda e, d: _s(e, d).first().over(e.key()),
        lambda e, d: _s(e, d).max().over(e.key()),
        lambda e, d: e.of(DATE, d).dt.strftime("%m"),
        lambda e, d: _l(e, d).cast(pl.List(pl.String)).list.join("+"),
        lambda e, d: _s(e, d).str.extract(r"(\w)", 1),
    ],
    DATE: [
        lambda e, d: e.column(DATE),
        lambda e, d: e.of(DATE, d) + pl.duration(days=_whole(e, d)),
        lambda e, d: e.of(DATE, d).dt.truncate("1w"),
        lambda e, d: e.of(DATE, d).min().over(e.key()),
        lambda e, d: pl.when(_p(e, d)).then(e.of(DATE, d)).otherwise(e.of(DATE, d)),
        lambda e, d: e.of(DATE, d).shift(1),
        lambda e, d: pl.date(2020, 1 + _whole(e, d), 3),
    ],
    LIST: [
        lambda e, d: e.column(LIST),
        lambda e, d: pl.concat_list(_n(e, d), _n(e, d)).cast(pl.List(pl.Int64), strict=False),
        lambda e, d: _whole(e, d).repeat_by(_whole(e, d)),
        lambda e, d: pl.int_ranges(0, _whole(e, d)),
        lambda e, d: _l(e, d).list.sort(),
        lambda e, d: _l(e, d).list.head(_whole(e, d)),
        lambda e, d: _l(e, d).list.set_union(_l(e, d)),
        lambda e, d: _l(e, d).list.gather_every(2),
        lambda e, d: _l(e, d).list.concat(_l(e, d)),
        lambda e, d: _l(e, d).shift(1),
        lambda e, d: _whole(e, d).over(e.key(), mapping_strategy="join"),
    ],
    STRUCT: [
        lambda e, d: e.column(STRUCT),
        lambda e, d: pl.struct(_n(e, d).alias("p"), _s(e, d).alias("q")),
        lambda e, d: pl.when(_p(e, d)).then(e.of(STRUCT, d)).otherwise(e.of(STRUCT, d)),
        lambda e, d: e.of(STRUCT, d).struct.rename_fields(["p", "q"]),
        lambda e, d: e.of(STRUCT, d).shift(1),
        lambda e, d: e.of(STRUCT, d).struct.with_fields(p=_n(e, d)),
    ],
}  # fmt: skip

AGGREGATES: Final[list[Make]] = [
    lambda e, d: _n(e, d).sum(),
    lambda e, d: _n(e, d).mean(),
    lambda e, d: _n(e, d).max(),
    lambda e, d: _n(e, d).first(),
    lambda e, d: _n(e, d).last(),
    lambda e, d: _n(e, d).quantile(0.4),
    lambda e, d: _n(e, d).std(),
    lambda e, d: _n(e, d).filter(_p(e, d)).count(),
    lambda e, d: _n(e, d).filter(_p(e, d)).sum(),
    lambda e, d: _n(e, d).drop_nulls().len(),
    lambda e, d: _n(e, d).sort_by(_n(e, d), e.column(NUMBER), maintain_order=True).last(),
    lambda e, d: _n(e, d).n_unique(),
    lambda e, d: _n(e, d).arg_max(),
    lambda e, d: _n(e, d).null_count(),
    lambda e, d: pl.len(),
    lambda e, d: pl.len().filter(_p(e, d)),
    lambda e, d: _p(e, d).sum(),
    lambda e, d: _n(e, d).get(0),
    lambda e, d: pl.corr(_n(e, d), _n(e, d)).fill_nan(0).round(6),
    lambda e, d: _n(e, d).product(),
    lambda e, d: _n(e, d).max_by(_n(e, d)) if hasattr(pl.Expr, "max_by") else _n(e, d).max(),
    lambda e, d: _n(e, d).head(_whole(e, d).sum()).sum(),
    lambda e, d: _n(e, d).top_k(2).sum(),
    lambda e, d: _n(e, d).append(_n(e, d).filter(_p(e, d))).len(),
]

LENGTHS: Final[list[Make]] = [
    lambda e, d: _n(e, d).filter(_p(e, d)),
    lambda e, d: e.any(d).drop_nulls(),
    lambda e, d: e.key().unique(maintain_order=True),
    lambda e, d: _n(e, d).head(_whole(e, d).max()),
    lambda e, d: _n(e, d).slice(_whole(e, d).min(), 3),
    lambda e, d: _l(e, d).explode(),
    lambda e, d: _n(e, d).append(_n(e, d)),
    lambda e, d: _n(e, d).gather(_whole(e, d).filter(_p(e, d))),
    lambda e, d: e.key().mode().sort(),
    lambda e, d: e.key().value_counts(sort=True).struct.field("count"),
    lambda e, d: e.key().unique_counts(),
    lambda e, d: e.key().rle().struct.field("len"),
    lambda e, d: pl.arg_where(_p(e, d)),
    lambda e, d: _n(e, d).arg_unique(),
    lambda e, d: _n(e, d).gather_every(2),
    lambda e, d: _n(e, d).top_k(3),
    lambda e, d: pl.int_range(_whole(e, d).sum()),
    lambda e, d: pl.repeat(1, _whole(e, d).sum()),
    lambda e, d: _n(e, d).implode(),
    lambda e, d: _n(e, d).hist(bin_count=3),
    lambda e, d: e.key().sample(3, seed=1),
]
