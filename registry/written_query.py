"""Whether the text of a step's query is of the code: `"SELECT ..."` is, `f"SELECT income / {loans.mean()}"` is not.

A text is put together when the module is read, and what is put into it may be of any data.

Rules:

- The decorator's argument is read where the function's source has it. It is of the code where it is a literal, a
  constant of its module (`registry.plan_names`), or made of these: an f-string, `+`, `%`, join, format, strip, replace.
- So is the whole text of a file of SQL (`.sql`) whose path the code writes, where no run can have written the file
  (`registry.settled_file`). A piece of a text that a file gives is not.
- What is written is worked out again, and has to be the text of the query.
- Where the source is not at hand, nothing is said of the query.

>>> check_written(check_written, "SELECT 1")
Traceback (most recent call last):
registry.relations.NotUnderstood: its query stands in no decorator: write @pipeline.sql_step("SELECT ...") above it
"""

import ast
import inspect
import pathlib
from collections.abc import Callable
from dataclasses import dataclass
from types import FunctionType
from typing import Any

from registry.function_source import Source, source_of
from registry.module_bindings import Place
from registry.plan_names import is_constant, worked_out
from registry.relations import NotUnderstood

__all__ = ["check_written"]


def check_written(function: Callable[..., object], text: str) -> None:
    """Raise `NotUnderstood` where the code does not write the text of the query that makes a step."""
    plain = inspect.unwrap(function)
    if not isinstance(plain, FunctionType):
        raise NotUnderstood("its function is of a kind that is not read")
    source = source_of(plain)
    written = _argument(source.node)
    if written is None:
        raise NotUnderstood(
            'its query stands in no decorator: write @pipeline.sql_step("SELECT ...") above it'
        )
    text_of = _Text(plain.__globals__, plain.__code__.co_filename, _shadowing(source))
    if not text_of.is_whole(written) or text_of.again(written) != text:
        raise NotUnderstood("the query's text is worked out by code, of what is not known")


def _argument(node: ast.FunctionDef | ast.Lambda) -> ast.expr | None:
    """Return what the decorator `sql_step` of a function is given."""
    for each in node.decorator_list if isinstance(node, ast.FunctionDef) else ():
        match each:
            case ast.Call(func=ast.Attribute(attr="sql_step") | ast.Name(id="sql_step"), args=[written]):
                return written
    return None


def _shadowing(source: Source) -> frozenset[str]:
    """Return the names that the functions and classes around a function set: they are none of the module's."""
    around = [
        each
        for each in ast.walk(source.module)
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and each is not source.node
        and any(inner is source.node for inner in ast.walk(each))
    ]
    names: set[str] = set()
    for node in (inner for each in around for inner in ast.walk(each)):
        match node:
            case ast.arg(arg=name) | ast.Name(id=name, ctx=ast.Store()):
                names.add(name)
            case ast.alias(name=name, asname=other):
                names.add(other or name)
    return frozenset(names)


@dataclass(frozen=True, slots=True)
class _Text:
    """What the expressions of a module are made of."""

    space: dict[str, Any]
    filename: str
    shadowing: frozenset[str]

    def again(self, node: ast.expr) -> object:
        """Work out again what is made of the code; None where that fails now."""
        try:
            return worked_out(node, self.space)
        except Exception:  # whatever it raises now, it is not known to be what it was
            return None

    def is_whole(self, node: ast.expr) -> bool:
        """Say whether a text is of the code, or all that a file of SQL holds."""
        return self._is_code(node) or self._is_read(node) or self._is_constant(node, _Text.is_whole)

    def _is_constant(self, node: ast.expr, is_code: "Callable[[_Text, ast.expr], bool]") -> bool:
        if not isinstance(node, ast.Name) or node.id not in self.space or node.id in self.shadowing:
            return False
        return is_constant(
            Place(node.id, self.space, self.filename),
            lambda written, place: is_code(_Text(place.space, place.filename, frozenset()), written),
        )

    def _is_code(self, node: ast.expr, bound: frozenset[str] = frozenset()) -> bool:
        match node:
            case ast.Constant():
                return True
            case ast.Name(id=name):
                return name in bound or self._is_constant(node, _Text._is_code)
            case ast.GeneratorExp(elt=each, generators=loops) | ast.ListComp(elt=each, generators=loops):
                names = {
                    item.id for loop in loops for item in ast.walk(loop.target) if isinstance(item, ast.Name)
                }
                parts = [each, *(loop.iter for loop in loops), *(test for loop in loops for test in loop.ifs)]
                return all(self._is_code(part, bound | names) for part in parts)
            case ast.JoinedStr(values=parts) | ast.List(elts=parts) | ast.Tuple(elts=parts):
                pass
            case ast.FormattedValue(value=value, format_spec=spec):
                parts = [value, *([spec] if spec is not None else [])]
            case ast.BinOp(left=left, op=ast.Add() | ast.Mod(), right=right):
                parts = [left, right]
            case ast.Call(func=ast.Attribute(value=of, attr="join" | "format" | "strip" | "replace")):
                parts = [of, *node.args, *(each.value for each in node.keywords)]
            case _:
                return False
        return all(self._is_code(part, bound) for part in parts)

    def _is_read(self, node: ast.expr) -> bool:
        """Say whether a text is what a file of SQL holds, whose path the code writes."""
        match node:
            case ast.Call(func=ast.Attribute(value=path, attr="read_text"), args=rest, keywords=named):
                pass
            case ast.Call(func=ast.Attribute(value=ast.Call() as opened, attr="read"), args=[], keywords=[]):
                if not isinstance(opened.func, ast.Name) or opened.func.id != "open" or "open" in self.space:
                    return False
                [path, *rest], named = opened.args or [opened], opened.keywords
            case _:
                return False
        settings = [*rest, *(each.value for each in named)]
        if not self._is_path(path) or not all(map(self._is_code, settings)):
            return False
        name = str(self.again(path))
        if not name.lower().endswith(".sql"):
            return False
        # Here and not above: git is asked where a file is read.
        from registry.settled_file import process_began, unsettled

        if (why := unsettled(pathlib.Path(name), began=process_began())) is not None:
            raise NotUnderstood(f"the query's text is that of a file, and {why}")
        return True

    def _is_path(self, node: ast.expr) -> bool:
        match node:
            case ast.Name(id="__file__"):
                return True
            case ast.Call(
                func=ast.Attribute(value=of, attr="resolve" | "joinpath" | "with_name"),
                args=args,
                keywords=[],
            ):
                return self._is_path(of) and all(map(self._is_path, args))
            case ast.Call(func=made, args=args, keywords=[]):
                return self._names_path(made) and all(map(self._is_path, args))
            case ast.Attribute(value=of, attr="parent"):
                return self._is_path(of)
            case ast.BinOp(left=left, op=ast.Div(), right=right):
                return self._is_path(left) and self._is_path(right)
        return self._is_code(node) or self._is_constant(node, _Text._is_path)

    def _names_path(self, node: ast.expr) -> bool:
        match node:
            case ast.Name(id=name):
                return self.space.get(name) is pathlib.Path
            case ast.Attribute(value=ast.Name(id=name), attr="Path"):
                return self.space.get(name) is pathlib
        return False
