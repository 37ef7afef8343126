"""What a piece of code gives to the calls in it, as far as the code writes it: `threshold=0.5`, `categories=[ORDER]`.

Rules:

- What is given is of the code where it is a literal, what is made of literals and constants of the module
  (`registry.written_constants`), or a parameter that the code never sets anew and that nobody can change in place.
- Where an argument of one name is given otherwise as well, no such argument is of the code; nor where it is given in a
  branch, as which branch was taken may hang on a column.
- Of a step its function is read; of a block that `record()` records the whole file, where that is what ran.

>>> Written("step", {"threshold": [0.5]}).gives("Binarizer", "threshold", 0.5)
True
"""

import ast
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import CodeType, FunctionType
from typing import Any, Final

from registry.function_source import module_of, source_of
from registry.plan_names import is_plain, is_same
from registry.relations import NotUnderstood
from registry.written_constants import made_of_code

__all__ = ["Written", "is_setting", "written_by_block", "written_by_step"]

BRANCHES: Final = (ast.If, ast.IfExp, ast.BoolOp, ast.Match, ast.While, ast.Try)

PLAIN: Final = (bool, int, float, str, bytes, list, tuple, dict)

_COMPUTED: Final = object()


@dataclass(frozen=True, slots=True)
class Written:
    """What is given to calls, by the argument's name, or by `Called()` where it comes first, and `where` that is."""

    where: str
    given: Mapping[str, list[Any]] = field(default_factory=dict)

    def gives(self, called: str, name: str, value: object) -> bool:
        """Say whether the code gives a value to a call as an argument, and no other that is not of the code."""
        said = self.given.get(name, []) or self.given.get(f"{called}()", [])
        return not any(one is _COMPUTED for one in said) and any(is_setting(value, one) for one in said)


def is_setting(value: object, other: object) -> bool:
    """Say whether a setting holds a value: the same object, or the same literal."""
    return value is other or (
        type(value) is type(other) and isinstance(value, PLAIN) and is_same(value, other)
    )


def written_by_step(function: Callable[..., object], parameters: Mapping[str, object]) -> Written:
    """Read what the function of a step gives to the calls in it."""
    if not isinstance(function, FunctionType):
        return Written("step")
    try:
        node = source_of(function).node
    except NotUnderstood:
        return Written("step")
    return Written("step", _read(node, parameters, function.__globals__, function.__code__.co_filename))


def written_by_block(
    code: CodeType | None, space: dict[str, Any], parameters: Mapping[str, object]
) -> Written:
    """Read what the file of the code that holds a block gives to the calls in it."""
    where = "block's file"
    try:
        tree = None if code is None else module_of(code, space)
    except NotUnderstood:
        tree = None
    if code is None or tree is None:
        return Written(where)
    return Written(where, _read(tree, parameters, space, code.co_filename))


def _read(
    node: ast.AST, parameters: Mapping[str, object], space: dict[str, Any], filename: str
) -> dict[str, list[Any]]:
    stored = {
        each.id for each in ast.walk(node) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)
    }
    own = {name: value for name, value in parameters.items() if name not in stored and is_plain(value)}
    constants = {name: value for name, value in space.items() if name not in _local(node)}
    found: dict[str, list[Any]] = {}
    chosen = {each for branch in _branches(node) for each in ast.walk(branch)}
    for call in ast.walk(node):
        if not isinstance(call, ast.Call):
            continue
        named = [(each.arg, each.value) for each in call.keywords if each.arg is not None]
        called = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        first = [(f"{called}()", each) for each in call.args[:1]]
        for name, value in (*named, *first):
            given = _COMPUTED if call in chosen else _value(value, own, constants, filename)
            found.setdefault(name, []).append(given)
    return found


def _local(node: ast.AST) -> set[str]:
    """Name what functions bind by themselves: under such a name no constant of the module is meant."""
    functions = [
        each
        for each in ast.walk(node)
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
    ]
    inside = [each for function in functions for each in ast.walk(function)]
    return {each.arg for each in inside if isinstance(each, ast.arg)} | {
        each.id for each in inside if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)
    }


def _branches(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what may be taken or not, but for the program that a file is when it is started."""
    for each in ast.walk(node):
        if isinstance(each, BRANCHES) and not (
            isinstance(each, ast.If)
            and not each.orelse
            and ast.unparse(each.test) == "__name__ == '__main__'"
        ):
            yield each


def _value(node: ast.expr, own: Mapping[str, object], constants: dict[str, Any], filename: str) -> Any:
    if isinstance(node, ast.Name) and node.id in own:
        return own[node.id]
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        pass
    try:
        return made_of_code(node, constants, filename)
    except NotUnderstood:
        return _COMPUTED
