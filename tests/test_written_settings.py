"""What is in a fitted model and may hold what was computed from a column: settings, functions, classes of one's own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.ensemble import RandomForestClassifier, StackingClassifier, VotingClassifier
from sklearn.feature_selection import SelectFromModel, SelectKBest, f_classif
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    KBinsDiscretizer,
    OneHotEncoder,
    PolynomialFeatures,
    StandardScaler,
    TargetEncoder,
)

from registry.artifacts import ArtifactStore
from registry.recording import record as recorded_by
from registry.written_arguments import Written, written_by_block, written_by_step
from registry.written_settings import unwritten_in_model
from tests.lineage_truth import flow_named
from tests.test_recording import Kept

SHARE = np.array([0.3, 0.2])
LEVEL = 0.25
LEVELS = [LEVEL, 2 * LEVEL]


class Scaled(BaseEstimator, TransformerMixin):  # type: ignore[misc]  # scikit-learn has no types
    """A transformer of one's own."""

    def fit(self, x: Any, y: Any = None) -> "Scaled":
        """Learn nothing."""
        return self

    def transform(self, x: Any) -> Any:
        """Change nothing."""
        return x


class Voting(Scaled):
    """A transformer of one's own that has estimators, and predicts as well."""

    def __init__(self, estimators: Any = ()) -> None:
        self.estimators = estimators

    def predict(self, x: Any) -> Any:
        """Predict nothing."""
        return np.zeros(len(x))


class Plain(BaseEstimator, ClassifierMixin):  # type: ignore[misc]  # likewise
    """An estimator of one's own that learns from what it is given."""

    def __init__(self, rate: float = 0.5, table: Any = None) -> None:
        self.rate = rate
        self.table = table

    def fit(self, x: Any, y: Any) -> "Plain":
        """Learn the classes."""
        self.classes_ = np.unique(y)
        return self

    def predict(self, x: Any) -> Any:
        """Predict the first class."""
        return np.full(len(x), self.classes_[0])


class Reaching(Plain):
    """One that reads what its module holds."""

    def predict(self, x: Any) -> Any:
        """Look into the module."""
        return np.full(len(x), SHARE[0] > LEVEL)


def distance(one: Any, other: Any) -> float:
    return float(np.abs(one - other).sum())


def biased(one: Any, other: Any) -> float:
    return float(np.abs(one - other).sum() * SHARE[0])


def of_the_code() -> list[Any]:
    numbers = make_pipeline(StandardScaler(), KBinsDiscretizer(n_bins=4, encode="ordinal"))
    both = FeatureUnion([("plain", StandardScaler()), ("logs", FunctionTransformer(np.log1p))])
    columns = ColumnTransformer(
        [
            ("n", numbers, make_column_selector(dtype_include=float)),
            ("c", OneHotEncoder(drop="first"), ["job"]),
        ],
        remainder="passthrough",
    )
    return [
        make_pipeline(columns, SelectKBest(f_classif, k=2), LogisticRegression(C=SHARE[0])),
        make_pipeline(both, Binarizer(threshold=LEVEL), RandomForestClassifier(max_depth=int(SHARE[0] * 10))),
        CalibratedClassifierCV(make_pipeline(TargetEncoder(), LogisticRegression())),
        StackingClassifier(
            [("a", make_pipeline(StandardScaler(), LogisticRegression()))], LogisticRegression()
        ),
        VotingClassifier([("a", LogisticRegression()), ("b", KNeighborsClassifier(metric=distance))]),
        GridSearchCV(
            Pipeline([("s", StandardScaler()), ("m", LogisticRegression())]), {"m__C": [0.1, SHARE[0]]}
        ),
        Plain(),
        make_pipeline(StandardScaler(with_mean=False), Plain(rate=LEVEL)),
        GridSearchCV(
            LogisticRegression(class_weight="balanced"), {"class_weight": [{0: 1.0, 1: 2.0}, "balanced"]}
        ),
        make_pipeline(StandardScaler(), LogisticRegression(class_weight={0: 1.0, 1: 3.0}, C=SHARE[0])),
    ]


COMPUTED: dict[str, Callable[[], Any]] = {
    "threshold": lambda: make_pipeline(Binarizer(threshold=SHARE[0]), LogisticRegression()),
    "n_bins": lambda: StackingClassifier(
        [("a", make_pipeline(KBinsDiscretizer(n_bins=int(SHARE[0] * 10)), LogisticRegression()))]
    ),
    "init": lambda: make_pipeline(KMeans(2, init=np.array([[SHARE[0]], [1.0]])), LogisticRegression()),
    "transformer_weights": lambda: make_pipeline(
        FeatureUnion([("a", StandardScaler())], transformer_weights={"a": SHARE[0]}), LogisticRegression()
    ),
    "Scaled": lambda: CalibratedClassifierCV(make_pipeline(Scaled(), LogisticRegression())),
    "degree": lambda: make_pipeline(PolynomialFeatures(1 + int(SHARE[0] > LEVEL)), LogisticRegression()),
    "Voting in the model is no transformer": lambda: make_pipeline(Voting(), LogisticRegression()),
    "Reaching in the model reaches SHARE": lambda: VotingClassifier([("a", Reaching())]),
    "table": lambda: make_pipeline(StandardScaler(), Plain(table=SHARE)),
    "metric of the model calls what reaches SHARE": lambda: KNeighborsClassifier(metric=biased),
    "func": lambda: make_pipeline(FunctionTransformer(lambda x: x), LogisticRegression()),
    "class_weight": lambda: make_pipeline(
        StandardScaler(), LogisticRegression(class_weight={0: 1.0, 1: float(SHARE[0])})
    ),
    "priors": lambda: CalibratedClassifierCV(GaussianNB(priors=SHARE / SHARE.sum())),
    "FrozenEstimator(TargetEncoder) in the model was fitted before": lambda: make_pipeline(
        FrozenEstimator(TargetEncoder()), LogisticRegression()
    ),
    "FrozenEstimator(LogisticRegression) in": lambda: CalibratedClassifierCV(
        FrozenEstimator(LogisticRegression())
    ),
    "what StackingClassifier is made of": lambda: StackingClassifier(
        [("a", LogisticRegression())], cv="prefit"
    ),
    "what SelectFromModel is made of": lambda: make_pipeline(
        SelectFromModel(LogisticRegression(), prefit=True), LogisticRegression()
    ),
}


@pytest.mark.parametrize("number", range(10))
def test_a_model_whose_every_setting_the_step_writes_brings_in_nothing(number: int) -> None:
    assert unwritten_in_model(of_the_code()[number], written_by_step(of_the_code, {})) is None


@pytest.mark.parametrize("named", COMPUTED)
def test_what_a_step_computed_into_its_model_is_found(named: str) -> None:
    why = unwritten_in_model(COMPUTED[named](), written_by_step(COMPUTED[named], {}))
    assert why is not None
    assert named in why


def test_a_parameter_of_the_step_and_a_constant_of_its_module_are_of_the_code() -> None:
    def step(threshold: float, least: float = 0.0) -> Any:
        least = float(SHARE[0])
        return [Binarizer(threshold=threshold), Binarizer(threshold=LEVELS[0]), Binarizer(threshold=least)]

    def made(value: float, parameters: dict[str, object]) -> str | None:
        model = make_pipeline(Binarizer(threshold=value), LogisticRegression())
        return unwritten_in_model(model, written_by_step(step, parameters))

    assert made(0.7, {"threshold": 0.7}) is not None  # the step gives another threshold that it computed

    def plain(threshold: float) -> Any:
        return [Binarizer(threshold=threshold), Binarizer(threshold=LEVELS[1])]

    def of_plain(value: float) -> str | None:
        model = make_pipeline(Binarizer(threshold=value), LogisticRegression())
        return unwritten_in_model(model, written_by_step(plain, {"threshold": 0.7}))

    assert (of_plain(0.7), of_plain(0.5)) == (None, None)
    assert of_plain(0.6) is not None


SCRIPT = """
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

ORDER = ["a", "b", "c", "d"]

def fitted(loans, order):
    encoder = OrdinalEncoder(categories=[{order}])
    return make_pipeline(encoder, LogisticRegression()).fit(loans[["job"]], loans.approve)

if __name__ == "__main__":
    with record("lending") as run:
        loans = run.data("loans", pd.read_csv("loans.csv"), source="loans.csv")
        order = (loans.race == "black").groupby(loans.job).mean().sort_values().index.tolist()
        run.model(fitted(loans, order), columns={{"*": ["*"]}}, rows=[])
"""


@pytest.mark.parametrize(
    ("order", "notes"), [("ORDER", ()), ("order", ("the setting categories of OrdinalEncoder",))]
)
def test_a_recorded_model_is_asked_for_the_settings_that_its_script_writes(
    order: str, notes: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    table = pd.DataFrame(
        {"job": list("abcd") * 20, "race": ["black", "white"] * 40, "approve": [0, 1, 1, 0] * 20}
    )
    table.to_csv("loans.csv", index=False)
    kept = Kept(ArtifactStore(tmp_path / "store"))
    monkeypatch.setattr("registry.registry.open_registry", lambda _: kept)
    Path("script.py").write_text(SCRIPT.format(order=order))
    space = {"__name__": "__main__", "record": recorded_by}
    exec(compile(Path("script.py").read_text(), str(tmp_path / "script.py"), "exec"), space)
    model = flow_named(kept.results[-1].predicate, "model", "model")
    assert model.is_whole is not bool(notes)
    assert [note for note in model.notes if not any(each in note for each in notes)] == []


def test_a_script_that_was_edited_after_it_was_started_tells_nothing(tmp_path: Path) -> None:
    path = tmp_path / "script.py"
    path.write_text("Binarizer(threshold=0.5)\n")
    code = compile(path.read_text(), str(path), "exec")
    assert written_by_block(code, {}, {}).gives("Binarizer", "threshold", 0.5)
    path.write_text("Binarizer(threshold=0.7)\n")
    assert written_by_block(code, {}, {}) == Written("block's file")
