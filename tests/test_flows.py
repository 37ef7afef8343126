"""Tests of flows: what a run records of fields can be read again, and nothing else is."""

import copy
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.canonical import decode, encode
from audit.errors import MalformedInput
from registry.flows import DIRECT, HOWS, KINDS, TARGET, THE_TARGET, USES, Flow, Link, flows_of
from registry.held import written

NAMES = st.text(max_size=6)


@st.composite
def flows(draw: st.DrawFn) -> Flow:
    columns = tuple(draw(st.lists(NAMES, unique=True, max_size=4)))
    ends = st.sampled_from([None, *columns])
    links = draw(
        st.lists(
            st.builds(Link, ends, NAMES, NAMES, st.sampled_from(HOWS), st.sampled_from(sorted(USES))),
            max_size=5,
        )
    )
    return Flow(
        draw(NAMES), draw(NAMES), draw(st.sampled_from(KINDS)), columns, tuple(dict.fromkeys(links)),
        frozenset(draw(st.sets(st.sampled_from(columns)))) if columns else frozenset(), draw(st.booleans()),
        tuple(draw(st.lists(NAMES, max_size=2))), observed := draw(st.booleans()),
        tuple(draw(st.lists(NAMES, max_size=2))) if observed else (),
        target=(target := tuple(dict.fromkeys(draw(st.lists(st.builds(
            Link, st.just(THE_TARGET), NAMES, NAMES, st.just("declared"), st.just(TARGET)), max_size=2))))),
        target_complete=bool(target) and draw(st.booleans()),
    )  # fmt: skip


@given(flows())
def test_a_flow_that_was_written_is_read_as_it_was(flow: Flow) -> None:
    again = Flow.from_json(decode(encode(flow.to_json())))
    assert set(again.links) == set(flow.links)
    assert replace(again, links=()) == replace(flow, links=())


def test_links_that_share_how_use_and_input_stand_together() -> None:
    columns = tuple(f"c{number}" for number in range(1000))
    flow = Flow(
        "b", "b", "table", columns, tuple(Link(c, "a", c, "declared", "IDENTITY") for c in columns),
        frozenset(columns),
    )  # fmt: skip
    said = flow.to_json()
    assert said["complete"] is True
    assert isinstance(said["links"], list)
    assert len(said["links"]) == 1
    assert len(encode(said)) < 25_000


SAID = Flow("b", "b", "table", ("x",), (Link("x", "a", "y", "parsed", "IDENTITY"),)).to_json()


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        (("part",), 1), (("columns",), None), (("columns",), [1]), (("kind",), "view"), (("complete",), [1]),
        (("complete",), [-1]), (("links",), {}), (("links", 0), []), (("links", 0, "how"), "guessed"),
        (("links", 0, "use"), "LUCK"), (("links", 0, "pairs"), [[0]]), (("links", 0, "pairs"), [[True, "y"]]),
        (("links", 0, "pairs"), [[7, "y"]]), (("notes",), [None]),
        (("target",), {"complete": True, "links": [["a"]]}), (("target",), []),
    ],
)  # fmt: skip
def test_what_is_no_flow_is_refused_with_a_sentence(path: tuple[Any, ...], wrong: object) -> None:
    said: Any = copy.deepcopy(SAID)
    holder = said
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = wrong
    with pytest.raises(MalformedInput, match="the recorded lineage cannot be read"):
        Flow.from_json(said)


def test_a_run_from_before_lineage_has_no_flows() -> None:
    assert flows_of({"model": "loans"}) == ()


def test_labels_that_no_statement_holds_are_written_as_text() -> None:
    assert written([0, "a", "\ud800"]) == ("0", "a", "\\ud800")


def test_every_direct_use_is_a_use() -> None:
    assert DIRECT < USES
