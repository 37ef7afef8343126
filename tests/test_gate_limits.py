"""Gates: a figure against its limit, exactly; what is not there is missing, and small groups are uncertain."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.gate_evidence import (
    ACCURACY,
    RATIO,
    ROWS,
    TPR,
    changed,
    evidence,
    few_hispanic,
    figure,
    group,
    judged,
    ratio,
    run,
)

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


@given(st.decimals(-2, 2, places=4), st.decimals(-2, 2, places=4))
def test_a_shown_figure_stands_on_its_own_side_of_the_limit(value: Decimal, limit: Decimal) -> None:
    rule = f"kind: limit, metric: accuracy, operator: '>=', limit: {limit:f}, on: point"
    predicate = changed("evaluation.metrics.0", figure("accuracy", f"{value:f}", None, None, 9))
    shown = Decimal(judged(rule, evidence(predicate)).message.split()[2])
    assert (shown >= limit) == (value >= limit)
