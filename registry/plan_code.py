"""Whether a step does nothing but build its plan: then all that the plan holds besides columns is of the code.

A plan does not say where its values come from: `pl.lit(0.37)` may be a constant, or the mean of a column that Python
looked at. So the step's code is read, statement by statement, and what it does not know is astray.

Rules:

- A plan (a LazyFrame that came in, or what was made of one) may be passed on, asked for the names of its columns, and
  have the methods that give another plan. Anything else takes values out of it: `collect()`, `[...]`, `len`.
- Of a DataFrame that came in, `lazy()` and `columns` may be used, and nothing else.
- Values are made of the literals in the code, the step's parameters, and constants of its module
  (`registry.plan_names`).
- A parameter that can be changed in place (a list, an object) may have been filled by an earlier step: it counts where
  it was given to this run, or is still the literal that the function says.
- A function of the same kind that is called is read as the step is. What has no source, or is wrapped, is not known.

>>> astray(step.function, {"loans": EAGER})                                # doctest: +SKIP
"line 12, loans['race']"
"""

import ast
import builtins
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from inspect import signature
from types import BuiltinFunctionType, FunctionType
from typing import Final

from registry.function_source import defaults_of, source_of
from registry.module_bindings import imported
from registry.plan_arguments import arguments_of, defaulted
from registry.plan_kinds import MADE_HERE, CallFunction, Kinds
from registry.plan_names import is_plain, is_plain_inside, is_same
from registry.plan_scope import scope_of
from registry.plan_told import is_told
from registry.plan_values import CODE, EAGER, FRESH, OTHER, PLAN, PLANS, TABLES, Astray, Inner, one_of
from registry.relations import NotUnderstood
from registry.written_defaults import unwritten_default

__all__ = ["EAGER", "OTHER", "PLAN", "PLANS", "TABLES", "astray", "held_by"]

DEEPEST: Final = 8
"""Calls of functions in functions, beyond which nothing is said."""

MOST_ROUNDS: Final = 20
"""Rounds of a loop after which what its names hold is not known."""


def astray(function: Callable[..., object], given: Mapping[str, str]) -> str | None:
    """Say where a step does more than build its plan, or may; None where it does not.

    `given` are the arguments that are no parameters, each with what it holds: `PLAN`, `PLANS`, `EAGER`, `TABLES` or
    `OTHER`.
    """
    try:
        if not isinstance(function, FunctionType):
            return "its function is of a kind that is not read"
        names = list(signature(function).parameters)
        _run(function, {name: given.get(name, CODE) for name in names}, 0)
    except Astray as where:
        return str(where)
    except NotUnderstood as why:
        return str(why)
    except RecursionError:
        return "its code is nested too deeply"
    return None


def held_by(
    function: Callable[..., object], parameters: Mapping[str, object], given: Collection[str]
) -> dict[str, str]:
    """Say what each parameter of a step holds, for `astray`; `given` are those that were given to the run."""
    defaults = _defaults(function)
    return {
        name: CODE if _is_of_code(value, defaults.get(name), name in given) else OTHER
        for name, value in parameters.items()
    }


def _is_of_code(value: object, default: ast.expr | None, is_given: bool) -> bool:
    if is_plain(value):
        return True
    if is_given:
        return is_plain_inside(value)
    try:
        return default is not None and is_same(ast.literal_eval(default), value)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return False


def _defaults(function: Callable[..., object]) -> dict[str, ast.expr]:
    try:
        return defaults_of(function) if isinstance(function, FunctionType) else {}
    except NotUnderstood:
        return {}


def _run(function: FunctionType, local: Mapping[str, str], depth: int) -> str:
    """Read a function whose arguments hold this, and say what it returns."""
    if hasattr(function, "__wrapped__"):
        raise NotUnderstood(f"{function.__qualname__} is wrapped, and what it is wrapped in is not read")
    if depth > DEEPEST:
        raise NotUnderstood(f"{function.__qualname__} calls other functions too deeply")
    node = source_of(function).node
    reading = _Statements(lambda call: Kinds(scope_of(function), dict(local), call), depth)
    return reading.kinds.of(node.body) if isinstance(node, ast.Lambda) else reading.block(node.body)


class _Statements:
    """The statements of one function, one after the other."""

    def __init__(self, kinds: Callable[[CallFunction], Kinds], depth: int) -> None:
        self._depth = depth
        self.kinds = kinds(self._called)
        self._returned: list[str] = []

    def block(self, body: Sequence[ast.stmt]) -> str:
        """Read statements, and say what they return."""
        for statement in body:
            read = getattr(self, f"_{type(statement).__name__.lower()}", None)
            if read is None:
                raise self.kinds.lost(statement)
            read(statement)
        return one_of(self._returned)

    def _called(self, function: FunctionType | Inner, given: list[str], named: dict[str, str]) -> str:
        """Read a function that the code calls, and say what it returns."""
        if isinstance(function, Inner):
            name, written = function.node.name, function.node.args
            held = arguments_of(written, name, given, named)
            if self._depth >= DEEPEST:
                raise NotUnderstood(f"{name} calls other functions too deeply")
            reading = _Statements(
                lambda call: function.around.inside(function.node, held, call), self._depth + 1
            )
            return reading.block(function.node.body)
        name, written = function.__qualname__, source_of(function).node.args
        held = arguments_of(written, name, given, named)
        if (left := unwritten_default(function, defaulted(written, given, named))) is not None:
            raise NotUnderstood(
                f"the default of {left} in {name} is neither a literal nor a constant of its module"
            )
        return _run(function, held, self._depth + 1)

    def _functiondef(self, node: ast.FunctionDef) -> None:
        if node.decorator_list:
            raise self.kinds.lost(node)
        for default in (*node.args.defaults, *node.args.kw_defaults):
            self.kinds.code(default)
        self.kinds.name(node.name, Inner(node, self.kinds), node)

    def _import(self, node: ast.Import) -> None:
        self._refuse_other_import(node)
        for each in node.names:
            first, *rest = each.name.split(".")
            found = top = sys.modules.get(first)
            for part in rest:
                found = getattr(found, part, None)
            if found is None or found is not sys.modules.get(each.name):
                raise self.kinds.lost(node)  # to import it runs its code
            self.kinds.name(each.asname or first, found if each.asname else top, node)

    def _importfrom(self, node: ast.ImportFrom) -> None:
        self._refuse_other_import(node)
        module = imported(node, self.kinds.scope.space.get("__package__"))
        for each in node.names:
            found = self.kinds.member(module, each.name)
            if found is None:
                raise self.kinds.lost(node)
            name = each.asname or each.name
            if isinstance(found, str):
                self.kinds.bind(ast.Name(name, ast.Store(), lineno=node.lineno, col_offset=0), found)
            else:
                self.kinds.name(name, found.value, node)

    def _refuse_other_import(self, node: ast.stmt) -> None:
        if not isinstance(builtins.__import__, BuiltinFunctionType):
            raise self.kinds.lost(node)

    def _expr(self, node: ast.Expr) -> None:
        if not is_told(self.kinds, node.value):
            self.kinds.of(node.value)

    def _pass(self, node: ast.Pass) -> None:
        pass

    def _return(self, node: ast.Return) -> None:
        self._returned.append(CODE if node.value is None else self.kinds.of(node.value))

    def _assign(self, node: ast.Assign) -> None:
        kind = self._made(node.value, node.targets)
        for target in node.targets:
            self.kinds.bind(target, kind)

    def _annassign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.kinds.bind(node.target, self._made(node.value, [node.target]))

    def _made(self, value: ast.expr, targets: Sequence[ast.expr]) -> str:
        kind = self.kinds.of(value)
        is_fresh = isinstance(value, MADE_HERE) and len(targets) == 1 and isinstance(targets[0], ast.Name)
        return FRESH if is_fresh and kind == CODE else kind

    def _augassign(self, node: ast.AugAssign) -> None:
        if not isinstance(node.target, ast.Name):
            raise self.kinds.lost(node)
        self.kinds.code(ast.Name(node.target.id, ast.Load(), lineno=node.lineno, col_offset=0))
        self.kinds.code(node.value)

    def _assert(self, node: ast.Assert) -> None:
        self.kinds.code(node.test)

    def _raise(self, node: ast.Raise) -> None:
        self.kinds.code(node.exc)

    def _if(self, node: ast.If) -> None:
        self.kinds.code(node.test)
        before = dict(self.kinds.local)
        self.block(node.body)
        after = dict(self.kinds.local)
        self.kinds.local = before
        self.block(node.orelse)
        self.kinds.local = _joined(after, self.kinds.local)

    def _for(self, node: ast.For) -> None:
        for _ in range(MOST_ROUNDS):
            # Until no name may hold more than after the round before: what it holds may come from round to round.
            before = dict(self.kinds.local)
            self.kinds.bind(node.target, self.kinds.element(node.iter))
            self.block(node.body)
            self.kinds.local = _joined(before, self.kinds.local)
            if self.kinds.local == before:
                self.block(node.orelse)
                return
        raise self.kinds.lost(node)


def _joined(one: Mapping[str, str], other: Mapping[str, str]) -> dict[str, str]:
    """Say what names hold after two ways through the code."""
    return {name: one_of(held[name] for held in (one, other) if name in held) for name in {**one, **other}}
