"""Where a module binds a name: the one statement that does, followed through imports to the module that writes it.

What a name holds may hang on data where several statements bind it (`with_race if mean > 3 else without`), or where a
function sets it. So a name is followed only where one statement of its module binds it.

Rules:

- Bindings are counted wherever they stand in a module outside of its functions; a name that some function declares
  `global` has none that is known.
- `from settings import LEAST` is followed to that module, where both still hold the same object.
- A function is the one of its name where the only statement that binds it is its own definition.

>>> place = Place("source_of", globals(), __file__)
>>> place.followed().filename.endswith("function_source.py"), is_defined(source_of, place)
(True, True)
"""

import ast
import importlib.util
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from types import FunctionType
from typing import Any

from registry.function_source import module_tree, source_of

__all__ = ["Place", "bindings", "imported", "is_defined", "is_defined_inside"]


@dataclass(frozen=True, slots=True)
class Place:
    """A name of a module: what the module holds, and its file."""

    name: str
    space: dict[str, Any]
    filename: str

    @property
    def value(self) -> Any:
        """What the name holds now."""
        return self.space[self.name]

    def binding(self) -> ast.stmt | None:
        """Return the one statement of the module that binds the name; None where there are several, or none."""
        tree = module_tree(self.filename)
        found = list(bindings(tree, self.name))
        taken = any(isinstance(node, ast.Global) and self.name in node.names for node in ast.walk(tree))
        return found[0] if len(found) == 1 and not taken else None

    def followed(self) -> "Place":
        """Follow the name through imports to the place that binds it otherwise; raises `NotUnderstood`."""
        here, seen = self, {self.filename}
        while isinstance(statement := here.binding(), ast.ImportFrom):
            origin = _origin(here, statement)
            if origin is None or origin.filename in seen:
                break
            here = origin
            seen.add(here.filename)
        return here


def bindings(tree: ast.AST, name: str) -> Iterator[ast.stmt]:
    """Yield the statement of each binding of a name in a module or a function, but for the functions inside."""
    for statement in _statements(tree):
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            if statement.name == name:
                yield statement
            continue
        for node in _own_nodes(statement):
            match node:
                case ast.Name(id=found) if not isinstance(node.ctx, ast.Load):
                    pass
                case ast.alias(name=whole, asname=other):
                    found = other or whole.partition(".")[0]
                case (
                    ast.ExceptHandler(name=str(found))
                    | ast.MatchAs(name=str(found))
                    | ast.MatchStar(name=str(found))
                ):
                    pass
                case ast.MatchMapping(rest=str(found)):
                    pass
                case _:
                    continue
            if found == name:
                yield statement


def _statements(node: ast.AST) -> Iterator[ast.stmt]:
    """Yield the statements of a module or a function, at any depth but inside of functions and classes."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt):
            yield child
        if not isinstance(child, ast.expr | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield from _statements(child)


def _own_nodes(statement: ast.stmt) -> Iterator[ast.AST]:
    """Yield a statement's parts, without the statements that it holds."""
    waiting: list[ast.AST] = [statement]
    while waiting:
        here = waiting.pop()
        yield here
        waiting += [child for child in ast.iter_child_nodes(here) if not isinstance(child, ast.stmt)]


def imported(statement: ast.ImportFrom, package: object) -> Any:
    """Return the module that a statement imports from, where it is loaded; None where it is not."""
    name = "." * statement.level + (statement.module or "")
    try:
        whole = importlib.util.resolve_name(name, str(package) if package else None)
    except ImportError:
        return None
    return sys.modules.get(whole)


def _origin(place: Place, statement: ast.ImportFrom) -> Place | None:
    """Return the place that a name was imported from, where it holds the same object."""
    module = imported(statement, place.space.get("__package__"))
    name = next(each.name for each in statement.names if (each.asname or each.name) == place.name)
    filename = getattr(module, "__file__", None)
    if filename is None or vars(module).get(name, module) is not place.value:
        return None
    return Place(name, vars(module), filename)


def is_defined(function: FunctionType, place: Place) -> bool:
    """Say whether a name means the one function that its module defines under it; raises `NotUnderstood`."""
    origin = place.followed()
    home = replace(origin, filename=function.__code__.co_filename)
    if function.__globals__ is not origin.space:
        return False
    if home.filename != origin.filename and any(
        True for _ in bindings(module_tree(origin.filename), origin.name)
    ):
        return False  # the cells of a notebook are files of one module
    statement = home.binding()
    return statement is not None and _defines(statement, source_of(function).node)


def is_defined_inside(function: FunctionType, name: str) -> bool:
    """Say whether a name of an enclosing function means the one function that is defined under it there."""
    source = source_of(function)
    around = [
        node
        for node in ast.walk(source.module)
        if isinstance(node, ast.FunctionDef) and source.node is not node and source.node in ast.walk(node)
    ]
    if not around:
        return False
    # Those around it are walked from the outside in.
    found = list(bindings(around[-1], name))
    taken = any(isinstance(node, ast.Nonlocal) and name in node.names for node in ast.walk(around[-1]))
    return not taken and len(found) == 1 and _defines(found[0], source.node)


def _defines(statement: ast.stmt, node: ast.FunctionDef | ast.Lambda) -> bool:
    if isinstance(statement, ast.Assign | ast.AnnAssign):
        return isinstance(node, ast.Lambda) and _at(statement.value) == _at(node)
    return isinstance(node, ast.FunctionDef) and _at(statement) == _at(node)


def _at(node: ast.AST | None) -> tuple[object, object]:
    # Two readings of one file give two trees.
    return getattr(node, "lineno", None), getattr(node, "col_offset", None)
