"""What the names in a step's code stand for, as far as a plan may be built with them, and what is on no list may not.

Rules:

- Methods of a LazyFrame that give another one, and no value out of it; functions of polars that make expressions;
  functions of Python that make values of values.
- A name outside of the function is a constant where its module writes it once, as a literal that still is what the
  module holds, or as an expression of polars. A list that was filled, and a name that some function sets, are not.

>>> is_harmless(len), is_harmless(open)
(True, False)
"""

import ast
import builtins
import datetime
import decimal
import math
from collections.abc import Callable
from types import BuiltinFunctionType, FunctionType
from typing import Any, Final

from registry.function_source import module_tree

__all__ = ["FRAME_METHODS", "GATHERS", "is_constant", "is_harmless", "is_open_module", "is_same"]


def _listed(names: str) -> tuple[str, ...]:
    return tuple(names.split())


FRAME_METHODS: Final = _listed("""
    agg all bottom_k cache cast clone count drop drop_nans drop_nulls explode fill_nan fill_null filter first
    gather_every group_by group_by_dynamic having head interpolate join join_asof join_where last lazy len limit
    max mean median merge_sorted min n_unique null_count quantile remove rename reverse rolling select
    select_seq set_sorted shift slice sort std sum tail top_k unique unnest unpivot update var with_columns
    with_columns_seq with_row_index
""")
"""Methods of LazyFrame and LazyGroupBy that give a plan and run none."""

EXPRESSIONS: Final = _listed("""
    all all_horizontal any any_horizontal approx_n_unique arange arctan2 arg_sort_by arg_where
    business_day_count coalesce col concat_arr concat_list concat_str corr count cov cum_count cum_sum
    cum_sum_horizontal date date_range date_ranges datetime datetime_range datetime_ranges duration element
    exclude field first format from_epoch head implode int_range int_ranges last len linear_space linear_spaces
    lit max max_horizontal mean mean_horizontal median min min_horizontal n_unique nth ones quantile repeat
    rolling_corr rolling_cov row_index std struct sum sum_horizontal tail time time_range time_ranges var when
    zeros
""")

GATHERS: Final = ("concat", "union", "merge_sorted")
"""Functions of polars that make one plan of several."""

BUILTINS: Final = _listed("""
    abs all any bool bytes dict divmod enumerate filter float frozenset int isinstance len list map max min pow
    range repr reversed round set slice sorted str sum tuple zip
""")

ERRORS: Final = (AssertionError, KeyError, TypeError, ValueError)

CLASSES: Final = (
    datetime.date, datetime.datetime, datetime.time, datetime.timedelta, datetime.timezone, decimal.Decimal,
)  # fmt: skip

FIXED: Final = (bool, int, float, str, bytes, *CLASSES)
"""Kinds of values that nobody can change in place."""


def is_harmless(value: Any) -> bool:
    """Say whether a function, class or constant gives nothing but what it is given."""
    import polars

    if isinstance(value, type) and issubclass(value, polars.DataType):
        return True
    listed = [getattr(builtins, name) for name in BUILTINS]
    listed += [getattr(polars, name, None) for name in (*EXPRESSIONS, *GATHERS)]
    if any(value is each for each in (*listed, *CLASSES, *ERRORS)):
        return True
    home = getattr(value, "__module__", None)
    return (home == "polars.selectors" and isinstance(value, FunctionType)) or (
        home == "math" and isinstance(value, BuiltinFunctionType)
    )


def is_open_module(value: object) -> bool:
    """Say whether a module is one of those whose harmless names may be used."""
    import polars

    return any(value is each for each in (polars, polars.selectors, datetime, decimal, math))


def is_constant(name: str, value: object, filename: str, is_code: Callable[[ast.expr], bool]) -> bool:
    """Say whether a global name, which now has this value, is a constant of the module in a file.

    `is_code` says of an expression of the module whether it is made of constants.
    """
    import polars

    tree = module_tree(filename)
    statement = _only_assignment(tree, name)
    if statement is None or statement.value is None:
        return False
    try:
        return is_same(ast.literal_eval(statement.value), value)
    except (ValueError, TypeError, SyntaxError, MemoryError):
        return isinstance(value, (*FIXED, polars.Expr)) and is_code(statement.value)


def _only_assignment(tree: ast.Module, name: str) -> ast.Assign | ast.AnnAssign | None:
    """Return the one statement at the top of a module that sets a name, where nothing else does."""
    found = [each for each in tree.body if _sets(each, name)]
    stores = sum(
        isinstance(node, ast.Name) and node.id == name and not isinstance(node.ctx, ast.Load)
        for each in tree.body
        if not isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        for node in ast.walk(each)
    )
    taken = any(isinstance(node, ast.Global) and name in node.names for node in ast.walk(tree))
    [one] = found if len(found) == 1 else [None]
    return one if stores == 1 and not taken and isinstance(one, ast.Assign | ast.AnnAssign) else None


def _sets(statement: ast.stmt, name: str) -> bool:
    if isinstance(statement, ast.Assign):
        return any(isinstance(target, ast.Name) and target.id == name for target in statement.targets)
    return (
        isinstance(statement, ast.AnnAssign)
        and isinstance(statement.target, ast.Name)
        and statement.target.id == name
    )


def is_same(one: Any, other: Any) -> bool:
    """Say whether two literals are one, also in their types: 1 is neither True nor 1.0."""
    if type(one) is not type(other):
        return False
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(is_same, one, other))
    if isinstance(one, dict):
        return is_same(list(one.items()), list(other.items()))
    return bool(one == other)
