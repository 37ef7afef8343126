"""A model is stored in a format that runs no code, and read only after its digest and its types were checked."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from audit.canonical import encode
from audit.errors import MalformedInput, NotPermitted, NotVerified
from registry.artifacts import ArtifactStore
from registry.model_file import describe_model, read_model, save_model
from tests.stock_models import MODELS, NUMBERS, fitted, table


class Passing(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A transformer of the user's own."""

    def fit(self, x: Any, y: Any = None) -> "Passing":
        return self

    def transform(self, x: Any) -> Any:
        return x

    def __sklearn_is_fitted__(self) -> bool:
        return True


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path)


@pytest.mark.parametrize("name", MODELS)
def test_stock_models_come_back_by_the_reviewed_list_alone(name: str, store: ArtifactStore) -> None:
    model = fitted(name)
    described = save_model(model, store)
    assert "unreviewed" not in described
    rows = table() if "column transformer" in name else table()[NUMBERS]
    loaded: Any = read_model(described, store)
    assert np.array_equal(loaded.predict(rows), model.predict(rows))


def test_the_description_is_canonical_and_names_class_and_features(store: ArtifactStore) -> None:
    described = save_model(fitted("logistic regression"), store)
    encode(described)
    assert described["format"] == "skops"
    assert described["class"] == "sklearn.linear_model._logistic.LogisticRegression"
    assert described["features"] == NUMBERS
    assert described["bytes"] == len(store.get(str(described["sha256"])))


def nameless(columns: int = 2) -> LogisticRegression:
    rows = np.arange(8.0 * columns).reshape(8, columns)
    return LogisticRegression().fit(rows, [0, 1] * 4)


def named(*names: str) -> LogisticRegression:
    rows = pd.DataFrame(np.arange(8.0 * len(names)).reshape(8, -1), columns=list(names))
    return LogisticRegression().fit(rows, [0, 1] * 4)


class Foreign:
    """A model that is none of scikit-learn's, with what it remembers of its columns."""

    def __init__(self, **remembered: Any) -> None:
        self.__dict__ |= remembered


def test_a_model_that_was_fitted_on_an_array_takes_the_features_that_are_passed(store: ArtifactStore) -> None:
    assert save_model(nameless(), store, features=["income", "debt"])["features"] == ["income", "debt"]


def test_a_transformer_that_drops_columns_leaves_the_features_that_went_in(store: ArtifactStore) -> None:
    chosen = make_pipeline(ColumnTransformer([("kept", "passthrough", [0])]), LogisticRegression())
    chosen.fit(np.arange(16.0).reshape(8, 2), [0, 1] * 4)
    assert save_model(chosen, store, features=["income", "debt"])["features"] == ["income", "debt"]


@pytest.mark.parametrize(
    "model",
    [
        Foreign(),
        Foreign(feature_names_in_=["Column_0", "Column_1"], n_features_in_=2),
        Foreign(feature_names_in_=["yearly_income", "debt"], n_features_in_=2),
        Foreign(n_features_in_=None),
        Foreign(feature_names_in_=["set by somebody"], n_features_in_=2),
    ],
    ids=["nothing", "places", "no spaces", "no number", "names of others"],
)
def test_a_model_that_remembers_no_other_features_contradicts_nothing(model: Foreign) -> None:
    features = ["yearly income", "debt"]
    assert describe_model(model, format="pickle", features=features)["features"] == features


def test_features_that_are_fewer_than_the_model_was_fitted_on_are_refused(store: ArtifactStore) -> None:
    says = r"features= names 2 columns \(income, debt\), and the model was fitted on 3: "
    with pytest.raises(MalformedInput, match=says):
        save_model(nameless(3), store, features=["income", "debt"])


@pytest.mark.parametrize("own", [("income", "w"), ("debt", "income")], ids=["another", "another order"])
def test_features_that_are_others_than_the_model_was_fitted_on_are_refused(
    own: tuple[str, ...], store: ArtifactStore
) -> None:
    with pytest.raises(MalformedInput, match=r"features= names \w+ where the model was fitted on \w+: "):
        save_model(named(*own), store, features=["income", "debt"])


def test_features_as_one_text_are_refused(store: ArtifactStore) -> None:
    with pytest.raises(MalformedInput, match="names of all columns"):
        save_model(fitted("ridge"), store, features="income")


def test_two_files_of_one_model_share_the_fingerprint(store: ArtifactStore) -> None:
    first, second = save_model(fitted("ridge"), store), save_model(fitted("ridge"), store)
    assert first["fingerprint"] == second["fingerprint"]


def test_what_skops_cannot_store_is_refused_with_the_type_and_the_way_out(store: ArtifactStore) -> None:
    model = fitted("ridge")
    model.generator_ = (n for n in [1])
    with pytest.raises(MalformedInput, match=r"sklearn\.linear_model\._ridge\.Ridge.*pickle"):
        save_model(model, store)


def test_a_lambda_is_refused_in_either_format(store: ArtifactStore) -> None:
    model = make_pipeline(FunctionTransformer(lambda x: x), LogisticRegression())
    model.fit(table()[NUMBERS], [0, 1] * 60)
    with pytest.raises(MalformedInput, match=r"it holds .*<lambda>"):
        save_model(model, store)
    with pytest.raises(MalformedInput, match="pickle cannot store"):
        save_model(model, store, format="pickle")


def test_a_pickle_is_marked_and_read_only_when_that_is_asked_for(store: ArtifactStore) -> None:
    described = save_model(fitted("ridge"), store, format="pickle")
    assert described["format"] == "pickle"
    with pytest.raises(NotPermitted, match="allow_pickle"):
        read_model(described, store)
    loaded: Any = read_model(described, store, allow_pickle=True)
    assert loaded.predict(table()[NUMBERS]).shape == (120,)


def test_types_that_nobody_reviewed_are_named_and_not_loaded(store: ArtifactStore) -> None:
    model = make_pipeline(Passing(), LogisticRegression()).fit(table()[NUMBERS], [0, 1] * 60)
    described = save_model(model, store)
    name = f"{Passing.__module__}.Passing"
    assert described["unreviewed"] == [name]
    with pytest.raises(NotPermitted, match="Passing"):
        read_model(described, store)
    assert read_model(described, store, trusted=[name])


def test_a_changed_file_is_refused_before_it_is_read(store: ArtifactStore) -> None:
    described = save_model(fitted("ridge"), store, format="pickle")
    path = store.path(str(described["sha256"]))
    path.chmod(0o644)
    path.write_bytes(b"cos\nsystem\n(S'touch owned'\ntR.")
    with pytest.raises(NotVerified):
        read_model(described, store, allow_pickle=True)


@pytest.mark.parametrize("data", [b"", b"not a zip", b"PK\x03\x04 half"])
def test_what_is_no_model_file_is_refused(data: bytes, store: ArtifactStore) -> None:
    with pytest.raises(MalformedInput, match="not a skops file"):
        read_model({"format": "skops", "sha256": store.put(data)}, store)


def test_a_file_that_asks_for_a_function_that_runs_code_is_not_loaded(store: ArtifactStore) -> None:
    data = io.BytesIO()
    schema = (
        '{"__class__": "function", "__module__": "posix", "__loader__": "FunctionNode", "__id__": 1,'
        ' "content": {"module_path": "posix", "function": "system"}, "protocol": 2}'
    )
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("schema.json", schema)
    with pytest.raises((NotPermitted, MalformedInput)):
        read_model({"format": "skops", "sha256": store.put(data.getvalue())}, store)


def test_an_unknown_format_is_refused(store: ArtifactStore) -> None:
    with pytest.raises(MalformedInput, match="skops or pickle"):
        save_model(fitted("ridge"), store, format="joblib")
    with pytest.raises(MalformedInput, match="not known"):
        read_model({"format": "joblib", "sha256": store.put(b"")}, store)
