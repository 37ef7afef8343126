"""What each parameter of a function holds that a step's code calls, by what it is given.

>>> arguments = ast.parse("lambda plan, least=1, *names: plan", mode="eval").body.args
>>> arguments_of(arguments, "helper", ["a plan", CODE, CODE], {})
{'plan': 'a plan', 'least': 'made of constants', 'names': 'made of constants'}
"""

import ast
from collections.abc import Mapping, Sequence
from inspect import Parameter, Signature

from registry.plan_values import CODE, together
from registry.relations import NotUnderstood

__all__ = ["arguments_of", "defaulted"]


def arguments_of(
    written: ast.arguments, name: str, given: Sequence[str], named: Mapping[str, str]
) -> dict[str, str]:
    """Say what each parameter holds; those that keep their defaults are taken for constants (see `defaulted`).

    Raises `NotUnderstood` where a call does not fit the function's signature.
    """
    signature = _signature(written)
    try:
        bound = signature.bind(*given, **named).arguments
    except TypeError:
        raise NotUnderstood(f"{name} is called in a way that is not read") from None
    held: dict[str, str] = {}
    for each in signature.parameters.values():
        value = bound.get(each.name, CODE)
        if isinstance(value, tuple):
            value = together(value)
        elif isinstance(value, dict):
            value = together(value.values())
        held[each.name] = value
    return held


def defaulted(written: ast.arguments, given: Sequence[str], named: Mapping[str, str]) -> list[str]:
    """Name the parameters that keep their defaults."""
    signature = _signature(written)
    bound = signature.bind(*given, **named).arguments
    return [
        each.name
        for each in signature.parameters.values()
        if each.name not in bound and each.default is not Parameter.empty
    ]


def _signature(written: ast.arguments) -> Signature:
    placed = [*written.posonlyargs, *written.args]
    without = len(placed) - len(written.defaults)
    found = []
    for number, each in enumerate(placed):
        kind = (
            Parameter.POSITIONAL_ONLY
            if number < len(written.posonlyargs)
            else Parameter.POSITIONAL_OR_KEYWORD
        )
        found.append(Parameter(each.arg, kind, default=Parameter.empty if number < without else ...))
    if written.vararg is not None:
        found.append(Parameter(written.vararg.arg, Parameter.VAR_POSITIONAL))
    for each, default in zip(written.kwonlyargs, written.kw_defaults, strict=True):
        value = Parameter.empty if default is None else ...
        found.append(Parameter(each.arg, Parameter.KEYWORD_ONLY, default=value))
    if written.kwarg is not None:
        found.append(Parameter(written.kwarg.arg, Parameter.VAR_KEYWORD))
    return Signature(found)
