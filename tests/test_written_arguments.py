"""What the code gives to a transformer is found however the code writes it; what may have been computed is named."""

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import Binarizer, PolynomialFeatures, SplineTransformer

from registry import written_settings
from registry.written_arguments import written_by_step
from registry.written_settings import unwritten, unwritten_in_model
from tests.plan_constants import LEAST

DEGREE = 3
GRID = {"poly__degree": [1, 3], "model__C": [0.1, 1.0]}
FOUND = [DEGREE, int(LEAST)]
WANTED = PolynomialFeatures(degree=3)


def made(degree: int = 3) -> Any:
    """Make a transformer."""
    return PolynomialFeatures(degree)


def pipeline() -> Any:
    """Make what is searched through."""
    return Pipeline([("poly", PolynomialFeatures()), ("model", LogisticRegression())])


def mean_of(loans: Any) -> int:
    """Compute something."""
    return int(loans.race.mean())


def settings(loans: Any) -> dict[str, Any]:
    """Compute a setting."""
    return {"degree": mean_of(loans)}


def splits(loans: Any) -> Any:
    """Choose folds by what was computed."""
    return mean_of(loans)


def with_a_name(loans: Any) -> Any:
    grid = {"poly__degree": [1, 3]}
    return GridSearchCV(pipeline(), grid, cv=StratifiedKFold(2, shuffle=True, random_state=3))


def with_a_score(loans: Any) -> Any:
    loans = loans.copy()
    search = searched_first(loans)
    print(search.best_params_, search.score(loans, loans.approve))
    return search.best_estimator_


def searched_first(loans: Any) -> Any:
    """Search for a model."""
    return GridSearchCV(pipeline(), GRID).fit(loans, loans.approve)


WRITTEN: list[Callable[..., Any]] = [
    with_a_score,
    with_a_name,
    lambda loans: PolynomialFeatures(degree=3),
    lambda loans: PolynomialFeatures(DEGREE),
    lambda loans: PolynomialFeatures(FOUND[0]),
    lambda loans, degree=3: PolynomialFeatures(degree),
    lambda loans: made(),
    lambda loans: made(degree=DEGREE),
    lambda loans: PolynomialFeatures().set_params(degree=3),
    lambda loans: pipeline().set_params(poly__degree=3),
    lambda loans: GridSearchCV(pipeline(), {"poly__degree": [1, 3]}, scoring="roc_auc").fit(loans),
    lambda loans: GridSearchCV(pipeline(), [GRID, {"model__C": [1.0]}], refit=True),
    lambda loans: GridSearchCV(estimator=pipeline(), param_grid=GRID, cv=3),
]  # fmt: skip


@pytest.mark.parametrize("function", WRITTEN)
def test_a_setting_that_the_code_writes_is_of_it(function: Callable[..., Any]) -> None:
    assert unwritten(WANTED, written_by_step(function, {"degree": 3})) is None


def candidates_that_grow(loans: Any) -> Any:
    grid = {"poly__degree": [1, 3]}
    grid["poly__degree"].append(mean_of(loans))
    return GridSearchCV(pipeline(), grid)


def a_score_that_is_set(loans: Any) -> Any:
    search = GridSearchCV(pipeline(), {"poly__degree": [1, 3]})
    search.scoring = lambda model, table, target: mean_of(loans)
    return search


def by_another_name(loans: Any) -> Any:
    maker = PolynomialFeatures
    return [maker(mean_of(loans)), SplineTransformer(degree=3)]


def one_that_is_set(loans: Any) -> Any:
    made = PolynomialFeatures(degree=3)
    made.degree = mean_of(loans)
    return made


def one_of_two(loans: Any) -> Any:
    return made(1) if loans.race.mean() > 1 else made(3)


def fitted_again(loans: Any) -> Any:
    search = GridSearchCV(pipeline(), GRID).fit(loans[["income", "race"]], loans.approve)
    return search.best_estimator_.fit(loans[["income"]], loans.approve)


def copied(loans: Any) -> Any:
    search = GridSearchCV(pipeline(), GRID).fit(loans[["income", "race"]], loans.approve)
    return trained(clone(search.best_estimator_), loans)


def trained(model: Any, loans: Any) -> Any:
    """Fit a model."""
    return model.fit(loans[["income"]], loans.approve)


def fitted_by_another_function(loans: Any) -> Any:
    search = GridSearchCV(pipeline(), GRID).fit(loans[["income", "race"]], loans.approve)
    return trained(search.best_estimator_, loans)


def fitted_by_who_knows_what(loans: Any) -> Any:
    search = GridSearchCV(pipeline(), GRID).fit(loans[["income", "race"]], loans.approve)
    best = search.best_estimator_
    return loans.trained(best)


def fitted_in_a_loop(loans: Any) -> Any:
    search = GridSearchCV(pipeline(), GRID).fit(loans[["income", "race"]], loans.approve)
    return [loans.trained(each) for each in [search]]


def fitted_behind_a_function(loans: Any) -> Any:
    search = GridSearchCV(pipeline(), GRID).fit(loans[["income", "race"]], loans.approve)

    def found() -> Any:
        return search

    return loans.trained(found())


def searched(loans: Any) -> Any:
    """Search for a model."""
    return GridSearchCV(pipeline(), GRID).fit(loans, loans.approve)


COMPUTED: list[Callable[..., Any]] = [
    fitted_again, copied, fitted_by_another_function, fitted_by_who_knows_what,
    fitted_in_a_loop, fitted_behind_a_function,
    lambda loans: loans.trained(searched(loans)),
    candidates_that_grow, a_score_that_is_set, by_another_name, one_that_is_set, one_of_two,
    lambda loans: PolynomialFeatures(mean_of(loans)),
    lambda loans: [PolynomialFeatures(mean_of(loans)), SplineTransformer(degree=3)],
    lambda loans: [PolynomialFeatures(**settings(loans)), SplineTransformer(degree=3)],
    lambda loans: [PolynomialFeatures(*[mean_of(loans)]), SplineTransformer(degree=3)],
    lambda loans: [made(mean_of(loans)), SplineTransformer(degree=3)],
    lambda loans: [pipeline().set_params(**settings(loans)), SplineTransformer(degree=3)],
    lambda loans: setattr(made(3), "degree", mean_of(loans)),
    lambda loans, degree=3: (lambda degree: PolynomialFeatures(degree))(mean_of(loans)),
    lambda loans: GridSearchCV(pipeline(), {"poly__degree": [mean_of(loans)]}),
    lambda loans: GridSearchCV(pipeline(), {"poly__degree": [1, 3]}, scoring=mean_of),
    lambda loans: GridSearchCV(pipeline(), {"poly__degree": [1, 3]}, cv=splits(loans)),
    lambda loans: GridSearchCV(pipeline(), {"poly__degree": [1, 3]}, cv=StratifiedKFold(mean_of(loans))),
    lambda loans: mean_of({"poly__degree": [1, 3]}),
    lambda loans: None,
]  # fmt: skip


@pytest.mark.parametrize("function", COMPUTED)
def test_a_setting_that_may_have_been_computed_is_named(function: Callable[..., Any]) -> None:
    assert unwritten(WANTED, written_by_step(function, {"degree": 3})) == "degree"


class Joining(BaseEstimator):  # type: ignore[misc]
    """A transformer of one's own, that may join anything."""

    def __init__(self, by: str = "id") -> None:
        self.by = by

    def fit(self, table: Any, target: Any = None) -> "Joining":
        """Learn nothing."""
        return self

    def transform(self, table: Any) -> Any:
        """Give back what came."""
        return table


def step(loans: Any) -> Any:
    return make_pipeline(Joining("race"), Binarizer(), LogisticRegression())


def test_a_transformer_of_nobody_known_may_read_anything() -> None:
    why = unwritten_in_model(make_pipeline(Joining(), LogisticRegression()), written_by_step(step, {}))
    assert why is not None
    assert why.startswith("Joining in the model is no transformer of scikit-learn's")


def test_one_of_a_known_package_is_asked_for_its_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("category_encoders")
    module.Joining = Joining  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "category_encoders", module)
    monkeypatch.setattr(Joining, "__module__", "category_encoders")
    by_default, by_race, by_sex = (
        make_pipeline(Joining(by), LogisticRegression()) for by in ("id", "race", "sex")
    )
    assert [unwritten_in_model(each, written_by_step(step, {})) for each in (by_default, by_race)] == [
        None,
        None,
    ]
    assert "the setting by of Joining" in str(unwritten_in_model(by_sex, written_by_step(step, {})))
    monkeypatch.setattr(written_settings, "is_installed_module", lambda module: False)
    assert "no transformer of scikit-learn's" in str(
        unwritten_in_model(by_default, written_by_step(step, {}))
    )
