"""A model is stored in a format that runs no code, and read only after its digest and its types were checked."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from audit.canonical import encode
from audit.errors import MalformedInput, NotPermitted, NotVerified
from registry.artifacts import ArtifactStore
from registry.model_file import read_model, save_model
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


def test_features_that_are_passed_win(store: ArtifactStore) -> None:
    assert save_model(fitted("ridge"), store, features=table().columns)["features"] == [*NUMBERS, "group"]


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
