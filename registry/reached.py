"""What a step's function reaches besides its arguments: tables, lists and objects that its module or a closure holds.

What a step takes from elsewhere may hold what any column held. One that is observed is never seen to change with it,
and a declaration cannot name it.

Rules:

- Modules, classes, expressions of polars and what a module writes itself (`registry.written_constants`) are of the
  code. Anything else is reached: what a closure holds, what was set on a function or on a class, also a default.
- A function that is reached is looked into as well, and so are the methods of a class and what a module of one's own
  holds under the names that are read, where that is of Python and not of an installed package; and names that stand in
  the text of a query (`loans.query("job in @JOBS")`).
- A function that is cached gives again what it gave before, which somebody may have filled since.
- So does an installed package that somebody put something on (`registry.put_on_packages`).
- DuckDB finds files, variables and the tables of its default connection by itself: who calls it may reach anything.
- Code that looks names up by itself (`globals`, `exec`, `os.environ`) may reach anything; so may a module that the
  function imports and that was not loaded before.

>>> from json import dumps
>>> reached(dumps)
['_default_encoder']
"""

import dataclasses
import dis
import enum
import importlib.util
import logging
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from types import (
    BuiltinFunctionType,
    CodeType,
    FunctionType,
    GenericAlias,
    GetSetDescriptorType,
    MemberDescriptorType,
    ModuleType,
    UnionType,
)
from typing import Any, Final

from registry.installed import is_installed, is_installed_module
from registry.plan_names import is_plain, is_plain_inside
from registry.put_on_packages import put_there
from registry.written_constants import is_written, is_written_in_class

__all__ = ["DUCKDB", "constants", "reached", "readers", "texts", "texts_in"]

DUCKDB: Final = "duckdb"
"""The name of what a function reaches that asks DuckDB."""

OF_NAMES: Final = ("Expr", "Col", "Selector")
"""Classes of numpy and polars whose objects hold names and operations, and no values of a table."""

OF_PYTHON: Final = (GenericAlias, UnionType, re.Pattern)

DESCRIPTORS: Final = (staticmethod, classmethod, property, MemberDescriptorType, GetSetDescriptorType)
"""What a class is made of besides values."""

MADE_WITH: Final = ("_abc_impl", "_sklearn_auto_wrap_output_keys")

LOOKS_UP: Final = ("__import__", "environ", "eval", "exec", "getenv", "globals", "import_module", "modules")

READS: Final = ("read_", "scan_")
"""What the names of functions that read a file or a database begin with."""

_WORD: Final = re.compile(r"[A-Za-z_]\w*")
_QUERY: Final = re.compile(r"@|\b(?:from|join)\b", re.IGNORECASE)


def reached(function: Callable[..., object]) -> list[str]:
    """Name, in order, what a function or the methods of a class may take values from besides their arguments."""
    found: dict[str, None] = {}
    waiting: list[Any] = [function]
    if isinstance(function, type):
        found.update({function.__name__: None} if _is_filled(function) else {})
        waiting = list(_onward(function))
    elif not isinstance(function, FunctionType):
        # A method is one of an object, and a cache or another wrapper holds what it likes.
        found[f"its {type(function).__name__}"] = None
        waiting = [getattr(function, "__func__", None), getattr(function, "__wrapped__", None)]
    for here in _functions(waiting):
        found.update(dict.fromkeys(_outside(here, is_step=here is function)))
    return sorted(found)


def readers(function: Callable[..., object]) -> list[str]:
    """Name the functions that read a file or a database which a function calls, itself or through others."""
    names = {name for here in _functions_of(function) for name in _names(here.__code__)}
    return sorted(name for name in names if name.startswith(READS))


def texts(function: Callable[..., object]) -> list[str]:
    """List the texts that stand in a function's code, and in those that it calls."""
    codes = [here.__code__ for here in _functions_of(function)]
    return list(dict.fromkeys(text for code in codes for text in _texts(code)))


def constants(function: Callable[..., object]) -> list[str]:
    """List the texts in the plain values that a function reads from outside, itself or through others."""
    held = (
        value for here in _functions_of(function) for _, value, _ in _held(here) if is_plain_inside(value)
    )
    return list(dict.fromkeys(text for value in held for text in texts_in(value)))


def texts_in(value: object) -> Iterator[str]:
    """Yield the texts in a plain value, in its lists and dicts as well."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | tuple | set | frozenset):
        yield from (text for each in value for text in texts_in(each))
    elif isinstance(value, dict):
        yield from (text for pair in value.items() for text in texts_in(pair))


def _functions_of(function: Callable[..., object]) -> Iterator[FunctionType]:
    """Yield a function, or the methods of a class, and the functions of one's own that they reach."""
    return _functions(list(_onward(function)) if isinstance(function, type) else [function])


def _functions(waiting: list[Any]) -> Iterator[FunctionType]:
    """Yield functions and those that they reach, each once."""
    looked: set[int] = set()
    while waiting:
        here = waiting.pop()
        if isinstance(here, FunctionType) and id(here) not in looked:
            looked.add(id(here))
            yield here
            waiting += [each for _, value, _ in _held(here) for each in _onward(value)]


def _outside(function: FunctionType, *, is_step: bool) -> Iterator[str]:
    """Name what a function itself takes from elsewhere."""
    for name, value, home in _held(function):
        if isinstance(value, type | FunctionType) or _onward(value):
            is_outside = _is_filled(value)
            if _onward(value) and _remembers(value):
                yield f"the cache of {name}"
        else:
            is_outside = not _is_of_code(value) and (home is None or not is_written(name, *home))
        if is_outside:
            yield name
    names = list(_names(function.__code__))
    yield from (name for name in names if name in LOOKS_UP)
    yield from put_there(names, _texts(function.__code__), _named(function, names))
    yield from _imported_first(function.__code__)
    if any(_is_duckdbs(value) for value in _named(function, names)):
        yield DUCKDB
    if not is_step:  # a step's own parameters are recorded with their values
        yield from _defaults(function)


def _is_duckdbs(value: Any) -> bool:
    home = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
    return isinstance(home, str) and home.partition(".")[0] in (DUCKDB, f"_{DUCKDB}")


def _onward(value: Any) -> list[FunctionType]:
    """List the functions that are to be looked into: one that is named, or is wrapped, or the methods of a class."""
    if isinstance(value, type):
        classes = [each for each in value.__mro__ if not _is_of_package(each)]
        inside = [
            _plain(each)
            for one in classes
            for name, each in vars(one).items()
            if name != "__init__" or not dataclasses.is_dataclass(one)
        ]
    else:
        inside = [value, getattr(value, "__wrapped__", None)]
    return [
        each
        for each in inside
        if isinstance(each, FunctionType) and not is_installed(each.__code__.co_filename)
    ]


def _remembers(value: Any) -> bool:
    """Say whether an object that stands before a function of one's own may give what it was given earlier.

    A cache does, of `functools` or of another package; so may all that is no function of Python.
    """
    if isinstance(value, type):
        return False
    if not isinstance(value, FunctionType):
        return True
    if not is_installed(value.__code__.co_filename):
        return False  # what it holds is asked with what its code reads
    held = [each for _, each, home in _held(value) if home is None]
    return not all(_is_of_code(each) or isinstance(each, FunctionType) or is_plain(each) for each in held)


def _plain(value: Any) -> Any:
    return value.fget if isinstance(value, property) else getattr(value, "__func__", value)


def _is_filled(value: Any) -> bool:
    """Say whether a function or a class of one's own holds values that somebody may have set on it."""
    classes = value.__mro__ if isinstance(value, type) else [value]
    return any(_holds_values(each) for each in classes if not _is_of_package(each))


def _holds_values(value: Any) -> bool:
    own = {name: each for name, each in getattr(value, "__dict__", {}).items() if not name.startswith("__")}
    if isinstance(value, enum.EnumType):
        members: Any = value.__members__.items()
        return not all(is_written_in_class(value, name, member.value) for name, member in members)
    if isinstance(value, type) and dataclasses.is_dataclass(value):
        # Its fields keep their defaults, whatever stands in the class (slots do).
        written = vars(value).get("__annotations__", {})
        fields = [each for each in dataclasses.fields(value) if each.name in written]
        own |= {each.name: each.default for each in fields if each.default is not dataclasses.MISSING}
    # An abstract class, and an estimator of scikit-learn's, are made with some of their own.
    return not all(
        isinstance(each, (FunctionType, type, *DESCRIPTORS))
        or type(each).__module__.partition(".")[0] == "sklearn"
        or name in MADE_WITH
        or (isinstance(value, type) and is_written_in_class(value, name, each))
        for name, each in own.items()
    )


def _is_of_package(value: Any) -> bool:
    home = sys.modules.get(getattr(value, "__module__", None) or "")
    return home is None or is_installed_module(home)


_Home = tuple[dict[str, Any], str] | None


def _held(function: FunctionType) -> Iterator[tuple[str, Any, _Home]]:
    """Yield the names outside of a function that its code reads, what they hold, and the module that may write them."""
    names = [name for name in _names(function.__code__) if not name.startswith("__")]
    spaces: list[tuple[dict[str, Any], str]] = [(function.__globals__, function.__code__.co_filename)]
    spaces += [_space(module) for module in _loaded(function, names)]
    looked: set[int] = set()
    while spaces:
        space, filename = spaces.pop()
        if id(space) in looked:
            continue
        looked.add(id(space))
        for name in names:
            if name in space:
                yield name, space[name], (space, filename)
                if isinstance(space[name], ModuleType) and not is_installed_module(space[name]):
                    spaces.append(_space(space[name]))
    for name in _words(function.__code__):
        value = function.__globals__.get(name)
        if value is not None and not isinstance(value, ModuleType | type) and not callable(value):
            yield name, value, (function.__globals__, function.__code__.co_filename)
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield name, cell.cell_contents, None
        except ValueError:  # not set yet
            continue


def _named(function: FunctionType, names: Iterable[str]) -> Iterator[Any]:
    """Yield what stands in a function's module, or around it, under the names that it reads, and what it imports."""
    yield from (function.__globals__[name] for name in names if name in function.__globals__)
    yield from (value for _, value, home in _held(function) if home is None)
    yield from (sys.modules[name] for name in _imports(function.__code__) if name in sys.modules)


def _space(module: ModuleType) -> tuple[dict[str, Any], str]:
    return vars(module), str(getattr(module, "__file__", ""))


def _loaded(function: FunctionType, names: Iterable[str]) -> Iterator[ModuleType]:
    """Yield the modules of one's own that a function imports by itself."""
    package = function.__globals__.get("__package__")
    for name in dict.fromkeys(
        (*_imports(function.__code__), *(f"{package}.{name}" for name in names if package))
    ):
        module = sys.modules.get(name)
        if module is not None and not is_installed_module(module):
            yield module


def _imported_first(code: CodeType) -> Iterator[str]:
    """Name the modules of one's own that a function would be the first to import."""
    for name in _imports(code):
        if name in sys.modules or not name:
            continue
        try:
            found = importlib.util.find_spec(name.partition(".")[0])
        except (ImportError, ValueError):
            found = None
        if (
            found is not None
            and found.origin not in (None, "built-in", "frozen")
            and not is_installed(str(found.origin))
        ):
            yield name


def _imports(code: CodeType) -> Iterator[str]:
    yield from (str(each.argval) for each in dis.get_instructions(code) if each.opname == "IMPORT_NAME")
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _imports(constant)


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _texts(code: CodeType) -> Iterator[str]:
    for constant in code.co_consts:
        yield from _texts(constant) if isinstance(constant, CodeType) else texts_in(constant)


def _words(code: CodeType) -> Iterator[str]:
    """Yield the words of the texts in a code that may be queries."""
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _words(constant)
        elif isinstance(constant, str) and _QUERY.search(constant):
            yield from _WORD.findall(constant)


def _defaults(function: FunctionType) -> Iterator[str]:
    """Name the defaults of a function that its code does not write: they were worked out when it was made."""
    # Here and not above: it reads a signature only where there are defaults.
    from registry.written_defaults import unwritten_default

    names = list(function.__kwdefaults__ or ())
    count = len(function.__defaults__ or ())
    positional = function.__code__.co_varnames[: function.__code__.co_argcount]
    names += positional[len(positional) - count :]
    if names and (name := unwritten_default(function, names)) is not None:
        yield f"{function.__name__}({name}=)"


def _is_of_code(value: Any) -> bool:
    if value is None or isinstance(value, ModuleType | type | BuiltinFunctionType):
        return True
    kind = type(value)
    if kind in (logging.Logger, logging.RootLogger):
        return set(vars(value)) <= {*vars(logging.Logger("")), "manager"}
    if kind.__name__ == "ufunc":  # one that `frompyfunc` made holds a function of anybody's
        homes = (sys.modules.get("numpy"), sys.modules.get("scipy.special"))
        return any(getattr(home, value.__name__, None) is value for home in homes)
    if kind.__module__.startswith("scipy.stats."):  # a distribution, which holds what its class gives it
        return getattr(sys.modules.get("scipy.stats"), getattr(value, "name", ""), None) is value
    # What typing, numpy and polars make of names alone: a type alias, `np.sqrt`, `pl.col`, `pl.col("debt") * 2`.
    return (
        kind in OF_PYTHON
        or kind.__module__ in ("typing", "numpy.dtypes")
        or (kind.__module__.partition(".")[0] in ("numpy", "polars") and kind.__name__ in OF_NAMES)
    )
