"""Parameters: what they are called, which type they take and how they are given.

Rules:

- An address is `NAME` (every step that declares it) or `step.NAME` (that step alone, which wins).
- The type is the annotation's, else that of the default. A whole number may stand for a float; a bool never for
  an int. A value of another type is refused with one sentence.
- How values are recorded is the subject of `registry.recorded_values`; a message never shows one that is a secret.

>>> C = Parameter("model", "C", float, 1.0)
>>> read_assignments([C], ["C=2"]), assign([C], {"model.C": 3})
({'model.C': 2.0}, {'model.C': 3.0})
"""

import datetime
import enum
import inspect
import json
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from audit.errors import MalformedInput
from registry.private import Private
from registry.recorded_values import plain
from registry.secret_forms import is_secret_name
from registry.sentences import did_you_mean

__all__ = ["MISSING", "Parameter", "assign", "read_assignments", "read_text"]

MISSING = inspect.Parameter.empty
_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of one step: `expected` is its annotation, or `MISSING`; `default` likewise."""

    step: str
    name: str
    expected: object
    default: object

    @property
    def address(self) -> str:
        """The name that means this parameter of this step alone."""
        return f"{self.step}.{self.name}"

    @property
    def type(self) -> object:
        """What a value must be: the annotation, else the default's class, else anything."""
        if self.expected is not MISSING:
            return self.expected
        if self.default is MISSING or self.default is None:
            return typing.Any
        return type(plain(self.default))


def assign(declared: Sequence[Parameter], given: Mapping[str, object]) -> dict[str, object]:
    """Check given values and spread them over the steps: the result is keyed by `step.NAME`.

    Raises `MalformedInput` for a name that nobody declares (with near ones) and for a value of a wrong type.
    """
    assigned: dict[str, object] = {}
    exact = {parameter.address: parameter for parameter in declared}
    for name, value in given.items():
        if name in exact:
            continue
        matching = [parameter for parameter in declared if parameter.name == name]
        if not matching:
            raise MalformedInput(_unknown(name, declared))
        for parameter in matching:
            assigned[parameter.address] = _checked(parameter, value)
    for name, value in given.items():
        if name in exact:
            assigned[name] = _checked(exact[name], value)
    return assigned


def read_assignments(declared: Sequence[Parameter], texts: Iterable[str]) -> dict[str, object]:
    """Read `NAME=VALUE` texts into typed values, by what the steps declare.

    Where steps that share a name declare different types, each reads the text in its own way.
    """
    values: dict[str, object] = {}
    exact: dict[str, object] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        name = name.strip()
        if not equals or not name:
            raise MalformedInput(f"{text!r} is not a parameter: write NAME=VALUE, for example seed=7")
        matching = [parameter for parameter in declared if name in (parameter.name, parameter.address)]
        if not matching:
            raise MalformedInput(_unknown(name, declared))
        for parameter in matching:
            (exact if name == parameter.address else values)[parameter.address] = read_text(parameter, value)
    return values | exact


def read_text(parameter: Parameter, text: str) -> object:
    """Read one value from text as the parameter's type says, or raise `MalformedInput`."""
    for kind in _alternatives(parameter.type):
        try:
            return _read(kind, text)
        except (ValueError, KeyError, RecursionError):
            continue
    raise MalformedInput(f"{_sentence(parameter)}, and {_shown(parameter.name, text)} is not one")


def _alternatives(expected: object) -> list[object]:
    """Take a type apart into the plain ones it allows, the narrow before the wide."""
    if expected is typing.Any:
        return [object]
    if isinstance(expected, typing.NewType):
        return _alternatives(expected.__supertype__)
    origin = typing.get_origin(expected)
    if origin is typing.Annotated:
        return _alternatives(typing.get_args(expected)[0])
    if origin in (typing.Union, types.UnionType):
        kinds = [kind for part in typing.get_args(expected) for kind in _alternatives(part)]
        # Text accepts everything, so it is asked last.
        return sorted(kinds, key=lambda kind: kind is str or kind is Path)
    return [expected]


def _checked(parameter: Parameter, value: object) -> object:
    value = plain(value)
    if value is None and parameter.default is None:
        return None
    kinds = _alternatives(parameter.type)
    if any(_fits(kind, value) for kind in kinds):
        return value
    if float in kinds and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if Path in kinds and isinstance(value, str):
        return Path(value)
    raise MalformedInput(f"{_sentence(parameter)}, and {_shown(parameter.name, value)} is not one")


def _fits(kind: object, value: object) -> bool:
    if kind is None or kind is type(None):
        return value is None
    if typing.get_origin(kind) is typing.Literal:
        return any(type(value) is type(choice) and value == choice for choice in typing.get_args(kind))
    actual = typing.get_origin(kind) or kind
    # An annotation that is no class (a forward reference that cannot be resolved) promises nothing to check.
    if not isinstance(actual, type):
        return True
    if isinstance(value, bool) and actual in (int, float):
        return False
    try:
        return isinstance(value, actual)
    except TypeError:  # a protocol that cannot be asked at run time
        return True


def _read(kind: object, text: str) -> object:
    """Read text as one plain type; `ValueError` or `KeyError` where it is not one."""
    if kind is None or kind is type(None):
        return {"none": None, "null": None}[text.lower()]
    if typing.get_origin(kind) is typing.Literal:
        return {str(choice): choice for choice in typing.get_args(kind)}[text]
    actual = typing.get_origin(kind) or kind
    if actual is bool:
        return _TRUTH[text.lower()]
    if actual in (int, float, str, Path):
        return cast(Callable[[str], object], actual)(text)
    if isinstance(actual, type) and issubclass(actual, enum.Enum):
        return actual[text]
    if actual is Private:
        return Private.read(text)
    if actual in (datetime.date, datetime.datetime):
        return cast(type[datetime.date], actual).fromisoformat(text)
    if isinstance(actual, type) and actual is not object:
        return _read_json(actual, text)
    try:
        return json.loads(text)
    except ValueError:
        return text


def _read_json(actual: type, text: str) -> object:
    value = json.loads(text)
    if isinstance(value, list) and issubclass(actual, tuple):
        return tuple(value)
    if not isinstance(value, actual):
        raise ValueError(text)
    return value


def _sentence(parameter: Parameter) -> str:
    names = [_type_name(kind) for kind in _alternatives(parameter.type)]
    return f"the parameter {parameter.name} of the step {parameter.step} takes {' or '.join(names)}"


def _type_name(kind: object) -> str:
    if kind is None or kind is type(None):
        return "None"
    if typing.get_origin(kind) is typing.Literal:
        return " or ".join(repr(choice) for choice in typing.get_args(kind))
    plain = {
        bool: "true or false",
        int: "a whole number",
        float: "a number",
        str: "text",
        Path: "a path",
        Private: "SUBJECT=VALUE",
    }
    if isinstance(kind, type) and kind in plain:
        return plain[kind]
    return f"a value of the type {getattr(kind, '__name__', kind)}"


def _shown(name: str, value: object) -> str:
    if is_secret_name(name) or isinstance(value, Private):
        return "the given value"
    if isinstance(value, str):
        return repr(value if len(value) <= 60 else value[:57] + "...")
    if isinstance(value, bool | int | float) or value is None:
        return repr(value)
    return f"an object of the type {type(value).__name__}"


def _unknown(name: str, declared: Sequence[Parameter]) -> str:
    names = {parameter.name for parameter in declared} | (
        {parameter.address for parameter in declared} if "." in name else set()
    )
    if not names:
        return f"there is no parameter {name}: the steps take none"
    return f"there is no parameter {name}{did_you_mean(name, names)}"
