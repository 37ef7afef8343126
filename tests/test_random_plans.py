"""Of no random plan does lineage say that a column stays out which moves what comes out (`tests.random_plans`)."""

import polars as pl
import pytest

from tests.random_plans import built, changed, flow_of, run, tables, wrong_noes

PLANS = 200


@pytest.fixture(scope="module")
def answers() -> list[list[str] | None]:
    of = tables(0)
    found = []
    for seed in range(PLANS):
        try:
            found.append(wrong_noes(seed, of, most=4))
        except pl.exceptions.PanicException:
            found.append(None)
    return found


@pytest.mark.filterwarnings("ignore")
def test_no_random_plan_says_a_wrong_no(answers: list[list[str] | None]) -> None:
    assert [(seed, found) for seed, found in enumerate(answers) if found] == []


@pytest.mark.filterwarnings("ignore")
def test_most_random_plans_are_understood(answers: list[list[str] | None]) -> None:
    assert sum(found is not None for found in answers) > PLANS * 2 / 3


def test_a_column_is_changed_and_no_other() -> None:
    table = tables(1)["t"]
    after = changed(table, "race", "permuted", 1)
    assert [name for name in table.columns if not table[name].equals(after[name])] == ["race"]


@pytest.mark.filterwarnings("ignore")
def test_a_plan_is_the_same_whenever_it_is_built() -> None:
    of = tables(2)
    plans = [built(3, *of.values()) for _ in range(2)]
    first, second = map(run, plans)
    assert first is not None
    assert second is not None
    assert first.equals(second)
    assert flow_of(plans[0], of) == flow_of(plans[1], of)
