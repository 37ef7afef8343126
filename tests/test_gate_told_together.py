"""Gates: what is told of several groups together is never a pass for one of them."""

from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from registry.finding import AbsentError, Finding
from registry.limits import judge_limit
from registry.privacy_rule import judge_privacy
from registry.rules import LimitRule, PrivacyRule
from registry.tables_told import TableTold
from tests.test_told_together import measured, repeated

PEOPLE = TableTold("people", "load", (("race", True),))


def run_with(evaluation: dict[str, Any]) -> dict[str, Any]:
    return {"status": "succeeded", "evaluation": evaluation}


def judged(evaluation: dict[str, Any], **said: Any) -> Finding:
    asked: dict[str, Any] = {"metric": "demographic_parity_ratio", "operator": ">=", "limit": "0.4", **said}
    asked["limit"] = Decimal(asked["limit"])
    rule = LimitRule(id="r", says="Says.", clauses=(), of="race", on="point", **asked)
    try:
        return judge_limit(rule, run_with(evaluation))
    except AbsentError as absent:
        return Finding("missing", str(absent))


@pytest.fixture(scope="module")
def with_a_rare_group() -> dict[str, Any]:
    return measured(repeated(white=200, black=60, sami=5))


@pytest.fixture(scope="module")
def with_two_rare_groups() -> dict[str, Any]:
    return measured(repeated(white=200, black=60, sami=8, roma=7))


@pytest.fixture(scope="module")
def with_few_values_missing() -> dict[str, Any]:
    return measured(pd.DataFrame({"race": ["white"] * 200 + ["black"] * 60 + [None] * 5}))


@pytest.fixture(scope="module")
def with_a_group_withheld() -> dict[str, Any]:
    return measured(repeated(white=200, black=32, sami=5))


def test_a_disparity_beside_a_group_that_is_told_with_another_is_uncertain(with_a_rare_group: Any) -> None:
    found = judged(with_a_rare_group)
    assert found.outcome == "uncertain"
    assert "what is told with black (1 more of race) has too few rows" in found.message


def test_a_disparity_beside_groups_that_are_told_together_is_uncertain(with_two_rare_groups: Any) -> None:
    found = judged(with_two_rare_groups)
    assert found.outcome == "uncertain"
    assert "2 groups, told together (n=15)" in found.message


def test_a_rule_may_leave_small_groups_aside_and_says_so(with_a_rare_group: Any) -> None:
    found = judged(with_a_rare_group, small_groups="ignore")
    assert found.outcome == "passed"
    assert "the rule leaves that aside (1 of 3 groups, up to 9 of 265 rows)" in found.message


def test_a_rule_that_leaves_groups_aside_counts_each_of_those_without_a_name(
    with_two_rare_groups: Any,
) -> None:
    assert "(2 of 4 groups, 15 of 275 rows)" in judged(with_two_rare_groups, small_groups="ignore").message


def test_groups_without_a_name_come_first_in_a_list_that_is_cut() -> None:
    several = measured(
        repeated(white=200, black=60, sami=8, roma=7, **{f"a{number}": 12 + number for number in range(8)})
    )
    message = judged(several, small_groups="ignore").message
    assert "; 2 groups, told together (n=15), a0 (n=12), " in message
    assert "a4 (n=16) and 3 more have too few rows" in message
    assert "(10 of 12 groups, 139 of 399 rows)" in message


def test_where_a_group_is_withheld_the_message_says_what_to_do_with_which_column(
    with_a_group_withheld: Any,
) -> None:
    found = judged(with_a_group_withheld)
    assert found.message == (
        "demographic parity ratio by race is not known, for a group that has enough rows is told together with others: "
        "give rare and missing values of race a common one before evaluating, or evaluate on more rows"
    )


def test_few_rows_without_a_value_do_not_hinder_a_disparity(with_few_values_missing: Any) -> None:
    assert judged(with_few_values_missing).outcome == "passed"


@pytest.mark.parametrize("small_groups", ["refuse", "ignore"])
@pytest.mark.parametrize(
    "asked", [{}, {"group": "every", "metric": "selection_rate", "operator": "<=", "limit": "1"}]
)
def test_a_group_with_enough_rows_that_is_withheld_is_left_aside_by_no_rule(
    with_a_group_withheld: Any, small_groups: str, asked: dict[str, Any]
) -> None:
    found = judged(with_a_group_withheld, small_groups=small_groups, **asked)
    assert found.outcome == "missing"


def test_the_rate_of_every_group_is_uncertain_where_one_is_told_with_another(with_a_rare_group: Any) -> None:
    asked = {"group": "every", "metric": "selection_rate", "operator": "<=", "limit": "1"}
    assert judged(with_a_rare_group, **asked).outcome == "uncertain"
    assert judged(with_a_rare_group, small_groups="ignore", **asked).outcome == "passed"


def test_a_limit_on_the_point_asks_for_the_interval_where_others_are_among_the_rows() -> None:
    clear = measured(repeated(white=200, black=60), small_cell=1)
    blurred = measured(pd.DataFrame({"race": ["white"] * 200 + ["black"] * 60 + [None] * 5}))
    assert judged(clear, limit="0.9").outcome == "passed"
    assert judged(blurred, limit="0.9").outcome == "uncertain"


def test_a_group_is_found_by_its_name_though_others_are_told_with_it(with_a_rare_group: Any) -> None:
    found = judged(with_a_rare_group, group="black", metric="selection_rate", operator="<=", limit="1")
    assert found.outcome == "passed"
    assert "black and fewer than 10 others" in found.message


def test_how_many_rows_every_group_has_is_not_told_of_groups_together(with_two_rare_groups: Any) -> None:
    # Together they have 15 rows, and each of them has fewer than 10.
    assert judged(with_two_rare_groups, group="every", metric="rows", limit="10").outcome == "missing"


@pytest.mark.parametrize(("limit", "outcome"), [("56", "passed"), ("60", "missing"), ("66", "failed")])
def test_rows_of_a_group_are_known_up_to_those_without_a_value(
    with_few_values_missing: Any, limit: str, outcome: str
) -> None:
    asked = {"group": "every", "metric": "rows", "limit": limit}
    assert judged(with_few_values_missing, **asked).outcome == outcome


def test_the_figures_of_a_tiny_test_set_are_missing() -> None:
    rule = LimitRule(
        id="r", says="Says.", clauses=(), metric="accuracy", operator=">=", limit=Decimal("0.5"), on="point"
    )
    with pytest.raises(AbsentError, match="not told: these are fewer than 10 rows"):
        judge_limit(rule, run_with(measured(repeated(white=8))))


# Privacy


def singled_out(evaluation: dict[str, Any]) -> Finding:
    rule = PrivacyRule(id="r", says="Says.", clauses=(), columns=("race",), smallest_group=10)
    return judge_privacy(rule, run_with(evaluation), [PEOPLE])


def test_an_evaluation_that_tells_no_small_group_passes(with_a_rare_group: Any) -> None:
    found = singled_out(with_a_rare_group)
    assert found.outcome == "passed"
    assert "bias tells no group of fewer than 10 rows" in found.message


def test_telling_every_group_fails() -> None:
    found = singled_out(measured(repeated(white=200, black=60, sami=5), small_cell=1))
    assert found.outcome == "failed"
    assert "bias by race tells of groups of fewer than 10 rows" in found.message


def test_asking_to_tell_every_group_fails_though_none_is_small() -> None:
    assert singled_out(measured(repeated(white=200, black=60), small_cell=1)).outcome == "failed"


def test_of_an_earlier_run_it_is_not_known_what_its_figures_give_away() -> None:
    earlier = measured(repeated(white=200, black=60), small_cell=1)
    del earlier["small_cell"]
    with pytest.raises(AbsentError, match="run it again"):
        singled_out(earlier)


def test_bias_by_another_column_is_none_of_the_rules_business() -> None:
    table = pd.DataFrame({"sex": np.where(np.arange(200) < 5, "f", "m")})
    assert singled_out(measured(table, small_cell=1)).outcome == "passed"
