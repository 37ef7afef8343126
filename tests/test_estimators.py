"""Tests of how scikit-learn's estimators are taken apart, against features made by hand."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.feature_selection import RFE, SelectFromModel, SelectKBest, VarianceThreshold
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    SplineTransformer,
    StandardScaler,
    TargetEncoder,
)

from registry.declared_flows import model_flow
from registry.estimators import input_names, is_transformer, taken_apart
from registry.told import Told

ROWS = 60
RANDOM = np.random.default_rng(7)
NUMBERS = pd.DataFrame(RANDOM.normal(size=(ROWS, 3)), columns=["a", "b", "c"])
WORDS = pd.DataFrame({"x": list("pqr") * 20, "y": ["u", "v"] * 30, "z": list("ssssst") * 10})
Y = (NUMBERS.a > 0).astype(int)
CLASSES = pd.Series(np.arange(ROWS) % 3)

Made = list[tuple[str, ...]]


def made(estimator: Any, table: pd.DataFrame, y: Any = None) -> Made:
    """Fit an estimator and name the inputs of everything that it gives out."""
    fitted = estimator.fit(table, y)
    return [
        tuple(table.columns[i] for i in output.inputs)
        for output in taken_apart(fitted, table.columns.tolist()).outputs
    ]


with_gap = NUMBERS.assign(a=NUMBERS.a.mask(NUMBERS.index == 3))
all_gone = NUMBERS.assign(b=np.nan)


@pytest.mark.parametrize(
    ("estimator", "table", "y", "truth"),
    [
        (StandardScaler(), NUMBERS, None, [("a",), ("b",), ("c",)]),
        (Normalizer(), NUMBERS, None, [("a", "b", "c")] * 3),
        (PCA(2), NUMBERS, None, [("a", "b", "c")] * 2),
        (OrdinalEncoder(), WORDS, None, [("x",), ("y",), ("z",)]),
        (OneHotEncoder(), WORDS, None, [("x",)] * 3 + [("y",)] * 2 + [("z",)] * 2),
        (OneHotEncoder(drop="first"), WORDS, None, [("x",)] * 2 + [("y",), ("z",)]),
        (OneHotEncoder(drop="if_binary"), WORDS, None, [("x",)] * 3 + [("y",), ("z",)]),
        (OneHotEncoder(min_frequency=15), WORDS, None, [("x",)] * 3 + [("y",)] * 2 + [("z",)] * 2),
        (OneHotEncoder(max_categories=2), WORDS, None, [("x",)] * 2 + [("y",)] * 2 + [("z",)] * 2),
        (TargetEncoder(), WORDS, Y, [("x",), ("y",), ("z",)]),
        (TargetEncoder(), WORDS, CLASSES, [("x",)] * 3 + [("y",)] * 3 + [("z",)] * 3),
        (KBinsDiscretizer(3, quantile_method="linear"), NUMBERS, None, [("a",)] * 3 + [("b",)] * 3 + [("c",)] * 3),
        (SplineTransformer(n_knots=3), NUMBERS[["a", "b"]], None, [("a",)] * 5 + [("b",)] * 5),
        (SimpleImputer(), all_gone, None, [("a",), ("c",)]),
        (SimpleImputer(keep_empty_features=True), all_gone, None, [("a",), ("b",), ("c",)]),
        (SimpleImputer(add_indicator=True), with_gap, None, [("a",), ("b",), ("c",), ("a",)]),
        (MissingIndicator(), with_gap, None, [("a",)]),
        (SelectKBest(k=1), NUMBERS, Y, [("a",)]),
        (FunctionTransformer(), NUMBERS, None, [("a",), ("b",), ("c",)]),
        (FeatureUnion([("s", StandardScaler()), ("p", PCA(1))]), NUMBERS, None,
         [("a",), ("b",), ("c",), ("a", "b", "c")]),
        (make_pipeline(StandardScaler(), PolynomialFeatures(interaction_only=True, include_bias=False)),
         NUMBERS[["a", "b"]], None, [("a",), ("b",), ("a", "b")]),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseEstimator) else "",
)  # fmt: skip
def test_every_output_is_linked_to_the_inputs_that_make_it(
    estimator: Any, table: pd.DataFrame, y: Any, truth: Made
) -> None:
    assert made(estimator, table, y) == truth


@pytest.mark.parametrize(
    "estimator",
    [OneHotEncoder(max_categories=2, sparse_output=False), TargetEncoder(), OrdinalEncoder()],
    ids=lambda value: type(value).__name__,
)
def test_no_output_moves_with_an_input_that_it_is_not_linked_to(estimator: Any) -> None:
    fitted = estimator.set_output(transform="pandas").fit(WORDS, Y)
    before = fitted.transform(WORDS)
    outputs = taken_apart(fitted, WORDS.columns.tolist()).outputs
    for number, column in enumerate(WORDS.columns.tolist()):
        after = fitted.transform(WORDS.assign(**{column: WORDS[column].to_numpy()[::-1]}))
        moved = {place for place, name in enumerate(before.columns) if not before[name].equals(after[name])}
        assert moved <= {place for place, output in enumerate(outputs) if number in output.inputs}


def test_a_column_transformer_is_walked_through_to_the_columns_of_each_part() -> None:
    table = pd.concat([NUMBERS, WORDS], axis=1)
    transformer = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), ["c", "a"]),
            ("words", OneHotEncoder(), ["x"]),
            ("target", TargetEncoder(), [5]),
            ("gone", "drop", ["y"]),
        ],
        remainder="passthrough",
    )
    model = make_pipeline(transformer, LogisticRegression()).fit(table, Y)
    found = taken_apart(model, input_names(model) or ())
    assert [(output.name, *(table.columns[i] for i in output.inputs)) for output in found.outputs] == [
        ("numbers__c", "c"), ("numbers__a", "a"), ("words__x_p", "x"), ("words__x_q", "x"), ("words__x_r", "x"),
        ("target__z", "z"), ("remainder__b", "b"),
    ]  # fmt: skip
    assert [output.name for output in found.outputs if output.of_target] == ["target__z"]
    assert found.notes == ()


def test_a_transformer_of_somebody_elses_may_use_every_input_and_that_is_said() -> None:
    class Shuffled(TransformerMixin, BaseEstimator):  # type: ignore[misc]
        def fit(self, X: Any, y: Any = None) -> "Shuffled":  # noqa: N803
            self.names_ = list(X)
            return self

        def transform(self, X: Any) -> Any:  # noqa: N803
            return X[self.names_[::-1]]

        def get_feature_names_out(self, names: Any = None) -> Any:
            return np.array(self.names_[::-1])

    found = taken_apart(Shuffled().fit(NUMBERS), NUMBERS.columns.tolist())
    assert [output.inputs for output in found.outputs] == [(0, 1, 2)] * 3
    assert found.notes == (
        "how Shuffled makes its features is not known here: each is linked to all its inputs",
    )


def test_a_search_and_a_regressor_of_a_transformed_target_are_what_they_chose() -> None:
    pipeline = make_pipeline(PolynomialFeatures(include_bias=False), LogisticRegression())
    search = GridSearchCV(pipeline, {"logisticregression__C": [1.0]}, cv=2).fit(NUMBERS[["a"]], Y)
    assert [output.name for output in taken_apart(search, ["a"]).outputs] == ["a", "a^2"]
    wrapped = TransformedTargetRegressor(make_pipeline(PCA(1), LinearRegression())).fit(NUMBERS, NUMBERS.a)
    assert [output.inputs for output in taken_apart(wrapped, NUMBERS.columns.tolist()).outputs] == [(0, 1, 2)]


def test_a_model_without_transformers_has_nothing_to_tell() -> None:
    assert taken_apart(LogisticRegression().fit(NUMBERS, Y), NUMBERS.columns.tolist()).is_plain


def test_a_model_fitted_without_names_has_none() -> None:
    assert input_names(LogisticRegression().fit(NUMBERS.to_numpy(), Y)) is None


def test_names_that_are_not_as_many_as_the_columns_are_not_the_model_s() -> None:
    model = LogisticRegression().fit(NUMBERS, Y)
    model.feature_names_in_ = np.array(["a"], dtype=object)
    assert input_names(model) is None


def test_a_class_that_calls_itself_scikit_learn_s_is_not_known() -> None:
    class StandardScaler(TransformerMixin, BaseEstimator):  # type: ignore[misc]
        __module__ = "sklearn.preprocessing._data"

        def fit(self, X: Any, y: Any = None) -> "StandardScaler":  # noqa: N803
            return self

        def transform(self, X: Any) -> Any:  # noqa: N803
            return X[list(X)[::-1]]

        def get_feature_names_out(self, names: Any = None) -> Any:
            return np.array(names)

    found = taken_apart(StandardScaler().fit(NUMBERS), NUMBERS.columns.tolist())
    assert [output.inputs for output in found.outputs] == [(0, 1, 2)] * 3
    assert not is_transformer(StandardScaler())


def test_two_columns_of_one_name_are_not_both_the_column_of_that_name() -> None:
    flow = model_flow("model", "model", ("a", "a", "c"), Told({"*": ("*",)}, ()), {"t": ("a", "c")})
    assert flow.complete == {"c"}
    assert flow.notes == ("step model: the model was fitted on several columns called a",)


def test_only_what_transforms_and_does_not_predict_is_a_transformer() -> None:
    assert is_transformer(StandardScaler().fit(NUMBERS))
    assert not is_transformer(LogisticRegression().fit(NUMBERS, Y))
    assert not is_transformer(StandardScaler)
    assert not is_transformer(NUMBERS)


@pytest.mark.parametrize(
    ("transformer", "is_supervised"),
    [
        (SelectKBest(k=1), False),
        (SelectFromModel(LogisticRegression()), False),
        (RFE(LogisticRegression()), False),
        (LinearDiscriminantAnalysis(), True),
        (VarianceThreshold(), False),
        (PCA(2), False),
        (StandardScaler(), False),
        (KBinsDiscretizer(3, quantile_method="averaged_inverted_cdf"), False),
    ],
)
def test_what_goes_by_the_target_is_linked_to_it(transformer: Any, is_supervised: bool) -> None:
    model = make_pipeline(transformer, LogisticRegression()).fit(NUMBERS, Y)
    outputs = taken_apart(model, ("a", "b", "c")).outputs
    assert {output.of_target for output in outputs} == {is_supervised}
