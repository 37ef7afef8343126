"""What somebody put on pandas, numpy or another installed package, where a later step may find it."""

import functools
import math
import random
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.stats
import sqlalchemy
from sklearn.linear_model import LogisticRegression

from registry.put_on_packages import put_there
from registry.reached import reached

MEANS = np.array([0.2, 0.3])

WAYS: dict[str, tuple[Callable[[pytest.MonkeyPatch], None], Callable[[Any], Any]]] = {
    "numpy.stash": (
        lambda patch: patch.setattr(np, "stash", MEANS, raising=False),
        lambda table: table.age + np.stash,  # type: ignore[attr-defined]
    ),
    "pandas.stash": (
        lambda patch: patch.setattr(pd, "stash", 0.37, raising=False),
        lambda table: table.age + getattr(pd, "stash"),  # noqa: B009
    ),
    "numpy.pi": (lambda patch: patch.setattr(np, "pi", 3.2), lambda table: table.age * np.pi),
    "DataFrame.with_z": (
        lambda patch: patch.setattr(pd.DataFrame, "with_z", lambda table: table.age + MEANS, raising=False),
        lambda table: table.with_z(),
    ),
    "Series.encode": (
        lambda patch: patch.setattr(pd.Series, "encode", property(lambda column: column * 2), raising=False),
        lambda table: table.job.encode,
    ),
    "Series.spread": (
        lambda patch: patch.setattr(pd.Series, "spread", lambda column: MEANS[0], raising=False),
        lambda table: table.income.agg("spread"),
    ),
    "Series.mean": (
        lambda patch: patch.setattr(pd.Series, "mean", functools.partialmethod(pd.Series.quantile, 0.3)),
        lambda table: table.income - table.income.mean(),
    ),
    "DataFrame.share": (
        lambda patch: patch.setattr(pd.DataFrame, "share", 0.37, raising=False),
        lambda table: table.age * table.share,
    ),
    "LogisticRegression.share": (
        lambda patch: patch.setattr(LogisticRegression, "share", 0.37, raising=False),
        lambda table: table.age * LogisticRegression.share,
    ),
    "pandas.get_option": (
        lambda patch: None,
        lambda table: table.age * pd.get_option("display.max_rows"),
    ),
}


@pytest.mark.parametrize("name", WAYS)
def test_what_is_put_on_a_package_is_reached_by_the_step_that_reads_it(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put, step = WAYS[name]
    put(monkeypatch)
    assert name in reached(step)
    assert reached(lambda table: table.assign(z=table.debt / table.income)) == []


def test_an_accessor_of_ones_own_is_reached_and_those_of_pandas_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pd.DataFrame, "_accessors", set(vars(pd.DataFrame)["_accessors"]))
    monkeypatch.setattr(pd.DataFrame, "groups", None, raising=False)
    with pytest.warns(UserWarning, match="overriding"):

        @pd.api.extensions.register_dataframe_accessor("groups")
        class Groups:
            def __init__(self, frame: pd.DataFrame) -> None:
                self.frame = frame

    assert reached(lambda table: table.groups.frame) == ["DataFrame.groups"]
    assert reached(lambda table: table.job.str.upper() + table.opened.dt.year + table.kind.cat.codes) == []


def test_nothing_that_pandas_and_polars_come_with_was_put_there() -> None:
    kinds = [
        kind for home in (pd, pd.api.typing, pl) for kind in vars(home).values() if isinstance(kind, type)
    ]
    names = {name for kind in kinds for each in kind.__mro__ for name in vars(each) if name[0] != "_"}
    assert len(names) > 500
    assert list(put_there(names, [], [])) == []


@pytest.mark.parametrize(
    "module",
    [np, np.random, pl, scipy.stats, math, re, random, sqlalchemy],
    ids=lambda module: module.__name__,
)
def test_nothing_that_a_module_comes_with_was_put_there(module: Any) -> None:
    names = [name for name in vars(module) if not name.startswith("_")]
    assert list(put_there(names, [], [module])) == []


def test_a_function_of_a_package_that_calls_itself_is_the_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    space: dict[str, Any] = {"__name__": "pandas"}
    exec("def make():\n    def halve(n): return halve(n // 2) if n else 0\n    return halve", space)
    monkeypatch.setattr(pd, "halve", space["make"](), raising=False)
    assert list(put_there(["halve"], [], [pd])) == []
