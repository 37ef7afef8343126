"""Whether the default of a step's parameter is of the code: `least=0.5` is, `least=loans.race.mean()` is not.

A query is made of its text and its parameters. A default is worked out when the module is read, and may be of any data.

Rules:

- A default is of the code where the function's signature writes it as a literal, or as what is made of literals and
  constants of its module (`registry.written_constants`), and where that still is what it holds.
- Where the source is not at hand, no default is.

>>> unwritten_default(unwritten_default, [])
"""

import inspect
from collections.abc import Callable, Iterable
from pathlib import PurePath
from types import FunctionType

from registry.function_source import defaults_of
from registry.relations import NotUnderstood
from registry.written_constants import is_written_as

__all__ = ["unwritten_default"]


def unwritten_default(function: Callable[..., object], names: Iterable[str]) -> str | None:
    """Name a parameter among these whose default the code does not write; None where all are of the code."""
    plain = inspect.unwrap(function)
    parameters = inspect.signature(plain).parameters
    return next((name for name in names if not _is_written(plain, name, parameters[name].default)), None)


def _is_written(function: Callable[..., object], name: str, value: object) -> bool:
    if not isinstance(function, FunctionType):
        return False
    if isinstance(value, PurePath):
        return True  # the name of a file, and no value of a column
    try:
        written = defaults_of(function)[name]
    except (NotUnderstood, KeyError):
        return False
    return is_written_as(written, value, function.__globals__, function.__code__.co_filename)
