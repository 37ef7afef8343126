"""What the expressions in a step's code hold: constants, plans, or something that is not known.

Rules:

- An expression that is made of constants is one. Whatever takes a value out of a plan or a table is `Astray`.
- A kind of expression that is not read here (`await`, `yield`) is astray.

>>> Kinds(step, source, {"loans": PLAN}).of(ast.parse("loans.select('debt')", mode="eval").body)  # doctest: +SKIP
'a plan'
"""

import ast
import builtins
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import FunctionType
from typing import Any, Final

from registry.plan_names import FRAME_METHODS, GATHERS, is_constant, is_harmless, is_open_module

__all__ = ["CODE", "EAGER", "OTHER", "PLAN", "PLANS", "TABLES", "Astray", "Kinds", "Known", "one_of"]

CODE: Final = "made of constants"
PLAN: Final = "a plan"
PLANS: Final = "plans in a list, a tuple or a dict"
EAGER: Final = "a table"
TABLES: Final = "tables in a dict"
SCHEMA: Final = "the types of columns by name"
OTHER: Final = "not known"

PARTS_ALL_CODE: Final = (
    ast.BinOp, ast.BoolOp, ast.Compare, ast.FormattedValue, ast.JoinedStr, ast.Set, ast.Slice, ast.UnaryOp,
)  # fmt: skip

CallFunction = Callable[[object, "list[str]", "dict[str, str]"], str]


class Astray(Exception):
    """Something in the code that may do more than build a plan; the message is where."""


@dataclass(frozen=True, slots=True)
class Known:
    """A value that a name stands for: a module, a function, a class."""

    value: Any


def one_of(kinds: Iterable[str]) -> str:
    """Say what a value is that may be one of several: what is allowed of a plan is allowed of a constant."""
    found = {*kinds} - {CODE}
    return found.pop() if len(found) == 1 else OTHER if found else CODE


class Kinds:
    """The names that a piece of code sees, and what its expressions hold."""

    def __init__(self, function: FunctionType, local: dict[str, str], call: CallFunction) -> None:
        self.function = function
        self.local = local
        self.call = call

    def of(self, node: ast.expr) -> str:
        """Say what an expression holds; raise `Astray` where that may be a value out of a table."""
        found = self._found(node)
        if not isinstance(found, Known):
            return found
        if is_harmless(found.value):
            return CODE
        raise self.lost(node)

    def code(self, node: ast.expr | None) -> str:
        """Refuse an expression that is not made of constants."""
        if node is not None and self.of(node) != CODE:
            raise self.lost(node)
        return CODE

    def lost(self, node: ast.AST) -> Astray:
        """Name the place that is not understood."""
        text = " ".join(ast.unparse(node).split())
        short = text if len(text) <= 60 else f"{text[:59]}…"
        return Astray(f"line {getattr(node, 'lineno', '?')}, {short}")

    def bind(self, target: ast.expr, kind: str) -> None:
        """Give a name, or several, what is assigned to them."""
        if isinstance(target, ast.Name):
            self.local[target.id] = kind
        elif isinstance(target, ast.Tuple | ast.List) and kind in (CODE, PLANS):
            for each in target.elts:
                self.bind(each, CODE if kind == CODE else PLAN)
        elif isinstance(target, ast.Subscript) and isinstance(target.value, ast.Name):
            self.code(target.slice)
            self._put(target.value, kind)
        else:
            raise self.lost(target)

    def _put(self, container: ast.expr, kind: str) -> str:
        """Note that something was put into a list or dict of this function's own."""
        if not isinstance(container, ast.Name) or self.local.get(container.id) not in (CODE, PLANS):
            raise self.lost(container)
        if kind == PLAN:
            self.local[container.id] = PLANS
        elif kind != CODE or self.local[container.id] != CODE:
            raise self.lost(container)
        return CODE

    def _found(self, node: ast.expr) -> str | Known:
        if isinstance(node, PARTS_ALL_CODE):
            for child in ast.iter_child_nodes(node):
                if isinstance(child, ast.expr):
                    self.code(child)
            return CODE
        read = getattr(self, f"_{type(node).__name__.lower()}", None)
        if read is None:
            raise self.lost(node)
        found: str | Known = read(node)
        return found

    def _constant(self, node: ast.Constant) -> str:
        return CODE

    def _name(self, node: ast.Name) -> str | Known:
        if node.id in self.local:
            found = self.local[node.id]
            if found == OTHER:
                raise self.lost(node)
            return found
        closure = self.function.__closure__ or ()
        cells = dict(zip(self.function.__code__.co_freevars, closure, strict=True))
        held = self.function.__globals__
        if node.id in cells:
            return self._outside(node, cells[node.id].cell_contents)
        if node.id not in held:
            return Known(getattr(builtins, node.id, None))
        found_outside = held[node.id]
        filename = self.function.__code__.co_filename
        if is_constant(node.id, found_outside, filename, lambda value: _is_code(self, value)):
            return CODE
        return self._outside(node, found_outside)

    def _outside(self, node: ast.expr, value: object) -> Known:
        if is_open_module(value) or is_harmless(value) or isinstance(value, FunctionType):
            return Known(value)
        raise self.lost(node)

    def _attribute(self, node: ast.Attribute) -> str | Known:
        found = self._found(node.value)
        if node.attr.startswith("_"):
            raise self.lost(node)
        if isinstance(found, Known):
            value = getattr(found.value, node.attr, None)
            if is_harmless(found.value) or isinstance(value, int | float):
                return CODE
            if is_open_module(found.value) and (is_open_module(value) or is_harmless(value)):
                return Known(value)
            raise self.lost(node)
        if found == CODE or (found in (PLAN, EAGER) and node.attr == "columns"):
            return CODE
        raise self.lost(node)

    def _subscript(self, node: ast.Subscript) -> str:
        found = self.of(node.value)
        self.code(node.slice)
        if found in (CODE, PLANS, TABLES):
            return {CODE: CODE, PLANS: PLAN, TABLES: EAGER}[found]
        raise self.lost(node)

    def _call(self, node: ast.Call) -> str:
        # In the order of Python: a name that is set in what is called is there for the arguments.
        holder = self._found(node.func.value) if isinstance(node.func, ast.Attribute) else None
        function = self._found(node.func) if holder is None or isinstance(holder, Known) else None
        given = [self._argument(each) for each in node.args]
        named = {each.arg or "": self._argument(each.value) for each in node.keywords}
        if isinstance(node.func, ast.Attribute) and isinstance(holder, str):
            return self._method(node, node.func, holder, given, named)
        if isinstance(function, Known):
            return self._function(node, function.value, given, named)
        if function == CODE and {*given, *named.values()} <= {CODE}:
            return CODE
        raise self.lost(node)

    def _argument(self, node: ast.expr) -> str:
        return self.of(node.value if isinstance(node, ast.Starred) else node)

    def _method(
        self, node: ast.Call, method: ast.Attribute, holder: str, given: list[str], named: dict[str, str]
    ) -> str:
        name, kinds = method.attr, {*given, *named.values()}
        if holder == CODE and name in ("append", "setdefault") and PLAN in kinds:
            return self._put(method.value, PLAN)
        if holder == CODE and kinds <= {CODE} and not name.startswith("_"):
            return CODE
        if holder == PLANS and name in ("append", "values", "get") and kinds <= {CODE, PLAN}:
            return {"append": CODE, "values": PLANS, "get": PLAN}[name]
        if holder == PLAN and name in FRAME_METHODS and kinds <= {CODE, PLAN}:
            return PLAN
        if holder == EAGER and name == "lazy" and not kinds:
            return PLAN
        if (holder, name) == (PLAN, "collect_schema") and not kinds:
            return SCHEMA
        if (holder, name) == (SCHEMA, "names"):
            return CODE
        raise self.lost(node)

    def _function(self, node: ast.Call, function: Any, given: list[str], named: dict[str, str]) -> str:
        import polars

        kinds = {*given, *named.values()}
        if is_harmless(function):
            if kinds <= {CODE}:
                return CODE
            if any(function is getattr(polars, name, None) for name in GATHERS) and kinds <= {
                CODE,
                PLAN,
                PLANS,
            }:
                return PLAN
        elif isinstance(function, FunctionType):
            starred = any(isinstance(each, ast.Starred) for each in node.args) or "" in named
            if not starred:
                return self.call(function, given, named)
        raise self.lost(node)

    def _ifexp(self, node: ast.IfExp) -> str:
        self.code(node.test)
        return one_of([self.of(node.body), self.of(node.orelse)])

    def _namedexpr(self, node: ast.NamedExpr) -> str:
        kind = self.of(node.value)
        self.bind(node.target, kind)
        return kind

    def _starred(self, node: ast.Starred) -> str:
        return self.of(node.value)

    def _list(self, node: ast.List | ast.Tuple) -> str:
        return self._together(node, [self.of(each) for each in node.elts])

    _tuple = _list

    def _dict(self, node: ast.Dict) -> str:
        for key in node.keys:
            self.code(key)
        return self._together(node, [self.of(each) for each in node.values])

    def _together(self, node: ast.expr, kinds: Iterable[str]) -> str:
        found = set(kinds)
        if found <= {CODE}:
            return CODE
        if found <= {CODE, PLAN, PLANS}:
            return PLANS
        raise self.lost(node)

    def _listcomp(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp) -> str:
        inner = self._inside(node.generators)
        return self._together(node, [inner.of(node.elt)])

    _setcomp = _generatorexp = _listcomp

    def _dictcomp(self, node: ast.DictComp) -> str:
        inner = self._inside(node.generators)
        inner.code(node.key)
        return self._together(node, [inner.of(node.value)])

    def _inside(self, generators: Iterable[ast.comprehension]) -> "Kinds":
        inner = Kinds(self.function, dict(self.local), self.call)
        for each in generators:
            inner.bind(each.target, inner.element(each.iter))
            for condition in each.ifs:
                inner.code(condition)
        return inner

    def element(self, node: ast.expr) -> str:
        """Say what comes out of something that is gone through."""
        kind = self.of(node)
        if kind not in (CODE, PLANS):
            raise self.lost(node)
        return CODE if kind == CODE else PLAN

    def _lambda(self, node: ast.Lambda) -> str:
        """Read a function that is passed on, as for names: what it is given are constants."""
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        local = {**self.local, **{each.arg: CODE for each in arguments}}
        for default in (*node.args.defaults, *node.args.kw_defaults):
            self.code(default)
        return Kinds(self.function, local, self.call).code(node.body)


def _is_code(kinds: Kinds, value: ast.expr) -> bool:
    try:
        return Kinds(kinds.function, {}, kinds.call).of(value) == CODE
    except Astray:
        return False
