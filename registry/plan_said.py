"""What a step's code says while it builds its plan: `print(...)` and calls of `logging`, whose result nothing reads.

Rules:

- Nothing comes back from such a call, so that it may be given what was looked at in a table (`registry.plan_told`).
- `print` is Python's own, and a logger is one of `logging`: of its very classes, with nothing set anew on it.
- Where it is written is left to those who read it, so handlers, filters and the terminal may be those of Python and of
  installed packages. One of somebody's own code may put what it is told anywhere.

>>> is_said_by(print), is_said_by(logging.getLogger("doctest").info), is_said_by(open)
(True, True, False)
"""

import builtins
import logging
import sys
from collections.abc import Iterator
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any, Final

from registry.installed import is_installed

__all__ = ["LEVELS", "is_logger", "is_said_by"]

LEVELS: Final = ("debug", "info", "warning", "error", "critical", "exception", "log")
"""What a logger, and the module `logging`, are told by."""

LOGGERS: Final = (logging.Logger, logging.RootLogger)


def is_said_by(function: Any) -> bool:
    """Say whether a function tells somebody something, and gives nothing back."""
    if function is builtins.print:
        return isinstance(function, BuiltinFunctionType) and _is_of_package(sys.stdout)
    if isinstance(function, MethodType):
        return is_logger(function.__self__) and _is_level(function.__func__)
    return _is_level(function) and function is getattr(logging, function.__name__) and is_logger(logging.root)


def is_logger(value: object) -> bool:
    """Say whether a value is a logger that passes on what it is told, to nobody's own code."""
    return type(value) in LOGGERS and all(map(_is_of_package, _listeners(value)))


def _is_level(function: Any) -> bool:
    return (
        isinstance(function, FunctionType)
        and function.__name__ in LEVELS
        and function.__code__.co_filename == logging.getLogger.__code__.co_filename
    )


def _listeners(logger: Any) -> Iterator[object]:
    """Yield what may see what a logger is told."""
    yield logging.getLogRecordFactory()
    here = logger
    while here is not None:
        yield here
        yield from here.filters
        for handler in here.handlers:
            yield handler
            yield from handler.filters
            yield handler.formatter
            yield getattr(handler, "stream", None)
        here = here.parent if here.propagate else None


def _is_of_package(value: object) -> bool:
    """Say whether a function, or the class of an object, came with Python or an installed package."""
    if value is None:
        return True
    if isinstance(value, FunctionType):
        return is_installed(value.__code__.co_filename)
    kind = value if isinstance(value, type) else type(value)
    home = sys.modules.get(kind.__module__)
    if getattr(home, kind.__name__, None) is not kind:
        return False
    filename = getattr(home, "__file__", None)
    return kind.__module__ in sys.builtin_module_names if filename is None else is_installed(filename)
