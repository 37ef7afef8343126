"""Whether the settings of a transformer are of the code: a setting may hold what a step computed from a column.

`OrdinalEncoder(categories=[order])` gives every value the place that `order` says, and `order` may be sorted by another
column; a threshold may be its mean. What a transformer gives out then depends on that column, and its class does
not tell.

Rules:

- A setting is of the code where it is its class's default, or where the step's function, or the file of a recorded
  block, gives it to a call (`registry.written_arguments`).
- A function is of the code where it is one of numpy's own that work cell by cell (`numpy.log1p`).
- What is in a fitted model is asked in the same way. A transformer that is none of scikit-learn's, nor of `PACKAGES`,
  may read anything while it transforms, and its settings do not tell. An estimator of one's own, and a function among
  the settings, is asked what it reaches (`registry.reached`).
- Of an estimator that ends a model only those settings are asked that hold values of the data where they are more than
  one number (`OF_DATA`: weights of classes, priors, starting points): what a search or a step tunes is a number or a
  word.
- On what a part was fitted that came fitted (`FrozenEstimator`, `cv="prefit"`, `prefit=True`) nothing tells.
- Which transformers there are and which columns they take is taken as the code says it.

>>> from sklearn.preprocessing import Binarizer
>>> unwritten(Binarizer(threshold=0.37), Written("step")), unwritten(Binarizer(), Written("step"))
('threshold', None)
"""

import inspect
import sys
from collections.abc import Iterator
from types import FunctionType
from typing import Any, Final

from registry.estimators import is_sklearns
from registry.installed import is_installed, is_installed_module
from registry.plan_names import is_plain_inside
from registry.reached import reached, readers
from registry.written_arguments import Written, is_setting

__all__ = ["unwritten", "unwritten_in_model"]

PACKAGES: Final = ("category_encoders", "feature_engine", "imblearn")
"""Packages whose transformers read nothing but their settings and the tables that they are given."""

OF_DATA: Final = frozenset(
    {"categorical_features", "class_prior", "class_weight", "init", "interaction_cst", "means_init",
     "monotonic_cst", "precisions_init", "priors", "weights", "weights_init"}
)  # fmt: skip
"""Settings of estimators that hold what the data has, such as the share of a class, where they are no single value."""

STRUCTURE: Final = ("transformers", "steps", "transformer_list")
"""Settings that hold the parts of a transformer."""


def unwritten(transformer: Any, written: Written) -> str | None:
    """Name a setting of a transformer that the code does not write; None where all are of the code."""
    return next(_unwritten(transformer, written), None)


def unwritten_in_model(model: Any, written: Written) -> str | None:
    """Say why a part of a fitted model may bring in any column; None where all of them are of the code."""
    if (frozen := _fitted_before(model)) is not None:
        return f"{frozen} in the model was fitted before, on what is not known: fit it with the model"
    for part in _parts_of_model(model):
        name = type(part).__name__
        transforms = callable(getattr(type(part), "transform", None))
        if transforms and not _is_known(type(part)) and part is not model:
            return (
                f"{name} in the model is no transformer of scikit-learn's, and may be made of any column: transform in "
                "a step before the model, which declares columns= and rows="
            )
        if not transforms and _is_installed(type(part)):
            continue
        if not transforms and (found := [*reached(type(part)), *readers(type(part))]):
            return f"{name} in the model reaches {found[0]}, which may be made of any column"
        if (setting := unwritten(part, written)) is not None:
            return _not_written(setting, name, written)
    return _weighing(model, written) or _calling(model)


def _not_written(setting: str, name: str, written: Written) -> str:
    return (
        f"the setting {setting} of {name} in the model, or of a part of it, is neither its default nor "
        f"written in the {written.where}, and may be made of any column: write it as a literal, a constant of "
        "the module or a parameter"
    )


def _fitted_before(model: Any) -> str | None:
    """Name a part of a model that was fitted before the model was; None where the model shows none."""
    for part in _all_parts(model):
        if is_sklearns(type(part)) and type(part).__name__ == "FrozenEstimator":
            return f"{type(part).__name__}({type(part.estimator).__name__})"
        settings = _settings(part, deep=False)
        if _is_word(settings.get("cv"), "prefit") or settings.get("prefit") is True:
            return f"what {type(part).__name__} is made of"
    return None


def _weighing(model: Any, written: Written) -> str | None:
    """Say which setting of an estimator may hold values of the data, as weights of classes do, and is not written."""
    for part in _all_parts(model):
        name, defaults = type(part).__name__, list(inspect.signature(type(part)).parameters)
        for setting, value in _settings(part, deep=False).items():
            is_asked = (
                setting in OF_DATA and value is not None and not isinstance(value, bool | int | float | str)
            )
            place = defaults.index(setting) if setting in defaults else None
            if is_asked and not written.gives(name, setting, value, place):
                return _not_written(setting, name, written)
    return None


def _all_parts(model: Any) -> Iterator[Any]:
    """Yield a model and all estimators in its settings, at any depth, also as a search has set them."""
    for each in (model, getattr(model, "best_estimator_", None)):
        if callable(getattr(type(each), "get_params", None)):
            yield each
            values = _settings(each, deep=True).values()
            yield from (one for one in values if callable(getattr(type(one), "get_params", None)))


def _is_word(value: Any, word: str) -> bool:
    return isinstance(value, str) and value == word


def _parts_of_model(model: Any) -> Iterator[Any]:
    """Yield the transformers in a model, and estimators of one's own, at any depth, also as a search has set them."""
    for each in (model, getattr(model, "best_estimator_", None)):
        if isinstance(each, type) or each is None:
            continue
        values = _settings(each, deep=True).values()
        yield from (
            value for value in (each, *values) if not isinstance(value, type) and _may_bring_in(value, model)
        )


def _may_bring_in(value: Any, model: Any) -> bool:
    """Say whether a part of a model is a transformer, or an estimator that came with no package."""
    if callable(getattr(type(value), "transform", None)):
        return value is not model and not _is_structure(value)
    return callable(getattr(type(value), "predict", None)) and not _is_installed(type(value))


def _is_structure(value: Any) -> bool:
    """Say whether a value predicts and is made of others, which are asked one by one: a pipeline, or a vote."""
    made_of_others = hasattr(value, "steps") or hasattr(value, "estimators")
    return is_sklearns(type(value)) and made_of_others and hasattr(value, "predict")


def _is_known(kind: type) -> bool:
    """Say whether a transformer is scikit-learn's, or of a package whose transformers read nothing else."""
    home = sys.modules.get(kind.__module__)
    return is_sklearns(kind) or (
        kind.__module__.partition(".")[0] in PACKAGES
        and _is_installed(kind)
        and getattr(home, kind.__name__, None) is kind
    )


def _is_installed(kind: type) -> bool:
    home = sys.modules.get(kind.__module__)
    return home is not None and is_installed_module(home)


def _calling(model: Any) -> str | None:
    """Say that a function among a model's settings (a metric, a kernel) takes values from elsewhere."""
    for name, value in _settings(model, deep=True).items():
        if isinstance(value, FunctionType) and not is_installed(value.__code__.co_filename):
            found = [*reached(value), *readers(value)]
            if found:
                return f"the setting {name} of the model calls what reaches {found[0]}, which may be made of any column"
    return None


def _settings(estimator: Any, *, deep: bool) -> dict[str, Any]:
    """Return the settings of an estimator, else all that an object holds."""
    ask = getattr(estimator, "get_params", None)
    return dict(ask(deep=deep)) if callable(ask) else dict(getattr(estimator, "__dict__", {}))


def _unwritten(estimator: Any, written: Written) -> Iterator[str]:
    defaults = inspect.signature(type(estimator)).parameters
    for name, value in _settings(estimator, deep=False).items():
        if name in STRUCTURE:
            for part in _parts(value):
                yield from _unwritten(part, written)
            continue
        if hasattr(value, "get_params"):
            yield from _unwritten(value, written)
            continue
        place = list(defaults).index(name) if name in defaults else None
        called = type(estimator).__name__
        if place is not None and is_setting(value, defaults[name].default):
            # One that was computed may have come out as the default, this time.
            is_open = is_plain_inside(value) and written.computes(called, name, place)
        else:
            is_open = not _is_numpys(value) and not written.gives(called, name, value, place)
        if is_open:
            yield name


def _parts(listed: Any) -> Iterator[Any]:
    for each in listed:
        yield from (part for part in each if hasattr(part, "get_params"))


def _is_numpys(value: Any) -> bool:
    """Say whether a value is a function of numpy's own that works cell by cell; `frompyfunc` makes others."""
    numpy = sys.modules.get("numpy")
    return (
        numpy is not None and isinstance(value, numpy.ufunc) and getattr(numpy, value.__name__, None) is value
    )
