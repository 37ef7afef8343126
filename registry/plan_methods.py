"""Methods that a step's code may call on what its plan is made of: those of polars and of Python, and nobody else's.

Anybody can add a namespace to polars (`pl.api.register_expr_namespace`) or set a method anew, and what stands there
then may hold what was computed from a column.

Rules:

- A method of polars counts where its code stands in polars' own files. Python's own classes cannot be changed.
- polars marks some methods as deprecated by `typing_extensions`, whose wrapper is looked through.
- What reads a file (`deserialize`) or takes attributes out of what it is given (`str.format`) is on no list.

>>> is_method_of_constants("to_uppercase"), is_method_of_constants("read_text"), is_frame_method("collect_schema")
(True, False, True)
"""

import datetime
import decimal
import inspect
import string
import sys
import warnings
from functools import cache
from pathlib import Path
from types import FunctionType
from typing import Any, Final

__all__ = [
    "CHANGES",
    "is_frame_method",
    "is_look",
    "is_method_of_constants",
    "is_of_polars",
    "is_pipe",
    "is_plain_format",
    "is_table_method",
]

PLAIN: Final = (
    str, bytes, int, float, bool, list, dict, tuple, set, frozenset, range, slice, datetime.date, datetime.datetime,
    datetime.time, datetime.timedelta, datetime.timezone, decimal.Decimal,
)  # fmt: skip

NAMESPACES: Final = ("str", "list", "arr", "dt", "cat", "bin", "struct", "name", "meta")

SETTINGS: Final = frozenset({"inner", "fields", "time_unit", "time_zone", "categories", "precision", "scale"})
"""What an instance of a polars type tells of itself."""

CHANGES: Final = frozenset(
    {"add", "append", "clear", "discard", "extend", "insert", "pop", "popitem", "remove", "reverse", "setdefault",
     "sort", "update"}
)  # fmt: skip
"""Methods that change a list, dict or set in place."""

LOOKS: Final = frozenset(
    {"columns", "describe", "dtypes", "estimated_size", "head", "height", "is_empty", "item", "len", "max", "mean",
     "median", "min", "n_unique", "null_count", "schema", "shape", "std", "sum", "tail", "to_list", "value_counts",
     "width"}
)  # fmt: skip
"""Methods and properties that look into a table or a column, change nothing, and call nobody's functions."""

CLOSED: Final = frozenset({"deserialize", "from_json", "format", "format_map"})


def is_method_of_constants(name: str) -> bool:
    """Say whether a method or attribute of a constant, or of an expression of polars, gives but what it is given."""
    if name.startswith("_") or name in CLOSED:
        return False
    if name in SETTINGS:
        return True
    found = [inspect.getattr_static(kind, name) for kind in _expressions() if hasattr(kind, name)]
    return all(map(_is_own, found)) and (bool(found) or any(hasattr(kind, name) for kind in PLAIN))


def is_frame_method(name: str) -> bool:
    """Say whether a LazyFrame, or a group of one, has this method as polars wrote it."""
    import polars
    from polars.lazyframe.group_by import LazyGroupBy

    kinds = (polars.LazyFrame, LazyGroupBy)
    found = [inspect.getattr_static(kind, name) for kind in kinds if hasattr(kind, name)]
    return bool(found) and all(map(_is_own, found))


def is_table_method(name: str) -> bool:
    """Say whether a DataFrame has this method or property as polars wrote it."""
    import polars

    return _is_own(inspect.getattr_static(polars.DataFrame, name, None))


def is_look(name: str) -> bool:
    """Say whether a method or property that looks into a table, and changes nothing, is as polars wrote it."""
    import polars

    kinds = (polars.DataFrame, polars.Series)
    found = [inspect.getattr_static(kind, name) for kind in kinds if hasattr(kind, name)]
    return name in LOOKS and all(map(_is_own, found))


def is_pipe() -> bool:
    """Say whether `pipe`, of a table, a plan or an expression, calls what it is given and does nothing else."""
    import polars

    kinds = (polars.DataFrame, polars.LazyFrame, polars.Expr)
    return all(_is_own(inspect.getattr_static(kind, "pipe", None)) for kind in kinds)


def is_of_polars(value: object) -> bool:
    """Say whether a function, or an object that is called like one, is written in polars' own files."""
    if not isinstance(value, FunctionType):
        value = inspect.getattr_static(type(value), "__call__", None)
    value = _undeprecated(value)
    return isinstance(value, FunctionType) and value.__code__.co_filename.startswith(_folder())


def is_plain_format(text: object) -> bool:
    """Say whether a template takes what it is given as it is: `{}` and `{name}`, not `{0.attribute}` or `{0[key]}`."""
    if not isinstance(text, str):
        return False
    try:
        parts = list(string.Formatter().parse(text))
    except ValueError:
        return False
    return all(
        field is None or ((not field or field.isidentifier() or field.isdigit()) and "{" not in (spec or ""))
        for _, field, spec, _ in parts
    )


def _is_own(value: Any) -> bool:
    if isinstance(value, staticmethod | classmethod):
        value = value.__func__
    if isinstance(value, property):
        value = value.fget
    return isinstance(value, FunctionType) and is_of_polars(value)


def _undeprecated(value: Any) -> Any:
    """Return what a function is that was marked as deprecated (PEP 702), and does nothing else."""
    mark = getattr(sys.modules.get("typing_extensions"), "deprecated", None) or getattr(
        warnings, "deprecated", None
    )
    if mark is None or not isinstance(value, FunctionType):
        return value
    if not any(each is value.__code__ for each in mark.__call__.__code__.co_consts):
        return value
    return dict(zip(value.__code__.co_freevars, value.__closure__ or (), strict=True))["arg"].cell_contents


@cache
def _folder() -> str:
    import polars

    return f"{Path(polars.__file__).parent}/"


@cache
def _expressions() -> tuple[type, ...]:
    """List the classes of what polars' functions give."""
    import polars

    some = polars.col("x")
    when = polars.when(some)
    then = when.then(some)
    made = (some, when, then, then.when(some), then.when(some).then(some), polars.selectors.all())
    spaces = (getattr(some, name) for name in NAMESPACES)
    return (*{type(each) for each in (*made, *spaces)}, polars.DataType)
