"""Rules about reproductions: what a later one answers of an earlier one that diverged."""

from collections.abc import Mapping

import pytest

from audit.canonical import Json
from registry.finding import AbsentError
from registry.reproduction_rule import judge_reproductions
from registry.rules import ReproductionRule
from registry.sameness import Compared

RULE = ReproductionRule(
    id="again", says="Said.", clauses=("NIST-AI-RMF:MEASURE-2.1",), verdicts=("identical",)
)


def told(verdict: str, *, differ: tuple[str, ...] = (), kept: tuple[str, ...] = ()) -> Mapping[str, Json]:
    """A reproduction of the steps load and fit."""
    compared = [Compared(step, step, step not in differ, kept=step in kept) for step in ("load", "fit")]
    return {"verdict": verdict, "compared": [one.to_json() for one in compared]}


DIVERGED = told("diverged", differ=("load", "fit"))
SAME = told("identical")
STOOD_IN = told("identical", kept=("load",))


def judged(*reproductions: Mapping[str, Json]) -> tuple[str, str]:
    return judge_reproductions(RULE, reproductions, "loans@1")


def test_a_kept_table_does_not_answer_the_step_that_diverged() -> None:
    outcome, message = judged(DIVERGED, STOOD_IN)
    assert outcome == "failed"
    assert "a kept table stood in for load, where an earlier one diverged" in message


def test_a_step_that_diverged_is_answered_once_it_ran_and_gave_the_same() -> None:
    assert judged(DIVERGED, SAME)[0] == "passed"


def test_what_was_answered_stays_so_when_a_kept_table_stands_in_later() -> None:
    assert judged(DIVERGED, SAME, STOOD_IN)[0] == "passed"


def test_a_step_that_diverged_again_has_to_be_answered_again() -> None:
    assert judged(DIVERGED, SAME, DIVERGED, STOOD_IN)[0] == "failed"


def test_a_kept_table_answers_another_step_than_the_one_it_stood_in_for() -> None:
    assert judged(told("diverged", differ=("fit",)), STOOD_IN)[0] == "passed"


def test_a_divergence_that_names_no_step_is_answered_only_where_every_step_ran() -> None:
    unnamed: Mapping[str, Json] = {"verdict": "diverged"}
    assert judged(unnamed, STOOD_IN)[0] == "failed"
    assert judged(unnamed, SAME)[0] == "passed"


def test_what_stood_in_is_said_where_the_rule_passes() -> None:
    assert judged(STOOD_IN) == (
        "passed",
        "the version was reproduced, and the newest result is identical, where kept tables stood in for load",
    )
    assert "stood in" not in judged(SAME)[1]


@pytest.mark.parametrize("verdicts", [(), ("impossible",)])
def test_nothing_that_tells_is_missing(verdicts: tuple[str, ...]) -> None:
    with pytest.raises(AbsentError, match="affidavit reproduce loans@1"):
        judged(*({"verdict": verdict} for verdict in verdicts))
