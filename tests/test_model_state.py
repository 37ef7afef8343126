"""The fingerprint of learned state is the same for the same state, wherever it was learned, and for no other."""

import collections
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import skops.io
from hypothesis import given
from hypothesis import strategies as st
from sklearn.preprocessing import FunctionTransformer

from audit.errors import MalformedInput
from registry.model_state import fingerprint_model, fingerprint_value
from tests.stock_models import MODELS, NUMBERS, fitted, table

ROOT = Path(__file__).parent.parent

SCRIPT = """
from registry.model_state import fingerprint_model
from tests.stock_models import MODELS, fitted
for name in MODELS:
    print(name, fingerprint_model(fitted(name)), sep="=")
"""


@pytest.fixture(scope="module")
def prints() -> dict[str, str]:
    return {name: fingerprint_model(fitted(name)) for name in MODELS}


@pytest.fixture(scope="module")
def again() -> dict[str, Any]:
    return {name: fitted(name) for name in MODELS}


@pytest.mark.parametrize("name", MODELS)
def test_training_again_gives_the_same_fingerprint(
    name: str, prints: dict[str, str], again: dict[str, Any]
) -> None:
    assert fingerprint_model(again[name]) == prints[name]
    assert prints[name].startswith("affidavit-model-v1:sha256:")


@pytest.mark.parametrize("name", MODELS)
def test_saving_and_loading_keeps_the_fingerprint(
    name: str, prints: dict[str, str], again: dict[str, Any]
) -> None:
    data = skops.io.dumps(again[name])
    loaded = skops.io.loads(data, trusted=skops.io.get_untrusted_types(data=data))
    assert fingerprint_model(loaded) == prints[name]


@pytest.mark.parametrize("name", MODELS)
def test_predicting_does_not_change_the_fingerprint(
    name: str, prints: dict[str, str], again: dict[str, Any]
) -> None:
    model = again[name]
    model.predict(table() if "column transformer" in name else table()[NUMBERS])
    assert fingerprint_model(model) == prints[name]


def test_another_process_with_another_hash_seed_gives_the_same_fingerprints(prints: dict[str, str]) -> None:
    environment = os.environ | {
        "PYTHONHASHSEED": "4711",
        "PYTHONPATH": str(ROOT),
        "PYTHONWARNINGS": "default",
    }
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=environment, cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert dict(line.split("=") for line in done.stdout.splitlines()) == prints


def test_no_two_models_share_a_fingerprint(prints: dict[str, str]) -> None:
    assert len(set(prints.values())) == len(prints)


def test_a_coefficient_changed_in_its_last_bit_changes_the_fingerprint(prints: dict[str, str]) -> None:
    model = fitted("logistic regression")
    model.coef_[0, 0] = np.nextafter(model.coef_[0, 0], np.inf)
    assert fingerprint_model(model) != prints["logistic regression"]


def test_a_threshold_deep_in_a_forest_changes_the_fingerprint(prints: dict[str, str]) -> None:
    model = fitted("random forest")
    model.estimators_[3].tree_.threshold[0] += 1e-9
    assert fingerprint_model(model) != prints["random forest"]


def test_a_leaf_value_of_a_boosted_histogram_changes_the_fingerprint(prints: dict[str, str]) -> None:
    model = fitted("histogram gradient boosting")
    model._predictors[-1][0].nodes["value"][-1] += 1e-9
    assert fingerprint_model(model) != prints["histogram gradient boosting"]


def test_a_parameter_changes_the_fingerprint(prints: dict[str, str]) -> None:
    model = fitted("logistic regression")
    assert fingerprint_model(model.set_params(C=2.0)) != prints["logistic regression"]


def test_what_lies_between_the_fields_of_a_record_does_not_count() -> None:
    kind = np.dtype([("a", "i1"), ("b", "f8")], align=True)
    left, right = np.zeros(3, kind), np.frombuffer(bytearray(b"\xff" * (3 * kind.itemsize)), kind)
    right["a"], right["b"] = 0, 0.0
    assert left.tobytes() != right.tobytes()
    assert fingerprint_value(left) == fingerprint_value(right)


def test_layout_and_byte_order_of_an_array_do_not_count() -> None:
    array = np.arange(6.0).reshape(2, 3)
    assert fingerprint_value(np.asfortranarray(array)) == fingerprint_value(array)
    assert fingerprint_value(array.astype(">f8")) == fingerprint_value(array)


def test_every_nan_is_alike() -> None:
    strange = np.array([0x7FF8000000000001, 0xFFF8000000000000], dtype="uint64").view("float64")
    assert fingerprint_value(strange) == fingerprint_value(np.array([np.nan, np.nan]))
    assert fingerprint_value(float("nan")) == fingerprint_value(np.float64("nan"))


DIFFERENT: list[tuple[Any, Any]] = [
    (1, 1.0),
    (1, True),
    ("1", 1),
    ("a", b"a"),
    ([1], (1,)),
    ([1, 2], [2, 1]),
    ([[1], 2], [[1, 2]]),
    ({1}, frozenset({1})),
    ({"a": 1}, {"a": 2}),
    ({}, []),
    (None, 0),
    (np.zeros(2), np.zeros((2, 1))),
    (np.zeros(2, "f4"), np.zeros(2, "f8")),
    (np.array(["a", None], dtype=object), np.array(["a", "b"], dtype=object)),
    (np.ma.masked_array([1, 2], [False, True]), np.ma.masked_array([1, 2], [True, False])),
    (scipy.sparse.csr_matrix([[0, 1]]), scipy.sparse.csr_matrix([[1, 0]])),
    (len, sum),
    (int, float),
    (np.random.RandomState(0), np.random.RandomState(1)),
    (np.random.default_rng(0), np.random.default_rng(1)),
    (pd.DataFrame({"a": [1]}), pd.DataFrame({"b": [1]})),
    (pd.Series([1], index=["x"]), pd.Series([1], index=["y"])),
    (collections.Counter("aab"), collections.Counter("abb")),
    (slice(1), slice(2)),
    (range(3), range(4)),
]


@pytest.mark.parametrize(("left", "right"), DIFFERENT)
def test_values_that_differ_have_different_fingerprints(left: Any, right: Any) -> None:
    assert fingerprint_value(left) != fingerprint_value(right)


@pytest.mark.parametrize(("value", "_"), DIFFERENT)
def test_a_value_keeps_its_fingerprint(value: Any, _: Any) -> None:
    assert fingerprint_value(value) == fingerprint_value(value)


def test_a_circle_closes_and_its_shape_counts() -> None:
    def ring(size: int) -> list[Any]:
        first: list[Any] = []
        last = first
        for _ in range(size - 1):
            last.append([])
            last = last[0]
        last.append(first)
        return first

    assert fingerprint_value(ring(2)) == fingerprint_value(ring(2))
    assert fingerprint_value([ring(2)]) != fingerprint_value([ring(3)])


def test_durations_count_everywhere_but_in_a_search() -> None:
    assert fingerprint_value({"mean_fit_time": 1}) != fingerprint_value({"mean_fit_time": 2})


def test_one_list_held_twice_is_like_two_equal_lists() -> None:
    one = [1]
    assert fingerprint_value([one, one]) == fingerprint_value([[1], [1]])


def test_what_is_shared_many_times_over_is_walked_once() -> None:
    value: list[Any] = [1]
    for _ in range(60):
        value = [value, value]
    assert fingerprint_value(value)


def test_what_is_nested_beyond_reach_is_refused() -> None:
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(MalformedInput, match="nested too deeply"):
        fingerprint_value(value)


MAKERS: list[Callable[[], object]] = [
    threading.Lock,
    lambda: lambda: 1,
    lambda: (n for n in [1]),
    lambda: FunctionTransformer(lambda x: x),
]


@pytest.mark.parametrize("make", MAKERS)
def test_what_has_no_state_is_refused_by_its_type(make: Callable[[], object]) -> None:
    with pytest.raises(MalformedInput, match="cannot be fingerprinted"):
        fingerprint_value(make())


@given(
    st.dictionaries(
        st.text(max_size=3), st.integers() | st.lists(st.text(max_size=2), max_size=2), max_size=5
    )
)
def test_the_order_of_a_mapping_does_not_count(value: dict[str, Any]) -> None:
    assert fingerprint_value(dict(reversed(value.items()))) == fingerprint_value(value)


def test_the_number_of_threads_is_no_learned_state() -> None:
    script = (
        "import numpy as np\n"
        "from sklearn.cluster import KMeans\n"
        "from sklearn.ensemble import HistGradientBoostingClassifier\n"
        "from registry.model_state import fingerprint_model\n"
        "X = np.arange(64.0).reshape(32, 2)\n"
        "for kind in KMeans, HistGradientBoostingClassifier:\n"
        "    print(fingerprint_model(kind(random_state=0).fit(X, X[:, 0] > 31)))\n"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", script],
            check=True,
            capture_output=True,
            text=True,
            cwd=ROOT,
            env=os.environ | {"OMP_NUM_THREADS": threads, "PYTHONHASHSEED": threads},
        ).stdout
        for threads in ("1", "2")
    }
    assert len(found) == 1
