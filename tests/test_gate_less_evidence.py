"""Gates: less evidence never allows more."""

import copy
import dataclasses
import functools
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit import canonical
from registry.facts import FACTS
from registry.gate import Approval, Evidence, decide
from registry.policy import Policy, packaged
from tests.gate_evidence import (
    APPROVALS,
    APPROVER,
    EITHER,
    HEX,
    IDENTICAL,
    RATIO,
    ROWS,
    TPR,
    VALIDATOR,
    changed,
    evidence,
    few_hispanic,
    policy,
    run,
    said,
)


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
