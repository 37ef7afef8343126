"""Steps: plain functions as a pipeline declares them, and in their place with what they are called with.

Rules:

- What cannot be recorded honestly is refused: `*args`, `**kwargs`, coroutines, generators, a function without a name.
- Annotations are resolved one by one; one that fails promises nothing.

>>> def model(applications, C: float = 1.0): ...
>>> [(each.name, each.expected) for each in arguments_of(name_of(model), model)][1]
('C', <class 'float'>)
"""

import inspect
import sys
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import FunctionType
from typing import TYPE_CHECKING, Any, Literal, cast

from audit.errors import MalformedInput
from registry.data_checks import Checks
from registry.told import Told

if TYPE_CHECKING:
    from registry.sql_step import Query

__all__ = ["Argument", "PlannedStep", "Step", "arguments_of", "name_of"]


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a step's function; only the whole pipeline knows whether it names a step."""

    name: str
    expected: object
    default: object
    positional: bool


@dataclass(frozen=True, slots=True)
class Step:
    """A declared step: `sensitive` and `options` are for the one that evaluates."""

    name: str
    kind: Literal["step", "evaluate"]
    function: Callable[..., object]
    arguments: tuple[Argument, ...]
    sensitive: tuple[str, ...] = ()
    options: tuple[tuple[str, object], ...] = ()
    told: Told = field(default_factory=Told)
    """What the declaration says of the step's columns."""
    query: "Query | None" = None
    """The query that makes a SQL step."""
    checks: Checks = field(default_factory=dict)
    """The schemas that what it returns is held against."""


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """A step in its place: the steps it takes its inputs from, the value of every parameter, and which were given."""

    step: Step
    after: tuple[str, ...]
    parameters: Mapping[str, object]
    given: tuple[str, ...] = ()

    def call(self, returned: Mapping[str, object]) -> object:
        """Call the step's function with what the steps before it returned."""
        positional: list[object] = []
        named: dict[str, object] = {}
        for argument in self.step.arguments:
            source = returned if argument.name in self.after else self.parameters
            if argument.positional:
                positional.append(source[argument.name])
            else:
                named[argument.name] = source[argument.name]
        return self.step.function(*positional, **named)


def name_of(function: Callable[..., object]) -> str:
    """Return the name of a step's function; raise `MalformedInput` where it is no function, or has none."""
    if not callable(function):
        raise MalformedInput(f"a step is a function, not an object of the type {type(function).__name__}")
    name: str = getattr(function, "__name__", "")
    if not name.isidentifier():
        raise MalformedInput(f"a step needs a function with a name, and {name or 'this'} is not one: use def")
    return name


def _refuse_deferred(name: str, function: Callable[..., object]) -> None:
    plain = inspect.unwrap(function)
    if inspect.iscoroutinefunction(plain) or inspect.isasyncgenfunction(plain):
        raise MalformedInput(
            f"the step {name} is asynchronous: a step is a plain function that returns its result"
        )
    if inspect.isgeneratorfunction(plain):
        raise MalformedInput(f"the step {name} is a generator: return a list or a table instead of yielding")


def arguments_of(name: str, function: Callable[..., object]) -> tuple[Argument, ...]:
    """Return the arguments of a step's function; raise `MalformedInput` where a run could not record them."""
    _refuse_deferred(name, function)
    try:
        signature = inspect.signature(function)
    except (ValueError, TypeError):
        raise MalformedInput(f"the step {name} does not say which arguments it takes: use def") from None
    hints = _hints(function)
    arguments = []
    for parameter in signature.parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            stars = "*" if parameter.kind is parameter.VAR_POSITIONAL else "**"
            raise MalformedInput(
                f"the step {name} takes {stars}{parameter.name}: name every argument, so that it can be recorded"
            )
        if not parameter.name.isascii():
            raise MalformedInput(
                f"the argument {parameter.name} of the step {name} must be written in ASCII letters"
            )
        expected = hints.get(parameter.name, parameter.annotation)
        arguments.append(
            Argument(parameter.name, expected, parameter.default, parameter.kind is parameter.POSITIONAL_ONLY)
        )
    return tuple(arguments)


def _hints(function: Callable[..., object]) -> Mapping[str, object]:
    """Resolve annotations one by one: a name that exists for type checkers only must not hide the others."""
    plain = inspect.unwrap(function)
    space = dict(vars(sys.modules.get(getattr(plain, "__module__", ""), typing)))
    if isinstance(plain, FunctionType):
        space = dict(plain.__globals__)
    hints: dict[str, object] = {}
    for name, annotation in getattr(plain, "__annotations__", {}).items():
        probe = cast(Any, type("Probe", (), {"__annotations__": {name: annotation}}))
        try:
            hints[name] = typing.get_type_hints(probe, globalns=space, include_extras=True)[name]
        except Exception:  # an annotation may be any expression, and promises nothing if it fails
            hints[name] = annotation if isinstance(annotation, type) else Any
    return hints
