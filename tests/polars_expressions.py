"""Plans of polars of every kind: those that a step only builds, and those into which Python puts what it looked at.

Each gives the same rows whenever it runs over the same tables: of ties polars takes any, so whatever sorts or picks
goes on to `id`. A row that moved by itself would look as if a column had moved it.
"""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import polars as pl

__all__ = ["LOOKING", "PLAIN", "Plan"]

Plan = Callable[[Any, Any], pl.LazyFrame]
col = pl.col


def total(table: Any) -> Any:
    """Look at a column, as a step may do before it builds its plan."""
    return table.collect()["race"].sum()


def numbers(table: Any) -> Any:
    """Look at all of a column."""
    return table.collect()["race"].to_list()


PLAIN: dict[str, Plan] = {
    "shift fill": lambda t, u: t.select(z=col("income").shift(1, fill_value=col("race").max())),
    "filter len": lambda t, u: t.select(col("income").filter(col("race") == 1)).select(pl.len().alias("n")),
    "filter rowidx": lambda t, u: (
        t.select(col("income").filter(col("race") == 1)).with_row_index("i").select("i")
    ),
    "unique len": lambda t, u: t.select(col("race").unique()).select(pl.len().alias("n")),
    "unique rowidx": lambda t, u: (
        t.select(col("race").unique(maintain_order=True)).with_row_index("i").select("i")
    ),
    "mode len": lambda t, u: t.select(col("race").mode()).select(pl.len().alias("n")),
    "head race": lambda t, u: t.select(col("income").head(col("race").sum())).select(pl.len().alias("n")),
    "filter lit": lambda t, u: t.select(col("income").filter(col("race") == 1), pl.lit(1).alias("one")),
    "drop nulls": lambda t, u: t.select(pl.when(col("race") == 1).then(col("income")).drop_nulls()).select(
        pl.len().alias("n")
    ),
    "explode rep": lambda t, u: t.select(col("income").repeat_by(col("race")).explode()).select(
        pl.len().alias("n")
    ),
    "groupby filter": lambda t, u: (
        t.group_by("g", maintain_order=True)
        .agg(col("income").filter(col("race") == 1))
        .explode("income")
        .select(pl.len())
    ),
    "agg filt len": lambda t, u: t.group_by("g", maintain_order=True).agg(
        col("income").filter(col("race") == 1).len()
    ),
    "agg when len": lambda t, u: t.group_by("g", maintain_order=True).agg(pl.len().filter(col("race") == 1)),
    "len over": lambda t, u: t.select("income", n=pl.len().over("race")),
    "rank over": lambda t, u: t.select("income", n=col("income").rank().over("race")),
    "sortby": lambda t, u: t.select(col("income").sort_by("race", "id")),
    "sortby head": lambda t, u: t.select(col("income").sort_by("race", "id").head(5)),
    "semi": lambda t, u: t.join(u.filter(col("race") == 1), on="id", how="semi").select("income"),
    "anti": lambda t, u: t.join(u, on="race", how="anti").select("income"),
    "left": lambda t, u: t.join(u, on="id", how="left", maintain_order="left_right").select("race_right"),
    "full": lambda t, u: t.join(u, on="id", how="full", maintain_order="left_right").select(
        "race_right", "id_right"
    ),
    "fullc": lambda t, u: (
        t.select("id", "income")
        .join(
            u.select(k="race", x="x"),
            left_on="id",
            right_on="k",
            how="full",
            coalesce=True,
            maintain_order="left_right",
        )
        .select("id")
    ),
    "right": lambda t, u: t.join(u, on="race", how="right", maintain_order="right_left").select("income"),
    "cross": lambda t, u: t.join(u.filter(col("race") == 1).head(3), how="cross").select("income"),
    "join_where": lambda t, u: t.join_where(u, col("race") > col("race_right")).select("income"),
    "asof": lambda t, u: (
        t.sort("id").join_asof(u.sort("race", "id"), left_on="id", right_on="race").select("x")
    ),
    "asofby": lambda t, u: t.sort("id").join_asof(u.sort("id"), on="id", by="race").select("x"),
    "asof strat": lambda t, u: (
        t.sort("id")
        .select("id", "income")
        .join_asof(
            u.sort("race", "id").select("race", "x"),
            left_on="id",
            right_on="race",
            strategy="nearest",
            tolerance=1,
        )
        .select("x")
    ),
    "gather": lambda t, u: t.select(col("income").gather(col("race"))),
    "get": lambda t, u: t.select(col("income").get(col("race").sum() % 10)),
    "gather_every": lambda t, u: t.select(col("income").gather_every(2)),
    "struct": lambda t, u: t.select(z=col("s").struct.field("race")),
    "unnest": lambda t, u: t.select("s").unnest("s").select("race"),
    "unnest2": lambda t, u: t.select("s").unnest("s").select("y"),
    "withfields": lambda t, u: t.select(z=col("s").struct.with_fields(q=pl.field("race") + 1)).select(
        w=col("z").struct.field("q")
    ),
    "listeval": lambda t, u: t.select(z=col("tags").list.eval(pl.element() + 1)),
    "unpivot": lambda t, u: t.unpivot(["race", "g"], index="id").select("value"),
    "unpivot var": lambda t, u: (
        t.unpivot(["race", "g"], index="id").filter(col("value") == 1).select("variable")
    ),
    "concat v": lambda t, u: pl.concat([t.select("race"), u.select("race")]),
    "concat diag": lambda t, u: pl.concat([t.select("income"), u.select("race")], how="diagonal_relaxed"),
    "concat h": lambda t, u: pl.concat([t.select("income"), u.select("race")], how="horizontal"),
    "merge_sorted": lambda t, u: (
        t.select("race", "income")
        .sort("race", "income")
        .merge_sorted(u.select("race", income=col("x").cast(pl.Float64)).sort("race", "income"), key="race")
        .select("income")
    ),
    "dyn": lambda t, u: t.sort("when").group_by_dynamic("when", every="5d").agg(col("race").sum()),
    "rolling": lambda t, u: t.select(z=col("income").rolling_mean_by("when", "3d")),
    "rolling2": lambda t, u: t.sort("race", "id").select(z=col("income").rolling_mean_by("race", "2i")),
    "rolling expr": lambda t, u: t.sort("race", "id").select(
        z=col("income").sum().rolling("race", period="1i")
    ),
    "quantile lit": lambda t, u: t.select(z=col("income").quantile(col("race").mean() / 10)),
    "enum cast": lambda t, u: t.select(z=col("txt").cast(pl.Enum([str(x) for x in range(9)]))),
    "cache": lambda t, u: t.filter(col("race") == 1).cache().select("income"),
    "distinct keep": lambda t, u: t.unique("race", keep="first", maintain_order=True).select("income"),
    "distinct none": lambda t, u: t.unique("race", keep="none", maintain_order=True).select("income"),
    "top_k": lambda t, u: t.top_k(5, by=["race", "id"]).select("income"),
    "top_k_by": lambda t, u: t.select(col("income").top_k_by(col("race") * 100 + col("id"), 5).sort()),
    "arg_sort": lambda t, u: t.select(z=pl.arg_sort_by("race")),
    "arg_where": lambda t, u: t.select(z=pl.arg_where(col("race") == 1)),
    "corr": lambda t, u: t.select(z=pl.corr("income", "race")),
    "implode": lambda t, u: t.select(col("race").implode()),
    "sum_h": lambda t, u: t.select(z=pl.sum_horizontal("race", "g")),
    "coalesce": lambda t, u: t.select(z=pl.coalesce(col("race"), col("g"))),
    "int_range": lambda t, u: t.select(z=pl.int_range(col("race").sum())),
    "int_range2": lambda t, u: t.select(z=pl.int_range(pl.len())),
    "int_ranges": lambda t, u: t.select(z=pl.int_ranges(0, col("race"))),
    "null_count": lambda t, u: t.null_count(),
    "reverse": lambda t, u: t.reverse().select("income"),
    "quantile lf": lambda t, u: t.select("race", "income").quantile(0.5),
    "drop_nulls lf": lambda t, u: (
        t.with_columns(race=pl.when(col("race") == 1).then(1)).drop_nulls("race").select("income")
    ),
    "gather_every lf": lambda t, u: t.sort("race", "id").gather_every(3).select("income"),
    "rename": lambda t, u: t.select("income", col("race")).rename({"race": "zz"}).select("zz"),
    "rename swap": lambda t, u: (
        t.select("income", "race").rename({"race": "income", "income": "race"}).select("income")
    ),
    "map columns": lambda t, u: t.select(col("race").name.map(lambda s: "q" + s)),
    "explode len": lambda t, u: t.select(col("race").repeat_by(2)).explode("race").select(pl.len()),
    "group len": lambda t, u: t.group_by("race", maintain_order=True).len().select("len"),
    "group head": lambda t, u: t.group_by("race", maintain_order=True).head(1).select("income"),
    "slice e": lambda t, u: t.select(col("income").slice(col("race").sum() % 5, 3)),
    "slice e len": lambda t, u: t.select(col("income").slice(0, col("race").sum() % 5 + 1)).select(pl.len()),
    "set_sorted": lambda t, u: t.set_sorted("race").select("income"),
    "search": lambda t, u: t.select(z=col("race").sort().search_sorted(1)),
    "over order": lambda t, u: t.select(z=col("income").cum_sum().over("g", order_by="race")),
    "over join": lambda t, u: t.select(z=col("income").over("race", mapping_strategy="explode")),
    "update": lambda t, u: t.select("id", x="race").update(u.select("id", "x"), on="id"),
    "update2": lambda t, u: t.select("id", x="g").update(u.select("id", x="race"), on="id"),
    "a list of constants": lambda t, u: t.filter(col("g").is_in([1, 2])).select("income"),
    "a loop over names": lambda t, u: t.select([col(name).fill_null(0) for name in ("income", "debt")]),
    "a join by a column": lambda t, u: (
        t.sort("id")
        .select("id", "g")
        .join_asof(u.sort("id").select("x", "id", k="race"), on="id", by_left="g", by_right="k")
        .select("x")
    ),
    "values counted": lambda t, u: t.select(col("race").value_counts(sort=True).struct.field("count")),
    "appended": lambda t, u: t.select(col("income").append(col("income").filter(col("race") == 1))).select(
        pl.len()
    ),
    "counted beside": lambda t, u: t.select(col("income").filter(col("race") == 1)).select(
        share=pl.len() / 400
    ),
    "top counted": lambda t, u: t.select(col("income").top_k(col("race").sum())).select(pl.len()),
    "repeated": lambda t, u: t.select(pl.repeat(1, col("race").sum())).select(pl.len()),
    "counted in a window": lambda t, u: t.select(z=pl.len().over("race", "g")),
    "the columns there are": lambda t, u: t.select(
        col(name) for name in t.collect_schema().names() if name != "race"
    ),
}

LOOKING: dict[str, Plan] = {
    "lf map_b": lambda t, u: t.map_batches(lambda f: f.with_columns(income=col("race") * 1.0)).select(
        "income"
    ),
    "pipe collect": lambda t, u: t.with_columns(income=pl.lit(t.collect()["race"]).cast(pl.Float64)).select(
        "income"
    ),
    "lit series": lambda t, u: t.select(z=pl.lit(t.collect()["race"])),
    "series arith": lambda t, u: t.select(z=col("income") + t.collect()["race"]),
    "lit sum": lambda t, u: t.select(z=col("income") + pl.lit(total(t))),
    "lit bool": lambda t, u: t.select(z=col("id") * 1, b=pl.lit(bool(t.collect()["race"][1] > 1))),
    "lit bool2": lambda t, u: t.select(
        z=pl.when(pl.lit(bool(t.collect()["race"][0] > 1))).then(col("id") * 1).otherwise(col("g") * 0)
    ),
    "lit str": lambda t, u: t.select(z=pl.lit(str(total(t)))),
    "filter is_in": lambda t, u: t.filter(
        col("id").is_in(t.filter(col("race") == 1).collect()["id"].to_list())
    ).select("income"),
    "replace": lambda t, u: t.select(
        z=col("id").replace(dict(zip(range(40), t.collect()["race"].to_list(), strict=True)))
    ),
    "replace_strict": lambda t, u: t.select(
        z=col("id").replace_strict(list(range(40)), t.collect()["race"].to_list())
    ),
    "shift": lambda t, u: t.select(z=col("income").shift(total(t))),
    "strptime fmt": lambda t, u: t.select(z=col("when").dt.strftime("%Y " + str(total(t)))),
    "str.replace": lambda t, u: t.select(z=col("txt").str.replace("1", str(total(t)))),
    "concat_str sep": lambda t, u: t.select(z=pl.concat_str(["txt", "txt"], separator=str(total(t)))),
    "format": lambda t, u: t.select(z=pl.format("{} " + str(total(t)), "txt")),
    "str.join": lambda t, u: t.select(z=col("txt").str.join(str(total(t)))),
    "list.join": lambda t, u: t.select(z=col("tags").cast(pl.List(pl.String)).list.join(str(total(t)))),
    "pad": lambda t, u: t.select(z=col("txt").str.zfill(total(t))),
    "pad2": lambda t, u: t.select(z=col("txt").str.pad_start(3, str(t.collect()["race"].max()))),
    "round": lambda t, u: t.select(z=(col("income") / 7).round(total(t) % 7)),
    "clip": lambda t, u: t.select(z=col("income").clip(total(t), 100)),
    "quantile": lambda t, u: t.select(z=col("income").quantile(t.collect()["race"].mean() / 10)),
    "ewm": lambda t, u: t.select(z=col("income").ewm_mean(alpha=t.collect()["race"].mean() / 10)),
    "rolling w": lambda t, u: t.select(z=col("income").rolling_mean(int(total(t) % 7 + 2))),
    "rolling weights": lambda t, u: t.select(z=col("income").rolling_mean(2, weights=[1.0, float(total(t))])),
    "hash seed": lambda t, u: t.select(z=col("income").hash(int(total(t)))),
    "truncate": lambda t, u: t.select(z=col("when").dt.truncate(f"{total(t)}d")),
    "offset_by": lambda t, u: t.select(z=col("when").dt.offset_by(f"{total(t)}d")),
    "head n": lambda t, u: t.head(int(total(t))).select("income"),
    "sort desc": lambda t, u: t.sort("income", "id", descending=bool(total(t) % 2)).select("income", "id"),
    "sort multi desc": lambda t, u: t.select(col("income").sort(descending=bool(total(t) % 2))),
    "fill_null strat": lambda t, u: t.select(
        z=pl.when(col("g") > 1).then(col("income")).fill_null(strategy=["forward", "backward"][total(t) % 2])
    ),
    "dyncol name": lambda t, u: t.select(z=col(["income", "debt"][total(t) % 2])),
    "t.sql": lambda t, u: t.sql("select income, race as q from self order by race"),
    "group map": lambda t, u: (
        t.group_by("race", maintain_order=True).map_groups(lambda f: f.head(1), schema=None).select("income")
    ),
    "collect_all same": lambda t, u: (
        t.select("id")
        .join(pl.from_pandas(u.collect().to_pandas()).lazy(), on="id", maintain_order="left_right")
        .select("race")
    ),
    "python if": lambda t, u: t.select("income") if total(t) % 2 else t.select(income="debt"),
    "a truth as a number": lambda t, u: t.select(z=pl.lit(int(total(t) % 2))),
    "a truth as a truth": lambda t, u: t.select(z=pl.lit(bool(total(t) % 2))),
    "a date": lambda t, u: t.select(z=pl.lit(date(2020, 1, 1) + timedelta(days=int(total(t))))),
    "a list of those that are": lambda t, u: t.filter(
        col("id").is_in([k for k, r in enumerate(numbers(t)) if r == 1])
    ),
    "labels of each row": lambda t, u: t.select(
        z=col("id")
        .cut(list(range(1, 40)), labels=[f"{k}:{r}" for k, r in enumerate(numbers(t))])
        .cast(pl.String)
    ),
    "one label of two": lambda t, u: t.select(z=pl.lit(["a", "b"][total(t) % 2])),
    "edges": lambda t, u: t.select(z=col("income").cut([total(t)]).cast(pl.String)),
    "a series": lambda t, u: t.select("id", z=pl.Series([1 if r == 1 else 0 for r in numbers(t)])),
    "a plan that is chosen": lambda t, u: [t.select(z="income"), t.select(z="debt")][total(t) % 2],
    "a loop": lambda t, u: t.select([pl.lit(0).alias(f"c{k}") for k in range(5)][total(t) % 5]),
}
