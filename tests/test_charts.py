"""Drawings: the layered layout, the graph of a version's lineage, interval plots and the QR code."""

import re
import xml.etree.ElementTree as ET
from itertools import combinations, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.charts import Mark, Panel, Row, forest
from reports.facts import Attribute, Figure
from reports.formats import no_value
from reports.graph import MOST_NODES, Graph, Node, lineage
from reports.layout import Placed, place
from reports.lineage_drawing import lineage_drawing
from reports.plots import ratios_plot
from reports.qr import qr
from reports.reading import read_run
from reports.svg import fitted
from tests.report_example import example, run_entry, step, table

BOX, GAP = (100.0, 40.0), (12.0, 24.0)
SVG = "{http://www.w3.org/2000/svg}"


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[str], list[tuple[str, str]]]:
    names = [f"n{index}" for index in range(draw(st.integers(1, 14)))]
    pairs = list(combinations(names, 2))
    edges = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=24)) if pairs else []
    return names, edges


def placed_of(graph: tuple[list[str], list[tuple[str, str]]]) -> Placed:
    return place(*graph, box=BOX, gap=GAP)


def boxes_cut(placed: Placed, ends: tuple[str, str], route: tuple[tuple[float, float], ...]) -> list[str]:
    """Name the boxes that a route runs through, its own ends left out; curves stay within their own gap."""
    cut = []
    for name, (left, top) in placed.at.items():
        if name in ends:
            continue
        for (x, y), (to_x, to_y) in pairwise(route):
            beside = max(x, to_x) <= left or min(x, to_x) >= left + BOX[0]
            apart = max(y, to_y) <= top or min(y, to_y) >= top + BOX[1]
            if not beside and not apart:
                cut.append(name)
    return cut


@given(graphs())
def test_no_edge_runs_through_a_box(graph: tuple[list[str], list[tuple[str, str]]]) -> None:
    placed = placed_of(graph)
    assert [boxes_cut(placed, ends, route) for ends, route in zip(graph[1], placed.routes, strict=True)] == [
        [] for _ in graph[1]
    ]


@given(graphs())
def test_no_two_boxes_overlap(graph: tuple[list[str], list[tuple[str, str]]]) -> None:
    at = placed_of(graph).at
    for (left, top), (other_left, other_top) in combinations(at.values(), 2):
        assert top != other_top or abs(left - other_left) >= BOX[0]


@given(graphs())
def test_every_edge_leads_down(graph: tuple[list[str], list[tuple[str, str]]]) -> None:
    at = placed_of(graph).at
    assert all(at[start][1] < at[end][1] for start, end in graph[1])


@given(graphs())
def test_the_same_graph_is_placed_the_same_way(graph: tuple[list[str], list[tuple[str, str]]]) -> None:
    assert placed_of(graph) == placed_of(graph)


def test_a_circle_of_edges_is_still_drawn() -> None:
    placed = place(["a", "b", "c"], [("a", "b"), ("b", "c"), ("c", "a")], box=BOX, gap=GAP)
    assert len(placed.at) == 3


def test_no_rank_holds_more_boxes_than_its_width() -> None:
    names = [f"n{index}" for index in range(11)]
    tops = [top for _, top in place(names, [], box=BOX, gap=GAP, width=4).at.values()]
    assert max(tops.count(top) for top in tops) == 4


def test_the_lineage_joins_source_steps_tables_model_evaluation_approvals_and_decisions() -> None:
    dossier = example()
    graph = lineage(dossier.entry, dossier.run, dossier.approvals, dossier.decisions)
    assert {node.kind for node in graph.nodes} == {
        "source", "step", "table", "model", "evaluation", "approval", "decision",
    }  # fmt: skip


def test_the_lineage_follows_the_data_and_not_only_the_order() -> None:
    dossier = example()
    edges = lineage(dossier.entry, dossier.run, (), ()).edges
    assert ("part-split.test", "step-evaluation") in edges
    assert ("step-split", "step-evaluation") not in edges


def test_a_decision_hangs_on_the_approvals_it_relied_on() -> None:
    dossier = example()
    edges = lineage(dossier.entry, dossier.run, dossier.approvals, dossier.decisions).edges
    assert [start for start, end in edges if end == "decision-000000010"] == [
        "approval-000000008", "approval-000000009",
    ]  # fmt: skip


def test_a_long_chain_of_steps_is_folded_and_says_so() -> None:
    steps = [
        step(
            f"s{at}",
            [f"s{at - 1}"] if at else [],
            [table(f"t{at - 1}", 5, 2)] if at else [],
            [table(f"t{at}", 5, 2)],
        )
        for at in range(25)
    ]
    entry = run_entry(steps=steps, sources=[], evaluation=None, model_file=None)
    graph = lineage(entry, read_run(entry), (), ())
    assert [node.name for node in graph.nodes] == ["25 steps: s0 … s24"]
    assert graph.folded is not None
    assert "folded" in graph.folded


def test_a_table_that_is_all_its_step_made_is_not_drawn_beside_it() -> None:
    steps = [
        step(
            f"s{at}",
            [f"s{at - 1}"] if at else [],
            [table(f"s{at - 1}", 5, 2)] if at else [],
            [table(f"s{at}", 5, 2)],
        )
        for at in range(9)
    ]
    entry = run_entry(steps=steps, sources=[], evaluation=None, model_file=None)
    graph = lineage(entry, read_run(entry), (), ())
    assert {node.kind for node in graph.nodes} == {"step"}
    assert ("step-s0", "step-s1") in graph.edges
    assert graph.folded is not None
    assert "not drawn" in graph.folded


def test_a_graph_that_fits_is_not_folded() -> None:
    dossier = example()
    graph = lineage(dossier.entry, dossier.run, dossier.approvals, dossier.decisions)
    assert len(graph.nodes) <= MOST_NODES
    assert graph.folded is None


def test_a_drawing_escapes_what_it_names() -> None:
    svg = lineage_drawing(Graph((Node("a", "table", "<script>&", None, 1),), ()), finding="<b>")
    assert "<script>" not in svg
    assert ET.fromstring(svg).find(f"{SVG}title") is not None


def test_a_plot_states_its_finding_first() -> None:
    svg = forest([Row("white", 506, (Mark(0.71, 0.67, 0.75),))], [Panel("Rate")], finding="Rate: 0.710.")
    assert ET.fromstring(svg)[0].text == "Rate: 0.710."


def test_a_group_without_enough_data_gets_words_and_no_mark() -> None:
    svg = forest([Row("small", 9, ("not enough data",))], [Panel("Rate")], finding="none")
    assert "not enough data" in svg
    assert "<path" not in svg


def test_a_limit_is_drawn_and_named() -> None:
    rows = [Row("a", 50, (Mark(0.7, 0.6, 0.78),))]
    assert ">limit<" in forest(rows, [Panel("Ratio", limit=0.8)], finding="x")


def test_a_row_without_marks_is_a_heading() -> None:
    svg = forest(
        [Row("race x sex", None, ()), Row("a", 50, ("not enough data",))], [Panel("Rate")], finding="x"
    )
    assert "race x sex" in svg
    assert svg.count("not enough data") == 1


@given(st.floats(-2, 2), st.floats(0, 1))
def test_every_mark_lies_within_its_axis(value: float, width: float) -> None:
    svg = forest([Row("a", 1, (Mark(value, value - width, value + width),))], [Panel("x")], finding="x")
    found = [float(x) for x in re.findall(r'x[12]?="(-?[\d.]+)"', svg)]
    assert min(found) >= 0
    assert max(found) <= 658.1


@pytest.mark.parametrize("text", ["short", "a_very_long_name_of_a_table_that_will_not_fit", "張" * 40, ""])
def test_a_shortened_text_says_that_it_was(text: str) -> None:
    shown = fitted(text, 80, 9.5)
    assert shown == text or shown.endswith("…")


def test_the_same_text_gives_the_same_code() -> None:
    assert qr("mortgage@1", finding="x") == qr("mortgage@1", finding="x")
    assert qr("mortgage@1", finding="x") != qr("mortgage@2", finding="x")


def test_the_figure_and_the_table_of_a_report_call_a_figure_without_a_value_the_same() -> None:
    notes = {"race": "not known: a group that has enough rows", "sex": "not enough data: 1 of the groups"}
    ratios = {
        name: Figure("demographic_parity_ratio", None, None, None, 90, note, (), 1, "/")
        for name, note in notes.items()
    }
    found = [Attribute(name, (name,), 0, 30, 0, (), (ratio,)) for name, ratio in ratios.items()]
    svg = str(ratios_plot(found, []))
    assert "race not known; sex not enough data" in svg
    assert ">not known<" in svg
    assert [no_value(note) for note in notes.values()] == ["not known", "not enough data"]
