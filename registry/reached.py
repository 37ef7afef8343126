"""What a step's function reaches besides its arguments: tables, lists and objects that its module or a closure holds.

A step that is observed is seen with regard to what it receives. What it takes from elsewhere is never changed
meanwhile, and may hold what any column held.

Rules:

- Modules, classes, expressions of polars, what nobody can change in place and literals that still are as the module
  writes them are of the code, unless some function sets the name (`global`). Anything else is reached.
- A function that is reached is looked into as well, and so are the methods of a class and what a module of one's own
  holds under the names that are read, where that is of Python and not of an installed package.

>>> from json import dumps
>>> reached(dumps)
['_default_encoder']
"""

import ast
import sys
import sysconfig
from collections.abc import Callable, Iterator
from types import (
    BuiltinFunctionType,
    CodeType,
    FunctionType,
    GetSetDescriptorType,
    MemberDescriptorType,
    ModuleType,
)
from typing import Any, Final

from registry.function_source import module_tree
from registry.module_bindings import Place
from registry.plan_names import is_constant, is_plain
from registry.relations import NotUnderstood

__all__ = ["is_installed", "reached"]

INSTALLED: Final = tuple({sys.prefix, sys.base_prefix, *sysconfig.get_paths().values()})

OF_NAMES: Final = ("ufunc", "Expr", "Col", "Selector")
"""Classes of numpy and polars whose objects hold names and operations, and no values of a table."""

DESCRIPTORS: Final = (staticmethod, classmethod, property, MemberDescriptorType, GetSetDescriptorType)
"""What a class is made of besides values."""


def is_installed(path: str) -> bool:
    """Say whether a file came with Python or an installed package."""
    return path.startswith(INSTALLED)


def reached(function: Callable[..., object]) -> list[str]:
    """Name what a function may take values from besides its arguments, in alphabetical order."""
    found: dict[str, None] = {}
    waiting: list[Any] = [function]
    if not isinstance(function, FunctionType):
        # A method is one of an object, and a cache or another wrapper holds what it likes.
        found[f"its {type(function).__name__}"] = None
        waiting = [getattr(function, "__func__", None), getattr(function, "__wrapped__", None)]
    looked: set[int] = set()
    while waiting:
        here = waiting.pop()
        if not isinstance(here, FunctionType) or id(here) in looked:
            continue
        looked.add(id(here))
        for name, value in _held(here):
            onward = _onward(value)
            waiting += onward
            if onward or isinstance(value, type | FunctionType):
                is_outside = any(not _is_of_code(each) for each in _attributes(value))
            elif is_plain(value):
                is_outside = _is_set(name, here)
            else:
                is_outside = not _is_of_code(value) and not _is_literal(name, value, here)
            if is_outside:
                found[name] = None
    return sorted(found)


def _onward(value: Any) -> list[FunctionType]:
    """List the functions that are to be looked into: one that is named, or is wrapped, or the methods of a class."""
    if isinstance(value, type):
        inside = [getattr(each, "__func__", each) for each in vars(value).values()]
    else:
        inside = [value, getattr(value, "__wrapped__", None)]
    return [
        each
        for each in inside
        if isinstance(each, FunctionType) and not is_installed(each.__code__.co_filename)
    ]


def _attributes(value: Any) -> list[Any]:
    """List what somebody may have set on a function or a class that did not come with a package."""
    home = getattr(sys.modules.get(getattr(value, "__module__", None) or ""), "__file__", None)
    if home is None or is_installed(home):
        return []
    own = {name: each for name, each in getattr(value, "__dict__", {}).items() if not name.startswith("__")}
    return [each for each in own.values() if not isinstance(each, (FunctionType, *DESCRIPTORS))]


def _held(function: FunctionType) -> Iterator[tuple[str, Any]]:
    """Yield the names outside of a function that its code reads, and what they hold."""
    held = function.__globals__
    names = list(_names(function.__code__))
    for name in names:
        value = held.get(name)
        if name in held:
            yield name, value
        if isinstance(value, ModuleType) and not is_installed(getattr(value, "__file__", None) or sys.prefix):
            yield from ((each, vars(value)[each]) for each in names if each in vars(value))
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield name, cell.cell_contents
        except ValueError:  # not set yet
            continue


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _is_of_code(value: Any) -> bool:
    if isinstance(value, ModuleType | type | BuiltinFunctionType) or is_plain(value):
        return True
    kind = type(value)
    # What typing, numpy and polars make of names alone: a type alias, `np.sqrt`, `pl.col`, `pl.col("debt") * 2`.
    return kind.__module__ in ("typing", "types", "numpy.dtypes") or (
        kind.__module__.partition(".")[0] in ("numpy", "polars") and kind.__name__ in OF_NAMES
    )


def _is_literal(name: str, value: Any, function: FunctionType) -> bool:
    """Say whether a name still holds the list or dict that its module writes."""
    held = function.__globals__
    try:
        place = Place(name, held, function.__code__.co_filename)
        return held.get(name) is value and is_constant(place, lambda *_: False)
    except NotUnderstood:
        return False


def _is_set(name: str, function: FunctionType) -> bool:
    """Say whether some function of the module sets a name of it."""
    try:
        tree = module_tree(function.__code__.co_filename)
    except NotUnderstood:
        return True
    return any(isinstance(node, ast.Global) and name in node.names for node in ast.walk(tree))
