"""What is recorded of a value: what comes back as it was, what no statement can hold, and no secret."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.canonical import encode
from registry.recorded_values import from_json, to_json


@pytest.mark.parametrize(
    "name",
    [
        "password", "db_password", "apiKey", "api_key", "auth_token", "SECRET", "x-api-key", "passwords", "user_pass",
        "dbPw", "Authorization", "api_tokens", "account_key",
    ],
)  # fmt: skip
def test_what_is_named_like_a_secret_is_withheld(name: str) -> None:
    assert to_json(name, "hunter2") == {"withheld": True}


@pytest.mark.parametrize("value", [3, "value"])
@pytest.mark.parametrize(
    "name",
    [
        "tokenizer", "max_tokens", "passengers", "keys", "secretary", "n_pass", "compass", "passenger", "sort_key",
        "key",
    ],
)  # fmt: skip
def test_what_only_resembles_a_secret_is_recorded(name: str, value: object) -> None:
    assert to_json(name, value) == value


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
