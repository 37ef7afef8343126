"""What a declared step takes from elsewhere than its arguments, which no declaration can name."""

import datetime
import enum
import functools
import importlib
import logging
import math
import os
import re
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
import scipy.stats
from scipy.stats import loguniform, randint
from sklearn.feature_selection import f_classif

from registry.artifacts import ArtifactStore
from registry.pipeline import Pipeline
from registry.reached import reached, readers
from tests.lineage_truth import flow_named
from tests.test_field_lineage import run, with_applications

SHARES = pd.DataFrame({"race": ["black", "white"], "share": [0.3, 0.2]})
SHARE = float(SHARES.share.mean())
RATE = 0.37
NUMBERS = ["income", "debt"]
FEATURES = [*NUMBERS, "job"]
YEAR = datetime.timedelta(days=365) / 2
LOG = math.log(2) * RATE
HERE = Path(__file__).parent / "loans.csv"
WORDS = re.compile("[a-z]+")
LOGGER = logging.getLogger("loans")
BY_JOB = {name: number for number, name in enumerate("abcd")}
SPACE = types.SimpleNamespace(share=0.3)
SET = 0.5
DEBTS, (WORK, LEAST) = ["debt"], (["job"], 0.1)
MEAN, MOST = float(SHARES.share.mean()), 0.9
FILLED = [0.1]
FILLED.append(SHARE)
JOBS = SHARES.race.tolist()


class Kind(enum.Enum):
    """Kinds of applicants."""

    YOUNG = "young"
    OLD = "old"


@dataclass(frozen=True)
class Limits:
    """Limits that the class writes."""

    least: float = 0.5
    most: float = RATE


class Given:
    """A class on which somebody sets a value."""

    share = 0.5


class Computed:
    """A class whose body computes."""

    share = float(SHARES.share.mean())

    @property
    def doubled(self) -> float:
        """Twice the share of the module."""
        return SHARE * 2


def plain() -> float:
    return 0.5


def helper(table: pd.DataFrame, share: float = SHARE) -> Any:
    return table.income * share


def plain_helper(table: pd.DataFrame, share: float = RATE, power: float = 2**0.5) -> Any:
    return table.income * share**power


@functools.lru_cache
def cached() -> float:
    return SHARE


def of_the_code(table: pd.DataFrame) -> Any:
    LOGGER.info("%s %s %s", HERE, Kind.YOUNG, YEAR)
    limits = Limits(least=0.1)
    kept = table[[name for name in FEATURES if WORDS.match(name)]]
    return plain_helper(kept) * LOG * np.pi * limits.most + kept.job.map(BY_JOB)


WAYS: dict[str, Callable[[pd.DataFrame], Any]] = {
    "SHARES": lambda table: table.job.map(SHARES.share),
    "SHARE": lambda table: table.income * SHARE,
    "helper(share=)": lambda table: helper(table),
    "FILLED": lambda table: table.income * FILLED[1],
    "SPACE": lambda table: table.income * SPACE.share,
    "Computed": lambda table: table.income * Computed.share,
    "JOBS": lambda table: table.query("job in @JOBS"),
    "environ": lambda table: table.income * float(os.environ["SHARE"]),
    "globals": lambda table: table.income * globals()["SHA" + "RE"],
}


def test_what_a_module_writes_itself_is_of_the_code() -> None:
    assert reached(of_the_code) == []


@pytest.mark.parametrize("name", WAYS)
def test_what_a_module_computed_or_filled_is_reached(name: str) -> None:
    assert name in reached(WAYS[name])


def test_a_number_that_was_set_from_elsewhere_is_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    def step(table: pd.DataFrame) -> Any:
        return table.income * SET * Given.share * plain_helper(table)

    assert reached(step) == []
    monkeypatch.setitem(globals(), "SET", 0.2)
    monkeypatch.setattr(Given, "share", 0.2)
    monkeypatch.setattr(plain_helper, "share", 0.2, raising=False)
    assert reached(step) == ["Given", "SET", "plain_helper"]


def test_a_cache_a_property_and_a_closure_are_looked_into() -> None:
    held = 0.5

    def step(table: pd.DataFrame) -> Any:
        return table.income * cached() * Computed().doubled * held

    assert reached(step) == ["Computed", "SHARE", "held", "the cache of cached"]


def test_a_cached_function_may_give_what_somebody_put_into_its_box_wherever_it_is_called() -> None:
    @functools.cache
    def box() -> dict[str, float]:
        return {}

    remembered = importlib.import_module("toolz").memoize(plain)

    def called(table: pd.DataFrame) -> Any:
        return table.job.map(box())

    def through_another(table: pd.DataFrame) -> Any:
        return called(table)

    assert reached(called) == reached(through_another) == ["the cache of box"]
    assert reached(lambda table: table.income * remembered()) == ["the cache of remembered"]
    assert reached(lambda table: f_classif(table[["income"]], table.approve)) == []


def test_constants_that_one_statement_assigns_together_are_of_the_code() -> None:
    assert reached(lambda table: table[[*DEBTS, *WORK]] * LEAST) == []
    assert reached(lambda table: table.income * MEAN) == ["MEAN"]


def test_a_distribution_of_scipy_is_of_the_code_and_another_one_is_not() -> None:
    own = scipy.stats.rv_histogram(np.histogram(SHARES.share))

    assert reached(lambda table: [loguniform(0.1, 1), randint(1, 5), scipy.stats.uniform(0, 1)]) == []
    assert reached(lambda table: own.rvs(5)) == ["own"]


def test_modules_of_ones_own_are_looked_into_wherever_they_are_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "ownpackage"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "settings.py").write_text(
        "RATE = 0.37\nSHARES = {}\nSHARES['black'] = 0.3\nCOPY = dict(SHARES)\n"
    )
    (package / "steps.py").write_text(
        "import ownpackage.settings\nfrom ownpackage.settings import RATE, SHARES as shares\n\n"
        "def plain(table): return table.income * RATE\n"
        "def dotted(table): return table.income * ownpackage.settings.SHARES['black']\n"
        "def named(table): return table.income * shares['black']\n"
        "def inside(table):\n    from ownpackage.settings import COPY\n    return table.income * COPY['black']\n"
        "def relative(table):\n    from . import settings\n    return table.income * settings.COPY['black']\n"
        "def late(table):\n    import ownpackage_late\n    return table.income * ownpackage_late.SHARE\n"
    )
    (tmp_path / "ownpackage_late.py").write_text("SHARE = 0.3\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    steps = importlib.import_module("ownpackage.steps")
    try:
        found = {
            name: reached(getattr(steps, name))
            for name in ("plain", "dotted", "named", "inside", "relative", "late")
        }
    finally:
        for name in [each for each in sys.modules if each.startswith("ownpackage")]:
            del sys.modules[name]
    assert found == {
        "plain": [], "dotted": ["SHARES"], "named": ["shares"], "inside": ["COPY"], "relative": ["COPY"],
        "late": ["ownpackage_late"],
    }  # fmt: skip


def test_functions_that_read_are_found_through_those_that_call_them() -> None:
    def inner() -> Any:
        return pd.read_parquet("loans.parquet")

    assert readers(lambda table: inner()) == ["read_parquet"]
    assert readers(of_the_code) == []


def test_a_function_that_asks_duckdb_reaches_what_duckdb_finds() -> None:
    def asked() -> Any:
        return duckdb.sql("SELECT * FROM 'people.csv'")

    def imported() -> Any:
        import duckdb as database

        return database.connect()

    assert reached(asked) == ["duckdb"]
    assert reached(imported) == ["duckdb"]
    assert reached(lambda table: asked()) == ["duckdb"]
    assert reached(lambda table: table.query("income > 1")) == []


def test_nothing_that_is_declared_of_a_step_that_reaches_more_is_complete(tmp_path: Path) -> None:
    pipeline: Pipeline = with_applications()

    @pipeline.step(columns={"*": ["*"]}, rows=[])
    def scaled(applications: pd.DataFrame) -> pd.DataFrame:
        return applications.assign(income=applications.income * SHARE)

    @pipeline.step(columns={"*": ["*"]}, rows=[])
    def by_default(applications: pd.DataFrame, share: float = SHARE) -> pd.DataFrame:
        return applications.assign(income=applications.income * share)

    @pipeline.step(columns={"*": ["*"]}, rows=[])
    def plain(applications: pd.DataFrame, rate: float = RATE) -> pd.DataFrame:
        return applications.assign(income=applications.income * rate)

    recorded = run(pipeline, ArtifactStore(tmp_path))
    assert [flow_named(recorded, name).is_whole for name in ("scaled", "by_default", "plain")] == [
        False, False, True,
    ]  # fmt: skip
    assert "it reaches SHARE outside of the step" in " ".join(flow_named(recorded, "scaled").notes)
    assert "the default of its parameter share, which is worked out" in " ".join(
        flow_named(recorded, "by_default").notes
    )
