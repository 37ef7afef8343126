"""Gates: whose approval counts, once and in which role, and what a rejection does."""

import dataclasses

from registry.gate import Approval, decide
from tests.gate_evidence import APPROVALS, APPROVER, VALIDATOR, evidence, judged, policy, said


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
