"""Parameters are typed, addressed and read from text."""

import datetime
import enum
import typing
from pathlib import Path

import numpy as np
import pytest

from audit.errors import MalformedInput
from registry.parameters import MISSING, Parameter, assign, read_assignments, read_text
from registry.sentences import did_you_mean


class Colour(enum.Enum):
    RED = "r"


DECLARED = (
    Parameter("split", "seed", int, 7),
    Parameter("split", "test_size", float, 0.3),
    Parameter("model", "seed", int, 0),
    Parameter("model", "C", MISSING, 1.0),
    Parameter("model", "depth", int | None, None),
)


def one(expected: object = MISSING, default: object = MISSING) -> Parameter:
    return Parameter("step", "value", expected, default)


def test_a_plain_name_reaches_every_step_that_declares_it() -> None:
    assert assign(DECLARED, {"seed": 3}) == {"split.seed": 3, "model.seed": 3}


def test_a_dotted_name_wins_over_a_plain_one_in_any_order() -> None:
    assert assign(DECLARED, {"model.seed": 1, "seed": 3}) == {"split.seed": 3, "model.seed": 1}
    assert read_assignments(DECLARED, ["model.seed=1", "seed=3"]) == {"split.seed": 3, "model.seed": 1}


def test_an_unknown_name_is_answered_with_near_ones() -> None:
    with pytest.raises(MalformedInput, match="there is no parameter test_sise: did you mean test_size"):
        assign(DECLARED, {"test_sise": 0.2})


def test_an_unknown_dotted_name_is_answered_with_near_ones() -> None:
    with pytest.raises(MalformedInput, match=r"did you mean split\.seed"):
        assign(DECLARED, {"splitt.seed": 1})


def test_a_whole_number_may_stand_for_a_float() -> None:
    [value] = assign(DECLARED, {"C": 2}).values()
    assert value == 2.0
    assert type(value) is float


@pytest.mark.parametrize(
    ("name", "value"), [("seed", 1.5), ("seed", True), ("seed", "3"), ("C", "x"), ("depth", "x")]
)
def test_a_value_of_another_type_is_one_clear_sentence(name: str, value: object) -> None:
    with pytest.raises(
        MalformedInput, match=f"the parameter {name} of the step .* takes .*, and .* is not one"
    ):
        assign(DECLARED, {name: value})


def test_a_numpy_scalar_is_the_number_it_equals() -> None:
    assert assign(DECLARED, {"split.seed": np.int64(5)}) == {"split.seed": 5}


@pytest.mark.parametrize(
    ("expected", "text", "value"),
    [
        (int, "7", 7),
        (float, "1e-3", 0.001),
        (float, "inf", float("inf")),
        (bool, "yes", True),
        (bool, "False", False),
        (str, "a=b", "a=b"),
        (Path, "a.csv", Path("a.csv")),
        (int | None, "none", None),
        (int | None, "4", 4),
        (str | int, "4", 4),
        (typing.Literal["l1", "l2"], "l2", "l2"),
        (typing.Annotated[int, "seed"], "4", 4),
        (list[str], '["a", "b"]', ["a", "b"]),
        (tuple[int, int], "[1, 2]", (1, 2)),
        (dict[str, int], '{"a": 1}', {"a": 1}),
        (datetime.date, "2026-01-31", datetime.date(2026, 1, 31)),
        (Colour, "RED", Colour.RED),
        (typing.Any, "0.5", 0.5),
        (typing.Any, "plain", "plain"),
    ],
)
def test_text_is_read_as_the_type_says(expected: object, text: str, value: object) -> None:
    assert read_text(one(expected), text) == value


@pytest.mark.parametrize(
    ("expected", "text"), [(int, "1.5"), (bool, "maybe"), (float, "x"), (list[int], "3")]
)
def test_text_that_is_not_of_the_type_is_refused(expected: object, text: str) -> None:
    with pytest.raises(MalformedInput, match="the parameter value of the step step takes"):
        read_text(one(expected), text)


def test_without_an_annotation_the_default_says_the_type() -> None:
    assert read_text(one(default=1.0), "2") == 2.0
    with pytest.raises(MalformedInput, match="true or false"):
        read_text(one(default=False), "2")


@pytest.mark.parametrize("text", ["seed", "=1", ""])
def test_an_assignment_without_name_or_value_is_refused(text: str) -> None:
    with pytest.raises(MalformedInput, match="NAME=VALUE"):
        read_assignments(DECLARED, [text])


def test_a_wrong_value_of_a_secret_is_not_shown() -> None:
    with pytest.raises(MalformedInput) as caught:
        assign([Parameter("load", "api_key", int, 0)], {"api_key": "hunter2"})
    assert "hunter2" not in str(caught.value)


def test_a_short_list_of_names_is_shown_where_none_is_near() -> None:
    assert did_you_mean("zzz", ["a", "b"]) == ": there are a, b"
    assert did_you_mean("zzz", []) == ""


@pytest.mark.parametrize(
    ("default", "given_one", "text", "value"),
    [
        (np.int64(3), np.int64(5), "5", 5),
        (np.float64(0.1), 0.5, "0.5", 0.5),
        (np.bool_(True), False, "no", False),
    ],
)
def test_a_default_that_is_a_numpy_scalar_takes_python_values_and_text(
    default: object, given_one: object, text: str, value: object
) -> None:
    parameter = one(default=default)
    assert assign([parameter], {"value": given_one}) == {"step.value": value}
    assert read_text(parameter, text) == value
