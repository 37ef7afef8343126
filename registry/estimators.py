"""scikit-learn's estimators, taken apart: which inputs each feature behind the transformers is made of.

Rules:

- Only what is known of a class is used, by its exact name: a scaler looks at one column, `Normalizer` at all of a
  row, though scikit-learn names the outputs of both alike. A class that is not known here, or one whose outputs do
  not count up as expected, may use every input: all of them are linked, so that nothing is left out, and a note says
  so.
- `ColumnTransformer`, `Pipeline` and `FeatureUnion` are walked through; a search and a threshold by the estimator
  that they chose.
- What transformers that learn from the target give out (target encoders, discriminant analyses) is made of the
  target as well, whichever column that was. Selectors pass on columns as they are: that the target decides which is
  part of what is learned, as in any model.
- The last bits of a scaled column may tell whether another one misses values, since scikit-learn then adds up in
  another order: that is not told.
- Nothing is run but `get_feature_names_out`.

>>> from sklearn.preprocessing import PolynomialFeatures
>>> made = taken_apart(PolynomialFeatures(include_bias=False, interaction_only=True).fit([[1, 2]]), ("a", "b"))
>>> [(output.name, output.inputs) for output in made.outputs]
[('a', (0,)), ('b', (1,)), ('a b', (0, 1))]
"""

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from registry.flows import IDENTITY, TRANSFORMATION
from registry.held import written

__all__ = ["Output", "TakenApart", "input_names", "is_sklearns", "is_transformer", "taken_apart"]

CHOSEN: Final = {
    "GridSearchCV": "best_estimator_",
    "RandomizedSearchCV": "best_estimator_",
    "HalvingGridSearchCV": "best_estimator_",
    "HalvingRandomSearchCV": "best_estimator_",
    "FixedThresholdClassifier": "estimator_",
    "TunedThresholdClassifierCV": "estimator_",
    "TransformedTargetRegressor": "regressor_",
}
"""Where an estimator that wraps another keeps the one that it fitted."""

ONE_TO_ONE: Final = frozenset(
    {"StandardScaler", "MinMaxScaler", "MaxAbsScaler", "RobustScaler", "QuantileTransformer", "PowerTransformer",
     "Binarizer", "OrdinalEncoder"}
)  # fmt: skip
"""Transformers each of whose outputs is made of the one input in its place."""

MIXING: Final = frozenset(
    {"Normalizer", "PCA", "IncrementalPCA", "KernelPCA", "SparsePCA", "TruncatedSVD", "FastICA", "NMF",
     "FactorAnalysis", "KNNImputer", "IterativeImputer", "TfidfTransformer", "Nystroem", "RBFSampler", "KMeans"}
)  # fmt: skip
"""Transformers each of whose outputs is made of every input."""


@dataclass(frozen=True, slots=True)
class Output:
    """A feature behind transformers: the numbers of the inputs that it is made of, and whether of the target too."""

    name: str
    inputs: tuple[int, ...]
    use: str = TRANSFORMATION
    of_target: bool = False


@dataclass(frozen=True, slots=True)
class TakenApart:
    """The features that leave a transformer, in order; `notes` say where every input had to be linked."""

    outputs: tuple[Output, ...]
    notes: tuple[str, ...] = ()

    @property
    def is_plain(self) -> bool:
        """Whether every input leaves as one feature of its own name, so that there is nothing to tell."""
        return all(
            output.inputs == (number,) and not output.of_target for number, output in enumerate(self.outputs)
        )


def input_names(model: Any) -> tuple[str, ...] | None:
    """Name the columns that a model was fitted on, as it remembers them; None where they had no names.

    Names that are not as many as the columns were set by somebody else, and say nothing.
    """
    names = getattr(model, "feature_names_in_", None)
    count = getattr(model, "n_features_in_", None)
    return None if names is None or (count is not None and len(names) != count) else written(names)


def is_transformer(value: object) -> bool:
    """Say whether a value is a fitted transformer that names what it gives out."""
    kind = type(value)
    return (
        not isinstance(value, type)
        and is_sklearns(kind)
        and callable(getattr(value, "transform", None))
        and hasattr(value, "get_feature_names_out")
        and not callable(getattr(value, "predict", None))
    )


def taken_apart(model: Any, names: Sequence[str]) -> TakenApart:
    """Say which inputs each feature is made of that a model's last estimator sees, or that a transformer gives out.

    `names` are the model's inputs in order. An estimator that transforms nothing gives back its inputs.
    """
    if (chosen := _chosen(model)) is not None:
        return taken_apart(chosen, names)
    start = TakenApart(tuple(Output(name, (number,), IDENTITY) for number, name in enumerate(names)))
    if _class(model) == "Pipeline":
        return _through(start, [step for _, step in model.steps])
    return start if callable(getattr(model, "predict", None)) else _after(start, model)


def _chosen(model: Any) -> Any:
    return getattr(model, CHOSEN.get(_class(model), ""), None)


def _through(before: TakenApart, steps: Sequence[Any]) -> TakenApart:
    for number, step in enumerate(steps, start=1):
        if step is None or step == "passthrough":
            continue
        if number == len(steps) and callable(getattr(step, "predict", None)):
            # What predicts ends the pipeline, though it could transform as well (LinearDiscriminantAnalysis, KMeans).
            inner = taken_apart(step, [output.name for output in before.outputs])
            return _composed(before, inner)
        before = _after(before, step)
    return before


def _after(before: TakenApart, transformer: Any) -> TakenApart:
    """Say what leaves a transformer that sees the outputs of those before it."""
    return _composed(before, _apart(transformer, [output.name for output in before.outputs]))


def _composed(before: TakenApart, after: TakenApart) -> TakenApart:
    outputs = []
    for output in after.outputs:
        came = [before.outputs[number] for number in output.inputs]
        inputs = tuple(sorted({number for one in came for number in one.inputs}))
        plain = output.use == IDENTITY and all(one.use == IDENTITY for one in came)
        of_target = output.of_target or any(one.of_target for one in came)
        outputs.append(Output(output.name, inputs, IDENTITY if plain else TRANSFORMATION, of_target))
    return TakenApart(tuple(outputs), (*before.notes, *after.notes))


def _apart(transformer: Any, names: Sequence[str]) -> TakenApart:
    """Take one transformer apart by what is known of its class."""
    name = _class(transformer)
    match name:
        case "ColumnTransformer":
            return _column_transformer(transformer, names)
        case "FeatureUnion":
            return _feature_union(transformer, names)
        case "Pipeline":
            return taken_apart(transformer, names)
        case "FunctionTransformer" if transformer.func is None:
            return TakenApart(tuple(Output(each, (number,), IDENTITY) for number, each in enumerate(names)))
    outputs = _names_out(transformer, names)
    made = _of_known_class(name, transformer, len(names), len(outputs))
    if made is None or len(made) != len(outputs):
        return _everything(
            outputs,
            names,
            f"how {type(transformer).__name__} makes its features is not known here",
            of_target=_learns_from_target(transformer),
        )
    use = IDENTITY if hasattr(transformer, "get_support") else TRANSFORMATION
    of_target = _learns_from_target(transformer)
    return TakenApart(
        tuple(Output(each, inputs, use, of_target) for each, inputs in zip(outputs, made, strict=True))
    )


def _of_known_class(name: str, transformer: Any, taken: int, given: int) -> list[tuple[int, ...]] | None:
    """List the inputs of every output, or None where the class is not known."""
    if name in ONE_TO_ONE:
        return [(number,) for number in range(taken)]
    if callable(getattr(transformer, "get_support", None)) and name:
        return [(int(number),) for number in transformer.get_support(indices=True)]
    if name in MIXING:
        return [tuple(range(taken))] * given
    read = KNOWN.get(name)
    return None if read is None else read(transformer, taken, given)


def _polynomial(transformer: Any, taken: int, given: int) -> list[tuple[int, ...]]:
    return [tuple(int(number) for number in powers.nonzero()[0]) for powers in transformer.powers_]


def _one_hot(transformer: Any, taken: int, given: int) -> list[tuple[int, ...]]:
    infrequent = getattr(transformer, "infrequent_categories_", [None] * taken)
    dropped = transformer.drop_idx_
    counts = []
    for number, categories in enumerate(transformer.categories_):
        rare = infrequent[number]
        count = len(categories) if rare is None else len(categories) - len(rare) + 1
        counts.append(count - (dropped is not None and dropped[number] is not None))
    return _repeated(counts)


def _evenly(transformer: Any, taken: int, given: int) -> list[tuple[int, ...]] | None:
    """Give every input the same number of outputs: splines, and a target encoder of several classes."""
    return _repeated([given // taken] * taken) if taken and given % taken == 0 else None


def _binned(transformer: Any, taken: int, given: int) -> list[tuple[int, ...]]:
    counts = [1] * taken if transformer.encode == "ordinal" else [int(count) for count in transformer.n_bins_]
    return _repeated(counts)


def _imputed(transformer: Any, taken: int, given: int) -> list[tuple[int, ...]]:
    kept = list(range(taken))
    if transformer.strategy != "constant" and not transformer.keep_empty_features:
        # An input with no value at all has no statistic, and is dropped.
        kept = [
            number for number in kept if transformer.statistics_[number] == transformer.statistics_[number]
        ]
    return [(number,) for number in kept] + _indicated(transformer.indicator_)


def _indicated(indicator: Any, taken: int = 0, given: int = 0) -> list[tuple[int, ...]]:
    return [] if indicator is None else [(int(number),) for number in indicator.features_]


KNOWN: Final[dict[str, Callable[[Any, int, int], list[tuple[int, ...]] | None]]] = {
    "PolynomialFeatures": _polynomial,
    "OneHotEncoder": _one_hot,
    "TargetEncoder": _evenly,
    "SplineTransformer": _evenly,
    "KBinsDiscretizer": _binned,
    "SimpleImputer": _imputed,
    "MissingIndicator": _indicated,
}
"""How the outputs of a class follow from its fitted attributes."""


def _column_transformer(transformer: Any, names: Sequence[str]) -> TakenApart:
    whole = _names_out(transformer, names)
    places: dict[int, Output] = {}
    notes: list[str] = []
    for label, part, _ in transformer.transformers_:
        place = transformer.output_indices_[label]
        if part == "drop" or place.start == place.stop:
            continue
        numbers = [int(number) for number in transformer._transformer_to_input_indices[label]]
        inner = _part(part, [names[number] for number in numbers])
        if len(inner.outputs) != place.stop - place.start:
            return _everything(
                whole,
                names,
                "a part of ColumnTransformer gives out other features than expected",
                of_target=True,
            )
        notes += inner.notes
        for number, output in zip(range(place.start, place.stop), inner.outputs, strict=True):
            places[number] = replace(
                output, name=whole[number], inputs=tuple(numbers[one] for one in output.inputs)
            )
    if len(places) != len(whole):
        return _everything(
            whole, names, "ColumnTransformer gives out other features than expected", of_target=True
        )
    return TakenApart(tuple(places[number] for number in range(len(whole))), tuple(notes))


def _feature_union(union: Any, names: Sequence[str]) -> TakenApart:
    whole = _names_out(union, names)
    inner = [_part(part, names) for _, part in union.transformer_list if part != "drop"]
    outputs = [output for one in inner for output in one.outputs]
    if len(outputs) != len(whole):
        return _everything(
            whole, names, "FeatureUnion gives out other features than expected", of_target=True
        )
    renamed = tuple(replace(output, name=name) for output, name in zip(outputs, whole, strict=True))
    return TakenApart(renamed, tuple(note for one in inner for note in one.notes))


def _part(part: Any, names: Sequence[str]) -> TakenApart:
    if part == "passthrough":
        return TakenApart(tuple(Output(name, (number,), IDENTITY) for number, name in enumerate(names)))
    return taken_apart(part, names) if _class(part) == "Pipeline" else _apart(part, names)


def _learns_from_target(transformer: Any) -> bool:
    """Say whether what a transformer gives out goes by the target, by its kind and scikit-learn's tags of it."""
    from sklearn.utils import get_tags

    if not hasattr(transformer, "__sklearn_tags__"):
        return True  # what does not say so may
    selects = hasattr(transformer, "get_support") and bool(_class(transformer))
    return not selects and bool(get_tags(transformer).target_tags.required)


def _everything(
    outputs: Sequence[str], names: Sequence[str], why: str, *, of_target: bool = False
) -> TakenApart:
    everything = tuple(range(len(names)))
    note = f"{why}: each is linked to all its inputs"
    return TakenApart(tuple(Output(name, everything, of_target=of_target) for name in outputs), (note,))


def _names_out(transformer: Any, names: Sequence[str]) -> tuple[str, ...]:
    known = hasattr(transformer, "feature_names_in_")
    return written(transformer.get_feature_names_out(None if known else list(names)))


def _repeated(counts: Iterable[int]) -> list[tuple[int, ...]]:
    return [(number,) for number, count in enumerate(counts) for _ in range(count)]


def _class(value: object) -> str:
    """Name a class of scikit-learn's; a subclass of anybody else's may do anything, and has no name here."""
    kind = type(value)
    return kind.__name__ if is_sklearns(kind) else ""


def is_sklearns(kind: type) -> bool:
    """Say whether a class is where it says it is, in scikit-learn: any class may call itself so."""
    if kind.__module__.partition(".")[0] != "sklearn":
        return False
    return getattr(sys.modules.get(kind.__module__), kind.__name__, None) is kind
