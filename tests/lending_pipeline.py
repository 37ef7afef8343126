"""A small pipeline on made loan applications, for the tests of runs."""

from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from registry.pipeline import Pipeline

__all__ = ["FEATURES", "applications", "lending"]

FEATURES = ["income", "debt"]


def applications(n: int, seed: int) -> pd.DataFrame:
    """Return n made applications."""
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(random.normal(size=(n, 2)), columns=FEATURES)
    frame["race"] = random.choice(["black", "white"], n)
    frame["approve"] = (frame.income - frame.debt + random.normal(size=n) > 0).astype(int)
    return frame


def lending(sensitive: tuple[str, ...] = ("race",), **options: Any) -> Pipeline:
    """Declare the pipeline anew."""
    pipeline = Pipeline("lending", **options)

    @pipeline.step
    def load(source: str = "", n: int = 200, seed: int = 7) -> pd.DataFrame:
        return applications(n, seed)

    @pipeline.step
    def split(load: pd.DataFrame, test_size: float = 0.5) -> dict[str, pd.DataFrame]:
        cut = int(len(load) * (1 - test_size))
        return {"train": load[:cut], "test": load[cut:]}

    @pipeline.step
    def model(split: dict[str, pd.DataFrame], C: float = 1.0) -> LogisticRegression:  # noqa: N803
        return LogisticRegression(C=C).fit(split["train"][FEATURES], split["train"].approve)

    @pipeline.evaluate(sensitive=sensitive)
    def evaluation(model: LogisticRegression, split: dict[str, pd.DataFrame]) -> dict[str, Any]:
        test = split["test"]
        return {
            "y_true": test.approve,
            "y_pred": model.predict(test[FEATURES]),
            "y_score": model.predict_proba(test[FEATURES])[:, 1],
            "sensitive": test[["race"]],
        }

    return pipeline
