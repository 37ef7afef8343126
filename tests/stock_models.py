"""Stock scikit-learn models fitted on small made data, for the tests of model files and model states."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.datasets import make_classification
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge, SGDClassifier, TweedieRegressor
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, RadiusNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

__all__ = ["MODELS", "fitted", "table"]

NUMBERS = ["a", "b", "c", "d"]


def _columns() -> Any:
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    encoder = OneHotEncoder(handle_unknown="ignore")
    return Pipeline(
        [
            ("columns", ColumnTransformer([("numbers", numbers, NUMBERS), ("groups", encoder, ["group"])])),
            ("model", LogisticRegression()),
        ]
    )


def _two() -> list[tuple[str, Any]]:
    return [("line", LogisticRegression()), ("tree", DecisionTreeClassifier(random_state=0))]


MODELS: dict[str, Callable[[], Any]] = {
    "pipeline with a column transformer": _columns,
    "logistic regression": LogisticRegression,
    "ridge": Ridge,
    "stochastic gradient descent": lambda: SGDClassifier(random_state=0),
    "tweedie": TweedieRegressor,
    "decision tree": lambda: DecisionTreeClassifier(random_state=0),
    "random forest": lambda: RandomForestClassifier(5, random_state=0),
    "extra trees": lambda: ExtraTreesClassifier(5, random_state=0),
    "histogram gradient boosting": lambda: HistGradientBoostingClassifier(max_iter=5, random_state=0),
    "gradient boosting": lambda: GradientBoostingClassifier(n_estimators=5, random_state=0),
    "adaboost": lambda: AdaBoostClassifier(n_estimators=5, random_state=0),
    "bagging": lambda: BaggingClassifier(n_estimators=3, random_state=0),
    "isolation forest": lambda: IsolationForest(n_estimators=5, random_state=0),
    "voting": lambda: VotingClassifier(_two()),
    "stacking": lambda: StackingClassifier(_two(), cv=2),
    "support vectors": SVC,
    "nearest neighbours in a k-d tree": lambda: KNeighborsClassifier(algorithm="kd_tree"),
    "neighbours in a ball tree": lambda: RadiusNeighborsClassifier(radius=3.0, algorithm="ball_tree"),
    "naive bayes": GaussianNB,
    "calibrated by a sigmoid": lambda: CalibratedClassifierCV(LogisticRegression(), cv=2),
    "calibrated by isotonic regression": lambda: CalibratedClassifierCV(
        GaussianNB(), cv=2, method="isotonic"
    ),
    "multi-layer perceptron": lambda: MLPClassifier(4, max_iter=300, tol=0.1, random_state=0),
    "grid search": lambda: GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=2),
}


def table() -> pd.DataFrame:
    """Return 120 rows of four numbers and one group."""
    numbers, _ = make_classification(120, 4, random_state=0)
    frame = pd.DataFrame(numbers, columns=NUMBERS)
    frame["group"] = np.where(frame.a > 0, "x", "y")
    return frame


def fitted(name: str) -> Any:
    """Fit one of the models anew."""
    _, labels = make_classification(120, 4, random_state=0)
    rows = table() if "column transformer" in name else table()[NUMBERS]
    return MODELS[name]().fit(rows, labels)
