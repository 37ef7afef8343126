"""Statements of a step's code that only tell somebody something: `print(loans.shape)`, `log.info(...)`.

What is told may be looked at in a table that came in, as it goes nowhere else.

Rules:

- Such a call stands by itself, as a statement, and is one of those of `registry.plan_said`.
- What is looked at is dropped: no function of the code is given it, and nothing is changed. So of a table only a few
  methods are known, with literals as arguments, and of Python's functions those that call nobody back.
- A plan is not run for it (`collect()`): functions of the code may stand in it, and would be given its rows.

>>> is_told(kinds, ast.parse("print(loans.shape)", mode="eval").body)      # doctest: +SKIP
True
"""

import ast
from typing import Final

from registry.plan_kinds import Kinds, is_starred
from registry.plan_methods import is_look
from registry.plan_names import is_harmless
from registry.plan_said import is_said_by
from registry.plan_values import EAGER, PLAN, PLANS, TABLES, Known

__all__ = ["is_told"]

PARTS: Final = (
    ast.BinOp, ast.BoolOp, ast.Compare, ast.FormattedValue, ast.JoinedStr, ast.Tuple, ast.UnaryOp,
)  # fmt: skip
"""Expressions that may be made of what is looked at."""

FUNCTIONS: Final = (abs, bool, float, int, len, list, max, min, repr, round, str, sum, tuple)
"""Functions of Python that may be given what is looked at: they call nobody back."""

SETTINGS: Final = ("sep", "end", "flush", "exc_info", "stacklevel")


def is_told(kinds: Kinds, node: ast.expr) -> bool:
    """Say whether a statement only tells something, which is read here; raises `Astray` where it may do more."""
    match node:
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(value=ast.Name(id=name))):
            pass
        case _:
            return False
    if kinds.is_value(name):
        return False
    function = kinds.found(node.func)
    if not isinstance(function, Known) or not is_said_by(function.value):
        return False
    for each in node.args:
        _read(kinds, each)
    for keyword in node.keywords:
        if keyword.arg not in SETTINGS:
            raise kinds.lost(node)
        kinds.code(keyword.value)
    return True


def _read(kinds: Kinds, node: ast.expr) -> None:
    """Read what is told: constants, what is looked at in a table, and what is made of these."""
    if isinstance(node, PARTS):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                _read(kinds, child)
    elif isinstance(node, ast.Call) and _is_plain_call(kinds, node):
        for each in node.args:
            _read(kinds, each)
    elif not _is_whole(kinds, node) and not _is_look(kinds, node):
        kinds.of(node)


def _is_plain_call(kinds: Kinds, node: ast.Call) -> bool:
    """Say whether a function of Python is called that calls nobody back."""
    if not isinstance(node.func, ast.Name) or node.keywords or is_starred(node):
        return False
    if kinds.is_value(node.func.id):
        return False
    function = kinds.found(node.func)
    if not isinstance(function, Known) or not is_harmless(function.value):
        return False
    return any(function.value is each for each in FUNCTIONS)


def _is_whole(kinds: Kinds, node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and kinds.local.get(node.id) in (PLAN, PLANS, EAGER, TABLES)


def _is_look(kinds: Kinds, node: ast.expr) -> bool:
    """Say whether a value is looked at in a table, which stays as it is."""
    match node:
        case ast.Name(id=name):
            return kinds.local.get(name) in (EAGER, TABLES)
        case ast.Attribute(value=held, attr=name):
            return is_look(name) and _is_look(kinds, held)
        case ast.Call(func=ast.Attribute() as method, args=args, keywords=[]):
            return all(isinstance(each, ast.Constant) for each in args) and _is_look(kinds, method)
        case ast.Subscript(value=held, slice=ast.Constant()):
            return _is_look(kinds, held)
    return False
