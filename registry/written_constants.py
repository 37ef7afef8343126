"""Whether what a name holds is what its module writes: `RATE = 0.37` is, `RATE = loans.race.mean()` is not.

Rules:

- The module has to set the name once, at its top, and no function sets it. What is written is worked out again, and has
  to be what the name holds: a list that was filled, and a constant that somebody set from elsewhere, are not.
- What is written may be literals, other such constants, and what Python makes of them by itself: sums and joins,
  comprehensions, `tuple(...)`, dates. Constants of Python and of installed packages are of the code (`math.pi`).
- A name that is imported from a module of one's own is looked up there.
- Where the source is not at hand, nothing is.

>>> import string
>>> is_written("ascii_letters", vars(string), string.__file__), is_written("RATE", {"RATE": 0.37}, "no file")
(True, False)
"""

import ast
import builtins
import datetime
import decimal
import math
import sys
from pathlib import PurePath
from types import ModuleType
from typing import Any, Final

from registry.function_source import module_tree
from registry.installed import is_installed, is_installed_module
from registry.module_bindings import Place, bindings, imported
from registry.plan_names import is_plain_inside, is_same, value_of, worked_out
from registry.relations import NotUnderstood

__all__ = ["is_written", "is_written_as", "is_written_in_class", "made_of_code"]

MAKES: Final = (
    "bool", "bytes", "dict", "enumerate", "float", "frozenset", "int", "len", "list", "max", "min", "range", "reversed",
    "round", "set", "sorted", "str", "sum", "tuple", "zip",
)  # fmt: skip
"""Functions of Python's own that make values of those that they are given."""

CLASSES: Final = (datetime.date, datetime.datetime, datetime.time, datetime.timedelta, decimal.Decimal)

METHODS: Final = (
    "copy",
    "format",
    "items",
    "join",
    "keys",
    "lower",
    "replace",
    "split",
    "strip",
    "upper",
    "values",
)

PARTS: Final = (
    ast.BinOp, ast.BoolOp, ast.Compare, ast.Constant, ast.Dict, ast.DictComp, ast.FormattedValue, ast.GeneratorExp,
    ast.IfExp, ast.JoinedStr, ast.List, ast.ListComp, ast.Set, ast.SetComp, ast.Slice, ast.Starred, ast.Subscript,
    ast.Tuple, ast.UnaryOp, ast.comprehension, ast.keyword, ast.operator, ast.boolop, ast.unaryop, ast.cmpop,
    ast.expr_context,
)  # fmt: skip


def is_written(name: str, space: dict[str, Any], filename: str) -> bool:
    """Say whether a name in the namespace of a module, which was read from a file, holds what is written there."""
    place = Place(name, space, filename)
    if isinstance(space.get(name), PurePath):
        return True  # the name of a file, and no value of a column
    try:
        origin = place.followed()
        statement = origin.binding()
    except NotUnderstood:
        return False
    if isinstance(statement, ast.ImportFrom):
        module = imported(statement, origin.space.get("__package__"))
        return module is not None and is_installed_module(module) and _has(module, statement, origin)
    if is_installed(origin.filename):
        return is_plain_inside(origin.value)
    written = None if statement is None else value_of(statement, origin.name)
    if written is None:
        return False
    return is_written_as(written, origin.value, origin.space, origin.filename, frozenset({origin.name}))


def _has(module: ModuleType, statement: ast.ImportFrom, place: Place) -> bool:
    """Say whether a module has the constant that a statement imports from it."""
    there = next(each.name for each in statement.names if (each.asname or each.name) == place.name)
    return vars(module).get(there) is place.value and is_plain_inside(place.value)


def is_written_in_class(kind: type, name: str, value: object) -> bool:
    """Say whether the value of an attribute of a class is what the body of the class writes."""
    module = sys.modules.get(kind.__module__)
    filename = str(getattr(module, "__file__", ""))
    try:
        tree = module_tree(filename)
    except NotUnderstood:
        return False
    bodies = [
        node for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and node.name == kind.__name__
    ]
    found = list(bindings(bodies[0], name)) if len(bodies) == 1 else []
    written = value_of(found[0], name) if len(found) == 1 else None
    return written is not None and is_written_as(written, value, vars(module), filename)


def is_written_as(
    node: ast.expr,
    value: object,
    space: dict[str, Any],
    filename: str,
    within: frozenset[str] = frozenset(),
) -> bool:
    """Say whether a value is what an expression in a module gives, which is made of literals and constants.

    `within` are the names whose expressions are being looked at.
    """
    try:
        return is_plain_inside(value) and is_same(made_of_code(node, space, filename, within), value)
    except NotUnderstood:
        return False


def made_of_code(
    node: ast.expr, space: dict[str, Any], filename: str, within: frozenset[str] = frozenset()
) -> Any:
    """Work out an expression that is made of literals and constants of a module; raise `NotUnderstood` for another."""
    if not _is_code(node, space, filename, within):
        raise NotUnderstood("it is made of what is neither a literal nor a constant")
    try:
        return worked_out(node, space)
    except Exception:  # whatever it raises now, it is not known to be what it was
        raise NotUnderstood("it cannot be worked out again") from None


def _is_code(node: ast.expr, space: dict[str, Any], filename: str, within: frozenset[str]) -> bool:
    """Say whether an expression is made of literals and constants; `within` are those that are looked at already."""
    inside = list(ast.walk(node))
    bound = {each.id for each in inside if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)}
    called = {id(each.func) for each in inside if isinstance(each, ast.Call)}
    of_module = {id(each.value) for each in inside if isinstance(each, ast.Attribute)}
    for each in inside:
        match each:
            case ast.Name(id=name) if name in bound:
                continue
            case ast.Name(id=name) if id(each) in called and _makes(name, space):
                continue
            case ast.Name(id=name) if id(each) in of_module and isinstance(space.get(name), ModuleType):
                continue
            case ast.Name(id=name) if (
                name not in within and name in space and is_written(name, space, filename)
            ):
                continue
            case ast.Attribute(value=ast.Name(id=name), attr=attribute) if (
                name in space and name not in bound
            ):
                if _is_of_package(space[name], attribute) or (id(each) in called and attribute in METHODS):
                    continue
                return False
            case ast.Attribute(attr=attribute) if id(each) in called and attribute in METHODS:
                continue
            case ast.Call():
                continue
        if isinstance(each, ast.Name) or not isinstance(each, PARTS):
            return False
    return True


def _makes(name: str, space: dict[str, Any]) -> bool:
    if name in space:
        return any(space[name] is each for each in CLASSES)
    return name in MAKES and hasattr(builtins, name)


def _is_of_package(module: object, attribute: str) -> bool:
    """Say whether an attribute is a constant of an installed package, or one of its classes of plain values."""
    if not isinstance(module, ModuleType) or not is_installed_module(module):
        return False
    value = vars(module).get(attribute)
    return is_plain_inside(value) or any(value is each for each in (*CLASSES, *vars(math).values()))
