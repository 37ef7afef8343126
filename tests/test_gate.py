"""Gates: what passes, what refuses, and that less evidence never allows more."""

import copy
import dataclasses
import functools
import itertools
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit import canonical
from registry.facts import FACTS
from registry.gate import Approval, Decision, Evidence, RuleResult, decide
from registry.policy import Policy, packaged, parse
from registry.rules import FactName

HEX = "ab" * 32


def figure(
    name: str, value: str | None, low: str | None, high: str | None, n: int, note: str | None = None
) -> Any:
    return {"name": name, "value": value, "low": low, "high": high, "n": n, "note": note}


def group(name: str, n: int, selection: str | None, tpr: str | None, positives: int) -> Any:
    few = None if tpr else "not enough data: too few rows with the positive label"
    return {
        "group": {"race": name},
        "name": name,
        "n": n,
        "enough": n >= 30,
        "metrics": [
            figure("selection_rate", selection, selection, selection, n),
            figure("true_positive_rate", tpr, tpr, tpr, positives, few),
        ],
    }


def run() -> Any:
    """A run that clears every rule below: shaped as the run predicate, small."""
    return {
        "model": "mortgage",
        "status": "succeeded",
        "failure": None,
        "how": "pipeline",
        "code": {"commit": HEX[:40], "branch": "main", "dirty": False, "patch": None, "untracked": 0},
        "environment": {"python": "3.11.7", "packages": {"count": 87, "artifact": HEX}},
        "steps": [
            {
                "name": "split",
                "seed": 7,
                "inputs": [],
                "outputs": [
                    {"name": "split.test", "kind": "table", "fingerprint": f"affidavit-table-v1:sha256:{HEX}"}
                ],
                "checks": [{"part": "split.test", "schema": HEX, "passed": True, "failed": [], "more": 0}],
            }
        ],
        "evaluation": {
            "n": 1000,
            "confidence": "0.95",
            "metrics": [
                figure("accuracy", "0.88", "0.85", "0.91", 1000),
                figure("roc_auc", "0.78", "0.70", "0.84", 1000),
            ],
            "bias": [
                {
                    "attribute": "race",
                    "columns": ["race"],
                    "missing": 5,
                    "minimum": 30,
                    "groups_omitted": 0,
                    "groups": [
                        group("black", 98, "0.87", "0.93", 69),
                        group("hispanic", 46, "0.95", "0.99", 32),
                        group("white", 851, "0.96", "0.99", 772),
                    ],
                    "disparities": [
                        figure("demographic_parity_ratio", "0.90", "0.81", "0.97", 995),
                        figure("equalized_odds_difference", "0.10", "0.05", "0.15", 995),
                    ],
                }
            ],
        },
        "model_file": {"format": "skops", "sha256": HEX},
    }


def said(
    seq: int, key: str, role: str, verdict: str = "approve", meaning: str = "I have examined it"
) -> Approval:
    return Approval(seq, key, None, role, verdict, meaning, "2026-11-23T08:00:00.000000Z")


APPROVALS = (said(2, "vera-key", "validator"), said(3, "anna-key", "approver"))


def evidence(
    predicate: Any = None, approvals: tuple[Approval, ...] = APPROVALS, verdicts: tuple[str, ...] = ()
) -> Evidence:
    reproductions = tuple({"verdict": verdict} for verdict in verdicts)
    return Evidence(
        "mortgage",
        1,
        "production",
        run() if predicate is None else predicate,
        "rec-key",
        approvals,
        reproductions,
    )


def policy(*rules: str) -> Policy:
    lines = [
        f"  - {{id: r{i}, says: Said., clauses: ['NIST-AI-RMF:MEASURE-2.1'], {rule}}}"
        for i, rule in enumerate(rules)
    ]
    return parse(
        "\n".join(["name: test", "version: 1", "title: Test", "rules:", *lines]).encode(), "test.yaml"
    )


def judged(rule: str, given: Evidence | None = None) -> RuleResult:
    decision = decide([policy(rule)], given or evidence())
    (result,) = decision.results
    assert decision.allowed is (result.outcome == "passed")
    return result


def changed(path: str, value: object) -> Any:
    """A run with one place set, such as `evaluation.metrics.0.value`."""
    predicate = run()
    *way, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    place = functools.reduce(lambda inner, part: inner[part], way, predicate)
    place[last] = value
    return predicate


RATIO = "kind: limit, metric: demographic_parity_ratio, of: race, operator: '>=', limit: 0.80, on: interval"
ACCURACY = "kind: limit, metric: accuracy, operator: '>=', limit: 0.80, on: point"
TPR = "kind: limit, metric: true_positive_rate, of: race, group: every, operator: '>=', limit: 0.80, on: interval"
ROWS = "kind: limit, metric: rows, of: race, group: every, operator: '>=', limit: 30, on: point"
VALIDATOR = "kind: approval, role: validator, count: 1"
APPROVER = "kind: approval, role: approver, count: 1"
IDENTICAL = "kind: reproduction, verdicts: [identical]"
EITHER = "kind: reproduction, verdicts: [identical, equivalent]"


def ratio(value: str | None, low: str | None, high: str | None) -> Evidence:
    return evidence(
        changed("evaluation.bias.0.disparities.0", figure("demographic_parity_ratio", value, low, high, 995))
    )


# The whole


def test_no_policies_allow_nothing() -> None:
    assert decide([], evidence()) == Decision(False, ())


def test_a_policy_without_rules_allows_nothing() -> None:
    assert not decide([Policy("empty", 1, "Empty", (), b"")], evidence()).allowed
    assert not decide([policy(ACCURACY), Policy("empty", 1, "Empty", (), b"")], evidence()).allowed


def test_the_packaged_policies_can_be_passed() -> None:
    decision = decide([packaged("baseline"), packaged("lending")], evidence())
    assert [result for result in decision.results if result.outcome != "passed"] == []
    assert decision.allowed


def test_one_refusing_rule_refuses() -> None:
    assert not decide([policy(ACCURACY), policy(ACCURACY, IDENTICAL)], evidence()).allowed


def test_the_rules_are_answered_in_the_order_of_the_policies() -> None:
    decision = decide([policy(ACCURACY, VALIDATOR), packaged("lending")], evidence())
    assert [result.id for result in decision.results][:3] == ["r0", "r1", "ranks-applicants"]
    assert [result.policy for result in decision.results][:3] == ["test", "test", "lending"]


def test_the_results_are_written_as_a_decision_statement_holds_them() -> None:
    rules = decide([policy(ACCURACY)], evidence()).to_json()
    assert rules == [
        {
            "id": "r0",
            "policy": "test",
            "outcome": "passed",
            "says": "Said.",
            "message": "accuracy is 0.88 (95% interval 0.85 to 0.91, n=1000): it is at least 0.80",
            "clauses": ["NIST-AI-RMF:MEASURE-2.1"],
            "metric": "accuracy",
            "limit": "0.80",
        }
    ]
    assert canonical.encode(rules)


def test_only_a_limit_has_a_metric_and_a_limit() -> None:
    (result,) = decide([policy(VALIDATOR)], evidence()).results
    assert (result.says, result.metric, result.limit) == ("Said.", None, None)


def test_a_message_has_an_end() -> None:
    lengthy = said(9, "vera-key", "validator", "reject", "no " * 5000)
    assert len(judged(VALIDATOR, evidence(approvals=(lengthy,))).message) < 1000


# Limits


@pytest.mark.parametrize(
    ("value", "low", "high", "outcome", "words"),
    [
        ("0.90", "0.80", "0.97", "passed", "the whole interval is at least 0.80"),
        ("0.78", "0.65", "0.89", "uncertain", "the interval straddles the limit 0.80"),
        ("0.79", "0.70", "0.80", "uncertain", "the interval straddles the limit 0.80"),
        ("0.60", "0.50", "0.79", "failed", "the whole interval is below the limit 0.80"),
        ("0.70", "0.85", "0.90", "uncertain", "the interval straddles the limit 0.80"),
    ],
)
def test_an_interval_passes_only_as_a_whole(
    value: str, low: str, high: str, outcome: str, words: str
) -> None:
    result = judged(RATIO, ratio(value, low, high))
    assert result.outcome == outcome
    assert words in result.message


def test_a_straddling_interval_is_told_with_its_figures() -> None:
    assert judged(RATIO, ratio("0.7812", "0.65", "0.89")).message == (
        "demographic parity ratio by race is 0.781 (95% interval 0.65 to 0.89, n=995): "
        "the interval straddles the limit 0.80"
    )


@pytest.mark.parametrize(
    ("operator", "below", "at", "above"),
    [
        (">=", "failed", "passed", "passed"),
        (">", "failed", "failed", "passed"),
        ("<=", "passed", "passed", "failed"),
        ("<", "passed", "failed", "failed"),
        ("==", "failed", "passed", "failed"),
    ],
)
@pytest.mark.parametrize("on", ["point", "interval"])
def test_each_operator_compares_exactly(operator: str, below: str, at: str, above: str, on: str) -> None:
    rule = f"kind: limit, metric: accuracy, operator: '{operator}', limit: 0.3, on: {on}"
    for value, outcome in (("0.29999999999999999", below), ("0.3", at), ("0.30000000000000004", above)):
        assert (
            judged(
                rule, evidence(changed("evaluation.metrics.0", figure("accuracy", value, value, value, 9)))
            ).outcome
            == outcome
        )


def test_an_exact_limit_within_an_interval_is_uncertain() -> None:
    rule = "kind: limit, metric: accuracy, operator: '==', limit: 0.88, on: interval"
    assert judged(rule).outcome == "uncertain"


def test_a_figure_is_never_rounded_across_its_limit() -> None:
    result = judged(ACCURACY, evidence(changed("evaluation.metrics.0.value", "0.79999999")))
    assert result.outcome == "failed"
    assert "accuracy is 0.79999999 (" in result.message


def test_a_figure_written_with_an_exponent_is_read() -> None:
    rule = "kind: limit, metric: accuracy, operator: '<', limit: 0.1, on: point"
    assert judged(rule, evidence(changed("evaluation.metrics.0.value", "1e-05"))).outcome == "passed"


@pytest.mark.parametrize("value", [None, "NaN", "inf", "", "0,9", 1, True, {}, "1e9999999999", "٣"])
def test_a_figure_that_is_no_decimal_is_missing(value: object) -> None:
    assert judged(ACCURACY, evidence(changed("evaluation.metrics.0.value", value))).outcome == "missing"


def test_a_missing_figure_says_why_it_is_missing() -> None:
    few = figure(
        "demographic_parity_ratio", None, None, None, 31, "not enough data: 1 of the groups can be compared"
    )
    result = judged(RATIO, evidence(changed("evaluation.bias.0.disparities.0", few)))
    assert result.outcome == "missing"
    assert "not enough data: 1 of the groups can be compared" in result.message


def test_a_point_without_an_interval_does_not_meet_a_rule_on_the_interval() -> None:
    assert judged(RATIO, ratio("0.99", None, None)).outcome == "missing"


@pytest.mark.parametrize(
    ("recorded", "outcome"), [("0.95", "passed"), ("0.99", "passed"), ("0.5", "missing"), (None, "missing")]
)
def test_whoever_records_a_run_cannot_choose_a_lesser_confidence(recorded: str | None, outcome: str) -> None:
    assert judged(RATIO, evidence(changed("evaluation.confidence", recorded))).outcome == outcome


def test_a_policy_may_ask_for_another_confidence() -> None:
    ninety = evidence(changed("evaluation.confidence", "0.9"))
    assert judged(f"{RATIO}, confidence: 0.9", ninety).outcome == "passed"
    assert judged(f"{RATIO}, confidence: 0.99").outcome == "missing"


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("status", "failed", "the run failed, so it has no figures to judge"),
        ("status", None, "does not say that it succeeded"),
        ("evaluation", None, "add @pipeline.evaluate"),
        ("evaluation.metrics", [], "accuracy is not in the evaluation"),
        ("evaluation.metrics.0.name", "exactitude", "accuracy is not in the evaluation"),
        ("evaluation.metrics.1.name", "accuracy", "accuracy is not in the evaluation"),
    ],
)
def test_what_is_not_in_the_evidence_is_missing_and_the_message_says_what(
    path: str, value: object, words: str
) -> None:
    result = judged(ACCURACY, evidence(changed(path, value)))
    assert result.outcome == "missing"
    assert words in result.message


def test_an_attribute_that_was_not_measured_is_missing_and_told_how_to_supply() -> None:
    result = judged(RATIO.replace("race", "sex"))
    assert result.outcome == "missing"
    assert "name it in evaluate(sensitive=[...]) (measured: race)" in result.message


def test_a_score_that_was_not_given_is_told_how_to_supply() -> None:
    rule = "kind: limit, metric: brier_score, operator: '<=', limit: 0.25, on: point"
    assert "it needs y_score" in judged(rule).message


def test_the_rows_evaluated_can_have_a_limit() -> None:
    assert judged("kind: limit, metric: rows, operator: '>=', limit: 1000, on: point").outcome == "passed"
    assert judged("kind: limit, metric: rows, operator: '>', limit: 1000, on: point").outcome == "failed"


# Groups


def test_a_named_group_is_judged_alone() -> None:
    assert judged(TPR.replace("every", "black").replace("0.80", "0.93")).outcome == "passed"
    assert judged(TPR.replace("every", "black").replace("0.80", "0.94")).outcome == "failed"


def test_a_group_that_is_not_there_is_missing_and_the_others_are_named() -> None:
    result = judged(TPR.replace("every", "asian"))
    assert result.outcome == "missing"
    assert "its groups are black, hispanic, white" in result.message


def test_every_group_passes_when_each_does() -> None:
    result = judged(TPR)
    assert result.outcome == "passed"
    assert "(black 0.93, hispanic 0.99, white 0.99)" in result.message


def test_one_failing_group_fails_every_group_and_is_named() -> None:
    result = judged(TPR.replace("0.80", "0.95"))
    assert result.outcome == "failed"
    assert "true positive rate of black (race) is 0.93" in result.message
    assert "white" not in result.message


def few_hispanic() -> Any:
    predicate = changed("evaluation.bias.0.groups.1", group("hispanic", 28, None, None, 20))
    predicate["evaluation"]["n"] = 982
    return predicate


@pytest.mark.parametrize("rule", [TPR, RATIO])
def test_a_group_too_small_to_judge_makes_the_rule_uncertain(rule: str) -> None:
    result = judged(rule, evidence(few_hispanic()))
    assert result.outcome == "uncertain"
    assert "hispanic (n=28) has too few rows" in result.message


@pytest.mark.parametrize("rule", [TPR, RATIO])
def test_a_rule_may_leave_small_groups_aside_and_says_so(rule: str) -> None:
    result = judged(f"{rule}, small_groups: ignore", evidence(few_hispanic()))
    assert result.outcome == "passed"
    assert (
        "hispanic (n=28) has too few rows to say anything, and the rule leaves that aside" in result.message
    )


def test_a_small_group_is_failed_by_a_limit_on_rows() -> None:
    assert judged(ROWS).outcome == "passed"
    assert judged(ROWS, evidence(few_hispanic())).outcome == "failed"


def test_a_failing_disparity_fails_whatever_the_small_groups() -> None:
    predicate = few_hispanic()
    predicate["evaluation"]["bias"][0]["disparities"][0] = figure(
        "demographic_parity_ratio", "0.5", "0.4", "0.6", 949
    )
    assert judged(RATIO, evidence(predicate)).outcome == "failed"


def test_a_group_that_is_large_but_has_few_of_one_label_is_small_for_a_rate_of_that_label() -> None:
    predicate = changed("evaluation.bias.0.groups.1", group("hispanic", 46, "0.9", None, 20))
    assert judged(TPR, evidence(predicate)).outcome == "uncertain"
    assert judged(RATIO, evidence(predicate)).outcome == "passed"
    odds = "kind: limit, metric: equalized_odds_difference, of: race, operator: '<=', limit: 0.20, on: point"
    for one in predicate["evaluation"]["bias"][0]["groups"]:
        one["metrics"].append(figure("false_positive_rate", "0.5", "0.5", "0.5", 40))
    assert judged(odds, evidence(predicate)).outcome == "uncertain"


def test_a_group_that_is_marked_as_too_small_is_small_whatever_its_figures() -> None:
    assert judged(TPR, evidence(changed("evaluation.bias.0.groups.1.enough", False))).outcome == "uncertain"


def test_a_rate_without_a_value_is_not_excused_by_leaving_small_groups_aside() -> None:
    predicate = changed("evaluation.bias.0.groups.0.metrics.1.value", None)
    assert judged(f"{TPR}, small_groups: ignore", evidence(predicate)).outcome == "missing"


def test_whoever_records_a_run_cannot_choose_a_lesser_minimum() -> None:
    predicate = few_hispanic()
    table = predicate["evaluation"]["bias"][0]
    table["minimum"], table["groups"][1] = 2, group("hispanic", 28, "1", "1", 28) | {"enough": True}
    assert judged(TPR, evidence(predicate)).outcome == "uncertain"
    assert judged(RATIO, evidence(predicate)).outcome == "uncertain"
    assert judged(f"{TPR}, minimum: 20", evidence(predicate)).outcome == "passed"


def test_a_rate_of_a_group_without_its_number_of_rows_is_missing() -> None:
    predicate = changed("evaluation.bias.0.groups.1.metrics.1.n", None)
    assert judged(TPR, evidence(predicate)).outcome == "missing"


def test_only_small_groups_is_nothing_to_judge() -> None:
    predicate = few_hispanic()
    table = predicate["evaluation"]["bias"][0]
    table["groups"], predicate["evaluation"]["n"] = table["groups"][1:2], 33
    assert judged(f"{TPR}, small_groups: ignore", evidence(predicate)).outcome == "missing"


@pytest.mark.parametrize("rule", [TPR, RATIO, ROWS])
def test_a_table_without_one_of_its_groups_is_missing_something(rule: str) -> None:
    predicate = run()
    del predicate["evaluation"]["bias"][0]["groups"][0]
    result = judged(rule, evidence(predicate))
    assert result.outcome == "missing"
    assert "account for 902 of 1000 evaluated rows" in result.message


@pytest.mark.parametrize("rule", [f"{TPR}, small_groups: ignore", RATIO, ROWS])
def test_groups_left_out_of_the_statement_cannot_be_judged(rule: str) -> None:
    result = judged(rule, evidence(changed("evaluation.bias.0.groups_omitted", 2)))
    assert result.outcome == "missing"
    assert "2 groups of race were left out" in result.message


def test_many_groups_are_named_up_to_a_limit() -> None:
    predicate = run()
    table = predicate["evaluation"]["bias"][0]
    table["groups"] = [group(f"g{i:02}", 40, "0.5", "0.5", 40) for i in range(25)]
    predicate["evaluation"]["n"] = 1005
    result = judged(TPR, evidence(predicate))
    assert result.outcome == "failed"
    assert "and 19 more" in result.message


# Facts


def test_every_fact_that_a_policy_may_name_can_be_read() -> None:
    assert set(FACTS) == set(get_args(FactName))


@pytest.mark.parametrize("fact", sorted(FACTS))
def test_a_good_run_has_every_fact(fact: str) -> None:
    assert judged(f"kind: fact, fact: {fact}").outcome == "passed"


@pytest.mark.parametrize("fact", sorted(FACTS))
def test_a_run_that_says_nothing_has_no_fact(fact: str) -> None:
    assert judged(f"kind: fact, fact: {fact}", evidence({})).outcome == "missing"


@pytest.mark.parametrize(
    ("fact", "path", "value", "outcome"),
    [
        ("run-succeeded", "status", "failed", "failed"),
        ("run-succeeded", "status", "stopped", "missing"),
        ("code-clean", "code.dirty", True, "failed"),
        ("code-clean", "code.dirty", None, "missing"),
        ("code-committed", "code.commit", None, "missing"),
        ("nothing-untracked", "code.untracked", 3, "failed"),
        ("nothing-untracked", "code.untracked", False, "missing"),
        ("recorded-as-pipeline", "how", "record", "failed"),
        ("safe-model-format", "model_file.format", "pickle", "failed"),
        ("safe-model-format", "model_file.format", "other", "missing"),
        ("safe-model-format", "model_file", None, "missing"),
        ("seeded", "steps.0.seed", None, "missing"),
        ("seeded", "steps.0.seed", True, "missing"),
        ("data-fingerprinted", "steps.0.outputs.0.kind", "opaque", "missing"),
        ("data-fingerprinted", "steps.0.outputs.0.fingerprint", None, "missing"),
        ("environment-recorded", "environment.packages", None, "missing"),
        ("evaluated", "evaluation", None, "missing"),
        ("bias-measured", "evaluation.bias", [], "missing"),
    ],
)
def test_a_fact_is_read_from_its_place(fact: str, path: str, value: object, outcome: str) -> None:
    assert judged(f"kind: fact, fact: {fact}", evidence(changed(path, value))).outcome == outcome


# Approvals


def approved(rules: tuple[str, ...], *approvals: Approval) -> list[str]:
    return [result.outcome for result in decide([policy(*rules)], evidence(approvals=approvals)).results]


def test_an_approval_in_the_role_passes_and_names_its_entry() -> None:
    result = judged(VALIDATOR)
    assert result.outcome == "passed"
    assert result.message == "approved by validator vera-key (entry 2): “I have examined it”"


def test_no_approval_is_missing_and_the_message_says_how_to_give_one() -> None:
    result = judged(VALIDATOR, evidence(approvals=()))
    assert result.outcome == "missing"
    assert "affidavit approve mortgage@1 --stage production --as KEY --role validator" in result.message


def test_another_role_does_not_count() -> None:
    assert approved((VALIDATOR,), said(2, "a", "approver")) == ["missing"]


def test_the_recorder_cannot_approve() -> None:
    result = judged(VALIDATOR, evidence(approvals=(said(2, "rec-key", "validator"),)))
    assert result.outcome == "missing"
    assert "whoever recorded the run cannot approve it" in result.message


def test_nothing_is_approved_while_the_recorder_is_unknown() -> None:
    assert judged(VALIDATOR, dataclasses.replace(evidence(), recorder="")).outcome == "missing"


def test_one_key_counts_once() -> None:
    two = VALIDATOR.replace("1", "2")
    assert approved((two,), said(2, "a", "validator"), said(3, "a", "validator")) == ["missing"]
    assert approved((two,), said(2, "a", "validator"), said(3, "b", "validator")) == ["passed"]


def test_the_name_of_the_person_decides_nothing() -> None:
    two = VALIDATOR.replace("1", "2")
    same = [dataclasses.replace(said(i, key, "validator"), person="Vera") for i, key in enumerate("ab")]
    assert approved((two,), *same) == ["passed"]


def test_a_key_with_two_roles_counts_in_one_of_them() -> None:
    both = (said(2, "a", "validator"), said(3, "a", "approver"))
    assert sorted(approved((VALIDATOR, APPROVER), *both)) == ["missing", "passed"]


def test_a_key_with_two_roles_counts_where_it_is_needed() -> None:
    both = (said(2, "a", "validator"), said(3, "a", "approver"))
    assert approved((VALIDATOR, APPROVER), *both, said(4, "b", "approver")) == ["passed", "passed"]
    assert approved((VALIDATOR, APPROVER), *both, said(4, "b", "validator")) == ["passed", "passed"]


def test_one_approval_serves_every_rule_that_asks_for_it() -> None:
    assert approved((VALIDATOR, VALIDATOR), said(2, "a", "validator")) == ["passed", "passed"]


def test_a_meaning_that_a_rule_asks_for_must_be_the_one_that_was_signed() -> None:
    rule = f"{VALIDATOR}, meaning: The hold-out is sound"
    assert approved((rule,), said(2, "a", "validator", meaning="The hold-out is sound")) == ["passed"]
    assert approved((rule,), said(2, "a", "validator", meaning="Fine")) == ["missing"]


def test_a_rejection_fails_the_rule_and_is_quoted() -> None:
    rejection = said(4, "b", "validator", "reject", "The hold-out leaks")
    result = judged(VALIDATOR, evidence(approvals=(*APPROVALS, rejection)))
    assert result.outcome == "failed"
    assert result.message == "rejected by validator b (entry 4): “The hold-out leaks”"


def test_a_rejection_in_a_role_that_is_not_asked_for_fails_nothing() -> None:
    assert approved((VALIDATOR,), *APPROVALS, said(4, "b", "approver", "reject")) == ["passed"]


def test_even_the_recorder_may_reject() -> None:
    assert approved((VALIDATOR,), *APPROVALS, said(4, "rec-key", "validator", "reject")) == ["failed"]


def test_the_newest_verdict_of_a_key_stands() -> None:
    no, yes = said(2, "a", "validator", "reject"), said(3, "a", "validator")
    assert approved((VALIDATOR,), yes, no) == ["passed"]
    assert approved((VALIDATOR,), dataclasses.replace(yes, seq=1), no) == ["failed"]


def test_nobody_takes_back_the_rejection_of_another() -> None:
    assert approved((VALIDATOR,), said(2, "a", "validator", "reject"), said(3, "b", "validator")) == [
        "failed"
    ]


def test_a_verdict_of_an_unknown_kind_is_no_approval() -> None:
    assert approved((VALIDATOR,), said(2, "a", "validator", "abstain")) == ["missing"]


# Reproductions


@pytest.mark.parametrize(
    ("rule", "verdicts", "outcome"),
    [
        (IDENTICAL, (), "missing"),
        (IDENTICAL, ("identical",), "passed"),
        (IDENTICAL, ("equivalent",), "failed"),
        (EITHER, ("equivalent",), "passed"),
        (EITHER, ("impossible",), "missing"),
        (EITHER, ("diverged",), "failed"),
        (EITHER, ("identical", "impossible"), "passed"),
        (EITHER, ("identical", "diverged"), "failed"),
        (EITHER, ("diverged", "identical"), "passed"),
        (EITHER, ("something",), "missing"),
    ],
)
def test_the_newest_reproduction_that_tells_decides(
    rule: str, verdicts: tuple[str, ...], outcome: str
) -> None:
    assert judged(rule, evidence(verdicts=verdicts)).outcome == outcome


# The monotonic principle: less evidence never allows more


@functools.cache
def everything() -> tuple[Policy, ...]:
    """Policies that between them use every kind of rule and every way of treating groups."""
    facts = (f"kind: fact, fact: {fact}" for fact in sorted(FACTS))
    tests = policy(RATIO, TPR, ROWS, f"{TPR}, small_groups: ignore", f"{RATIO}, small_groups: ignore",
                   TPR.replace("every", "black"), VALIDATOR, APPROVER, EITHER, *facts)  # fmt: skip
    return packaged("baseline"), packaged("lending"), tests


def failed_check() -> Any:
    """A run that ended because a check failed after another had passed."""
    document = changed("status", "failed")
    failed = {
        "name": "loans",
        "status": "failed",
        "checks": [{"part": "loans", "schema": HEX, "passed": False}],
    }
    document["steps"].append(failed)
    return document


FAULTS: dict[str, Callable[[], Any]] = {
    "no fault": run,
    "failed": lambda: changed("status", "failed"),
    "dirty": lambda: changed("code.dirty", True),
    "untracked": lambda: changed("code.untracked", 1),
    "recorded": lambda: changed("how", "record"),
    "pickle": lambda: changed("model_file.format", "pickle"),
    "inaccurate": lambda: changed("evaluation.metrics.0.low", "0.4"),
    "poor rank": lambda: changed("evaluation.metrics.1.value", "0.6"),
    "disparity": lambda: changed("evaluation.bias.0.disparities.0.low", "0.7"),
    "low rate": lambda: changed("evaluation.bias.0.groups.0.metrics.1.low", "0.7"),
    "rate of a group": lambda: changed("evaluation.bias.0.groups.2.metrics.1.value", "0.7"),
    "small group": few_hispanic,
    "omitted": lambda: changed("evaluation.bias.0.groups_omitted", 1),
    "failed check": failed_check,
    "check not made": lambda: changed("steps.0.checks.0.passed", None),
    "few rows": lambda: changed("evaluation.n", 100),
    "a group more": lambda: changed("evaluation.n", 1001),
}


def places(value: object, way: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every place in a document, the deepest last."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for part, child in inner:
        yield (*way, part)
        yield from places(child, (*way, part))


def without(document: Any, place: tuple[str | int, ...], *, null: bool) -> Any:
    """The document without one place, or with null in it."""
    lesser = copy.deepcopy(document)
    holder: Any = functools.reduce(lambda inner, part: inner[part], place[:-1], lesser)
    if null:
        holder[place[-1]] = None
    else:
        del holder[place[-1]]
    return lesser


def test_the_good_run_is_allowed_so_that_the_principle_is_tested_against_something() -> None:
    assert decide(everything(), evidence(verdicts=("identical",))).allowed


def passing(given: Evidence) -> set[int]:
    results = decide(everything(), given).results
    return {place for place, result in enumerate(results) if result.outcome == "passed"}


@pytest.mark.parametrize("fault", sorted(FAULTS))
@pytest.mark.parametrize("null", [False, True])
def test_taking_any_one_thing_out_of_a_run_makes_no_further_rule_pass(fault: str, null: bool) -> None:
    predicate = FAULTS[fault]()
    before = passing(evidence(predicate, verdicts=("identical",)))
    for place in places(predicate):
        lesser = evidence(without(predicate, place, null=null), verdicts=("identical",))
        assert passing(lesser) <= before, place


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault != "no fault"])
def test_each_fault_refuses(fault: str) -> None:
    assert not decide(everything(), evidence(FAULTS[fault](), verdicts=("identical",))).allowed


votes = st.builds(
    said,
    st.integers(1, 30),
    st.sampled_from(["a", "b", "c", "rec-key"]),
    st.sampled_from(["validator", "approver", "auditor"]),
    st.sampled_from(["approve", "approve", "approve", "reject"]),
    st.sampled_from(["Sound", "Fair"]),
)
asked = st.lists(
    st.builds(
        "kind: approval, role: {}, count: {}{}".format,
        st.sampled_from(["validator", "approver"]),
        st.integers(1, 2),
        st.sampled_from(["", "", ", meaning: Sound"]),
    ),
    min_size=1,
    max_size=3,
)


@given(asked, st.lists(votes, max_size=7, unique_by=lambda vote: vote.seq))
def test_taking_an_approval_away_never_allows_more(rules: list[str], approvals: list[Approval]) -> None:
    policies = [policy(*rules)]
    whole = decide(policies, evidence(approvals=tuple(approvals))).allowed
    for gone in approvals:
        if gone.verdict == "approve" and not whole:
            rest = tuple(vote for vote in approvals if vote is not gone)
            assert not decide(policies, evidence(approvals=rest)).allowed


@given(asked, st.lists(votes, max_size=6, unique_by=lambda vote: vote.seq), st.randoms())
def test_the_order_in_which_approvals_arrive_decides_nothing(
    rules: list[str], approvals: list[Approval], random: Any
) -> None:
    shuffled = random.sample(approvals, len(approvals))
    decisions = [decide([policy(*rules)], evidence(approvals=tuple(some))) for some in (approvals, shuffled)]
    assert decisions[0].allowed == decisions[1].allowed


@pytest.mark.parametrize("rule", [IDENTICAL, EITHER])
def test_taking_a_reproduction_away_never_allows_more_unless_it_diverged(rule: str) -> None:
    kinds = ("identical", "equivalent", "impossible", "diverged")
    for verdicts in itertools.product(kinds, repeat=3):
        if decide([policy(rule)], evidence(verdicts=verdicts)).allowed:
            continue
        for i, verdict in enumerate(verdicts):
            if verdict != "diverged":
                assert not decide(
                    [policy(rule)], evidence(verdicts=(*verdicts[:i], *verdicts[i + 1 :]))
                ).allowed


@given(st.data())
@settings(max_examples=60)
def test_taking_several_things_away_makes_no_further_rule_pass(data: st.DataObject) -> None:
    predicate = FAULTS[data.draw(st.sampled_from(sorted(FAULTS)))]()
    whole = evidence(
        predicate, tuple(data.draw(st.lists(st.sampled_from(APPROVALS), unique=True))), ("identical",)
    )
    before = passing(whole)
    for _ in range(data.draw(st.integers(1, 3))):
        where = list(places(predicate))
        if where:
            predicate = without(predicate, data.draw(st.sampled_from(where)), null=data.draw(st.booleans()))
    assert passing(dataclasses.replace(whole, run=predicate)) <= before


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.data(), json_like)
def test_evidence_of_any_shape_gets_an_answer(data: st.DataObject, value: object) -> None:
    predicate = run()
    place = data.draw(st.sampled_from(list(places(predicate))))
    holder: Any = functools.reduce(lambda inner, part: inner[part], place[:-1], predicate)
    holder[place[-1]] = value
    assert canonical.encode(decide(everything(), evidence(predicate)).to_json())


@given(st.decimals(-2, 2, places=4), st.decimals(-2, 2, places=4))
def test_a_shown_figure_stands_on_its_own_side_of_the_limit(value: Decimal, limit: Decimal) -> None:
    rule = f"kind: limit, metric: accuracy, operator: '>=', limit: {limit:f}, on: point"
    predicate = changed("evaluation.metrics.0", figure("accuracy", f"{value:f}", None, None, 9))
    shown = Decimal(judged(rule, evidence(predicate)).message.split()[2])
    assert (shown >= limit) == (value >= limit)
