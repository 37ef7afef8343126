"""Whether Python code looks as if it holds a secret, by the rule for parameters (`registry.recorded_values`).

Rules:

- A name that a parameter's value would be withheld for (`PASSWORD`, `api_key`) is given a text: by an assignment, as an
  argument or its default, in a dictionary; or so much stands in a comment.
- Any text carries what looks like a secret: a password in an address, a private key, a token of a known form.
- What Python cannot read is looked at line by line, as texts.
- Docstrings are prose, and what a program puts together or reads from its environment is not in its text. A secret that
  neither name nor form gives away cannot be seen.

>>> holds_a_secret("PASSWORD = 'hunter2'"), holds_a_secret("PASSWORD = os.environ['PASSWORD']")
(True, False)
"""

import ast
import io
import tokenize
import warnings
from collections.abc import Iterator

from registry.recorded_values import to_json

__all__ = ["holds_a_secret"]

MOST_PARSED = 1_000_000
_WITHHELD = {"withheld": True}


def holds_a_secret(text: str) -> bool:
    """Tell whether the text of a Python file looks as if it holds a secret."""
    tree = _parsed(text) if len(text) <= MOST_PARSED else None
    if tree is None:
        return any(to_json("", line.strip()) == _WITHHELD for line in text.splitlines())
    return _in_tree(tree) or any(_in_tree(commented) for commented in _commented(text))


def _parsed(text: str) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an odd escape is the author's business
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _commented(text: str) -> Iterator[ast.Module]:
    """Yield the comments that are Python themselves, such as an assignment that was put aside."""
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            tree = _parsed(token.string.lstrip("#! \t")) if token.type == tokenize.COMMENT else None
            if tree is not None:
                yield tree
    except (tokenize.TokenError, SyntaxError):
        return


def _in_tree(tree: ast.Module) -> bool:
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    prose |= {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    named = ((name, value) for node in ast.walk(tree) for name, value in _named(node))
    texts = (("", node) for node in ast.walk(tree) if id(node) not in prose)
    return any(_is_secret(name, value) for pairs in (named, texts) for name, value in pairs)


def _is_secret(name: str, value: ast.AST | None) -> bool:
    said = value.value if isinstance(value, ast.Constant) else None
    said = said.decode("latin-1") if isinstance(said, bytes) else said
    return isinstance(said, str) and bool(said.strip()) and to_json(name, said) == _WITHHELD


def _named(node: ast.AST) -> Iterator[tuple[str, ast.AST | None]]:
    """Yield what a node gives names to."""
    if isinstance(node, ast.Assign):
        yield from ((_name(target), node.value) for target in node.targets)
    elif isinstance(node, ast.AnnAssign | ast.NamedExpr):
        yield _name(node.target), node.value
    elif isinstance(node, ast.keyword):
        yield node.arg or "", node.value
    elif isinstance(node, ast.Dict):
        keys = (key.value if isinstance(key, ast.Constant) else "" for key in node.keys)
        yield from ((str(key), value) for key, value in zip(keys, node.values, strict=True))
    elif isinstance(node, ast.arguments):
        places = [*node.posonlyargs, *node.args]
        defaults = zip(places[len(places) - len(node.defaults) :], node.defaults, strict=True)
        yield from ((place.arg, value) for place, value in defaults)
        yield from ((p.arg, value) for p, value in zip(node.kwonlyargs, node.kw_defaults, strict=True))


def _name(target: ast.AST) -> str:
    if isinstance(target, ast.Subscript):
        return str(target.slice.value) if isinstance(target.slice, ast.Constant) else ""
    return getattr(target, "id", "") or getattr(target, "attr", "")
