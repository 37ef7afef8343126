"""Which parts of a dict a step's code takes, where it does no more with it than to look up keys that are written."""

from collections.abc import Callable
from typing import Any

import pytest

from registry.parts_taken import as_taken, taken


def in_a_lambda(prepared: Any) -> Any:
    return [(lambda: prepared["table"])() for _ in range(2)] + [prepared["names"]]


def all_of_it(prepared: Any) -> Any:
    return prepared["table"], list(prepared.values())


def by_a_name(prepared: Any, key: str = "fitted") -> Any:
    return prepared[key]


def under_another_name(prepared: Any) -> Any:
    again = prepared
    return again["fitted"]


def by_looking_around(prepared: Any) -> Any:
    return prepared["table"], locals()["prepared" + ""]["fitted"]


def among_others(**tables: Any) -> Any:
    return tables["prepared"]["fitted"]


@pytest.mark.parametrize("step", [all_of_it, by_a_name, under_another_name, by_looking_around, among_others])
def test_a_step_that_may_take_any_part_receives_all_of_them(step: Callable[..., Any]) -> None:
    value = {"table": 1, "fitted": 2}
    assert taken(step, "prepared") is None
    assert as_taken(step, "prepared", value) is value


def test_a_step_that_looks_up_written_keys_receives_these() -> None:
    assert taken(in_a_lambda, "prepared") == {"table", "names"}
    assert as_taken(in_a_lambda, "prepared", {"table": 1, "fitted": 2}) == {"table": 1}
    assert as_taken(in_a_lambda, "prepared", [1, 2]) == [1, 2]
