"""Tests of `registry.evaluation`: the whole result, its errors, and figures against scikit-learn."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl
import pytest
from sklearn import metrics as reference

from audit.canonical import decode, encode
from audit.errors import MalformedInput
from registry.evaluation import evaluate, select_sensitive

Array = npt.NDArray[Any]


@pytest.fixture
def cohort() -> tuple[Array, Array, Array, pd.DataFrame]:
    """Labels, predictions, scores and protected columns of 600 people, with missing values and ties."""
    rng = np.random.default_rng(3)
    truth = (rng.random(600) < 0.7).astype(int)
    score = np.round(np.clip(0.25 * truth + 0.75 * rng.random(600), 0, 1), 2)
    table = pd.DataFrame(
        {
            "race": np.array(["black", "white", None])[rng.choice(3, 600, p=[0.3, 0.65, 0.05])],
            "sex": rng.choice([0.0, 1.0, np.nan], 600, p=[0.4, 0.55, 0.05]),
        }
    )
    return truth, (score > 0.4).astype(int), score, table


def figures(result: Any) -> dict[str, dict[str, Any]]:
    return {figure["name"]: figure for figure in result["metrics"]}


def value(result: Any, name: str) -> float:
    return float(figures(result)[name]["value"])


def every_figure(document: Any) -> Iterator[dict[str, Any]]:
    if isinstance(document, dict):
        if "value" in document:
            yield document
        for item in document.values():
            yield from every_figure(item)
    if isinstance(document, list):
        for item in document:
            yield from every_figure(item)


def test_the_result_can_be_signed_as_it_is(cohort: Any) -> None:
    truth, predicted, score, table = cohort
    result = evaluate(truth, predicted, y_score=score, sensitive=table)
    assert decode(encode(result)) == result


def test_the_same_seed_gives_the_same_bytes(cohort: Any) -> None:
    truth, predicted, score, table = cohort
    first = evaluate(truth, predicted, y_score=score, sensitive=table, seed=5)
    assert encode(first) == encode(evaluate(truth, predicted, y_score=score, sensitive=table, seed=5))


def test_the_order_of_the_rows_does_not_matter(cohort: Any) -> None:
    truth, predicted, score, table = cohort
    mixed = np.random.default_rng(0).permutation(len(truth))
    first = evaluate(truth, predicted, y_score=score, sensitive=table)
    again = evaluate(truth[mixed], predicted[mixed], y_score=score[mixed], sensitive=table.iloc[mixed])
    assert encode(first) == encode(again)


def test_the_kind_of_table_does_not_matter(cohort: Any) -> None:
    truth, predicted, score, table = cohort
    first = evaluate(truth, predicted, y_score=score, sensitive=table)
    other = evaluate(
        pl.Series(truth), predicted.tolist(), y_score=pd.Series(score), sensitive=pl.from_pandas(table)
    )
    assert encode(first) == encode(other)


def test_rows_are_matched_by_position_and_not_by_index(cohort: Any) -> None:
    truth, predicted, _, table = cohort
    first = evaluate(truth, predicted, sensitive=table)
    shuffled = table.set_axis(np.random.default_rng(1).permutation(len(table)))
    assert encode(first) == encode(
        evaluate(pd.Series(truth, index=shuffled.index), predicted, sensitive=shuffled)
    )


def test_every_interval_holds_its_value_and_has_a_width(cohort: Any) -> None:
    truth, predicted, score, table = cohort
    for figure in every_figure(evaluate(truth, predicted, y_score=score, sensitive=table)):
        if figure["value"] is not None:
            low, middle, high = (float(figure[key]) for key in ("low", "value", "high"))
            assert 0 <= low <= middle <= high <= 1, figure
            assert low < high, figure


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("accuracy", lambda y, p, s: reference.accuracy_score(y, p)),
        ("selection_rate", lambda y, p, s: p.mean()),
        ("base_rate", lambda y, p, s: y.mean()),
        ("true_positive_rate", lambda y, p, s: reference.recall_score(y, p)),
        ("false_positive_rate", lambda y, p, s: p[y == 0].mean()),
        ("precision", lambda y, p, s: reference.precision_score(y, p)),
        ("roc_auc", lambda y, p, s: reference.roc_auc_score(y, s)),
        ("brier_score", lambda y, p, s: reference.brier_score_loss(y, s)),
    ],
)
def test_a_figure_is_what_scikit_learn_says(cohort: Any, name: str, function: Any) -> None:
    truth, predicted, score, _ = cohort
    result = evaluate(truth, predicted, y_score=score)
    assert value(result, name) == pytest.approx(function(truth, predicted, score), rel=1e-11)


def test_the_interval_of_the_area_is_that_of_resampled_rows(cohort: Any) -> None:
    truth, predicted, score, _ = cohort
    rng = np.random.default_rng(0)
    rows = rng.integers(0, len(truth), (300, len(truth)))
    areas = [reference.roc_auc_score(truth[row], score[row]) for row in rows]
    area = figures(evaluate(truth, predicted, y_score=score))["roc_auc"]
    assert [float(area["low"]), float(area["high"])] == pytest.approx(
        np.quantile(areas, [0.025, 0.975]), abs=0.012
    )


def test_a_perfect_area_is_not_certain() -> None:
    truth = np.repeat([0, 1], [20, 80])
    area = figures(evaluate(truth, truth, y_score=truth * 0.9))["roc_auc"]
    assert (area["value"], area["high"]) == ("1.0", "1.0")
    # As sure as 20 successes in 20: Wilson's score interval.
    assert float(area["low"]) == pytest.approx(1 / (1 + 1.959964**2 / 20), rel=1e-6)


def test_one_row_of_a_label_leaves_the_area_open() -> None:
    area = figures(evaluate([0, 1, 1, 1], [0, 1, 1, 1], y_score=[0.5, 0.4, 0.6, 0.7], small_cell=1))[
        "roc_auc"
    ]
    assert float(area["low"]) < 0.2
    assert float(area["high"]) > 0.9


def test_scores_that_are_not_probabilities_have_no_brier_score(cohort: Any) -> None:
    truth, predicted, score, _ = cohort
    result = figures(evaluate(truth, predicted, y_score=score * 3 - 1))
    assert result["brier_score"]["value"] is None
    assert "not probabilities" in result["brier_score"]["note"]
    assert result["roc_auc"]["value"] is not None


def test_precision_without_any_positive_prediction_is_missing_and_not_zero() -> None:
    precision = figures(evaluate([0, 1, 0, 1], [0, 0, 0, 0], small_cell=1))["precision"]
    assert (precision["value"], precision["low"], precision["n"]) == (None, None, 0)
    assert "not enough data" in precision["note"]


@pytest.mark.parametrize(
    ("labels", "names", "positive"),
    [
        ([0, 1], ["0", "1"], "1"),
        ([0.0, 1.0], ["0", "1"], "1"),
        ([False, True], ["False", "True"], "True"),
        (["no", "yes"], ["no", "yes"], "yes"),
        ([1, 2], ["1", "2"], "2"),
        ([-1, 1], ["-1", "1"], "1"),
    ],
)
def test_the_greater_label_is_positive(labels: list[Any], names: list[str], positive: str) -> None:
    result: Any = evaluate(labels * 3, [labels[1]] * 6, small_cell=1)
    assert (result["labels"], result["positive"]) == (names, positive)
    assert value(result, "selection_rate") == 1


@pytest.mark.parametrize(
    ("labels", "positive"), [(["a", "b"], "a"), ([0, 1], 0), ([0, 1], "0"), ([0, 1], False)]
)
def test_the_positive_label_can_be_chosen(labels: list[Any], positive: object) -> None:
    result: Any = evaluate(labels * 3, [labels[0]] * 6, positive=positive, small_cell=1)
    assert result["positive"] == str(labels[0])
    assert value(result, "selection_rate") == 1


def test_labels_of_different_types_that_are_equal_are_the_same() -> None:
    assert value(evaluate([0, 1, 1, 0], np.array([False, True, True, False]), small_cell=1), "accuracy") == 1


@pytest.mark.parametrize(
    ("case", "says"),
    [
        ({"y_true": [1, 1, 1, 1]}, "one class only"),
        ({"y_true": [0, 1, 2, 1]}, "only binary classification"),
        ({"y_true": [0.13, 0.24, 0.35, 0.46]}, "only binary classification"),
        ({"y_true": [0, 1, None, 1]}, "y_true has 1 missing values of 4"),
        ({"y_pred": [0, 1, float("nan"), 1]}, "y_pred has 1 missing values"),
        ({"y_pred": [0, 1, 1]}, "y_true has 4 rows and y_pred 3"),
        ({"y_pred": [0.2, 0.7, 0.1, 0.9]}, "go to y_score"),
        (
            {"y_pred": ["0", "1", "1", "0"], "y_true": ["no", "yes", "no", "yes"]},
            "y_pred holds 2 different values that are none of the labels",
        ),
        ({"y_pred": [0, 1, 1, 7]}, "y_pred holds 1 different value that is none of the labels"),
        ({"y_true": [0, "yes", 0, "yes"], "y_pred": [0, 0, 0, 0]}, "of different kinds (int and str)"),
        ({"y_pred": np.ones((4, 2))}, "shape"),
        ({"y_pred": 1}, "must be a column"),
        ({"y_true": [[0], [1], [1], [0]]}, "not labels"),
        ({"y_true": [], "y_pred": []}, "empty"),
        ({"y_score": ["high", "low", "low", "high"]}, "y_score must hold finite numbers"),
        ({"y_score": ["0.5", "0.1", "0.2", "0.3"]}, "y_score must hold finite numbers"),
        ({"y_score": [0.1, 0.2, 0.3, math.inf]}, "y_score must hold finite numbers"),
        ({"y_score": [0.1, 0.2, 0.3]}, "y_score has 3 rows"),
        ({"y_score": np.full((4, 2), 0.5)}, "y_score has shape"),
        ({"sensitive": pd.DataFrame({"race": ["a", "b"]})}, "protected columns have 2 rows"),
        ({"sensitive": [1, 2, 3, 4]}, "table with named columns"),
        ({"sensitive": pd.DataFrame([[1, 2]] * 4, columns=["race", "race"])}, "occurs twice"),
        ({"sensitive": pd.DataFrame({"género": ["a"] * 4})}, "protected=['género']"),
        ({"sensitive": pd.DataFrame({"race": [["a"]] * 4})}, "cannot be grouped"),
        ({"positive": "yes"}, "neither of the two labels"),
        ({"confidence": 95}, "confidence"),
        ({"replicates": 10}, "replicates"),
        ({"minimum": 0}, "minimum"),
        ({"seed": -1}, "seed"),
    ],
)
def test_bad_input_gets_one_clear_sentence(case: dict[str, Any], says: str) -> None:
    arguments = {"y_true": [0, 1, 1, 0], "y_pred": [0, 1, 0, 0], **case}
    with pytest.raises(MalformedInput) as caught:
        evaluate(**arguments)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


CANARY = "canary"


@pytest.mark.parametrize(
    "case",
    [
        {"y_true": [CANARY] * 4},
        {"y_true": [0, 1, 2, CANARY]},
        {"y_true": [0, CANARY, 0, CANARY], "y_pred": [0] * 4},
        {"y_pred": [0, 1, 0, CANARY]},
        {"y_true": ["a", CANARY] * 2, "y_pred": ["a"] * 4, "positive": "b"},
        {"y_score": [0, 1, 2, CANARY]},
        {"sensitive": pd.DataFrame({"race": [[CANARY]] * 4})},
    ],
)
def test_no_error_tells_a_value_of_the_data(case: dict[str, Any]) -> None:
    with pytest.raises(MalformedInput) as caught:
        evaluate(**{"y_true": [0, 1, 1, 0], "y_pred": [0, 1, 0, 0], **case})
    assert CANARY not in str(caught.value)


def test_protected_columns_are_selected_in_the_order_asked_for() -> None:
    table = pl.DataFrame({"race": ["a"], "sex": ["m"], "income": [1.0]})
    assert list(select_sensitive(table, ["sex", "race"]).columns) == ["sex", "race"]


@pytest.mark.parametrize(
    ("name", "says"), [("rase", "did you mean race?"), ("religion", "there are race, sex")]
)
def test_a_protected_column_that_does_not_exist_is_named(name: str, says: str) -> None:
    table = pd.DataFrame({"race": ["a"], "sex": ["m"]})
    with pytest.raises(MalformedInput, match="has no protected column") as caught:
        select_sensitive(table, ["sex", name])
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("truth", "message"),
    [
        ({"a": 0, "b": 1}, "y_true is a dict, which has no rows"),
        ({0, 1}, "y_true is a set, which has no rows"),
        (np.ma.array([0, 1, 1], mask=[False, False, True]), "y_true has masked values"),
        (["n" * 201, "y"], "a label is longer than 200 letters"),
    ],
)
def test_what_is_no_column_of_labels_is_refused(truth: Any, message: str) -> None:
    with pytest.raises(MalformedInput, match=message):
        evaluate(truth, truth)


def test_a_score_too_large_for_a_float_is_refused() -> None:
    with pytest.raises(MalformedInput, match="finite numbers"):
        evaluate([0, 1], [0, 1], y_score=[10**400, 1])
