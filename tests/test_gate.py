"""Gates: no rule, no pass; facts are read from their places, and the newest reproduction that tells decides."""

from typing import get_args

import pytest

from audit import canonical
from registry.facts import FACTS
from registry.gate import Decision, decide
from registry.policy import Policy, packaged
from registry.rules import FactName
from tests.gate_evidence import (
    ACCURACY,
    EITHER,
    IDENTICAL,
    VALIDATOR,
    changed,
    evidence,
    judged,
    policy,
    said,
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
