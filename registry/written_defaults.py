"""Whether the default of a step's parameter is of the code: `least=0.5` is, `least=loans.race.mean()` is not.

A query is made of its text and its parameters. A default is worked out when the module is read, and may be of any data.

Rules:

- A default is of the code where the function's signature writes it as a literal, or as the name of a constant of its
  module (`registry.plan_names`), and where that still is what it holds.
- Where the source is not at hand, no default is.

>>> unwritten_default(unwritten_default, [])
"""

import ast
import inspect
from collections.abc import Callable, Iterable
from types import FunctionType

from registry.function_source import defaults_of
from registry.module_bindings import Place
from registry.plan_names import is_constant, is_same
from registry.relations import NotUnderstood

__all__ = ["unwritten_default"]


def unwritten_default(function: Callable[..., object], names: Iterable[str]) -> str | None:
    """Name a parameter among these whose default the code does not write; None where all are of the code."""
    plain = inspect.unwrap(function)
    parameters = inspect.signature(plain).parameters
    return next((name for name in names if not _is_written(plain, name, parameters[name].default)), None)


def _is_written(function: Callable[..., object], name: str, value: object) -> bool:
    if not isinstance(function, FunctionType):
        return False
    try:
        written = defaults_of(function)[name]
        if isinstance(written, ast.Name) and written.id in function.__globals__:
            space = function.__globals__
            place = Place(written.id, space, function.__code__.co_filename)
            return is_same(place.value, value) and is_constant(place, lambda *_: False)
        return is_same(ast.literal_eval(written), value)
    except (NotUnderstood, KeyError, ValueError, TypeError, SyntaxError, MemoryError):
        return False
