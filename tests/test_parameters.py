"""Parameters are typed, addressed, read from text, and recorded without secrets or floats."""

import datetime
import enum
import typing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.canonical import encode
from audit.errors import MalformedInput
from registry.parameters import MISSING, Parameter, assign, read_assignments, read_text
from registry.recorded_values import from_json, to_json
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


@pytest.mark.parametrize(
    "name", ["password", "db_password", "apiKey", "api_key", "auth_token", "SECRET", "x-api-key"]
)
def test_what_is_named_like_a_secret_is_withheld(name: str) -> None:
    assert to_json(name, "hunter2") == {"withheld": True}


@pytest.mark.parametrize("name", ["tokenizer", "max_tokens", "passengers", "keys", "secretary"])
def test_what_only_resembles_a_secret_is_recorded(name: str) -> None:
    assert to_json(name, 3) == 3


@pytest.mark.parametrize(
    "text", ["postgresql://alice:pw@host/db", "host=db password=pw", "https://x.org/f?X-Amz-Signature=abc"]
)
def test_text_that_carries_a_secret_is_withheld(text: str) -> None:
    assert to_json("source", text) == {"withheld": True}
    assert to_json("options", {"uri": [text]}) == {"mapping": {"uri": [{"withheld": True}]}}


def test_a_secret_inside_a_mapping_is_withheld() -> None:
    assert to_json("options", {"password": "x", "port": 1}) == {
        "mapping": {"password": {"withheld": True}, "port": 1}
    }


def test_a_wrong_value_of_a_secret_is_not_shown() -> None:
    with pytest.raises(MalformedInput) as caught:
        assign([Parameter("load", "api_key", int, 0)], {"api_key": "hunter2"})
    assert "hunter2" not in str(caught.value)


def test_an_unknown_object_is_recorded_by_its_type_alone() -> None:
    assert to_json("x", object()) == {"opaque": "builtins.object"}


def test_an_object_whose_members_raise_is_opaque() -> None:
    class Hostile:
        def __getattribute__(self, name: str) -> object:
            raise RuntimeError(name)

    assert "opaque" in str(to_json("x", Hostile()))


def test_a_value_that_no_statement_can_hold_is_opaque() -> None:
    circle: list[object] = []
    circle.append(circle)
    deep: object = 1
    for _ in range(70):
        deep = [deep]
    assert to_json("x", circle) == to_json("x", deep) == {"opaque": "builtins.list"}
    assert to_json("x", "\ud800") == {"opaque": "str that is not Unicode text"}


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(codec="utf-8", exclude_characters="=:"))
    | st.dates()
    | st.datetimes()
    | st.times(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.sampled_from("abc") | st.integers(), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(VALUES)
def test_what_is_recorded_is_canonical_and_comes_back_as_it_was(value: object) -> None:
    recorded = to_json("x", value)
    encode(recorded)
    back = from_json(recorded)
    assert back == value
    assert type(back) is type(value)


def test_a_path_comes_back_as_a_path() -> None:
    assert from_json(to_json("x", Path("a/b.csv"))) == Path("a/b.csv")


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


@pytest.mark.parametrize(
    "text",
    [
        "Bearer abc.def1",
        "-----BEGIN RSA PRIVATE KEY-----\nabc",
        "ghp_0123456789abcdefghij",
        "AKIAIOSFODNN7EXAMPLE",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc",
        "https://token@example.org/a.git",
        "https://example.org/a?access_token=abc",
        "https://example.org/a?key=abc",
        "DefaultEndpointsProtocol=https;AccountKey=abc",
        "alice:hunter2@example.org/loans",
    ],
)
def test_text_that_has_the_form_of_a_secret_is_withheld(text: str) -> None:
    assert to_json("value", text) == {"withheld": True}
    assert to_json("value", [{"nested": text}]) == [{"mapping": {"nested": {"withheld": True}}}]


@pytest.mark.parametrize(
    "name", ["passwords", "user_pass", "dbPw", "Authorization", "api_tokens", "account_key"]
)
def test_a_parameter_named_like_a_secret_is_withheld(name: str) -> None:
    assert to_json(name, "hunter2") == {"withheld": True}


@pytest.mark.parametrize("name", ["max_tokens", "n_pass", "compass", "passenger", "sort_key", "key"])
def test_a_parameter_that_only_sounds_like_a_secret_is_recorded(name: str) -> None:
    assert to_json(name, "value") == "value"


@pytest.mark.parametrize(
    "text", ["alice@example.org", "mailto:alice@example.org", "10:30", "https://example.org/@a"]
)
def test_text_with_an_at_or_a_colon_is_recorded(text: str) -> None:
    assert to_json("value", text) == text


def test_long_text_is_searched_for_secrets_in_no_time() -> None:
    for piece in ("1", "a-", "a:", "eyJ", "-----BEGIN ", "token", "?key"):
        assert to_json("value", piece * 50_000) == piece * 50_000


def test_a_path_in_the_home_folder_is_recorded_without_the_persons_name_and_comes_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOME", "/home/alice")
    assert to_json("source", "/home/alice/a.csv") == {"home": "~/a.csv"}
    assert to_json("source", Path("/home/alice/a.csv")) == {"path": "~/a.csv"}
    assert to_json("source", "/home/alicent/a.csv") == "/home/alicent/a.csv"
    for value in ("/home/alice/a.csv", Path("/home/alice/a.csv"), "~/a.csv"):
        assert from_json(to_json("source", value)) == value
