"""Parsers let only errors of ours escape: for arbitrary bytes, and for good inputs that were changed."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS, Target

ODD: list[Any] = [
    *(None, True, False, 0, -1, 1, 2**53, 10**400, 0.5, "", "x", "\x00", "\u0661", "é", [], {}, [[]], [None]),
    *({"": None}, ["x"], {"size": 1}, "ab" * 32, "AAAA", "2026-01-13T09:30:00.000000Z"),
]
quick = settings(max_examples=30)


@pytest.mark.parametrize("name", TARGETS)
def test_a_parser_takes_or_refuses_each_of_its_seeds(name: str) -> None:
    target = TARGETS[name]
    assert {target.feed(seed) for seed in target.seeds()} <= {True, False}


@pytest.mark.parametrize("name", TARGETS)
@quick
@given(data=st.binary(max_size=200))
def test_a_parser_takes_or_refuses_any_bytes(name: str, data: bytes) -> None:
    TARGETS[name].feed(data)


@pytest.mark.parametrize("name", TARGETS)
@quick
@given(data=st.data())
def test_a_parser_takes_or_refuses_a_good_input_that_was_changed(name: str, data: st.DataObject) -> None:
    TARGETS[name].feed(changed(data, TARGETS[name]))


JSON_TARGETS = (
    "canonical",
    "statement",
    "envelope",
    "record",
    "permit",
    "key-event",
    "predicates",
    "draft",
    "anchors",
)


@pytest.mark.parametrize("name", JSON_TARGETS)
@quick
@given(data=st.data())
def test_a_parser_takes_or_refuses_json_of_another_shape(name: str, data: st.DataObject) -> None:
    seeds = [value for seed in TARGETS[name].seeds() if (value := read(seed)) is not None]
    value = data.draw(st.sampled_from(seeds))
    for _ in range(data.draw(st.integers(1, 3))):
        value = reshaped(data, value)
    TARGETS[name].feed(json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode())


def changed(data: st.DataObject, target: Target) -> bytes:
    """Draw a seed, and change it once to three times in the ways in which files are damaged or forged."""
    seeds = target.seeds()
    value = data.draw(st.sampled_from(seeds))
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(value)))
        end = data.draw(st.integers(start, min(len(value), start + 40)))
        value = value[:start] + replaced(data, value[start:end], seeds) + value[end:]
    return value


def replaced(data: st.DataObject, part: bytes, seeds: list[bytes]) -> bytes:
    """Draw what comes in place of a part: nothing, noise, the part again, one bit of it changed, a part of another."""
    match data.draw(st.sampled_from(["nothing", "noise", "twice", "backwards", "a bit", "another's"])):
        case "noise":
            return data.draw(st.binary(max_size=8))
        case "twice":
            return part * 2
        case "backwards":
            return part[::-1]
        case "a bit" if part:
            return bytes([part[0] ^ 1 << data.draw(st.integers(0, 7))]) + part[1:]
        case "another's":
            return data.draw(st.sampled_from(seeds))[: len(part) + 8]
    return b""


def reshaped(data: st.DataObject, value: Any) -> Any:
    """Put something else somewhere into a JSON value, leave a member out, or add one."""
    if isinstance(value, dict) and value and data.draw(st.integers(0, 3)):
        key = data.draw(st.sampled_from(sorted(value)))
        match data.draw(st.sampled_from(["into", "into", "without", "more"])):
            case "into":
                return {**value, key: reshaped(data, value[key])}
            case "without":
                return {k: v for k, v in value.items() if k != key}
            case _:
                return {**value, "more": value[key]}
    if isinstance(value, list) and value and data.draw(st.integers(0, 3)):
        place = data.draw(st.integers(0, len(value) - 1))
        return [*value[:place], reshaped(data, value[place]), *value[place + 1 :]]
    return data.draw(st.sampled_from(ODD))


def read(seed: bytes) -> Any:
    try:
        return json.loads(seed)
    except ValueError:
        return None
