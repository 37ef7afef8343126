"""Tests of what a pipeline declares of its columns."""

from typing import Any

import pytest

from audit.errors import MalformedInput
from registry.flows import Link
from registry.pipeline import Pipeline
from registry.told import Told, declared_links, declared_rows, refuse_unreturned, tell

INPUTS = {"loans": ("debt", "income"), "people": ("income", "age")}


def links(told: Told, *columns: str) -> tuple[set[tuple[str, str, str]], set[str]]:
    found, covered = declared_links(told, "made", "made", columns, INPUTS)
    return {(link.part, link.source, link.use) for link in found}, covered


def test_a_name_alone_means_the_column_in_every_input_that_has_it() -> None:
    told = tell("step", "made", {"ratio": ["debt", "income"]})
    assert links(told, "ratio") == (
        {("loans", "debt", "TRANSFORMATION"), ("loans", "income", "TRANSFORMATION"),
         ("people", "income", "TRANSFORMATION")},
        {"ratio"},
    )  # fmt: skip


def test_a_name_with_its_table_means_that_one() -> None:
    found, _ = links(tell("step", "made", {"ratio": ["people.income"]}), "ratio")
    assert found == {("people", "income", "TRANSFORMATION")}


def test_a_star_passes_on_the_columns_that_have_a_namesake_and_no_others() -> None:
    told = tell("step", "made", {"*": ["*"]})
    assert links(told, "age", "new") == ({("people", "age", "IDENTITY")}, {"age"})


def test_an_empty_list_says_that_nothing_recorded_goes_in() -> None:
    assert links(tell("step", "made", {"constant": []}), "constant") == (set(), {"constant"})


def test_a_column_can_be_named_with_the_part_that_has_it() -> None:
    told = tell("step", "split", {"train.income": ["people.income"]})
    found, covered = declared_links(told, "split", "split.train", ["income"], INPUTS)
    assert (len(found), covered) == (1, {"income"})
    assert declared_links(told, "split", "split.test", ["income"], INPUTS) == ([], set())


def test_declared_rows_follow_the_rows_of_every_input_and_the_columns_named() -> None:
    told = tell("step", "made", rows=["age"])
    assert declared_rows(told, "made", INPUTS) == [
        Link(None, "loans", "*", "declared", "ROWS"),
        Link(None, "people", "*", "declared", "ROWS"),
        Link(None, "people", "age", "declared", "ROWS"),
    ]


def test_a_column_that_was_not_received_cannot_go_into_another() -> None:
    told = tell("step", "made", {"ratio": ["dept"]})
    with pytest.raises(
        MalformedInput, match=r"column dept, which nothing that it received has: did you mean debt\?"
    ):
        links(told, "ratio")


def test_a_column_that_was_not_received_cannot_decide_on_rows() -> None:
    with pytest.raises(MalformedInput, match="uses the column raze, which nothing that it received has"):
        declared_rows(tell("step", "made", rows=["raze"]), "made", INPUTS)


def test_a_column_that_was_not_returned_is_a_mistake() -> None:
    told = tell("step", "made", {"ratoi": ["debt"]})
    with pytest.raises(MalformedInput, match=r"declares the column ratoi .* did you mean ratio\?"):
        refuse_unreturned(told, "made", {"made": ("ratio",)})


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"ratio": "debt"}, r'write \["debt"\]'),
        ({"ratio": 3}, "each with a list of names"),
        ({"ratio": [3]}, "holds something that is none"),
        (["ratio"], "are a dict"),
    ],
)
def test_a_declaration_that_is_none_is_refused_when_it_is_made(columns: Any, says: str) -> None:
    def made() -> None: ...

    with pytest.raises(MalformedInput, match=says):
        Pipeline("loans").step(columns=columns)(made)
