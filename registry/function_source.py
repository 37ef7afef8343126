"""The source of a function that is held: its syntax tree, where what runs is what stands in its file.

Rules:

- The file is compiled anew and has to give the very code that the function runs: a file that was edited after it was
  read, or code that was made otherwise, has no source here.
- A function is found by its code, a lambda by its place in the line; where Python keeps no places
  (`-X no_debug_ranges`) one of several lambdas in a line is not found.

>>> import json
>>> source_of(json.dumps).node.name
'dumps'
"""

import ast
import linecache
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType, FunctionType
from typing import TypeGuard

from registry.relations import NotUnderstood

__all__ = ["Source", "defaults_of", "module_of", "module_tree", "source_of"]


@dataclass(frozen=True, slots=True)
class Source:
    """A function's definition, and the module that it stands in."""

    node: ast.FunctionDef | ast.Lambda
    module: ast.Module


def source_of(function: FunctionType) -> Source:
    """Find the definition of a function; raise `NotUnderstood` where its file does not hold what it runs."""
    code = function.__code__
    linecache.checkcache(code.co_filename)
    text = "".join(linecache.getlines(code.co_filename, function.__globals__))
    tree, codes = _read(text, code.co_filename)
    if not any(_is_same(each, code) for each in codes):
        raise NotUnderstood(
            f"the source of {function.__qualname__} is not at hand, or is not what ran (it is read in a file or a "
            "notebook, not in python -c or a prompt)"
        )
    found = [node for node in ast.walk(tree) if _is_of(node, code)]
    if not found:
        raise NotUnderstood(f"the source of {function.__qualname__} is not at hand")
    if len(found) > 1 and not any(column is not None for *_, column, _ in code.co_positions()):
        raise NotUnderstood(
            f"which function of its line {function.__qualname__} is, Python was told not to keep"
        )
    # A lambda stands in the lambdas around it as well: it is the last of those that are walked from the outside in.
    return Source(found[-1], tree)


def module_of(code: CodeType, space: dict[str, object]) -> ast.Module:
    """Read the module of a code, its own or of a function in it; raise `NotUnderstood` where it is not what ran."""
    linecache.checkcache(code.co_filename)
    text = "".join(linecache.getlines(code.co_filename, space))
    tree, codes = _read(text, code.co_filename)
    held = linecache.cache.get(code.co_filename, ())
    is_of_file = (
        len(held) < 4 or held[1] is not None
    )  # a cell of a notebook is kept without a time, and stays as it is
    if is_of_file and not any(
        _is_same(each, code) for each in (*codes, compile(tree, code.co_filename, "exec", dont_inherit=True))
    ):
        raise NotUnderstood("the source of the block is not at hand, or is not what ran")
    return tree


def defaults_of(function: FunctionType) -> dict[str, ast.expr]:
    """Return the defaults of a function's parameters as its source writes them; raise `NotUnderstood` likewise."""
    written = source_of(function).node.args
    placed = [*written.posonlyargs, *written.args]
    pairs = [
        *zip(placed[len(placed) - len(written.defaults) :], written.defaults, strict=True),
        *zip(written.kwonlyargs, written.kw_defaults, strict=True),
    ]
    return {argument.arg: default for argument, default in pairs if default is not None}


def module_tree(filename: str) -> ast.Module:
    """Read the syntax tree of a module."""
    linecache.checkcache(filename)
    return _read("".join(linecache.getlines(filename)), filename)[0]


@lru_cache(maxsize=16)
def _read(text: str, filename: str) -> tuple[ast.Module, tuple[CodeType, ...]]:
    try:
        tree = ast.parse(text, filename)
        return tree, tuple(_codes(compile(text, filename, "exec", dont_inherit=True)))
    except (SyntaxError, ValueError, RecursionError):
        raise NotUnderstood("the source cannot be read") from None


def _codes(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _codes(constant)


def _is_same(one: CodeType, other: CodeType) -> bool:
    return one == other and list(one.co_positions()) == list(other.co_positions())


def _is_of(node: ast.AST, code: CodeType) -> TypeGuard[ast.FunctionDef | ast.Lambda]:
    if isinstance(node, ast.FunctionDef):
        first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
        return (node.name, first) == (code.co_name, code.co_firstlineno)
    if not isinstance(node, ast.Lambda) or (code.co_name, code.co_firstlineno) != ("<lambda>", node.lineno):
        return False
    return all(_is_in(node.body, each) for each in code.co_positions())


def _is_in(body: ast.expr, place: tuple[int | None, int | None, int | None, int | None]) -> bool:
    line, last, column, end = place
    if line is None or last is None or column is None or not end:
        return True  # an instruction that no text stands for
    first, final = (body.lineno, body.col_offset), (body.end_lineno or 0, body.end_col_offset or 0)
    return first <= (line, column) and (last, end) <= final
