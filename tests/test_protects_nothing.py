"""A name that is keyed or protected and that no column has: said, recorded, and no ground for a rule to pass."""

import warnings
from pathlib import Path

import pandas as pd
import pytest

from audit.errors import MalformedInput
from registry.artifacts import ArtifactStore
from registry.finding import AbsentError
from registry.fingerprint_key import create_key
from registry.keying import Keying, protects_nothing, warn_of_protecting_nothing
from registry.pipeline import Pipeline
from registry.privacy_rule import judge_privacy
from registry.rules import PrivacyRule
from registry.run import run_pipeline
from registry.tables_told import TableTold

FRAME = pd.DataFrame({"geschlecht": ["w", "m"] * 10, "x": range(20)})


def run_protecting(names: list[str], folder: Path) -> dict[str, object]:
    pipeline = Pipeline("kredit", protected=names)

    @pipeline.step
    def antraege() -> pd.DataFrame:
        return FRAME

    return dict(run_pipeline(pipeline, {}, artifacts=ArtifactStore(folder)).predicate)


def test_a_name_that_no_table_has_is_recorded_and_said_with_the_one_that_is_like_it(tmp_path: Path) -> None:
    found = run_protecting(["gechlecht"], tmp_path)
    assert found["privacy"]["unmatched"] == [  # type: ignore[index]
        {"column": "gechlecht", "like": ["geschlecht"]}
    ]
    assert list(protects_nothing(found)) == [  # type: ignore[arg-type]
        "no table of the run has a column 'gechlecht', so that protecting it did nothing: did you mean geschlecht?"
    ]
    with pytest.warns(UserWarning, match="did you mean geschlecht"):
        warn_of_protecting_nothing(found)  # type: ignore[arg-type]


def test_names_that_tables_have_are_not_warned_of(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_protecting_nothing(run_protecting(["Geschlecht"], tmp_path))  # type: ignore[arg-type]


def test_a_column_to_key_that_the_one_table_given_does_not_have_is_refused_at_once(tmp_path: Path) -> None:
    keying = Keying(key=create_key(tmp_path / "fingerprint.key"))
    with pytest.raises(MalformedInput, match="the table has none of that name: did you mean geschlecht"):
        keying.check_given(["geschlect"], FRAME)
    keying.check_given(["geschlecht"], FRAME)


def test_a_rule_about_protected_columns_does_not_pass_on_a_name_that_no_table_has() -> None:
    rule = PrivacyRule(id="r", says="", clauses=(), profile="missing")
    tables = [TableTold("t", "load", (("race", True), ("sex", False)), (("race", "missing"), ("sex", "all")))]
    protected = {"privacy": {"rules": [], "protected": ["race", "sexx"]}}
    with pytest.raises(AbsentError, match="no table of the run has a column called sexx"):
        judge_privacy(rule, protected, tables)  # type: ignore[arg-type]
