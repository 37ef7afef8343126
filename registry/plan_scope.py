"""What the names around a step's code hold, as far as a plan may be built with them.

Rules:

- A name outside of the function is a constant of its module, or one that it imports from a module that writes it
  (`registry.plan_names`); what is harmless; a function that its module defines under that name and nothing else; a
  module of one's own, for the constants and functions in it; or a logger.
- Which of several functions a name holds may hang on data, so that a name which is bound twice holds none.
- The names of a function around are none of these, but for functions that are defined there.

>>> scope_of(scope_of).found("CODE", lambda *_: False)
'made of constants'
"""

import ast
import builtins
import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import FunctionType, ModuleType
from typing import Any

from registry.module_bindings import Place, bindings, is_defined, is_defined_inside
from registry.plan_names import NUMBERS, is_constant, is_harmless, is_open_module
from registry.plan_said import is_logger, is_said_by
from registry.plan_values import CODE, Known

__all__ = ["Scope", "scope_of"]

IsCode = Callable[[ast.expr, "Scope"], bool]


@dataclass(frozen=True, slots=True)
class Scope:
    """What a piece of code sees besides its own names: the module, and the functions around it."""

    space: dict[str, Any]
    filename: str
    cells: Mapping[str, Any]
    own: frozenset[str] = frozenset()
    """The names that the code sets itself."""

    def within(self, node: ast.FunctionDef) -> "Scope":
        """Return the scope of a function that is defined in this one."""
        arguments = [each.arg for each in ast.walk(node.args) if isinstance(each, ast.arg)]
        stored = {name for name in _names(node) if any(True for _ in bindings(node, name))}
        return replace(self, own=frozenset((*arguments, *stored)))

    def found(self, name: str, is_code: IsCode) -> str | Known | None:
        """Say what a name holds; None where that is not known."""
        if name in self.cells:
            return _known_in_cell(name, self.cells[name])
        if name not in self.space:
            value = getattr(builtins, name, None)
            return None if isinstance(value, FunctionType) else Known(value)
        return self._at(Place(name, self.space, self.filename), is_code)

    def member(self, module: object, name: str, is_code: IsCode) -> str | Known | None:
        """Say what a module holds under a name, or what a logger is told by; None where that is not known."""
        if is_logger(module):
            method = getattr(module, name, None)
            return Known(method) if is_said_by(method) else None
        if not isinstance(module, ModuleType) or sys.modules.get(module.__name__) is not module:
            return None
        value = vars(module).get(name)
        if _is_number(module, name, value):
            return CODE
        if is_open_module(module):
            return Known(value) if is_open_module(value) or is_harmless(value) else None
        if is_said_by(value):
            return Known(value)
        filename = getattr(module, "__file__", None)
        if filename is None or name not in vars(module):
            return None
        return self._at(Place(name, vars(module), filename), is_code)

    def _at(self, place: Place, is_code: IsCode) -> str | Known | None:
        if is_constant(place, lambda written, at: is_code(written, Scope(at.space, at.filename, {}))):
            return CODE
        value = place.value
        if is_open_module(value) or is_harmless(value):
            return Known(value)
        if isinstance(value, FunctionType):
            return Known(value) if is_defined(value, place) else None
        if isinstance(value, ModuleType):
            return Known(value) if isinstance(place.binding(), ast.Import | ast.ImportFrom) else None
        return Known(value) if is_logger(value) else None


def scope_of(function: FunctionType) -> Scope:
    """Return the scope of a function's code."""
    code = function.__code__
    cells: dict[str, Any] = {}
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
        try:
            cells[name] = cell.cell_contents
        except ValueError:  # not set yet
            cells[name] = None
    own = frozenset((*code.co_varnames, *code.co_cellvars))
    return Scope(function.__globals__, code.co_filename, cells, own)


def _known_in_cell(name: str, value: object) -> Known | None:
    if is_open_module(value) or is_harmless(value):
        return Known(value)
    return Known(value) if isinstance(value, FunctionType) and is_defined_inside(value, name) else None


def _is_number(module: ModuleType, name: str, value: object) -> bool:
    """Say whether a value is a number of mathematics under its name, as `math` and numpy have them."""
    if module is not math and module is not sys.modules.get("numpy"):
        return False
    return (
        name in NUMBERS
        and type(value) is float
        and (value == NUMBERS[name] or (name == "nan" and value != value))
    )


def _names(node: ast.AST) -> set[str]:
    found: set[str] = set()
    for each in ast.walk(node):
        match each:
            case ast.Name(id=name) | ast.FunctionDef(name=name) | ast.ExceptHandler(name=str(name)):
                found.add(name)
            case ast.alias(name=name, asname=other):
                found.add(other or name.partition(".")[0])
    return found
