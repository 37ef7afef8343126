"""What somebody put on an installed package: `np.stash = means`, `pd.Series.encode = ...`, an accessor of pandas.

A step that stores a value there hands it to every later step, past all tables.

Rules:

- Asked are the names that a code reads, and the words among its texts (`getattr(np, "stash")`, `agg("encode")`): in
  the modules of packages that it names, in the classes that it names, and in every class of pandas and polars, since
  the code does not say of which class a table is.
- A function is the package's own where its globals are those of an installed module, and it holds none of one's own.
- Any other value of a module is its own where the module's source binds the name, and it still is what was imported
  there; of a module of C, where it is no container. Of a class it is where the body of the class writes the name.
- What a package keeps inside of its objects, and a name that the code works out, nobody sees. pandas' options are kept
  by pandas, and count as put there by somebody.

>>> import json
>>> json.stash = 0.37
>>> list(put_there(["stash", "dumps"], [], [json])), delattr(json, "stash")
(['json.stash'], None)
"""

import ast
import enum
import sys
from collections.abc import Collection, Iterable, Iterator
from functools import partialmethod
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any, Final

from registry.function_source import module_tree
from registry.installed import is_installed, is_installed_module
from registry.module_bindings import bindings, imported
from registry.relations import NotUnderstood

__all__ = ["put_there"]

HOMES: Final = ("pandas", "pandas.api.typing", "polars")
"""Modules whose classes a step may meet without naming them."""

IMMUTABLE: Final = 1 << 8
"""The flag of a class on which nothing can be set, in Python's C API (Py_TPFLAGS_IMMUTABLETYPE)."""

MUTABLE: Final = (bytearray, dict, list, set)

TABLES: Final = ("numpy", "pandas", "polars", "pyarrow")

HOLDING: Final = ("_accessor", "_ns", "func")
"""Where an accessor of pandas, a namespace of polars and a wrapper of functools hold what they stand for."""

OPTIONS: Final = ("get_option", "options")


def put_there(names: Iterable[str], texts: Iterable[str], values: Iterable[Any]) -> Iterator[str]:
    """Name what a code that reads `names`, writes `texts` and holds `values` may find on a package that is not of it.

    `values` are what the names hold in its own module: modules and classes among them are looked into.
    """
    asked = dict.fromkeys((*names, *(text for text in texts if text.isidentifier())))
    given = list(values)
    yield from _on_modules(asked, given)
    classes = [each for each in given if isinstance(each, type)]
    classes += [
        each
        for home in HOMES
        if home in sys.modules
        for each in vars(sys.modules[home]).values()
        if isinstance(each, type) and not hasattr(each, "construct_array_type")  # a type of cells is no table
    ]
    looked = dict.fromkeys(kind for each in classes for kind in each.__mro__ if _is_of_package(kind))
    for kind in looked:
        for name in vars(kind).keys() & asked.keys():
            if not name.startswith("__") and not _is_in_class(kind, name):
                yield f"{kind.__name__}.{name}"


def _on_modules(asked: Collection[str], values: Iterable[Any]) -> Iterator[str]:
    waiting = [each for each in values if isinstance(each, ModuleType)]
    looked: set[int] = set()
    while waiting:
        module = waiting.pop()
        if id(module) in looked:
            continue
        looked.add(id(module))
        for name in vars(module).keys() & set(asked):
            value = vars(module)[name]
            if isinstance(value, ModuleType):
                waiting.append(value)
            elif (
                is_installed_module(module) and not name.startswith("__") and not _is_of(module, name, value)
            ):
                yield f"{module.__name__}.{name}"


def _is_of(module: ModuleType, name: str, value: Any) -> bool:
    """Say whether what a module holds under a name is its own."""
    if module.__name__ == "pandas" and name in OPTIONS:
        return False
    if module is sys and name == "path":  # which is also the name of `os.path`
        return True
    if isinstance(value, type):
        return _is_of_package(value)
    if isinstance(value, MethodType):  # of an object that a module keeps (`random.seed`)
        return _is_own(value.__func__) and _is_of_package(type(value.__self__))
    if isinstance(value, FunctionType | BuiltinFunctionType):
        return _is_own(value)
    if isinstance(value, enum.Enum):  # which an enum writes into its module (`re.IGNORECASE`)
        return _is_of_package(type(value))
    tree = _source(module)
    if tree is None:
        home = type(value).__module__
        return home == module.__name__ or (
            not isinstance(value, MUTABLE) and home.partition(".")[0] not in TABLES
        )
    return _is_bound(module, tree, name, value)


def _source(module: ModuleType | None) -> ast.Module | None:
    """Return the source of a module; None of one that is made in C."""
    path = str(getattr(module, "__file__", ""))
    try:
        return module_tree(path) if path.endswith(".py") else None
    except NotUnderstood:
        return None


def _is_bound(module: ModuleType, tree: ast.Module, name: str, value: Any) -> bool:
    """Say whether the source of a module binds a name, and to this where it imports it."""
    package = vars(module).get("__package__")
    for statement in bindings(tree, name):
        if not isinstance(statement, ast.ImportFrom):
            return True
        there = next(each.name for each in statement.names if (each.asname or each.name) == name)
        if _imports(statement, package).get(there, value) is value:
            return True
    stars = (node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and _is_star(node))
    return any(name in (space := _imports(star, package)) and space[name] is value for star in stars)


def _imports(statement: ast.ImportFrom, package: object) -> dict[str, Any]:
    module = imported(statement, package)
    return {} if module is None else vars(module)


def _is_star(statement: ast.ImportFrom) -> bool:
    return any(each.name == "*" for each in statement.names)


def _is_in_class(kind: type, name: str) -> bool:
    """Say whether a class of a package holds under a name what is its own, or what its body writes."""
    if kind.__flags__ & IMMUTABLE or _is_own(vars(kind)[name]):
        return True
    # Packages say of their classes that they are of another module than the one that writes them.
    functions = [each for each in vars(kind).values() if isinstance(each, FunctionType)]
    homes = [str(each.__globals__.get("__name__")) for each in functions] or [kind.__module__]
    tree = _source(sys.modules.get(homes[0]))
    bodies = [] if tree is None else [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    written = any(body.name == kind.__name__ and any(bindings(body, name)) for body in bodies)
    return written and not hasattr(vars(kind)[name], "__get__")


def _is_own(value: Any) -> bool:
    """Say whether an attribute of a class of a package, or a function of a module, is that package's."""
    match value:
        case None | BuiltinFunctionType():
            return True
        case partialmethod():  # none of the packages writes one
            return False
        case property():
            return all(map(_is_own, (value.fget, value.fset, value.fdel)))
        case staticmethod() | classmethod():
            return _is_own(value.__func__)
        case FunctionType():
            return _is_installed_function(value)
        case type():
            return _is_of_package(value)
    # Descriptors of C and Cython, and what pandas, polars and functools make of a class or a function.
    held = getattr(value, "__dict__", {})
    inside = [held[name] for name in HOLDING if name in held and not isinstance(held[name], str)]
    return hasattr(type(value), "__get__") and _is_of_package(type(value)) and all(map(_is_own, inside))


def _is_installed_function(function: FunctionType) -> bool:
    """Say whether a function, and all that it holds and wraps, is of installed packages."""
    waiting: list[Any] = [function]
    looked: set[int] = set()
    while waiting:
        here = waiting.pop()
        if not isinstance(here, FunctionType) or id(here) in looked:
            continue
        looked.add(id(here))
        if not _is_installed_space(here.__globals__):
            return False
        waiting += [getattr(here, "__wrapped__", None), *_cells(here)]
    return True


def _is_installed_space(space: dict[str, Any]) -> bool:
    """Say whether the globals of a function are those of an installed module, also of one that made its code itself."""
    if (path := space.get("__file__")) is not None:
        return is_installed(path)
    home = sys.modules.get(str(space.get("__name__")))
    return home is not None and is_installed_module(home)


def _cells(function: FunctionType) -> Iterator[Any]:
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # not set yet
            continue


def _is_of_package(kind: type) -> bool:
    home = sys.modules.get(kind.__module__)
    return home is None or is_installed_module(home)
