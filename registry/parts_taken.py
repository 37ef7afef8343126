"""Which parts of what an earlier step returned a step's code takes: `prepared["table"]` takes nothing but the table.

A step may return a table beside the transformer that made it; a later one that never touches the transformer learns
nothing from it.

Rules:

- An argument is told apart where the step's function does nothing with its name but look up keys that are written.
- A function whose source is not at hand, or that reaches its names otherwise (`locals()`), may take any part.

>>> taken(len, "prepared") is None
True
"""

import ast
from collections.abc import Callable, Collection
from types import FunctionType
from typing import Any, Final

from registry.function_source import source_of
from registry.relations import NotUnderstood

__all__ = ["as_taken", "taken"]

OTHERWISE: Final = {"dir", "eval", "exec", "locals", "vars", "_getframe", "currentframe", "stack"}


def as_taken(function: Callable[..., object], name: str, value: Any) -> Any:
    """Return what a step takes of what an earlier one returned: some of the items of a dict, else all of it."""
    keys = taken(function, name) if type(value) is dict else None
    return value if keys is None else {key: item for key, item in value.items() if key in keys}


def taken(function: Callable[..., object], argument: str) -> Collection[object] | None:
    """Name the keys that a function looks up in an argument; None where it may take any."""
    if not isinstance(function, FunctionType) or argument not in _arguments(function):
        return None
    try:
        node = source_of(function).node
    except NotUnderstood:
        return None
    inside = list(ast.walk(node))
    names = [each for each in inside if isinstance(each, ast.Name)]
    attributes = {each.attr for each in inside if isinstance(each, ast.Attribute)}
    if OTHERWISE & {*attributes, *(each.id for each in names)}:
        return None
    keys = {
        id(each.value): each.slice.value
        for each in inside
        if isinstance(each, ast.Subscript) and isinstance(each.slice, ast.Constant)
    }
    used = [each for each in names if each.id == argument]
    if not all(id(each) in keys and isinstance(each.ctx, ast.Load) for each in used):
        return None
    return {keys[id(each)] for each in used}


def _arguments(function: FunctionType) -> tuple[str, ...]:
    code = function.__code__
    return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount] + code.co_cellvars
