"""What the expressions in a step's code hold: constants, plans, or something that is not known.

Rules:

- An expression that is made of constants is one. Whatever takes a value out of a plan or a table is `Astray`.
- A plan is put only into a list or dict that this function made and that nothing else holds: under another name it
  would still look like constants.
- What a lambda or a generator reads later is what it read when it was made, else it is astray.
- A kind of expression that is not read here (`await`, `yield`) is astray.

>>> Kinds(step, source, {"loans": PLAN}).of(ast.parse("loans.select('debt')", mode="eval").body)  # doctest: +SKIP
'a plan'
"""

import ast
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from types import FunctionType
from typing import Any, Final

from registry.plan_arguments import arguments_of
from registry.plan_methods import (
    CHANGES,
    is_frame_method,
    is_method_of_constants,
    is_pipe,
    is_plain_format,
    is_table_method,
)
from registry.plan_names import FRAME_METHODS, GATHERS, is_harmless, is_lister
from registry.plan_scope import Scope
from registry.plan_values import (
    CODE,
    EAGER,
    FRESH,
    OTHER,
    PLAN,
    PLANS,
    SCHEMA,
    TABLES,
    Astray,
    Inner,
    Known,
    one_of,
    together,
)

__all__ = ["MADE_HERE", "CallFunction", "Kinds", "is_starred"]

PARTS_ALL_CODE: Final = (
    ast.BinOp, ast.BoolOp, ast.FormattedValue, ast.JoinedStr, ast.Set, ast.Slice, ast.UnaryOp,
)  # fmt: skip

MADE_HERE: Final = (ast.List, ast.Dict, ast.ListComp, ast.DictComp)
"""Expressions that make a list or dict which nothing else holds yet."""

CallFunction = Callable[[FunctionType | Inner, "list[str]", "dict[str, str]"], str]


class Kinds:
    """The names that a piece of code sees, and what its expressions hold."""

    def __init__(self, scope: Scope, local: dict[str, str], call: CallFunction) -> None:
        self.scope = scope
        self.local = local
        self.call = call
        self._own = scope.own
        self._captured: dict[str, set[str]] = {}
        """What the names held that are read later, when a lambda or a generator runs."""
        self._named: dict[str, Known] = {}
        """The functions and modules that the code around defines or imports, by what `local` says of their names."""
        self._is_inner = False
        self._is_later = False

    def of(self, node: ast.expr) -> str:
        """Say what an expression holds; raise `Astray` where that may be a value out of a table."""
        found = self.found(node)
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
            before = self._captured.get(target.id)
            if before is not None and kind not in (CODE, FRESH) and before != {kind}:
                raise self.lost(target)
            self.local[target.id] = CODE if before is not None and kind == FRESH else kind
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
        held = self.local.get(container.id) if isinstance(container, ast.Name) else None
        if isinstance(container, ast.Name) and kind == PLAN and held in (FRESH, PLANS) and not self._is_inner:
            self.local[container.id] = PLANS
        elif kind != CODE or held not in (CODE, FRESH):
            raise self.lost(container)
        return kind

    def found(self, node: ast.expr) -> str | Known:
        """Say what an expression holds, which may also be a function, a module or a class."""
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
            held = self._named.get(self.local[node.id])
            if self.local[node.id] == OTHER or (self._is_later and held and isinstance(held.value, Inner)):
                raise self.lost(node)  # a function that runs later sees other names around it
            self._let_go([node])
            return held or self.local[node.id]
        if node.id in self._own:
            raise self.lost(node)
        found = self.scope.found(node.id, self._is_code)
        if found is None:
            raise self.lost(node)
        return found

    def _is_code(self, written: ast.expr, scope: Scope) -> bool:
        try:
            return Kinds(scope, {}, self.call).of(written) == CODE
        except Astray:
            return False

    def is_value(self, name: str) -> bool:
        """Say whether a name is one of the code's own that means no function, module or class."""
        return name in self.local and self.local[name] not in self._named

    def member(self, module: object, name: str) -> str | Known | None:
        """Say what a module holds under a name; None where that is not known."""
        return self.scope.member(module, name, self._is_code)

    def name(self, name: str, value: object, node: ast.stmt) -> None:
        """Note that a name means a function, module or class from here on, which is used by this name alone."""
        self._let_go(ast.walk(node))
        held = f"{name} of line {node.lineno}, column {node.col_offset}"
        self._named[held] = Known(value)
        self.bind(ast.Name(name, ast.Store(), lineno=node.lineno, col_offset=node.col_offset), held)

    def inside(self, node: ast.FunctionDef, given: Mapping[str, str], call: CallFunction) -> "Kinds":
        """Go into a function that is defined here and called now: it sees the names as they are, and sets its own."""
        self._let_go(ast.walk(node))
        scope = self.scope.within(node)
        seen = {name: kind for name, kind in self.local.items() if name not in scope.own}
        inner = Kinds(scope, {**seen, **given}, call)
        inner._own, inner._captured, inner._is_inner = self._own | scope.own, self._captured, True
        inner._named, inner._is_later = dict(self._named), self._is_later
        return inner

    def _let_go(self, nodes: Iterable[ast.AST]) -> None:
        """Note that something else takes hold of what these names hold."""
        for node in nodes:
            if isinstance(node, ast.Name) and self.local.get(node.id) == FRESH:
                self.local[node.id] = CODE

    def _attribute(self, node: ast.Attribute) -> str | Known:
        found = self.found(node.value)
        if node.attr.startswith("_"):
            raise self.lost(node)
        if isinstance(found, Known):
            return self._attribute_of_known(node, found.value)
        if found == CODE and is_method_of_constants(node.attr):
            return CODE
        if found in (PLAN, EAGER) and node.attr in ("columns", "schema", "width") and _has(found, node.attr):
            return SCHEMA if node.attr == "schema" else CODE
        raise self.lost(node)

    def _attribute_of_known(self, node: ast.Attribute, held: Any) -> str | Known:
        import polars

        if held is polars.col and is_harmless(held) and node.attr not in getattr(held, "__dict__", {}):
            return CODE  # pl.col.debt
        if isinstance(held, type) and is_harmless(held) and is_method_of_constants(node.attr):
            return CODE
        found = self.member(held, node.attr)
        if found is None:
            raise self.lost(node)
        return found

    def _holder(self, node: ast.expr) -> str | Known:
        """Say what holds what is asked of it here, which lets nothing else take hold of it."""
        if isinstance(node, ast.Name) and self.local.get(node.id) == FRESH:
            return CODE
        return self.found(node)

    def _subscript(self, node: ast.Subscript) -> str:
        held = self._holder(node.value)
        found = held if isinstance(held, str) else self.of(node.value)
        self.code(node.slice)
        if found in (CODE, PLANS, TABLES):
            return {CODE: CODE, PLANS: PLAN, TABLES: EAGER}[found]
        raise self.lost(node)

    def _call(self, node: ast.Call) -> str:
        # In the order of Python: a name that is set in what is called is there for the arguments.
        holder = None
        if isinstance(node.func, ast.Attribute):
            puts = node.func.attr in ("append", "setdefault")
            holder = self._holder(node.func.value) if puts else self.found(node.func.value)
            if node.func.attr == "pipe" and holder in (PLAN, EAGER, CODE) and node.args and is_pipe():
                return self._piped(node, str(holder))
        function = self.found(node.func) if holder is None or isinstance(holder, Known) else None
        given = [self._argument(each) for each in node.args]
        named = {each.arg or "": self._argument(each.value) for each in node.keywords}
        if isinstance(node.func, ast.Attribute) and isinstance(holder, str):
            return self._method(node, node.func, holder, given, named)
        if isinstance(function, Known):
            return self._function(node, function.value, given, named)
        if function == CODE and {*given, *named.values()} <= {CODE}:
            return CODE
        raise self.lost(node)

    def _piped(self, node: ast.Call, holder: str) -> str:
        """Read `x.pipe(function, more)`, which is `function(x, more)`."""
        written, *rest = node.args
        if isinstance(written, ast.Starred):
            raise self.lost(node)
        function = None if isinstance(written, ast.Lambda) else self.found(written)
        given = [holder, *(self._argument(each) for each in rest)]
        named = {each.arg or "": self._argument(each.value) for each in node.keywords}
        if isinstance(function, Known):
            return self._function(node, function.value, given, named)
        if isinstance(written, ast.Lambda) and not is_starred(node):
            for default in (*written.args.defaults, *written.args.kw_defaults):
                self.code(default)
            held = arguments_of(written.args, "a lambda", given, named)
            return self._within(written, held).of(written.body)
        if function == CODE and {*given, *named.values()} <= {CODE}:
            return CODE
        raise self.lost(node)

    def _argument(self, node: ast.expr) -> str:
        kind = self.of(node)
        return CODE if isinstance(node, ast.Starred) and kind == SCHEMA else kind

    def _method(
        self, node: ast.Call, method: ast.Attribute, holder: str, given: list[str], named: dict[str, str]
    ) -> str:
        name, kinds = method.attr, {*given, *named.values()}
        if holder == CODE and name in ("append", "setdefault") and PLAN in kinds:
            return self._put(method.value, PLAN)
        if holder == CODE and kinds <= {CODE} and self._is_of_constants(method):
            return CODE
        if holder == PLANS and name in ("append", "values", "get") and kinds <= {CODE, PLAN}:
            return {"append": CODE, "values": PLANS, "get": PLAN}[name]
        if holder == PLAN and name in FRAME_METHODS and is_frame_method(name) and kinds <= {CODE, PLAN}:
            return PLAN
        if holder == EAGER and name == "lazy" and not kinds and is_table_method(name):
            return PLAN
        if holder in (PLAN, EAGER) and name == "collect_schema" and not kinds and _has(holder, name):
            return SCHEMA
        if holder == SCHEMA and name in ("names", "keys") and not kinds:
            return CODE
        raise self.lost(node)

    def _is_of_constants(self, method: ast.Attribute) -> bool:
        if method.attr == "format":
            return isinstance(method.value, ast.Constant) and is_plain_format(method.value.value)
        # A constant of the module would be another one from there on.
        root: ast.expr = method.value
        while isinstance(root, ast.Attribute):
            root = root.value
        is_outside = isinstance(root, ast.Name) and not self.is_value(root.id)
        return is_method_of_constants(method.attr) and not (is_outside and method.attr in CHANGES)

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
            if is_lister(function) and kinds <= {CODE, SCHEMA}:
                return CODE  # the names of columns
        elif isinstance(function, FunctionType | Inner) and not is_starred(node):
            return self.call(function, given, named)
        raise self.lost(node)

    def _compare(self, node: ast.Compare) -> str:
        """Read a comparison: a name may be looked for in a schema, which tells names alone."""
        self.code(node.left)
        for operation, other in zip(node.ops, node.comparators, strict=True):
            if not (isinstance(operation, ast.In | ast.NotIn) and self.of(other) == SCHEMA):
                self.code(other)
        return CODE

    def _ifexp(self, node: ast.IfExp) -> str:
        self.code(node.test)
        return one_of([self.of(node.body), self.of(node.orelse)])

    def _namedexpr(self, node: ast.NamedExpr) -> str:
        if self._is_inner:
            raise self.lost(node)
        kind = self.of(node.value)
        # It may stand where it is not come to (`a or (b := 1)`): the name may hold what it held before.
        before = self.local.get(node.target.id, kind)
        self.bind(node.target, one_of([before, kind]))
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
        found = together(kinds)
        if found == OTHER:
            raise self.lost(node)
        return found

    def _listcomp(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp) -> str:
        inner = self._inside(node, node.generators)
        return self._together(node, [inner.of(node.elt)])

    _setcomp = _generatorexp = _listcomp

    def _dictcomp(self, node: ast.DictComp) -> str:
        inner = self._inside(node, node.generators)
        inner.code(node.key)
        return self._together(node, [inner.of(node.value)])

    def _inside(self, node: ast.expr, generators: Sequence[ast.comprehension]) -> "Kinds":
        inner = self._within(node, {})
        if isinstance(node, ast.GeneratorExp):
            inner._is_later = True
            # All but what it goes through first is read when it is asked for.
            own = {
                each.id for one in generators for each in ast.walk(one.target) if isinstance(each, ast.Name)
            }
            first = set(ast.walk(generators[0].iter))
            self._capture((each for each in ast.walk(node) if each not in first), own)
        for each in generators:
            inner.bind(each.target, inner.element(each.iter))
            for condition in each.ifs:
                inner.code(condition)
        return inner

    def _within(self, node: ast.expr, more: Mapping[str, str]) -> "Kinds":
        """Go into an expression that has names of its own; it changes nothing that is held outside of it."""
        self._let_go(ast.walk(node))
        inner = Kinds(self.scope, {**self.local, **more}, self.call)
        inner._own, inner._captured, inner._is_inner = self._own, self._captured, True
        inner._named, inner._is_later = self._named, self._is_later
        return inner

    def _capture(self, nodes: Iterable[ast.AST], own: Collection[str]) -> None:
        for node in nodes:
            if isinstance(node, ast.Name) and node.id in self.local and node.id not in own:
                self._captured.setdefault(node.id, set()).add(self.local[node.id])

    def element(self, node: ast.expr) -> str:
        """Say what comes out of something that is gone through."""
        kind = self.of(node)
        if kind not in (CODE, PLANS, SCHEMA):
            raise self.lost(node)
        return PLAN if kind == PLANS else CODE

    def _lambda(self, node: ast.Lambda) -> str:
        """Read a function that is passed on, as for names: what it is given are constants."""
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        for default in (*node.args.defaults, *node.args.kw_defaults):
            self.code(default)
        starred = [each for each in (node.args.vararg, node.args.kwarg) if each is not None]
        taken = {each.arg: CODE for each in (*arguments, *starred)}
        inner = self._within(node, taken)
        inner._is_later = True
        self._capture(ast.walk(node.body), taken)
        return inner.code(node.body)


def is_starred(node: ast.Call) -> bool:
    """Say whether a call is given what stands in a list or a dict."""
    return any(isinstance(each, ast.Starred) for each in node.args) or any(
        each.arg is None for each in node.keywords
    )


def _has(kind: str, name: str) -> bool:
    return is_frame_method(name) if kind == PLAN else is_table_method(name)
