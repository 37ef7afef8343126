"""The settings that a search of scikit-learn's tries (`GridSearchCV(pipeline, {"spline__degree": [1, 2]})`).

Which of them it takes hangs on what the model is fitted on, and on nothing else where the search judges by
scikit-learn's own means: then each of them counts as written.

Rules:

- The candidates are a dict, or a list of dicts, that stands in the call, in a constant of the module, or in a name that
  is set once and used once.
- What a search found is given to no function, which may fit it again (`is_kept`).
- A function that judges (`scoring=`), folds that were computed (`cv=`) and a choice of one's own (`refit=`), in the
  code or set on a search later, leave them open.

>>> call = ast.parse("GridSearchCV(p, {'spline__degree': [1, 2]}, cv=3)", mode="eval").body
>>> from sklearn.model_selection import GridSearchCV
>>> list(candidates(call, call, {"GridSearchCV": GridSearchCV}, ast.literal_eval))
[('degree', [1, 2])]
"""

import ast
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Final

from registry.estimators import is_sklearns

__all__ = ["candidates", "is_kept"]

GRIDS: Final = ("param_grid", "param_distributions")

JUDGES: Final = ("scoring", "refit", "cv")
"""The settings of a search that decide which candidate it takes."""

READ: Final = (
    "best_index_", "best_params_", "best_score_", "cv_results_", "decision_function", "predict", "predict_proba",
    "score",
)  # fmt: skip
"""What is asked of a search, or of the model that it found, that gives nothing to be fitted again."""

ValueOf = Callable[[ast.expr], Any]


def candidates(
    call: ast.Call, code: ast.AST, space: Mapping[str, Any], value_of: ValueOf
) -> Iterator[tuple[str, list[Any] | None]]:
    """Yield the settings that a call of a search tries, each with its values; None where these are not known.

    `code` is what the call stands in, `space` the names of its module, and `value_of` gives what an expression is
    where the code writes it, else raises `ValueError`.
    """
    if not isinstance(call.func, ast.Name) or not call.func.id.endswith("SearchCV"):
        return
    if not _is_class(call.func, space):
        return
    judged = _is_judged(code, space, value_of)
    written = [each.value for each in call.keywords if each.arg in GRIDS] or call.args[1:2]
    for name, values in (pair for each in written for pair in _pairs(each, code, value_of)):
        known = judged and isinstance(values, list | tuple)
        yield name.rpartition("__")[2], list(values) if known else None


def is_kept(code: ast.AST, makers: Collection[str]) -> bool:
    """Say whether no function is given what a search found, but for `model()`, which records it.

    `makers` are functions that return a search.
    """
    found = {*makers}
    before = -1
    while len(found) > before:
        before = len(found)
        for names, value in _bound(code):
            if value is not None and _holds(value, found):
                found |= names
    if any(
        isinstance(each, ast.Lambda) and _holds(each, found) for each in ast.walk(code) if each is not code
    ):
        return False
    calls = [each for each in ast.walk(code) if isinstance(each, ast.Call)]
    given = [
        each
        for call in calls
        if getattr(call.func, "attr", "") != "model"
        for each in (*call.args, *(keyword.value for keyword in call.keywords))
    ]
    return not any(_holds(each, found) for each in given)


def _bound(code: ast.AST) -> Iterator[tuple[set[str], ast.expr | None]]:
    """Yield the names that stand for something from a statement on, and what: also a function for what it returns."""
    for each in ast.walk(code):
        match each:
            case ast.Assign(targets=targets, value=value):
                yield {name for target in targets for name in _names(target)}, value
            case ast.AnnAssign(target=target, value=value) | ast.NamedExpr(target=target, value=value):
                yield _names(target), value
            case ast.For(target=target, iter=value) | ast.comprehension(target=target, iter=value):
                yield _names(target), value
            case ast.withitem(context_expr=value, optional_vars=ast.expr() as target):
                yield _names(target), value
            case ast.FunctionDef(name=name):
                returned = (node.value for node in ast.walk(each) if isinstance(node, ast.Return))
                yield from (({name}, value) for value in returned)


def _names(node: ast.AST) -> set[str]:
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}


def _holds(node: ast.AST, found: Collection[str]) -> bool:
    """Say whether an expression may hold what a search found."""
    if isinstance(node, ast.Attribute) and node.attr in READ:
        return False
    if isinstance(node, ast.Name):
        return node.id in found or node.id.endswith("SearchCV")
    return any(_holds(each, found) for each in ast.iter_child_nodes(node))


def _pairs(node: ast.expr, code: ast.AST, value_of: ValueOf) -> Iterator[tuple[str, Any]]:
    if isinstance(node, ast.Name) and (found := _assigned(node.id, code)):
        if len(found) == 1 and isinstance(found[0], ast.expr):
            yield from _pairs(found[0], code, value_of)
    elif isinstance(node, ast.List):
        for each in node.elts:
            yield from _pairs(each, code, value_of)
    elif isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                yield key.value, _written(value, value_of)
    elif isinstance(constant := _written(node, value_of), dict):
        yield from ((str(name), values) for name, values in constant.items())


def _assigned(name: str, code: ast.AST) -> list[ast.AST]:
    """Return what a name is set to, where nothing but the search uses it; two nodes where more is done with it."""
    names = [each for each in ast.walk(code) if isinstance(each, ast.Name) and each.id == name]
    stores = [each for each in names if not isinstance(each.ctx, ast.Load)]
    if not stores:
        return []
    whole = [
        each.value
        for each in ast.walk(code)
        if isinstance(each, ast.Assign) and any(target is stores[0] for target in each.targets)
    ]
    return [whole[0]] if whole and len(stores) == 1 and len(names) == 2 else [*stores, code]


def _is_judged(code: ast.AST, space: Mapping[str, Any], value_of: ValueOf) -> bool:
    """Say whether nothing in the code has a search judge otherwise than scikit-learn does."""
    for node in ast.walk(code):
        if isinstance(node, ast.keyword) and node.arg in JUDGES and not _judges(node.value, space, value_of):
            return False
        is_set = isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
        if is_set and getattr(node, "attr", "") in (*JUDGES, *GRIDS):
            return False
    return True


def _judges(node: ast.expr, space: Mapping[str, Any], value_of: ValueOf) -> bool:
    """Say whether a search judges by what is written, or by a splitter of scikit-learn's of written settings."""
    if _is_written(node, value_of):
        return True
    if (
        not isinstance(node, ast.Call)
        or not isinstance(node.func, ast.Name)
        or not _is_class(node.func, space)
    ):
        return False
    return all(_is_written(each, value_of) for each in (*node.args, *(one.value for one in node.keywords)))


def _is_class(node: ast.Name, space: Mapping[str, Any]) -> bool:
    kind = space.get(node.id)
    return isinstance(kind, type) and is_sklearns(kind)


def _is_written(node: ast.expr, value_of: ValueOf) -> bool:
    try:
        value_of(node)
    except ValueError:
        return False
    return True


def _written(node: ast.expr, value_of: ValueOf) -> Any:
    try:
        return value_of(node)
    except ValueError:
        return None
