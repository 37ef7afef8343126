"""What the names in a step's code stand for, as far as a plan may be built with them, and what is on no list may not.

Rules:

- Methods of a LazyFrame that give another one, and no value out of it; functions of polars that make expressions;
  functions of Python that make values of values.
- A function that somebody put in the place of one of these is none of them (`registry.plan_methods` for methods).
- A name outside of the function is a constant where its module writes it once, as a literal or as what is made of
  constants, and that still is what the module holds: what is no literal is worked out again. A list that was filled,
  and a name that some function sets, are not.

>>> is_harmless(len), is_harmless(open)
(True, False)
>>> is_plain((1, "a")), is_plain([1])
(True, False)
"""

import ast
import builtins
import datetime
import decimal
import math
from collections.abc import Callable
from pathlib import PurePath
from types import BuiltinFunctionType, FunctionType
from typing import Any, Final

from registry.module_bindings import Place
from registry.plan_methods import is_of_polars

__all__ = [
    "FRAME_METHODS",
    "GATHERS",
    "NUMBERS",
    "is_constant",
    "is_harmless",
    "is_lister",
    "is_open_module",
    "is_plain",
    "is_plain_inside",
    "is_same",
    "value_of",
    "worked_out",
]


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

NUMBERS: Final = {
    "pi": 3.141592653589793,
    "e": 2.718281828459045,
    "tau": 6.283185307179586,
    "inf": float("inf"),
    "nan": float("nan"),
}
"""The numbers of `math` and numpy, which somebody may have set anew."""

LISTERS: Final = (list, tuple, set, frozenset, sorted, len)
"""Functions of Python that list or count what they are given."""

HEAP_TYPE: Final = 1 << 9
"""The flag of a class that was made by a `class` statement, in Python's C API (Py_TPFLAGS_HEAPTYPE)."""


def is_plain(value: object) -> bool:
    """Say whether a value is one that nobody can change in place, and that runs nobody's code."""
    if type(value) in (tuple, frozenset):
        return all(map(is_plain, value))  # type: ignore[call-overload]
    return (
        value is None or type(value) in FIXED or (isinstance(value, PurePath) and _home(value) == "pathlib")
    )


def is_plain_inside(value: object) -> bool:
    """Say whether a value holds nothing but plain ones, in lists, dicts and sets."""
    if type(value) in (list, set, tuple, frozenset):
        return all(map(is_plain_inside, value))  # type: ignore[call-overload]
    if type(value) is dict:
        return all(is_plain(key) and is_plain_inside(each) for key, each in value.items())
    return is_plain(value)


def is_harmless(value: Any) -> bool:
    """Say whether a function, class or constant gives nothing but what it is given."""
    import polars

    if value is None:
        return False
    if isinstance(value, type) and issubclass(value, polars.DataType):
        return value.__module__.startswith("polars.")
    if any(value is each for each in (*CLASSES, *ERRORS)):
        return True
    if any(value is getattr(builtins, name) for name in BUILTINS):
        return _is_built_in(value)
    if any(value is getattr(polars, name, None) for name in (*EXPRESSIONS, *GATHERS)):
        return is_of_polars(value)
    home = getattr(value, "__module__", None)
    if home == "polars.selectors" and isinstance(value, FunctionType):
        return value is getattr(polars.selectors, value.__name__, None) and is_of_polars(value)
    return home == "math" and isinstance(value, BuiltinFunctionType)


def is_lister(value: object) -> bool:
    """Say whether a function lists or counts what it is given, and asks nothing else of it."""
    return any(value is each for each in LISTERS)


def _is_built_in(value: Any) -> bool:
    if isinstance(value, type):
        return not value.__flags__ & HEAP_TYPE
    return isinstance(value, BuiltinFunctionType) and value.__module__ == "builtins"


def _home(value: object) -> str:
    return type(value).__module__.partition(".")[0]


def is_open_module(value: object) -> bool:
    """Say whether a module is one of those whose harmless names may be used."""
    import polars

    return any(value is each for each in (polars, polars.selectors, datetime, decimal, math))


def is_constant(place: Place, is_code: Callable[[ast.expr, Place], bool]) -> bool:
    """Say whether a name of a module is a constant of the file that the module was read from, or is imported from.

    `is_code` says of an expression of a module, and the place that it is given to, whether it is made of constants.
    """
    origin = place.followed()
    statement = origin.binding()
    written = value_of(statement, origin.name) if statement is not None else None
    if written is None:
        return False
    try:
        return is_same(ast.literal_eval(written), origin.value)
    except (ValueError, TypeError, SyntaxError, MemoryError):
        return is_code(written, origin) and _is_again(written, origin.value, origin.space)


def worked_out(written: ast.expr, namespace: dict[str, Any]) -> Any:
    """Work out again an expression that is made of constants of a module; raises whatever it raises now."""
    return eval(compile(ast.Expression(written), "<constant>", "eval"), dict(namespace))  # noqa: S307


def _is_again(written: ast.expr, value: Any, namespace: dict[str, Any]) -> bool:
    """Say whether a value is what its expression, which is made of constants, gives when it is worked out again."""
    try:
        again = worked_out(written, namespace)
        if _home(value) == "polars":
            import polars

            if isinstance(value, polars.Expr):
                return type(value) is type(again) and value.meta.serialize() == again.meta.serialize()
    except Exception:  # whatever it raises now, it is not known to be what it was
        return False
    return is_plain(value) and is_same(value, again)


def value_of(statement: ast.stmt, name: str) -> ast.expr | None:
    """Return what a statement assigns to a name by itself."""
    match statement:
        case ast.Assign(targets=targets, value=value):
            return next(
                (found for each in targets if (found := _assigned(each, value, name)) is not None), None
            )
        case ast.AnnAssign(target=ast.Name(id=found), value=value) if found == name:
            return value
    return None


def _assigned(target: ast.expr, value: ast.expr, name: str) -> ast.expr | None:
    """Return what an assignment gives a name, also as one of several: `NUMBERS, WORDS = ["debt"], ["job"]`."""
    match target, value:
        case ast.Name(id=found), _ if found == name:
            return value
        case ((ast.Tuple() | ast.List()), (ast.Tuple() | ast.List())):
            if len(target.elts) == len(value.elts) and not any(
                isinstance(each, ast.Starred) for each in (*target.elts, *value.elts)
            ):
                pairs = zip(target.elts, value.elts, strict=True)
                found_in = (_assigned(one, other, name) for one, other in pairs)
                return next((each for each in found_in if each is not None), None)
    return None


def is_same(one: Any, other: Any) -> bool:
    """Say whether two literals are one, also in their types: 1 is neither True nor 1.0."""
    if type(one) is not type(other):
        return False
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(is_same, one, other))
    if isinstance(one, dict):
        return is_same(list(one.items()), list(other.items()))
    if isinstance(one, set | frozenset):
        return {(type(each), each) for each in one} == {(type(each), each) for each in other}
    return bool(one == other)
