"""A protected column that reaches the model by any path is refused, and what is unknown never passes."""

from dataclasses import replace
from typing import Any

import pytest

from registry.finding import AbsentError, Finding
from registry.flows import THE_TARGET, Flow, Link
from registry.gate import Evidence, decide
from registry.lineage_rule import judge_lineage
from registry.policy import parse
from registry.rules import LineageRule
from tests.test_field_trace import ENCODED, LOAD, MODEL, RATIOS, a_run, all_known

BIAS = {"bias": [{"attribute": "race"}, {"attribute": "race x sex"}], "metrics": []}


def rule(**said: Any) -> LineageRule:
    return LineageRule(id="no-race", says="Race does not reach the model.", clauses=(), **said)


def judged(*flows: Flow, evaluation: Any = BIAS, said: LineageRule | None = None) -> Finding:
    run = a_run(*flows) | {"evaluation": evaluation}
    return judge_lineage(said or rule(), run)


def ratios(*links: Link, **more: Any) -> Flow:
    """Say how `ratio` is made of `debt`, and what else goes in."""
    made = (
        Link("ratio", "load", "debt", "parsed", "TRANSFORMATION"),
        Link(None, "load", "*", "parsed", "ROWS"),
    )
    return Flow("ratios", "ratios", "table", ("ratio",), (*made, *links), **{**all_known(("ratio",)), **more})


def test_a_model_that_no_protected_column_reaches_passes() -> None:
    assert judged(LOAD, ratios(), MODEL) == (
        "passed",
        "no path leads from race to any of 1 features",
    )


@pytest.mark.parametrize("use", ["IDENTITY", "TRANSFORMATION", "AGGREGATION", "CONDITIONAL", "WINDOW"])
def test_a_protected_column_in_a_value_fails(use: str) -> None:
    found = judged(LOAD, ratios(Link("ratio", "load", "race", "parsed", use)), MODEL)
    assert found == (
        "failed",
        "race reaches what the model reads: load.race -> ratios.ratio -> feature ratio",
    )


@pytest.mark.parametrize("use", ["FILTER", "JOIN", "GROUP_BY", "SORT", "ROWS"])
def test_a_protected_column_that_only_decides_rows_fails(use: str) -> None:
    found = judged(LOAD, ratios(Link(None, "load", "race", "parsed", use)), MODEL)
    assert found.outcome == "failed"
    assert "load.race -> rows of ratios -> ratios.ratio -> feature ratio" in found.message


PEOPLE = Flow(
    "load", "load", "table", ("race", "person"), fields=(("person", ("age", "home", "home.race")),),
    **all_known(("race", "person")),
)  # fmt: skip


@pytest.mark.parametrize("name", ["race", "person.home.race", "Home.Race", "person"])
def test_a_column_that_holds_a_protected_field_is_protected(name: str) -> None:
    made = Link("ratio", "load", "person", "parsed", "TRANSFORMATION")
    found = judged(PEOPLE, Flow("ratios", "ratios", "table", ("ratio",), (made,), **all_known(("ratio",))), MODEL,
                   said=rule(protected=(name,)))  # fmt: skip
    assert found.outcome == "failed"
    assert found.message.endswith(
        "reaches what the model reads: load.person -> ratios.ratio -> feature ratio"
    )
    assert ("and counts as a whole" in found.message) == (name != "person")


def test_a_rule_may_leave_rows_out() -> None:
    flows = (LOAD, ratios(Link(None, "load", "race", "parsed", "FILTER"), rows_complete=False), MODEL)
    assert judged(*flows, said=rule(rows="ignore")).outcome == "passed"


@pytest.mark.parametrize("use", ["TRANSFORMATION", "CONDITIONAL"])
def test_what_a_protected_column_is_made_of_is_protected_too(use: str) -> None:
    raw = Flow("raw", "load", "table", ("black", "debt"), (), **all_known(("black", "debt")))
    load = Flow("load", "ratios", "table", ("race", "debt", "black"), (
        Link("race", "raw", "black", "declared", use), Link("debt", "raw", "debt", "declared", "IDENTITY"),
        Link("black", "raw", "black", "declared", "IDENTITY"),
    ), **all_known(("race", "debt", "black")))  # fmt: skip
    found = judged(raw, load, ratios(Link("ratio", "load", "black", "declared", "TRANSFORMATION")), MODEL)
    assert found.outcome == "failed"
    assert found.message == (
        "raw.black, which a protected column is made of, reaches what the model reads: raw.black -> load.black -> "
        "ratios.ratio -> feature ratio"
    )


def test_a_protected_column_of_which_nobody_knows_how_it_was_made_is_missing() -> None:
    raw = Flow("raw", "load", "table", ("black", "debt"), (), **all_known(("black", "debt")))
    load = Flow("load", "ratios", "table", ("race", "debt", "black"), (
        Link("debt", "raw", "debt", "declared", "IDENTITY"), Link("black", "raw", "black", "declared", "IDENTITY"),
    ), **{**all_known(()), "complete": frozenset({"debt", "black"}), "rows_complete": True})  # fmt: skip
    with pytest.raises(AbsentError, match=r"how load\.race comes about is not known"):
        judged(raw, load, ratios(Link("ratio", "load", "black", "declared", "TRANSFORMATION")), MODEL)


def test_a_column_that_is_made_from_a_protected_one_by_its_name_fails() -> None:
    load = Flow("load", "load", "table", ("debt", "race", "Race_black"), (), **all_known(()))
    found = judged(load, ratios(Link("ratio", "load", "Race_black", "parsed", "TRANSFORMATION")), MODEL)
    assert found == (
        "failed",
        "Race_black (protected as race) reaches what the model reads: load.Race_black -> ratios.ratio -> feature ratio",
    )


def test_what_is_protected_by_its_beginning_alone_does_not_protect_what_it_is_made_of() -> None:
    raw = Flow("raw", "load", "table", ("race", "debt"), (), **all_known(("race", "debt")))
    load = Flow("load", "ratios", "table", ("race_share", "debt"), (
        Link("race_share", "raw", "debt", "declared", "TRANSFORMATION"),
        Link("debt", "raw", "debt", "declared", "IDENTITY"),
    ), **all_known(("race_share", "debt")))  # fmt: skip
    assert judged(raw, load, ratios(), MODEL).outcome == "passed"


def test_a_protected_feature_fails_though_nothing_else_is_known() -> None:
    run = a_run(features=("race",)) | {"evaluation": BIAS}
    assert judge_lineage(rule(), run) == ("failed", "race reaches what the model reads: feature race")


def test_what_was_seen_to_reach_the_model_fails() -> None:
    seen = ratios(
        Link("ratio", "load", "race", "observed", "DEPENDENCE"), complete=frozenset(), observed=True
    )
    assert judged(LOAD, seen, MODEL).outcome == "failed"


def test_what_was_not_seen_on_a_sample_is_uncertain() -> None:
    seen = ratios(complete=frozenset(), rows_complete=False, observed=True)
    found = judged(LOAD, seen, MODEL)
    assert found.outcome == "uncertain"
    assert found.message == (
        "no path from race to the model was seen, but step ratios: how ratios.ratio comes about was seen on a sample "
        "only; step ratios: what decides its rows was seen on a sample only"
    )


def test_a_rule_may_accept_what_was_seen() -> None:
    seen = ratios(complete=frozenset(), rows_complete=False, observed=True)
    found = judged(LOAD, seen, MODEL, said=rule(observation="accept"))
    assert found == (
        "passed",
        "no path leads from race to any of 1 features, as far as a sample shows",
    )


def test_a_column_that_the_step_did_not_return_when_it_was_observed_is_unknown() -> None:
    seen = ratios(complete=frozenset(), rows_complete=False, observed=True, unseen=("ratio",))
    assert Flow.from_json(seen.to_json()) == seen
    with pytest.raises(AbsentError, match=r"how ratios\.ratio comes about is not known"):
        judged(LOAD, seen, MODEL, said=rule(observation="accept"))


def test_what_could_not_be_looked_at_is_never_accepted() -> None:
    seen = ratios(complete=frozenset(), rows_complete=False, observed=True, untold=("load.race",))
    assert judged(LOAD, seen, MODEL, said=rule(observation="accept")).outcome == "uncertain"


@pytest.mark.parametrize(
    ("flows", "says"),
    [
        ((LOAD, ratios(complete=frozenset()), MODEL), "step ratios: how ratios.ratio comes about is not known"),
        ((LOAD, ratios(rows_complete=False), MODEL), "step ratios: what decides its rows is not known"),
        ((LOAD, ratios(), Flow("model", "model", "model", ("ratio",), MODEL.links, frozenset({"ratio"}))),
         "step model: what else the model learned from is not known"),
        ((LOAD, ratios()), "ratio: where it comes from is not recorded"),
        ((LOAD, MODEL), "ratios.ratio: where it comes from is not recorded"),
        ((ratios(), MODEL), "no table of the run has a column called race"),
    ],
)  # fmt: skip
def test_what_is_unknown_anywhere_on_the_way_is_missing(flows: tuple[Flow, ...], says: str) -> None:
    with pytest.raises(AbsentError, match=says):
        judged(*flows)


def test_without_protected_columns_nothing_can_be_judged() -> None:
    with pytest.raises(AbsentError, match="it is not known which columns are protected"):
        judged(LOAD, ratios(), MODEL, evaluation=None)


@pytest.mark.parametrize("written", ["Race", "RACE", "race ", "ra-ce", "\uff52ace"])
def test_a_protected_column_is_found_however_its_name_is_written(written: str) -> None:
    load = Flow("load", "load", "table", (written, "debt"), (), **all_known((written, "debt")))
    found = judged(load, ratios(Link("ratio", "load", written, "parsed", "TRANSFORMATION")), MODEL)
    assert found == (
        "failed",
        f"{written} (protected as race) reaches what the model reads: load.{written} -> ratios.ratio -> feature ratio",
    )


def test_two_spellings_of_a_protected_column_are_both_protected() -> None:
    load = Flow("load", "load", "table", ("race", "Race", "debt"), (), **all_known(("race", "Race", "debt")))
    assert judged(load, ratios(Link("ratio", "load", "Race", "parsed", "WINDOW")), MODEL).outcome == "failed"


@pytest.mark.parametrize(
    ("protected", "says"),
    [
        (
            ("rcae",),
            "no table of the run has a column called rcae, so its way cannot be followed: did you mean race?",
        ),
        (("religion",), "there are debt, income, race, ratio"),
        (("race", "religion"), "called religion, so its way"),
    ],
)
def test_a_protected_name_that_nothing_has_never_passes_and_is_guessed_at(
    protected: tuple[str, ...], says: str
) -> None:
    with pytest.raises(AbsentError, match=says.replace("?", r"\?")):
        judged(LOAD, ratios(), MODEL, said=rule(protected=protected))


def test_a_name_that_nothing_has_does_not_hide_that_another_reaches_the_model() -> None:
    reaches = ratios(Link("ratio", "load", "race", "parsed", "IDENTITY"))
    assert judged(LOAD, reaches, MODEL, said=rule(protected=("religion", "race"))).outcome == "failed"


def test_a_rule_may_name_the_protected_columns() -> None:
    found = judged(LOAD, ratios(), MODEL, evaluation=None, said=rule(protected=("debt",)))
    assert found.outcome == "failed"


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"lineage": None}, "does not record where its columns come from"),
        ({"lineage": [{"part": 3}]}, "cannot be read"),
        (
            {"model_file": {"fingerprint": None, "features": None}},
            "not recorded which columns the model reads",
        ),
    ],
)
def test_a_run_without_lineage_or_features_is_missing(changed: dict[str, Any], says: str) -> None:
    run = a_run(LOAD, ratios(), MODEL) | {"evaluation": BIAS} | changed
    with pytest.raises(AbsentError, match=says):
        judge_lineage(rule(), run)


def test_taking_any_part_of_the_lineage_away_never_turns_a_refusal_into_a_pass() -> None:
    flows = (LOAD, RATIOS, MODEL, ENCODED)
    assert judged(*flows).outcome == "failed"
    for left_out in (RATIOS, MODEL):
        with pytest.raises(AbsentError):
            judged(*(flow for flow in flows if flow is not left_out))
    # The column that the filter reads has its name still, though its table is not recorded.
    assert judged(RATIOS, MODEL, ENCODED).outcome == "failed"


def test_a_protected_feature_that_the_transformers_drop_is_refused_and_said_to_be_dropped() -> None:
    model = Flow("model", "model", "model", ("ratio", "race"), (), **all_known(("ratio", "race")))
    run = a_run(LOAD, model, ENCODED, features=("ratio", "race")) | {"evaluation": BIAS}
    assert judge_lineage(rule(), run) == (
        "failed",
        "race reaches what the model reads: feature race, which is given to the model and dropped by its transformers",
    )


def test_a_target_is_judged_where_the_rule_asks_for_it() -> None:
    approve = Link(THE_TARGET, "load", "race", "declared", "TARGET")
    told = replace(MODEL, target=(approve,), target_complete=True)
    assert judged(LOAD, ratios(), told).outcome == "passed"
    assert judged(LOAD, ratios(), told, said=rule(target="ignore")).outcome == "passed"
    assert judged(LOAD, ratios(), told, said=rule(target="refuse")) == (
        "failed",
        "race reaches the target of the model: load.race -> the target (y)",
    )


def test_a_target_that_transformers_learn_from_is_judged_in_any_case() -> None:
    """What they make of it is what the model reads."""
    encoded = replace(
        ENCODED, links=(*ENCODED.links, Link("n__ratio", "model", THE_TARGET, "declared", "TARGET"))
    )
    label = replace(
        MODEL, target=(Link(THE_TARGET, "load", "race", "declared", "TARGET"),), target_complete=True
    )
    assert judged(LOAD, ratios(), label, encoded) == (
        "failed",
        (
            "race reaches the target of the model, by which its transformers make what it reads: load.race -> "
            "the target (y)"
        ),
    )
    with pytest.raises(AbsentError, match=r"which column was the target \(y\) is not recorded"):
        judged(LOAD, ratios(), MODEL, encoded)
    debt = replace(label, target=(Link(THE_TARGET, "load", "debt", "declared", "TARGET"),))
    assert judged(LOAD, ratios(), debt, encoded) == (
        "passed",
        "no path leads from race to any of 1 features or the target",
    )


def test_a_target_that_is_not_known_is_missing_where_the_rule_asks_for_it() -> None:
    debt = Link(THE_TARGET, "load", "debt", "declared", "TARGET")
    with pytest.raises(AbsentError, match=r"which column was the target \(y\) is not recorded"):
        judged(LOAD, ratios(), MODEL, said=rule(target="refuse"))
    with pytest.raises(AbsentError, match=r"what the target \(y\) is made of is not known"):
        judged(LOAD, ratios(), replace(MODEL, target=(debt,)), said=rule(target="refuse"))
    whole = replace(MODEL, target=(debt,), target_complete=True)
    assert judged(LOAD, ratios(), whole, said=rule(target="refuse")) == (
        "passed",
        "no path leads from race to any of 1 features or the target",
    )


POLICY = b"""
name: fair
version: 1
title: "No protected inputs"
rules:
  - id: no-race
    says: "Race does not reach the model."
    clauses: []
    kind: lineage
    protected: [race]
    rows: ignore
    observation: accept
"""


def test_a_policy_decides_by_lineage() -> None:
    policy = parse(POLICY, "fair.yaml")
    assert policy.rules == (rule(protected=("race",), rows="ignore", observation="accept"),)
    run = a_run(LOAD, ratios(), MODEL)
    decision = decide([policy], Evidence("loans", 1, "production", run, "key", (), ()))
    assert decision.allowed
    refused = decide([policy], Evidence("loans", 1, "production", a_run(MODEL), "key", (), ()))
    assert [result.outcome for result in refused.results] == ["missing"]
