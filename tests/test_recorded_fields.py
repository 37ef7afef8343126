"""What `record()` knows of where columns come from: what its user declares, and nothing that nobody said."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from audit.errors import MalformedInput
from registry.artifacts import ArtifactStore
from registry.finding import AbsentError, Finding
from registry.fingerprint_key import FingerprintKey
from registry.flows import flows_of
from registry.lineage_rule import judge_lineage
from registry.pipeline import Pipeline
from registry.predicates import check_run
from registry.rules import LineageRule
from registry.run import run_pipeline
from tests.lending_pipeline import applications
from tests.lineage_truth import dependences, flow_named
from tests.test_recording import Kept, recording, steps

RULE = LineageRule(id="no-race", says="", clauses=(), protected=("race",))
SAME = {"*": ["*"]}


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kept:
    monkeypatch.chdir(tmp_path)
    frame().to_csv("loans.csv", index=False)
    return Kept(ArtifactStore(tmp_path / "store"))


def frame() -> pd.DataFrame:
    return applications(80, 0)


def ratios(loans: pd.DataFrame) -> pd.DataFrame:
    return loans.assign(ratio=loans.debt / loans.income)


def fitted(table: pd.DataFrame, *names: str) -> LogisticRegression:
    return LogisticRegression().fit(table[list(names)], table.approve)


def recorded(kept: Kept) -> Any:
    check_run(kept.results[-1].predicate)
    return kept.results[-1].predicate


def judged(kept: Kept) -> Finding:
    return judge_lineage(RULE, recorded(kept))


def test_what_a_block_declares_is_known_down_to_its_file_and_a_rule_can_pass(kept: Kept) -> None:
    with recording(kept) as run:
        loans = run.data("loans", frame(), source="loans.csv")
        table = run.data(
            "ratios", ratios(loans), columns={"ratio": ["debt", "income"], **SAME}, rows=[], after=["loans"]
        )
        run.model(fitted(table, "ratio", "income"), columns=SAME, rows=[], after=["ratios"])
    made = recorded(kept)
    assert dependences(flow_named(made, "ratios")) >= {("ratio", "loans.debt"), ("ratio", "loans.income")}
    assert dependences(flow_named(made, "model", "model")) == {
        ("ratio", "ratios.ratio"),
        ("income", "ratios.income"),
    }
    assert flow_named(made, "loans").is_whole
    assert [(row["name"], row["after"]) for row in steps(kept)[1:]] == [
        ("loans", []), ("ratios", ["loans"]), ("model", ["ratios"]),
    ]  # fmt: skip
    assert judged(kept) == ("passed", "no path leads from race to any of 2 features")


def test_a_protected_column_that_is_declared_into_a_feature_fails(kept: Kept) -> None:
    with recording(kept) as run:
        loans = run.data("loans", frame(), source="loans.csv")
        table = run.data("ratios", ratios(loans), columns={"ratio": ["debt", "race"], **SAME}, rows=[])
        run.model(fitted(table, "ratio"), columns=SAME, rows=[], after=["ratios"])
    assert judged(kept) == (
        "failed",
        "race reaches what the model reads: loans.race -> ratios.ratio -> feature ratio",
    )


@pytest.mark.parametrize(
    ("table", "model", "says"),
    [
        ({}, {"columns": SAME, "rows": []}, "step ratios: how ratios.ratio comes about is not known"),
        ({"columns": {"ratio": ["debt"], **SAME}}, {"columns": SAME, "rows": []}, "step ratios: what decides its rows"),
        ({"columns": {"ratio": ["debt"], **SAME}, "rows": []}, {}, "what it does to ratio before the model learns"),
        ({"columns": {"ratio": ["debt"], **SAME}, "rows": []}, {"columns": SAME}, "what else the model learned from"),
    ],
    ids=["table", "rows of the table", "model", "rows of the model"],
)  # fmt: skip
def test_what_a_block_leaves_undeclared_is_unknown_and_never_passes(
    kept: Kept, table: dict[str, Any], model: dict[str, Any], says: str
) -> None:
    with recording(kept) as run:
        loans = run.data("loans", frame(), source="loans.csv")
        made = run.data("ratios", ratios(loans), **table)
        run.model(fitted(made, "ratio"), after=["ratios"], **model)
    with pytest.raises(AbsentError, match=says):
        judged(kept)


def _scores(loans: pd.DataFrame) -> None:
    pd.DataFrame({"score": loans.income + (loans.race == loans.race[0]), "approve": loans.approve}).to_csv(
        "scores.csv", index=False
    )


def _old_scores(loans: pd.DataFrame) -> None:
    _scores(loans)
    os.utime("scores.csv", ns=(1, 1))


@pytest.mark.parametrize("write", [_scores, _old_scores], ids=["written", "and set back"])
def test_a_file_that_the_block_itself_wrote_may_be_made_of_anything(
    kept: Kept, write: Callable[[pd.DataFrame], None]
) -> None:
    with recording(kept) as run:
        loans = run.data("loans", frame(), source="loans.csv")
        write(loans)
        scores = run.data("scores", pd.read_csv("scores.csv"), source="scores.csv")
        run.model(fitted(scores, "score"), columns=SAME, rows=[], after=["scores"])
    assert steps(kept)[2]["after"] == ["loans"]
    assert flow_named(recorded(kept), "scores").notes == (
        "scores.csv was written while the run was going on: what it was made from is not known",
    )
    with pytest.raises(AbsentError, match=r"how scores\.score comes about is not known"):
        judged(kept)


def test_a_file_that_another_step_wrote_may_be_made_of_anything(kept: Kept) -> None:
    pipeline = Pipeline("lending")

    @pipeline.step
    def loans() -> pd.DataFrame:
        _scores(frame())
        return frame()

    @pipeline.step
    def scores(source: str = "scores.csv") -> pd.DataFrame:
        return pd.read_csv(source)

    @pipeline.step(columns=SAME, rows=[])
    def model(scores: pd.DataFrame) -> LogisticRegression:
        return fitted(scores, "score")

    run = run_pipeline(pipeline, {}, artifacts=kept.artifacts).predicate
    with pytest.raises(AbsentError, match="scores"):
        judge_lineage(RULE, run)


def test_a_block_that_says_nothing_names_the_columns_that_a_feature_may_be(kept: Kept) -> None:
    with recording(kept) as run:
        loans = run.data("loans", frame())
        run.data("ratios", ratios(loans))
        run.model(fitted(loans, "income"))
    model = flow_named(recorded(kept), "model", "model")
    assert dependences(model) == {("income", "loans.income"), ("income", "ratios.income")}
    assert model.complete == frozenset()
    assert [row["after"] for row in steps(kept)[1:]] == [[], ["loans"], ["loans", "ratios"]]


def test_a_protected_column_that_may_be_made_of_a_table_recorded_later_never_passes(kept: Kept) -> None:
    raw = frame().assign(black=1)
    with recording(kept) as run:
        run.data("coded", frame()[["race"]])
        run.data("raw", raw.drop(columns="race"))
        run.model(fitted(raw, "black"), columns=SAME, rows=[], after=["raw"])
    with pytest.raises(AbsentError, match=r"how coded\.race comes about is not known"):
        judged(kept)


def test_scikit_learns_own_names_tell_what_is_behind_the_features(kept: Kept) -> None:
    with recording(kept) as run:
        loans = run.data("loans", frame(), source="loans.csv")
        encoded = ColumnTransformer([("n", StandardScaler(), ["income"]), ("r", OneHotEncoder(), ["race"])])
        run.model(make_pipeline(encoded, LogisticRegression()).fit(loans[["income", "race"]], loans.approve))
    behind = flow_named(recorded(kept), "model", "encoded")
    assert len(behind.columns) > 2
    assert dependences(behind) == {
        (name, f"model.{'race' if name.startswith('r__') else 'income'}") for name in behind.columns
    }
    assert judged(kept).outcome == "failed"


def test_a_model_without_names_says_so_and_never_passes(kept: Kept) -> None:
    with recording(kept) as run:
        loans = run.data("loans", frame(), source="loans.csv")
        run.model(LogisticRegression().fit(loans[["income"]].to_numpy(), loans.approve))
    assert flow_named(recorded(kept), "model", "model").notes == (
        "the model does not name its inputs: fit it on a table with column names, or pass features=",
    )
    with pytest.raises(AbsentError, match="not recorded which columns the model reads"):
        judged(kept)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"columns": {"ratoi": ["debt"]}}, "the column ratoi and returned none of that name: did you mean ratio"),
        ({"columns": {"ratio": ["dept"]}}, "column dept, which nothing that it received has: did you mean debt"),
        ({"columns": {"ratio": "debt"}}, r'the table ratios names columns in a list: write \["debt"\]'),
        ({"rows": ["incme"]}, "uses the column incme, which nothing that it received has: did you mean income"),
        ({"after": ["laons"]}, "after names laons, and nothing of that name is recorded yet: did you mean loans"),
        ({"after": "loans"}, r'after takes a list of names: write after=\["loans"\]'),
    ],
)  # fmt: skip
def test_a_wrong_declaration_is_refused_and_leaves_no_lineage(
    kept: Kept, options: dict[str, Any], says: str
) -> None:
    with recording(kept) as run:
        loans = run.data("loans", frame())
        with pytest.raises(MalformedInput, match=says):
            run.data("ratios", ratios(loans), **options)
    assert [flow.part for flow in flows_of(recorded(kept))] == ["loans"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("split", {"train": frame()}), ("split.train", frame())),
        (("split.train", frame()), ("split", {"train": frame()})),
        (("loans", frame()), ("file:loans.csv", frame())),
    ],
    ids=["a part's name", "the name of a part", "a file's name"],
)
def test_no_two_tables_share_a_name_and_none_passes_for_a_file(kept: Kept, first: Any, second: Any) -> None:
    with recording(kept) as run:
        run.data(*first)
        with pytest.raises(MalformedInput, match="choose another name"):
            run.data(*second)


def _income_by_race(loans: pd.DataFrame) -> None:
    loans["income"] = loans.income / loans.groupby("race").income.transform("mean")


def _another_in_its_place(loans: pd.DataFrame) -> None:
    del loans["income"]
    loans["income"] = loans.race.str.len() * 1.0


@pytest.mark.parametrize("change", [_income_by_race, _another_in_its_place])
def test_a_table_that_was_changed_in_place_before_the_model_is_recorded_never_passes(
    kept: Kept, change: Callable[[pd.DataFrame], None]
) -> None:
    with recording(kept) as run:
        loans = run.data("loans", frame(), source="loans.csv")
        change(loans)
        run.model(fitted(loans, "income"), columns=SAME, rows=[], after=["loans"])
    with pytest.raises(
        AbsentError, match="loans was changed in place after step loans returned it and before step model"
    ):
        judged(kept)


def test_a_table_that_was_changed_in_place_before_another_is_made_of_it_never_passes(kept: Kept) -> None:
    with recording(kept) as run:
        loans = run.data("loans", frame(), source="loans.csv")
        _income_by_race(loans)
        table = run.data(
            "ratios", ratios(loans), columns={"ratio": ["debt", "income"], **SAME}, rows=[], after=["loans"]
        )
        run.model(fitted(table, "ratio"), columns=SAME, rows=[], after=["ratios"])
    with pytest.raises(
        AbsentError, match="loans was changed in place after step loans returned it and before step ratios"
    ):
        judged(kept)


def test_a_table_that_only_got_more_columns_is_still_what_was_recorded(kept: Kept) -> None:
    with recording(kept) as run:
        loans = run.data("loans", frame(), source="loans.csv")
        loans["ratio"] = loans.debt / loans.income
        table = run.data(
            "ratios", loans, columns={"ratio": ["debt", "income"], **SAME}, rows=[], after=["loans"]
        )
        run.model(fitted(table, "ratio"), columns=SAME, rows=[], after=["ratios"])
    assert judged(kept).outcome == "passed"


def test_a_column_that_a_table_got_in_place_is_none_that_a_declaration_passes_on(kept: Kept) -> None:
    with recording(kept) as run:
        loans = run.data("loans", frame(), source="loans.csv")
        loans["w"] = (loans.race == loans.race[0]) * 1
        run.model(fitted(loans, "income", "w"), columns=SAME, rows=[], after=["loans"])
    with pytest.raises(AbsentError, match="how w comes about is not known"):
        judged(kept)


def test_a_table_whose_cells_have_no_fingerprint_may_have_been_changed_by_the_block(kept: Kept) -> None:
    with recording(kept) as run:
        odd: Any = [object()] * 80
        table = run.data("loans", frame().assign(odd=odd), columns={"*": []}, rows=[])
        run.model(fitted(table, "income"), columns=SAME, rows=[], after=["loans"])
    with pytest.raises(AbsentError, match="loans has no fingerprint, and may have been changed in place"):
        judged(kept)


@pytest.mark.filterwarnings("ignore:the column .* of loans was fingerprinted before it was said")
def test_columns_that_are_keyed_or_protected_later_do_not_make_a_table_another_one(kept: Kept) -> None:
    kept.key = FingerprintKey(bytes(32))
    with recording(kept) as run:
        loans = run.data("loans", frame(), source="loans.csv")
        run.data("people", frame()[["race"]], keyed=["race"])
        run.evaluate(loans.approve, loans.approve, sensitive=loans[["income"]])
        run.model(fitted(loans, "income"), columns=SAME, rows=[], after=["loans"])
    assert judged(kept).outcome == "passed"


def test_what_a_declared_model_was_made_from_stands_among_its_inputs_and_else_nothing(kept: Kept) -> None:
    with recording(kept) as run:
        loans = run.data("loans", frame(), source="loans.csv")
        run.data("more", ratios(loans))
        run.model(fitted(loans, "income"), columns=SAME, rows=[], after=["loans"])
    given = {
        row["name"]: [(part["name"], part["fingerprint"]) for part in row["inputs"]] for row in steps(kept)
    }
    [made] = steps(kept)[1]["outputs"]
    assert given == {"record": [], "loans": [], "more": [], "model": [("loans", made["fingerprint"])]}


def test_a_recorded_model_names_its_target(kept: Kept) -> None:
    with recording(kept) as run:
        loans = run.data("loans", frame(), source="loans.csv")
        run.model(fitted(loans, "income"), columns=SAME, rows=[], after=["loans"], target=["approve"])
    flow = flow_named(recorded(kept), "model", "model")
    assert [(link.part, link.source) for link in flow.target] == [("loans", "approve")]
    assert flow.target_complete
