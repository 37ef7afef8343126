"""Whether the settings of a transformer are of the code: a setting may hold what a step computed from a column.

`OrdinalEncoder(categories=[order])` gives every value the place that `order` says, and `order` may be sorted by another
column; a threshold may be its mean. What a transformer gives out then depends on that column, and its class does
not tell.

Rules:

- A setting is of the code where it is its class's default, or where the step's function writes it: as a literal in a
  call, under its name or first, or as a parameter of the step that the function never sets anew, and that nobody can
  change in place. Where the function writes it otherwise as well, it is not; nor where it is written in a branch, as
  which branch was taken may hang on a column.
- A function is of the code where it is one of numpy's own that work cell by cell (`numpy.log1p`).
- What is in a fitted model is asked in the same way. A transformer that is none of scikit-learn's may read anything
  while it transforms, and its settings do not tell.
- Which transformers there are and which columns they take is taken as the code says it.

>>> from sklearn.preprocessing import Binarizer
>>> unwritten(Binarizer(threshold=0.37), len, {}), unwritten(Binarizer(), len, {})
('threshold', None)
"""

import ast
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from types import FunctionType
from typing import Any, Final, cast

from registry.estimators import is_sklearns
from registry.function_source import source_of
from registry.plan_names import is_plain, is_same
from registry.relations import NotUnderstood

__all__ = ["unwritten", "unwritten_in_model"]

STRUCTURE: Final = ("transformers", "steps", "transformer_list")
"""Settings that hold the parts of a transformer."""

BRANCHES: Final = (ast.If, ast.IfExp, ast.BoolOp, ast.Match, ast.While, ast.Try)

_Written = Mapping[str, list[Any]]

_COMPUTED: Final = object()


def unwritten(
    transformer: Any, function: Callable[..., object], parameters: Mapping[str, object]
) -> str | None:
    """Name a setting of a transformer that a step's function does not write; None where all are of the code."""
    try:
        node = source_of(function).node if isinstance(function, FunctionType) else None
    except NotUnderstood:
        node = None
    written = {} if node is None else _written(node, parameters)
    return next(_unwritten(transformer, written), None)


def unwritten_in_model(
    model: Any, function: Callable[..., object], parameters: Mapping[str, object]
) -> str | None:
    """Say why a transformer in a fitted model may bring in any column; None where all of them are of the code."""
    for transformer in _transformers(model):
        name = type(transformer).__name__
        if not is_sklearns(type(transformer)):
            return f"{name} in the model is no transformer of scikit-learn's, and may be made of any column"
        if (setting := unwritten(transformer, function, parameters)) is not None:
            return (
                f"the setting {setting} of {name} in the model, or of a part of it, is neither its default nor "
                "written in the step, and may be made of any column"
            )
    return None


def _transformers(model: Any) -> Iterator[Any]:
    """Yield every transformer in a model, at any depth, also as a search has set it."""
    fitted = (
        each for each in (model, getattr(model, "best_estimator_", None)) if hasattr(each, "get_params")
    )
    for each in fitted:
        yield from (value for value in cast(Any, each).get_params(deep=True).values() if _transforms(value))


def _transforms(value: Any) -> bool:
    return (
        not isinstance(value, type)
        and callable(getattr(type(value), "transform", None))
        and not callable(getattr(value, "predict", None))
    )


def _unwritten(estimator: Any, written: _Written) -> Iterator[str]:
    defaults = inspect.signature(type(estimator)).parameters
    for name, value in estimator.get_params(deep=False).items():
        if name in STRUCTURE:
            for part in _parts(value):
                yield from _unwritten(part, written)
        elif hasattr(value, "get_params"):
            yield from _unwritten(value, written)
        elif not _is(value, defaults[name].default) and not _is_numpys(value):
            said = written.get(name, []) or written.get(f"{type(estimator).__name__}()", [])
            if not said or any(one is _COMPUTED for one in said) or not any(_is(value, one) for one in said):
                yield name


def _parts(listed: Any) -> Iterator[Any]:
    for each in listed:
        yield from (part for part in each if hasattr(part, "get_params"))


def _is(value: Any, other: Any) -> bool:
    return value is other or (
        type(value) is type(other) and isinstance(value, _PLAIN) and is_same(value, other)
    )


def _is_numpys(value: Any) -> bool:
    """Say whether a value is a function of numpy's own that works cell by cell; `frompyfunc` makes others."""
    numpy = sys.modules.get("numpy")
    return (
        numpy is not None and isinstance(value, numpy.ufunc) and getattr(numpy, value.__name__, None) is value
    )


_PLAIN: Final = (bool, int, float, str, bytes, list, tuple, dict)


def _written(node: ast.AST, parameters: Mapping[str, object]) -> _Written:
    """Collect what a function gives to calls, by the argument's name, or by `Called()` where it comes first."""
    taken = {
        each.id for each in ast.walk(node) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)
    }
    own = {name: value for name, value in parameters.items() if name not in taken and is_plain(value)}
    found: dict[str, list[Any]] = {}
    in_branches = {
        each for branch in ast.walk(node) if isinstance(branch, BRANCHES) for each in ast.walk(branch)
    }
    for call in ast.walk(node):
        if not isinstance(call, ast.Call):
            continue
        named = [(each.arg, each.value) for each in call.keywords if each.arg is not None]
        called = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        first = [(f"{called}()", each) for each in call.args[:1]]
        for name, value in (*named, *first):
            is_chosen = call in in_branches
            found.setdefault(name, []).append(_COMPUTED if is_chosen else _value(value, own))
    return found


def _value(node: ast.expr, own: Mapping[str, object]) -> Any:
    if isinstance(node, ast.Name) and node.id in own:
        return own[node.id]
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return _COMPUTED
