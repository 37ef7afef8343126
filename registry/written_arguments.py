"""What a piece of code gives to the calls in it, as far as the code writes it: `threshold=0.5`, `categories=[ORDER]`.

Rules:

- What is given is of the code where it is a literal, what is made of literals and constants of the module
  (`registry.written_constants`), or a parameter that the code never sets anew and that nobody can change in place.
- Where an argument of one name is given otherwise as well, no such argument is of the code; nor where it is given in a
  branch, as which branch was taken may hang on a column.
- What is given by place and by name counts together. What is called by another name, is given what is unpacked, or has
  an attribute set, is given who knows what.
- The candidates of a search are given (`registry.search_candidates`), where the code fits nothing else: what a search
  chose by some columns may be fitted on others.
- Of a step its function is read, and the functions of its own modules that it calls, with what it gives them; of a
  block that `record()` records the whole file, where that is what ran.

>>> Written("step", {"threshold": [0.5]}).gives("Binarizer", "threshold", 0.5)
True
"""

import ast
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import CodeType, FunctionType
from typing import Any, Final

from registry.function_source import module_of, source_of
from registry.module_bindings import Place, is_defined
from registry.plan_names import is_plain, is_same
from registry.relations import NotUnderstood
from registry.search_candidates import candidates, is_kept
from registry.written_constants import made_of_code
from registry.written_defaults import unwritten_default

__all__ = ["Written", "is_setting", "written_by_block", "written_by_step"]

BRANCHES: Final = (ast.If, ast.IfExp, ast.BoolOp, ast.Match, ast.While, ast.Try)

FITS: Final = ("fit", "fit_predict", "fit_transform", "partial_fit")

DEEPEST: Final = 4
"""Calls of functions in functions that are read."""

PLAIN: Final = (bool, int, float, str, bytes, list, tuple, dict)

_COMPUTED: Final = object()


@dataclass(frozen=True, slots=True)
class Written:
    """What is given to calls, by the argument's name, or by `Called() 0` by its place, and `where` that is."""

    where: str
    given: Mapping[str, list[Any]] = field(default_factory=dict)
    untold: frozenset[str] = frozenset()
    """The names of what is called in ways that are not read, or by another name."""

    def gives(self, called: str, name: str, value: object, place: int | None = None) -> bool:
        """Say whether the code gives a value to a call as an argument, and no other that is not of the code."""
        if self.untold & {called, "set_params", "setattr"}:
            return False
        said = [*self.given.get(name, []), *self.given.get(f"{called}() {place}", [])]
        return not any(one is _COMPUTED for one in said) and any(is_setting(value, one) for one in said)

    def computes(self, called: str, name: str, place: int) -> bool:
        """Say whether the code computes what it gives to a call as an argument, by its name or its place."""
        said = [*self.given.get(f"{called}({name}=)", []), *self.given.get(f"{called}() {place}", [])]
        return any(one is _COMPUTED for one in said)


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
    reading = _Reading(node, parameters, function.__globals__, function.__code__.co_filename)
    return reading.written("step")


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
    return _Reading(tree, parameters, space, code.co_filename).written(where)


class _Reading:
    """The reading of one piece of code, and of the functions of its own modules that a step calls."""

    def __init__(
        self,
        node: ast.AST,
        parameters: Mapping[str, object],
        space: dict[str, Any],
        filename: str,
        depth: int = 0,
    ) -> None:
        self._node, self._space, self._filename, self._depth = node, space, filename, depth
        stored = {
            each.id
            for each in ast.walk(node)
            if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)
        }
        arguments = [each.arg for each in ast.walk(node) if isinstance(each, ast.arg)]
        # A function inside that has a parameter of the name means that one.
        self._own = {
            name: value
            for name, value in parameters.items()
            if name not in stored and arguments.count(name) <= 1 and is_plain(value)
        }
        self._local = _local(node)
        self._constants = {name: value for name, value in space.items() if name not in self._local}
        self._given: dict[str, list[Any]] = {}
        self._untold: set[str] = set()
        self._tried: list[tuple[str, list[Any]]] = []
        """The candidates of searches."""
        self._makers: set[str] = set()
        """The functions that search."""
        self._read = [node]
        self._fits = 0

    def written(self, where: str) -> Written:
        """Say what the code gives to the calls in it, and what those give that it calls."""
        self.collect()
        # What a search chose by other columns may be fitted again: its candidates count where nothing else is fitted.
        is_one = self._fits <= 1 and self._untold.isdisjoint(FITS) and self._keeps()
        for name, values in self._tried:
            self._note(name, *(values if is_one else [_COMPUTED]))
        return Written(where, self._given, frozenset(self._untold))

    def _keeps(self) -> bool:
        """Say whether no function is given what a search found."""
        return all(is_kept(node, self._makers) for node in self._read)

    def collect(self) -> None:
        """Go through the code."""
        chosen = {each for branch in _branches(self._node) for each in ast.walk(branch)}
        called: set[ast.AST] = set()
        for node in ast.walk(self._node):
            if isinstance(node, ast.Call):
                called.add(node.func)
                self._call(node, is_chosen=node in chosen)
        for node in ast.walk(self._node):
            if isinstance(node, ast.Name | ast.Attribute) and node not in called:
                self._untold.add(_name(node))
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                self._note(node.attr, _COMPUTED)

    def _note(self, name: str, *values: Any) -> None:
        self._given.setdefault(name, []).extend(values)

    def _call(self, call: ast.Call, *, is_chosen: bool) -> None:
        called = _name(call.func)
        if called == "setattr" or _is_unpacked(call):
            self._untold.add(called)
        self._fits += called in FITS
        # `set_params(spline__degree=2)` sets the degree of what is called spline.
        named = [(each.arg.rpartition("__")[2], each.value) for each in call.keywords if each.arg is not None]
        # What a call itself is given by name, beside what any call is.
        exact = [(f"{called}({each.arg}=)", each.value) for each in call.keywords if each.arg is not None]
        placed = [(f"{called}() {place}", each) for place, each in enumerate(call.args)]
        for name, value in (*named, *exact, *placed):
            self._note(name, _COMPUTED if is_chosen else self._value(value))
        for name, values in candidates(call, self._node, self._constants, self._told):
            self._tried.append((name, [_COMPUTED] if values is None or is_chosen else values))
        self._go_on(call, is_chosen=is_chosen)

    def _value(self, node: ast.expr) -> Any:
        try:
            return self._told(node)
        except ValueError:
            return _COMPUTED

    def _told(self, node: ast.expr) -> Any:
        """Return what an expression is where the code writes it, else raise `ValueError`."""
        if isinstance(node, ast.Name) and node.id in self._own:
            return self._own[node.id]
        try:
            return ast.literal_eval(node)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            pass
        try:
            return made_of_code(node, self._constants, self._filename)
        except NotUnderstood:
            raise ValueError("computed") from None

    def _go_on(self, call: ast.Call, *, is_chosen: bool) -> None:
        """Read a function of one's own that a step calls, with what it is given."""
        function = self._constants.get(_name(call.func)) if isinstance(call.func, ast.Name) else None
        is_step = not isinstance(self._node, ast.Module)  # a file is read as a whole
        if not is_step or not isinstance(function, FunctionType) or self._depth >= DEEPEST:
            return
        try:
            if not is_defined(function, Place(_name(call.func), self._space, self._filename)):
                return
            node, held = source_of(function).node, self._bound(function, call)
        except NotUnderstood:
            return
        space, filename = function.__globals__, function.__code__.co_filename
        inner = _Reading(node, held, space, filename, self._depth + 1)
        inner.collect()
        for name, values in inner._given.items():
            self._note(name, *([_COMPUTED] if is_chosen else values))
        self._read += inner._read
        self._makers |= inner._makers | ({_name(call.func)} if inner._tried else set())
        self._tried += [(name, [_COMPUTED] if is_chosen else values) for name, values in inner._tried]
        self._untold |= inner._untold
        self._fits += inner._fits

    def _bound(self, function: FunctionType, call: ast.Call) -> dict[str, object]:
        """Return the parameters of a function that a call writes, or that keep a default which is written."""
        if _is_unpacked(call):
            return {}
        bound = inspect.signature(function).bind_partial(
            *call.args, **{each.arg: each.value for each in call.keywords if each.arg}
        )
        held: dict[str, object] = {}
        for name, parameter in bound.signature.parameters.items():
            written = bound.arguments.get(name)
            if isinstance(written, ast.expr):
                held[name] = self._value(written)
            elif written is None and unwritten_default(function, [name]) is None:
                held[name] = parameter.default
        return {name: value for name, value in held.items() if value is not _COMPUTED}


def _is_unpacked(call: ast.Call) -> bool:
    """Say whether a call is given what stands in a list or a dict."""
    return any(isinstance(each, ast.Starred) for each in call.args) or any(
        not each.arg for each in call.keywords
    )


def _name(node: ast.AST) -> str:
    """Name what an expression stands for: `clone` in `sklearn.base.clone`."""
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


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
